"""What printed digits leave open of a loss."""

from __future__ import annotations

import math

import numpy as np

from bytetransfer.transfer.curve import Floats

DECIMALS = (1, 2, 3)
"""Of losses that count as rounded: with more, noise between seeds hides what is cut off."""
_DIGITS_LOST = 1e-6  # of a unit: what a change of units leaves of a printed number


def rounding_variance(bits_per_byte: Floats) -> float:
    """Variance of log loss that comes from rounding, where all losses are visibly rounded.

    A rounded number is off by up to half a unit, every error as likely: unit² / 12. Losses are
    rounded in the unit they were written in, bits or nats per byte or perplexity.

    Args:
        bits_per_byte: of all runs of a curve; any shape.

    Returns:
        The variance at the mean loss, 0 where some loss has more decimals.

    >>> round(math.sqrt(12 * rounding_variance(np.array([4.01, 2.0, 2.99]))), 5)  # of 1
    0.00361
    >>> rounding_variance(np.array([4.0123, 2.0, 2.99]))
    0.0
    """
    nats = bits_per_byte * math.log(2)
    # What is printed, and by how much log loss changes with it.
    written = ((bits_per_byte, 1 / bits_per_byte), (nats, 1 / nats),
               (np.exp(nats), np.exp(-nats) / nats))  # fmt: skip
    for decimals in DECIMALS:
        for numbers, change in written:
            units = numbers * 10.0**decimals
            if np.all(np.abs(units - np.round(units)) < _DIGITS_LOST):
                return float((10.0**-decimals * change.mean()) ** 2 / 12)
    return 0.0
