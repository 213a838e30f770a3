import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.corpus.sources import FileSource
from bytetransfer.errors import StudyError
from bytetransfer.identity import plain
from bytetransfer.learners.catalog import TransformerOptions, has_search
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.measurements.measurement import SCRATCH
from bytetransfer.planning.plan import UNPREPARED, differences, make_plan, nearest, training_bytes
from bytetransfer.planning.run import Run
from bytetransfer.study.study import CorpusSpec

NEURAL = "transformer/nano"
ONE_RATE = TransformerOptions(scratch_learning_rates=(1e-3,), finetune_learning_rates=(1e-3,))
OPTIONS = [TransformerOptions(), ONE_RATE]


def runs(plan, **fields):
    return [
        p.run
        for p in plan.runs.values()
        if all(getattr(p.run, name) == value for name, value in fields.items())
    ]


def test_pretraining_is_shared_by_targets_and_scratch_by_sources(make):
    plan = make.plan(make.study(convergence_checks=False))
    learners, seeds, sources, targets, sizes, scratch = 2, 2, 2, 2, 2, 3
    assert len(runs(plan, kind="pretrain")) == learners * seeds * sources
    assert len(runs(plan, kind="scratch")) == learners * seeds * targets * scratch
    assert len(runs(plan, kind="finetune")) == learners * seeds * sources * targets * sizes
    assert len(plan.cells) == len(runs(plan, kind="scratch")) + len(runs(plan, kind="finetune"))
    fewer = make.plan(make.study(convergence_checks=False, targets=("fi",), sources=("ru",)))
    assert fewer.runs.keys() < plan.runs.keys()


def test_every_row_has_its_run_and_no_other_row_like_it(make):
    plan = make.plan()
    for cell in plan.cells:
        run = plan.runs[cell.key].run
        assert (run.parent is None) == (cell.source == SCRATCH) == (cell.pretrain_bytes == 0)
        assert run.seed == cell.seed
        assert (run.sample.nominal_bytes if run.sample else 0) == cell.nominal_bytes
    coordinates = {msgspec.structs.astuple(Coordinates.of(cell)) for cell in plan.cells}
    assert len(coordinates) == len(plan.cells)


class Coordinates(msgspec.Struct):
    source: str
    target: str
    learner: str
    seed: int
    nominal_bytes: int

    @classmethod
    def of(cls, cell):
        return cls(cell.source, cell.target, cell.learner, cell.seed, cell.nominal_bytes)


def test_parents_and_searchers_come_before_what_needs_them(make):
    plan = make.plan(make.study(seeds=3))
    seen: set[str] = set()
    for key, planned in plan.runs.items():
        assert planned.run.key == key
        assert set(planned.run.needs) <= seen
        seen.add(key)


def test_pretraining_takes_the_far_end_and_is_scored_on_its_own_corpus(make):
    plan = make.plan()
    digests = {name: make.card(name).digest for name in ("en", "ru", "es", "fi")}
    for run in runs(plan, kind="pretrain"):
        assert run.sample.end == "far"
        assert run.sample.nominal_bytes == 50_000
        assert run.held_out == run.sample.corpus in (digests["en"], digests["ru"])
    for run in (*runs(plan, kind="scratch"), *runs(plan, kind="finetune")):
        assert run.sample.end == "near"
        assert run.held_out == run.sample.corpus in (digests["es"], digests["fi"])


def test_only_seed_zero_searches_and_only_where_there_is_a_choice(make):
    plan = make.plan(make.study(convergence_checks=False, seeds=3))
    cells = {Coordinates.of(cell).__repr__(): cell for cell in plan.cells}
    for cell in plan.cells:
        run = plan.runs[cell.key].run
        first = cells[
            repr(Coordinates(cell.source, cell.target, cell.learner, 0, cell.nominal_bytes))
        ]
        chooses = cell.learner == NEURAL and cell.seed > 0
        assert run.chosen_by == (first.key if chooses else None)
        assert has_search(run.settings) == (cell.learner == NEURAL)
    single = make.plan(make.study(convergence_checks=False, seeds=3, transformer=ONE_RATE))
    assert not [run for run in runs(single) if run.chosen_by]
    assert not [run for run in runs(plan, kind="pretrain") if run.chosen_by]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_check_is_the_same_run_with_doubled_patience(make, options):
    plan = make.plan(make.study(transformer=options))
    checked = {(c.cell.source, c.cell.target, c.cell.nominal_bytes) for c in plan.checks}
    assert checked == {
        *((SCRATCH, target, size) for target in ("es", "fi") for size in (1_000, 60_000)),
        *(("en", target, 3_000) for target in ("es", "fi")),
    }
    for check in plan.checks:
        assert (check.cell.seed, check.cell.learner) == (0, NEURAL)
        run, patient = plan.runs[check.cell.key].run, plan.runs[check.key].run
        changed = differences(patient, run)
        assert changed.pop("settings.recipe.patience") == (5, 10)
        if options is ONE_RATE:
            assert changed == {}
        else:  # trains what the run has chosen, no other
            assert changed == {"chosen_by": (None, check.cell.key)}
    assert not {check.key for check in plan.checks} & {cell.key for cell in plan.cells}


