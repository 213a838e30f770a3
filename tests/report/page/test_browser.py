"""The page in a real browser: figures, controls, saving, paper, narrow screens, contrast.

Skipped where there is no Chromium; structure and escaping are tested without one in test_html.py.
"""

from __future__ import annotations

import csv
import io
import itertools
import math
import re
from dataclasses import replace
from importlib import resources
from pathlib import Path
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
from browser import Browser, chromium

from bytetransfer.cli.live import Edition, serving
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.report import build_report, render_html
from bytetransfer.report.document import Section
from bytetransfer.report.export import saved_columns, to_csv, to_latex
from bytetransfer.transfer.estimate import Estimates, estimate_transfer

pytestmark = pytest.mark.skipif(chromium() is None, reason="no Chromium on this machine")

PAGES = ("plain", "hostile", "aligned", "wide")
MANY = ("pt", "es", "fr", "de", "en", "hu", "fi", "sw", "tr", "vi", "ar", "el", "ko", "ja", "uk")
RATIO = 4.5  # WCAG 2.2, AA, for text of normal size


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.fixture(scope="module")
def report(measurements, estimates, study):
    return build_report(measurements, estimates, study)


@pytest.fixture(scope="module")
def addresses(
    tmp_path_factory, report, hostile, measurements, estimates, study, make_estimate
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    evil = "</script><script>document.title='gone'</script>\u202e" + "w" * 10_000
    hostile_estimates = estimate_transfer(hostile, resamples=20)
    evil_study = {"name": evil, "text": evil * 3, "names": {"es": evil}, "commands": [evil]}
    section = Section(name="own", title=evil, text=(evil,))
    aligned = {**study, "premiums": {"en": 1.0, "es": 1.25}, "reference": "en"}
    pages = {
        "plain": report,
        "hostile": build_report(hostile, hostile_estimates, evil_study, [section]),
        "aligned": build_report(measurements, estimates, aligned),
        "wide": build_report(
            Measurements(()),
            Estimates(
                tuple(
                    make_estimate(source=source, target=target)
                    for source, target in itertools.product(MANY, MANY)
                )
            ),
        ),
    }
    found = {}
    for name, page in pages.items():
        path = Path(folder / f"{name}.html")
        path.write_text(render_html(page), encoding="utf-8")
        found[name] = path.as_uri()
    return found


def troubles(browser) -> list[object]:
    """Exceptions, console messages and refused actions."""
    kinds = {"Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"}
    return [event for event in browser.events if event.get("method") in kinds]


def requests(browser) -> list[str]:
    sent = [e for e in browser.events if e.get("method") == "Network.requestWillBeSent"]
    return [event["params"]["request"]["url"] for event in sent]


@pytest.mark.parametrize("name", PAGES)
def test_it_opens_without_errors_or_requests(browser, addresses, name):
    browser.open(addresses[name])
    browser.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 50)))")
    assert troubles(browser) == []
    assert requests(browser) == [addresses[name]]
    assert browser.run("document.title") != "gone"


@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("name", PAGES)
def test_no_page_scrolls_sideways(browser, addresses, name, width):
    browser.open(addresses[name], width=width)
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run("innerWidth") == width


def test_figures_are_there_and_sized(browser, addresses):
    browser.open(addresses["plain"])
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    boxes = browser.run(
        "[...document.querySelectorAll('svg.chart')].map(s => {"
        " s.scrollIntoView(); const {width, height} = s.getBoundingClientRect();"
        " return [width, height, s.querySelectorAll('use').length]})"
    )
    assert len(boxes) == 12
    for width, height, marks in boxes:
        assert width > 250
        assert 0.6 < height / width < 1.0
        assert marks > 5


def choose(browser, label: str, value: str) -> None:
    browser.run(
        f"(() => {{ const label = [...document.querySelectorAll('.controls label')]"
        f".find(l => l.firstChild.textContent === {label!r});"
        f" const select = label.querySelector('select'); select.value = {value!r};"
        " select.dispatchEvent(new Event('change')); })()"
    )


SHOWN = (
    "[...document.querySelectorAll('details.matrix-table')].filter(d => !d.hidden && d.open)"
    ".map(d => d.querySelector('summary').textContent)"
)


def test_a_reader_chooses_learner_and_size(browser, addresses):
    browser.open(addresses["plain"])
    assert len(browser.run(SHOWN)) == 2
    choose(browser, "DF", "30 kB")
    assert [text.replace("\xa0", " ") for text in browser.run(SHOWN)] == [
        "DT at DF = 30 kB, ngram",
        "DT at DF = 30 kB, transformer/nano",
    ]
    choose(browser, "learner", "transformer/nano")
    assert len(browser.run(SHOWN)) == 1
    said = browser.run(
        "[...document.querySelectorAll('.answer p')].filter(p => !p.hidden).map(p => p.textContent)"
    )
    assert len(said) == 2
    assert all("30\xa0kB" in text and "nano" in text for text in said)


