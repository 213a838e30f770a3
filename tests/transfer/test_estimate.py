"""D_E, D_T and their states, from rows of measurements."""

import csv
import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.errors import MeasurementError
from bytetransfer.measurement import SCRATCH, Measurement, Measurements, Place, name_places
from bytetransfer.transfer.estimate import COLUMNS, Estimates, estimate_transfer
from bytetransfer.transfer.law_table import LAW_COLUMNS
from bytetransfer.transfer.power_law import PowerLawCurve

SIZES = (1_000, 10_000, 100_000, 1_000_000)
LOSSES = (4.0, 3.0, 2.2, 1.8)


def row(source, size, loss, *, seed=0, **others):
    run = f"{source}-{size}-{seed}"
    return Measurement(source=source, target="fi", target_bytes=size, bits_per_byte=loss,
                       seed=seed, run=run, **others)  # fmt: skip


def study(tuned, *, size=1_000, seeds=1, noise=0.0, generator=None):
    """From-scratch runs at all sizes, one fine-tuned cell, with noise if a generator is given."""
    rows = []
    for seed in range(seeds):
        drawn = np.zeros(5) if generator is None else noise * generator.standard_normal(5)
        pairs = zip(SIZES, LOSSES, drawn[:4], strict=True)
        rows += [row(SCRATCH, s, loss * math.exp(e), seed=seed) for s, loss, e in pairs]
        rows.append(row("et", size, tuned * math.exp(drawn[4]), seed=seed, pretrain_bytes=5_000))
    return rows


def blocks_for(rows, *, count=40, seed=0):
    """Blocks whose totals give each row its loss; differing a little from run to run."""
    generator = np.random.default_rng(seed)
    size = generator.integers(500, 1500, count).astype(float)
    made = {}
    for one in rows:
        nats = size * np.exp(0.02 * generator.standard_normal(count))
        nats *= one.bits_per_byte * math.log(2) * size.sum() / nats.sum()
        made[one.run] = np.stack([nats, size], axis=1)
    return made


def only(rows, blocks=None, **options):
    found = estimate_transfer(Measurements(rows, blocks), replicates=100, **options)
    assert not found.refusals
    (estimate,) = found.rows
    return estimate


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


def test_a_curve_that_rises_is_refused():
    rows = [row(SCRATCH, size, loss) for size, loss in ((10_000, 2.0), (99_000, 2.4), (10**6, 2.9))]
    found = estimate_transfer(Measurements([*rows, row("et", 10_000, 2.3)]))
    assert not found.rows
    assert "rises with size, from 2 to 2.9 bits per byte" in found.refusals[0].reason


def test_sizes_that_differ_by_seed_are_averaged_under_their_nominal_size():
    rows = [replace(r, nominal_bytes=r.target_bytes) for r in study(2.2, seeds=2)]
    rows = [replace(r, target_bytes=r.target_bytes - 2) if r.seed else r for r in rows]
    found = only(rows)
    assert found.finetune_bytes == 999
    assert found.effective_bytes == pytest.approx(99_999)


def test_a_cell_without_a_curve_is_refused_with_the_reason():
    rows = study(2.5)
    others = [
        replace(row("et", 1_000, 2.0), target="es", run="a"),
        replace(row("et", 1_000, 2.0), regime="paper", run="b"),
        replace(row("et", 1_000, 2.0), target="sv", run="c"),
        replace(row(SCRATCH, 1_000, 2.0), target="sv", run="d"),
        row("ru", 1_000, 2.0, seed=7),
        row("zh", 1_000, 2.0, test_bytes=5),
    ]
    others = [*others, *(replace(r, test_bytes=6) for r in rows[1:2])]
    found = estimate_transfer(Measurements([rows[0], *rows[2:], *others]))
    reasons = {(r.source, r.target, r.regime): r.reason for r in found.refusals}
    assert len(found.rows) + len(found.refusals) == 6
    assert "no from-scratch run" in reasons["et", "es", ""]
    assert "no from-scratch run" in reasons["et", "fi", "paper"]
    assert "at least two sizes" in reasons["et", "sv", ""]
    assert "no seed" in reasons["ru", "fi", ""]
    assert "different text" in reasons["zh", "fi", ""]
    assert len(found.to_rows()) == 6


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


