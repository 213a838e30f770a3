"""What a study would take, and how far it is: plans and stores looked at from above."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from bytetransfer.errors import StoreError
from bytetransfer.learners.catalog import Settings
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.planning.plan import Plan, PlannedRun, nearest
from bytetransfer.planning.run import Run
from bytetransfer.runs.store import RunProgress, Store
from bytetransfer.units import format_bytes

_RECENT_SECONDS = 30.0
"""A run whose last progress is older than this is not at work any more."""

Speed = Callable[[Settings, Numerics | None], float | None]  # bytes a second of one worker


class LearnerForecast(msgspec.Struct, frozen=True, kw_only=True):
    """What one learner's part of a study would take.

    Attributes:
        learner: its name.
        runs: all of them.
        reused: how many have a result already.
        expected_bytes: bytes the others are expected to see in training.
        most_bytes: the most they may see.
        flops: their floating-point operations; 0 where that is no measure of the work.
        disk_bytes: what will stay on disk.
        seconds: expected time with the workers there are; None if it was not measured.
    """

    learner: str
    runs: int
    reused: int
    expected_bytes: int
    most_bytes: int
    flops: float
    disk_bytes: int
    seconds: float | None


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """What a study would take.

    Attributes:
        study: its name.
        learners: one entry a learner.
        seconds: expected time of all together; None if it was not measured.
        notes: what is not prepared, not reused and why.
    """

    study: str
    learners: list[LearnerForecast]
    seconds: float | None
    notes: list[str]


class RunningRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run at work.

    Attributes:
        label: what it is.
        bytes_seen: bytes trained on so far.
        expected_bytes: the most it may come to.
        bytes_per_second: in this try.
        bits_per_byte: latest loss, None before the first.
    """

    label: str
    bytes_seen: int = 0
    expected_bytes: int = 0
    bytes_per_second: float = 0.0
    bits_per_byte: float | None = None


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How far a study is.

    Attributes:
        study: its name.
        total: runs of the plan.
        done: runs with a result.
        running: runs that made progress lately.
        stopped: runs that have begun, gave none lately, and that no `run` of the study is doing.
        failed: label to the last line of why, of runs whose last try ended in an error.
        not_converged: labels of finished runs that were cut short or failed their check.
        below_surface: labels of finished runs the surface learner beats on the same bytes.
        unprepared: corpora that are not prepared, and why.
        stage: where an adaptive study is, or why it has ended; empty for a full grid.
        unverified: finished runs of an earlier version, whose results have no digest.
    """

    study: str
    total: int
    done: int
    running: list[RunningRun]
    failed: dict[str, str]
    not_converged: list[str]
    below_surface: list[str]
    unprepared: dict[str, str]
    stage: str = ""
    unverified: int = 0
    stopped: list[RunningRun] = []


def upper_bound(grid: Plan, stage: Plan) -> str:
    """What an adaptive study can come to at most, beside what is decided so far."""
    expected = [
        sum(planned.cost.expected_bytes for planned in plan.runs.values()) for plan in (stage, grid)
    ]
    return (
        f"Decided so far: {len(stage.runs)} runs, {format_bytes(expected[0])} seen; at most, with "
        f"every size and seed, {len(grid.runs)} runs and {format_bytes(expected[1])}."
    )


def forecast(
    plan: Plan,
    store: Store,
    *,
    workers: int,
    speed: Speed | None,
    reasons: Mapping[str, str] | None = None,
) -> Forecast:
    """What is left of a plan, by learner.

    Args:
        plan: every run.
        store: what is done already.
        workers: runs at a time.
        speed: measures how many bytes a second a worker gets through; None leaves times out.
        reasons: why corpora are not prepared, by name.
    """
    by_learner: dict[str, list[PlannedRun]] = defaultdict(list)
    for planned in plan.runs.values():
        by_learner[planned.learner].append(planned)
    done = {key for key in plan.runs if store.is_done(key)}
    rows = [
        _forecast_learner(name, runs, done, workers=workers, speed=speed)
        for name, runs in by_learner.items()
    ]
    times = [row.seconds for row in rows]
    total = None if None in times else sum(seconds or 0.0 for seconds in times)
    notes = [*_unprepared_notes(plan, reasons), *_reuse_notes(plan, store, done)]
    return Forecast(study=plan.study, learners=rows, seconds=total, notes=notes)


def _forecast_learner(
    name: str, runs: Sequence[PlannedRun], done: set[str], *, workers: int, speed: Speed | None
) -> LearnerForecast:
    left = [planned for planned in runs if planned.run.key not in done]
    seconds: float | None = 0.0 if not left else None
    if left and speed is not None:
        work: Counter[bytes] = Counter()
        example: dict[bytes, Run] = {}
        for planned in left:  # runs of one shape and numerics go at one speed
            kind = msgspec.json.encode([planned.run.numerics])
            work[kind] += int(planned.cost.weight)
            example[kind] = planned.run
        speeds = {kind: speed(run.settings, run.numerics) for kind, run in example.items()}
        parts = [amount / one if (one := speeds[kind]) else None for kind, amount in work.items()]
        seconds = None if None in parts else sum(part or 0.0 for part in parts) / workers
    return LearnerForecast(
        learner=name,
        runs=len(runs),
        reused=len(runs) - len(left),
        expected_bytes=sum(planned.cost.expected_bytes for planned in left),
        most_bytes=sum(planned.cost.most_bytes for planned in left),
        flops=sum(planned.cost.flops for planned in left),
        disk_bytes=sum(planned.cost.disk_bytes for planned in runs),
        seconds=seconds,
    )


def _unprepared(plan: Plan, reasons: Mapping[str, str] | None) -> dict[str, str]:
    return {name: (reasons or {}).get(name, "never prepared") for name in plan.unprepared}


def _unprepared_notes(plan: Plan, reasons: Mapping[str, str] | None) -> list[str]:
    if not plan.unprepared:
        return []
    return [
        *unprepared_lines(_unprepared(plan, reasons)),
        "Until `bytetransfer prepare` has run, sizes are nominal and what could be reused is not "
        "known.",
    ]


def unprepared_lines(unprepared: Mapping[str, str]) -> list[str]:
    """What is not prepared, a line a reason.

    >>> unprepared_lines({"en": "never prepared", "fi": "never prepared"})
    ['Not prepared: en, fi (never prepared).']
    """
    names: dict[str, list[str]] = defaultdict(list)
    for name, reason in unprepared.items():
        names[reason].append(name)
    return [f"Not prepared: {', '.join(some)} ({reason})." for reason, some in names.items()]


def _reuse_notes(plan: Plan, store: Store, done: set[str]) -> list[str]:
    """For runs that have no result though one on the same text has: what differs, counted."""
    if plan.unprepared:
        return []
    finished: dict[str, list[Run]] = defaultdict(list)
    for key in store.requested():
        if key not in plan.runs and store.is_done(key):
            try:
                run = store.run(key)
            except StoreError:
                continue  # a request of another version of the program: nothing to compare with
            finished[run.held_out].append(run)
    reasons: Counter[str] = Counter()
    for key, planned in plan.runs.items():
        # parents and searchers differ as a consequence; their own difference is said once
        if key in done or planned.run.parent or planned.run.chosen_by:
            continue
        found = nearest(planned.run, finished[planned.run.held_out])
        if found:
            changes = (f"{name} is {new}, was {old}" for name, (old, new) in found[1].items())
            reasons["; ".join(changes)] += 1
    return [
        f"Not reused: a finished run on the same text differs, for {count} runs: {reason}."
        for reason, count in reasons.most_common(5)
    ]


def status(
    plan: Plan,
    store: Store,
    rows: Sequence[Any],
    *,
    now: float,
    reasons: Mapping[str, str] | None = None,
    is_locked: Callable[[], bool] = lambda: True,
) -> Status:
    """How far a plan is.

    Args:
        plan: every run.
        store: results, progress, failures.
        rows: measurements of the finished runs, for their flags.
        now: seconds since 1970.
        reasons: why corpora are not prepared, by name.
        is_locked: whether a `run` of the study is at work; asked only where runs have gone quiet.
    """
    done = {key for key in plan.runs if store.is_done(key)}
    left = [key for key in plan.runs if key not in done]
    labels: Mapping[str, str] = {key: planned.label for key, planned in plan.runs.items()}
    failures = {labels[k]: reason for k in left if (reason := store.failure(k)) is not None}
    begun = {key: progress for key in left if (progress := store.progress(key)) is not None}
    running = {key for key, progress in begun.items() if _is_recent(progress, now)}
    quiet = [
        _run(plan, key, progress)
        for key, progress in begun.items()
        if key not in running and labels[key] not in failures
    ]
    return Status(
        study=plan.study,
        total=len(plan.runs),
        done=len(done),
        running=[_run(plan, key, begun[key]) for key in begun if key in running],
        stopped=quiet if quiet and not is_locked() else [],
        failed={label: _last_line(reason) for label, reason in failures.items()},
        not_converged=[labels[row.run] for row in rows if row.not_converged],
        below_surface=[labels[row.run] for row in rows if row.below_surface],
        unprepared=_unprepared(plan, reasons),
        unverified=unverified(done, store),
    )


def unverified(keys: Iterable[str], store: Store) -> int:
    """How many finished runs are of an earlier version, which kept no digest of their results."""
    return sum(store.is_done(key) and not store.has_digest(key) for key in keys)


def unverified_line(count: int, total: int) -> str:
    """What to say of results without a digest.

    >>> unverified_line(2, 26)[:44]
    '2 of 26 results are of an earlier version an'
    """
    return (
        f"{count} of {total} results are of an earlier version and have no digest: used as they "
        "are, damage would not be noticed"
    )


def _last_line(reason: str) -> str:
    return (reason.strip().splitlines() or ["for no stated reason"])[-1]


def running_run(plan: Plan, store: Store, key: str, *, now: float) -> RunningRun | None:
    """The progress of a run, None if it made none lately."""
    progress = store.progress(key)
    return _run(plan, key, progress) if progress and _is_recent(progress, now) else None


def _is_recent(progress: RunProgress, now: float) -> bool:
    return now - progress.updated <= _RECENT_SECONDS


def _run(plan: Plan, key: str, progress: RunProgress) -> RunningRun:
    seconds = max(progress.updated - progress.started, 1e-9)
    return RunningRun(
        label=plan.runs[key].label,
        bytes_seen=progress.bytes_seen,
        expected_bytes=progress.expected_bytes,
        bytes_per_second=(progress.bytes_seen - progress.resumed_bytes) / seconds,
        bits_per_byte=progress.bits_per_byte,
    )