def test_nothing_is_checked_where_there_is_no_patience(make):
    assert make.plan(make.study(convergence_checks=False)).checks == ()
    assert make.plan(make.study(learners=("ngram",))).checks == ()
    assert make.plan(make.study(regime="paper")).checks == ()


def test_zero_shot_sees_no_text_and_searches_nothing(make):
    plan = make.plan(make.study(finetune_bytes=(0, 1_000)))
    zero = [plan.runs[cell.key] for cell in plan.cells if cell.nominal_bytes == 0]
    assert len(zero) == 2 * 2 * 2 * 2
    for planned in zero:
        assert planned.run.kind == "finetune"
        assert (planned.run.sample, planned.run.chosen_by) == (None, None)
        assert planned.run.parent in plan.runs
        assert planned.cost.expected_bytes == 0
    only = make.plan(make.study(finetune_bytes=(0,)))
    assert {check.cell.source for check in only.checks} == {SCRATCH}


def test_the_papers_recipe_has_three_epochs_of_the_largest_size(make):
    plan = make.plan(make.study(regime="paper"))
    epochs = {
        (cell.source == SCRATCH, cell.nominal_bytes): plan.runs[cell.key].run.settings.recipe.epochs
        for cell in plan.cells
        if cell.learner == NEURAL
    }
    assert epochs == {
        (False, 1_000): 10, (False, 3_000): 3,
        (True, 1_000): 10, (True, 10_000): 10, (True, 60_000): 3,
    }  # fmt: skip


# ── identity ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "changed",
    [Numerics(precision="bf16"), Numerics(threads=2), Numerics(compiled=True),
     Numerics(attention="sdpa"), Numerics(micro_batch=4), Numerics(device="cuda")],
)  # fmt: skip
def test_other_numerics_are_other_runs_of_the_neural_learner_alone(make, changed):
    study = make.study()
    plan = make.plan(study)
    other = make_plan(
        study,
        make.cards(study),
        lambda settings, size: changed if make.numerics(settings, size) else None,
    )
    for key, planned in plan.runs.items():
        assert (key in other.runs) == (planned.learner == "ngram")
    assert len(other.runs) == len(plan.runs)


@given(seeds=st.integers(1, 3), checks=st.booleans(), options=st.sampled_from(OPTIONS))
def test_numerics_are_resolved_from_the_work_of_the_whole_grid(make, seeds, checks, options):
    study = make.study(seeds=seeds, convergence_checks=checks, transformer=options)
    seen = set()

    def resolve(settings, planned_bytes):
        numerics = make.numerics(settings, planned_bytes)
        seen.add((numerics is not None, planned_bytes))
        return numerics

    plan = make_plan(study, make.cards(study), resolve)
    checked = {check.key for check in plan.checks}
    work = {
        learner: sum(
            p.cost.expected_bytes
            for key, p in plan.runs.items()
            if p.learner == learner and key not in checked
        )
        for learner in study.learners
    }
    assert seen == {(learner == NEURAL, planned) for learner, planned in work.items()}
    assert work == {learner: training_bytes(study, learner) for learner in study.learners}


def test_paths_names_and_languages_never_change_a_run(make):
    study = make.study()
    moved = make.study(
        name="renamed",
        corpora={
            name: CorpusSpec(text=FileSource(files=(f"/elsewhere/{name}.gz",)), language="xx")
            for name in study.corpora
        },
    )
    assert make.plan(moved).runs.keys() == make.plan(study).runs.keys()
    for planned in make.plan(study).runs.values():
        written = str(plain(planned.run))
        assert "/" not in written
        assert ".txt" not in written


