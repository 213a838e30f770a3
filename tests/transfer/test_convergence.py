"""Converged: doubled patience moves the loss by less than 5 % of D_E is worth."""

import math

import pytest

from bytetransfer.transfer.convergence import converged, loss_step
from bytetransfer.transfer.curve import Curve

POWER_LAW = Curve.through([1e3, 1e4, 1e5], [8.0, 4.0, 2.0])  # loss falls as bytes ** -log10(2)
STEP = math.log(1.05) * math.log10(2)


@pytest.mark.parametrize("size", [1e3, 1e4, 3e4, 1e5])
def test_the_step_on_a_straight_curve_is_its_slope(size):
    assert loss_step(POWER_LAW, size) == pytest.approx(STEP, rel=1e-6)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_change_just_below_the_step_is_converged_and_just_above_is_not(sign):
    loss = 4.0
    assert converged(POWER_LAW, 1e4, loss, loss * math.exp(sign * 0.99 * STEP))
    assert not converged(POWER_LAW, 1e4, loss, loss * math.exp(sign * 1.01 * STEP))


def test_on_a_plateau_only_no_change_at_all_is_converged():
    plateau = Curve.through([1e3, 1e4, 1e5], [4.0, 2.0, 2.0])
    assert converged(plateau, 5e4, 2.0, 2.0)
    assert not converged(plateau, 5e4, 2.0, 2.0001)


def test_outside_the_range_the_nearer_end_counts():
    assert loss_step(POWER_LAW, 1e9) == loss_step(POWER_LAW, 1e5)
    assert loss_step(POWER_LAW, 1.0) == loss_step(POWER_LAW, 1e3)


def test_a_curve_narrower_than_the_step_counts_whole():
    narrow = Curve.through([1000, 1010], [4.0, 3.9])
    assert loss_step(narrow, 1005) == pytest.approx(math.log(4.0 / 3.9))


def test_where_the_slope_changes_the_smaller_step_of_the_two_sides_counts():
    bent = Curve.through([1e3, 1e4, 1e5, 1e6], [8.0, 4.0, 3.5, 3.4])
    here = math.log(bent.loss(1e4))
    before = abs(math.log(bent.loss(1e4 / 1.05)) - here)
    after = abs(math.log(bent.loss(1e4 * 1.05)) - here)
    assert after < before
    assert loss_step(bent, 1e4) == pytest.approx(after)
