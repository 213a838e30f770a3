"""Intervals of D_E: the sizes whose from-scratch loss the fine-tuned loss does not contradict.

A size D is kept when the gap between the fine-tuned log loss and the curve at D is no larger than
its noise allows (a test inverted, after Fieller, *J. R. Stat. Soc. B* 16, 1954). Nothing has to be
read off beyond the curve, so censored estimates get one-sided intervals by the same rule. The
variance of the gap at D has two parts:

* between seeds: the seeds of both arms resampled jointly (Gaussian weights, curve refitted), or the
  variance pooled over the arms, along a trend in log bytes, by empirical Bayes (Smyth, *Stat. Appl.
  Genet. Mol. Biol.* 3, 2004), whichever is larger. The first alone has seeds − 1 degrees of freedom
  and is exact but wide; the second has many but takes the arms for independent, unless a fine-tuned
  cell follows the from-scratch runs of one size so closely that they cannot be;
* test documents: the same fixed blocks resampled for all arms, curve refitted.

Degrees of freedom are combined after Satterthwaite. An allowance for interpolation, zero at the
measured sizes, is added (`interpolation.py`). `benchmarks/coverage.py` measures how often such
intervals hold the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bytetransfer.transfer.curve import Floats, fit_log_losses
from bytetransfer.transfer.distributions import f_quantile, t_quantile
from bytetransfer.transfer.interpolation import bend_allowance
from bytetransfer.transfer.resampling import Resampling
from bytetransfer.transfer.variances import pooled_variances, variance_slope

POINTS_BETWEEN_SIZES = 16
TWIN_LEVEL = 1e-3
"""How often independent arms may be taken for paired ones."""

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
        reach: how far past the largest size the curve may be read, as a factor of bytes.
    """

    fit: Fit = fit_log_losses
    allowance: Allowance | None = bend_allowance
    reach: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Limits of D_E in bytes.

    Attributes:
        low: lower limit, None if open: no measured size is too small.
        high: upper limit, None if open: no measured size is too large.
    """

    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class CurveNoise:
    """A from-scratch curve with its noise, evaluated at a grid of sizes; shared by its cells.

    Attributes:
        log_sizes: natural logarithm of the sizes; shape (sizes,).
        log_losses: log loss of each paired run; shape (seeds, sizes).
        resampling: where the weights come from.
        block_log_losses: seed means of log loss on resampled blocks; shape (replicates, sizes);
            None without blocks.
        blocks: number of document blocks, 0 without.
        refit: how the curve is redrawn; shape-preserving by default.
    """

    log_sizes: Floats
    log_losses: Floats
    resampling: Resampling
    block_log_losses: Floats | None = None
    blocks: int = 0
    refit: Refit = Refit()

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
    def seed_weights(self) -> Floats:
        """Shape (replicates, seeds)."""
        return self.resampling.seed_weights(self.seeds)

    @cached_property
    def seed_fits(self) -> Floats:
        """Deviations of the curve refitted on resampled seeds; shape (replicates, points)."""
        fits = self._fit(self.mean + self.seed_weights @ (self.log_losses - self.mean))
        return np.asarray(fits - fits.mean(axis=0), np.float64)

    @cached_property
    def seed_squares(self) -> Floats:
        """Sums of squares of `seed_fits` over the replicates; shape (points,)."""
        return np.asarray(np.square(self.seed_fits).sum(axis=0), np.float64)

    @cached_property
    def block_fits(self) -> Floats:
        """Deviations of the curve refitted on resampled blocks; shape (replicates, points)."""
        if self.block_log_losses is None:
            raise ValueError("the curve has no document blocks")
        fits = self._fit(self.block_log_losses)
        return np.asarray(fits - fits.mean(axis=0), np.float64)

    @cached_property
    def block_squares(self) -> Floats:
        """Sums of squares of `block_fits` over the replicates; shape (points,)."""
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
    confidence: float = 0.95,
) -> Interval:
    """`intervals` of one cell: the same without their first axis."""
    blocks = None if finetuned_blocks is None else finetuned_blocks[None]
    return intervals(curve, finetuned[None], blocks, confidence=confidence)[0]


def intervals(
    curve: CurveNoise,
    finetuned: Floats,
    finetuned_blocks: Floats | None,
    *,
    confidence: float = 0.95,
) -> list[Interval]:
    """The sizes on `curve` that the fine-tuned losses do not contradict, for many cells at once.

    Args:
        curve: the from-scratch arm.
        finetuned: log loss of each fine-tuned run, paired by seed; shape (cells, seeds).
        finetuned_blocks: their seed means on the same resampled blocks; shape (cells, replicates);
            None without blocks.
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
        between, degrees = _seed_variance(curve, finetuned)
        variance, weight = variance + between, weight + between**2 / degrees
    if with_blocks and finetuned_blocks is not None:
        sampling = _gap_variance(finetuned_blocks, curve.block_fits, curve.block_squares)
        variance, weight = variance + sampling, weight + sampling**2 / (curve.blocks - 1)
    degrees = np.where(weight > 0, variance**2 / np.where(weight > 0, weight, 1.0), 1.0)
    half = t_quantile((1 + confidence) / 2, degrees) * np.sqrt(variance)
    half = half + np.abs(curve.allowance)
    gaps = finetuned.mean(axis=1, keepdims=True) - curve.fitted
    return [_kept(curve.grid, *pair) for pair in zip(gaps, half, strict=True)]


