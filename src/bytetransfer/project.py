"""A study on disk: the study file, the store beside it, and the folder its results go to.

spanish.toml                      the study
.bytetransfer/                    corpora and runs, shared by all studies of this folder
results/<name>/measurements.csv   one row per run      (and blocks.parquet, for resampling)
               estimates.csv      D_E and D_T, intervals   (and .json, .parquet)
               report.html        the same, to read
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from bytetransfer.collect import collect
from bytetransfer.corpus.corpus import Corpus
from bytetransfer.corpus.synthetic import (
    HierarchicalSettings,
    NonsenseSettings,
    RandomBytesSettings,
)
from bytetransfer.corpus.typology import read_distances
from bytetransfer.description import describe
from bytetransfer.disk import write_atomic
from bytetransfer.engine.calibrate import bytes_per_second
from bytetransfer.engine.corpora import CorpusRoom
from bytetransfer.engine.execute import State, execute_runs
from bytetransfer.engine.local import LocalEngine
from bytetransfer.errors import MeasurementError, StoreError, StudyError
from bytetransfer.explain import ANALYSES, Distances, Evidence, answered, explain, is_made
from bytetransfer.learners.catalog import Settings, numerics_for, parameter_counts
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.measurement import SCRATCH, Measurements
from bytetransfer.measurement_file import read_measurements
from bytetransfer.overview import Forecast, Status, forecast, status, unprepared_lines
from bytetransfer.plan import Plan, make_plan
from bytetransfer.report import StudyDescription, build_report, render_html
from bytetransfer.report.document import Report, Section
from bytetransfer.report.view import make_view
from bytetransfer.store import Store
from bytetransfer.study import Study
from bytetransfer.study_check import remarks
from bytetransfer.study_file import read_study
from bytetransfer.transfer.estimate import Estimates, estimate_transfer
from bytetransfer.transfer.methods import Method

_SHOWN_REASONS = 5


@dataclass(frozen=True)
class Project:
    """One study and the places it works in.

    Attributes:
        study: what is asked for.
        path: the study file; relative paths in it start from its folder.
        store: where corpora and runs lie.
        results: where measurements, estimates and the report go.
    """

    study: Study
    path: Path
    store: Store
    results: Path

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

    @property
    def _room(self) -> CorpusRoom:
        return CorpusRoom(self.study, self.path.parent, self.store)

    def prepare(self, watch: Callable[[str, int], None] = lambda *_: None) -> dict[str, Corpus]:
        """Prepare every corpus that is not prepared yet.

        Raises:
            CorpusError: if text is missing, unreadable or too little.
        """
        return self._room.prepare(watch)

    def plan(self, corpora: Mapping[str, Corpus | None] | None = None) -> Plan:
        """Every run of the study; nothing is prepared or trained.

        Args:
            corpora: prepared corpora by name; looked up where they are not given.
        """
        corpora = self._room.known() if corpora is None else corpora
        cards = {name: corpus.card if corpus else None for name, corpus in corpora.items()}
        return make_plan(self.study, cards, self._numerics)

    def run(
        self,
        plan: Plan,
        *,
        workers: int,
        watch: Callable[[State], None] = lambda _: None,
    ) -> State:
        """Do what is missing of the plan on this machine.

        Raises:
            StoreError: if another `run` of this study is at work, or a prepared corpus is damaged.
        """
        self._claim_results()
        busy = f"a run of the study {self.study.name!r} is at work already"
        with self.store.lock(f"study-{self.study.name}", wait=False, busy=busy):
            self.store.verify_corpora(planned.run for planned in plan.runs.values())
            engine = LocalEngine(
                self.store.root, workers=workers, threads=self.study.numerics.threads
            )
            try:
                return execute_runs(
                    [planned.run for planned in plan.runs.values()],
                    self.store,
                    engine,
                    watch=watch,
                )
            finally:
                engine.close()

    def default_workers(self, plan: Plan) -> int:
        """As many runs at a time as this machine has cores for; one where they share a GPU."""
        numerics = [planned.run.numerics for planned in plan.runs.values()]
        if any(n is not None and n.device == "cuda" for n in numerics):
            return 1
        return max(1, (os.cpu_count() or 1) // self.study.numerics.threads)

    def measurements(self, plan: Plan) -> Measurements:
        """A row for every run that is done."""
        return collect(plan, self.store, regime=self.study.regime)

    def finished(self, plan: Plan) -> Measurements:
        """The measurements to estimate and report from.

        Raises:
            StudyError: if there are none, or text has changed: results that are there stay.
        """
        todo = f"bytetransfer run {self.path} does what is missing"
        if plan.unprepared:
            what = " ".join(unprepared_lines(self._room.unprepared())).rstrip(".")
            raise StudyError(what, where=str(self.path), todo=todo)
        measurements = self.measurements(plan)
        if not len(measurements):
            raise StudyError("none of its runs is done", where=str(self.path), todo=todo)
        self._claim_results()
        return measurements

    def _claim_results(self) -> None:
        """Refuse to write over the results of another study file of the same name."""
        owner = self.results / "study-file.txt"
        if owner.exists() and owner.read_text(encoding="utf-8").strip() != self.path.name:
            raise StoreError(
                f"holds the results of {owner.read_text(encoding='utf-8').strip()}",
                where=str(self.results),
                todo=f"give {self.path.name} another name than {self.study.name!r}",
            )
        write_atomic(owner, self.path.name + "\n")

    def estimates(self, measurements: Measurements) -> Estimates:
        """D_E and D_T of every fine-tuned cell."""
        options = self.study.estimate
        return estimate_transfer(
            measurements,
            method=options.method,
            confidence=options.level,
            replicates=options.replicates,
            seed=options.seed,
        )

    def write_estimates(self, measurements: Measurements, estimates: Estimates) -> list[Path]:
        """Write measurements and estimates into the results folder; the files written."""
        files: dict[str, bytes | str] = {
            "measurements.csv": measurements.to_csv(),
            "blocks.parquet": measurements.blocks_to_parquet(),
        }
        files |= {f"estimates{ending}": write(estimates) for ending, write in _WRITERS.items()}
        for name, content in files.items():
            write_atomic(self.results / name, content)
        return [self.results / name for name in files]

    def explain(
        self, measurements: Measurements, estimates: Estimates, analyses: Iterable[str]
    ) -> list[Section]:
        """What some of `explain.ANALYSES` say of the study, as sections.

        Raises:
            MeasurementError: for a CSV of distances that cannot be read.
        """
        corpora = {n: c for n, c in self._room.known().items() if c is not None}
        options = self.study.analysis
        order: StudyDescription = {"sources": self.study.sources, "targets": self.study.targets}
        evidence = Evidence(
            measurements=measurements,
            estimates=estimates,
            names=make_view(measurements, estimates, order).names,
            corpora=corpora,
            languages=self._languages(corpora),
            made=frozenset(name for name in corpora if self._is_control(name)),
            distances=_distances(self.path.parent, options.distances),
            close=options.close,
            parameters=parameter_counts(self.study.learners),
            factor=options.factor,
            reference=options.reference,
            method=self.study.estimate.method,
            seed=self.study.estimate.seed,
            remember=self.store.remembered,
        )
        return explain(evidence, analyses)

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

    def report(
        self,
        plan: Plan,
        measurements: Measurements,
        estimates: Estimates,
        analyses: Iterable[str] = ANALYSES,
    ) -> Report:
        """The report as data, with some of `explain.ANALYSES`."""
        description = describe(self.study, self.path, plan, self._room.known(), self.store)
        sections = answered(self.explain(measurements, estimates, analyses))
        return build_report(measurements, estimates, description, sections)

    def write_report(self, plan: Plan, measurements: Measurements, estimates: Estimates) -> Path:
        """Write the report; its path."""
        path = self.results / "report.html"
        write_atomic(path, render_html(self.report(plan, measurements, estimates)))
        return path

    def forecast(self, plan: Plan, *, workers: int) -> Forecast:
        """What is left of the plan would take on this machine, which is timed for it."""
        found = forecast(
            plan,
            self.store,
            workers=workers,
            speed=bytes_per_second,
            reasons=self._room.unprepared(),
        )
        return msgspec.structs.replace(found, notes=[*remarks(self.study), *found.notes])

    def status(self, plan: Plan) -> Status:
        """How far the study is; also while it runs in another process."""
        return status(
            plan,
            self.store,
            self.measurements(plan).rows,
            now=time.time(),
            reasons=self._room.unprepared(),
        )

    def _numerics(self, settings: Settings, expected_bytes: int) -> Numerics | None:
        return numerics_for(settings, self.study.numerics, expected_bytes)


def explain_table(
    measurements: Measurements,
    analyses: Iterable[str],
    *,
    close: Mapping[str, str],
    distances: Path | None = None,
    factor: float = 2.0,
    method: Method = "monotone",
    noise: float | None = None,
) -> list[Section]:
    """What some of `explain.ANALYSES` say of losses alone; names of languages are their codes.

    Args:
        measurements: all rows.
        analyses: which.
        close: for a target, the source that is close to it.
        distances: a CSV of distances between languages.
        factor: sources within it are called alike.
        method: how the from-scratch curve is drawn.
        noise: standard error of log D_E to assume where there is no interval.

    Raises:
        MeasurementError: for a CSV of distances that cannot be read.
    """
    estimates = estimate_transfer(measurements, method=method)
    found = {name for row in estimates for name in (row.source, row.target)}
    evidence = Evidence(
        measurements=measurements,
        estimates=estimates,
        names=make_view(measurements, estimates).names,
        languages={name: name for name in sorted(found) if not is_made(name)},
        distances=_distances(Path(), None if distances is None else str(distances)),
        close=close,
        factor=factor,
        method=method,
        noise=noise,
    )
    return explain(evidence, analyses)


def _distances(base: Path, file: str | None) -> Distances:
    return {} if file is None else read_distances(base / file)


def estimate_file(path: Path, **options: Any) -> Estimates:
    """D_E and D_T from a table of losses, with `blocks.parquet` beside it where there is one.

    Args:
        path: the table, as `read_measurements` reads it.
        options: of `estimate_transfer`.

    Raises:
        MeasurementError: if the file cannot be read as measurements, or gives no estimate at all.
    """
    estimates = estimate_transfer(read_measurements(path), **options)
    if len(estimates):
        return estimates
    if not estimates.refusals:
        what = f"no row is fine-tuned: the source of all is {SCRATCH!r}"
        raise MeasurementError(what, where=str(path), todo="add rows with a source")
    curves = [(r, filter(None, (r.target, r.learner, r.regime))) for r in estimates.refusals]
    reasons = dict.fromkeys(f"{', '.join(curve)}: {row.reason}" for row, curve in curves)
    more = len(reasons) - _SHOWN_REASONS
    raise MeasurementError(
        "no estimate for any target ("
        + "; ".join(list(reasons)[:_SHOWN_REASONS])
        + (f"; and {more} more)" if more > 0 else ")"),
        where=str(path),
        todo=f"every target needs rows with the source {SCRATCH!r}, of the same learner, regime "
        "and seeds, that its method can draw a curve through",
    )


def write_table(estimates: Estimates, path: Path) -> None:
    """Write estimates as the ending of the file says: `.csv`, `.json` or `.parquet`.

    Raises:
        StoreError: for another ending, or if the disk does not take it.
    """
    ending = path.suffix.lower()
    if ending not in _WRITERS:
        todo = f"give a file that ends in {', '.join(_WRITERS)}"
        raise StoreError("no kind of table by its name", where=str(path), todo=todo)
    write_atomic(path, _WRITERS[ending](estimates))


def failure_message(plan: Plan, state: State, store: Store) -> str:
    """What to say of runs that failed."""
    lines = [f"{len(state.failed)} runs failed, {len(state.blocked)} wait for them"]
    for key, reason in list(state.failed.items())[:5]:
        lines += [f"  {plan.runs[key].label}: {reason}", f"    {store.run_folder(key)}/failure.txt"]
    lines.append("the same command tries them again; the results of the others are kept")
    return "\n".join(lines)


def _parquet(estimates: Estimates) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(estimates.to_rows()), out)
    return out.getvalue()


_WRITERS: dict[str, Callable[[Estimates], bytes | str]] = {
    ".csv": Estimates.to_csv,
    ".json": Estimates.to_json,
    ".parquet": _parquet,
}
