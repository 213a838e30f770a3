"""What explains the transfer: the analyses that a study's estimates and corpora allow, as sections.

Analyses are pure and want text, shares and distances; here these are read from corpora and models.
What takes long (distances between texts, languages of lines) is remembered by what it depends on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeVar

import msgspec
import numpy as np

from bytetransfer.analysis.cells import Group, Unanswered, by_group
from bytetransfer.analysis.commutativity import commutativity
from bytetransfer.analysis.consistency import consistency
from bytetransfer.analysis.contamination import (
    Reading,
    exposures,
    follow_contamination,
    read_shares,
)
from bytetransfer.analysis.decomposition import (
    ControlledPair,
    Undecided,
    controlled_pairs,
    find_ladders,
    stacks,
)
from bytetransfer.analysis.measures import SAMPLE_BYTES, TextDistances, text_distances
from bytetransfer.analysis.premium import Premium, byte_premiums
from bytetransfer.analysis.scaling import model_scaling, scaling
from bytetransfer.analysis.similarity import similarity
from bytetransfer.corpus.corpus import Corpus
from bytetransfer.corpus.detectors import load_detector
from bytetransfer.corpus.foreign_lines import document_languages
from bytetransfer.corpus.language_codes import language_code
from bytetransfer.corpus.splits import SPLIT_NAMES
from bytetransfer.corpus.synthetic import GENERATORS
from bytetransfer.corpus.transforms import TRANSFORMS
from bytetransfer.corpus.typology import typological_distances
from bytetransfer.errors import MissingExtraError
from bytetransfer.measurement import SCRATCH, Measurements
from bytetransfer.report.analyses.commutativity import commutativity_section
from bytetransfer.report.analyses.consistency import consistency_section
from bytetransfer.report.analyses.contamination import contamination_section
from bytetransfer.report.analyses.content import content_section
from bytetransfer.report.analyses.decomposition import decomposition_section
from bytetransfer.report.analyses.scaling import scaling_section
from bytetransfer.report.analyses.similarity import similarity_section
from bytetransfer.report.document import Section
from bytetransfer.report.wording import Names
from bytetransfer.transfer.estimate import Estimates, estimate_transfer
from bytetransfer.transfer.methods import Method
from bytetransfer.units import format_bytes

Distances = Mapping[str, Mapping[tuple[str, str], float]]
T = TypeVar("T")

DETECTORS = ("lid176", "langid")
SAMPLE_DOCUMENTS = 2_000
"""Documents of each corpus that are read for their languages."""


def _forget(key: object, make: Callable[[], object]) -> object:
    return make()


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the analyses of a study work on.

    Attributes:
        measurements: all rows.
        estimates: what was reckoned from them.
        names: what to call languages and learners.
        corpora: prepared sources and targets by name; empty for bare tables.
        languages: language code of each source and target that is a language.
        made: sources that are controls or transforms, besides those whose names say so.
        distances: further measures of distance, by name and (source, target).
        close: targets and their close sources: the controlled pairs.
        parameters: of each neural learner, without embeddings or with: as its laws count them.
        factor: sources within it are called alike.
        reference: the language whose bytes content is counted in.
        method: how the from-scratch curve is drawn.
        noise: standard error of log D_E to assume where estimates have no interval.
        seed: fixes permutations and resampling.
        remember: gives the plain value that was made before for a key, or makes and keeps it.
    """

    measurements: Measurements
    estimates: Estimates
    names: Names
    corpora: Mapping[str, Corpus] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)
    made: frozenset[str] = frozenset()
    distances: Distances = field(default_factory=dict)
    close: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, int] = field(default_factory=dict)
    factor: float = 2.0
    reference: str = "en"
    method: Method = "monotone"
    noise: float | None = None
    seed: int = 0
    remember: Callable[[object, Callable[[], object]], object] = _forget

    def is_made(self, source: str) -> bool:
        """Whether a source is no language as people write it."""
        return source in self.made or is_made(source)


def answered(sections: Iterable[Section]) -> list[Section]:
    """Sections with something to show; the reasons of all others follow in one."""
    found = list(sections)
    shown = [section for section in found if section.figures]
    reasons = [f"{one.title} {' '.join(one.text[:1])}" for one in found if not one.figures]
    if reasons:
        title = "What could not be asked of this study"
        shown.append(Section(name="unanswered", title=title, text=tuple(reasons)))
    return shown


def _unanswered(name: str, title: str, reason: str) -> Section:
    return Section(name=name, title=title, text=(f"Not answered: {reason}.",))


def explain(evidence: Evidence, analyses: Iterable[str]) -> list[Section]:
    """The sections of some of `ANALYSES`, in that order."""
    wanted = set(analyses)
    return [make(evidence) for name, make in ANALYSES.items() if name in wanted]


