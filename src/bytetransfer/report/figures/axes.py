"""Axes that several charts share."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from bytetransfer.report.figures.chart import Axis
from bytetransfer.units import format_bytes

Span = tuple[float, float | None, float | None]
"""A value with the ends of its interval."""
_FINEST, _COARSEST = 1e-4, 1e-1  # of the largest value: the linear stretch is no narrower, no wider


def worth_axis(spans: Sequence[Span], *, needs_zero: bool = True) -> Axis:
    """An axis for D_T, which is negative, zero and of many magnitudes at once.

    Linear near zero and logarithmic outside. The linear stretch is about as wide as intervals are:
    within them a magnitude says nothing, and small values keep their room beside a large one.

    Args:
        spans: what is drawn.
        needs_zero: whether zero is shown where all is above it; a plain logarithmic axis otherwise.

    >>> axis = worth_axis([(2e6, 1.9e6, 2.1e6), (4e3, 3.7e3, 4.3e3), (-200.0, -500.0, 100.0)])
    >>> axis.kind, axis.linear
    ('signed_log', 100.0)
    """
    ends = [end for span in spans for end in span if end is not None]
    if not needs_zero and min(ends, default=0.0) > 0:
        return Axis(
            title="D_T, bytes (log scale)", kind="log", low=min(ends) / 1.2, high=max(ends) * 1.2
        )
    linear = _linear(spans)
    return Axis(
        title=f"D_T, bytes (log scale beyond ±{format_bytes(linear)})",
        kind="signed_log",
        low=min(-linear, *ends) * 1.2,
        high=max(linear, *ends) * 1.2,
        linear=linear,
    )


def _linear(spans: Sequence[Span]) -> float:
    sizes = [abs(value) for value, _, _ in spans if value]
    halves = [
        (high - low) / 2
        for _, low, high in spans
        if low is not None and high is not None and high > low
    ]
    largest = max(sizes, default=1.0)
    rough = statistics.median(halves) if halves else statistics.median(sizes or [1.0]) / 10
    rough = min(largest * _COARSEST, max(largest * _FINEST, rough))
    return 10.0 ** math.floor(math.log10(max(1.0, rough)))
