"""The section on the parts of transfer: what each control adds, what only a close source has."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.contrasts import Amount, Contrast
from bytetransfer.analysis.decomposition import RUNGS, ControlledPair, Stack, Undecided
from bytetransfer.learners.catalog import SURFACE
from bytetransfer.report.analyses.contrast_tables import (
    bytes_more,
    contrast_row,
    contrast_table,
    lowered,
    over,
    percent_lowered,
    upper_names,
)
from bytetransfer.report.analyses.phrases import SIGNIFICANT
from bytetransfer.report.document import Section, Table
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.wording import Names, bare, count, shorten
from bytetransfer.units import format_bytes

_Found = TypeVar("_Found", Stack, ControlledPair)


_DWARFS = 3.0  # times as far as all others reaches what would squeeze them
_SPREAD = 0.4  # of the distance between two categories, that the sizes at one share


def decomposition_section(
    stacks: Sequence[Stack | Undecided],
    pairs: Sequence[ControlledPair | Undecided],
    names: Names,
) -> Section:
    """What transfers, step by step; the n-gram learner in charts of its own.

    Args:
        stacks: of every ladder of the study (`decomposition.stacks`).
        pairs: of every controlled pair (`decomposition.controlled_pairs`).
        names: what to call languages and learners.
    """
    answered = [one for one in stacks if isinstance(one, Stack)]
    controlled = [one for one in pairs if isinstance(one, ControlledPair)]
    open_questions = [one for one in (*stacks, *pairs) if isinstance(one, Undecided)]
    tables = (_stack_table(answered, names), _pair_table(controlled, names))
    return Section(
        name="decomposition",
        title="What is it that transfers?",
        text=(
            *filter(None, [" ".join(_answer(answered, names))]),
            *_without_interval_words(answered),
            *_missing_words(answered),
            *_reading_words(answered, controlled),
            *_open_words(open_questions, names),
        ),
        further=(
            *(_pair_words(panel, names) for panel in _panels(controlled)),
            *(_stack_words(panel, names) for panel in _panels(answered)),
        ),
        figures=(*_stack_charts(answered, names), *_pair_charts(controlled, names)),
        tables=tuple(table for table in tables if table.rows),
    )


def _answer(stacks: Sequence[Stack], names: Names) -> list[str]:
    """What each step does beyond chance, over all targets and sizes of a learner."""
    counts: dict[str, dict[str, Counter[str]]] = {}
    for one in sorted(stacks, key=lambda one: one.group.learner == SURFACE):
        steps = counts.setdefault(names.learner(one.group.learner, one.group.regime), {})
        for step in one.steps:
            if step.contrast.corrected_p is not None:
                steps.setdefault(step.adds, Counter())[_verdict(step.contrast)] += 1
    return [
        f"{learner}, in how many cases (a target at one size) a step lowers or raises the loss "
        f"beyond chance: {'; '.join(_step_words(adds, found) for adds, found in steps.items())}."
        for learner, steps in counts.items()
        if steps
    ]


def _verdict(contrast: Contrast) -> str:
    if (contrast.corrected_p or 0.0) >= SIGNIFICANT:
        return "neither"
    return "lowers" if contrast.loss_gain.value > 0 else "raises"


def _step_words(adds: str, found: Counter[str]) -> str:
    said = [f"{way} it in {found[way]}" for way in ("lowers", "raises") if found[way]]
    adds = adds.replace("; ", " and ")
    return f"{adds} {' and '.join(said) or 'does neither in any'} of {found.total()}"


def _panels(found: Sequence[_Found]) -> list[list[_Found]]:
    """Results of one learner, target and ladder by rising D_F; the n-gram learner's come last."""
    ordered = sorted(found, key=lambda one: (one.group.learner == SURFACE, _panel(one), one.group))
    return [list(panel) for _, panel in itertools.groupby(ordered, _panel)]


def _panel(one: Stack | ControlledPair) -> tuple[str, str, str, int, str]:
    group, base = one.group, one.base if isinstance(one, Stack) else one.close
    return (one.target, group.learner, group.regime, group.pretrain_bytes, base)


def _where(one: Stack | ControlledPair | Undecided, names: Names) -> str:
    learner = names.learner(one.group.learner, one.group.regime)
    return f"{names.language(one.target)}, {learner}"


