"""Variances of a few values each, made steadier by what many have in common."""

from __future__ import annotations

import numpy as np
from scipy import special
from scipy.optimize import brentq

from bytetransfer.transfer.curve import Floats

VARIANCE_FLOOR = 1e-3
"""Least sample variance, as a share of the mean one, that enters the pooling: its logarithm."""
SLOPE_SPREAD = 0.4
"""Standard deviation of the prior of a trend: by how much log variance changes with log bytes. A
variance that falls as one over the square root of the bytes has a slope of −0.5."""


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


def variance_slope(variances: Floats, places: Floats, degrees: int) -> tuple[float, float]:
    """How log variance changes with place: a gamma regression with a normal prior around 0.

    Sample variances are gamma distributed about exp(level + slope · place) with `degrees` degrees
    of freedom; the level has a closed form, and the slope is where the score is zero.

    Args:
        variances: sample variances; shape (arms,).
        places: where they belong, their mean 0; shape (arms,).
        degrees: degrees of freedom of each.

    Returns:
        The slope and its variance.

    >>> places = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    >>> slope, _ = variance_slope(np.exp(-0.5 * places), places, 200)
    >>> round(slope, 2)
    -0.5
    """
    strength, precision = degrees / 2 * len(variances), 1 / SLOPE_SPREAD**2
    uncertainty = 1 / (degrees / 2 * float(places @ places) + precision)
    if not variances.any():
        return 0.0, uncertainty

    def score(slope: float) -> float:
        exponents = np.where(variances > 0, -slope * places, -np.inf)
        shares = variances * np.exp(exponents - exponents.max())
        return slope * precision - strength * float(shares @ places / shares.sum())

    most = strength / precision * float(np.abs(places).max()) + 1.0
    return float(brentq(score, -most, most, xtol=1e-9)), uncertainty


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
