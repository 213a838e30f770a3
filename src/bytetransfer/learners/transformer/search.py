"""What a search over learning rates came to: functions of its records; free of clocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from bytetransfer.learners.learner import Training
from bytetransfer.learners.transformer.loop import Record
from bytetransfer.learners.transformer.settings import Paper, TransformerSettings


def final_loss(record: Record) -> float:
    """Validation loss of the state that is kept, bits per byte; infinite where there is none."""
    if record.divergence is not None:
        return math.inf
    position = record.position
    return position.history[-1][1] if position.best is None else position.best


def why_none(rates: Sequence[float], records: Sequence[Record]) -> str:
    """Why no rate gave a state: the words of the lowest one."""
    _, words = min(
        (rate, r.divergence.told) for rate, r in zip(rates, records, strict=True) if r.divergence
    )
    return f"{words}; the search's other learning rates came to the same end"


def training(
    rates: Sequence[float],
    records: Sequence[Record],
    best: int,
    *,
    settings: TransformerSettings,
    micro_batch: int,
) -> Training:
    """The record of the search.

    Args:
        rates: learning rates that were tried.
        records: of each, how its training went.
        best: which of them is kept.
        settings: of the run.
        micro_batch: sequences at a time, as asked for.
    """
    kept = records[best].position
    chosen = {}
    if not isinstance(settings.recipe, Paper):
        chosen["learning_rate"] = rates[best]
    if records[best].micro_batch != micro_batch:
        chosen["micro_batch"] = float(records[best].micro_batch)
    ranks = sorted({count for record in records for count in record.ranks})
    return Training(
        bytes_seen=kept.bytes_seen,
        search_bytes=sum(record.position.bytes_seen for record in records),
        steps=kept.step,
        stopped=kept.stopped,
        chosen=chosen,
        search=[_entry(*tried) for tried in zip(rates, records, strict=True)],
        history=list(kept.history),
        ranks=msgspec.UNSET if ranks == [1] else ranks,
    )


def _entry(rate: float, record: Record) -> dict[str, float]:
    entry = {"learning_rate": rate}
    if record.divergence is None:
        entry["validation_bits_per_byte"] = final_loss(record)
    entry["bytes_seen"] = float(record.position.bytes_seen)
    if record.divergence is not None:
        entry["diverged_step"] = float(record.divergence.step)
        entry["diverged_learning_rate"] = record.divergence.learning_rate
    if record.retry is not None:
        entry["not_finite_step"] = float(record.retry.step)
        entry["not_finite_learning_rate"] = record.retry.learning_rate
        entry["halved_from_step"] = float(record.retry.from_step)
    return entry
