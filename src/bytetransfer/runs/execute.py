"""The order of things: runs whose needs are met go to the engine, until none is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from bytetransfer.errors import UserError
from bytetransfer.planning.run import Run
from bytetransfer.runs.engine import Engine, Outcome
from bytetransfer.runs.states import has_state
from bytetransfer.runs.store import Store

_MOST_DELETED = 3


@dataclass(frozen=True)
class State:
    """How far an execution is.

    Attributes:
        total: runs of the plan.
        done: keys with a result, those found from before included.
        running: keys at work now.
        failed: key to reason.
        blocked: keys that wait for a failed one and will not be done.
    """

    total: int
    done: frozenset[str] = frozenset()
    running: frozenset[str] = frozenset()
    failed: dict[str, str] = field(default_factory=dict)
    blocked: frozenset[str] = frozenset()


def execute_runs(
    runs: Sequence[Run],
    store: Store,
    engine: Engine,
    *,
    watch: Callable[[State], None],
    seconds: float = 0.5,
) -> State:
    """Do every run that has no result yet, each after the runs it needs.

    A run that fails does not stop the others, only those that need it; started again, it is tried
    again. What the user has to put right ends the execution at once: on a full disk every further
    run would be trained in vain. What is deleted in the meantime is done again.

    Args:
        runs: all runs of a plan, in the order they should be begun.
        store: where requests and results lie.
        engine: what executes.
        watch: called after every change and at least every `seconds`.
        seconds: how long to wait for something to happen before `watch` is called anyway.

    Raises:
        UserError: if the disk is full, a file is damaged, or the like.
    """
    by_key = {run.key: run for run in runs}
    _check_sound(by_key, store)
    course = _Course(by_key, store, engine)
    watch(course.state)
    while course.waiting or course.state.running:
        course.begin()
        watch(course.state)
        for outcome in engine.poll(seconds) if course.state.running else []:
            course.end(outcome)
        course.block()
        if not (course.waiting or course.state.running):
            course.repeat(key for key in sorted(course.state.done) if not store.is_done(key))
    watch(course.state)
    return course.state


class _Course:
    """What is done, at work and still to do; changes as runs begin and end.

    Args:
        by_key: all runs, in the order they should be begun.
        store: where requests and results lie; somebody may delete what is in it.
        engine: what executes.
    """

    def __init__(self, by_key: dict[str, Run], store: Store, engine: Engine) -> None:
        self._by_key, self._store, self._engine = by_key, store, engine
        self._order = {key: place for place, key in enumerate(by_key)}
        self._deleted: Counter[str] = Counter()
        done = frozenset(key for key in by_key if store.is_done(key))
        self.state = State(total=len(by_key), done=done)
        self.waiting = [key for key in by_key if key not in done]

    def begin(self) -> None:
        """Hand ready runs to the engine while it has room; they leave `waiting`."""
        for key in list(self.waiting):
            if not self._engine.free:
                return
            if not set(self._by_key[key].needs) <= self.state.done:
                continue
            if gone := self._gone(key):
                self.repeat(gone)
                continue
            for wanted in (*self._by_key[key].needs, key):
                self._store.request(self._by_key[wanted])
            self._engine.submit(key)
            self.waiting.remove(key)
            self.state = replace(self.state, running=self.state.running | {key})

    def end(self, outcome: Outcome) -> None:
        """Take note of how a run ended; one that lacked something is done again after it.

        Raises:
            UserError: what the user has to put right.
        """
        key, state = outcome.key, replace(self.state, running=self.state.running - {outcome.key})
        self.state = state
        if outcome.failure is None:
            self.state = replace(state, done=state.done | {key})
            return
        gone = self._gone(key)
        if gone or not all(map(self._store.is_requested, (*self._by_key[key].needs, key))):
            self.repeat([*gone, key])
        elif outcome.is_refusal:
            raise UserError(str(outcome.failure))
        else:
            self._fail(key, outcome.failure)

    def block(self) -> None:
        """Give up what waits for a run that failed."""
        bad = self.state.failed.keys() | self.state.blocked
        hopeless = {key for key in self.waiting if set(self._by_key[key].needs) & bad}
        self.waiting = [key for key in self.waiting if key not in hopeless]
        self.state = replace(self.state, blocked=self.state.blocked | hopeless)

    def repeat(self, keys: Iterable[str]) -> None:
        """Do runs again of which something was deleted, unless it was deleted again and again."""
        for key in keys:
            if key in self.waiting or key in self.state.running:
                continue  # another run has missed it already
            self._deleted[key] += 1
            self.state = replace(self.state, done=self.state.done - {key})
            if self._deleted[key] > _MOST_DELETED:
                what = f"what it gave or needed was deleted {self._deleted[key]} times meanwhile"
                self._fail(key, what)
            else:
                self._store.reopen(key)
                self.waiting.append(key)
        self.waiting.sort(key=self._order.__getitem__)

    def _gone(self, key: str) -> list[str]:
        """Which of the runs it needs have no result any more, or no state to start from."""
        run = self._by_key[key]
        return [
            need
            for need in run.needs
            if not self._store.is_done(need)
            or (need == run.parent and not has_state(self._store, need))
        ]

    def _fail(self, key: str, reason: str) -> None:
        self.state = replace(self.state, failed={**self.state.failed, key: reason})


def _check_sound(by_key: dict[str, Run], store: Store) -> None:
    """Refuse damaged files before anything is trained on top of them."""
    requested = set(store.requested())
    for key, run in by_key.items():
        if not set(run.needs) <= by_key.keys():
            raise ValueError(f"{key} needs a run that is not planned")
        if key in requested:
            store.run(key)
        if store.result(key) is not None:
            store.request(run)  # its children read how to open its state
