"""The tables of the report as data."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from bytetransfer.report.document import Cell, Column, Order, Table
from bytetransfer.report.order import MatrixOrder, family_order, matrix_order
from bytetransfer.report.view import LearnerKey, Plain, View
from bytetransfer.report.wording import (
    byte_range,
    estimated_bytes,
    flags,
    fraction_text,
    isolate,
    remarks,
    shorten,
    transfer_range,
)
from bytetransfer.transfer.estimate import Refusal, TransferEstimate
from bytetransfer.units import format_bytes, format_count, format_duration, signed_bytes

SHADES = 5
AS_IN_STUDY, BY_LIKENESS, BY_FAMILY = "as in the study", "by likeness", "by family"
_OPEN_ROWS = 40
_MATRIX_DETAILS = 10  # more targets than this, and intervals would make the matrix unreadable
_CELL_COLUMNS = (
    Column("source"),
    Column("target"),
    Column("learner"),
    Column("D_F", "bytes", numeric=True),
)


def matrices(view: View) -> tuple[Table, ...]:
    """A matrix a learner and D_F: first those the report opens on, then the folded ones."""
    chosen = {key: view.chosen_size(key) for key in view.learners}
    arrangement = _arrangement(view)
    tables = [
        _matrix(view, key, size, arrangement, is_open=size == chosen[key])
        for key in view.learners
        for size in view.sizes(key)
    ]
    return tuple(sorted(tables, key=lambda table: not table.is_open))


def choice(view: View, learner: LearnerKey, size: int) -> tuple[tuple[str, str], ...]:
    """What a matrix and a sentence are of."""
    return (("learner", view.names.learner(*learner)), ("D_F", format_bytes(size)))


def _matrix(
    view: View,
    learner: LearnerKey,
    finetune_bytes: int,
    arrangement: _Arrangement,
    *,
    is_open: bool,
) -> Table:
    """Source × target heat map of D_T at one D_F."""
    rows = view.rows_at(learner, finetune_bytes)
    largest = _largest(rows)
    cells = {(row.source, row.pretrain_bytes, row.target): row for row in rows}
    intervals = len(view.targets) <= _MATRIX_DETAILS
    sources, targets = arrangement.order
    size = format_bytes(finetune_bytes)
    return Table(
        name=f"matrix-{view.learners.index(learner)}-{finetune_bytes}",
        caption=f"D_T at D_F = {size}, {view.names.learner(*learner)}",
        columns=(
            Column("source"),
            *(Column(view.names.language(t), "bytes", numeric=True) for t in targets),
        ),
        rows=tuple(
            (
                Cell(view.names.source(*source), source[0]),
                *(
                    _matrix_cell(cells.get((*source, target)), largest, intervals=intervals)
                    for target in targets
                ),
            )
            for source in sources
        ),
        is_open=is_open,
        is_matrix=True,
        choice=choice(view, learner, finetune_bytes),
        legend=_legend(rows, largest),
        order=arrangement.name,
        orders=arrangement.others,
    )


def _largest(rows: Sequence[TransferEstimate]) -> float:
    """What the strongest colour stands for: the most of another language, if there is any.

    What a language is worth to itself would leave the others one pale colour.
    """
    others = [abs(row.transfer_bytes) for row in rows if row.source != row.target]
    return max(others, default=0.0) or max((abs(row.transfer_bytes) for row in rows), default=0.0)


class _Arrangement(NamedTuple):
    """The order that matrices stand in, what it is called, and the others a reader may choose."""

    name: str
    order: MatrixOrder
    others: tuple[Order, ...]


def _arrangement(view: View) -> _Arrangement:
    given = view.sources, view.targets
    order = matrix_order(view)
    named = {AS_IN_STUDY: given, BY_FAMILY: family_order(view)}
    others = tuple(
        Order(
            name=name,
            rows=tuple(order[0].index(source) for source in other[0]),
            columns=tuple(order[1].index(target) for target in other[1]),
        )
        for name, other in named.items()
        if other is not None and other != order
    )
    return _Arrangement(AS_IN_STUDY if order == given else BY_LIKENESS, order, others)


def _legend(rows: Sequence[TransferEstimate], largest: float) -> tuple[Cell, ...]:
    """The least |D_T| of each colour step that occurs."""
    steps = sorted({_matrix_shade(row, largest) for row in rows} - {0})
    least = {step: largest * 10 ** ((abs(step) - SHADES - 1) / 2) for step in steps}
    return tuple(Cell(signed_bytes(math.copysign(least[step], step)), shade=step) for step in steps)


def _matrix_cell(row: TransferEstimate | None, largest: float, *, intervals: bool) -> Cell:
    if row is None:
        return Cell("–")
    around = transfer_range(row)
    text = estimated_bytes(row.transfer_bytes, row)
    return Cell(
        text,
        row.transfer_bytes,
        detail="" if around == text or not intervals else around,
        ends=ends(row, row.transfer_low, row.transfer_high),
        shade=_matrix_shade(row, largest),
    )


def _matrix_shade(row: TransferEstimate, largest: float) -> int:
    """A colour says which way it goes, so there is none where the interval holds zero."""
    low, high = row.transfer_low, row.transfer_high
    bounded_away = {"above_range": -1, "below_range": 1}.get(row.status, 0) * row.transfer_bytes
    if bounded_away > 0:  # "at most" above zero, or "at least" below it, leaves both ways open
        return 0
    if row.interval != "none" and (low is None or low <= 0) and (high is None or high >= 0):
        return 0
    return shade(row.transfer_bytes, largest)


def ends(
    row: TransferEstimate, low: float | None, high: float | None
) -> tuple[float | None, float | None] | None:
    """The interval of a cell, None where there is none at all."""
    return None if row.interval == "none" else (low, high)


def shade(value: float, largest: float) -> int:
    """Colour step of a value: one step less for every factor √10 below the largest.

    >>> shade(1000, 1000), shade(-90, 1000), shade(1, 1000), shade(0, 1000), shade(9999, 1000)
    (5, -3, 1, 0, 5)
    """
    if value == 0 or largest == 0:
        return 0
    steps = math.floor(-2 * math.log10(abs(value) / largest))
    return int(math.copysign(min(SHADES, max(1, SHADES - steps)), value))


def estimate_table(view: View) -> Table:
    """Every estimate with everything it carries."""
    columns = (
        *_CELL_COLUMNS,
        Column("loss", "bits per byte", numeric=True),
        Column("D_E", "bytes", numeric=True),
        Column("D_T", "bytes", numeric=True),
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
        name="estimates",
        caption=f"All estimates ({len(rows)})",
        columns=columns,
        rows=rows,
        is_open=len(rows) <= _OPEN_ROWS,
    )


def _estimate_cells(view: View, row: TransferEstimate) -> tuple[Cell, ...]:
    effective = row.effective_low, row.effective_high
    return (
        *_cell_of(view, row),
        Cell(f"{row.bits_per_byte:.3f}", row.bits_per_byte),
        Cell(
            estimated_bytes(row.effective_bytes, row),
            row.effective_bytes,
            detail="any" if row.interval == "open" else byte_range(*effective),
            ends=ends(row, *effective),
        ),
        Cell(
            estimated_bytes(row.transfer_bytes, row),
            row.transfer_bytes,
            detail=transfer_range(row),
            ends=ends(row, row.transfer_low, row.transfer_high),
        ),
        Cell(fraction_text(row), row.transfer_fraction),
        Cell(str(row.seeds), row.seeds),
        Cell(", ".join(remarks(row))),
    )


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
    return shorten(spoken.replace("_", " ").replace("flops", "FLOPs"))
