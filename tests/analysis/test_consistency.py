"""What is compared with what, what is counted, and what noise leaves of the residual."""

import math
from dataclasses import replace

import numpy as np
import pytest

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.consistency import consistency
from bytetransfer.analysis.equivalence import Equivalence
from bytetransfer.analysis.variance import crossed_variances

GIVEN = 1_000_000
SOURCES, TARGETS = ("en", "ru", "zh"), ("ar", "de", "en", "fi", "ja", "ru", "zh")


def study(make_row, *, error=0.05, spread=0.3, seed=0):
    """log D_E of every source for every target, itself included."""
    generator = np.random.default_rng(seed)
    shape = (len(SOURCES), len(TARGETS))
    logs = math.log(3 * GIVEN) + 0.5 * generator.standard_normal(len(TARGETS))
    logs = logs + spread * generator.standard_normal((len(SOURCES), 1))
    logs = logs + 0.1 * generator.standard_normal(shape)
    return [
        make_row(source, target, math.exp(logs[place, column]), error)
        for place, source in enumerate(SOURCES)
        for column, target in enumerate(TARGETS)
    ]


def test_a_target_is_not_one_of_its_own_sources(make_row):
    rows = study(make_row)
    found = consistency(rows)
    assert found.own_sources == 3
    assert len(found.estimates) == 18
    others = consistency([row for row in rows if row.source != row.target])
    assert found == replace(others, own_sources=3)
    table = np.array(
        [[math.log(row.effective_bytes) for row in rows[k : k + 7]] for k in (0, 7, 14)]
    )
    for place, source in enumerate(SOURCES):
        table[place, TARGETS.index(source)] = np.nan
    assert found.variances.source.variance == pytest.approx(
        crossed_variances(table).source.variance
    )


def test_bounds_are_counted_and_left_out(make_row):
    rows = study(make_row)
    huge = make_row("en", "fi", 1e9, status="above_range")
    rows = [huge if (row.source, row.target) == ("en", "fi") else row for row in rows]
    found, without = consistency(rows), consistency([row for row in rows if row is not huge])
    assert (found.bounds, without.bounds) == (1, 0)
    assert found.variances == without.variances
    assert found.transfer_fraction == without.transfer_fraction
    (spread,) = [one for one in found.spreads if one.target == "fi"]
    assert (spread.sources, spread.positive, spread.bounds) == (3, 2, 1)
    (tested,) = [one for one in found.targets if one.target == "fi"]
    assert tested.bounds == ("en",)


def test_the_spread_by_hand(make_row):
    rows = [
        make_row(source, target, GIVEN + transfer)
        for target, transfers in (
            ("fi", (1e6, 4e6, -0.5e6, 2e6)),
            ("ja", (1e6, -0.1e6, -0.2e6, 0.0)),
        )
        for source, transfer in zip("abcd", transfers, strict=True)
    ]
    fi, ja = consistency(rows).spreads
    assert (fi.sources, fi.positive, fi.not_positive, fi.bounds) == (4, 3, 1, 0)
    assert (fi.smallest_bytes, fi.largest_bytes) == (1e6, 4e6)
    assert fi.ratio == pytest.approx(4)
    assert fi.deviation == pytest.approx(math.log(2))
    assert (ja.positive, ja.not_positive) == (1, 3)
    assert ja.ratio is None
    assert ja.deviation is None


def test_noise_is_taken_off_the_residual(make_row):
    found = consistency(study(make_row, error=0.05))
    residual = found.variances.residual
    assert found.noise.variance == pytest.approx(0.05**2)
    assert found.noise.beyond == pytest.approx(residual.variance - 0.05**2)
    assert found.noise.beyond_high == pytest.approx(residual.high - 0.05**2)
    assert not found.noise.declared
    loud = consistency(study(make_row, error=1.0)).noise
    assert (loud.beyond, loud.beyond_low) == (0, 0)


def test_without_intervals_there_are_variances_but_neither_noise_nor_tests(make_row):
    rows = study(make_row, error=None)
    found = consistency(rows)
    assert found.noise is None
    assert all(isinstance(one.answer, Unanswered) for one in found.targets)
    assert found.variances == consistency(study(make_row)).variances
    declared = consistency(rows, noise=0.05)
    assert declared.noise.declared
    assert declared.noise.cells == 18
    assert any(isinstance(one.answer, Equivalence) for one in declared.targets)


def test_log_effective_bytes_are_alike_by_construction_where_transfer_is_small(make_row):
    """Sources that differ fourfold in D_T hardly differ in D_E where D_T is 2 % of it."""
    rows = [
        make_row(source, target, GIVEN + 20_000 * worth * (1 + 0.02 * place), 0.001)
        for source, worth in zip(SOURCES, (0.5, 1.0, 2.0), strict=True)
        for place, target in enumerate(("ar", "de", "fi", "ja"))
    ]
    found = consistency(rows)
    assert found.effect_of_factor == pytest.approx(1.02, abs=0.003)
    assert all(spread.ratio == pytest.approx(4) for spread in found.spreads)
    assert math.sqrt(found.variances.source.variance) < 0.02
    for one in found.targets:
        assert one.answer.p_equivalent > 0.9
        assert one.answer.p_different < 0.05


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ([], "two sources"),
        ([("en", "fi"), ("en", "ja")], "two sources"),
        ([("en", "en"), ("ru", "ru"), ("en", "fi")], "two sources"),
    ],
)
def test_too_little_is_answered_with_a_reason(make_row, pairs, reason):
    found = consistency([make_row(*pair, 2e6) for pair in pairs])
    assert isinstance(found, Unanswered)
    assert reason in found.reason


def test_one_target_has_a_spread_and_tests_and_no_division_of_variance(make_row):
    found = consistency([make_row(name, "fi", 2e6 + 1e5 * k, 0.03) for k, name in enumerate("abc")])
    assert isinstance(found.variances, Unanswered)
    assert found.spreads[0].ratio == pytest.approx(1.2)
    assert isinstance(found.targets[0].answer, Equivalence)


def test_all_bounds_are_no_crash(make_row):
    rows = [make_row(s, t, 5e6, status="above_range") for s in "ab" for t in "cd"]
    found = consistency(rows)
    assert found.bounds == 4
    assert found.transfer_fraction is None
    assert found.effect_of_factor is None
    assert isinstance(found.variances, Unanswered)


def test_groups_do_not_mix(make_row):
    with pytest.raises(ValueError, match="several groups"):
        consistency([make_row("en", "fi", 2e6), make_row("en", "fi", 2e6, learner="other")])


def test_less_than_a_byte_is_nothing(make_row):
    rows = [make_row(s, t, GIVEN + 1 / 3, finetune_bytes=GIVEN) for s in "ab" for t in "cd"]
    assert [(one.positive, one.not_positive) for one in consistency(rows).spreads] == [(0, 2)] * 2
