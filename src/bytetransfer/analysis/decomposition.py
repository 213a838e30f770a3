"""What transfers: contrasts between sources that hold more and more of what a language is.

Two questions, both within one learner and for one target at one D_F (never between learners: their
D_T are in bytes of different curves):

* the controlled pair (de Souza et al. 2024, arXiv 2404.08191): what a close source gives over
  distant ones is specific to the language, what distant ones give over no pretraining is not;
* nested controls: `random_bytes` → `nonsense` → `hierarchical` → `cipher(x)` → x, each of which
  has what the one before has and something more. What a step adds is a contrast, and may be
  negative.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bytetransfer.analysis.cells import Group, Unanswered
from bytetransfer.analysis.contrasts import Contrast, Pair, contrasts
from bytetransfer.analysis.source_table import SourceTable, source_table
from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.transfer.methods import Method
from bytetransfer.transfer.resampling import Resampling

NO_PRETRAINING = "no pretraining"
RUNGS: tuple[tuple[str, str], ...] = (
    (NO_PRETRAINING, ""),
    ("random_bytes", "any training at all"),
    ("nonsense", "words, spaces and valid text"),
    ("hierarchical", "structure without content"),
    ("cipher", "a real language behind other letters"),
    ("plain", "the surface of its letters"),
)
"""The steps of the stack from below, each with what it adds to the one before."""
BESIDE: tuple[tuple[str, str, str], ...] = (
    ("plain", "shuffle_words", "the order of words"),
    ("plain", "reverse", "the direction of reading"),
    ("target", "plain", "being the target itself (upper bound)"),
)
"""Contrasts that stand beside the stack: the better one expected, the other, and what they differ
in."""


@dataclass(frozen=True)
class Ladder:
    """Which sources of a study stand for which rung.

    Attributes:
        base: the language x that `cipher(x)` and the others are made of.
        sources: name of the source of each rung that the study has: those of `RUNGS` (without
            `NO_PRETRAINING`), `shuffle_words`, `reverse`.
    """

    base: str
    sources: Mapping[str, str]


@dataclass(frozen=True)
class Step:
    """A contrast of a ladder.

    Attributes:
        adds: what the better source has and the other has not.
        contrast: the numbers.
    """

    adds: str
    contrast: Contrast


@dataclass(frozen=True, kw_only=True)
class Stack:
    """The nested controls of one language for one target, by one learner at one D_F.

    Attributes:
        group: learner, regime, pretraining size, nominal D_F.
        target: what all were fine-tuned on.
        base: the language the controls are made of.
        steps: contrasts of consecutive rungs, from below; what they add sums to the whole.
        whole: the highest rung over the lowest.
        beside: contrasts that are no part of the sum.
        missing: rungs that were not measured.
    """

    group: Group
    target: str
    base: str
    steps: tuple[Step, ...]
    whole: Contrast
    beside: tuple[Step, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ControlledPair:
    """A close source against distant ones, for one target, by one learner at one D_F.

    Attributes:
        group: learner, regime, pretraining size, nominal D_F.
        target: what all were fine-tuned on.
        close: the close source.
        distant: those distant ones that were measured.
        specific: the close source over the mean of the distant ones.
        agnostic: the mean of the distant ones over no pretraining, or why there is none.
        each: the close source over each distant one.
    """

    group: Group
    target: str
    close: str
    distant: tuple[str, ...]
    specific: Contrast
    agnostic: Contrast | Unanswered
    each: tuple[Contrast, ...]


@dataclass(frozen=True, kw_only=True)
class Undecided:
    """A group and target without an answer, and why."""

    group: Group
    target: str
    reason: str


def find_ladders(sources: Iterable[str]) -> tuple[Ladder, ...]:
    """The ladders that can be told from the names of sources, as study files write them.

    A cipher under another key is a cipher; one into another script changes more than a step. Where
    no source is made of another, each plain one stands above the controls.

    >>> find_ladders(["nonsense", "cipher(en)", "en", "ru"])
    (Ladder(base='en', sources={'nonsense': 'nonsense', 'cipher': 'cipher(en)', 'plain': 'en'}),)
    """
    names = [name for name in dict.fromkeys(sources) if name != SCRATCH]
    controls = {name: name for name in names if name in _CONTROLS}
    made: dict[str, dict[str, str]] = {}
    for name in names:
        found = re.fullmatch(r"(cipher|shuffle_words|reverse)\((.+?)(?:, *key *= *\d+)?\)", name)
        if found and not re.search(r"\bscript *=", name):
            made.setdefault(found[2], {}).setdefault(found[1], name)
    if controls and not made:
        made = {name: {} for name in names if name not in controls and "(" not in name}
    ladders = []
    for base, transformed in made.items():
        plain = {"plain": base} if base in names else {}
        known = controls | transformed | plain
        ladders.append(Ladder(base, {rung: known[rung] for rung in _ORDER if rung in known}))
    return tuple(ladders)


_CONTROLS = {"random_bytes", "nonsense", "hierarchical"}
_ORDER = (*(name for name, _ in RUNGS[1:]), "shuffle_words", "reverse")


def stacks(
    measurements: Measurements,
    ladder: Ladder,
    *,
    level: float = 0.95,
    resampling: Resampling | None = None,
    method: Method = "monotone",
    noise: float | None = None,
) -> tuple[Stack | Undecided, ...]:
    """The contrasts of a ladder's rungs, by learner, target and D_F.

    What no pretraining reaches is the from-scratch loss at D_F, where that size was measured.
    p-values are corrected (Holm) over the contrasts of one stack; each interval has its nominal
    coverage by itself.

    Args:
        measurements: rows of both arms and, where known, their document blocks.
        ladder: which source stands for which rung.
        level: nominal coverage of each interval.
        resampling: draws of the documents.
        method: how the from-scratch curve is drawn.
        noise: standard error of log D_E to assume where there is one seed and no document.
    """
    chosen = set(ladder.sources.values())
    results: list[Stack | Undecided] = []
    for group, target in measured_cells(measurements, chosen):
        names = {NO_PRETRAINING: SCRATCH, **ladder.sources}
        if target != ladder.base:
            names["target"] = target
        table = source_table(
            measurements, group, target, list(dict.fromkeys(names.values())),
            resampling=resampling, method=method, noise=noise,
        )  # fmt: skip
        results.append(_stack(table, names, ladder, level, group, target))
    return tuple(results)


def controlled_pairs(
    measurements: Measurements,
    target: str,
    close: str,
    distant: Sequence[str],
    *,
    level: float = 0.95,
    resampling: Resampling | None = None,
    method: Method = "monotone",
    noise: float | None = None,
) -> tuple[ControlledPair | Undecided, ...]:
    """What a close source gives over distant ones, by learner and D_F.

    Args:
        measurements: rows of both arms and, where known, their document blocks.
        target: for which target.
        close: the close source.
        distant: the distant ones.
        level: nominal coverage of each interval.
        resampling: draws of the documents.
        method: how the from-scratch curve is drawn.
        noise: standard error of log D_E to assume where there is one seed and no document.
    """
    results: list[ControlledPair | Undecided] = []
    for group, reached in measured_cells(measurements, {close, *distant}):
        if reached != target:
            continue
        table = source_table(
            measurements, group, target, [SCRATCH, close, *distant],
            resampling=resampling, method=method, noise=noise,
        )  # fmt: skip
        results.append(_controlled(table, close, distant, level, group, target))
    return tuple(results)


def measured_cells(measurements: Measurements, sources: set[str]) -> list[tuple[Group, str]]:
    """Groups and targets any of the sources was measured in, in order."""
    return sorted(
        {
            (Group(row.learner, row.regime, row.pretrain_bytes, row.size), row.target)
            for row in measurements
            if row.source in sources
        }
    )


def _stack(
    table: SourceTable | Unanswered,
    names: Mapping[str, str],
    ladder: Ladder,
    level: float,
    group: Group,
    target: str,
) -> Stack | Undecided:
    if isinstance(table, Unanswered):
        return Undecided(group=group, target=target, reason=table.reason)
    there = {rung: name for rung, name in names.items() if name in table.losses}
    pairs: dict[str, Pair] = {}
    below, added = "", []
    for rung, adds in RUNGS:
        added += [adds] if adds else []
        if rung in there:
            if below:
                pairs["; ".join(added)] = ((there[rung],), (there[below],))
            below, added = rung, []
    if not pairs:
        reason = f"of the nested controls of {ladder.base} only one was measured"
        return Undecided(group=group, target=target, reason=reason)
    aside: dict[str, Pair] = {
        adds: ((there[up],), (there[low],))
        for up, low, adds in BESIDE
        if up in there and low in there
    }
    ends = list(pairs.values())
    found = contrasts(table, [*ends, *aside.values()], level=level)
    (whole,) = contrasts(table, [(ends[-1][0], ends[0][1])], level=level)
    named = [Step(*pair) for pair in zip([*pairs, *aside], found, strict=True)]
    return Stack(
        group=group,
        target=target,
        base=ladder.base,
        steps=tuple(named[: len(pairs)]),
        whole=whole,
        beside=tuple(named[len(pairs) :]),
        missing=tuple(rung for rung, _ in RUNGS if rung not in there),
    )


def _controlled(
    table: SourceTable | Unanswered,
    close: str,
    distant: Sequence[str],
    level: float,
    group: Group,
    target: str,
) -> ControlledPair | Undecided:
    if isinstance(table, Unanswered):
        return Undecided(group=group, target=target, reason=table.reason)
    there = tuple(name for name in distant if name in table.losses)
    if close not in table.losses or not there:
        lacking = f"{close} was" if there else "distant sources were"
        return Undecided(group=group, target=target, reason=f"{lacking} not measured")
    pairs: list[Pair] = [((close,), there), (there, (SCRATCH,))]
    main = {c.lower: c for c in contrasts(table, pairs, level=level)}
    each = contrasts(table, [((close,), (name,)) for name in there], level=level)
    return ControlledPair(
        group=group,
        target=target,
        close=close,
        distant=there,
        specific=main[there],
        agnostic=main.get((SCRATCH,), Unanswered("no from-scratch run at D_F with the same seeds")),
        each=each,
    )