def _stack_words(panel: Sequence[Stack], names: Names) -> str:
    """The whole at every D_F, then the steps with the sizes at which they differ from chance."""
    first = panel[0]
    words = f"{_where(first, names)}: "
    if first.group.learner == SURFACE:
        words += "(beside the others, never part of their sum) "
    told: dict[str, list[str]] = {}
    for one in panel:
        amount = f"{percent_lowered(one.whole.loss_gain)} at {_size(one)}"
        told.setdefault(over(one.whole, names), []).append(amount)
    for what, amounts in told.items():
        words += f"{what} lowers the loss by {'; '.join(amounts)}. "
    if all(one.whole.p is None for one in panel):
        return words.strip()
    clear: dict[str, list[str]] = {}
    for one in panel:
        for step in one.steps:
            sizes = clear.setdefault(f"{step.adds} ({over(step.contrast, names)})", [])
            if step.contrast.corrected_p is not None and step.contrast.corrected_p < SIGNIFICANT:
                sizes.append(f"{percent_lowered(step.contrast.loss_gain)} at {_size(one)}")
    said = [
        f"{what[0].upper()}{what[1:]}: {'; '.join(sizes)}."
        for what, sizes in clear.items()
        if sizes
    ]
    rest = [what for what, sizes in clear.items() if not sizes]
    words += f"Steps that can be told from chance: {' '.join(said)} " if said else ""
    return words + (f"Steps that cannot: {'; '.join(rest)}." if rest else "")


def _pair_words(panel: Sequence[ControlledPair], names: Names) -> str:
    """Both parts, at every D_F."""
    first = panel[0]
    words = (
        f"{_where(first, names)}: the part that only the close source has "
        f"({over(first.specific, names)}) lowers the loss by "
        f"{'; '.join(_part(one, one.specific) for one in panel)}."
    )
    known = [(one, one.agnostic) for one in panel if isinstance(one.agnostic, Contrast)]
    if not known:
        return f"{words} The part that distant sources have too is unknown: {_why(first)}."
    parts = "; ".join(_part(one, part) for one, part in known)
    return f"{words} The part that distant sources have too lowers it by {parts}."


def _part(one: ControlledPair, part: Contrast) -> str:
    worth = part.transfer_gain_bytes
    said = f", worth {bytes_more(worth)}," if isinstance(worth, Amount) else ""
    return f"{percent_lowered(part.loss_gain)}{said} at {_size(one)}"


def _why(pair: ControlledPair) -> str:
    return pair.agnostic.reason if isinstance(pair.agnostic, Unanswered) else ""


def _size(one: Stack | ControlledPair | Undecided) -> str:
    return format_bytes(one.group.finetune_bytes)


def _without_interval_words(stacks: Sequence[Stack]) -> list[str]:
    without = sum(one.whole.p is None for one in stacks)
    if not without:
        return []
    where = "" if without == len(stacks) else f" (in {without} of {count(len(stacks), 'stack')})"
    return [f"Without intervals no step can be told from chance{where}."]


def _missing_words(stacks: Sequence[Stack]) -> list[str]:
    lacking = {rung for one in stacks for rung in one.missing}
    if not lacking:
        return []
    rungs = ", ".join(rung for rung, _ in RUNGS if rung in lacking)
    return [f"Not measured everywhere: {rungs}. A step over a missing rung holds what both add."]


def _reading_words(stacks: Sequence[Stack], pairs: Sequence[ControlledPair]) -> list[str]:
    covers = dict.fromkeys(
        contrast.covers
        for contrast in (*(one.whole for one in stacks), *(one.specific for one in pairs))
    )
    if not covers:
        return []
    return [
        "Every number is a difference within one learner, paired by seed and by test document. It "
        "may be negative: then the addition did harm. D_E and D_T are read on that learner's own "
        "from-scratch curve and are unknown where a source lies beyond it; the loss is always "
        "known. Brackets hold intervals, each by itself, of these kinds: "
        f"{'; '.join(covers)}. p-values are corrected (Holm) over what is compared for one target "
        "and size."
    ]


def _open_words(found: Sequence[Undecided], names: Names) -> list[str]:
    sizes: dict[str, list[str]] = {}
    for one in found:
        what = f"{_where(one, names)}: {shorten(one.reason, 200)}"
        sizes.setdefault(what, []).append(_size(one))
    return [
        f"Not answered at {some[0] if len(some) == 1 else count(len(some), 'size')} for {what}."
        for what, some in sizes.items()
    ]


def _stack_table(stacks: Sequence[Stack], names: Names) -> Table:
    rows = [
        contrast_row(step.adds, one.group, one.target, step.contrast, names)
        for one in stacks
        for step in (*one.steps, *one.beside)
    ]
    return contrast_table("decomposition-steps", "What each control adds", rows)


def _pair_table(pairs: Sequence[ControlledPair], names: Names) -> Table:
    rows = []
    for one in pairs:
        named = [("specific", one.specific)]
        if isinstance(one.agnostic, Contrast):
            named.append(("agnostic", one.agnostic))
        named += [("close over one distant source", each) for each in one.each]
        rows += [contrast_row(step, one.group, one.target, found, names) for step, found in named]
    return contrast_table("decomposition-pairs", "A close source against distant ones", rows)


