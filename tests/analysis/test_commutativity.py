"""Both directions of pairs: by hand, in other bytes, by seed, and how often falsely found."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bytetransfer.analysis.asymmetry import Asymmetry
from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.commutativity import commutativity
from bytetransfer.analysis.premium import byte_premiums

STUDIES = 200
GIVEN = 1_000_000
Z = stats.norm.ppf(0.975)


def both_ways(make_row, there, back, error=0.05):
    return [make_row("en", "ru", there, error), make_row("ru", "en", back, error)]


def test_one_pair_by_hand(make_row):
    found = commutativity([*both_ways(make_row, 3e6, 2e6), make_row("en", "fi", 9e6, 0.1)])
    (pair,) = found.pairs
    assert (pair.first, pair.second) == ("en", "ru")
    error = 0.05 * math.sqrt(2)
    logs = pair.log_effective
    assert logs.value == pytest.approx(math.log(1.5))
    assert logs.high - logs.value == pytest.approx(Z * error)
    assert logs.value - logs.low == pytest.approx(Z * error)
    assert pair.p == pytest.approx(2 * stats.norm.sf(math.log(1.5) / error))
    assert pair.corrected_p == found.smallest_corrected_p == pair.p
    assert pair.transfer_bytes.value == pytest.approx(1e6)
    down, up = 1 - math.exp(-Z * 0.05), math.exp(Z * 0.05) - 1
    assert pair.transfer_bytes.low == pytest.approx(1e6 - math.hypot(3e6 * down, 2e6 * up))
    assert pair.transfer_bytes.high == pytest.approx(1e6 + math.hypot(3e6 * up, 2e6 * down))
    assert pair.content_bytes is None


def test_few_degrees_of_freedom_are_far_out_in_the_tails(make_row):
    rows = both_ways(make_row, 3e6, 2.2e6)

    def p(degrees):
        found = commutativity([replace(row, degrees=degrees) for row in rows])
        return found.pairs[0].p

    error, gap = 0.05 * stats.norm.ppf(0.975) / stats.t.ppf(0.975, 3), abs(p_gap(rows))
    assert p(3.0) == pytest.approx(2 * stats.t.sf(gap / math.hypot(error, error), 6))
    # The intervals are the same: what a normal p makes of them is too small, far out.
    assert p(3.0) > 3 * p(math.inf)


def p_gap(rows):
    return commutativity(rows).pairs[0].log_effective.value


def test_each_direction_counts_in_bytes_of_its_own_target(make_row):
    premiums = byte_premiums({"en": np.array([100]), "ru": np.array([200])})
    found = commutativity(both_ways(make_row, 3e6, 2e6), premiums=premiums)
    (pair,) = found.pairs
    # 2 MB of Russian say what 1 MB of English says
    assert pair.content_bytes.value == pytest.approx(0.0)
    assert pair.content_bytes.low < 0 < pair.content_bytes.high
    assert found.reference == "en"
    (only_one,) = commutativity(
        both_ways(make_row, 3e6, 2e6), premiums={"en": premiums["en"]}
    ).pairs
    assert only_one.content_bytes is None


def test_order_of_rows_changes_nothing(make_row):
    rows = [
        *both_ways(make_row, 3e6, 2e6),
        make_row("fi", "en", 4e6, 0.05),
        make_row("en", "fi", 5e6, 0.05),
    ]
    found = commutativity(rows)
    assert found == commutativity(rows[::-1])
    assert [(pair.first, pair.second) for pair in found.pairs] == [("en", "fi"), ("en", "ru")]


def test_an_open_end_stays_open(make_row):
    there, back = both_ways(make_row, 3e6, 2e6)
    open_there = make_row("en", "ru", 3e6, 0.05, effective_high=None, transfer_high=None)
    (pair,) = commutativity([open_there, back]).pairs
    assert pair.log_effective.high is None
    assert pair.log_effective.low is not None
    assert pair.p is None
    (pair,) = commutativity([there, make_row("ru", "en", 2e6)]).pairs
    assert (pair.log_effective.low, pair.log_effective.high) == (None, None)


def test_bounds_are_kept_apart(make_row):
    there, _ = both_ways(make_row, 3e6, 2e6)
    beyond = make_row("ru", "en", 9e6, status="above_range")
    found = commutativity([there, beyond])
    assert found.pairs == ()
    assert found.bounds == ((there, beyond),)
    assert isinstance(found.asymmetry, Unanswered)
    assert found.smallest_corrected_p is None


def test_declared_noise_gives_intervals(make_row):
    plain = commutativity(both_ways(make_row, 3e6, 2e6, None), noise=0.05)
    measured = commutativity(both_ways(make_row, 3e6, 2e6, 0.05))
    assert vars(plain.pairs[0].log_effective) == pytest.approx(
        vars(measured.pairs[0].log_effective)
    )
    assert plain.smallest_corrected_p == pytest.approx(measured.smallest_corrected_p)
    assert plain.declared_noise == 0.05


def test_seeds_that_pair_are_compared_by_seed(make_row):
    """Errors that both directions share cancel in one difference per seed."""
    luck = [-0.3, 0.0, 0.4]
    by_seed = {
        seed: both_ways(make_row, 3e6 * math.exp(shift), 2e6 * math.exp(shift + 0.001 * seed))
        for seed, shift in enumerate(luck)
    }
    rows = both_ways(make_row, 3e6, 2e6, 0.3)
    paired = commutativity(rows, by_seed=by_seed).pairs[0].by_seed
    logs = math.log(1.5) - 0.001 * np.arange(3)
    assert paired.value == pytest.approx(logs.mean())
    assert paired.high - paired.value == pytest.approx(
        stats.t.ppf(0.975, 2) * logs.std(ddof=1) / math.sqrt(3)
    )
    by_seed[1] = [make_row("en", "ru", 3e6), make_row("ru", "en", 9e6, status="above_range")]
    assert "1 of 3 seeds" in commutativity(rows, by_seed=by_seed).pairs[0].by_seed.reason
    assert isinstance(commutativity(rows).pairs[0].by_seed, Unanswered)


@pytest.mark.parametrize(
    "pairs", [[], [("en", "ru")], [("en", "en")], [("en", "fi"), ("ru", "en")]]
)
def test_without_a_pair_in_both_roles_there_is_a_reason(make_row, pairs):
    found = commutativity([make_row(*pair, 2e6) for pair in pairs])
    assert isinstance(found, Unanswered)
    assert "each other" in found.reason


def test_bad_input_is_refused(make_row):
    with pytest.raises(ValueError, match="several groups"):
        commutativity([make_row("en", "fi", 2e6), make_row("fi", "en", 2e6, regime="other")])
    with pytest.raises(ValueError, match="standard error"):
        commutativity([make_row("en", "fi", 2e6)], noise=-1)


def languages(make_row, generator, count, *, shared, giving=0.0, error=0.05):
    effect = 0.5 * generator.standard_normal(count)
    logs = math.log(5 * GIVEN) + effect[:, None] + effect
    logs = logs + giving * generator.standard_normal((count, 1))
    noise = math.sqrt(1 - shared) * generator.standard_normal((count, count))
    logs = logs + error * (noise + math.sqrt(shared) * generator.standard_normal(count))
    return [
        make_row(f"l{a}", f"l{b}", math.exp(logs[a, b]), error)
        for a, b in itertools.permutations(range(count), 2)
    ]


@pytest.mark.parametrize("shared", [0.0, 0.7])
def test_where_transfer_commutes_it_is_seldom_found_not_to(make_row, shared):
    said = np.zeros(2)
    for study in range(STUDIES):
        rows = languages(make_row, np.random.default_rng([5, study]), 6, shared=shared)
        found = commutativity(rows)
        said += [found.smallest_corrected_p <= 0.05, min(pair.p for pair in found.pairs) <= 0.05]
    corrected, uncorrected = said / STUDIES
    assert corrected <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)
    assert uncorrected > 0.3


def test_where_languages_give_more_than_they_take_it_is_found(make_row):
    hits = 0
    for study in range(50):
        generator = np.random.default_rng([6, study])
        found = commutativity(languages(make_row, generator, 6, shared=0.5, giving=0.3))
        assert isinstance(found.asymmetry, Asymmetry)
        hits += found.smallest_corrected_p <= 0.05
    assert hits >= 45


def test_a_learner_that_makes_no_use_of_its_pretraining_commutes(make_row):
    """D_E is the actual D_F in both directions, a few bytes apart and known to the byte."""
    rows = [
        make_row("en", "ru", 99_998.7, 0.0, finetune_bytes=99_999, nominal_bytes=100_000),
        make_row("ru", "en", 100_000.0, 0.0, finetune_bytes=100_000, nominal_bytes=100_000),
    ]
    (pair,) = commutativity(rows).pairs
    assert pair.p > 0.5
    assert abs(pair.log_effective.value) < 1e-5
