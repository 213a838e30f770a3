"""Tables of sections as plain text that fits the width of a terminal or of a log.

What repeats is said once: a column with one value becomes a line above the table, values that many
rows share become sub-headings, long details become notes below. Where a table still does not fit,
columns are left out and named. Of a long table the rows that say least are left out and counted.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells

from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.wording import bare, visible

_MOST_ROWS = 30
_GAP = "  "
_MOST_GROUPED = 3  # columns that make up a sub-heading
_MOST_WORD = 24  # a longer word may be broken
_SHORT_DETAIL = 12
_SIGNIFICANT = 0.05
_NOTHING = frozenset({"", "–"})


def lay_out(table: Table, width: int) -> str:
    """A table in lines of at most `width` places: caption, what all rows share, head, rows, notes.

    >>> columns = Column("source"), Column("target"), Column("D_T", "bytes", numeric=True)
    >>> rows = tuple((Cell(s), Cell("fi"), Cell(f"{n} kB")) for s, n in (("en", 3), ("pt", 12)))
    >>> print(lay_out(Table(name="t", caption="Worth", columns=columns, rows=rows), 40))
    Worth
    target: fi
                D_T
    source  (bytes)
    ------  -------
    en         3 kB
    pt        12 kB
    """
    rows = _chosen(table)
    shown = list(range(len(table.columns)))
    while True:
        notes: dict[str, int] = {}
        columns = [_column(table, at, [row[at] for row in rows], notes) for at in shown]
        shared = [column for column in columns if len(rows) > 1 and len(set(column.cells)) == 1]
        shared = shared[: len(columns) - 1]
        varied = [column for column in columns if column not in shared]
        best = min(
            (_arranged(varied, grouped, width) for grouped in _groupings(varied)),
            key=lambda one: one.cost,
        )
        if not best.dropped:
            break
        kept = (column not in best.dropped for column in columns)
        shown = list(itertools.compress(shown, kept))
    lines = wrapped(clean(table.caption), width)
    if shared:
        said = "; ".join(f"{column.title}: {column.cells[0]}" for column in shared)
        lines += wrapped(said, width)
    lines += best.lines
    for note, number in notes.items():
        lines += wrapped(f"[{number}] {note}", width)
    lines += wrapped(_left_out(table, len(rows), shown), width)
    return "\n".join(lines)


def wrapped(text: str, width: int) -> list[str]:
    """A text in lines of at most `width` places on a screen; wide characters take two.

    >>> wrapped("to be or not", 6)
    ['to be', 'or not']
    """
    lines: list[str] = []
    line = ""
    for word in filter(None, text.split(" ")):  # other spaces hold together
        if line and cell_len(line) + 1 + cell_len(word) <= width:
            line += f" {word}"
            continue
        if line:
            lines.append(line)
        *whole, line = chop_cells(word, width) if cell_len(word) > width else [word]
        lines += whole
    return [*lines, line] if line else lines


def clean(text: str) -> str:
    """A text without marks of direction, and with what is unseen as escapes."""
    return visible(bare(text))


def key_of(column: Column) -> str:
    """Title and unit of a column."""
    return f"{bare(column.title)} ({column.unit})" if column.unit else bare(column.title)


@dataclass(frozen=True, eq=False)
class _Shown:
    """A column as it is shown: what heads it, and a text a row; two that look alike are two."""

    title: str
    head: str
    cells: tuple[str, ...]
    is_numeric: bool
    is_minor: bool


@dataclass(frozen=True)
class _Arranged:
    """A way to show a table: its lines, the columns that did not fit, and how bad that is."""

    lines: list[str]
    dropped: list[_Shown]
    cost: float


def _chosen(table: Table) -> list[tuple[Cell, ...]]:
    """All rows, or of many those that say most: by their smallest p, then by what they lack."""
    tests = [at for at, column in enumerate(table.columns) if "corrected p" in column.title]

    def emptiness(at: int) -> tuple[float, int]:
        row = table.rows[at]
        found = [row[test].value for test in tests]
        smallest = min((p for p in found if isinstance(p, float | int)), default=1.0)
        return max(smallest, _SIGNIFICANT), sum(cell.text in _NOTHING for cell in row)

    order = sorted(range(len(table.rows)), key=emptiness)
    return [table.rows[at] for at in sorted(order[:_MOST_ROWS])]


def _column(table: Table, at: int, cells: Sequence[Cell], notes: dict[str, int]) -> _Shown:
    """Long details in words are numbered in `notes`, and the number stands in their place."""
    column = table.columns[at]
    texts = []
    for cell in cells:
        detail = clean(cell.detail)
        if len(detail) > _SHORT_DETAIL and re.search(r"[^\W\d]{4}", detail):
            detail = f"[{notes.setdefault(detail, len(notes) + 1)}]"
        texts.append(f"{clean(cell.text)} {detail}".strip())
    return _Shown(
        title=clean(column.title),
        head=clean(key_of(column)),
        cells=tuple(texts),
        is_numeric=column.numeric,
        is_minor=column.title in table.minor,
    )


def _left_out(table: Table, rows: int, shown: Sequence[int]) -> str:
    parts = []
    if rows < len(table.rows):
        parts.append(f"{len(table.rows) - rows} of {len(table.rows)} rows, those that say least")
    hidden = [f"“{clean(key_of(one))}”" for at, one in enumerate(table.columns) if at not in shown]
    if hidden:
        parts.append(f"the column{'s' * (len(hidden) > 1)} {', '.join(hidden)}")
    return f"Not shown: {'; '.join(parts)}. --json has everything." if parts else ""


def _groupings(columns: Sequence[_Shown]) -> Iterator[tuple[_Shown, ...]]:
    """Sets of columns whose values may stand as sub-headings, the empty one first."""
    may = [one for one in columns if not one.is_numeric or one.title == "D_F"]
    for count in range(min(_MOST_GROUPED, len(columns) - 1) + 1):
        for grouped in itertools.combinations(may, count):
            values = list(zip(*(one.cells for one in grouped), strict=True))
            if not grouped or 2 * len(set(values)) <= len(values):
                yield grouped


def _arranged(columns: Sequence[_Shown], grouped: Sequence[_Shown], width: int) -> _Arranged:
    """The table with some columns as sub-headings and what does not fit left out."""
    body = [column for column in columns if column not in grouped]
    dropped: list[_Shown] = []
    widths = _widths(body, width)
    while widths is None:
        dropped.append(_least(body))
        body.remove(dropped[-1])
        widths = _widths(body, width)
    count = len(columns[0].cells)
    groups: dict[tuple[str, ...], list[int]] = {}
    for at in range(count):
        groups.setdefault(tuple(one.cells[at] for one in grouped), []).append(at)
    lines = _head(body, widths)
    for values, members in groups.items():
        said = (f"{one.title}: {value}" for one, value in zip(grouped, values, strict=True))
        lines += wrapped("; ".join(said), width)
        for at in members:
            lines += _row([one.cells[at] for one in body], body, widths)
    # a column that is not shown is worth half as many lines as there are rows
    return _Arranged(lines, dropped, len(lines) + len(dropped) * count / 2)


def _least(body: Sequence[_Shown]) -> _Shown:
    """The column that goes first: a minor one, then numbers that are no test, from the right."""
    tests = [one for one in body[1:] if re.search(r"\bp\b", one.title)]
    for some in (
        [one for one in body if one.is_minor],
        [one for one in body[1:] if one.is_numeric and one not in tests],
        body,
    ):
        if some:
            return some[-1]
    raise ValueError("no column is left")


def _widths(body: Sequence[_Shown], width: int) -> list[int] | None:
    """Places for each column; None where they do not fit. Texts are wrapped, numbers are not."""
    room = width - len(_GAP) * (len(body) - 1)
    found = [_longest([*one.cells, *one.head.split()]) for one in body]
    least = [
        have
        if one.is_numeric and len(body) > 1
        else min(have, _MOST_WORD, _longest(f"{one.head} {' '.join(one.cells)}".split()))
        for one, have in zip(body, found, strict=True)
    ]
    if sum(least) > room:
        return None
    while sum(found) > room:
        at = max(range(len(body)), key=lambda at: (found[at] > least[at], found[at]))
        found[at] -= 1
    while sum(found) < room:  # what is left over makes tall heads lower
        heights = [len(wrapped(one.head, have)) for one, have in zip(body, found, strict=True)]
        tallest = max(range(len(body)), key=heights.__getitem__)
        if heights[tallest] <= 2:
            break
        found[tallest] += 1
    return found


def _longest(texts: Iterable[str]) -> int:
    return max(map(cell_len, texts), default=1) or 1


def _head(body: Sequence[_Shown], widths: Sequence[int]) -> list[str]:
    heads = [wrapped(one.head, have) for one, have in zip(body, widths, strict=True)]
    height = max(map(len, heads))
    lines = zip(*([""] * (height - len(head)) + head for head in heads), strict=True)
    used = [max(map(cell_len, (*head, *one.cells))) for head, one in zip(heads, body, strict=True)]
    rule = ["-" * min(have, wide) for have, wide in zip(widths, used, strict=True)]
    return [_line(line, body, widths) for line in (*lines, rule)]


def _row(cells: Sequence[str], body: Sequence[_Shown], widths: Sequence[int]) -> list[str]:
    parts = [wrapped(cell, have) for cell, have in zip(cells, widths, strict=True)]
    lines = itertools.zip_longest(*parts, fillvalue="")
    return [_line(line, body, widths) for line in lines]


def _line(cells: Sequence[str], body: Sequence[_Shown], widths: Sequence[int]) -> str:
    parts = []
    for cell, one, width in zip(cells, body, widths, strict=True):
        room = " " * (width - cell_len(cell))
        parts.append(room + cell if one.is_numeric else cell + room)
    return _GAP.join(parts).rstrip()
