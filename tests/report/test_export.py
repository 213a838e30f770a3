"""Figures and tables as files: complete, typed, and safe to include."""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
from xml.etree import ElementTree

import pyarrow.parquet as pq
import pytest

from bytetransfer.errors import MissingExtraError
from bytetransfer.report import build_report
from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.export import saved_columns, tex, to_csv, to_latex, to_parquet
from bytetransfer.report.figures.heat_map import draw_heat_map
from bytetransfer.report.figures.standalone import check_renderer, figure_files, standalone
from bytetransfer.report.figures.svg import draw
from bytetransfer.report.page.embedded import figure_style
from bytetransfer.transfer.estimate import estimate_transfer

SVG = "{http://www.w3.org/2000/svg}"
PLAIN = frozenset({"svg", "csv", "parquet", "tex"})


@pytest.fixture(scope="module")
def report(measurements, estimates, study):
    return build_report(measurements, estimates, study)


@pytest.fixture(scope="module")
def files(report):
    return dict(figure_files(report, PLAIN))


def test_every_figure_and_table_is_a_file(report, files):
    charts = [chart.name for s in report.sections for chart in s.figures]
    tables = [table for s in report.sections for table in s.tables]
    matrices = [table.name for table in tables if table.is_matrix]
    assert {name for name in files if name.endswith(".svg")} == {
        f"{name}.svg" for name in charts + matrices
    }
    for ending in ("csv", "parquet", "tex"):
        assert {n for n in files if n.endswith(ending)} == {f"{t.name}.{ending}" for t in tables}


def test_a_file_needs_nothing_but_itself(files):
    for name, content in files.items():
        if not name.endswith(".svg"):
            continue
        root = ElementTree.fromstring(content)
        assert float(root.get("width")) > 50
        assert float(root.get("height")) > 50
        ids = {element.get("id") for element in root.iter()}
        uses = {use.get("href") for use in root.iter(f"{SVG}use")}
        assert {href.removeprefix("#") for href in uses} <= ids
        assert b"var(" not in content


def test_colours_of_marks_reach_a_renderer_without_variables():
    style = figure_style()
    assert ".ink-1 { color: #0067a5; }" in style
    assert "currentColor" in style


def test_a_csv_has_numbers_with_bounds_and_ends_of_intervals(files, estimates):
    rows = list(csv.DictReader(io.StringIO(files["estimates.csv"].decode())))
    assert len(rows) == len(estimates)
    found = {(r["source"], r["target"], r["learner"], r["D_F (bytes)"]): r for r in rows}
    assert len(found) == len(rows)
    for estimate in estimates:
        key = (estimate.source, estimate.target, estimate.learner, str(estimate.finetune_bytes))
        names = {"en": "English", "pt": "Portuguese", "es": "Spanish", "fi": "Finnish"}
        row = found[tuple(names.get(part, part) for part in key)]
        assert float(row["D_T (bytes)"]) == estimate.transfer_bytes
        assert row["D_T low"] == (
            "" if estimate.transfer_low is None else str(estimate.transfer_low)
        )
        sure = {"above_range": "at least", "below_range": "at most"}
        unsure = {"above_range": "about or above", "below_range": "about or below"}
        wanted = (sure if estimate.is_sure else unsure).get(estimate.status, "")
        assert row["D_T bound"] == wanted


def test_parquet_has_the_same_columns_with_types(report, files):
    table = next(t for s in report.sections for t in s.tables if t.name == "estimates")
    found = pq.read_table(io.BytesIO(files["estimates.parquet"]))
    assert found.column_names == [head for head, _ in saved_columns(table)]
    assert str(found.schema.field("D_T (bytes)").type) == "double"
    assert found.num_rows == len(table.rows)


def test_latex_sets_what_it_is_given_as_text():
    evil = r"\input{/etc/passwd} & 50 % $x$ #1 _a_ ^~{}"
    table = Table(name="t", caption=evil, columns=(Column(evil),), rows=((Cell(evil),),))
    text = to_latex(table).decode()
    assert r"\input" not in text
    assert text.count(r"\textbackslash{}input\{/etc/passwd\} \& 50 \% \$x\$ \#1") == 3
    assert tex("−3 ≥ D_E") == r"$-$3 $\geq$ $D_{\mathrm{E}}$"
    for part in (r"\toprule", r"\midrule", r"\bottomrule"):
        assert part in text


def test_two_columns_of_one_name_are_told_apart_in_parquet():
    table = Table(
        name="t", caption="", columns=(Column("a"), Column("a")), rows=((Cell("x"), Cell("y")),)
    )
    assert pq.read_table(io.BytesIO(to_parquet(table))).num_columns == 2
    assert to_csv(table) == b"a,a\r\nx,y\r\n"


def test_hostile_names_stay_inside_their_files(hostile):
    estimates = estimate_transfer(hostile, resamples=20)
    for name, content in figure_files(build_report(hostile, estimates), PLAIN):
        assert "/" not in name
        text = content.decode("utf-8", "replace")
        if name.endswith(".svg"):
            ElementTree.fromstring(text)
            assert "<script" not in text
            assert not set(text) & set("\u202e\u2066\x1b\x00")


def test_a_heat_map_shows_every_value_and_marks_costs_without_colour(report):
    table = report.sections[0].tables[0]
    root = ElementTree.fromstring(draw_heat_map(table))
    words = [element.text for element in root.iter(f"{SVG}text")]
    for row in table.rows:
        for cell in row[1:]:
            assert cell.text in words
    costs = sum(cell.shade < 0 for row in table.rows for cell in row)
    costs += sum(cell.shade < 0 for cell in table.legend)
    assert len([p for p in root.iter(f"{SVG}path") if p.get("class") == "hatch"]) == costs > 0


def test_without_the_renderer_it_is_said_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(MissingExtraError, match=r"bytetransfer\[figures\]"):
        check_renderer(frozenset({"svg", "png"}))
    check_renderer(PLAIN)


@pytest.mark.skipif(
    importlib.util.find_spec("vl_convert") is None, reason="the extra [figures] is not installed"
)
def test_pictures_and_pages_are_rendered_in_colour(report):
    chart = next(c for s in report.sections for c in s.figures)
    import vl_convert

    svg = standalone(draw(chart))
    assert bytes(vl_convert.svg_to_png(svg)).startswith(b"\x89PNG")
    assert bytes(vl_convert.svg_to_pdf(svg)).startswith(b"%PDF")
