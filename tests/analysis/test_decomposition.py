"""Contrasts between sources: cases computed by hand, what is missing, and simulated truth."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bytetransfer.analysis.cells import Group, Unanswered
from bytetransfer.analysis.contrasts import Amount, contrasts
from bytetransfer.analysis.decomposition import (
    ControlledPair,
    Ladder,
    Stack,
    Undecided,
    controlled_pairs,
    find_ladders,
    stacks,
)
from bytetransfer.analysis.source_table import Reading, SourceTable, source_table
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.resampling import Resampling

SIZES = (10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278)
GIVEN = 31_623
LADDER = Ladder(
    "x",
    {
        "random_bytes": "random_bytes",
        "nonsense": "nonsense",
        "hierarchical": "hierarchical",
        "cipher": "cipher(x)",
        "plain": "x",
    },
)
DRAWS = Resampling(resamples=200)
BLOCKS = 100


def log_loss(log_size):
    """A straight line in log loss over log bytes, which the curve is drawn through exactly."""
    return 1.5 - 0.1 * (log_size - math.log(SIZES[0]))


def study(worth, *, seeds=3, noise=0.0, shared=0.0, documents=0.0, generator=None, learner="t"):
    """Rows of sources with the log D_E `worth`; noise is a standard deviation of log loss."""
    generator = generator or np.random.default_rng(0)
    cells = [(SCRATCH, size, math.log(size)) for size in SIZES]
    cells += [(name, GIVEN, log) for name, log in worth.items()]
    hard = documents * math.sqrt(BLOCKS) * generator.standard_normal((len(cells), BLOCKS))
    easy = 0.3 * generator.standard_normal(BLOCKS)
    rows, blocks = [], {}
    for seed in range(seeds):
        common = shared * generator.standard_normal()
        for (source, size, place), own in zip(cells, hard, strict=True):
            logs = log_loss(place) + common + noise * generator.standard_normal()
            loss, key = math.exp(logs), f"{learner}/{seed}/{source}/{size}"
            if documents:
                nats = 1e3 * math.log(2) * loss * np.exp(easy + own - documents**2 * BLOCKS / 2)
                blocks[key] = np.stack([nats, np.full(BLOCKS, 1e3)], axis=1)
                loss = float(nats.sum() / (1e3 * BLOCKS * math.log(2)))
            rows.append(
                Measurement(
                    source=source,
                    target="t",
                    target_bytes=size,
                    bits_per_byte=loss,
                    seed=seed,
                    run=key,
                    learner=learner,
                    pretrain_bytes=0 if source == SCRATCH else 9_000,
                )
            )
    return Measurements(rows, blocks)


WORTH = {
    "random_bytes": math.log(40_000),
    "nonsense": math.log(80_000),
    "hierarchical": math.log(60_000),
    "cipher(x)": math.log(200_000),
    "x": math.log(500_000),
    "shuffle_words(x)": math.log(300_000),
    "t": math.log(900_000),
}


def stack_of(measurements, ladder=LADDER, **options):
    (stack,) = stacks(measurements, ladder, resampling=DRAWS, **options)
    assert isinstance(stack, Stack)
    return stack


def test_steps_are_signed_differences_and_sum_to_the_whole():
    stack = stack_of(study(WORTH))
    factors = [math.exp(step.contrast.effective_gain.value) for step in stack.steps]
    assert factors == pytest.approx([40_000 / GIVEN, 2, 0.75, 200 / 60, 2.5], rel=1e-3)
    gains = [step.contrast.loss_gain.value for step in stack.steps]
    assert gains[2] == pytest.approx(0.1 * math.log(0.75))
    assert math.fsum(gains) == pytest.approx(stack.whole.loss_gain.value)
    in_bytes = [step.contrast.transfer_gain_bytes.value for step in stack.steps]
    assert in_bytes[1:] == pytest.approx([40_000, -20_000, 140_000, 300_000], rel=1e-3)
    assert stack.missing == ()
    assert stack.steps[0].adds == "any training at all"
    assert stack.steps[0].contrast.lower == (SCRATCH,)


def test_the_upper_bound_and_shuffled_words_stand_beside_the_stack():
    ladder = replace(LADDER, sources={**LADDER.sources, "shuffle_words": "shuffle_words(x)"})
    stack = stack_of(study(WORTH), ladder)
    beside = {step.contrast.upper + step.contrast.lower for step in stack.beside}
    assert beside == {("x", "shuffle_words(x)"), ("t", "x")}
    assert len(stack.steps) == 5


def test_a_step_over_a_missing_rung_says_what_both_add():
    worth = {name: WORTH[name] for name in ("nonsense", "cipher(x)", "x")}
    stack = stack_of(study(worth))
    assert stack.missing == ("random_bytes", "hierarchical")
    assert [step.adds for step in stack.steps] == [
        "any training at all; words, spaces and valid text",
        "structure without content; a real language behind other letters",
        "the surface of its letters",
    ]


def test_a_source_beyond_the_curve_keeps_its_loss_and_loses_its_bytes():
    stack = stack_of(study({**WORTH, "x": math.log(9e6)}, noise=0.001))
    last = stack.steps[-1].contrast
    assert last.loss_gain.low > 0
    assert last.effective_gain == Unanswered("D_E of x is only a bound")
    assert last.transfer_gain_bytes == last.effective_gain
    assert isinstance(stack.steps[-2].contrast.effective_gain, Amount)


def test_what_all_sources_of_a_seed_share_is_no_noise():
    quiet = stack_of(study(WORTH, noise=0.002, shared=0.0))
    loud = stack_of(study(WORTH, noise=0.002, shared=0.2, generator=np.random.default_rng(0)))
    widths = [c.contrast.loss_gain.high - c.contrast.loss_gain.low for c in quiet.steps]
    others = [c.contrast.loss_gain.high - c.contrast.loss_gain.low for c in loud.steps]
    assert max(others) < 3 * max(widths)


def by_hand(rows):
    """A table of deviations by seed, in log loss and log D_E alike; all-zero rows do not vary."""
    readings = {
        name: Reading(value=1.0, seeds=np.array(seeds) - np.mean(seeds))
        for name, seeds in rows.items()
    }
    return SourceTable(
        group=Group("t", "", 1, 1), target="t", losses=readings, log_effective=readings,
        seeds=len(next(iter(rows.values()))), blocks=0, covers="seeds only",
    )  # fmt: skip


def half_width(table, upper, lower):
    (found,) = contrasts(table, [((upper,), (lower,))])
    return found.effective_gain.high - found.effective_gain.value


def test_two_sources_have_the_interval_of_a_paired_t_test():
    rows = {"a": [0.3, 0.1, 0.5], "b": [0.1, 0.2, 0.1]}
    difference = np.subtract(rows["a"], rows["b"])
    expected = stats.t.ppf(0.975, 2) * difference.std(ddof=1) / math.sqrt(3)
    assert half_width(by_hand(rows), "a", "b") == pytest.approx(expected)
    # D_E of no pretraining is known: that it does not vary says nothing of the others.
    assert half_width(by_hand({SCRATCH: [0.0] * 3, **rows}), "a", "b") == pytest.approx(expected)


def test_three_sources_share_their_noise_as_far_as_they_agree():
    rows = {"a": [0.3, 0.1, 0.5], "b": [0.1, 0.2, 0.1], "c": [0.1, 0.0, 0.3]}
    table = np.array(list(rows.values()))
    rest = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    pooled = math.sqrt((rest**2).sum() / 4 * 2 / 3)
    loud, quiet = (np.subtract(rows["a"], rows[name]).std(ddof=1) / math.sqrt(3) for name in "bc")
    assert loud > pooled > quiet
    t = {degrees: stats.t.ppf(0.975, degrees) for degrees in (2, 4)}
    assert t[4] * loud < half_width(by_hand(rows), "a", "b") < t[2] * loud
    assert t[4] * quiet < half_width(by_hand(rows), "a", "c") < t[2] * pooled


def test_a_far_noisier_source_says_little_of_the_others():
    rows = {"a": [0.3, 0.1, 0.5], "b": [0.1, 0.2, 0.1], "c": [9.0, -8.0, 2.0]}
    difference = np.subtract(rows["a"], rows["b"])
    alone = stats.t.ppf(0.975, 2) * difference.std(ddof=1) / math.sqrt(3)
    assert alone < half_width(by_hand(rows), "a", "b") < 2.5 * alone
    # The noisy one's own contrast keeps its noise.
    assert half_width(by_hand(rows), "a", "c") > 10 * alone


def test_a_width_does_not_leap_as_another_source_gets_noisier():
    rows = {"a": [0.3, 0.1, 0.5], "b": [0.1, 0.2, 0.1]}
    widths = [half_width(by_hand(rows | {"c": [x * 0.9, -x * 0.8, x * 0.2]}), "a", "b")
              for x in np.geomspace(0.1, 100, 300)]  # fmt: skip
    assert np.abs(np.diff(np.log(widths))).max() < 0.05


def test_intervals_of_a_source_that_is_noisier_than_the_others():
    generator, held = np.random.default_rng(4), []
    scale = np.array([6.0, 1.0, 1.0, 1.0, 1.0, 1.0])[:, None]
    for _ in range(600):
        drawn = scale * generator.standard_normal((6, 3)) + generator.standard_normal(3)
        rows = dict(zip("abcdef", drawn.tolist(), strict=True))
        difference = abs(float(np.subtract(rows["a"], rows["b"]).mean()))
        held.append(difference <= half_width(by_hand(rows), "a", "b"))
    # .84 with an F test; with Student's t of its own seeds alone all others would be twice as wide.
    assert np.mean(held) > 0.875


def test_one_model_under_two_names_differs_by_nothing_in_every_scale():
    worth = WORTH | {"random_bytes": math.log(GIVEN)}
    rows = study(worth, noise=0.01, documents=0.01)
    scratch = {row.seed: row for row in rows if (row.source, row.size) == (SCRATCH, GIVEN)}
    same = [
        replace(row, bits_per_byte=scratch[row.seed].bits_per_byte)
        if row.source == "random_bytes"
        else row
        for row in rows
    ]
    blocks = dict(rows.blocks)
    for row in same:
        if row.source == "random_bytes":
            blocks[row.run] = blocks[scratch[row.seed].run]
    step = stack_of(Measurements(same, blocks)).steps[0].contrast
    for amount in (step.loss_gain, step.effective_gain, step.transfer_gain_bytes):
        assert amount == Amount(0.0, 0.0, 0.0)


def test_what_intervals_cover_is_said():
    assert stack_of(study(WORTH, noise=0.01)).whole.covers == "seeds only (no document blocks)"
    both = stack_of(study(WORTH, noise=0.01, documents=0.01)).whole
    assert both.covers == "seeds and documents"
    one = study(WORTH, seeds=1, documents=0.01)
    assert stack_of(one).whole.covers == "documents only (one seed)"
    bare = stack_of(study(WORTH, seeds=1)).whole
    assert bare.covers.startswith("no interval")
    assert (bare.loss_gain.low, bare.p, bare.corrected_p) == (None, None, None)


def test_a_declared_noise_is_that_of_each_log_effective_size():
    step = stack_of(study(WORTH, seeds=1), noise=0.1).steps[1].contrast
    assert "declared noise of 0.1" in step.covers
    half = 1.96 * 0.1 * math.sqrt(2)
    assert step.effective_gain.high - step.effective_gain.value == pytest.approx(half, rel=1e-3)
    assert step.loss_gain.high - step.loss_gain.value == pytest.approx(0.1 * half, rel=1e-3)
    bytes_half = 1.96 * 0.1 * math.hypot(40_000, 80_000)
    amount = step.transfer_gain_bytes
    assert amount.high - amount.value == pytest.approx(bytes_half, rel=1e-3)
    first = stack_of(study(WORTH, seeds=1), noise=0.1).steps[0].contrast.effective_gain
    assert first.high - first.value == pytest.approx(1.96 * 0.1, rel=1e-3)


def test_learners_never_meet_in_one_stack():
    rows = [*study(WORTH, learner="ngram"), *study(WORTH, learner="t")]
    found = stacks(Measurements(rows), LADDER, resampling=DRAWS)
    assert [stack.group.learner for stack in found] == ["ngram", "t"]
    assert all(len(stack.steps) == 5 for stack in found)


def test_p_values_are_corrected_within_a_stack():
    stack = stack_of(study(WORTH, noise=0.02))
    steps = [step.contrast for step in (*stack.steps, *stack.beside)]
    by_p = sorted(steps, key=lambda contrast: contrast.p)
    assert by_p[0].corrected_p == pytest.approx(min(1, len(steps) * by_p[0].p))
    assert all(contrast.corrected_p >= contrast.p for contrast in steps)


def test_sources_without_a_common_seed_or_alone_get_a_reason():
    rows = [r for r in study(WORTH) if r.source == SCRATCH or (r.source == "x") == (r.seed == 0)]
    (found,) = stacks(Measurements(rows), LADDER)
    assert isinstance(found, Undecided)
    assert "no seed in common" in found.reason
    alone = [row for row in study({"x": WORTH["x"]}) if row.size != GIVEN or row.source == "x"]
    (found,) = stacks(Measurements(alone), LADDER)
    assert found.reason.endswith("only 1 were measured")


def test_other_test_text_is_refused():
    rows = [replace(row, test_bytes=1 + (row.source == "x")) for row in study(WORTH)]
    (found,) = stacks(Measurements(rows), LADDER)
    assert found.reason == "the runs were tested on different text"


def test_without_a_curve_there_are_losses_only():
    rows = [row for row in study(WORTH) if row.source != SCRATCH or row.size == GIVEN]
    step = stack_of(Measurements(rows)).steps[1].contrast
    assert step.loss_gain.value == pytest.approx(0.1 * math.log(2))
    assert step.effective_gain.reason.startswith("D_E is unknown")


def test_a_flat_curve_is_not_read():
    rows = [
        replace(row, bits_per_byte=2.0 if row.source == SCRATCH else 1.9999999999999)
        for row in study({"x": 0.0, "nonsense": 0.0})
    ]
    step = stack_of(Measurements(rows)).steps[-1].contrast
    assert isinstance(step.effective_gain, Unanswered)


def test_the_controlled_pair_splits_transfer_in_two():
    worth = {"pt": math.log(400_000), "en": math.log(100_000), "ru": math.log(50_000)}
    (pair,) = controlled_pairs(study(worth, noise=0.001), "t", "pt", ["en", "ru", "zh"])
    assert isinstance(pair, ControlledPair)
    assert pair.distant == ("en", "ru")
    expected = math.log(400_000) - (math.log(100_000) + math.log(50_000)) / 2
    assert pair.specific.effective_gain.value == pytest.approx(expected, abs=0.05)
    assert pair.specific.transfer_gain_bytes.value == pytest.approx(325_000, rel=0.05)
    assert pair.agnostic.transfer_gain_bytes.value == pytest.approx(75_000 - GIVEN, rel=0.05)
    assert [contrast.lower for contrast in pair.each] == [("en",), ("ru",)]
    assert controlled_pairs(study(worth), "other", "pt", ["en"]) == ()


def test_a_missing_close_source_or_from_scratch_size_is_said():
    worth = {"en": math.log(100_000), "ru": math.log(50_000)}
    (pair,) = controlled_pairs(study(worth), "t", "pt", ["en", "ru"])
    assert pair.reason == "pt was not measured"
    rows = [r for r in study({**worth, "pt": 12.0}) if r.source != SCRATCH or r.size != GIVEN]
    (pair,) = controlled_pairs(Measurements(rows), "t", "pt", ["en", "ru"])
    assert isinstance(pair.agnostic, Unanswered)
    assert isinstance(pair.specific.effective_gain, Amount)


def test_ladders_are_read_off_the_names_of_sources():
    names = ["en", "nonsense", 'cipher(en, script="Cyrl")', "cipher(en, key=2)", "reverse(ru)"]
    english, russian = find_ladders(names)
    assert english.sources == {
        "nonsense": "nonsense",
        "cipher": "cipher(en, key=2)",
        "plain": "en",
    }
    assert (russian.base, set(russian.sources)) == ("ru", {"nonsense", "reverse"})
    assert [ladder.base for ladder in find_ladders(["nonsense", "fi", "en"])] == ["fi", "en"]
    assert find_ladders(["en", "fi", "scratch"]) == ()
    assert len(find_ladders(["nonsense", "scratch", "en"])) == 1


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(math.log(12_000), math.log(3e6)), min_size=2, max_size=4),
    st.integers(2, 4),
    st.floats(0, 0.02),
)
def test_a_contrast_and_its_reverse_mirror_each_other(places, seeds, noise):
    worth = {f"s{number}": place for number, place in enumerate(places)}
    names = list(worth)
    measurements = study(worth, seeds=seeds, noise=noise)
    table = source_table(measurements, Group("t", "", 9_000, GIVEN), "t", names, resampling=DRAWS)
    assert isinstance(table, SourceTable)
    there, back = contrasts(table, [((names[0],), (names[1],)), ((names[1],), (names[0],))])
    assert there.loss_gain.value == -back.loss_gain.value
    assert there.loss_gain.low == pytest.approx(-back.loss_gain.high)
    if isinstance(there.effective_gain, Amount):
        assert there.effective_gain.low == pytest.approx(-back.effective_gain.high)
        assert math.isfinite(there.transfer_gain_bytes.low)


def coverage(**options):
    """Over steps, in log loss, log D_E and bytes: the share of intervals that hold the truth.

    And how wide the median one is in log loss and log D_E.
    """
    held, widths = [], []
    for number in range(120):
        generator = np.random.default_rng([1, number])
        worth = {name: generator.uniform(10.3, 14.2) for name in LADDER.sources.values()}
        stack = stack_of(study(worth, generator=generator, **options))
        truth = {SCRATCH: math.log(GIVEN), **worth}
        for step in stack.steps:
            contrast = step.contrast
            (up,), (low,) = contrast.upper, contrast.lower
            gain = truth[up] - truth[low]
            widths.append([a.high - a.low for a in (contrast.loss_gain, contrast.effective_gain)])
            in_bytes = math.exp(truth[up]) - math.exp(truth[low])
            held.append(
                [
                    amount.low <= value <= amount.high
                    for amount, value in (
                        (contrast.loss_gain, 0.1 * gain),
                        (contrast.effective_gain, gain),
                        (contrast.transfer_gain_bytes, in_bytes),
                    )
                ]
            )
    return np.mean(held, axis=0), np.median(widths, axis=0)


def test_intervals_hold_the_truth_with_three_seeds():
    shares, widths = coverage(noise=0.004, shared=0.01)
    assert ((shares > 0.92) & (shares < 0.995)).all(), shares
    known = 2 * 1.96 * 0.004 * math.sqrt(2 / 3)  # to one who knows the noise
    assert known < widths[0] < 1.4 * known  # 1.2 times
    assert known < 0.1 * widths[1] < 1.8 * known  # 1.6 times: the curve's own noise is in it


def test_intervals_hold_the_truth_with_documents():
    shares, widths = coverage(noise=0.002, documents=0.004)
    assert ((shares > 0.91) & (shares < 0.995)).all(), shares
    known = 2 * 1.96 * math.sqrt(2 * (0.002**2 / 3 + 0.004**2))
    assert known < widths[0] < 1.2 * known  # 1.05 times
    assert known < 0.1 * widths[1] < 1.5 * known  # 1.3 times


def test_controls_that_add_nothing_are_seldom_told_apart():
    found = []
    for number in range(200):
        generator = np.random.default_rng([2, number])
        worth = dict.fromkeys(LADDER.sources.values(), math.log(150_000))
        stack = stack_of(study(worth, noise=0.005, shared=0.01, generator=generator))
        found.append(any(step.contrast.corrected_p < 0.05 for step in stack.steps[1:]))
    assert np.mean(found) <= 0.08