def test_a_reader_chooses_the_unit_and_gets_it_back(browser, addresses):
    cell = "document.querySelector('#answer details[open] td').firstChild.textContent"
    browser.open(addresses["plain"])
    before = browser.run(cell)
    choose(browser, "unit of bytes", "B")
    number = float(browser.run(cell).replace("\xa0B", "").replace("−", "-"))
    assert before.endswith("kB")
    assert number / 1000 == pytest.approx(
        float(before.split("\xa0")[0].replace("−", "-")), rel=0.01
    )
    choose(browser, "unit of bytes", "")
    assert browser.run(cell) == before


def test_equal_content_is_a_unit_only_where_it_is_known(browser, addresses):
    options = "[...document.querySelectorAll('.controls option')].map(o => o.textContent)"
    browser.open(addresses["plain"])
    assert not any("content" in text for text in browser.run(options))
    browser.open(addresses["aligned"])
    assert "equal content, in English" in browser.run(options)


NUMBERS = (
    "[...document.querySelector('#answer details[open] table').tBodies[0].rows]"
    ".map(r => [...r.cells].slice(1).map(c => c.textContent))"
)


def in_bytes(text: str) -> float:
    """The value of a cell, its interval left out."""
    number, unit = re.match(r"[≥≤~ ]*(−?[0-9.]+)\xa0([kM]?B)", text).groups()
    return float(number.replace("−", "-")) * {"B": 1, "kB": 1e3, "MB": 1e6}[unit]


def test_bytes_of_equal_content_are_those_of_the_target_over_its_premium(browser, addresses):
    browser.open(addresses["aligned"])
    before = browser.run(NUMBERS)
    choose(browser, "unit of bytes", "content")
    after = browser.run(NUMBERS)
    for (spanish, _), (content, finnish) in zip(before, after, strict=True):
        assert in_bytes(content) == pytest.approx(in_bytes(spanish) / 1.25, rel=0.01)
        assert finnish == "–"
    note = browser.run("document.querySelector('.unit-note').textContent")
    assert "Bytes of English that say the same" in note
    assert "Spanish 1.25" in note
    assert "Not known for Finnish." in note
    shown = browser.run(
        "[...document.querySelectorAll('#table-estimates td')].map(c => c.className)"
    )
    assert set(shown) == {""}
    choose(browser, "unit of bytes", "")
    assert browser.run(NUMBERS) == before
    assert browser.run("document.querySelector('.unit-note').hidden")
    assert troubles(browser) == []


def test_colours_follow_the_content_and_come_back(browser, addresses):
    classes = (
        "[...document.querySelectorAll('#answer details[open] :is(td, .key li)')]"
        ".map(c => c.className + c.textContent)"
    )
    browser.open(addresses["aligned"])
    before = browser.run(classes)
    choose(browser, "unit of bytes", "content")
    after = browser.run(classes)
    assert after != before
    assert not any(text.endswith("–") and re.match("more|less", text) for text in after)
    choose(browser, "unit of bytes", "")
    assert browser.run(classes) == before


def test_a_reader_puts_kin_side_by_side(browser, addresses):
    browser.open(addresses["plain"])
    names = (
        "[...document.querySelector('table.matrix').tBodies[0].rows]"
        ".map(r => r.cells[0].textContent)"
    )
    choose(browser, "order", "by name")
    choose(browser, "order", "by family")
    assert browser.run(names) == ["English", "Portuguese", "ru", "cipher(en)", "nonsense"]


def test_a_reader_sorts(browser, addresses):
    browser.open(addresses["plain"])
    browser.run("document.querySelectorAll('#answer details[open] thead button')[1].click()")
    column = "[...document.querySelectorAll('#answer details[open] table')][0]"
    assert browser.run(f"{column}.tHead.rows[0].cells[1].getAttribute('aria-sort')") == "descending"
    first = browser.run(f"{column}.tBodies[0].rows[0].cells[0].textContent")
    assert first == "Portuguese"
    choose(browser, "order", "by name")
    names = browser.run(f"[...{column}.tBodies[0].rows].map(r => r.cells[0].textContent)")
    assert names == sorted(names, key=str.lower)
    choose(browser, "order", "")
    names = browser.run(f"[...{column}.tBodies[0].rows].map(r => r.cells[0].textContent)")
    assert names == ["English", "Portuguese", "ru", "cipher(en)", "nonsense"]


