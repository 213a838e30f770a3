"""Replicates stand in the place of seeds, and what they cover is found again in simulation."""

import math
from dataclasses import replace

import numpy as np
import pytest
from transfer_studies import LOSSES, SIZES, blocks_for, row

from bytetransfer.measurements.file import parse_measurements
from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.transfer.estimate import estimate_transfer
from bytetransfer.transfer.replicates import REPLICATES, means_of_replicates, replicate_spreads

TUNED = 3.0  # the loss of a measured size: nothing is allowed for interpolation


def replicated(replicates, seeds, *, between=0.0, within=0.0, generator=None):
    """A study whose replicates differ by `between`, and whose seeds by `within`, in log loss.

    Both arms share most of what a replicate changes, as a test split does.
    """
    generator = generator or np.random.default_rng(0)
    rows = []
    for replicate in range(replicates):
        shared = between * generator.standard_normal()
        own = 0.3 * between * generator.standard_normal(5)
        for seed in range(seeds):
            drawn = shared + own + within * generator.standard_normal(5)
            tags = {"seed": 100 * replicate + seed, "replicate": replicate}
            pairs = zip(SIZES, LOSSES, drawn[:4], strict=True)
            rows += [row(SCRATCH, s, loss * math.exp(e), **tags) for s, loss, e in pairs]
            rows.append(row("et", 1_000, TUNED * math.exp(drawn[4]), pretrain_bytes=9, **tags))
    return rows


def only(rows, **options):
    (found,) = estimate_transfer(Measurements(rows), resamples=100, **options).rows
    return found


def test_a_single_replicate_is_left_alone():
    rows = Measurements(replicated(1, 3, within=0.01), {})
    assert means_of_replicates(rows) is rows
    assert replicate_spreads(rows) == ()


def test_the_mean_of_each_replicate_takes_the_place_of_a_seed():
    rows = replicated(3, 2, between=0.02, within=0.01)
    means = means_of_replicates(Measurements(rows, blocks_for(rows)))
    assert len(means) == 3 * 5
    assert not means.blocks
    assert {one.seed for one in means} == {one.replicate for one in means} == {0, 1, 2}
    (one,) = (m for m in means if m.source == "et" and m.replicate == 1)
    losses = [r.bits_per_byte for r in rows if r.source == "et" and r.replicate == 1]
    assert one.bits_per_byte == pytest.approx(math.sqrt(losses[0] * losses[1]), rel=1e-12)
    assert set(one.run.split()) == {r.run for r in rows if r.source == "et" and r.replicate == 1}
    assert means_of_replicates(means).rows == means.rows


def test_estimates_say_that_they_cover_replicates_and_name_every_run():
    rows = replicated(3, 2, between=0.02, within=0.01)
    found = only(rows)
    assert found.covers == REPLICATES
    assert (found.seeds, found.interval) == (3, "two_sided")
    assert set(found.runs) == {r.run for r in rows}
    seeds_alone = only([replace(r, replicate=0) for r in rows])
    assert found.effective_bytes == pytest.approx(seeds_alone.effective_bytes, rel=1e-9)


def test_flags_of_any_seed_are_those_of_the_replicate():
    rows = [
        replace(r, below_surface=r.seed == 100, not_converged=None if r.seed == 0 else False)
        for r in replicated(2, 2)
    ]
    means = means_of_replicates(Measurements(rows))
    assert {m.replicate: m.below_surface for m in means} == {0: False, 1: True}
    assert {m.replicate: m.not_converged for m in means} == {0: None, 1: False}


def test_seeds_that_a_curve_lacks_at_some_size_are_left_out():
    lacking = (SCRATCH, 101, SIZES[2])
    rows = replicated(2, 2, within=0.05)
    rows = [r for r in rows if (r.source, r.seed, r.target_bytes) != lacking]
    means = means_of_replicates(Measurements(rows))
    runs = {key for m in means if m.replicate == 1 for key in m.run.split()}
    assert runs == {r.run for r in rows if r.seed == 100}


