"""The order of languages in a matrix."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.analysis.clustering import likeness_order


@given(st.integers(0, 2**32 - 1))
def test_families_stay_together_whatever_languages_give_and_take(seed):
    draw = np.random.default_rng(seed)
    family = draw.permutation(np.repeat(np.arange(3), 3))
    values = 2.0 * (family[:, None] == family) + draw.normal(0, 0.2, (9, 9))
    values += draw.normal(0, 3, 9)[:, None] + draw.normal(0, 3, 9)
    found = family[list(likeness_order(values))]
    assert (np.diff(found) != 0).sum() == 2


@given(st.integers(5, 9), st.integers(0, 2**32 - 1))
def test_it_is_an_order_and_gaps_do_no_harm(count, seed):
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(count, count))
    values[draw.random((count, count)) < 0.2] = np.nan
    assert sorted(likeness_order(values)) == list(range(count))


def test_four_languages_stay_as_they_are():
    assert likeness_order(np.arange(16.0).reshape(4, 4)) == (0, 1, 2, 3)
