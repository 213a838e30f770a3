"""What the analyses of a study work on, and what is read for them from corpora and models.

Analyses are pure and want text, shares and distances. What takes long (distances between texts,
languages of lines) is remembered by what it depends on.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.contamination import Reading, read_shares
from bytetransfer.analysis.measures import SAMPLE_BYTES, TextDistances, text_distances
from bytetransfer.analysis.premium import Premium, byte_premiums
from bytetransfer.corpus.corpus import Corpus, open_corpus
from bytetransfer.corpus.detectors import detector_version, load_detector, package_version
from bytetransfer.corpus.foreign_lines import document_languages
from bytetransfer.corpus.language_codes import language_code
from bytetransfer.corpus.splits import SPLIT_NAMES
from bytetransfer.corpus.synthetic import GENERATORS
from bytetransfer.corpus.transforms import TRANSFORMS, Expression, parse_transform
from bytetransfer.corpus.typology import Typology, typological_distances
from bytetransfer.errors import MissingExtraError, StudyError
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.report.analyses.phrases import percent_text
from bytetransfer.report.wording import Names
from bytetransfer.transfer.estimate import Estimates, TransferEstimate
from bytetransfer.transfer.methods import Method

Distances = Mapping[str, Mapping[tuple[str, str], float]]

DETECTORS = ("lid176", "langid")
"""What is asked which language a line is in."""
_MOST_LANGUAGES = 3  # named of a corpus in a table of many facts
SAMPLE_DOCUMENTS = 2_000
"""Documents of each corpus that are read for their languages."""


def _forget(key: object, make: Callable[[], object], read: Callable[[object], Any]) -> Any:
    return read(make())


@dataclass(frozen=True, kw_only=True)
class Context:
    """What the analyses are told besides measurements.

    Attributes:
        sources: the study's order of sources.
        targets: the study's order of targets.
        corpora: prepared sources and targets by name; empty for bare tables.
        languages: language code of each source and target that is a language.
        made: sources that are controls or transforms, besides those whose names say so.
        distances: further measures of distance, by name and (source, target).
        close: targets and their close sources: the controlled pairs.
        parameters: of each neural learner, without embeddings or with: as its laws count them.
        factor: sources within it are called alike.
        reference: the language whose bytes content is counted in.
        noise: standard error of log D_E to assume where estimates have no interval.
        remember: reads the plain value kept for a key, or makes and keeps it.
    """

    sources: Sequence[str] = ()
    targets: Sequence[str] = ()
    corpora: Mapping[str, Corpus] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    distances: Distances = field(default_factory=dict)
    close: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    factor: float = 2.0
    reference: str = "en"
    noise: float | None = None
    remember: Callable[[object, Callable[[], object], Callable[[object], Any]], Any] = _forget


@dataclass(frozen=True, kw_only=True)
class Evidence(Context):
    """What the analyses work on.

    Attributes:
        measurements: all rows; of several replicates, their means.
        estimates: what was computed from them.
        names: what to call languages and learners.
        method: how the from-scratch curve is drawn.
        seed: fixes permutations and resampling.
    """

    measurements: Measurements
    estimates: Estimates
    names: Names
    method: Method = "monotone"
    seed: int = 0

    @cached_property
    def between_languages(self) -> tuple[TransferEstimate, ...]:
        """Estimates whose source and target are languages: the same in all that compares languages.

        Controls and transforms are none. `decontaminate(x)` is x without its foreign lines: it
        counts where x itself does not stand in the same role, and is no other language than x.
        """
        sources, targets = (
            {getattr(row, role) for row in self.estimates} for role in ("source", "target")
        )
        return tuple(
            row
            for row in self.estimates
            if self._counts(row.source, sources)
            and self._counts(row.target, targets)
            and (row.source == row.target or _origin(row.source) != _origin(row.target))
        )

    @cached_property
    def premiums(self) -> dict[str, Premium]:
        """See `premiums`."""
        return _premiums(self)

    @property
    def not_compared(self) -> tuple[str, ...]:
        """Sources and targets that `between_languages` leaves out, in the order they appear."""
        kept = {name for row in self.between_languages for name in (row.source, row.target)}
        every = dict.fromkeys(name for row in self.estimates for name in (row.source, row.target))
        return tuple(name for name in every if name not in kept)

    @property
    def spoken(self) -> dict[str, Corpus]:
        """The corpora of which it is known which language they are said to be in."""
        return {
            name: corpus
            for name, corpus in self.corpora.items()
            if language_code(self.languages.get(name, ""))
        }

    def is_made(self, source: str) -> bool:
        """Whether a source is no language as people write it."""
        return is_made(source) or bool({source, _origin(source)} & self.made)

    def _counts(self, name: str, role: set[str]) -> bool:
        origin = _origin(name)
        return not self.is_made(name) and (name == origin or origin not in role)


def is_made(source: str) -> bool:
    """Whether a source is a control or a transform by its name, not a language as people write.

    >>> is_made("nonsense"), is_made("cipher(en)"), is_made("decontaminate(en)"), is_made("en")
    (True, True, False, False)
    """
    found = _transformed(source)
    return _origin(source) in GENERATORS or (found is not None and not found.keeps_language)


def _transformed(name: str) -> Expression | None:
    """A transform as study files write it; brackets in the name of a corpus are none."""
    if "(" not in name or name.partition("(")[0] not in TRANSFORMS:
        return None
    try:
        return parse_transform(name)
    except StudyError:
        return None


def _origin(name: str) -> str:
    """The corpus that a source or target is made of."""
    found = _transformed(name)
    return name if found is None else found.corpus


def without_foreign_lines(names: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Every name that stands there decontaminated too, with what it is then called.

    >>> without_foreign_lines(["en", "zh", "decontaminate(zh)"])
    (('zh', 'decontaminate(zh)'),)
    """
    known = dict.fromkeys(names)
    found = ((name, _transformed(name)) for name in known)
    return tuple(
        (str(expression.argument), name)
        for name, expression in found
        if expression is not None
        and expression.name == "decontaminate"
        and str(expression.argument) in known
    )


