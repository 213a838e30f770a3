"""What the report shows, put in order once: groups, sizes and names that every section shares."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypedDict

from bytetransfer.corpus.language_codes import language_code, named_language
from bytetransfer.corpus.language_names import language_name
from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.report.wording import Names
from bytetransfer.transfer.estimate import Estimates, Refusal, TransferEstimate
from bytetransfer.transfer.replicates import means_of_replicates

Plain = str | int | float | bool | None


class StudyDescription(TypedDict, total=False):
    """What the report is told about a study; every entry may be missing.

    Attributes:
        name: title of the study.
        names: languages as people say them, by the study's own short names.
        languages: ISO 639 codes by those names, of what is a language.
        sources: the study's order of sources.
        targets: the study's order of targets.
        premiums: bytes of each language that hold the content of a byte of `reference`.
        reference: the language that content is counted in.
        text: the study file, as it stands on disk.
        digests: identity of each corpus and of the study.
        corpora: statistics of each corpus; keys ending in `bytes` are sizes.
        detection: how the languages of corpora were detected, or why not, as a sentence.
        versions: of Python and the libraries.
        machine: what the study ran on.
        departures: runs that differ from their request, by what happened.
        costs: what it took; keys ending in `bytes` and `seconds` are shown as such.
        runs: by key, how a run ended (`stopped`) and whether an earlier try failed (`retried`).
        citations: what to cite, as BibTeX.
        commands: what to type to repeat it.
    """

    name: str
    names: Mapping[str, str]
    languages: Mapping[str, str]
    sources: Sequence[str]
    targets: Sequence[str]
    premiums: Mapping[str, float]
    reference: str
    text: str
    digests: Mapping[str, str]
    corpora: Mapping[str, Mapping[str, Plain]]
    detection: str
    versions: Mapping[str, str]
    machine: Mapping[str, Plain]
    departures: Mapping[str, Plain]
    costs: Mapping[str, Plain]
    runs: Mapping[str, Mapping[str, Plain]]
    citations: Sequence[str]
    commands: Sequence[str]


_INNERMOST = re.compile(r"^((?:\w+\()+)(\w+)([,)].*)$", re.DOTALL)  # of cipher(en), the corpus
LearnerKey = tuple[str, str]  # learner and regime: what a curve belongs to besides its target
SourceKey = tuple[str, int]  # source and pretraining bytes


@dataclass(frozen=True, eq=False)
class View:
    """Measurements and estimates with the order and names they are shown in.

    Attributes:
        measurements: all rows.
        estimates: estimates and refusals.
        names: what languages and learners are called.
        languages: ISO 639 codes of sources and targets; as their names say where none is stated.
        sources: source and pretraining size, in the study's order.
        targets: in the study's order.
        learners: learner and regime, the surface learner first.
    """

    measurements: Measurements
    estimates: Estimates
    names: Names
    languages: Mapping[str, str]
    sources: tuple[SourceKey, ...]
    targets: tuple[str, ...]
    learners: tuple[LearnerKey, ...]

    @cached_property
    def units(self) -> Measurements:
        """What estimates are made from: all rows, or of several replicates the mean of each."""
        return means_of_replicates(self.measurements)

    @cached_property
    def _rows(self) -> dict[tuple[object, ...], list[TransferEstimate]]:
        """Estimates by rising D_F under every combination of keys they are asked for by."""
        index: dict[tuple[object, ...], list[TransferEstimate]] = {}
        for row in sorted(self.estimates.rows, key=lambda row: row.finetune_bytes):
            learner, source = (row.learner, row.regime), (row.source, row.pretrain_bytes)
            for target, wanted in itertools.product((row.target, None), (source, None)):
                index.setdefault((learner, target, wanted), []).append(row)
        return index

    def rows(
        self, learner: LearnerKey, *, target: str | None = None, source: SourceKey | None = None
    ) -> list[TransferEstimate]:
        """The estimates of a learner that match, by rising D_F."""
        return self._rows.get((learner, target, source), [])

    def rows_at(
        self, learner: LearnerKey, size: int | None, *, target: str | None = None
    ) -> list[TransferEstimate]:
        """The estimates of a learner at a nominal D_F."""
        return [row for row in self.rows(learner, target=target) if row.nominal_bytes == size]

    def sizes(self, learner: LearnerKey) -> list[int]:
        """All nominal D_F of a learner, rising."""
        return sorted(self._inside.get(learner, {}))

    def chosen_size(self, learner: LearnerKey) -> int | None:
        """The D_F the report opens on: the one with the fewest bounds, of equals the smallest.

        Before any fine-tuning there is no D_F to speak of, so 0 comes last.
        """
        inside = self._inside.get(learner, Counter())
        return max(inside, key=lambda size: (size > 0, inside[size], -size), default=None)

    @cached_property
    def _inside(self) -> dict[LearnerKey, Counter[int]]:
        """How many estimates are numbers, by learner and nominal D_F."""
        found: dict[LearnerKey, Counter[int]] = {}
        for row in self.estimates.rows:
            counts = found.setdefault((row.learner, row.regime), Counter())
            counts[row.nominal_bytes] += row.status == "inside"
        return found


def make_view(
    measurements: Measurements, estimates: Estimates, study: StudyDescription | None = None
) -> View:
    """Put what is shown in order, and see which details names need to be unambiguous."""
    study = study or {}
    cells: list[TransferEstimate | Refusal] = [*estimates.rows, *estimates.refusals]
    by_source: dict[str, set[int]] = {}
    for cell in cells:
        by_source.setdefault(cell.source, set()).add(cell.pretrain_bytes)
    order = in_order(by_source, study.get("sources", ()))
    scratch = [row for row in measurements if row.source == SCRATCH]
    learners = {(cell.learner, cell.regime) for cell in [*cells, *scratch]}
    sources = tuple((name, size) for name in order for size in sorted(by_source[name]))
    targets = in_order({cell.target for cell in [*cells, *scratch]}, study.get("targets", ()))
    languages = study.get("languages") or _named_languages(by_source, targets)
    return View(
        measurements=measurements,
        estimates=estimates,
        names=Names(
            languages=study.get("names") or spoken_names([*by_source, *targets], languages),
            show_pretraining=any(len(sizes) > 1 for sizes in by_source.values()),
            show_regime=len({learner for learner, _ in learners}) < len(learners),
            sources=sources,
        ),
        languages=languages,
        sources=sources,
        targets=targets,
        learners=tuple(sorted(learners, key=lambda key: (key[0] != "ngram", key))),
    )


def _named_languages(*names: Iterable[str]) -> dict[str, str]:
    """The codes that names are by themselves."""
    every = itertools.chain.from_iterable(names)
    return {name: code for name in every if (code := named_language(name)) is not None}


def spoken_names(names: Iterable[str], languages: Mapping[str, str]) -> dict[str, str]:
    """What corpora that are called by a language's code are called in a sentence.

    Not where the corpus is known to be something else, nor where two would be called the same.

    >>> spoken_names(["en", "cipher(en)", "web", "fi"], {"en": "en", "fi": "et"})
    {'en': 'English', 'cipher(en)': 'cipher(English)'}
    """
    found = {}
    for name in dict.fromkeys(names):
        inner = _INNERMOST.match(name)
        before, code, after = inner.groups() if inner else ("", name, "")
        stated = language_code(languages.get(code, code))
        if (spoken := language_name(code)) and stated == named_language(code):
            found[name] = f"{before}{spoken}{after}"
    often = Counter(found.values())
    return {name: spoken for name, spoken in found.items() if often[spoken] == 1}


def in_order(found: Iterable[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """The names found: those that are wanted in their order, then the others by alphabet.

    >>> in_order({"b", "a", "z"}, ["z", "y"])
    ('z', 'a', 'b')
    """
    ranks = {name: rank for rank, name in enumerate(wanted)}
    return tuple(sorted(found, key=lambda name: (ranks.get(name, len(ranks)), name)))
