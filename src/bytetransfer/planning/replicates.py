"""A study done several times over, each time with another split, another search, other seeds. Pure.

An interval from the seeds of one study says nothing of which documents happened to be held out,
nor of which learning rate a search happened to choose. A replicate changes both, so what differs
between replicates covers them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from bytetransfer.corpus.corpus import CorpusCard
from bytetransfer.planning.plan import Plan, Resolve, make_plan
from bytetransfer.study.study import Study


def study_of_replicate(study: Study, number: int) -> Study:
    """The study whose text is split as in the replicate with that number, from 0."""
    splits = msgspec.structs.replace(study.splits, seed=study.splits.seed + number)
    return msgspec.structs.replace(study, splits=splits)


def name_in_replicate(name: str, number: int) -> str:
    """What a corpus is called where those of several replicates stand side by side.

    >>> name_in_replicate("fi", 0), name_in_replicate("fi", 1)
    ('fi', 'fi (replicate 2)')
    """
    return f"{name} (replicate {number + 1})" if number else name


def plan_of_replicates(
    study: Study, corpora: Sequence[Mapping[str, CorpusCard | None]], resolve: Resolve
) -> Plan:
    """The plans of all replicates as one; convergence checks are made in the first alone.

    Args:
        study: what is asked for.
        corpora: of each replicate, the card of each source and target by name; None where it is
            not prepared yet.
        resolve: how a run computes.

    Raises:
        StudyError: if a corpus cannot give the bytes the study asks of it.
    """
    plans = [
        make_plan(study, cards, resolve, checks=number == 0, replicate=number)
        for number, cards in enumerate(corpora)
    ]
    return Plan(
        study=study.name,
        runs={key: planned for plan in plans for key, planned in plan.runs.items()},
        cells=tuple(cell for plan in plans for cell in plan.cells),
        checks=plans[0].checks,
        unprepared=tuple(
            name_in_replicate(name, number)
            for number, plan in enumerate(plans)
            for name in plan.unprepared
        ),
    )
