"""The page: parts, escaping, accessibility, and that it asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from bytetransfer.errors import StoreError
from bytetransfer.measurement import Measurements
from bytetransfer.report import build_report, render_html, write_html
from bytetransfer.report.html import LISTING_CHARACTERS, listing, prose
from bytetransfer.transfer.estimate import Estimates, estimate_transfer

VOID = {"meta", "br", "link", "img", "input", "hr"}


class Page(HTMLParser):
    """Tags with attributes; every tag that opens must close, in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def text(measurements, estimates, study) -> str:
    return render_html(build_report(measurements, estimates, study))


@pytest.fixture(scope="module")
def hostile_text(hostile) -> str:
    estimates = estimate_transfer(hostile, replicates=20)
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
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base", "img"}
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert not re.search(r"url\(|@import|http|expression", style)
    assert "http://" not in re.sub(r'xmlns="http://www\.w3\.org/2000/svg"', "", text)


def test_the_policy_forbids_everything_but_this_style_sheet(text):
    (policy,) = [m["content"] for m in Page(text).all("meta") if "http-equiv" in m]
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    sha = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{sha}'; base-uri 'none'; form-action 'none'"
    )
    assert text.index("Content-Security-Policy") < text.index("<title>")


def test_hostile_names_are_text_and_turn_no_direction(hostile_text):
    assert "<script" not in hostile_text
    assert "<svg onload" not in hostile_text
    assert not re.search("[\u202a-\u202e\u2066\u2067\x00-\x08\x1b\ud800-\udfff]", hostile_text)
    assert "x" * 100 not in hostile_text
    assert "n" * 100 not in hostile_text
    assert "<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>" in hostile_text
    hostile_text.encode("utf-8")


@pytest.mark.parametrize("name", ["text", "hostile_text"])
def test_figures_are_well_formed_and_ids_unique(name, request):
    text = request.getfixturevalue(name)
    figures = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
    assert len(figures) == 8
    for figure in figures:
        ElementTree.fromstring(figure)
    ids = [a["id"] for _, a in Page(text).tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_tables_are_accessible(text):
    page = Page(text)
    assert len(page.all("caption")) == len(page.all("table")) > 5
    assert all(heading.get("scope") in {"col", "row"} for heading in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"
    named = {a["id"] for _, a in page.tags if "id" in a}
    pointed = [a["aria-labelledby"] for _, a in page.tags if "aria-labelledby" in a]
    assert {one for names in pointed for one in names.split()} <= named
    assert [t for t, _ in page.tags if t in {"h1", "h2"}] == ["h1", *["h2"] * 5]


def test_every_class_in_use_is_in_the_style_sheet(text):
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    used = {c for _, a in Page(text).tags for c in (a.get("class") or "").split()}
    unstyled = {"plain", "facts", "start", "plain-table"}
    assert {c for c in used if f".{c}" not in style} <= unstyled


def test_the_study_file_is_there_as_it_stands(text, study):
    assert study["text"].replace('"', "&#34;") in text


def test_a_page_of_nothing_is_a_page():
    text = render_html(build_report(Measurements([]), Estimates(())))
    assert "No estimate could be made" in text
    Page(text)


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
