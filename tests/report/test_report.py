"""What the report says, as data: its order, its answer, its figures and its reasons."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.report import build_report
from bytetransfer.report.figures.curves import curve_charts
from bytetransfer.report.run_tables import seed_deviation
from bytetransfer.report.view import make_view
from bytetransfer.report.wording import bare
from bytetransfer.transfer.estimate import Estimates, Refusal, estimate_transfer

ORDER = ["answer", "curves", "transfer", "trust", "repeat"]


@pytest.fixture(scope="module")
def report(measurements, estimates, study):
    return build_report(measurements, estimates, study)


def section(report, name):
    return next(part for part in report.sections if part.name == name)


def texts(table):
    return [[bare(cell.text) for cell in row] for row in table.rows]


def test_it_opens_on_the_answer(report):
    assert [part.name for part in report.sections] == ORDER
    answers = section(report, "answer").answers
    assert [bare(answer.target) for answer in answers] == ["Spanish", "Finnish"]
    (said,) = (s for s in answers[0].sentences if s.is_open and "nano" in s.learner)
    assert bare(said.text).startswith("Portuguese pretraining is worth")
    assert "The least of 5 sources: nonsense costs" in bare(said.text)


def test_there_is_a_sentence_for_every_size_and_it_says_which(report):
    for answer in section(report, "answer").answers:
        assert len(answer.sentences) == 8
        assert sum(sentence.is_open for sentence in answer.sentences) == 2
        for sentence in answer.sentences:
            size = dict(sentence.choice)["D_F"]
            assert ("before you have any" if size == "0 B" else f"you have {size}") in sentence.text


def test_the_open_matrix_has_every_source_and_target_in_the_study_order(report, study):
    table = section(report, "answer").tables[0]
    assert table.is_open
    assert table.is_matrix
    assert [row[0].value for row in table.rows] == study["sources"]
    assert [bare(c.title) for c in table.columns] == ["source", "Spanish", "Finnish"]
    assert all(len(row) == 3 for row in table.rows)
    assert any(cell.shade < 0 for row in table.rows for cell in row)


def test_cells_of_one_nominal_size_stand_in_one_matrix(measurements, estimates):
    view = make_view(measurements, estimates)
    learner = view.learners[1]
    actual = {row.finetune_bytes for row in view.rows_at(learner, 10_000)}
    assert actual == {9_999}  # seeds differ by a byte or two
    assert view.sizes(learner) == [0, 10_000, 30_000, 100_000]


def test_bounds_are_marked_as_bounds(report, estimates):
    table = section(report, "transfer").tables[0]
    titles = [column.title for column in table.columns]
    marked = [row[titles.index("D_E")] for row in texts(table)]
    censored = sum(row.status != "inside" for row in estimates.rows)
    assert censored > 0
    assert sum(text.startswith(("≤", "≲")) for text in marked) == censored


def test_every_target_and_learner_has_its_curve_and_axes_are_shared(report):
    charts = section(report, "curves").figures
    assert len(charts) == 4
    assert charts[0].x == charts[1].x
    assert charts[0].y == charts[1].y
    assert len({chart.name for chart in charts}) == 4


def test_steps_of_the_figure_end_on_the_curve_that_is_drawn(measurements, estimates):
    view = make_view(measurements, estimates)
    chart = curve_charts(view, "fi")[0]
    curve = next(series for series in chart.series if series.style == "curve")
    for series in chart.series:
        for dot in series.dots:
            if dot.reach is None or dot.bound:
                continue
            near = min(curve.dots, key=lambda point: abs(point.x / dot.reach - 1))
            assert near.y == pytest.approx(dot.y, rel=0.04)


def test_the_mean_of_the_seeds_is_the_one_d_e_is_read_from():
    rows = [
        Measurement(
            source=SCRATCH, target="x", target_bytes=999 + s, nominal_bytes=1000, seed=s,
            bits_per_byte=loss,
        )
        for s, loss in ((0, 1.0), (1, 4.0))
    ]  # fmt: skip
    view = make_view(Measurements(rows), Estimates(()))
    (mean,) = next(s for s in curve_charts(view, "x")[0].series if s.style == "measured").dots
    assert (mean.x, mean.y) == (999.5, pytest.approx(2.0))


def test_the_interval_of_the_curve_is_drawn_around_it(measurements, estimates):
    (band,) = (s for s in chart_of(measurements, estimates).series if s.style == "band")
    curve = next(s for s in chart_of(measurements, estimates).series if s.style == "curve")
    for around, on in zip(band.dots, curve.dots, strict=True):
        assert around.low < on.y < around.high


def chart_of(measurements, estimates):
    return curve_charts(make_view(measurements, estimates), "fi")[0]


def test_the_trust_section_counts_what_it_rests_on(report, measurements, estimates):
    tables = {table.name: table for table in section(report, "trust").tables}
    columns = [column.title for column in tables["bounds"].columns]
    for row in tables["bounds"].rows:
        found = dict(zip(columns, (cell.value for cell in row), strict=True))
        beyond = found["above the curve"] + found["below the curve"]
        assert found["estimates"] == found["numbers"] + beyond == 10
    runs = tables["run-summary"]
    assert sum(row[3].value for row in runs.rows) == len(measurements)
    assert sum(row[6].value for row in runs.rows) == sum(r.not_converged for r in measurements)
    shown = tables["runs"]
    assert len(shown.rows) == sum(bool(r.not_converged or r.below_surface) for r in measurements)
    assert f"of {len(measurements)}" in shown.caption


def test_what_is_known_of_a_run_stands_beside_it(measurements, estimates):
    known = {measurements.rows[0].run: {"stopped": "budget", "retried": True}}
    report = build_report(measurements, estimates, {"runs": known})
    tables = {table.name: table for table in section(report, "trust").tables}
    (row,) = (r for r in tables["runs"].rows if r[0].value == measurements.rows[0].run)
    assert [cell.text for cell in row[-2:]] == [
        "at its budget, still improving",
        "an earlier one failed",
    ]
    titles = [column.title for column in tables["run-summary"].columns]
    assert titles[-2:] == ["ended at budget", "tried again"]


def test_every_share_has_its_chart(report):
    charts = section(report, "transfer").figures
    assert [chart.name.split("-")[0] for chart in charts] == ["transfer"] * 4 + ["share"] * 4
    for chart in charts[4:]:
        assert chart.y.high >= 1
        assert all(dot.y <= 1 for series in chart.series for dot in series.dots)


def test_flags_reach_the_reader(report):
    flags = next(t for t in section(report, "trust").tables if t.name == "flags")
    assert {row[-1] for row in texts(flags)} == {"not converged", "below surface"}


def test_what_went_otherwise_than_asked_for_reaches_the_reader(report):
    table = next(t for t in section(report, "trust").tables if t.name == "departures")
    assert texts(table) == [["less memory at a time", "2"]]


def test_a_report_of_refusals_alone_says_why(measurements):
    scratch = Measurements([row for row in measurements if row.source == SCRATCH])
    refusal = Refusal(
        source="en", target="fi", learner="ngram", regime="exact", pretrain_bytes=1,
        finetune_bytes=10_000, reason="no seed is common to both arms",
    )  # fmt: skip
    report = build_report(scratch, Estimates((), (refusal,)))
    reasons = section(report, "answer").tables[0]
    assert texts(reasons) == [
        ["English", "Finnish", "ngram", "10 kB", "no seed is common to both arms"]
    ]
    assert len(section(report, "curves").figures) == 4


def test_a_report_of_nothing_is_still_a_report():
    report = build_report(Measurements([]), Estimates(()))
    assert [part.name for part in report.sections] == ORDER
    assert "0 sources" in report.subtitle


def test_rows_from_a_table_without_learner_seed_or_study_do(make_estimate):
    rows = [
        Measurement(source=SCRATCH, target="fi", target_bytes=size, bits_per_byte=loss)
        for size, loss in ((1_000, 4.0), (10_000, 2.0), (100_000, 1.0))
    ]
    rows.append(Measurement(source="et", target="fi", target_bytes=1_000, bits_per_byte=2.0))
    measurements = Measurements(rows)
    report = build_report(measurements, estimate_transfer(measurements))
    (answer,) = section(report, "answer").answers
    assert bare(answer.sentences[0].text) == (
        "Estonian pretraining is worth 9 kB of Finnish when you have 1 kB."
    )
    assert "There are no intervals" in section(report, "answer").text[1]


def test_the_spread_between_seeds_stands_by_arm_and_size():
    losses = {("scratch", 0): 2.0, ("scratch", 1): 2.02, ("et", 0): 1.5, ("et", 1): 1.62}
    rows = [
        Measurement(source=source, target="fi", target_bytes=1000, bits_per_byte=loss, seed=seed)
        for (source, seed), loss in losses.items()
    ]
    assert seed_deviation(rows[:2]) == pytest.approx(math.log(1.01) / math.sqrt(2))
    assert seed_deviation(rows[2:]) == pytest.approx(math.log(1.08) / math.sqrt(2))
    # Of several cells squares are averaged, not differences between cells.
    assert seed_deviation(rows) == pytest.approx(
        math.sqrt((math.log(1.01) ** 2 + math.log(1.08) ** 2) / 4)
    )
    assert seed_deviation(rows[:1]) is None
    replicates = [replace(row, replicate=1 + row.seed) for row in rows]
    assert seed_deviation(replicates) is None  # they differ in splits and searches too
    assert seed_deviation([*replicates, *rows[2:]]) == seed_deviation(rows[2:])


def test_the_run_summary_has_the_spread_of_both_arms(report):
    (table,) = [t for t in section(report, "trust").tables if t.name == "run-summary"]
    titles = [column.title for column in table.columns]
    assert "sd between seeds" in titles
    spread, arm = titles.index("sd between seeds"), titles.index("arm")
    assert {row[arm] for row in texts(table) if row[spread]} == {"fine-tuned", "from scratch"}
