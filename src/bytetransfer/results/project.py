"""A study on disk: the study file, the store beside it, and the folder its results go to.

spanish.toml                      the study
.bytetransfer/                    corpora and runs, shared by all studies of this folder
results/<name>/measurements.csv   one row per run      (and blocks.parquet, for resampling)
               estimates.csv      D_E and D_T, intervals   (and .json, .parquet)
               report.html        the same, to read
               SHA256SUMS         digests of these files, checked where they are read
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from bytetransfer.corpus.corpus import Corpus, CorpusCard
from bytetransfer.corpus.synthetic import (
    HierarchicalSettings,
    NonsenseSettings,
    RandomBytesSettings,
)
from bytetransfer.corpus.typology import read_distances
from bytetransfer.errors import StudyError
from bytetransfer.explain.inputs import Context, Distances, is_made
from bytetransfer.files.disk import shown_path
from bytetransfer.learners.catalog import (
    Settings,
    numerics_for,
    parameter_counts,
    slower_paths,
)
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.planning.plan import Plan, make_plan
from bytetransfer.planning.replicates import (
    name_in_replicate,
    plan_of_replicates,
    study_of_replicate,
)
from bytetransfer.planning.run import Run
from bytetransfer.results.folder import claim_results
from bytetransfer.results.results import Results
from bytetransfer.runs.calibrate import bytes_per_second
from bytetransfer.runs.collect import collect
from bytetransfer.runs.corpora import CorpusRoom
from bytetransfer.runs.description import describe
from bytetransfer.runs.execute import State, execute_runs
from bytetransfer.runs.leftovers import sweep_runs
from bytetransfer.runs.local import default_workers, engine_for
from bytetransfer.runs.stages import Stage, is_done, stage_note, stages
from bytetransfer.runs.status import (
    Forecast,
    Speed,
    Status,
    forecast,
    status,
    unprepared_lines,
    unverified,
    unverified_line,
    upper_bound,
)
from bytetransfer.runs.store import Store
from bytetransfer.study.check import remarks
from bytetransfer.study.file import read_study
from bytetransfer.study.study import Study


@dataclass(frozen=True)
class Project:
    """One study and the places it works in.

    Attributes:
        study: what is asked for.
        path: the study file; relative paths in it start from its folder.
        store: where corpora and runs lie.
        folder: where measurements, estimates and the report go.
    """

    study: Study
    path: Path
    store: Store
    folder: Path

    @classmethod
    def open(cls, path: Path, *, store: Path | None = None) -> Project:
        """Read a study file.

        Args:
            path: the file.
            store: where corpora and runs lie, if not in `.bytetransfer` beside the file.

        Raises:
            StudyError: if the file has no meaning.
        """
        study = read_study(path)
        folder = path.parent
        return cls(
            study, path, Store(store or folder / ".bytetransfer"), folder / "results" / study.name
        )

    def _room(self, replicate: int = 0) -> CorpusRoom:
        study = study_of_replicate(self.study, replicate)
        return CorpusRoom(study, self.path.parent, self.store)

    def _cards(self, replicate: int) -> dict[str, CorpusCard | None]:
        known = self._room(replicate).known()
        return {name: corpus.card if corpus else None for name, corpus in known.items()}

    def _unprepared(self, plan: Plan) -> dict[str, str]:
        """Every corpus of every replicate that is not prepared, and why."""
        if not plan.unprepared:
            return {}
        return {
            name_in_replicate(name, number): reason
            for number in range(self.study.replicates)
            for name, reason in self._room(number).unprepared().items()
        }

    def prepare(self, watch: Callable[[str, int], None] = lambda *_: None) -> dict[str, Corpus]:
        """Prepare every corpus that is not prepared yet, in every replicate.

        Returns:
            The corpora by name; of several replicates, those of the first.

        Raises:
            CorpusError: if text is missing, unreadable or too little.
        """
        first = self._room().prepare(watch)
        for number in range(1, self.study.replicates):
            self._room(number).prepare(_named_in_replicate(watch, number))
        return first

    def stages(self, corpora: Mapping[str, Corpus | None] | None = None) -> Iterator[Stage]:
        """The stages of the study that are not done, and the last; see `stages.stages`.

        Args:
            corpora: prepared corpora by name; looked up where they are not given.
        """
        if corpora is None:
            cards = self._cards(0)
        else:
            cards = {name: corpus.card if corpus else None for name, corpus in corpora.items()}
        if self.study.replicates > 1:
            others = [self._cards(number) for number in range(1, self.study.replicates)]
            plan = plan_of_replicates(self.study, [cards, *others], self._numerics)
            yield Stage(1, plan, is_last=True)
            return
        for stage in stages(self.study, cards, self._numerics, self.store):
            if stage.is_last or not is_done(stage.plan, self.store):
                yield stage

    def stage(self, corpora: Mapping[str, Corpus | None] | None = None) -> Stage:
        """The stage the study is at; nothing is prepared or trained."""
        return next(self.stages(corpora))

    def plan(self, corpora: Mapping[str, Corpus | None] | None = None) -> Plan:
        """Every run of the study, as far as it is decided what it trains."""
        return self.stage(corpora).plan

    def run(
        self,
        plan: Plan,
        *,
        workers: int,
        ranks: int = 1,
        watch: Callable[[State], None] = lambda _: None,
    ) -> State:
        """Do what is missing of the plan on this machine.

        Raises:
            StoreError: if another `run` of this study is at work, or a prepared corpus is damaged.
        """
        self._claim_results()
        busy = f"a run of the study {self.study.name!r} is at work already"
        with self.store.lock(f"study-{self.study.name}", wait=False, busy=busy):
            sweep_runs(self.store)
            runs, threads = _runs(plan), self.study.numerics.threads
            self.store.verify_corpora(runs)
            options = {"workers": workers, "threads": threads, "ranks": ranks}
            engine = engine_for(runs, self.store.root, **options)
            try:
                return execute_runs(runs, self.store, engine, watch=watch)
            finally:
                engine.close()

    def default_workers(self, plan: Plan, *, ranks: int = 1) -> int:
        """As many runs at a time as this machine has GPUs for, or else cores."""
        return default_workers(_runs(plan), threads=self.study.numerics.threads, ranks=ranks)

    def request(self, plan: Plan) -> dict[str, str]:
        """Write the requests of all runs that are not done; their labels, by key, parents first.

        Raises:
            StudyError: if text is not prepared.
        """
        if plan.unprepared:
            todo = f"bytetransfer prepare {self.path}, then ask again"
            raise StudyError("its text is not prepared", where=str(self.path), todo=todo)
        self.store.verify_corpora(_runs(plan))
        left = {key: one for key, one in plan.runs.items() if not self.store.is_done(key)}
        for planned in left.values():
            self.store.request(planned.run)
        return {key: planned.label for key, planned in left.items()}

    def measurements(self, plan: Plan) -> Measurements:
        """A row for every run that is done."""
        return collect(plan, self.store, regime=self.study.regime)

    def lost(self, plan: Plan, state: State, measurements: Measurements) -> list[str]:
        """Labels of runs that were done and are not any more: somebody has deleted them."""
        rows = {row.run for row in measurements}
        cells = {cell.key for cell in plan.cells}
        lost = [
            key
            for key in plan.runs
            if key not in state.failed.keys() | state.blocked
            and (key not in rows if key in cells else not self.store.is_done(key))
        ]
        return [plan.runs[key].label for key in lost]

    def unverified_note(self, plan: Plan) -> str:
        """What to say of results that no digest vouches for; empty where all have one."""
        done = [key for key in plan.runs if self.store.is_done(key)]
        count = unverified(done, self.store)
        return unverified_line(count, len(done)) if count else ""

    def finished(self, plan: Plan) -> Results:
        """The results to estimate and report from.

        Raises:
            StudyError: if no run is done, or text has changed: results that are there stay.
        """
        todo = f"bytetransfer run {self.path} does what is missing"
        if plan.unprepared:
            what = " ".join(unprepared_lines(self._unprepared(plan))).rstrip(".")
            raise StudyError(what, where=str(self.path), todo=todo)
        results = self.results(plan)
        if not len(results.measurements):
            raise StudyError("none of its runs is done", where=str(self.path), todo=todo)
        return replace(results, note=self.unverified_note(plan))

    def _claim_results(self) -> None:
        """Refuse to write over the results of another study file of the same name."""
        claim_results(self.folder, study_file=shown_path(self.path.name), study=self.study.name)

    def results(self, plan: Plan) -> Results:
        """Whatever is done of the plan, and all that follows from it."""
        measurements = Measurements(()) if plan.unprepared else self.measurements(plan)
        return Results(
            measurements=measurements,
            options=self.study.estimate,
            name=self.study.name,
            find_context=self._context,
            describe=lambda: describe(
                self.study, self.path, plan, self._room().known(), self.store
            ),
            folder=self.folder,
            claim=self._claim_results,
            page=self.folder / "report.html",
        )

    def _context(self) -> Context:
        """What the analyses are told; texts as far as they are prepared."""
        corpora = _prepared(self._room().known())
        options = self.study.analysis
        return Context(
            sources=self.study.sources,
            targets=self.study.targets,
            corpora=corpora,
            languages=self._languages(corpora),
            made=frozenset(name for name in corpora if self._is_control(name)),
            distances=self._distances(),
            close=options.close,
            parameters=parameter_counts(self.study.learners),
            factor=options.factor,
            reference=options.reference,
            remember=self.store.remembered,
        )

    def _distances(self) -> Distances:
        file = self.study.analysis.distances
        return {} if file is None else read_distances(self.path.parent / file)

    def _languages(self, corpora: Mapping[str, Corpus]) -> dict[str, str]:
        """Language codes of corpora that are languages: as stated, or else their names."""
        plain = {
            name: corpus
            for name, corpus in corpora.items()
            if not is_made(name) and not self._is_control(name)
        }
        return {name: corpus.card.language or name for name, corpus in plain.items()}

    def _is_control(self, name: str) -> bool:
        """Whether a corpus is made by a control, whatever it is called."""
        spec = self.study.corpora.get(name)
        return spec is not None and isinstance(
            spec.generator, NonsenseSettings | HierarchicalSettings | RandomBytesSettings
        )

    def remarks(self) -> list[str]:
        """What will surprise in the study, and what slows it on this machine."""
        return [*remarks(self.study), *slower_paths(self.study.learners, self.study.numerics)]

    def forecast(self, stage: Stage, *, workers: int, speed: Speed = bytes_per_second) -> Forecast:
        """What is left of a stage would take on this machine, which is timed for it."""
        reasons = self._unprepared(stage.plan)
        found = forecast(stage.plan, self.store, workers=workers, speed=speed, reasons=reasons)
        notes = [*self.remarks(), *found.notes]
        if self.study.adaptive is not None:
            grid = make_plan(self.study, self._cards(0), self._numerics)
            notes += [f"Adaptive: {self.stage_note(stage)}.", upper_bound(grid, stage.plan)]
        return msgspec.structs.replace(found, notes=notes)

    def status(self, stage: Stage) -> Status:
        """How far the study is; also while it runs in another process."""
        found = status(
            stage.plan,
            self.store,
            self.measurements(stage.plan).rows,
            now=time.time(),
            reasons=self._unprepared(stage.plan),
            is_locked=lambda: self.store.is_locked(f"study-{self.study.name}"),
        )
        return msgspec.structs.replace(found, stage=self.stage_note(stage))

    def stage_note(self, stage: Stage) -> str:
        """Where an adaptive study is, or why it has ended; empty for a full grid."""
        return "" if self.study.adaptive is None else stage_note(stage, self.study.adaptive)

    def _numerics(self, settings: Settings, planned_bytes: int) -> Numerics | None:
        return numerics_for(settings, self.study.numerics, planned_bytes)


def _named_in_replicate(
    watch: Callable[[str, int], None], number: int
) -> Callable[[str, int], None]:
    return lambda name, read: watch(name_in_replicate(name, number), read)


def _prepared(corpora: Mapping[str, Corpus | None]) -> dict[str, Corpus]:
    return {name: corpus for name, corpus in corpora.items() if corpus is not None}


def _runs(plan: Plan) -> list[Run]:
    return [planned.run for planned in plan.runs.values()]
