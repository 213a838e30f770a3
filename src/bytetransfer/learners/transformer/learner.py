"""The neural learner: search over learning rates, training, scoring, states on disk."""

from __future__ import annotations

import contextlib
import json
import math
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from bytetransfer.corpus.documents import Documents
from bytetransfer.errors import (
    CorpusError,
    LessMemoryError,
    RunFailedError,
    StoreError,
    StudyError,
)
from bytetransfer.files.disk import write_atomic
from bytetransfer.identity import digest
from bytetransfer.learners.learner import Fitted, Progress, Task, Training, Watch
from bytetransfer.learners.transformer import model
from bytetransfer.learners.transformer.batches import Windows
from bytetransfer.learners.transformer.checkpoint import (
    Pace,
    read_tensors,
    write_tensors,
)
from bytetransfer.learners.transformer.loop import (
    DivergedError,
    Record,
    decode_record,
    train,
)
from bytetransfer.learners.transformer.memory import is_lack_of_memory
from bytetransfer.learners.transformer.model import State
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.placement import is_sharded
from bytetransfer.learners.transformer.ranks import ALONE, Ranks
from bytetransfer.learners.transformer.schedule import (
    ConvergedSchedule,
    PaperSchedule,
    Position,
    Schedule,
)
from bytetransfer.learners.transformer.scoring import Scorer
from bytetransfer.learners.transformer.search import final_loss, training, why_none
from bytetransfer.learners.transformer.settings import Paper, TransformerSettings
from bytetransfer.learners.transformer.trainer import Trainer
from bytetransfer.units import bits_per_byte

STATE_FILE = "model.safetensors"
_LOWERED = "micro-batch.txt"  # beside the checkpoint, where memory ran out