def law_study(tuned=1.6, *, seeds=2, noise=0.004, generator_seed=3):
    """A study on a power law, which every method can read."""
    generator = np.random.default_rng(generator_seed)
    rows = []
    for seed in range(seeds):
        for size in (*SIZES, 30_000, 300_000):
            loss = (1 + (1_500 / size) ** 0.4) * math.exp(noise * generator.standard_normal())
            rows.append(row(SCRATCH, size, loss, seed=seed))
        loss = tuned * math.exp(noise * generator.standard_normal())
        rows.append(row("et", 5_000, loss, seed=seed, pretrain_bytes=5_000))
    return rows


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


def test_rows_of_one_run_that_disagree_are_an_error():
    rows = law_study()
    with pytest.raises(MeasurementError, match=r"two rows disagree.*bits_per_byte"):
        only([*rows, replace(rows[0], bits_per_byte=3.0)])


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


def test_a_curve_that_is_no_power_law_is_refused_for_all_its_cells():
    rows = study(2.5, seeds=2)
    more = [row("ru", 1_000, 2.9, seed=seed) for seed in range(2)]
    three = [r for r in rows if r.source != SCRATCH or r.target_bytes < 1_000_000]
    found = estimate_transfer(Measurements([*three, *more]), method="power_law")
    assert [r.source for r in found.refusals] == ["et", "ru"]
    assert all("does not identify a power law" in r.reason for r in found.refusals)
    assert {r.method for r in found.refusals} == {"power_law"}


def test_a_refused_curve_is_fitted_once(monkeypatch):
    fits = []

    def refuse(*args, **options):
        fits.append(args)
        raise MeasurementError("no law")

    monkeypatch.setattr(PowerLawCurve, "through", refuse)
    rows = [*law_study(), *(row(name, 5_000, 1.5, seed=seed) for name in "abc" for seed in (0, 1))]
    found = estimate_transfer(Measurements(rows), method="power_law")
    assert len(found.refusals) == 4
    assert len(fits) == 1


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "cubic"}, "choose from monotone"),
        ({"extrapolate": True}, "cannot extrapolate"),
        ({"confidence": 95}, "not between 0 and 1"),
    ],
)
def test_options_that_are_none_are_refused_whatever_the_rows(options, message):
    with pytest.raises(ValueError, match=message):
        estimate_transfer(Measurements([]), **options)


def test_the_frame_is_the_table():
    pandas = pytest.importorskip("pandas")
    found = estimate_transfer(Measurements([*law_study(), row("ru", 5_000, 2.0, seed=9)]))
    frame = found.to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame["status"].tolist() == ["inside", "refused"]
    assert frame["effective_bytes"][0] == found.rows[0].effective_bytes
    assert pandas.isna(frame["effective_bytes"][1])


def test_another_cell_does_not_change_an_estimate():
    rows = study(2.6, seeds=3, noise=0.01, generator=np.random.default_rng(3))
    more = [row("ru", 1_000, 2.9, seed=seed) for seed in range(3)]
    found = estimate_transfer(Measurements([*rows, *more]), replicates=100)
    assert only(rows) in found.rows


def test_written_tables_agree_and_keep_their_columns():
    rows = study(2.6, seeds=3, noise=0.01, generator=np.random.default_rng(3))
    lost = replace(row("et", 1_000, 2.0), target="es")
    found = estimate_transfer(Measurements([*rows, lost]), replicates=100)
    plain = found.to_rows()
    assert json.loads(found.to_json()) == plain
    written = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert tuple(written[0]) == COLUMNS == tuple(plain[0])
    assert float(written[0]["effective_bytes"]) == found.rows[0].effective_bytes
    assert written[0]["runs"].split() == list(found.rows[0].runs)
    assert (written[1]["status"], written[1]["effective_bytes"]) == ("refused", "")
    assert "no from-scratch run" in written[1]["reason"]
    assert Estimates(()).to_csv() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("loss", [0.0, -1.0, math.nan])
def test_a_loss_that_is_none_names_its_row(loss):
    with pytest.raises(MeasurementError, match="source et, target fi, 1000 bytes, seed 0"):
        estimate_transfer(Measurements(study(loss)))


def test_a_pretrained_run_from_scratch_is_refused():
    rows = [*study(2.0), row(SCRATCH, 5, 4.0, pretrain_bytes=3)]
    with pytest.raises(MeasurementError, match="pretraining"):
        estimate_transfer(Measurements(rows))


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


def placed(rows, *, first=2):
    """Rows as if they had been read from consecutive lines of a file."""
    return [replace(r, place=Place("x.csv", "line", n)) for n, r in enumerate(rows, first)]


def reasons(rows):
    return [
        (r.reason, name_places(r.places)) for r in estimate_transfer(Measurements(rows)).refusals
    ]


