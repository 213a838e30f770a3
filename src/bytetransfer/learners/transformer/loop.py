"""The training of one configuration from its first step to its last, resumable at every step."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np
from torch import Tensor

from bytetransfer.errors import RunFailedError, StoreError
from bytetransfer.learners.transformer.batches import Windows
from bytetransfer.learners.transformer.checkpoint import Pace, read_tensors, write_tensors
from bytetransfer.learners.transformer.model import State
from bytetransfer.learners.transformer.schedule import Position, Schedule
from bytetransfer.learners.transformer.settings import DOCUMENT
from bytetransfer.learners.transformer.trainer import NotFiniteError, Trainer


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """A loss that was not finite, after which training went back and on at half the rate.

    Attributes:
        step: the first step at which it was not finite.
        learning_rate: of that step.
        from_step: the step training went back to.
    """

    step: int
    learning_rate: float
    from_step: int


class Divergence(msgspec.Struct, frozen=True, kw_only=True):
    """A loss that was not finite, at which training ended.

    Attributes:
        step: the first step at which it was not finite.
        learning_rate: of that step.
        told: the error, in words.
    """

    step: int
    learning_rate: float
    told: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside the tensors of a checkpoint.

    Attributes:
        request: digest of what was asked for; a checkpoint of anything else is refused.
        position: where training stands.
        micro_batch: sequences at a time, lower than asked for if memory ran out.
        scored_symbols: positions scored at a time in the last evaluation, likewise.
        best: where the tensors stand that are kept beside the present ones.
        retry: the retry at half the learning rate, if there was one.
        ranks: the numbers of processes that have shared the steps so far.
        divergence: why there is no state, if training ended without one.
    """

    request: str
    position: Position
    micro_batch: int
    best: Position = Position()
    retry: Retry | None = None
    ranks: tuple[int, ...] = (1,)
    scored_symbols: int | None = None
    divergence: Divergence | None = None


class DivergedError(RunFailedError):
    """Training is not finite, and does not go back (any more).

    Attributes:
        record: where it stood before the step that was not finite.
    """

    def __init__(self, error: NotFiniteError, record: Record, told: str) -> None:
        divergence = Divergence(step=error.step, learning_rate=error.learning_rate, told=told)
        self.record = msgspec.structs.replace(record, divergence=divergence)
        super().__init__(told)


Evaluate = Callable[[int | None], tuple[float, int]]
"""Validation loss in bits per byte, and the positions that were scored at a time for it; given the
most that are to be, if that is known from before."""

_START = Position()


@dataclass(frozen=True)
class _Course:
    """Training so far: where it stands, and the tensors it may go back to.

    Attributes:
        position: where it stands.
        best: where it stood with `tensors`.
        tensors: of the best evaluation; empty where nothing has been kept.
        retry: see `Record`.
        ranks: see `Record`.
        scored_symbols: see `Record`.
        written: the step of the checkpoint that is on disk.
    """

    position: Position = _START
    best: Position = _START
    tensors: dict[str, Tensor] = field(default_factory=dict)
    retry: Retry | None = None
    ranks: tuple[int, ...] = ()
    scored_symbols: int | None = None
    written: int | None = None


def train(
    trainer: Trainer,
    windows: Windows,
    schedule: Schedule,
    *,
    batch: int,
    evaluate: Evaluate,
    path: Path,
    request: str,
    pace: Pace,
    tick: Callable[[Position], None],
    may_retry: bool = False,
) -> tuple[State, Record]:
    """Train until `schedule` is done.

    Args:
        trainer: holds weights and moments; left at the end of training.
        windows: give the batch of every step.
        schedule: decides on rates, evaluations and the end.
        batch: windows a step.
        evaluate: of the trainer's weights.
        path: the checkpoint; resumed from if it is there. Only the first rank writes it.
        request: digest of everything that defines the result.
        pace: decides when a checkpoint is written.
        tick: called at every step.
        may_retry: whether training that is no longer finite goes back, once, to the best
            evaluation (the last one, for a schedule that chooses nothing) and on at half the rate.
            So the result does not depend on when checkpoints happened to be written.

    Returns:
        The best state on validation (the last one, for a schedule that chooses nothing), and the
        record of how it came about.

    Raises:
        DivergedError: a loss or gradient was not finite, and there is no retry.
    """
    course = _resume(trainer, path, request)
    while course.position.phase != "done":
        try:
            if course.position.step == course.position.evaluate_at:
                trainer.check()  # never judge, or keep, weights that are not finite
                course = _evaluated(trainer, schedule, course, evaluate, keeps_all=may_retry)
            else:
                course = _stepped(trainer, schedule, course, windows, batch)
            if trainer.ranks.first_says(pace.due()):
                trainer.check()
                pace.run(functools.partial(_keep, trainer, path, request, course))
                course = replace(course, written=course.position.step)
        except NotFiniteError as error:
            if not (may_retry and course.retry is None and course.tensors):
                told = f"{error}; {_advice(course, path, may_retry)}"
                course = _before(error.step, course, windows, batch)
                raise DivergedError(error, _record(trainer, request, course), told) from error
            course = _retried(trainer, course, error)
        tick(course.position)
    return trainer.state(course.tensors or None), _record(trainer, request, course)


