"""The stages of a study: a full grid is one; an adaptive study is one after the other.

What a stage trains is decided by nothing but the study, its corpora and the results of the stages
before. So a study that was stopped walks through the same stages again, finds their results, and
goes on where it was.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bytetransfer.corpus.corpus import CorpusCard
from bytetransfer.planning.adaptive import Verdict, first_design, next_design, with_surface
from bytetransfer.planning.design import CellName, CurveName, Design
from bytetransfer.planning.plan import Plan, Resolve, make_plan
from bytetransfer.runs.collect import collect_validation
from bytetransfer.runs.store import Store
from bytetransfer.study.study import AdaptiveOptions, Study
from bytetransfer.units import format_bytes

_NAMED_CELLS = 3


@dataclass(frozen=True)
class Stage:
    """A part of a study that can be done without further decisions.

    Attributes:
        number: from 1.
        plan: everything the study needs up to and in this stage.
        is_last: whether nothing comes after it.
        added: what this stage of an adaptive study adds, in words.
        verdicts: of each cell of an adaptive study that is settled, why nothing is added to it.
    """

    number: int
    plan: Plan
    is_last: bool
    added: str = ""
    verdicts: Mapping[tuple[CurveName, CellName], Verdict] = field(default_factory=dict)


def stages(
    study: Study, corpora: Mapping[str, CorpusCard | None], resolve: Resolve, store: Store
) -> Iterator[Stage]:
    """The stages of a study, up to the first that is not done when the next is asked for.

    Whoever runs each stage before asking for the next comes to the end; whoever runs nothing finds
    the stage the study is at as the last one.

    Args:
        study: what is asked for.
        corpora: the card of each source and target by name; None where it is not prepared yet.
        resolve: how a run computes.
        store: where results lie.
    """
    if study.adaptive is None:
        yield Stage(1, make_plan(study, corpora, resolve), is_last=True)
        return
    read = functools.cache(store.result)
    design, added = first_design(study), "a coarse curve around every D_F"
    for number in itertools.count(1):
        plan = make_plan(study, corpora, resolve, design, checks=False)
        yield Stage(number, plan, is_last=False, added=added)
        if not is_done(plan, store):
            return
        if any(read(cell.key) is None for cell in plan.cells):
            return  # deleted since they were done: nothing is decided on a part of them
        step = next_design(study, design, collect_validation(plan, read, regime=study.regime))
        if step.design is None:
            break
        design, added = step.design, _added(design, step.design)
    final = make_plan(study, corpora, resolve, with_surface(design))
    yield Stage(number, final, is_last=True, verdicts=step.verdicts)


def is_done(plan: Plan, store: Store) -> bool:
    """Whether every run of a plan has a result."""
    return not plan.unprepared and all(store.is_done(key) for key in plan.runs)


def stage_note(stage: Stage, options: AdaptiveOptions) -> str:
    """Where an adaptive study is, or why it has ended.

    >>> cell = (("ngram", "fi"), ("en", 3000))
    >>> plan = Plan(study="s", runs={}, cells=(), checks=())
    >>> stage_note(Stage(4, plan, True, verdicts={cell: "narrow"}), AdaptiveOptions())
    'settled in 4 stages: 1 of 1 intervals within a factor of 1.5'
    """
    if not stage.is_last:
        return f"stage {stage.number}, {stage.added}"
    total = len(stage.verdicts)
    narrow = sum(verdict == "narrow" for verdict in stage.verdicts.values())
    parts = [f"{narrow} of {total} intervals within a factor of {options.width:g}"]
    for verdict, words in (
        ("bound", "end where the allowed sizes end"),
        ("no more seeds", f"are wider with all {options.most_seeds} seeds"),
        ("refused", "have no estimate"),
    ):
        cells = [cell for cell, found in stage.verdicts.items() if found == verdict]
        if cells:
            parts.append(f"{len(cells)} {words} ({_named(cells)})")
    ended = f"settled in {stage.number} stages" if stage.number > 1 else "settled in one stage"
    return f"{ended}: {'; '.join(parts)}"


def _added(before: Design, after: Design) -> str:
    """What the later of two designs has more."""
    sizes = sum(len(after[name].sizes) - len(before[name].sizes) for name in after)
    seeds = [
        count - before[name].cells[cell]
        for name, curve in after.items()
        for cell, count in curve.cells.items()
    ]
    parts = []
    if sizes:
        parts.append(f"{sizes} sizes from scratch" if sizes > 1 else "one size from scratch")
    if any(seeds):
        cells = sum(more > 0 for more in seeds)
        parts.append(f"seeds for {cells} cells" if cells > 1 else "seeds for one cell")
    return " and ".join(parts) + " more"


def _named(cells: list[tuple[CurveName, CellName]]) -> str:
    names = [
        f"{learner}: {source} → {format_bytes(size)} of {target}"
        for (learner, target), (source, size) in cells[:_NAMED_CELLS]
    ]
    return ", ".join(names) + (" ..." if len(cells) > _NAMED_CELLS else "")
