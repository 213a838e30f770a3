import pytest

from bytetransfer.measurements.file import parse_measurements
from bytetransfer.measurements.measurement import SCRATCH
from bytetransfer.runs.collect import collect

NEURAL = "transformer/nano"
CURVE = {1_000: 4.0, 10_000: 2.0, 60_000: 1.2}  # a from-scratch curve, in bits per byte


@pytest.fixture
def plan(make):
    return make.plan(make.study(sources=("en",), targets=("fi",)))


def losses(plan, **changed):
    """Arguments of results by key; the neural learner is .1 better, seed 1 .3 worse."""
    found = {}
    for cell in plan.cells:
        loss = CURVE[cell.nominal_bytes] if cell.source == SCRATCH else 2.5
        found[cell.key] = {"loss": loss - 0.1 * (cell.learner == NEURAL) + 0.3 * cell.seed}
    for check in plan.checks:
        found[check.key] = dict(found[check.cell.key])
    return found


def cell(plan, **wanted):
    (found,) = (c for c in plan.cells if all(getattr(c, name) == v for name, v in wanted.items()))
    return found


def rows(plan, store, **wanted):
    found = collect(plan, store, regime="converged")
    return [row for row in found if all(getattr(row, name) == v for name, v in wanted.items())]


def test_every_row_says_what_its_run_gave(make, plan, store):
    make.finish_all(store, plan, losses(plan))
    found = collect(plan, store, regime="converged")
    assert len(found) == len(plan.cells)
    for c in plan.cells:
        (row,) = (r for r in found if r.run == c.key)
        result = store.result(c.key)
        assert (row.source, row.target, row.learner, row.seed) == (
            c.source, c.target, c.learner, c.seed
        )  # fmt: skip
        assert row.regime == ("exact" if c.learner == "ngram" else "converged")
        assert row.target_bytes == row.nominal_bytes == c.nominal_bytes
        assert (row.nats, row.test_bytes) == (result.test.nats, result.test.bytes)
        assert row.bits_per_byte == pytest.approx(losses(plan)[c.key]["loss"])
        assert found.blocks[c.key].tolist() == [[result.test.nats, result.test.bytes]]
    assert parse_measurements(found.to_csv(), where="x").rows == found.rows


def test_runs_without_a_result_have_no_row(make, plan, store):
    assert len(collect(plan, store, regime="converged")) == 0
    done = plan.cells[3]
    make.finish(store, plan.runs[done.key].run)
    (row,) = collect(plan, store, regime="converged")
    assert row.run == done.key


def test_nothing_is_flagged_where_nothing_is_wrong(make, plan, store):
    make.finish_all(store, plan, losses(plan))
    assert {row.not_converged for row in rows(plan, store)} == {False}
    assert {row.below_surface for row in rows(plan, store, learner=NEURAL)} == {False}
    assert {row.below_surface for row in rows(plan, store, learner="ngram")} == {None}


def test_a_run_that_met_its_budget_is_not_converged(make, plan, store):
    results = losses(plan)
    short = cell(plan, learner=NEURAL, source="en", seed=1, nominal_bytes=1_000)
    results[short.key]["stopped"] = "budget"
    make.finish_all(store, plan, results)
    assert [row.run for row in rows(plan, store, not_converged=True)] == [short.key]


def test_a_fixed_recipe_does_not_know_whether_it_was_enough(make, store):
    plan = make.plan(make.study(sources=("en",), targets=("fi",), regime="paper"))
    results = {c.key: {"stopped": "schedule"} for c in plan.cells if c.learner == NEURAL}
    make.finish_all(store, plan, results)
    flags = {row.learner: row.not_converged for row in collect(plan, store, regime="paper")}
    assert flags == {"ngram": False, NEURAL: None}


@pytest.mark.parametrize(("moved", "expected"), [(0.0, False), (-0.001, False), (-0.4, True)])
@pytest.mark.parametrize(("source", "size"), [(SCRATCH, 1_000), (SCRATCH, 60_000), ("en", 3_000)])
def test_a_failed_check_flags_all_seeds_of_its_cell(
    make, plan, store, source, size, moved, expected
):
    results = losses(plan)
    (check,) = (c for c in plan.checks if (c.cell.source, c.cell.nominal_bytes) == (source, size))
    loss = results[check.cell.key]["loss"]
    results[check.key] = {"loss": 9.0, "validation": loss + moved}  # the test loss says nothing
    make.finish_all(store, plan, results)
    flagged = rows(plan, store, not_converged=True)
    assert {(r.learner, r.source, r.nominal_bytes, r.seed) for r in flagged} == (
        {(NEURAL, source, size, 0), (NEURAL, source, size, 1)} if expected else set()
    )


def test_a_check_that_is_not_done_flags_nothing(make, plan, store):
    results = losses(plan)
    checks = {check.key for check in plan.checks}
    for key, planned in plan.runs.items():
        if key not in checks:
            make.finish(store, planned.run, **results.get(key, {}))
    assert {row.not_converged for row in rows(plan, store)} == {False}


def test_a_loss_above_the_surface_learners_on_the_same_bytes_is_flagged(make, plan, store):
    results = losses(plan)
    worse = [
        cell(plan, learner=NEURAL, source=SCRATCH, seed=0, nominal_bytes=10_000),
        cell(plan, learner=NEURAL, source="en", seed=1, nominal_bytes=3_000),
    ]
    for c in worse:
        # a little more than the surface learner; it alone is the rival, not its other seed
        results[c.key]["loss"] += 0.15
    equal = cell(plan, learner=NEURAL, source="en", seed=0, nominal_bytes=1_000)
    results[equal.key]["loss"] += 0.1
    make.finish_all(store, plan, results)
    found = {row.run for row in rows(plan, store, below_surface=True)}
    assert found == {c.key for c in worse}


def test_without_the_surface_learner_nobody_knows(make, store):
    plan = make.plan(make.study(sources=("en",), targets=("fi",), learners=(NEURAL,)))
    make.finish_all(store, plan)
    assert {row.below_surface for row in collect(plan, store, regime="converged")} == {None}


def test_zero_shot_is_measured_against_zero_shot(make, store):
    plan = make.plan(make.study(sources=("en",), targets=("fi",), finetune_bytes=(0, 1_000)))
    results = {
        c.key: {"loss": 5.0 if c.learner == NEURAL else 4.0}
        for c in plan.cells
        if c.nominal_bytes == 0
    }
    make.finish_all(store, plan, results)
    flagged = [row for row in collect(plan, store, regime="converged") if row.below_surface]
    assert {(row.target_bytes, row.source) for row in flagged} == {(0, "en")}
