"""The plan of a study with several replicates."""

import pytest

from bytetransfer.errors import StudyError
from bytetransfer.planning.plan import make_plan, training_bytes
from bytetransfer.planning.replicates import plan_of_replicates, study_of_replicate
from bytetransfer.study.check import MOST_SEEDS, check_study


def plan(make, study, *cards):
    return plan_of_replicates(study, cards, make.numerics)


@pytest.fixture
def replicated(make):
    """A study of two replicates whose corpora differ, and its plan."""
    study = make.study(replicates=2)
    second = {name: make.card(f"{name}, other split") for name in study.expressions()}
    return study, plan(make, study, make.cards(study), second)


def test_the_first_replicate_is_the_study_alone(make, replicated):
    study, found = replicated
    alone = make_plan(make.study(), make.cards(study), make.numerics)
    first = [cell for cell in found.cells if cell.replicate == 0]
    assert [cell.key for cell in first] == [cell.key for cell in alone.cells]
    assert found.checks == alone.checks


def test_replicates_share_no_run_and_no_seed(replicated):
    _, found = replicated
    keys = [{cell.key for cell in found.cells if cell.replicate == r} for r in (0, 1)]
    seeds = [{cell.seed for cell in found.cells if cell.replicate == r} for r in (0, 1)]
    assert not keys[0] & keys[1]
    assert seeds == [{0, 1}, {MOST_SEEDS, MOST_SEEDS + 1}]
    labels = [planned.label for planned in found.runs.values()]
    assert len(set(labels)) == len(labels)


def test_each_replicate_searches_by_itself(replicated):
    _, found = replicated
    for cell in found.cells:
        run = found.runs[cell.key].run
        if cell.learner == "ngram":
            continue
        searcher = found.runs[run.chosen_by].run if run.chosen_by else run
        assert searcher.seed == cell.replicate * MOST_SEEDS
        assert searcher.held_out == run.held_out


def test_what_is_not_prepared_is_named_by_replicate(make):
    study = make.study(replicates=2)
    nothing = dict.fromkeys(study.expressions())
    assert plan(make, study, make.cards(study), nothing).unprepared == tuple(
        f"{name} (replicate 2)" for name in study.expressions()
    )


def test_all_replicates_count_as_the_work_of_a_learner(make):
    for learner in make.study().learners:
        one, three = (training_bytes(make.study(replicates=n), learner) for n in (1, 3))
        assert three == 3 * one


def test_a_replicate_holds_out_other_text(make):
    study = make.study(replicates=3)
    assert study_of_replicate(study, 0) == study
    assert [study_of_replicate(study, n).splits.seed for n in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("number", [0, -1, 51])
def test_a_number_of_replicates_that_means_nothing_is_refused(make, number):
    with pytest.raises(StudyError, match="out of range"):
        check_study(make.study(replicates=number), where="x")
