"""Sections of a report as plain text: for terminals, logs, and whoever reads neither HTML."""

from __future__ import annotations

from collections.abc import Iterable

from bytetransfer.report.document import Section
from bytetransfer.report.text.tables import clean, key_of, lay_out, wrapped
from bytetransfer.report.wording import bare

_LEAST_WIDTH, _MOST_TEXT = 40, 96


def plain_section(section: Section, width: int = 80) -> str:
    """Title, answer, tables, what is said of each group, and last how it was found.

    Figures are left out, every one has its table.

    Args:
        section: its first paragraph is the answer.
        width: places in a line; never taken for less than 40.

    >>> print(plain_section(Section(name="a", title="The answer", text=("It is 42.",))))
    The answer
    <BLANKLINE>
    It is 42.
    """
    width = max(width, _LEAST_WIDTH)
    return "\n\n".join(
        [
            *_paragraphs((section.title, *section.text[:1]), width),
            *(lay_out(table, width) for table in section.tables if table.rows),
            *_paragraphs((*section.further, *section.text[1:]), width),
        ]
    )


def _paragraphs(texts: Iterable[str], width: int) -> list[str]:
    return ["\n".join(wrapped(clean(text), min(width, _MOST_TEXT))) for text in texts]


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
                    key_of(column): {
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
