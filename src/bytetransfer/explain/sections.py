"""What explains the transfer: the analyses that a study allows, as sections."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import TypeVar

from bytetransfer.analysis.cells import Group, Unanswered, by_group
from bytetransfer.analysis.commutativity import commutativity
from bytetransfer.analysis.consistency import consistency
from bytetransfer.analysis.contamination import Reading, exposures, follow_contamination
from bytetransfer.analysis.counterfactual import Counterfactual, counterfactuals
from bytetransfer.analysis.decomposition import (
    ControlledPair,
    Undecided,
    controlled_pairs,
    find_ladders,
    stacks,
)
from bytetransfer.analysis.scaling import model_scaling, scaling
from bytetransfer.analysis.similarity import similarities
from bytetransfer.errors import MissingExtraError
from bytetransfer.explain.inputs import (
    Distances,
    Evidence,
    distances_of_languages,
    distances_of_texts,
    premiums,
    read_document,
    readings,
    without_foreign_lines,
)
from bytetransfer.learners.catalog import SURFACE
from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.report.analyses.commutativity import commutativity_section
from bytetransfer.report.analyses.consistency import consistency_section
from bytetransfer.report.analyses.contamination import contamination_section
from bytetransfer.report.analyses.content import content_section
from bytetransfer.report.analyses.decomposition import decomposition_section
from bytetransfer.report.analyses.scaling import scaling_section
from bytetransfer.report.analyses.similarity import similarity_section
from bytetransfer.report.document import Section
from bytetransfer.transfer.estimate import Estimates, estimate_transfer
from bytetransfer.units import format_bytes

T = TypeVar("T")

_NO_TEXTS = "a table of losses has no texts"
_CLOSE = "--close TARGET=SOURCE"


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
    groups = by_group(evidence.between_languages)
    found = [
        consistency(rows, factor=evidence.factor, noise=evidence.noise, seed=evidence.seed)
        for rows in groups.values()
    ]
    return _languages_only(consistency_section(_placed(found, groups), evidence.names), evidence)


def _languages_only(section: Section, evidence: Evidence) -> Section:
    """With who is left out: the same in every section that compares languages."""
    if not evidence.not_compared:
        return section
    names = ", ".join(evidence.names.language(name) for name in evidence.not_compared)
    left_out = (
        f"Languages are compared here. Left out are controls and transforms, and languages "
        f"without foreign lines where they also stand as they are: {names}."
    )
    return replace(section, text=(*section.text, left_out))


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


def _commutativity(evidence: Evidence) -> Section:
    groups = by_group(evidence.between_languages)
    single = {seed: by_group(found) for seed, found in _by_seed(evidence).items()}
    found = [
        commutativity(
            rows,
            premiums=premiums(evidence),
            by_seed={seed: alone.get(group, ()) for seed, alone in single.items()},
            noise=evidence.noise,
        )
        for group, rows in groups.items()
    ]
    return _languages_only(commutativity_section(_placed(found, groups), evidence.names), evidence)


def _by_seed(evidence: Evidence) -> dict[int, Estimates]:
    """Estimates of each seed by itself; their own intervals are not asked for."""
    seeds = sorted({row.seed for row in evidence.measurements})
    return {
        seed: estimate_transfer(
            Measurements(row for row in evidence.measurements if row.seed == seed),
            method=evidence.method,
        )
        for seed in seeds
    }


def _content(evidence: Evidence) -> Section:
    found = premiums(evidence)
    if len(found) < 2:
        reason = (
            _NO_TEXTS
            if not evidence.corpora
            else (
                f"no corpus is aligned with one called {evidence.reference!r} "
                "(analysis.reference in the study file)"
            )
        )
        return _unanswered("content", "What is it worth in bytes of equal content?", reason)
    return content_section(evidence.estimates, found, evidence.names)


def _similarity(evidence: Evidence) -> Section:
    notes: list[str] = []
    missing: dict[str, Mapping[str, str]] = {}
    pairs = {(row.source, row.target) for row in evidence.between_languages}
    pairs = {(source, target) for source, target in pairs if source != target}
    if len({source for source, _ in pairs}) < 2 or len({target for _, target in pairs}) < 2:
        reason = "two sources and two targets are needed to tell distance from what is theirs"
        return _unanswered("similarity", "Do similar languages transfer more?", reason)
    measures = {
        **_typology({name for pair in pairs for name in pair}, evidence, notes, missing),
        **distances_of_texts(evidence, notes, missing),
        **evidence.distances,
    }
    groups = by_group(evidence.between_languages)
    found = similarities(groups.values(), measures, seed=evidence.seed)
    results = dict(zip(groups, found, strict=True))
    section = similarity_section(results, evidence.names, missing=missing, notes=notes)
    return _languages_only(section, evidence)


def _typology(
    compared: set[str],
    evidence: Evidence,
    notes: list[str],
    missing: dict[str, Mapping[str, str]],
) -> Distances:
    """Distances from the database, with what there are none of."""
    codes = {name: code for name, code in evidence.languages.items() if name in compared}
    try:
        typology = distances_of_languages(evidence, codes)
    except MissingExtraError as error:
        notes.append(f"Typological distances are left out: {error.what}.")
        return {}
    missing |= typology.missing
    notes.append(f"Typological distances are from {typology.database}.")
    notes.extend(
        f"Without a {kind} feature that is known of both: "
        + ", ".join(
            f"{evidence.names.language(one)} and {evidence.names.language(other)}"
            for one, other in pairs
        )
        + "."
        for kind, pairs in typology.unshared.items()
        if pairs
    )
    return typology.values


def _contamination(evidence: Evidence) -> Section:
    if not evidence.spoken:
        reason = "no text of a known language is at hand; state `language` of each corpus"
        if not evidence.corpora:
            reason = _NO_TEXTS
        return _unanswered("contamination", "Are the corpora what they are called?", reason)
    found = list(readings(evidence))
    examples: dict[str, list[str]] = defaultdict(list)
    for name, one in found:
        if isinstance(one, Reading) and not examples[name]:
            corpus = evidence.corpora[name]
            examples[name] = [read_document(corpus, number) for number in one.examples]
    shares = [one for _, one in found if isinstance(one, Reading)]
    groups = by_group(evidence.between_languages).values() if shares else ()
    return contamination_section(
        [one for _, one in found],
        follow_contamination(groups, shares, seed=evidence.seed),
        exposures(evidence.between_languages, shares),
        evidence.names,
        examples=examples,
        without=_without_foreign_lines(evidence),
    )


def _without_foreign_lines(evidence: Evidence) -> Sequence[Counterfactual | Undecided]:
    pairs = without_foreign_lines(row.source for row in evidence.estimates)
    return counterfactuals(
        evidence.measurements, pairs, method=evidence.method, noise=evidence.noise
    )


def _decomposition(evidence: Evidence) -> Section:
    sources = dict.fromkeys(row.source for row in evidence.estimates)
    languages = dict.fromkeys(row.source for row in evidence.between_languages)
    options = {"method": evidence.method, "noise": evidence.noise}
    found = chain.from_iterable(
        stacks(evidence.measurements, ladder, **options)  # type: ignore[arg-type]
        for ladder in find_ladders(sources)
    )
    pairs: list[ControlledPair | Undecided] = []
    for target, close in evidence.close.items():
        distant = [name for name in languages if name not in {close, target, SCRATCH}]
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
            f"({'analysis.close in the study file' if evidence.corpora else _CLOSE})"
        )
        return _unanswered("decomposition", "What is it that transfers?", reason)
    return decomposition_section(results, pairs, evidence.names)


def _scaling(evidence: Evidence) -> Section:
    models = model_scaling(evidence.estimates, evidence.parameters)
    found = scaling(evidence.estimates, noise=evidence.noise)
    section = scaling_section(found, models, evidence.names)
    learners = dict.fromkeys(row.learner for row in evidence.estimates if row.learner != SURFACE)
    unsized = [name for name in learners if name not in evidence.parameters]
    if len(learners) < 2 or not unsized:
        return section
    names = ", ".join(evidence.names.learner(name, "") for name in unsized)
    note = (
        f"Not answered: a law of the model's size, as the number of parameters of {names} is not "
        "known (--parameters LEARNER=COUNT)."
    )
    return replace(section, text=(*section.text, note))


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
