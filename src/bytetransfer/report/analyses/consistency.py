"""The section on consistency: whether different sources are worth the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.consistency import Consistency, Noise
from bytetransfer.analysis.equivalence import Equivalence, TargetSources
from bytetransfer.analysis.variance import Component
from bytetransfer.report.analyses.consistency_tables import (
    equivalence_table,
    spread_table,
    variance_table,
)
from bytetransfer.report.analyses.phrases import (
    SIGNIFICANT,
    factor_text,
    group_title,
    noise_words,
    percent_text,
)
from bytetransfer.report.document import Section
from bytetransfer.report.figures.axes import Span, worth_axis
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.order import ALL_IN_COLOUR
from bytetransfer.report.wording import (
    Names,
    bare,
    count,
    estimated_bytes,
    shorten,
    transfer_range,
)
from bytetransfer.transfer.estimate import TransferEstimate

_MOSTLY = 0.5
_SPREAD = 0.6  # of the room that a target has, for its sources
_BAND = 0.8  # of the room that a target has
_BOUNDS: dict[str, Literal["at_least", "at_most"]] = {
    "above_range": "at_least",
    "below_range": "at_most",
}


def consistency_section(results: Sequence[Consistency | Unanswered], names: Names) -> Section:
    """Whether different sources are worth the same, one paragraph and chart a group.

    Args:
        results: of each group of estimates (`consistency`).
        names: what to call sources, targets and learners.
    """
    answered = [one for one in results if isinstance(one, Consistency)]
    reasons = dict.fromkeys(one.reason for one in results if isinstance(one, Unanswered))
    tables = (
        equivalence_table(answered, names),
        spread_table(answered, names),
        variance_table(answered, names),
    )
    return Section(
        name="consistency",
        title="Are different sources worth the same?",
        text=(
            *((_answer(answered), *_GENERAL) if answered else ()),
            *_undivided_words(answered, names),
            *_little_words(answered, names),
            *_unknown_noise_words(answered, names),
            *(f"Not answered: {shorten(reason, 400)}." for reason in reasons),
        ),
        further=tuple(_group_words(one, names) for one in answered),
        figures=tuple(_chart(one, number, names) for number, one in enumerate(answered)),
        tables=tuple(table for table in tables if table.rows),
    )


_GENERAL = (
    "“Not significantly different” does not mean “the same”: with enough noise nothing differs "
    "significantly. So sources are called alike only where the opposite, that some two of them are "
    "further apart than the factor, is rejected. Sources can be both alike within the factor and "
    "different; where they are neither, the data do not decide. p values are Holm-corrected over "
    "the targets of a size. In the figures grey bands are the factor wide, midway between the "
    "smallest and the largest D_T that are compared: where a mark lies outside, the D_T that were "
    "measured are further apart than that; of many sources those left out are grey dots. All "
    "sources of a target are read on one from-scratch curve; both tests ignore that, which makes "
    "them cautious.",
)


def _answer(answered: Sequence[Consistency]) -> str:
    """All sizes together: how often sources are shown to be alike, and to differ."""
    targets = [one for found in answered for one in found.targets]
    answers = _answers(targets)
    if not answers:
        words = "Whether different sources are worth the same has no answer here"
        if any(one.without_interval for one in targets):
            return (
                f"{words}: estimates without an interval (one seed, no test documents) can be "
                "compared only under a declared noise of log D_E, and none was declared."
            )
        return f"{words}: no target has two sources whose D_T is surely above 0."
    alike = [one for one, answer in answers if _is_alike(answer)]
    whole = sum(not one.left_out for one in alike)
    different = sum(_is_different(answer) for _, answer in answers)
    factor = f"{answered[0].factor:.15g}"
    return (
        f"{noise_words(answered[0].declared_noise)}All sources of a target are shown to be within "
        f"a factor {factor} of each other in D_T in {whole} of {count(len(targets), 'case')} "
        "(a target at one size), and those that can be compared in "
        f"{len(alike) - whole} more. They are shown to differ in {different}."
    )


def _answers(targets: Sequence[TargetSources]) -> list[tuple[TargetSources, Equivalence]]:
    return [(one, one.answer) for one in targets if isinstance(one.answer, Equivalence)]


def _is_alike(answer: Equivalence) -> bool:
    return answer.corrected_equivalent <= SIGNIFICANT


def _is_different(answer: Equivalence) -> bool:
    return answer.corrected_different <= SIGNIFICANT


def _group_words(found: Consistency, names: Names) -> str:
    words = [
        f"{group_title(found.group, names)}:",
        *_test_words(found, names),
        *_left_out_words(found),
        *_variance_words(found),
        *_arithmetic_words(found),
    ]
    return " ".join(words)


def _test_words(found: Consistency, names: Names) -> tuple[str, ...]:
    answers = _answers(found.targets)
    if not answers:
        return ()
    widest = max(answers, key=lambda pair: pair[1].within)
    return (
        f"{_verdict_words(found, names)} For {names.language(widest[0].target)} the largest D_T "
        f"may truly be up to {factor_text(widest[1].within)} times the smallest "
        f"({100 * found.level:g} % confidence).",
    )


def _verdict_words(found: Consistency, names: Names) -> str:
    """For how many targets the sources are what; of a single one, what they are."""
    answers = _answers(found.targets)
    alike = {one.target for one, answer in answers if _is_alike(answer)}
    different = {one.target for one, answer in answers if _is_different(answer)}
    counts = {
        "alike": len(alike - different),
        "alike and yet different": len(alike & different),
        "different": len(different - alike),
        "undecided": len(answers) - len(alike | different),
    }
    if len(answers) == 1:
        (said,) = (words for words, number in counts.items() if number)
        (one, _), sources = answers[0], count(len(answers[0][0].compared), "source")
        return f"the {sources} of {names.language(one.target)} that can be compared are {said}."
    said = ", ".join(f"{words} for {number}" for words, number in counts.items() if number)
    few = len(found.targets) - len(answers)
    others = f"; {count(few, 'more has', 'more have')} too few to compare" if few else ""
    return f"sources that can be compared are {said} of {len(answers)} targets{others}."


def _left_out_words(found: Consistency) -> tuple[str, ...]:
    """What "the sources" leaves out: those that are worth nothing are hardly like the others."""
    without = sum(len(one.without_interval) for one in found.targets)
    counts = (
        (sum(len(one.not_positive) for one in found.targets), "with a D_T not surely above 0"),
        (found.bounds, "with only a bound"),
        # that none has an interval is said once for all groups
        (without if without < len(found.estimates) else 0, "without an interval on both sides"),
    )
    said = [f"{number} {words}" for number, words in counts if number]
    if not said:
        return ()
    total = count(len(found.estimates), "estimate")
    return (f"Not compared are, of {total}, {' and '.join(said)}.",)


def _variance_words(found: Consistency) -> tuple[str, ...]:
    if isinstance(found.variances, Unanswered):
        return ()
    parts = found.variances
    return (
        f"Of the variance of log D_E, {_share(parts.target)} belongs to targets, "
        f"{_share(parts.source)} to sources and {_share(parts.residual)} to neither (what is "
        f"peculiar to a pair, and noise).{_noise_words(found.noise, parts.residual)}",
    )


def _noise_words(noise: Noise | None, residual: Component) -> str:
    if noise is None:
        return ""
    kind = "declared" if noise.declared else "measured"
    share = percent_text(min(1.0, noise.variance / residual.variance))
    return f" At most {share} % of the last is {kind} noise."


def _undivided_words(answered: Sequence[Consistency], names: Names) -> tuple[str, ...]:
    """Why the variance is not divided, each reason once with the groups it holds for."""
    groups: dict[str, list[str]] = {}
    for one in answered:
        if isinstance(one.variances, Unanswered):
            reason = shorten(one.variances.reason, 300)
            groups.setdefault(reason, []).append(group_title(one.group, names))
    return tuple(
        "The variance of log D_E is not divided"
        + ("" if len(titles) == len(answered) else f" ({'; '.join(titles)})")
        + f": {reason}."
        for reason, titles in groups.items()
    )


def _unknown_noise_words(answered: Sequence[Consistency], names: Names) -> tuple[str, ...]:
    """Once for all groups whose residual may be noise or not."""
    unknown = [
        one for one in answered if one.noise is None and not isinstance(one.variances, Unanswered)
    ]
    if not unknown:
        return ()
    where = (
        ""
        if len(unknown) == len(answered)
        else " (" + "; ".join(group_title(one.group, names) for one in unknown) + ")"
    )
    return (
        "How much of what belongs to neither is noise is unknown, as the estimates have no "
        f"intervals{where}.",
    )


def _arithmetic_words(found: Consistency) -> tuple[str, ...]:
    fraction, effect = found.transfer_fraction, found.effect_of_factor
    if fraction is None or effect is None:
        return ()
    if fraction <= 0:
        return ("In the median, D_T is not above 0.",)
    times = f"{found.factor:.15g}"
    return (
        f"In the median, D_T is {percent_text(fraction)} % of D_E, so that {times} times "
        f"the D_T would be {factor_text(effect)} times the D_E.",
    )


def _little_words(answered: Sequence[Consistency], names: Names) -> tuple[str, ...]:
    """Once for all groups in which D_E is mostly D_F."""
    little = [
        group_title(one.group, names)
        for one in answered
        if one.transfer_fraction is not None and 0 < one.transfer_fraction < _MOSTLY
    ]
    if not little:
        return ()
    where = "" if len(little) == len(answered) else f" ({'; '.join(little)})"
    return (
        f"Where D_T is less than half of D_E{where}, that D_E depends little on the source is "
        "arithmetic and not a finding.",
    )


def _share(part: Component) -> str:
    low, high = percent_text(part.share_low), percent_text(part.share_high)
    return f"{percent_text(part.share)} % ({low}–{high})"


def _chart(found: Consistency, number: int, names: Names) -> Chart:
    """D_T of every source, side by side above the name of the target."""
    targets = sorted({row.target for row in found.estimates})
    series = _series(found, targets, names)
    bands = tuple(
        band for one in found.targets for band in _band(found, one, targets.index(one.target))
    )
    spans: list[Span] = [(dot.y, dot.low, dot.high) for one in series for dot in one.dots]
    edges = [edge for one in bands for dot in one.dots for edge in (dot.low, dot.high)]
    spans += [(edge, None, None) for edge in edges if edge is not None]
    return Chart(
        name=f"consistency-{number}",
        title=group_title(found.group, names),
        description=" ".join(f"{dot.note}." for one in series for dot in one.dots if dot.note),
        x=Axis(
            title="target",
            kind="category",
            low=-0.5,
            high=len(targets) - 0.5,
            unit="number",
            names=tuple(bare(names.language(target)) for target in targets),
        ),
        y=worth_axis(spans, needs_zero=False),
        series=(*bands, *series),
        zero_line=True,
    )


def _series(found: Consistency, targets: Sequence[str], names: Names) -> tuple[Series, ...]:
    """A series a source; of many sources one of those compared and one of the others."""
    size = found.group.pretrain_bytes
    sources = sorted({row.source for row in found.estimates}, key=lambda s: (names.ink(s, size), s))
    step = _SPREAD / len(sources)
    dots = [
        (row, _dot(row, targets.index(row.target) + (place + 0.5) * step - _SPREAD / 2, names))
        for place, source in enumerate(sources)
        for row in sorted(found.estimates, key=lambda row: row.target)
        if row.source == source
    ]
    if len(sources) > ALL_IN_COLOUR:
        return _compared_series(found, dots)
    return tuple(
        Series(
            name=names.source(source, size),
            ink=names.ink(source, size),
            style="loose",
            dots=tuple(dot for row, dot in dots if row.source == source),
        )
        for source in sources
    )


def _compared_series(
    found: Consistency, dots: Sequence[tuple[TransferEstimate, Dot]]
) -> tuple[Series, ...]:
    """Of many sources those that are compared, and those that are left out as faint dots."""
    compared = {(one.target, source) for one in found.targets for source in one.compared}
    kept = tuple(dot for row, dot in dots if (row.target, row.source) in compared)
    left_out = tuple(
        replace(dot, low=None, high=None, note="")
        for row, dot in dots
        if (row.target, row.source) not in compared
    )
    return (
        Series(name="", ink=0, style="faint", dots=left_out),
        Series(name="", ink=1, style="loose", dots=kept),
    )


def _band(found: Consistency, one: TargetSources, place: float) -> tuple[Series, ...]:
    """What lies within the factor, midway between the D_T compared; nothing if there is no test."""
    if not isinstance(one.answer, Equivalence):
        return ()
    sizes = [
        row.transfer_bytes
        for row in found.estimates
        if row.target == one.target and row.source in one.compared
    ]
    middle, half = math.sqrt(min(sizes) * max(sizes)), math.sqrt(found.factor)
    edges = (place - _BAND / 2, place + _BAND / 2)
    dots = tuple(Dot(x=x, y=middle, low=middle / half, high=middle * half) for x in edges)
    return (Series(name="", ink=0, style="band", dots=dots),)


def _dot(row: TransferEstimate, x: float, names: Names) -> Dot:
    around = transfer_range(row)
    pair = f"{names.source(row.source, row.pretrain_bytes)} for {names.language(row.target)}"
    return Dot(
        x=x,
        y=row.transfer_bytes,
        low=row.transfer_low,
        high=row.transfer_high,
        bound=_BOUNDS.get(row.status, ""),
        note=bare(f"{pair}: D_T {estimated_bytes(row.transfer_bytes, row)}")
        + (f" ({around})" if around else ""),
    )