def _stack_charts(stacks: Sequence[Stack], names: Names) -> list[Chart]:
    """One chart a learner, target and ladder."""
    charts: list[Chart] = []
    for panel in _panels(stacks):
        columns: dict[str, dict[int, Contrast]] = {}
        for one in panel:
            steps = {f"→ {upper_names(step.contrast, names)}": step for step in one.steps}
            steps |= {over(step.contrast, names): step for step in one.beside}
            for label, step in steps.items():
                columns.setdefault(label, {})[one.group.finetune_bytes] = step.contrast
        first = panel[0]
        title = f"{_where(first, names)}, steps to {names.language(first.base)}"
        charts.append(_chart(f"decomposition-{len(charts)}", title, columns, first.target, names))
    return charts


def _pair_charts(pairs: Sequence[ControlledPair], names: Names) -> list[Chart]:
    charts: list[Chart] = []
    for panel in _panels(pairs):
        columns: dict[str, dict[int, Contrast]] = {}
        for one in panel:
            parts = {"distant over none": one.agnostic, "close over distant": one.specific}
            for label, part in parts.items():
                if isinstance(part, Contrast):
                    columns.setdefault(label, {})[one.group.finetune_bytes] = part
        title = f"{_where(panel[0], names)}, close source {names.language(panel[0].close)}"
        name = f"decomposition-pair-{len(charts)}"
        charts.append(_chart(name, title, columns, panel[0].target, names))
    return charts


def _chart(
    name: str,
    title: str,
    columns: dict[str, dict[int, Contrast]],
    target: str,
    names: Names,
) -> Chart:
    """Signed contrasts by category, a series for every D_F, side by side."""
    series = _size_series(columns, names)
    own = {
        place
        for place, column in enumerate(columns.values())
        if any(contrast.upper == (target,) for contrast in column.values())
    }
    low, high = _limits([dot for one in series for dot in one.dots], own)
    series = tuple(_within(one, low, high) for one in series)
    return Chart(
        name=name,
        title=title,
        description=" ".join(f"{bare(dot.note)}." for one in series for dot in one.dots),
        x=Axis(
            title="a step to a source, or one source over another",
            kind="category",
            low=-0.5,
            high=len(columns) - 0.5,
            names=tuple(bare(label) for label in columns),
        ),
        y=Axis(
            title="loss lowered by, % (below 0: raised)",
            kind="linear",
            low=low,
            high=high,
            unit="number",
        ),
        series=series,
        zero_line=True,
    )


def _size_series(columns: dict[str, dict[int, Contrast]], names: Names) -> tuple[Series, ...]:
    """A series for every D_F, side by side in each category."""
    sizes = sorted({size for column in columns.values() for size in column})
    shifts = [_SPREAD * ((n + 0.5) / len(sizes) - 0.5) for n in range(len(sizes))]
    return tuple(
        Series(
            name=format_bytes(size),
            ink=number + 1,
            style="loose",
            dots=tuple(
                _dot(place + shifts[number], column[size], names)
                for place, column in enumerate(columns.values())
                if size in column
            ),
        )
        for number, size in enumerate(sizes)
    )


def _limits(dots: Sequence[Dot], own: set[int]) -> tuple[float, float]:
    """The ends of the axis: of what others are worth, where the target's own text dwarfs them.

    Args:
        dots: what is drawn.
        own: places of the steps to the target's own text.
    """
    others = [dot for dot in dots if round(dot.x) not in own]
    if _reach(dots) > _DWARFS * _reach(others) > 0:
        dots = others
    ends = [0.0, *(end for dot in dots for end in _ends(dot))]
    room = 0.1 * (max(ends) - min(ends)) or 1.0
    return min(ends) - room, max(ends) + room


def _ends(dot: Dot) -> list[float]:
    return [end for end in (dot.y, dot.low, dot.high) if end is not None]


def _reach(dots: Sequence[Dot]) -> float:
    return max((abs(end) for dot in dots for end in _ends(dot)), default=0.0)


def _within(series: Series, low: float, high: float) -> Series:
    """The series with what lies outside of the axis said in words."""
    return replace(
        series,
        dots=tuple(
            dot if low <= dot.y <= high else replace(dot, beyond=f"{dot.y:.2g} %".replace("-", "−"))
            for dot in series.dots
        ),
    )


def _dot(place: float, contrast: Contrast, names: Names) -> Dot:
    gain = contrast.loss_gain
    return Dot(
        x=place,
        y=lowered(gain.value),
        low=None if gain.low is None else lowered(gain.low),
        high=None if gain.high is None else lowered(gain.high),
        note=bare(f"{over(contrast, names)}: {percent_lowered(gain)}"),
    )
