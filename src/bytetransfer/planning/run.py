"""`Run`: everything that defines one result. `Result`: what came of it. Both lie on disk as JSON.

A run knows digests, never paths; the values that resolve it (numerics included) are in it, the
machine, the engine and the hour are not. Its key is the digest of its canonical JSON.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from bytetransfer.identity import digest
from bytetransfer.learners.catalog import Settings
from bytetransfer.learners.learner import Training
from bytetransfer.learners.transformer.numerics import Numerics

RUN_FORMAT = 1
"""Raised when the same request would give another result than before; old results stay unread."""

Kind = Literal["pretrain", "finetune", "scratch"]


class Sample(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Training text: the first bytes of a seed's permutation of a corpus.

    Attributes:
        corpus: digest of the corpus.
        nominal_bytes: the size asked for; the sample is the longest prefix not over it.
        end: which end of the permutation it is taken from. Pretraining takes the far end, so that
            a target can be its own source without meeting its fine-tuning text.
        content_of: digest of the corpus the size is counted in, for a transform into another
            script: the sample then holds what that corpus holds in so many bytes.
    """

    corpus: str
    nominal_bytes: int
    end: Literal["near", "far"]
    content_of: str | None = None


class Run(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request: train this on that, and score it.

    Attributes:
        kind: pretrain on a source, fine-tune a pretrained state, or train from scratch.
        settings: the learner with all its values, the search space and selection rule included.
        seed: fixes the permutation, the initialisation and the batch order.
        sample: the training text; None for a fine-tuning on 0 bytes (zero-shot).
        held_out: digest of the corpus whose validation and test splits are used.
        parent: key of the pretraining run a fine-tuning starts from.
        chosen_by: key of the run whose search has chosen the values this one uses.
        numerics: how it is computed; None for a learner that computes in one way only.
    """

    kind: Kind
    settings: Settings
    seed: int
    held_out: str
    sample: Sample | None = None
    parent: str | None = None
    chosen_by: str | None = None
    numerics: Numerics | None = None
    format: int = RUN_FORMAT

    @property
    def key(self) -> str:
        """The run's identity."""
        return digest(self)

    @property
    def needs(self) -> tuple[str, ...]:
        """Keys of the runs whose results this one uses."""
        return tuple(key for key in (self.parent, self.chosen_by) if key is not None)


class Loss(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Total nats over a number of bytes, and the same in fixed blocks of documents.

    Attributes:
        nats: total over all documents.
        bytes: number of bytes scored.
        blocks: (nats, bytes) of each block; empty where no resampling is needed.
    """

    nats: float
    bytes: int
    blocks: list[tuple[float, int]] = []


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a run gave; free of clocks and hosts, so equal numerics give equal files.

    Attributes:
        key: the run's key.
        trained_bytes: actual bytes of the training sample.
        validation: loss on the validation split.
        test: loss on the test split, with blocks.
        training: how the learner got there.
        changed_numerics: what was really used where the request's numerics did not fit the device.
        state: SHA-256 of each file of the state that a pretraining leaves, by name; absent from
            results of earlier versions.
    """

    key: str
    trained_bytes: int
    validation: Loss
    test: Loss
    training: Training
    changed_numerics: Numerics | None = None
    state: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """A result without its losses, which are nearly all of it: read where nobody asks for them.

    Attributes:
        key: the run's key.
        training: as in `Result`.
        changed_numerics: as in `Result`.
        state: as in `Result`.
    """

    key: str
    training: Training
    changed_numerics: Numerics | None = None
    state: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


def departures(run: Run, result: Result | Ending) -> dict[str, str]:
    """What was done differently from the request, by kind, in words; empty for most runs."""
    found: dict[str, str] = {}
    changed = result.changed_numerics
    if changed is not None and run.numerics is not None:
        if changed.micro_batch != run.numerics.micro_batch:
            sizes = f"{changed.micro_batch} instead of {run.numerics.micro_batch}"
            words = f"memory ran out: {sizes} sequences at a time, same batch"
            found["less memory at a time"] = words
        if changed.scored_symbols is not msgspec.UNSET:
            words = f"memory ran out: {changed.scored_symbols:,} bytes scored at a time"
            found["less scored at a time"] = words
    for entry in result.training.search:
        if "not_finite_step" in entry:
            found["retried at half the rate"] = (
                f"not finite at step {entry['not_finite_step']:.0f}, learning rate "
                f"{entry['not_finite_learning_rate']:.3g}: "
                f"half of it from step {entry['halved_from_step']:.0f} on"
            )
    lost = [
        f"{entry['learning_rate']:.3g} (not finite at step {entry['diverged_step']:.0f})"
        for entry in result.training.search
        if "diverged_step" in entry
    ]
    if lost:
        found["a learning rate diverged"] = f"lost to the search: learning rate {', '.join(lost)}"
    if result.training.ranks is not msgspec.UNSET:
        counts = " then ".join(str(count) for count in result.training.ranks)
        found["several processes"] = f"steps shared by {counts} processes"
    return found
