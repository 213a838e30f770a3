"""What belongs to languages in differences between directions."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from bytetransfer.analysis.asymmetry import DirectedPair, asymmetry
from bytetransfer.analysis.cells import Unanswered

STUDIES = 200


def differences(table, errors=None):
    names = "abcdefghijklmnop"
    return [
        DirectedPair(
            names[a],
            names[b],
            float(table[a, b] - table[b, a]),
            None if errors is None else float(errors[a, b]),
            None if errors is None else float(errors[b, a]),
        )
        for a, b in itertools.combinations(range(len(table)), 2)
    ]


def test_effects_are_means_over_partners():
    table = np.random.default_rng(0).standard_normal((5, 5))
    found = asymmetry(differences(table))
    expected = (table - table.T).sum(axis=1) / 5
    assert [one.effect for one in found.effects] == pytest.approx(expected.tolist())
    assert [one.low for one in found.effects] == [None] * 5


def test_all_patterns_are_gone_through():
    table = np.random.default_rng(1).standard_normal((5, 5))
    antisymmetric = table - table.T
    shares = []
    for tail in itertools.product((1, -1), repeat=4):
        signs = np.array([1, *tail])
        flipped = antisymmetric * np.outer(signs, signs)
        effects = flipped.sum(axis=1) / 5
        explained = (effects[:, None] - effects) ** 2
        shares.append(explained.sum() / (flipped**2).sum())
    found = asymmetry(differences(table))
    assert found.share == pytest.approx(shares[0])
    assert found.test.p == np.mean(np.array(shares) >= shares[0] - 1e-12)
    assert (found.test.patterns, found.test.exact) == (16, True)


@pytest.mark.parametrize(("languages", "smallest"), [(3, 1 / 4), (4, 1 / 8), (6, 1 / 32)])
def test_the_smallest_p_is_stated_and_reached(languages, smallest):
    gives = np.sqrt(np.arange(2.0, 2 + languages))
    found = asymmetry(differences(np.tile(gives[:, None], languages)))
    assert found.test.smallest_p == smallest
    assert found.test.p == smallest
    assert found.share == pytest.approx(1)


def test_a_pair_on_a_bridge_adds_nothing_to_the_smallest_p():
    circle = [DirectedPair("a", "b", 1.0), DirectedPair("b", "c", 1.5), DirectedPair("a", "c", 2.0)]
    found = asymmetry([*circle, DirectedPair("c", "d", 1.0), DirectedPair("x", "y", 3.0)])
    assert found.test.smallest_p == 1 / 4


@pytest.mark.parametrize(
    "pairs", [[("a", "b")], [("a", "b"), ("b", "c")], [("a", "b"), ("c", "d")]]
)
def test_pairs_without_a_circle_have_no_test(pairs):
    found = asymmetry([DirectedPair(*pair, 1.0 + place) for place, pair in enumerate(pairs)])
    assert isinstance(found.test, Unanswered)
    assert "circle" in found.test.reason


def test_nothing_to_explain_has_a_reason():
    assert "no pair" in asymmetry([]).reason
    assert "equal" in asymmetry(differences(np.ones((3, 3)))).reason


def test_many_languages_are_sampled_with_the_seed():
    table = np.random.default_rng(2).standard_normal((16, 16))
    found = asymmetry(differences(table), seed=3)
    assert (found.test.patterns, found.test.exact) == (10_000, False)
    assert found == asymmetry(differences(table), seed=3)
    assert found.test.smallest_p == 1 / 10_000


def noisy(generator, count, *, shared, error=0.1, giving=0.0, pair=0.0):
    effect = generator.standard_normal(count)
    table = effect[:, None] + effect + giving * generator.standard_normal((count, 1))
    table = table + pair * generator.standard_normal((count, count))
    own = math.sqrt(1 - shared) * generator.standard_normal((count, count))
    return table + error * (own + math.sqrt(shared) * generator.standard_normal(count))


def rates(**setting):
    """How often the roles test and any language's corrected p find something."""
    said = np.zeros(2)
    errors = np.full((7, 7), 0.1)
    for study in range(STUDIES):
        table = noisy(np.random.default_rng([11, study]), 7, **setting)
        found = asymmetry(differences(table, errors))
        said += [found.test.p <= 0.05, min(one.corrected_p for one in found.effects) <= 0.05]
    return said / STUDIES


def test_under_the_null_roles_are_found_as_often_as_is_said():
    limit = 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)
    roles, languages = rates(shared=0.0)
    assert 0.0 < roles <= limit
    assert languages <= limit
    # what belongs to single directions is chance to the roles test, and no chance to the other
    assert rates(shared=0.0, pair=0.3)[0] <= limit


def test_the_error_of_a_curve_misleads_the_roles_but_not_the_intervals():
    roles, languages = rates(shared=1.0)
    assert roles > 0.9
    assert languages <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)


def test_languages_that_give_more_are_found():
    roles, languages = rates(shared=0.3, giving=0.5)
    assert roles > 0.9
    assert languages > 0.9


def test_the_worst_case_is_one_error_for_each_target():
    errors = np.full((3, 3), 0.2)
    table = np.array([[0, 1.0, 2.0], [0.5, 0, 1.0], [0.1, 0.3, 0]])
    found = asymmetry(differences(table, errors))
    # g_a = (y_ab − y_ba + y_ac − y_ca) / 3: the errors of target a go together
    error = math.sqrt((0.2 / 3) ** 2 + (0.2 / 3) ** 2 + (2 * 0.2 / 3) ** 2)
    reach = stats.norm.ppf(0.975) * error
    assert found.effects[0].high - found.effects[0].effect == pytest.approx(reach)