def check_confidence(confidence: float) -> None:
    """Refuse a nominal coverage that is no share.

    Raises:
        ValueError: outside of (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")


def _seed_variance(curve: CurveNoise, finetuned: Floats) -> tuple[Floats, Floats]:
    """Variance between seeds of the gap, and its degrees of freedom; shape (cells, points)."""
    centred = finetuned - finetuned.mean(axis=1, keepdims=True)
    joint = _gap_variance(centred @ curve.seed_weights.T, curve.seed_fits, curve.seed_squares)
    free = curve.seeds - 1
    variances, degrees, places, uncertainty = _arm_variances(curve, finetuned)
    freedom = np.repeat(degrees[:, None], variances.shape[1], axis=1)
    changes = np.concatenate([-curve.sensitivities, np.ones((1, len(curve.grid)))])
    parts = changes**2 * variances[..., None] / curve.seeds
    cells, sizes = _twins(curve, finetuned, variances, degrees)
    if len(cells):
        # Fine-tuned is the run at that size plus a difference, which is an arm of its own.
        shared = (changes[sizes] + 1) ** 2 * variances[cells, sizes, None]
        parts[cells, sizes] = shared / curve.seeds
        apart = (finetuned[cells] - curve.log_losses[:, sizes].T).var(axis=1, ddof=1)
        parts[cells, -1] = (apart / curve.seeds)[:, None]
        freedom[cells, -1], places[cells, -1] = free, 0.0
    pooled = parts.sum(axis=1)
    # Twice the squared variance over its own variance, to which the trend adds its uncertainty.
    along = np.square(np.einsum("ca,cap->cp", places, parts))
    scale = (parts**2 / freedom[..., None]).sum(axis=1) + along * uncertainty[:, None] / 2
    spread = np.divide(pooled**2, scale, out=np.full_like(pooled, free), where=scale > 0)
    return np.maximum(joint, pooled), np.minimum(spread, float(variances.shape[1] * free))


def _arm_variances(curve: CurveNoise, finetuned: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Variances between seeds of the sizes and of the fine-tuned arms, shrunk towards a trend.

    Small sizes are often noisier than large ones. A fine-tuned arm takes the place of its D_E.

    Returns:
        Variances, shape (cells, sizes + 1), and their degrees of freedom, shape (cells,); centred
        log sizes, shape (cells, sizes + 1), and the variance of the trend's slope over them, shape
        (cells,).
    """
    free, cells = curve.seeds - 1, len(finetuned)
    place = np.interp(-finetuned.mean(axis=1), -curve.fitted, curve.grid)
    own = np.column_stack(
        [np.tile(curve.seed_variances, (cells, 1)), finetuned.var(axis=1, ddof=1)]
    )
    places = np.column_stack([np.tile(curve.log_sizes, (cells, 1)), place])
    places = places - places.mean(axis=1, keepdims=True)
    slope, uncertainty = (np.broadcast_to(x, (cells,)) for x in variance_slope(own, places, free))
    trend = np.exp(slope[:, None] * places)
    shrunk, degrees = pooled_variances(own / trend, free)
    return shrunk * trend, degrees, places, uncertainty


def _twins(
    curve: CurveNoise, finetuned: Floats, variances: Floats, degrees: Floats
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The cells that go up and down with the from-scratch runs of a size, seed by seed, and it.

    Where a source is of no use, a fine-tuned run can be the from-scratch run over again: then
    taking the arms for independent would give an interval to what is known exactly. A size is
    taken for a twin only where independent arms would come as close once in 1,000 times.
    """
    differences = (finetuned[:, :, None] - curve.log_losses).var(axis=1, ddof=1)
    together = variances[:, :-1] + variances[:, -1:]
    ratios = differences / np.maximum(together, np.finfo(np.float64).tiny)
    rarely = TWIN_LEVEL / ratios.shape[1]
    best = np.argmin(ratios, axis=1)
    cells = np.flatnonzero(ratios.min(axis=1) <= f_quantile(rarely, curve.seeds - 1, degrees))
    return cells, best[cells]


def _gap_variance(finetuned: Floats, fits: Floats, squares: Floats) -> Floats:
    """Variance over replicates of fine-tuned minus curve; shape (cells, points).

    Args:
        finetuned: shape (cells, replicates).
        fits: of the curve, centred already; shape (replicates, points).
        squares: their sums of squares; shape (points,).
    """
    centred = finetuned - finetuned.mean(axis=1, keepdims=True)
    # The three parts of a variance of differences: no array of differences per cell is made.
    own = np.square(centred).sum(axis=1, keepdims=True)
    variance = own - 2 * (centred @ fits) + squares
    return np.asarray(np.maximum(variance, 0.0) / finetuned.shape[1], np.float64)


def _kept(grid: Floats, gap: Floats, half: Floats) -> Interval:
    """The hull of the sizes that are neither too small nor too large."""
    low = _first_crossing(grid, gap + half)
    high = _first_crossing(-grid[::-1], (half - gap)[::-1])
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
