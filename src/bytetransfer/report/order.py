"""What stands beside what, and what stands out: choices of the page, made once for all of it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bytetransfer.analysis.clustering import LEAST_LANGUAGES, likeness_order
from bytetransfer.corpus.language_families import Kin, kin
from bytetransfer.report.view import LearnerKey, SourceKey, View
from bytetransfer.transfer.estimate import TransferEstimate

ALL_IN_COLOUR = 8
"""Up to so many sources, each has a colour and a name in every chart."""
MatrixOrder = tuple[tuple[SourceKey, ...], tuple[str, ...]]
"""Sources and targets, as they follow."""
LEAST_KIN = 3
"""Of fewer languages whose family is known, none is asked for."""
_MOST, _LEAST = 4, 2


def likeness(view: View) -> tuple[str, ...]:
    """The languages that are both source and target, neighbours being worth much to each other.

    Read off the last learner at the D_F that the report opens on. Empty where there are too few of
    them, or too few estimates, to speak of neighbours.
    """
    names = [name for name in view.targets if any(name == source for source, _ in view.sources)]
    if len(names) < LEAST_LANGUAGES or not view.estimates.rows:
        return ()
    learner = view.learners[-1]
    place = {name: number for number, name in enumerate(names)}
    matrix = np.full((len(names), len(names)), np.nan)
    for row in view.rows_at(learner, view.chosen_size(learner)):
        if row.source in place and row.target in place:
            matrix[place[row.source], place[row.target]] = math.log(row.effective_bytes)
    if np.isnan(matrix).mean() > 0.5:
        return ()
    return tuple(names[number] for number in likeness_order(matrix))


def matrix_order(view: View) -> MatrixOrder:
    """Sources and targets in the order of the matrices: by likeness, then as the study has them."""
    rank = {name: number for number, name in enumerate(likeness(view))}
    last = len(rank)
    return (
        tuple(sorted(view.sources, key=lambda source: rank.get(source[0], last))),
        tuple(sorted(view.targets, key=lambda target: rank.get(target, last))),
    )


def family_order(view: View) -> MatrixOrder | None:
    """Sources and targets with their kin beside them; what is of no family follows.

    None where the families of fewer than three languages are known: any order is as good then.
    """
    known = _kin(view)
    if len(known) < LEAST_KIN:
        return None
    last = 1 + max(one.place for one in known.values())

    def place(name: str) -> int:
        return known[name].place if name in known else last

    return (
        tuple(sorted(view.sources, key=lambda source: place(source[0]))),
        tuple(sorted(view.targets, key=place)),
    )


def families(view: View) -> dict[str, list[str]]:
    """The languages of each family or branch, kin beside kin."""
    found: dict[str, list[str]] = {}
    for name, one in sorted(_kin(view).items(), key=lambda item: item[1].place):
        found.setdefault(one.group, []).append(name)
    return found


def _kin(view: View) -> dict[str, Kin]:
    """Where the languages that are compared belong, as far as that is known."""
    names = dict.fromkeys([*(name for name, _ in view.sources), *view.targets])
    codes = {name: view.languages[name] for name in names if name in view.languages}
    return {name: one for name, code in codes.items() if (one := kin(code)) is not None}


def in_colour(view: View, learner: LearnerKey, target: str) -> frozenset[SourceKey]:
    """The sources that a chart of this target names; of many, those worth most and least.

    The target as its own source is always among them.
    """
    if len(view.sources) <= ALL_IN_COLOUR:
        return frozenset(view.sources)
    return standing_out(view.rows_at(learner, view.chosen_size(learner), target=target))


def standing_out(rows: Sequence[TransferEstimate]) -> frozenset[SourceKey]:
    """The sources of one target worth most and least, and the target itself; all if they are few.

    Args:
        rows: one estimate of each source.
    """
    ranked = sorted(rows, key=lambda row: row.transfer_bytes)
    own = [row for row in ranked if row.source == row.target]
    others = [row for row in ranked if row.source != row.target]
    few = [*own, *others[:_LEAST], *others[_LEAST:][-_MOST:]]
    chosen = rows if len(rows) <= ALL_IN_COLOUR else few
    return frozenset((row.source, row.pretrain_bytes) for row in chosen)
