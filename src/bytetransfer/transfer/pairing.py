"""The variance between seeds of fine-tuned loss minus curve, for all cells of a curve at once.

Whether the two arms are paired (one order of the text, one initialisation) is not decided cell by
cell. From-scratch runs and fine-tuned runs are groups with variances of their own, and one number
says how far they go together: the variance of what they differ by, over what it would be if they
had nothing in common, pooled over all cells (1 − ρ where both are equally noisy). Nothing here has
a threshold: every weight goes from 0 to 1 without a leap (docs/method.md, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.distributions import f_lower
from bytetransfer.transfer.variances import pooled_variances, variance_slope

SHARE_POWER = 1.5
"""Of the share that a group has in a variance, in the sum that gives degrees of freedom.
Satterthwaite's is 2, which takes a part that came out small by chance for small: with two seeds
and one cell four times as noisy as the curve 2 covers .91, this .93 (`benchmarks/coverage.py`)."""
TWIN_LEVEL = 1e-3
"""Chance of as much likeness at which a cell is as much taken for the from-scratch run on the same
bytes over again as for a cell like all others."""
SAME_BYTES = 1.0
"""Sizes closer than this are the same text: they are means over seeds, in whole bytes."""
_NOTHING = 1e-3  # of a cell without pairing, where all cells are from-scratch runs over again
_SMALLEST = 1e-30  # of a ratio of variances, so that it has a logarithm


class SeedNoise(Protocol):
    """What is needed of a from-scratch curve."""

    @property
    def log_sizes(self) -> Floats:
        """Shape (sizes,)."""

    @property
    def log_losses(self) -> Floats:
        """Log loss of each run; shape (seeds, sizes)."""

    @property
    def grid(self) -> Floats:
        """Log sizes at which variances are wanted; shape (points,)."""

    @property
    def fitted(self) -> Floats:
        """The curve there; shape (points,)."""

    @property
    def sensitivities(self) -> Floats:
        """Change of the curve with the log loss at each size; shape (sizes, points)."""

    @property
    def rounding(self) -> float:
        """Variance of log loss that rounded losses leave open: no run is known better."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Group:
    """Runs that have their noise in common, along a trend in log bytes.

    Attributes:
        variances: between seeds; shape (arms,).
        degrees: of freedom of each of them.
        places: log sizes about their mean; shape (arms,).
        uncertainty: variance of the slope of log variance over places.
    """

    variances: Floats
    degrees: float
    places: Floats
    uncertainty: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Cells:
    """Fine-tuned cells and their curve.

    Attributes:
        curve: the from-scratch arm.
        finetuned: log loss of each run; shape (cells, seeds).
        places: log D_E of each, within the curve; shape (cells,).
        joint: variance of the gap of seed means, from both arms together; shape (cells, points).
        given: bytes of target text that each was given (D_F); shape (cells,).
        scratch: the group of the curve's sizes.
        tuned: the group of the cells.
    """

    curve: SeedNoise
    finetuned: Floats
    places: Floats
    joint: Floats
    given: Floats
    scratch: _Group
    tuned: _Group

    @property
    def free(self) -> int:
        """Degrees of freedom of one variance."""
        return int(self.finetuned.shape[1]) - 1

    def at_places(self, values: Floats) -> Floats:
        """What stands at each cell's own D_E in an array of shape (cells, points)."""
        grid = self.curve.grid
        return np.array([np.interp(place, grid, row)
                         for place, row in zip(self.places, values, strict=True)])  # fmt: skip


@dataclass(frozen=True, kw_only=True, eq=False)
class _Spread:
    """Variances of seed means, and one over their degrees of freedom; shape (cells, points)."""

    variance: Floats
    inverse_degrees: Floats


@dataclass(frozen=True, kw_only=True)
class _Pairing:
    """How far both arms go together.

    Attributes:
        ratio: variance of what they differ by, over what it is if they have nothing in common.
        weight: how much of the variance is known from it, from 0 to 1.
        degrees: its degrees of freedom.
    """

    ratio: float
    weight: float
    degrees: float


@dataclass(frozen=True, kw_only=True, eq=False)
class _Twins:
    """Which from-scratch run each cell may be over again.

    Attributes:
        sizes: the place of the size nearest to D_F; shape (cells,).
        weights: how much the cell is taken for its run, 0 where the bytes differ; shape (cells,).
    """

    sizes: NDArray[np.intp]
    weights: Floats


