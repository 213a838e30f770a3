"""The small plotting grammar that turns a chart into SVG: axes, series, labels.

`draw` gives every value of a `Chart` its place and returns one SVG element. Colours and line
widths are classes that a style sheet fills in, so that one drawing serves light, dark and paper;
sources differ in colour *and* in the shape of their marks, which `marks.symbols` defines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

from bytetransfer.report.figures.chart import Axis, Chart, Series
from bytetransfer.report.figures.marks import (
    MARKED,
    draw_series,
    escaped,
    ink_class,
    number,
    path,
    segments,
    steps,
)
from bytetransfer.report.figures.scales import ZERO_GAP, Scale, spread, text_width, ticks
from bytetransfer.report.wording import bare, isolate
from bytetransfer.units import signed_bytes

WIDTH, HEIGHT = 420.0, 310.0
_SYMBOL = re.compile(r"\bD_([FET])\b")
_LEFT, _TOP, _BOTTOM, _RIGHT = 52.0, 30.0, 48.0, 14.0
_LABEL_GAP, _LABEL_CHARACTERS, _DESCRIPTION_CHARACTERS = 14.0, 22, 1_000
_MOST_NOTES = 300  # of more dots, a pointer cannot tell which one is meant
_REMARK = 16.0  # height of a line above the plot
_TICK, _TICK_CHARACTERS = 11.0, 24  # size of the letters at ticks, and how many at most
_ASLANT, _STEEP = 35.0, 60.0  # degrees that names stand aslant where there is no room for them
_STEEP_BELOW = 21.0  # room of a category that is too little for names less steep


def draw(chart: Chart) -> str:
    """The chart as one SVG element, titled and described for screen readers."""
    x, y = _scales(chart)
    offsets = _offsets(chart)
    with_notes = sum(len(series.dots) for series in chart.series if series.name) <= _MOST_NOTES
    parts = [*_axes(chart, x, y)]
    parts += [steps(series, x, y) for series in chart.series]
    parts += [
        draw_series(series, x, y, offset, with_notes=with_notes)
        for series, offset in zip(chart.series, offsets, strict=True)
    ]
    parts += [*_labels(chart, x, y, offsets), *_beyond(chart, x, y)]
    name = escaped(chart.name)
    return (
        f'<svg class="chart" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'viewBox="0 0 {WIDTH:.0f} {height(chart):.0f}" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-title">{escaped(bare(chart.title))}</title>'
        f'<desc id="{name}-desc">{escaped(_described(chart))}</desc>{"".join(parts)}</svg>'
    )


def height(chart: Chart) -> float:
    """How high the drawing is, in its own units."""
    return HEIGHT + _tilted(chart, _scales(chart)[0])


def _described(chart: Chart) -> str:
    """The chart in words, which end where nobody would go on listening; the table has the rest."""
    words = bare(chart.description)
    if len(words) <= _DESCRIPTION_CHARACTERS:
        return words
    return words[:_DESCRIPTION_CHARACTERS].rsplit(" ", 1)[0] + " … The table has every value."


def _scales(chart: Chart) -> tuple[Scale, Scale]:
    """Scales that leave room for the labels on their side."""
    named = _named(chart)
    widest = max((text_width(_label(s.name)) for s in named), default=0.0) + 16
    right = WIDTH - (_RIGHT if chart.labels == "left" else max(_RIGHT, widest))
    gutter = 0.0
    if chart.labels == "left" and named:
        plain = Scale(chart.x, 0.0, right - _LEFT - 10)
        first = _first(chart, plain) / plain.end
        gutter = min(plain.end / 2, max(0.0, (widest - first * plain.end) / max(0.1, 1 - first)))
    else:
        gutter = _beside_tilted(chart, Scale(chart.x, _LEFT + 10, right))
    return (
        Scale(chart.x, _LEFT + 10 + gutter, right),
        Scale(chart.y, HEIGHT - _BOTTOM, _top(chart)),
    )


def _first(chart: Chart, x: Scale) -> float:
    """Where the leftmost of all series begins."""
    return min(x(series.dots[0].x) for series in chart.series if series.dots)


def _top(chart: Chart) -> float:
    """Where the plot begins, below the title of its axis and what is remarked."""
    return _TOP + _REMARK * len(chart.remarks)


def _named(chart: Chart) -> list[Series]:
    return [s for s in chart.series if s.style in MARKED and s.name and s.dots]


def _offsets(chart: Chart) -> list[float]:
    """Sideways shifts that keep intervals at one x from hiding each other."""
    upright = [
        s.style in MARKED and any(d.low is not None or d.high is not None for d in s.dots)
        for s in chart.series
    ]
    count = sum(upright)
    step = min(5.0, 28.0 / max(1, count))
    ranks = iter(range(count))
    return [(next(ranks) - (count - 1) / 2) * step if up else 0.0 for up in upright]


def _axes(chart: Chart, x: Scale, y: Scale) -> list[str]:
    floor, right = HEIGHT - _BOTTOM, x.end
    tilted = _tilted(chart, x)
    upright, level = ticks(chart.y, 6), ticks(chart.x, max(2, int((right - x.start) / 48)))
    named = level if tilted else _apart(level, x)
    zero = [value for value in upright if chart.zero_line and value == 0]
    strokes = [(x(value), floor, x(value), floor + 5) for value in level]
    if chart.x.zero:
        gap = [x.start + ZERO_GAP / 2 + shift for shift in (-3, 2)]
        strokes += [(place - 2, floor + 5, place + 3, floor - 5) for place in gap]
    grid = [(_LEFT, y(value), right, y(value)) for value in upright if value not in zero]
    return [
        path("grid", segments(grid)),
        path("zero", segments([(_LEFT, y(0), right, y(0))] if zero else [])),
        path("axis", segments([*strokes, (_LEFT, floor, right, floor)])),
        _words("tick end", [(_LEFT - 6, y(v) + 4, _size(v, chart.y)) for v in upright]),
        _below(chart, x, named, tilted),
        _word((_LEFT + right) / 2, HEIGHT + tilted - 8, chart.x.title, "axis-title middle"),
        _word(4, 14, chart.y.title, "axis-title"),
        *(
            _word(right, 17 + _REMARK * (line + 1), remark, "remark end")
            for line, remark in enumerate(chart.remarks)
        ),
    ]


def _apart(values: Sequence[float], x: Scale) -> list[float]:
    """The ticks whose names do not touch, the first of any that would."""
    named: list[float] = []
    end = -math.inf
    for value in values:
        half = text_width(_size(value, x.axis), _TICK) / 2
        if x(value) - half > end:
            named.append(value)
            end = x(value) + half + 6
    return named


def _below(chart: Chart, x: Scale, values: Sequence[float], tilted: float) -> str:
    """What the ticks of the horizontal axis are called."""
    floor = HEIGHT - _BOTTOM
    if not tilted:
        words = [(x(value), floor + 18, _size(value, chart.x)) for value in values]
        return _words("tick middle", words)
    turn = number(-_angle(x))
    return "".join(
        _word(
            x(value),
            floor + 14,
            _size(value, chart.x),
            "tick end",
            f' transform="rotate({turn} {number(x(value))} {number(floor + 14)})"',
        )
        for value in values
    )


def _tilted(chart: Chart, x: Scale) -> float:
    """Room that names of categories need below, where they are too wide to stand level."""
    widths = _tick_widths(chart)
    if not widths or (widest := max(widths)) <= abs(x(1) - x(0)) - 6:
        return 0.0
    return max(1.0, widest * math.sin(math.radians(_angle(x))) - 4)


def _tick_widths(chart: Chart) -> list[float]:
    if chart.x.kind != "category":
        return []
    places = range(len(chart.x.names))
    return [text_width(_size(place, chart.x), _TICK) for place in places]


def _angle(x: Scale) -> float:
    return _STEEP if abs(x(1) - x(0)) < _STEEP_BELOW else _ASLANT


def _beside_tilted(chart: Chart, x: Scale) -> float:
    """Room at the left of the plot that aslant names of the first categories need."""
    if not _tilted(chart, x):
        return 0.0
    level = math.cos(math.radians(_angle(x)))
    ends = (x(place) - level * width for place, width in enumerate(_tick_widths(chart)))
    return max(0.0, -min(ends))


def _size(value: float, axis: Axis) -> str:
    if axis.kind == "category":
        return isolate(bare(axis.names[int(value)]), _TICK_CHARACTERS)
    return signed_bytes(value) if axis.unit == "bytes" else f"{value:.10g}".replace("-", "−")


def _labels(chart: Chart, x: Scale, y: Scale, offsets: Sequence[float]) -> list[str]:
    """Names beside their first or last dots, moved apart where they would touch."""
    at_left, parts = chart.labels == "left", []
    named = [
        (series, series.dots[0 if at_left else -1], offset)
        for series, offset in zip(chart.series, offsets, strict=True)
        if series.style in MARKED and series.name and series.dots
    ]
    places = spread([y(d.y) + 4 for _, d, _ in named], _LABEL_GAP, y.end + 4, y.start - 4)
    column = max((x(d.x) + o for _, d, o in named), default=0.0)
    if at_left and named:
        column = _first(chart, x)
    for (series, dot, offset), place in zip(named, places, strict=True):
        away, ink = (-1 if at_left else 1), ink_class(series)
        edge, anchor = column + away * 12, "end" if at_left else "start"
        if not at_left:
            edge = x.end + 8
        near = x(dot.x) + offset + away * 6
        leader = segments([(near, y(dot.y), edge - away * 2, place - 4)])
        parts.append(path(f"leader {ink}", leader))
        parts.append(_word(edge, place, _label(series.name), f"label {anchor} {ink}"))
    for series in chart.series:
        if series.style == "curve" and series.name and series.dots:
            # above the curve and right of it nothing stands: what is pretrained lies below
            middle = (x(series.dots[0].x) + x(series.dots[-1].x)) / 2
            nearest = min(series.dots, key=lambda dot: abs(x(dot.x) - middle))
            beside, above = x(nearest.x) + 6, y(nearest.y) - 8
            parts.append(_word(beside, above, _label(series.name), "label ink-0"))
    return parts


def _beyond(chart: Chart, x: Scale, y: Scale) -> list[str]:
    """What lies outside the axis, written at its edge: values of one place below one another."""
    lines: dict[tuple[int, bool], int] = {}
    parts = []
    for series in chart.series:
        for dot in series.dots:
            if dot.beyond:
                place = round(dot.x), dot.y > chart.y.high
                line = lines[place] = lines.get(place, 0) + 1
                height = y.end + 8 + 13 * line if place[1] else y.start - 8 - 13 * line
                parts.append(
                    _word(x(place[0]), height, dot.beyond, f"label middle {ink_class(series)}")
                )
    return parts


def _label(name: str) -> str:
    return isolate(bare(name), _LABEL_CHARACTERS)


def _words(style: str, words: Sequence[tuple[float, float, str]]) -> str:
    """Texts of one style, in a group that says it once."""
    texts = (
        f'<text x="{number(x)}" y="{number(y)}">{_subscripts(text)}</text>' for x, y, text in words
    )
    return f'<g class="{style}">{"".join(texts)}</g>'


def _word(x: float, y: float, text: str, style: str, turn: str = "") -> str:
    place = f'x="{number(x)}" y="{number(y)}"'
    return f'<text class="{style}" {place}{turn}>{_subscripts(text)}</text>'


def _subscripts(text: str) -> str:
    return _SYMBOL.sub(
        r'D<tspan class="sub" dy="3">\1</tspan><tspan dy="-3">&#8203;</tspan>', escaped(text)
    )
