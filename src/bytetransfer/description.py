"""What the report is told about a study besides its numbers: texts, costs, versions, commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from bytetransfer.corpus.corpus import Corpus, CorpusCard
from bytetransfer.plan import Plan
from bytetransfer.report import StudyDescription
from bytetransfer.run import departures
from bytetransfer.store import Store
from bytetransfer.study import Study


def describe(
    study: Study,
    path: Path,
    plan: Plan,
    corpora: Mapping[str, Corpus | None],
    store: Store,
) -> StudyDescription:
    """Everything a reader needs to judge a study and to repeat it.

    Args:
        study: what was asked for.
        path: the study file.
        plan: its runs.
        corpora: its sources and targets, None where not prepared.
        store: where results and their circumstances lie.
    """
    cards = {name: corpus.card for name, corpus in corpora.items() if corpus is not None}
    environments = [found for key in plan.runs if (found := store.environment(key)) is not None]
    versions: dict[str, str] = {}
    for environment in environments:
        versions |= environment.versions
    return StudyDescription(
        name=study.name,
        sources=study.sources,
        targets=study.targets,
        text=path.read_text(encoding="utf-8"),
        digests={name: card.digest for name, card in cards.items()},
        corpora={name: _statistics(card) for name, card in cards.items()},
        versions=versions,
        machine={"machine": ", ".join(sorted({e.machine for e in environments}))},
        departures=_departures(plan, store),
        costs=_costs(plan, store, sum(environment.seconds for environment in environments)),
        commands=(f"bytetransfer run {path.name}", f"bytetransfer report {path.name}"),
    )


def _statistics(card: CorpusCard) -> dict[str, str | int | float | bool | None]:
    characters = card.train.characters
    return {
        "documents": card.train.documents,
        "train_bytes": card.train.bytes,
        "validation_bytes": card.validation.bytes,
        "test_bytes": card.test.bytes,
        "bytes per character": round(card.train.bytes / characters, 3) if characters else None,
        "duplicates dropped": card.duplicates_dropped,
        "duplicates masked": card.duplicates_masked,
    }


def _departures(plan: Plan, store: Store) -> dict[str, str | int | float | bool | None]:
    """How many runs went otherwise than was asked for, by kind; nothing where none did."""
    kinds = Counter(
        kind
        for key, planned in plan.runs.items()
        if (result := store.result(key)) is not None
        for kind in departures(planned.run, result)
    )
    return dict(kinds)


def _costs(plan: Plan, store: Store, seconds: float) -> dict[str, str | int | float | bool | None]:
    results = [result for key in plan.runs if (result := store.result(key)) is not None]
    return {
        "runs": len(plan.runs),
        "runs done": len(results),
        "trained_bytes": sum(result.training.bytes_seen for result in results),
        "search_bytes": sum(result.training.search_bytes for result in results),
        "worker_seconds": round(seconds),
    }
