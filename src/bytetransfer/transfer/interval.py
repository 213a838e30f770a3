"""Intervals of D_E: the sizes whose from-scratch loss the fine-tuned loss does not contradict.

A size D is kept when the gap between the fine-tuned log loss and the curve at D is no larger than
its noise allows (a test inverted, after Fieller, *J. R. Stat. Soc. B* 16, 1954). Nothing has to be
read off beyond the curve, so censored estimates get one-sided intervals by the same rule. The
variance of the gap at D has two parts:

* between seeds: from-scratch and fine-tuned runs have variances pooled in groups of their own, and
  how far they go together by seed is one number, pooled over the cells of the curve (`pairing.py`);
* test documents: the same fixed blocks resampled for all arms, curve refitted.

Degrees of freedom are combined after Satterthwaite. An allowance for interpolation, zero at the
measured sizes, is added (`interpolation.py`). `benchmarks/coverage.py` measures how often such
intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from bytetransfer.transfer.curve import Floats, fit_log_losses
from bytetransfer.transfer.distributions import t_quantile
from bytetransfer.transfer.interpolation import bend_allowance, bend_sides
from bytetransfer.transfer.pairing import seed_variance
from bytetransfer.transfer.resampling import Resampling

POINTS_BETWEEN_SIZES = 16

Fit = Callable[[Floats, Floats, Floats], Floats]
"""Log sizes (sizes,), log losses (curves, sizes) and log sizes to read at (points,) -> log losses
(curves, points): many curves at once, as `fit_log_losses`."""


Allowance = Callable[[Floats, Floats, Floats], Floats]
"""Log sizes (sizes,), mean log losses (sizes,) and log sizes to read at (points,) -> by how much a
curve may miss the truth between its sizes, signed (points,)."""


@dataclass(frozen=True, kw_only=True)
class Refit:
    """How a method redraws its curve, and by how much that may miss the truth between sizes.

    Attributes:
        fit: the curve through changed losses.
        allowance: what it may miss between sizes, signed; None where nothing is allowed for.
        sides: how far the truth may lie below and above, shape (2, points); None where that is the
            allowance on both sides.
        reach: how far past the largest size the curve may be read, as a factor of bytes.
    """

    fit: Fit = fit_log_losses
    allowance: Allowance | None = bend_allowance
    sides: Allowance | None = bend_sides
    reach: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Limits of D_E in bytes.

    Attributes:
        low: lower limit, None if open: no measured size is too small.
        high: upper limit, None if open: no measured size is too large.
        degrees: of freedom of its noise, where the gap is smallest; None if not known.
    """

    low: float | None
    high: float | None
    degrees: float | None = None


