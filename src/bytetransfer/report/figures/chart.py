"""Charts as data: numbers and names, not how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A direction of a chart.

    Attributes:
        title: quantity and unit.
        kind: `log` (zero has a place of its own left of a break), `signed_log` (linear between
            -`linear` and `linear`, logarithmic outside), `linear`, or `category` (number i of
            `names` stands at i, so that the axis goes from -0.5 to half beyond the last).
        low: smallest value shown; on a log axis the smallest above zero.
        high: largest value shown.
        linear: half the width of the linear stretch of a `signed_log` axis.
        zero: whether a log axis needs its place for zero.
        at: values to mark; empty for round ones.
        unit: how values are written: as sizes in bytes, or as plain numbers.
        names: of the categories.
    """

    title: str
    kind: Literal["log", "signed_log", "linear", "category"]
    low: float
    high: float
    linear: float = 1.0
    zero: bool = False
    at: tuple[float, ...] = ()
    unit: Literal["bytes", "number"] = "bytes"
    names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A value with what is known about it.

    Attributes:
        x: where it stands, in units of the x axis.
        y: where it stands, in units of the y axis.
        low: lower end of its interval along y; None if open or absent.
        high: upper end of its interval along y.
        reach: x value a horizontal step leads to (the construction of D_E); None for no step.
        bound: whether y (or, where there is a step, its end) is only a bound.
        beyond: what is written of a value that lies outside its axis on purpose; it stands at the
            edge with an arrow.
        note: what a pointer resting on it shows.
    """

    x: float
    y: float
    low: float | None = None
    high: float | None = None
    reach: float | None = None
    bound: Literal["", "at_least", "at_most"] = ""
    beyond: str = ""
    note: str = ""


Style = Literal["curve", "band", "link", "measured", "faint", "joined", "loose", "quiet"]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Dots of one kind.

    Attributes:
        name: its label in the chart; an empty name gets none.
        ink: 0 for the from-scratch curve, 1 and up for sources in the study's order.
        dots: the values, ordered along x.
        style: `curve` (a thick line, no dots), `band` (what lies between `low` and `high`, along
            x), `link` (thin lines between every two dots that follow each other), `measured` (dots
            on the curve), `faint` (small dots, one a seed), `joined` (markers with a thin line),
            `loose` (markers alone) or `quiet` (as `joined`, in the background: grey, unnamed,
            without steps).
    """

    name: str
    ink: int
    dots: tuple[Dot, ...]
    style: Style = "joined"


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure as data: what is drawn, not how.

    Attributes:
        name: unique in a page; part of the ids of its title and description.
        title: what it shows, in a line.
        description: the same as the picture, in words, for who cannot see it.
        x: the horizontal axis.
        y: the vertical axis.
        series: drawn in order, the last on top.
        labels: where the names of `joined` and `loose` series stand.
        zero_line: whether y = 0 is drawn.
        remarks: what was found, in lines above the plot.
        is_open: whether a page shows it at once or folded away with others of its section.
    """

    name: str
    title: str
    description: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    labels: Literal["left", "right"] = "right"
    zero_line: bool = False
    remarks: tuple[str, ...] = ()
    is_open: bool = True
