"""How transfer goes with the size of the target's data, and where pretraining stops paying.

All of one source, target, regime and pretraining size. Each learner is read on its own from-scratch
curve; where several presets were run, a law of their number of parameters goes through all of them.

Pretraining stops paying where D_E falls below D_F ("ossification", Hernandez et al., *Scaling Laws
for Transfer*, 2021, arXiv 2102.01293). That size is read between the measured ones on
log(D_E / D_F) over log D_F, made monotone and joined by straight lines; no law enters. Its interval
holds every size at which an interval of D_E, drawn on in the same way, holds D_F.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.finetune_law import FinetuneLaw, finetune_law
from bytetransfer.analysis.laws import SizeLaw, effective_law, hernandez_law
from bytetransfer.transfer.curve import Floats, pool_decreasing
from bytetransfer.transfer.distributions import normal_quantile
from bytetransfer.transfer.estimate import TransferEstimate

Course = Literal["pays", "stops", "starts", "costs", "mixed"]
"""D_T > 0 at every measured D_F; at the smallest and not at the largest; the other way round; at
none; alike at both ends and not in between."""

WITHOUT_INTERVALS = "no interval: the estimates have none"
_OPEN = 1e6  # log bytes: stands for an open limit, so that lines can be drawn to it


@dataclass(frozen=True, kw_only=True)
class Crossover:
    """Where D_T changes its sign.

    Attributes:
        course: which way.
        size_bytes: D_F at which D_T is 0; None where it does not change sign within the measured
            sizes, or changes it beside a cell that is only a bound.
        low: lower limit of that size; the largest measured one where pretraining `pays`
            throughout beyond doubt; None if open or without interval.
        high: upper limit, likewise.
        level: nominal coverage.
        covers: what the interval covers, or why there is none.
        cells: how many cells the answer rests on.
        left_out: how many were left out: D_F = 0, and bounds that do not tell the sign of D_T.
    """

    course: Course
    size_bytes: float | None
    low: float | None
    high: float | None
    level: float
    covers: str
    cells: int
    left_out: int


@dataclass(frozen=True, kw_only=True)
class Scaling:
    """The laws of one source, target and learner.

    Attributes:
        source: what was pretrained on.
        target: what was fine-tuned on.
        learner: learner and preset.
        regime: how long it was trained.
        pretrain_bytes: bytes of source text.
        cells: the estimates, by size.
        loss: fine-tuned loss as a law of D_F.
        effective: D_E as a law of D_F.
        hernandez: D_T as Hernandez et al. have it.
        crossover: where pretraining stops paying.
    """

    source: str
    target: str
    learner: str
    regime: str
    pretrain_bytes: int
    cells: tuple[TransferEstimate, ...]
    loss: FinetuneLaw | Unanswered
    effective: SizeLaw | Unanswered
    hernandez: SizeLaw | Unanswered
    crossover: Crossover | Unanswered


@dataclass(frozen=True, kw_only=True)
class ModelScaling:
    """Laws of D_F and parameters through all presets of a learner.

    Attributes:
        source: what was pretrained on.
        target: what was fine-tuned on.
        learners: the presets.
        regime: how long they were trained.
        pretrain_bytes: bytes of source text.
        effective: D_E as a law of D_F and N.
        hernandez: D_T as Hernandez et al. have it.
    """

    source: str
    target: str
    learners: tuple[str, ...]
    regime: str
    pretrain_bytes: int
    effective: SizeLaw | Unanswered
    hernandez: SizeLaw | Unanswered


def scaling(
    estimates: Iterable[TransferEstimate], *, level: float = 0.95, noise: float | None = None
) -> tuple[Scaling, ...]:
    """The laws of every source, target and learner, in canonical order.

    Args:
        estimates: all cells.
        level: nominal coverage of the laws' intervals.
        noise: standard error of log D_E to assume for crossovers where estimates have no interval.
    """
    series: dict[tuple[str, str, str, str, int], list[TransferEstimate]] = {}
    for row in estimates:
        key = (row.target, row.source, row.learner, row.regime, row.pretrain_bytes)
        series.setdefault(key, []).append(row)
    return tuple(
        _scaling(sorted(rows, key=lambda row: row.nominal_bytes), level, noise)
        for _, rows in sorted(series.items())
    )


def _scaling(rows: Sequence[TransferEstimate], level: float, noise: float | None) -> Scaling:
    first = rows[0]
    return Scaling(
        source=first.source,
        target=first.target,
        learner=first.learner,
        regime=first.regime,
        pretrain_bytes=first.pretrain_bytes,
        cells=tuple(rows),
        loss=finetune_law(rows, level=level),
        effective=effective_law(rows, level=level),
        hernandez=hernandez_law(rows, level=level),
        crossover=crossover(rows, level=level, noise=noise),
    )


def model_scaling(
    estimates: Iterable[TransferEstimate], parameters: Mapping[str, int], *, level: float = 0.95
) -> tuple[ModelScaling, ...]:
    """Laws through the presets of a learner, for every source and target with two or more.

    Presets of one learner have the part of their names before `/` in common; learners whose names
    have no `/` are taken for presets of one.

    Args:
        estimates: all cells.
        parameters: N by learner; learners that it lacks (the n-gram learner) are left alone.
        level: nominal coverage of the intervals.
    """
    families: dict[tuple[str, str, str, str, int], list[TransferEstimate]] = {}
    for row in estimates:
        if row.learner in parameters:
            family = row.learner.rpartition("/")[0]
            key = (row.target, row.source, family, row.regime, row.pretrain_bytes)
            families.setdefault(key, []).append(row)
    found = []
    for (target, source, _, regime, pretrain_bytes), rows in sorted(families.items()):
        learners = sorted({row.learner for row in rows}, key=lambda name: (parameters[name], name))
        if len({parameters[learner] for learner in learners}) < 2:
            continue
        found.append(
            ModelScaling(
                source=source,
                target=target,
                learners=tuple(learners),
                regime=regime,
                pretrain_bytes=pretrain_bytes,
                effective=effective_law(rows, parameters, level=level),
                hernandez=hernandez_law(rows, parameters, level=level),
            )
        )
    return tuple(found)


def crossover(
    rows: Sequence[TransferEstimate], *, level: float = 0.95, noise: float | None = None
) -> Crossover | Unanswered:
    """Where pretraining stops paying, or a bound on it.

    Args:
        rows: the cells of one source, target and learner; at least two with a known sign of D_T.
        level: nominal coverage under `noise`; where estimates have intervals, theirs holds.
        noise: standard error of log D_E to assume where they have none.
    """
    told = sorted((row for row in rows if _tells_sign(row)), key=lambda row: row.finetune_bytes)
    left_out = len(rows) - len(told)
    if len(told) < 2:
        zero_shot = any(row.finetune_bytes == 0 for row in rows)
        without = "zero-shot has no place on a scale of D_F; above it " * zero_shot
        known = "1 size" if told else "0 sizes"
        return Unanswered(f"{without}the sign of D_T is known at {known}; two are needed")
    places = np.log([row.finetune_bytes for row in told])
    gains = np.array([_gain(row) for row in told])
    limits = _limits(told, level, noise)
    starts = gains[0] <= 0 < gains[-1]
    # What starts paying is what stops costing.
    turned = -gains if starts else gains
    size = _zero(places, turned, told)
    low, high, covers = None, None, WITHOUT_INTERVALS
    if limits is not None:
        lower, upper, covers = limits
        low, high = _hull(places, *((-upper, -lower) if starts else (lower, upper)))
        if size is not None:  # gains that had to be pooled may cross beside their own limits
            low = None if low is None else min(low, size)
            high = None if high is None else max(high, size)
    course = _course(gains)
    if course == "mixed":
        size, low, high, covers = None, None, None, "no interval: D_T changes its sign and back"
    declared = told[0].interval == "none"
    return Crossover(
        course=course,
        size_bytes=size,
        low=low,
        high=high,
        level=level if declared else told[0].level,
        covers=covers,
        cells=len(told),
        left_out=left_out,
    )


def _course(gains: Floats) -> Course:
    paid = gains > 0
    if paid[0] != paid[-1]:
        return "stops" if paid[0] else "starts"
    if (paid != paid[0]).any():
        return "mixed"
    return "pays" if paid[0] else "costs"


def _tells_sign(row: TransferEstimate) -> bool:
    """Whether pretraining is known to pay or cost; by less than a byte it does neither."""
    if row.finetune_bytes == 0 or (row.status == "inside" and abs(row.transfer_bytes) < 1):
        return False
    if row.status == "above_range":
        return row.transfer_bytes > 0
    return row.status != "below_range" or row.transfer_bytes <= 0


def _gain(row: TransferEstimate) -> float:
    return math.log(row.effective_bytes / row.finetune_bytes)


def _limits(
    rows: Sequence[TransferEstimate], level: float, noise: float | None
) -> tuple[Floats, Floats, str] | None:
    """Lower and upper limits of log(D_E / D_F), and what they cover; None without."""
    if all(row.interval != "none" for row in rows):
        given = np.log([row.finetune_bytes for row in rows])
        lows = [-_OPEN if r.effective_low is None else math.log(r.effective_low) for r in rows]
        highs = [_OPEN if r.effective_high is None else math.log(r.effective_high) for r in rows]
        return np.array(lows) - given, np.array(highs) - given, rows[0].covers
    if noise is None:
        return None
    half = noise * normal_quantile((1 + level) / 2)
    gains = np.array([_gain(row) for row in rows])
    bounds = [row.status for row in rows]
    lower = np.where([bound == "below_range" for bound in bounds], -_OPEN, gains - half)
    upper = np.where([bound == "above_range" for bound in bounds], _OPEN, gains + half)
    return lower, upper, f"a declared noise of {noise:g} in log D_E"


def _zero(places: Floats, gains: Floats, rows: Sequence[TransferEstimate]) -> float | None:
    """Where falling gains reach 0; None if nowhere, or beside a bound."""
    pooled = pool_decreasing(gains)
    if not pooled[0] > 0 >= pooled[-1]:
        return None
    right = int(np.flatnonzero(pooled <= 0)[0])
    if rows[right].status != "inside" or rows[right - 1].status != "inside":
        return None
    share = pooled[right - 1] / (pooled[right - 1] - pooled[right])
    return math.exp(float(places[right - 1] + share * (places[right] - places[right - 1])))


def _hull(places: Floats, lower: Floats, upper: Floats) -> tuple[float | None, float | None]:
    """The sizes at which gains that fall from above 0 may be 0; None where open."""
    low = _first_zero(places, lower)
    high = _first_zero(-places[::-1], -upper[::-1])
    return (
        None if low is None else math.exp(low),
        None if high is None else math.exp(-high),
    )


def _first_zero(places: Floats, values: Floats) -> float | None:
    """Where a line through `values` first comes down to 0: None if it begins there."""
    reached = np.flatnonzero(values <= 0)
    if not len(reached):
        return float(places[-1])
    right = int(reached[0])
    if right == 0:
        return None
    share = values[right - 1] / (values[right - 1] - values[right])
    return float(places[right - 1] + share * (places[right] - places[right - 1]))
