"""One object for results, whatever they were read from."""

from __future__ import annotations

import doctest
import math
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import bytetransfer as bt
from bytetransfer.errors import MeasurementError, RunFailedError, StoreError, StudyError
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.results.results import Results
from bytetransfer.results.run import Progress
from bytetransfer.study.study import EstimateOptions
from bytetransfer.transfer.estimate import estimate_transfer

ROOT = Path(__file__).parents[2]
CURVE = {10_000: 3.1, 100_000: 2.4, 1_000_000: 1.9}
TABLE = "source,target,bytes,bits_per_byte,learner,seed\n" + "".join(
    f"{source},{target},{size},{loss + 0.02 * seed},nano,{seed}\n"
    for seed in (0, 1)
    for target in ("fi", "es")
    for source, size, loss in [
        *((SCRATCH, size, loss) for size, loss in CURVE.items()),
        ("et", 10_000, 2.45),
        ("en", 10_000, 2.8),
    ]
)


@pytest.fixture
def losses(tmp_path: Path) -> Path:
    path = tmp_path / "losses.csv"
    path.write_text(TABLE)
    return path


def test_whatever_holds_the_rows_the_estimates_are_the_same(losses: Path) -> None:
    found = bt.read_results(losses)
    expected = estimate_transfer(bt.read_measurements(losses)).to_csv()
    assert found.estimates.to_csv() == expected
    assert found.estimates is found.estimates
    frame = pd.read_csv(losses)
    frame.to_parquet(losses.with_suffix(".parquet"))
    found.write(losses.parent / "out")
    sources: list[Any] = [str(losses), losses.with_suffix(".parquet"), losses.parent / "out", frame]
    for source in (*sources, found.measurements.to_frame()):
        assert bt.read_results(source).estimates.to_csv() == expected


def test_a_folder_read_in_another_way_than_it_was_made_says_so(losses: Path) -> None:
    out = losses.parent / "out"
    bt.read_results(losses, method="linear", confidence_level=0.9).write(out)
    found = bt.read_results(out)
    assert f"{out / 'estimates.json'} was made by linear at level 0.9" in found.note
    assert "this is monotone at level 0.95" in found.note
    assert not bt.read_results(out, method="linear", confidence_level=0.9).note
    assert not bt.read_results(out / "measurements.csv").note
    (out / "estimates.json").write_text("{")
    assert not bt.read_results(out).note


def test_a_frame_may_miss_values_and_is_told_its_rows(losses: Path) -> None:
    frame = pd.read_csv(losses).astype({"seed": "Int64"})
    frame["pretrain_bytes"] = [None if name == SCRATCH else 5000 for name in frame["source"]]
    frame.index = pd.Index(range(100, 100 + len(frame)))
    (row, *_) = bt.read_results(frame).sel(source="en").rows
    assert row.pretrain_bytes == 5000
    frame.loc[101, "bits_per_byte"] = math.inf
    with pytest.raises(MeasurementError, match="the frame, row 2, column bits_per_byte"):
        bt.read_results(frame)
    with pytest.raises(MeasurementError, match="no column target"):
        bt.read_results(frame.drop(columns="target"))


def test_options_reach_estimates_and_analyses(losses: Path) -> None:
    found = bt.read_results(
        losses, method="linear", confidence_level=0.8, close={"fi": "et"}, factor=3.0, noise=0.1
    )
    (row, *_) = found.estimates
    assert (row.method, row.level) == ("linear", 0.8)
    (section,) = found.explain(["decomposition"])
    assert section.figures or section.tables
    (plain,) = bt.read_results(losses).explain(["decomposition"])
    assert not plain.tables
    with pytest.raises(ValueError, match="spline"):
        bt.read_results(losses, method="spline")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="between 0 and 1"):
        bt.read_results(losses, confidence_level=95)
    with pytest.raises(TypeError, match="'confidence'"):
        bt.read_results(losses, confidence=0.9)  # type: ignore[call-arg]
    with pytest.raises(MeasurementError, match="no source is called 'xx'"):
        bt.read_results(losses, close={"fi": "xx"})
    with pytest.raises(StudyError, match="states method itself"):
        bt.read_results("study.toml", method="linear")
    with pytest.raises(MeasurementError, match=r"holds no measurements\.csv"):
        bt.read_results(losses.parent)
    with pytest.raises(ValueError, match="there are consistency, "):
        found.explain(["nonsuch"])
    assert [one.name for one in found.explain("scaling")] == ["scaling"]


def test_cells_are_selected_and_a_wrong_name_is_told_the_right_ones(losses: Path) -> None:
    found = bt.read_results(losses)
    assert len(found.sel()) == 4
    assert {row.source for row in found.sel(target="fi")} == {"en", "et"}
    (one,) = found.sel(target="fi", source="et", learner="nano", finetune_bytes="10kB")
    assert (one.target, one.source, one.finetune_bytes) == ("fi", "et", 10_000)
    assert list(found.sel(finetune_bytes=10_000)) == list(found.estimates)
    with pytest.raises(MeasurementError, match="no target is called 'sv'; there are: es, fi"):
        found.sel(target="sv")
    with pytest.raises(MeasurementError, match="no cell has 7 bytes"):
        found.sel(finetune_bytes=7)


def test_refused_cells_are_selected_too(losses: Path) -> None:
    losses.write_text(TABLE + "en,de,10000,2.5,nano,0\n")
    found = bt.read_results(losses).sel(target="de")
    assert not found.rows
    assert [one.reason for one in found.refusals] == [
        "there is no from-scratch run of this target, learner and regime"
    ]
    assert repr(found) == "<Estimates: 0 cells, 1 refused>"


