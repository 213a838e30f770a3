"""The protocol every learner keeps: fit on documents, score documents, save and load a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Literal, Protocol, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.documents import Documents


class Training(msgspec.Struct, frozen=True, kw_only=True):
    """What happened while a learner was fitted; part of a run's result, so free of clocks.

    Attributes:
        bytes_seen: bytes of text the kept configuration was trained on, repetitions counted.
        search_bytes: bytes all configurations of the search saw together (the search's cost).
        steps: optimiser steps of the kept configuration (0 for a learner without an optimiser).
        stopped: why it ended: `patience` (validation stopped improving), `budget` (the declared
            limit came first: the run is not converged), `schedule` (a fixed recipe ended) or
            `exact` (a closed form: nothing to converge).
        chosen: the values chosen on validation, by name (learning rate, mixture weights).
        search: one entry per configuration: its values and the validation loss it reached; where
            it diverged, instead of the loss the step and rate at which it was not finite; where it
            was retried at half its rate, also that step and rate, and the step it went back to.
        history: (bytes seen, validation bits per byte) at every evaluation of the kept run.
        ranks: numbers of processes that have shared its steps, which moves the last digits; absent
            where one process did it all.
    """

    bytes_seen: int
    search_bytes: int = 0
    steps: int = 0
    stopped: Literal["patience", "budget", "schedule", "exact"] = "exact"
    chosen: dict[str, float] = {}
    search: list[dict[str, float]] = []
    history: list[tuple[int, float]] = []
    ranks: list[int] | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True)
class Progress:
    """How far a fit is.

    Attributes:
        bytes_seen: bytes trained on so far, over all configurations of the search.
        expected_bytes: the most it may still come to.
        bits_per_byte: the latest training or validation loss, None before the first.
    """

    bytes_seen: int
    expected_bytes: int
    bits_per_byte: float | None = None


State = TypeVar("State")

Watch = Callable[[Progress], None]


@dataclass(frozen=True, kw_only=True, eq=False)
class Task:
    """What a learner is asked to learn.

    Attributes:
        text: training documents, in the order of the seed's permutation; empty for zero-shot.
        validation: documents that every choice is made on.
        seed: fixes initialisation and batch order.
        chosen: values an earlier run's search has chosen; the search is skipped when given.
    """

    text: Documents
    validation: Documents
    seed: int
    chosen: dict[str, float] | None = None


@dataclass(frozen=True, eq=False)
class Fitted(Generic[State]):
    """A learner's state after a fit, and the record of how it came about."""

    state: State
    training: Training


class Learner(Protocol[State]):
    """Anything that can be pretrained, fine-tuned and scored in bytes.

    A state is opaque to the caller. `fit` may keep checkpoints in `folder` and must resume from
    them to the identical result after being killed at any moment.

    Attributes:
        lowered: what `fit` and `score` have taken less of since memory ran out, by the name it has
            in the run's numerics; what a `Training` says already is left out.
    """

    @property
    def lowered(self) -> Mapping[str, int]:
        """See above."""
        ...

    def fit(self, task: Task, *, start: State | None, folder: Path, watch: Watch) -> Fitted[State]:
        """Learn `task.text`, from `start` (a pretrained state) or from nothing."""
        ...

    def score(self, state: State, documents: Documents) -> NDArray[np.float64]:
        """Nats of each document, shape (documents,): -ln p of its bytes, scored by itself."""
        ...

    def save(self, state: State, folder: Path) -> None:
        """Write `state` into `folder`; atomic, no pickle."""
        ...

    def load(self, folder: Path) -> State:
        """Read back what `save` wrote."""
        ...
