"""Variance components against the textbook, and coverage of their intervals in simulated tables."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.variance import Variances, crossed_variances

STUDIES = 200
BAND = (0.90, 0.99)  # 95 % of 200, within three standard errors


def simulated(generator, sources, targets, variances):
    source, target, residual = np.sqrt(variances)
    return (
        source * generator.standard_normal((sources, 1))
        + target * generator.standard_normal(targets)
        + residual * generator.standard_normal((sources, targets))
    )


def parts(found):
    return (found.source, found.target, found.residual)


def test_a_full_table_is_divided_as_by_mean_squares():
    table = simulated(np.random.default_rng(0), 4, 7, (1.0, 2.0, 0.3))
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    residual = ((table - rows[:, None] - columns + table.mean()) ** 2).sum() / 18
    found = crossed_variances(table)
    assert found.residual.variance == pytest.approx(residual)
    assert found.source.variance == pytest.approx((7 * rows.var(ddof=1) - residual) / 7)
    assert found.target.variance == pytest.approx((4 * columns.var(ddof=1) - residual) / 4)
    assert (found.sources, found.targets, found.cells, found.residual_freedom) == (4, 7, 28, 18)
    assert sum(part.share for part in parts(found)) == pytest.approx(1)


@pytest.mark.parametrize(
    ("sources", "targets", "variances", "missing"),
    [
        (3, 10, (0.05, 1.0, 0.05), False),
        (3, 10, (0.5, 0.1, 0.05), True),
        (6, 6, (0.05, 0.05, 0.05), True),
        (2, 3, (0.05, 0.5, 0.05), False),
        (3, 2, (0.05, 0.5, 0.05), False),
        (2, 2, (0.05, 0.5, 0.05), False),
        (3, 2, (0.0, 0.5, 0.05), False),
    ],
)
def test_intervals_hold_the_truth_as_often_as_they_say(sources, targets, variances, missing):
    truth = np.array(variances)
    hits, shares, widths = np.zeros(3), np.zeros(3), []
    for study in range(STUDIES):
        generator = np.random.default_rng(study)
        table = simulated(generator, sources, targets, variances)
        if missing:
            np.fill_diagonal(table, np.nan)
            table[generator.random(table.shape) < 0.1] = np.nan
        found = parts(crossed_variances(table, draws=500, seed=study))
        widths.append([part.high - part.low for part in found])
        hits += [part.low <= value <= part.high for part, value in zip(found, truth, strict=True)]
        shares += [
            part.share_low <= value <= part.share_high
            for part, value in zip(found, truth / truth.sum(), strict=True)
        ]
    # Where few levels are drawn, limits that are kept from shrinking to nothing hold more often.
    most = BAND[1] if min(sources, targets) > 2 else 1.0
    for rate in [*(hits / STUDIES), *(shares / STUDIES)]:
        assert BAND[0] <= rate <= most
    # One who sees the effects themselves has the interval of chi-squared.
    freedom = np.array([sources - 1, targets - 1, (sources - 1) * (targets - 1)])
    low, high = (truth * freedom / stats.chi2.ppf(tail, freedom) for tail in (0.975, 0.025))
    seen = truth > 0
    assert (np.median(widths, axis=0)[seen] < 1.5 * (high - low)[seen]).all()  # .3 to 1.3 times


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (2, 5), (4, 6)])
def test_no_interval_is_without_width(shape):
    """Sources that differ by less than noise makes them are not exactly alike for that."""
    for study in range(STUDIES):
        table = simulated(np.random.default_rng(study), *shape, (0.0, 1.0, 0.1))
        for part in parts(crossed_variances(table, draws=300, seed=study)):
            assert part.high > part.low
            assert part.share_high > part.share_low
            assert part.high >= part.variance


def test_sources_that_do_not_differ_have_an_interval_from_zero():
    lows = [
        crossed_variances(
            simulated(np.random.default_rng(study), 3, 10, (0.0, 1.0, 0.1)), draws=500
        ).source.low
        for study in range(STUDIES)
    ]
    assert 0.95 <= np.mean(np.array(lows) == 0) <= 1.0


@settings(max_examples=30, deadline=None)
@given(
    shift=st.floats(-50, 50),
    scale=st.floats(0.01, 100),
    seed=st.integers(0, 100),
)
def test_shifting_changes_nothing_and_scaling_scales(shift, scale, seed):
    table = simulated(np.random.default_rng(seed), 3, 5, (0.5, 1.0, 0.2))
    table[0, 0] = np.nan
    plain = crossed_variances(table, draws=100)
    other = crossed_variances(shift + scale * table, draws=100)
    for one, two in zip(parts(plain), parts(other), strict=True):
        assert two.high == pytest.approx(one.high * scale**2, rel=1e-4)
        assert two.variance == pytest.approx(one.variance * scale**2, rel=1e-4, abs=1e-9)
        assert two.share == pytest.approx(one.share, rel=1e-4, abs=1e-9)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 5), st.integers(0, 5), st.integers(0, 1000), st.sampled_from([0.0, 0.3, 0.7, 1])
)
def test_any_table_has_numbers_or_a_reason(sources, targets, seed, missing):
    generator = np.random.default_rng(seed)
    table = generator.integers(0, 3, (sources, targets)).astype(float)
    table[generator.random(table.shape) < missing] = np.nan
    found = crossed_variances(table, draws=50)
    if isinstance(found, Variances):
        for part in parts(found):
            assert all(math.isfinite(value) and value >= 0 for value in vars(part).values())
    else:
        assert found.reason


@pytest.mark.parametrize(
    ("table", "reason"),
    [
        (np.zeros((3, 4)), "explain every cell"),
        (np.arange(3.0)[:, None] + np.arange(4.0), "explain every cell"),
        (np.full((3, 4), np.nan), "0 sources and 0 targets"),
        (np.ones((1, 4)), "1 source and 4 targets"),
        (np.array([[1.0, np.nan], [2.0, 3.0]]), "too few"),
        (np.where(np.eye(3) > 0, 1.0, np.nan), "too few"),
    ],
)
def test_what_has_no_answer_says_why(table, reason):
    found = crossed_variances(table)
    assert isinstance(found, Unanswered)
    assert reason in found.reason


def test_sources_that_are_equal_on_average_have_no_variance_and_may_have_some():
    """Nothing at all lies along the sources then, and zero must not be divided by zero."""
    found = crossed_variances(np.array([[0.0, 1.0], [1.0, 0.0]]))
    assert (found.source.variance, found.source.low) == (0, 0)
    assert found.source.high > found.residual.variance == 1