class Transformer:
    """Keeps the protocol `Learner[State]`; a state maps names of HF's Llama to float32 tensors.

    `fit` leaves its checkpoints in `folder`: the caller deletes them once the state is saved, and
    not before, since a killed run continues from them.

    Args:
        settings: what defines the result.
        numerics: how it is computed, see `resolve_numerics`.
        ranks: the processes that share each fit and score; every one makes the same calls.
        checkpoint_seconds: least time between checkpoints; changes no result.
        watch_seconds: time between reports of progress.
        clock: seconds; decides on the two above and on nothing else.
    """

    def __init__(
        self,
        settings: TransformerSettings,
        numerics: Numerics,
        *,
        ranks: Ranks = ALONE,
        checkpoint_seconds: float = 5.0,
        watch_seconds: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings, self._numerics, self._ranks = settings, numerics, ranks
        self._checkpoint_seconds, self._watch_seconds = checkpoint_seconds, watch_seconds
        self._clock = clock
        self._scorer = Scorer(settings.shape, numerics)

    @property
    def lowered(self) -> dict[str, int]:
        """See `Learner`."""
        scorer = self._scorer
        return {"scored_symbols": scorer.symbols} if scorer.symbols < scorer.asked else {}

    def fit(self, task: Task, *, start: State | None, folder: Path, watch: Watch) -> Fitted[State]:
        """Train on `task.text`, from `start` or from random weights.

        The search trains one configuration per learning rate and keeps the best on validation; a
        rate at which training diverges is lost, unless it is the only one. With `task.chosen` only
        that one is trained. Without any text, `start` comes back as it is.

        Raises:
            CorpusError: no text and no start, or no validation text.
            StoreError: a checkpoint in `folder` is damaged or of another run.
            StudyError: the batch cannot be divided over the ranks.
            RunFailedError: a loss or gradient is not finite, whatever the rate.
        """
        self._check_divisible()
        if not task.text.total_bytes:
            if start is None:
                raise CorpusError("there is no text to train on", todo="give it at least one byte")
            return Fitted(start, Training(bytes_seen=0))
        if not task.validation.total_bytes:
            raise CorpusError("there is no validation text", todo="hold out more documents")
        with _torch_settings(self._numerics):
            return self._search(task, start, folder, watch)

    def score(self, state: State, documents: Documents) -> NDArray[np.float64]:
        """Nats of each document, scored by itself; float64, shape (documents,)."""
        device = torch.device(self._numerics.device)
        fused = model.fuse(state, self._settings.shape)
        weights = {name: tensor.to(device) for name, tensor in fused.items()}
        with _torch_settings(self._numerics):
            return self._nats(weights, documents)

    def save(self, state: State, folder: Path) -> None:
        """Write a Hugging Face Llama checkpoint: `config.json`, then `model.safetensors`."""
        config = json.dumps(model.llama_config(self._settings.shape), indent=1)
        write_atomic(folder / "config.json", config.encode())
        write_tensors(folder / STATE_FILE, state)

    def load(self, folder: Path) -> State:
        """Read back what `save` wrote.

        Raises:
            StoreError: missing, damaged, or of another shape than these settings.
        """
        state, _ = read_tensors(folder / STATE_FILE)
        expected = model.initial_state(self._settings.shape, seed=0)
        if {name: t.shape for name, t in state.items()} != {
            name: t.shape for name, t in expected.items()
        }:
            raise StoreError(
                "holds a model of another shape than the settings",
                where=str(folder / STATE_FILE),
                todo="use the preset it was trained with, or delete this folder and run again",
            )
        return state

    def _nats(self, weights: model.Weights, documents: Documents) -> NDArray[np.float64]:
        """Nats of each document; every rank scores some of them, and all learn of all."""
        own = np.arange(self._ranks.number, len(documents), self._ranks.count)
        nats = np.zeros(len(documents), np.float64)
        nats[own] = self._scorer.nats(weights, documents.select(own))
        self._scorer.at_most(self._ranks.least(self._scorer.symbols))
        return self._ranks.add(torch.from_numpy(nats)).numpy()

    def _check_divisible(self) -> None:
        batch, count = self._settings.batch, self._ranks.count
        sharded = is_sharded(self._settings.shape, self._ranks)
        if count > batch or (sharded and batch % count):
            raise StudyError(
                f"{count} processes cannot share a batch of {batch} sequences",
                todo="start so many that each gets equally many"
                if sharded
                else "start no more processes than the batch has sequences",
            )

    def _search(self, task: Task, start: State | None, folder: Path, watch: Watch) -> Fitted[State]:
        """Train every configuration that is not finished yet, and keep the best.

        A rate that diverges is lost to the search, unless there is no other.
        """
        rates = self._candidates(task)
        done: list[Record] = []
        best: tuple[int, State] | None = None
        for number, rate in enumerate(rates):
            seen = sum(record.position.bytes_seen for record in done)
            show = self._show(watch, seen, seen + self._most_bytes(task) * (len(rates) - number))
            own = folder / f"rate-{number}"
            state, record = self._configuration(
                task, start, rate, own, show, may_diverge=len(rates) > 1
            )
            done.append(record)
            if final_loss(record) < (final_loss(done[best[0]]) if best else math.inf):
                best = (number, state)
        if best is None:
            raise RunFailedError(why_none(rates, done))
        found = training(
            rates,
            done,
            best[0],
            settings=self._settings,
            micro_batch=self._numerics.micro_batch,
        )
        return Fitted(best[1], found)

    def _configuration(
        self,
        task: Task,
        start: State | None,
        rate: float,
        folder: Path,
        show: Callable[[Trainer, Position], None],
        *,
        may_diverge: bool,
    ) -> tuple[State, Record]:
        """The trained state of one learning rate, read back if it was finished before.

        Where training may diverge and did, the state is empty and the record says so.
        """
        finished = folder / "finished.safetensors"
        request = _request(self._settings, self._numerics, task, start, rate)
        if finished.exists():
            state, text = read_tensors(finished)
            record = decode_record(text, finished, request)
            self._scorer.at_most(record.scored_symbols)
            return state, record
        try:
            state, record = self._train(task, start, rate, folder, show, request)
        except DivergedError as error:
            if not may_diverge:
                raise
            state, record = {}, error.record
        if self._ranks.is_first:
            write_tensors(finished, state, msgspec.json.encode(record).decode())
            if record.divergence is None:  # else the error names it
                (folder / "checkpoint.safetensors").unlink(missing_ok=True)
        return state, record

    def _train(
        self,
        task: Task,
        start: State | None,
        rate: float,
        folder: Path,
        show: Callable[[Trainer, Position], None],
        request: str,
    ) -> tuple[State, Record]:
        """The state that one learning rate leads to; goes on where a checkpoint stands."""
        settings, numerics = self._settings, self._numerics
        trainer = Trainer(
            start or model.initial_state(settings.shape, task.seed),
            settings=settings,
            numerics=numerics,
            micro_batch=self._micro_batch(task, folder),
            ranks=self._ranks,
            sharded=is_sharded(settings.shape, self._ranks),
        )
        context, noise = settings.shape.context, settings.noise
        windows = Windows(task.text, context=context, seed=task.seed, noise=noise)
        validation = _first_bytes(task.validation, settings.recipe.validation_bytes)

        def evaluate(most: int | None) -> tuple[float, int]:
            self._scorer.at_most(most)
            nats = self._nats(trainer.whole_weights(), validation)
            return bits_per_byte(float(nats.sum()), validation.total_bytes), self._scorer.symbols

        with _remembered_micro_batch(trainer, folder):
            return train(
                trainer,
                windows,
                self._schedule(windows, rate, fine_tuning=start is not None),
                batch=settings.batch,
                evaluate=evaluate,
                path=folder / "checkpoint.safetensors",
                request=request,
                pace=Pace(self._checkpoint_seconds, self._clock),
                tick=lambda position: show(trainer, position),
                may_retry=settings.retry_not_finite is True,
            )

    def _micro_batch(self, task: Task, folder: Path) -> int:
        """Sequences at a time: what fitted for another seed, or the last time, or as asked for."""
        wanted = int((task.chosen or {}).get("micro_batch", self._numerics.micro_batch))
        lowered = folder / _LOWERED
        fitting = int(lowered.read_text()) if lowered.exists() else wanted
        return self._ranks.least(min(wanted, fitting))

    def _schedule(self, windows: Windows, rate: float, *, fine_tuning: bool) -> Schedule:
        recipe, batch = self._settings.recipe, self._settings.batch
        if isinstance(recipe, Paper):
            steps = -(-recipe.epochs * windows.per_epoch // batch)
            return PaperSchedule(recipe, steps=steps, fine_tuning=fine_tuning)
        bytes_per_step = batch * windows.length
        return ConvergedSchedule(recipe, learning_rate=rate, bytes_per_step=bytes_per_step)

    def _candidates(self, task: Task) -> tuple[float, ...]:
        recipe = self._settings.recipe
        if isinstance(recipe, Paper):
            return (recipe.learning_rate,)
        if task.chosen and "learning_rate" in task.chosen:
            return (task.chosen["learning_rate"],)
        return recipe.learning_rates

    def _most_bytes(self, task: Task) -> int:
        """The most one configuration may see."""
        recipe = self._settings.recipe
        if isinstance(recipe, Paper):
            return recipe.epochs * task.text.total_bytes
        return recipe.max_bytes

    def _show(self, watch: Watch, before: int, most: int) -> Callable[[Trainer, Position], None]:
        """A `tick` that calls `watch` about every `watch_seconds`."""
        shown = self._clock()

        def show(trainer: Trainer, position: Position) -> None:
            nonlocal shown
            if self._clock() - shown >= self._watch_seconds:
                watch(Progress(before + position.bytes_seen, most, trainer.bits_per_byte))
                shown = self._clock()

        return show


@contextlib.contextmanager
def _remembered_micro_batch(trainer: Trainer, folder: Path) -> Iterator[None]:
    """Where memory ran out and the processes have to end, the next begin with less at a time.

    Raises:
        LessMemoryError: that was so.
    """
    before = trainer.micro_batch
    try:
        yield
    except RuntimeError as error:
        if not is_lack_of_memory(error) or trainer.micro_batch == before:
            raise  # of scoring, it may be: no smaller step would help
        write_atomic(folder / _LOWERED, str(trainer.micro_batch))
        raise LessMemoryError(
            f"memory ran out; started again it takes {trainer.micro_batch} sequences at a time"
        ) from error


def _first_bytes(documents: Documents, size: int) -> Documents:
    """The first documents, together not over `size` bytes; at least one that is not empty."""
    count = int(np.searchsorted(documents.ends, size, side="right"))
    first = int(np.searchsorted(documents.ends, 0, side="right")) + 1
    count = max(count, first)
    return Documents(documents.text, documents.ends[:count])


def _request(
    settings: TransformerSettings,
    numerics: Numerics,
    task: Task,
    start: State | None,
    rate: float,
) -> str:
    """Digest of everything that defines the training of one configuration.

    Whatever the tensors of a checkpoint are, too: `layout` tells older orders of them apart.
    """
    texts = [_checksum(d.text[: d.total_bytes]) for d in (task.text, task.validation)]
    ends = [_checksum(d.ends) for d in (task.text, task.validation)]
    weights = [_checksum(tensor.numpy()) for _, tensor in sorted((start or {}).items())]
    return digest(
        {
            "layout": "q, k, v",
            "settings": settings,
            "numerics": numerics,
            "seed": task.seed,
            "rate": rate,
            "texts": [texts, ends],
            "start": weights,
        }
    )


def _checksum(array: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(array).data)


@contextlib.contextmanager
def _torch_settings(numerics: Numerics) -> Iterator[None]:
    """The run's threads and determinism, for as long as it computes."""
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    torch.set_num_threads(numerics.threads)
    if numerics.device == "cpu":
        torch.set_deterministic_debug_mode("error")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_deterministic_debug_mode(mode)
        torch.utils.deterministic.fill_uninitialized_memory = filling  # type: ignore[attr-defined]