def premiums(evidence: Evidence) -> dict[str, Premium]:
    """Byte premiums of the languages whose lines are aligned with those of the reference."""
    return evidence.premiums


def _premiums(evidence: Evidence) -> dict[str, Premium]:
    reference = evidence.corpora.get(evidence.reference)
    if reference is None or reference.card.group is None:
        return {}
    members = {
        name: corpus
        for name, corpus in evidence.corpora.items()
        if corpus.card.group == reference.card.group and "(" not in name
    }
    lines = {name: _line_bytes(_verified(corpus)) for name, corpus in members.items()}
    both = functools.partial(np.intersect1d, assume_unique=True)
    common = functools.reduce(both, (numbers for numbers, _ in lines.values()))
    aligned = {
        name: lengths[np.searchsorted(numbers, common)]
        for name, (numbers, lengths) in lines.items()
    }
    return byte_premiums(aligned, evidence.reference, seed=evidence.seed)


def _verified(corpus: Corpus) -> Corpus:
    """The corpus, once all of it has been read and compared with its digest."""
    return open_corpus(corpus.folder, verify=True)


def _line_bytes(corpus: Corpus) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The numbers of a corpus's lines, rising, and how long they are."""
    found = [
        np.stack([ids, getattr(corpus, split).lengths])
        for split in SPLIT_NAMES
        if (ids := corpus.ids(split)) is not None
    ]
    numbers, lengths = np.concatenate([np.zeros((2, 0), np.int64), *found], axis=1)
    order = np.argsort(numbers)
    return numbers[order], lengths[order]


def distances_of_texts(
    evidence: Evidence, notes: list[str], missing: dict[str, Mapping[str, str]]
) -> Distances:
    """Distances between the texts of all languages that are compared, made once.

    Args:
        evidence: with the corpora.
        notes: gets what is to be said of them.
        missing: gets why a measure has no distance for a corpus, by measure and name.
    """
    compared = {name for row in evidence.between_languages for name in (row.source, row.target)}
    corpora = {name: evidence.corpora[name] for name in sorted(compared & evidence.corpora.keys())}
    if not corpora:
        notes.append("No text is at hand, so there are no distances between texts.")
        return {}

    def made() -> object:
        texts = {name: _beginning(_verified(one)) for name, one in corpora.items()}
        return _packed(text_distances(texts))

    digests = [(name, corpus.card.digest) for name, corpus in corpora.items()]
    key = ["text distances", 1, SAMPLE_BYTES, digests]
    found: _Packed = evidence.remember(key, made, functools.partial(msgspec.convert, type=_Packed))
    if found.reason:
        notes.append(f"There are no distances between texts: {found.reason}.")
        return {}
    missing |= found.missing
    notes.append(f"Distances between texts compare {found.sample_bytes:,} bytes of each.")
    values: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for measure, one, other, distance in found.values:
        values[measure][one, other] = distance
    return values