def test_a_curve_is_the_one_that_estimates_are_read_on(losses: Path) -> None:
    for method in ("monotone", "linear"):
        found = bt.read_results(losses, method=method)
        (row,) = found.sel(target="fi", source="et")
        assert found.curve("fi").invert(row.bits_per_byte).bytes == row.effective_bytes
    with pytest.raises(MeasurementError, match="there are: es, fi"):
        found.curve("sv")
    losses.write_text(TABLE + "scratch,fi,10000,3,micro,0\nscratch,fi,90000,2,micro,0\n")
    found = bt.read_results(losses)
    with pytest.raises(MeasurementError, match="several from-scratch curves: micro, nano"):
        found.curve("fi")
    assert found.curve("fi", learner="micro").loss(90_000) == pytest.approx(2)
    with pytest.raises(MeasurementError, match="one curve must be of one learner"):
        found.write_report()
    assert not list(losses.parent.glob("*.html"))


def test_no_other_file_is_ever_replaced(losses: Path) -> None:
    found = bt.read_results(losses)
    page = found.write_report()
    assert page == losses.with_name("losses-report.html")
    assert found.write_report() == page
    with pytest.raises(StoreError, match="no report of bytetransfer"):
        found.write_report(losses)
    assert losses.read_text() == TABLE
    out = losses.parent / "out"
    assert all(path.exists() for path in found.write(out))
    found.write(out)  # the same again
    before = {path: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(StoreError, match=r"estimates\.csv: is there already"):
        bt.read_results(losses, method="linear").write(out)
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    for write in (bt.published_results().write, bt.published_results().write_report):
        with pytest.raises(ValueError, match="give "):
            write()


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)


def test_what_a_notebook_shows_obeys_no_name(losses: Path) -> None:
    evil = '<script>alert(1)</script>\x1b[2J"'
    rows = [
        Measurement(source=source, target=evil, target_bytes=size, bits_per_byte=loss, learner=evil)
        for source, size, loss in ((SCRATCH, 1_000, 4.0), (SCRATCH, 9_000, 2.0), (evil, 1_000, 3.0))
    ]
    rows.append(Measurement(source=evil, target="<b>", target_bytes=9, bits_per_byte=1.0))
    found = Results(measurements=Measurements(rows), name=evil)
    assert "\x1b" not in repr(found)
    for shown in (found, found.estimates, found.report()):
        html, read = shown._repr_html_(), _Tags()
        read.feed(html)
        assert not read.tags & {"script", "b"}
        assert "\x1b" not in html
    assert "<iframe srcdoc=" in found.report()._repr_html_()


def test_many_estimates_are_cut_and_said_to_be(losses: Path) -> None:
    shown = bt.published_results().estimates._repr_html_()
    assert shown.count("<tr>") == 1 + 100
    assert "and 79 more" in shown


def test_replicates_are_the_seeds_of_analyses_and_curves() -> None:
    rows = [
        Measurement(source=source, target="fi", target_bytes=size, replicate=replicate, seed=seed,
                    bits_per_byte=loss + 0.01 * replicate + 0.003 * seed)
        for replicate in (0, 1, 2)
        for seed in (2 * replicate, 2 * replicate + 1)
        for source, size, loss in [
            *((SCRATCH, size, loss) for size, loss in CURVE.items()), ("et", 10_000, 2.45),
            ("en", 10_000, 2.8),
        ]
    ]  # fmt: skip
    found = Results(measurements=Measurements(rows), options=EstimateOptions(level=0.9))
    (row,) = found.sel(source="et")
    assert row.replicates == 3
    assert found.curve("fi").invert(row.bits_per_byte).bytes == row.effective_bytes
    assert len(found._evidence.measurements) == 3 * 5
    assert found.report().subtitle.endswith("30 runs")


STUDY = """\
name = "tiny"
sources = ["nonsense"]
targets = ["hierarchical"]
learners = ["ngram"]
pretrain_bytes = "5kB"
finetune_bytes = ["1kB"]
scratch_bytes = ["1kB", "3kB", "9kB"]
seeds = 1
[splits]
validation_bytes = "60kB"
test_bytes = "60kB"
"""


class _Heard(Progress):
    def __init__(self) -> None:
        self.pages: list[Path] = []

    def written(self, results: Results, page: Path) -> None:
        assert page.exists()
        self.pages.append(page)


def test_a_study_is_run_and_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, heard = tmp_path / "study.toml", _Heard()
    path.write_text(STUDY)
    found = bt.run_study(path, workers=1, progress=heard)
    folder = tmp_path / "results/tiny"
    assert heard.pages == [folder / "report.html"]
    assert found.measurements.to_csv() == (folder / "measurements.csv").read_text()
    assert len(found.estimates) == 1
    read = bt.read_results(path)
    assert read.estimates.to_csv() == (folder / "estimates.csv").read_text()
    assert bt.read_results(folder).estimates.to_csv() == read.estimates.to_csv()
    assert read.write_report() == heard.pages[0]
    names = {corpus for corpus in read.context.corpora}
    assert names == {"nonsense", "hierarchical"}
    with pytest.raises(StoreError, match="is there already"):  # the folder is the study's
        bt.read_results(folder).write(folder)
    monkeypatch.setattr("bytetransfer.results.run.Project.lost", lambda *_: ["a run"])
    with pytest.raises(RunFailedError, match="a run"):
        bt.run_study(path, workers=1, progress=heard)
    assert len(heard.pages) == 2


def test_the_page_for_python_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs/python.md"
    failed, tried = doctest.testfile(str(page), module_relative=False, encoding="utf-8")
    assert tried > 15
    assert not failed
