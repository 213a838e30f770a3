"""Transfer against distance: what enters, what is answered, and that it is not fooled."""

import math

import numpy as np
import pytest

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.similarity import similarity
from bytetransfer.transfer.estimate import TransferEstimate

LANGUAGES = tuple("abcdefgh")


def estimate(source, target, effective, status="inside", nominal=1_000):
    return TransferEstimate(
        source=source, target=target, learner="m", regime="", pretrain_bytes=1, seeds=1,
        finetune_bytes=nominal, nominal_bytes=nominal, status=status, effective_bytes=effective,
        effective_low=None, effective_high=None, upper_open=False, level=0.95,
        transfer_bytes=effective - nominal, transfer_low=None, transfer_high=None,
        transfer_fraction=1 - nominal / effective, transfer_fraction_low=None,
        transfer_fraction_high=None, covers="no interval: published", bits_per_byte=1.0,
        not_converged=None, below_surface=None, runs=(),
    )  # fmt: skip


def world(seed, *, slope=0.0, sources=LANGUAGES, targets=LANGUAGES):
    """Estimates with strong effects of source and target, and distances between languages."""
    generator = np.random.default_rng(seed)
    names = sorted({*sources, *targets})
    remote = np.where(generator.random(len(names)) < 0.2, 3, 1)[:, None]
    points = dict(zip(names, generator.standard_normal((len(names), 3)) * remote, strict=True))
    strong = {name: 2 * generator.standard_normal() for name in names}
    easy = {name: 2 * generator.standard_normal() for name in names}
    rows = []
    apart_of = {(a, b): float(np.linalg.norm(points[a] - points[b])) for a in names for b in names}
    distances = {pair: apart for pair, apart in apart_of.items() if pair[0] != pair[1]}
    for source in sources:
        for target in targets:
            apart = apart_of[source, target]
            log = strong[source] + easy[target] + slope * apart + 0.3 * generator.standard_normal()
            rows.append(estimate(source, target, 20_000 * math.exp(log)))
    return rows, distances


WORLD = (world(1)[0], {"syntax": world(1)[1]})


def test_an_effect_of_distance_is_found_with_its_size():
    rows, distances = world(1, slope=-0.4)
    found = similarity(rows, {"syntax": distances})
    (measure,) = found.measures
    assert isinstance(measure.association, Association)
    assert measure.association.low < -0.4 < measure.association.high < 0
    assert measure.association.p == measure.corrected_p < 0.05
    assert measure.with_bounds is None
    assert (found.pairs, found.censored, measure.pairs, measure.missing) == (56, 0, 56, 0)
    assert found.transfer_fraction == pytest.approx(
        np.median([row.transfer_fraction for row in rows if row.source != row.target])
    )


def test_what_is_asked_of_the_test_reaches_it():
    rows, distances = world(1, sources="abc", targets="defghij")
    asked = dict(permutations=99, level=0.8, moved="both")
    one, again, other = (
        similarity(rows, {"syntax": distances}, seed=seed, **asked).measures[0].association
        for seed in (1, 1, 2)
    )
    assert (one.permutations, one.level, one.moved) == (100, 0.8, "both")
    assert one == again
    assert (one.low, one.high) != (other.low, other.high)


def test_whole_languages_can_be_permuted_where_sources_and_targets_differ():
    rows, distances = world(1)
    some = [row for row in rows if row.source in "abc"] + [estimate("nonsense", "d", 9_000)]
    whole = similarity(some, {"syntax": distances}, moved="languages").measures[0]
    labels = similarity(some, {"syntax": distances}, moved="targets").measures[0]
    assert whole.association.moved == "languages"
    assert labels.association.moved == "targets"
    assert whole.association.slope == pytest.approx(labels.association.slope)
    del distances["d", "e"]
    gap = similarity(some, {"syntax": distances}, moved="languages").measures[0]
    assert "1 are missing, such as d and e" in gap.association.reason


def test_bytes_can_be_explained_instead_of_their_logarithm():
    rows, distances = world(1, slope=-0.4)
    found = similarity(rows, {"syntax": distances}, outcome="transfer_bytes", permutations=99)
    logs = similarity(rows, {"syntax": distances}, permutations=99)
    assert found.outcome == "transfer_bytes"
    assert abs(found.measures[0].association.slope) > 100
    assert found.measures[0].naive.correlation == pytest.approx(logs.measures[0].naive.correlation)


