"""The two arms of a comparison, paired by seed: from-scratch runs and their document blocks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import Blocks, Measurement, name_rows
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.interval import CurveNoise
from bytetransfer.transfer.methods import Method
from bytetransfer.transfer.reading import LossCurve, Reading, read_curve
from bytetransfer.transfer.resampling import Resampling, resampled_log_losses, resampled_means
from bytetransfer.transfer.rounding import rounding_variance


@dataclass(frozen=True, eq=False)
class ScratchArm:
    """From-scratch runs of one curve that are paired by seed.

    Attributes:
        runs: one tuple per seed, one run per size in it.
        block_bytes: bytes of the test-document blocks all runs share; None without.
        block_nats: nats of those blocks; shape (seeds, sizes, blocks).
        resampling: where the weights of seeds and blocks come from.
        method: how the curve is drawn.
        extrapolate: whether it may be read past the largest size.
    """

    runs: tuple[tuple[Measurement, ...], ...]
    block_bytes: Floats | None
    block_nats: Floats | None
    resampling: Resampling
    method: Method = "monotone"
    extrapolate: bool = False

    @cached_property
    def seeds(self) -> tuple[int, ...]:
        """The paired seeds, in order."""
        return tuple(per_size[0].seed for per_size in self.runs)

    @cached_property
    def all_runs(self) -> list[Measurement]:
        """The runs of all seeds and sizes."""
        return [run for per_size in self.runs for run in per_size]

    def runs_beside(self, size_bytes: float) -> list[Measurement]:
        """The runs of the sizes on either side of one (both, where it is a measured size)."""
        places = list(enumerate(self.sizes_bytes.tolist()))
        below = [place for place, size in places if size <= size_bytes]
        above = [place for place, size in places if size >= size_bytes]
        sizes = {*below[-1:], *above[:1]}
        return [per_size[i] for per_size in self.runs for i in sorted(sizes)]

    @cached_property
    def log_losses(self) -> Floats:
        """Log of bits per byte; shape (seeds, sizes)."""
        return np.log([[run.bits_per_byte for run in per_size] for per_size in self.runs])

    @cached_property
    def sizes_bytes(self) -> Floats:
        """Actual bytes of each size, averaged over seeds; shape (sizes,)."""
        sizes = np.array([[run.target_bytes for run in per_size] for per_size in self.runs])
        return np.asarray(sizes.mean(axis=0), np.float64)

    @cached_property
    def reading(self) -> Reading:
        """Mean log loss against mean actual bytes of each size, by the arm's method.

        Raises:
            MeasurementError: if the method refuses the curve.
        """
        return read_curve(
            self.method,
            self.sizes_bytes,
            self.log_losses,
            self.document_losses,
            extrapolate=self.extrapolate,
        )

    @property
    def curve(self) -> LossCurve:
        """The curve of `reading`."""
        return self.reading.curve

    @cached_property
    def block_weights(self) -> Floats:
        """How often each block is drawn; shape (resamples, blocks)."""
        if self.block_bytes is None:
            raise ValueError("the arm has no document blocks")
        return self.resampling.block_weights(len(self.block_bytes))

    @cached_property
    def document_losses(self) -> Floats | None:
        """Seed means of log loss on resampled blocks; shape (resamples, sizes); None without."""
        if self.block_nats is None or self.block_bytes is None:
            return None
        return resampled_log_losses(self.block_weights, self.block_nats, self.block_bytes)

    @cached_property
    def noise(self) -> CurveNoise:
        """The curve with what resampling seeds and blocks does to it.

        Raises:
            ValueError: if the method has no interval.
        """
        refit = self.reading.refit
        if refit is None:
            raise ValueError(f"the method {self.method} has no interval")
        # Sizes are told apart by nominal bytes, the curve is in order of actual ones.
        order = np.argsort(self.sizes_bytes, kind="stable")
        losses, log_sizes = self.log_losses[:, order], np.log(self.sizes_bytes[order])
        rounding = rounding_variance(np.array([run.bits_per_byte for run in self.all_runs]))
        if self.document_losses is None or self.block_bytes is None:
            return CurveNoise(log_sizes, losses, self.resampling, refit=refit, rounding=rounding)
        resampled, blocks = self.document_losses[:, order], len(self.block_bytes)
        return CurveNoise(log_sizes, losses, self.resampling, resampled, blocks, refit, rounding)

    def resample_blocks(
        self, cells: Sequence[Sequence[Measurement]], blocks: Mapping[str, Blocks]
    ) -> list[Floats | None]:
        """Seed means of the fine-tuned log losses of many cells on the same resampled blocks.

        Returns:
            A cell each: shape (resamples,), or None where either arm lacks blocks.
        """
        if self.block_bytes is None:
            return [None] * len(cells)
        tables = [_known_nats(cell, blocks, self.block_bytes) for cell in cells]
        known = [table for table in tables if table is not None]
        means = iter(resampled_means(self.block_weights, known, self.block_bytes))
        return [None if table is None else next(means) for table in tables]


def scratch_arm(
    rows: Sequence[Measurement],
    seeds: Sequence[int],
    blocks: Mapping[str, Blocks],
    resampling: Resampling,
    *,
    method: Method = "monotone",
    extrapolate: bool = False,
) -> ScratchArm:
    """The runs of a curve with those `seeds` that every size was measured with.

    Args:
        rows: all from-scratch rows of one learner, regime and target.
        seeds: the seeds of the fine-tuned cell.
        blocks: nats and bytes of the test-document blocks of each run.
        resampling: where the weights of seeds and blocks come from.
        method: how the curve is drawn.
        extrapolate: whether it may be read past the largest size.

    Raises:
        MeasurementError: if there is no row, or no seed that all sizes share.
    """
    if not rows:
        raise MeasurementError("there is no from-scratch run of this target, learner and regime")
    by_size: dict[int, dict[int, Measurement]] = {}
    for row in rows:
        by_size.setdefault(row.size, {})[row.seed] = row
    common = common_seeds(rows, seeds)
    if not common:
        lacking = min(by_size, key=lambda size: len(by_size[size].keys() & set(seeds)))
        there = ", ".join(map(str, sorted(by_size[lacking])))
        raise MeasurementError(
            "no seed of the fine-tuned runs was also trained from scratch at every size: "
            f"of {lacking} bytes there are the seeds {there}"
            f"{in_brackets(by_size[lacking].values())}"
        )
    runs = tuple(tuple(by_size[size][seed] for size in sorted(by_size)) for seed in common)
    block_bytes, nats = _shared_blocks([run for row in runs for run in row], blocks)
    shaped = None if nats is None else nats.reshape(len(common), len(by_size), -1)
    return ScratchArm(runs, block_bytes, shaped, resampling, method, extrapolate)


def refuse_repeated(arm: ScratchArm) -> None:
    """Sizes asked for apart that came out alike are one size.

    Raises:
        MeasurementError: if there are such.
    """
    sizes, counts = np.unique(arm.sizes_bytes, return_counts=True)
    for size in sizes[counts > 1]:
        rows = [row for runs in arm.runs for row, own in zip(runs, arm.sizes_bytes, strict=True)
                if own == size]  # fmt: skip
        nominal = " and ".join(map(str, sorted({row.size for row in rows})))
        raise MeasurementError(
            f"from-scratch runs of the nominal sizes {nominal} bytes{in_brackets(rows)} have the "
            f"same actual size, {size:.10g} bytes: give them one nominal size and different seeds"
        )


def refuse_rising(arm: ScratchArm) -> None:
    """A curve that ends above where it begins says nothing of what more text is worth.

    Raises:
        MeasurementError: for such a curve.
    """
    order = np.argsort(arm.sizes_bytes, kind="stable")
    losses = arm.log_losses.mean(axis=0)[order]
    if losses[-1] > losses[0] and arm.method != "published":
        first, last = (math.exp(losses[i]) for i in (0, -1))
        ends = [runs[i] for runs in arm.runs for i in (order[0], order[-1])]
        raise MeasurementError(
            f"the from-scratch loss rises with size, from {first:.4g} to {last:.4g} bits per byte"
            f"{in_brackets(ends)}: nothing can be read off such a curve"
        )


def in_brackets(rows: Iterable[Measurement]) -> str:
    """Where rows stand in their file, to be put behind what is said of them; or nothing."""
    named = name_rows(rows)
    return f" ({named})" if named else ""


def common_seeds(rows: Sequence[Measurement], seeds: Sequence[int]) -> tuple[int, ...]:
    """Those of `seeds` that every size in `rows` was measured with, in order."""
    common = set(seeds)
    for size in {row.size for row in rows}:
        common &= {row.seed for row in rows if row.size == size}
    return tuple(sorted(common))


def _shared_blocks(
    runs: Sequence[Measurement], blocks: Mapping[str, Blocks]
) -> tuple[Floats | None, Floats | None]:
    first = blocks.get(runs[0].run) if runs[0].run else None
    if first is None or len(first) < 2:
        return None, None
    nats = _known_nats(runs, blocks, first[:, 1])
    return (None, None) if nats is None else (first[:, 1], nats)


def _known_nats(
    runs: Sequence[Measurement], blocks: Mapping[str, Blocks], block_bytes: Floats
) -> Floats | None:
    """Nats of the blocks of runs, shape (runs, blocks); None unless all have these blocks."""
    found = [blocks.get(run.run) if run.run else None for run in runs]
    nats = [
        table[:, 0]
        for table in found
        if table is not None and np.array_equal(table[:, 1], block_bytes)
    ]
    return np.stack(nats) if len(nats) == len(runs) else None
