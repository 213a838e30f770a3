"""Tables of a report as files: CSV, LaTeX (booktabs) and Parquet.

The page's script saves the same from the page (script/save.js); a test holds them together.
"""

from __future__ import annotations

import csv
import io
import re

import pyarrow as pa
import pyarrow.parquet as pq

from bytetransfer.measurements.csv_cells import as_text
from bytetransfer.report.document import Cell, Table
from bytetransfer.report.page.embedded import plain_text

_BOUNDS = {"≥": "at least", "≤": "at most", "≳": "about or above", "≲": "about or below"}
_TEX = {
    "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
    "%": r"\%", "_": r"\_", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "≥": r"$\geq$", "≤": r"$\leq$", "≳": r"$\sim\geq$", "≲": r"$\sim\leq$", "−": "$-$",
    "–": "--", "…": r"\dots{}", "×": r"$\times$",
    "→": r"$\rightarrow$", "±": r"$\pm$", "α": r"$\alpha$",
}  # fmt: skip
_TEX_SYMBOL = re.compile(r"\bD\\_([FET])\b")

Column = tuple[str, list[str] | list[float | None]]


def to_csv(table: Table) -> bytes:
    """A line a row; numbers in their column's unit, with columns for bounds and intervals."""
    columns = saved_columns(table)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([as_text(head) for head, _ in columns])
    for row in range(len(table.rows)):
        writer.writerow([_csv_cell(cells[row]) for _, cells in columns])
    return out.getvalue().encode()


def to_parquet(table: Table) -> bytes:
    """The same columns as in the CSV, typed; a column name that comes twice is numbered."""
    arrays: list[pa.Array] = []
    names: list[str] = []
    for head, cells in saved_columns(table):
        arrays.append(pa.array(cells))
        names.append(head if head not in names else f"{head} {len(names)}")
    out = io.BytesIO()
    pq.write_table(pa.table(arrays, names=names), out)
    return out.getvalue()


def to_latex(table: Table) -> bytes:
    r"""The table as people read it, for the package booktabs; intervals stand in brackets.

    >>> from bytetransfer.report.document import Column
    >>> table = Table(name="t", caption="D_T", columns=(Column("a"),), rows=((Cell("5 %"),),))
    >>> print(to_latex(table).decode().splitlines()[3])
      \caption{$D_{\mathrm{T}}$}
    """
    numeric = [_is_numeric(table, place) for place in range(len(table.columns))]
    heads = [_head(c.title, "" if c.unit == "bytes" else c.unit) for c in table.columns]
    body = "".join(_tex_row([_shown(cell, bracketed=True) for cell in row]) for row in table.rows)
    align = "".join("r" if number else "l" for number in numeric)
    text = (
        "\\begin{table}\n  \\centering\n  \\small\n"
        f"  \\caption{{{tex(plain_text(table.caption))}}}\n"
        f"  \\begin{{tabular}}{{{align}}}\n  \\toprule\n{_tex_row(heads)}  \\midrule\n"
        f"{body}  \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n"
    )
    return text.encode()


def tex(text: str) -> str:
    r"""Text as LaTeX sets it.

    >>> tex("D_T ≥ 5 %"), tex("a_b")
    ('$D_{\\mathrm{T}}$ $\\geq$ 5 \\%', 'a\\_b')
    """
    escaped = "".join(_TEX.get(character, character) for character in text)
    return _TEX_SYMBOL.sub(r"$D_{\\mathrm{\1}}$", escaped)


def saved_columns(table: Table) -> list[Column]:
    """The columns of a table as they are saved: text, or a number with its bound and interval."""
    found: list[Column] = []
    for place, column in enumerate(table.columns):
        cells = [row[place] for row in table.rows]
        head = _head(column.title, column.unit)
        texts = [_shown(cell) for cell in cells]
        if not _is_numeric(table, place):
            found.append((head, ["" if text == "–" else text for text in texts]))
            continue
        title = plain_text(column.title)
        found.append((head, [_number(cell) for cell in cells]))
        marks = [_BOUNDS.get(text[:1], "") for text in texts]
        if any(marks):
            found.append((f"{title} bound", marks))
        if any(cell.ends for cell in cells):
            ends = [cell.ends or (None, None) for cell in cells]
            found.append((f"{title} low", [low for low, _ in ends]))
            found.append((f"{title} high", [high for _, high in ends]))
    return found


def _csv_cell(value: str | float | None) -> str | float:
    if value is None:
        return ""
    return as_text(value) if isinstance(value, str) else value


def _is_numeric(table: Table, place: int) -> bool:
    return any(_number(row[place]) is not None for row in table.rows)


def _number(cell: Cell) -> float | None:
    if isinstance(cell.value, bool) or not isinstance(cell.value, (int, float)):
        return None
    return cell.value


def _shown(cell: Cell, *, bracketed: bool = False) -> str:
    detail = f"({cell.detail})" if cell.detail and bracketed else cell.detail
    return plain_text(f"{cell.text} {detail}".strip())


def _head(title: str, unit: str) -> str:
    return f"{plain_text(title)} ({unit})" if unit else plain_text(title)


def _tex_row(cells: list[str]) -> str:
    return f"  {' & '.join(map(tex, cells))} \\\\\n"
