"""Study + corpora → runs. Pure: nothing is read, timed or drawn here."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from bytetransfer.corpus.corpus import CorpusCard
from bytetransfer.errors import StudyError
from bytetransfer.identity import plain
from bytetransfer.learners.catalog import (
    Arm,
    Cost,
    Settings,
    cost_of_run,
    has_search,
    settings_for,
    with_doubled_patience,
)
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.measurements.measurement import SCRATCH
from bytetransfer.planning.design import Design, full_grid
from bytetransfer.planning.run import Run, Sample
from bytetransfer.study.check import MOST_SEEDS
from bytetransfer.study.study import Study
from bytetransfer.units import format_bytes

UNPREPARED = "unprepared:"
"""What stands before a corpus's name where its digest is not known yet."""


Resolve = Callable[[Settings, int], Numerics | None]


@dataclass(frozen=True)
class Cell:
    """Which row of the measurements a run fills."""

    source: str
    target: str
    learner: str
    seed: int
    pretrain_bytes: int
    nominal_bytes: int
    key: str
    replicate: int = 0


@dataclass(frozen=True)
class Check:
    """A run done again with doubled patience, to see whether the first had converged."""

    cell: Cell
    key: str


@dataclass(frozen=True)
class PlannedRun:
    """A run, what to call it, and what it is expected to cost."""

    run: Run
    label: str
    learner: str
    cost: Cost


@dataclass(frozen=True)
class Plan:
    """Everything a study needs done, in the order it should be begun.

    Attributes:
        study: its name.
        runs: by key; parents come before their children.
        cells: one per row of the measurements; several may share a run.
        checks: the declared sample of convergence checks.
        unprepared: sources and targets whose corpus is not prepared: their runs have no keys that
            last, and their sizes are the nominal ones.
    """

    study: str
    runs: Mapping[str, PlannedRun]
    cells: tuple[Cell, ...]
    checks: tuple[Check, ...]
    unprepared: tuple[str, ...] = ()


@dataclass
class _Draft:
    """The plan while it is being made."""

    study: Study
    design: Design
    digests: Mapping[str, str]
    resolve: Resolve
    replicate: int
    runs: dict[str, PlannedRun] = field(default_factory=dict)
    cells: list[Cell] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)

    @functools.cached_property
    def training_bytes(self) -> dict[str, int]:
        return {learner: training_bytes(self.study, learner) for learner in self.study.learners}

    @property
    def first_seed(self) -> int:
        """The seed that searches; no two replicates share a seed."""
        return self.replicate * MOST_SEEDS

    def numerics(self, settings: Settings, learner: str) -> Numerics | None:
        return self.resolve(settings, self.training_bytes[learner])

    def sample(self, name: str, size: int, *, end: Literal["near", "far"]) -> Sample:
        content = self.study.sized_by(name)
        return Sample(
            corpus=self.digests[name],
            nominal_bytes=size,
            end=end,
            content_of=self.digests[content] if content != name else None,
        )

    def add(self, run: Run, *, learner: str, label: str, heldout_bytes: int) -> str:
        key = run.key
        if self.study.replicates > 1:
            label += f", replicate {self.replicate + 1}"
        if key not in self.runs:
            size = run.sample.nominal_bytes if run.sample else 0
            cost = cost_of_run(
                run.settings,
                size,
                heldout_bytes,
                keeps_state=run.kind == "pretrain",
                is_chosen=run.chosen_by is not None,
            )
            self.runs[key] = PlannedRun(run=run, label=label, learner=learner, cost=cost)
        return key


def make_plan(
    study: Study,
    corpora: Mapping[str, CorpusCard | None],
    resolve: Resolve,
    design: Design | None = None,
    *,
    checks: bool = True,
    replicate: int = 0,
) -> Plan:
    """Every run of a study, or of one of its replicates, with no defaults left.

    Args:
        study: what is asked for.
        corpora: the card of each source and target by name; None where it is not prepared yet.
        resolve: how a run computes, from its settings and the bytes that all runs of its learner
            are expected to see.
        design: which sizes and seeds; the full grid if not given.
        checks: whether the study's convergence checks are among them.
        replicate: which replicate, from 0: its corpora are other ones, and so are its seeds.

    Raises:
        StudyError: if a corpus cannot give the bytes the study asks of it.
    """
    check_sizes(study, corpora)
    digests = {name: card.digest if card else UNPREPARED + name for name, card in corpora.items()}
    design = full_grid(study) if design is None else design
    draft = _Draft(study, design, digests, resolve, replicate)
    for learner in study.learners:
        for number in range(max(design[learner, target].seeds for target in study.targets)):
            _plan_seed(draft, learner, number)
    if study.convergence_checks and checks:
        _plan_checks(draft)
    return Plan(
        study=study.name,
        runs=draft.runs,
        cells=tuple(draft.cells),
        checks=tuple(draft.checks),
        unprepared=tuple(name for name, card in corpora.items() if card is None),
    )


