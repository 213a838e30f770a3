"""Series of a chart as SVG: lines, steps, intervals and marks, with as few elements as will do.

What belongs together is one path. Marks are `<use>`s of symbols that the whole page shares; only
what a pointer may rest on is an element of its own.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterable, Sequence

from bytetransfer.report.figures.chart import Dot, Series
from bytetransfer.report.figures.scales import Scale
from bytetransfer.report.wording import END_ISOLATE, ISOLATE, visible

INKS = 8
MARKED = frozenset({"joined", "loose"})
_ASCII_NAME = re.compile(f"{ISOLATE}([\\x20-\\x7e]*){END_ISOLATE}")  # no direction could spill
_LINED = frozenset({"curve", "joined", "quiet"})
_SHAPES = (
    "M-2.6 0a2.6 2.6 0 1 0 5.2 0a2.6 2.6 0 1 0-5.2 0z",
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-4.8l4.6 8.2h-9.2z",
    "M0-5l5 5l-5 5l-5-5z",
    "M0 4.8l4.6-8.2h-9.2z",
    "M-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",
    "M-4.8-2.4h9.6v4.8h-9.6z",
)


def symbols() -> str:
    """The marks that figures refer to: a small dot, and seven shapes for sources."""
    shapes = (f'<path id="m{number}" d="{path}"/>' for number, path in enumerate(_SHAPES))
    return f"<defs>{''.join(shapes)}</defs>"


def symbol(ink: int) -> int:
    """The number of a source's mark: colour repeats after eight, shape after seven."""
    return 0 if ink == 0 else (ink - 1) % (len(_SHAPES) - 1) + 1


def ink_class(series: Series) -> str:
    """The class that gives a series its colour."""
    if series.style == "quiet":
        return "ink-quiet"
    return f"ink-{0 if series.ink == 0 else (series.ink - 1) % INKS + 1}"


def number(value: float) -> str:
    """A coordinate to a tenth of a unit, as short as it can be written.

    >>> number(12.04), number(-0.04), number(3.25)
    ('12', '0', '3.2')
    """
    short = f"{value:.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def segments(lines: Iterable[tuple[float, float, float, float]]) -> str:
    """Path of separate straight lines, level and upright ones said shortly."""
    parts = []
    for x1, y1, x2, y2 in lines:
        start, x, y = f"M{number(x1)} {number(y1)}", number(x2), number(y2)
        if y1 == y2:
            parts.append(f"{start}H{x}")
        else:
            parts.append(f"{start}V{y}" if x1 == x2 else f"{start}L{x} {y}")
    return "".join(parts)


def path(style: str, data: str) -> str:
    """A path element; nothing where there is nothing to draw."""
    return f'<path class="{style}" d="{data}"/>' if data else ""


def steps(series: Series, x: Scale, y: Scale) -> str:
    """The construction of D_E: from each dot level to the curve, and a stroke on the axis there."""
    if series.style == "quiet":
        return ""
    lines, drops, arrows = [], [], ""
    for dot in series.dots:
        if dot.reach is None:
            continue
        start, end, place = x(dot.x), x(dot.reach), y(dot.y)
        if dot.bound == "at_least":
            end = x.end
        # A bound on the far side of the dot would draw an arrow that points back at it.
        if dot.bound == "at_most" and end >= start:
            continue
        lines.append((start, place, end, place))
        if dot.bound:
            back = -6 if dot.bound == "at_least" else 6
            arrows += f"M{number(end + back)} {number(place - 4)}l{-back} 4l{back} 4"
        else:
            drops.append((end, y.start - 7, end, y.start))
    ink = ink_class(series)
    found = path(f"step {ink}", segments(lines)) + path(f"tip {ink}", arrows)
    return found + path(f"drop {ink}", segments(drops))


def draw_series(
    series: Series, x: Scale, y: Scale, offset: float, *, with_notes: bool = True
) -> str:
    """A series without its name: its line, its intervals, its marks and their notes."""
    places = [(x(dot.x) + offset, y(dot.y)) for dot in series.dots]
    ink, parts = ink_class(series), []
    if series.style == "band":
        return path("band", _band(series.dots, x, y))
    if series.style == "link":
        pairs = zip(places[::2], places[1::2], strict=True)
        return path("link", segments((a, b, c, d) for (a, b), (c, d) in pairs))
    if series.style == "faint":
        return path("faint", _points(places))
    if series.style in _LINED:
        tied = " tied" if any(dot.reach is not None for dot in series.dots) else ""
        parts.append(path(f"{series.style}{tied}", _line(series, places)))
    if series.style != "curve":
        caps = 0 if series.style == "quiet" else 3
        parts.append(path("interval", "".join(_intervals(series.dots, places, y, caps))))
        parts.append(_marks(series, places, with_notes=with_notes))
    return f'<g class="{ink}">{"".join(parts)}</g>'


