"""The readings in a terminal: a line a cell, what it says together, and where the files are."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from bytetransfer.published.page import LANGUAGES, REMARKS, findings_section
from bytetransfer.published.readings import Reading
from bytetransfer.report.text.estimates import write_line
from bytetransfer.report.text.sections import plain_section
from bytetransfer.report.wording import bounded_bytes
from bytetransfer.units import format_bytes, signed_bytes

_HEADINGS = ("target", "D_F", "source", "D_E published", "linear", "monotone", "D_T published",
             "monotone", "artefact")  # fmt: skip
_LEFT = {0, 2, 8}


def print_readings(cells: Sequence[Reading], console: Console) -> None:
    """Print every cell, then what the paper's statements look like under each reading.

    In a terminal cells are grouped by target and artefacts coloured; elsewhere every line holds
    its target, so that it can be searched. Bounds carry ≥ or ≤.
    """
    lines = [_HEADINGS, *(_line(cell) for cell in cells)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    grouped = 1 if console.is_terminal else 0
    write_line(Text(_row(_HEADINGS, widths, grouped), style="dim"), console)
    for target, group in itertools.groupby(cells, key=lambda cell: cell.target):
        if grouped:
            write_line(Text(f"{LANGUAGES[target]} ({target})", style="bold"), console)
        for cell in group:
            style = "yellow" if cell.artefact else ""
            write_line(Text(_row(_line(cell), widths, grouped), style=style), console)
    for line in ["", *plain_section(findings_section(cells), console.width).splitlines()]:
        write_line(Text(line), console)


def _line(cell: Reading) -> tuple[str, ...]:
    how = f"{REMARKS[cell.artefact]}: {cell.segment}" if cell.artefact else ""
    return (
        cell.target,
        format_bytes(cell.finetune_bytes),
        cell.source,
        format_bytes(cell.published_effective_bytes),
        bounded_bytes(cell.linear_effective_bytes, cell.linear_status),
        bounded_bytes(cell.monotone_effective_bytes, cell.monotone_status),
        signed_bytes(cell.published_transfer_bytes),
        bounded_bytes(cell.monotone_transfer_bytes, cell.monotone_status),
        how,
    )


def _row(cells: Sequence[str], widths: Sequence[int], first: int) -> str:
    parts = (
        cell.ljust(width) if index in _LEFT else cell.rjust(width)
        for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(itertools.islice(parts, first, None)).rstrip()