def training_bytes(study: Study, learner: str) -> int:
    """Bytes that all runs of a learner are expected to see in the study's full grid.

    A function of the study alone: what is done already, or left out for now, changes nothing, so
    a rule that looks at it decides the same every time the study is taken up.
    """

    def bytes_of(arm: Arm, sizes: tuple[int, ...], *, is_chosen: bool) -> int:
        settings = (
            settings_for(
                learner, study.regime, arm, study.transformer, is_largest=size == max(sizes)
            )
            for size in sizes
        )
        costs = (
            cost_of_run(of, size, is_chosen=is_chosen)
            for of, size in zip(settings, sizes, strict=True)
        )
        return sum(cost.expected_bytes for cost in costs)

    sources, targets = len(study.sources), len(study.targets)
    total = 0
    for seed in range(study.seeds):
        chosen = seed > 0  # by the search of the first seed
        total += sources * bytes_of("pretrain", (study.pretrain_bytes,), is_chosen=False)
        total += sources * targets * bytes_of("finetune", study.finetune_bytes, is_chosen=chosen)
        total += targets * bytes_of("scratch", study.scratch_bytes, is_chosen=chosen)
    return total * study.replicates


def _plan_seed(draft: _Draft, learner: str, number: int) -> None:
    """The runs of the seed with that number among the replicate's, from 0."""
    study, seed = draft.study, draft.first_seed + number
    curves = {target: draft.design[learner, target] for target in study.targets}
    for source in study.sources:
        wanted = [
            (target, size)
            for target, curve in curves.items()
            for size in study.finetune_bytes
            if number < curve.cells[source, size]
        ]
        parent = _plan_pretraining(draft, learner, seed, source) if wanted else None
        for target, size in wanted:
            _plan_arm(draft, learner, seed, target, size, source=source, parent=parent)
    for target, curve in curves.items():
        for size in curve.sizes if number < curve.seeds else ():
            _plan_arm(draft, learner, seed, target, size, source=SCRATCH, parent=None)


def _plan_pretraining(draft: _Draft, learner: str, seed: int, source: str) -> str:
    study, corpus = draft.study, draft.digests[source]
    size = study.pretrain_bytes
    settings = settings_for(learner, study.regime, "pretrain", study.transformer, is_largest=True)
    run = Run(
        kind="pretrain",
        settings=settings,
        seed=seed,
        held_out=corpus,
        sample=draft.sample(source, size, end="far"),
        numerics=draft.numerics(settings, learner),
    )
    label = f"{learner}: pretrain on {format_bytes(size)} of {source}, seed {seed}"
    return draft.add(run, learner=learner, label=label, heldout_bytes=_heldout(study))


def _plan_arm(
    draft: _Draft,
    learner: str,
    seed: int,
    target: str,
    size: int,
    *,
    source: str,
    parent: str | None,
) -> None:
    """One run of one arm and the row it fills."""
    study, corpus = draft.study, draft.digests[target]
    arm: Arm = "finetune" if parent else "scratch"
    sizes = study.finetune_bytes if parent else study.scratch_bytes
    settings = settings_for(
        learner, study.regime, arm, study.transformer, is_largest=size == max(sizes)
    )
    run = Run(
        kind=arm,
        settings=settings,
        seed=seed,
        held_out=corpus,
        sample=draft.sample(target, size, end="near") if size else None,
        parent=parent,
        chosen_by=None
        if seed == draft.first_seed
        else _searcher(draft, settings, learner, source, target, size),
        numerics=draft.numerics(settings, learner),
    )
    begins = f"{source} →" if parent else "from scratch on"
    label = f"{learner}: {begins} {format_bytes(size)} of {target}, seed {seed}"
    key = draft.add(run, learner=learner, label=label, heldout_bytes=_heldout(study))
    pretrain_bytes = study.pretrain_bytes if parent else 0
    where = (source, target, learner, seed, pretrain_bytes, size)
    draft.cells.append(Cell(*where, key, draft.replicate))