def test_bounds_are_counted_and_shown_apart_but_are_no_numbers():
    rows, distances = world(2)
    bounds = [
        estimate(row.source, row.target, 1e15, "above_range") if row.source == "a" else row
        for row in rows
    ]
    found = similarity(bounds, {"syntax": distances}, permutations=99)
    (measure,) = found.measures
    assert (found.pairs, found.censored, measure.pairs) == (56, 7, 49)
    assert not [pair for pair in measure.association.pairs if pair.source == "a"]
    assert len(measure.with_bounds.pairs) == 56


def test_sources_without_a_distance_are_left_out_and_counted():
    rows, distances = world(3)
    rows += [estimate("nonsense", target, 5_000 + place) for place, target in enumerate(LANGUAGES)]
    found = similarity(rows, {"syntax": distances}, permutations=99)
    (measure,) = found.measures
    assert (found.pairs, measure.pairs, measure.missing) == (64, 56, 8)
    assert measure.association.moved == "signs"
    labels = similarity(rows, {"syntax": distances}, permutations=99, moved="targets")
    assert labels.measures[0].association.moved == "languages"


def test_p_values_are_corrected_over_the_measures_that_have_one():
    rows, distances = world(4, slope=-0.1)
    _, other = world(5)
    found = similarity(rows, {"syntax": distances, "nothing": {}, "sound": other}, permutations=199)
    syntax, nothing, sound = found.measures
    assert isinstance(nothing.association, Unanswered)
    assert isinstance(nothing.naive, Unanswered)
    assert nothing.corrected_p is None
    small, large = sorted([syntax, sound], key=lambda one: one.association.p)
    assert small.corrected_p == min(1, 2 * small.association.p)
    assert large.corrected_p == max(small.corrected_p, large.association.p)


def no_estimates():
    return [], world(1)[1]


def only_itself():
    return [estimate("a", "a", 5_000)], world(1)[1]


def one_source():
    return world(1, sources="a")


def one_target():
    return world(1, targets="a")


def all_bounds():
    rows, distances = world(1)
    return [estimate(r.source, r.target, 1e9, "above_range") for r in rows], distances


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (no_estimates, "no estimate of a source and a different target"),
        (only_itself, "no estimate of a source and a different target"),
        (one_source, "all pairs have the same source"),
        (one_target, "all pairs have the same target"),
        (all_bounds, "all 56 estimates of D_E are bounds"),
    ],
)
def test_without_an_answer_there_is_a_reason(given, reason):
    rows, distances = given()
    found = similarity(rows, {"syntax": distances})
    assert isinstance(found, Unanswered)
    assert reason in found.reason


def test_no_measure_is_a_reason_too():
    assert similarity(world(1)[0], {}).reason == "no measure of distance is given"


def test_constant_distances_and_estimates_are_answered_with_a_reason():
    rows, distances = world(1)
    (measure,) = similarity(rows, {"same": dict.fromkeys(distances, 0.5)}).measures
    assert "constant" in measure.association.reason
    assert "same distance" in measure.naive.reason
    flat = [estimate(row.source, row.target, 5_000) for row in rows]
    (measure,) = similarity(flat, {"syntax": distances}).measures
    assert "nothing of the outcome is left" in measure.association.reason


def test_groups_are_not_mixed():
    rows, distances = world(1)
    with pytest.raises(ValueError, match="several groups"):
        similarity([*rows, estimate("a", "b", 9_000, nominal=2_000)], {"syntax": distances})


def test_no_effect_is_found_as_often_as_promised_and_far_more_often_as_published():
    rejected, naive = [], []
    for seed in range(200):
        rows, distances = world(seed, sources="abc", targets="abcdefghij")
        (measure,) = similarity(rows, {"syntax": distances}, permutations=199).measures
        rejected.append(measure.corrected_p <= 0.05)
        naive.append(measure.naive.p <= 0.05)
    assert 0.015 <= np.mean(rejected) <= 0.095  # three standard errors
    assert np.mean(naive) > 0.14
