"""Fine-tuned runs of several sources on one target, read on one from-scratch curve.

Runs of two sources share the target, the seeds, the permutation of the target's text, the test
documents and the curve, so what they have in common drops out of their difference. With ℓ the
fine-tuned loss, L the curve and D_E = L⁻¹(ℓ), to first order (the delta method)

    d log D_E = (d log ℓ − d log L(D_E)) / s        s = d log L / d log D at D_E

where d stands for what one seed, or one draw of documents, does to a loss.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bytetransfer.analysis.cells import Group, Unanswered
from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import SCRATCH, Blocks, Measurement, Measurements
from bytetransfer.transfer.arms import ScratchArm, common_seeds, scratch_arm
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.estimate import (
    DOCUMENTS_ONLY,
    NO_INTERVAL,
    SEEDS_AND_DOCUMENTS,
    SEEDS_ONLY,
)
from bytetransfer.transfer.interval import CurveNoise
from bytetransfer.transfer.methods import Method
from bytetransfer.transfer.replicates import REPLICATES
from bytetransfer.transfer.resampling import Resampling, resampled_means

_FLAT = 1e-4  # fall of log loss per log byte; a curve that flat cannot be read


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A number with what seeds and documents do to it, to first order.

    Attributes:
        value: its mean over seeds.
        seeds: deviation of each seed; shape (seeds,).
        blocks: deviation of each draw of documents; shape (resamples,); None without documents.
        noise: standard error by declaration; None without one.
        allowance: what interpolation may miss it by, signed.
    """

    value: float
    seeds: Floats
    blocks: Floats | None = None
    noise: float | None = None
    allowance: float = 0.0


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceTable:
    """What one learner makes of several sources for one target at one D_F.

    Attributes:
        group: learner, regime, pretraining size and nominal D_F.
        target: what all were fine-tuned on.
        losses: minus log of bits per byte, by source; `SCRATCH` is no pretraining.
        log_effective: log D_E by source, or why it is no number.
        seeds: number of seeds that all sources have, and the from-scratch curve.
        blocks: number of document blocks, 0 without.
        replicated: whether `seeds` counts replicates, each with a split and a search of its own.
        covers: what intervals cover, or why there are none.
    """

    group: Group
    target: str
    losses: Mapping[str, Reading]
    log_effective: Mapping[str, Reading | Unanswered]
    seeds: int
    blocks: int
    covers: str
    replicated: bool = False


def source_table(
    measurements: Measurements,
    group: Group,
    target: str,
    sources: Sequence[str],
    *,
    resampling: Resampling | None = None,
    method: Method = "monotone",
    noise: float | None = None,
) -> SourceTable | Unanswered:
    """Those of `sources` that were measured; `Unanswered` for fewer than two.

    Args:
        measurements: rows of both arms and, where known, their document blocks.
        group: which learner, regime, pretraining size and nominal D_F.
        target: which target.
        sources: which sources, in order; `SCRATCH` is no pretraining.
        resampling: draws of the documents.
        method: how the from-scratch curve is drawn.
        noise: standard error of log D_E to assume where there is one seed and no document.
    """
    rows = [row for row in measurements if row.curve == (group.learner, group.regime, target)]
    cells = {source: _cell(rows, group, source) for source in sources}
    cells = {source: cell for source, cell in cells.items() if cell}
    if len(cells) < 2:
        return Unanswered(f"of {', '.join(sources)} only {len(cells)} were measured")
    common = sorted(set.intersection(*({row.seed for row in c} for c in cells.values())))
    curve = [row for row in rows if row.source == SCRATCH and row.target_bytes > 0]
    seeds = common_seeds(curve, common) or tuple(common)
    if not seeds:
        return Unanswered(f"{', '.join(cells)} have no seed in common")
    cells = {name: [row for row in cell if row.seed in seeds] for name, cell in cells.items()}
    if len({row.test_bytes for cell in cells.values() for row in cell} - {None}) > 1:
        return Unanswered("the runs were tested on different text")
    resampling = resampling or Resampling()
    arm = _arm(curve, seeds, measurements.blocks, resampling, method)
    drawn, blocks = _draw(cells, measurements.blocks, resampling, arm)
    replicated = len({row.replicate for cell in cells.values() for row in cell}) > 1
    covers = REPLICATES if replicated else _covers(len(seeds), blocks, noise)
    declared = noise if covers.startswith("a declared") else None
    pairs = {name: _readings(name, cell, drawn.get(name), arm, declared)
             for name, cell in cells.items()}  # fmt: skip
    return SourceTable(
        group=group,
        target=target,
        losses={name: loss for name, (loss, _) in pairs.items()},
        log_effective={name: effective for name, (_, effective) in pairs.items()},
        seeds=len(seeds),
        blocks=blocks,
        covers=covers,
        replicated=replicated,
    )


def _cell(rows: Sequence[Measurement], group: Group, source: str) -> list[Measurement]:
    """The seeds of one source, in order; from-scratch runs have no pretraining size."""
    pretrain = 0 if source == SCRATCH else group.pretrain_bytes
    return [
        row
        for row in rows
        if (row.source, row.pretrain_bytes, row.size) == (source, pretrain, group.finetune_bytes)
    ]


