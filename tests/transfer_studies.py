"""Small studies whose estimates are known, for the tests of `transfer.estimate`."""

import math

import numpy as np

from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.estimate import estimate_transfer

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LOSSES = (4.0, 3.0, 2.2, 1.8)


def row(source, size, loss, *, seed=0, **others):
    run = f"{source}-{size}-{seed}"
    return Measurement(source=source, target="fi", target_bytes=size, bits_per_byte=loss,
                       seed=seed, run=run, **others)  # fmt: skip


def study(tuned, *, size=1_000, seeds=1, noise=0.0, generator=None):
    """From-scratch runs at all sizes, one fine-tuned cell, with noise if a generator is given."""
    rows = []
    for seed in range(seeds):
        drawn = np.zeros(5) if generator is None else noise * generator.standard_normal(5)
        pairs = zip(SIZES, LOSSES, drawn[:4], strict=True)
        rows += [row(SCRATCH, s, loss * math.exp(e), seed=seed) for s, loss, e in pairs]
        rows.append(row("et", size, tuned * math.exp(drawn[4]), seed=seed, pretrain_bytes=5_000))
    return rows


def blocks_for(rows, *, count=40, seed=0):
    """Blocks whose totals give each row its loss; differing a little from run to run."""
    generator = np.random.default_rng(seed)
    size = generator.integers(500, 1500, count).astype(float)
    made = {}
    for one in rows:
        nats = size * np.exp(0.02 * generator.standard_normal(count))
        nats *= one.bits_per_byte * math.log(2) * size.sum() / nats.sum()
        made[one.run] = np.stack([nats, size], axis=1)
    return made


def only(rows, blocks=None, **options):
    found = estimate_transfer(Measurements(rows, blocks), resamples=100, **options)
    assert not found.refusals
    (estimate,) = found.rows
    return estimate


def law_study(tuned=1.6, *, seeds=2, noise=0.004, generator_seed=3):
    """A study on a power law, which every method can read."""
    generator = np.random.default_rng(generator_seed)
    rows = []
    for seed in range(seeds):
        for size in (*SIZES, 30_000, 300_000):
            loss = (1 + (1_500 / size) ** 0.4) * math.exp(noise * generator.standard_normal())
            rows.append(row(SCRATCH, size, loss, seed=seed))
        loss = tuned * math.exp(noise * generator.standard_normal())
        rows.append(row("et", 5_000, loss, seed=seed, pretrain_bytes=5_000))
    return rows
