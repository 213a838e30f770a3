"""A report as one HTML page that needs nothing but itself: no network, and no script to be read.

Text of studies and corpora reaches the page escaped, with characters that are unseen or turn the
direction of writing replaced. The policy in the page's head forbids every request, and allows one
style sheet and one script, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from bytetransfer.files.disk import write_atomic
from bytetransfer.report.document import Cell, Content, Report, Sentence, Table
from bytetransfer.report.figures.chart import Chart
from bytetransfer.report.figures.heat_map import MOST_LEVEL_HEADS
from bytetransfer.report.figures.marks import symbols
from bytetransfer.report.figures.svg import draw
from bytetransfer.report.page.embedded import (
    Choice,
    embedded,
    number_choices,
    page_script,
    page_style,
    plain_text,
)
from bytetransfer.report.wording import END_ISOLATE, ISOLATE, bare, visible

LISTING_CHARACTERS = 100_000
_ISOLATED = re.compile(f"{ISOLATE}([^{ISOLATE}{END_ISOLATE}]*){END_ISOLATE}")
_SIZE = re.compile(r"(\d) (?=(?:B|[kMGT]B|%)(?!\w))")
_SYMBOL = re.compile(r"\bD_([FET])\b")


def render_html(report: Report, *, version: str = "") -> str:
    """The page of a report.

    Args:
        report: what it shows.
        version: of a page that is served: it asks its server whether there is another by now.
    """
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    choices = number_choices(report)
    environment.filters.update(prose=prose, plain=plain_text, listing=listing, svg=_svg)
    environment.filters.update(shade=_shade, alignment=_alignment, rows=_rows)
    environment.filters["content"] = _content
    environment.filters["choice"] = lambda part: _choice(part, choices)
    template = resources.files(__package__).joinpath("report.html.j2").read_text("utf-8")
    style, script = page_style(), page_script()
    return environment.from_string(template).render(
        report=report,
        style=Markup(style),
        script=Markup(script),
        symbols=Markup(symbols()),
        policy=Markup(_policy(style, script, is_live=bool(version))),
        version=version,
        data=Markup(embedded(report, choices)),
    )


def write_html(report: Report, path: Path) -> None:
    """Write the page, at once or not at all.

    Raises:
        StoreError: if the disk does not take it.
    """
    write_atomic(path, render_html(report))


@lru_cache(maxsize=10_000)
def prose(text: str) -> Markup:
    """Escaped text; names become `<bdi>`, D_F, D_E, D_T get subscripts, units keep their number.

    >>> str(prose("D_T of <b>"))
    'D<sub>T</sub> of &lt;b&gt;'
    """
    escaped = str(escape(visible(text, keep=ISOLATE + END_ISOLATE)))
    named = bare(_ISOLATED.sub(_named, escaped))
    return Markup(_SYMBOL.sub(r"D<sub>\1</sub>", _SIZE.sub("\\1\u00a0", named)))


def _named(found: re.Match[str]) -> str:
    """A name; in ASCII there is no direction that could spill."""
    return found[1] if found[1].isascii() else f"<bdi>{found[1]}</bdi>"


def listing(text: str) -> str:
    """Text shown as it is, up to a length that no study file of good faith has."""
    if len(text) > LISTING_CHARACTERS:
        text = text[:LISTING_CHARACTERS] + "\n… (cut here for display)"
    return visible(text.replace("\r\n", "\n"), keep="\n\t")


def _rows(table: Table) -> Markup:
    """The body of a table: most of a large page, so what HTML supplies by itself is left out.

    That is the ends of rows and cells, and the scope of a heading that opens a row.
    """
    lines = (f"<tr><th>{prose(row[0].text)}{''.join(map(_cell, row[1:]))}" for row in table.rows)
    return Markup("".join(lines))


def _cell(cell: Cell) -> str:
    style = f" class={_shade(cell.shade)}" if cell.shade else ""
    detail = f"<small>{prose(cell.detail)}</small>" if cell.detail else ""
    return f"<td{style}>{prose(cell.text)}{detail}"


def _alignment(table: Table) -> str:
    """Classes of the table that align its columns of numbers, instead of one on every cell."""
    if table.is_matrix:
        return " wide" if len(table.columns) - 1 > MOST_LEVEL_HEADS else ""
    numeric = (place for place, column in enumerate(table.columns, 1) if column.numeric)
    return "".join(f" n{place}" for place in numeric)


def _choice(part: Sentence | Table, choices: Mapping[Choice, int]) -> Markup:
    if not part.choice:
        return Markup("")
    chosen = ' data-chosen=""' if part.is_open else ""
    return Markup(f' data-choice="{choices[part.choice]}"{chosen}')


def _content(content: Content) -> str:
    """How many bytes of each target say what a byte of the reference says, for the script."""
    return json.dumps(
        {
            "reference": plain_text(content.reference),
            "premiums": {plain_text(name): ratio for name, ratio in content.premiums.items()},
            "unknown": [plain_text(name) for name in content.unknown],
        },
        separators=(",", ":"),
    )


def _svg(chart: Chart) -> Markup:
    return Markup(draw(chart))


def _shade(step: int) -> str:
    """Class of a heat map cell."""
    return f"{'less' if step < 0 else 'more'}-{abs(step)}"


def _policy(style: str, script: str, *, is_live: bool) -> str:
    """No request at all; a live page may ask its own server, and nobody else."""
    parts = [
        "default-src 'none'",
        f"style-src 'sha256-{_hash(style)}'",
        f"script-src 'sha256-{_hash(script)}'",
        *["connect-src 'self'"] * is_live,
        "base-uri 'none'",
        "form-action 'none'",
    ]
    return "; ".join(parts)


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
