"""The literature's curves: the linear one is sound, the published one repeats the script."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.errors import MeasurementError
from bytetransfer.transfer.curve import Curve
from bytetransfer.transfer.literature import PERIOD, LinearCurve, PublishedCurve, fit_linear

SIZES = [6e6, 19e6, 60e6, 189e6, 600e6, 6e9]
SPANISH = [12.539025, 9.372363, 3.57052, 2.850784, 2.546002, 2.557901]
LOSSES = st.floats(0.05, 6.0)


def bits(perplexities):
    return np.log2(perplexities)


@st.composite
def curves(draw, kind=LinearCurve):
    count = draw(st.integers(2, 7))
    losses = draw(st.lists(LOSSES, min_size=count, max_size=count))
    return kind.through(np.geomspace(1e3, 1e6, count), losses)


@st.composite
def falling(draw, kind=LinearCurve, most=8.0):
    """Curves that fall by at least a hundredth of a bit from size to size."""
    count = draw(st.integers(2, 7))
    drops = draw(st.lists(st.floats(0.01, 0.6), min_size=count - 1, max_size=count - 1))
    return kind.through(np.geomspace(1e3, 1e6, count), most - np.cumsum([0.0, *drops]))


# ── linear ───────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(falling(), st.floats(0, 1))
def test_inverting_a_falling_line_returns_its_input(curve, share):
    size = curve.sizes_bytes[0] + share * (curve.sizes_bytes[-1] - curve.sizes_bytes[0])
    found = curve.invert(curve.loss(min(size, curve.sizes_bytes[-1])))
    assert found.status == "inside"
    assert found.bytes == pytest.approx(size, rel=1e-6)
    assert found.upper_bytes == pytest.approx(size, rel=1e-6)


@settings(deadline=None)
@given(falling())
def test_measured_sizes_come_back_exactly(curve):
    for size, loss in zip(curve.sizes_bytes, curve.bits_per_byte, strict=True):
        found = curve.invert(loss)
        assert (found.status, found.bytes, found.upper_bytes) == ("inside", size, size)


@settings(deadline=None)
@given(curves(), LOSSES, LOSSES)
def test_a_lower_loss_never_needs_fewer_bytes(curve, one, other):
    low, high = sorted((one, other))
    assert curve.invert(low).bytes >= curve.invert(high).bytes * (1 - 1e-9)


@settings(deadline=None)
@given(curves(), st.lists(st.floats(0, 1), min_size=1, max_size=5))
def test_many_curves_at_once_are_the_single_ones(curve, shares):
    log_sizes = np.log(curve.sizes_bytes)
    at = log_sizes[0] + np.array(shares) * (log_sizes[-1] - log_sizes[0])
    other = LinearCurve(curve.sizes_bytes, curve.bits_per_byte[::-1].copy())
    rows = np.log([curve.bits_per_byte, other.bits_per_byte])
    found = fit_linear(log_sizes, rows, at)
    assert found.shape == (2, len(shares))
    sizes = np.clip(np.exp(at), curve.sizes_bytes[0], curve.sizes_bytes[-1])
    expected = [[math.log(one.loss(size)) for size in sizes] for one in (curve, other)]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_outside_of_the_range_there_is_a_bound():
    curve = LinearCurve.through(SIZES[:5], bits(SPANISH[:5]))
    above, below = curve.invert(math.log2(2.5)), curve.invert(math.log2(12.6))
    assert (above.status, above.bytes, above.upper_bytes) == ("above_range", 600e6, None)
    assert (below.status, below.bytes, below.upper_bytes) == ("below_range", 6e6, 6e6)


def test_a_rise_is_pooled_in_perplexity_and_leaves_a_plateau():
    curve = LinearCurve.through(SIZES, bits(SPANISH))
    level = (SPANISH[4] + SPANISH[5]) / 2
    np.testing.assert_allclose(curve.fitted_perplexities[4:], level, rtol=1e-12)
    found = curve.invert(math.log2(level))
    assert (found.status, found.bytes, found.upper_bytes) == ("inside", 600e6, None)
    middle = LinearCurve.through([1, 2, 3, 4], [3.0, 2.0, 2.0, 1.0]).invert(2.0)
    assert (middle.status, middle.bytes, middle.upper_bytes) == ("inside", 2, 3)


def test_it_lies_above_the_logarithmic_curve_where_loss_falls_like_a_power():
    sizes = np.geomspace(6e6, 6e9, 4)
    losses = 1.2 + (1e6 / sizes) ** 0.3
    line, curve = LinearCurve.through(sizes, losses), Curve.through(sizes, losses)
    between = 1.2 + (1e6 / 2e8) ** 0.3
    assert curve.invert(between).bytes == pytest.approx(2e8, rel=0.05)
    assert line.invert(between).bytes > 1.2 * 2e8


@pytest.mark.parametrize("kind", [LinearCurve, PublishedCurve])
def test_what_is_no_curve_or_no_loss_is_refused(kind):
    with pytest.raises(MeasurementError, match="at least two sizes"):
        kind.through([1000], [3.0])
    with pytest.raises(MeasurementError, match="not all positive"):
        kind.through([1000, 2000], [3.0, -1.0])
    with pytest.raises(MeasurementError, match="has no place on a curve"):
        kind.through([1000, 2000], [5000.0, 2.0])
    curve = kind.through([1000, 2000], [3.0, 2.0])
    for loss in (0.0, -1.0, math.nan, math.inf, 5000.0):
        with pytest.raises(MeasurementError, match="has no place on a curve"):
            curve.invert(loss)
    for size in (999, 2001):
        with pytest.raises(ValueError, match="outside the measured sizes"):
            curve.loss(size)


@pytest.mark.parametrize("kind", [LinearCurve, PublishedCurve])
@given(st.permutations(range(6)))
def test_the_order_of_points_does_not_matter(kind, order):
    curve = kind.through(np.array(SIZES)[order], bits(np.array(SPANISH)[order]))
    assert curve.invert(1.5) == kind.through(SIZES, bits(SPANISH)).invert(1.5)


# ── as published ─────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None)
@given(curves(PublishedCurve), LOSSES)
def test_the_published_number_is_the_scripts(curve, loss):
    printed = np.round(np.exp2(loss), 12)  # it reads perplexities, which bits have cost a digit
    script = np.interp(printed, curve.perplexities, curve.sizes_bytes, period=10)
    assert curve.invert(loss).bytes == script


# nearer to an end than perplexities are rounded to, a loss may stand on either side of it
SHARES = st.floats(1e-9, 1 - 1e-9) | st.sampled_from([0.0, 1.0])


@settings(deadline=None)
@given(falling(PublishedCurve, most=math.log2(PERIOD) - 1e-6), SHARES)
def test_between_neighbours_below_the_period_it_is_the_linear_one(curve, share):
    first, last = curve.bits_per_byte[[0, -1]]
    loss = float(np.clip(last + share * (first - last), last, first))
    assert curve.segment(loss) == "neighbours" or loss in (first, last)
    linear = LinearCurve.through(curve.sizes_bytes, curve.bits_per_byte).invert(loss)
    assert curve.invert(loss).bytes == pytest.approx(linear.bytes, rel=1e-6)


@settings(deadline=None)
@given(curves(PublishedCurve), LOSSES)
def test_a_number_that_stands_for_a_bound_is_one_that_holds(curve, loss):
    """Whatever the script says lies within the sizes, so it never exceeds a lower bound."""
    found, linear = curve.invert(loss), LinearCurve.through(
        curve.sizes_bytes, curve.bits_per_byte).invert(loss)  # fmt: skip
    assert found.status == linear.status
    if linear.status == "above_range":
        assert found.bytes <= linear.bytes
        assert found.upper_bytes is None
    if linear.status == "below_range":
        assert found.bytes >= linear.bytes


def test_perplexities_that_are_one_to_the_script_are_so_after_having_been_bits():
    sizes, perplexities = [685, 703, 906], [17.0, 16.0, 6.0]
    found = PublishedCurve.through(sizes, bits(perplexities)).invert(math.log2(24.4)).bytes
    assert found == pytest.approx(np.interp(24.4, perplexities, sizes, period=10), rel=1e-9)


def test_zero_shot_is_left_out():
    with_zero = PublishedCurve.through([0, *SIZES], [4.0, *bits(SPANISH)])
    np.testing.assert_array_equal(with_zero.sizes_bytes, SIZES)


@pytest.mark.parametrize(
    ("perplexity", "segment", "megabytes"),
    [
        (3.2, "neighbours", 126.4),  # between 3.57 (60 MB) and 2.85 (189 MB)
        (2.741453, "unsorted", 2358.2),  # between 2.85 (189 MB) and 2.558 (6 GB), 2.546 in between
        (2.542, "folded", 259.28),  # between 12.539 less 10 (6 MB) and 2.546 (600 MB)
        (2.408924, "seam", 6.53),  # between 9.37 less 10 (19 MB) and 12.539 less 10 (6 MB)
    ],
)
def test_how_the_script_reads_spanish(perplexity, segment, megabytes):
    curve = PublishedCurve.through(SIZES, bits(SPANISH))
    loss = math.log2(perplexity)
    assert curve.segment(loss) == segment
    assert curve.invert(loss).bytes / 1e6 == pytest.approx(megabytes, rel=1e-3)


def test_a_seam_between_true_neighbours_is_no_fault():
    """9.8 and 10.5 stand at −0.2 and 0.5 across the seam, as far apart as they are."""
    curve = PublishedCurve.through([1.0, 2.0], bits([10.5, 9.8]))
    assert curve.segment(math.log2(10.2)) == "neighbours"
    assert curve.invert(math.log2(10.2)).bytes == pytest.approx(1 + 0.3 / 0.7)
