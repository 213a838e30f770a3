"""D_E and D_T of every fine-tuned cell, read on the from-scratch curve of the same kind.

De Souza et al., *Measuring Cross-lingual Transfer in Bytes* (2024), section 2: D_E is the number of
target bytes with which a from-scratch model reaches the fine-tuned loss, D_T = D_E − D_F.

Both arms enter with the seeds they have in common, that is the seeds of the fine-tuned cell that
every size of the curve was measured with; the point estimate uses the means of log loss over them.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np

from bytetransfer.errors import MeasurementError
from bytetransfer.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.arms import ScratchArm, common_seeds, scratch_arm
from bytetransfer.transfer.curve import Floats, Inverse, Status
from bytetransfer.transfer.interval import Interval, Resampling, interval

SEEDS_AND_DOCUMENTS = "seeds and documents"
DOCUMENTS_ONLY = "documents only (one seed)"
SEEDS_ONLY = "seeds only (no document blocks)"
NO_INTERVAL = "no interval: one seed and no document blocks"

IntervalState = Literal["two_sided", "low_only", "high_only", "open", "none"]


@dataclass(frozen=True, kw_only=True)
class TransferEstimate:
    """What pretraining on `source` is worth for `target`, in bytes of target text.

    Limits are None where the interval is open on that side or where there is none; `interval`
    tells the two apart.

    Attributes:
        source: what was pretrained on.
        target: what was fine-tuned and tested on.
        learner: learner and preset.
        regime: how long it was trained.
        pretrain_bytes: bytes of source text.
        finetune_bytes: D_F, the actual bytes, averaged over seeds and rounded.
        nominal_bytes: the size that was asked for, the same in all languages; what cells of one
            size are told by.
        status: whether `effective_bytes` and what follows from it are numbers or bounds.
        effective_bytes: D_E where `inside`; an upper bound where `below_range`; a lower bound where
            `above_range`.
        effective_low: lower limit of D_E.
        effective_high: upper limit of D_E.
        upper_open: True if any larger size fits as well: above the range, or on a plateau at the
            end of the curve.
        transfer_bytes: D_T = D_E − D_F, a bound like D_E.
        transfer_low: lower limit of D_T.
        transfer_high: upper limit of D_T.
        transfer_fraction: D_T / D_E, a bound like D_E.
        transfer_fraction_low: lower limit of D_T / D_E.
        transfer_fraction_high: upper limit of D_T / D_E.
        level: nominal coverage of the interval.
        covers: what the interval covers, or why there is none.
        seeds: number of paired seeds.
        bits_per_byte: fine-tuned loss, geometric mean over the seeds.
        not_converged: True if a fine-tuned run, or a from-scratch run at the sizes on either side
            of D_E, is so; None if unknown for some.
        below_surface: the same.
        runs: keys of the contributing runs, both arms.
    """

    source: str
    target: str
    learner: str
    regime: str
    pretrain_bytes: int
    finetune_bytes: int
    nominal_bytes: int
    status: Status
    effective_bytes: float
    effective_low: float | None
    effective_high: float | None
    upper_open: bool
    transfer_bytes: float
    transfer_low: float | None
    transfer_high: float | None
    transfer_fraction: float
    transfer_fraction_low: float | None
    transfer_fraction_high: float | None
    level: float
    covers: str
    seeds: int
    bits_per_byte: float
    not_converged: bool | None
    below_surface: bool | None
    runs: tuple[str, ...]

    @property
    def interval(self) -> IntervalState:
        """Which limits there are; `none` if there is no interval at all."""
        if self.covers.startswith("no interval"):
            return "none"
        if self.effective_low is None:
            return "open" if self.effective_high is None else "high_only"
        return "low_only" if self.effective_high is None else "two_sided"


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A fine-tuned cell for which there is no estimate, and why.

    Attributes:
        source: what was pretrained on.
        target: what was fine-tuned and tested on.
        learner: learner and preset.
        regime: how long it was trained.
        pretrain_bytes: bytes of source text.
        finetune_bytes: the size of the cell, nominal where one is stated.
        reason: why there is no estimate.
    """

    source: str
    target: str
    learner: str
    regime: str
    pretrain_bytes: int
    finetune_bytes: int
    reason: str


_FIELDS = tuple(field.name for field in fields(TransferEstimate))
_FIRST = (*_FIELDS[: _FIELDS.index("level")], "interval")
COLUMNS = (*_FIRST, *_FIELDS[_FIELDS.index("level") :], "reason")
"""Columns of the written table. `status` is `inside`, `below_range`, `above_range`, or `refused`
with every number empty and the cause in `reason`; an empty limit is open unless `interval` is
`none`; `runs` are separated by spaces in CSV. The others are documented at `TransferEstimate`."""


