"""Least squares where some outcomes are only bounds.

A bound enters by the probability of the side it lies on (Tobin, *Econometrica* 26, 1958). In
δ = β/σ and h = 1/σ the likelihood is concave (Olsen, *Econometrica* 46, 1978), so that there is one
optimum. Without bounds all of it is ordinary least squares with Student's t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import special

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.distributions import t_quantile

Sides = NDArray[np.int_]
"""0 where the outcome is a number, 1 where it is a lower bound, -1 where it is an upper one."""

_STEPS, _HALVINGS = 100, 40
_GAIN = 1e-14  # relative; less is rounding
_MOST = 1e3  # h, in units of the scatter after least squares; a perfect fit has none
_LEAST_SCATTER = 1e-6  # of the outcomes; a perfect fit has no likelihood


@dataclass(frozen=True, eq=False)
class Regression:
    """Coefficients with their covariance.

    Attributes:
        coefficients: shape (columns,).
        covariance: shape (columns, columns), corrected for the number of columns.
        scatter: standard deviation of the outcome about the line, corrected likewise.
        degrees: of freedom: numbers minus columns; bounds do not count.
    """

    coefficients: Floats
    covariance: Floats
    scatter: float
    degrees: int

    def half_width(self, column: int, level: float) -> float:
        """Half of the interval of a coefficient."""
        quantile = float(t_quantile((1 + level) / 2, self.degrees))
        return quantile * math.sqrt(max(0.0, float(self.covariance[column, column])))


def tobit(design: Floats, outcomes: Floats, sides: Sides) -> Regression | Unanswered:
    """Maximum likelihood under normal scatter.

    Args:
        design: shape (cells, columns).
        outcomes: numbers and bounds; shape (cells,).
        sides: which of them are bounds; shape (cells,).

    >>> at = np.array([0.0, 1.0, 2.0, 3.0])
    >>> line = tobit(np.stack([np.ones(4), at], 1), 1 + 2 * at, np.array([0, 0, 0, 1]))
    >>> line.coefficients.round(3).tolist()
    [1.0, 2.0]
    """
    cells, columns = design.shape
    numbers = sides == 0
    degrees = int(numbers.sum()) - columns
    left, sizes, right = _factors(design[numbers].tobytes(), columns)
    least = sizes.max(initial=0.0) * max(left.shape[0], columns) * np.finfo(np.float64).eps
    if degrees < 1 or (sizes <= least).any():
        return Unanswered(
            f"{int(numbers.sum())} of {cells} cells are numbers, too few or too alike for a law of "
            f"{columns} parameters"
        )
    start = right.T @ ((left.T @ outcomes[numbers]) / sizes)
    rest, correction = outcomes - design @ start, (degrees + columns) / degrees
    if numbers.all():  # least squares it is
        unit = max(math.sqrt(float(rest @ rest) / cells), _LEAST_SCATTER)
        spread = (right.T / sizes**2) @ right
        return Regression(start, unit**2 * correction * spread, unit * correction**0.5, degrees)
    # What is fitted is the rest after least squares, in units of its own scatter; a bound on the
    # wrong side of the line is as much off it as a number there.
    off = np.where(numbers, rest, np.maximum(0, sides * rest))
    unit = max(float(np.sqrt((off**2).sum() / numbers.sum())), _LEAST_SCATTER)
    rest = rest / unit
    point = _likeliest(design, rest, sides)
    delta, inverse = point[:-1], float(point[-1])
    change = np.hstack([np.eye(columns) / inverse, -delta[:, None] / inverse**2])
    spread = change @ np.linalg.pinv(_information(point, design, rest, sides)) @ change.T
    return Regression(
        coefficients=np.asarray(start + unit * delta / inverse, np.float64),
        covariance=np.asarray(unit**2 * correction * spread, np.float64),
        scatter=unit / inverse * math.sqrt(correction),
        degrees=degrees,
    )


@lru_cache(maxsize=256)
def _factors(design: bytes, columns: int) -> tuple[Floats, Floats, Floats]:
    """Singular value decomposition; the sources of a target have the same few designs."""
    cells = np.frombuffer(design, np.float64).reshape(-1, columns)
    left, sizes, right = np.linalg.svd(cells, full_matrices=False)
    return left, sizes, right


def _likeliest(design: Floats, outcomes: Floats, sides: Sides) -> Floats:
    """δ and h by Newton's method with shorter steps where a whole one would not lower the cost."""
    point = np.append(np.zeros(design.shape[1]), 1.0)
    cost, slope = _cost(point, design, outcomes, sides)
    for _ in range(_STEPS):
        step = np.linalg.pinv(_information(point, design, outcomes, sides)) @ slope
        for share in 0.5 ** np.arange(_HALVINGS):
            trial = point - share * step
            trial[-1] = min(max(trial[-1], 1 / _MOST), _MOST)
            lower, steeper = _cost(trial, design, outcomes, sides)
            if lower <= cost:
                break
        else:
            break
        gained, point, cost, slope = cost - lower, trial, lower, steeper
        if gained <= _GAIN * max(1.0, abs(cost)):
            break
    return np.asarray(point, np.float64)


def _cost(point: Floats, design: Floats, outcomes: Floats, sides: Sides) -> tuple[float, Floats]:
    """Minus log likelihood, and its gradient."""
    inverse = point[-1]
    rest = inverse * outcomes - design @ point[:-1]
    numbers = sides == 0
    bounded = -sides * rest  # a lower bound above the line is unlikely
    logs = special.log_ndtr(bounded)
    cost = np.where(numbers, rest**2 / 2 - math.log(inverse), -logs).sum()
    slope = np.where(numbers, rest, sides * _mills(bounded))
    gradient = np.append(-slope @ design, slope @ outcomes - numbers.sum() / inverse)
    return float(cost), np.asarray(gradient, np.float64)


def _information(point: Floats, design: Floats, outcomes: Floats, sides: Sides) -> Floats:
    """Second derivatives of `_cost`."""
    inverse = point[-1]
    rest = inverse * outcomes - design @ point[:-1]
    bounded = -sides * rest
    mills = _mills(bounded)
    weights = np.where(sides == 0, 1.0, mills * (mills + bounded))
    columns = np.column_stack([-design, outcomes])
    information = columns.T @ (weights[:, None] * columns)
    information[-1, -1] += int((sides == 0).sum()) / inverse**2
    return np.asarray(information, np.float64)


def _mills(at: Floats) -> Floats:
    """Density over distribution function of the normal, stable far out."""
    return np.asarray(np.exp(-(at**2) / 2 - special.log_ndtr(at)) / math.sqrt(2 * math.pi))
