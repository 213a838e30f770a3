"""A report as one HTML page that needs nothing but itself: no network, no script.

Text of studies and corpora reaches the page escaped, with characters that are unseen or turn the
direction of writing replaced. The policy in the page's head forbids every request, and allows
one style sheet, by its hash.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from bytetransfer.disk import write_atomic
from bytetransfer.report.chart import Chart
from bytetransfer.report.document import Report
from bytetransfer.report.figures import draw
from bytetransfer.report.wording import END_ISOLATE, ISOLATE, bare, visible

LISTING_CHARACTERS = 100_000
_ISOLATED = re.compile(f"{ISOLATE}([^{ISOLATE}{END_ISOLATE}]*){END_ISOLATE}")
_SIZE = re.compile(r"(\d) (?=(?:B|[kMGT]B|%)(?!\w))")
_SYMBOL = re.compile(r"\bD_([FET])\b")


def render_html(report: Report) -> str:
    """The page of a report."""
    package = resources.files(__package__)
    style = package.joinpath("report.css").read_text("utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(prose=prose, plain=plain, listing=listing, svg=_svg, shade=_shade)
    template = environment.from_string(package.joinpath("report.html.j2").read_text("utf-8"))
    return template.render(report=report, style=Markup(style), style_hash=_style_hash(style))


def write_html(report: Report, path: Path) -> None:
    """Write the page, at once or not at all.

    Raises:
        StoreError: if the disk does not take it.
    """
    write_atomic(path, render_html(report))


def prose(text: str) -> Markup:
    """Escaped text; names become `<bdi>`, D_F, D_E, D_T get subscripts, units keep their number.

    >>> str(prose("D_T of <b>"))
    'D<sub>T</sub> of &lt;b&gt;'
    """
    escaped = str(escape(visible(text, keep=ISOLATE + END_ISOLATE)))
    named = bare(_ISOLATED.sub(r"<bdi>\1</bdi>", escaped))
    return Markup(_SYMBOL.sub(r"D<sub>\1</sub>", _SIZE.sub("\\1\u00a0", named)))


def plain(text: str) -> str:
    """Text for places that hold no markup: the title, attributes."""
    return visible(bare(text))


def listing(text: str) -> str:
    """Text shown as it is, up to a length that no study file of good faith has."""
    if len(text) > LISTING_CHARACTERS:
        text = text[:LISTING_CHARACTERS] + "\n… (cut here for display)"
    return visible(text.replace("\r\n", "\n"), keep="\n\t")


def _svg(chart: Chart) -> Markup:
    return Markup(draw(chart))


def _shade(step: int) -> str:
    """Class of a heat map cell; an empty string for a plain one."""
    return f"shade-{'less' if step < 0 else 'more'}-{abs(step)}" if step else ""


def _style_hash(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode("ascii")
