"""By how much a curve drawn between measured sizes may miss the truth (docs/method.md, section 6).

No noise tells of a bend between two sizes. What does is the curve itself: its straight pieces on
either side, continued, are as far as a curve of one curvature can go (the *bracket*), and a size
that is left out shows how far in that direction the truth lies from what the others predict.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bytetransfer.transfer.curve import LOG_LOSS_ROUNDING, Floats, fit_log_losses, pool_decreasing

INTERPOLATION_SHARE = 0.1
"""Least allowance, as a share of the distance between cubic and straight interpolation: on power
laws at six sizes over three decades the 80th percentile of the error."""
BEND_SHARES = (0.25, 0.5)
"""How far towards the bracket a left-out size lies where nothing, and where the whole distance to
the bracket, is allowed for beside it. Of power laws at four or six sizes over three decades 19 in
20 stay below .21; beside a bend some size mostly reaches .5."""
THREE_SIZES_SHARE = 0.15
"""Of the distance to the bracket that is allowed for with three sizes, where leaving one out says
nothing: what power laws of three sizes over three decades need."""

STEEPER = (0.2, 0.3)
"""By how much a slope is steeper than the one before it, as a share of the steepest, where nothing,
and where all that is allowed for a curve with an inflection is. A power law never gets steeper."""
INFLECTION_SHARE = 0.9
"""Of the distance to the neighbouring pieces continued, where a curve starts flat or falls in an S.
With three quarters 5 sizes at any places cover .92 (`benchmarks/coverage.py`)."""
FEW_SIZES = 4
"""Up to so many sizes a curve with an inflection may be nearly anywhere between two of them."""
FEW_POWER = 3
"""How fast what is not allowed for then fades away from a size: with p the place in the segment, of
the way down to the next loss (1 − p)³ and of the way up to the last one p³. With all of the way
allowed for, limits leap over half a segment where a fine-tuned loss passes that of a size."""
EDGE_SHARE = 1 / 16
"""Of a segment, over which with more sizes the allowance grows from nothing at a measured size."""


def bracket(log_sizes: Floats, log_losses: Floats, at: Floats) -> Floats:
    """How far a curve without inflection can lie from its chords, on the side it bends to.

    A convex curve lies below each chord and above both neighbouring chords continued; a concave one
    the other way round. Where the neighbours lie on different sides the chord itself is returned.
    Beyond the ends slopes are taken to go on changing as they did.

    Args:
        log_sizes: natural logarithm of the sizes; shape (sizes,).
        log_losses: never rising; shape (sizes,).
        at: log sizes within the range; shape (points,).

    Returns:
        Shape (points,).

    >>> bend = bracket(np.arange(4.0), np.array([3.0, 1.0, 0.2, 0.0]), np.array([1.25, 1.75]))
    >>> bend.round(3).tolist()  # the right piece continued, with a slope of -.2
    [0.5, 0.25]
    """
    chord = np.interp(at, log_sizes, log_losses)
    lowest, highest = _continued(log_sizes, log_losses, at)
    reached = np.select([highest <= chord, lowest >= chord], [highest, lowest], chord)
    left, right = _ends(log_sizes, at)
    return np.asarray(np.clip(reached, log_losses[right], log_losses[left]), np.float64)


def _continued(log_sizes: Floats, log_losses: Floats, at: Floats) -> tuple[Floats, Floats]:
    """The neighbouring straight pieces continued, the lower and the higher; shape (points,)."""
    slopes = np.diff(log_losses) / np.diff(log_sizes)
    changes = np.diff(slopes) if len(slopes) > 1 else np.zeros(1)
    slopes = np.concatenate([slopes[:1] - changes[0], slopes, slopes[-1:] + changes[-1]])
    left, right = _ends(log_sizes, at)
    before = log_losses[left] + np.minimum(slopes[left], 0.0) * (at - log_sizes[left])
    after = log_losses[right] + np.minimum(slopes[left + 2], 0.0) * (at - log_sizes[right])
    return np.minimum(before, after), np.maximum(before, after)


def _ends(log_sizes: Floats, at: Floats) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which sizes lie on either side; shape (points,)."""
    left = np.clip(np.searchsorted(log_sizes, at, side="right") - 1, 0, len(log_sizes) - 2)
    return left, left + 1


def bend_shares(log_sizes: Floats, log_losses: Floats) -> Floats:
    """How far towards the bracket each size lies from the curve through all the others.

    The ends, and curves of fewer than four sizes, tell nothing.

    Args:
        log_sizes: natural logarithm of the sizes; shape (sizes,).
        log_losses: never rising; shape (sizes,).

    Returns:
        Shape (sizes,), from 0 to 1.
    """
    count = len(log_sizes)
    shares = np.zeros(count)
    if count < 4:
        return shares
    for size in range(1, count - 1):
        others, place = np.delete(np.arange(count), size), log_sizes[size : size + 1]
        rest = log_sizes[others], log_losses[others]
        predicted = fit_log_losses(rest[0], rest[1][None], place)[0, 0]
        missed, reach = log_losses[size] - predicted, bracket(*rest, place)[0] - predicted
        if abs(missed) > LOG_LOSS_ROUNDING:  # on a straight line both are nothing but rounding
            shares[size] = min(1.0, abs(missed) / max(abs(reach), LOG_LOSS_ROUNDING))
    return shares


