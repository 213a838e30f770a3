"""The charts of the section on similarity: every effect, and the pairs behind one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from bytetransfer.analysis.cells import Group
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.similarity import MeasureResult, Similarity
from bytetransfer.report.analyses.phrases import p_words
from bytetransfer.report.analyses.similarity_tables import (
    amount_words,
    closer_amount,
    closer_limits,
    effect_words,
    is_log,
    learner_words,
    outcome_height,
    size_words,
)
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.wording import Names, bare, isolate

_LABELLED_SOURCES = 6
_MOST_NOTES = 100  # in a folded chart: they are most of its bytes
_SPREAD = 0.6  # of the distance between two measures, that the sizes at one share


class Finding(NamedTuple):
    """An association and where it was found."""

    found: Similarity
    measure: MeasureResult
    association: Association
    p: float  # corrected


def effect_charts(findings: Sequence[Finding], names: Names) -> tuple[Chart, ...]:
    """Every measure at every size with its interval, one chart a learner."""
    panels = itertools.groupby(findings, lambda one: learner_words(one.found.group, names))
    return tuple(
        _effect_chart(list(panel), title, number) for number, (title, panel) in enumerate(panels)
    )


def _effect_chart(findings: Sequence[Finding], learner: str, number: int) -> Chart:
    measures = list(dict.fromkeys(one.measure.measure for one in findings))
    sizes = list(dict.fromkeys(size_words(one.found) for one in findings))
    shifts = [_SPREAD * ((place + 0.5) / len(sizes) - 0.5) for place in range(len(sizes))]
    series = tuple(
        Series(
            name=size,
            ink=place + 1,
            style="loose",
            dots=tuple(
                _effect_dot(one, measures.index(one.measure.measure) + shifts[place])
                for one in findings
                if size_words(one.found) == size
            ),
        )
        for place, size in enumerate(sizes)
    )
    dots = [dot for one in series for dot in one.dots]
    ends = [end for dot in dots for end in (dot.y, dot.low, dot.high) if end is not None]
    room = 0.08 * (max(0.0, *ends) - min(0.0, *ends)) or 1.0
    of_log = is_log(findings[0].found)
    more = "D_E larger by, %" if of_log else "D_T larger by, bytes"
    return Chart(
        name=f"similarity-{number}",
        title=f"What goes with a closer source, {learner}",
        description=" ".join(f"{dot.note}." for dot in dots),
        x=Axis(
            title="measure of distance",
            kind="category",
            low=-0.5,
            high=len(measures) - 0.5,
            unit="number",
            names=tuple(bare(isolate(measure)) for measure in measures),
        ),
        y=Axis(
            title=f"{more}, for a source one standard deviation closer",
            kind="linear",
            low=min(0.0, *ends) - room,
            high=max(0.0, *ends) + room,
            unit="number" if of_log else "bytes",
        ),
        series=series,
        zero_line=True,
    )


def _effect_dot(one: Finding, place: float) -> Dot:
    low, high = closer_limits(one.association, one.found)
    around = ""
    if low is not None and high is not None:
        around = f" ({amount_words(low, one.found)} to {amount_words(high, one.found)})"
    times = "D_E times " if is_log(one.found) else "D_T more by "
    measure, size = isolate(one.measure.measure), size_words(one.found)
    effect = effect_words(one.association, one.found)
    return Dot(
        x=place,
        y=_height(closer_amount(one.association.slope, one.association, one.found), one.found),
        low=None if low is None else _height(low, one.found),
        high=None if high is None else _height(high, one.found),
        note=bare(f"{measure} at {size}: {times}{effect}{around}, corrected {p_words(one.p)}"),
    )


def _height(amount: float, found: Similarity) -> float:
    """Percent more, or bytes more."""
    return 100 * (amount - 1) if is_log(found) else amount


def scatters(findings: Sequence[Finding], names: Names) -> tuple[Chart, ...]:
    """The pairs behind every measure at the smallest size above 0 of each learner.

    What is drawn never goes by what was found. The first measure of each learner is shown at once.
    """
    shown: set[Group] = set()
    charts: list[Chart] = []
    for one in at_smallest(findings, names):
        chart = _distance_scatter(one, len(charts), names)
        is_first = one.found.group not in shown
        charts.append(chart if is_first else folded(chart))
        shown.add(one.found.group)
    return tuple(charts)


def folded(chart: Chart) -> Chart:
    """The chart as one of many: not shown at once, very many marks as dots that say nothing."""
    series = chart.series
    if sum(len(one.dots) for one in series) > _MOST_NOTES:
        series = tuple(_plain(one) if one.style == "loose" else one for one in series)
    return replace(chart, series=series, is_open=False)


def _plain(series: Series) -> Series:
    dots = tuple(replace(dot, note="") for dot in series.dots)
    return replace(series, style="measured", dots=dots)


def at_smallest(findings: Sequence[Finding], names: Names) -> list[Finding]:
    """The findings at the smallest size above 0 of each learner."""
    smallest: dict[str, int] = {}
    for one in findings:
        learner, size = learner_words(one.found.group, names), one.found.group.finetune_bytes
        if size or learner not in smallest:
            smallest[learner] = min(size, smallest.get(learner) or size)
    return [
        one
        for one in findings
        if smallest[learner_words(one.found.group, names)] == one.found.group.finetune_bytes
    ]


def _distance_scatter(finding: Finding, number: int, names: Names) -> Chart:
    found, one = finding.found, finding.association
    measure = isolate(finding.measure.measure)
    low, high = closer_limits(one, found)
    times = "D_E × " if is_log(found) else "D_T more by "
    around = ""
    if low is not None and high is not None:
        around = f" ({amount_words(low, found)} to {amount_words(high, found)})"
    return scatter(
        finding,
        names,
        name=f"similarity-scatter-{number}",
        title=f"Transfer and distance ({measure}) at D_F = {size_words(found)}, "
        f"{learner_words(found.group, names)}",
        x_title="distance, more than source and target explain",
        effect=f"one standard deviation closer: {times}{effect_words(one, found)}{around}",
    )


def scatter(
    finding: Finding, names: Names, *, name: str, title: str, x_title: str, effect: str
) -> Chart:
    """The pairs of one comparison, source and target effects removed, with the effect and its p.

    Args:
        finding: what was compared and found.
        names: what languages are called.
        name: of the chart.
        title: of the chart.
        x_title: of the horizontal axis.
        effect: the size of the effect in words.
    """
    found, one = finding.found, finding.association
    places = [pair.predictor for pair in one.pairs]
    line = tuple(
        Dot(x=x, y=outcome_height(one.slope * x, found)) for x in (min(places), max(places))
    )
    series = (Series(name="", ink=0, style="curve", dots=line), *_marks(finding, names))
    heights = [dot.y for each in series for dot in each.dots]
    left, right = _with_room(min(places), max(places), is_log=False)
    lowest, highest = _with_room(min(heights), max(heights), is_log=is_log(found))
    outcome = "D_E, as a multiple of" if is_log(found) else "D_T, in bytes more than"
    remarks = (
        f"partial correlation {one.correlation:.2f}, corrected {p_words(finding.p)}".replace(
            "-", "−"
        ),
        effect,
    )
    return Chart(
        name=name,
        title=title,
        description=f"Each mark is a pair of source and target, both variables without source and "
        f"target effects. {remarks[0][0].upper()}{remarks[0][1:]}; {effect}. The line is the "
        "fitted slope.",
        x=Axis(
            title=x_title,
            kind="linear",
            low=left,
            high=right,
            unit="number",
        ),
        y=Axis(
            title=f"{outcome} what source and target explain",
            kind="log" if is_log(found) else "linear",
            low=lowest,
            high=highest,
            unit="number" if is_log(found) else "bytes",
        ),
        series=series,
        remarks=remarks,
    )


def _with_room(low: float, high: float, *, is_log: bool) -> tuple[float, float]:
    """Ends of an axis that leave no mark on its edge."""
    if is_log:
        room = (high / low) ** 0.05
        return low / room, high * room
    room = 0.05 * (high - low)
    return low - room, high + room


def _marks(finding: Finding, names: Names) -> list[Series]:
    """A series a source, or one for all where they are many."""
    pairs = sorted(finding.association.pairs, key=lambda pair: pair.predictor)
    sources = sorted({pair.source for pair in pairs})
    if len(sources) > _LABELLED_SOURCES:
        chosen = {"": pairs}
    else:
        chosen = {source: [pair for pair in pairs if pair.source == source] for source in sources}
    return [
        Series(
            name=names.language(source) if source else "",
            ink=names.ink(source, finding.found.group.pretrain_bytes) if source else 1,
            style="loose",
            dots=tuple(
                Dot(
                    x=pair.predictor,
                    y=outcome_height(pair.outcome, finding.found),
                    note=f"{names.language(pair.source)} → {names.language(pair.target)}",
                )
                for pair in of_source
            ),
        )
        for source, of_source in chosen.items()
    ]
