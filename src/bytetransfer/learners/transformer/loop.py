"""The training of one configuration from its first step to its last, resumable at every step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import msgspec
from torch import Tensor

from bytetransfer.errors import StoreError
from bytetransfer.learners.transformer.batches import Windows
from bytetransfer.learners.transformer.checkpoint import Pace, read_tensors, write_tensors
from bytetransfer.learners.transformer.model import State
from bytetransfer.learners.transformer.schedule import Position, Schedule
from bytetransfer.learners.transformer.trainer import Trainer


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside the tensors of a checkpoint.

    Attributes:
        request: digest of what was asked for; a checkpoint of anything else is refused.
        position: where training stands.
        micro_batch: sequences at a time, lower than asked for if memory ran out.
    """

    request: str
    position: Position
    micro_batch: int


def train(
    trainer: Trainer,
    windows: Windows,
    schedule: Schedule,
    *,
    batch: int,
    evaluate: Callable[[], float],
    path: Path,
    request: str,
    pace: Pace,
    tick: Callable[[Position], None],
) -> tuple[State, Record]:
    """Train until `schedule` is done.

    Args:
        trainer: holds weights and moments; left at the end of training.
        windows: give the batch of every step.
        schedule: decides on rates, evaluations and the end.
        batch: windows a step.
        evaluate: validation loss of the trainer's weights, bits per byte.
        path: the checkpoint; resumed from if it is there.
        request: digest of everything that defines the result.
        pace: decides when a checkpoint is written.
        tick: called at every step.

    Returns:
        The best state on validation (the last one, for a schedule that chooses nothing), and the
        record of how it came about.
    """
    position, best = _resume(trainer, path, request)
    while position.phase != "done":
        if position.step == position.evaluate_at:
            trainer.check()  # never judge, or keep, weights that are not finite
            position, best = _evaluate(trainer, schedule, position, best, evaluate())
        else:
            x, y = windows.batch(position.step, batch)
            rate = schedule.rate(position)
            count = trainer.step(x, y, number=position.step, learning_rate=rate)
            position = msgspec.structs.replace(
                position, step=position.step + 1, bytes_seen=position.bytes_seen + count
            )
        if pace.due():
            trainer.check()
            record = _record(trainer, request, position)
            pace.run(functools.partial(_keep, trainer, path, record, best))
        tick(position)
    return trainer.state(best or None), _record(trainer, request, position)


def _record(trainer: Trainer, request: str, position: Position) -> Record:
    return Record(request=request, position=position, micro_batch=trainer.micro_batch)


def _evaluate(
    trainer: Trainer,
    schedule: Schedule,
    position: Position,
    best: dict[str, Tensor],
    loss: float,
) -> tuple[Position, dict[str, Tensor]]:
    """Judge the present weights: keep them if best, go back to the best for the cool-down."""
    after = schedule.evaluated(position, loss)
    if after.best is not None and after.best_step == position.step and after.in_vain == 0:
        best = trainer.tensors()
    if position.phase == "constant" and after.phase == "cooldown":
        trainer.restore(best)
    return after, best


def _keep(trainer: Trainer, path: Path, record: Record, best: dict[str, Tensor]) -> None:
    now = {f"now/{name}": tensor for name, tensor in trainer.tensors().items()}
    kept = {f"best/{name}": tensor for name, tensor in best.items()}
    write_tensors(path, now | kept, msgspec.json.encode(record).decode())


def _resume(trainer: Trainer, path: Path, request: str) -> tuple[Position, dict[str, Tensor]]:
    """Where an earlier, interrupted call got to; the beginning if there was none."""
    if not path.exists():
        return Position(), {}
    tensors, text = read_tensors(path)
    record = decode_record(text, path, request)
    parts: dict[str, dict[str, Tensor]] = {"now": {}, "best": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        parts[part][rest] = tensor
    trainer.restore(parts["now"])
    trainer.micro_batch = record.micro_batch
    return record.position, parts["best"]


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