def distances_of_languages(evidence: Evidence, codes: Mapping[str, str]) -> Typology:
    """Distances from the typological database, which takes half a second to read, made once.

    Raises:
        MissingExtraError: if its package is not installed.
    """

    def made() -> object:
        found = typological_distances(codes)
        values = [[k, *pair, d] for k, table in found.values.items() for pair, d in table.items()]
        return [values, found.missing, found.unshared, found.database]

    key = ["typology", 2, package_version("urielplus"), list(codes.items())]
    kind = tuple[
        list[tuple[str, str, str, float]],
        dict[str, dict[str, str]],
        dict[str, tuple[tuple[str, str], ...]],
        str,
    ]
    read = functools.partial(msgspec.convert, type=kind)
    packed, missing, unshared, database = evidence.remember(key, made, read)
    values: dict[str, dict[tuple[str, str], float]] = {kind: {} for kind in missing}
    for kind, one, other, distance in packed:
        values[kind][one, other] = distance
    return Typology(values=values, missing=missing, unshared=unshared, database=database)


class _Packed(msgspec.Struct):
    """Distances between texts as they are remembered."""

    values: list[tuple[str, str, str, float]] = []
    missing: dict[str, dict[str, str]] = {}
    sample_bytes: int = 0
    reason: str = ""


def _packed(found: TextDistances | Unanswered) -> object:
    if isinstance(found, Unanswered):
        return {"reason": found.reason}
    values = [[m, *pair, d] for m, table in found.values.items() for pair, d in table.items()]
    return {"values": values, "missing": found.missing, "sample_bytes": found.sample_bytes}


def _beginning(corpus: Corpus) -> bytes:
    size = min(SAMPLE_BYTES, corpus.card.train.bytes)
    return corpus.sample(size, seed=0).text.tobytes()


def readings(evidence: Evidence) -> Iterator[tuple[str, Reading | Unanswered]]:
    """What each detector finds in each text whose language is stated; a text once, by its name."""
    read: set[str] = set()
    for name, corpus in evidence.spoken.items():
        if corpus.card.digest not in read:
            read.add(corpus.card.digest)
            for detector in DETECTORS:
                yield name, _reading(evidence, name, corpus, detector)


def detected_languages(evidence: Evidence) -> tuple[dict[str, str], str]:
    """What the first detector that can be asked finds in each corpus, and how that was found.

    Returns:
        Languages and their shares of the bytes by corpus, and a sentence; only the sentence where
        there are none.
    """
    found: dict[str, str] = {}
    reasons: dict[str, None] = {}
    detector = ""
    for name, one in readings(evidence):
        if isinstance(one, Unanswered):
            reasons[one.reason] = None
        elif detector in ("", one.detector):
            detector = one.detector
            found[name] = _most_found(one)
    if not found:
        why = "; ".join(reasons) or "the language of no corpus is stated"
        return {}, f"Languages were not detected: {why}."
    return found, (
        f"Languages detected: those with most of the bytes in at most {SAMPLE_DOCUMENTS:,} "
        f"documents of a corpus, by {detector}; only where the language of a corpus is stated."
    )


def _most_found(one: Reading) -> str:
    shares = sorted(one.shares, key=lambda each: -each.of_bytes.value)[:_MOST_LANGUAGES]
    named = ((one.language or "undecided", percent_text(one.of_bytes.value)) for one in shares)
    return ", ".join(f"{language} {share} %" for language, share in named)


def _reading(evidence: Evidence, name: str, corpus: Corpus, detector: str) -> Reading | Unanswered:
    """What a detector finds in a sample of a corpus, made once; or why it cannot be asked."""
    language = language_code(evidence.languages.get(name, ""))

    def made() -> object:
        model = load_detector(detector)  # up to a second, which remembering spares
        train = _verified(corpus).train
        documents = (train[number] for number in _drawn(corpus).tolist())
        found = read_shares(
            document_languages(documents, model),
            corpus=name,
            language=language,
            detector=model.name,
            known=model.languages,
            corpus_documents=corpus.card.train.documents,
        )
        return msgspec.to_builtins(found)

    try:
        version = detector_version(detector)
        key = ["languages", 2, name, corpus.card.digest, language, version, SAMPLE_DOCUMENTS]
        found: Reading | Unanswered = evidence.remember(key, made, _read_reading)
    except MissingExtraError as error:
        return Unanswered(f"{detector} cannot be asked: {error.what}")
    return found


def _read_reading(plain: object) -> Reading | Unanswered:
    if isinstance(plain, dict) and "reason" in plain:
        return msgspec.convert(plain, Unanswered)
    return msgspec.convert(plain, Reading)


def _drawn(corpus: Corpus) -> np.ndarray:
    """Which training documents are read: a simple random sample, the same every time."""
    count = corpus.card.train.documents
    drawn = np.random.default_rng(0).permutation(count)[:SAMPLE_DOCUMENTS]
    return np.sort(drawn)


def read_document(corpus: Corpus, number: int) -> str:
    """The document that a `Reading` calls by its number."""
    return corpus.train[int(_drawn(corpus)[number])].decode("utf-8", "replace")
