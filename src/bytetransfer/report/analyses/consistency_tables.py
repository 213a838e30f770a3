"""The tables of the section on consistency."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.consistency import Consistency, Spread
from bytetransfer.analysis.equivalence import Equivalence, TargetSources
from bytetransfer.analysis.variance import Variances
from bytetransfer.report.analyses.phrases import (
    SIGNIFICANT,
    factor_text,
    group_title,
    p_text,
    percent_text,
)
from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.wording import Names
from bytetransfer.units import format_bytes

_OPEN_ROWS = 40


def variance_table(answered: Sequence[Consistency], names: Names) -> Table:
    """The parts of the variance of log D_E, and what of the last is no noise."""
    return Table(
        name="consistency-variances",
        caption="Variance of log D_E",
        columns=(
            Column("learner and D_F"),
            Column("belongs to"),
            Column("levels", numeric=True),
            Column("share", "%", numeric=True),
            Column("standard deviation of log D_E", numeric=True),
        ),
        rows=tuple(
            row
            for one in answered
            if isinstance(one.variances, Variances)
            for row in _variance_rows(one, one.variances, names)
        ),
    )


def _variance_rows(found: Consistency, parts: Variances, names: Names) -> list[tuple[Cell, ...]]:
    title = group_title(found.group, names)
    kinds = (
        ("targets", parts.targets, parts.target),
        ("sources", parts.sources, parts.source),
        ("neither", parts.cells, parts.residual),
    )
    rows: list[tuple[Cell, ...]] = [
        (
            Cell(title),
            Cell(kind),
            Cell(str(levels), levels),
            Cell(
                percent_text(part.share),
                100 * part.share,
                detail=f"{percent_text(part.share_low)}–{percent_text(part.share_high)}",
            ),
            _deviation(part.variance, part.low, part.high),
        )
        for kind, levels, part in kinds
    ]
    if (noise := found.noise) is not None:
        rows.append(
            (
                Cell(title),
                Cell("neither, without noise (at least)"),
                Cell(str(noise.cells), noise.cells),
                Cell("–"),
                _deviation(noise.beyond, noise.beyond_low, noise.beyond_high),
            )
        )
    return rows


def _deviation(variance: float, low: float, high: float) -> Cell:
    middle, first, last = (math.sqrt(one) for one in (variance, low, high))
    return Cell(f"{middle:.3g}", middle, detail=f"{first:.2g}–{last:.2g}")


def spread_table(answered: Sequence[Consistency], names: Names) -> Table:
    """D_T over the sources of each target."""
    rows = [
        (Cell(group_title(one.group, names)), *_spread_cells(spread, names))
        for one in answered
        for spread in one.spreads
    ]
    return Table(
        name="consistency-spread",
        caption=f"D_T over the sources of each target ({len(rows)})",
        columns=(
            Column("learner and D_F"),
            Column("target"),
            Column("sources", numeric=True),
            Column("D_T > 0", numeric=True),
            Column("D_T ≤ 0", numeric=True),
            Column("bounds", numeric=True),
            Column("smallest D_T > 0", "bytes", numeric=True),
            Column("largest D_T > 0", "bytes", numeric=True),
            Column("ratio", numeric=True),
            Column("standard deviation of log D_T", numeric=True),
        ),
        rows=tuple(rows),
        is_open=len(rows) <= _OPEN_ROWS,
    )


def _spread_cells(spread: Spread, names: Names) -> tuple[Cell, ...]:
    counts = (spread.sources, spread.positive, spread.not_positive, spread.bounds)
    return (
        Cell(names.language(spread.target), spread.target),
        *(Cell(str(count), count) for count in counts),
        *(
            Cell("–") if size is None else Cell(format_bytes(size), size)
            for size in (spread.smallest_bytes, spread.largest_bytes)
        ),
        *(
            Cell("–") if value is None else Cell(factor_text(value), value)
            for value in (spread.ratio, spread.deviation)
        ),
    )


def equivalence_table(answered: Sequence[Consistency], names: Names) -> Table:
    """The tests of each target, and how many sources they leave out; no rows without any test."""
    if not any(isinstance(one.answer, Equivalence) for found in answered for one in found.targets):
        answered = ()
    rows = [
        (Cell(group_title(one.group, names)), *_test_cells(target, one.factor, names))
        for one in answered
        for target in one.targets
    ]
    return Table(
        name="consistency-tests",
        caption=f"Are the sources of a target alike? ({len(rows)})",
        columns=(
            Column("learner and D_F"),
            Column("target"),
            Column("compared", numeric=True),
            Column("left out", numeric=True),
            Column("largest over smallest D_T", numeric=True),
            Column("true ratio at most", numeric=True),
            Column("corrected p, not alike", numeric=True),
            Column("corrected p, equal", numeric=True),
            Column("so the sources compared are"),
        ),
        rows=tuple(rows),
        is_open=len(rows) <= _OPEN_ROWS,
    )


def _test_cells(one: TargetSources, factor: float, names: Names) -> tuple[Cell, ...]:
    first = (
        Cell(names.language(one.target), one.target),
        Cell(str(len(one.compared)), len(one.compared)),
        Cell(str(one.left_out), one.left_out, detail=_left_out(one)),
    )
    if isinstance(one.answer, Unanswered):
        return (*first, *(Cell("–") for _ in range(4)), Cell("not compared"))
    found = one.answer
    return (
        *first,
        Cell(factor_text(found.ratio), found.ratio),
        Cell(factor_text(found.within), found.within),
        Cell(p_text(found.corrected_equivalent), found.corrected_equivalent),
        Cell(p_text(found.corrected_different), found.corrected_different),
        Cell(_verdict(found, factor)),
    )


def _left_out(one: TargetSources) -> str:
    counts = (
        (len(one.not_positive), "not surely above 0"),
        (len(one.bounds), "bounds"),
        (len(one.without_interval), "no interval"),
    )
    found = [(count, words) for count, words in counts if count]
    if len(found) == 1:  # the number stands in the cell
        return found[0][1]
    return ", ".join(f"{count} {words}" for count, words in found)


def _verdict(found: Equivalence, factor: float) -> str:
    alike = found.corrected_equivalent <= SIGNIFICANT
    different = found.corrected_different <= SIGNIFICANT
    if alike:
        return f"within a factor {factor:.15g}" + (", though different" if different else "")
    return "different" if different else "undecided"
