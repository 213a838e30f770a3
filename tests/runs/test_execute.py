import shutil

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.errors import StoreError, UserError
from bytetransfer.runs.engine import Outcome
from bytetransfer.runs.execute import State, execute_runs
from bytetransfer.runs.store import Store


class FakeEngine:
    """Ends the runs it is given in an order of its own; some of them fail."""

    def __init__(self, make, store, by_key, *, width=2, fails=(), order=None):
        self.make, self.store, self.by_key = make, store, by_key
        self.width, self.fails, self.order = width, set(fails), order
        self.submitted, self.running, self.closed = [], [], False

    @property
    def free(self):
        return self.width - len(self.running)

    def submit(self, key):
        assert self.free > 0
        assert self.store.run(key) == self.by_key[key], "the request lies in the store already"
        assert all(self.store.is_done(need) for need in self.by_key[key].needs)
        self.submitted.append(key)
        self.running.append(key)

    def poll(self, seconds):
        index = self.order.randrange(len(self.running)) if self.order else 0
        key = self.running.pop(index)
        if key in self.fails:
            return [Outcome(key, "out of luck")]
        self.make.finish(self.store, self.by_key[key])
        return [Outcome(key, None)]

    def close(self):
        self.closed = True


def runs_of(plan):
    return [planned.run for planned in plan.runs.values()]


@pytest.fixture
def runs(make):
    return runs_of(make.plan(make.study(sources=("en",), targets=("fi",))))


def execute(make, store, runs, watch=lambda _: None, **options):
    engine = FakeEngine(make, store, {run.key: run for run in runs}, **options)
    return execute_runs(runs, store, engine, watch=watch, seconds=0), engine


def waiting_for(runs, failed, done):
    """What needs a failed run, directly or not; what is done from before needs nothing."""
    blocked = set()
    for run in runs:  # parents come first
        if run.key not in done and set(run.needs) & (failed | blocked):
            blocked.add(run.key)
    return blocked


def test_every_run_is_done_once_after_what_it_needs(make, store, runs):
    state, engine = execute(make, store, runs)
    assert sorted(engine.submitted) == sorted(run.key for run in runs)
    assert state == State(total=len(runs), done=frozenset(run.key for run in runs))
    assert store.requested() == sorted(engine.submitted)


@settings(max_examples=25)
@given(
    order=st.randoms(use_true_random=False),
    width=st.integers(1, 4),
    failing=st.sets(st.integers(0, 7), max_size=3),
    finished=st.sets(st.integers(0, 7), max_size=3),
)
def test_a_failure_blocks_its_descendants_and_nothing_else(
    make, tmp_path_factory, order, width, failing, finished
):
    plan = make.plan(
        make.study(sources=("en",), targets=("fi",), finetune_bytes=(1,), scratch_bytes=(1, 60_000),
                   learners=("transformer/nano",), convergence_checks=False)
    )  # fmt: skip
    runs = runs_of(plan)
    assert len(runs) == 8
    store = Store(tmp_path_factory.mktemp("store"))
    before = [runs[index] for index in finished]
    for run in before:
        make.finish(store, run)
    done = {run.key for run in before}
    fails = {runs[index].key for index in failing} - done
    state, engine = execute(make, store, runs, width=width, fails=fails, order=order)
    assert not done & set(engine.submitted)
    assert state.failed.keys() <= fails
    assert state.blocked == waiting_for(runs, state.failed.keys(), done)
    assert state.done == {run.key for run in runs} - state.failed.keys() - state.blocked
    assert state.running == frozenset()
    assert len(engine.submitted) == len(set(engine.submitted))


def test_started_again_only_what_is_missing_is_done(make, store, runs):
    first, _ = execute(make, store, runs, fails={runs[0].key})
    again, engine = execute(make, store, runs)
    assert set(engine.submitted) == {runs[0].key} | first.blocked
    assert len(again.done) == len(runs)
    _, idle = execute(make, store, runs)
    assert idle.submitted == []


def test_the_order_of_the_plan_is_kept_where_needs_allow_it(make, store, runs):
    _, engine = execute(make, store, runs, width=1)
    places = {run.key: place for place, run in enumerate(runs)}
    assert engine.submitted == sorted(engine.submitted, key=places.__getitem__)


def test_watch_sees_runs_come_and_go(make, store, runs):
    states = []
    make.finish(store, runs[0])
    execute(make, store, runs, watch=states.append)
    assert states[0] == State(total=len(runs), done=frozenset([runs[0].key]))
    assert max(len(state.running) for state in states) == 2
    assert [len(s.done) for s in states] == sorted(len(s.done) for s in states)
    assert len(states[-1].done) == len(runs)


@pytest.mark.parametrize("name", ["result.json", "run.json"])
def test_damage_is_refused_before_anything_starts(make, store, runs, name):
    make.finish(store, runs[-1])
    path = store.run_folder(runs[-1].key) / name
    path.write_text("{")
    engine = FakeEngine(make, store, {run.key: run for run in runs})
    with pytest.raises(StoreError, match="the file is damaged") as caught:
        execute_runs(runs, store, engine, watch=lambda _: None)
    assert caught.value.where == str(path)
    assert engine.submitted == []


