"""A matrix as a figure: the heat map of the page, for paper and pictures."""

from __future__ import annotations

from bytetransfer.report.document import Cell, Table
from bytetransfer.report.figures.marks import escaped, number
from bytetransfer.report.figures.scales import text_width
from bytetransfer.report.page.embedded import light_colours
from bytetransfer.report.wording import bare, isolate

_FONT, _DETAIL = 11.0, 8.0
_ROW, _DETAILED_ROW, _GAP = 22.0, 32.0, 2.0
_LABEL_CHARACTERS = 18
_STRONG = 5
MOST_LEVEL_HEADS = 11
"""The names of more columns stand upright."""


def draw_heat_map(table: Table) -> str:
    """A matrix as one SVG element in the colours of paper: cells, their values, their legend."""
    colours = light_colours()
    detailed = any(cell.detail for row in table.rows for cell in row)
    rise = _DETAILED_ROW if detailed else _ROW
    heads = [isolate(bare(column.title), _LABEL_CHARACTERS) for column in table.columns[1:]]
    names = [isolate(bare(row[0].text), _LABEL_CHARACTERS) for row in table.rows]
    left = max(map(_width, names), default=0.0) + 10
    is_turned = len(heads) > MOST_LEVEL_HEADS
    widths = [_cell_width(cell) for row in table.rows for cell in row[1:]]
    width = max([34.0, *([] if is_turned else map(_width, heads)), *widths]) + 8
    above = max(map(_width, heads), default=0.0) + 14 if is_turned else 22.0
    parts = [
        _head(head, left + (place + 0.5) * width, above - 8, is_turned=is_turned)
        for place, head in enumerate(heads)
    ]
    for place, (name, row) in enumerate(zip(names, table.rows, strict=True)):
        top = above + place * rise
        parts.append(_word(left - 8, top + rise / 2 + 3, name, "end"))
        parts += [
            _cell(cell, left + column * width, top, width, rise, colours)
            for column, cell in enumerate(row[1:])
        ]
    bottom = above + len(table.rows) * rise
    parts += _legend(table.legend, left, bottom + 10, colours)
    right = max(left + len(heads) * width, left + 80 + 62 * len(table.legend))
    title = escaped(bare(table.caption))
    return (
        f'<svg class="heat" role="img" aria-label="{title}" '
        f'viewBox="0 0 {right + 4:.0f} {bottom + 36:.0f}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{title}</title><desc>{escaped(_words(table))}</desc>{''.join(parts)}</svg>"
    )


def _head(text: str, x: float, y: float, *, is_turned: bool) -> str:
    """The name of a column, level or upright."""
    if not is_turned:
        return _word(x, y, text, "middle")
    turn = f'transform="rotate(-90 {number(x)} {number(y)})"'
    return _word(x, y + 4, text, "start", turn)


def _words(table: Table) -> str:
    said = (
        f"{row[0].text} for {column.title}: {cell.text}"
        for row in table.rows[:6]
        for column, cell in zip(table.columns[1:], row[1:], strict=True)
    )
    return bare("; ".join(list(said)[:40])) + "."


def _cell(
    cell: Cell, x: float, y: float, width: float, rise: float, colours: dict[str, str]
) -> str:
    inner, tall = width - _GAP, rise - _GAP
    box = f'x="{number(x)}" y="{number(y)}" width="{number(inner)}" height="{number(tall)}"'
    middle, centre = x + inner / 2, y + tall / 2
    ink = " strong" if abs(cell.shade) == _STRONG else ""
    lower = centre + (0 if cell.detail else 4)
    return "".join(
        (
            f'<rect {box} fill="{_fill(cell.shade, colours)}"/>',
            _hatch(x, y, inner, tall) if cell.shade < 0 else "",
            _word(middle, lower, cell.text, f"middle{ink}"),
            _word(middle, centre + 11, cell.detail, f"middle small{ink}") if cell.detail else "",
        )
    )


def _fill(shade: int, colours: dict[str, str]) -> str:
    if not shade:
        return colours["--panel"]
    return colours[f"--{'less' if shade < 0 else 'more'}-{abs(shade)}"]


def _hatch(x: float, y: float, width: float, height: float) -> str:
    """Slanting lines on what costs, so that it is told from what is worth in grey as well."""
    lines, step = [], 6.0
    offset = step
    while offset < width + height:
        x1, y1 = (x + offset, y) if offset <= width else (x + width, y + offset - width)
        x2, y2 = (x, y + offset) if offset <= height else (x + offset - height, y + height)
        lines.append(f"M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}")
        offset += step
    return f'<path class="hatch" d="{"".join(lines)}"/>'


def _legend(cells: tuple[Cell, ...], left: float, top: float, colours: dict[str, str]) -> list[str]:
    if not cells:
        return []
    parts = [_word(left, top + 14, "colours from", "start")]
    for place, cell in enumerate(cells):
        parts.append(_cell(cell, left + 76 + place * 62, top, 62, 22, colours))
    return parts


def _word(x: float, y: float, text: str, style: str, turn: str = "") -> str:
    place = f'x="{number(x)}" y="{number(y)}"'
    return f'<text class="{style}" {place}{turn and " " + turn}>{escaped(text)}</text>'


def _width(text: str) -> float:
    return text_width(text, _FONT)


def _cell_width(cell: Cell) -> float:
    return max(_width(cell.text), text_width(cell.detail, _DETAIL))
