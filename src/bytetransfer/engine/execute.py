"""The order of things: runs whose needs are met go to the engine, until none is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bytetransfer.engine.engine import Engine, Outcome
from bytetransfer.errors import StoreError, UserError
from bytetransfer.run import Run
from bytetransfer.store import Store


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
    run would be trained in vain.

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
    state = State(total=len(by_key), done=frozenset(key for key in by_key if store.is_done(key)))
    waiting = [key for key in by_key if key not in state.done]
    watch(state)
    while waiting or state.running:
        state = _begin(waiting, by_key, state, store, engine)
        watch(state)
        for outcome in engine.poll(seconds) if state.running else []:
            state = _ended(state, outcome)
        hopeless = {
            k for k in waiting if set(by_key[k].needs) & (state.failed.keys() | state.blocked)
        }
        waiting = [key for key in waiting if key not in hopeless]
        state = replace(state, blocked=state.blocked | hopeless)
    watch(state)
    return state


def _begin(
    waiting: list[str], by_key: dict[str, Run], state: State, store: Store, engine: Engine
) -> State:
    """Hand ready runs to the engine while it has room; they leave `waiting`."""
    ready = [key for key in waiting if set(by_key[key].needs) <= state.done]
    for key in ready[: engine.free]:
        store.request(by_key[key])
        engine.submit(key)
        waiting.remove(key)
        state = replace(state, running=state.running | {key})
    return state


def _ended(state: State, outcome: Outcome) -> State:
    if outcome.is_refusal:
        raise UserError(str(outcome.failure))
    running = state.running - {outcome.key}
    if outcome.failure is None:
        return replace(state, running=running, done=state.done | {outcome.key})
    return replace(state, running=running, failed={**state.failed, outcome.key: outcome.failure})


def _check_sound(by_key: dict[str, Run], store: Store) -> None:
    """Refuse damaged files before anything is trained on top of them."""
    requested = set(store.requested())
    for key, run in by_key.items():
        if not set(run.needs) <= by_key.keys():
            raise ValueError(f"{key} needs a run that is not planned")
        if key in requested:
            store.run(key)
        if store.result(key) is None:
            continue
        store.request(run)  # its children read how to open its state
        if run.kind == "pretrain":
            folder = store.state_folder(key)
            if not folder.is_dir():
                raise StoreError(
                    "the state of a finished pretraining is missing",
                    where=str(folder),
                    todo="delete the run's result.json; it is then done again",
                )
