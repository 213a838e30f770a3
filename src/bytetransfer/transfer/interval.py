"""Intervals of D_E: the sizes whose from-scratch loss the fine-tuned loss does not contradict.

A size D is kept when the gap between the fine-tuned log loss and the curve at D is no larger than
its noise allows (a test inverted, after Fieller, *J. R. Stat. Soc. B* 16, 1954). Nothing has to be
read off beyond the curve, so censored estimates get one-sided intervals by the same rule. The
variance of the gap at D has two parts:

* between seeds: the seeds of both arms resampled jointly (Gaussian weights, curve refitted), or the
  variance pooled over the arms by empirical Bayes (Smyth, *Stat. Appl. Genet. Mol. Biol.* 3, 2004),
  whichever is larger. The first alone has seeds − 1 degrees of freedom and is exact but wide; the
  second has many but takes the arms for independent;
* test documents: the same fixed blocks resampled for all arms, curve refitted.

Degrees of freedom are combined after Satterthwaite. An allowance for interpolation, zero at the
measured sizes, is added. `benchmarks/coverage.py` measures how often such intervals hold the truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special, stats

from bytetransfer.transfer.curve import Floats, fit_log_losses, pool_decreasing

POINTS_BETWEEN_SIZES = 16
INTERPOLATION_SHARE = 0.1
"""Allowance for interpolation, as a share of the distance between cubic and straight
interpolation: on power laws at six sizes over three decades the 80th percentile of the error."""
VARIANCE_FLOOR = 1e-3
"""Least sample variance, as a share of the mean one, that enters the pooling: its logarithm."""


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


def pooled_variances(variances: Floats, degrees: int) -> tuple[Floats, float]:
    """Sample variances shrunk towards each other as far as they agree (Smyth 2004, section 6.2).

    Args:
        variances: sample variances of the arms; shape (arms,).
        degrees: degrees of freedom of each.

    Returns:
        The variances, shape (arms,), and the degrees of freedom of each, at most those of all.

    >>> pooled_variances(np.array([1.0, 1.0, 1.0]), 2)
    (array([1., 1., 1.]), 6.0)
    """
    total = float(degrees * len(variances))
    mean = float(variances.mean())
    if mean == 0.0 or len(variances) < 2:
        return variances, float(degrees)
    logs = np.log(np.maximum(variances, VARIANCE_FLOOR * mean))
    logs = logs - special.digamma(degrees / 2) + np.log(degrees / 2)
    excess = float(logs.var(ddof=1) - special.polygamma(1, degrees / 2))
    if excess <= 0:
        return np.full_like(variances, mean), total
    prior = 2 * _inverse_trigamma(excess)
    centre = np.exp(logs.mean() + special.digamma(prior / 2) - np.log(prior / 2))
    shrunk = (prior * centre + degrees * variances) / (prior + degrees)
    return shrunk, min(prior + degrees, total)


def _inverse_trigamma(value: float) -> float:
    """Newton's method on 1/trigamma, which is close to linear (Smyth 2004, appendix)."""
    at = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(special.polygamma(1, at))
        step = trigamma * (1 - trigamma / value) / float(special.polygamma(2, at))
        at += step
        if abs(step) < 1e-9 * at:
            break
    return at


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
    """

    log_sizes: Floats
    log_losses: Floats
    resampling: Resampling
    block_log_losses: Floats | None = None
    blocks: int = 0

    @property
    def seeds(self) -> int:
        """Number of paired seeds."""
        return len(self.log_losses)

    @cached_property
    def grid(self) -> Floats:
        """Log sizes at which gaps are tested, the measured ones among them; shape (points,)."""
        steps = np.arange(POINTS_BETWEEN_SIZES) / POINTS_BETWEEN_SIZES
        inner = self.log_sizes[:-1, None] + np.diff(self.log_sizes)[:, None] * steps
        return np.append(inner.ravel(), self.log_sizes[-1])

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
        """Allowance for interpolation at the grid, in log loss; shape (points,)."""
        straight = np.interp(self.grid, self.log_sizes, pool_decreasing(self.mean))
        return np.asarray(INTERPOLATION_SHARE * np.abs(self.fitted - straight), np.float64)

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
        return fit_log_losses(self.log_sizes, log_losses, self.grid)


def interval(
    curve: CurveNoise,
    finetuned: Floats,
    finetuned_blocks: Floats | None,
    *,
    level: float = 0.95,
) -> Interval:
    """The sizes on `curve` that the fine-tuned losses do not contradict.

    Args:
        curve: the from-scratch arm.
        finetuned: log loss of each fine-tuned run, paired by seed; shape (seeds,).
        finetuned_blocks: their seed mean on the same resampled blocks; shape (replicates,); None
            without blocks.
        level: nominal coverage.

    Raises:
        ValueError: if there is neither a second seed nor a block, or `level` is no share.
    """
    if not 0 < level < 1:
        raise ValueError(f"a level of {level} is not between 0 and 1")
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
    half = stats.t.ppf((1 + level) / 2, degrees) * np.sqrt(variance) + curve.allowance
    return _kept(curve.grid, float(finetuned.mean()) - curve.fitted, half)


def _seed_variance(curve: CurveNoise, finetuned: Floats) -> tuple[Floats, Floats]:
    """Variance between seeds of the gap at the grid, and its degrees of freedom."""
    paired = _gap_variance(curve.seed_weights @ (finetuned - finetuned.mean()), curve.seed_fits)
    own = np.append(curve.seed_variances, finetuned.var(ddof=1))
    shrunk, degrees = pooled_variances(own, curve.seeds - 1)
    squares = np.concatenate([curve.sensitivities**2, np.ones((1, len(curve.grid)))])
    parts = squares * shrunk[:, None] / curve.seeds
    pooled = parts.sum(axis=0)
    scale = (parts**2).sum(axis=0)
    spread = np.divide(pooled**2, scale, out=np.ones_like(pooled), where=scale > 0)
    most = float(len(own) * (curve.seeds - 1))
    return np.maximum(paired, pooled), np.minimum(degrees * spread, most)


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
