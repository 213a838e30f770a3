"""The parts of a report as data: sections, tables, listings. How they look is not said here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

from bytetransfer.readable import readable
from bytetransfer.report.figures.chart import Chart


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what people read.
        value: what it stands for in its column's unit; None where there is nothing.
        detail: a second, smaller text, mostly the interval.
        ends: the interval in the column's unit; None where an end is open.
        shade: from -5 to 5, the colour of a heat map; 0 is plain.
    """

    text: str
    value: float | int | str | None = None
    detail: str = ""
    ends: tuple[float | None, float | None] | None = None
    shade: int = 0


@dataclass(frozen=True)
class Column:
    """Heading of a column, the unit of its values, and whether they are numbers."""

    title: str
    unit: str = ""
    numeric: bool = False


@dataclass(frozen=True, kw_only=True)
class Order:
    """An order of a table: its name, and numbers of rows and of columns as they follow."""

    name: str
    rows: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of a row is its heading.

    Attributes:
        name: unique in a report.
        caption: what it shows.
        columns: headings.
        rows: as many cells each as there are columns.
        is_open: whether it is shown at once or folded away under its caption.
        is_matrix: whether it is a heat map.
        choice: of several tables of one kind, what this one is of: pairs of a quantity and a value,
            such as ("D_F", "10 kB"); a reader may choose among them.
        legend: what the shades of a heat map stand for.
        order: what the order of rows and columns is called.
        orders: other orders of rows and columns (the first left out) than the one they stand in.
        minor: titles of columns that a terminal leaves out first where a table is too wide.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_open: bool = True
    is_matrix: bool = False
    choice: tuple[tuple[str, str], ...] = ()
    legend: tuple[Cell, ...] = ()
    order: str = ""
    orders: tuple[Order, ...] = ()
    minor: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence of the answer.

    Attributes:
        learner: whom it holds for.
        text: what is said.
        choice: as in `Table`.
        is_open: whether it is shown before a reader chooses.
    """

    learner: str
    text: str
    choice: tuple[tuple[str, str], ...] = ()
    is_open: bool = True


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer for one target.

    Attributes:
        target: its name.
        sentences: what is said of it.
    """

    target: str
    sentences: tuple[Sentence, ...]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Text to be shown as it is: a study file, commands."""

    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section: paragraphs first, then answers, figures, tables and listings.

    `further` are paragraphs that say the same of one group after another; many of them are folded.
    """

    name: str
    title: str
    text: tuple[str, ...] = ()
    further: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    figures: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    listings: tuple[Listing, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Content:
    """How bytes of targets become bytes of one language that say the same.

    Attributes:
        reference: that language.
        premiums: bytes of each target, by its name, that hold the content of a byte of it.
        unknown: targets of which that is not known.
    """

    reference: str
    premiums: Mapping[str, float]
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, repr=False)
class Report:
    """The whole report as data, which a notebook shows as the page; `content` where it is known."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
    content: Content | None = None

    def __repr__(self) -> str:
        return readable(f"<Report {self.title!r}: {self.subtitle}>")

    def _repr_html_(self) -> str:
        """The page in a frame of its own, so that its style and script stay there."""
        from bytetransfer.report.page.html import render_html

        return (
            f'<iframe srcdoc="{escape(render_html(self))}" sandbox="allow-scripts" '
            'style="width:100%;height:40em;border:0"></iframe>'
        )