def test_another_text_is_another_run_of_what_uses_it(make):
    plan, other = make.plan(), make.plan(ru=make.card("ru", 2_000_000))
    old, new = make.card("ru").digest, make.card("ru", 2_000_000).digest
    for planned in plan.runs.values():
        parent = plan.runs.get(planned.run.parent or "")
        uses = old in (planned.run.held_out, parent.run.held_out if parent else "")
        assert (planned.run.key in other.runs) == (not uses)
    assert [r for r in runs(other) if new in (r.held_out,)]


sizes = st.lists(st.integers(1, 60_000), min_size=2, max_size=4, unique=True).map(
    lambda found: tuple(sorted(found))
)


@given(
    learners=st.sampled_from([("ngram",), (NEURAL,), ("ngram", NEURAL)]),
    finetune=sizes,
    scratch=sizes,
    seeds=st.integers(1, 3),
    checks=st.booleans(),
)
def test_a_plan_is_a_function_of_what_it_is_given(make, learners, finetune, scratch, seeds, checks):
    study = make.study(
        learners=learners,
        finetune_bytes=finetune,
        scratch_bytes=scratch,
        seeds=seeds,
        convergence_checks=checks,
    )
    plan, again = make.plan(study), make.plan(study)
    assert list(plan.runs.items()) == list(again.runs.items())
    assert (plan.cells, plan.checks) == (again.cells, again.checks)
    for key, planned in plan.runs.items():
        assert msgspec.json.decode(msgspec.json.encode(planned.run), type=Run).key == key
        assert 0 <= planned.cost.expected_bytes <= planned.cost.most_bytes


# ── what a corpus can give ───────────────────────────────────────────────────────────────────


def test_a_size_the_corpus_cannot_give_is_refused_with_what_it_has(make):
    with pytest.raises(StudyError, match=r"fi has 59,999 bytes .*\(60 kB\).* needs 60 kB of it"):
        make.plan(fi=make.card("fi", 59_999))
    with pytest.raises(StudyError, match=r"ru has 49,999 bytes of training text"):
        make.plan(ru=make.card("ru", 49_999))
    assert make.plan(fi=make.card("fi", 60_000), ru=make.card("ru", 50_000)).runs


def test_one_text_under_two_names_is_its_own_source(make):
    for size, refused in ((52_999, True), (53_000, False)):
        same = make.card("text", size)
        study = make.study(sources=("en",), targets=("fi",), scratch_bytes=(1_000, 10_000))
        if refused:
            with pytest.raises(StudyError, match="en has 52,999 bytes"):
                make.plan(study, en=same, fi=same)
        else:
            assert make.plan(study, en=same, fi=same)


def test_a_run_whose_values_were_chosen_before_costs_no_search(make):
    plan = make.plan(make.study(seeds=2))
    costs = {}
    for cell in plan.cells:
        if cell.learner == NEURAL:
            costs.setdefault((cell.source, cell.target, cell.nominal_bytes), []).append(
                plan.runs[cell.key].cost
            )
    for searched, chosen in costs.values():
        assert searched.expected_bytes == 2 * chosen.expected_bytes
        assert searched.most_bytes == 2 * chosen.most_bytes


def test_corpora_that_are_not_prepared_have_runs_that_are_not_reused(make):
    plan = make.plan(fi=None)
    assert plan.unprepared == ("fi",)
    assert len(plan.runs) == len(make.plan().runs)
    waiting = [p.run for k, p in plan.runs.items() if k not in make.plan().runs]
    assert {run.held_out for run in waiting} == {f"{UNPREPARED}fi"}
    assert make.plan().unprepared == ()


# ── the nearest run ──────────────────────────────────────────────────────────────────────────


def test_the_nearest_run_explains_the_one_changed_field(make):
    study = make.study(transformer=TransformerOptions(patience=9))
    done = runs(make.plan())
    for wanted in runs(make.plan(study), kind="scratch", seed=1):
        if wanted.numerics is None:
            continue
        one, changes = nearest(wanted, done) or pytest.fail("no run is near")
        assert one.sample == wanted.sample
        assert changes["settings.recipe.patience"] == (5, 9)
        assert changes.keys() <= {"settings.recipe.patience", "chosen_by"}


def test_the_nearest_run_is_of_the_same_kind_and_learner(make):
    wanted = make.run(seed=5)
    assert nearest(wanted, []) is None
    assert nearest(wanted, runs(make.plan(), kind="pretrain")) is None
    assert nearest(wanted, [run for run in runs(make.plan()) if run.numerics]) is None
    found = nearest(wanted, [make.run(seed=1, held_out="x"), make.run(seed=2)])
    assert found == (make.run(seed=2), {"seed": (2, 5)})
