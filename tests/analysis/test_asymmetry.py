"""What belongs to languages in differences between directions."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from bytetransfer.analysis.asymmetry import DirectedPair, asymmetry

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


def test_the_share_is_that_of_differences_of_effects():
    table = np.random.default_rng(1).standard_normal((5, 5))
    antisymmetric = table - table.T
    effects = antisymmetric.sum(axis=1) / 5
    explained = (effects[:, None] - effects) ** 2
    found = asymmetry(differences(table))
    assert found.share == pytest.approx(explained.sum() / (antisymmetric**2).sum())


@pytest.mark.parametrize("languages", [3, 6, 9])
def test_differences_that_are_noise_are_explained_as_far_as_is_said(languages):
    drawn = np.random.default_rng(2).standard_normal((STUDIES, languages, languages))
    found = [asymmetry(differences(table)) for table in drawn]
    assert found[0].chance_share == pytest.approx(2 / languages)
    error = np.std([one.share for one in found]) / math.sqrt(STUDIES)
    assert abs(np.mean([one.share for one in found]) - 2 / languages) < 4 * error


@pytest.mark.parametrize(
    "pairs", [[("a", "b")], [("a", "b"), ("b", "c")], [("a", "b"), ("c", "d")]]
)
def test_pairs_without_a_circle_are_explained_whatever_they_are(pairs):
    found = asymmetry([DirectedPair(*pair, 1.0 + place) for place, pair in enumerate(pairs)])
    assert found.share == pytest.approx(1)
    assert found.chance_share == 1


def test_nothing_to_explain_has_a_reason():
    assert "no pair" in asymmetry([]).reason
    assert "equal" in asymmetry(differences(np.ones((3, 3)))).reason


def noisy(generator, count, *, shared, error=0.1, giving=0.0, pair=0.0):
    effect = generator.standard_normal(count)
    table = effect[:, None] + effect + giving * generator.standard_normal((count, 1))
    table = table + pair * generator.standard_normal((count, count))
    own = math.sqrt(1 - shared) * generator.standard_normal((count, count))
    return table + error * (own + math.sqrt(shared) * generator.standard_normal(count))


def rate(**setting):
    """How often any language's corrected p finds something."""
    said = 0
    errors = np.full((7, 7), 0.1)
    for study in range(STUDIES):
        table = noisy(np.random.default_rng([11, study]), 7, **setting)
        found = asymmetry(differences(table, errors))
        said += min(one.corrected_p for one in found.effects) <= 0.05
    return said / STUDIES


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_neither_noise_nor_the_error_of_a_curve_is_taken_for_a_language(shared):
    assert rate(shared=shared) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)


def test_languages_that_give_more_are_found():
    assert rate(shared=0.3, giving=0.5) > 0.9


def test_the_worst_case_is_one_error_for_each_target():
    errors = np.full((3, 3), 0.2)
    table = np.array([[0, 1.0, 2.0], [0.5, 0, 1.0], [0.1, 0.3, 0]])
    found = asymmetry(differences(table, errors))
    # g_a = (y_ab − y_ba + y_ac − y_ca) / 3: the errors of target a go together
    error = math.sqrt((0.2 / 3) ** 2 + (0.2 / 3) ** 2 + (2 * 0.2 / 3) ** 2)
    reach = stats.norm.ppf(0.975) * error
    assert found.effects[0].high - found.effects[0].effect == pytest.approx(reach)
