"""What stands beside what in matrices, and which sources a crowded chart names."""

from __future__ import annotations

import pytest

from bytetransfer.measurements.measurement import Measurements
from bytetransfer.report.figures.curves import curve_charts
from bytetransfer.report.figures.transfer import share_charts, transfer_charts
from bytetransfer.report.listing import SHADES, matrices
from bytetransfer.report.order import families as kin_of
from bytetransfer.report.order import (
    family_order,
    in_colour,
    likeness,
    matrix_order,
    standing_out,
)
from bytetransfer.report.view import make_view
from bytetransfer.transfer.estimate import Estimates

FAMILIES = {"a1": "a", "b1": "b", "c1": "c", "a2": "a", "b2": "b", "c2": "c"}


@pytest.fixture
def families(make_estimate):
    """Six languages in three families; a control that is worth nothing."""
    rows = [
        make_estimate(
            source=source, target=target, effective_bytes=worth, transfer_bytes=worth - 1e5
        )
        for target in FAMILIES
        for source, family in {**FAMILIES, "nonsense": "-"}.items()
        for worth in [4e5 if family == FAMILIES[target] else 1.2e5]
    ]
    return make_view(Measurements(()), Estimates(tuple(rows)), {"targets": list(FAMILIES)})


def test_relatives_stand_side_by_side_and_controls_last(families):
    order = likeness(families)
    assert sorted(order) == sorted(FAMILIES)
    assert all(order[i][0] == order[i + 1][0] for i in (0, 2, 4))
    sources, targets = matrix_order(families)
    assert targets == order
    assert [name for name, _ in sources] == [*order, "nonsense"]


def test_the_matrix_can_go_back_to_the_order_of_the_study(families):
    table = matrices(families)[0]
    (order,) = table.orders
    assert (table.order, order.name) == ("by likeness", "as in the study")
    names = [table.rows[number][0].value for number in order.rows]
    assert names == [name for name, _ in families.sources]
    heads = [table.columns[1 + number].title for number in order.columns]
    assert [head.strip("\u2068\u2069") for head in heads] == list(families.targets)


def test_few_languages_stand_as_the_study_has_them(measurements, estimates):
    view = make_view(measurements, estimates)
    assert likeness(view) == ()
    assert matrix_order(view) == (view.sources, view.targets)
    assert matrices(view)[0].order == "as in the study"


def test_kin_stand_together_and_what_is_no_language_follows(measurements, estimates):
    view = make_view(measurements, estimates)
    (order,) = matrices(view)[0].orders
    assert order.name == "by family"
    names = [view.sources[number][0] for number in order.rows]
    assert names == ["en", "pt", "ru", "cipher(en)", "nonsense"]
    assert kin_of(view) == {
        "Germanic": ["en"], "Romance": ["pt", "es"], "Slavic": ["ru"], "Uralic": ["fi"],
    }  # fmt: skip


def test_stated_languages_count_and_not_names(measurements, estimates):
    stated = {"en": "fi", "pt": "et", "ru": "en"}
    view = make_view(measurements, estimates, {"languages": stated})
    assert kin_of(view) == {"Germanic": ["ru"], "Uralic": ["en", "pt"]}
    two = make_view(measurements, estimates, {"languages": {"en": "fi", "pt": "et"}})
    assert family_order(two) is None


def test_a_colour_says_that_the_sign_is_known(make_estimate):
    def shade(**changes):
        view = make_view(Measurements(()), Estimates((make_estimate(**changes),)))
        return matrices(view)[0].rows[0][1].shade

    assert shade() > 0
    assert shade(transfer_low=-1.0) == 0
    assert shade(transfer_bytes=-5e5, transfer_low=-6e5, transfer_high=-4e5) < 0
    assert shade(transfer_low=None, transfer_high=None, covers="no interval") > 0
    assert shade(status="below_range", transfer_low=None, transfer_high=1e6) == 0
    alone = {"transfer_low": None, "transfer_high": None, "covers": "no interval"}
    assert shade(status="below_range", **alone) == 0  # at most 1.9 MB may well be a cost
    assert shade(status="above_range", **alone) > 0


def test_what_a_language_is_worth_to_itself_leaves_the_others_their_colours(make_estimate):
    worth = {"fi": 1e6, "et": 1e4, "ru": 1e3}
    rows = [
        make_estimate(source=source, target="fi", transfer_bytes=count, transfer_low=count / 2)
        for source, count in worth.items()
    ]
    (table,) = matrices(make_view(Measurements(()), Estimates(tuple(rows))))
    shades = {row[0].value: row[1].shade for row in table.rows}
    assert shades["fi"] == shades["et"] == SHADES
    assert 0 < shades["ru"] < SHADES


@pytest.fixture
def crowd(make_estimate):
    rows = [
        make_estimate(source=f"s{n:02}", target="s07", transfer_bytes=1e4 * (n * 7 % 20 - 3))
        for n in range(20)
    ]
    return make_view(Measurements(()), Estimates(tuple(rows)))


def test_a_crowded_chart_names_the_extremes_and_the_language_itself(crowd):
    named = {name for name, _ in in_colour(crowd, crowd.learners[0], "s07")}
    # by worth: s00, s03, s06 ... s11, s14, s17; s07 (49 % 20 = 9) lies in the middle
    assert named == {"s00", "s03", "s07", "s08", "s11", "s14", "s17"}
    for draw in (transfer_charts, share_charts):
        (chart,) = draw(crowd, crowd.learners[0])
        styles = [series.style for series in chart.series]
        assert styles == ["quiet"] * 13 + ["joined"] * 7
    (chart,) = curve_charts(crowd, "s07")
    assert sum(series.style == "quiet" for series in chart.series) == 13


def test_a_few_sources_are_all_named(make_estimate):
    rows = [make_estimate(source=f"s{n}") for n in range(8)]
    assert len(standing_out(rows)) == 8
