import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bytetransfer.analysis.cells import (
    Group,
    by_group,
    holm_known,
    log_effective_bytes,
    standard_error,
)
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.estimate import estimate_transfer


def estimates():
    rows = []
    for seed, noise in enumerate((0.99, 1.0, 1.01)):
        for size, loss in ((1_000, 4.0), (10_000, 3.0), (100_000, 2.0)):
            rows.append(("scratch", "fi", size, size, loss * noise**2, seed))
        for source, size, loss in (("en", 1_000, 3.5), ("en", 10_000, 2.5), ("ru", 10_000, 1.5)):
            rows.append((source, "fi", size - seed, size, loss * noise, seed))
    return estimate_transfer(
        Measurements(
            Measurement(
                source=source, target=target, target_bytes=actual, nominal_bytes=nominal,
                bits_per_byte=loss, seed=seed, learner="ngram",
                pretrain_bytes=0 if source == SCRATCH else 9_000,
            )
            for source, target, actual, nominal, loss, seed in rows
        ),
        resamples=100,
    )  # fmt: skip


def test_estimates_of_one_nominal_size_are_compared():
    groups = by_group(estimates())
    small, large = Group("ngram", "", 9_000, 1_000), Group("ngram", "", 9_000, 10_000)
    assert list(groups) == [small, large]
    assert [row.source for row in groups[large]] == ["en", "ru"]
    assert {row.finetune_bytes for row in groups[large]} == {9_999}


def test_a_bound_has_no_logarithm_and_an_open_interval_no_standard_error():
    en, ru = by_group(estimates())[Group("ngram", "", 9_000, 10_000)]
    assert log_effective_bytes(en) == math.log(en.effective_bytes)
    width = math.log(en.effective_high / en.effective_low)
    assert standard_error(en) == pytest.approx(width / 2 / stats.norm.ppf(0.975))
    assert ru.status == "above_range"
    assert log_effective_bytes(ru) is None
    assert standard_error(ru) is None


def test_a_standard_error_is_never_less_than_a_byte_is_worth():
    en, _ = by_group(estimates())[Group("ngram", "", 9_000, 10_000)]
    same = replace(en, effective_low=en.effective_bytes, effective_high=en.effective_bytes)
    assert standard_error(same) == 1 / en.effective_bytes


@given(st.lists(st.none() | st.floats(0, 1), max_size=8))
def test_correction_keeps_the_order_and_never_lowers(p_values):
    corrected = holm_known(p_values)
    known = [(p, q) for p, q in zip(p_values, corrected, strict=True) if p is not None]
    assert [q is None for q in corrected] == [p is None for p in p_values]
    assert all(p <= q <= 1 for p, q in known)
    assert all(a[1] <= b[1] for a in known for b in known if a[0] <= b[0])
    if known:
        assert min(q for _, q in known) == min(1, len(known) * min(p for p, _ in known))
