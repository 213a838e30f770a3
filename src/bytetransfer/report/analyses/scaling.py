"""The section on scaling: how transfer goes with the target's data, and where it stops paying."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.contrasts import Amount
from bytetransfer.analysis.finetune_law import FinetuneLaw
from bytetransfer.analysis.laws import SizeLaw
from bytetransfer.analysis.scaling import WITHOUT_INTERVALS, Crossover, ModelScaling, Scaling
from bytetransfer.report.analyses.phrases import p_text
from bytetransfer.report.analyses.scaling_charts import scaling_charts
from bytetransfer.report.document import Cell, Column, Section, Table
from bytetransfer.report.wording import Names, byte_range, count, shorten
from bytetransfer.units import format_bytes

_OPEN_ROWS = 20
_DOUBTFUL = 0.05
_COURSES = {
    "pays": "pays by its estimates at every size",
    "stops": "stops paying",
    "starts": "starts to pay",
    "costs": "costs by its estimates at every size",
    "mixed": "changes its sign and back",
}
_HEADS = (Column("source"), Column("target"), Column("learner"))


_SAID = 12  # crossovers in words; the rest stand in the table


def scaling_section(
    found: Sequence[Scaling], models: Sequence[ModelScaling], names: Names
) -> Section:
    """Crossovers, laws and what they are good for.

    Args:
        found: of every source, target and learner (`scaling.scaling`).
        models: through all presets (`scaling.model_scaling`).
        names: what to call languages and learners.
    """
    tables = (
        _crossover_table(found, names),
        _law_table(found, models, names),
        _loss_table(found, names),
    )
    return Section(
        name="scaling",
        title="Where does pretraining stop paying?",
        text=(
            _answer(found),
            *_law_words(found),
            *_reasons(found, models),
        ),
        further=tuple(_turning_words(found, names)),
        figures=scaling_charts(found, names),
        tables=tuple(table for table in tables if table.rows),
    )


def _turning_words(found: Sequence[Scaling], names: Names) -> list[str]:
    """The crossovers that say something, as long as they are few enough to be read."""
    turning = [one for one in found if _turns(one)]
    said = [_crossover_words(one, names) for one in turning[:_SAID]]
    if len(turning) > _SAID:
        said.append(f"{count(len(turning) - _SAID, 'more stands', 'more stand')} in the table.")
    return said


def _turns(one: Scaling) -> bool:
    course = one.crossover
    if not isinstance(course, Crossover) or _is_anywhere(course):
        return False
    return course.course in ("stops", "starts")


def _answer(found: Sequence[Scaling]) -> str:
    known = [one.crossover for one in found if isinstance(one.crossover, Crossover)]
    told = [crossover.course for crossover in known]
    covers = dict.fromkeys(crossover.covers for crossover in known)
    vague = sum(_is_anywhere(crossover) for crossover in known)
    if not told:
        zero_shot = any(cell.finetune_bytes == 0 for one in found for cell in one.cells)
        return (
            "Where pretraining stops paying cannot be said: "
            + "zero-shot has no place on a scale of D_F, and above it " * zero_shot
            + "the sign of D_T is known at fewer than two sizes."
        )
    chance = ""
    if vague:
        chance = (
            f"In {vague} of them this rests on signs that may be chance: the intervals of D_T "
            "allow any size. "
        )
    said = [f"{_COURSES[course]} in {number}" for course, number in Counter(told).most_common()]
    pairs = count(len(told), "pair of source and target", "pairs of source and target, each")
    return (
        f"Of {pairs} with one learner, pretraining {'; '.join(said)}. {chance}Outside of the "
        f"measured sizes nothing is said. Brackets hold intervals of these kinds: "
        f"{'; '.join(covers)}."
    )


def _crossover_words(one: Scaling, names: Names) -> str:
    where = f"{_pair(one, names)}: pretraining"
    found = one.crossover
    if isinstance(found, Unanswered):
        return f"{where} – {found.reason}."
    around = byte_range(found.low, found.high)
    course = _COURSES[found.course]
    if found.size_bytes is None:
        return f"{where} {course}, beside a cell that is only a bound" + (
            f" (between {around})." if around else "."
        )
    said = f"{where} {course} at {format_bytes(found.size_bytes)} of the target"
    if around:
        return f"{said} ({around})."
    if found.covers == WITHOUT_INTERVALS:  # which is said once for all
        return f"{said}."
    return f"{said} ({found.covers})."


def _is_anywhere(found: Crossover) -> bool:
    has_interval = not found.covers.startswith("no interval")
    return has_interval and found.low is None and found.high is None


def _pair(one: Scaling, names: Names) -> str:
    return (
        f"{names.source(one.source, one.pretrain_bytes)} for {names.language(one.target)}, "
        f"{names.learner(one.learner, one.regime)}"
    )


def _law_words(found: Sequence[Scaling]) -> list[str]:
    laws = [one.effective for one in found if isinstance(one.effective, SizeLaw)]
    if not laws:
        return []
    below = sum(law.slope.high is not None and law.slope.high < 1 for law in laws)
    above = sum(law.slope.low is not None and law.slope.low > 1 for law in laws)
    doubtful = sum(law.misfit_p is not None and law.misfit_p < _DOUBTFUL for law in laws)
    words = [
        f"D_E grows as a power of D_F. In {below} of {len(laws)} the power is below 1 beyond its "
        f"interval (what pretraining is worth beside one's own data shrinks), in {above} above 1."
    ]
    crossovers = [one.crossover for one in found if isinstance(one.crossover, Crossover)]
    if any(crossover.covers.startswith("a declared") for crossover in crossovers):
        words.append(
            "The declared noise makes intervals of crossovers only; those of the laws come from "
            "how their cells scatter."
        )
    if doubtful:
        words.append(
            f"In {doubtful} of {len(laws)} the cells lie further off such a law than their own "
            "intervals allow: there the power describes their middle and no more."
        )
    errors = [
        (law.held_out_error, one.hernandez.held_out_error)
        for one in found
        for law in [one.effective]
        if isinstance(law, SizeLaw) and isinstance(one.hernandez, SizeLaw)
    ]
    both = [(a, b) for a, b in errors if isinstance(a, float) and isinstance(b, float)]
    if both:
        better = sum(a < b for a, b in both)
        words.append(
            "Hernandez et al.'s law of D_T has no place for D_T ≤ 0 and for bounds. With each size "
            f"left out in turn, the law of D_E comes closer in {better} of {len(both)}."
        )
    return words


def _reasons(found: Sequence[Scaling], models: Sequence[ModelScaling]) -> list[str]:
    laws = [(one.effective, one.hernandez) for one in found]
    laws += [(one.effective, one.hernandez) for one in models]
    parts: list[tuple[str, object]] = [("crossover", one.crossover) for one in found]
    parts += [("law of D_E", effective) for effective, _ in laws]
    parts += [("law of D_T", hernandez) for _, hernandez in laws]
    parts += [("law of the loss", one.loss) for one in found]
    counted = Counter(
        f"{name}: {shorten(part.reason, 160)}"
        for name, part in parts
        if isinstance(part, Unanswered)
    )
    return [f"Not answered, {number} × {reason}." for reason, number in counted.items()]


def _amount(amount: Amount) -> Cell:
    text = f"{amount.value:.3g}".replace("-", "−")
    if amount.low is not None and amount.high is not None:
        text += f" ({amount.low:.3g} to {amount.high:.3g})".replace("-", "−")
    return Cell(text, amount.value)


def _error(error: float | Unanswered) -> Cell:
    if isinstance(error, Unanswered):
        return Cell("unknown", detail=shorten(error.reason, 120))
    return Cell(f"{math.exp(error):.3g}", error)


def _heads(one: Scaling, names: Names) -> tuple[Cell, ...]:
    return (
        Cell(names.source(one.source, one.pretrain_bytes), one.source),
        Cell(names.language(one.target), one.target),
        Cell(names.learner(one.learner, one.regime), one.learner),
    )


def _crossover_table(found: Sequence[Scaling], names: Names) -> Table:
    rows = []
    for one in found:
        turn = one.crossover
        if isinstance(turn, Unanswered):
            continue
        size = turn.size_bytes
        rows.append(
            (
                *_heads(one, names),
                Cell(_COURSES[turn.course], turn.course),
                Cell("–") if size is None else Cell(format_bytes(size), size),
                Cell(byte_range(turn.low, turn.high) or "–", detail=_covers(turn)),
                Cell(str(turn.cells), turn.cells),
                Cell(str(turn.left_out), turn.left_out),
            )
        )
    columns = (
        *_HEADS,
        Column("pretraining"),
        Column("D_F where D_T = 0", "bytes", numeric=True),
        Column("interval"),
        Column("cells", numeric=True),
        Column("left out", numeric=True),
    )
    return _table("scaling-crossover", "Where D_T changes its sign", columns, rows)


def _covers(turn: Crossover) -> str:
    """What the interval covers; that there is none for want of intervals is said once above."""
    return "" if turn.covers == WITHOUT_INTERVALS else turn.covers


def _law_table(found: Sequence[Scaling], models: Sequence[ModelScaling], names: Names) -> Table:
    rows = []
    for one in found:
        for name, law in (("D_E", one.effective), ("D_T (Hernandez et al.)", one.hernandez)):
            if isinstance(law, SizeLaw):
                rows.append((*_heads(one, names), *_law_cells(name, law)))
    for through in models:
        heads = (
            Cell(names.source(through.source, through.pretrain_bytes), through.source),
            Cell(names.language(through.target), through.target),
            Cell(shorten(", ".join(through.learners), 80)),
        )
        for name, law in (
            ("D_E", through.effective),
            ("D_T (Hernandez et al.)", through.hernandez),
        ):
            if isinstance(law, SizeLaw):
                rows.append((*heads, *_law_cells(name, law)))
    columns = (
        *_HEADS,
        Column("law of"),
        Column("power of D_F", numeric=True),
        Column("power of N", numeric=True),
        Column("scatter", "factor", numeric=True),
        Column("p of so much misfit", numeric=True),
        Column("held-out error of D_E", "factor", numeric=True),
        Column("cells", numeric=True),
        Column("left out", numeric=True),
    )
    return _table("scaling-laws", "Laws of D_F and of the model's size N", columns, rows)


def _law_cells(name: str, law: SizeLaw) -> tuple[Cell, ...]:
    p = law.misfit_p
    bounds = f"{law.bounds} bounds" if law.bounds else ""
    return (
        Cell(name, name),
        _amount(law.slope),
        Cell("–") if law.model_slope is None else _amount(law.model_slope),
        Cell(f"{math.exp(law.scatter):.3g}", law.scatter),
        Cell("–") if p is None else Cell(p_text(p), p),
        _error(law.held_out_error),
        Cell(str(law.cells), law.cells, detail=bounds),
        Cell(str(law.left_out), law.left_out),
    )


def _loss_table(found: Sequence[Scaling], names: Names) -> Table:
    rows = []
    for one in found:
        law = one.loss
        if not isinstance(law, FinetuneLaw):
            continue
        rows.append(
            (
                *_heads(one, names),
                _amount(law.exponent),
                _offset_cell(law),
                _error(law.held_out_error),
                Cell(str(law.sizes), law.sizes),
            )
        )
    columns = (
        *_HEADS,
        Column("exponent α", numeric=True),
        Column("D_0: what pretraining stands for at D_F = 0", "bytes", numeric=True),
        Column("held-out error of the loss", "factor", numeric=True),
        Column("sizes", numeric=True),
    )
    caption = "Fine-tuned loss as a law of D_F: (A / (D_F + D_0))^α"
    return _table("scaling-loss", caption, columns, rows)


def _offset_cell(law: FinetuneLaw) -> Cell:
    offset = law.offset_bytes
    if law.offset_bound and offset.high is not None:
        return Cell(f"≤ {format_bytes(offset.high)}", offset.high, detail=law.offset_bound)
    around = byte_range(offset.low, offset.high)
    return Cell(format_bytes(offset.value), offset.value, detail=around)


def _table(
    name: str, caption: str, columns: tuple[Column, ...], rows: list[tuple[Cell, ...]]
) -> Table:
    is_open = len(rows) <= _OPEN_ROWS
    return Table(name=name, caption=caption, columns=columns, rows=tuple(rows), is_open=is_open)
