"""Figures as files, and the page that is served while a study runs."""

from __future__ import annotations

import json
import os
import signal
import sys
import urllib.request
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

PLAIN = ("--format", "svg", "--format", "csv", "--format", "tex", "--format", "parquet")


def test_figures_of_a_study_are_files_of_their_own(finished_place: Any) -> None:
    result = finished_place.call("figures", "study.toml", "--out", "drawn", *PLAIN)
    assert result.exit_code == 0, result.output
    files = sorted(path.name for path in (finished_place.folder / "drawn").iterdir())
    assert f"written: {len(files)} files in drawn" in result.stdout
    assert {Path(name).suffix for name in files} == {".svg", ".csv", ".tex", ".parquet"}
    for name in ("curve-0-0.svg", "transfer-0-0.svg", "estimates.csv", "runs.csv"):
        assert name in files
    ElementTree.parse(finished_place.folder / "drawn/curve-0-0.svg")
    again = finished_place.call("figures", "study.toml", "--out", "drawn", *PLAIN, "--json")
    assert len(json.loads(again.stdout)["files"]) == len(files)


def test_figures_of_a_table_of_losses(finished_place: Any) -> None:
    result = finished_place.call("figures", "results/tiny/measurements.csv", "--format", "svg")
    assert result.exit_code == 0, result.output
    assert (finished_place.folder / "figures/curve-0-0.svg").exists()


def test_every_command_takes_a_study_a_table_and_a_folder(finished_place: Any) -> None:
    place = finished_place
    table = place.folder / "losses.csv"
    table.write_bytes((place.folder / "results/tiny/measurements.csv").read_bytes())
    study = {path.name: path.read_bytes() for path in (place.folder / "results/tiny").iterdir()}
    pages = {
        "study.toml": "results/tiny/report.html",
        "losses.csv": "losses-report.html",
        "results/tiny": "results/tiny/measurements-report.html",
    }
    for what, page in pages.items():
        told = place.call("report", what, "--json")
        assert told.exit_code == 0, told.output
        assert json.loads(told.stdout) == {"report": page}
        assert "fi" in (place.folder / page).read_text(encoding="utf-8")
        for arguments in (
            ("estimate", what),
            ("analyse", what, "scaling"),
            ("figures", what, "--format", "svg"),
        ):
            told = place.call(*arguments)
            assert told.exit_code == 0, told.output
    for name, content in study.items():
        assert (place.folder / "results/tiny" / name).read_bytes() == content, name


def test_a_page_replaces_a_page_and_no_other_file(finished_place: Any) -> None:
    place, table = finished_place, "results/tiny/measurements.csv"
    for _ in range(2):
        told = place.call("report", table, "--out", "page.html")
        assert told.exit_code == 0, told.output
    for what, out in ((table, "en.txt"), ("study.toml", "study.toml"), (table, table)):
        before = (place.folder / out).read_bytes()
        told = place.call("report", what, "--out", out)
        assert told.exit_code == 2
        assert "is no report of bytetransfer" in told.stderr
        assert (place.folder / out).read_bytes() == before
    place.write("scratch.csv", "source,target,bytes,bits_per_byte\nscratch,fi,1000,3\n")
    told = place.call("report", "scratch.csv")
    assert told.exit_code == 2
    assert "no row is fine-tuned" in told.stderr
    assert not (place.folder / "scratch-report.html").exists()
    for arguments in (("losses.csv", "--live"), ("study.toml", "--live", "--out", "x.html")):
        assert place.call("report", *arguments).exit_code == 2


def test_without_the_renderer_nothing_is_written(
    finished_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    result = finished_place.call("figures", "study.toml")
    assert result.exit_code == 2
    assert "bytetransfer[figures]" in result.stderr
    assert not (finished_place.folder / "figures").exists()


def read(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return answer.read().decode()


def test_a_live_page_says_how_far_the_study_is_and_ends_with_ctrl_c(
    finished_place: Any, waited: Any
) -> None:
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = finished_place.start("report", "study.toml", "--live", env=unbuffered)
    try:
        address = process.stdout.readline().split()[0]
        first = read(f"{address}version")
        assert first.startswith("20 of 20 runs done")
        waited(lambda: read(f"{address}version") == "20 of 20 runs done")
        page = read(address)
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert "20 of 20 runs done" in page
    assert 'id="unanswered"' in page  # one target of three languages: what analyses can say of it
    assert "are being made" not in page
    assert 'data-live="20 of 20 runs done"' in page
    assert "connect-src &#39;self&#39;" in page or "connect-src 'self'" in page
    assert process.returncode == 130, errors
    assert "Traceback" not in errors


def test_a_live_page_of_a_study_that_has_not_begun(place: Any) -> None:
    unbuffered = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = place.start("report", "study.toml", "--live", env=unbuffered)
    try:
        address = process.stdout.readline().split()[0]
        page = read(address)
        assert "0 of 20 runs done" in page
        assert "The analyses come when all are done; this page then renews itself." in page
    finally:
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
