"""The section on contamination: foreign lines in the corpora, and whether transfer follows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.contamination import (
    FLAGGED_SHARE,
    UNDECIDED,
    Exposure,
    Proportion,
    Reading,
    by_corpus,
)
from bytetransfer.analysis.counterfactual import Counterfactual
from bytetransfer.analysis.decomposition import Undecided
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.similarity import MeasureResult, Similarity
from bytetransfer.report.analyses.contamination_tables import (
    DIRECTIONS,
    between,
    effect_table,
    example_table,
    exposure_table,
    limits_text,
    percent,
    sampling_words,
    share_table,
)
from bytetransfer.report.analyses.counterfactual import (
    counterfactual_table,
    counterfactual_words,
)
from bytetransfer.report.analyses.phrases import (
    ERR_ALIKE,
    SIGNIFICANT,
    factor_text,
    group_title,
    p_words,
)
from bytetransfer.report.analyses.similarity_charts import (
    Finding,
    at_smallest,
    folded,
    scatter,
)
from bytetransfer.report.document import Section
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.wording import Names, bare, count, shorten
from bytetransfer.units import format_bytes

_RECOGNISED = 0.5


def contamination_section(
    readings: Sequence[Reading | Unanswered],
    transfer: Sequence[Similarity | Unanswered],
    held: Sequence[Exposure],
    names: Names,
    *,
    examples: Mapping[str, Sequence[str]] | None = None,
    without: Sequence[Counterfactual | Undecided] = (),
) -> Section:
    """What the corpora hold beside their own languages and whether transfer goes with it.

    Args:
        readings: of each corpus by each detector (`read_shares`).
        transfer: for each group of estimates (`follow_contamination`).
        held: target text in the pretraining of each pair (`exposures`).
        names: what to call corpora and learners.
        examples: text of flagged documents by corpus; shown shortened and escaped.
        without: sources over themselves without foreign lines (`counterfactuals`).
    """
    read = [one for one in readings if isinstance(one, Reading)]
    reasons = [one.reason for one in (*readings, *transfer) if isinstance(one, Unanswered)]
    answered = [one for one in transfer if isinstance(one, Similarity)]
    judged = [one for one in read if one.foreign is not None]
    tables = (
        share_table(read, names),
        effect_table(answered, names),
        counterfactual_table(without, names),
        exposure_table(held, names),
        example_table(examples or {}, names),
    )
    return Section(
        name="contamination",
        title="Are the corpora what they are called?",
        text=(
            _foreign_words(judged, names),
            *_unrecognised_words(judged, names),
            *_followed(answered),
            *_unanswered_words(answered),
            *_exposure_words(held, names),
            *_reading_words(read),
            *(f"Not answered: {shorten(reason, 400)}." for reason in dict.fromkeys(reasons)),
        ),
        further=(*_transfer_words(answered, names), *counterfactual_words(without, names)),
        figures=(*((_chart(judged, names),) if judged else ()), *_scatters(answered, names)),
        tables=tuple(table for table in tables if table.rows),
    )


def _foreign_span(readings: Sequence[Reading]) -> tuple[float, float]:
    values = [one.foreign.of_bytes.value for one in readings if one.foreign is not None]
    return min(values), max(values)


def _foreign_words(readings: Sequence[Reading], names: Names) -> str:
    if not readings:
        return "No corpus could be read: none has a language that a detector knows."
    spans = {corpus: _foreign_span(rows) for corpus, rows in by_corpus(readings).items()}
    worst = max(spans, key=lambda corpus: spans[corpus][1])
    low, high = spans[worst]
    if not high:
        where = f"any of the {len(spans)} corpora" if len(spans) > 1 else "the corpus"
        return f"No foreign line was found in {where}."
    flagged = {c: max(r.flagged for r in rows) for c, rows in by_corpus(readings).items()}
    words = (
        f"The corpus with most foreign lines is {names.language(worst)}: {between(low, high)} of "
        f"its bytes{', depending on the detector' if low != high else ''}."
    )
    if len(spans) > 1:
        others = max(high for corpus, (_, high) in spans.items() if corpus != worst)
        words += f" In the others it is at most {percent(others)}."
    return words + (
        f" In {sum(flagged.values()):,} of the documents that were read, foreign lines are "
        f"{percent(FLAGGED_SHARE)} of the bytes or more."
    )


def _unrecognised_words(readings: Sequence[Reading], names: Names) -> tuple[str, ...]:
    """Corpora of which no detector knows most: their small foreign share says nothing."""
    least = {
        corpus: max(one.share(str(one.language)).of_bytes.value for one in rows)
        for corpus, rows in by_corpus(readings).items()
    }
    unknown = {corpus: share for corpus, share in least.items() if share < _RECOGNISED}
    if not unknown:
        return ()
    said = ", ".join(f"{names.language(name)} ({percent(own)})" for name, own in unknown.items())
    return (
        "Of these corpora no detector recognises even half of the bytes as their language: "
        f"{said}. What is not foreign there is undecided, and nothing follows from a small foreign "
        "share.",
    )


def _reading_words(readings: Sequence[Reading]) -> tuple[str, ...]:
    if not readings:
        return ()
    detectors = sorted({one.detector for one in readings})
    undecided = max(one.share(UNDECIDED).of_bytes.value for one in readings)
    words = [
        "Lines that are too short or too uncertain for a decision count as undecided and stay in "
        f"the total; of the bytes of a corpus they are at most {percent(undecided)}. Detectors "
        "err on closely related languages, so that a percent of Galician in Spanish text may be "
        "Spanish."
    ]
    if len(detectors) > 1:
        words.append(
            f"The detectors are {' and '.join(detectors)}. What lies between their two shares is a "
            "difference of opinion, not a confidence interval."
        )
    if any(one.is_sample for one in readings):
        level = percent(readings[0].level)
        words.append(
            f"Where part of a corpus was read, brackets hold the share of the whole with {level} "
            "confidence, as far as drawing documents goes; a detector's errors are not in it."
        )
    return tuple(words)


def _transfer_words(found: Sequence[Similarity], names: Names) -> tuple[str, ...]:
    """One paragraph a group: what ten times the contamination goes with."""
    said = []
    for one in found:
        effects = [words for each in one.measures if (words := _effect_words(each))]
        if not effects:
            continue
        words = f"{group_title(one.group, names)}: {'; '.join(effects)}."
        if one.censored:
            bounds = count(one.censored, "is a bound", "are bounds")
            words += f" Of {count(one.pairs, 'estimate')}, {bounds} and left out."
        said.append(words)
    return tuple(said)


def _followed(found: Sequence[Similarity]) -> tuple[str, ...]:
    """In how many comparisons transfer goes with contamination beyond chance."""
    tests = [
        (each.association.slope, each.corrected_p or 0.0)
        for one in found
        for each in one.measures
        if isinstance(each.association, Association)
    ]
    if not tests:
        return ()
    real = [slope for slope, p in tests if p <= SIGNIFICANT]
    more = sum(slope > 0 for slope in real)
    return (
        f"Transfer goes with contamination beyond chance in {len(real)} of "
        f"{count(len(tests), 'comparison')} (a learner, a size, a direction and a detector): more "
        f"of the other language goes with more transfer in {more}, with less in "
        f"{len(real) - more}. Detectors take kin for each other, so that this may be likeness and "
        f"not contamination. The test moves target labels (MRQAP). {ERR_ALIKE}",
    )


def _unanswered_words(found: Sequence[Similarity]) -> tuple[str, ...]:
    """What has no answer, each reason once."""
    missing = [(_share_words(each), each.association) for one in found for each in one.measures]
    reasons: dict[str, list[str]] = {}
    for share, answer in missing:
        if isinstance(answer, Unanswered) and share not in reasons.setdefault(answer.reason, []):
            reasons[answer.reason].append(share)
    return tuple(
        f"Not answered for {'; '.join(shares)}: {shorten(reason, 300)}."
        for reason, shares in reasons.items()
    )


def _share_words(result: MeasureResult) -> str:
    direction, _, detector = result.measure.partition(", ")
    return f"{DIRECTIONS.get(direction, direction)} ({detector})"


def _effect_words(result: MeasureResult) -> str:
    if isinstance(result.association, Unanswered):
        return ""
    p = result.corrected_p if result.corrected_p is not None else result.association.p
    verdict = "goes with" if p <= SIGNIFICANT else "cannot be told from no effect; it goes with"
    factor = factor_text(math.exp(result.association.slope))
    effect = f"{factor} times the D_E{limits_text(result.association)}"
    return f"ten times as much of {_share_words(result)} {verdict} {effect}, corrected {p_words(p)}"


def _scatters(found: Sequence[Similarity], names: Names) -> tuple[Chart, ...]:
    """The pairs behind every share at the smallest size above 0 of each learner."""
    findings = [
        Finding(one, each, each.association, each.corrected_p)
        for one in found
        for each in one.measures
        if isinstance(each.association, Association) and each.corrected_p is not None
    ]
    charts = (
        scatter(
            finding,
            names,
            name=f"contamination-scatter-{number}",
            title=f"Transfer and {_share_words(finding.measure)}, "
            f"{group_title(finding.found.group, names)}",
            x_title="log10 of the share, more than source and target explain",
            effect=f"ten times the share: D_E × {factor_text(math.exp(finding.association.slope))}"
            f"{limits_text(finding.association)}",
        )
        for number, finding in enumerate(at_smallest(findings, names))
    )
    return tuple(folded(chart) if number else chart for number, chart in enumerate(charts))


def _exposure_words(held: Sequence[Exposure], names: Names) -> tuple[str, ...]:
    known = [one for one in held if one.estimate.status == "inside"]
    if not known:
        return ()
    more = sum(one.estimate.transfer_bytes > one.most_bytes for one in known)
    most = max(known, key=lambda one: one.most_bytes)
    pair = f"{names.language(most.estimate.source)} → {names.language(most.estimate.target)}"
    low, high = format_bytes(most.least_bytes), format_bytes(most.most_bytes)
    size = high if low == high else f"{low} to {high}"
    return (
        f"Pretraining held {size} of the target's language where it held most ({pair}). "
        f"D_T is larger than what was held in {more} of the "
        f"{count(len(known), 'estimate')} of two languages without a bound.",
    )


def _chart(readings: Sequence[Reading], names: Names) -> Chart:
    """Foreign share of each corpus, a marker a detector, side by side."""
    corpora = list(by_corpus(readings))
    detectors = list(dict.fromkeys(one.detector for one in readings))
    step = 0.5 / len(detectors)
    series = tuple(
        Series(
            name=detector,
            ink=number + 1,
            style="loose",
            dots=tuple(
                _dot(one.foreign.of_bytes, corpora.index(one.corpus) + shift, one, names)
                for one in readings
                if one.detector == detector and one.foreign is not None
            ),
        )
        for number, detector in enumerate(detectors)
        for shift in [(number + 0.5) * step - 0.25]
    )
    dots = [dot for one in series for dot in one.dots]
    top = 1.05 * max(max(dot.y, dot.high or 0) for dot in dots) or 1.0
    return Chart(
        name="contamination",
        title="Foreign lines, percent of the bytes of each corpus",
        description=" ".join(f"{dot.note}." for dot in dots),
        x=Axis(
            title="corpus",
            kind="category",
            low=-0.5,
            high=len(corpora) - 0.5,
            unit="number",
            names=tuple(bare(names.language(corpus)) for corpus in corpora),
        ),
        y=Axis(title="percent of bytes", kind="linear", low=0, high=top, unit="number"),
        series=series,
    )


def _dot(share: Proportion, x: float, reading: Reading, names: Names) -> Dot:
    limits = f" ({sampling_words(share)})" if share.low is not None else ""
    name = f"{names.language(reading.corpus)}, {reading.detector}"
    return Dot(
        x=x,
        y=100 * share.value,
        low=None if share.low is None else 100 * share.low,
        high=None if share.high is None else 100 * share.high,
        note=bare(f"{name}: {percent(share.value)} foreign{limits}"),
    )