def seed_variance(
    curve: SeedNoise, finetuned: Floats, joint: Floats, given: Floats
) -> tuple[Floats, Floats]:
    """Variance between seeds of the gap, and its degrees of freedom; shape (cells, points).

    Args:
        curve: the from-scratch arm, of at least two seeds.
        finetuned: log loss of each run, paired by seed; shape (cells, seeds).
        joint: the gap's variance with the seeds of both arms resampled together: right whatever
            they share, with seeds − 1 degrees of freedom; shape (cells, points).
        given: bytes of target text of each cell; shape (cells,).
    """
    places = np.interp(-finetuned.mean(axis=1), -curve.fitted, curve.grid)
    unseen = curve.rounding * (1 + np.square(curve.sensitivities).sum(axis=0))
    joint = np.maximum(joint, unseen / finetuned.shape[1])
    cells = _Cells(
        curve=curve,
        finetuned=finetuned,
        places=places,
        joint=joint,
        given=given,
        scratch=_group(curve.log_losses, curve.log_sizes, curve.rounding),
        tuned=_group(finetuned.T, places, curve.rounding),
    )
    twins = _twins(cells)
    apart = _independent(cells)
    pairing = _pairing(cells, apart, 1 - twins.weights)
    inverse = (1 - pairing.weight) * apart.inverse_degrees + pairing.weight / pairing.degrees
    paired = _Spread(variance=apart.variance * pairing.ratio, inverse_degrees=inverse)
    found = _as_twins(cells, paired, twins)
    # What a cell's own seeds say beyond that is the cell's own, with its own degrees of freedom.
    beyond = (1 - twins.weights)[:, None] * np.maximum(joint - found.variance, 0.0)
    whole = found.variance + beyond
    share = np.divide(beyond, whole, out=np.zeros_like(whole), where=whole > 0)
    return whole, 1 / ((1 - share) ** 2 * found.inverse_degrees + share**2 / cells.free)


def _group(log_losses: Floats, places: Floats, rounding: float) -> _Group:
    """Variances of runs of a kind, shape (seeds, arms), shrunk towards each other along a trend.

    Small sizes are often noisier than large ones.
    """
    free, arms = len(log_losses) - 1, log_losses.shape[1]
    own = np.maximum(log_losses.var(axis=0, ddof=1), rounding)
    places = places - places.mean()
    slope, uncertainty = variance_slope(own, places, free)
    trend = np.exp(slope * places)
    shrunk, degrees = pooled_variances(own / trend, free)
    variances = shrunk * trend
    most = max(free, arms * free * _distinct(log_losses - log_losses.mean(axis=0), variances))
    return _Group(
        variances=variances,
        degrees=min(float(degrees), most),
        places=places,
        uncertainty=float(uncertainty),
    )


def _distinct(deviations: Floats, variances: Floats) -> float:
    """Which share of some arms' squares counts, where a seed moves all of them together.

    With q the mean correlation of two arms, n squares count as n / (1 + (n − 1) q²).

    Args:
        deviations: from the arms' means; shape (seeds, arms).
        variances: of the arms; shape (arms,).
    """
    count = deviations.shape[1]
    moved = deviations / np.sqrt(np.where(variances > 0, variances, 1.0))
    total = float(np.square(moved).sum())
    if count < 2 or total == 0:
        return 1.0
    common = float(np.square(moved.sum(axis=1)).sum())
    correlation = min(1.0, max(0.0, (common / total - 1) / (count - 1)))
    return 1.0 / (1.0 + float((count - 1) * correlation * correlation))


def _independent(cells: _Cells) -> _Spread:
    """The gap's variance if the arms had nothing in common."""
    scratch, tuned = cells.scratch, cells.tuned
    parts = cells.curve.sensitivities**2 * scratch.variances[:, None]
    read = parts.sum(axis=0)
    # Twice the squared variance over its own variance, to which a trend adds its uncertainty.
    scale = np.square(parts).sum(axis=0) / scratch.degrees
    scale = scale + np.square(scratch.places @ parts) * scratch.uncertainty / 2
    inverse_read = np.divide(scale, read**2, out=np.ones_like(read), where=read > 0)
    own = tuned.variances[:, None]
    variance = own + read
    share = np.divide(own, variance, out=np.full_like(variance, 0.5), where=variance > 0)
    inverse = share**SHARE_POWER / tuned.degrees + (1 - share) ** SHARE_POWER * inverse_read
    inverse = inverse + np.square(share * tuned.places[:, None]) * tuned.uncertainty / 2
    return _Spread(variance=variance / (cells.free + 1), inverse_degrees=inverse)


