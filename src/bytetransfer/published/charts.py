"""Two panels a target, on the same axes: the printed reading and ours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

from bytetransfer.measurements.measurement import SCRATCH, Measurement
from bytetransfer.published.readings import Curves, Reading
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.wording import bounded_bytes
from bytetransfer.transfer.curve import Status
from bytetransfer.units import format_bytes

SOURCES = ("en", "ru", "zh", "pt")
"""In the order of their colours and markers, the same for every target."""

_ARTEFACT_INK = 7  # a flat bar, the marker of no source
_POINTS = 40
_BOUNDS: dict[str, Literal["", "at_least", "at_most"]] = {
    "inside": "",
    "above_range": "at_least",
    "below_range": "at_most",
}


def reading_charts(
    rows: Iterable[Measurement], cells: Sequence[Reading], name: str
) -> tuple[Chart, Chart]:
    """The printed reading and ours of one target's cells.

    Args:
        rows: from-scratch rows, of which those of the target are taken.
        cells: the readings of one target.
        name: what the target is called.
    """
    target = cells[0].target
    scratch = sorted(
        (row for row in rows if (row.source, row.target) == (SCRATCH, target) and row.target_bytes),
        key=lambda row: row.target_bytes,
    )
    curves = Curves.of(scratch, target)
    printed = (
        *_scratch(scratch, curves.published.loss),
        *_sources(cells, lambda cell: (cell.published_effective_bytes, "inside")),
        _artefacts(cells),
    )
    ours = (
        *_scratch(scratch, curves.monotone.loss),
        *_sources(cells, lambda cell: (cell.monotone_effective_bytes, cell.monotone_status)),
    )
    x, y = _axes(scratch, [dot for one in (*printed, *ours) for dot in one.dots])
    left, right = (
        Chart(
            name=f"{kind}-{target}",
            title=f"{name}, {words}",
            description=f"{words}. {_words(series)}",
            x=x,
            y=y,
            series=series,
            labels="left",
        )
        for kind, words, series in (
            ("published", "as published", printed),
            ("monotone", "by the monotone curve", ours),
        )
    )
    return left, right


def _axes(scratch: Sequence[Measurement], dots: Sequence[Dot]) -> tuple[Axis, Axis]:
    losses = [dot.y for dot in dots]
    return (
        Axis(
            title="bytes of target text (log scale)",
            kind="log",
            low=scratch[0].target_bytes,
            high=scratch[-1].target_bytes,
            at=tuple(float(row.target_bytes) for row in scratch),
        ),
        Axis(
            title="bits per byte of held-out text (log scale)",
            kind="log",
            low=min(losses) / 1.04,
            high=max(losses) * 1.04,
            unit="number",
        ),
    )


def _scratch(
    scratch: Sequence[Measurement], loss: Callable[[float], float]
) -> tuple[Series, Series]:
    """The curve that is read on, and the measured points."""
    low, high = scratch[0].target_bytes, scratch[-1].target_bytes
    inner = [low * (high / low) ** (n / _POINTS) for n in range(1, _POINTS)]
    sizes = sorted({*map(float, inner), *(float(row.target_bytes) for row in scratch)})
    line = tuple(Dot(x=size, y=loss(size)) for size in sizes)
    dots = tuple(
        Dot(
            x=row.target_bytes,
            y=row.bits_per_byte,
            note=f"from scratch: perplexity {2**row.bits_per_byte:.3f} "
            f"at {format_bytes(row.target_bytes)}",
        )
        for row in scratch
    )
    return (
        Series(name="from scratch", ink=0, style="curve", dots=line),
        Series(name="", ink=0, style="measured", dots=dots),
    )


def _sources(
    cells: Sequence[Reading], read: Callable[[Reading], tuple[float, Status]]
) -> list[Series]:
    """The fine-tuned points of each source, each with a step to its D_E."""
    return [
        Series(
            name=source,
            ink=SOURCES.index(source) + 1,
            dots=tuple(_dot(cell, *read(cell)) for cell in cells if cell.source == source),
        )
        for source in SOURCES
        if any(cell.source == source for cell in cells)
    ]


def _dot(cell: Reading, effective_bytes: float, status: Status) -> Dot:
    return Dot(
        x=cell.finetune_bytes,
        y=math.log2(cell.perplexity),
        reach=effective_bytes,
        bound=_BOUNDS[status],
        note=f"{cell.source}: perplexity {cell.perplexity:.3f} with "
        f"D_F = {format_bytes(cell.finetune_bytes)}; "
        f"D_E {bounded_bytes(effective_bytes, status)}",
    )


def _artefacts(cells: Sequence[Reading]) -> Series:
    """A flat bar where a step ends at a number that is an artefact."""
    return Series(
        name="",
        ink=_ARTEFACT_INK,
        style="loose",
        dots=tuple(
            Dot(
                x=cell.published_effective_bytes,
                y=math.log2(cell.perplexity),
                note=f"{cell.source}, D_F = {format_bytes(cell.finetune_bytes)}: "
                f"{format_bytes(cell.published_effective_bytes)} is an artefact",
            )
            for cell in cells
            if cell.artefact
        ),
    )


def _words(series: Sequence[Series]) -> str:
    """The chart in words; the table below it has every number."""
    said = []
    for one in series:
        first, *rest = one.dots or (None,)
        if one.name and first is not None:
            last = rest[-1] if rest else first
            said.append(
                f"{one.name}: from {first.y:.2f} bits per byte at {format_bytes(first.x)} "
                f"to {last.y:.2f} at {format_bytes(last.x)}."
            )
    return " ".join(said)
