"""The sections on consistency and commutativity: plain words, whole tables, charts that draw."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.commutativity import commutativity
from bytetransfer.analysis.consistency import consistency
from bytetransfer.analysis.premium import byte_premiums
from bytetransfer.report.analyses.commutativity import commutativity_section
from bytetransfer.report.analyses.consistency import consistency_section
from bytetransfer.report.analyses.content import content_section
from bytetransfer.report.figures.svg import draw
from bytetransfer.report.wording import Names

NAMES = Names(languages={"en": "English", "ru": "Russian", "zh": "Chinese", "fi": "Finnish"})
GIVEN = 100_000


@pytest.fixture
def make_row(make_estimate):
    """An estimate with its D_E and the standard error of its logarithm."""

    def make(source, target, effective_bytes, error=0.03, **changes):
        reach = math.exp(stats.norm.ppf(0.975) * error) if error else None
        limits = (effective_bytes / reach, effective_bytes * reach) if reach else (None, None)
        values = {
            "source": source,
            "target": target,
            "effective_bytes": effective_bytes,
            "effective_low": limits[0],
            "effective_high": limits[1],
            "transfer_bytes": effective_bytes - GIVEN,
            "transfer_low": limits[0] and limits[0] - GIVEN,
            "transfer_high": limits[1] and limits[1] - GIVEN,
            "transfer_fraction": 1 - GIVEN / effective_bytes,
            "covers": "seeds and documents" if reach else "no interval: one seed",
        }
        return make_estimate(**(values | changes))

    return make


def table_of(make_row, error=0.03, spread=0.1, names=("en", "ru", "zh", "fi")):
    generator = np.random.default_rng(0)
    return [
        make_row(a, b, 4e5 * math.exp(spread * generator.standard_normal()), error)
        for a, b in itertools.permutations(names, 2)
    ]


def check(section):
    """Every row is as long as its heading, every figure draws, nothing says NaN."""
    names = [table.name for table in section.tables]
    assert len(set(names)) == len(names)
    for table in section.tables:
        assert table.rows
        assert all(len(row) == len(table.columns) for row in table.rows)
    for figure in section.figures:
        ElementTree.fromstring(draw(figure))
        assert figure.description
    words = " ".join((*section.text, *section.further))
    shown = [cell.text + cell.detail for t in section.tables for row in t.rows for cell in row]
    assert not re.search(r"\b(nan|inf|None)\b", " ".join([words, *shown]))
    return words


def test_alike_and_different_sources_are_said_to_be_so(make_row):
    words = check(consistency_section([consistency(table_of(make_row))], NAMES))
    assert "within a factor 2 of each other in D_T in 4 of 4 cases" in words
    assert "are alike for 1, alike and yet different for 3 of 4 targets" in words
    assert "Of the variance of log D_E" in words
    assert "does not mean “the same”" in words
    apart = [
        make_row(source, target, GIVEN * worth)
        for source, worth in (("en", 2.0), ("ru", 5.0), ("zh", 5.1))
        for target in ("fi", "ja")
    ]
    section = consistency_section([consistency(apart)], NAMES)
    assert "They are shown to differ in 2." in check(section)
    (tests,) = [table for table in section.tables if table.name == "consistency-tests"]
    assert {row[-1].text for row in tests.rows} == {"different"}


def test_what_follows_from_arithmetic_is_said(make_row):
    rows = [
        make_row(source, target, GIVEN * (1.05 + 0.001 * place), 0.002)
        for place, (source, target) in enumerate(itertools.product(("en", "ru"), ("fi", "ja")))
    ]
    assert "is arithmetic and not a finding" in check(
        consistency_section([consistency(rows)], NAMES)
    )
    large = [
        make_row(source, target, GIVEN * (5 + 0.1 * place))
        for place, (source, target) in enumerate(itertools.product(("en", "ru"), ("fi", "ja")))
    ]
    assert "arithmetic" not in check(consistency_section([consistency(large)], NAMES))


def test_without_intervals_the_reason_and_what_would_help_are_said(make_row):
    rows = table_of(make_row, error=None)
    words = check(consistency_section([consistency(rows)], NAMES))
    assert words.count("only under a declared noise") == 1
    declared = check(consistency_section([consistency(rows, noise=0.05)], NAMES))
    assert declared.startswith("Under a declared standard error of 0.05 of log D_E. All sources")
    assert "% of the last is declared noise" in declared
    assert "described and not tested: not every estimate has a standard error" in check(
        commutativity_section([commutativity(rows)], NAMES)
    )
    assert "and none was declared" in check(commutativity_section([commutativity(rows)], NAMES))


def test_bounds_are_counted_in_words_and_drawn_as_such(make_row):
    rows = [*table_of(make_row), make_row("en", "ja", 9e6, None, status="above_range")]
    section = consistency_section([consistency(rows)], NAMES)
    assert "of 13 estimates, 1 with only a bound." in check(section)
    dots = [dot for one in section.figures[0].series for dot in one.dots]
    assert sum(dot.bound == "at_least" for dot in dots) == 1
    back = make_row("ja", "en", 9e6, None, status="below_range")
    section = commutativity_section([commutativity([*rows, back])], NAMES)
    assert "(besides, pairs with a bound in a direction: 1)" in check(section)


def test_the_stronger_direction_comes_first(make_row):
    rows = [make_row("en", "ru", 2e5), make_row("ru", "en", 6e5)]
    words = check(commutativity_section([commutativity(rows)], NAMES))
    assert "Russian⁩ for ⁨English⁩ reaches 3 times the D_E" in words
    assert "differ by more than noise in 1 of 1 case" in words
    assert "circle of three" in words


def test_without_standard_errors_languages_are_described_and_not_tested(make_row):
    tested = check(commutativity_section([commutativity(table_of(make_row))], NAMES))
    assert "Of 4 languages, " in tested
    assert "50 % of differences that have nothing to do with languages" in tested
    bare_rows = [
        replace(row, effective_low=None, effective_high=None, covers="no interval: one seed")
        for row in table_of(make_row)
    ]
    found = check(commutativity_section([commutativity(bare_rows)], NAMES))
    assert "described and not tested: not every estimate has a standard error" in found


def test_content_and_seeds_have_columns_where_they_are_known(make_row):
    bounds = [
        make_row(*pair, 9e6, None, status="above_range") for pair in (("en", "ja"), ("ja", "en"))
    ]
    rows = [*table_of(make_row), *bounds]
    premiums = byte_premiums(
        {"en": np.full(50, 100), "ru": np.full(50, 180), "fi": np.full(50, 90)}
    )
    by_seed = {seed: table_of(make_row, spread=0.1 + 0.01 * seed) for seed in range(3)}
    found = commutativity(rows, premiums=premiums, by_seed=by_seed)
    section = commutativity_section([found], NAMES)
    check(section)
    titles = [column.title for column in section.tables[0].columns]
    assert "in equal content" in titles
    assert "the same, paired by seed" in titles
    plain = commutativity_section([commutativity(rows)], NAMES)
    assert len(plain.tables[0].columns) == len(titles) - 2


def test_transfer_is_told_in_bytes_of_source_target_and_reference(make_row):
    lines = {"en": np.full(50, 100), "ru": np.full(50, 180), "fi": np.full(50, 90)}
    rows = [
        make_row("ru", "fi", 1.9e6, None),
        make_row("fi", "ru", 9e6, None, status="above_range"),
        make_row("zh", "fi", 2e6, None),
    ]
    section = content_section(rows, byte_premiums(lines), NAMES)
    words = check(section)
    assert "Russian⁩ needs 1.8 times the bytes of ⁨English" in words
    (table,) = (one for one in section.tables if one.name == "content-transfer")
    first, second = ([cell.value for cell in row[4:]] for row in table.rows)
    worth = rows[0].transfer_bytes
    assert first == pytest.approx([worth, worth / 0.9 * 1.8, worth / 0.9])
    assert second == pytest.approx([rows[1].transfer_bytes * part for part in (1, 0.5, 1 / 1.8)])
    assert all(cell.text.startswith("≥") for cell in table.rows[1][4:])
    assert [dot.y for dot in section.figures[0].series[0].dots] == [0.9, 1.0, 1.8]


@pytest.mark.parametrize(("worth", "inside"), [((5.0, 5.5, 6.0), True), ((2.0, 5.0, 5.1), False)])
def test_the_band_is_the_factor_wide_and_holds_sources_that_are_alike(make_row, worth, inside):
    rows = [
        make_row(source, target, GIVEN * factor)
        for source, factor in zip(("en", "ru", "zh"), worth, strict=True)
        for target in ("fi", "ja")
    ]
    (chart,) = consistency_section([consistency(rows, factor=2.0)], NAMES).figures
    bands = [one for one in chart.series if one.style == "band"]
    assert [round((one.dots[0].x + one.dots[1].x) / 2) for one in bands] == [0, 1]
    for place, band in enumerate(bands):
        low, high = band.dots[0].low, band.dots[0].high
        assert high / low == pytest.approx(2)
        heights = [
            dot.y
            for one in chart.series
            if one.style == "loose"
            for dot in one.dots
            if round(dot.x) == place
        ]
        assert len(heights) == 3
        assert all(low <= height <= high for height in heights) == inside


def test_where_nothing_is_compared_there_is_no_band(make_row):
    rows = table_of(make_row, error=None)
    (chart,) = consistency_section([consistency(rows)], NAMES).figures
    assert not any(one.style == "band" for one in chart.series)


def test_pairs_are_drawn_as_two_dots_and_a_link(make_row):
    (found,) = [commutativity(table_of(make_row, spread=0.5))]
    (chart,) = commutativity_section([found], NAMES).figures
    link, forward, backward = chart.series
    assert (link.style, forward.name, backward.name) == ("link", "a for b", "b for a")
    assert len(forward.dots) == len(backward.dots) == len(found.pairs)
    assert link.dots[::2] == forward.dots
    assert link.dots[1::2] == backward.dots
    differ = [p for p in found.pairs if p.corrected_p <= 0.05]
    assert sum(name.endswith("*") for name in chart.x.names) == len(differ) > 0
    ratios = [abs(math.log(a.y / b.y)) for a, b in zip(forward.dots, backward.dots, strict=True)]
    assert ratios == sorted(ratios, reverse=True)


def test_of_many_pairs_the_largest_differences_are_drawn(make_row):
    names = [f"l{place}" for place in range(9)]
    section = commutativity_section([commutativity(table_of(make_row, names=names))], NAMES)
    check(section)
    assert "the 12 largest of 36" in section.figures[0].title
    assert len(section.tables[0].rows) == 36


@pytest.mark.parametrize("make_section", [consistency_section, commutativity_section])
def test_reasons_are_said_once_and_hostile_names_do_no_harm(make_section, make_row):
    silent = make_section([Unanswered("because")] * 3, NAMES)
    assert silent.text == ("Not answered: because.",)
    assert not silent.tables
    assert not silent.figures
    assert check(make_section([], NAMES)) == ""
    hostile = ("<script>", "fi\u202egnp", "x" * 5_000, "\x00\ud800")
    analyse = consistency if make_section is consistency_section else commutativity
    check(make_section([analyse(table_of(make_row, names=hostile))], NAMES))


def test_all_bounds_is_an_answer_too(make_row):
    rows = [
        make_row(a, b, 9e6, None, status="above_range")
        for a, b in itertools.permutations(("en", "ru", "zh"), 2)
    ]
    assert "in every pair at least one direction is only a bound" in check(
        commutativity_section([commutativity(rows)], NAMES)
    )
    assert "of 6 estimates, 6 with only a bound." in check(
        consistency_section([consistency(rows)], NAMES)
    )


def test_sources_that_are_left_out_are_not_called_alike(make_row):
    """Two sources alike and one that is worth nothing: not all sources are alike."""
    rows = [
        make_row(source, target, size)
        for target in ("fi", "ja")
        for source, size in (("en", 5e5), ("ru", 5e5), ("zh", 1.01 * GIVEN))
    ]
    words = check(consistency_section([consistency(rows)], NAMES))
    assert "in 0 of 2 cases" in words
    assert "those that can be compared in 2 more" in words
    assert "of 6 estimates, 2 with a D_T not surely above 0." in words


def test_harm_is_no_share(make_row):
    rows = [make_row(*pair, 0.5 * GIVEN) for pair in itertools.permutations("abc", 2)]
    rows[0] = make_row("a", "b", 0.6 * GIVEN)
    assert "In the median, D_T is not above 0" in check(
        consistency_section([consistency(rows)], NAMES)
    )
