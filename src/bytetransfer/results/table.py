"""A table of losses without a study: what the commands do with nothing but measurements.

Also how estimates and power laws are written, with or without a study.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from bytetransfer.corpus.typology import read_distances
from bytetransfer.errors import MeasurementError, StoreError
from bytetransfer.explain.inputs import Evidence, is_made
from bytetransfer.explain.sections import explain
from bytetransfer.files.disk import write_atomic
from bytetransfer.learners.catalog import parameter_counts
from bytetransfer.measurements.file import read_measurements
from bytetransfer.measurements.measurement import (
    SCRATCH,
    Measurement,
    Measurements,
    Place,
    name_places,
    name_rows,
)
from bytetransfer.report.document import Section
from bytetransfer.report.view import make_view
from bytetransfer.transfer.estimate import Estimates, estimate_transfer
from bytetransfer.transfer.law_table import Laws
from bytetransfer.transfer.methods import Method
from bytetransfer.transfer.replicates import means_of_replicates

_SHOWN_REASONS = 5


def explain_table(
    measurements: Measurements,
    analyses: Iterable[str],
    *,
    close: Mapping[str, str],
    estimates: Estimates | None = None,
    distances: Path | None = None,
    factor: float = 2.0,
    method: Method = "monotone",
    noise: float | None = None,
    parameters: Mapping[str, int] | None = None,
) -> list[Section]:
    """What some of `explain.ANALYSES` say of losses alone; names of languages are their codes.

    Args:
        measurements: all rows.
        analyses: which.
        close: for a target, the source that is close to it.
        estimates: of the measurements, where they have been made by `method` already.
        distances: a CSV of distances between languages.
        factor: sources within it are called alike.
        method: how the from-scratch curve is drawn.
        noise: standard error of log D_E to assume where there is no interval.
        parameters: N by learner; presets of our own transformer are known.

    Raises:
        MeasurementError: for a CSV of distances that cannot be read, N of a learner that the table
            does not have, or a close source or target that it does not have.
    """
    if estimates is None:
        estimates = estimate_transfer(measurements, method=method)
    learners = dict.fromkeys(row.learner for row in measurements)
    if unknown := sorted((parameters or {}).keys() - learners.keys()):
        have = ", ".join(filter(None, learners)) or "none: add a column `learner`"
        raise MeasurementError(f"no learner is called {unknown[0]!r}", todo=f"there are {have}")
    _check_close(close, measurements)
    found = {name for row in estimates for name in (row.source, row.target)}
    evidence = Evidence(
        measurements=means_of_replicates(measurements),
        estimates=estimates,
        names=make_view(measurements, estimates).names,
        languages={name: name for name in sorted(found) if not is_made(name)},
        distances={} if distances is None else read_distances(distances),
        close=close,
        parameters=parameter_counts(learners) | dict(parameters or {}),
        factor=factor,
        method=method,
        noise=noise,
    )
    return explain(evidence, analyses)


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
                    where="--close",
                    todo=f"write TARGET=SOURCE; the {kind}s are {', '.join(known) or 'none'}",
                )
        if pair[0] == pair[1]:
            raise MeasurementError(
                f"{pair[0]!r} is not a close source of itself",
                where="--close",
                todo="name another source",
            )


def estimate_file(path: Path, **options: Any) -> Estimates:
    """D_E and D_T from a table of losses, with `blocks.parquet` beside it where there is one.

    Args:
        path: the table, as `read_measurements` reads it.
        options: of `estimate_transfer`.

    Raises:
        MeasurementError: if the file cannot be read as measurements, gives no estimate at all, or
            has from-scratch rows of a learner or regime that no fine-tuned row of their target has.
    """
    estimates = estimate_transfer(read_measurements(path), **options)
    if len(estimates):
        _refuse_unused(estimates.unused, where=str(path))
        return estimates
    if not estimates.refusals:
        what = f"no row is fine-tuned: the source of all is {SCRATCH!r}"
        raise MeasurementError(what, where=str(path), todo="add rows with a source")
    reasons: dict[str, list[Place]] = {}
    for row in estimates.refusals:
        curve = ", ".join(filter(None, (row.target, row.learner, row.regime)))
        reasons.setdefault(f"{curve}: {row.reason}", []).extend(row.places)
    shown, more = list(reasons.items())[:_SHOWN_REASONS], len(reasons) - _SHOWN_REASONS
    raise MeasurementError(
        "no estimate for any target ("
        + "; ".join(f"{reason}, for {name_places(places)}" for reason, places in shown)
        + (f"; and {more} more)" if more > 0 else ")"),
        where=str(path),
        todo=f"every target needs rows with the source {SCRATCH!r}, of the same learner, regime "
        "and seeds, that its method can draw a curve through",
    )


def _refuse_unused(unused: Iterable[Measurement], *, where: str) -> None:
    """A curve of mixed learners would otherwise lose rows without a word."""
    curves: dict[tuple[str, str, str], list[Measurement]] = {}
    for row in unused:
        curves.setdefault(row.curve, []).append(row)
    if curves:
        said = [
            f"{name_rows(rows)}: from scratch, {' '.join(filter(None, (learner, regime)))}, which "
            f"no fine-tuned row of {target} is"
            for (learner, regime, target), rows in curves.items()
        ]
        if len(said) > _SHOWN_REASONS:
            said[_SHOWN_REASONS:] = [f"and {len(said) - _SHOWN_REASONS} more"]
        raise MeasurementError(
            f"one curve must be of one learner and regime ({'; '.join(said)})",
            where=where,
            todo="correct the learner, or put these rows into a table of their own",
        )


def write_table(estimates: Estimates | Laws, path: Path) -> None:
    """Write estimates or laws as the ending of the file says: `.csv`, `.json` or `.parquet`.

    Raises:
        StoreError: for another ending, or if the disk does not take it.
    """
    ending = path.suffix.lower()
    if ending not in WRITERS:
        todo = f"give a file that ends in {', '.join(WRITERS)}"
        raise StoreError("no kind of table by its name", where=str(path), todo=todo)
    write_atomic(path, WRITERS[ending](estimates))


def _parquet(table: Estimates | Laws) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table.to_rows()), out)
    return out.getvalue()


WRITERS: dict[str, Callable[[Estimates | Laws], bytes | str]] = {
    ".csv": lambda table: table.to_csv(),
    ".json": lambda table: table.to_json(),
    ".parquet": _parquet,
}
"""By the ending of the file, what is written."""
