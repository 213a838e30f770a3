"""Similarity as a section: do closer sources transfer more?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bytetransfer.analysis.cells import Group, Unanswered
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.similarity import MeasureResult, Similarity
from bytetransfer.report.analyses.similarity_tables import (
    amount_words,
    bounds_table,
    closer_limits,
    effect_table,
    effect_words,
    is_log,
    learner_words,
    missing_table,
    outcome_height,
    p_words,
    reason_table,
    size_words,
)
from bytetransfer.report.chart import Axis, Chart, Dot, Series
from bytetransfer.report.document import Section
from bytetransfer.report.wording import Names, isolate

_LABELLED_SOURCES = 6
_MANY_BOUNDS = 1 / 3
_LITTLE_TRANSFER = 0.1
_ALPHA = 0.05

_METHOD = (
    "How: a strong source, an easy target or a remote language moves all its pairs at once. So "
    "source and target effects are removed from transfer and from distance, and the test moves "
    "whole languages, never single pairs (MRQAP). p is two-sided and corrected for the number of "
    "measures (Holm), within one size and not over sizes. The effect is what goes with a source "
    "that is closer by one standard deviation of what is left of the distances; its interval holds "
    "every effect that the test does not reject, one measure at a time."
)
_NAIVE = (
    "The naive columns are Spearman's correlation over raw pairs, as published. It takes pairs for "
    "independent, and without any effect of distance it finds one far too often. It is there for "
    "comparison with the literature only."
)


class _Finding(NamedTuple):
    """An association and where it was found."""

    found: Similarity
    measure: MeasureResult
    association: Association
    p: float  # corrected


def similarity_section(
    results: Mapping[Group, Similarity | Unanswered],
    names: Names,
    *,
    missing: Mapping[str, Mapping[str, str]] | None = None,
    notes: Sequence[str] = (),
) -> Section:
    """What the analysis says, answer first, with a scatter plot and its tables.

    Args:
        results: by group of estimates, or why there is none.
        names: what languages and learners are called.
        missing: why a measure has no distance for a corpus, by measure and name of the corpus.
        notes: what else to say, for example which database and how large the samples were.
    """
    answered = [one for one in results.values() if isinstance(one, Similarity)]
    findings = sorted(
        (
            _Finding(found, measure, measure.association, measure.corrected_p)
            for found in answered
            for measure in found.measures
            if isinstance(measure.association, Association) and measure.corrected_p is not None
        ),
        key=lambda finding: (finding.p, -abs(finding.association.correlation)),
    )
    text = [*_answers(findings, names), *_cautions(answered, names)]
    if findings:
        text += [_METHOD, _smallest(findings), _NAIVE]
    tables = [
        effect_table(answered, names),
        bounds_table(answered, names),
        reason_table(results, names),
        missing_table(missing or {}, names),
    ]
    return Section(
        name="similarity",
        title="Do similar languages transfer more?",
        text=(*text, *notes),
        figures=(_scatter(findings[0], len(findings), names),) if findings else (),
        tables=tuple(table for table in tables if table.rows),
    )


def _answers(findings: Sequence[_Finding], names: Names) -> list[str]:
    if not findings:
        return ["No answer: no measure of distance could be compared with transfer; see the table."]
    real = [finding for finding in findings if finding.p <= _ALPHA]
    if not real:
        return [
            f"No relation was found: in none of {len(findings)} comparisons does transfer go with "
            f"distance beyond chance (smallest corrected p = {p_words(findings[0].p)}). That does "
            "not show that there is none; the intervals say which effects remain possible."
        ]
    more = [finding for finding in real if finding.association.slope < 0]
    less = len(real) - len(more)
    counted = f"{len(more)} of {len(findings)} comparisons say that closer sources transfer more"
    if less:
        counted += f", {less} that they transfer less"
    silent = len(findings) - len(real)
    rest = f"; in the other {silent} no relation was found" if silent else ""
    return [f"{counted}{rest}. " + " ".join(_said(finding, names) for finding in real[:6])]


def _said(finding: _Finding, names: Names) -> str:
    where = (
        f"{size_words(finding.found)} of target text ({learner_words(finding.found.group, names)})"
    )
    measure = isolate(finding.measure.measure)
    effect, span = effect_words(finding.association, finding.found), _span(finding)
    goes = "goes with a D_E" if is_log(finding.found) else "goes with a D_T"
    amount = f"{effect} times as large" if is_log(finding.found) else f"larger by {effect}"
    return (
        f"With {where}, a source closer by one standard deviation ({measure}) {goes} "
        f"{amount} ({span}; p = {p_words(finding.p)})."
    )


def _cautions(answered: Sequence[Similarity], names: Names) -> list[str]:
    text = []
    for found in answered:
        where = f"{size_words(found)} ({learner_words(found.group, names)})"
        if found.censored:
            heavy = found.censored > _MANY_BOUNDS * found.pairs
            text.append(
                f"At {where}, {found.censored} of {found.pairs} estimates are bounds and were left "
                "out; the table of bounds takes each for its value instead."
                + (" So many are missing that neither can be relied on." if heavy else "")
            )
        if abs(found.transfer_fraction) < _LITTLE_TRANSFER and is_log(found):
            text.append(
                f"At {where}, pretraining is {found.transfer_fraction:.0%} of D_E in the median: "
                "the rest is D_F, the same for all sources, so log D_E can hardly differ."
            )
    return text


def _smallest(findings: Sequence[_Finding]) -> str:
    """What the permutations were of, and what they can show at most."""
    kinds = sorted({(one.association.moved, one.association.exact) for one in findings})
    words = {
        "languages": "whole languages, as source and as target together",
        "targets": "target labels",
        "both": "source labels and target labels",
    }
    how = "; ".join(
        f"{words[moved]}, {'all arrangements' if exact else 'at random'}" for moved, exact in kinds
    )
    smallest = max(one.association.smallest_p for one in findings)
    return (
        f"Permuted were {how}. The smallest p that could be found is {p_words(smallest)} before "
        + (
            "correction."
            if smallest <= _ALPHA
            else "correction: so few languages can never show a relation at the 5 % level."
        )
    )


def _span(finding: _Finding) -> str:
    low, high = closer_limits(finding.association, finding.found)
    if low is None or high is None:
        return "no interval: too few arrangements"
    level = f"{finding.association.level:.0%}".replace("%", " %")
    first, last = amount_words(low, finding.found), amount_words(high, finding.found)
    return f"{level} interval {first} to {last}"


def _scatter(finding: _Finding, count: int, names: Names) -> Chart:
    """The comparison with the smallest corrected p, as residuals."""
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
        f"{learner_words(found.group, names)}: the smallest p of {count} comparisons",
        description=f"Each mark is a pair of source and target, both variables without source and "
        f"target effects. Partial correlation {one.correlation:.2f}, corrected p = "
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


def _marks(finding: _Finding, names: Names) -> list[Series]:
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
