import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.engine.engine import Outcome
from bytetransfer.engine.execute import State, execute_runs
from bytetransfer.errors import StoreError, UserError
from bytetransfer.store import Store


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


def test_a_pretraining_without_its_state_is_refused(make, store, runs):
    pretraining = next(run for run in runs if run.kind == "pretrain")
    make.finish(store, pretraining)
    store.state_folder(pretraining.key).rmdir()
    with pytest.raises(StoreError, match=r"state of a finished pretraining .*; delete .*result"):
        execute(make, store, runs)


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
