"""The same curves as scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import PchipInterpolator

from bytetransfer.transfer.pchip import interpolate, pieces, slopes


@given(st.integers(2, 9), st.integers(0, 2**32 - 1), st.sampled_from(["any", "falling", "flat"]))
def test_curves_slopes_and_pieces_are_those_of_scipy(count, seed, shape):
    draw = np.random.default_rng(seed)
    places = np.cumsum(draw.uniform(0.1, 3, count))
    values = draw.normal(size=(4, count))
    if shape != "any":
        values = -np.cumsum(np.abs(values), axis=1)
    if shape == "flat":
        values = values.round()
    at = np.concatenate([places, draw.uniform(places[0], places[-1], 30)])
    theirs = PchipInterpolator(places, values, axis=1)
    assert interpolate(places, values, at) == pytest.approx(theirs(at), rel=1e-12, abs=1e-12)
    found = slopes(places, values)
    assert found == pytest.approx(theirs.derivative()(places), rel=1e-10, abs=1e-12)
    one = PchipInterpolator(places, values[0])
    assert pieces(places, values[0]) == pytest.approx(one.c.T, rel=1e-12, abs=1e-12)


def test_curves_go_through_their_points_and_never_rise_between_falling_ones():
    places, values = np.arange(5.0), np.array([[3.0, 1.0, 1.0, 0.9, 0.0]])
    at = np.linspace(0, 4, 401)
    found = interpolate(places, values, at)[0]
    assert found[::100].tolist() == values[0].tolist()
    assert (np.diff(found) <= 1e-15).all()
