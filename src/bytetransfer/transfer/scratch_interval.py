"""The interval of a from-scratch curve at the sizes that were measured.

D_E has an interval of its own (`interval.py`), which pairs both arms. This one says how well the
curve itself is known, for whoever looks at it alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import Blocks, Measurement
from bytetransfer.transfer.arms import scratch_arm
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.distributions import t_quantile
from bytetransfer.transfer.resampling import Resampling
from bytetransfer.transfer.variances import pooled_variances


@dataclass(frozen=True, kw_only=True)
class ScratchPoint:
    """The loss of from-scratch models of one size.

    Attributes:
        size_bytes: actual bytes, averaged over the seeds.
        bits_per_byte: geometric mean over the seeds.
        low: lower limit of it; None where there is no interval.
        high: upper limit of it; None where there is no interval.
    """

    size_bytes: float
    bits_per_byte: float
    low: float | None
    high: float | None


def scratch_interval(
    rows: Sequence[Measurement], blocks: Mapping[str, Blocks], *, confidence: float = 0.95
) -> tuple[ScratchPoint, ...]:
    """Mean log loss at each size, with an interval over seeds and test documents.

    Variances between seeds are shrunk towards each other as in `pooled_variances`; that of the
    documents is the linearised one of a ratio of sums over blocks. Both are added, with degrees of
    freedom after Satterthwaite.

    Args:
        rows: from-scratch rows of one curve.
        blocks: nats and bytes of the test-document blocks of each run.
        confidence: nominal coverage.

    Returns:
        A point a size, by rising size; none where no seed was trained at every size.

    >>> rows = [
    ...     Measurement(source="scratch", target="fi", target_bytes=1000, bits_per_byte=b, seed=s)
    ...     for s, b in ((0, 2.0), (1, 2.2))
    ... ]
    >>> (point,) = scratch_interval(rows, {})
    >>> round(point.low, 2), round(point.bits_per_byte, 2), round(point.high, 2)
    (1.14, 2.1, 3.84)
    """
    try:
        arm = scratch_arm(rows, sorted({row.seed for row in rows}), blocks, Resampling())
    except MeasurementError:
        return ()
    half = _half_widths(arm.log_losses, arm.block_nats, arm.block_bytes, confidence)
    means = arm.log_losses.mean(axis=0)
    order = np.argsort(arm.sizes_bytes, kind="stable")
    return tuple(
        ScratchPoint(
            size_bytes=float(arm.sizes_bytes[i]),
            bits_per_byte=math.exp(means[i]),
            low=None if half is None else math.exp(means[i] - half[i]),
            high=None if half is None else math.exp(means[i] + half[i]),
        )
        for i in order
    )


def _half_widths(
    log_losses: Floats, nats: Floats | None, block_bytes: Floats | None, confidence: float
) -> Floats | None:
    """Half the width of the interval of each size's mean log loss; None without any repetition.

    Args:
        log_losses: shape (seeds, sizes).
        nats: shape (seeds, sizes, blocks), or None.
        block_bytes: shape (blocks,), or None.
        confidence: nominal coverage.
    """
    seeds, sizes = log_losses.shape
    variance, weight = np.zeros(sizes), np.zeros(sizes)
    if seeds > 1:
        pooled, degrees = pooled_variances(log_losses.var(axis=0, ddof=1), seeds - 1)
        variance, weight = pooled / seeds, (pooled / seeds) ** 2 / degrees
    if nats is not None and block_bytes is not None:
        count = len(block_bytes)
        share = (nats / nats.sum(axis=2, keepdims=True)).mean(axis=0)
        spread = ((share - block_bytes / block_bytes.sum()) ** 2).sum(axis=1) * count / (count - 1)
        variance, weight = variance + spread, weight + spread**2 / (count - 1)
    elif seeds < 2:
        return None
    degrees_of_all = np.divide(variance**2, weight, out=np.ones(sizes), where=weight > 0)
    quantile = t_quantile((1 + confidence) / 2, degrees_of_all)
    return np.asarray(quantile * np.sqrt(variance), np.float64)
