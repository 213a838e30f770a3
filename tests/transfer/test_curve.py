"""Curves fall, pass through what was measured, and are inverted without extrapolation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from bytetransfer.errors import MeasurementError
from bytetransfer.transfer.curve import Curve, fit_log_losses, pool_decreasing

LOSSES = st.floats(0.05, 8.0)


@st.composite
def falling_curves(draw):
    count = draw(st.integers(2, 8))
    ratios = draw(st.lists(st.floats(1.3, 20), min_size=count - 1, max_size=count - 1))
    drops = draw(st.lists(st.floats(0.002, 0.5), min_size=count - 1, max_size=count - 1))
    sizes = 3_000 * np.cumprod([1.0, *ratios])
    losses = 8.0 * np.exp(-np.cumsum([0.0, *drops]))
    return Curve.through(sizes, losses)


@st.composite
def any_curves(draw):
    count = draw(st.integers(2, 7))
    losses = draw(st.lists(LOSSES, min_size=count, max_size=count))
    return Curve.through(np.geomspace(1e3, 1e6, count), losses)


def around(curve, loss):
    """What the inverse may be if the loss is known up to the rounding of logarithms.

    A shape-preserving curve may be level at its ends; there bytes follow from a loss only to the
    square root of that rounding, so that no fixed number of digits of them is right everywhere.
    """
    few, many = (curve.invert(loss * (1 + step)).bytes for step in (4e-12, -4e-12))
    return few * (1 - 1e-9), many * (1 + 1e-9)


@settings(deadline=None)
@given(falling_curves(), st.floats(0, 1))
def test_inverting_a_falling_curve_returns_its_input(curve, share):
    first, last = curve.log_sizes[[0, -1]]
    size = min(max(math.exp(first + share * (last - first)), curve.sizes_bytes[0]),
               curve.sizes_bytes[-1])  # fmt: skip
    found = curve.invert(curve.loss(size))
    assert found.status == "inside"
    low, high = around(curve, curve.loss(size))
    assert low <= size <= high
    assert low <= found.bytes <= high
    assert curve.loss(found.bytes) == pytest.approx(curve.loss(size), rel=2e-12)


@settings(deadline=None)
@given(falling_curves())
def test_measured_sizes_come_back_exactly(curve):
    for size, loss in zip(curve.sizes_bytes, curve.bits_per_byte, strict=True):
        found = curve.invert(loss)
        assert (found.status, found.bytes, found.upper_bytes) == ("inside", size, size)


@settings(deadline=None)
@given(any_curves(), LOSSES, LOSSES)
def test_a_lower_loss_never_needs_fewer_bytes(curve, one, other):
    low, high = sorted((one, other))
    assert curve.invert(low).bytes >= around(curve, high)[0]


@settings(deadline=None)
@given(any_curves(), LOSSES, st.floats(0.01, 100))
def test_scaling_bytes_scales_the_inverse(curve, loss, factor):
    scaled = Curve.through(curve.sizes_bytes * factor, curve.bits_per_byte)
    one, other = curve.invert(loss), scaled.invert(loss)
    assert one.status == other.status
    low, high = around(curve, loss)
    assert low <= other.bytes / factor <= high


@settings(deadline=None)
@given(falling_curves(), st.floats(-0.2, 1.2), st.floats(0.1, 10))
def test_multiplying_all_losses_leaves_the_inverse(curve, share, factor):
    first, last = np.log(curve.bits_per_byte[[0, -1]])
    loss = math.exp(first + share * (last - first))
    scaled = Curve.through(curve.sizes_bytes, curve.bits_per_byte * factor)
    one, other = curve.invert(loss), scaled.invert(loss * factor)
    assert one.status == other.status
    low, high = around(curve, loss)
    assert low <= other.bytes <= high


@settings(deadline=None)
@given(st.lists(LOSSES, min_size=1, max_size=9))
def test_pooling_is_the_isotonic_solution(losses):
    expected = isotonic_regression(losses, increasing=False).x
    np.testing.assert_allclose(pool_decreasing(losses), expected, rtol=1e-12)


@settings(deadline=None)
@given(st.lists(st.lists(LOSSES, min_size=5, max_size=5), min_size=1, max_size=4))
def test_many_curves_at_once_are_the_single_ones(rows):
    sizes = np.geomspace(1e3, 1e6, 5)
    at = np.linspace(math.log(1e3), math.log(1e6), 23)
    together = fit_log_losses(np.log(sizes), np.log(rows), np.clip(at, *np.log(sizes[[0, -1]])))
    for row, fitted in zip(rows, together, strict=True):
        curve = Curve.through(sizes, row)
        losses = [curve.loss(np.clip(math.exp(x), 1e3, sizes[-1])) for x in at]
        np.testing.assert_allclose(np.exp(fitted), losses, rtol=1e-9)
        assert np.all(np.diff(fitted) <= 1e-12)


def test_a_straight_curve_is_inverted_to_the_last_digits():
    curve = Curve.through(10.0 ** np.arange(3, 8), 8.0 * 0.7 ** np.arange(5))
    for size in (1.5e3, 2e4, 7.7e5, 9.9e6):
        assert curve.invert(curve.loss(size)).bytes == pytest.approx(size, rel=1e-11)


def test_outside_the_range_there_is_a_bound():
    curve = Curve.through([100, 1000], [4.0, 2.0])
    below, above = curve.invert(4.1), curve.invert(1.9)
    assert (below.status, below.bytes, below.upper_bytes) == ("below_range", 100, 100)
    assert (above.status, above.bytes, above.upper_bytes) == ("above_range", 1000, None)


def test_a_plateau_gives_its_smallest_size_and_says_where_it_ends():
    end = Curve.through([1, 10, 100], [4.0, 2.0, 2.0]).invert(2.0)
    assert (end.status, end.bytes, end.upper_bytes) == ("inside", 10, None)
    middle = Curve.through([1, 10, 100, 1000], [4.0, 2.0, 2.0, 1.0]).invert(2.0)
    assert (middle.bytes, middle.upper_bytes) == (10, 100)
    flat = Curve.through([1, 10], [2.0, 2.0]).invert(2.0)
    assert (flat.bytes, flat.upper_bytes) == (1, None)


def test_a_rising_pair_is_pooled_in_log_loss():
    curve = Curve.through([1, 10, 100], [4.0, 1.0, 2.0])
    assert curve.pooled
    assert curve.loss(10) == pytest.approx(math.sqrt(2))
    assert curve.invert(1.2).status == "above_range"


@pytest.mark.parametrize(
    ("sizes", "losses", "message"),
    [
        ([], [], "there is none"),
        ([10], [2.0], "there is one"),
        ([10, 10], [2.0, 1.0], "all different"),
        ([0, 10], [2.0, 1.0], "not positive"),
        ([1, 10], [2.0, 0.0], "not all positive"),
        ([1, 10], [2.0, math.nan], "not all positive"),
    ],
)
def test_what_is_no_curve_is_refused(sizes, losses, message):
    with pytest.raises(MeasurementError, match=message):
        Curve.through(sizes, losses)


def test_no_loss_outside_the_range_and_no_size_for_a_loss_that_is_none():
    curve = Curve.through([1, 10], [2.0, 1.0])
    with pytest.raises(ValueError, match="outside"):
        curve.loss(11)
    for loss in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(MeasurementError, match="no place"):
            curve.invert(loss)
