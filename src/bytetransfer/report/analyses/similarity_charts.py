"""The charts of the section on similarity: every effect, and the pairs behind one."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

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
from bytetransfer.report.chart import Axis, Chart, Dot, Series
from bytetransfer.report.wording import Names, bare, isolate

_LABELLED_SOURCES = 6
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


def scatter_of_first(findings: Sequence[Finding], names: Names) -> tuple[Chart, ...]:
    """The pairs behind the first measure, at the smallest size above 0; whatever was found."""
    sized = [one for one in findings if one.found.group.finetune_bytes] or list(findings)
    if not sized:
        return ()
    return (_scatter(min(sized, key=lambda one: one.found.group.finetune_bytes), names),)


def _scatter(finding: Finding, names: Names) -> Chart:
    """The pairs of one comparison, as residuals."""
    found, one = finding.found, finding.association
    places = [pair.predictor for pair in one.pairs]
    line = tuple(
        Dot(x=x, y=outcome_height(one.slope * x, found)) for x in (min(places), max(places))
    )
    series = (Series(name="", ink=0, style="curve", dots=line), *_marks(finding, names))
    heights = [dot.y for each in series for dot in each.dots]
    measure = isolate(finding.measure.measure)
    outcome = "D_E, as a multiple of" if is_log(found) else "D_T, in bytes more than"
    return Chart(
        name="similarity-scatter",
        title=f"Transfer and distance ({measure}) at D_F = {size_words(found)}, "
        f"{learner_words(found.group, names)}",
        description=f"Each mark is a pair of source and target, both variables without source and "
        f"target effects. Partial correlation {one.correlation:.2f}, corrected "
        f"{p_words(finding.p)}; the line is the fitted slope.",
        x=Axis(
            title=f"distance ({measure}), more than source and target explain",
            kind="linear",
            low=min(places),
            high=max(places),
            unit="number",
        ),
        y=Axis(
            title=f"{outcome} what source and target explain",
            kind="log" if is_log(found) else "linear",
            low=min(heights),
            high=max(heights),
            unit="number" if is_log(found) else "bytes",
        ),
        series=series,
    )


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