def test_a_pretraining_without_its_state_is_done_again_where_a_run_needs_it(make, store, runs):
    pretraining = next(run for run in runs if run.kind == "pretrain")
    make.finish(store, pretraining)
    store.state_folder(pretraining.key).rmdir()
    state, engine = execute(make, store, runs)
    assert engine.submitted.count(pretraining.key) == 1
    assert len(state.done) == len(runs)
    assert store.state_folder(pretraining.key).is_dir()
    store.state_folder(pretraining.key).rmdir()
    _, engine = execute(make, store, runs)
    assert engine.submitted == [], "nothing needs it any more"


class Deleting(FakeEngine):
    """Deletes something after the `at`-th run has begun, and again as often as `times` says."""

    def __init__(self, *arguments, at, what, times=1, **options):
        super().__init__(*arguments, **options)
        self.at, self.what, self.times = at, what, times

    def poll(self, seconds):
        key = self.running[0]
        if len(self.submitted) >= self.at and self.times > 0 and self.what(self, key):
            self.times -= 1
            needs = self.by_key[key].needs
            if not all(map(self.store.is_done, needs)) or not self.store.is_requested(key):
                self.running.remove(key)  # as a worker that misses something
                return [Outcome(key, "there is no such file", is_refusal=True)]
        return super().poll(seconds)


def delete(store, key, name):
    path = store.run_folder(key) / name if name else store.run_folder(key)
    if not path.exists():
        return False
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    return True


@pytest.mark.slow
@pytest.mark.parametrize("name", ["", "run.json", "result.json", "state", "environment.json"])
@pytest.mark.parametrize("whose", ["own", "parent", "finished"])
def test_whatever_is_deleted_at_whatever_moment_is_done_again(make, tmp_path, runs, name, whose):
    by_key = {run.key: run for run in runs}
    deleted = 0

    def what(engine, key):
        nonlocal deleted
        of = {
            "own": [key],
            "parent": [need for need in by_key[key].needs if by_key[need].kind == "pretrain"],
            "finished": [k for k in engine.submitted if engine.store.is_done(k)],
        }[whose]
        found = bool(of) and delete(engine.store, of[0], name)
        deleted += found
        return found

    for at in range(1, len(runs) + 1):
        store = Store(tmp_path / str(at))
        engine = Deleting(make, store, by_key, at=at, what=what)
        state = execute_runs(runs, store, engine, watch=lambda _: None, seconds=0)
        assert (state.failed, state.blocked) == ({}, frozenset())
        assert state.done == by_key.keys()
        assert all(map(store.is_done, by_key))
    assert deleted or (whose, name) in {("own", "result.json"), ("own", "state"),
                                        ("own", "environment.json")}  # fmt: skip


def test_what_two_runs_miss_is_done_once_more(make, store, runs):
    class Missing(FakeEngine):
        missed = ()

        def poll(self, seconds):
            parents = set.intersection(*(set(self.by_key[key].needs) for key in self.running))
            if self.missed or len(self.running) < 2 or len(parents) != 1:
                return super().poll(seconds)
            self.missed = tuple(parents)
            shutil.rmtree(self.store.run_folder(*parents))
            running, self.running = self.running, []
            return [Outcome(key, "there is no such file", is_refusal=True) for key in running]

    engine = Missing(make, store, {run.key: run for run in runs})
    state = execute_runs(runs, store, engine, watch=lambda _: None, seconds=0)
    assert engine.missed
    assert engine.submitted.count(*engine.missed) == 2
    assert len(state.done) == len(runs)


def test_what_is_deleted_again_and_again_is_given_up(make, store, runs):
    by_key = {run.key: run for run in runs}

    def what(engine, key):
        return any(delete(store, done, "result.json") for done in list(engine.submitted))

    engine = Deleting(make, store, by_key, at=1, what=what, times=10_000)
    state = execute_runs(runs, store, engine, watch=lambda _: None, seconds=0)
    assert state.failed
    assert all("was deleted" in reason for reason in state.failed.values())


def test_a_request_that_was_deleted_is_written_again(make, store, runs):
    make.finish(store, runs[0])
    (store.run_folder(runs[0].key) / "run.json").unlink()
    execute(make, store, runs)
    assert store.run(runs[0].key) == runs[0]


def test_what_the_user_must_put_right_ends_it_at_once(make, store, runs):
    class Refusing(FakeEngine):
        def poll(self, seconds):
            return [Outcome(self.running.pop(), "the disk is full", is_refusal=True)]

    engine = Refusing(make, store, {run.key: run for run in runs})
    with pytest.raises(UserError, match="the disk is full"):
        execute_runs(runs, store, engine, watch=lambda _: None)
    assert len(engine.submitted) == 2


def test_a_run_whose_needs_are_not_among_the_runs_is_a_mistake(make, store, runs):
    child = next(run for run in runs if run.parent)
    with pytest.raises(ValueError, match="needs a run that is not planned"):
        execute(make, store, [child])
