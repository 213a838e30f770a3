"""The page: parts, escaping, accessibility, and that it asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from bytetransfer.errors import StoreError
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.report import build_report, render_html, write_html
from bytetransfer.report.document import Cell, Column, Section, Table
from bytetransfer.report.page.html import LISTING_CHARACTERS, listing, prose
from bytetransfer.transfer.estimate import Estimates, estimate_transfer

VOID = {"meta", "br", "link", "img", "input", "hr"}
CLOSES = {"td": {"td", "th"}, "th": {"td", "th"}, "tr": {"td", "th", "tr"}}


class Page(HTMLParser):
    """Tags with attributes; every tag that opens must close, in order, as HTML has it.

    Cells and rows of tables are closed by the next one, or by the end of the table's body.
    """

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        while self.open and self.open[-1] in CLOSES.get(tag, ()):
            self.open.pop()
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        while tag == "tbody" and self.open[-1] in CLOSES["tr"]:
            self.open.pop()
        assert self.open.pop() == tag

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def text(measurements, estimates, study) -> str:
    return render_html(build_report(measurements, estimates, study))


@pytest.fixture(scope="module")
def hostile_text(hostile) -> str:
    estimates = estimate_transfer(hostile, resamples=20)
    evil = "</pre><script>alert(1)</script>\u202e"
    names = {name: {"documents": evil, "bytes": 3} for name in (evil, "x" * 10_000)}
    study = {
        "name": evil + "n" * 10_000,
        "text": evil,
        "corpora": names,
        "digests": {evil: evil},
        "versions": {evil: evil},
        "machine": {evil: evil},
        "costs": {evil: 1.0},
        "commands": [evil],
        "names": {"es": evil},
    }
    return render_html(build_report(hostile, estimates, study))


@pytest.mark.parametrize("name", ["text", "hostile_text"])
def test_the_page_asks_nothing_of_the_network(name, request):
    text = request.getfixturevalue(name)
    page = Page(text)
    asking = {"src", "srcset", "data", "action", "poster", "background", "formaction", "ping"}
    for tag, attributes in page.tags:
        assert not asking & attributes.keys(), tag
        assert (attributes.get("href") or "#").startswith("#")
        assert "style" not in attributes
        assert not [key for key in attributes if key.startswith("on")]
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "object", "base", "img"}
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert not re.search(r"url\(|@import|http|expression", style)
    assert "http" not in re.sub(r"http(://www\.w3\.org/2000/svg|-equiv)", "", text)
    scripts = [attributes for tag, attributes in page.tags if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}]


def sha(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_policy_forbids_everything_but_this_style_sheet_and_script(text):
    (policy,) = [m["content"] for m in Page(text).all("meta") if "http-equiv" in m]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)[1]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{sha(style)}'; script-src 'sha256-{sha(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    assert text.index("Content-Security-Policy") < text.index("<title>")


def test_hostile_names_are_text_and_turn_no_direction(hostile_text):
    assert hostile_text.count("<script") == 2  # the page's own
    assert "<svg onload" not in hostile_text
    assert not re.search("[\u202a-\u202e\u2066\u2067\x00-\x08\x1b\ud800-\udfff]", hostile_text)
    assert "x" * 100 not in hostile_text
    assert "n" * 100 not in hostile_text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in hostile_text
    hostile_text.encode("utf-8")


@pytest.mark.parametrize("name", ["text", "hostile_text"])
def test_figures_are_well_formed_and_ids_unique(name, request):
    text = request.getfixturevalue(name)
    figures = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
    assert len(figures) == 13  # curves, D_T and shares of two targets, two learners; marks
    for figure in figures:
        ElementTree.fromstring(figure)
    ids = [a["id"] for _, a in Page(text).tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_tables_are_accessible(text):
    page = Page(text)
    assert len(page.all("caption")) == len(page.all("table")) > 5
    heads = re.findall(r"<thead>(.*?)</thead>", text, re.DOTALL)
    assert all(head.count("<th") == head.count('<th scope="col"') > 0 for head in heads)
    bodies = re.findall(r"<tbody>(.*?)</tbody>", text, re.DOTALL)
    assert all(row.startswith("<th>") for body in bodies for row in body.split("<tr>")[1:])
    assert page.all("html")[0]["lang"] == "en"
    named = {a["id"] for _, a in page.tags if "id" in a}
    pointed = [a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a]
    assert {one for names in pointed for one in names.split()} <= named
    assert [t for t, _ in page.tags if t in {"h1", "h2"}] == ["h1", *["h2"] * 5]


def test_a_section_and_its_table_of_one_name_are_told_apart(measurements, estimates):
    table = Table(name="same", caption="c", columns=(Column("a"),), rows=((Cell("b"),),))
    page = render_html(
        build_report(
            measurements, estimates, {}, [Section(name="same", title="t", tables=(table,))]
        )
    )
    ids = [a["id"] for _, a in Page(page).tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_the_data_of_the_script_are_the_numbers_of_the_tables(text, measurements, estimates, study):
    data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
    tables = {
        t.name: t for s in build_report(measurements, estimates, study).sections for t in s.tables
    }
    assert data["tables"].keys() == {f"table-{name}" for name in tables}
    found = data["tables"]["table-estimates"]
    place = [title for title, _ in found["columns"]].index("D_T")
    for number, (value, ends) in enumerate(
        zip(found["values"][str(place)], found["ends"][str(place)], strict=True)
    ):
        cell = tables["estimates"].rows[number][place]
        assert value == pytest.approx(cell.value, rel=6e-4)
        assert ends == [end and pytest.approx(end, rel=6e-4) for end in cell.ends]
    choices = [dict(choice) for choice in data["choices"]]
    assert {choice["D_F"] for choice in choices} == {"0 B", "10 kB", "30 kB", "100 kB"}


def test_hostile_names_cannot_end_the_data(hostile_text):
    data = re.search(r'id="data">(.*?)</script>', hostile_text, re.DOTALL)[1]
    assert not set(data) & set("<>&")
    assert data.isascii()
    names = [
        column[0] for table in json.loads(data)["tables"].values() for column in table["columns"]
    ]
    assert "\u202e" not in "".join(names)


def test_what_a_reader_may_choose_is_there_without_a_script(text):
    page = Page(text)
    matrices = [a for _, a in page.tags if (a.get("class") or "") == "matrix-table"]
    assert len(matrices) == 8
    assert sum("open" in a for a in matrices) == 2
    assert not page.all("select") + page.all("button")


def test_every_class_in_use_is_in_the_style_sheet(text):
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    used = {c for _, a in Page(text).tags for c in (a.get("class") or "").split()}
    unstyled = {"plain", "facts", "start", "plain-table", "more-figures"}
    assert {c for c in used if f".{c}" not in style} <= unstyled


def test_the_study_file_is_there_as_it_stands(text, study):
    assert study["text"].replace('"', "&#34;") in text


def test_a_page_of_nothing_is_a_page():
    text = render_html(build_report(Measurements([]), Estimates(())))
    assert "No estimate could be made" in text
    Page(text)


@pytest.mark.parametrize(("learners", "most"), [(1, 1_800_000), (2, 3_600_000)])
def test_twenty_languages_both_ways_at_six_sizes_are_no_burden(make_estimate, learners, most):
    """With all analyses one learner may take 6 MB: benchmarks/report_size.py measures that."""
    names = [a + b for a in "abcde" for b in "aeio"]
    sizes = [3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000]
    worths = itertools.cycle([1_234.5, 98_765.4, 5_678.9, -2_345.6, 45_678.9, 321.9, 87_654.3])
    estimates = Estimates(
        tuple(
            make_estimate(
                learner=learner, source=source, target=target, finetune_bytes=size,
                nominal_bytes=size, effective_bytes=size + worth,
                effective_low=size + 0.8 * worth, effective_high=size + 1.3 * worth,
                transfer_bytes=worth, transfer_low=0.8 * worth, transfer_high=1.3 * worth,
                bits_per_byte=1 + 3 * (size + worth) ** -0.1,
            )
            for learner in ("ngram", "transformer/nano")[:learners]
            for source, target, size in itertools.product(names, names, sizes)
            for worth in [next(worths)]
        )
    )  # fmt: skip
    assert len(estimates) == learners * 2_400
    report = build_report(Measurements(()), estimates)
    page = render_html(report)
    assert len(page.encode()) < most
    figures = sum(len(section.figures) for section in report.sections)
    assert page.count('<svg class="chart"') == figures >= 40  # and all of them without a script


def test_text_stays_with_its_unit_and_symbols_are_set():
    assert str(prose("D_F of 10 kB")) == "D<sub>F</sub> of 10\u00a0kB"
    assert str(prose("\u2068a")) == "a"  # an isolate that nobody closes opens nothing


def test_a_listing_keeps_lines_and_ends_somewhere():
    assert listing("a\r\n\tb\x07") == "a\n\tb\ufffd"
    assert len(listing("a" * 10**6)) < LISTING_CHARACTERS + 100


def test_writing_is_whole_and_a_bad_place_is_a_clear_error(tmp_path, measurements, estimates):
    report = build_report(measurements, estimates)
    write_html(report, tmp_path / "out" / "report.html")
    assert (tmp_path / "out" / "report.html").read_text("utf-8") == render_html(report)
    with pytest.raises(StoreError):
        write_html(report, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
