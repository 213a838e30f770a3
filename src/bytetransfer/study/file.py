"""Study files: TOML in, `Study` out, with one clear error for whatever is wrong."""

from __future__ import annotations

import difflib
import json
import math
import re
import tomllib
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec

from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.sources import BinarySource, FileSource, HubSource
from bytetransfer.corpus.synthetic import GENERATORS
from bytetransfer.corpus.transforms import parse_transform
from bytetransfer.errors import StudyError, UserError
from bytetransfer.learners.catalog import NumericsOptions, TransformerOptions
from bytetransfer.study.check import check_study
from bytetransfer.study.study import (
    AdaptiveOptions,
    AnalysisOptions,
    CorpusSpec,
    EstimateOptions,
    Group,
    Study,
)
from bytetransfer.units import MOST_BYTES, parse_bytes

_SIZES = ("pretrain_bytes",)
_SIZE_LISTS = ("finetune_bytes", "scratch_bytes")
_NESTED_SIZES = {
    "splits": ("validation_bytes", "test_bytes"),
    "transformer": ("most_bytes", "most_pretrain_bytes"),
}

_DOCUMENT_SIZE = "most_document_bytes"  # of whatever text is read from

_TABLES: dict[str, type] = {
    "splits": Splits,
    "transformer": TransformerOptions,
    "numerics": NumericsOptions,
    "estimate": EstimateOptions,
    "analysis": AnalysisOptions,
    "adaptive": AdaptiveOptions,
}

_DEEPEST = 8
"""Levels of lists and tables; what has a meaning needs five."""

_RENAMED = {"estimate.replicates": "resamples"}
"""Keys that have another name now, by the path they had."""

_EXAMPLES = {
    "name": 'name = "english-to-finnish"',
    "sources": 'sources = ["en", "cipher(en)", "nonsense"]',
    "targets": 'targets = ["fi"]',
    "learners": 'learners = ["ngram", "transformer/nano"]',
    "pretrain_bytes": 'pretrain_bytes = "2.5MB"',
    "finetune_bytes": 'finetune_bytes = ["10kB", "30kB", "100kB"]',
    "scratch_bytes": 'scratch_bytes = ["3kB", "10kB", "30kB", "100kB", "300kB"]',
    "seeds": "seeds = 3",
    "replicates": "replicates = 3",
    "adaptive": "adaptive = true",
    "regime": 'regime = "converged"',
    "files": 'files = "text/fi/*.txt.gz"',
    "dataset": 'dataset = "HuggingFaceFW/fineweb-2"',
    "binary": 'binary = "audio/*.wav"',
    "language": 'language = "fi"',
    "aligned": "aligned = true",
    "threads": "threads = 1",
    "corpora": 'corpora = ["en", "fi"]',
    "languages": 'languages = { no = "nb" }',
    "data_files": 'data_files = ["fi/*.parquet"]',
    "scratch_learning_rates": "scratch_learning_rates = [1e-3, 3e-3]",
    "finetune_learning_rates": "finetune_learning_rates = [1e-3, 3e-3]",
}


