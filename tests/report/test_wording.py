"""How estimates are said: every status, intervals with open ends, and names that mean harm."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.report.wording import (
    END_ISOLATE,
    ISOLATE,
    Names,
    bare,
    bounded_bytes,
    byte_range,
    isolate,
    remarks,
    sentence,
    shorten,
    verdict,
    visible,
)

NAMES = Names(languages={"en": "English", "fi": "Finnish"})


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "English pretraining is worth 1.9 MB of Finnish (1.6–2.3 MB) when you have 100 kB"),
        (
            {"transfer_low": -1e5},
            "English pretraining makes no measurable difference to Finnish (D_T −100 kB to 2.3 MB) "
            "when you have 100 kB",
        ),
        (
            {"transfer_bytes": -12e3, "transfer_low": -20e3, "transfer_high": -5e3},
            "English pretraining costs 12 kB of Finnish (D_T −20 to −5 kB) when you have 100 kB",
        ),
        (
            {
                "status": "above_range",
                "transfer_bytes": 2.4e6,
                "transfer_low": 2.1e6,
                "transfer_high": None,
                "effective_high": None,
            },
            "English pretraining seems worth more than 2.4 MB of Finnish (≥ 2.1 MB) "
            "when you have 100 kB",
        ),
        (
            {
                "status": "above_range",
                "transfer_bytes": 2.4e6,
                "transfer_low": 2.4e6,
                "transfer_high": None,
                "effective_high": None,
            },
            "English pretraining is worth at least 2.4 MB of Finnish (≥ 2.4 MB) "
            "when you have 100 kB",
        ),
        (
            {
                "status": "below_range",
                "finetune_bytes": 0,
                "transfer_bytes": 3e3,
                "transfer_low": None,
                "effective_low": None,
                "transfer_high": 3e3,
            },
            "English pretraining is worth less than 3 kB of Finnish (≤ 3 kB) before you have any",
        ),
        (
            {
                "status": "below_range",
                "transfer_bytes": -97e3,
                "transfer_low": None,
                "effective_low": None,
                "transfer_high": -97e3,
            },
            "English pretraining costs more than 97 kB of Finnish (D_T ≤ −97 kB) "
            "when you have 100 kB",
        ),
        (
            {
                "effective_low": None,
                "effective_high": None,
                "transfer_low": None,
                "transfer_high": None,
                "covers": "no interval: one seed and no document blocks",
            },
            "English pretraining is worth 1.9 MB of Finnish when you have 100 kB",
        ),
    ],
)
def test_a_sentence_says_the_status(make_estimate, changes, expected):
    assert bare(sentence(make_estimate(**changes), NAMES)) == expected


def test_a_bound_that_says_nothing_about_the_sign_claims_nothing(make_estimate):
    row = make_estimate(status="above_range", transfer_bytes=0.0, transfer_low=None)
    assert "worth" not in sentence(row, NAMES)
    assert "costs" not in sentence(row, NAMES)


def test_an_interval_keeps_both_units_when_they_differ():
    assert byte_range(900_000, 1_200_000) == "900 kB–1.2 MB"
    assert byte_range(None, 1_200_000) == "≤ 1.2 MB"
    assert byte_range(None, None) == ""


def test_pretraining_size_is_said_where_sources_come_in_several(make_estimate):
    names = Names(show_pretraining=True)
    assert "en (2.5 MB) pretraining" in bare(sentence(make_estimate(), names))


@given(st.text(max_size=80))
def test_what_is_shown_is_one_line_that_turns_no_direction(text):
    shown = visible(text)
    assert all(
        unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Zl", "Zp"} or c in "\u200c\u200d"
        for c in shown
    )
    shown.encode("utf-8")


@given(st.text(max_size=300), st.integers(4, 60))
def test_a_name_is_no_longer_than_its_limit_and_isolates_are_balanced(text, limit):
    assert len(shorten(text, limit)) <= limit
    name = isolate(text, limit)
    assert (name.count(ISOLATE), name.count(END_ISOLATE)) == (1, 1)


def test_a_source_has_one_colour_in_all_charts():
    names = Names(sources=(("ru", 100), ("en", 100), ("en", 500)))
    assert [names.ink(*source) for source in names.sources] == [1, 2, 3]
    assert names.ink("zh", 100) == 4


def test_what_is_extrapolated_is_marked():
    assert bounded_bytes(2.29e6, "extrapolated") == "~ 2.29 MB"


def test_plateaus_pooled_curves_and_extrapolation_are_remarked_on(make_estimate):
    assert remarks(make_estimate()) == ()
    plateau = make_estimate(effective_bytes=10_000.0, effective_upper=100_000.0, pooled=True)
    assert remarks(plateau) == ("curve pooled", "plateau to 100 kB")
    assert remarks(make_estimate(upper_open=True)) == ("plateau, open above",)
    beyond = make_estimate(status="extrapolated", effective_upper=2.0e6, not_converged=True)
    assert remarks(beyond) == ("not converged", "extrapolated")
    assert "by the power law beyond the sizes measured" in verdict(beyond)
