"""Similarity as a section: do closer sources transfer more?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bytetransfer.analysis.cells import Group, Unanswered
from bytetransfer.analysis.language_map import NoTest
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.pair_table import Scheme
from bytetransfer.analysis.similarity import Similarity
from bytetransfer.report.analyses.phrases import (
    ERR_ALIKE,
    SIGNIFICANT,
    p_text,
    p_words,
    percent_text,
)
from bytetransfer.report.analyses.similarity_charts import (
    Finding,
    effect_charts,
    scatters,
)
from bytetransfer.report.analyses.similarity_tables import (
    amount_words,
    bounds_table,
    closer_limits,
    effect_table,
    effect_words,
    is_log,
    learner_words,
    missing_table,
    reason_table,
    size_words,
)
from bytetransfer.report.document import Section
from bytetransfer.report.wording import Names, count, isolate

_SAID = 6  # findings in words
_MANY_BOUNDS = 1 / 3
_LITTLE_TRANSFER = 0.1

_METHOD = (
    "How: a strong source, an easy target or a remote language moves all its pairs at once. So "
    "source and target effects are removed from transfer and from distance. p is two-sided and "
    "corrected for the number of measures (Holm), within one size and not over sizes. The effect "
    "is what goes with a source that is closer by one standard deviation of what is left of the "
    "distances; its interval holds every effect that the test does not reject, one measure at a "
    "time."
)
_TESTS: Mapping[Scheme, str] = {
    "signs": "The test keeps to patterns over the map that the distances span and draws their "
    "signs (Moran spectral randomisation), because close languages err alike, where a test that "
    "moves whole languages (MRQAP) finds relations that are not there.",
    "languages": "The test moves whole languages, as source and as target together (MRQAP).",
    "targets": "The test moves target labels (MRQAP).",
    "both": "The test moves source labels and target labels (MRQAP).",
}
_NAIVE = (
    "The naive columns are Spearman's correlation over raw pairs, as published. It takes pairs for "
    "independent, and without any effect of distance it finds one far too often. It is there for "
    "comparison with the literature only."
)


def similarity_section(
    results: Mapping[Group, Similarity | Unanswered],
    names: Names,
    *,
    missing: Mapping[str, Mapping[str, str]] | None = None,
    notes: Sequence[str] = (),
) -> Section:
    """What the analysis says, answer first, with all effects drawn and their tables.

    What is drawn never goes by what was found: every measure at every size in one chart a learner,
    and the pairs behind every measure at the smallest size above 0 that has an answer.

    Args:
        results: by group of estimates, or why there is none.
        names: what languages and learners are called.
        missing: why a measure has no distance for a corpus, by measure and name of the corpus.
        notes: what else to say, for example which database and how large the samples were.
    """
    answered = [one for one in results.values() if isinstance(one, Similarity)]
    drawn = [
        Finding(found, measure, measure.association, measure.corrected_p)
        for found in answered
        for measure in found.measures
        if isinstance(measure.association, Association) and measure.corrected_p is not None
    ]
    findings = sorted(drawn, key=lambda one: (one.p, -abs(one.association.correlation)))
    untested = [
        measure.association
        for found in answered
        for measure in found.measures
        if isinstance(measure.association, NoTest)
    ]
    text = [*_answers(findings, untested), *_cautions(answered, names)]
    if findings:
        text += [_METHOD, _test_words(findings), _smallest(findings), _NAIVE]
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
        further=_found(findings, names),
        figures=(*effect_charts(drawn, names), *scatters(drawn, names)),
        tables=tuple(table for table in tables if table.rows),
    )


def _answers(findings: Sequence[Finding], untested: Sequence[NoTest]) -> list[str]:
    if not findings and untested:
        return [
            f"No test is valid for these languages, so there is no p and no answer: "
            f"{untested[0].reason}."
        ]
    if not findings:
        return ["No answer: no measure of distance could be compared with transfer; see the table."]
    said = [_relations(findings)]
    if _best(findings)[0] > SIGNIFICANT:
        said.insert(0, "So few languages can never show a relation at 5 %.")
    if untested:
        said.append(
            f"For {count(len(untested), 'further comparison')} no test is valid; see the table."
        )
    return said


def _relations(findings: Sequence[Finding]) -> str:
    real = [finding for finding in findings if finding.p <= SIGNIFICANT]
    if not real:
        return (
            f"No relation was found: in none of {count(len(findings), 'comparison')} does transfer "
            f"go with distance beyond chance (smallest corrected {p_words(findings[0].p)}). That "
            "does not show that there is none; intervals say which effects remain possible."
        )
    more = [finding for finding in real if finding.association.slope < 0]
    less = len(real) - len(more)
    counted = f"In {len(more)} of {count(len(findings), 'comparison')} closer sources transfer more"
    if less:
        counted += f", in {less} they transfer less"
    silent = len(findings) - len(real)
    others = "the other one" if silent == 1 else f"the other {silent}"
    rest = f"; in {others} no relation was found" if silent else ""
    return f"{counted}{rest}."


def _found(findings: Sequence[Finding], names: Names) -> tuple[str, ...]:
    """The relations that were found, those with the smallest p first."""
    real = [finding for finding in findings if finding.p <= SIGNIFICANT]
    said = [_said(finding, names) for finding in real[:_SAID]]
    if len(real) > _SAID:
        said.append(f"{count(len(real) - _SAID, 'more stands', 'more stand')} in the table.")
    return tuple(said)


def _said(finding: Finding, names: Names) -> str:
    where = (
        f"{size_words(finding.found)} of target text ({learner_words(finding.found.group, names)})"
    )
    measure = isolate(finding.measure.measure)
    effect, span = effect_words(finding.association, finding.found), _span(finding)
    goes = "goes with a D_E" if is_log(finding.found) else "goes with a D_T"
    amount = f"{effect} times as large" if is_log(finding.found) else f"larger by {effect}"
    return (
        f"With {where}, a source closer by one standard deviation ({measure}) {goes} "
        f"{amount} ({span}; {p_words(finding.p)})."
    )


def _cautions(answered: Sequence[Similarity], names: Names) -> list[str]:
    text = []
    for found in answered:
        if not found.censored:
            continue
        heavy = found.censored > _MANY_BOUNDS * found.pairs
        text.append(
            f"At {_where(found, names)}, of {count(found.pairs, 'estimate')} "
            f"{count(found.censored, 'is a bound and was', 'are bounds and were')} left out; the "
            "table of bounds takes each for its value instead."
            + (" So many are missing that neither can be relied on." if heavy else "")
        )
    little = [one for one in answered if abs(one.transfer_fraction) < _LITTLE_TRANSFER]
    said = [
        f"{_signed_percent(one.transfer_fraction)} % at {_where(one, names)}"
        for one in little
        if is_log(one)
    ]
    if said:
        text.append(
            f"Pretraining is little of D_E in the median: {'; '.join(said)}. The rest is D_F, the "
            "same for all sources, so log D_E can hardly differ."
        )
    return text


def _where(found: Similarity, names: Names) -> str:
    return f"{size_words(found)} ({learner_words(found.group, names)})"


def _test_words(findings: Sequence[Finding]) -> str:
    """Which tests were used and why."""
    kinds = sorted({one.association.moved for one in findings})
    said = [_TESTS[kind] + ("" if kind == "signs" else f" {ERR_ALIKE}") for kind in kinds]
    return " ".join(said)


def _best(findings: Sequence[Finding]) -> tuple[float, float, int]:
    """The smallest p there could be after correction; before it; over how many measures."""
    counts = Counter(one.found.group for one in findings)
    easiest = min(findings, key=lambda one: one.association.smallest_p * counts[one.found.group])
    smallest, tested = easiest.association.smallest_p, counts[easiest.found.group]
    return min(1.0, smallest * tested), smallest, tested


def _smallest(findings: Sequence[Finding]) -> str:
    """What chance was made of, and what it can show at most."""
    best, smallest, tested = _best(findings)
    kinds = {one.association.exact for one in findings}
    how = "all there are, or some at random where these are many"
    if len(kinds) == 1:
        how = "all there are" if True in kinds else "some at random"
    said = f"Arrangements compared: {how}. The smallest p that could be found is {p_text(smallest)}"
    if tested > 1:
        said += f", {p_text(best)} after correction for {count(tested, 'measure')}"
    return f"{said}."


def _signed_percent(share: float) -> str:
    return ("−" if share < 0 else "") + percent_text(abs(share))


def _span(finding: Finding) -> str:
    low, high = closer_limits(finding.association, finding.found)
    if low is None or high is None:
        return "no interval: too few arrangements"
    level = f"{finding.association.level:.0%}".replace("%", " %")
    first, last = amount_words(low, finding.found), amount_words(high, finding.found)
    return f"{level} interval {first} to {last}"