def test_pointing_at_a_mark_says_its_value(browser, addresses):
    browser.open(addresses["plain"])
    x, y = browser.run(
        "(() => { const use = document.querySelector('#transfer use');"
        " use.scrollIntoView({block: 'center'}); const box = use.getBoundingClientRect();"
        " return [box.x + box.width / 2, box.y + box.height / 2] })()"
    )
    browser.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
    said = browser.run("document.getElementById('tip').textContent")
    assert "English, 0 B: " in said
    assert "B" in said.split(": ")[1]


def test_tables_saved_from_the_page_are_those_saved_without_it(browser, addresses, report):
    browser.open(addresses["plain"])
    for table in (t for s in report.sections for t in s.tables):
        element = f"document.getElementById('table-{table.name}')"
        saved = list(csv.reader(io.StringIO(browser.run(f"bytetransfer.csv({element})"))))
        wanted = list(csv.reader(io.StringIO(to_csv(table).decode())))
        assert saved[0] == wanted[0] == [head for head, _ in saved_columns(table)]
        for row, other in zip(saved[1:], wanted[1:], strict=True):
            for one, same in zip(row, other, strict=True):
                assert one == same or math.isclose(
                    float(one), float(same), rel_tol=6e-4, abs_tol=1e-3
                )
        assert browser.run(f"bytetransfer.latex({element})") == to_latex(table).decode()


def test_a_figure_saved_from_the_page_stands_alone(browser, addresses):
    browser.open(addresses["plain"])
    text = browser.run("bytetransfer.svgText(document.querySelector('svg.chart'))")
    root = ElementTree.fromstring(text)
    assert root.get("width") == "420"
    assert "var(" not in text
    ids = {element.get("id") for element in root.iter()}
    uses = [e for e in root.iter("{http://www.w3.org/2000/svg}use")]
    assert {use.get("href")[1:] for use in uses} <= ids
    assert any(len(use) for use in uses)


def test_a_heat_map_saved_from_the_page_shows_what_the_page_shows(browser, addresses, report):
    browser.open(addresses["plain"])
    table = report.sections[0].tables[0]
    element = f"document.getElementById('table-{table.name}')"
    root = ElementTree.fromstring(browser.run(f"bytetransfer.matrixSvg({element})"))
    words = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    for row in table.rows:
        for cell in row[1:]:
            assert cell.text in words
            assert not cell.detail or cell.detail in words
    fills = [e.get("fill") for e in root.iter("{http://www.w3.org/2000/svg}rect")]
    assert fills.count("url(#hatch)") == sum(c.shade < 0 for row in table.rows for c in row) > 0


def test_a_wide_matrix_fits_a_page_and_its_heads_stand_upright(browser, addresses):
    browser.open(addresses["wide"])
    table = "document.querySelector('table.matrix')"
    assert browser.run(f"{table}.offsetWidth") < 900
    root = ElementTree.fromstring(browser.run(f"bytetransfer.matrixSvg({table})"))
    texts = list(root.iter("{http://www.w3.org/2000/svg}text"))
    turned = [one.text for one in texts if (one.get("transform") or "").startswith("rotate(-90")]
    assert len(turned) == len(MANY)
    assert "Vietnamese" in turned
    browser.send("Emulation.setEmulatedMedia", media="print")
    assert browser.run(f"{table}.offsetWidth") < 700
    browser.send("Emulation.setEmulatedMedia", media="")


def test_a_press_of_a_button_saves_a_file(browser, addresses, tmp_path):
    browser.send(
        "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path),
        eventsEnabled=True,
    )  # fmt: skip
    browser.open(addresses["plain"])
    for kind in ("figcaption", "details.matrix-table[open] .save"):
        for button in range(
            browser.run(f"document.querySelectorAll('{kind}')[0].querySelectorAll('button').length")
        ):
            browser.events.clear()
            browser.run(
                f"document.querySelectorAll('{kind}')[0].querySelectorAll('button')[{button}].click()"
            )
            browser.wait("Browser.downloadWillBegin")
            begun = next(e for e in browser.events if e["method"] == "Browser.downloadWillBegin")
            assert begun["params"]["suggestedFilename"].endswith((".svg", ".csv", ".tex"))
            assert begun["params"]["url"].startswith("blob:")
    assert [e for e in troubles(browser)] == []


def test_a_page_that_is_served_is_renewed_when_there_is_another(browser, report):
    def edition(version: str) -> Edition:
        page = replace(report, subtitle=version)
        return Edition(version, render_html(page, version=version))

    editions = [edition("1 of 2 runs done")]
    with serving(lambda: editions[0]) as address:
        browser.open(address)
        shown = "document.querySelector('.subtitle').textContent"
        assert browser.run(shown) == "1 of 2 runs done"
        editions[0] = edition("2 of 2 runs done")
        browser.events.clear()
        browser.wait("Page.loadEventFired")
        assert browser.run(shown) == "2 of 2 runs done"
        asked = {urlsplit(url).netloc for url in requests(browser)}
        assert asked == {urlsplit(address).netloc}
        browser.open("about:blank")


