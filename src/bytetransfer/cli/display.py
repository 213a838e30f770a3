"""What a terminal, or a log, sees of plans and runs. Text only; nothing is computed here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType

import msgspec
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.segment import Segments
from rich.table import Table
from rich.text import Text

from bytetransfer.cli.terminal import console, say, say_json
from bytetransfer.corpus.corpus import CorpusCard
from bytetransfer.files.disk import shown_path
from bytetransfer.planning.plan import Plan
from bytetransfer.planning.run import departures
from bytetransfer.report import print_estimates
from bytetransfer.results.results import Results
from bytetransfer.results.run import Progress as StudyProgress
from bytetransfer.runs.execute import State
from bytetransfer.runs.status import (
    Forecast,
    RunningRun,
    Status,
    running_run,
    unprepared_lines,
    unverified_line,
)
from bytetransfer.runs.store import Store
from bytetransfer.units import bits_per_byte, format_bytes, format_count, format_duration

_AMPLE_WIDTH = 10_000


def print_forecast(forecast: Forecast, console: Console) -> None:
    """What a plan would cost, by learner, and what of it is there already."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("learner", "runs to do", "bytes seen", "at most", "FLOPs", "disk", "time"):
        table.add_column(name, justify="left" if name == "learner" else "right", no_wrap=True)
    for row in forecast.learners:
        table.add_row(
            Text(row.learner),
            f"{row.runs - row.reused} of {row.runs}",
            format_bytes(row.expected_bytes),
            format_bytes(row.most_bytes),
            format_count(row.flops) if row.flops else "-",
            format_bytes(row.disk_bytes),
            format_duration(row.seconds) if row.seconds is not None else "-",
        )
    _print_whole(table, console)
    for note in forecast.notes:
        console.print(Text(note), soft_wrap=True)


def print_cost(forecast: Forecast, console: Console, *, workers: int) -> None:
    """What is to be done and how long it will take, before a study is begun."""
    print_forecast(forecast, console)
    if forecast.seconds:
        at_a_time = f"{workers} runs at a time" if workers > 1 else "one run at a time"
        told = f"about {format_duration(forecast.seconds)} in all, {at_a_time}"
        console.print(Text(told), soft_wrap=True)


def print_keys(keys: Mapping[str, str], root: Path, console: Console) -> None:
    """Keys of requested runs, parents first, and the command that does one."""
    for key, label in keys.items():
        console.print(Text(f"{key}  {label}"), soft_wrap=True)
    if keys:
        command = f"python -m bytetransfer.runs.worker {root} KEY"
        console.print(Text(f"one of them, those above it done: {command}"), soft_wrap=True)


def print_status(status: Status, console: Console, *, study: str) -> None:
    """How far a study is, what is at work, what was stopped, and what failed."""
    console.print(Text(f"{status.study}: {status.done} of {status.total} runs done"))
    if status.stage:
        console.print(Text(f"adaptive: {status.stage}"), soft_wrap=True)
    for line in unprepared_lines(status.unprepared):
        console.print(Text(line), soft_wrap=True)
    if status.unverified:
        line = unverified_line(status.unverified, status.done)
        console.print(Text(line), soft_wrap=True)
    for running in status.running:
        console.print(Text(f"  at work  {running_line(running)}"), soft_wrap=True)
    for stopped in status.stopped:
        console.print(Text(f"  stopped  {stopped_line(stopped)}"), soft_wrap=True)
    if status.stopped and not status.running:
        console.print(Text(f"not running; `bytetransfer run {study}` goes on"), soft_wrap=True)
    for label, reason in status.failed.items():
        console.print(Text(f"  failed   {label}: {reason}"), soft_wrap=True)
    _print_flagged(status, console)


def _print_flagged(status: Status, console: Console) -> None:
    for what, labels in (
        ("not converged", status.not_converged),
        ("below the surface learner", status.below_surface),
    ):
        if labels:
            console.print(Text(f"{len(labels)} runs {what}:"))
            for label in labels:
                console.print(Text(f"  {label}"), soft_wrap=True)


def _print_whole(table: Table, console: Console) -> None:
    """Print a table with nothing cut off, wider than the terminal or the log if it must be."""
    room = console.options.update_width(_AMPLE_WIDTH)
    console.print(Segments(console.render(table, room)), soft_wrap=True, end="")