def _arm(
    curve: Sequence[Measurement],
    seeds: Sequence[int],
    blocks: Mapping[str, Blocks],
    resampling: Resampling,
    method: Method,
) -> ScratchArm | Unanswered:
    """The from-scratch curve, or why D_E cannot be read on one."""
    try:
        arm = scratch_arm(curve, seeds, blocks, resampling, method=method)
        reading = arm.reading
    except MeasurementError as refused:
        return Unanswered(refused.what)
    return arm if reading.refit else Unanswered(f"the method {method} estimates nothing")


def _covers(seeds: int, blocks: int, noise: float | None) -> str:
    if seeds > 1:
        return SEEDS_AND_DOCUMENTS if blocks else SEEDS_ONLY
    if blocks:
        return DOCUMENTS_ONLY
    return NO_INTERVAL if noise is None else f"a declared noise of {noise:g} in log D_E"


def _draw(
    cells: Mapping[str, Sequence[Measurement]],
    tables: Mapping[str, Blocks],
    resampling: Resampling,
    arm: ScratchArm | Unanswered,
) -> tuple[dict[str, Floats], int]:
    """Seed means of minus log loss on the same draws of documents, centred, and their number.

    Empty unless every run, those of the curve included, has the same blocks.
    """
    found = {name: [tables.get(row.run) for row in cell] for name, cell in cells.items()}
    first = next(iter(found.values()))[0]
    if first is None or len(first) < 2:
        return {}, 0
    size = first[:, 1]
    if isinstance(arm, ScratchArm) and (
        arm.block_bytes is None or not np.array_equal(arm.block_bytes, size)
    ):
        return {}, 0
    nats: list[Floats] = []
    for cell in found.values():
        known = [table[:, 0] for table in cell
                 if table is not None and np.array_equal(table[:, 1], size)]  # fmt: skip
        if len(known) < len(cell):
            return {}, 0
        nats.append(np.stack(known))
    logs = resampled_means(resampling.block_weights(len(size)), nats, size)
    return {name: log.mean() - log for name, log in zip(found, logs, strict=True)}, len(size)


def _readings(
    name: str,
    cell: Sequence[Measurement],
    drawn: Floats | None,
    arm: ScratchArm | Unanswered,
    declared: float | None,
) -> tuple[Reading, Reading | Unanswered]:
    """Minus log loss, and log D_E."""
    logs = -np.log([row.bits_per_byte for row in cell])
    loss = Reading(value=float(logs.mean()), seeds=logs - logs.mean(), blocks=drawn)
    if name == SCRATCH:
        return _no_pretraining(cell, loss, declared)
    if isinstance(arm, Unanswered):
        return loss, Unanswered(f"D_E is unknown: {arm.reason}")
    inverse = arm.curve.invert(math.exp(-loss.value))
    if inverse.status != "inside":
        return loss, Unanswered(f"D_E of {name} is only a bound")
    place = math.log(inverse.bytes)
    fall = -float(np.interp(place, arm.noise.grid, np.gradient(arm.noise.fitted, arm.noise.grid)))
    if fall < _FLAT:
        return loss, Unanswered(f"the from-scratch curve is flat at D_E of {name}")
    seeds, blocks, allowance = _curve_deviations(arm.noise, place)
    effective = Reading(
        value=place,
        seeds=(loss.seeds + seeds) / fall,
        blocks=None if drawn is None else (drawn + blocks) / fall,
        noise=declared,
        allowance=allowance / fall,
    )
    return replace(loss, noise=None if declared is None else declared * fall), effective


def _no_pretraining(
    cell: Sequence[Measurement], loss: Reading, declared: float | None
) -> tuple[Reading, Reading | Unanswered]:
    """D_E of training from scratch is what it was given."""
    given = float(np.mean([row.target_bytes for row in cell]))
    # The declared noise is that of a distance from the curve, which this lies on.
    exact = None if declared is None else 0.0
    if given == 0:
        return replace(loss, noise=exact), Unanswered("D_F is 0 and has no logarithm")
    nothing = None if loss.blocks is None else np.zeros_like(loss.blocks)
    return replace(loss, noise=exact), Reading(
        value=math.log(given), seeds=np.zeros_like(loss.seeds), blocks=nothing, noise=exact
    )


def _curve_deviations(curve: CurveNoise, place: float) -> tuple[Floats, Floats, float]:
    """What each seed, and each draw of documents, does to the curve at a log size; allowance.

    The deviations are of log loss; shapes (seeds,) and (resamples,), the latter (1,) without
    documents.
    """
    right = int(np.clip(np.searchsorted(curve.grid, place), 1, len(curve.grid) - 1))
    left = right - 1
    share = (place - curve.grid[left]) / (curve.grid[right] - curve.grid[left])

    def at(values: Floats) -> Floats:
        return np.asarray((1 - share) * values[..., left] + share * values[..., right])

    deviations = curve.log_losses - curve.mean
    seeds = deviations @ at(curve.sensitivities) if curve.seeds > 1 else np.zeros(1)
    blocks = np.zeros(1) if curve.block_log_losses is None else at(curve.block_fits)
    return seeds, blocks, float(at(curve.allowance))
