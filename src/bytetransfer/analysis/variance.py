"""Variances of crossed random effects in a table of sources by targets, with intervals.

y_st = mean + source_s + target_t + residual_st, all three normal and independent; cells may be
missing. Point estimates equate the adjusted sums of squares with their expectations (Henderson,
*Estimation of variance and covariance components*, Biometrics 9, 1953, method 3).

Intervals are generalised confidence intervals (Weerahandi, JASA 88, 1993; Burdick, Borror and
Montgomery, *Design and Analysis of Gauge R&R Studies*, 2005). For the sources, the
target effects are swept out; what is left lies along orthogonal directions of variance
d_i σ_s² + σ_r², so that Σ w_i² / (d_i σ_s² + σ_r²) is χ² with as many degrees of freedom as there
are directions, independently of the residual sum of squares SSE = σ_r² χ². Drawing both χ² and
solving for the variances gives the interval. It is exact for σ_r² and for σ_s²/σ_r² (Wald, *A note
on regression analysis*, Ann. Math. Stat. 18, 1947), whatever cells are missing. Taken literally it
shrinks to nothing where sources differ by less than noise alone makes them, which says that the
draw was odd and not that they are exactly alike. Σ w² is therefore taken for no less than what
the residual makes of it: the upper limit is then that of the most ordinary draw without sources,
and the interval holds the truth at least as often. It was preferred to
the parametric bootstrap, which misses far too often with three sources
(`benchmarks/consistency.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import Unanswered

Floats = NDArray[np.float64]

_NEGLIGIBLE = 1e-10  # squared, relative: what is smaller is rounding
_NEWTON_STEPS = 100  # far from the root of 1/x each step doubles x, so this spans 30 decades


@dataclass(frozen=True, kw_only=True)
class Component:
    """One variance component.

    Attributes:
        variance: in squared units of the table, not below 0.
        low: lower limit of its interval.
        high: upper limit.
        share: of the sum of all components.
        share_low: lower limit of the share.
        share_high: upper limit of the share.
    """

    variance: float
    low: float
    high: float
    share: float
    share_low: float
    share_high: float


@dataclass(frozen=True, kw_only=True)
class Variances:
    """Variance components of a table.

    Attributes:
        source: of the sources' effects.
        target: of the targets' effects.
        residual: of what neither explains, measurement noise included.
        sources: number of sources.
        targets: number of targets.
        cells: number of cells with a value.
        residual_freedom: degrees of freedom of the residual.
        level: nominal coverage of the intervals, each by itself.
    """

    source: Component
    target: Component
    residual: Component
    sources: int
    targets: int
    cells: int
    residual_freedom: int
    level: float


@dataclass(frozen=True)
class _Directions:
    """Squared coordinates w² along directions of variance d σ² + σ_r²; both of shape (k,)."""

    squares: Floats
    weights: Floats

    def estimate(self, residual: float) -> float:
        """The variance that makes Σ w² what is expected."""
        excess = self.squares.sum() - len(self.squares) * residual
        return max(0.0, float(excess / self.weights.sum()))

    def at_least(self, residual: float) -> _Directions:
        """With no smaller squares in sum than the residual alone makes of them."""
        least, found = len(self.squares) * residual, float(self.squares.sum())
        if found >= least:
            return self
        # What they are of is lost to noise; along which directions they lie decides nothing then.
        return _Directions(np.full_like(self.squares, residual), self.weights)

    def solve(self, quantiles: Floats, residuals: Floats) -> Floats:
        """Variances with Σ w² / (d σ² + σ_r²) = quantile, 0 where none has; shape (draws,).

        The sum falls and is convex in σ², so Newton's method climbs from 0 to the root.
        """
        found = np.zeros_like(quantiles)
        for _ in range(_NEWTON_STEPS):
            scale = found[:, None] * self.weights + residuals[:, None]
            gap = (self.squares / scale).sum(axis=1) - quantiles
            slope = (self.squares * self.weights / scale**2).sum(axis=1)
            above = gap > 0  # where nothing lies along the directions, the slope is 0 too
            step = np.where(above, gap, 0) / np.where(above, slope, 1)
            found += step
            if (step <= 1e-9 * found).all():
                break
        return found


def crossed_variances(
    table: Floats, *, level: float = 0.95, draws: int = 10_000, seed: int = 0
) -> Variances | Unanswered:
    """Variance components of sources, targets and residuals.

    Args:
        table: shape (sources, targets); NaN where there is no value. Rows and columns without any
            value are left out.
        level: nominal coverage of the intervals.
        draws: from the distributions the intervals are made of.
        seed: fixes the draws.

    Returns:
        The components, or why there are none.

    >>> rng = np.random.default_rng(0)
    >>> table = rng.normal(size=(20, 1)) + 3 * rng.normal(size=30) + 0.1 * rng.normal(size=(20, 30))
    >>> found = crossed_variances(table)
    >>> found.target.low < 9 < found.target.high, found.residual.share < 0.01
    (True, True)
    """
    known = np.isfinite(table)
    table = table[known.any(axis=1)][:, known.any(axis=0)]
    rows, columns = np.nonzero(np.isfinite(table))
    sources, targets = table.shape
    if sources < 2 or targets < 2:
        return Unanswered(
            f"{sources} source{'s' * (sources != 1)} and {targets} target{'s' * (targets != 1)} "
            "have estimates of D_E that are numbers: at least two of each are needed"
        )
    values = table[rows, columns] - table[rows, columns].mean()
    source, target = np.eye(sources)[rows], np.eye(targets)[columns]
    basis = _basis(np.hstack([source, target]))
    freedom = len(values) - basis.shape[1]
    along = (
        _directions(values, source, beside=target),
        _directions(values, target, beside=source),
    )
    if freedom < 1 or not all(len(one.squares) for one in along):
        return Unanswered(
            f"{len(values)} cells of {sources} sources and {targets} targets are too few to tell "
            "sources, targets and the rest apart"
        )
    error = float(np.sum((values - basis @ (basis.T @ values)) ** 2))
    if error <= _NEGLIGIBLE * float(np.sum(values**2)) or not values.any():
        return Unanswered("sources and targets explain every cell exactly: nothing is left over")
    points = np.array([*(one.estimate(error / freedom) for one in along), error / freedom])
    ordinary = tuple(one.at_least(error / freedom) for one in along)
    drawn = _draw(ordinary, error, freedom, draws=draws, seed=seed)
    found = _components(points, drawn, level)
    return Variances(
        source=found[0],
        target=found[1],
        residual=found[2],
        sources=sources,
        targets=targets,
        cells=len(values),
        residual_freedom=freedom,
        level=level,
    )


def _basis(design: Floats) -> Floats:
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray(left[:, sizes > 1e-9 * sizes[0]])


def _directions(values: Floats, design: Floats, *, beside: Floats) -> _Directions:
    """The part of the values along one factor that the other one cannot explain."""
    swept = _basis(beside)
    left, sizes, _ = np.linalg.svd(design - swept @ (swept.T @ design), full_matrices=False)
    kept = sizes > 1e-9 * np.sqrt(len(values))
    return _Directions((left[:, kept].T @ values) ** 2, sizes[kept] ** 2)


def _draw(
    along: tuple[_Directions, ...], error: float, freedom: int, *, draws: int, seed: int
) -> Floats:
    """Draws of the three variances; shape (3, draws)."""
    generator = np.random.default_rng(seed)
    residuals = error / generator.chisquare(freedom, draws)
    solved = [one.solve(generator.chisquare(len(one.squares), draws), residuals) for one in along]
    return np.stack([*solved, residuals])


def _components(points: Floats, drawn: Floats, level: float) -> list[Component]:
    tails = [(1 - level) / 2, (1 + level) / 2]
    limits = np.quantile(drawn, tails, axis=1).T
    shares = np.quantile(drawn / drawn.sum(axis=0), tails, axis=1).T
    return [
        Component(
            variance=float(point),
            low=float(low),
            high=float(high),
            share=float(point / points.sum()),
            share_low=float(share_low),
            share_high=float(share_high),
        )
        for point, (low, high), (share_low, share_high) in zip(points, limits, shares, strict=True)
    ]
