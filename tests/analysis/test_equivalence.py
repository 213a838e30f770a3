"""Equivalence of sources: by hand, at its limit, and how often it is claimed falsely."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bytetransfer.analysis.cells import Unanswered, holm
from bytetransfer.analysis.equivalence import equivalence

STUDIES = 400
GIVEN = 1_000_000


def rows(make_row, transfers, errors, target="fi"):
    return [
        make_row(f"s{place}", target, GIVEN + transfer, error)
        for place, (transfer, error) in enumerate(zip(transfers, errors, strict=True))
    ]


def test_two_sources_by_hand(make_row):
    (found,) = equivalence(rows(make_row, [1e6, 1.5e6], [0.05, 0.04]), factor=2)
    distance = math.log(1.5)
    error = math.hypot(0.05 * 2, 0.04 * 2.5 / 1.5)  # D_E / D_T times that of log D_E
    answer = found.answer
    assert answer.ratio == pytest.approx(1.5)
    one_sided = stats.norm.cdf(
        [(-distance - math.log(2)) / error, (distance - math.log(2)) / error]
    )
    assert answer.p_equivalent == pytest.approx(max(one_sided))
    assert answer.p_different == pytest.approx(2 * stats.norm.sf(distance / error))
    assert answer.within == pytest.approx(math.exp(distance + stats.norm.ppf(0.95) * error))
    assert found.compared == ("s0", "s1")
    assert found.left_out == 0


@given(st.lists(st.floats(2e5, 5e6), min_size=2, max_size=5), st.floats(0.001, 0.05))
def test_the_factor_that_is_just_reached_is_the_limit(make_row, transfers, error):
    some = rows(make_row, transfers, [error] * len(transfers))
    (found,) = equivalence(some, factor=2)
    (again,) = equivalence(some, factor=max(found.answer.within, 1 + 1e-9))
    assert again.answer.p_equivalent <= 0.05 + 1e-6
    assert found.answer.within >= found.answer.ratio


def test_all_pairs_must_be_alike(make_row):
    errors = [0.01] * 3
    (close,) = equivalence(rows(make_row, [1e6, 1.4e6, 1.2e6], errors))
    (far,) = equivalence(rows(make_row, [1e6, 1.4e6, 2.5e6], errors))
    assert far.answer.p_equivalent > 0.9
    assert close.answer.p_equivalent < 0.001
    assert close.answer.p_different < 0.001  # alike within a factor 2, and different all the same


def test_noise_makes_nothing_alike_and_nothing_different(make_row):
    (found,) = equivalence(rows(make_row, [1e6, 1.2e6, 1.1e6], [0.2] * 3))
    assert found.answer.p_different > 0.5
    assert found.answer.p_equivalent > 0.05


def test_what_cannot_be_compared_is_named(make_row):
    some = [
        *rows(make_row, [1e6, 1.1e6], [0.01, 0.01]),
        make_row("worse", "fi", 0.9 * GIVEN, 0.01),
        make_row("unsure", "fi", 1.01 * GIVEN, 0.05),
        make_row("beyond", "fi", 9 * GIVEN, status="above_range"),
        make_row("alone", "fi", 2 * GIVEN),
        make_row("half", "fi", 2 * GIVEN, 0.01, effective_high=None),
    ]
    (found,) = equivalence(some)
    assert found.compared == ("s0", "s1")
    assert found.not_positive == ("unsure", "worse")
    assert found.bounds == ("beyond",)
    assert found.without_interval == ("alone", "half")
    assert found.left_out == 5


def test_declared_noise_stands_in_only_where_there_is_no_interval(make_row):
    bare = [make_row("a", "fi", 2e6), make_row("b", "fi", 2.1e6)]
    (unknown,) = equivalence(bare)
    assert isinstance(unknown.answer, Unanswered)
    assert unknown.without_interval == ("a", "b")
    (declared,) = equivalence(bare, noise=0.05)
    (measured,) = equivalence(rows(make_row, [1e6, 1.1e6], [0.05, 0.05]), noise=3.0)
    assert vars(declared.answer) == pytest.approx(vars(measured.answer))


def test_p_values_are_corrected_over_targets(make_row):
    some = [
        row
        for target, ratio in (("de", 1.2), ("fi", 1.3), ("ja", 1.25))
        for row in rows(make_row, [1e6, ratio * 1e6], [0.05, 0.05], target)
    ]
    found = equivalence([*some, make_row("s0", "zz", 2e6, 0.01)])
    assert [one.target for one in found] == ["de", "fi", "ja", "zz"]
    assert isinstance(found[3].answer, Unanswered)
    answers = [one.answer for one in found[:3]]
    assert [a.corrected_equivalent for a in answers] == holm([a.p_equivalent for a in answers])
    assert [a.corrected_different for a in answers] == holm([a.p_different for a in answers])
    assert answers[0].corrected_equivalent > answers[0].p_equivalent


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_rejects_what_stepping_down_rejects(p_values):
    found = holm(p_values)
    ordered = sorted(range(len(p_values)), key=lambda place: p_values[place])
    rejected = set()
    for passed, place in enumerate(ordered):
        if p_values[place] * (len(p_values) - passed) > 0.05:
            break
        rejected.add(place)
    assert {place for place, p in enumerate(found) if p <= 0.05} == rejected
    assert all(one >= p for one, p in zip(found, p_values, strict=True))


def rates(make_row, ratio, *, error, fraction=0.5, shared=0.0, sources=3):
    """How often "alike" and "different" are said of sources from 1 to 1/`ratio`."""
    said = np.zeros(2)
    transfers = GIVEN * fraction / (1 - fraction) * ratio ** -np.linspace(0, 1, sources)
    for study in range(STUDIES):
        generator = np.random.default_rng([7, study])
        noise = math.sqrt(1 - shared) * generator.standard_normal(sources)
        noise += math.sqrt(shared) * generator.standard_normal()
        sizes = (GIVEN + transfers) * np.exp(error * noise)
        (found,) = equivalence(rows(make_row, sizes - GIVEN, [error] * sources))
        if isinstance(found.answer, Unanswered) or found.left_out:
            continue
        said += [found.answer.p_equivalent <= 0.05, found.answer.p_different <= 0.05]
    return said / STUDIES


@pytest.mark.parametrize(("fraction", "error"), [(0.8, 0.1), (0.5, 0.05), (0.2, 0.02)])
def test_sources_a_factor_apart_are_seldom_called_alike(make_row, fraction, error):
    alike, different = rates(make_row, 2.0, error=error, fraction=fraction)
    assert alike <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)
    assert different > 0.75


@pytest.mark.parametrize(("fraction", "error"), [(0.8, 0.1), (0.5, 0.05), (0.2, 0.02)])
def test_equal_sources_are_called_alike_and_seldom_different(make_row, fraction, error):
    alike, different = rates(make_row, 1.0, error=error, fraction=fraction)
    assert alike > 0.85
    assert different <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)


def test_a_shared_curve_makes_both_tests_cautious(make_row):
    alone = [rates(make_row, ratio, error=0.1, fraction=0.7) for ratio in (1.0, 2.0)]
    shared = [rates(make_row, ratio, error=0.1, fraction=0.7, shared=0.7) for ratio in (1.0, 2.0)]
    for (equal_alone, apart_alone), (equal, apart) in itertools.pairwise([alone, shared]):
        assert equal[1] <= equal_alone[1]
        assert apart[0] <= apart_alone[0]


@pytest.mark.parametrize("factor", [1.0, 0.5, math.nan, math.inf])
def test_a_factor_must_be_above_one(make_row, factor):
    with pytest.raises(ValueError, match="factor"):
        equivalence([make_row("a", "fi", 2e6)], factor=factor)


@pytest.mark.parametrize("noise", [0.0, -1.0, math.nan])
def test_noise_must_be_positive(make_row, noise):
    with pytest.raises(ValueError, match="standard error"):
        equivalence([make_row("a", "fi", 2e6)], noise=noise)


def test_a_learner_that_makes_no_use_of_its_pretraining_is_not_compared(make_row):
    """D_E is D_F to the last digit then, and its interval has no width."""
    exact = [make_row(f"s{k}", "fi", GIVEN + 1 / 3, 0.0, finetune_bytes=GIVEN) for k in range(2)]
    (found,) = equivalence(exact)
    assert found.not_positive == ("s0", "s1")
    sure = [make_row(f"s{k}", "fi", 2 * GIVEN, 0.0) for k in range(2)]
    (found,) = equivalence(sure)
    assert (found.answer.p_different, found.answer.p_equivalent) == (1, 0)