def _stepped(
    trainer: Trainer, schedule: Schedule, course: _Course, windows: Windows, batch: int
) -> _Course:
    """One optimiser step further."""
    position = course.position
    x, y = windows.batch(position.step, batch)
    rate = _rate(schedule, course)
    count = trainer.step(x, y, number=position.step, learning_rate=rate)
    after = msgspec.structs.replace(
        position, step=position.step + 1, bytes_seen=position.bytes_seen + count
    )
    return replace(course, position=after)


def _evaluated(
    trainer: Trainer, schedule: Schedule, course: _Course, evaluate: Evaluate, *, keeps_all: bool
) -> _Course:
    """Judge the present weights: keep them if best, go back to the best for the cool-down.

    Raises:
        NotFiniteError: the loss is not.
    """
    loss, scored_symbols = evaluate(course.scored_symbols)
    course = replace(course, scored_symbols=scored_symbols)
    if not math.isfinite(loss):
        what = f"the validation loss is {loss:.4g} bits per byte"
        raise NotFiniteError(course.position.step, _rate(schedule, course), what)
    before, after = course.position, schedule.evaluated(course.position, loss)
    is_best = after.best is not None and after.best_step == before.step and after.in_vain == 0
    if is_best or (keeps_all and after.best is None):
        course = replace(course, best=after, tensors=trainer.tensors())
    if before.phase == "constant" and after.phase == "cooldown":
        trainer.restore(course.tensors)
    return replace(course, position=after)


def _rate(schedule: Schedule, course: _Course) -> float:
    """The learning rate of the next step."""
    return schedule.rate(course.position) * (0.5 if course.retry else 1.0)


def _retried(trainer: Trainer, course: _Course, error: NotFiniteError) -> _Course:
    """Back to the best evaluation, at half the rate from there; once."""
    trainer.restore(course.tensors)
    retry = Retry(step=error.step, learning_rate=error.learning_rate, from_step=course.best.step)
    return replace(course, position=course.best, retry=retry)


def _before(step: int, course: _Course, windows: Windows, batch: int) -> _Course:
    """Training as it stood before a step, some steps ago."""
    position = course.position
    later = (windows.batch(number, batch)[1] for number in range(step, position.step))
    seen = position.bytes_seen - sum(int(np.count_nonzero(y != DOCUMENT)) for y in later)
    return replace(course, position=msgspec.structs.replace(position, step=step, bytes_seen=seen))


def _advice(course: _Course, path: Path, may_retry: bool) -> str:
    written = (
        "no checkpoint had been written yet"
        if course.written is None
        else f"the last good checkpoint is that of step {course.written}, {path}"
    )
    if course.retry is not None:
        again = f"it had gone on at half the rate since step {course.retry.from_step} already"
        return f"{written}; {again}; choose a lower learning rate"
    if may_retry:
        return f"{written}; choose a lower learning rate"
    allowed = "allow one retry at half the rate by retry_not_finite = true under [transformer]"
    return f"{written}; choose a lower learning rate, or {allowed}"


def _record(trainer: Trainer, request: str, course: _Course) -> Record:
    return Record(
        request=request,
        position=course.position,
        micro_batch=trainer.ranks.least(trainer.micro_batch),
        best=course.best,
        retry=course.retry,
        ranks=course.ranks,
        scored_symbols=course.scored_symbols,
    )


def _keep(trainer: Trainer, path: Path, request: str, course: _Course) -> None:
    """Write a checkpoint; every rank takes part, the first one writes."""
    parts = {"now": trainer.tensors(), "best": course.tensors}
    tensors = {
        f"{part}/{name}": tensor
        for part, own in parts.items()
        for name, tensor in trainer.gather(own).items()
    }
    record = _record(trainer, request, course)
    if trainer.ranks.is_first:
        write_tensors(path, tensors, msgspec.json.encode(record).decode())


def _resume(trainer: Trainer, path: Path, request: str) -> _Course:
    """Where an earlier, interrupted call got to; the beginning if there was none."""
    ranks = trainer.ranks
    course = _Course(ranks=(ranks.count,))
    if path.exists():
        tensors, text = read_tensors(path, trainer.part)
        record = decode_record(text, path, request)
        parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}}
        for name, tensor in tensors.items():
            part, _, rest = name.partition("/")
            parts[part][rest] = tensor
        trainer.restore(parts["now"])
        trainer.micro_batch = min(trainer.micro_batch, record.micro_batch)
        course = _Course(
            position=record.position,
            best=record.best,
            tensors=parts["best"],
            retry=record.retry,
            ranks=tuple(sorted({*record.ranks, ranks.count})),
            scored_symbols=record.scored_symbols,
            written=record.position.step,
        )
    if not ranks.agree(course.position.step):
        raise StoreError(
            "the processes do not find the same checkpoint",
            where=str(path),
            todo="give all machines the same folder",
        )
    return course


def decode_record(text: str, path: Path, request: str) -> Record:
    """The record of a checkpoint, if it belongs to `request`.

    Raises:
        StoreError: it cannot be read, or belongs to another run.
    """
    todo = "delete this folder and run again"
    try:
        record = msgspec.json.decode(text, type=Record)
    except msgspec.DecodeError as error:
        raise StoreError(f"damaged ({error})", where=str(path), todo=todo) from error
    if record.request != request:
        raise StoreError("a checkpoint of another run", where=str(path), todo=todo)
    return record
