"""The parts of a report as data: sections, tables, listings. How they look is not said here."""

from __future__ import annotations

from dataclasses import dataclass

from bytetransfer.report.chart import Chart


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    Attributes:
        text: what people read.
        value: what it stands for in its column's unit; None where there is nothing.
        detail: a second, smaller line.
        shade: from -5 to 5, the colour of a heat map; 0 is plain.
    """

    text: str
    value: float | int | str | None = None
    detail: str = ""
    shade: int = 0


@dataclass(frozen=True)
class Column:
    """Heading of a column, the unit of its values, and whether they are numbers."""

    title: str
    unit: str = ""
    numeric: bool = False


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
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    is_open: bool = True
    is_matrix: bool = False


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The answer for one target.

    Attributes:
        target: its name.
        sentences: what is said of it, each with the name of the learner it holds for.
    """

    target: str
    sentences: tuple[tuple[str, str], ...]


@dataclass(frozen=True, kw_only=True)
class Listing:
    """Text to be shown as it is: a study file, commands."""

    title: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section: paragraphs first, then answers, figures, tables and listings."""

    name: str
    title: str
    text: tuple[str, ...] = ()
    answers: tuple[Answer, ...] = ()
    figures: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    listings: tuple[Listing, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole report as data."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]