def test_a_cell_without_a_seed_of_its_replicate_is_left_out_there():
    """Otherwise its arms would differ in their seeds."""
    rows = [r for r in replicated(3, 2, within=0.05) if (r.source, r.seed) != ("et", 101)]
    means = means_of_replicates(Measurements(rows))
    assert {m.replicate for m in means if m.source == "et"} == {0, 2}
    found = only(rows)
    assert (found.seeds, found.covers) == (2, f"{REPLICATES}; 2 of 3 replicates")


def test_seeds_that_are_left_out_are_said():
    rows = [r for r in replicated(3, 2, within=0.05)
            if (r.source, r.seed, r.target_bytes) != (SCRATCH, 101, SIZES[2])]  # fmt: skip
    assert only(rows).covers == f"{REPLICATES}; 1 of 6 seeds left out: not at every size"


def test_one_replicate_of_several_has_no_interval_and_says_why():
    rows = [r for r in replicated(2, 3) if r.source == SCRATCH or r.replicate == 0]
    found = only(rows)
    assert (found.interval, found.covers) == ("none", "no interval: 1 of 2 replicates")


def test_a_target_of_one_replicate_keeps_its_seeds_beside_another_of_several():
    alone = [replace(r, target="th", run=f"th {r.run}") for r in replicated(1, 4, within=0.02)]
    both = Measurements([*replicated(2, 2, between=0.02), *alone])
    found = {row.target: row for row in estimate_transfer(both, resamples=100).rows}
    by_itself = only(alone)
    assert found["th"] == by_itself
    assert (found["th"].seeds, found["fi"].seeds) == (4, 2)


def test_a_table_keeps_replicates_apart_that_number_their_seeds_alike():
    rows = [replace(r, seed=r.seed % 100, run="") for r in replicated(2, 2, between=0.02)]
    table = Measurements(rows)
    assert len(table) == len(rows)
    again = parse_measurements(table.to_csv(), where="x")
    assert again.rows == table.rows
    assert len(estimate_transfer(again).rows) == 1


def test_the_spread_of_replicates_is_told_from_that_of_seeds():
    generator = np.random.default_rng(5)
    between = 0.02 * math.sqrt(1 + 0.3**2)
    studies = [
        Measurements(replicated(4, 3, between=0.02, within=0.03, generator=generator))
        for _ in range(200)
    ]
    spreads = [one for study in studies for one in replicate_spreads(study)]
    assert len(spreads) == 200
    seeds = math.sqrt(np.mean([one.seeds**2 for one in spreads]))
    assert seeds == pytest.approx(0.03 / math.sqrt(3), rel=0.05)
    total = math.sqrt(np.mean([one.between**2 for one in spreads]))
    assert total == pytest.approx(math.hypot(between, 0.03 / math.sqrt(3)), rel=0.1)
    assert all(0 <= one.beyond_seeds <= one.between for one in spreads)
    alone = replicate_spreads(Measurements(replicated(4, 1, between=0.02)))
    assert alone[0].seeds is alone[0].beyond_seeds is None


def test_intervals_over_replicates_hold_the_truth_that_those_over_seeds_miss():
    """The truth is D_E of the mean over all replicates there could be."""
    truth = only(replicated(2, 1)).effective_bytes
    generator = np.random.default_rng(11)
    held, widths, errors = {"replicates": 0, "seeds": 0}, [], []
    count = 300
    for _ in range(count):
        rows = replicated(4, 2, between=0.03, within=0.002, generator=generator)
        first = [r for r in rows if r.replicate == 0]
        for name, some in (("replicates", rows), ("seeds", first)):
            found = only(some)
            low = -math.inf if found.effective_low is None else found.effective_low
            high = math.inf if found.effective_high is None else found.effective_high
            held[name] += low <= truth <= high
            if name == "replicates":
                widths.append(math.log(high / low) if low > 0 else math.inf)
                errors.append(math.log(found.effective_bytes / truth))
    assert 0.92 <= held["replicates"] / count <= 0.985, held
    assert held["seeds"] / count < 0.85, held
    assert np.median(widths) < 2.1 * 2 * 1.96 * np.std(errors)  # 1.78 times
