"""Quantiles and tails of the distributions that tests and intervals need.

They are those of `scipy.stats`, which computes them by the same functions but takes half a second
to import and a tenth of a millisecond a call, of which a study makes tens of thousands.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from bytetransfer.transfer.curve import Floats


def normal_quantile(share: float) -> float:
    """The value that a standard normal variable stays below with that probability."""
    return float(special.ndtri(share))


def normal_tail(values: ArrayLike) -> Floats:
    """Probability that a standard normal variable is above; shape of `values`."""
    return np.asarray(special.ndtr(-np.asarray(values, np.float64)), np.float64)


def t_quantile(share: float, degrees: ArrayLike) -> Floats:
    """Quantiles of Student's t; infinite degrees of freedom are the normal distribution.

    >>> t_quantile(0.975, [2, np.inf]).round(3).tolist()
    [4.303, 1.96]
    """
    return np.asarray(special.stdtrit(degrees, share), np.float64)


def t_tail(value: float, degrees: float) -> float:
    """Probability that Student's t is above; infinite degrees of freedom are the normal one.

    >>> round(t_tail(1.96, np.inf), 3)
    0.025
    """
    return float(special.stdtr(degrees, -value))


def f_quantile(share: float, above: ArrayLike, below: ArrayLike) -> Floats:
    """Quantiles of Fisher's F with those degrees of freedom of both variances."""
    return np.asarray(special.fdtri(above, below, share), np.float64)


def f_lower(values: ArrayLike, above: float, below: ArrayLike) -> Floats:
    """Probability that Fisher's F is below; shape of `values`."""
    return np.asarray(special.fdtr(above, below, values), np.float64)


def chi2_tail(value: float, degrees: float) -> float:
    """Probability that χ² is above."""
    return float(special.chdtrc(degrees, value))


def beta_quantile(share: float, one: float, other: float) -> float:
    """Quantile of the beta distribution."""
    return float(special.betaincinv(one, other, share))
