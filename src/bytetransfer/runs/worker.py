"""The one place where store, corpus and learner meet: `python -m bytetransfer.runs.worker ROOT`.

Reads keys of requested runs from standard input, one a line, and answers each with a line: `done`,
`failed` and the reason, `refused` and what the user has to put right, or (processes that share a
run and ran out of memory) `again`. It stays alive over many
runs, so that imports and loaded parents are paid for once, and stops when its input ends, even in
the middle of a run.

With a key as second argument it does that run alone and ends with code 0, 1 or 2; with --attached
as third, it stops when its input ends. Started so by torchrun, its processes share the run:

    torchrun --nproc-per-node 8 -m bytetransfer.runs.worker ROOT KEY
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bytetransfer.corpus.corpus import Corpus
from bytetransfer.corpus.documents import Documents
from bytetransfer.corpus.splits import count_characters
from bytetransfer.errors import LessMemoryError, StoreError, UserError
from bytetransfer.learners.catalog import make_learner
from bytetransfer.learners.learner import Fitted, Learner, Progress, Task, Training
from bytetransfer.learners.ngram import NgramSettings
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.ranks import ALONE, Ranks, joined
from bytetransfer.planning.run import Loss, Result, Run
from bytetransfer.runs.machine import installed_versions, machine_name
from bytetransfer.runs.states import digests_of_state, verify_state
from bytetransfer.runs.store import Environment, RunProgress, Store

MOST_BLOCKS = 1000
"""Test documents are resampled in at most this many fixed blocks (docs/method.md)."""
MOST_VALIDATION_BLOCKS = 200
"""Validation documents are resampled to decide what an adaptive study trains: that takes fewer."""

_SECONDS_BETWEEN_SIGNS_OF_LIFE = 1.0


def block_losses(
    nats: np.ndarray, lengths: np.ndarray, most: int = MOST_BLOCKS
) -> list[tuple[float, int]]:
    """Nats and bytes of consecutive blocks of documents.

    The blocks depend on the documents alone, so they pair across runs.

    Args:
        nats: float64, shape (documents,).
        lengths: bytes of each document, int64, shape (documents,).
        most: how many blocks at most.

    >>> block_losses(np.array([1.0, 2.0]), np.array([3, 4]))
    [(1.0, 3), (2.0, 4)]
    """
    count = min(most, len(nats))
    starts = np.arange(count) * len(nats) // max(count, 1)
    sums = np.add.reduceat(nats, starts), np.add.reduceat(lengths, starts)
    return list(zip(sums[0].tolist(), sums[1].tolist(), strict=True))


def execute(
    store: Store,
    key: str,
    *,
    parents: Callable[[str], Any],
    clock: Any = time,
    ranks: Ranks = ALONE,
) -> None:
    """Do the run `key` and write its result, unless it has one.

    Two processes never do one run at the same time: the second waits, then finds the result.
    Processes that share a run (`ranks`) do so under one lock, and the first of them writes.

    Args:
        store: where the request, the corpora and the parent lie.
        key: which run.
        parents: the learner's state of a finished pretraining run, by key.
        clock: where time comes from; it reaches progress and environment, never a result.
        ranks: the processes that share the run.
    """
    with _lock(store, key, ranks):
        if ranks.first_says(store.is_done(key)):
            return
        run = store.run(key)
        if isinstance(run.settings, NgramSettings) and not ranks.is_first:
            return  # there is nothing to share
        started = clock.time()
        corpus = store.corpus(run.held_out)
        learner = make_learner(run.settings, run.numerics, ranks)
        task = Task(
            text=_sample(store, run),
            validation=corpus.validation,
            seed=run.seed,
            chosen=_chosen(store, run),
        )
        fitted = learner.fit(
            task,
            start=parents(run.parent) if run.parent else None,
            folder=store.work_folder(key),
            watch=_signs_of_life(store, key, clock) if ranks.is_first else lambda _: None,
        )
        result = _score(run, learner, fitted, corpus, task.text.total_bytes)
        if not ranks.is_first:
            return
        if run.kind == "pretrain":
            learner.save(fitted.state, store.state_folder(key))
            result = msgspec.structs.replace(result, state=digests_of_state(store, key))
        store.finish(result, _environment(clock.time() - started, run.numerics))


def _lock(store: Store, key: str, ranks: Ranks) -> contextlib.AbstractContextManager[None]:
    """The run's lock, which the first of several processes holds for all of them."""
    if not ranks.is_first:
        return contextlib.nullcontext()
    # the others could not wait as long as another execution of the run may take
    busy = "this run is at work in another process"
    return store.lock(f"run-{key}", wait=ranks.count == 1, busy=busy)


def _sample(store: Store, run: Run) -> Documents:
    if run.sample is None:
        return Documents.from_list([])
    corpus = store.corpus(run.sample.corpus)
    size, seed, end = run.sample.nominal_bytes, run.seed, run.sample.end
    if run.sample.content_of is None:
        return corpus.sample(size, seed=seed, end=end)
    content = store.corpus(run.sample.content_of).sample(size, seed=seed, end=end)
    return corpus.sample_characters(count_characters(content.text), seed=seed, end=end)


def _chosen(store: Store, run: Run) -> dict[str, float] | None:
    if run.chosen_by is None:
        return None
    result = store.result(run.chosen_by)
    assert result is not None, "a run is submitted after the runs it needs"
    return result.training.chosen


