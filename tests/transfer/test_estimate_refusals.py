"""What has no estimate, and that its rows are named."""

import math
from dataclasses import replace

import pytest
from transfer_studies import SIZES, law_study, only, row, study

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import (
    SCRATCH,
    Measurement,
    Measurements,
    Place,
    name_places,
)
from bytetransfer.transfer.estimate import estimate_transfer
from bytetransfer.transfer.power_law import PowerLawCurve


def reasons(rows):
    return [
        (r.reason, name_places(r.places)) for r in estimate_transfer(Measurements(rows)).refusals
    ]


def placed(rows, *, first=2):
    """Rows as if they had been read from consecutive lines of a file."""
    return [replace(r, place=Place("x.csv", "line", n)) for n, r in enumerate(rows, first)]


def test_a_curve_that_rises_is_refused():
    rows = [row(SCRATCH, size, loss) for size, loss in ((10_000, 2.0), (99_000, 2.4), (10**6, 2.9))]
    found = estimate_transfer(Measurements([*rows, row("et", 10_000, 2.3)]))
    assert not found.rows
    assert "rises with size, from 2 to 2.9 bits per byte" in found.refusals[0].reason


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


def test_rows_of_one_run_that_disagree_are_an_error():
    rows = law_study()
    with pytest.raises(MeasurementError, match=r"two rows disagree.*bits_per_byte"):
        only([*rows, replace(rows[0], bits_per_byte=3.0)])


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


@pytest.mark.parametrize("loss", [0.0, -1.0, math.nan])
def test_a_loss_that_is_none_names_its_row(loss):
    with pytest.raises(MeasurementError, match="source et, target fi, 1000 bytes, seed 0"):
        estimate_transfer(Measurements(study(loss)))


def test_a_pretrained_run_from_scratch_is_refused():
    rows = [*study(2.0), row(SCRATCH, 5, 4.0, pretrain_bytes=3)]
    with pytest.raises(MeasurementError, match="pretraining"):
        estimate_transfer(Measurements(rows))


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