@dataclass(frozen=True, eq=False)
class CurveNoise:
    """A from-scratch curve with its noise, evaluated at a grid of sizes; shared by its cells.

    Attributes:
        log_sizes: natural logarithm of the sizes; shape (sizes,).
        log_losses: log loss of each paired run; shape (seeds, sizes).
        resampling: where the weights come from.
        block_log_losses: seed means of log loss on resampled blocks; shape (resamples, sizes);
            None without blocks.
        blocks: number of document blocks, 0 without.
        refit: how the curve is redrawn; shape-preserving by default.
        rounding: variance of log loss that the digits of the losses leave open, 0 if none.
    """

    log_sizes: Floats
    log_losses: Floats
    resampling: Resampling
    block_log_losses: Floats | None = None
    blocks: int = 0
    refit: Refit = Refit()
    rounding: float = 0.0

    @property
    def seeds(self) -> int:
        """Number of paired seeds."""
        return len(self.log_losses)

    @cached_property
    def grid(self) -> Floats:
        """Log sizes at which gaps are tested, the measured ones among them; shape (points,)."""
        steps = np.arange(POINTS_BETWEEN_SIZES) / POINTS_BETWEEN_SIZES
        ends = self.log_sizes
        if self.refit.reach > 1:
            ends = np.append(ends, ends[-1] + np.log(self.refit.reach))
        inner = ends[:-1, None] + np.diff(ends)[:, None] * steps
        return np.append(inner.ravel(), ends[-1])

    @cached_property
    def mean(self) -> Floats:
        """Seed means of log loss, not pooled; shape (sizes,)."""
        return np.asarray(self.log_losses.mean(axis=0), np.float64)

    @cached_property
    def fitted(self) -> Floats:
        """The fitted curve at the grid; shape (points,)."""
        return np.asarray(self._fit(self.mean[None])[0], np.float64)

    @cached_property
    def allowance(self) -> Floats:
        """Allowance for interpolation at the grid, in log loss and signed; shape (points,)."""
        if self.refit.allowance is None:
            return np.zeros_like(self.grid)
        return self.refit.allowance(self.log_sizes, self.mean, self.grid)

    @cached_property
    def sides(self) -> Floats:
        """How far the truth may lie below and above the curve; shape (2, points)."""
        if self.refit.allowance is None or self.refit.sides is None:
            return np.tile(np.abs(self.allowance), (2, 1))
        return self.refit.sides(self.log_sizes, self.mean, self.grid)

    @cached_property
    def seed_weights(self) -> Floats:
        """Shape (resamples, seeds)."""
        return self.resampling.seed_weights(self.seeds)

    @cached_property
    def seed_fits(self) -> Floats:
        """Deviations of the curve refitted on resampled seeds; shape (resamples, points)."""
        fits = self._fit(self.mean + self.seed_weights @ (self.log_losses - self.mean))
        return np.asarray(fits - fits.mean(axis=0), np.float64)

    @cached_property
    def seed_squares(self) -> Floats:
        """Sums of squares of `seed_fits` over the resamples; shape (points,)."""
        return np.asarray(np.square(self.seed_fits).sum(axis=0), np.float64)

    @cached_property
    def block_fits(self) -> Floats:
        """Deviations of the curve refitted on resampled blocks; shape (resamples, points)."""
        if self.block_log_losses is None:
            raise ValueError("the curve has no document blocks")
        fits = self._fit(self.block_log_losses)
        return np.asarray(fits - fits.mean(axis=0), np.float64)

    @cached_property
    def block_squares(self) -> Floats:
        """Sums of squares of `block_fits` over the resamples; shape (points,)."""
        return np.asarray(np.square(self.block_fits).sum(axis=0), np.float64)

    @cached_property
    def seed_variances(self) -> Floats:
        """Sample variances between seeds at each size; shape (sizes,)."""
        return np.asarray(self.log_losses.var(axis=0, ddof=1), np.float64)

    @cached_property
    def sensitivities(self) -> Floats:
        """Change of the curve with the log loss at each size; shape (sizes, points)."""
        step = max(float(np.sqrt(self.seed_variances.mean() / self.seeds)), 1e-4)
        shifts = step * np.eye(len(self.log_sizes))
        rise = self._fit(self.mean + shifts) - self._fit(self.mean - shifts)
        return np.asarray(rise / (2 * step), np.float64)

    def _fit(self, log_losses: Floats) -> Floats:
        return self.refit.fit(self.log_sizes, log_losses, self.grid)


def interval(
    curve: CurveNoise,
    finetuned: Floats,
    finetuned_blocks: Floats | None,
    *,
    given: float = 0.0,
    confidence: float = 0.95,
) -> Interval:
    """`intervals` of one cell: the same without their first axis."""
    blocks = None if finetuned_blocks is None else finetuned_blocks[None]
    sizes = np.array([given])
    return intervals(curve, finetuned[None], blocks, given=sizes, confidence=confidence)[0]


