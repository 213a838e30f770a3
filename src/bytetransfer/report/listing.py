"""The tables of the report as data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.view import LearnerKey, Plain, View
from bytetransfer.report.wording import (
    bounded_bytes,
    byte_range,
    flags,
    isolate,
    remarks,
    shorten,
    transfer_range,
)
from bytetransfer.transfer.estimate import Refusal, TransferEstimate
from bytetransfer.units import format_bytes, format_count, format_duration

SHADES = 5
_MATRIX_DETAILS = 10  # more targets than this, and intervals would make the matrix unreadable
_CELL_COLUMNS = (
    Column("source"),
    Column("target"),
    Column("learner"),
    Column("D_F", "bytes", numeric=True),
)


def matrix(view: View, learner: LearnerKey, finetune_bytes: int, *, is_open: bool) -> Table:
    """Source × target heat map of D_T at one D_F."""
    rows = view.rows_at(learner, finetune_bytes)
    largest = max((abs(row.transfer_bytes) for row in rows), default=0.0)
    cells = {(row.source, row.pretrain_bytes, row.target): row for row in rows}
    intervals = len(view.targets) <= _MATRIX_DETAILS
    size = format_bytes(finetune_bytes)
    return Table(
        name=f"matrix-{view.learners.index(learner)}-{finetune_bytes}",
        caption=f"D_T at D_F = {size}, {view.names.learner(*learner)}",
        columns=(
            Column("source"),
            *(Column(view.names.language(t), "bytes", numeric=True) for t in view.targets),
        ),
        rows=tuple(
            (
                Cell(view.names.source(*source), source[0]),
                *(
                    _matrix_cell(cells.get((*source, target)), largest, intervals=intervals)
                    for target in view.targets
                ),
            )
            for source in view.sources
        ),
        is_open=is_open,
        is_matrix=True,
    )


def _matrix_cell(row: TransferEstimate | None, largest: float, *, intervals: bool) -> Cell:
    if row is None:
        return Cell("–")
    around = transfer_range(row) if intervals else ""
    text = bounded_bytes(row.transfer_bytes, row.status)
    return Cell(
        text,
        row.transfer_bytes,
        detail="" if around == text else around,
        shade=shade(row.transfer_bytes, largest),
    )


def shade(value: float, largest: float) -> int:
    """Colour step of a value: one step less for every factor √10 below the largest.

    >>> shade(1000, 1000), shade(-90, 1000), shade(1, 1000), shade(0, 1000)
    (5, -3, 1, 0)
    """
    if value == 0 or largest == 0:
        return 0
    steps = math.floor(-2 * math.log10(abs(value) / largest))
    return int(math.copysign(max(1, SHADES - steps), value))


def estimate_table(view: View) -> Table:
    """Every estimate with everything it carries."""
    columns = (
        *_CELL_COLUMNS,
        Column("loss", "bits per byte", numeric=True),
        Column("D_E", "bytes", numeric=True),
        Column("D_E interval", "bytes", numeric=True),
        Column("D_T", "bytes", numeric=True),
        Column("D_T interval", "bytes", numeric=True),
        Column("D_T / D_E", numeric=True),
        Column("seeds", numeric=True),
        Column("remarks"),
    )
    rows = tuple(
        _estimate_cells(view, row)
        for key in view.learners
        for target in view.targets
        for source in view.sources
        for row in view.rows(key, target=target, source=source)
    )
    return Table(
        name="estimates", caption=f"All estimates ({len(rows)})", columns=columns, rows=rows
    )


def _estimate_cells(view: View, row: TransferEstimate) -> tuple[Cell, ...]:
    open_ended = row.interval == "open"
    effective_range = "any" if open_ended else byte_range(row.effective_low, row.effective_high)
    return (
        *_cell_of(view, row),
        Cell(f"{row.bits_per_byte:.3f}", row.bits_per_byte),
        Cell(bounded_bytes(row.effective_bytes, row.status), row.effective_bytes),
        Cell(effective_range),
        Cell(bounded_bytes(row.transfer_bytes, row.status), row.transfer_bytes),
        Cell(transfer_range(row)),
        _fraction_cell(row),
        Cell(str(row.seeds), row.seeds),
        Cell(", ".join(remarks(row))),
    )


def _fraction_cell(row: TransferEstimate) -> Cell:
    """D_T / D_E rises with D_E, so a bound on one is a bound on the other."""
    mark = {"above_range": "≥ ", "below_range": "≤ ", "extrapolated": "~ "}.get(row.status, "")
    text = f"{round(row.transfer_fraction, 2) + 0.0:.2f}".replace("-", "−")
    return Cell(mark + text, row.transfer_fraction)


def warning_table(view: View) -> Table:
    """The estimates that carry a flag."""
    flagged = [row for row in view.estimates.rows if flags(row)]
    return Table(
        name="flags",
        caption=f"Estimates with a warning ({len(flagged)})",
        columns=(*_CELL_COLUMNS, Column("warning")),
        rows=tuple((*_cell_of(view, row), Cell(", ".join(flags(row)))) for row in flagged),
        is_open=len(flagged) <= 20,
    )


def refusal_table(view: View) -> Table:
    """What could not be estimated, and why."""
    refusals = view.estimates.refusals
    return Table(
        name="refusals",
        caption=f"Not estimated ({len(refusals)})",
        columns=(*_CELL_COLUMNS, Column("reason")),
        rows=tuple((*_cell_of(view, row), Cell(shorten(row.reason, 400))) for row in refusals),
        is_open=len(refusals) <= 20 or not view.estimates.rows,
    )


def _cell_of(view: View, row: TransferEstimate | Refusal) -> tuple[Cell, ...]:
    return (
        Cell(view.names.source(row.source, row.pretrain_bytes), row.source),
        Cell(view.names.language(row.target), row.target),
        Cell(view.names.learner(row.learner, row.regime), row.learner),
        Cell(format_bytes(row.finetune_bytes), row.finetune_bytes),
    )


def corpora_table(corpora: Mapping[str, Mapping[str, Plain]]) -> Table:
    """The statistics of every corpus; one column for every statistic that any of them has."""
    keys = list(dict.fromkeys(key for facts in corpora.values() for key in facts))
    return Table(
        name="corpora",
        caption="Corpora",
        columns=(
            Column("corpus"),
            *(Column(_spoken(key), numeric=_numeric(corpora.values(), key)) for key in keys),
        ),
        rows=tuple(
            (Cell(isolate(name), name), *(fact_cell(key, facts.get(key)) for key in keys))
            for name, facts in corpora.items()
        ),
    )


def _numeric(corpora: Iterable[Mapping[str, Plain]], key: str) -> bool:
    return any(
        isinstance(facts.get(key), (int, float)) and not isinstance(facts.get(key), bool)
        for facts in corpora
    )


def facts_table(name: str, caption: str, facts: Mapping[str, Plain]) -> Table:
    """Two columns: what, and how much."""
    return Table(
        name=name,
        caption=caption,
        columns=(Column("what"), Column("value")),
        rows=tuple(
            (Cell(_spoken(key), key), fact_cell(key, value)) for key, value in facts.items()
        ),
    )


def fact_cell(key: str, value: Plain) -> Cell:
    """A value shown by the unit its name ends in.

    >>> fact_cell("train_bytes", 2_500_000).text, fact_cell("documents", 31102).text
    ('2.5 MB', '31,102')
    """
    if value is None:
        return Cell("–")
    if isinstance(value, (bool, str)):
        return Cell(shorten(str(value), 80), str(value))
    unit = key.rsplit("_", 1)[-1].lower()
    if unit == "bytes":
        return Cell(format_bytes(value), value)
    if unit == "seconds":
        return Cell(format_duration(value), value)
    if unit == "flops":
        return Cell(format_count(value), value)
    return Cell(f"{value:,}" if isinstance(value, int) else f"{value:.4g}", value)


def _spoken(key: str) -> str:
    spoken = f"{key.removesuffix('_seconds')} time" if key.endswith("_seconds") else key
    return shorten(spoken.replace("_", " "))
