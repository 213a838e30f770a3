"""D_T, and its share of D_E, against D_F, as charts: which values stand where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from bytetransfer.report.figures.axes import worth_axis
from bytetransfer.report.figures.chart import Axis, Chart, Dot
from bytetransfer.report.figures.curves import BOUNDS, place_words, source_series
from bytetransfer.report.order import in_colour
from bytetransfer.report.view import LearnerKey, SourceKey, View
from bytetransfer.report.wording import estimated_bytes, fraction_text, transfer_range, verdict
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.units import format_bytes

_OPEN_SHARES = 4
_LEAST_SHARE = -1.0


def transfer_charts(view: View, learner: LearnerKey) -> tuple[Chart, ...]:
    """One chart a target: D_T against D_F, a line a source; a learner's charts share axes."""
    rows = view.rows(learner)
    if not rows:
        return ()
    return _source_charts(
        view,
        learner,
        kind="transfer",
        y=worth_axis([(row.transfer_bytes, row.transfer_low, row.transfer_high) for row in rows]),
        words=_transfer_words,
        dots=lambda view, _: lambda row: _transfer_dot(view, row),
    )


def share_charts(view: View, learner: LearnerKey) -> tuple[Chart, ...]:
    """One chart a target: D_T / D_E against D_F.

    Shares have no lower end; below −1 (D_E less than half of D_F) they stand at the lower edge.
    """
    rows = view.rows(learner)
    if not rows:
        return ()
    lowest = min(row.transfer_fraction for row in rows)
    y = Axis(
        title="D_T / D_E, share of the effective data",
        kind="linear",
        low=max(_LEAST_SHARE, min(0.0, lowest)) - 0.05,
        high=1.02,
        unit="number",
    )
    charts = _source_charts(
        view, learner, kind="share", suffix=": D_T / D_E", y=y, words=_share_words, dots=_share_dots
    )
    is_open = len(view.targets) * len(view.learners) <= _OPEN_SHARES
    return tuple(replace(chart, is_open=is_open) for chart in charts)


def _source_charts(
    view: View,
    learner: LearnerKey,
    *,
    kind: str,
    suffix: str = "",
    y: Axis,
    words: Callable[[View, LearnerKey, str], str],
    dots: Callable[[View, frozenset[SourceKey]], Callable[[TransferEstimate], Dot]],
) -> tuple[Chart, ...]:
    """One chart a target against D_F, a line a source, those that are named in colour."""
    x = _size_axis(view, learner)
    charts = []
    for number, target in enumerate(view.targets):
        if not view.rows(learner, target=target):
            continue
        named = in_colour(view, learner, target)
        charts.append(
            Chart(
                name=f"{kind}-{number}-{view.learners.index(learner)}",
                title=f"{view.names.language(target)}, {view.names.learner(*learner)}{suffix}",
                description=words(view, learner, target),
                x=x,
                y=y,
                series=source_series(view, learner, target, named, dots(view, named)),
                zero_line=True,
            )
        )
    return tuple(charts)


def _size_axis(view: View, learner: LearnerKey) -> Axis:
    sizes = [row.finetune_bytes for row in view.rows(learner)]
    return Axis(
        title="D_F, bytes of target text (log scale)",
        kind="log",
        low=min((size for size in sizes if size), default=1) / 1.15,
        high=max(max(sizes), 1) * 1.15,
        zero=0 in sizes,
        at=tuple(view.sizes(learner)),
    )


def _transfer_dot(view: View, row: TransferEstimate) -> Dot:
    around = transfer_range(row)
    return Dot(
        x=row.finetune_bytes,
        y=row.transfer_bytes,
        low=row.transfer_low,
        high=row.transfer_high,
        bound=BOUNDS[row.status],
        note=f"{place_words(view, row)}: {estimated_bytes(row.transfer_bytes, row)}"
        + (f" ({around})" if around else ""),
    )


def _share_dots(view: View, named: frozenset[SourceKey]) -> Callable[[TransferEstimate], Dot]:
    """The quiet ones are points alone: the chart of D_T has their intervals and notes."""

    def dot(row: TransferEstimate) -> Dot:
        plain = Dot(x=row.finetune_bytes, y=row.transfer_fraction, bound=BOUNDS[row.status])
        if (row.source, row.pretrain_bytes) not in named:
            return plain
        return replace(
            plain,
            low=row.transfer_fraction_low,
            high=row.transfer_fraction_high,
            note=f"{place_words(view, row)}: D_T / D_E {fraction_text(row)}",
        )

    return dot


def _transfer_words(view: View, learner: LearnerKey, target: str) -> str:
    words = []
    for row in _ends(view, learner, target):
        name = view.names.source(row.source, row.pretrain_bytes)
        words.append(f"{name} {verdict(row)} at {format_bytes(row.finetune_bytes)}.")
    return " ".join(words)


def _share_words(view: View, learner: LearnerKey, target: str) -> str:
    words = []
    for row in _ends(view, learner, target):
        name = view.names.source(row.source, row.pretrain_bytes)
        words.append(f"{name}: {fraction_text(row)} at {format_bytes(row.finetune_bytes)}.")
    return " ".join(words)


def _ends(view: View, learner: LearnerKey, target: str) -> list[TransferEstimate]:
    """The first and last estimate of each source that is named in the chart."""
    found = []
    named = in_colour(view, learner, target)
    for source in view.sources:
        if source in named:
            rows = view.rows(learner, target=target, source=source)
            found += rows[:1] + rows[1:][-1:]
    return found