def _searcher(
    draft: _Draft, settings: Settings, learner: str, source: str, target: str, size: int
) -> str | None:
    """The run of the first seed whose search chose this cell's values, None without a search."""
    if not has_search(settings) or size == 0:
        return None
    wanted = (source, target, learner, draft.first_seed, size)
    return next(
        cell.key
        for cell in draft.cells
        if (cell.source, cell.target, cell.learner, cell.seed, cell.nominal_bytes) == wanted
    )


def _plan_checks(draft: _Draft) -> None:
    """First seed: the ends of each from-scratch curve, the first source's largest fine-tuning."""
    study = draft.study
    for cell in list(draft.cells):
        sizes = draft.design[cell.learner, cell.target].sizes
        ends = (sizes[0], sizes[-1])
        scratch = cell.source == SCRATCH and cell.nominal_bytes in ends
        first = cell.source == study.sources[0] and cell.nominal_bytes == study.finetune_bytes[-1]
        planned = draft.runs[cell.key]
        patient = with_doubled_patience(planned.run.settings)
        checked = cell.seed == draft.first_seed and cell.nominal_bytes and (scratch or first)
        if checked and patient is not None:
            # the check trains the configuration the run has chosen, no other
            run = msgspec.structs.replace(
                planned.run,
                settings=patient,
                chosen_by=cell.key if has_search(planned.run.settings) else None,
            )
            label = f"{planned.label}, doubled patience"
            key = draft.add(run, learner=cell.learner, label=label, heldout_bytes=_heldout(study))
            draft.checks.append(Check(cell=cell, key=key))


def _heldout(study: Study) -> int:
    return study.splits.validation_bytes + study.splits.test_bytes


def check_sizes(study: Study, corpora: Mapping[str, CorpusCard | None]) -> None:
    """Refuse a study that asks more of its corpora than they can give.

    Args:
        study: what is asked for.
        corpora: the card of each source and target by name; None where it is not prepared yet.

    Raises:
        StudyError: with what there is and what is needed.
    """
    for name, need in _needs(study, corpora).items():
        card = corpora[name]
        if card is not None:
            check_size(study, name, card.train.bytes, need)


def check_size(study: Study, name: str, given: int, need: int, *, most: bool = False) -> None:
    """Refuse a study that needs more training text of a corpus than it has.

    Args:
        study: what is asked for.
        name: of the corpus.
        given: bytes of training text it has.
        need: bytes of training text it must have.
        most: whether `given` is what its files could give at most, as nothing was read yet.

    Raises:
        StudyError: with both.
    """
    if given < need:
        has = "can have at most" if most else "has"
        raise StudyError(
            f"{name} {has} {given:,} bytes of training text "
            f"({format_bytes(given)}); the study needs {format_bytes(need)} of it",
            where=study.name,
            todo="give it more text, or lower the study's largest sizes",
        )


def _needs(study: Study, corpora: Mapping[str, CorpusCard | None]) -> dict[str, int]:
    """What each corpus must give; one text under two names is its own source as well."""
    needs = study.needed_bytes()
    both = study.pretrain_bytes + max(study.finetune_bytes)
    targets = {card.digest for name in study.targets if (card := corpora[name])}
    for name in study.sources:
        card = corpora[name]
        if card and card.digest in targets:
            needs[name] = max(needs[name], both)
    return needs


def differences(wanted: Run, other: Run) -> dict[str, tuple[object, object]]:
    """Where two runs differ: dotted field to (other's value, wanted's value)."""
    left, right = dict(_flat(plain(other))), dict(_flat(plain(wanted)))
    keys = sorted(left.keys() | right.keys())
    return {key: (left.get(key), right.get(key)) for key in keys if left.get(key) != right.get(key)}


def nearest(
    wanted: Run, done: Iterable[Run]
) -> tuple[Run, dict[str, tuple[object, object]]] | None:
    """The finished run that differs in the fewest fields from one that is not, and those fields."""
    alike = (r for r in done if r.kind == wanted.kind and type(r.settings) is type(wanted.settings))
    scored = [(run, differences(wanted, run)) for run in alike]
    return min(scored, key=lambda pair: len(pair[1]), default=None)


def _flat(value: object, prefix: str = "") -> Iterator[tuple[str, object]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _flat(item, f"{prefix}.{key}" if prefix else str(key))
    else:
        yield prefix, repr(value) if isinstance(value, list) else value
