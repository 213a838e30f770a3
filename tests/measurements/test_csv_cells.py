"""Text in CSV that no spreadsheet takes for a formula, read back as it was."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import subprocess
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.measurements.csv_cells import as_text, from_text
from bytetransfer.measurements.file import parse_measurements
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.export import to_csv
from bytetransfer.transfer.estimate import estimate_transfer

STARTS = "=+-@\t\r\n＝＋－＠"
FORMULAS = [
    '=HYPERLINK("http://x.example","fi")', "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1",
    "\r=1", "\n=1", " =1", "＝1+1", "'=1", "''+x", "-", "+", "- a list",
]  # fmt: skip
PLAIN = ["fi", "-3.5", "+12 %", "-1,000", "1e-5", "-2.5E+3", "'twas", "'", "", "−40 kB", "a=b", "5"]
NAMES = st.text() | st.builds("".join, st.tuples(st.sampled_from([*STARTS, "'", "'="]), st.text()))


@given(NAMES)
def test_what_is_read_is_what_was_written(text: str) -> None:
    written = as_text(text)
    assert from_text(written) == text
    assert as_text(written) != written or written == text


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_written_as_text(text: str) -> None:
    assert as_text(text) == f"'{text}"


@pytest.mark.parametrize("text", PLAIN)
def test_numbers_and_names_stay_as_they_are(text: str) -> None:
    assert as_text(text) == from_text(text) == text


def cells(written: str) -> list[str]:
    return [cell for row in csv.reader(io.StringIO(written, newline="")) for cell in row]


def is_formula(cell: str) -> bool:
    return bool(cell) and cell.lstrip(" ")[0] in STARTS and not re.fullmatch(r"-?[\d.e+-]+", cell)


EVIL = "=cmd|'/C calc'!A0"


def test_no_table_we_write_holds_a_formula_and_names_come_back() -> None:
    sizes = [1000 * 3**place for place in range(7)]
    common = {"target": "@fi", "learner": "+n", "regime": "-r", "seed": 0}
    rows = [
        Measurement(
            source=SCRATCH, target_bytes=size, bits_per_byte=1 + (8000 / size) ** 0.4, **common
        )
        for size in sizes
    ]
    rows.append(Measurement(source=EVIL, target_bytes=1000, bits_per_byte=2.5, **common))
    measurements = Measurements(rows)
    for method in ("monotone", "power_law"):
        estimates = estimate_transfer(measurements, method=method)
        assert len(estimates.laws) == (method == "power_law")
        for written in (measurements.to_csv(), estimates.to_csv(), estimates.laws.to_csv()):
            assert not [cell for cell in cells(written) if is_formula(cell)]
    read = parse_measurements(measurements.to_csv(), where="x.csv")
    assert [row.source for row in read] == [row.source for row in measurements]
    assert [row.learner for row in read] == ["+n"] * 8
    table = Table(
        name="t",
        caption="",
        columns=(Column(EVIL), Column("n", numeric=True)),
        rows=((Cell("-2+3"), Cell("−3", value=-3.0)),),
    )
    assert cells(to_csv(table).decode()) == [f"'{EVIL}", "n", "'-2+3", "-3.0"]


def test_the_script_of_the_page_writes_the_same() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("nothing here runs JavaScript outside of a browser")
    script = (
        resources.files("bytetransfer.report.page").joinpath("script/save.js").read_text("utf-8")
    )
    texts = FORMULAS + PLAIN
    program = f"{script}\nprocess.stdout.write(JSON.stringify({json.dumps(texts)}.map(asText)))"
    told = subprocess.run([node, "-e", program], capture_output=True, check=True, text=True)
    assert json.loads(told.stdout) == [as_text(text) for text in texts]
