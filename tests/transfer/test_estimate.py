"""D_E, D_T and their states, from rows of measurements."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transfer_studies import SIZES, blocks_for, law_study, only, row, study

from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.transfer.estimate import COLUMNS, Estimates, estimate_transfer
from bytetransfer.transfer.law_table import LAW_COLUMNS


def test_inside_the_range_is_a_number():
    found = only(study(2.2, size=40_000))
    assert (found.status, found.upper_open, found.finetune_bytes) == ("inside", False, 40_000)
    assert found.effective_bytes == pytest.approx(100_000)
    assert found.transfer_bytes == pytest.approx(60_000)
    assert found.transfer_fraction == pytest.approx(0.6)


@pytest.mark.parametrize(("tuned", "status", "bound"), [(1.7, "above_range", 1e6),
                                                        (4.1, "below_range", 1e3)])  # fmt: skip
def test_outside_the_range_is_a_bound(tuned, status, bound):
    found = only(study(tuned, seeds=3, noise=0.001, generator=np.random.default_rng(0)))
    assert (found.status, found.effective_bytes) == (status, bound)
    assert found.interval == ("low_only" if status == "above_range" else "high_only")
    assert found.upper_open == (status == "above_range")


@pytest.mark.parametrize("end", [m * 10**k for k in range(4, 8) for m in (1, 1.5, 2.1, 3, 6)])
def test_a_bound_is_sure_where_no_measured_size_is_kept(end):
    # exp(log(2,100,000)) is less than 2,100,000, exp(log(3,000)) more than 3,000.
    def at(losses):
        sizes = (end, end * 10, end * 100)
        rows = [row(SCRATCH, round(size), loss + 0.001 * seed, seed=seed)
                for size, loss in zip(sizes, losses, strict=True) for seed in (0, 1)]  # fmt: skip
        return [*rows, *(row("et", 1_000, 2.2 + 0.001 * seed, seed=seed) for seed in (0, 1))]

    above, below = only(at((4.0, 3.5, 3.0))), only(at((2.0, 1.8, 1.7)))
    assert (above.status, above.effective_low) == ("above_range", end * 100)
    assert (below.status, below.effective_high) == ("below_range", end)
    assert above.is_sure
    assert below.is_sure


def test_zero_shot_transfers_all_it_has():
    found = only(study(3.0, size=0, seeds=2, noise=0.002, generator=np.random.default_rng(1)))
    assert found.transfer_bytes == found.effective_bytes
    assert found.transfer_fraction == 1.0 == found.transfer_fraction_low


def test_an_untrained_model_is_not_on_the_curve():
    rows = study(2.2)
    assert only([*rows, row(SCRATCH, 0, 8.0)]) == only(rows)


def test_what_the_interval_covers_is_said():
    generator = np.random.default_rng(4)
    three = study(2.5, seeds=3, noise=0.003, generator=generator)
    one = [r for r in three if r.seed == 0]
    assert only(three, blocks_for(three)).covers == "seeds and documents"
    assert only(three).covers == "seeds only (no document blocks)"
    assert only(one, blocks_for(one)).covers == "documents only (one seed)"
    bare = only(one)
    assert bare.covers == "no interval: one seed and no document blocks"
    assert (bare.interval, bare.effective_low, bare.effective_high) == ("none", None, None)
    both, documents = only(three, blocks_for(three)), only(one, blocks_for(one))
    for found in (both, documents):
        assert found.interval == "two_sided"
        assert found.effective_low < found.effective_bytes < found.effective_high
        assert found.transfer_low == found.effective_low - found.finetune_bytes


def test_documents_widen_the_interval():
    rows = study(2.5, seeds=3, noise=0.003, generator=np.random.default_rng(4))
    alone, with_documents = only(rows), only(rows, blocks_for(rows))
    assert with_documents.effective_high / with_documents.effective_low > (
        alone.effective_high / alone.effective_low
    )


def test_blocks_of_one_run_missing_or_other_blocks_mean_no_documents():
    rows = study(2.5, seeds=3, noise=0.003, generator=np.random.default_rng(4))
    for run in ("et-1000-1", "scratch-10000-2"):
        blocks = blocks_for(rows)
        del blocks[run]
        assert only(rows, blocks) == only(rows)
        other = blocks_for(rows)
        other[run] = other[run] * [1.0, 2.0]
        assert only(rows, other) == only(rows)


def test_only_seeds_common_to_both_arms_count():
    rows = study(2.5, seeds=3, noise=0.01, generator=np.random.default_rng(6))
    lacking = [r for r in rows if (r.seed, r.target_bytes, r.source) != (2, 10_000, SCRATCH)]
    found, without = only(lacking), only([r for r in rows if r.seed != 2])
    assert found == replace(without, covers=found.covers)
    assert found.covers == f"{without.covers}; 1 of 3 seeds left out: not at every size"
    assert found.seeds == 2


def test_sizes_that_differ_by_seed_are_averaged_under_their_nominal_size():
    rows = [replace(r, nominal_bytes=r.target_bytes) for r in study(2.2, seeds=2)]
    rows = [replace(r, target_bytes=r.target_bytes - 2) if r.seed else r for r in rows]
    found = only(rows)
    assert found.finetune_bytes == 999
    assert found.effective_bytes == pytest.approx(99_999)


def test_flags_show_where_the_estimate_is_read():
    rows = [replace(r, not_converged=False, below_surface=False) for r in study(2.2)]
    assert (only(rows).not_converged, only(rows).below_surface) == (False, False)
    effective = only(rows).effective_bytes
    scratch = [r for r in rows if r.source == SCRATCH]
    below = max(r.target_bytes for r in scratch if r.target_bytes <= effective)
    above = min(r.target_bytes for r in scratch if r.target_bytes >= effective)
    for one in rows:
        flagged = replace(one, not_converged=True, below_surface=None)
        found = only([flagged, *(r for r in rows if r is not one)])
        counts = one.source != SCRATCH or one.target_bytes in (below, above)
        assert (found.not_converged, found.below_surface) == (
            (True, None) if counts else (False, False)
        )


BOTH = pytest.mark.parametrize("method", ["monotone", "power_law"])


NUMBERS = ("effective_bytes", "effective_low", "effective_high", "transfer_bytes", "transfer_low")


@BOTH
@settings(max_examples=15, deadline=None)
@given(st.integers(2, 1000))
def test_scaling_bytes_scales_everything(method, factor):
    rows = law_study()
    scaled = [replace(r, target_bytes=r.target_bytes * factor) for r in rows]
    one, other = only(rows, method=method), only(scaled, method=method)
    for name in NUMBERS:
        assert getattr(other, name) == pytest.approx(getattr(one, name) * factor, rel=1e-5)
    assert other.transfer_fraction == pytest.approx(one.transfer_fraction, rel=1e-5)
    assert (one.status, one.interval, other.status) == ("inside", "two_sided", "inside")


@BOTH
@settings(max_examples=15, deadline=None)
@given(st.randoms(use_true_random=False))
def test_order_and_repetition_of_rows_are_irrelevant(method, random):
    rows = law_study()
    shuffled = [*rows, *random.choices(rows, k=3)]
    random.shuffle(shuffled)
    assert only(shuffled, method=method) == only(rows, method=method)


@BOTH
@settings(max_examples=25, deadline=None)
@given(st.floats(1.0, 2.3), st.floats(1.0, 2.3))
def test_a_lower_loss_never_has_smaller_effective_bytes(method, one, other):
    better, worse = (only(law_study(f(one, other)), method=method) for f in (min, max))
    assert better.effective_bytes >= worse.effective_bytes * (1 - 1e-9)
    assert better.transfer_fraction >= worse.transfer_fraction - 1e-9


@settings(max_examples=25, deadline=None)
@given(st.floats(1.7, 4.2), st.floats(0.2, 1.8))
def test_multiplying_all_losses_changes_nothing(tuned, factor):
    rows = study(tuned, seeds=2, noise=0.01, generator=np.random.default_rng(3))
    scaled = [replace(r, bits_per_byte=r.bits_per_byte * factor) for r in rows]
    one, other = only(rows), only(scaled)
    assert (other.status, other.interval) == (one.status, one.interval)
    assert other.effective_bytes == pytest.approx(one.effective_bytes, rel=1e-6)
    for name in ("effective_low", "effective_high"):
        if getattr(one, name) is not None:
            assert getattr(other, name) == pytest.approx(getattr(one, name), rel=1e-6)


def test_each_method_says_its_name_and_what_its_interval_covers():
    rows = law_study(seeds=3)
    for method in ("monotone", "power_law", "linear"):
        found = only(rows, method=method)
        assert (found.method, found.covers) == (method, "seeds only (no document blocks)")
        assert found.effective_low < found.effective_bytes < found.effective_high
    found = only(rows, method="published")
    assert (found.method, found.interval, found.effective_low) == ("published", "none", None)
    assert "no interval: the published reading" in found.covers


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_a_useless_source_is_worth_nothing_exactly(size):
    rows = study(2.0, size=size, seeds=3, noise=0.004, generator=np.random.default_rng(2))
    same = {r.seed: r.bits_per_byte for r in rows if r.source == SCRATCH and r.size == size}
    rows = [r if r.source == SCRATCH else replace(r, bits_per_byte=same[r.seed]) for r in rows]
    blocks = blocks_for(rows)
    for one in rows:
        if one.source != SCRATCH:
            blocks[one.run] = blocks[f"{SCRATCH}-{size}-{one.seed}"]
    for found in (only(rows), only(rows, blocks)):
        assert found.effective_low <= found.effective_bytes <= found.effective_high
        assert found.transfer_low == pytest.approx(0, abs=1e-3)
        assert found.transfer_high == pytest.approx(0, abs=1e-3)


def test_extrapolation_says_so_and_has_an_interval_out_there():
    tuned = 1 + (1_500 / 3_000_000) ** 0.4
    plain = only(law_study(tuned, noise=0.001), method="power_law")
    assert (plain.status, plain.effective_bytes) == ("above_range", 1_000_000)
    found = only(law_study(tuned, noise=0.001), method="power_law", extrapolate=True)
    assert found.status == "extrapolated"
    assert found.effective_bytes == pytest.approx(3e6, rel=0.2)
    assert 1e6 < found.effective_low < found.effective_bytes < found.effective_high < 1e7
    beyond = only(law_study(1.02, noise=0.001), method="power_law", extrapolate=True)
    assert (beyond.status, beyond.effective_bytes) == ("above_range", 1_000_000)
    assert (beyond.effective_low, beyond.effective_high) == (1_000_000, None)


def test_the_frame_is_the_table():
    pandas = pytest.importorskip("pandas")
    found = estimate_transfer(Measurements([*law_study(), row("ru", 5_000, 2.0, seed=9)]))
    frame = found.to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame["status"].tolist() == ["inside", "refused"]
    assert frame["effective_bytes"][0] == found.rows[0].effective_bytes
    assert pandas.isna(frame["effective_bytes"][1])


def test_another_cell_does_not_change_an_estimate_but_for_what_is_known_of_noise():
    rows = study(2.6, seeds=3, noise=0.01, generator=np.random.default_rng(3))
    more = [row("ru", 1_000, 2.9, seed=seed) for seed in range(3)]
    found = estimate_transfer(Measurements([*rows, *more]), resamples=100)
    other = next(one for one in found.rows if one.source == "et")
    limits = ("effective", "transfer", "transfer_fraction")
    same = {f"{name}_{end}": getattr(other, f"{name}_{end}")
            for name in limits for end in ("low", "high")}  # fmt: skip
    assert replace(only(rows), **same, degrees=other.degrees) == other


def test_written_tables_agree_and_keep_their_columns():
    rows = study(2.6, seeds=3, noise=0.01, generator=np.random.default_rng(3))
    lost = replace(row("et", 1_000, 2.0), target="es")
    found = estimate_transfer(Measurements([*rows, lost]), resamples=100)
    plain = found.to_rows()
    assert json.loads(found.to_json()) == plain
    written = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert tuple(written[0]) == COLUMNS == tuple(plain[0])
    assert float(written[0]["effective_bytes"]) == found.rows[0].effective_bytes
    assert written[0]["runs"].split() == list(found.rows[0].runs)
    assert (written[1]["status"], written[1]["effective_bytes"]) == ("refused", "")
    assert "no from-scratch run" in written[1]["reason"]
    assert Estimates(()).to_csv() == ",".join(COLUMNS) + "\n"


def test_a_source_that_is_not_used_is_worth_nothing_whatever_sizes_round_to():
    rows = study(2.5, seeds=3, noise=0.01, generator=np.random.default_rng(6))
    scratch = [r for r in rows if r.source == SCRATCH]
    uneven = [
        replace(r, nominal_bytes=r.target_bytes, target_bytes=r.target_bytes - r.seed // 2)
        for r in scratch
    ]
    same = [replace(r, source="et", run="") for r in uneven if r.nominal_bytes == 10_000]
    found = only([*uneven, *same])
    assert found.transfer_bytes == 0
    limits = [found.transfer_low, found.transfer_high]
    assert limits == pytest.approx([0, 0], abs=1e-3)  # of a byte


def plateau_study(tuned, losses):
    scratch = [row(SCRATCH, s, loss) for s, loss in zip(SIZES, losses, strict=True)]
    return [*scratch, row("et", 1_000, tuned)]


def test_a_plateau_is_carried_to_its_end_and_a_pooled_curve_is_marked():
    within = only(plateau_study(3.0, (4.0, 3.0, 3.0, 2.0)))
    assert (within.effective_bytes, within.effective_upper) == (10_000, 100_000)
    assert (within.upper_open, within.pooled) == (False, False)
    at_end = only(plateau_study(3.0, (4.0, 3.5, 3.0, 3.0)))
    assert (at_end.effective_bytes, at_end.effective_upper, at_end.upper_open) == (1e5, None, True)
    assert only(plateau_study(3.9, (4.0, 3.0, 3.1, 2.0))).pooled
    assert only(plateau_study(3.9, (4.0, 3.0, 3.1, 2.0)), method="linear").pooled
    falling = only(study(3.5))
    assert falling.effective_upper == falling.effective_bytes


def test_power_laws_have_a_row_a_curve_and_other_methods_none():
    rows = [*law_study(noise=0.001), row("ru", 5_000, 2.0)]
    found = estimate_transfer(Measurements(rows), method="power_law", confidence=0.8)
    assert {(law.target, law.level) for law in found.laws} == {("fi", 0.8)}
    law = found.laws.rows[0]
    assert law.irreducible_low < law.irreducible < law.irreducible_high
    assert law.exponent == pytest.approx(0.4, abs=0.05)
    assert json.loads(found.laws.to_json()) == found.laws.to_rows()
    written = list(csv.DictReader(io.StringIO(found.laws.to_csv())))
    assert tuple(written[0]) == LAW_COLUMNS
    assert float(written[0]["scale_bytes"]) == law.scale_bytes
    assert not len(estimate_transfer(Measurements(rows)).laws)