def bend_allowance(log_sizes: Floats, log_losses: Floats, at: Floats) -> Floats:
    """Allowance of the monotone curve between its sizes, in log loss; 0 at the sizes.

    A tenth of the distance to the chord, and beside a size that the others do not predict as much
    of the distance to the bracket as they miss it by (`BEND_SHARES`). Three sizes predict nothing
    and are taken for a power law; between two a curve may be anywhere that does not rise. A curve
    that gets steeper somewhere is no power law: nine tenths of the distance to the pieces on
    either side, continued, are allowed for then, and with few sizes nearly all that does not rise.

    Args:
        log_sizes: natural logarithm of the sizes; shape (sizes,).
        log_losses: shape (sizes,).
        at: log sizes within the range; shape (points,).

    Returns:
        Shape (points,); negative where the curve lies below its chord.
    """
    most = bend_sides(log_sizes, log_losses, at).max(axis=0)
    pooled = pool_decreasing(log_losses)
    fitted = fit_log_losses(log_sizes, pooled[None], at)[0]
    below = len(log_sizes) == 2 or fitted - np.interp(at, log_sizes, pooled) < -LOG_LOSS_ROUNDING
    return np.asarray(np.where(below, -most, most), np.float64)


def bend_sides(log_sizes: Floats, log_losses: Floats, at: Floats) -> Floats:
    """How far the truth may lie below and above the monotone curve, in log loss.

    The larger one is what `bend_allowance` gives. They differ where a curve of few sizes gets
    steeper somewhere: between two sizes it lies between their losses.

    Args:
        log_sizes: natural logarithm of the sizes; shape (sizes,).
        log_losses: shape (sizes,).
        at: log sizes within the range; shape (points,).

    Returns:
        Shape (2, points), none negative.
    """
    pooled = pool_decreasing(log_losses)
    if len(log_sizes) == 2:
        between = (at > log_sizes[0]) & (at < log_sizes[1])
        fall = np.where(between, pooled[0] - pooled[1], 0.0)
        return np.asarray(np.stack([fall, fall]), np.float64)
    fitted = fit_log_losses(log_sizes, pooled[None], at)[0]
    from_chord = fitted - np.interp(at, log_sizes, pooled)
    bends = _share_beside(log_sizes, pooled, at) * np.abs(fitted - bracket(log_sizes, pooled, at))
    most = np.maximum(INTERPOLATION_SHARE * np.abs(from_chord), bends)
    if len(log_sizes) <= FEW_SIZES:
        reach = _within_ends(log_sizes, pooled, at, fitted)
        return np.asarray(np.maximum(np.minimum(most, reach), _steepens(log_sizes, pooled) * reach))
    both = np.maximum(most, _inflections(log_sizes, pooled, at, fitted))
    return np.asarray(np.stack([both, both]), np.float64)


def _steepens(log_sizes: Floats, log_losses: Floats) -> float:
    """Whether a curve starts flat or falls in an S, from 0 to 1; 0 if it never gets steeper."""
    slopes = -np.diff(log_losses) / np.diff(log_sizes)
    none, whole = STEEPER
    steeper = max(float(np.diff(slopes).max()), 0.0) / max(float(slopes.max()), LOG_LOSS_ROUNDING)
    return min(max((steeper - none) / (whole - none), 0.0), 1.0)


def _within_ends(log_sizes: Floats, log_losses: Floats, at: Floats, fitted: Floats) -> Floats:
    """Nearly the way down and up to the losses of the sizes on either side; shape (2, points).

    The curve less the one, and with the other, falls all the way from size to size.
    """
    left, right = _ends(log_sizes, at)
    place = (at - log_sizes[left]) / (log_sizes[right] - log_sizes[left])
    low = (1 - (1 - place) ** FEW_POWER) * (fitted - log_losses[right])
    high = (1 - place**FEW_POWER) * (log_losses[left] - fitted)
    return np.maximum(np.stack([low, high]), 0.0)


def _inflections(log_sizes: Floats, log_losses: Floats, at: Floats, fitted: Floats) -> Floats:
    """What a curve that starts flat or falls in an S may miss; 0 where it never gets steeper."""
    left, right = _ends(log_sizes, at)
    lowest, highest = (np.clip(line, log_losses[right], log_losses[left])
                       for line in _continued(log_sizes, log_losses, at))  # fmt: skip
    place = (at - log_sizes[left]) / (log_sizes[right] - log_sizes[left])
    edge = np.minimum(1.0, np.minimum(place, 1 - place) / EDGE_SHARE)
    reach = edge * np.maximum(highest - fitted, fitted - lowest)
    share = INFLECTION_SHARE * _steepens(log_sizes, log_losses)
    return np.asarray(share * reach, np.float64)


def _share_beside(log_sizes: Floats, log_losses: Floats, at: Floats) -> Floats | float:
    """Of the distance to the bracket, how much is allowed for at each of some log sizes."""
    if len(log_sizes) == 3:
        return THREE_SIZES_SHARE
    none, whole = BEND_SHARES
    shares = np.clip((bend_shares(log_sizes, log_losses) - none) / (whole - none), 0.0, 1.0)
    left, right = _ends(log_sizes, at)
    return np.maximum(shares[left], shares[right])
