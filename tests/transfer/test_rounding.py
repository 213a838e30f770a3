"""Rounded losses that agree by chance are not known exactly."""

import math

import numpy as np
import pytest
from transfer_studies import only, row

from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.transfer.estimate import estimate_transfer
from bytetransfer.transfer.rounding import rounding_variance

TRUE = {3_000: 3.7, 10_000: 3.1, 30_000: 2.7, 100_000: 2.405, 300_000: 2.13, 1_000_000: 1.9}


@pytest.mark.parametrize("given", [10_000, 100_000])
def test_intervals_of_rounded_losses_have_a_width_and_hold(given):
    # Two seeds and two decimals, so that many runs agree to the last digit with each other, with
    # those beside them and with the from-scratch runs near which the truth lies.
    generator, covered, studies, least = np.random.default_rng(1), 0, 150, math.inf
    for _ in range(studies):
        rows = []
        for seed in (0, 1):
            cells = [(SCRATCH, size, loss) for size, loss in TRUE.items()]
            cells += [("et", given, TRUE[100_000]), ("ru", 30_000, 2.6), ("zh", 30_000, 2.8)]
            for source, size, loss in cells:
                drawn = loss * (1 + 0.003 * generator.standard_normal())
                rows.append(row(source, size, round(drawn, 2), seed=seed))
        found = {one.source: one for one in estimate_transfer(Measurements(rows), resamples=100)}
        low, high = found["et"].effective_low or 1, found["et"].effective_high or math.inf
        covered += low <= 100_000 <= high
        least = min(least, high / low)
    assert covered / studies >= 0.915
    assert least > 1.03


def test_runs_that_agree_in_all_digits_are_known_as_far_as_the_digits_go():
    rows = [
        row(SCRATCH, size, round(loss, 2), seed=s) for s in (0, 1) for size, loss in TRUE.items()
    ]
    rows += [row("et", 10_000, 2.6, seed=seed) for seed in (0, 1)]
    found = only(rows)
    slope = math.log(2.7 / 2.405) / math.log(100_000 / 30_000)
    unclear = slope * math.log(found.effective_high / found.effective_low)
    assert 1.5 * 0.01 / 2.6 < unclear < 5 * 0.01 / 2.6


def test_a_source_that_is_not_used_is_exactly_nothing_in_full_digits():
    generator, rows = np.random.default_rng(2), []
    for seed in (0, 1, 2):
        for size, loss in TRUE.items():
            drawn = loss * (1 + 0.003 * generator.standard_normal())
            rows.append(row(SCRATCH, size, drawn, seed=seed))
            if size == 30_000:
                rows.append(row("et", size, drawn, seed=seed))
    found = only(rows)
    assert found.transfer_bytes == 0
    assert (found.transfer_low, found.transfer_high) == pytest.approx((0, 0), abs=0.1)


def test_losses_are_rounded_in_the_unit_they_were_written_in():
    written = np.array([3.71, 2.5, 2.04, 1.99])
    expected = 0.01**2 / 12 * np.mean(1 / written) ** 2
    assert rounding_variance(written) == pytest.approx(expected)
    assert rounding_variance(written / math.log(2)) == pytest.approx(expected)
    perplexity = np.log2(written)
    changed = np.abs(np.log(np.log2(written + 0.005)) - np.log(np.log2(written - 0.005))).mean()
    assert rounding_variance(perplexity) == pytest.approx(changed**2 / 12, rel=0.01)
    assert rounding_variance(written + 1e-5) == 0
