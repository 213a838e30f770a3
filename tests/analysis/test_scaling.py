"""Laws over sizes and the crossover: hand-made cells, refusals, and simulated truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.finetune_law import finetune_law
from bytetransfer.analysis.laws import effective_law, hernandez_law
from bytetransfer.analysis.scaling import crossover, model_scaling, scaling
from bytetransfer.analysis.tobit import Regression, tobit
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)


def cell(given, effective, *, status="inside", error=None, learner="l", loss=2.0):
    """An estimate; `error` is the standard error its 95 % interval stands for."""
    low = high = None
    if error is not None:
        low = None if status == "below_range" else effective * math.exp(-1.959964 * error)
        high = None if status == "above_range" else effective * math.exp(1.959964 * error)
    return TransferEstimate(
        source="s", target="t", learner=learner, regime="", finetune_bytes=given,
        pretrain_bytes=1, nominal_bytes=given, status=status, effective_bytes=effective,
        effective_low=low, effective_high=high, upper_open=False,
        transfer_bytes=effective - given, transfer_low=None if low is None else low - given,
        transfer_high=None if high is None else high - given, transfer_fraction=0.0,
        transfer_fraction_low=None, transfer_fraction_high=None, level=0.95,
        covers="no interval: one seed" if error is None else "seeds only", seeds=1,
        bits_per_byte=loss, not_converged=None, below_surface=None, runs=(),
    )  # fmt: skip


def power(slope, crossing, **options):
    """Cells whose D_E is an exact power of D_F."""
    return [cell(size, crossing * (size / crossing) ** slope, **options) for size in SIZES]


def test_a_power_is_found_again_whatever_the_sign_of_transfer():
    law = effective_law(power(0.6, 500_000))
    assert law.slope.value == pytest.approx(0.6)
    assert law.value(500_000) == pytest.approx(500_000)
    assert (law.cells, law.bounds, law.left_out) == (4, 0, 0)
    assert law.held_out_error == pytest.approx(0, abs=1e-6)


def test_bounds_pull_the_law_to_their_side_and_are_counted():
    numbers = power(0.6, 500_000)[:3]
    lower = cell(SIZES[3], 5e7, status="above_range")
    law, plain = effective_law([*numbers, lower]), effective_law(numbers)
    assert plain.value(SIZES[3]) < 1e7
    assert law.value(SIZES[3]) > 2 * plain.value(SIZES[3])
    assert law.bounds == 1
    agreeing = effective_law([*numbers, cell(SIZES[3], 1e4, status="above_range")])
    assert agreeing.slope.value == pytest.approx(plain.slope.value, abs=1e-3)


def test_a_bent_course_is_a_misfit_to_cells_with_intervals():
    bent = [cell(size, 1e5 + size**0.8, error=0.05) for size in SIZES]
    assert effective_law(bent).misfit_p < 1e-3
    assert effective_law(power(0.6, 500_000, error=0.05)).misfit_p > 0.9
    assert effective_law(power(0.6, 500_000)).misfit_p is None


def test_intervals_are_not_narrower_than_what_the_cells_know():
    slope = effective_law(power(0.6, 500_000, error=0.2)).slope
    spread = 0.2 / math.sqrt(np.var(np.log(SIZES)) * 4)
    assert slope.high - slope.value == pytest.approx(1.96 * spread, rel=1e-3)


def test_hernandez_law_leaves_out_what_it_has_no_place_for():
    rows = [cell(size, size + 3 * size**0.5) for size in SIZES]
    law = hernandez_law(rows)
    assert law.slope.value == pytest.approx(0.5)
    assert law.intercept == pytest.approx(math.log(3))
    law = hernandez_law([*rows, cell(10**8, 9e7), cell(0, 5e3)])
    assert (law.cells, law.left_out) == (4, 2)
    refused = hernandez_law([cell(size, size / 2) for size in SIZES])
    assert refused.reason == "a law needs 3 sizes; 0 can be used (4 of 4 cells have no place in it)"


def test_held_out_error_counts_cells_where_transfer_is_negative():
    rows = [cell(size, size + 3 * size**0.5) for size in SIZES]
    harmful = [*rows, cell(10**8, 1e7)]
    assert hernandez_law(rows).held_out_error == pytest.approx(0, abs=1e-6)
    # The law says D_T > 0 there, so that it is off by ln 10 in one of five cells at least.
    assert hernandez_law(harmful).held_out_error > math.log(10) / math.sqrt(5) - 0.01


def test_parameters_enter_with_a_power_of_their_own():
    sizes = {"l/small": 10**6, "l/large": 10**7}
    rows = [
        cell(size, 2 * size**0.7 * n**0.2, learner=name)
        for name, n in sizes.items()
        for size in SIZES
    ]
    (through,) = model_scaling([*rows, *power(0.5, 1e5, learner="ngram")], sizes)
    assert through.learners == ("l/small", "l/large")
    assert through.effective.slope.value == pytest.approx(0.7)
    assert through.effective.model_slope.value == pytest.approx(0.2)
    assert through.effective.value(10**5, 10**6) == pytest.approx(2 * 1e5**0.7 * 1e6**0.2)
    assert model_scaling(rows, {"l/small": 10**6}) == ()


def test_laws_of_size_hold_the_truth_as_often_as_they_say():
    """Four presets, D_E = 2 · D_F^.7 · N^.2 with scatter, the largest D_E only bounds."""
    sizes = {"l/a": 10**5, "l/b": 10**6, "l/c": 10**7, "l/d": 10**8}
    studies, held, bounds = 150, np.zeros(2), 0
    for study in range(studies):
        drawn = np.random.default_rng(study).standard_normal((4, 4))
        rows = []
        for (name, n), noises in zip(sizes.items(), drawn, strict=True):
            for size, noise in zip(SIZES, noises, strict=True):
                effective = 2 * size**0.7 * n**0.2 * math.exp(0.1 * noise)
                status = "above_range" if effective > 1e6 else "inside"
                rows.append(cell(size, min(effective, 1e6), status=status, learner=name))
        (through,) = model_scaling(rows, sizes)
        law = through.effective
        bounds += law.bounds
        held += [
            law.slope.low <= 0.7 <= law.slope.high,
            law.model_slope.low <= 0.2 <= law.model_slope.high,
        ]
    assert bounds > studies  # more than one cell of each is only a bound
    margin = 3 * math.sqrt(0.05 * 0.95 / studies)
    assert (abs(held / studies - 0.95) <= margin).all()


def test_presets_of_two_learners_are_not_taken_for_one():
    sizes = {"l/a": 10**5, "m/b": 10**6, "x": 10**5, "y": 10**6}
    rows = [row for name, n in sizes.items() for row in power(0.6, float(n), learner=name)]
    assert [one.learners for one in model_scaling(rows, sizes)] == [("x", "y")]


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (power(0.5, 1e5)[:2], "needs 3 sizes"),
        ([cell(0, 1e4), *power(0.5, 1e5)[:2]], "needs 3 sizes"),
        ([replace(row, status="above_range") for row in power(0.5, 1e5)], "0 of 4 cells are"),
    ],
)
def test_too_little_is_a_reason_and_no_law(rows, reason):
    assert reason in effective_law(rows).reason


def offset_law(offset, sizes, exponent=0.2):
    return [cell(size, 1e5, loss=(1e9 / (size + offset)) ** exponent) for size in sizes]


def test_the_offset_of_the_loss_is_what_pretraining_stands_for():
    law = finetune_law(offset_law(200_000, (0, *SIZES)))
    assert law.offset_bytes.value == pytest.approx(200_000, rel=1e-2)
    assert law.exponent.value == pytest.approx(0.2, rel=1e-2)
    assert law.bits_per_byte(50_000) == pytest.approx((1e9 / 250_000) ** 0.2, rel=1e-3)
    assert law.held_out_error < 1e-2
    straight = finetune_law(offset_law(0, (*SIZES, 10**8)))
    assert straight.offset_bytes.value == straight.offset_bytes.low == 0
    assert straight.held_out_error < 1e-6


def noisy(rows, noise, seed=0):
    drawn = np.random.default_rng(seed).standard_normal(len(rows))
    return [
        replace(row, bits_per_byte=row.bits_per_byte * math.exp(noise * one))
        for row, one in zip(rows, drawn, strict=True)
    ]


def test_an_offset_too_small_to_be_told_is_a_bound_with_its_reason():
    sizes = (*SIZES, 10**8, 10**9)
    law = finetune_law(noisy(offset_law(0, sizes), 1e-3))
    assert "the best fit is no more than a hundredth of the smallest size (10 kB)" in (
        law.offset_bound
    )
    assert "is not ruled out" in law.offset_bound
    assert law.offset_bytes.value <= 100 * (1 + 1e-6)
    assert 20 < law.offset_bytes.high < 10_000
    known = finetune_law(offset_law(20_000, (0, *sizes)))
    assert known.offset_bound == ""


def test_zero_shot_tells_an_offset_far_below_the_smallest_size():
    law = finetune_law(offset_law(20.0, (0, *SIZES, 10**8, 10**9)))
    assert law.offset_bound == ""
    assert law.offset_bytes.value == pytest.approx(20, rel=1e-2)
    assert law.exponent.value == pytest.approx(0.2, rel=1e-3)


def test_a_loss_that_falls_from_zero_shot_only_names_no_offset():
    rows = [cell(size, 1e5, loss=9.0 if size == 0 else 2.0 - size / 1e9) for size in (0, *SIZES)]
    assert "from zero-shot the loss hardly falls" in finetune_law(rows).reason


def test_losses_that_any_offset_fits_name_none():
    found = [finetune_law(noisy(offset_law(0, SIZES), 0.3, seed)) for seed in range(30)]
    refused = [one.reason for one in found if isinstance(one, Unanswered)]
    assert any("any D_0 from nothing to ten times" in reason for reason in refused)
    for one in found:
        if not isinstance(one, Unanswered) and one.offset_bound:
            assert one.offset_bytes.high is not None


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (offset_law(0, SIZES[:3]), "needs four sizes, not 3"),
        ([cell(size, 1e5, loss=size**0.1) for size in SIZES], "does not fall"),
        ([cell(size, 1e5, loss=3 - size / 1e8) for size in SIZES], "does not bend"),
    ],
)
def test_losses_that_name_no_law_are_refused(rows, reason):
    assert reason in finetune_law(rows).reason


def test_the_crossover_is_where_the_sign_changes():
    found = crossover(power(0.6, 500_000, error=0.1))
    assert (found.course, found.covers) == ("stops", "seeds only")
    assert found.size_bytes == pytest.approx(500_000)
    assert found.low < 500_000 < found.high
    # By the line through the limits: off by 1.96 standard errors over the fall of log(D_E / D_F).
    assert math.log(found.high / 500_000) == pytest.approx(0.196 / 0.4, rel=1e-3)


def test_what_starts_to_pay_is_read_the_other_way_round():
    found = crossover(power(1.3, 500_000, error=0.05))
    assert found.course == "starts"
    assert found.size_bytes == pytest.approx(500_000)
    assert found.low < 500_000 < found.high


def test_no_change_of_sign_is_a_bound():
    found = crossover(power(0.6, 1e10, error=0.1))
    assert (found.course, found.size_bytes) == ("pays", None)
    assert (found.low, found.high) == (pytest.approx(SIZES[-1]), None)
    found = crossover(power(0.6, 1e3, error=0.1))
    assert (found.course, found.size_bytes) == ("costs", None)
    assert (found.low, found.high) == (None, pytest.approx(SIZES[0]))


def test_a_sign_that_changes_and_back_has_no_crossover():
    worth = (2e4, 5e4, 2e6, 2e7)
    rows = [cell(size, effective, error=0.1) for size, effective in zip(SIZES, worth, strict=True)]
    found = crossover(rows)
    assert (found.course, found.size_bytes, found.low, found.high) == ("mixed", None, None, None)
    assert found.covers.startswith("no interval")


def test_bounds_count_where_they_tell_the_sign():
    rows = power(0.6, 500_000, error=0.1)
    below = cell(SIZES[3], 5e6, status="below_range", error=0.1)
    found = crossover([*rows[:3], below])
    assert found.size_bytes == pytest.approx(500_000)
    beside = cell(SIZES[2], 5e5, status="below_range", error=0.1)
    found = crossover([*rows[:2], beside, below])
    assert (found.course, found.size_bytes) == ("stops", None)
    assert SIZES[1] <= found.low < found.high <= SIZES[2]
    silent = cell(SIZES[3], 5e6, status="above_range", error=0.1)
    found = crossover([cell(0, 4e3), *rows[:3], silent])
    assert (found.cells, found.left_out) == (3, 2)
    assert crossover([silent]).reason.startswith("the sign of D_T is known at 0 sizes")
    assert crossover([cell(0, 4e3)]).reason.startswith("zero-shot has no place on a scale of D_F")


def test_without_intervals_there_is_a_declared_noise_or_none():
    bare = crossover(power(0.6, 500_000))
    assert (bare.low, bare.high, bare.covers) == (
        None, None, "no interval: the estimates have none",
    )  # fmt: skip
    declared = crossover(power(0.6, 500_000), noise=0.1)
    assert "declared noise of 0.1" in declared.covers
    assert declared.high == pytest.approx(crossover(power(0.6, 500_000, error=0.1)).high)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["inside", "above_range", "below_range"]),
            st.floats(1e3, 1e9),
            st.floats(0.01, 1.0),
        ),
        min_size=1,
        max_size=6,
    )
)
@example([("inside", 7_100.0, 1.0), ("inside", 39_323_774.0, 0.5), ("inside", 1_000.0, 1.0)])
def test_any_cells_give_numbers_or_reasons(given_cells):
    rows = [
        cell(10 ** (3 + place), effective, status=status, error=error)
        for place, (status, effective, error) in enumerate(given_cells)
    ]
    (found,) = scaling(rows)
    if not isinstance(found.crossover, Unanswered):
        ends = (found.crossover.low, found.crossover.size_bytes, found.crossover.high)
        known = [end for end in ends if end is not None]
        assert known == pytest.approx(sorted(known))
        assert all(0.9e3 < end < 1.1e8 for end in known)
    for law in (found.effective, found.hernandez):
        if not isinstance(law, Unanswered):
            assert law.slope.low <= law.slope.value <= law.slope.high
            assert math.isfinite(law.scatter)


def test_without_bounds_the_regression_is_least_squares():
    generator = np.random.default_rng(0)
    at = generator.uniform(0, 3, 12)
    y = 1 + 2 * at + 0.3 * generator.standard_normal(12)
    design = np.stack([np.ones(12), at], axis=1)
    found = tobit(design, y, np.zeros(12, int))
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    variance = rest @ rest / 10 * np.linalg.inv(design.T @ design)
    assert found.covariance == pytest.approx(variance, rel=1e-4)
    assert found.scatter == pytest.approx(math.sqrt(rest @ rest / 10), rel=1e-4)


def test_censored_outcomes_do_not_bias_the_slope():
    slopes, cut, held, widths = [], [], [], []
    design = np.stack([np.ones(20), np.linspace(0, 3, 20)], axis=1)
    for number in range(200):
        y = design @ [0.0, 1.0] + 0.5 * np.random.default_rng(number).standard_normal(20)
        sides = np.where(y > 2, 1, 0)
        found = tobit(design, np.minimum(y, 2), sides)
        assert isinstance(found, Regression)
        slopes.append(found.coefficients[1])
        widths.append(found.half_width(1, 0.95))
        held.append(abs(slopes[-1] - 1) <= widths[-1])
        cut.append(tobit(design, np.minimum(y, 2), np.zeros(20, int)).coefficients[1])
    assert np.mean(slopes) == pytest.approx(1, abs=0.03)
    assert np.mean(cut) < 0.85
    assert 0.91 <= np.mean(held) <= 0.99
    assert np.median(widths) < 1.2 * 1.96 * np.std(slopes)  # 1.05 times


def simulated(number, *, slope, crossing, noise=0.005, largest=10_000_000):
    """Estimates read from losses on a power law with a floor, three seeds."""
    generator = np.random.default_rng([3, number])
    curve = np.geomspace(1e4, 3e7, 8).round().astype(int)
    given_sizes = np.geomspace(2e4, largest, 5).round().astype(int)
    cells = [(SCRATCH, int(size), math.log(size)) for size in curve]
    cells += [
        ("s", int(size), crossing + slope * (math.log(size) - crossing)) for size in given_sizes
    ]
    rows = [
        Measurement(
            source=source, target="t", target_bytes=size, seed=seed,
            bits_per_byte=(0.9 + 2 * math.exp(-0.3 * (place - math.log(1e4))))
            * math.exp(noise * generator.standard_normal()),
        )
        for seed in range(3)
        for source, size, place in cells
    ]  # fmt: skip
    return estimate_transfer(Measurements(rows), resamples=100, seed=number)


def test_crossover_and_power_of_simulated_studies_are_recovered():
    held, off, powers, widths, fitted = [], [], [], [], []
    for number in range(80):
        generator = np.random.default_rng([4, number])
        slope, crossing = generator.uniform(0.3, 0.85), generator.uniform(11.5, 14.5)
        (found,) = scaling(simulated(number, slope=slope, crossing=crossing))
        turn, law = found.crossover, found.effective
        low = -math.inf if turn.low is None else math.log(turn.low)
        high = math.inf if turn.high is None else math.log(turn.high)
        held.append(low <= crossing <= high)
        off += [math.log(turn.size_bytes) - crossing] if turn.size_bytes else []
        widths.append([high - low, law.slope.high - law.slope.low])
        fitted.append(law.slope.value - slope)
        powers.append(law.slope.low <= slope <= law.slope.high)
    assert np.mean(held) >= 0.92
    assert len(off) >= 78
    assert np.median(np.abs(off)) < 0.15
    assert np.mean(powers) >= 0.92
    spread = 2 * 1.96 * np.array([np.std(off), np.std(fitted)])
    assert (np.median(widths, axis=0) < 1.7 * spread).all()  # 1.28 and 1.49 times


def test_pretraining_that_is_not_used_neither_pays_nor_costs():
    found = crossover([cell(size, float(size)) for size in SIZES])
    assert isinstance(found, Unanswered)
    assert "the sign of D_T is known at 0 sizes" in found.reason
    paid = crossover([cell(SIZES[0], 2e4), cell(SIZES[1], 2e5), cell(SIZES[2], float(SIZES[2]))])
    assert (paid.course, paid.cells, paid.left_out) == ("pays", 2, 1)
