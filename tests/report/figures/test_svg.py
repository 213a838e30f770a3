"""Figures: well-formed, titled, within their frame, labels apart, no invented line."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.figures.marks import INKS, symbol, symbols, thinned
from bytetransfer.report.figures.scales import Scale, spread, ticks
from bytetransfer.report.figures.svg import HEIGHT, WIDTH, draw
from bytetransfer.report.wording import bare

SVG = "{http://www.w3.org/2000/svg}"
TEXT = f"{SVG}text"
LOG = Axis(title="D_F, bytes", kind="log", low=1e3, high=1e6)
LOSS = Axis(title="bits per byte", kind="log", low=1.0, high=8.0, unit="number")
SIGNED = Axis(title="D_T", kind="signed_log", low=-1e5, high=1e6, linear=1e3)


def chart(*series: Series, x: Axis = LOG, y: Axis = LOSS, labels: str = "left") -> Chart:
    return Chart(
        name="c", title="<t> & 'q'", description="d\x00", x=x, y=y, series=series, labels=labels
    )


def corners(data: str) -> list[tuple[float, float]]:
    """The points that a path of moves, level and upright lines goes through."""
    x = y = 0.0
    found = []
    for letter, numbers in re.findall(r"([MLHV])([^MLHV]*)", data):
        values = [float(n) for n in re.findall(r"-?[0-9.]+", numbers)]
        x, y = {"H": (values[0], y), "V": (x, values[0])}.get(letter, (values[0], values[-1]))
        found.append((x, y))
    return found


def paths(root: ElementTree.Element, style: str) -> list[str]:
    return [p.get("d") for p in root.iter(f"{SVG}path") if p.get("class").split()[0] == style]


def parsed(figure: Chart) -> ElementTree.Element:
    return ElementTree.fromstring(draw(figure))


def test_a_figure_is_named_and_described_for_screen_readers():
    root = parsed(chart())
    assert root.get("role") == "img"
    ids = root.get("aria-labelledby").split()
    texts = {e.get("id"): e.text for e in root if e.tag in (f"{SVG}title", f"{SVG}desc")}
    assert [texts[i] for i in ids] == ["<t> & 'q'", "d\ufffd"]


@given(
    st.lists(
        st.builds(
            Dot,
            x=st.one_of(st.just(0.0), st.floats(1e3, 1e6)),
            y=st.floats(1, 8),
            reach=st.one_of(st.none(), st.floats(1e3, 1e6)),
            bound=st.sampled_from(["", "at_least", "at_most"]),
            note=st.text(max_size=20),
        ),
        max_size=5,
    ),
    st.text(max_size=60),
)
def test_any_dots_and_names_give_well_formed_xml_within_the_frame(dots, name):
    zero = Axis(title="x", kind="log", low=1e3, high=1e6, zero=True)
    series = Series(name=name, ink=3, dots=tuple(sorted(dots, key=lambda d: d.x)))
    root = parsed(chart(series, x=zero))
    drawn = [p for p in root.iter(f"{SVG}path") if p.get("class").split()[0] in {"step", "drop"}]
    for path in drawn:
        for x, y in corners(path.get("d")):
            assert -1 <= x <= WIDTH + 1
            assert -1 <= y <= HEIGHT + 1
    for use in root.iter(f"{SVG}use"):
        assert -1 <= float(use.get("x")) <= WIDTH + 1
        assert -1 <= float(use.get("y")) <= HEIGHT + 1


@given(st.lists(st.floats(0, 300), max_size=15), st.floats(5, 20))
def test_labels_are_apart_and_in_order(wanted, gap):
    places = spread(wanted, gap, 0, 300)
    assert all(-1e-6 <= place <= 300 + 1e-6 for place in places)
    ordered = sorted(zip(wanted, places, strict=True), key=lambda pair: pair[1])
    assert [w for w, _ in ordered] == sorted(wanted)
    for (_, above), (_, below) in itertools.pairwise(ordered):
        assert below - above >= gap - 1e-6


def test_labels_that_have_room_stay_where_they_are():
    assert spread([10, 100, 50], 12, 0, 300) == [10, 100, 50]


@given(st.floats(-1e5, 1e6), st.floats(-1e5, 1e6))
def test_scales_keep_order_through_zero(a, b):
    scale = Scale(SIGNED, 300, 0)
    assert (scale(a) > scale(b)) <= (a < b)
    assert (scale(a) >= scale(b)) >= (a < b)


def test_zero_has_a_place_of_its_own_left_of_a_break():
    scale = Scale(Axis(title="", kind="log", low=1e3, high=1e6, zero=True), 0, 400)
    assert scale(0) == 0
    assert scale(1e3) > 30


@pytest.mark.parametrize(
    "axis",
    [
        LOG,
        LOSS,
        SIGNED,
        Axis(title="", kind="log", low=1.80, high=1.93, unit="number"),
        Axis(title="", kind="log", low=9e5, high=1.1e6),
        Axis(title="", kind="log", low=5.0, high=5.0),
        Axis(title="", kind="signed_log", low=-1.2, high=1.2, linear=1.0),
    ],
)
def test_there_are_some_ticks_and_not_too_many(axis):
    values = ticks(axis, 6)
    assert 1 <= len(values) <= 8
    assert values == sorted(set(values))


def test_no_line_leads_to_a_bound_in_a_figure_of_transfer():
    dots = (Dot(x=1e3, y=3e3, bound="at_most"), Dot(x=1e4, y=4e3), Dot(x=1e5, y=5e3))
    drawn = draw(chart(Series(name="en", ink=1, dots=dots), y=SIGNED, labels="right"))
    path = re.search(r'class="joined" d="([^"]*)"', drawn)[1]
    assert path.count("M") + path.count("L") == 2


def test_a_step_ends_at_d_e_and_a_bound_at_the_edge():
    dots = (Dot(x=1e3, y=3.0, reach=1e5), Dot(x=1e4, y=2.0, reach=1e6, bound="at_least"))
    root = parsed(chart(Series(name="en", ink=1, dots=dots)))
    (first, end), (second, edge) = zip(*[iter(corners(paths(root, "step")[0]))] * 2, strict=True)
    assert first[1] == end[1]
    assert second[1] == edge[1]
    right = max(x for x, _ in corners(paths(root, "axis")[0]))
    assert end[0] < right == edge[0]
    assert corners(paths(root, "drop")[0])[0][0] == end[0]
    assert len(paths(root, "tip")) == 1


def test_sources_with_one_colour_differ_in_shape():
    kinds = {((ink - 1) % INKS, symbol(ink)) for ink in range(1, 25)}
    assert len(kinds) == 24
    assert all(f'id="m{symbol(ink)}"' in symbols() for ink in range(25))


def categories(*names: str) -> Axis:
    return Axis(title="source", kind="category", low=-0.5, high=len(names) - 0.5, names=names)


def test_categories_stand_evenly_and_are_all_named():
    names = tuple(f"language {number}" for number in range(9))
    scale = Scale(categories(*names), 0.0, 90.0)
    assert [round(scale(place), 6) for place in range(9)] == [5 + 10 * place for place in range(9)]
    words = [bare(element.text) for element in parsed(chart(x=categories(*names))).iter(TEXT)]
    assert set(names) <= set(words)


def test_names_too_wide_to_stand_level_are_tilted_and_given_room():
    level, tilted = (
        parsed(chart(x=categories(*names))) for names in (("en", "fi"), ("x" * 30,) * 9)
    )
    assert not [element for element in level.iter(TEXT) if element.get("transform")]
    assert len([element for element in tilted.iter(TEXT) if element.get("transform")]) == 9
    heights = [float(root.get("viewBox").split()[3]) for root in (level, tilted)]
    assert heights[0] == HEIGHT < heights[1]


@given(low=st.floats(-1e6, 1e6), width=st.floats(1e-3, 1e6))
def test_a_linear_axis_keeps_distances(low, width):
    scale = Scale(Axis(title="x", kind="linear", low=low, high=low + width, unit="number"), 0, 100)
    assert scale(low + width / 4) == pytest.approx(25, abs=1e-3)
    assert ticks(scale.axis, 6)


def test_loose_marks_have_no_line():
    dots = (Dot(x=1e4, y=2.0), Dot(x=1e5, y=3.0))
    loose, joined = (
        parsed(chart(Series(name="s", ink=1, dots=dots, style=style)))
        for style in ("loose", "joined")
    )
    assert [len(paths(root, "joined")) for root in (loose, joined)] == [0, 1]
    assert [len(list(root.iter(f"{SVG}use"))) for root in (loose, joined)] == [2, 2]


def test_quiet_sources_have_no_name_no_steps_and_what_they_say_is_kept():
    dots = (Dot(x=1e4, y=2.0, reach=2e4, note="en"), Dot(x=1e5, y=3.0, reach=2e5))
    root = parsed(chart(Series(name="quiet one", ink=3, dots=dots, style="quiet")))
    assert paths(root, "step") == []
    assert "quiet one" not in [element.text for element in root.iter(TEXT)]
    assert [e.text for e in root.iter(f"{SVG}title")] == ["<t> & 'q'", "en"]
    silent = tuple(replace(dot, note="") for dot in dots)
    root = parsed(chart(Series(name="quiet one", ink=3, dots=silent, style="quiet")))
    assert paths(root, "dots")[0].count("M") == 2


def test_a_band_is_closed_and_runs_there_above_and_back_below():
    dots = tuple(Dot(x=10.0**n, y=2.0, low=2.0, high=4.0 + n % 2) for n in (3, 4, 5))
    (data,) = paths(parsed(chart(Series(name="", ink=0, dots=dots, style="band"))), "band")
    assert data.endswith("z")
    xs = [x for x, _ in corners(data)]
    assert xs == sorted(xs[:3]) + sorted(xs[3:], reverse=True)


@given(st.lists(st.tuples(st.floats(0, 400), st.floats(0, 300)), min_size=1, max_size=30))
def test_a_thinned_line_keeps_its_ends_and_leaves_no_point_far_off(places):
    places = sorted(places)
    kept = thinned(places, 0.5)
    assert (kept[0], kept[-1]) == (places[0], places[-1])
    for x, y in places:
        gaps = [
            abs((bx - ax) * (ay - y) - (ax - x) * (by - ay)) / (math.hypot(bx - ax, by - ay) or 1)
            for (ax, ay), (bx, by) in itertools.pairwise(kept)
            if ax <= x <= bx
        ]
        assert not gaps or min(gaps) <= 0.51


def test_a_chart_of_hundreds_of_dots_keeps_their_notes_to_itself():
    dots = tuple(Dot(x=1e3 + n, y=2.0, note="n") for n in range(400))
    root = parsed(chart(Series(name="s", ink=1, dots=dots, style="loose")))
    assert len(list(root.iter(f"{SVG}use"))) == 400
    assert len(list(root.iter(f"{SVG}title"))) == 1


def test_long_descriptions_end_somewhere():
    figure = replace(chart(), description="word " * 5_000)
    (words,) = (e.text for e in parsed(figure).iter(f"{SVG}desc"))
    assert len(words) < 1_100
    assert words.endswith("The table has every value.")