def _marks(series: Series, places: Sequence[tuple[float, float]], *, with_notes: bool) -> str:
    """A mark a dot; small ones that have nothing to say are one path of strokes without length."""
    kind = symbol(series.ink) if series.style in MARKED else 0
    if kind == 0 and not (with_notes and any(dot.note for dot in series.dots)):
        return path("dots", _points(places))
    uses = []
    for dot, (a, b) in zip(series.dots, places, strict=True):
        hollow = ' class="hollow"' if dot.bound and series.style in MARKED else ""
        use = f'<use href="#m{kind}" x="{number(a)}" y="{number(b)}"{hollow}'
        says = bool(dot.note) and with_notes
        uses.append(f"{use}><title>{escaped(dot.note)}</title></use>" if says else f"{use}/>")
    return f'<g class="mark">{"".join(uses)}</g>'


def _points(places: Sequence[tuple[float, float]]) -> str:
    return "".join(f"M{number(a)} {number(b)}h.1" for a, b in places)


def _line(series: Series, places: Sequence[tuple[float, float]]) -> str:
    """The line through a series; it does not lead to what is only a bound."""
    if series.style == "curve":
        return "M" + "L".join(f"{number(a)} {number(b)}" for a, b in thinned(places))
    stepped = any(dot.reach is not None for dot in series.dots)
    moves, pen = [], "M"
    for dot, (a, b) in zip(series.dots, places, strict=True):
        # With a step, the bound is on D_E at its end; the dot itself is a measured loss.
        broken = bool(dot.bound) and not stepped
        moves.append("" if broken else f"{pen}{number(a)} {number(b)}")
        pen = "M" if broken else "L"
    return "".join(moves)


def _band(dots: Sequence[Dot], x: Scale, y: Scale) -> str:
    known = [dot for dot in dots if dot.low is not None and dot.high is not None]
    upper = thinned([(x(dot.x), y(dot.high or 0.0)) for dot in known])
    lower = thinned([(x(dot.x), y(dot.low or 0.0)) for dot in reversed(known)])
    return "M" + "L".join(f"{number(a)} {number(b)}" for a, b in upper + lower) + "z" * bool(known)


def thinned(places: Sequence[tuple[float, float]], room: float = 0.1) -> list[tuple[float, float]]:
    """A line without the points that lie within `room` of it anyway (Douglas and Peucker 1973).

    >>> thinned([(0, 0), (1, 0.05), (2, 0), (3, 3)])
    [(0, 0), (2, 0), (3, 3)]
    """
    if len(places) < 3:
        return list(places)
    (x1, y1), (x2, y2) = places[0], places[-1]
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    away = [abs((x2 - x1) * (y1 - y) - (x1 - x) * (y2 - y1)) / length for x, y in places[1:-1]]
    furthest = max(range(len(away)), key=away.__getitem__) + 1
    if away[furthest - 1] <= room:
        return [places[0], places[-1]]
    return [*thinned(places[: furthest + 1], room)[:-1], *thinned(places[furthest:], room)]


def _intervals(
    dots: Sequence[Dot], places: Sequence[tuple[float, float]], y: Scale, caps: int
) -> Iterable[str]:
    """Uprights from low to high, with caps where an end is known; arrows at bounds and edges."""
    for dot, (a, b) in zip(dots, places, strict=True):
        if dot.beyond:
            way = -1 if dot.y > y.axis.high else 1
            yield f"M{number(a)} {number(b)}v{way * 12}m-3 {way * -4}l3 {way * 4}l3 {way * -4}"
            continue
        if dot.low is not None or dot.high is not None:
            low = b if dot.low is None else y(dot.low)
            high = b if dot.high is None else y(dot.high)
            rise = number(high - low)
            yield f"M{number(a)} {number(low)}v{rise}"
            cap = f"m{-caps} 0h{2 * caps}m{-caps} 0"
            if caps and dot.high is not None:
                yield cap
            if caps and dot.low is not None:
                yield f"m0 {number(low - high)}{cap}"
        if dot.bound and dot.reach is None:
            way = -1 if dot.bound == "at_least" else 1
            yield f"M{number(a)} {number(b)}v{way * 15}m-3 {way * -4}l3 {way * 4}l3 {way * -4}"


def escaped(text: str) -> str:
    """Text that may stand in SVG: markup escaped, what is unseen replaced."""
    lean = _ASCII_NAME.sub(r"\1", visible(text, keep=ISOLATE + END_ISOLATE))
    return html.escape(lean)
