"""From estimates to charts: which values stand where. Everything is reckoned before drawing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from bytetransfer.errors import MeasurementError
from bytetransfer.measurement import SCRATCH, Measurement
from bytetransfer.report.chart import Axis, Chart, Dot, Series
from bytetransfer.report.view import LearnerKey, View
from bytetransfer.report.wording import bare, bounded_bytes, signed_bytes, transfer_range, verdict
from bytetransfer.transfer.curve import Curve
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.units import format_bytes

_CURVE_POINTS = 60
_BOUNDS: dict[str, Literal["", "at_least", "at_most"]] = {
    "inside": "",
    "extrapolated": "",
    "above_range": "at_least",
    "below_range": "at_most",
}


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
        for row in view.measurements
        if row.source == SCRATCH and row.curve == (*learner, target) and row.target_bytes > 0
    ]
    fine_tuned = [
        Series(
            name=view.names.source(*source),
            ink=view.names.ink(*source),
            dots=tuple(_loss_dot(view, row) for row in rows),
        )
        for source in view.sources
        if (rows := view.rows(learner, target=target, source=source))
    ]
    return (*_scratch_series(scratch), *fine_tuned)


def _scratch_series(rows: Sequence[Measurement]) -> tuple[Series, ...]:
    """Each seed's dot, the mean of the seeds, and the fitted curve D_E is read on."""
    means = seed_means(rows)
    if not means:
        return ()
    noted = tuple(
        Dot(x=size, y=loss, note=f"from scratch: {loss:.3f} bits per byte at {format_bytes(size)}")
        for size, loss in means
    )
    line = _fitted(means)
    return (
        Series(
            name="",
            ink=0,
            style="faint",
            dots=_dots((r.target_bytes, r.bits_per_byte) for r in rows),
        ),
        Series(name="from scratch", ink=0, style="curve", dots=_dots(line)),
        Series(name="", ink=0, style="measured", dots=noted),
    )


def seed_means(rows: Sequence[Measurement]) -> list[tuple[float, float]]:
    """Mean bytes and geometric mean loss of the seeds at each nominal size, as D_E takes them."""
    groups: dict[int, list[Measurement]] = {}
    for row in rows:
        groups.setdefault(row.size, []).append(row)
    return sorted(
        (
            math.fsum(row.target_bytes for row in group) / len(group),
            math.exp(math.fsum(math.log(row.bits_per_byte) for row in group) / len(group)),
        )
        for group in groups.values()
    )


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


def _loss_dot(view: View, row: TransferEstimate) -> Dot:
    return Dot(
        x=row.finetune_bytes,
        y=row.bits_per_byte,
        reach=row.effective_bytes,
        bound=_BOUNDS[row.status],
        note=bare(
            f"{view.names.source(row.source, row.pretrain_bytes)}: {row.bits_per_byte:.3f} bits "
            f"per byte with D_F = {format_bytes(row.finetune_bytes)}; "
            f"D_E {_equals(row.effective_bytes, row.status)}"
        ),
    )


def _curve_words(series: Sequence[Series]) -> str:
    """The chart in words; the table below it has every number."""
    words = []
    for one in series:
        if not one.name or not one.dots:
            continue
        first, last = one.dots[0], one.dots[-1]
        words.append(
            f"{one.name}: from {first.y:.2f} bits per byte at {format_bytes(first.x)} "
            f"to {last.y:.2f} at {format_bytes(last.x)}."
        )
    return " ".join(words)


def transfer_charts(view: View, learner: LearnerKey) -> tuple[Chart, ...]:
    """One chart a target: D_T against D_F, a line a source; a learner's charts share axes."""
    rows = view.rows(learner)
    if not rows:
        return ()
    sizes = [row.finetune_bytes for row in rows]
    x = Axis(
        title="D_F, bytes of target text (log scale)",
        kind="log",
        low=min((size for size in sizes if size), default=1) / 1.15,
        high=max(max(sizes), 1) * 1.15,
        zero=0 in sizes,
        at=tuple(view.sizes(learner)),
    )
    y = _signed_axis(rows)
    return tuple(
        Chart(
            name=f"transfer-{view.targets.index(target)}-{view.learners.index(learner)}",
            title=f"{view.names.language(target)}, {view.names.learner(*learner)}",
            description=_transfer_words(view, learner, target),
            x=x,
            y=y,
            series=_transfer_series(view, learner, target),
            zero_line=True,
        )
        for target in view.targets
        if view.rows(learner, target=target)
    )


def _transfer_series(view: View, learner: LearnerKey, target: str) -> tuple[Series, ...]:
    return tuple(
        Series(
            name=view.names.source(*source),
            ink=view.names.ink(*source),
            dots=tuple(_transfer_dot(view, row) for row in rows),
        )
        for source in view.sources
        if (rows := view.rows(learner, target=target, source=source))
    )


def _transfer_dot(view: View, row: TransferEstimate) -> Dot:
    around = transfer_range(row)
    return Dot(
        x=row.finetune_bytes,
        y=row.transfer_bytes,
        low=row.transfer_low,
        high=row.transfer_high,
        bound=_BOUNDS[row.status],
        note=bare(
            f"{view.names.source(row.source, row.pretrain_bytes)}, "
            f"D_F = {format_bytes(row.finetune_bytes)}: "
            f"D_T {_equals(row.transfer_bytes, row.status)}" + (f" ({around})" if around else "")
        ),
    )


def _equals(count: float, status: str) -> str:
    return bounded_bytes(count, status) if status != "inside" else f"= {signed_bytes(count)}"


def _transfer_words(view: View, learner: LearnerKey, target: str) -> str:
    words = []
    for source in view.sources:
        rows = view.rows(learner, target=target, source=source)
        for row in rows[:1] + rows[1:][-1:]:
            name = view.names.source(row.source, row.pretrain_bytes)
            words.append(f"{name} {verdict(row)} at {format_bytes(row.finetune_bytes)}.")
    return " ".join(words)


def _signed_axis(rows: Sequence[TransferEstimate]) -> Axis:
    """D_T is negative, zero and of many magnitudes at once: linear near zero, log outside."""
    ends = [row.transfer_bytes for row in rows]
    ends += [e for row in rows for e in (row.transfer_low, row.transfer_high) if e is not None]
    largest = max(1.0, *(abs(row.transfer_bytes) for row in rows))
    linear = max(1.0, 10.0 ** math.floor(math.log10(largest) - 2))
    return Axis(
        title=f"D_T, bytes (log scale beyond ±{format_bytes(linear)})",
        kind="signed_log",
        low=min(-linear, *ends) * 1.2,
        high=max(linear, *ends) * 1.2,
        linear=linear,
    )


def _loss_axis(losses: Sequence[float]) -> Axis:
    """Logarithmic like the curve that D_E is read on; power laws become straight lines."""
    return Axis(
        title="bits per byte of held-out text (log scale)",
        kind="log",
        low=min(losses) / 1.06,
        high=max(losses) * 1.06,
        unit="number",
    )
