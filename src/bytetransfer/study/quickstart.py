"""`bytetransfer run --source en=... --target fi=...`: the study file a few files stand for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.division import TRAIN, assigned_splits
from bytetransfer.corpus.prepare import one_document
from bytetransfer.corpus.shuffle import hash_documents
from bytetransfer.corpus.sources import FileSource, read_source
from bytetransfer.errors import CorpusError, StudyError
from bytetransfer.files.disk import write_atomic
from bytetransfer.learners.catalog import installed_learners
from bytetransfer.study.check import MOST_COUNTED_BYTES
from bytetransfer.study.file import parse_study
from bytetransfer.units import format_bytes

LADDER = tuple(m * 10**k for k in range(3, 12) for m in (1, 3))
"""Sizes half a decade apart, as the paper's are."""

LEAST_BYTES = 20_000

_LONGEST_NAME = 100


def write_study(
    sources: Sequence[str], targets: Sequence[str], folder: Path, learners: Sequence[str] = ()
) -> Path:
    """Write the study file that `NAME=FILES` arguments stand for; its path.

    Without `learners` it has those that are installed.

    The sizes fit the text there is, duplicates left out: the from-scratch curve reaches to what
    the smallest target can give, fine-tuning to a tenth of that.

    Raises:
        StudyError: if an argument is not of the form NAME=FILES or the study file exists already.
        CorpusError: if a file is missing or too small.
    """
    named = {name: files for name, files in (_split(argument) for argument in (*sources, *targets))}
    from_names = [_split(argument)[0] for argument in sources]
    to_names = [_split(argument)[0] for argument in targets]
    for name, files in (_split(argument) for argument in (*sources, *targets)):
        if named[name] != files:
            raise StudyError(f"{name!r} is given two different files", where="--source/--target")
    available = {name: _training_bytes(name, files, folder) for name, files in named.items()}
    study = study_text(from_names, to_names, named, available, learners or installed_learners())
    parse_study(study, where="--source/--target")  # before a file is left that says what it cannot
    path = folder / f"{_study_name(from_names, to_names)}.toml"
    if path.exists() and path.read_text(encoding="utf-8") != study:
        raise StudyError(
            "this study file exists and says something else",
            where=str(path),
            todo=f"run it with: bytetransfer run {path.name} (or move it away)",
        )
    write_atomic(path, study)
    return path


def study_text(
    sources: Sequence[str],
    targets: Sequence[str],
    files: dict[str, str],
    available: dict[str, int],
    learners: Sequence[str],
) -> str:
    """The study file for named files with so many bytes of training text each.

    >>> files, available = {"en": "e", "fi": "f"}, {"en": 10**6, "fi": 10**5}
    >>> print(study_text(["en"], ["fi"], files, available, ["ngram"]))  # doctest: +ELLIPSIS
    # Written by `bytetransfer run --source ... --target ...`; edit it as you like.
    name = "en-to-fi"
    sources = ["en"]
    targets = ["fi"]
    learners = ["ngram"]
    pretrain_bytes = "1 MB"
    finetune_bytes = ["1 kB", "3 kB", "10 kB"]
    scratch_bytes = ["1 kB", "3 kB", "10 kB", "30 kB", "100 kB"]
    seeds = 3
    ...
    """
    scratch = _ladder(min(available[name] for name in targets))
    finetune = _ladder(scratch[-1] // 10)
    pretrain = _ladder(min(available[name] for name in sources))[-1]
    # a target as its own source, whatever it is called, keeps its two parts apart
    if {files[name] for name in sources} & {files[name] for name in targets}:
        pretrain = _ladder(min(pretrain, scratch[-1] - finetune[-1]))[-1]
    lines = [
        "# Written by `bytetransfer run --source ... --target ...`; edit it as you like.",
        f"name = {json.dumps(_study_name(sources, targets))}",
        f"sources = {json.dumps(list(sources))}",
        f"targets = {json.dumps(list(targets))}",
        f"learners = {json.dumps(list(learners))}",
        f"pretrain_bytes = {json.dumps(format_bytes(pretrain))}",
        f"finetune_bytes = {json.dumps([format_bytes(size) for size in finetune[-3:]])}",
        f"scratch_bytes = {json.dumps([format_bytes(size) for size in scratch[-6:]])}",
        "seeds = 3",
    ]
    for name in dict.fromkeys((*sources, *targets)):
        lines += ["", f"[corpora.{name}]", f"files = {_toml_string(files[name])}"]
    return "\n".join(lines) + "\n"


def _ladder(most: int) -> list[int]:
    return [size for size in LADDER if size <= min(most, MOST_COUNTED_BYTES)]


def _study_name(sources: Sequence[str], targets: Sequence[str]) -> str:
    return f"{'-'.join(sources)}-to-{'-'.join(targets)}"[:_LONGEST_NAME]


def _toml_string(text: str) -> str:
    # JSON's strings are TOML's, but for \u escapes in pairs and for DEL
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007F")


def _split(argument: str) -> tuple[str, str]:
    name, found, files = argument.partition("=")
    if not found or not files or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise StudyError(
            f"{argument!r} is not of the form NAME=FILES",
            where="--source/--target",
            todo="write for example --source en='english/*.txt'",
        )
    return name, files


def _training_bytes(name: str, files: str, folder: Path) -> int:
    """About how much training text the files give, duplicates left out: what sizes fit in.

    Memory: 24 bytes a document.
    """
    hashes, lengths = [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.int64)]
    for batch in read_source(FileSource(files=(files,)), folder):
        documents = [document for document in batch if document]
        hashes.append(hash_documents(documents))
        lengths.append(np.fromiter(map(len, documents), np.int64, len(documents)))
    every, sizes = np.concatenate(hashes), np.concatenate(lengths)
    _, first = np.unique(every[:, 0], return_index=True)
    if len(first) == 1:
        raise one_document(len(sizes), int(sizes[0]), f"{name} ({files})")
    splits, total, distinct = Splits(), int(sizes.sum()), int(sizes[first].sum())
    in_training = assigned_splits(every[first], splits) == TRAIN
    usable = min(
        int(total * (1 - splits.validation_share - splits.test_share) * 0.9),
        int(sizes[first][in_training].sum()),
    )
    if usable < LEAST_BYTES:
        without = f", {format_bytes(distinct)} without duplicates," if distinct < total else ""
        raise CorpusError(
            f"{format_bytes(total)} of text{without} are too few for a study",
            where=f"{name} ({files})",
            todo=f"give it at least {format_bytes(1.3 * LEAST_BYTES)}",
        )
    return usable
