"""Documents line by line: the language of each, and documents without their foreign lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from bytetransfer.corpus.detectors import DETECTORS, UNDECIDED, Detector
from bytetransfer.corpus.language_codes import language_code
from bytetransfer.errors import CorpusError

LEAST_LETTERS = 20
"""Lines with fewer letters are undecided; below it both detectors err on clean text most often."""
LEAST_CONFIDENCE = 0.5
"""Answers less certain are undecided; closely related languages share such lines."""
LONG_CHARACTERS = 300
"""Longer lines are divided at ends of sentences, so that one of two languages counts as two."""

_SHORTEST_PART = 100  # characters: a sentence by itself is often too short for a decision
_SYLLABLE_LETTERS = 3  # a Chinese character, kana or Hangul syllable says as much as three letters
_BATCH_DOCUMENTS = 256
_LETTER = re.compile(r"[^\W\d_]")
_SYLLABLE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")
_SENTENCE_END = re.compile(r"[.!?…؟۔]+[\"'»”’)\]]*\s+|[。！？｡।॥።။៕։]+[」』”’）]*\s*")


def split_lines(text: str) -> list[str]:
    r"""A document in lines; long ones are divided at ends of sentences.

    Joined, the parts are the document: line ends stay with their lines.

    >>> split_lines("One.\nTwo.\n")
    ['One.\n', 'Two.\n']
    """
    return [part for line in text.splitlines(keepends=True) for part in _parts(line)]


def _parts(line: str) -> Iterator[str]:
    start = 0
    if len(line) > LONG_CHARACTERS:
        for end in (match.end() for match in _SENTENCE_END.finditer(line)):
            if end - start >= _SHORTEST_PART and len(line) - end >= _SHORTEST_PART:
                yield line[start:end]
                start = end
    yield line[start:]


def count_letters_of(line: str) -> int:
    """Letters, where a sign that stands for a syllable or a word counts for three.

    >>> count_letters_of("It is 10 km."), count_letters_of("神创造")
    (6, 9)
    """
    return len(_LETTER.findall(line)) + (_SYLLABLE_LETTERS - 1) * len(_SYLLABLE.findall(line))


def line_languages(lines: list[str], detector: Detector) -> list[str]:
    """The language of each line, `UNDECIDED` where it is too short or the answer too uncertain."""
    longer = [n for n, line in enumerate(lines) if count_letters_of(line) >= LEAST_LETTERS]
    answers = detector.detect([" ".join(lines[n].split()) for n in longer])
    found = [UNDECIDED] * len(lines)
    for n, (language, confidence) in zip(longer, answers, strict=True):
        if confidence >= LEAST_CONFIDENCE:
            found[n] = language
    return found


def document_languages(
    documents: Iterable[bytes], detector: Detector
) -> Iterator[list[tuple[str, int]]]:
    """The lines of each document: language (`UNDECIDED` where none) and bytes, line end included.

    Lines without any letter, such as empty ones, are undecided as well.
    """
    waiting = iter(documents)
    while batch := list(islice(waiting, _BATCH_DOCUMENTS)):
        pieces = [split_lines(_decoded(document)) for document in batch]
        languages = iter(line_languages([line for lines in pieces for line in lines], detector))
        for lines in pieces:
            yield [(next(languages), len(_encoded(line))) for line in lines]


def remove_foreign_lines(language: str, detector: Detector) -> Callable[[bytes], bytes]:
    r"""The function from a document to the document without lines in other languages.

    A line goes where the detector decides for another language; undecided lines stay. Where lines
    were decided and none of them is in `language`, the whole document goes: what is left of it
    would be the scraps of a foreign text.

    Args:
        language: ISO 639 code of the lines that stay.
        detector: what decides.

    Returns:
        Bytes of a document to the bytes that stay, none where the document goes.

    Raises:
        CorpusError: where the detector does not know the language.
    """
    code = language_code(language)
    if code is None or code not in detector.languages:
        others = ", ".join(name for name in DETECTORS if name not in {detector.name, "both"})
        raise CorpusError(
            f"the detector {detector.name} cannot tell {language!r} from other languages",
            todo=f"give another detector ({others}), or leave decontaminate out",
        )

    def transform(document: bytes) -> bytes:
        lines = split_lines(_decoded(document))
        languages = line_languages(lines, detector)
        if code not in languages and any(languages):
            return b""
        keeps = [language in {UNDECIDED, code} for language in languages]
        text = "".join(line for line, stays in zip(lines, keeps, strict=True) if stays)
        ends_open = lines and not keeps[-1] and lines[-1] == lines[-1].rstrip("\r\n")
        return _encoded(text.rstrip() if ends_open else text)

    return transform


def _decoded(document: bytes) -> str:
    return document.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
