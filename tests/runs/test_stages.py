"""Stages of a study, walked through with results made by hand."""

import math

import pytest

from bytetransfer.learners.catalog import TransformerOptions
from bytetransfer.measurements.measurement import SCRATCH
from bytetransfer.planning.plan import make_plan
from bytetransfer.runs.collect import collect_validation
from bytetransfer.runs.stages import is_done, stage_note, stages
from bytetransfer.runs.store import Store
from bytetransfer.study.study import AdaptiveOptions, EstimateOptions

LADDER = (1_000, 2_000, 4_000, 8_000, 16_000, 60_000, 200_000)


@pytest.fixture
def study(make):
    return make.study(
        sources=("en",),
        targets=("fi",),
        learners=("transformer/nano",),
        scratch_bytes=LADDER,
        seeds=3,
        adaptive=AdaptiveOptions(),
        estimate=EstimateOptions(resamples=200),
        transformer=TransformerOptions(
            scratch_learning_rates=(1e-3,), finetune_learning_rates=(1e-3,)
        ),
    )


def losses(plan, *, misleading=False):
    """Validation losses on a power law, a little apart by seed; test losses alike or misleading."""
    found = {}
    for cell in plan.cells:
        size = cell.nominal_bytes if cell.source == SCRATCH else 2.2 * cell.nominal_bytes
        validation = 1 + 3 * (size / 1_000) ** -0.3 + 0.003 * math.sin(size + 7 * cell.seed)
        found[cell.key] = {
            "validation": validation,
            "loss": 9 - validation if misleading else validation,
        }
    for check in plan.checks:
        found[check.key] = dict(found[check.cell.key])
    return found


def walked(make, study, store, *, misleading=False):
    """Every stage, each done before the next is asked for."""
    seen = []
    for stage in stages(study, make.cards(study), make.numerics, store):
        seen.append(stage)
        make.finish_all(store, stage.plan, losses(stage.plan, misleading=misleading))
    return seen


def keys(seen):
    return [(stage.number, stage.is_last, sorted(stage.plan.runs)) for stage in seen]


def test_a_full_grid_is_one_stage(make, store):
    study = make.study()
    (stage,) = stages(study, make.cards(study), make.numerics, store)
    assert (stage.number, stage.is_last) == (1, True)
    assert stage.plan == make.plan(study)


def test_an_adaptive_study_ends_with_fewer_runs_than_its_grid(make, study, store):
    seen = walked(make, study, store)
    assert [stage.number for stage in seen] == [*range(1, len(seen)), len(seen) - 1]
    assert [stage.is_last for stage in seen] == [False] * (len(seen) - 1) + [True]
    assert len(seen) > 2
    grid = make_plan(study, make.cards(study), make.numerics)
    assert set(seen[-1].plan.runs) - {c.key for c in seen[-1].plan.checks} < set(grid.runs)
    assert not [c for c in seen[-1].plan.cells if c.nominal_bytes > 16_000]
    assert set(seen[-1].verdicts.values()) == {"narrow"}
    assert stage_note(seen[-1], study.adaptive).endswith("2 of 2 intervals within a factor of 1.5")


def test_nothing_is_decided_on_a_part_of_the_results(make, study, store, monkeypatch):
    walk = stages(study, make.cards(study), make.numerics, store)
    first = next(walk)
    make.finish_all(store, first.plan, losses(first.plan))
    monkeypatch.setattr(store, "is_done", lambda _: True)  # it was, a moment ago
    (store.run_folder(first.plan.cells[0].key) / "result.json").unlink()
    assert list(walk) == []


def test_checks_wait_for_the_last_stage_and_look_at_the_ends_of_its_curve(make, study, store):
    *before, last = walked(make, study, store)
    assert not any(stage.plan.checks for stage in before)
    sizes = [c.nominal_bytes for c in last.plan.cells if c.source == SCRATCH]
    checked = {c.cell.nominal_bytes for c in last.plan.checks if c.cell.source == SCRATCH}
    assert checked == {min(sizes), max(sizes)}


def test_test_losses_decide_nothing(make, study, tmp_path):
    plain = walked(make, study, Store(tmp_path / "one"))
    moved = walked(make, study, Store(tmp_path / "other"), misleading=True)
    assert keys(plain) == keys(moved)


def test_walked_again_it_is_the_same_walk_whatever_else_is_there(make, study, tmp_path):
    store, rich = Store(tmp_path / "one"), Store(tmp_path / "rich")
    first = walked(make, study, store)
    assert keys(walked(make, study, store)) == keys(first)
    grid = make_plan(study, make.cards(study), make.numerics)
    make.finish_all(rich, grid, losses(grid))  # as if the full grid had been trained before
    assert keys(walked(make, study, rich)) == keys(first)


def test_who_runs_nothing_finds_where_the_study_is(make, study, store):
    walk = stages(study, make.cards(study), make.numerics, store)
    make.finish_all(store, (first := next(walk)).plan, losses(first.plan))
    second = next(walk)
    key = next(key for key in second.plan.runs if key not in first.plan.runs)
    make.finish(store, second.plan.runs[key].run, **losses(second.plan)[key])
    *_, found = stages(study, make.cards(study), make.numerics, store)
    assert (found.number, found.is_last) == (2, False)
    assert list(found.plan.runs) == list(second.plan.runs)
    assert stage_note(found, study.adaptive).startswith("stage 2, ")
    assert not is_done(found.plan, store)


def test_what_is_not_prepared_is_at_its_first_stage(make, study, store):
    (stage,) = stages(study, make.cards(study, fi=None), make.numerics, store)
    assert (stage.number, stage.plan.unprepared) == (1, ("fi",))


def test_rows_of_validation_hold_nothing_of_the_test_split(make, study, store):
    first = next(stages(study, make.cards(study), make.numerics, store))
    make.finish_all(store, first.plan, losses(first.plan, misleading=True))
    found = collect_validation(first.plan, store.result, regime="converged")
    assert len(found) == len(first.plan.cells)
    for row in found:
        assert row.bits_per_byte == pytest.approx(losses(first.plan)[row.run]["validation"])
    assert found.blocks == {}  # these results have blocks of test documents only
