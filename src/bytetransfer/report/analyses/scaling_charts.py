"""The charts of the section on scaling: D_T of every source with its law."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from bytetransfer.analysis.laws import SizeLaw
from bytetransfer.analysis.scaling import Scaling
from bytetransfer.report.figures.axes import worth_axis
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.order import standing_out
from bytetransfer.report.wording import Names, bare, transfer_range, verdict
from bytetransfer.units import format_bytes

_LAW_POINTS = 40
_BOUNDS: dict[str, Literal["", "at_least", "at_most"]] = {
    "above_range": "at_least",
    "below_range": "at_most",
}


def scaling_charts(found: Sequence[Scaling], names: Names) -> tuple[Chart, ...]:
    """One chart a target and learner: D_T of each source with the law that goes through it."""
    charts: list[Chart] = []
    for (target, learner, regime), group in itertools.groupby(sorted(found, key=_panel), _panel):
        sources = list(group)
        cells = [row for one in sources for row in one.cells if row.finetune_bytes > 0]
        if not cells:
            continue
        sizes = [row.finetune_bytes for row in cells]
        named = standing_out([one.cells[-1] for one in sources if one.cells])
        series = [part for one in sources for part in _series(one, names, named)]
        series.sort(key=lambda one: one.style != "quiet")
        charts.append(
            Chart(
                name=f"scaling-{len(charts)}",
                title=f"{names.language(target)}, {names.learner(learner, regime)}",
                description=_words(sources, names),
                x=Axis(
                    title="D_F, bytes of target text (log scale)",
                    kind="log",
                    low=min(sizes) / 1.15,
                    high=max(sizes) * 1.15,
                    at=tuple(sorted({row.nominal_bytes for row in cells})),
                ),
                y=worth_axis([(dot.y, dot.low, dot.high) for one in series for dot in one.dots]),
                series=tuple(series),
                zero_line=True,
            )
        )
    return tuple(charts)


def _panel(one: Scaling) -> tuple[str, str, str]:
    return (one.target, one.learner, one.regime)


def _series(one: Scaling, names: Names, named: frozenset[tuple[str, int]]) -> list[Series]:
    """The law as a line without name, the cells as marks; of many sources most stay quiet."""
    ink = names.ink(one.source, one.pretrain_bytes)
    name = names.source(one.source, one.pretrain_bytes)
    cells = [row for row in one.cells if row.finetune_bytes > 0]
    marks = tuple(
        Dot(
            x=row.finetune_bytes,
            y=row.transfer_bytes,
            low=row.transfer_low,
            high=row.transfer_high,
            bound=_BOUNDS.get(row.status, ""),
            note=bare(f"{name} {verdict(row)} {transfer_range(row)}".strip()),
        )
        for row in cells
    )
    if (one.source, one.pretrain_bytes) not in named:
        # the chart of D_T has their intervals and notes
        quiet = tuple(replace(mark, low=None, high=None, note="") for mark in marks)
        return [Series(name=name, ink=ink, dots=quiet, style="quiet")] if quiet else []
    drawn = [Series(name=name, ink=ink, dots=marks, style="loose")] if marks else []
    law = one.effective
    if isinstance(law, SizeLaw) and cells:
        low, high = cells[0].finetune_bytes, cells[-1].finetune_bytes
        sizes = [low * (high / low) ** (n / _LAW_POINTS) for n in range(_LAW_POINTS + 1)]
        line = tuple(Dot(x=size, y=law.value(size) - size) for size in sizes)
        drawn.insert(0, Series(name="", ink=ink, dots=line, style="curve"))
    return drawn


def _words(sources: Sequence[Scaling], names: Names) -> str:
    said = []
    for one in sources:
        for row in (one.cells[0], one.cells[-1]):
            name = names.source(one.source, one.pretrain_bytes)
            said.append(f"{name} {verdict(row)} at {format_bytes(row.finetune_bytes)}.")
    return " ".join(dict.fromkeys(said))
