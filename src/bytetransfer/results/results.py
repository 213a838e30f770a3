"""Results: measurements, and all that is computed from them when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, fields
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bytetransfer.errors import MeasurementError
from bytetransfer.explain.inputs import Context, Evidence, detected_languages, premiums
from bytetransfer.explain.sections import ANALYSES, answered, explain
from bytetransfer.measurements.measurement import (
    SCRATCH,
    Measurement,
    Measurements,
    Place,
    name_places,
    name_rows,
)
from bytetransfer.readable import readable
from bytetransfer.report import StudyDescription, build_report, render_html
from bytetransfer.report.document import Report, Section
from bytetransfer.report.figures.chart import Chart
from bytetransfer.report.view import make_view
from bytetransfer.results.folder import write_estimates, write_own_page, write_page
from bytetransfer.study.study import EstimateOptions
from bytetransfer.transfer.arms import scratch_arm
from bytetransfer.transfer.estimate import (
    Estimates,
    Refusal,
    TransferEstimate,
    estimate_transfer,
)
from bytetransfer.transfer.replicates import means_of_replicates
from bytetransfer.transfer.resampling import Resampling
from bytetransfer.units import parse_bytes

if TYPE_CHECKING:
    from bytetransfer.transfer.reading import LossCurve

_SHOWN_REASONS = 5
_SHOWN_NAMES = 6


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Results:
    """Measurements of a study, of a table or of a frame, and all that follows from them.

    `read_results`, `published_results` and `run_study` make one. Nothing is computed before it is
    asked for, and estimates are computed once.

    Attributes:
        measurements: a row for every run.
        options: how estimates are made.
        name: what the study or the table is called.
        table: the table the rows were read from, for messages; empty for a study.
        find_context: looks up what the analyses are told besides; called once, when one is made.
        describe: finds what a report says of a study besides its numbers.
        folder: where the results of a study go; None without a study.
        claim: refuses a folder that holds the results of another study file, before it is written.
        note: what the user should know of how the rows came about; mostly empty.
        page: where the report goes unless a path is given; None where no file was read.
    """

    measurements: Measurements
    options: EstimateOptions = field(default_factory=EstimateOptions)
    name: str = ""
    table: str = ""
    find_context: Callable[[], Context] = Context
    describe: Callable[[], StudyDescription] = StudyDescription
    folder: Path | None = None
    claim: Callable[[], None] = lambda: None
    note: str = ""
    page: Path | None = None

    @cached_property
    def estimates(self) -> Estimates:
        """D_E and D_T of every fine-tuned cell, and the cells without, with the reason."""
        options = self.options
        return estimate_transfer(
            self.measurements,
            method=options.method,
            confidence=options.level,
            resamples=options.resamples,
            seed=options.seed,
            extrapolate=options.extrapolate,
        )

    @cached_property
    def context(self) -> Context:
        """What the analyses are told besides measurements."""
        return self.find_context()

    def check(self) -> None:
        """Refuse a table that gives no estimate, or from-scratch rows that none is read on.

        Of a study nothing is refused: its other runs may be yet to come.

        Raises:
            MeasurementError: with the reasons, and the lines they are for.
        """
        if self.table:
            _check_table(self.estimates, self.table)

    def sel(
        self,
        *,
        target: str | None = None,
        source: str | None = None,
        learner: str | None = None,
        finetune_bytes: int | str | None = None,
    ) -> Estimates:
        """The estimates, and the refusals, of some cells.

        Args:
            target: what was fine-tuned and tested on.
            source: what was pretrained on.
            learner: learner and preset.
            finetune_bytes: D_F, as it was asked for or as it came out; "10kB" or 10000.

        Raises:
            MeasurementError: for a name or a size that no cell has.
        """
        given = {"target": target, "source": source, "learner": learner}
        wanted = {name: value for name, value in given.items() if value is not None}
        size = None if finetune_bytes is None else parse_bytes(finetune_bytes)
        cells: list[TransferEstimate | Refusal]
        cells = [*self.estimates.rows, *self.estimates.refusals]
        for name, value in wanted.items():
            _known(name, value, {getattr(cell, name) for cell in cells})
        sizes = {cell.finetune_bytes for cell in cells}
        sizes |= {row.nominal_bytes for row in self.estimates.rows}
        if size is not None and size not in sizes:
            raise MeasurementError(
                f"no cell has {size} bytes of fine-tuning",
                todo=f"there are {', '.join(map(str, sorted(sizes - {0})))}",
            )

        def fits(cell: Any) -> bool:
            same = all(getattr(cell, name) == value for name, value in wanted.items())
            own = (cell.finetune_bytes, getattr(cell, "nominal_bytes", None))
            return same and (size is None or size in own)

        return Estimates(
            tuple(filter(fits, self.estimates.rows)), tuple(filter(fits, self.estimates.refusals))
        )

    def curve(self, target: str, *, learner: str | None = None) -> LossCurve:
        """The from-scratch curve of a target, through the means of the seeds that all sizes have.

        Args:
            target: what was trained and tested on.
            learner: learner and preset; may be left out where there is only one.

        Raises:
            MeasurementError: for a target or learner that was not trained from scratch, several
                learners to choose from, or what the method refuses as a curve.
        """
        means = means_of_replicates(self.measurements)
        rows = [row for row in means if row.source == SCRATCH and row.target_bytes]
        _known("target", target, {row.target for row in rows})
        rows = [row for row in rows if row.target == target]
        if learner is not None:
            _known("learner", learner, {row.learner for row in rows})
            rows = [row for row in rows if row.learner == learner]
        curves = sorted({(row.learner, row.regime) for row in rows})
        if len(curves) > 1:
            named = ", ".join(" ".join(filter(None, one)) for one in curves)
            raise MeasurementError(
                f"{target} has several from-scratch curves: {named}",
                todo="give one of them as `learner`",
            )
        options = self.options
        arm = scratch_arm(
            rows,
            sorted({row.seed for row in rows}),
            means.blocks,
            Resampling(resamples=options.resamples, seed=options.seed),
            method=options.method,
            extrapolate=options.extrapolate,
        )
        return arm.curve

    def explain(self, analyses: Iterable[str] = ANALYSES) -> list[Section]:
        """What some of the analyses say, as sections.

        Args:
            analyses: names among `explain.sections.ANALYSES`; all of them by default.

        Raises:
            ValueError: for an analysis there is not.
            MeasurementError: for a CSV of distances that cannot be read.
        """
        return explain(self._evidence, _analyses(analyses))

    @cached_property
    def _evidence(self) -> Evidence:
        context = self.context
        shown: StudyDescription = {
            "sources": context.sources,
            "targets": context.targets,
            "languages": context.languages,
        }
        return Evidence(
            measurements=means_of_replicates(self.measurements),
            estimates=self.estimates,
            names=make_view(self.measurements, self.estimates, shown).names,
            method=self.options.method,
            seed=self.options.seed,
            **{one.name: getattr(context, one.name) for one in fields(context)},
        )

    def report(self, analyses: Iterable[str] = ANALYSES) -> Report:
        """The report as data, with some of the analyses; a notebook shows it as the page.

        Raises:
            ValueError: for an analysis there is not.
            MeasurementError: as `check`, and for a CSV of distances that cannot be read.
        """
        self.check()
        wanted, description = _analyses(analyses), self.describe()
        if description:
            evidence = self._evidence
            description["languages"] = evidence.languages
            ratios = premiums(evidence).values()
            description["premiums"] = {one.language: one.ratio for one in ratios}
            description["reference"] = evidence.reference
        if description and "contamination" in wanted:
            found, description["detection"] = detected_languages(evidence)
            description["corpora"] = {
                name: {**facts, **({"languages detected": found.get(name)} if found else {})}
                for name, facts in description["corpora"].items()
            }
        sections = answered(self.explain(wanted))
        return build_report(self.measurements, self.estimates, description, sections)

    @property
    def figures(self) -> tuple[Chart, ...]:
        """The figures of the report as data."""
        return tuple(chart for section in self.report().sections for chart in section.figures)

    def write(self, folder: str | Path | None = None) -> list[Path]:
        """Write measurements, blocks, estimates and laws; the files written.

        Args:
            folder: where to; by default the results folder of the study.

        Raises:
            ValueError: without a study and without a folder.
            StoreError: if the disk does not take it, or files of another origin stand there.
            MeasurementError: as `check`.
        """
        self.check()
        to = self.folder if folder is None else Path(folder)
        if to is None:
            raise ValueError("results without a study have no folder of their own: give one")
        if is_own := to == self.folder:
            self.claim()
        return write_estimates(to, self.measurements, self.estimates, is_own=is_own)

    def write_report(self, path: str | Path | None = None) -> Path:
        """Write the report as a page; its path.

        Args:
            path: where to; by default into the results folder of the study, or beside the table,
                as `losses-report.html` beside `losses.csv`.

        Raises:
            ValueError: without a study or a table, and without a path.
            StoreError: if the disk does not take it, or another file stands there.
            MeasurementError: as `check`.
        """
        to = self.page if path is None else Path(path)
        if to is None:
            raise ValueError("results that were read from no file: give a path")
        if self.folder is None or path is not None:
            return write_own_page(to, render_html(self.report()))
        self.claim()
        return write_page(self.folder, render_html(self.report()))

    def __repr__(self) -> str:
        cells = len({row.cell for row in self.measurements if row.source != SCRATCH})
        named = f" of {self.name}" if self.name else ""
        return readable(
            f"<Results{named}: {len(self.measurements)} runs, {cells} fine-tuned cells; "
            f"sources {_some(self.measurements, 'source')}; "
            f"targets {_some(self.measurements, 'target')}>"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.estimates._repr_html_()}"


def _analyses(wanted: Iterable[str]) -> tuple[str, ...]:
    """Names of analyses, checked; one by itself counts as a list of one."""
    found = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for name in found:
        if name not in ANALYSES:
            raise ValueError(f"no analysis is called {name!r}; there are {', '.join(ANALYSES)}")
    return found


def _known(kind: str, name: str, names: set[str]) -> None:
    if name not in names:
        have = ", ".join(filter(None, sorted(names))) or "none"
        raise MeasurementError(f"no {kind} is called {name!r}", todo=f"there are: {have}")


def _names(measurements: Measurements, column: str) -> list[str]:
    return list(dict.fromkeys(getattr(row, column) for row in measurements))


def _some(measurements: Measurements, column: str) -> str:
    """The first few names of a column, from scratch left out."""
    names = [name for name in _names(measurements, column) if name != SCRATCH]
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return (", ".join(names[:_SHOWN_NAMES]) or "none") + more


def _check_table(estimates: Estimates, where: str) -> None:
    """See `Results.check`."""
    if len(estimates):
        _refuse_unused(estimates.unused, where=where)
        return
    if not estimates.refusals:
        what = f"no row is fine-tuned: the source of all is {SCRATCH!r}"
        raise MeasurementError(what, where=where, todo="add rows with a source")
    reasons: dict[str, list[Place]] = {}
    for row in estimates.refusals:
        curve = ", ".join(filter(None, (row.target, row.learner, row.regime)))
        reasons.setdefault(f"{curve}: {row.reason}", []).extend(row.places)
    shown, more = list(reasons.items())[:_SHOWN_REASONS], len(reasons) - _SHOWN_REASONS
    raise MeasurementError(
        "no estimate for any target ("
        + "; ".join(f"{reason}, for {name_places(places)}" for reason, places in shown)
        + (f"; and {more} more)" if more > 0 else ")"),
        where=where,
        todo=f"every target needs rows with the source {SCRATCH!r}, of the same learner, regime "
        "and seeds, that its method can draw a curve through",
    )


def _refuse_unused(unused: Iterable[Measurement], *, where: str) -> None:
    """A curve of mixed learners would otherwise lose rows without a word."""
    curves: dict[tuple[str, str, str], list[Measurement]] = {}
    for row in unused:
        curves.setdefault(row.curve, []).append(row)
    if curves:
        said = [
            f"{name_rows(rows)}: from scratch, {' '.join(filter(None, (learner, regime)))}, which "
            f"no fine-tuned row of {target} is"
            for (learner, regime, target), rows in curves.items()
        ]
        if len(said) > _SHOWN_REASONS:
            said[_SHOWN_REASONS:] = [f"and {len(said) - _SHOWN_REASONS} more"]
        raise MeasurementError(
            f"one curve must be of one learner and regime ({'; '.join(said)})",
            where=where,
            todo="correct the learner, or put these rows into a table of their own",
        )
