"""Where values stand: scales, ticks, and labels that are kept apart."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from bytetransfer.report.figures.chart import Axis
from bytetransfer.report.wording import bare

FONT = 12.0
ZERO_GAP = 36.0  # a log axis has no zero: it gets a place of its own, left of a break


@dataclass(frozen=True)
class Scale:
    """Values of an axis to places between `start` and `end`, in units of the drawing."""

    axis: Axis
    start: float
    end: float

    def share(self, value: float) -> float:
        """Where `value` stands between low (0) and high (1), not counting the place for zero."""
        low, high = self._ends
        return (self._bend(value) - low) / (high - low) if high > low else 0.5

    @cached_property
    def _ends(self) -> tuple[float, float]:
        return self._bend(self.axis.low), self._bend(self.axis.high)

    def __call__(self, value: float) -> float:
        """The place of `value`; what lies outside the axis stands just past its end."""
        if self.axis.kind == "log" and value <= 0:
            return self.start
        gap = math.copysign(ZERO_GAP, self.end - self.start) if self.axis.zero else 0.0
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
    if axis.at:  # as many as there are: whoever draws them names those that have room
        return list(axis.at)
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


def text_width(text: str, size: float = FONT) -> float:
    """About how wide a line of text is; wide East Asian characters count double."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in bare(text))
    return size * (0.56 * (len(bare(text)) - wide) + wide)
