import pytest

from bytetransfer.identity import canonical_json
from bytetransfer.learners.catalog import TransformerOptions
from bytetransfer.runs.collect import collect
from bytetransfer.runs.status import forecast, status
from bytetransfer.runs.store import RunProgress

NEURAL = "transformer/nano"


@pytest.fixture
def plan(make):
    return make.plan(make.study(sources=("en",), targets=("fi",)))


def at_work(updated, **changes):
    fields = {"bytes_seen": 600, "expected_bytes": 1000, "bits_per_byte": 2.5, "started": 100.0}
    return RunProgress(**(fields | changes), updated=updated)


def status_of(plan, store, now=110.0, **options):
    return status(plan, store, collect(plan, store, regime="converged").rows, now=now, **options)


def test_an_empty_store_has_nothing_done(plan, store):
    found = status_of(plan, store)
    assert (found.study, found.total, found.done) == ("small", len(plan.runs), 0)
    assert (found.running, found.failed) == ([], {})
    assert (found.not_converged, found.below_surface) == ([], [])
    assert not store.root.exists(), "looking must leave no trace"


def test_done_running_and_failed_are_told_apart(make, plan, store):
    keys = list(plan.runs)
    make.finish(store, plan.runs[keys[0]].run)
    store.show_progress(keys[1], at_work(105.0, resumed_bytes=100))
    store.show_progress(keys[2], at_work(105.0 - 60))  # died without a word
    store.fail(keys[3], "Traceback ...\nValueError: out of luck\n\n")
    store.fail(keys[4], " \n")
    found = status_of(plan, store)
    assert found.done == 1
    (running,) = found.running
    assert running.label == plan.runs[keys[1]].label
    assert (running.bytes_seen, running.bytes_per_second) == (600, 100.0)
    assert found.failed == {
        plan.runs[keys[3]].label: "ValueError: out of luck",
        plan.runs[keys[4]].label: "for no stated reason",
    }


def test_a_run_that_has_gone_quiet_is_stopped_where_nobody_does_the_study(make, plan, store):
    quiet, busy, failed = list(plan.runs)[:3]
    store.show_progress(quiet, at_work(105.0 - 60))
    store.show_progress(busy, at_work(105.0))
    store.show_progress(failed, at_work(105.0 - 60))
    store.fail(failed, "ValueError: out of luck")
    assert status_of(plan, store, is_locked=lambda: True).stopped == []
    (stopped,) = status_of(plan, store, is_locked=lambda: False).stopped
    assert (stopped.label, stopped.bytes_seen) == (plan.runs[quiet].label, 600)


def test_nobody_is_asked_for_the_lock_while_all_runs_are_heard_of(plan, store):
    store.show_progress(next(iter(plan.runs)), at_work(105.0))
    asked = []
    status_of(plan, store, is_locked=lambda: bool(asked.append(1)))
    assert not asked


def test_results_without_a_digest_are_counted(make, plan, store):
    make.finish_all(store, plan)
    assert status_of(plan, store).unverified == 0
    for key in list(plan.runs)[:3]:
        result = canonical_json(store.result(key))
        (store.run_folder(key) / "result.json").write_text(result)
    found = status_of(plan, store)
    assert (found.done, found.unverified) == (found.total, 3)


def test_flags_are_listed_by_label(make, plan, store):
    bad = next(cell for cell in plan.cells if cell.learner == NEURAL)
    make.finish_all(store, plan, {bad.key: {"loss": 7.0, "stopped": "budget"}})
    found = status_of(plan, store)
    assert found.done == found.total
    assert plan.runs[bad.key].label in found.not_converged
    assert found.below_surface == [plan.runs[bad.key].label]


def test_a_damaged_sign_of_life_is_none(plan, store):
    key = next(iter(plan.runs))
    store.show_progress(key, at_work(105.0))
    (store.run_folder(key) / "progress.json").write_text("{")
    assert status_of(plan, store).running == []


# ── what it would take ───────────────────────────────────────────────────────────────────────


def test_a_forecast_adds_up_what_is_left(make, plan, store):
    for planned in list(plan.runs.values())[:5]:
        make.finish(store, planned.run)
    left = [p for key, p in plan.runs.items() if not store.is_done(key)]
    found = forecast(plan, store, workers=2, speed=lambda settings, numerics: 1000.0)
    for row in found.learners:
        mine = [p for p in left if p.learner == row.learner]
        assert row.runs - row.reused == len(mine)
        assert row.expected_bytes == sum(p.cost.expected_bytes for p in mine)
        assert row.most_bytes == sum(p.cost.most_bytes for p in mine)
        assert row.flops == sum(p.cost.flops for p in mine)
        seconds = sum(int(p.cost.weight) for p in mine) / 1000 / 2
        assert row.seconds == pytest.approx(seconds)
    assert found.seconds == pytest.approx(sum(row.seconds for row in found.learners))
    assert sum(row.reused for row in found.learners) == 5


def test_each_numerics_is_timed_once_and_only_for_what_is_left(make, plan, store):
    asked = []

    def speed(settings, numerics):
        asked.append(numerics)
        return 1.0

    forecast(plan, store, workers=1, speed=speed)
    assert len(asked) == 2
    make.finish_all(store, plan)
    asked.clear()
    found = forecast(plan, store, workers=1, speed=speed)
    assert asked == []
    assert found.seconds == 0


def test_times_may_be_left_out(plan, store):
    found = forecast(plan, store, workers=1, speed=None)
    assert found.seconds is None
    assert {row.seconds for row in found.learners} == {None}


def test_why_something_is_not_reused_is_said_once(make, plan, store):
    make.finish_all(store, plan)
    study = make.study(sources=("en",), targets=("fi",), transformer=TransformerOptions(patience=9))
    (note,) = forecast(make.plan(study), store, workers=1, speed=None).notes
    assert "settings.recipe.patience is 9, was 5" in note
    same = forecast(plan, store, workers=1, speed=None)
    assert same.notes == []


def test_what_is_not_prepared_is_said(make, store):
    plan = make.plan(make.study(sources=("en",), targets=("fi",)), fi=None)
    first, second = forecast(plan, store, workers=1, speed=None).notes
    assert first == "Not prepared: fi (never prepared)."
    assert second.startswith("Until `bytetransfer prepare` has run")
    (first, _) = forecast(plan, store, workers=1, speed=None, reasons={"fi": "it moved"}).notes
    assert first == "Not prepared: fi (it moved)."
    assert status_of(plan, store).unprepared == {"fi": "never prepared"}


def test_a_learner_that_could_not_be_timed_has_no_time(plan, store):
    found = forecast(plan, store, workers=1, speed=lambda settings, _: None)
    assert [row.seconds for row in found.learners] == [None, None]
    assert found.seconds is None