def read_study(path: Path) -> Study:
    """Read and check a study file.

    Raises:
        StudyError: if it is missing, no TOML, or asks for something that has no meaning.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors put a mark before UTF-8
    except FileNotFoundError:
        todo = "check its name, or make one: bytetransfer run --source en=en.txt --target fi=fi.txt"
        raise StudyError("no such study file", where=str(path), todo=todo) from None
    except UnicodeDecodeError as error:
        what = f"not UTF-8 at byte {error.start}"
        raise StudyError(what, where=str(path), todo="save it as UTF-8") from None
    except OSError as error:
        what, todo = f"cannot be read ({error.strerror})", "check its name and its permissions"
        raise StudyError(what, where=str(path), todo=todo) from None
    return parse_study(text, where=str(path))


def parse_study(text: str, *, where: str) -> Study:
    """The study a TOML text declares.

    Args:
        text: the whole file.
        where: what to call it in messages.

    Raises:
        StudyError: for the first thing that is wrong.
    """
    raw = _toml(text, where=where)
    _refuse_unknown(raw, Study, where=where, path="")
    _refuse_no_value(raw, where=where, path="")
    raw = _with_adaptive(_with_sizes(raw, where=where))
    parts: dict[str, Any] = {
        "corpora": {
            name: _corpus(entry, where=where, path=f"corpora.{name}")
            for name, entry in _table(raw.pop("corpora", {}), where=where, path="corpora").items()
        },
        "groups": {
            name: _settings(entry, Group, where=where, path=f"groups.{name}")
            for name, entry in _table(raw.pop("groups", {}), where=where, path="groups").items()
        },
    }
    for name in _TABLES.keys() & raw.keys():
        parts[name] = _settings(raw.pop(name), _TABLES[name], where=where, path=name)
    study: Study = _convert(raw, Study, where=where, path="")
    for key in ("sources", "targets"):
        parts[key] = tuple(_expression(e, where=f"{where}, {key}") for e in getattr(study, key))
    study = msgspec.structs.replace(study, **parts)
    check_study(study, where=where)
    return study


def _toml(text: str, *, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        todo = "a line reads key = value, with text in quotes and lists in brackets"
        raise StudyError(f"no valid TOML: {error}", where=where, todo=todo) from None
    except RecursionError:
        todo = "remove brackets: no list here holds lists of lists"
        raise StudyError("lists or tables nested too deep", where=where, todo=todo) from None
    except ValueError:  # of an integer of thousands of digits; Python does not read it
        what = "a number with more digits than any value has"
        raise StudyError(what, where=where, todo="write a smaller number") from None


def _expression(written: str, *, where: str) -> str:
    """The one way to write an expression, so that the same corpus has one name."""
    try:
        return str(parse_transform(written))
    except StudyError as error:
        raise StudyError(error.what, where=f"{where}, {error.where}", todo=error.todo) from None


def _with_sizes(raw: dict[str, Any], *, where: str) -> dict[str, Any]:
    """The raw study with every size as a number of bytes."""
    sized = dict(raw)
    for key in _SIZES:
        if key in raw:
            sized[key] = _size(raw[key], where=f"{where}, {key}")
    for key in _SIZE_LISTS:
        if key in raw:
            if not isinstance(raw[key], list):
                todo = f"write {_EXAMPLES[key]}"
                raise StudyError("must be a list of sizes", where=f"{where}, {key}", todo=todo)
            sized[key] = [_size(value, where=f"{where}, {key}") for value in raw[key]]
    for table, keys in _NESTED_SIZES.items():
        if isinstance(raw.get(table), dict):
            sized[table] = {
                key: _size(value, where=f"{where}, {table}.{key}") if key in keys else value
                for key, value in raw[table].items()
            }
    return sized


def _with_adaptive(raw: dict[str, Any]) -> dict[str, Any]:
    """The raw study with `adaptive = true` as the table that says nothing, `false` as none."""
    said = raw.get("adaptive")
    if not isinstance(said, bool):
        return raw
    rest = {key: value for key, value in raw.items() if key != "adaptive"}
    return rest | {"adaptive": {}} if said else rest


def _size(value: Any, *, where: str) -> int:
    try:
        return parse_bytes(value)
    except UserError as error:
        raise StudyError(error.what, where=where, todo=error.todo) from None


def _table(entry: Any, *, where: str, path: str) -> dict[str, Any]:
    if not isinstance(entry, dict):
        todo = f"write [{path}]" if "." in path or path in _TABLES else f"write [{path}.fi]"
        raise StudyError("must be a table", where=f"{where}, {path}", todo=todo)
    return entry


def _settings(entry: Any, kind: type, *, where: str, path: str) -> Any:
    """One table whose keys are the fields of `kind`."""
    entry = _table(entry, where=where, path=path)
    _refuse_unknown(entry, kind, where=where, path=path)
    if _DOCUMENT_SIZE in entry:
        most = _size(entry[_DOCUMENT_SIZE], where=f"{where}, {path}.{_DOCUMENT_SIZE}")
        entry = entry | {_DOCUMENT_SIZE: most}
    return _convert(entry, kind, where=where, path=path)


def _corpus(entry: Any, *, where: str, path: str) -> CorpusSpec:
    """One `[corpora.<name>]` table."""
    entry = dict(_table(entry, where=where, path=path))
    language = entry.pop("language", None)
    if language is not None and not isinstance(language, str):
        todo = f"write {_EXAMPLES['language']}"
        raise StudyError("must be a string", where=f"{where}, {path}.language", todo=todo)
    kinds = [key for key in ("files", "dataset", "binary", "generator") if key in entry]
    if len(kinds) != 1:
        what = " and ".join(kinds) + " exclude each other" if kinds else "no source of text"
        todo = "write one of: files, dataset, binary, generator"
        raise StudyError(what, where=f"{where}, {path}", todo=todo)
    if kinds == ["generator"]:
        return CorpusSpec(generator=_generator(entry, where=where, path=path), language=language)
    return CorpusSpec(text=_text(kinds[0], entry, where=where, path=path), language=language)


def _text(kind: str, entry: dict[str, Any], *, where: str, path: str) -> Any:
    if kind == "binary":
        entry = {"files": entry.pop("binary"), **entry}
        if "chunk_bytes" in entry:
            entry["chunk_bytes"] = _size(entry["chunk_bytes"], where=f"{where}, {path}.chunk_bytes")
    if isinstance(entry.get("files"), str):
        entry["files"] = [entry["files"]]
    if entry.get("files") == []:
        todo = f"write {_EXAMPLES[kind]}"
        raise StudyError("the list is empty", where=f"{where}, {path}.{kind}", todo=todo)
    types = {"files": FileSource, "binary": BinarySource, "dataset": HubSource}
    return _settings(entry, types[kind], where=where, path=path)


def _generator(entry: dict[str, Any], *, where: str, path: str) -> Any:
    name = entry["generator"]
    if not isinstance(name, str) or name not in GENERATORS:
        raise StudyError(
            f"no generator {name!r}" + _did_you_mean(str(name), list(GENERATORS)),
            where=f"{where}, {path}.generator",
            todo=f"choose from {', '.join(GENERATORS)}",
        )
    fields = {key: value for key, value in entry.items() if key != "generator"}
    return _settings(fields, GENERATORS[name], where=where, path=path)


def _refuse_unknown(raw: dict[str, Any], kind: type, *, where: str, path: str) -> None:
    known = [field.name for field in msgspec.structs.fields(kind)]
    for key in raw:
        if new := _RENAMED.get(_join(path, key)):
            place = f"{where}, {_join(path, key)}"
            raise StudyError(f"is called {new} now", where=place, todo=f"write {new} = ...")
        if key not in known:
            raise StudyError(
                f"unknown key{_did_you_mean(key, known)}",
                where=f"{where}, {_join(path, key)}",
                todo=f"known here: {', '.join(known)}",
            )


def _refuse_no_value(value: Any, *, where: str, path: str, depth: int = 0) -> None:
    """Refuse numbers that are none or that no column holds, and what is nested beyond meaning."""
    place = f"{where}, {path}"
    if isinstance(value, float) and not math.isfinite(value):
        raise StudyError(f"{value} is no value", where=place, todo="write a number")
    if isinstance(value, int) and abs(value) > MOST_BYTES:
        raise StudyError("beyond 2**63", where=place, todo="write a smaller number")
    if depth > _DEEPEST:
        todo = "remove brackets or dots: nothing in a study file is nested so"
        raise StudyError("nested too deep", where=place[:200], todo=todo)
    items = value.items() if isinstance(value, dict) else ()
    for key, item in items:
        _refuse_no_value(item, where=where, path=_join(path, key), depth=depth + 1)
    for item in value if isinstance(value, list) else ():
        _refuse_no_value(item, where=where, path=path, depth=depth + 1)


def _convert(raw: dict[str, Any], kind: Any, *, where: str, path: str) -> Any:
    """`msgspec.convert`, its message put in the words of a study file."""
    try:
        return msgspec.convert(raw, kind, strict=True)
    except msgspec.ValidationError as error:
        message = str(error)
    except UserError as error:  # from a settings class that checks itself
        place = f"{where}, {_join(path, error.where)}"
        raise StudyError(error.what, where=place, todo=error.todo) from None
    found = re.fullmatch(r"(.*?)(?: - at `\$\.?(.*)`)?", message, flags=re.DOTALL)
    what, inner = (found[1], found[2] or "") if found else (message, "")
    missing = re.search(r"missing required field `(\w+)`", what)
    if missing:
        inner, what = _join(inner, missing[1]), "is missing"
    else:
        what = _plain_words(what)
    todo = _what_to_write(re.sub(r"\[.*", "", inner), kind)
    raise StudyError(what, where=f"{where}, {_join(path, inner)}", todo=todo)


def _what_to_write(key: str, kind: type) -> str:
    """An example of a key's value, or the values it may have."""
    field = {field.name: field for field in msgspec.structs.fields(kind)}[key]
    if get_origin(field.type) is Literal:
        return f"choose from {', '.join(map(repr, get_args(field.type)))}"
    if kind is Group and key == "files":
        return 'write for example files = "bible/{corpus}.txt.gz"'
    if key in _EXAMPLES:
        return f"write {_EXAMPLES[key]}"
    if isinstance(field.default, (bool, int, float, str)):
        return f"write for example {key} = {json.dumps(field.default)}"
    return "leave it out to have the default"


def _plain_words(what: str) -> str:
    names = {"int": "a whole number", "str": "a string", "bool": "true or false"}
    names |= {"array": "a list", "object": "a table", "float": "a number"}

    def name(found: re.Match[str]) -> str:
        kinds = [kind for kind in found[1].split(" | ") if kind != "null"]
        return " or ".join(names.get(kind, kind) for kind in kinds)

    words = re.sub(r"`([\w |]+)`", name, what).replace("enum value", "value")
    return words[0].lower() + words[1:]


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key


def _did_you_mean(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""
