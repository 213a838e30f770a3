"""A from-scratch curve as each method draws it, and redraws it for an interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from bytetransfer.transfer.curve import Curve, Floats, Inverse, fit_log_losses
from bytetransfer.transfer.interval import Refit
from bytetransfer.transfer.literature import LinearCurve, PublishedCurve, fit_linear
from bytetransfer.transfer.methods import Method, check_method
from bytetransfer.transfer.power_law import REACH, PowerLawCurve


class LossCurve(Protocol):
    """A from-scratch curve as every method has it."""

    @property
    def sizes_bytes(self) -> Floats:
        """Training bytes, strictly increasing; shape (sizes,)."""

    @property
    def bits_per_byte(self) -> Floats:
        """Measured losses; shape (sizes,)."""

    @property
    def pooled(self) -> bool:
        """True if a loss rose with bytes, so that neighbours were averaged."""

    def loss(self, size_bytes: float) -> float:
        """Bits per byte of the curve at a size."""

    def invert(self, bits_per_byte: float) -> Inverse:
        """The size at which the curve reaches a loss, or a bound."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reading:
    """A curve as one method draws it.

    Attributes:
        curve: the curve through the means of log loss over seeds.
        refit: how it is redrawn through resampled losses; None where the method has no interval.
    """

    curve: LossCurve
    refit: Refit | None


def read_curve(
    method: Method,
    sizes_bytes: Floats,
    log_losses: Floats,
    document_losses: Floats | None = None,
    *,
    extrapolate: bool = False,
) -> Reading:
    """The curve of from-scratch runs by one method.

    Args:
        method: how to draw it.
        sizes_bytes: training bytes; shape (sizes,), in any order.
        log_losses: log of bits per byte of each run; shape (seeds, sizes).
        document_losses: seed means of log loss on resampled test documents, shape (resamples,
            sizes), in the order of `sizes_bytes`; None without documents.
        extrapolate: whether a power law may be read past the largest size.

    Raises:
        MeasurementError: for what is no curve, or does not identify a power law.
        ValueError: for an unknown method, or to extrapolate with one that cannot.
    """
    check_method(method, extrapolate=extrapolate)
    losses = np.exp(log_losses.mean(axis=0))
    if method == "monotone":
        return Reading(curve=Curve.through(sizes_bytes, losses), refit=Refit())
    if method == "linear":
        # Straight lines in bytes are known to run above a convex curve: all of that is allowed for.
        refit = Refit(fit=fit_linear, allowance=_off_the_cubic, sides=None)
        return Reading(curve=LinearCurve.through(sizes_bytes, losses), refit=refit)
    if method == "published":
        return Reading(curve=PublishedCurve.through(sizes_bytes, losses), refit=None)
    law = PowerLawCurve.through(sizes_bytes, losses, extrapolate=extrapolate)
    if document_losses is not None:
        document_losses = document_losses[:, np.argsort(sizes_bytes, kind="stable")]
    law.check(log_losses, document_losses)
    refit = Refit(fit=law.refit, allowance=None, reach=REACH if extrapolate else 1.0)
    return Reading(curve=law, refit=refit)


def _off_the_cubic(log_sizes: Floats, log_losses: Floats, at: Floats) -> Floats:
    """Straight lines less the monotone curve, all of which is allowed for."""
    rows = log_losses[None]
    apart = fit_linear(log_sizes, rows, at)[0] - fit_log_losses(log_sizes, rows, at)[0]
    return np.asarray(apart, np.float64)