def _score(
    run: Run, learner: Learner[Any], fitted: Fitted[Any], corpus: Corpus, trained_bytes: int
) -> Result:
    validation = learner.score(fitted.state, corpus.validation)
    test = learner.score(fitted.state, corpus.test)
    return Result(
        key=run.key,
        trained_bytes=trained_bytes,
        validation=Loss(
            nats=float(validation.sum()),
            bytes=corpus.validation.total_bytes,
            blocks=block_losses(validation, corpus.validation.lengths, MOST_VALIDATION_BLOCKS),
        ),
        test=Loss(
            nats=float(test.sum()),
            bytes=corpus.test.total_bytes,
            blocks=block_losses(test, corpus.test.lengths),
        ),
        training=fitted.training,
        changed_numerics=_changed_numerics(run, learner, fitted.training),
    )


def _changed_numerics(run: Run, learner: Learner[Any], training: Training) -> Numerics | None:
    """What was really used where memory ran out."""
    lowered = dict(learner.lowered)
    if "micro_batch" in training.chosen:
        lowered["micro_batch"] = int(training.chosen["micro_batch"])
    if run.numerics is None or not lowered:
        return None
    return msgspec.structs.replace(run.numerics, **lowered)


def _signs_of_life(store: Store, key: str, clock: Any) -> Callable[[Progress], None]:
    started = last = clock.time()
    first: int | None = None

    def watch(progress: Progress) -> None:
        nonlocal last, first
        if first is None:
            first = progress.bytes_seen
        now = clock.time()
        if now - last < _SECONDS_BETWEEN_SIGNS_OF_LIFE:
            return
        last = now
        store.show_progress(
            key,
            RunProgress(
                bytes_seen=progress.bytes_seen,
                expected_bytes=progress.expected_bytes,
                bits_per_byte=progress.bits_per_byte,
                started=started,
                updated=now,
                resumed_bytes=first,
            ),
        )

    return watch


def _environment(seconds: float, numerics: Numerics | None) -> Environment:
    return Environment(
        seconds=seconds,
        finished=datetime.now(UTC).isoformat(timespec="seconds"),
        machine=machine_name(numerics),
        versions=installed_versions(),
    )


def main(root: Path) -> None:
    """Do the runs named on standard input until it ends."""
    store = Store(root)

    @functools.lru_cache(maxsize=4)
    def parents(key: str) -> Any:
        return _load_state(store, key)

    for key in _lines_until_orphaned():
        _answer(_attempt(store, key, parents, ALONE))


def main_of_one(root: Path, key: str) -> int:
    """Do one run, together with the other processes of torchrun if it started this one.

    Returns:
        0 if the run has a result, 2 for what the user has to put right, 1 for any other failure.
    """
    store = Store(root)
    with joined() as ranks:
        answer = _attempt(store, key, functools.partial(_load_state, store), ranks)
        if ranks.is_first or answer != "done":
            _answer(answer)  # before the others learn that this one is gone
    return {"done": 0, "refused": 2}.get(answer.partition(" ")[0], 1)


def _attempt(store: Store, key: str, parents: Callable[[str], Any], ranks: Ranks) -> str:
    """Do a run; the answer, as a worker gives it."""
    before = store.failed_at(key)
    try:
        execute(store, key, parents=parents, ranks=ranks)
    except UserError as error:
        _leave_word(store, key, str(error), before)
        return f"refused {error}"
    except LessMemoryError as error:
        _leave_word(store, key, str(error), before)
        return f"again {error}"
    except Exception as error:
        _leave_word(store, key, traceback.format_exc(), before)
        return f"failed {type(error).__name__}: {error}"
    return "done"


def _answer(answer: str) -> None:
    sys.stdout.write(answer.replace("\n", " ") + "\n")
    sys.stdout.flush()


def _load_state(store: Store, key: str) -> Any:
    """The state of a finished pretraining; a learner that cannot read it does not know its run."""
    run = store.run(key)
    verify_state(store, key)
    try:
        return make_learner(run.settings, run.numerics).load(store.state_folder(key))
    except StoreError as error:
        todo = f"delete {store.run_folder(key)}; that pretraining is then done again"
        raise StoreError(error.what, where=error.where, todo=todo) from error


def _leave_word(store: Store, key: str, reason: str, before: int | None) -> None:
    """Write down why the run ended, where the disk still takes it: the answer says it as well.

    Of several processes the first to fail tells: the others then only miss it.
    """
    with contextlib.suppress(StoreError):
        if store.failed_at(key) == before:
            store.fail(key, reason)


def _lines_until_orphaned() -> Any:
    """Lines of standard input; the process exits at once when it ends, whatever it is doing.

    A worker whose parent was killed must not go on: a restarted study would wait for it.
    """
    lines: queue.Queue[str] = queue.Queue()

    threading.Thread(target=_end_with_input, args=(lines.put,), daemon=True).start()
    while True:
        yield lines.get()


def _end_with_input(take: Callable[[str], None] = lambda line: None) -> None:
    for line in sys.stdin:
        take(line.strip())
    os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        if sys.argv[3:] == ["--attached"]:  # its parent holds the other end of standard input
            threading.Thread(target=_end_with_input, daemon=True).start()
        sys.exit(main_of_one(Path(sys.argv[1]), sys.argv[2]))
    main(Path(sys.argv[1]))
