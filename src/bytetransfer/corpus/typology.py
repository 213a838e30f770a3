"""Distances between languages from a typological database, or from a table someone made.

The database is URIEL (Littell et al., *URIEL and lang2vec*, EACL 2017) as the package `urielplus`
ships it (Khan et al., *URIEL+*, COLING 2025): WALS, SSWL and Ethnologue for syntax and phonology,
PHOIBLE for inventories, family trees, and distances to fixed points on the globe. It is read
offline, from the package's own files, which are not changed. A distance is that of the package,
with u and v the features that are known of both languages (1 if any source has the feature):

    (2 / π) · arccos( u·v / (|u| |v|) )

which lies in [0, 1]. Geographic distance is of this kind too, not in kilometres.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module, metadata, resources
from itertools import permutations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.language_codes import three_letter_code
from bytetransfer.errors import MeasurementError, MissingExtraError

_KINDS = {
    "syntactic": ("features.npz", "S_"),
    "phonological": ("features.npz", "P_"),
    "inventory": ("features.npz", "INV_"),
    "featural": ("features.npz", ""),
    "genetic": ("family_features.npz", ""),
    "geographic": ("geocoord_features.npz", ""),
}
KINDS = tuple(_KINDS)
"""What languages are compared by; `featural` is syntax, phonology and inventory together."""

_UNKNOWN = -1  # how the database writes that nothing is known
_LEAST = 1e-100  # squares of distances must be numbers
_NO_VALUE = {"", "na", "nan"}


@dataclass(frozen=True, kw_only=True)
class Typology:
    """Distances by kind, and what there are none of.

    Attributes:
        values: distance in [0, 1] by kind and pair of names, both orders.
        missing: why a kind has no distance for a name, by kind and name; the rest are known.
        unshared: pairs of names without a feature that is known of both, by kind; each once.
        database: which one, and its version.
    """

    values: Mapping[str, Mapping[tuple[str, str], float]]
    missing: Mapping[str, Mapping[str, str]]
    unshared: Mapping[str, tuple[tuple[str, str], ...]]
    database: str


def typological_distances(codes: Mapping[str, str], kinds: Iterable[str] = KINDS) -> Typology:
    """Distances between languages by each kind.

    Args:
        codes: language code by the name that is used for it: ISO 639-1 (`fi`) or 639-3 (`fin`),
            with or without subtags (`zh-Hans`), which are ignored. A name that is no language
            may stand for its own code; it is then among the missing.
        kinds: some of `KINDS`.

    Raises:
        MissingExtraError: if the package `urielplus` is not installed.
        MeasurementError: for a kind there is not.
    """
    kinds = tuple(kinds)
    if unknown := sorted(set(kinds) - set(KINDS)):
        raise MeasurementError(
            f"no typological distance is called {unknown[0]!r}", todo=f"use {', '.join(KINDS)}"
        )
    asked = frozenset(filter(None, map(three_letter_code, codes.values())))
    tables = {file: _table(file, asked) for file in sorted({_KINDS[kind][0] for kind in kinds})}
    values: dict[str, dict[tuple[str, str], float]] = {}
    missing: dict[str, dict[str, str]] = {}
    unshared: dict[str, tuple[tuple[str, str], ...]] = {}
    for kind in kinds:
        file, prefix = _KINDS[kind]
        features, missing[kind] = _features(tables[file], prefix, codes, kind)
        found = {(a, b): _angular(features[a], features[b]) for a, b in permutations(features, 2)}
        values[kind] = {pair: distance for pair, distance in found.items() if distance is not None}
        without = (tuple(sorted(pair)) for pair, distance in found.items() if distance is None)
        unshared[kind] = tuple(sorted({(a, b) for a, b in without}))
    database = f"URIEL as shipped with urielplus {metadata.version('urielplus')}"
    return Typology(values=values, missing=missing, unshared=unshared, database=database)


@dataclass(frozen=True)
class _Table:
    """A part of the database: `known` is -1 or a value, shape (languages, features)."""

    places: Mapping[str, int]
    names: NDArray[np.str_]
    known: NDArray[np.float64]


def _table(file: str, languages: Collection[str]) -> _Table:
    """What one file says of some languages, as far as it has them; it has thousands."""
    try:
        import_module("urielplus")
    except ImportError:
        raise MissingExtraError("urielplus", extra="analysis") from None
    shipped = resources.files("urielplus") / "database" / "original_uriel" / file
    with resources.as_file(shipped) as path, np.load(path) as read:
        rows = {str(code): row for row, code in enumerate(read["langs"]) if code in languages}
        # -1 is less than any value, so the largest over the sources is the union of what is known.
        known = read["data"][list(rows.values())].max(axis=2).astype(np.float64)
        return _Table({code: place for place, code in enumerate(rows)}, read["feats"], known)


def _features(
    table: _Table, prefix: str, codes: Mapping[str, str], kind: str
) -> tuple[dict[str, NDArray[np.float64]], dict[str, str]]:
    """Features by name, -1 where unknown; and why a name has none."""
    chosen = np.char.startswith(table.names, prefix)
    found: dict[str, NDArray[np.float64]] = {}
    missing: dict[str, str] = {}
    for name, code in codes.items():
        language = three_letter_code(code)
        place = table.places.get(language or "")
        if language is None:
            missing[name] = f"{code!r} is not a language code"
        elif place is None:
            missing[name] = f"the database does not know the language code {code!r}"
        elif (features := table.known[place, chosen]).max() == _UNKNOWN:
            missing[name] = f"the database has no {kind} features of {code!r}"
        elif kind == "genetic" and not features.any():
            # Isolates, made languages, and some (Nynorsk, Quechua) that nobody filled in.
            missing[name] = f"the database puts {code!r} in no family"
        else:
            found[name] = features
    return found, missing


def _angular(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """2 / π times the angle between what is known of both; None if nothing is."""
    shared = (one != _UNKNOWN) & (other != _UNKNOWN)
    if not shared.any():
        return None
    vectors = [features[shared] for features in (one, other)]
    # The package gives a language without any of the features a little of each.
    u, v = (vector if vector.any() else np.ones(len(vector)) for vector in vectors)
    cosine = float(u @ v / math.sqrt((u @ u) * (v @ v)))
    return 2 * math.acos(min(1.0, max(-1.0, cosine))) / math.pi


def read_distances(path: str | Path) -> dict[str, dict[tuple[str, str], float]]:
    """Distances from a CSV file; see `parse_distances`. A matrix is named after the file.

    Raises:
        MeasurementError: if the file cannot be read, or is no such table.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        what = error.strerror or "cannot be read"
        raise MeasurementError(what.lower(), where=str(path), todo="check its name") from None
    except UnicodeDecodeError as error:
        what = f"not UTF-8 at byte {error.start}"
        raise MeasurementError(what, where=str(path), todo="save it as UTF-8") from None
    return parse_distances(text, where=str(path), measure=path.stem)


