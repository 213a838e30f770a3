"""Figures that stand alone: SVG files in the colours of paper, and what is made of them.

PNG and PDF need a renderer, the extra `[figures]`; everything else does without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from bytetransfer.errors import MissingExtraError
from bytetransfer.report.document import Report
from bytetransfer.report.export import to_csv, to_latex, to_parquet
from bytetransfer.report.figures.heat_map import draw_heat_map
from bytetransfer.report.figures.marks import symbols
from bytetransfer.report.figures.svg import draw
from bytetransfer.report.page.embedded import figure_style, light_colours

FONTS = "system-ui, Liberation Sans, Arial, sans-serif"
FORMATS = ("svg", "pdf", "png", "csv", "parquet", "tex")
RENDERED = frozenset({"pdf", "png"})
_VIEW_BOX = re.compile(r'viewBox="0 0 (\d+) (\d+)"')
_PIXELS_PER_UNIT = 3  # of a PNG: a column of print at 300 dots an inch


def standalone(drawn: str) -> str:
    """A drawn figure as an SVG file of its own: size, style, marks and paper included.

    Args:
        drawn: what `draw` or `draw_heat_map` gave.
    """
    found = _VIEW_BOX.search(drawn)
    if found is None:
        raise ValueError("a figure without a view box has no size")
    width, height = found.groups()
    colour = light_colours()["--page"]
    head, rest = drawn.split("</desc>", 1)
    head = head.replace(
        "<svg ", f'<svg width="{width}" height="{height}" font-family="{FONTS}" ', 1
    )
    return (
        f"{head}</desc><style>{figure_style()}</style>{symbols()}"
        f'<rect width="100%" height="100%" fill="{colour}"/>{rest}\n'
    )


def figure_files(report: Report, formats: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    """Every figure and table of a report as files: their names and their content.

    Args:
        report: whose figures.
        formats: some of `FORMATS`.

    Raises:
        MissingExtraError: where PNG or PDF are wanted and there is no renderer.
    """
    render = _renderers(formats)
    for name, svg in _drawings(report):
        if "svg" in formats:
            yield f"{name}.svg", svg.encode()
        for ending, make in render.items():
            yield f"{name}.{ending}", make(svg)
    writers = {"csv": to_csv, "tex": to_latex, "parquet": to_parquet}
    for section in report.sections:
        for table in section.tables:
            for ending, write in writers.items():
                if ending in formats and table.rows:
                    yield f"{table.name}.{ending}", write(table)


def _drawings(report: Report) -> Iterator[tuple[str, str]]:
    for section in report.sections:
        for chart in section.figures:
            yield chart.name, standalone(draw(chart))
        for table in section.tables:
            if table.is_matrix:
                yield table.name, standalone(draw_heat_map(table))


def check_renderer(formats: frozenset[str]) -> None:
    """Refuse formats that need a renderer where there is none, before anything is done.

    Raises:
        MissingExtraError: where PNG or PDF are wanted and there is no renderer.
    """
    _renderers(formats)


def _renderers(formats: frozenset[str]) -> Mapping[str, Callable[[str], bytes]]:
    if not formats & RENDERED:
        return {}
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        if error.name != "vl_convert":
            raise
        raise MissingExtraError("vl-convert-python", extra="figures") from error
    found: dict[str, Callable[[str], bytes]] = {
        "png": lambda svg: bytes(vl_convert.svg_to_png(svg, scale=_PIXELS_PER_UNIT)),
        "pdf": lambda svg: bytes(vl_convert.svg_to_pdf(svg)),
    }
    return {ending: make for ending, make in found.items() if ending in formats}