def _consistency(evidence: Evidence) -> Section:
    options = {"factor": evidence.factor, "noise": evidence.noise, "seed": evidence.seed}
    plain = (row for row in evidence.estimates if not evidence.is_made(row.source))
    groups = by_group(plain)
    found = [consistency(rows, **options) for rows in groups.values()]  # type: ignore[arg-type]
    return consistency_section(_placed(found, groups), evidence.names)


def _placed(found: Sequence[T | Unanswered], groups: Iterable[Group]) -> list[T | Unanswered]:
    """Reasons with the size they hold for, where other sizes have answers."""
    if all(isinstance(one, Unanswered) for one in found):
        return list(found)
    return [
        Unanswered(f"at D_F = {format_bytes(group.finetune_bytes)}, {one.reason}")
        if isinstance(one, Unanswered)
        else one
        for one, group in zip(found, groups, strict=True)
    ]


def is_made(source: str) -> bool:
    """Whether a source is a control or a transform by its name, not a language as people write."""
    return source in GENERATORS or (source.partition("(")[0] in TRANSFORMS and "(" in source)


def _commutativity(evidence: Evidence) -> Section:
    premiums = _premiums(evidence)
    by_seed: dict[int, Estimates] = {
        seed: estimate_transfer(
            Measurements(row for row in evidence.measurements if row.seed == seed),
            method=evidence.method,
        )
        for seed in sorted({row.seed for row in evidence.measurements})
    }
    single = {seed: by_group(found) for seed, found in by_seed.items()}
    found = [
        commutativity(
            rows,
            premiums=premiums,
            by_seed={seed: groups.get(group, ()) for seed, groups in single.items()},
            noise=evidence.noise,
            seed=evidence.seed,
        )
        for group, rows in by_group(evidence.estimates).items()
    ]
    placed = _placed(found, by_group(evidence.estimates))
    return commutativity_section(placed, evidence.names)


def _content(evidence: Evidence) -> Section:
    premiums = _premiums(evidence)
    if len(premiums) < 2:
        reason = (
            f"no corpus is aligned with one called {evidence.reference!r} "
            "(analysis.reference in the study file)"
        )
        return _unanswered("content", "What is it worth in bytes of equal content?", reason)
    return content_section(evidence.estimates, premiums, evidence.names)


def _premiums(evidence: Evidence) -> dict[str, Premium]:
    """Byte premiums of the languages whose lines are aligned with those of the reference."""
    reference = evidence.corpora.get(evidence.reference)
    if reference is None or reference.card.group is None:
        return {}
    members = {
        name: corpus
        for name, corpus in evidence.corpora.items()
        if corpus.card.group == reference.card.group and "(" not in name
    }
    lengths = {name: _line_bytes(corpus) for name, corpus in members.items()}
    lines = sorted(set.intersection(*(set(found) for found in lengths.values())))
    aligned = {name: np.array([found[line] for line in lines]) for name, found in lengths.items()}
    return byte_premiums(aligned, evidence.reference, seed=evidence.seed)


def _line_bytes(corpus: Corpus) -> dict[int, int]:
    found: dict[int, int] = {}
    for split in SPLIT_NAMES:
        ids = corpus.ids(split)
        if ids is not None:
            found |= dict(zip(ids.tolist(), getattr(corpus, split).lengths.tolist(), strict=True))
    return found


def _similarity(evidence: Evidence) -> Section:
    notes: list[str] = []
    missing: dict[str, Mapping[str, str]] = {}
    pairs = {(row.source, row.target) for row in evidence.estimates if row.source != row.target}
    if len({source for source, _ in pairs}) < 2 or len({target for _, target in pairs}) < 2:
        reason = "two sources and two targets are needed to tell distance from what is theirs"
        return _unanswered("similarity", "Do similar languages transfer more?", reason)
    measures = {**_text_distances(evidence, notes, missing), **evidence.distances}
    try:
        typology = typological_distances(evidence.languages)
    except MissingExtraError as error:
        notes.append(f"Typological distances are left out: {error.what}.")
    else:
        measures |= typology.values
        missing |= typology.missing
        notes.append(f"Typological distances are from {typology.database}.")
    results = {
        group: similarity(rows, measures, seed=evidence.seed)
        for group, rows in by_group(evidence.estimates).items()
    }
    return similarity_section(results, evidence.names, missing=missing, notes=notes)