def stopped_line(run: RunningRun) -> str:
    """A run that was stopped: bytes seen."""
    seen, most = format_bytes(run.bytes_seen), format_bytes(run.expected_bytes)
    return f"{run.label}: after {seen} of at most {most}"


def running_line(run: RunningRun) -> str:
    """A run at work: bytes seen, speed, loss."""
    if not run.bytes_seen:
        return run.label
    seen = f"{format_bytes(run.bytes_seen)} of at most {format_bytes(run.expected_bytes)}"
    loss = "" if run.bits_per_byte is None else f", {run.bits_per_byte:.3f} bits per byte"
    return f"{run.label}: {seen}, {format_bytes(run.bytes_per_second)}/s{loss}"


def print_corpora(cards: Mapping[str, CorpusCard], console: Console) -> None:
    """What each corpus holds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = ("corpus", "train", "validation", "test", "documents", "bytes/char", "duplicates")
    for name in names:
        table.add_column(name, justify="left" if name == "corpus" else "right", no_wrap=True)
    for name, card in cards.items():
        characters = card.train.characters
        table.add_row(
            Text(name),
            format_bytes(card.train.bytes),
            format_bytes(card.validation.bytes),
            format_bytes(card.test.bytes),
            f"{card.train.documents:,}",
            f"{card.train.bytes / characters:.3f}" if characters else "binary",
            f"{card.duplicates_dropped + card.duplicates_masked:,}",
        )
    _print_whole(table, console)


class PrepareDisplay:
    """Progress of preparation: how much of which corpus has been read.

    Args:
        console: where it goes.
        quiet: show nothing.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self._console, self._show = console, not quiet
        self._live: Live | None = None
        self._said: set[str] = set()

    def __enter__(self) -> PrepareDisplay:
        if self._show and self._console.is_terminal:
            self._live = Live(Text(""), console=self._console, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, corpus: str, bytes_read: int) -> None:
        """Show how much of a corpus has been read."""
        if self._live is not None:
            self._live.update(Text(f"preparing {corpus}: {format_bytes(bytes_read)} read"))
        elif self._show and corpus not in self._said:
            self._said.add(corpus)
            self._console.print(Text(f"preparing {corpus}"))