def test_a_target_without_a_curve_names_its_rows():
    rows = placed([row("et", 1_000, 2.0, seed=seed) for seed in range(3)])
    ((reason, lines),) = reasons(rows)
    assert "no from-scratch run" in reason
    assert lines == "lines 2–4"


def test_a_curve_of_one_point_names_its_rows():
    ((reason, lines),) = reasons(placed([row(SCRATCH, 1_000, 4.0), row("et", 1_000, 2.0)]))
    assert "there is one: 1000 bytes (line 2)" in reason
    assert lines == "line 3"


@pytest.mark.parametrize("name", ["learner", "regime"])
def test_a_curve_mixed_of_learners_or_regimes_names_the_rows(name):
    rows = [row(SCRATCH, 1_000, 4.0, **{name: "one"}), row(SCRATCH, 10_000, 3.0, **{name: "two"}),
            row("et", 1_000, 3.5, **{name: "one"})]  # fmt: skip
    ((reason, lines),) = reasons(placed(rows))
    assert "there is one: 1000 bytes (line 2)" in reason
    assert "from scratch there is also two (line 3)" in reason
    assert lines == "line 4"


def test_seeds_and_test_texts_that_do_not_fit_name_their_rows():
    rows = [row(SCRATCH, 1_000, 4.0), row(SCRATCH, 10_000, 3.0, seed=1), row("et", 1_000, 3.5)]
    ((reason, _),) = reasons(placed(rows))
    assert "of 10000 bytes there are the seeds 1 (line 3)" in reason
    other = [row(SCRATCH, 1_000, 4.0, test_bytes=5), row(SCRATCH, 10_000, 3.0, test_bytes=5),
             row("et", 1_000, 3.5, test_bytes=7)]  # fmt: skip
    ((reason, _),) = reasons(placed(other))
    assert "of 5 (lines 2–3) and 7 (line 4) bytes" in reason


def test_a_row_that_cannot_be_is_named_by_its_place():
    rows = placed(study(-1.0))
    with pytest.raises(MeasurementError, match=r"x\.csv, line 6: a loss of -1"):
        estimate_transfer(Measurements(rows))


def test_where_a_row_was_read_is_no_part_of_it():
    plain, read = study(2.5), placed(study(2.5))
    assert plain == read
    assert len(Measurements([*plain, *read])) == len(plain)
    assert Measurements(read).to_csv() == Measurements(plain).to_csv()


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


def test_the_published_reading_leaves_zero_shot_out_as_the_script_does():
    def run(source, size, loss):
        return Measurement(source=source, target="fi", target_bytes=size, bits_per_byte=loss)

    rows = [run(SCRATCH, 1_000, 4.0), run(SCRATCH, 9_000, 2.0), run("et", 0, 3.5)]
    found = estimate_transfer(Measurements(rows), method="published")
    assert not found.rows
    assert [one.reason for one in found.refusals] == [
        "the released script leaves zero-shot rows out"
    ]
    assert estimate_transfer(Measurements(rows)).rows


def test_from_scratch_rows_of_a_learner_without_fine_tuned_ones_are_told():
    rows = study(2.5)
    other = [replace(one, learner="other", run="") for one in rows]
    scratch = [one for one in other if one.source == SCRATCH]
    found = estimate_transfer(Measurements([*rows, *scratch]))
    assert (set(found.unused), len(found)) == (set(scratch), 1)  # no error: more may be to come
    assert found.rows == estimate_transfer(Measurements(rows)).rows
    assert not estimate_transfer(Measurements([*rows, *other])).unused
    elsewhere = [replace(one, target="de") for one in scratch]
    assert not estimate_transfer(Measurements([*rows, *elsewhere])).unused


@pytest.mark.parametrize("name", ["target_bytes", "pretrain_bytes", "nominal_bytes"])
def test_text_has_no_fewer_than_no_bytes(name):
    rows = study(2.5)
    rows[-1] = replace(rows[-1], **{name: -1})
    with pytest.raises(MeasurementError, match=rf"source et, target fi, .*: {name} is -1"):
        estimate_transfer(Measurements(rows))


@pytest.mark.parametrize("method", ["monotone", "power_law"])
def test_two_nominal_sizes_of_the_same_bytes_are_named(method):
    rows = [replace(one, place=Place("x.csv", "line", n)) for n, one in enumerate(study(2.5), 2)]
    rows[1] = replace(rows[1], target_bytes=SIZES[0], nominal_bytes=SIZES[1])
    (refusal,) = estimate_transfer(Measurements(rows), method=method).refusals
    assert "sizes 1000 and 10000 bytes (lines 2–3) have the same actual size" in refusal.reason