def _text_distances(
    evidence: Evidence, notes: list[str], missing: dict[str, Mapping[str, str]]
) -> Distances:
    texts = {name: _beginning(corpus) for name, corpus in sorted(evidence.corpora.items())}
    if not texts:
        notes.append("No text is at hand, so there are no distances between texts.")
        return {}
    key = ["text distances", 1, SAMPLE_BYTES, _digests(evidence)]
    plain = evidence.remember(key, lambda: _packed(text_distances(texts)))
    found = msgspec.convert(plain, _Packed)
    if found.reason:
        notes.append(f"There are no distances between texts: {found.reason}.")
        return {}
    missing |= found.missing
    notes.append(f"Distances between texts compare {found.sample_bytes:,} bytes of each.")
    values: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
    for measure, one, other, distance in found.values:
        values[measure][one, other] = distance
    return values


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


def _digests(evidence: Evidence) -> list[tuple[str, str]]:
    return [(name, corpus.card.digest) for name, corpus in sorted(evidence.corpora.items())]


def _contamination(evidence: Evidence) -> Section:
    spoken = {name for name, code in evidence.languages.items() if language_code(code)}
    if not spoken & evidence.corpora.keys():
        reason = "no text of a known language is at hand; state `language` of each corpus"
        return _unanswered("contamination", "Are the corpora what they are called?", reason)
    readings: list[Reading | Unanswered] = []
    read: set[str] = set()
    examples: dict[str, list[str]] = defaultdict(list)
    for name, corpus in evidence.corpora.items():
        digest = corpus.card.digest
        if name not in spoken or digest in read:
            continue
        read.add(digest)
        for detector in DETECTORS:
            found = _reading(evidence, name, corpus, detector)
            readings.append(found)
            if isinstance(found, Reading) and not examples[name]:
                examples[name] = [_document(corpus, number) for number in found.examples]
    found_shares = [found for found in readings if isinstance(found, Reading)]
    groups = by_group(evidence.estimates).values() if found_shares else ()
    transfer = [follow_contamination(rows, found_shares, seed=evidence.seed) for rows in groups]
    held = exposures(evidence.estimates, found_shares)
    return contamination_section(readings, transfer, held, evidence.names, examples=examples)


def _reading(evidence: Evidence, name: str, corpus: Corpus, detector: str) -> Reading | Unanswered:
    try:
        model = load_detector(detector)
    except MissingExtraError as error:
        return Unanswered(f"{detector} cannot be asked: {error.what}")
    language = language_code(evidence.languages.get(name, ""))

    def made() -> object:
        documents = (corpus.train[number] for number in _drawn(corpus).tolist())
        found = read_shares(
            document_languages(documents, model),
            corpus=name,
            language=language,
            detector=model.name,
            known=model.languages,
            corpus_documents=corpus.card.train.documents,
        )
        return msgspec.to_builtins(found)

    key = ["languages", 1, name, corpus.card.digest, language, model.version, SAMPLE_DOCUMENTS]
    plain = evidence.remember(key, made)
    if isinstance(plain, dict) and "reason" in plain:
        return msgspec.convert(plain, Unanswered)
    return msgspec.convert(plain, Reading)


def _drawn(corpus: Corpus) -> np.ndarray:
    """Which training documents are read: a simple random sample, the same every time."""
    count = corpus.card.train.documents
    drawn = np.random.default_rng(0).permutation(count)[:SAMPLE_DOCUMENTS]
    return np.sort(drawn)


def _document(corpus: Corpus, number: int) -> str:
    return corpus.train[int(_drawn(corpus)[number])].decode("utf-8", "replace")


def _decomposition(evidence: Evidence) -> Section:
    sources = dict.fromkeys(row.source for row in evidence.estimates)
    options = {"method": evidence.method, "noise": evidence.noise}
    found = chain.from_iterable(
        stacks(evidence.measurements, ladder, **options)  # type: ignore[arg-type]
        for ladder in find_ladders(sources)
    )
    pairs: list[ControlledPair | Undecided] = []
    for target, close in evidence.close.items():
        distant = [
            s for s in sources if s not in {close, target, SCRATCH} and not evidence.is_made(s)
        ]
        pairs += controlled_pairs(
            evidence.measurements,
            target,
            close,
            distant,
            **options,  # type: ignore[arg-type]
        )
    results = list(found)
    if not results and not pairs:
        reason = (
            "no source is a control or a transform of another, and no close source is named "
            "(analysis.close in the study file)"
        )
        return _unanswered("decomposition", "What is it that transfers?", reason)
    return decomposition_section(results, pairs, evidence.names)


def _scaling(evidence: Evidence) -> Section:
    models = model_scaling(evidence.estimates, evidence.parameters)
    return scaling_section(
        scaling(evidence.estimates, noise=evidence.noise), models, evidence.names
    )


ANALYSES: dict[str, Callable[[Evidence], Section]] = {
    "consistency": _consistency,
    "contamination": _contamination,
    "similarity": _similarity,
    "commutativity": _commutativity,
    "content": _content,
    "decomposition": _decomposition,
    "scaling": _scaling,
}
"""The analyses by name, in the order they are shown."""