class RunDisplay:
    """Progress of an execution: live on a terminal, a line per finished run in a log.

    Args:
        plan: gives runs their labels and expected costs.
        store: gives progress and results.
        console: where it goes.
        quiet: show nothing.
        workers: runs at a time.
        forecast: how long each learner is expected to take, until its first runs tell.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        console: Console,
        *,
        quiet: bool,
        workers: int = 1,
        forecast: Forecast | None = None,
    ) -> None:
        self._plan, self._store, self._console = plan, store, console
        self._show, self._live_possible = not quiet, console.is_terminal
        self._known: frozenset[str] | None = None
        self._failed: set[str] = set()
        self._most_running = workers
        self._forecast, self._workers = forecast, workers
        self._pace: dict[str, tuple[float, float]] = {}  # learner: seconds, work of finished runs
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=30),
            TextColumn("{task.completed}/{task.total} runs"),
            TextColumn("{task.fields[left]}"),
            console=console,
        )
        self._task = self._bar.add_task(plan.study, total=len(plan.runs), left="")
        self._live: Live | None = None
        self._expected: dict[str, float] = {}

    def __enter__(self) -> RunDisplay:
        if self._show and self._live_possible:
            self._live = Live(self._bar, console=self._console, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, state: State) -> None:
        """Show a state of the execution."""
        if not self._show:
            return
        if self._known is None:
            self._known = state.done
            self._expected = self._expected_paces(state.done)
            self._note_pace(state.done)
            if state.done:
                self._say(f"{len(state.done)} of {state.total} runs are done already")
        for key in sorted(self._known - state.done):
            self._say(f"{self._plan.runs[key].label}: deleted since it was done; it is done again")
        self._known &= state.done
        self._note_pace(state.done - self._known)
        left = self._time_left(state)
        for count, key in enumerate(sorted(state.done - self._known), len(self._known) + 1):
            told = f"; {left}" if left else ""
            self._say(f"[{count}/{state.total}] {self._outcome(key)}{told}")
        self._known |= state.done
        for key in sorted(state.failed.keys() - self._failed):
            self._say(f"FAILED {self._plan.runs[key].label}: {state.failed[key]}")
            self._failed.add(key)
        self._bar.update(self._task, completed=len(state.done), left=left)
        if self._live is not None:
            lines = [Text(f"  {self._running(key)}") for key in sorted(state.running)]
            self._live.update(Group(self._bar, *lines))

    def _say(self, line: str) -> None:
        # on a terminal the finished runs would push the live part about; there the bar says it
        if not self._live_possible or line.startswith("FAILED"):
            self._console.print(Text(line), soft_wrap=True)

    def _outcome(self, key: str) -> str:
        planned, result = self._plan.runs[key], self._store.result(key)
        if result is None:
            return planned.label
        loss = bits_per_byte(result.test.nats, result.test.bytes)
        seen = format_bytes(result.training.bytes_seen)
        told = "".join(f"; {words}" for words in departures(planned.run, result).values())
        return f"{planned.label}: {loss:.3f} bits per byte, {seen} seen{told}"

    def _running(self, key: str) -> str:
        run = running_run(self._plan, self._store, key, now=time.time())
        return running_line(run) if run else self._plan.runs[key].label

    def _note_pace(self, keys: frozenset[str]) -> None:
        for key in keys:
            planned, environment = self._plan.runs[key], self._store.environment(key)
            if environment is not None:
                seconds, work = self._pace.get(planned.learner, (0.0, 0.0))
                pace = (seconds + environment.seconds, work + planned.cost.weight)
                self._pace[planned.learner] = pace

    def _expected_paces(self, done: frozenset[str]) -> dict[str, float]:
        """Seconds of one worker for a unit of work, by learner, as far as they were forecast."""
        work: dict[str, float] = {}
        for key, planned in self._plan.runs.items():
            if key not in done:
                work[planned.learner] = work.get(planned.learner, 0.0) + planned.cost.weight
        rows = self._forecast.learners if self._forecast else ()
        return {
            row.learner: row.seconds * self._workers / work[row.learner]
            for row in rows
            if row.seconds and work.get(row.learner)
        }

    def _time_left(self, state: State) -> str:
        """From what each learner's finished runs took; learners differ by orders of magnitude."""
        self._most_running = max(self._most_running, len(state.running))
        over = state.done | state.failed.keys() | state.blocked
        ahead = [planned for key, planned in self._plan.runs.items() if key not in over]
        found = {learner: seconds / work for learner, (seconds, work) in self._pace.items()}
        paces = {**self._expected, **found}
        if not ahead or any(planned.learner not in paces for planned in ahead):
            return ""
        seconds = sum(planned.cost.weight * paces[planned.learner] for planned in ahead)
        return f"about {format_duration(seconds / self._most_running)} left"


class TerminalProgress(StudyProgress):
    """What is seen of a study that runs, and what it found.

    Args:
        as_json: print estimates as JSON for machines.
        quiet: show no progress.
    """

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json, self._quiet, self._log = as_json, quiet, console(err=True)
        self._said: set[str] = set()
        self._told: Forecast | None = None

    def note(self, text: str) -> None:
        """A line on standard error."""
        self._said |= {text, f"{text[:1].upper()}{text[1:]}."}
        if not self._quiet:
            say(text, err=True)

    def preparing(self) -> PrepareDisplay:
        """Which corpus is read, and how much of it."""
        return PrepareDisplay(self._log, quiet=self._quiet)

    def running(
        self, plan: Plan, store: Store, workers: int, cost: Callable[[], Forecast]
    ) -> RunDisplay:
        """What is to be done and how long it will take, then runs done and at work.

        The cost is told before the first stage alone: later ones go by what its runs took.
        """
        forecast = None
        if not self._quiet and self._told is None:
            forecast = self._told = cost()
            if any(row.reused < row.runs for row in forecast.learners):
                notes = [note for note in forecast.notes if note not in self._said]
                shown = msgspec.structs.replace(forecast, notes=notes)
                print_cost(shown, self._log, workers=workers)
        return RunDisplay(
            plan, store, self._log, quiet=self._quiet, workers=workers, forecast=forecast
        )

    def written(self, results: Results, page: Path) -> None:
        """The answer, and where the report lies."""
        if self._as_json:
            say_json(results.estimates.to_json())
        else:
            print_estimates(results.estimates, console())
            say(f"report: {shown_path(os.path.relpath(page))}")
