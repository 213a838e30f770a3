"""What an adaptive study trains next: a pure function of what it has come to.

The first stage is a coarse curve around the sizes of fine-tuning. Then, on every curve by itself:

1. *sizes*: where a fine-tuned loss lies beyond the curve, the curve is extended; where it lies
   between two sizes far apart, one between them is added;
2. *seeds*: where all sizes are there, each cell whose interval is wider than asked for gets more
   seeds, and the curve with it;
3. *the end*: nothing is added where every cell is narrow, or a bound that no size can settle, or
   has all its seeds.

Sizes and seeds are those the study allows, so a run is the same run in a full grid. Decisions rest
on validation losses alone; the test split is looked at when nothing is left to decide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from bytetransfer.learners.catalog import SURFACE
from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.planning.design import (
    CellName,
    CurveDesign,
    CurveName,
    Design,
    cell_names,
    curve_names,
)
from bytetransfer.study.study import AdaptiveOptions, Study
from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer

COARSE_SPACING = 10.0
"""Neighbouring sizes of the first, coarse curve are about a decade apart."""
SPACING = 4.0
"""Sizes on either side of a cell lie within this factor, if the study allows one between them:
what intervals were simulated at (`benchmarks/coverage.py`: six sizes over three decades)."""
STRIDE = 10.0
"""A curve is extended by no more than this factor a stage: extrapolation goes no further."""

Verdict = Literal["narrow", "bound", "no more seeds", "refused", "wide", "sizes"]
"""Of a cell: its interval is as narrow as asked for; it ends where the allowed sizes end; it has
all its seeds; it has no estimate; it needs seeds; it needs sizes. The last two go on."""


@dataclass(frozen=True)
class Step:
    """What comes after a stage.

    Attributes:
        design: what is trained in all after the next stage; None if the study is settled.
        verdicts: of each cell, why it is finished or goes on.
    """

    design: Design | None
    verdicts: Mapping[tuple[CurveName, CellName], Verdict]


def first_design(study: Study) -> Design:
    """A coarse curve from the smallest D_F to beyond the largest, and every cell."""
    room = math.sqrt(_options(study).width)
    positive = [size for size in study.finetune_bytes if size] or [study.scratch_bytes[0]]
    top = max(_at_least(study.scratch_bytes, positive[-1] * room), study.scratch_bytes[1])
    bottom = min(_at_most(study.scratch_bytes, positive[0] / room), study.scratch_bytes[-2])
    inner = [size for size in study.scratch_bytes if bottom <= size <= top]
    cells = dict.fromkeys(cell_names(study), study.seeds)
    return {name: CurveDesign(_thinned(inner), cells) for name in curve_names(study)}


def next_design(study: Study, design: Design, validation: Measurements) -> Step:
    """What to train after everything in `design` has been.

    Args:
        study: with its allowed sizes, seeds and the width asked for.
        design: what has been trained.
        validation: its rows, with validation losses in place of test losses.
    """
    estimates = estimate_transfer(
        validation,
        method=study.estimate.method,
        confidence=study.estimate.level,
        resamples=study.estimate.resamples,
        seed=study.estimate.seed,
    )
    found = {
        ((row.learner, row.target), (row.source, row.nominal_bytes)): row for row in estimates.rows
    }
    verdicts: dict[tuple[CurveName, CellName], Verdict] = {}
    grown: dict[CurveName, CurveDesign] = {}
    for name, curve in design.items():
        rows = {cell: found.get((name, cell)) for cell in curve.cells}
        losses = _curve_losses(validation, name)
        grown[name], judged = _grow(curve, rows, losses, study)
        verdicts |= {(name, cell): verdict for cell, verdict in judged.items()}
    return Step(None if grown == dict(design) else grown, verdicts)


def with_surface(design: Design) -> Design:
    """The design with the surface learner beside every other: the same sizes and seeds at least.

    Its runs are what the flag `below_surface` of the others is held against.
    """
    whole = dict(design)
    for (_, target), curve in design.items():
        if (SURFACE, target) in whole:
            own = whole[SURFACE, target]
            sizes = tuple(sorted({*own.sizes, *curve.sizes}))
            cells = {cell: max(seeds, curve.cells[cell]) for cell, seeds in own.cells.items()}
            whole[SURFACE, target] = CurveDesign(sizes, cells)
    return whole


def _grow(
    curve: CurveDesign,
    rows: Mapping[CellName, TransferEstimate | None],
    losses: Mapping[int, float],
    study: Study,
) -> tuple[CurveDesign, dict[CellName, Verdict]]:
    """One curve after the next stage, and what was found of each of its cells."""
    options = _options(study)
    wanted = {
        cell: _missing_size(row, curve.sizes, losses, study.scratch_bytes, options.width)
        for cell, row in rows.items()
    }
    sizes = {*curve.sizes, *(size for size in wanted.values() if size is not None)}
    verdicts: dict[CellName, Verdict] = {}
    for cell, row in rows.items():
        if wanted[cell] is not None:
            verdicts[cell] = "sizes"
        else:
            verdicts[cell] = _verdict(row, curve.sizes, curve.cells[cell], options)
    if len(sizes) > len(curve.sizes):
        return replace(curve, sizes=tuple(sorted(sizes))), verdicts
    more = {
        cell: seeds + (_more_seeds(rows[cell], seeds, options) if verdicts[cell] == "wide" else 0)
        for cell, seeds in curve.cells.items()
    }
    return replace(curve, cells=more), verdicts


def _more_seeds(row: TransferEstimate | None, seeds: int, options: AdaptiveOptions) -> int:
    """How many seeds a wide cell is given: half of what it lacks, if width goes as 1/√seeds.

    Half, since the spread of a few seeds is not known well; and more than one at a time, since
    every look at a width is a chance to stop by luck.
    """
    low, high = (row.effective_low, row.effective_high) if row else (None, None)
    if low is None or high is None:
        return 1
    lacking = seeds * ((math.log(high / low) / math.log(options.width)) ** 2 - 1)
    return min(max(1, round(lacking / 2)), options.most_seeds - seeds)


def _verdict(
    row: TransferEstimate | None, sizes: Sequence[int], seeds: int, options: AdaptiveOptions
) -> Verdict:
    """What is to be said of a cell for which every size is there."""
    if row is None:
        return "refused"
    low, high = row.effective_low, row.effective_high
    if low is not None and high is not None and high <= options.width * low:
        return "narrow"
    margin = math.sqrt(options.width)  # half of an interval as wide as asked for, on a log scale
    beyond = row.status != "inside"
    ends_above = high is None and row.effective_bytes * margin > sizes[-1]
    ends_below = low is None and row.effective_bytes < sizes[0] * margin
    if beyond or ends_above or ends_below:
        return "bound"
    return "wide" if seeds < options.most_seeds else "no more seeds"


def _missing_size(
    row: TransferEstimate | None,
    sizes: Sequence[int],
    losses: Mapping[int, float],
    allowed: Sequence[int],
    width: float,
) -> int | None:
    """A size that a cell needs next, None if it has all that are allowed.

    Args:
        row: its estimate on validation, None where it has none.
        sizes: of the curve.
        losses: their mean log loss.
        allowed: sizes there may be, ascending.
        width: asked for; an interval needs the room of half of it on either side, since on the
            test split it will lie elsewhere.
    """
    if row is None:  # no curve to read: it rises, or is too short for its method
        return next((size for size in allowed if size not in sizes), None)
    place, room = _place(row, sizes, losses), math.sqrt(width)
    top, bottom = max(place, row.effective_high or 0) * room, place / room
    if row.effective_low is not None:
        bottom = min(place, row.effective_low) / room
    if top > sizes[-1] < allowed[-1]:
        return _at_least(allowed, min(max(top, sizes[-1] + 1), sizes[-1] * STRIDE))
    if bottom < sizes[0] > allowed[0]:
        return _at_most(allowed, max(min(bottom, sizes[0] - 1), sizes[0] / STRIDE))
    return _between(place, sizes, allowed) if row.status == "inside" else None


def _place(row: TransferEstimate, sizes: Sequence[int], losses: Mapping[int, float]) -> float:
    """D_E, beyond the curve by a straight line in log loss through the two sizes at its end.

    Curves flatten, so it falls short rather than too far. It says where to measure and is no
    estimate.
    """
    if row.status == "inside":
        return row.effective_bytes
    inner, end = sizes[-2:] if row.status == "above_range" else (sizes[1], sizes[0])
    slope = (losses[end] - losses[inner]) / math.log(end / inner)
    if slope >= 0:
        return float(end)
    log_factor = (math.log(row.bits_per_byte) - losses[end]) / slope
    limit = math.log(STRIDE)
    return end * math.exp(max(-limit, min(log_factor, limit)))


def _between(place: float, sizes: Sequence[int], allowed: Sequence[int]) -> int | None:
    """The allowed size in the middle of two sizes around `place` that are too far apart."""
    above = next((i for i, size in enumerate(sizes) if size >= place and i), len(sizes) - 1)
    low, high = sizes[above - 1], sizes[above]
    inner = [size for size in allowed if low < size < high]
    if high <= SPACING * low or not inner:
        return None
    middle = math.sqrt(low * high)
    return min(inner, key=lambda size: abs(math.log(size / middle)))


def _thinned(sizes: Sequence[int]) -> tuple[int, ...]:
    """Both ends, and between them sizes about a decade apart, from the largest down."""
    kept = [sizes[-1]]
    for size in reversed(sizes[1:-1]):
        if kept[-1] / size >= COARSE_SPACING * 0.99 and size / sizes[0] > math.sqrt(COARSE_SPACING):
            kept.append(size)
    return tuple(sorted({*kept, sizes[0]}))


def _curve_losses(validation: Measurements, name: CurveName) -> dict[int, float]:
    """Mean log loss of each size of a curve."""
    found: dict[int, list[float]] = {}
    for row in validation:
        if row.source == SCRATCH and (row.learner, row.target) == name:
            found.setdefault(row.size, []).append(math.log(row.bits_per_byte))
    return {size: math.fsum(logs) / len(logs) for size, logs in found.items()}


def _at_least(allowed: Iterable[int], size: float) -> int:
    """The smallest allowed size that is no smaller, or the largest there is."""
    known = list(allowed)
    return next((a for a in known if a >= size), known[-1])


def _at_most(allowed: Sequence[int], size: float) -> int:
    """The largest allowed size that is no larger, or the smallest there is."""
    return next((a for a in reversed(allowed) if a <= size), allowed[0])


def _options(study: Study) -> AdaptiveOptions:
    if study.adaptive is None:
        raise ValueError(f"{study.name} is not adaptive")
    return study.adaptive
