"""How associations of transfer with distance are said and tabulated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bytetransfer.analysis.cells import Group, Unanswered
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.similarity import MeasureResult, RankCorrelation, Similarity
from bytetransfer.report.analyses.phrases import p_text
from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.wording import Names, isolate
from bytetransfer.units import format_bytes, signed_bytes


def effect_table(answered: Sequence[Similarity], names: Names) -> Table:
    """Every association, the naive correlation beside it."""
    columns = (
        Column("D_F", "bytes", numeric=True),
        Column("learner"),
        Column("measure"),
        Column("effect, one standard deviation closer", numeric=True),
        Column("interval", numeric=True),
        Column("partial correlation with distance", numeric=True),
        Column("p", numeric=True),
        Column("corrected p", numeric=True),
        Column("pairs", numeric=True),
        Column("without distance", numeric=True),
        Column("naive Spearman, raw pairs", numeric=True),
        Column("naive p", numeric=True),
    )
    rows = tuple(
        (*_group_cells(found, names), *_effect_cells(found, measure))
        for found in answered
        for measure in found.measures
        if isinstance(measure.association, Association)
    )
    caption = "Transfer and distance, source and target effects removed; naive columns are not"
    return Table(name="similarity", caption=caption, columns=columns, rows=rows)


def _effect_cells(found: Similarity, measure: MeasureResult) -> tuple[Cell, ...]:
    one = measure.association
    assert isinstance(one, Association)
    assert measure.corrected_p is not None
    naive = measure.naive
    raw: tuple[Cell, Cell] = (Cell("–"), Cell("–"))
    if isinstance(naive, RankCorrelation):
        raw = _decimal(naive.correlation), Cell(p_text(naive.p), naive.p)
    return (
        Cell(isolate(measure.measure), measure.measure),
        *_amount_cells(one, found),
        _decimal(one.correlation),
        Cell(p_text(one.p), one.p),
        Cell(p_text(measure.corrected_p), measure.corrected_p),
        Cell(str(measure.pairs), measure.pairs),
        Cell(str(measure.missing), measure.missing),
        *raw,
    )


def bounds_table(answered: Sequence[Similarity], names: Names) -> Table:
    """The effects when bounds count as values; no rows where there are none."""
    columns = (
        Column("D_F", "bytes", numeric=True),
        Column("learner"),
        Column("measure"),
        Column("effect, one standard deviation closer", numeric=True),
        Column("interval", numeric=True),
        Column("p", numeric=True),
        Column("pairs", numeric=True),
    )
    rows = tuple(
        (
            *_group_cells(found, names),
            Cell(isolate(measure.measure), measure.measure),
            *_amount_cells(measure.with_bounds, found),
            Cell(p_text(measure.with_bounds.p), measure.with_bounds.p),
            Cell(str(len(measure.with_bounds.pairs)), len(measure.with_bounds.pairs)),
        )
        for found in answered
        for measure in found.measures
        if isinstance(measure.with_bounds, Association)
    )
    caption = "The same with every bound taken for the value (p not corrected)"
    return Table(
        name="similarity-bounds", caption=caption, columns=columns, rows=rows, is_open=False
    )


def _amount_cells(one: Association, found: Similarity) -> tuple[Cell, Cell]:
    sign = "× " if is_log(found) else ""
    low, high = closer_limits(one, found)
    around = Cell("none: too few arrangements")
    if low is not None and high is not None:
        around = Cell(f"{sign}{amount_words(low, found)} to {amount_words(high, found)}")
    return Cell(sign + effect_words(one, found), closer_amount(one.slope, one, found)), around


def reason_table(results: Mapping[Group, Similarity | Unanswered], names: Names) -> Table:
    """Every comparison without an answer, and why; sizes with the same reason in one row."""
    sizes: dict[tuple[str, str, str], list[int]] = {}
    for group, found in results.items():
        given = (
            [("all", found)]
            if isinstance(found, Unanswered)
            else [(isolate(one.measure), one.association) for one in found.measures]
        )
        for measure, answer in given:
            if isinstance(answer, Unanswered):
                key = (learner_words(group, names), measure, answer.reason)
                sizes.setdefault(key, []).append(group.finetune_bytes)
    rows = tuple(
        (
            Cell(", ".join(format_bytes(size) for size in found), found[0]),
            Cell(learner),
            Cell(measure),
            Cell(reason),
        )
        for (learner, measure, reason), found in sizes.items()
    )
    columns = Column("D_F", "bytes"), Column("learner"), Column("measure"), Column("reason")
    return Table(
        name="similarity-unanswered", caption="Without an answer", columns=columns, rows=rows
    )


def missing_table(missing: Mapping[str, Mapping[str, str]], names: Names) -> Table:
    """Corpora that measures have no distance for; measures with the same reason in one row."""
    measures: dict[tuple[str, str], list[str]] = {}
    for measure, reasons in missing.items():
        for name, reason in reasons.items():
            measures.setdefault((name, reason), []).append(measure)
    return Table(
        name="similarity-missing",
        caption="Corpora without a distance",
        columns=(Column("corpus"), Column("measures"), Column("reason")),
        rows=tuple(
            (
                Cell(names.language(name), name),
                Cell(", ".join(isolate(measure) for measure in found), ", ".join(found)),
                Cell(reason),
            )
            for (name, reason), found in measures.items()
        ),
        is_open=False,
    )


def _group_cells(found: Similarity, names: Names) -> tuple[Cell, Cell]:
    return (
        Cell(size_words(found), found.group.finetune_bytes),
        Cell(learner_words(found.group, names), found.group.learner),
    )


def learner_words(group: Group, names: Names) -> str:
    """Learner, regime and pretraining size, as far as they differ."""
    shown = names.learner(group.learner, group.regime)
    if names.show_pretraining:
        shown += f", sources of {format_bytes(group.pretrain_bytes)}"
    return shown


def size_words(found: Similarity) -> str:
    """The nominal D_F."""
    return format_bytes(found.group.finetune_bytes)


def is_log(found: Similarity) -> bool:
    """Whether effects are factors of D_E; they are bytes of D_T otherwise."""
    return found.outcome == "log_effective_bytes"


def outcome_height(outcome: float, found: Similarity) -> float:
    """An outcome as people read it: a factor, or bytes."""
    return math.exp(outcome) if is_log(found) else outcome


def closer_amount(slope: float, one: Association, found: Similarity) -> float:
    """What a slope means for a source that is one standard deviation closer."""
    return outcome_height(-slope * one.spread, found)


def closer_limits(one: Association, found: Similarity) -> tuple[float | None, float | None]:
    """Interval of `closer_amount`; None where the slope has none."""
    low = None if one.high is None else closer_amount(one.high, one, found)
    return low, None if one.low is None else closer_amount(one.low, one, found)


def effect_words(one: Association, found: Similarity) -> str:
    """`closer_amount` in words."""
    return amount_words(closer_amount(one.slope, one, found), found)


def amount_words(amount: float, found: Similarity) -> str:
    """A factor, or bytes."""
    return f"{amount:#.3g}".rstrip(".") if is_log(found) else signed_bytes(amount)


def _decimal(value: float) -> Cell:
    return Cell(f"{value:.2f}".replace("-", "−"), value)