@dataclass(frozen=True)
class Estimates:
    """All estimates of a set of measurements, and the cells without one.

    Attributes:
        rows: one per fine-tuned cell with a curve, in canonical order.
        refusals: the other cells.
    """

    rows: tuple[TransferEstimate, ...]
    refusals: tuple[Refusal, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[TransferEstimate]:
        return iter(self.rows)

    def to_rows(self) -> list[dict[str, object]]:
        """One dict of plain values per cell, keys in the order of `COLUMNS`; refusals last."""
        given = [
            {name: getattr(row, name, None) for name in COLUMNS} | {"runs": list(row.runs)}
            for row in self.rows
        ]
        stated = {"status": "refused", "interval": "none", "runs": []}
        refused = [
            {name: getattr(row, name, stated.get(name)) for name in COLUMNS}
            for row in self.refusals
        ]
        return given + refused

    def to_csv(self) -> str:
        """The table as CSV; None is an empty cell, `runs` are separated by spaces."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_cell_text(value) for value in row.values()] for row in self.to_rows())
        return out.getvalue()

    def to_json(self) -> str:
        """The table as a JSON list of objects, in the order of the rows."""
        return json.dumps(self.to_rows(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def estimate_transfer(
    measurements: Measurements, *, level: float = 0.95, replicates: int = 2000, seed: int = 0
) -> Estimates:
    """D_E and D_T of every fine-tuned cell.

    A cell is refused, with the reason, when its target has no from-scratch curve of the same
    learner and regime, when no seed is common to both arms, or when the arms were tested on
    different text. From-scratch rows of size 0 (untrained models) have no place in log bytes and
    are left out of the curve.

    Args:
        measurements: rows of both arms and, where known, their document blocks.
        level: nominal coverage of the intervals.
        replicates: how often seeds and blocks are resampled.
        seed: fixes the resampling.

    Raises:
        MeasurementError: for a loss that is not positive, or a from-scratch row with pretraining.

    >>> scratch = [
    ...     Measurement(source=SCRATCH, target="fi", target_bytes=size, bits_per_byte=loss)
    ...     for size, loss in ((1_000, 4.0), (10_000, 2.0), (100_000, 1.0))
    ... ]
    >>> tuned = Measurement(source="et", target="fi", target_bytes=1_000, bits_per_byte=2.0)
    >>> row = estimate_transfer(Measurements([*scratch, tuned])).rows[0]
    >>> row.status, round(row.effective_bytes), round(row.transfer_bytes), row.interval
    ('inside', 10000, 9000, 'none')
    """
    for row in measurements:
        _check(row)
    resampling = Resampling(replicates=replicates, seed=seed)
    reading = _Reading(measurements, resampling, level)
    rows: list[TransferEstimate] = []
    refusals: list[Refusal] = []
    for cell in _cells(measurements):
        try:
            rows.append(reading.estimate(cell))
        except MeasurementError as refused:
            refusals.append(_refusal(cell[0], refused.what))
    return Estimates(tuple(rows), tuple(refusals))


class _Reading:
    """One pass over a set of measurements; keeps what the cells of one curve share."""

    def __init__(self, measurements: Measurements, resampling: Resampling, level: float) -> None:
        self.blocks = measurements.blocks
        self.resampling = resampling
        self.level = level
        self._scratch: dict[tuple[str, str, str], list[Measurement]] = {}
        for row in measurements:
            if row.source == SCRATCH and row.target_bytes > 0:
                self._scratch.setdefault(row.curve, []).append(row)
        self._arms: dict[tuple[object, ...], ScratchArm] = {}

    def estimate(self, cell: Sequence[Measurement]) -> TransferEstimate:
        """The estimate of one fine-tuned cell.

        Raises:
            MeasurementError: with the reason, if there is none.
        """
        arm = self._arm(cell)
        tuned = [row for row in cell if row.seed in arm.seeds]
        _check_same_test([*tuned, *arm.all_runs])
        losses = np.log([row.bits_per_byte for row in tuned])
        inverse = arm.curve.invert(math.exp(losses.mean()))
        limits, covers = self._interval(arm, tuned, losses)
        return _row(arm, tuned, inverse, limits, covers, self.level)

    def _arm(self, cell: Sequence[Measurement]) -> ScratchArm:
        rows = self._scratch.get(cell[0].curve, [])
        seeds = common_seeds(rows, [row.seed for row in cell])
        key = (*cell[0].curve, seeds)
        if key not in self._arms:
            self._arms[key] = scratch_arm(rows, seeds, self.blocks, self.resampling)
        return self._arms[key]

    def _interval(
        self, arm: ScratchArm, tuned: Sequence[Measurement], losses: Floats
    ) -> tuple[Interval | None, str]:
        resampled = arm.resample_blocks(tuned, self.blocks)
        if resampled is None and len(tuned) < 2:
            return None, NO_INTERVAL
        limits = interval(arm.noise, losses, resampled, level=self.level)
        if resampled is None:
            return limits, SEEDS_ONLY
        return limits, SEEDS_AND_DOCUMENTS if len(tuned) > 1 else DOCUMENTS_ONLY


def _row(
    arm: ScratchArm,
    tuned: Sequence[Measurement],
    inverse: Inverse,
    limits: Interval | None,
    covers: str,
    level: float,
) -> TransferEstimate:
    first, runs = tuned[0], [*tuned, *arm.all_runs]
    read = [*tuned, *arm.runs_beside(inverse.bytes)]
    given = round(float(np.mean([row.target_bytes for row in tuned])))
    low, high = _limits(inverse, limits)
    return TransferEstimate(
        source=first.source,
        target=first.target,
        learner=first.learner,
        regime=first.regime,
        pretrain_bytes=first.pretrain_bytes,
        finetune_bytes=given,
        nominal_bytes=first.size,
        status=inverse.status,
        effective_bytes=inverse.bytes,
        effective_low=low,
        effective_high=high,
        upper_open=inverse.upper_bytes is None,
        transfer_bytes=inverse.bytes - given,
        transfer_low=None if low is None else low - given,
        transfer_high=None if high is None else high - given,
        transfer_fraction=1 - given / inverse.bytes,
        transfer_fraction_low=None if low is None else 1 - given / low,
        transfer_fraction_high=None if high is None else 1 - given / high,
        level=level,
        covers=covers,
        seeds=len(tuned),
        bits_per_byte=math.exp(float(np.mean(np.log([row.bits_per_byte for row in tuned])))),
        not_converged=_any_flag([row.not_converged for row in read]),
        below_surface=_any_flag([row.below_surface for row in read]),
        runs=tuple(sorted({row.run for row in runs if row.run})),
    )


def _limits(inverse: Inverse, limits: Interval | None) -> tuple[float | None, float | None]:
    """The limits of an interval, which lie around the estimate where that is a number."""
    if limits is None:
        return None, None
    low, high = limits.low, limits.high
    if inverse.status == "inside":
        # The limits are found on a grid of sizes, finely but not to the last digit.
        low = None if low is None else min(low, inverse.bytes)
        high = None if high is None else max(high, inverse.bytes)
    return low, high


def _any_flag(flags: Sequence[bool | None]) -> bool | None:
    if any(flags):
        return True
    return None if None in flags else False


def _cells(measurements: Measurements) -> list[list[Measurement]]:
    """Fine-tuned rows by cell: the seeds of one measurement."""
    cells: dict[tuple[object, ...], list[Measurement]] = {}
    for row in measurements:
        if row.source != SCRATCH:
            cells.setdefault(row.cell, []).append(row)
    return list(cells.values())


def _check(row: Measurement) -> None:
    where = f"source {row.source}, target {row.target}, {row.target_bytes} bytes, seed {row.seed}"
    if not (math.isfinite(row.bits_per_byte) and row.bits_per_byte > 0):
        raise MeasurementError(
            f"a loss of {row.bits_per_byte} bits per byte is not positive",
            where=where,
            todo="correct or delete the row",
        )
    if row.source == SCRATCH and row.pretrain_bytes:
        raise MeasurementError(
            f"a run from scratch with {row.pretrain_bytes} bytes of pretraining",
            where=where,
            todo="name its source, or set pretrain_bytes to 0",
        )


def _check_same_test(runs: Sequence[Measurement]) -> None:
    sizes = {run.test_bytes for run in runs if run.test_bytes is not None}
    if len(sizes) > 1:
        raise MeasurementError(
            f"the runs were tested on different text, of {' and '.join(map(str, sorted(sizes)))} "
            "bytes"
        )


def _refusal(row: Measurement, reason: str) -> Refusal:
    return Refusal(
        source=row.source,
        target=row.target,
        learner=row.learner,
        regime=row.regime,
        pretrain_bytes=row.pretrain_bytes,
        finetune_bytes=row.size,
        reason=reason,
    )


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return repr(value) if isinstance(value, float) else str(value)
