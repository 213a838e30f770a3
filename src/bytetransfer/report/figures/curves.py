"""From-scratch curves with the construction of D_E, as charts: which values stand where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Literal

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import SCRATCH, Measurement
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.order import in_colour
from bytetransfer.report.view import LearnerKey, SourceKey, View
from bytetransfer.report.wording import bare, estimated_bytes
from bytetransfer.transfer.curve import Curve
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.transfer.scratch_interval import ScratchPoint, scratch_interval
from bytetransfer.units import format_bytes

BOUNDS: dict[str, Literal["", "at_least", "at_most"]] = {
    "inside": "",
    "extrapolated": "",
    "above_range": "at_least",
    "below_range": "at_most",
}
CURVE_LEVEL = 0.95
"""Nominal coverage of the intervals of from-scratch curves."""
_CURVE_POINTS = 60


def curve_charts(view: View, target: str) -> tuple[Chart, ...]:
    """One chart a learner: the from-scratch curve and the sources' fine-tuned points.

    All learners of a target share their axes, so that they can be compared side by side.
    """
    panels = [(key, _curve_series(view, key, target)) for key in view.learners]
    panels = [(key, series) for key, series in panels if series]
    dots = [dot for _, series in panels for one in series for dot in one.dots]
    sizes = [x for dot in dots for x in (dot.x, dot.reach) if x]
    if not sizes:
        return ()
    x = Axis(
        title="bytes of target text (log scale)",
        kind="log",
        low=min(sizes),
        high=max(sizes),
        zero=any(dot.x == 0 for dot in dots),
    )
    y = _loss_axis([dot.y for dot in dots])
    return tuple(
        Chart(
            name=f"curve-{view.targets.index(target)}-{view.learners.index(key)}",
            title=f"{view.names.language(target)}, {view.names.learner(*key)}",
            description=_curve_words(series),
            x=x,
            y=y,
            series=series,
            labels="left",
        )
        for key, series in panels
    )


def _curve_series(view: View, learner: LearnerKey, target: str) -> tuple[Series, ...]:
    scratch = [
        row
        for row in view.units
        if row.source == SCRATCH and row.curve == (*learner, target) and row.target_bytes > 0
    ]
    coloured = in_colour(view, learner, target)
    return (
        *_scratch_series(view, scratch),
        *source_series(view, learner, target, coloured, lambda row: _loss_dot(view, row, coloured)),
    )


def source_series(
    view: View,
    learner: LearnerKey,
    target: str,
    coloured: frozenset[SourceKey],
    dot: Callable[[TransferEstimate], Dot],
) -> tuple[Series, ...]:
    """A series a source with estimates, those in colour on top of the quiet ones."""
    found = [
        Series(
            name=view.names.source(*source),
            ink=view.names.ink(*source),
            style="joined" if source in coloured else "quiet",
            dots=tuple(dot(row) for row in rows),
        )
        for source in view.sources
        if (rows := view.rows(learner, target=target, source=source))
    ]
    return tuple(sorted(found, key=lambda series: series.style != "quiet"))


def _scratch_series(view: View, rows: Sequence[Measurement]) -> tuple[Series, ...]:
    """Each seed's dot, the mean of the seeds with its interval, and the curve D_E is read on."""
    points = scratch_interval(rows, view.units.blocks, confidence=CURVE_LEVEL) or _means(rows)
    if not points:
        return ()
    noted = tuple(_scratch_dot(point) for point in points)
    line = _fitted([(point.size_bytes, point.bits_per_byte) for point in points])
    seeds = _dots((row.target_bytes, row.bits_per_byte) for row in rows)
    return (
        *_band(points),
        Series(name="", ink=0, style="faint", dots=seeds),
        Series(name="from scratch", ink=0, style="curve", dots=_dots(line)),
        Series(name="", ink=0, style="measured", dots=noted),
    )


def _scratch_dot(point: ScratchPoint) -> Dot:
    around = "" if point.low is None else f" ({point.low:.3f}–{point.high:.3f})"
    size = format_bytes(point.size_bytes)
    return Dot(
        x=point.size_bytes,
        y=point.bits_per_byte,
        note=f"from scratch, {size}: {point.bits_per_byte:.3f} bits per byte{around}",
    )


def _band(points: Sequence[ScratchPoint]) -> tuple[Series, ...]:
    """The interval of the curve, its ends joined as the curve itself is."""
    low = [(p.size_bytes, p.low) for p in points if p.low is not None]
    high = [(p.size_bytes, p.high) for p in points if p.high is not None]
    if not low:
        return ()
    pairs = zip(_fitted(low), _fitted(high), strict=True)
    dots = tuple(Dot(x=x, y=bottom, low=bottom, high=top) for (x, bottom), (_, top) in pairs)
    return (Series(name="", ink=0, style="band", dots=dots),)


def _means(rows: Sequence[Measurement]) -> tuple[ScratchPoint, ...]:
    """Means of the seeds there are at each size, where no seed was trained at all of them."""
    groups: dict[int, list[Measurement]] = {}
    for row in rows:
        groups.setdefault(row.size, []).append(row)
    found = (scratch_interval(groups[size], {})[0] for size in sorted(groups))
    return tuple(replace(point, low=None, high=None) for point in found)


def _fitted(means: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    try:
        curve = Curve.through([size for size, _ in means], [loss for _, loss in means])
    except MeasurementError:  # too few points for a curve: the refusal is told elsewhere
        return list(means)
    low, high = float(curve.sizes_bytes[0]), float(curve.sizes_bytes[-1])
    ratio = (high / low) ** (1 / _CURVE_POINTS)
    inner = [low * ratio**n for n in range(1, _CURVE_POINTS)]
    return [(size, curve.loss(size)) for size in (low, *inner, high)]


def _dots(pairs: Iterable[tuple[float, float]]) -> tuple[Dot, ...]:
    return tuple(Dot(x=x, y=y) for x, y in pairs)


def _loss_dot(view: View, row: TransferEstimate, coloured: frozenset[SourceKey]) -> Dot:
    """A fine-tuned loss; where its step is drawn, its note says where that ends."""
    is_stepped = (row.source, row.pretrain_bytes) in coloured
    reached = f", D_E {estimated_bytes(row.effective_bytes, row)}" if is_stepped else ""
    return Dot(
        x=row.finetune_bytes,
        y=row.bits_per_byte,
        reach=row.effective_bytes,
        bound=BOUNDS[row.status],
        note=f"{place_words(view, row)}: {row.bits_per_byte:.3f} bits per byte{reached}",
    )


def place_words(view: View, row: TransferEstimate) -> str:
    """Which point it is, for a note in a chart of one target and learner."""
    source = bare(view.names.source(row.source, row.pretrain_bytes))
    return f"{source}, {format_bytes(row.finetune_bytes)}"


def _curve_words(series: Sequence[Series]) -> str:
    """The chart in words; the table below it has every number."""
    words = []
    for one in series:
        if not one.name or not one.dots or one.style == "quiet":
            continue
        first, last = one.dots[0], one.dots[-1]
        words.append(
            f"{one.name}: from {first.y:.2f} bits per byte at {format_bytes(first.x)} "
            f"to {last.y:.2f} at {format_bytes(last.x)}."
        )
    return " ".join(words)


def _loss_axis(losses: Sequence[float]) -> Axis:
    """Logarithmic like the curve that D_E is read on; power laws become straight lines."""
    return Axis(
        title="bits per byte of held-out text (log scale)",
        kind="log",
        low=min(losses) / 1.06,
        high=max(losses) * 1.06,
        unit="number",
    )
