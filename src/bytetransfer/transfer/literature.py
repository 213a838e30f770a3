"""Curves as the literature reads them, to hold ours against (docs/method.md).

`LinearCurve` is what a straight line between sizes means when it is done with care;
`PublishedCurve` does what a released script does, faults included, and is no method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from bytetransfer.errors import MeasurementError
from bytetransfer.transfer.curve import Curve, Floats, Inverse, pool_decreasing

PERIOD = 10.0
"""Perplexities that differ by this much are one to the released script."""

PERPLEXITY_ROUNDING = 1e-12
"""Perplexities closer than this share of themselves are one: powers of two leave it undecided."""

_MOST_BITS_PER_BYTE = 1000.0  # its power of two is still a number

Segment = Literal["neighbours", "unsorted", "folded", "seam"]
"""Between which two from-scratch points the released script reads:

- `neighbours`: two sizes next to each other at their own perplexities: the straight line;
- `unsorted`: two sizes that are no neighbours, since a perplexity rose with bytes and the script
  sorts by perplexity;
- `folded`: at least one of the two at its perplexity less a multiple of the period, so 12.5
  stands at 2.5, among the perplexities of far larger sizes;
- `seam`: across the end of the period, between the largest perplexity modulo the period (less a
  period) and the smallest, where no two points belong together: the loss lies outside of all
  that the script sees, and it gives a number all the same."""


@dataclass(frozen=True, eq=False)
class LinearCurve:
    """Perplexity as straight lines over bytes, made monotone; for comparison with the literature.

    Between from-scratch sizes a_i < a_{i+1} with perplexities p_i ≥ p_{i+1}, pooled as in
    `Curve` but in perplexity, D_E = a_i + (a_{i+1} − a_i) (p_i − p) / (p_i − p_{i+1}). Losses
    fall like a power of bytes; the chord of such a curve lies above it, so D_E comes out too
    large wherever sizes lie far apart.

    Attributes:
        sizes_bytes: training bytes, strictly increasing; shape (sizes,).
        bits_per_byte: measured losses, before any pooling; shape (sizes,).

    Raises:
        MeasurementError: for fewer than two sizes, sizes out of order, a loss that is not positive.

    >>> curve = LinearCurve.through([1_000, 10_000, 100_000], [4.0, 2.0, 1.0])
    >>> round(curve.invert(math.log2(3.0)).bytes)  # halfway from perplexity 4 to 2
    55000
    >>> curve.invert(0.9).status
    'above_range'
    """

    sizes_bytes: Floats
    bits_per_byte: Floats

    def __post_init__(self) -> None:
        _check(self.sizes_bytes, self.bits_per_byte)

    @classmethod
    def through(cls, sizes_bytes: ArrayLike, bits_per_byte: ArrayLike) -> LinearCurve:
        """The curve through measured points, given in any order."""
        measured = Curve.through(sizes_bytes, bits_per_byte)
        return cls(measured.sizes_bytes, measured.bits_per_byte)

    @cached_property
    def fitted_perplexities(self) -> Floats:
        """Perplexities per byte at the sizes after pooling, never rising; shape (sizes,)."""
        return pool_decreasing(np.exp2(self.bits_per_byte))

    @property
    def pooled(self) -> bool:
        """True if a perplexity rose with bytes, so that neighbours were averaged."""
        return bool(np.any(np.diff(self.bits_per_byte) > 0))

    def loss(self, size_bytes: float) -> float:
        """Bits per byte of the fitted curve at a size within the measured range.

        Raises:
            ValueError: outside the range, where nothing was measured.
        """
        return _loss(self.sizes_bytes, self.fitted_perplexities, size_bytes)

    def invert(self, bits_per_byte: float) -> Inverse:
        """The smallest size whose fitted loss is at most `bits_per_byte`; a bound outside."""
        sizes, fitted = self.sizes_bytes, self.fitted_perplexities
        perplexity = _perplexity(bits_per_byte)
        slack = PERPLEXITY_ROUNDING * perplexity
        if perplexity > fitted[0] + slack:
            return Inverse("below_range", float(sizes[0]), float(sizes[0]))
        reached = np.flatnonzero(fitted <= perplexity + slack)
        if not len(reached):
            return Inverse("above_range", float(sizes[-1]), None)
        first = int(reached[0])
        same = np.flatnonzero(np.abs(fitted - perplexity) <= slack)
        if len(same):
            last = int(same[-1])
            open_ended = last == len(sizes) - 1 and last > first
            upper = None if open_ended else float(sizes[last])
            return Inverse("inside", float(sizes[first]), upper)
        size = float(np.interp(perplexity, fitted[::-1], sizes[::-1]))
        return Inverse("inside", size, size)


def fit_linear(log_sizes: Floats, log_losses: Floats, at: Floats) -> Floats:
    """Fitted log losses of many linear curves over the same sizes, as `LinearCurve.loss` has them.

    Args:
        log_sizes: natural logarithm of the sizes, strictly increasing; shape (sizes,).
        log_losses: natural logarithm of bits per byte, one row a curve; shape (curves, sizes).
        at: natural logarithm of sizes within the range; shape (points,).

    Returns:
        Shape (curves, points).
    """
    sizes, wanted = np.exp(log_sizes), np.exp(at)
    fitted = pool_decreasing(np.exp2(np.exp(log_losses)))
    left = np.clip(np.searchsorted(log_sizes, at, side="right") - 1, 0, len(sizes) - 2)
    share = np.clip((wanted - sizes[left]) / (sizes[left + 1] - sizes[left]), 0.0, 1.0)
    perplexities = fitted[:, left] * (1 - share) + fitted[:, left + 1] * share
    return np.asarray(np.log(np.log2(perplexities)), np.float64)


@dataclass(frozen=True, eq=False)
class PublishedCurve:
    """What the released script makes of from-scratch perplexities: not a method, a record.

    The analysis of de Souza, Almeida, Lotufo and Nogueira (arXiv 2404.08191;
    github.com/lersouza/language-transfer) takes D_E from
    `numpy.interp(perplexity, from_scratch_perplexities, sizes, period=10)`, zero-shot rows left
    out. `numpy.interp` wants ascending abscissae, which perplexities over growing sizes are not.
    Given a period it does not ask for them: it takes all perplexities modulo 10, sorts them with
    their sizes, repeats the last (less 10) before the first and the first (plus 10) after the
    last, and joins neighbours by straight lines. That turns the order round as wished. It also

    - moves every perplexity of 10 and more (`folded`): the 12.5 of a small size stands at 2.5;
    - joins sizes that are no neighbours where a perplexity rises with bytes (`unsorted`);
    - has a number for every loss (`seam`), since a periodic function has no outside.

    Where none of that happens (`neighbours`) it is `LinearCurve` to the last digit. Nothing else
    about the data needs a period: perplexity is not periodic, and reversing the arrays would have
    ordered them.

    Attributes:
        sizes_bytes: training bytes, strictly increasing; shape (sizes,).
        bits_per_byte: measured losses; shape (sizes,).

    Raises:
        MeasurementError: for fewer than two sizes, sizes out of order, a loss that is not positive.

    >>> curve = PublishedCurve.through([6, 60, 600], [math.log2(p) for p in (12.5, 4.0, 3.0)])
    >>> round(curve.invert(math.log2(3.5)).bytes), curve.segment(math.log2(3.5))
    (330, 'neighbours')
    >>> round(curve.invert(math.log2(2.75)).bytes), curve.segment(math.log2(2.75))
    (303, 'folded')
    >>> curve.invert(math.log2(2.75)).status
    'above_range'
    """

    sizes_bytes: Floats
    bits_per_byte: Floats

    def __post_init__(self) -> None:
        _check(self.sizes_bytes, self.bits_per_byte)

    @classmethod
    def through(cls, sizes_bytes: ArrayLike, bits_per_byte: ArrayLike) -> PublishedCurve:
        """The curve through measured points, given in any order; size 0 (zero-shot) is left out."""
        sizes = np.asarray(sizes_bytes, np.float64)
        given = sizes != 0
        measured = Curve.through(sizes[given], np.asarray(bits_per_byte, np.float64)[given])
        return cls(measured.sizes_bytes, measured.bits_per_byte)

    @cached_property
    def perplexities(self) -> Floats:
        """Measured perplexities per byte; shape (sizes,)."""
        return _as_printed(np.exp2(self.bits_per_byte))

    @property
    def pooled(self) -> bool:
        """False: the script pools nothing."""
        return False

    @cached_property
    def _linear(self) -> LinearCurve:
        return LinearCurve(self.sizes_bytes, self.bits_per_byte)

    def loss(self, size_bytes: float) -> float:
        """Bits per byte at a size, on straight lines in perplexity between neighbouring sizes.

        The script has no use for it; `invert` undoes it only where it reads between `neighbours`.

        Raises:
            ValueError: outside the range, where nothing was measured.
        """
        return _loss(self.sizes_bytes, self.perplexities, size_bytes)

    def invert(self, bits_per_byte: float) -> Inverse:
        """The script's number, with the status a careful reading gives that loss.

        The script knows no bounds. `status` is that of `LinearCurve`, so that a number which
        stands where there is only a bound can be seen to do so. The number lies between the
        smallest and the largest size whatever happens, so read as a bound it is not wrong, only
        weak: `≥ 6.5 MB` for what is `≥ 6 GB`.
        """
        status = self._linear.invert(bits_per_byte).status
        perplexity = self._perplexity(bits_per_byte)
        size = float(np.interp(perplexity, self.perplexities, self.sizes_bytes, period=PERIOD))
        return Inverse(status, size, None if status == "above_range" else size)

    def between(self, bits_per_byte: float) -> tuple[float, float]:
        """The from-scratch sizes the script reads a loss between, in bytes, the smaller first."""
        ends, _ = self._ends(self._perplexity(bits_per_byte))
        low, high = sorted(float(self.sizes_bytes[end]) for end in ends)
        return low, high

    def segment(self, bits_per_byte: float) -> Segment:
        """How the two points relate that the script reads a loss between."""
        perplexity = self._perplexity(bits_per_byte)
        ends, places = self._ends(perplexity)
        if np.allclose(places, self.perplexities[ends], rtol=PERPLEXITY_ROUNDING, atol=0.0):
            return "neighbours" if abs(ends[0] - ends[1]) == 1 else "unsorted"
        folded = self.perplexities % PERIOD
        inside = folded.min() <= perplexity % PERIOD < folded.max()
        return "folded" if inside else "seam"

    def _perplexity(self, bits_per_byte: float) -> float:
        return float(_as_printed(np.exp2(_checked(bits_per_byte))))

    def _ends(self, perplexity: float) -> tuple[list[int], Floats]:
        """Indices of the two points around a perplexity, and the perplexities the script sees."""
        order = np.argsort(self.perplexities % PERIOD)
        folded = self.perplexities[order] % PERIOD
        right = int(np.searchsorted(folded, perplexity % PERIOD, side="right"))
        left, right_end = right - 1, right % len(order)
        places = perplexity - perplexity % PERIOD + folded[[left, right_end]]
        places += [-PERIOD if right == 0 else 0.0, PERIOD if right == len(order) else 0.0]
        return [int(order[left]), int(order[right_end])], places


def _as_printed(perplexities: ArrayLike) -> Floats:
    """What became bits and is a perplexity again, without the digits that this has cost.

    16 and 6 are one to the script, modulo 10, and must be so still.
    """
    return np.round(np.asarray(perplexities, np.float64), 12).astype(np.float64)


def _perplexity(bits_per_byte: float) -> float:
    return float(np.exp2(_checked(bits_per_byte)))


def _checked(bits_per_byte: float) -> float:
    if not 0 < bits_per_byte < _MOST_BITS_PER_BYTE:
        raise MeasurementError(
            f"a loss of {bits_per_byte} bits per byte has no place on a curve of perplexities",
            todo="give a positive loss; guessing has 8 bits per byte",
        )
    return bits_per_byte


def _check(sizes: Floats, losses: Floats) -> None:
    """Refuse what is no curve, and losses whose perplexity is no number."""
    Curve(sizes, losses)
    _perplexity(float(losses.max()))


def _loss(sizes: Floats, perplexities: Floats, size_bytes: float) -> float:
    if not sizes[0] <= size_bytes <= sizes[-1]:
        raise ValueError(f"{size_bytes} bytes lie outside the measured sizes")
    return math.log2(float(np.interp(size_bytes, sizes, perplexities)))
