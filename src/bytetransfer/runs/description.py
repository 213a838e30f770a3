"""What the report is told about a study besides its numbers: texts, costs, versions, commands."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from bytetransfer.corpus.corpus import Corpus, CorpusCard
from bytetransfer.files.disk import shown_path
from bytetransfer.learners.transformer.settings import TransformerSettings, flops_per_byte
from bytetransfer.planning.plan import Plan
from bytetransfer.planning.run import Ending, departures
from bytetransfer.report import StudyDescription
from bytetransfer.runs.store import Environment, Store
from bytetransfer.study.study import Study

_CITATIONS = (
    """@inproceedings{souza-etal-2024-measuring,
  title = {Measuring Cross-lingual Transfer in Bytes},
  author = {de Souza, Leandro Rodrigues and Almeida, Thales Sales and Lotufo, Roberto
            and Nogueira, Rodrigo},
  booktitle = {Proceedings of NAACL},
  year = {2024},
  eprint = {2404.08191},
}""",
    f"""@software{{bytetransfer,
  title = {{bytetransfer: transfer between languages, measured in bytes}},
  author = {{The bytetransfer authors}},
  version = {{{metadata.version("bytetransfer")}}},
}}""",
)


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
    text, file = path.read_text(encoding="utf-8"), shown_path(path.name)
    cards = {name: corpus.card for name, corpus in corpora.items() if corpus is not None}
    results = {key: ending for key in plan.runs if (ending := store.ending(key)) is not None}
    environments = {k: found for k in results if (found := store.environment(k)) is not None}
    versions: dict[str, str] = {}
    for environment in environments.values():
        versions |= environment.versions
    return StudyDescription(
        name=study.name,
        sources=study.sources,
        targets=study.targets,
        text=text,
        digests={
            **{name: card.digest for name, card in cards.items()},
            f"{file} (SHA-256)": sha256(path.read_bytes()).hexdigest(),
        },
        corpora={name: _statistics(card) for name, card in cards.items()},
        versions=versions,
        machine=_machine(plan, results, environments.values()),
        departures=_departures(plan, results) | _unverified(store, results),
        costs=_costs(plan, results, list(environments.values())),
        runs={
            key: {
                "stopped": result.training.stopped,
                "retried": key in environments and environments[key].retried,
            }
            for key, result in results.items()
        },
        citations=_CITATIONS,
        commands=(f"bytetransfer run {file}", f"bytetransfer report {file}"),
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


def _machine(
    plan: Plan, results: Mapping[str, Ending], environments: Iterable[Environment]
) -> dict[str, str | int | float | bool | None]:
    """What the runs were done on, and how those compute that can do so in more than one way."""
    facts: dict[str, str | int | float | bool | None] = {
        "machine": "; ".join(sorted({found.machine for found in environments}))
    }
    used = [
        numerics
        for key, result in results.items()
        if (numerics := result.changed_numerics or plan.runs[key].run.numerics) is not None
    ]
    if not used:
        return facts
    return facts | {
        "device of transformers": _each(found.device for found in used),
        "precision of their matrix products": _each(found.precision for found in used),
        "their attention": _each(found.attention for found in used),
        "compiled": _each("yes" if found.compiled else "no" for found in used),
        "threads a run": _each(str(found.threads) for found in used),
        "sequences at a time": _each(str(found.micro_batch) for found in used),
    }


def _each(values: Iterable[str]) -> str:
    """Every value once; most often there is one."""
    return ", ".join(sorted(set(values)))


def _departures(
    plan: Plan, results: Mapping[str, Ending]
) -> dict[str, str | int | float | bool | None]:
    """How many runs differ from their request, by kind; nothing where none did."""
    kinds = Counter(
        kind for key, result in results.items() for kind in departures(plan.runs[key].run, result)
    )
    return dict(kinds)


def _unverified(store: Store, results: Iterable[str]) -> dict[str, str | int | float | bool | None]:
    """How many results come from a version that kept no digests; nothing where none does."""
    found = sum(not store.has_digest(key) for key in results)
    return {"without a digest, of an earlier version: damage would pass": found} if found else {}


def _costs(
    plan: Plan, results: Mapping[str, Ending], environments: Sequence[Environment]
) -> dict[str, str | int | float | bool | None]:
    """What was done, the search included.

    FLOPs are those of training; counting n-grams has none to speak of.
    """
    flops = 0.0
    for key, result in results.items():
        settings = plan.runs[key].run.settings
        if isinstance(settings, TransformerSettings):
            seen = max(result.training.search_bytes, result.training.bytes_seen)
            flops += flops_per_byte(settings.shape) * seen
    unknown = len(results) - len(environments)
    return {
        "runs": len(plan.runs),
        "runs done": len(results),
        "trained_bytes": sum(result.training.bytes_seen for result in results.values()),
        "search_bytes": sum(result.training.search_bytes for result in results.values()),
        **({"training_flops": flops} if flops else {}),
        **({"runs of unknown time and machine": unknown} if unknown else {}),
        "wall_seconds": round(_wall_seconds(environments)),
        "worker_seconds": round(sum(found.seconds for found in environments)),
    }


def _wall_seconds(environments: Sequence[Environment]) -> float:
    """How long any run was at work: runs side by side count once, pauses not at all.

    >>> at = {"machine": "", "versions": {}}
    >>> _wall_seconds([
    ...     Environment(seconds=60.0, finished="2024-01-01T00:01:00+00:00", **at),
    ...     Environment(seconds=30.0, finished="2024-01-01T00:01:10+00:00", **at),
    ...     Environment(seconds=5.0, finished="2024-01-02T00:00:00+00:00", **at),
    ... ])
    75.0
    """
    ends = [(datetime.fromisoformat(one.finished).timestamp(), one.seconds) for one in environments]
    total, reached = 0.0, -math.inf
    for start, end in sorted((end - seconds, end) for end, seconds in ends):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
