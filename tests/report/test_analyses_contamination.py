"""The section says what was found, in words, tables and a chart that agree, on any input."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.contamination import exposures, follow_contamination, read_shares
from bytetransfer.measurements.measurement import Measurement, Measurements
from bytetransfer.report.analyses.contamination import contamination_section
from bytetransfer.report.wording import Names, bare
from bytetransfer.transfer.estimate import estimate_transfer

LANGUAGES = ("de", "en", "es", "fi", "ru")
NAMES = Names(languages={"es": "Spanish", "fi": "Finnish", "en": "English"})


def reading(corpus, lines, *, detector="lid176", of=None, language="same"):
    return read_shares(
        [[line] for line in lines],
        corpus=corpus,
        language=corpus if language == "same" else language,
        detector=detector,
        known=frozenset(LANGUAGES),
        corpus_documents=of or len(lines),
    )


def estimates():
    noise = np.random.default_rng(0)
    rows = [
        Measurement(source="scratch", target=t, target_bytes=n, bits_per_byte=8 * n**-0.1)
        for t in LANGUAGES for n in (10, 10**9)
    ]  # fmt: skip
    rows += [
        Measurement(
            source=s, target=t, target_bytes=1000, pretrain_bytes=10**6, learner="",
            bits_per_byte=8 * math.exp(-0.1 * (11 + noise.normal())),
        )
        for s in LANGUAGES for t in LANGUAGES if s != t
    ]  # fmt: skip
    return estimate_transfer(Measurements(rows)).rows


def world():
    noise = np.random.default_rng(1)
    found = []
    for corpus in LANGUAGES:
        lines = [(corpus, 9_000), ("", 100)]
        lines += [(o, int(noise.integers(1, 100))) for o in LANGUAGES if o != corpus]
        found += [reading(corpus, lines), reading(corpus, lines[:-1], detector="langid", of=90)]
    return found


def section(readings, rows=(), **more):
    transfer = follow_contamination([rows], readings, permutations=199) if rows else []
    return contamination_section(readings, transfer, exposures(rows, readings), NAMES, **more)


def everything(found) -> str:
    texts = [*found.text, *(f.title + f.description for f in found.figures)]
    for table in found.tables:
        texts += [table.caption, *(c.title for c in table.columns)]
        texts += [f"{c.text} {c.detail} {c.value}" for row in table.rows for c in row]
    return " ".join(texts)


def test_the_answer_comes_first_with_the_span_of_two_detectors() -> None:
    lines = [("es", 90), ("en", 10), ("", 100)]
    es = [reading("es", lines), reading("es", lines[:1], detector="langid")]
    clean = [reading("fi", [("fi", 5)]), reading("fi", [("fi", 5)], detector="langid")]
    found = section([*es, *clean])
    first = found.text[0].replace("\u2068", "").replace("\u2069", "")
    assert first == (
        "The corpus with most foreign lines is Spanish: 0 % to 5 % of its bytes, depending on the "
        "detector. In the others it is at most 0 %. In 1 of the documents that were read, foreign "
        "lines are 50 % of the bytes or more."
    )
    assert "at most 50 %" in found.text[1]  # undecided
    assert "lid176 and langid" in found.text[2] or "langid and lid176" in found.text[2]
    assert not any("confidence, as far" in text for text in found.text)  # all of it was read


def test_a_clean_set_is_said_to_be_clean() -> None:
    found = section([reading("es", [("es", 5)]), reading("fi", [("fi", 5), ("", 1)])])
    assert found.text[0] == "No foreign line was found in any of the 2 corpora."
    assert all(dot.y == 0 for one in found.figures[0].series for dot in one.dots)
    assert found.figures[0].y.high > 0


def test_tables_and_chart_hold_the_same_shares() -> None:
    readings = world()
    found = section(readings, estimates())
    shares, effects, held = found.tables
    assert len(shares.rows) == len(readings)
    assert len(effects.rows) == 4  # two directions, two detectors
    assert len(held.rows) == 20
    for table in found.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
    chart, *scatters = found.figures
    assert [one.is_open for one in scatters] == [True, False, False, False]
    for row, one in zip(effects.rows, scatters, strict=True):
        assert f"corrected p {row[7].text}" in one.remarks[0].replace("p = ", "p ")
        assert f"D_E × {row[4].text}" in one.remarks[1]
        assert sum(len(each.dots) for each in one.series[1:]) == row[3].value
    assert [s.name for s in chart.series] == ["lid176", "langid"]
    assert chart.x.names == ("de", "English", "Spanish", "Finnish", "ru")
    dots = [dot for one in chart.series for dot in one.dots]
    drawn = sorted(round(dot.y, 6) for dot in dots)
    assert drawn == sorted(round(100 * row[6].value, 6) for row in shares.rows)
    assert {round(dot.x) for dot in dots} == set(range(5))
    assert all(dot.y <= chart.y.high and (dot.high or 0) <= chart.y.high for dot in dots)
    assert all(dot.low is None for dot in chart.series[0].dots)  # the whole corpus was read
    assert all(dot.low is not None for dot in chart.series[1].dots)


def test_effects_are_said_with_interval_and_corrected_p() -> None:
    found = section(world(), estimates())
    said = next(text for text in found.further if "D_F" in text and "ten times" in text)
    assert said.count("corrected p = ") == 4
    assert len(re.findall(r"times the D_E \([0-9.,]+–[0-9.,]+\)", said)) == 4
    assert "the target's language in the source (lid176)" in said
    table = next(t for t in found.tables if t.name == "contamination-effects")
    for row in table.rows:
        assert f"{row[4].text} times the D_E ({row[4].detail})" in said
        assert float(row[4].text) == pytest.approx(row[4].value, rel=5e-3)
        assert row[7].value >= row[6].value >= row[8].value


def test_what_has_no_answer_is_told_with_its_reason() -> None:
    nothing = Unanswered("nonsense holds no text to read")
    found = contamination_section([nothing], [Unanswered("all estimates are bounds")], [], NAMES)
    assert found.text[0].startswith("No corpus could be read")
    assert "Not answered: nonsense holds no text to read." in found.text
    assert "Not answered: all estimates are bounds." in found.text
    assert not found.figures
    assert not found.tables

    one = section([reading("cipher(en)", [("en", 5)], language=None)])
    assert not one.figures
    assert [c.text for c in one.tables[0].rows[0][3:7]] == ["–", "0 %", "–", "–"]

    clean = [reading(corpus, [(corpus, 5)]) for corpus in LANGUAGES]
    told = section(clean, estimates())
    (once,) = [text for text in told.text if text.startswith("Not answered for")]
    assert "the target's language in the source (lid176); the source's" in once


def test_bounds_are_left_out_of_what_pretraining_held() -> None:
    rows = [row for row in estimates() if row.source == "es"]
    found = section(world(), rows)
    assert any("of the 4 estimates of two languages without a bound" in t for t in found.text)


@pytest.mark.parametrize("text", ["\u202eabc\x1b[2J", "x" * 5000, "line\nline"])
def test_examples_are_short_and_harmless(text: str) -> None:
    readings = [reading("es", [("en", 50), ("es", 50)])]
    found = section(readings, examples={"es": [text]})
    cell = found.tables[-1].rows[0][1]
    assert len(cell.text) <= 160
    assert not set(cell.text) & set("\u202e\x1b\n")


def test_no_number_is_missing_silently() -> None:
    assert "nan" not in re.findall(r"\w+", everything(section(world(), estimates())))


def test_a_corpus_that_is_not_recognised_is_not_called_clean():
    clean = reading("fi", [("fi", 900), ("en", 1)])
    strange = reading("en", [("", 990), ("es", 10)])
    text = bare(" ".join(section([clean, strange]).text))
    assert "recognises even half of the bytes as their language: English (0 %)." in text
    assert "recognises even half" not in " ".join(section([clean]).text)
