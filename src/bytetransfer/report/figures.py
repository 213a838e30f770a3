"""The small plotting grammar that turns a chart into SVG: scales, axes, marks, labels.

`draw` gives every value of a `Chart` its place and returns one SVG element. Colours and line
widths are classes that the page's style sheet fills in, so that one drawing serves light, dark
and paper; sources differ in colour *and* in marker shape.
"""

from __future__ import annotations

import html
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from bytetransfer.report.chart import Axis, Chart, Dot, Series
from bytetransfer.report.wording import END_ISOLATE, ISOLATE, bare, isolate, signed_bytes, visible

INKS = 8
_MARKED = frozenset({"joined", "loose"})
_SYMBOL = re.compile(r"\bD_([FET])\b")
WIDTH, HEIGHT = 420.0, 310.0
_LEFT, _TOP, _BOTTOM, _RIGHT = 52.0, 30.0, 48.0, 14.0
_FONT, _LABEL_GAP, _LABEL_CHARACTERS = 12.0, 14.0, 18
_TILTED = 46.0  # more room below for names that stand aslant
_ZERO_GAP = 36.0  # a log axis has no zero: it gets a place of its own, left of a break


@dataclass(frozen=True)
class Scale:
    """Values of an axis to places between `start` and `end`, in units of the drawing."""

    axis: Axis
    start: float
    end: float

    def share(self, value: float) -> float:
        """Where `value` stands between low (0) and high (1), not counting the place for zero."""
        low, high, here = (self._bend(v) for v in (self.axis.low, self.axis.high, value))
        return (here - low) / (high - low) if high > low else 0.5

    def __call__(self, value: float) -> float:
        """The place of `value`; what lies outside the axis stands just past its end."""
        if self.axis.kind == "log" and value <= 0:
            return self.start
        gap = math.copysign(_ZERO_GAP, self.end - self.start) if self.axis.zero else 0.0
        share = min(1.02, max(-0.02, self.share(value)))
        return self.start + gap + share * (self.end - self.start - gap)

    def _bend(self, value: float) -> float:
        if self.axis.kind == "log":
            return math.log10(value)
        if self.axis.kind == "signed_log":
            return math.asinh(value / self.axis.linear)
        return value


