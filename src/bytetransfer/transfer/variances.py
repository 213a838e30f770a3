"""Variances of a few values each, made steadier by what many have in common."""

from __future__ import annotations

import numpy as np
from scipy import special

from bytetransfer.transfer.curve import Floats

VARIANCE_FLOOR = 1e-3
"""Least sample variance, as a share of the mean one, that enters the pooling: its logarithm."""
SLOPE_SPREAD = 0.4
"""Standard deviation of the prior of a trend: by how much log variance changes with log bytes. A
variance that falls as one over the square root of the bytes has a slope of −0.5."""

_STEPS = 100  # of Newton's method, which takes less than ten
_LEAST_EXCESS = 1e-9  # in the variance of log variances: below it they are alike


def pooled_variances(variances: Floats, degrees: int) -> tuple[Floats, Floats]:
    """Sample variances shrunk towards each other as far as they agree (Smyth 2004, section 6.2).

    Args:
        variances: sample variances of the arms; shape (..., arms), each row for itself.
        degrees: degrees of freedom of each.

    Returns:
        The variances, shape (..., arms), and the degrees of freedom of each, at most those of all;
        shape (...).

    >>> variances, freedom = pooled_variances(np.array([1.0, 1.0, 1.0]), 2)
    >>> variances.tolist(), float(freedom)
    ([1.0, 1.0, 1.0], 6.0)
    """
    count = variances.shape[-1]
    mean = variances.mean(axis=-1, keepdims=True)
    if count < 2:
        return variances, np.full(variances.shape[:-1], float(degrees))
    nothing = mean == 0
    known = np.where(nothing, 1.0, variances)
    mean = np.where(nothing, 1.0, mean)
    logs = np.log(np.maximum(known, VARIANCE_FLOOR * mean))
    excess = logs.var(axis=-1, ddof=1, keepdims=True) - special.polygamma(1, degrees / 2)
    prior = 2 * _inverse_trigamma(np.maximum(excess, _LEAST_EXCESS))
    centre = _scale(known, mean, degrees, prior)
    shrunk = (prior * centre + degrees * variances) / (prior + degrees)
    freedom = np.minimum(prior + degrees, float(degrees * count))
    return np.where(nothing, variances, shrunk), np.where(nothing, float(degrees), freedom)[..., 0]


def _scale(variances: Floats, start: Floats, degrees: int, prior: Floats) -> Floats:
    """What variances are about: most likely where they over it have Fisher's F (degrees, prior).

    It is their mean where they differ by chance alone (an endless prior), and takes the less of
    large ones the more they differ, without a step in between.
    """
    centre = start
    for _ in range(_STEPS):
        weights = (prior + degrees) / (prior * centre + degrees * variances)
        moved = centre * (weights * variances).mean(axis=-1, keepdims=True)
        done = np.abs(moved - centre).max(initial=0.0) <= 1e-9 * centre.max(initial=0.0)
        centre = moved
        if done:
            break
    return centre


def variance_slope(variances: Floats, places: Floats, degrees: int) -> tuple[Floats, Floats]:
    """How log variance changes with place: a gamma regression with a normal prior around 0.

    Sample variances are gamma distributed about exp(level + slope · place) with `degrees` degrees
    of freedom; the level has a closed form, and the slope is where the score, which rises with it,
    is zero.

    Args:
        variances: sample variances; shape (..., arms), each row for itself.
        places: where they belong, their mean 0; the same shape.
        degrees: degrees of freedom of each.

    Returns:
        The slopes and their variances; shape (...).

    >>> places = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    >>> slope, _ = variance_slope(np.exp(-0.5 * places), places, 200)
    >>> round(float(slope), 2)
    -0.5
    """
    strength, precision = degrees / 2 * variances.shape[-1], 1 / SLOPE_SPREAD**2
    uncertainty = 1 / (degrees / 2 * np.square(places).sum(axis=-1) + precision)
    nothing = np.logical_not(variances.any(axis=-1))
    known = np.where(np.expand_dims(nothing, -1), 1.0, variances)
    high = strength / precision * np.abs(places).max(axis=-1) + 1.0
    low, slope = -high, np.zeros_like(high)
    for _ in range(_STEPS):
        exponents = np.where(known > 0, -slope[..., None] * places, -np.inf)
        shares = known * np.exp(exponents - exponents.max(axis=-1, keepdims=True))
        shares = shares / shares.sum(axis=-1, keepdims=True)
        mean = (shares * places).sum(axis=-1)
        spread = (shares * np.square(places - mean[..., None])).sum(axis=-1)
        score = slope * precision - strength * mean
        low, high = np.where(score < 0, slope, low), np.where(score > 0, slope, high)
        # Newton's method, or half of what is left where it leads out of that.
        trial = slope - score / (precision + strength * spread)
        trial = np.where((trial >= low) & (trial <= high), trial, (low + high) / 2)
        moved, slope = np.abs(trial - slope).max(initial=0.0), trial
        if moved <= 1e-12:
            break
    return np.where(nothing, 0.0, slope)[()], uncertainty


def _inverse_trigamma(values: Floats) -> Floats:
    """Newton's method on 1/trigamma, which is close to linear (Smyth 2004, appendix)."""
    at = 0.5 + 1 / values
    for _ in range(_STEPS):
        trigamma = special.polygamma(1, at)
        step = trigamma * (1 - trigamma / values) / special.polygamma(2, at)
        at = at + step
        if np.all(np.abs(step) < 1e-9 * at):
            break
    return np.asarray(at, np.float64)
