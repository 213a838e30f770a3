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
from scipy import stats

from bytetransfer.transfer.curve import Floats, fit_log_losses
from bytetransfer.transfer.interpolation import bend_allowance
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


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """Weights of seeds and of document blocks, the same for every arm.

    The weights depend on `seed` and on the number of seeds or blocks, not on what was drawn before,
    so one estimate does not change when another is added.

    Attributes:
        replicates: number of replicates, at least 2; rounded up to an even number.
        seed: fixes all weights.
    """

    replicates: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.replicates < 2:
            raise ValueError(f"{self.replicates} replicates have no variance; take 2 or more")

    def seed_weights(self, seeds: int) -> Floats:
        """Gaussian weights that give a weighted sum of deviations the variance of a mean.

        Returns:
            Shape (replicates, seeds); in pairs of opposite sign.
        """
        generator = np.random.default_rng([self.seed, 0, seeds])
        half = generator.standard_normal(((self.replicates + 1) // 2, seeds))
        weights = np.concatenate([half, -half]) / np.sqrt(seeds * (seeds - 1))
        return np.asarray(weights, np.float64)

    def block_weights(self, blocks: int) -> Floats:
        """How often each block is drawn when as many as there are are drawn with replacement.

        Returns:
            Shape (replicates, blocks).
        """
        generator = np.random.default_rng([self.seed, 1, blocks])
        shares = np.full(blocks, 1 / blocks)
        counts = generator.multinomial(blocks, shares, size=2 * ((self.replicates + 1) // 2))
        return counts.astype(np.float64)


def resampled_log_losses(weights: Floats, nats: Floats, block_bytes: Floats) -> Floats:
    """Seed means of log loss on resampled document blocks.

    Args:
        weights: shape (replicates, blocks).
        nats: shape (seeds, arms, blocks).
        block_bytes: bytes of each block, the same for all runs; shape (blocks,).

    Returns:
        Shape (replicates, arms). The unit (nats or bits) drops out of every difference.
    """
    totals = np.einsum("rb,sab->rsa", weights, nats, optimize=True)
    count = weights @ block_bytes
    return np.asarray(np.log(totals / count[:, None, None]).mean(axis=1), np.float64)


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
    def block_fits(self) -> Floats:
        """Deviations of the curve refitted on resampled blocks; shape (replicates, points)."""
        if self.block_log_losses is None:
            raise ValueError("the curve has no document blocks")
        fits = self._fit(self.block_log_losses)
        return np.asarray(fits - fits.mean(axis=0), np.float64)

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
    """The sizes on `curve` that the fine-tuned losses do not contradict.

    Args:
        curve: the from-scratch arm.
        finetuned: log loss of each fine-tuned run, paired by seed; shape (seeds,).
        finetuned_blocks: their seed mean on the same resampled blocks; shape (replicates,); None
            without blocks.
        confidence: nominal coverage.

    Raises:
        ValueError: if there is neither a second seed nor a block, or `confidence` is no share.
    """
    check_confidence(confidence)
    with_blocks = finetuned_blocks is not None and curve.blocks > 1
    if curve.seeds < 2 and not with_blocks:
        raise ValueError("one seed and no document blocks leave nothing to resample")
    variance = np.zeros_like(curve.grid)
    weight = np.zeros_like(curve.grid)  # Satterthwaite's sum of squared variances over degrees
    if curve.seeds > 1:
        between, degrees = _seed_variance(curve, finetuned)
        variance, weight = variance + between, weight + between**2 / degrees
    if with_blocks and finetuned_blocks is not None:
        sampling = _gap_variance(finetuned_blocks, curve.block_fits)
        variance, weight = variance + sampling, weight + sampling**2 / (curve.blocks - 1)
    degrees = np.where(weight > 0, variance**2 / np.where(weight > 0, weight, 1.0), 1.0)
    half = stats.t.ppf((1 + confidence) / 2, degrees) * np.sqrt(variance)
    half = half + np.abs(curve.allowance)
    return _kept(curve.grid, float(finetuned.mean()) - curve.fitted, half)


def check_confidence(confidence: float) -> None:
    """Refuse a nominal coverage that is no share.

    Raises:
        ValueError: outside of (0, 1).
    """
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence of {confidence} is not between 0 and 1")


def _seed_variance(curve: CurveNoise, finetuned: Floats) -> tuple[Floats, Floats]:
    """Variance between seeds of the gap at the grid, and its degrees of freedom."""
    joint = _gap_variance(curve.seed_weights @ (finetuned - finetuned.mean()), curve.seed_fits)
    free = curve.seeds - 1
    variances, degrees, places, uncertainty = _arm_variances(curve, finetuned)
    freedom = np.full(len(variances), degrees)
    changes = np.concatenate([-curve.sensitivities, np.ones((1, len(curve.grid)))])
    twin = _twin(curve, finetuned, variances, degrees)
    if twin is not None:
        # Fine-tuned is the run at that size plus a difference, which is an arm of its own.
        changes[twin] += 1.0
        variances[-1] = (finetuned - curve.log_losses[:, twin]).var(ddof=1)
        freedom[-1], places[-1] = free, 0.0
    parts = changes**2 * variances[:, None] / curve.seeds
    pooled = parts.sum(axis=0)
    # Twice the squared variance over its own variance, to which the trend adds its uncertainty.
    scale = (parts**2 / freedom[:, None]).sum(axis=0) + (places @ parts) ** 2 * uncertainty / 2
    spread = np.divide(pooled**2, scale, out=np.full_like(pooled, free), where=scale > 0)
    return np.maximum(joint, pooled), np.minimum(spread, float(len(variances) * free))


def _arm_variances(curve: CurveNoise, finetuned: Floats) -> tuple[Floats, float, Floats, float]:
    """Variances between seeds of the sizes and of the fine-tuned arm, shrunk towards a trend.

    Small sizes are often noisier than large ones. The fine-tuned arm takes the place of its D_E.

    Returns:
        Variances, shape (sizes + 1,), and their degrees of freedom; centred log sizes of the same
        shape, and the variance of the trend's slope over them.
    """
    free = curve.seeds - 1
    own = np.append(curve.seed_variances, finetuned.var(ddof=1))
    place = np.interp(-finetuned.mean(), -curve.fitted, curve.grid)
    places = np.append(curve.log_sizes, place)
    places = places - places.mean()
    slope, uncertainty = variance_slope(own, places, free)
    trend = np.exp(slope * places)
    shrunk, degrees = pooled_variances(own / trend, free)
    return shrunk * trend, degrees, places, uncertainty


def _twin(curve: CurveNoise, finetuned: Floats, variances: Floats, degrees: float) -> int | None:
    """The size whose from-scratch runs go up and down with the fine-tuned ones, seed by seed.

    Where a source is of no use, a fine-tuned run can be the from-scratch run over again: then
    taking the arms for independent would give an interval to what is known exactly. A size is
    taken for a twin only where independent arms would come as close once in 1,000 times.
    """
    differences = (finetuned[:, None] - curve.log_losses).var(axis=0, ddof=1)
    ratios = differences / np.maximum(variances[:-1] + variances[-1], np.finfo(np.float64).tiny)
    rarely = TWIN_LEVEL / len(ratios)
    least = float(stats.f.ppf(rarely, curve.seeds - 1, degrees))
    best = int(np.argmin(ratios))
    return best if ratios[best] <= least else None


def _gap_variance(finetuned: Floats, fits: Floats) -> Floats:
    """Variance over replicates of fine-tuned minus curve; `fits` is centred already."""
    centred = finetuned - finetuned.mean()
    count = len(centred)
    # The three parts of a variance of differences: no array of differences per cell is made.
    variance = centred @ centred - 2 * (centred @ fits) + np.einsum("rp,rp->p", fits, fits)
    return np.asarray(np.maximum(variance, 0.0) / count, np.float64)


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