def _pairing(cells: _Cells, apart: _Spread, counts: Floats) -> _Pairing:
    """One answer for all cells of a curve: their ratios averaged, and shrunk towards 1.

    On a logarithmic scale, by as much as the ratio's own error is beside its distance from 1. A
    ratio above 1 is taken as it is.

    Args:
        cells: all of them.
        apart: their variances without pairing.
        counts: how much each counts: one that is a from-scratch run over again says nothing of the
            others; shape (cells,).
    """
    alone, together = cells.at_places(apart.variance), cells.at_places(cells.joint)
    ratios = np.divide(together, alone, out=np.ones_like(alone), where=alone > 0)
    ratio = max(float((counts @ ratios + _NOTHING) / (counts.sum() + _NOTHING)), _SMALLEST)
    curve, seeds = cells.curve, cells.free + 1
    changes = np.stack([np.interp(cells.places, curve.grid, row) for row in curve.sensitivities])
    read = (curve.log_losses - curve.log_losses.mean(axis=0)) @ changes
    gaps = cells.finetuned.T - cells.finetuned.mean(axis=1) - read
    count = float((counts.sum() + _NOTHING) ** 2 / (np.square(counts).sum() + _NOTHING))
    degrees = max(1.0, count * _distinct(gaps, alone * seeds)) * cells.free
    shrunk, weight = shrunk_ratio(ratio, degrees)
    return _Pairing(ratio=shrunk, weight=weight, degrees=degrees)


def shrunk_ratio(ratio: float, degrees: float, *, caution: float = 1.0) -> tuple[float, float]:
    """A ratio of variances as far as it is known not to be 1.

    Below 1 it is shrunk on a logarithmic scale, by as much as its own error is beside its distance
    from 1; above 1 it is taken as it is.

    Args:
        ratio: of the variance at hand to what is expected.
        degrees: its degrees of freedom.
        caution: how often the variance of the ratio's logarithm counts.

    Returns:
        The shrunk ratio; how much of what is then known of the variance comes from it, 0 to 1.

    >>> [round(x, 2) for x in shrunk_ratio(0.01, 20)], shrunk_ratio(2.0, 20)
    ([0.01, 1.0], (2.0, 0.5))
    """
    if ratio >= 1:
        return ratio, 1 - 1 / ratio
    distance = float(np.log(max(ratio, _SMALLEST)) ** 2)
    weight = distance / (distance + caution * float(special.polygamma(1, degrees / 2)))
    return float(max(ratio, _SMALLEST) ** weight), weight


def _twins(cells: _Cells) -> _Twins:
    """How much each cell is taken for the from-scratch run on the same bytes over again.

    Where a source is not used, a fine-tuned run can be the from-scratch run at D_F over again, in
    every seed: then what is known exactly must not get the width of all others. A run on other
    bytes is another model, and losses that agree with it do so by chance.
    """
    apart = np.abs(np.exp(cells.curve.log_sizes) - cells.given[:, None])
    sizes = apart.argmin(axis=1)
    same = apart.min(axis=1) < SAME_BYTES
    differences = np.square(cells.finetuned - cells.curve.log_losses[:, sizes].T).mean(axis=1)
    expected = cells.tuned.variances + cells.scratch.variances[sizes]
    # Rounded losses are alike by chance: what rounding may hide of a difference counts as one.
    differences = differences + 2 * cells.curve.rounding
    likeness = differences / np.maximum(expected, np.finfo(np.float64).tiny)
    degrees = min(cells.tuned.degrees, cells.scratch.degrees)
    rarely = TWIN_LEVEL / len(cells.curve.log_sizes)
    weights = rarely / (rarely + f_lower(likeness, cells.free + 1, degrees))
    return _Twins(sizes=sizes, weights=np.where(same, weights, 0.0))


def _as_twins(cells: _Cells, found: _Spread, twins: _Twins) -> _Spread:
    """As far as a cell is the run at its D_F over again, its difference from it has the noise."""
    sizes, weight = twins.sizes, twins.weights[:, None]
    changes, seeds = cells.curve.sensitivities, cells.free + 1
    parts = changes**2 * cells.scratch.variances[:, None]
    shared = np.square(changes[sizes] - 1) * cells.scratch.variances[sizes, None]
    apart = (cells.finetuned - cells.curve.log_losses[:, sizes].T).var(axis=1, ddof=1)
    rest = parts.sum(axis=0) - parts[sizes] + shared
    twin = rest + apart[:, None]
    share = np.divide(rest, twin, out=np.zeros_like(twin), where=twin > 0)
    own = share**2 / cells.scratch.degrees + (1 - share) ** 2 / cells.free
    tiny = np.finfo(np.float64).tiny
    logs = [np.log(np.maximum(x, tiny)) for x in (found.variance, twin / seeds)]
    return _Spread(
        variance=np.exp((1 - weight) * logs[0] + weight * logs[1]),
        inverse_degrees=(1 - weight) * found.inverse_degrees + weight * own,
    )