def parse_distances(
    text: str, *, where: str, measure: str = "distance"
) -> dict[str, dict[tuple[str, str], float]]:
    r"""Distances from CSV, by measure and pair of names.

    Either a list, whose first columns are called `a,b` or `source,target` and whose other columns
    are measures; or a matrix, whose first row and first column are names. Matrices need not be
    symmetric: rows are sources, columns are targets. Empty cells (and `NA`) are missing values. A
    pair that is given in one order only counts for both.

    Args:
        text: the file's content.
        where: its name, for messages.
        measure: the name of a matrix.

    Raises:
        MeasurementError: with file and line, for the first cell that is no distance.

    >>> parse_distances("a,b,syntax\nes,pt,.1\nes,fi,.7\npt,fi,", where="my.csv")
    {'syntax': {('es', 'pt'): 0.1, ('es', 'fi'): 0.7, ('pt', 'es'): 0.1, ('fi', 'es'): 0.7}}
    >>> parse_distances(",es,pt\nes,0,.1\npt,.2,0", where="my.csv", measure="heard")
    {'heard': {('es', 'pt'): 0.1, ('pt', 'es'): 0.2}}
    """
    lines = _lines(text, where)
    head = next(lines, None)
    if head is None or len(head[1]) < 2:
        raise MeasurementError(
            "no table of distances", where=where, todo="begin with a,b and the names of measures"
        )
    names = head[1]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise MeasurementError(f"two columns are called {min(repeated)!r}", where=head[0])
    if tuple(name.lower() for name in names[:2]) in {("a", "b"), ("source", "target")}:
        cells = _listed(lines, names)
        found: dict[str, dict[tuple[str, str], float]] = {name: {} for name in names[2:]}
    else:
        cells = _arrayed(lines, names, measure)
        found = {measure: {}}
    for line, column, pair, value in cells:
        _add(found[column], pair, _number(value, f"{line}, column {column!r}"), line)
    if not any(found.values()):
        raise MeasurementError("no distance of two different languages", where=where)
    return {name: _both_ways(distances) for name, distances in found.items()}


_Cells = Iterator[tuple[str, str, tuple[str, str], str]]  # line, column, pair, what stands there


def _lines(text: str, where: str) -> Iterator[tuple[str, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    width = 0
    try:
        for line in reader:
            row, at = [cell.strip() for cell in line], f"{where}, line {reader.line_num}"
            if not any(row):
                continue
            width = width or len(row)
            if len(row) != width:
                what = f"{len(row)} cells, where the first line has {width}"
                raise MeasurementError(what, where=at)
            yield at, row
    except csv.Error as error:
        at = f"{where}, line {reader.line_num}"
        raise MeasurementError(f"no CSV: {error}", where=at) from None


def _listed(lines: Iterable[tuple[str, list[str]]], names: list[str]) -> _Cells:
    for line, (a, b, *values) in lines:
        if not (a and b):
            raise MeasurementError("a pair needs two names", where=line)
        for column, value in zip(names[2:], values, strict=True):
            yield line, column, (a, b), value


def _arrayed(lines: Iterable[tuple[str, list[str]]], names: list[str], measure: str) -> _Cells:
    for line, (source, *values) in lines:
        for target, value in zip(names[1:], values, strict=True):
            yield line, measure, (source, target), value


def _number(text: str, where: str) -> float | None:
    if text.lower() in _NO_VALUE:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise MeasurementError(
            f"{text!r} is not a distance",
            where=where,
            todo="write a number from 0 up, or nothing where there is none",
        )
    if value and not _LEAST <= value <= 1 / _LEAST:
        raise MeasurementError(
            f"{text!r} is too large or too small to compute with",
            where=where,
            todo=f"give distances in another unit: 0, or {_LEAST:g} to {1 / _LEAST:g}",
        )
    return value


def _add(
    distances: dict[tuple[str, str], float], pair: tuple[str, str], value: float | None, line: str
) -> None:
    if value is None or pair[0] == pair[1]:
        return
    if distances.setdefault(pair, value) != value:
        what = f"{pair[0]} and {pair[1]} have two distances, {distances[pair]:g} and {value:g}"
        raise MeasurementError(what, where=line, todo="delete one")


def _both_ways(distances: dict[tuple[str, str], float]) -> dict[tuple[str, str], float]:
    return distances | {
        (b, a): value for (a, b), value in distances.items() if (b, a) not in distances
    }