def test_the_page_prints(browser, addresses):
    browser.open(addresses["plain"])
    paper = browser.pdf()
    assert paper.startswith(b"%PDF")
    assert paper.count(b"/Type /Page") > 3 or paper.count(b"/Type/Page") > 3


CONTRASTS = """
(() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const found = rgb(getComputedStyle(one).backgroundColor);
      if (found[3] === 255) return found;
    }
    return [255, 255, 255, 255];
  };
  for (const details of document.querySelectorAll('details')) details.open = true;
  const worst = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const isSeen = !element.closest('script, title, desc, [hidden]');
    if (!isSeen || !walker.currentNode.data.trim()) continue;
    const style = getComputedStyle(element);
    const ink = element.closest('svg') ? style.fill : style.color;
    const pair = [light(rgb(ink)), light(behind(element))].sort((a, b) => b - a);
    const ratio = (pair[0] + 0.05) / (pair[1] + 0.05);
    const kind = element.getAttribute('class') || element.parentElement.className;
    const name = `${element.tagName} ${kind}`;
    if (ratio < RATIO) worst[name] = ratio;
  }
  return worst;
})()
"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_has_contrast(browser, addresses, dark):
    browser.open(addresses["plain"], dark=dark)
    assert browser.run(CONTRASTS.replace("RATIO", str(RATIO))) == {}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_step_of_the_heat_map_has_contrast_and_steps_apart_in_grey(browser, addresses, dark):
    browser.open(addresses["plain"], dark=dark)
    steps = [f"{way}-{n}" for way in ("less", "more") for n in range(1, 6)]
    cells = "".join(f"<td class={step}>1 kB</td>" for step in steps)
    browser.run(
        "document.querySelector('main').innerHTML ="
        f" '<table class=matrix><tr id=steps>{cells}</tr></table>'"
    )
    assert browser.run(CONTRASTS.replace("RATIO", str(RATIO))) == {}
    greys = browser.run(
        "[...document.querySelectorAll('#steps td')].map(td =>"
        " getComputedStyle(td).backgroundColor.match(/[0-9.]+/g).slice(0, 3).map(Number))"
        ".map(([r, g, b]) => 0.2126 * r + 0.7152 * g + 0.0722 * b)"
    )
    for half in (greys[:5], greys[5:]):
        falling = sorted(half, reverse=not dark)
        assert half == falling
        assert min(abs(a - b) for a, b in itertools.pairwise(half)) > 8
    hatched = browser.run(
        "[...document.querySelectorAll('#steps td')]"
        ".map(td => getComputedStyle(td).backgroundImage !== 'none')"
    )
    assert hatched == [True] * 5 + [False] * 5


@pytest.fixture(scope="module")
def axe() -> str:
    """The rules of axe-core as a script; only this file of the package is used."""
    pytest.importorskip("axe_playwright_python")
    return (resources.files("axe_playwright_python") / "axe.min.js").read_text("utf-8")


def violations(browser, axe) -> list[str]:
    """What axe-core finds, everything that is folded away opened."""
    browser.run("document.querySelectorAll('details').forEach(one => { one.open = true; })")
    browser.run(f"{axe};0")
    return browser.run(
        "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations"
        ".flatMap(one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 120)}`)))"
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", ["plain", "hostile"])
def test_axe_finds_nothing_that_keeps_anyone_out(browser, addresses, axe, name, dark):
    browser.open(addresses[name], dark=dark, width=360 if dark else 1200)
    assert violations(browser, axe) == []


def test_axe_would_tell(browser, addresses, axe):
    browser.open(addresses["plain"])
    browser.run("document.documentElement.removeAttribute('lang')")
    browser.run("document.querySelector('.subtitle').style.color = '#ccc'")
    found = {one.split(":")[0] for one in violations(browser, axe)}
    assert found == {"html-has-lang", "color-contrast"}


@pytest.mark.slow
def test_everything_has_a_name_for_who_cannot_see_it(browser, addresses):
    browser.open(addresses["plain"])
    nameless = browser.run(
        "[...document.querySelectorAll("
        "'svg[role=img], button, select, [role=region], section, nav')]"
        ".filter(e => !(e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')"
        " || e.textContent.trim() || e.closest('label'))).length"
    )
    assert nameless == 0
    tree = browser.send("Accessibility.getFullAXTree")["nodes"]
    roles = {}
    for node in tree:
        if not node.get("ignored"):
            roles.setdefault(node["role"]["value"], []).append(
                node.get("name", {}).get("value", "")
            )
    assert len(roles["image"]) >= 8
    for role in ("image", "button", "combobox", "heading", "region", "table", "rowheader"):
        assert roles[role], role
        assert all(name.strip() for name in roles[role]), role
