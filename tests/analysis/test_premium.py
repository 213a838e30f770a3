"""Byte premiums against plain ratios and texts whose premium is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.analysis.premium import byte_premiums, in_content_bytes
from bytetransfer.errors import MeasurementError

STUDIES = 200


def aligned(generator, lines, premium, noise=0.3):
    """Lines of equal content whose lengths vary; consecutive lines resemble each other."""
    content = np.exp(8 + 0.5 * generator.standard_normal(lines))
    slow = np.repeat(generator.standard_normal(lines // 20 + 1), 20)[:lines]
    drift = np.exp(noise * (0.5 * slow + generator.standard_normal(lines)) - 0.625 * noise**2)
    return {
        "en": np.ceil(content).astype(np.int64),
        "ru": np.ceil(premium * content * drift).astype(np.int64),
    }


def test_it_is_the_ratio_of_all_bytes_not_of_lines():
    lines = {"en": np.array([10, 1000]), "zh": np.array([30, 900])}
    found = byte_premiums(lines)
    assert found["zh"].ratio == pytest.approx(930 / 1010)
    assert found["en"].ratio == 1
    assert (found["zh"].lines, found["zh"].total_bytes) == (2, 930)
    assert found["zh"].low is None
    assert byte_premiums(lines, "zh")["en"].ratio == pytest.approx(1010 / 930)


def test_intervals_hold_the_truth_as_often_as_they_say():
    hits = 0
    for study in range(STUDIES):
        lines = aligned(np.random.default_rng(study), 4_000, 1.8)
        premium = byte_premiums(lines, resamples=300, seed=study)["ru"]
        assert premium.low < premium.ratio < premium.high
        hits += premium.low <= 1.8 <= premium.high
    assert 0.89 <= hits / STUDIES <= 0.99


def test_the_reference_is_sure_of_itself():
    found = byte_premiums(aligned(np.random.default_rng(0), 500, 1.5))["en"]
    assert (found.low, found.ratio, found.high) == (1, 1, 1)


@given(st.floats(-1e9, 1e9), st.integers(1, 50), st.integers(1, 50))
def test_bytes_go_there_and_back(count, one, other):
    found = byte_premiums({"en": np.array([7]), "a": np.array([one]), "b": np.array([other])})
    there = in_content_bytes(count, found["a"], found["b"])
    assert in_content_bytes(there, found["b"], found["a"]) == pytest.approx(count)
    assert in_content_bytes(there, found["b"]) == pytest.approx(in_content_bytes(count, found["a"]))


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({}, "reference"),
        ({"fi": np.array([1])}, "take one of: fi"),
        ({"en": np.array([1, 2]), "fi": np.array([1])}, "'fi' has 1 lines and 'en' 2"),
        ({"en": np.array([[1, 2]])}, "0 lines|lines and"),
        ({"en": np.array([1.5, 2])}, "whole size"),
        ({"en": np.array([1, -2])}, "whole size"),
        ({"en": np.array([1, 2]), "fi": np.array([0, 0])}, "'fi' are all empty"),
        ({"en": np.array([], int)}, "all empty"),
    ],
)
def test_lines_that_are_not_aligned_are_refused(lines, message):
    with pytest.raises(MeasurementError, match=message):
        byte_premiums(lines)


def test_premiums_over_different_references_do_not_mix():
    lines = {"en": np.array([10, 20]), "fi": np.array([12, 24])}
    with pytest.raises(MeasurementError, match="different references"):
        in_content_bytes(1, byte_premiums(lines)["fi"], byte_premiums(lines, "fi")["en"])


def test_ten_empty_lines_of_the_reference_are_no_division_by_zero():
    lines = {"en": np.array([0] * 11 + [5]), "fi": np.array([1] * 12)}
    found = byte_premiums(lines)["fi"]
    assert np.isfinite([found.low, found.high]).all()
