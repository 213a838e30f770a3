"""Results from whatever holds them: a table, a folder of results, a study file, a frame."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Unpack

import msgspec

from bytetransfer.corpus.typology import read_distances
from bytetransfer.errors import MeasurementError, StudyError
from bytetransfer.explain.inputs import Context, is_made
from bytetransfer.learners.catalog import parameter_counts
from bytetransfer.measurements.file import parse_frame, read_measurements
from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.published import perplexities
from bytetransfer.results.folder import TABLE
from bytetransfer.results.project import Project
from bytetransfer.results.results import Results
from bytetransfer.study.study import EstimateOptions
from bytetransfer.transfer.interval import check_confidence
from bytetransfer.transfer.methods import Method, check_method

if TYPE_CHECKING:
    import pandas as pd

_FRAME = "the frame"
_FIELDS = {"confidence_level": "level"}
_ESTIMATE = ("method", "confidence_level", "resamples", "seed", "extrapolate")


class TableOptions(TypedDict, total=False):
    """What may be said of results without a study; a study file says it itself.

    Attributes:
        method: how the from-scratch curve is drawn: `monotone` by default.
        confidence_level: nominal coverage of intervals, 0.95 by default.
        resamples: how often seeds and test documents are resampled, 2000 by default.
        seed: fixes resampling and permutations.
        extrapolate: whether `power_law` may be read past the largest size.
        close: for a target, the source that is close to it, to be held against distant ones.
        distances: a CSV of distances between languages (columns a, b, and one a measure).
        factor: sources within it are called alike, 2 by default.
        noise: standard error of log D_E to assume where estimates have no interval.
        parameters: N by learner, for laws of the model's size; those of presets are known.
    """

    method: Method
    confidence_level: float
    resamples: int
    seed: int
    extrapolate: bool
    close: Mapping[str, str]
    distances: str | Path
    factor: float
    noise: float
    parameters: Mapping[str, int]


def read_results(
    source: str | Path | pd.DataFrame,
    *,
    store: str | Path | None = None,
    **options: Unpack[TableOptions],
) -> Results:
    """Results from a table of losses, a folder of results, a study file or a DataFrame.

    A table has a row for every run, with the columns that `read_measurements` takes. A folder of
    results is the table in it, `measurements.csv` with its blocks. Of a study file, the runs that
    are done are read, and nothing is trained.

    Args:
        source: a file that ends in `.csv`, `.tsv`, `.parquet` or (a study) `.toml`; a folder; or a
            pandas DataFrame with the columns of a table.
        store: of a study: folder of corpora and runs, if not `.bytetransfer` beside the file.
        options: of a table, a folder or a frame: see `TableOptions`.

    Raises:
        MeasurementError: if there is no such table, or it states what cannot be.
        StudyError: for a study file that has no meaning or none of whose runs is done, and for
            options with a study.
        ValueError: for an unknown method, or a confidence level that is not between 0 and 1.
    """
    if (pandas := sys.modules.get("pandas")) and isinstance(source, pandas.DataFrame):
        return _of_rows(parse_frame(source, where=_FRAME), _FRAME, options)
    path = Path(source)
    if path.suffix.lower() == ".toml":
        if options:
            raise StudyError(
                f"a study states {', '.join(options)} itself",
                where=str(path),
                todo="change it in the file, under [estimate] or [analysis]",
            )
        project = Project.open(path, store=None if store is None else Path(store))
        return project.finished(project.plan())
    table = table_of(path)
    page = table.with_name(f"{table.stem}-report.html")
    found = _of_rows(read_measurements(table), str(table), options, page=page)
    return found if table == path else replace(found, note=_made_otherwise(path, found.options))


def published_results(**options: Unpack[TableOptions]) -> Results:
    """The figures that the authors of the method published.

    Args:
        options: see `TableOptions`; Portuguese is the close source of Spanish by default.
    """
    return _of_rows(perplexities(), "published", {"close": {"es": "pt"}, **options})


def table_of(path: Path) -> Path:
    """The table of losses that a path means: that of a folder, or the file itself.

    Raises:
        MeasurementError: for a folder without one.
    """
    if not path.is_dir():
        return path
    if not (path / TABLE).is_file():
        todo = "give a table of losses, a study file, or the folder of a study's results"
        raise MeasurementError(f"the folder holds no {TABLE}", where=str(path), todo=todo)
    return path / TABLE


class _Made(msgspec.Struct):
    """How a written estimate was made; a refused one has no level."""

    method: str
    level: float | None


def _made_otherwise(folder: Path, options: EstimateOptions) -> str:
    """What to say where the estimates in a folder were made in another way than is asked for."""
    path = folder / "estimates.json"
    try:
        rows = msgspec.json.decode(path.read_bytes(), type=list[_Made])
    except (OSError, msgspec.DecodeError):  # nothing to compare with
        return ""
    made = {(row.method, row.level) for row in rows if row.level is not None}
    if made <= {(options.method, options.level)}:
        return ""
    said = " and ".join(f"{method} at level {level:g}" for method, level in sorted(made))
    return (
        f"{path} was made by {said}; this is {options.method} at level {options.level:g}. "
        "Read the study file instead, or give the same options"
    )


def _of_rows(
    measurements: Measurements, where: str, options: TableOptions, *, page: Path | None = None
) -> Results:
    given = dict(options)
    if unknown := sorted(given.keys() - TableOptions.__annotations__.keys()):
        raise TypeError(f"there is no option {unknown[0]!r} of results; see TableOptions")
    estimate = {_FIELDS.get(name, name): given[name] for name in _ESTIMATE if name in given}
    how = EstimateOptions(**estimate)  # type: ignore[arg-type]
    check_method(how.method, extrapolate=how.extrapolate)
    check_confidence(how.level)
    context = _context(measurements, options)
    return Results(
        measurements=measurements,
        options=how,
        name=where,
        table=where,
        find_context=lambda: context,
        page=page,
    )


def _context(measurements: Measurements, options: TableOptions) -> Context:
    """What the analyses are told of losses alone; names of languages are their codes.

    Raises:
        MeasurementError: for a CSV of distances that cannot be read, N of a learner that the table
            does not have, or a close source or target that it does not have.
    """
    learners = dict.fromkeys(row.learner for row in measurements)
    parameters, close = options.get("parameters", {}), options.get("close", {})
    if unknown := sorted(parameters.keys() - learners.keys()):
        have = ", ".join(filter(None, learners)) or "none: add a column `learner`"
        raise MeasurementError(f"no learner is called {unknown[0]!r}", todo=f"there are {have}")
    _check_close(close, measurements)
    names = {name for row in measurements for name in (row.source, row.target)} - {SCRATCH}
    distances = options.get("distances")
    return Context(
        languages={name: name for name in sorted(names) if not is_made(name)},
        distances={} if distances is None else read_distances(Path(distances)),
        close=close,
        parameters=parameter_counts(learners) | dict(parameters),
        factor=options.get("factor", 2.0),
        noise=options.get("noise"),
    )


def _check_close(close: Mapping[str, str], measurements: Measurements) -> None:
    have = {
        "target": sorted({row.target for row in measurements}),
        "source": sorted({row.source for row in measurements} - {SCRATCH}),
    }
    for pair in close.items():
        for name, (kind, known) in zip(pair, have.items(), strict=True):
            if name not in known:
                raise MeasurementError(
                    f"no {kind} is called {name!r}",
                    where="close",
                    todo=f"write TARGET=SOURCE; the {kind}s are {', '.join(known) or 'none'}",
                )
        if pair[0] == pair[1]:
            raise MeasurementError(
                f"{pair[0]!r} is not a close source of itself",
                where="close",
                todo="name another source",
            )
