"""What the page's script works with: the values behind the tables, the choices, the style.

The page shows text; this holds the numbers that the text was made of, so that the script can sort,
change units and save tables without computing anything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources
from typing import Literal

from bytetransfer.report.document import Cell, Report, Sentence, Table
from bytetransfer.report.wording import bare, visible

Choice = tuple[tuple[str, str], ...]
_SCRIPT = ("page", "units", "choose", "sort", "save", "point", "live", "start")
_VARIABLE = re.compile(r"var\((--[a-z0-9-]+)\)")


def embedded(report: Report, choices: dict[Choice, int]) -> str:
    r"""The data of a report as JSON that can stand inside a script element.

    Args:
        report: what the page shows.
        choices: the numbers that choices go by in the page.

    >>> embedded(Report(title="</script>", subtitle="", sections=()), {})[:39]
    '{"title":"\\u003c/script\\u003e","choices'
    """
    plain = {
        "title": plain_text(report.title),
        "choices": [[[key, plain_text(value)] for key, value in choice] for choice in choices],
        "tables": {
            f"table-{table.name}": _table(table)
            for section in report.sections
            for table in section.tables
        },
        "figureStyle": figure_style(),
    }
    text = json.dumps(plain, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def number_choices(report: Report) -> dict[Choice, int]:
    """Every choice of the report with its number, in the order of their first use."""
    return {choice: number for number, choice in enumerate(dict.fromkeys(_choices(report)))}


def _choices(report: Report) -> Iterator[Choice]:
    for section in report.sections:
        found: list[Sentence | Table] = []
        found += [sentence for answer in section.answers for sentence in answer.sentences]
        found += section.tables
        yield from (one.choice for one in found if one.choice)


def _table(table: Table) -> dict[str, object]:
    columns = [[row[place] for row in table.rows] for place in range(len(table.columns))]
    values = {place: _values(cells) for place, cells in enumerate(columns)}
    intervals = {place: [_ends(cell) for cell in cells] for place, cells in enumerate(columns)}
    plain: dict[str, object] = {
        "caption": plain_text(table.caption),
        "columns": [[plain_text(column.title), column.unit] for column in table.columns],
        "values": {place: found for place, found in values.items() if found},
        "ends": {place: found for place, found in intervals.items() if _any_known(found)},
    }
    if table.orders:
        plain["orders"] = [[order.name, order.rows, order.columns] for order in table.orders]
    return plain


def _any_known(values: Iterable[object]) -> bool:
    return any(value is not None for value in values)


def _values(cells: Sequence[Cell]) -> list[float | int | None] | Literal["text", ""]:
    """The numbers of a column; `text` where they stand there as they are, empty if there are none.

    >>> _values([Cell("3", 3), Cell("–")]), _values([Cell("3 kB", 3000)]), _values([Cell("en")])
    ('text', [3000], '')
    """
    numbers = [_number(cell) for cell in cells]
    if not _any_known(numbers):
        return ""
    shown = ["–" if number is None else str(number) for number in numbers]
    return "text" if shown == [cell.text for cell in cells] else numbers


def _number(cell: Cell) -> float | int | None:
    """What a cell stands for, if that is a number."""
    if isinstance(cell.value, bool) or not isinstance(cell.value, (int, float)):
        return None
    return _rounded(cell.value)


def _ends(cell: Cell) -> list[float | int | None] | None:
    return None if cell.ends is None else [_rounded(end) for end in cell.ends]


def _rounded(value: float | None) -> float | int | None:
    """Four significant figures: one more than is shown; estimates.csv has them all."""
    if value is None or isinstance(value, int):
        return value
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def plain_text(text: str) -> str:
    """Text for places that hold no markup: titles, attributes, data."""
    return visible(bare(text))


def page_style() -> str:
    """The style sheet of the page."""
    return _read("report.css") + _read("figure.css")


def page_script() -> str:
    """The script of the page: its parts as one, which leaves nothing behind in the window."""
    parts = "".join(_read(f"script/{name}.js") for name in _SCRIPT)
    return f'"use strict";\n(() => {{\n{parts}}})();\n'


def figure_style() -> str:
    """The style of a figure that stands alone, its variables replaced by the colours of paper.

    >>> "var(" in figure_style()
    False
    """
    colours = light_colours()
    return _VARIABLE.sub(lambda found: colours[found[1]], _read("figure.css"))


def light_colours() -> dict[str, str]:
    """The colours of the light page, by the names of their variables."""
    light = _read("report.css").split("@media")[0]
    return dict(re.findall(r"(--[a-z0-9-]+): ([^;]+);", light))


def _read(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")
