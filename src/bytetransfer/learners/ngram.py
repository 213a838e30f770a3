"""The surface learner: smoothed byte n-grams, in closed form, scored in exact nats.

It knows which bytes follow which and nothing else, takes a fraction of a second, and is the bar
below which a larger learner has learned nothing that counting would not have given it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.documents import Documents
from bytetransfer.errors import StudyError
from bytetransfer.learners.learner import Fitted, Progress, Task, Training, Watch
from bytetransfer.learners.ngram_counts import (
    MAX_ORDER,
    Counts,
    Floats,
    count_text,
)
from bytetransfer.learners.ngram_mixture import Mixture, interpolate
from bytetransfer.learners.ngram_queries import Queries, look_up, queries_of
from bytetransfer.learners.ngram_state import NgramState, read_state, write_state
from bytetransfer.units import bits_per_byte

FILE = "ngram.npz"
_BATCH_BYTES = 1 << 20  # of text scored in one pass; a longer document is cut there


class NgramSettings(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="learner",
    tag="ngram",
):  # fmt: skip
    """Everything that defines what the surface learner finds.

    Attributes:
        order: bytes of the longest n-gram, 1 to 7.
        discount_prior: n-grams of an average text added to the counts of counts that discounts
            are estimated from; matters below 10 kB.
        source_classes: a context belongs to a class by how often the source has seen it; a class
            begins at each of these counts, and a context below the first has no source weight.
        target_classes: the same for how often the target has seen it.
        first_weight: the source's weight in every class where the search begins.
        weight_prior_bytes: bytes against the source that each class has in advance.
        search_steps: the most steps of EM the search for weights takes.
        search_stop: it ends when a step gains less than this many bits per byte.

    Raises:
        StudyError: for values without meaning.
    """

    order: int = MAX_ORDER
    discount_prior: float = 30.0
    source_classes: tuple[int, ...] = (1, 4, 64)
    target_classes: tuple[int, ...] = (1, 8)
    first_weight: float = 0.15
    weight_prior_bytes: float = 5.0
    search_steps: int = 16
    search_stop: float = 2e-4

    def __post_init__(self) -> None:
        rules = {
            "order": 1 <= self.order <= MAX_ORDER,
            "discount_prior": self.discount_prior > 0,
            "source_classes": _increasing(self.source_classes) and len(self.source_classes) > 0,
            "target_classes": _increasing(self.target_classes),
            "first_weight": 0 < self.first_weight < 1,
            "weight_prior_bytes": self.weight_prior_bytes >= 0,
            "search_steps": self.search_steps >= 1,
            "search_stop": self.search_stop >= 0,
        }
        for name, holds in rules.items():
            if not holds:
                raise StudyError(
                    f"{getattr(self, name)!r} is no {name} of the n-gram learner",
                    where=f"learner ngram, {name}",
                    todo="leave it out to have the default",
                )


def _increasing(edges: tuple[int, ...]) -> bool:
    return all(a < b for a, b in zip((0, *edges), edges, strict=False))


class Ngram:
    """The surface learner; keeps the protocol of `learners.learner.Learner`."""

    def __init__(self, settings: NgramSettings) -> None:
        self.settings = settings
        self.lowered: dict[str, int] = {}

    def fit(
        self, task: Task, *, start: NgramState | None, folder: Path, watch: Watch
    ) -> Fitted[NgramState]:
        """Count `task.text`; from a start, also choose the source's weights on validation.

        With a start and no text the start itself is the result (zero-shot): then nothing, not
        even a weight, is chosen on target text. `folder` is left alone: there is nothing that
        would be worth resuming.

        Raises:
            ValueError: without text and start; if there is a choice to make but no validation
                text; if `task.chosen` names other weights than these settings have.
        """
        size = task.text.total_bytes
        if size == 0:
            if start is None:
                raise ValueError("there is no text to count and no state to start from")
            return Fitted(start, Training(bytes_seen=0))
        counts = count_text(
            task.text.text[:size], task.text.lengths, order=self.settings.order,
            discount_prior=self.settings.discount_prior,
        )  # fmt: skip
        watch(Progress(bytes_seen=size, expected_bytes=size))
        if start is None:
            return Fitted(NgramState(counts), Training(bytes_seen=size))
        search: list[dict[str, float]] = []
        if task.chosen is None:
            weights, search = self._search(counts, start, task.validation)
        else:
            weights = self._weights_named(task.chosen)
        training = Training(bytes_seen=size, chosen=self._names(weights), search=search)
        state = NgramState(counts, start, weights) if weights.any() else NgramState(counts)
        return Fitted(state, training)

    def score(self, state: NgramState, documents: Documents) -> NDArray[np.float64]:
        """Nats of each document, shape (documents,), in bounded memory."""
        nats = np.zeros(len(documents))
        for first, queries in self._batches(documents):
            batch = queries.document_nats(self._predict(state, queries)[0])
            nats[first : first + len(batch)] += batch
        return nats

    def save(self, state: NgramState, folder: Path) -> None:
        """Write `state` to `ngram.npz` in `folder`; a fine-tuned one with its source.

        Raises:
            StoreError: if the disk does not take it.
        """
        write_state(state, folder / FILE, discount_prior=self.settings.discount_prior)

    def load(self, folder: Path) -> NgramState:
        """Read back what `save` wrote, ready to be looked up in.

        Raises:
            StoreError: if the file is missing, damaged, or of other settings.
        """
        settings = self.settings
        return read_state(
            folder / FILE,
            order=settings.order,
            discount_prior=settings.discount_prior,
            shape=self._shape,
        )

    @property
    def _shape(self) -> tuple[int, int, int]:
        """Of the weights: order, source class, target class."""
        settings = self.settings
        return (
            settings.order,
            len(settings.source_classes) + 1,
            len(settings.target_classes) + 1,
        )

    def _names(self, weights: Floats) -> dict[str, float]:
        """The weights that are free, by name; a context the source has not seen has none."""
        return {
            f"source_weight_order{k + 1}_source{s}_target{t}": float(weights[k, s, t])
            for k, s, t in np.ndindex(*self._shape)
            if s > 0
        }

    def _weights_named(self, chosen: dict[str, float]) -> Floats:
        weights = np.zeros(self._shape)
        names = self._names(weights)
        if chosen.keys() != names.keys():
            raise ValueError("the chosen values are not the weights of these settings")
        weights[:, 1:, :] = np.reshape([chosen[name] for name in names], weights[:, 1:, :].shape)
        return weights

    def _search(
        self, counts: Counts, source: NgramState, validation: Documents
    ) -> tuple[Floats, list[dict[str, float]]]:
        """The weights that do best on validation, all 0 among them, and the losses on the way."""
        size = validation.total_bytes
        if size == 0:
            raise ValueError("there is no validation text to choose the source's weights on")
        order = self.settings.order
        queries = queries_of(validation.text[:size], validation.lengths, order=order)
        mixture = self._mixture(counts, source, queries)[0]
        none = np.zeros(self._shape)
        first = np.full(self._shape, self.settings.first_weight)
        first[:, 0, :] = 0.0
        _, nats = next(mixture.steps(none, prior_bytes=0.0))
        best, best_loss = none, bits_per_byte(nats, size)
        search = [{"weights_zero": 1.0, "em_steps": 0.0, "validation_bits_per_byte": best_loss}]
        before = np.inf
        candidates = mixture.steps(first, prior_bytes=self.settings.weight_prior_bytes)
        tried = itertools.islice(candidates, self.settings.search_steps + 1)
        for step, (weights, nats) in enumerate(tried):
            loss = bits_per_byte(nats, size)
            search.append(
                {"weights_zero": 0.0, "em_steps": float(step), "validation_bits_per_byte": loss}
            )
            if loss < best_loss:
                best, best_loss = weights, loss
            if before - loss < self.settings.search_stop:
                break
            before = loss
        return best, search

    def _mixture(
        self, counts: Counts, source: NgramState, queries: Queries
    ) -> tuple[Mixture, list[Floats]]:
        """The two texts' evidence put together, and how often both have seen each context."""
        theirs, their_totals = self._predict(source, queries)
        evidence = look_up(counts, queries)
        mixture = Mixture(
            queries,
            evidence,
            source=theirs,
            source_totals=their_totals,
            source_edges=self.settings.source_classes,
            target_edges=self.settings.target_classes,
        )
        return mixture, [own.totals + t for own, t in zip(evidence, their_totals, strict=True)]

    def _predict(self, state: NgramState, queries: Queries) -> tuple[list[Floats], list[Floats]]:
        """The probability of every n-gram from order 0, the totals of all contexts from order 1."""
        if state.source is None or state.weights is None:
            evidence = look_up(state.counts, queries)
            return interpolate(queries, evidence), [own.totals for own in evidence]
        mixture, totals = self._mixture(state.counts, state.source, queries)
        return mixture.probabilities(state.weights)[0], totals

    def _batches(self, documents: Documents) -> Iterator[tuple[int, Queries]]:
        """The first document of each batch and its queries.

        Whether and where a document is cut depends on its own length alone.
        """
        order, first, start = self.settings.order, 0, 0
        ends = documents.ends
        while first < len(ends):
            past = int(np.searchsorted(ends, start + _BATCH_BYTES, side="right"))
            end = int(ends[max(past, first + 1) - 1])
            if past > first:
                lengths = np.diff(ends[first:past], prepend=start)
                yield first, queries_of(documents.text[start:end], lengths, order=order)
            else:
                past = first + 1
                for a, b in _stretches(start, end):
                    begin = a if a == start else a - (order - 1)
                    text, lengths = documents.text[begin:b], np.array([b - begin])
                    yield first, queries_of(text, lengths, order=order, opened=a == start)
            first, start = past, end


def _stretches(start: int, end: int) -> Iterator[tuple[int, int]]:
    for a in range(start, end, _BATCH_BYTES):
        yield a, min(a + _BATCH_BYTES, end)