def ticks(axis: Axis, room: int) -> list[float]:
    """At most about `room` values to mark along an axis.

    >>> ticks(Axis(title="", kind="log", low=3e3, high=3e6), 4)
    [10000.0, 100000.0, 1000000.0]
    >>> ticks(Axis(title="", kind="log", low=1.4, high=4.1, unit="number"), 6)
    [1.5, 2.0, 2.5, 3.0, 4.0]
    """
    if axis.at:
        return list(axis.at[:: -(-len(axis.at) // room)])
    if axis.kind == "signed_log":
        return _signed_ticks(axis, room)
    if axis.kind == "linear":
        return _even_steps(axis.low, axis.high, room)
    if axis.kind == "category":  # every one is named, however many there are
        return [float(place) for place in range(len(axis.names))]
    for steps in (_FINE, (1, 1.5, 2, 3, 4, 6, 8), (1, 2, 5), (1, 3), (1,)):
        values = _round_logs(axis.low, axis.high, steps)
        if len(values) <= room:
            break
    if len(values) < 3:  # less than a factor of about 1.3 from end to end
        values = _even_steps(axis.low, axis.high, room)
    return [0.0] * axis.zero + values[:: -(-len(values) // room)]


_FINE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)


def _round_logs(low: float, high: float, steps: Sequence[float]) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    values = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [v for v in values if low * 0.999 <= v <= high * 1.001]


def _even_steps(low: float, high: float, room: int) -> list[float]:
    rough = (high - low) / room or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(s * power for s in (1, 2, 5, 10) if s * power >= rough * 0.999)
    return [n * step for n in range(math.ceil(low / step), math.floor(high / step) + 1)] or [low]


def _signed_ticks(axis: Axis, room: int) -> list[float]:
    above = _round_logs(axis.linear, axis.high, (1,)) if axis.high >= axis.linear else []
    below = _round_logs(axis.linear, -axis.low, (1,)) if -axis.low >= axis.linear else []
    # Thinned from the outside in: large values are the ones that are read off.
    thinning = max(1, -(-(len(above) + len(below) + 1) // room))
    return [-v for v in below[::-1][::thinning]] + [0.0] + above[::-1][::thinning][::-1]


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places as near to the wanted ones as can be, in order, at least `gap` apart.

    The least-squares answer (isotonic regression by pooling neighbours), moved into low..high;
    where there is no room for all, the gap shrinks.

    >>> spread([10.0, 11.0, 40.0], 6.0, 0.0, 50.0)
    [7.5, 13.5, 40.0]
    """
    if not wanted:
        return []
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    pools: list[list[float]] = []
    for rank, index in enumerate(order):
        pools.append([wanted[index] - rank * gap])
        while len(pools) > 1 and _mean(pools[-2]) > _mean(pools[-1]):
            pools[-2:] = [pools[-2] + pools[-1]]
    base = [mean for pool in pools for mean in [_mean(pool)] * len(pool)]
    last = high - gap * (len(wanted) - 1)
    places = [0.0] * len(wanted)
    for rank, index in enumerate(order):
        places[index] = min(last, max(low, base[rank])) + rank * gap
    return places


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def text_width(text: str, size: float = _FONT) -> float:
    """About how wide a line of text is; wide East Asian characters count double."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in bare(text))
    return size * (0.56 * (len(bare(text)) - wide) + wide)


def draw(chart: Chart) -> str:
    """The chart as one SVG element, titled and described for screen readers."""
    x, y = _scales(chart)
    parts = [*_axes(chart, x, y)]
    parts += [line for series in chart.series for line in _steps(series, x, y)]
    offsets = _offsets(chart)
    for series, offset in zip(chart.series, offsets, strict=True):
        parts += _marks(series, x, y, offset)
    parts += _labels(chart, x, y, offsets)
    name = _text(chart.name)
    return (
        f'<svg class="chart" role="img" aria-labelledby="{name}-title {name}-desc" '
        f'viewBox="0 0 {WIDTH:.0f} {HEIGHT + _tilted(chart, x):.0f}" '
        'xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{name}-title">{_text(chart.title)}</title>'
        f'<desc id="{name}-desc">{_text(chart.description)}</desc>{"".join(parts)}</svg>'
    )


def _scales(chart: Chart) -> tuple[Scale, Scale]:
    """Scales that leave room for the labels on their side."""
    named = [s for s in chart.series if s.style in _MARKED and s.name and s.dots]
    widest = max((text_width(_label(s.name)) for s in named), default=0.0) + 16
    right = WIDTH - (_RIGHT if chart.labels == "left" else max(_RIGHT, widest))
    gutter = 0.0
    if chart.labels == "left" and named:
        plain = Scale(chart.x, 0.0, right - _LEFT - 10)
        first = min(plain(s.dots[0].x) for s in named) / plain.end
        gutter = min(plain.end / 2, max(0.0, (widest - first * plain.end) / max(0.1, 1 - first)))
    return (
        Scale(chart.x, _LEFT + 10 + gutter, right),
        Scale(chart.y, HEIGHT - _BOTTOM, _TOP),
    )


def _offsets(chart: Chart) -> list[float]:
    """Sideways shifts that keep intervals at one x from hiding each other."""
    upright = [any(d.low is not None or d.high is not None for d in s.dots) for s in chart.series]
    if not any(upright):
        return [0.0] * len(chart.series)
    step = min(5.0, 28.0 / len(chart.series))
    return [(i - (len(chart.series) - 1) / 2) * step for i in range(len(chart.series))]


def _axes(chart: Chart, x: Scale, y: Scale) -> list[str]:
    floor, right = HEIGHT - _BOTTOM, x.end
    tilted, parts = _tilted(chart, x), []
    for value in ticks(chart.y, 6):
        place = y(value)
        zero = " zero" if chart.zero_line and value == 0 else ""
        parts.append(_line(_LEFT, place, right, place, f"grid{zero}"))
        parts.append(_word(_LEFT - 6, place + 4, _size(value, chart.y), "tick end"))
    for value in ticks(chart.x, max(2, int((right - x.start) / 62))):
        place = x(value)
        parts.append(_line(place, floor, place, floor + 5, "axis"))
        if tilted:
            turn = f' transform="rotate(-35 {place:.1f} {floor + 14:.1f})"'
            parts.append(_word(place, floor + 14, _size(value, chart.x), "tick end", turn))
        else:
            parts.append(_word(place, floor + 18, _size(value, chart.x), "tick middle"))
    parts.append(_line(_LEFT, floor, right, floor, "axis"))
    if chart.x.zero:
        middle = x.start + _ZERO_GAP / 2
        for shift in (-3, 2):
            parts.append(
                _line(middle + shift - 2, floor + 5, middle + shift + 3, floor - 5, "axis")
            )
    parts.append(
        _word((_LEFT + right) / 2, HEIGHT + tilted - 8, chart.x.title, "axis-title middle")
    )
    parts.append(_word(4, 14, chart.y.title, "axis-title"))
    return parts


def _tilted(chart: Chart, x: Scale) -> float:
    """Room that names of categories need below, where they are too wide to stand level."""
    if chart.x.kind != "category" or not chart.x.names:
        return 0.0
    widest = max(text_width(_size(place, chart.x)) for place in range(len(chart.x.names)))
    return _TILTED if widest > abs(x(1) - x(0)) - 6 else 0.0


def _size(value: float, axis: Axis) -> str:
    if axis.kind == "category":
        return isolate(bare(axis.names[int(value)]), _LABEL_CHARACTERS)
    return signed_bytes(value) if axis.unit == "bytes" else f"{value:.10g}"


def _steps(series: Series, x: Scale, y: Scale) -> list[str]:
    parts = []
    for dot in series.dots:
        if dot.reach is None:
            continue
        start, end, place = x(dot.x), x(dot.reach), y(dot.y)
        if dot.bound == "at_least":
            end = x.end
        # A bound on the far side of the dot would draw an arrow that points back at it.
        if dot.bound == "at_most" and end >= start:
            continue
        style = f"step ink-{_ink(series)}"
        parts.append(_line(start, place, end, place, style))
        if dot.bound:
            back = -6 if dot.bound == "at_least" else 6
            path = f"M{end + back:.1f} {place - 4:.1f}L{end:.1f} {place:.1f}l{back} 4"
            parts.append(f'<path class="{style}" d="{path}"/>')
        else:
            parts.append(_line(end, y.start - 7, end, y.start, f"drop ink-{_ink(series)}"))
    return parts


def _marks(series: Series, x: Scale, y: Scale, offset: float) -> list[str]:
    places = [(x(dot.x) + offset, y(dot.y)) for dot in series.dots]
    ink, parts = f"ink-{_ink(series)}", []
    if series.style in {"curve", "joined"}:
        parts.append(_path(series, places))
    if series.style == "curve":
        return parts
    for dot, (a, b) in zip(series.dots, places, strict=True):
        note = f"<title>{_text(dot.note)}</title>" if dot.note else ""
        if series.style not in _MARKED:
            size = 2.8 if series.style == "measured" else 1.8
            shape = f'<circle class="{series.style}-dot" cx="{a:.1f}" cy="{b:.1f}" r="{size}"/>'
        else:
            hollow = " hollow" if dot.bound else ""
            shape = f'<path class="mark {ink}{hollow}" d="{marker(series.ink, a, b)}"/>'
        parts.append(f"<g>{note}{_interval(dot, a, b, y, ink)}{shape}</g>")
    return parts


def _path(series: Series, places: Sequence[tuple[float, float]]) -> str:
    """The line through a series; it does not lead to what is only a bound."""
    steps = any(dot.reach is not None for dot in series.dots)
    moves, pen = [], "M"
    for dot, (a, b) in zip(series.dots, places, strict=True):
        # With a step, the bound is on D_E at its end; the dot itself is a measured loss.
        broken = bool(dot.bound) and not steps
        moves.append("" if broken else f"{pen}{a:.1f} {b:.1f}")
        pen = "M" if broken else "L"
    style = f"{series.style}{' tied' if steps else ''} ink-{_ink(series)}"
    return f'<path class="{style}" d="{"".join(moves) or "M0 0"}"/>'


def _interval(dot: Dot, a: float, b: float, y: Scale, ink: str) -> str:
    parts = []
    if dot.low is not None or dot.high is not None:
        low = y(dot.low) if dot.low is not None else b
        high = y(dot.high) if dot.high is not None else b
        parts.append(_line(a, low, a, high, f"interval {ink}"))
        for end, known in ((low, dot.low), (high, dot.high)):
            if known is not None:
                parts.append(_line(a - 3, end, a + 3, end, f"interval {ink}"))
    if dot.bound and dot.reach is None:
        way = -1 if dot.bound == "at_least" else 1
        path = f"M{a:.1f} {b:.1f}v{way * 15}m-3 {way * -4}l3 {way * 4}l3 {way * -4}"
        parts.append(f'<path class="interval {ink}" d="{path}"/>')
    return "".join(parts)


def marker(ink: int, x: float, y: float) -> str:
    """Path of the marker of a source: colour repeats after eight, shape after seven."""
    shapes = (
        "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z",
        "m-3.6 -3.6h7.2v7.2h-7.2z",
        "m0 -4.8l4.6 8.2h-9.2z",
        "m0 -5l5 5l-5 5l-5 -5z",
        "m0 4.8l4.6 -8.2h-9.2z",
        "m-1.6 -4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",
        "m-4.8 -2.4h9.6v4.8h-9.6z",
    )
    return f"M{x:.1f} {y:.1f}{shapes[(ink - 1) % len(shapes)]}"


def _labels(chart: Chart, x: Scale, y: Scale, offsets: Sequence[float]) -> list[str]:
    """Names beside their first or last dots, moved apart where they would touch."""
    at_left, parts = chart.labels == "left", []
    named = [
        (series, series.dots[0 if at_left else -1], offset)
        for series, offset in zip(chart.series, offsets, strict=True)
        if series.style in _MARKED and series.name and series.dots
    ]
    places = spread([y(d.y) + 4 for _, d, _ in named], _LABEL_GAP, _TOP + 4, y.start - 4)
    column = (min if at_left else max)((x(d.x) + o for _, d, o in named), default=0.0)
    for (series, dot, offset), place in zip(named, places, strict=True):
        away = -1 if at_left else 1
        edge, anchor = column + away * 12, "end" if at_left else "start"
        if not at_left:
            edge = x.end + 8
        near = x(dot.x) + offset + away * 6
        parts.append(
            _line(near, y(dot.y), edge - away * 2, place - 4, f"leader ink-{_ink(series)}")
        )
        parts.append(_word(edge, place, _label(series.name), f"label {anchor} ink-{_ink(series)}"))
    for series in chart.series:
        if series.style == "curve" and series.name and series.dots:
            top = series.dots[0]
            parts.append(_word(x(top.x) + 8, y(top.y) - 6, _label(series.name), "label ink-0"))
    return parts


def _label(name: str) -> str:
    return isolate(bare(name), _LABEL_CHARACTERS)


def _ink(series: Series) -> int:
    return 0 if series.ink == 0 else (series.ink - 1) % INKS + 1


def _line(x1: float, y1: float, x2: float, y2: float, style: str) -> str:
    return f'<line class="{style}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _word(x: float, y: float, text: str, style: str, turn: str = "") -> str:
    return f'<text class="{style}" x="{x:.1f}" y="{y:.1f}"{turn}>{_subscripts(text)}</text>'


def _subscripts(text: str) -> str:
    return _SYMBOL.sub(
        r'D<tspan class="sub" dy="3">\1</tspan><tspan dy="-3">&#8203;</tspan>', _text(text)
    )


def _text(text: str) -> str:
    return html.escape(visible(text, keep=ISOLATE + END_ISOLATE))