def intervals(
    curve: CurveNoise,
    finetuned: Floats,
    finetuned_blocks: Floats | None,
    *,
    given: Floats | None = None,
    confidence: float = 0.95,
) -> list[Interval]:
    """The sizes on `curve` that the fine-tuned losses do not contradict, for many cells at once.

    Args:
        curve: the from-scratch arm.
        finetuned: log loss of each fine-tuned run, paired by seed; shape (cells, seeds).
        finetuned_blocks: their seed means on the same resampled blocks; shape (cells, resamples);
            None without blocks.
        given: bytes of target text that each cell was given, D_F: only a from-scratch run on as
            many can be the same model; shape (cells,). None where no size is D_F.
        confidence: nominal coverage.

    Raises:
        ValueError: if there is neither a second seed nor a block, or `confidence` is no share.
    """
    check_confidence(confidence)
    with_blocks = finetuned_blocks is not None and curve.blocks > 1
    if curve.seeds < 2 and not with_blocks:
        raise ValueError("one seed and no document blocks leave nothing to resample")
    variance = np.zeros((len(finetuned), len(curve.grid)))
    weight = np.zeros_like(variance)  # Satterthwaite's sum of squared variances over degrees
    if curve.seeds > 1:
        sizes = np.zeros(len(finetuned)) if given is None else given
        between, degrees = _seed_variance(curve, finetuned, sizes)
        variance, weight = variance + between, weight + between**2 / degrees
    if with_blocks and finetuned_blocks is not None:
        sampling = _gap_variance(finetuned_blocks, curve.block_fits, curve.block_squares)
        variance, weight = variance + sampling, weight + sampling**2 / (curve.blocks - 1)
    degrees = np.where(weight > 0, variance**2 / np.where(weight > 0, weight, 1.0), 1.0)
    half = t_quantile((1 + confidence) / 2, degrees) * np.sqrt(variance)
    below, above = (half + side for side in curve.sides)
    gaps = finetuned.mean(axis=1, keepdims=True) - curve.fitted
    nearest = np.abs(gaps).argmin(axis=1)
    return [
        replace(
            kept_sizes(curve.grid, gaps[cell], below[cell], above[cell]),
            degrees=float(degrees[cell, place]),
        )
        for cell, place in enumerate(nearest)
    ]


def check_confidence(confidence: float) -> None:
    """Refuse a nominal coverage that is no share.

    Raises:
        ValueError: outside of (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")


def _seed_variance(curve: CurveNoise, finetuned: Floats, given: Floats) -> tuple[Floats, Floats]:
    """Variance between seeds of the gap, and its degrees of freedom; shape (cells, points)."""
    centred = finetuned - finetuned.mean(axis=1, keepdims=True)
    joint = _gap_variance(centred @ curve.seed_weights.T, curve.seed_fits, curve.seed_squares)
    return seed_variance(curve, finetuned, joint, given)


def _gap_variance(finetuned: Floats, fits: Floats, squares: Floats) -> Floats:
    """Variance over resamples of fine-tuned minus curve; shape (cells, points).

    Args:
        finetuned: shape (cells, resamples).
        fits: of the curve, centred already; shape (resamples, points).
        squares: their sums of squares; shape (points,).
    """
    centred = finetuned - finetuned.mean(axis=1, keepdims=True)
    # The three parts of a variance of differences: no array of differences per cell is made.
    own = np.square(centred).sum(axis=1, keepdims=True)
    variance = own - 2 * (centred @ fits) + squares
    return np.asarray(np.maximum(variance, 0.0) / finetuned.shape[1], np.float64)


def kept_sizes(grid: Floats, gap: Floats, below: Floats, above: Floats) -> Interval:
    """The hull of the sizes that a gap does not contradict.

    Args:
        grid: log sizes; shape (points,), as all of these.
        gap: of the fine-tuned log loss and the curve.
        below: how far the loss may lie below the curve.
        above: how far above it.
    """
    low = _first_crossing(grid, gap + below)
    high = _first_crossing(-grid[::-1], (above - gap)[::-1])
    return Interval(
        low=None if low is None else float(np.exp(low)),
        high=None if high is None else float(np.exp(-high)),
    )


def _first_crossing(at: Floats, values: Floats) -> float | None:
    """Where `values` first reaches zero: None if at the start, the last point if never."""
    reached = np.flatnonzero(values >= 0)
    if not len(reached):
        return float(at[-1])
    index = int(reached[0])
    if index == 0:
        return None
    before, after = values[index - 1], values[index]
    return float(at[index - 1] + (at[index] - at[index - 1]) * -before / (after - before))
