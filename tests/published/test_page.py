"""The page shows every cell in figures and tables, and what it states is so."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from bytetransfer.published import build_page, perplexities, readings
from bytetransfer.published.findings import against_others, exchanges
from bytetransfer.published.readings import Curves
from bytetransfer.report import render_html

MB = 1_000_000


@pytest.fixture(scope="module")
def cells():
    return readings()


@pytest.fixture(scope="module")
def page(cells):
    return build_page(perplexities(), cells)


def sections(page, cells):
    named = {section.name: section for section in page.sections}
    return [(named[t], [c for c in cells if c.target == t]) for t in {c.target for c in cells}]


def test_every_target_has_both_readings_on_the_same_axes(page, cells):
    for section, group in sections(page, cells):
        printed, ours = section.figures
        assert (printed.x, printed.y) == (ours.x, ours.y)
        for chart, kind in ((printed, "published"), (ours, "monotone")):
            reached = {
                (one.name, dot.x): (dot.reach, dot.bound)
                for one in chart.series
                if one.style == "joined"
                for dot in one.dots
            }
            for cell in group:
                reach, bound = reached.pop((cell.source, cell.finetune_bytes))
                assert reach == getattr(cell, f"{kind}_effective_bytes")
                beyond = kind == "monotone" and cell.monotone_status == "above_range"
                assert bound == ("at_least" if beyond else "")
            assert not reached
        (bars,) = [one for one in printed.series if one.style == "loose"]
        wanted = {c.published_effective_bytes for c in group if c.artefact}
        assert {dot.x for dot in bars.dots} == wanted


def test_every_target_has_its_from_scratch_points_on_both_curves(page, cells):
    for section, _ in sections(page, cells):
        for chart in section.figures:
            curve, dots = chart.series[:2]
            on_curve = {dot.x: dot.y for dot in curve.dots}
            off = [abs(on_curve[dot.x] / dot.y - 1) for dot in dots.dots]
            # the last two of Spanish are pooled in our curve
            assert max(off) < (0.003 if chart.name == "monotone-es" else 1e-9)


def test_each_panel_draws_the_curve_it_reads_on(page, cells):
    for section, group in sections(page, cells):
        printed, ours = (chart.series[0].dots for chart in section.figures)
        points = section.figures[0].series[1].dots
        sizes = [dot.x for dot in points]
        straight = np.interp([d.x for d in printed], sizes, [2**dot.y for dot in points])
        np.testing.assert_allclose([2**dot.y for dot in printed], straight, rtol=1e-9)
        curve = Curves.of(perplexities().rows, group[0].target).monotone
        np.testing.assert_allclose([d.y for d in ours], [curve.loss(d.x) for d in ours])


def test_every_cell_stands_in_its_targets_table(page, cells):
    for section, group in sections(page, cells):
        (table,) = section.tables
        assert [(r[0].value, r[1].value) for r in table.rows] == [
            (c.source, c.finetune_bytes) for c in group
        ]
        for row, cell in zip(table.rows, group, strict=True):
            values = [one.value for one in row]
            assert cell.published_effective_bytes in values
            assert cell.monotone_transfer_bytes in values
            assert ("≥" in row[5].text) == (cell.monotone_status == "above_range")
            assert (": " in row[-1].text) == bool(cell.artefact)


def test_the_page_is_one_file_that_asks_for_nothing(page):
    text = render_html(page)
    figures = re.findall(r"<svg class=.chart.*?</svg>", text, re.DOTALL)
    assert len(figures) == 20
    for figure in figures:
        ElementTree.fromstring(figure)
    assert not re.search(r'(src|href)="(?!#)', text)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


def test_the_numbers_in_the_text_are_those_of_the_readings(page, cells):
    text = " ".join(page.sections[0].text)
    artefacts = [c for c in cells if c.artefact]
    bounds = [c for c in artefacts if c.monotone_status != "inside"]
    ratios = sorted(c.ratio for c in cells if c.ratio and not c.artefact)
    assert f"Of {len(cells)} printed D_E, {len(artefacts)} are artefacts" in text
    assert f"{len(bounds)} are numbers where the data give only a bound" in text
    assert f"In {sum(c.has_wrong_sign for c in cells)} cells the printed D_T is negative" in text
    assert all(c.published_transfer_bytes < 0 for c in cells if c.has_wrong_sign)
    assert f"is {ratios[len(ratios) // 2]:.2f} times the monotone one in the median" in text
    assert f"{ratios[0]:.2f} to {ratios[-1]:.2f} times" in text


def test_what_is_said_of_commutation_is_so(cells):
    pairs = exchanges(cells, 6 * MB)
    assert [(a.source, a.target) for a, _ in pairs] == [("en", "ru"), ("en", "zh"), ("ru", "zh")]
    apart = {
        kind: [
            getattr(back, f"{kind}_transfer_bytes") / getattr(there, f"{kind}_transfer_bytes")
            for there, back in pairs
        ]
        for kind in ("published", "monotone")
    }
    assert all(p > m > 1.1 for p, m in zip(*apart.values(), strict=True))
    assert min(apart["published"][:2]) > apart["published"][2]


def test_what_is_said_of_portuguese_is_so(cells):
    found = against_others(cells, "pt", "es")
    *earlier, last = found
    for pair in earlier:
        assert pair.own.monotone_transfer_bytes > pair.monotone.monotone_transfer_bytes
        assert pair.monotone.monotone_status == "inside"
    assert last.own.finetune_bytes == 600 * MB
    assert {c.monotone_status for c in cells
            if (c.target, c.finetune_bytes) == ("es", 600 * MB)} == {"above_range"}  # fmt: skip
    assert [bool(pair.own.artefact) for pair in found] == [False, True, True, True, True]
    assert [pair.own.published_transfer_bytes < 0 for pair in found] == [False] * 3 + [True] * 2
