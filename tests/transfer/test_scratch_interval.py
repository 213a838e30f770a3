"""The interval of a from-scratch curve, against what simulation and the textbook say."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bytetransfer.measurements.measurement import SCRATCH, Measurement
from bytetransfer.transfer.scratch_interval import scratch_interval


def rows_of(losses: np.ndarray, sizes: list[int]) -> list[Measurement]:
    return [
        Measurement(
            source=SCRATCH, target="fi", target_bytes=size, bits_per_byte=float(loss), seed=seed,
            run=f"{seed}-{size}",
        )
        for seed, per_size in enumerate(losses)
        for size, loss in zip(sizes, per_size, strict=True)
    ]  # fmt: skip


def test_one_size_has_the_t_interval_of_log_loss():
    logs = np.log([1.9, 2.0, 2.2])
    (point,) = scratch_interval(rows_of(np.exp(logs)[:, None], [1000]), {}, confidence=0.9)
    low, high = stats.t.interval(0.9, 2, logs.mean(), logs.std(ddof=1) / math.sqrt(3))
    assert (point.low, point.high) == (pytest.approx(math.exp(low)), pytest.approx(math.exp(high)))
    assert point.bits_per_byte == pytest.approx(math.exp(logs.mean()))


def test_one_seed_without_documents_has_none_and_sizes_rise():
    points = scratch_interval(rows_of(np.array([[2.0, 3.0]]), [10_000, 1_000]), {})
    assert [(p.size_bytes, p.low, p.high) for p in points] == [
        (1_000, None, None),
        (10_000, None, None),
    ]


def test_seeds_that_share_no_size_have_no_points():
    rows = rows_of(np.array([[2.0, 3.0]]), [1_000, 10_000])
    assert scratch_interval([rows[0], *rows_of(np.array([[1.0]] * 2), [99])[1:]], {}) == ()


def test_it_covers_what_it_says_over_seeds_and_documents():
    """300 studies of 3 seeds and 40 blocks: 95 % intervals cover 92 to 98 % of true losses."""
    draw, sizes, truth = np.random.default_rng(5), [1_000, 10_000, 100_000], np.log([3.0, 2.0, 1.5])
    hits, widths = [], []
    for _ in range(300):
        hard = draw.normal(0, 0.15, 40)  # a block is hard for every run alike
        seeds = draw.normal(0, 0.01, (3, 3))
        count = draw.integers(500, 1_500, 40).astype(float)
        blocks, losses = {}, np.empty((3, 3))
        for seed in range(3):
            for place, size in enumerate(sizes):
                nats = count * np.exp(truth[place] + seeds[seed, place] + hard)
                blocks[f"{seed}-{size}"] = np.stack([nats, count], axis=1)
                losses[seed, place] = nats.sum() / count.sum()
        points = scratch_interval(rows_of(losses, sizes), blocks)
        mean = np.exp(truth + 0.15**2 / 2)
        widths += [math.log(p.high / p.low) for p in points]
        hits += [p.low <= m <= p.high for p, m in zip(points, mean, strict=True)]
    assert 0.92 < np.mean(hits) < 0.98
    known = 2 * 1.96 * math.sqrt(0.15**2 / 40 + 0.01**2 / 3)  # to one who knows both noises
    assert known < np.median(widths) < 1.15 * known  # 1.06 times
