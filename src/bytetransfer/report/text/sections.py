"""Sections of a report as plain text: for terminals, logs, and whoever reads neither HTML."""

from __future__ import annotations

import textwrap

from rich.cells import cell_len

from bytetransfer.report.document import Section, Table
from bytetransfer.report.wording import bare, visible

_WIDTH = 96


def plain_section(section: Section) -> str:
    """Title, paragraphs and tables; figures are left out, every one has its table.

    >>> print(plain_section(Section(name="a", title="The answer", text=("It is 42.",))))
    The answer
    <BLANKLINE>
    It is 42.
    """
    parts = [_clean(section.title)]
    paragraphs = (*section.text, *section.further)
    parts += ["\n".join(textwrap.wrap(_clean(text), _WIDTH)) for text in paragraphs]
    parts += [_plain_table(table) for table in section.tables if table.rows]
    return "\n\n".join(parts)


def section_rows(section: Section) -> dict[str, object]:
    """A section as plain values for machines: texts, and a list of rows a table.

    A cell is what it stands for in its column's unit (None where there is nothing) and what people
    read, the interval included.
    """
    return {
        "name": section.name,
        "title": bare(section.title),
        "text": [bare(text) for text in (*section.text, *section.further)],
        "tables": {
            table.name: [
                {
                    _key(column.title, column.unit): {
                        "value": bare(cell.value) if isinstance(cell.value, str) else cell.value,
                        "text": bare(f"{cell.text} {cell.detail}".strip()),
                    }
                    for column, cell in zip(table.columns, row, strict=True)
                }
                for row in table.rows
            ]
            for table in section.tables
        },
    }


def _key(title: str, unit: str) -> str:
    return f"{bare(title)} ({unit})" if unit else bare(title)


def _plain_table(table: Table) -> str:
    """Columns side by side, numbers to the right; lines are as long as they must be."""
    heads = [_key(column.title, column.unit) for column in table.columns]
    cells = [[_clean(f"{c.text} {c.detail}".strip()) for c in row] for row in table.rows]
    widths = [max(map(cell_len, column)) for column in zip(heads, *cells, strict=True)]
    right = [column.numeric for column in table.columns]
    lines = [_row(line, widths, right) for line in (heads, *cells)]
    return "\n".join([_clean(table.caption), *lines])


def _row(cells: list[str], widths: list[int], right: list[bool]) -> str:
    parts = []
    for cell, width, numeric in zip(cells, widths, right, strict=True):
        room = " " * (width - cell_len(cell))
        parts.append(room + cell if numeric else cell + room)
    return "  ".join(parts).rstrip()


def _clean(text: str) -> str:
    return visible(bare(text))
