"""The first answer in a terminal: a line an estimate, with a bar for D_T.

Where the output is no terminal, the same table is written without colour and bars and with every
cell filled, so that it reads well in a log and can be searched. Lines are never wrapped or cut.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from bytetransfer.measurements.measurement import Measurements, name_places
from bytetransfer.report.view import View, make_view
from bytetransfer.report.wording import (
    bare,
    estimated_bytes,
    not_covered,
    on_plateau,
    said_once,
    shorten,
    transfer_range,
)
from bytetransfer.transfer.estimate import Estimates, TransferEstimate
from bytetransfer.transfer.law_table import Laws
from bytetransfer.units import format_bytes

_NAME_CHARACTERS = 16
_LOGGED_NAME_CHARACTERS = 200  # in a log a name must be found whole, but not ten thousand letters
_MOST_BAR, _LEAST_BAR = 24, 4
_SHOWN_REFUSALS = 5
_MOST_LINES = 100
_HEADINGS = ("target", "learner", "D_F", "source", "D_T", "interval", "")
_GROUP = 2  # so many cells, target and learner, head a group of lines in a terminal
_RIGHT = {2, 4}
_LAW_HEADINGS = ("target", "learner", "E", "interval", "A", "interval", "α", "interval")
_UNBOUNDED = "∞"
_ASCII = str.maketrans(
    {
        "≳": "~>=",
        "≲": "~<=",
        "≥": ">=",
        "≤": "<=",
        "−": "-",
        "–": "-",
        "…": "~",
        "█": "#",
        "░": "-",
        "α": "alpha",
        "∞": "inf",
    }
)


@dataclass(frozen=True)
class _Line:
    """What is written of one estimate: cells, and how long its bar is (-1 to 1)."""

    cells: tuple[str, ...]
    bar: float


def print_estimates(estimates: Estimates, console: Console) -> None:
    """Print D_T of every source for every target.

    Bounds carry ≥ or ≤, `!` marks an estimate with a run that is not converged, `^` one with a run
    that the surface learner beats, `*` one whose curve had to be pooled, `=` one on a plateau. A
    terminal that would scroll for pages gets one D_F a learner, the one the report opens on. The
    parameters of power laws follow.
    """
    view = make_view(Measurements(()), estimates)
    is_short = console.is_terminal and len(estimates.rows) > _MOST_LINES
    if estimates.rows:
        limit = _NAME_CHARACTERS if console.is_terminal else _LOGGED_NAME_CHARACTERS
        _print_table(_lines(view, limit, is_short=is_short), console)
    if is_short:
        shown = sum(len(view.rows_at(key, view.chosen_size(key))) for key in view.learners)
        note = f"{shown} of {len(estimates.rows)} estimates, one D_F a learner; the report has all"
        write_line(Text(note), console)
    if len(estimates.laws):
        _print_laws(estimates.laws, console)
    for note in _notes(estimates):
        write_line(Text(note), console)


def _lines(view: View, limit: int, *, is_short: bool = False) -> list[_Line]:
    """All estimates by target, learner, D_F and falling D_T; bars compare within a learner."""
    lines = []
    for target in view.targets:
        for key in view.learners:
            whole, rows = view.rows(key), view.rows(key, target=target)
            if is_short:
                size = view.chosen_size(key)
                whole, rows = view.rows_at(key, size), view.rows_at(key, size, target=target)
            largest = max((abs(row.transfer_bytes) for row in whole), default=0.0) or 1.0
            for row in sorted(rows, key=lambda row: (row.finetune_bytes, -row.transfer_bytes)):
                # A full bar for "at most" would show what is known not to be reached.
                bar = 0.0 if row.status == "below_range" else row.transfer_bytes / largest
                lines.append(_Line(_cells(view, row, limit), bar))
    return lines


def _cells(view: View, row: TransferEstimate, limit: int) -> tuple[str, ...]:
    learner = f"{row.learner or 'learner'}, {row.regime}" if view.names.show_regime else row.learner
    # Shortened by the name alone, so that sizes of pretraining are never cut.
    size = f" {format_bytes(row.pretrain_bytes)}" if view.names.show_pretraining else ""
    return (
        bare(shorten(row.target, limit)),
        bare(shorten(learner or "learner", limit)),
        format_bytes(row.finetune_bytes),
        bare(shorten(row.source, limit)) + size,
        estimated_bytes(row.transfer_bytes, row),
        transfer_range(row),
        "".join(mark for mark, raised in _marks(row).items() if raised),
    )


def _marks(row: TransferEstimate) -> dict[str, bool]:
    """What is to be known of an estimate besides its numbers, a character each."""
    return {
        "!": bool(row.not_converged),
        "^": bool(row.below_surface),
        "*": row.pooled,
        "=": on_plateau(row),
    }


def _print_table(lines: Sequence[_Line], console: Console) -> None:
    columns = list(zip(_HEADINGS, *(line.cells for line in lines), strict=True))
    widths = [max(map(cell_len, column)) for column in columns]
    # What says nothing takes no room: no flags, no intervals.
    shown = [index for index, column in enumerate(columns) if any(column[1:])]
    if console.is_terminal:
        _print_groups(lines, widths, [index for index in shown if index >= _GROUP], console)
        return
    write_line(Text(_row(_HEADINGS, widths, shown)), console)
    for line in lines:
        write_line(Text(_row(line.cells, widths, shown)), console)


def _print_groups(
    lines: Sequence[_Line], widths: Sequence[int], shown: Sequence[int], console: Console
) -> None:
    """A heading for each target and learner, D_F where it changes, bars where there is room."""
    used = sum(widths[index] + 2 for index in shown)
    bar = min(_MOST_BAR, console.width - used)
    write_line(Text(_row(_HEADINGS, widths, shown), style="dim"), console)
    for group, members in itertools.groupby(lines, key=lambda line: line.cells[:_GROUP]):
        write_line(Text(", ".join(group), style="bold"), console)
        before = ""
        for line in members:
            cells = list(line.cells)
            if before == cells[_GROUP]:
                cells[_GROUP] = ""
            before = line.cells[_GROUP]
            text = Text(_row(cells, widths, shown))
            if bar >= _LEAST_BAR:
                text.append(" " * (used - text.cell_len)).append_text(_bar(line.bar, bar))
            text.rstrip()
            write_line(text, console)


def _row(cells: Sequence[str], widths: Sequence[int], shown: Sequence[int]) -> str:
    """Cells side by side; wide characters take the two places they take on a screen."""
    parts = []
    for index in shown:
        room = " " * (widths[index] - cell_len(cells[index]))
        parts.append(room + cells[index] if index in _RIGHT else cells[index] + room)
    return "  ".join(parts).rstrip()


def _bar(share: float, width: int) -> Text:
    """A full bar for what pretraining is worth, a dotted one for what it costs."""
    length = max(1, round(abs(share) * width)) if share else 0
    return Text(("░" if share < 0 else "█") * length, style="red" if share < 0 else "green")


def _print_laws(laws: Laws, console: Console) -> None:
    """The parameters of the power laws, a line a curve."""
    lines = [
        (
            shorten(law.target, _LOGGED_NAME_CHARACTERS),
            shorten(", ".join(filter(None, (law.learner, law.regime))) or "learner"),
            *_parameter(law.irreducible, law.irreducible_low, law.irreducible_high),
            _law_bytes(law.scale_bytes),
            f"{_law_bytes(law.scale_bytes_low)} to {_law_bytes(law.scale_bytes_high)}",
            *_parameter(law.exponent, law.exponent_low, law.exponent_high),
        )
        for law in laws
    ]
    levels = " and ".join(sorted({f"{law.level * 100:.3g} %" for law in laws}))
    title = f"Power laws L(D) = E + (A/D)^α in bits per byte, with {levels} intervals of the fit"
    widths = [max(map(cell_len, column)) for column in zip(_LAW_HEADINGS, *lines, strict=True)]
    for text in (title, *(_row(line, widths, range(8)) for line in (_LAW_HEADINGS, *lines))):
        write_line(Text(text), console)


def _parameter(value: float | None, low: float | None, high: float | None) -> tuple[str, str]:
    said = [_UNBOUNDED if number is None else f"{number:.3g}" for number in (value, low, high)]
    return said[0], f"{said[1]} to {said[2]}"


def _law_bytes(count: float | None) -> str:
    return _UNBOUNDED if count is None else f"{count:.3g} B" if count < 1 else format_bytes(count)


def _notes(estimates: Estimates) -> list[str]:
    """What the marks mean, as far as they occur, and what was refused."""
    rows = estimates.rows
    notes = _mark_notes(rows)
    for level in sorted({row.level for row in rows if row.interval != "none"}):
        covered = [row for row in rows if row.level == level and row.interval != "none"]
        covers = {row.covers for row in covered}
        notes.append(f"{level * 100:.3g} % intervals over {said_once(covers)}")
        notes.append(f"they do not cover {not_covered(covered)}")
    notes += sorted({row.covers for row in rows if row.interval == "none"})
    refusals = estimates.refusals
    if refusals:
        notes.append(f"{len(refusals)} not estimated:")
    for refusal in refusals[:_SHOWN_REFUSALS]:
        name = f"{shorten(refusal.source)}, {shorten(refusal.target)}"
        size = format_bytes(refusal.finetune_bytes)
        lines = f" ({name_places(refusal.places)})" if refusal.places else ""
        notes.append(f"  {name}, {size}{lines}: {shorten(refusal.reason, 400)}")
    if len(refusals) > _SHOWN_REFUSALS:
        notes.append(f"  and {len(refusals) - _SHOWN_REFUSALS} more; the report lists them all")
    return notes


def _mark_notes(rows: Sequence[TransferEstimate]) -> list[str]:
    """A line for every mark that occurs."""
    marks = [_marks(row) for row in rows]
    said = {
        "!": "a run is not converged: longer training would move the estimate",
        "^": "the n-gram learner does better on the same bytes",
        "*": "a from-scratch loss rose with bytes, and sizes were averaged there",
    }
    notes = []
    if any(row.status in ("above_range", "below_range") for row in rows):
        notes.append("≥ ≤  a bound: D_E lies outside the from-scratch sizes")
    if not all(row.is_sure for row in rows):
        notes.append("≳ ≲  outside them by its estimate; its interval reaches back onto the curve")
    if any(row.status == "extrapolated" for row in rows):
        notes.append("~    beyond the from-scratch sizes, where the power law alone says so")
    notes += [f"{mark}    {text}" for mark, text in said.items() if any(m[mark] for m in marks)]
    plateaus = [row.effective_upper for row in rows if on_plateau(row)]
    if plateaus:
        ends = sorted({size for size in plateaus if size is not None})
        upper = [*map(format_bytes, ends), *["any larger size"] * (None in plateaus)]
        notes.append(f"=    on a plateau: D_E may as well be larger, up to {', '.join(upper)}")
    return notes


def write_line(line: Text, console: Console) -> None:
    """Write a line as it is: rich neither wraps, crops nor reads markup in it."""
    if console.options.ascii_only:
        # an escape instead of a question mark, or two names might look the same
        plain = line.plain.translate(_ASCII).encode(console.encoding, "backslashreplace")
        line = Text(plain.decode(console.encoding), style=line.style)
    console.print(line, soft_wrap=True, markup=False, highlight=False, emoji=False)
