"""D_E and D_T of every fine-tuned cell, read on the from-scratch curve of the same kind.

De Souza et al., *Measuring Cross-lingual Transfer in Bytes* (2024), section 2: D_E is the number of
target bytes with which a from-scratch model reaches the fine-tuned loss, D_T = D_E − D_F.

Both arms enter with the seeds they have in common, that is the seeds of the fine-tuned cell that
every size of the curve was measured with; the point estimate uses the means of log loss over them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.arms import (
    ScratchArm,
    common_seeds,
    in_brackets,
    refuse_repeated,
    refuse_rising,
    scratch_arm,
)
from bytetransfer.transfer.curve import SIZE_ROUNDING, Floats, Inverse
from bytetransfer.transfer.interval import Interval, check_confidence, intervals
from bytetransfer.transfer.law_table import CurveLaw, Laws, curve_law
from bytetransfer.transfer.methods import Method, check_method
from bytetransfer.transfer.power_law import PowerLawCurve
from bytetransfer.transfer.replicates import (
    CurveName,
    Replication,
    means_of_replicates,
    replications,
)
from bytetransfer.transfer.resampling import Resampling
from bytetransfer.transfer.rows import cells_of, check_row, check_same_test, unused_rows
from bytetransfer.transfer.table import COLUMNS, Estimates, Refusal, TransferEstimate

__all__ = ["COLUMNS", "Estimates", "Refusal", "TransferEstimate", "estimate_transfer"]

SEEDS_AND_DOCUMENTS = "seeds and documents"
DOCUMENTS_ONLY = "documents only (one seed)"
SEEDS_ONLY = "seeds only (no document blocks)"
NO_INTERVAL = "no interval: one seed and no document blocks"
NOT_A_METHOD = "no interval: the published reading reproduces figures and estimates nothing"


def estimate_transfer(
    measurements: Measurements,
    *,
    method: Method = "monotone",
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
    extrapolate: bool = False,
) -> Estimates:
    """D_E and D_T of every fine-tuned cell.

    With L the from-scratch curve and ℓ the fine-tuned loss, D_E = L⁻¹(ℓ) (arXiv 2404.08191, §2).

    A cell is refused, with the reason, when its target has no from-scratch curve of the same
    learner and regime, when no seed is common to both arms, when the arms were tested on different
    text, or when the method refuses the curve. From-scratch rows of size 0 (untrained models) have
    no place in log bytes and are left out of the curve. Those of a learner and regime that no
    fine-tuned row of their target has are returned as `unused`: no curve mixes learners.

    Args:
        measurements: rows of both arms and, where known, their document blocks.
        method: how the curve is drawn and inverted; see `Method`.
        confidence: nominal coverage of the intervals.
        resamples: how often seeds and blocks are resampled.
        seed: fixes the resampling.
        extrapolate: whether `power_law` may look past the largest size, by a factor of ten at most;
            the status of such estimates is `extrapolated`.

    Raises:
        ValueError: for an unknown method, or a confidence that is not between 0 and 1.
        MeasurementError: for a loss that is not positive, a negative size, or a from-scratch row
            with pretraining.

    >>> scratch = [
    ...     Measurement(source=SCRATCH, target="fi", target_bytes=size, bits_per_byte=loss)
    ...     for size, loss in ((1_000, 4.0), (10_000, 2.0), (100_000, 1.0))
    ... ]
    >>> tuned = Measurement(source="et", target="fi", target_bytes=1_000, bits_per_byte=2.0)
    >>> row = estimate_transfer(Measurements([*scratch, tuned])).rows[0]
    >>> row.status, round(row.effective_bytes), round(row.transfer_bytes), row.interval
    ('inside', 10000, 9000, 'none')
    """
    check_confidence(confidence)
    check_method(method, extrapolate=extrapolate)
    for row in measurements:
        check_row(row)
    replicated = replications(measurements)
    measurements = means_of_replicates(measurements)
    resampling = Resampling(resamples=resamples, seed=seed)
    reading = _Reading(measurements, replicated, resampling, method, extrapolate, confidence)
    cells, refusals = list[_Cell](), list[Refusal]()
    for rows in cells_of(measurements):
        try:
            cells.append(reading.read(rows))
        except MeasurementError as refused:
            refusals.append(_refusal(rows, method, refused.what))
    found = zip(cells, reading.intervals(cells), strict=True)
    estimates = tuple(_row(cell, *limits, confidence) for cell, limits in found)
    laws = Laws(tuple(reading.laws()))
    return Estimates(estimates, tuple(refusals), laws, unused_rows(measurements))


@dataclass(frozen=True, eq=False)
class _Cell:
    """A fine-tuned cell and where it lies on its curve."""

    arm: ScratchArm
    runs: Sequence[Measurement]  # those with a seed of the curve's
    left_out: int
    log_losses: Floats  # of the runs
    inverse: Inverse

    @property
    def given(self) -> float:
        """D_F, averaged over seeds; not rounded: no use is worth nothing, not .3 bytes."""
        return sum(row.target_bytes for row in self.runs) / len(self.runs)

    @property
    def beside(self) -> str:
        """What is to be said of seeds that could not be paired."""
        of = f"{self.left_out} of {self.left_out + len(self.runs)} seeds"
        return f"; {of} left out: not at every size" if self.left_out else ""


class _Reading:
    """One pass over a set of measurements; keeps what the cells of one curve share."""

    def __init__(
        self,
        measurements: Measurements,
        replicated: Mapping[CurveName, Replication],
        resampling: Resampling,
        method: Method,
        extrapolate: bool,
        confidence: float,
    ) -> None:
        self.blocks, self.replicated = measurements.blocks, replicated
        self.resampling = resampling
        self.method = method
        self.extrapolate = extrapolate
        self.confidence = confidence
        self._scratch: dict[tuple[str, str, str], list[Measurement]] = {}
        for row in measurements:
            if row.source == SCRATCH and row.target_bytes > 0:
                self._scratch.setdefault(row.curve, []).append(row)
        self._paired: dict[tuple[object, ...], tuple[int, ...]] = {}
        self._arms: dict[tuple[object, ...], ScratchArm | MeasurementError] = {}

    def read(self, cell: Sequence[Measurement]) -> _Cell:
        """Where a fine-tuned cell lies on its curve.

        Raises:
            MeasurementError: with the reason, if it has no place there.
        """
        if self.method == "published" and not cell[0].target_bytes:
            raise MeasurementError("the released script leaves zero-shot rows out")
        arm = self._arm(cell)
        tuned = [row for row in cell if row.seed in arm.seeds]
        check_same_test([*tuned, *arm.all_runs])
        losses = np.log([row.bits_per_byte for row in tuned])
        inverse = arm.curve.invert(math.exp(losses.mean()))
        left_out = 0 if cell[0].curve in self.replicated else len({row.seed for row in cell})
        return _Cell(arm, tuned, max(0, left_out - len(tuned)), losses, inverse)

    def intervals(self, cells: Sequence[_Cell]) -> list[tuple[Interval | None, str]]:
        """The limits of D_E of every cell and what they cover, those of one curve together."""
        places: dict[int, list[int]] = {}
        for place, cell in enumerate(cells):
            places.setdefault(id(cell.arm), []).append(place)
        found: dict[int, tuple[Interval | None, str]] = {}
        for some in places.values():
            limits = self._intervals(cells[some[0]].arm, [cells[place] for place in some])
            found |= zip(some, limits, strict=True)
        return [found[place] for place in range(len(cells))]

    def _arm(self, cell: Sequence[Measurement]) -> ScratchArm:
        curve, asked = cell[0].curve, tuple(sorted({row.seed for row in cell}))
        rows = self._scratch.get(curve, [])
        if (curve, asked) not in self._paired:
            if len({row.size for row in rows}) < 2:
                raise MeasurementError(self._no_curve(curve))
            self._paired[curve, asked] = common_seeds(rows, asked) or asked
        seeds = self._paired[curve, asked]
        key = (*curve, seeds)
        if key not in self._arms:
            self._arms[key] = self._read(rows, seeds)
        arm = self._arms[key]
        if isinstance(arm, MeasurementError):
            raise arm
        return arm

    def _no_curve(self, curve: tuple[str, str, str]) -> str:
        """What is missing of a curve, and which others of the target there are."""
        said = "there is no from-scratch run of this target, learner and regime"
        if curve in self._scratch:
            rows = self._scratch[curve]
            said = (
                "a curve needs at least two sizes trained from scratch, there is one: "
                f"{rows[0].size} bytes{in_brackets(rows)}"
            )
        others = [
            f"{' '.join(filter(None, other[:2])) or 'none stated'}{in_brackets(rows)}"
            for other, rows in self._scratch.items()
            if other[2] == curve[2] and other != curve
        ]
        mixed = "; a curve is of one learner and regime, and from scratch there is also "
        return said + (mixed + ", ".join(others) if others else "")

    def laws(self) -> Iterator[CurveLaw]:
        """The power laws that were read, one a curve."""
        for arm in self._arms.values():
            if isinstance(arm, ScratchArm) and isinstance(arm.curve, PowerLawCurve):
                first = arm.runs[0][0]
                fitted = arm.curve.parameters(self.confidence)
                yield curve_law(first, fitted, sizes=len(arm.runs[0]), seeds=len(arm.seeds),
                                level=self.confidence)  # fmt: skip

    def _read(
        self, rows: Sequence[Measurement], seeds: Sequence[int]
    ) -> ScratchArm | MeasurementError:
        """The arm, or why there is none: all cells of a curve share the answer."""
        try:
            arm = scratch_arm(
                rows,
                seeds,
                self.blocks,
                self.resampling,
                method=self.method,
                extrapolate=self.extrapolate,
            )
            refuse_repeated(arm)
            refuse_rising(arm)
            _ = arm.reading
        except MeasurementError as refused:
            return refused
        return arm

    def _intervals(
        self, arm: ScratchArm, cells: Sequence[_Cell]
    ) -> list[tuple[Interval | None, str]]:
        if arm.reading.refit is None:
            return [(None, NOT_A_METHOD)] * len(cells)
        resampled = arm.resample_blocks([cell.runs for cell in cells], self.blocks)
        several = len(arm.seeds) > 1
        alone = SEEDS_ONLY if several else NO_INTERVAL
        if replication := self.replicated.get(arm.all_runs[0].curve):
            alone = replication.covers(len(arm.seeds))
        covers = {True: SEEDS_AND_DOCUMENTS if several else DOCUMENTS_ONLY, False: alone}
        found: dict[int, Interval] = {}
        for with_blocks in (True, False):
            some = [n for n, drawn in enumerate(resampled) if (drawn is not None) == with_blocks]
            if some and (with_blocks or several):
                known = [drawn for drawn in resampled if drawn is not None]
                losses = np.stack([cells[n].log_losses for n in some])
                blocks = np.stack(known) if with_blocks else None
                given = np.array([cells[n].given for n in some])
                limits = intervals(
                    arm.noise, losses, blocks, given=given, confidence=self.confidence
                )
                found |= zip(some, limits, strict=True)
        return [(found.get(n), covers[drawn is not None]) for n, drawn in enumerate(resampled)]


def _row(cell: _Cell, limits: Interval | None, covers: str, confidence: float) -> TransferEstimate:
    arm, tuned, inverse = cell.arm, cell.runs, cell.inverse
    first, runs = tuned[0], [*tuned, *arm.all_runs]
    read = [*tuned, *arm.runs_beside(inverse.bytes)]
    given = cell.given
    low, high = _limits(inverse, limits)
    return TransferEstimate(
        source=first.source,
        target=first.target,
        learner=first.learner,
        regime=first.regime,
        method=arm.method,
        pretrain_bytes=first.pretrain_bytes,
        finetune_bytes=round(given),
        nominal_bytes=first.size,
        status=inverse.status,
        effective_bytes=inverse.bytes,
        effective_low=low,
        effective_high=high,
        upper_open=inverse.upper_bytes is None,
        effective_upper=inverse.upper_bytes,
        transfer_bytes=inverse.bytes - given,
        transfer_low=None if low is None else low - given,
        transfer_high=None if high is None else high - given,
        transfer_fraction=1 - given / inverse.bytes,
        transfer_fraction_low=None if low is None else 1 - given / low,
        transfer_fraction_high=None if high is None else 1 - given / high,
        level=confidence,
        covers=covers + cell.beside,
        seeds=len(tuned),
        replicates=len({row.replicate for row in tuned}),
        bits_per_byte=math.exp(float(cell.log_losses.mean())),
        not_converged=_any_flag([row.not_converged for row in read]),
        below_surface=_any_flag([row.below_surface for row in read]),
        pooled=arm.curve.pooled,
        runs=tuple(sorted({key for row in runs for key in row.run.split()})),
        degrees=(limits and limits.degrees) or math.inf,
    )


def _limits(inverse: Inverse, limits: Interval | None) -> tuple[float | None, float | None]:
    """The limits of an interval, which lie around the estimate where that is a number."""
    if limits is None:
        return None, None
    low, high = limits.low, limits.high
    if inverse.status in ("inside", "extrapolated"):
        # The limits are found on a grid of sizes, finely but not to the last digit.
        low = None if low is None else min(low, inverse.bytes)
        high = None if high is None else max(high, inverse.bytes)
    elif inverse.status == "above_range":
        # Where a law may be followed further than the bound, the bound still rests on none.
        low = None if low is None else min(_snapped(low, inverse.bytes), inverse.bytes)
    else:
        high = None if high is None else _snapped(high, inverse.bytes)
    return low, high


def _snapped(limit: float, bound: float) -> float:
    """The bound, where a limit read off log sizes is it but for their last digits."""
    return bound if math.isclose(limit, bound, rel_tol=SIZE_ROUNDING) else limit


def _any_flag(flags: Sequence[bool | None]) -> bool | None:
    if any(flags):
        return True
    return None if None in flags else False


def _refusal(cell: Sequence[Measurement], method: Method, reason: str) -> Refusal:
    row = cell[0]
    return Refusal(
        source=row.source,
        target=row.target,
        learner=row.learner,
        regime=row.regime,
        method=method,
        pretrain_bytes=row.pretrain_bytes,
        finetune_bytes=row.size,
        reason=reason,
        places=tuple(row.place for row in cell if row.place),
    )
