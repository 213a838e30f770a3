"""The section on commutativity: whether a is worth for b what b is worth for a."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bytetransfer.analysis.asymmetry import Asymmetry, LanguageEffect
from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.commutativity import Commutativity, Difference, PairDifference
from bytetransfer.report.analyses.commutativity_charts import (
    factors,
    paired_chart,
    stronger,
)
from bytetransfer.report.analyses.phrases import (
    SIGNIFICANT,
    factor_text,
    group_title,
    noise_words,
    p_text,
    p_words,
    percent_text,
)
from bytetransfer.report.document import Cell, Column, Section, Table
from bytetransfer.report.wording import (
    Names,
    byte_range,
    count,
    estimated_bytes,
    shorten,
    transfer_range,
)
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.units import signed_bytes

_OPEN_ROWS = 40


def commutativity_section(results: Sequence[Commutativity | Unanswered], names: Names) -> Section:
    """Whether a is worth for b what b is worth for a, one paragraph and chart a group.

    Args:
        results: of each group of estimates (`commutativity`).
        names: what to call languages and learners.
    """
    answered = [one for one in results if isinstance(one, Commutativity)]
    reasons = dict.fromkeys(one.reason for one in results if isinstance(one, Unanswered))
    tables = (
        _pair_table(answered, names),
        _language_table(answered, names),
    )
    return Section(
        name="commutativity",
        title="Does transfer commute?",
        text=(
            *((_answer(answered), *_GENERAL) if answered else ()),
            *_untested_words(answered, names),
            *(f"Not answered: {shorten(reason, 400)}." for reason in reasons),
        ),
        further=tuple(_group_words(one, names) for one in answered),
        figures=tuple(
            paired_chart(one, number, names) for number, one in enumerate(answered) if one.pairs
        ),
        tables=tuple(table for table in tables if table.rows),
    )


_GENERAL = (
    "Each direction is measured in bytes of its own target, and a byte of one says more or "
    "less than a byte of the other. The ratio of the two D_E does not depend on that, because both "
    "have the same D_F; differences of D_T in bytes do, and are also given in bytes of equal "
    "content where aligned text tells how many these are.",
    "Pairs that share a language are not independent. The p values of single pairs are "
    "Holm-corrected, which holds whatever the dependence. What a language gives beyond what it "
    "takes has an interval for the worst case, that the errors of all cells of a target are one: "
    "the error of its from-scratch curve is in all of them and looks like a trait of the language.",
)


def _answer(answered: Sequence[Commutativity]) -> str:
    """All sizes together: in how many pairs the directions differ by more than noise."""
    known = [p.corrected_p for one in answered for p in one.pairs if p.corrected_p is not None]
    if not known:
        words = "Whether transfer commutes has no answer here"
        if any(one.pairs for one in answered):
            return (
                f"{words}: estimates without an interval (one seed, no test documents) can be "
                "compared only under a declared noise of log D_E, and none was declared. No test "
                "is made, so there is no smallest p that could be found."
            )
        return f"{words}: in every pair at least one direction is only a bound."
    differ = sum(p <= SIGNIFICANT for p in known)
    return (
        f"{noise_words(answered[0].declared_noise)}The two directions differ by more than noise in "
        f"{differ} of {count(len(known), 'case')} (a pair of languages at one size). That they are "
        "equal in the others is not shown by this: the intervals say how large a difference may "
        "be. "
        "The tests go by standard errors and not by rearrangements, so that p has no smallest "
        "value however few the languages."
    )


def _group_words(found: Commutativity, names: Names) -> str:
    title = group_title(found.group, names)
    bounds = f"pairs with a bound in a direction: {len(found.bounds)}"
    if not found.pairs:
        return f"{title}: nothing to compare ({bounds})."
    pairs = len(found.pairs)
    widest = max(found.pairs, key=lambda pair: abs(pair.log_effective.value))
    said = f"{title}: {stronger(widest, names)}, the largest difference"
    said += f" of {pairs} pairs" if pairs > 1 else ""
    if widest.corrected_p is not None:
        said += f", corrected {p_words(widest.corrected_p)}"
    said += f" (besides, {bounds})." if found.bounds else "."
    return f"{said} {_language_words(found, names)}"


def _language_words(found: Commutativity, names: Names) -> str:
    part = found.asymmetry
    if isinstance(part, Unanswered):
        return f"What belongs to single languages is unknown: {shorten(part.reason, 300)}."
    if part.chance_share == 1:
        return (
            "What belongs to single languages is unknown: the pairs form no circle of three or "
            "more languages, so that one number per language explains whatever is found."
        )
    giver = max(part.effects, key=lambda one: one.effect)
    words = (
        f"{names.language(giver.language)} gives most beyond what it takes "
        f"({factor_text(math.exp(giver.effect))} times the D_E{_effect_limits(giver)}). One "
        f"number per language explains {percent_text(part.share)} % of the squared differences, "
        f"where it would explain {percent_text(part.chance_share)} % of differences that have "
        "nothing to do with languages."
    )
    if giver.corrected_p is None:
        return words
    clear = [one for one in part.effects if (one.corrected_p or 0) <= SIGNIFICANT]
    return words + (
        f" Of {len(part.effects)} languages, {count(len(clear), 'gives', 'give')} more or less "
        "than they take beyond noise."
    )


def _effect_limits(one: LanguageEffect) -> str:
    if one.low is None or one.high is None:
        return ""
    return f", {factors(Difference(one.effect, one.low, one.high))}"


def _untested_words(answered: Sequence[Commutativity], names: Names) -> tuple[str, ...]:
    """Once for all groups in which languages are described without a test."""
    untested = [
        one
        for one in answered
        if isinstance(one.asymmetry, Asymmetry)
        and any(effect.corrected_p is None for effect in one.asymmetry.effects)
    ]
    if not untested:
        return ()
    where = (
        ""
        if len(untested) == len(answered)
        else "; ".join(group_title(one.group, names) for one in untested)
    )
    return (
        "What languages give beyond what they take is described and not tested"
        + (f" ({where})" if where else "")
        + ": not every estimate has a standard error.",
    )


def _pair_table(answered: Sequence[Commutativity], names: Names) -> Table:
    content = any(one.reference is not None for one in answered)
    seeds = any(isinstance(p.by_seed, Difference) for one in answered for p in one.pairs)
    rows = [
        (Cell(group_title(one.group, names)), *cells)
        for one in answered
        for cells in (
            *(_pair_cells(pair, names, content=content, seeds=seeds) for pair in one.pairs),
            *(_bound_cells(*pair, names, content=content, seeds=seeds) for pair in one.bounds),
        )
    ]
    return Table(
        name="commutativity-pairs",
        caption=f"Both directions of each pair ({len(rows)})",
        columns=(
            Column("learner and D_F"),
            Column("a"),
            Column("b"),
            Column("D_T of a for b", "bytes of b", numeric=True),
            Column("D_T of b for a", "bytes of a", numeric=True),
            Column("difference of D_T", "bytes", numeric=True),
            *((Column("in equal content", "bytes", numeric=True),) * content),
            Column("D_E of a for b over D_E of b for a", numeric=True),
            *((Column("the same, paired by seed", numeric=True),) * seeds),
            Column("corrected p", numeric=True),
        ),
        rows=tuple(rows),
        is_open=len(rows) <= _OPEN_ROWS,
    )


def _pair_cells(
    pair: PairDifference, names: Names, *, content: bool, seeds: bool
) -> tuple[Cell, ...]:
    paired = pair.by_seed if isinstance(pair.by_seed, Difference) else None
    p = pair.corrected_p
    return (
        *_both(pair.forward, pair.backward, names),
        _bytes_cell(pair.transfer_bytes),
        *((_bytes_cell(pair.content_bytes),) * content),
        _factor_cell(pair.log_effective),
        *((_factor_cell(paired),) * seeds),
        Cell("–") if p is None else Cell(p_text(p), p),
    )


def _bound_cells(
    forward: TransferEstimate,
    backward: TransferEstimate,
    names: Names,
    *,
    content: bool,
    seeds: bool,
) -> tuple[Cell, ...]:
    return (*_both(forward, backward, names), *(Cell("–"),) * (3 + content + seeds))


def _both(forward: TransferEstimate, backward: TransferEstimate, names: Names) -> list[Cell]:
    return [
        Cell(names.language(forward.source), forward.source),
        Cell(names.language(forward.target), forward.target),
        *(
            Cell(
                estimated_bytes(row.transfer_bytes, row),
                row.transfer_bytes,
                detail=transfer_range(row),
            )
            for row in (forward, backward)
        ),
    ]


def _bytes_cell(one: Difference | None) -> Cell:
    if one is None:
        return Cell("–")
    return Cell(signed_bytes(one.value), one.value, detail=byte_range(one.low, one.high))


def _factor_cell(one: Difference | None) -> Cell:
    if one is None:
        return Cell("–")
    factor = math.exp(one.value)
    return Cell(factor_text(factor), factor, detail=factors(one))


def _language_table(answered: Sequence[Commutativity], names: Names) -> Table:
    rows = [
        (
            Cell(group_title(one.group, names)),
            Cell(names.language(effect.language), effect.language),
            Cell(
                factor_text(math.exp(effect.effect)),
                math.exp(effect.effect),
                detail=factors(Difference(effect.effect, effect.low, effect.high)),
            ),
            Cell("–")
            if effect.corrected_p is None
            else Cell(p_text(effect.corrected_p), effect.corrected_p),
        )
        for one in answered
        if isinstance(one.asymmetry, Asymmetry)
        for effect in one.asymmetry.effects
    ]
    return Table(
        name="commutativity-languages",
        caption=f"What languages give beyond what they take ({len(rows)})",
        columns=(
            Column("learner and D_F"),
            Column("language"),
            Column("gives over takes", "factor in D_E", numeric=True),
            Column("corrected p", numeric=True),
        ),
        rows=tuple(rows),
        is_open=len(rows) <= _OPEN_ROWS,
    )
