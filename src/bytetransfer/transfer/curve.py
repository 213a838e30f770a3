"""Held-out loss as a function of training bytes, and its inverse (docs/method.md).

A curve is made monotone (the pool-adjacent-violators solution, decreasing in bytes) and then
interpolated shape-preservingly (PCHIP), both in log loss against log bytes. It is never continued
past the sizes that were measured: there the inverse is a bound and says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bytetransfer.errors import MeasurementError
from bytetransfer.transfer.pchip import interpolate, pieces

Floats = NDArray[np.float64]

Status = Literal["inside", "below_range", "above_range", "extrapolated"]
"""`inside`: a number; `below_range`: at most the smallest size; `above_range`: at least the
largest size; `extrapolated`: a number past the largest size that rests on a law, only if asked."""

LOG_LOSS_ROUNDING = 1e-12
"""Log losses closer than this are one loss: it is what taking logarithms leaves undecided."""
SIZE_ROUNDING = 1e-12
"""Sizes that differ by no more than this share are one: what logarithms of bytes leave of them."""
_ROOT_WIDTH = 1e-13  # of log bytes


@dataclass(frozen=True)
class Inverse:
    """The training bytes at which a curve reaches a loss.

    Attributes:
        status: whether `bytes` is a number or a bound.
        bytes: the smallest size that reaches the loss where `inside` or `extrapolated`; the
            smallest measured size, an upper bound, where `below_range`; the largest, a lower bound,
            where `above_range`.
        upper_bytes: the largest size with the same loss: equal to `bytes` on a strictly falling
            stretch, the far end of a plateau between two falling stretches, and None (open) on a
            plateau at the end of the curve and above the range.
    """

    status: Status
    bytes: float
    upper_bytes: float | None


@dataclass(frozen=True, eq=False)
class Curve:
    """Loss against bytes, from-scratch runs of one (learner, regime, target).

    Attributes:
        sizes_bytes: training bytes, strictly increasing; shape (sizes,).
        bits_per_byte: measured losses, before any pooling; shape (sizes,).

    Raises:
        MeasurementError: for fewer than two sizes, sizes out of order, a loss that is not positive.

    >>> curve = Curve.through([1_000, 10_000, 100_000], [4.0, 2.0, 1.0])
    >>> round(curve.invert(2.0).bytes), curve.invert(0.9).status, curve.invert(0.9).bytes
    (10000, 'above_range', 100000.0)
    """

    sizes_bytes: Floats
    bits_per_byte: Floats

    def __post_init__(self) -> None:
        _check(self.sizes_bytes, self.bits_per_byte)

    @classmethod
    def through(cls, sizes_bytes: ArrayLike, bits_per_byte: ArrayLike) -> Curve:
        """The curve through measured points, given in any order.

        A size that occurs twice is refused: average the seeds first.
        """
        sizes = np.asarray(sizes_bytes, np.float64)
        losses = np.asarray(bits_per_byte, np.float64)
        order = np.argsort(sizes, kind="stable")
        return cls(sizes[order], losses[order])

    @cached_property
    def log_sizes(self) -> Floats:
        """Natural logarithm of the sizes; shape (sizes,)."""
        return np.log(self.sizes_bytes)

    @cached_property
    def fitted_log_losses(self) -> Floats:
        """Log losses at the sizes after pooling, never rising; shape (sizes,)."""
        return pool_decreasing(np.log(self.bits_per_byte))

    @cached_property
    def _pieces(self) -> list[list[float]]:
        """Coefficients of each piece between two sizes, the cubic one first."""
        found: list[list[float]] = pieces(self.log_sizes, self.fitted_log_losses).tolist()
        return found

    @cached_property
    def pooled(self) -> bool:
        """True if a loss rose with bytes, so that neighbours were averaged."""
        return bool(np.any(np.diff(self.bits_per_byte) > 0))

    def loss(self, size_bytes: float) -> float:
        """Bits per byte of the fitted curve at a size within the measured range.

        Raises:
            ValueError: outside the range, where nothing was measured.
        """
        if not self.sizes_bytes[0] <= size_bytes <= self.sizes_bytes[-1]:
            raise ValueError(f"{size_bytes} bytes lie outside the measured sizes")
        above = int(np.searchsorted(self.sizes_bytes, size_bytes, side="right"))
        left = min(above, len(self.sizes_bytes) - 1) - 1
        step = math.log(size_bytes) - float(self.log_sizes[left])
        third, second, first, zeroth = self._pieces[left]
        return math.exp(((third * step + second) * step + first) * step + zeroth)

    def invert(self, bits_per_byte: float) -> Inverse:
        """The smallest size whose fitted loss is at most `bits_per_byte`."""
        if not (math.isfinite(bits_per_byte) and bits_per_byte > 0):
            raise MeasurementError(
                f"a loss of {bits_per_byte} bits per byte has no place on a curve",
                todo="give a positive loss",
            )
        log_loss, fitted = math.log(bits_per_byte), self.fitted_log_losses
        if log_loss > fitted[0] + LOG_LOSS_ROUNDING:
            return Inverse("below_range", float(self.sizes_bytes[0]), float(self.sizes_bytes[0]))
        reached = np.flatnonzero(fitted <= log_loss + LOG_LOSS_ROUNDING)
        if not len(reached):
            return Inverse("above_range", float(self.sizes_bytes[-1]), None)
        first = int(reached[0])
        if first == 0 or abs(fitted[first] - log_loss) <= LOG_LOSS_ROUNDING:
            return self._at_size(first)
        size = self._between(first - 1, first, log_loss)
        return Inverse("inside", size, size)

    def _at_size(self, index: int) -> Inverse:
        level = self.fitted_log_losses[index]
        same = np.flatnonzero(self.fitted_log_losses >= level - LOG_LOSS_ROUNDING)
        last, end = int(same[-1]), len(self.sizes_bytes) - 1
        open_ended = last == end and last > index
        upper = None if open_ended else float(self.sizes_bytes[last])
        return Inverse("inside", float(self.sizes_bytes[index]), upper)

    def _between(self, left: int, right: int, log_loss: float) -> float:
        """Where the falling cubic between two sizes reaches a loss, by halves."""
        (third, second, first, zeroth), low = self._pieces[left], 0.0
        start, rest = float(self.log_sizes[left]), zeroth - log_loss
        high = float(self.log_sizes[right]) - start
        while high - low > _ROOT_WIDTH:
            middle = (low + high) / 2
            if ((third * middle + second) * middle + first) * middle + rest > 0:
                low = middle
            else:
                high = middle
        size = math.exp(start + (low + high) / 2)
        return min(max(size, float(self.sizes_bytes[left])), float(self.sizes_bytes[right]))


def pool_decreasing(log_losses: ArrayLike) -> Floats:
    """The closest never-rising sequence in least squares, for many curves at once.

    Uses the min-max form of the pool-adjacent-violators solution (Robertson, Wright and Dykstra,
    *Order Restricted Statistical Inference*, 1988, section 1.4), which vectorises over curves.

    Args:
        log_losses: shape (..., sizes), in order of size.

    Returns:
        The same shape; a sequence that never rises is returned unchanged.

    >>> pool_decreasing([3.0, 1.0, 2.0]).tolist()
    [3.0, 1.5, 1.5]
    """
    given = np.asarray(log_losses, np.float64)
    count = given.shape[-1]
    sums = np.cumsum(given, axis=-1)
    pooled = np.empty_like(given)
    # highest[i] at size k: the largest mean over sizes i..j with j >= k, filled from k = last down
    highest = np.full_like(given, -np.inf)
    for k in range(count - 1, -1, -1):
        for i in range(k + 1):
            mean = (sums[..., k] - (sums[..., i - 1] if i else 0.0)) / (k - i + 1)
            highest[..., i] = np.maximum(highest[..., i], mean)
        pooled[..., k] = highest[..., : k + 1].min(axis=-1)
    falling = np.all(np.diff(given, axis=-1) <= 0, axis=-1, keepdims=True)
    return np.where(falling, given, pooled)


def fit_log_losses(log_sizes: Floats, log_losses: Floats, at: Floats) -> Floats:
    """Fitted log losses of many curves over the same sizes: pooled, then interpolated.

    Args:
        log_sizes: natural logarithm of the sizes, strictly increasing; shape (sizes,).
        log_losses: one row a curve; shape (curves, sizes).
        at: natural logarithm of sizes within the range; shape (points,).

    Returns:
        Shape (curves, points).
    """
    return interpolate(log_sizes, pool_decreasing(log_losses), at)


def _check(sizes: Floats, losses: Floats) -> None:
    if sizes.shape != losses.shape or sizes.ndim != 1:
        raise ValueError(f"sizes {sizes.shape} and losses {losses.shape} are no points of a curve")
    if len(sizes) < 2:
        raise MeasurementError(
            f"a curve needs at least two sizes trained from scratch, there {_were(len(sizes))}",
            todo="measure more sizes",
        )
    if not (np.all(np.isfinite(sizes)) and sizes[0] > 0 and np.all(np.diff(sizes) > 0)):
        raise MeasurementError(
            f"the sizes {_listed(sizes)} bytes are not positive and all different",
            todo="average the seeds of one size; leave out size 0",
        )
    if not (np.all(np.isfinite(losses)) and np.all(losses > 0)):
        raise MeasurementError(
            f"the losses {_listed(losses)} bits per byte are not all positive numbers",
            todo="correct the rows",
        )


def _were(count: int) -> str:
    return "is one" if count == 1 else "is none"


def _listed(values: Sequence[float] | Floats) -> str:
    return ", ".join(f"{value:g}" for value in values)
