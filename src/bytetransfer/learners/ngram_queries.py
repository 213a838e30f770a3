"""Looking the n-grams of a text up in counts, each distinct one once.

The interpolated probability of an n-gram follows from its own counts, those of its prefix (its
context) and the probability of its suffix (the same prediction from one byte less). So a text is
reduced to its distinct n-grams with links to prefix and suffix, and everything after the look-up
runs over short arrays in which nothing is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bytetransfer.learners.ngram_counts import (
    SYMBOL_BITS,
    Counts,
    Floats,
    Indices,
    Keys,
    Level,
    begins_run,
    pack_windows,
    predicts_byte,
)


@dataclass(frozen=True, eq=False)
class Queries:
    """The distinct n-grams of a text, and where they predict its bytes.

    Lists run over the orders 0 to `order`; order 0 is the empty n-gram alone.

    Attributes:
        keys: packed n-grams, increasing; each of shape (grams of that order,).
        prefix: which n-gram one order below is the context; same shapes.
        suffix: which n-gram one order below predicts the same byte; same shapes.
        predicted: for each byte the n-gram that predicts it, numbered through all orders; shape
            (predicted bytes,).
        document: the document each of those bytes is in; shape (predicted bytes,).
        documents: number of documents.
    """

    keys: list[Keys]
    prefix: list[Indices]
    suffix: list[Indices]
    predicted: Indices
    document: Indices
    documents: int

    @property
    def order(self) -> int:
        """Bytes of the longest n-gram."""
        return len(self.keys) - 1

    @property
    def bytes(self) -> int:
        """How many bytes are predicted."""
        return len(self.predicted)

    def occurrences(self) -> list[Floats]:
        """For each order, how many bytes each of its n-grams predicts."""
        sizes = [len(keys) for keys in self.keys]
        flat = np.bincount(self.predicted, minlength=sum(sizes)).astype(np.float64)
        return np.split(flat, np.cumsum(sizes)[:-1])

    def document_nats(self, probabilities: list[Floats]) -> Floats:
        """Nats of each document, given the probability of every n-gram; shape (documents,).

        Added up one byte after the other within a document, so neighbours change nothing.
        """
        nats = -np.log(np.concatenate(probabilities))
        total = np.bincount(self.document, nats[self.predicted], minlength=self.documents)
        return total.astype(np.float64, copy=False)


def queries_of(
    text: NDArray[np.uint8], lengths: Indices, *, order: int, opened: bool = True
) -> Queries:
    """The queries a text puts to n-gram counts.

    Args:
        text: the bytes of all documents; shape (bytes,).
        lengths: bytes of each document; shape (documents,).
        order: bytes of the longest n-gram.
        opened: False for a stretch from inside a document: its first order − 1 bytes are context
            and are not predicted.
    """
    windows = pack_windows(text, lengths, order=order, opened=opened)
    sorting = np.argsort(windows)
    window_gram = np.empty(len(windows), np.int64)  # of each window, its number at highest order
    begins = begins_run(windows[sorting])
    window_gram[sorting] = np.cumsum(begins) - 1
    example = sorting[begins]  # any place where the window occurs: what follows it is the same
    keys, prefix, down, leftmost = _prefixes(windows[example], order)
    following = window_gram[np.minimum(example + 1, len(windows) - 1)] if len(example) else example
    suffix = [np.zeros(len(keys[k]), np.int64) for k in range(min(2, order + 1))]
    suffix += [down[k - 1][following[leftmost[k]]] for k in range(2, order + 1)]
    lengths = lengths + 1 if opened else lengths
    predicted, document = _predictions(windows, window_gram, lengths, down, keys, opened=opened)
    return Queries(keys, prefix, suffix, predicted, document, len(lengths))


def _prefixes(
    windows: Keys, order: int
) -> tuple[list[Keys], list[Indices], list[Indices], list[Indices]]:
    """All orders below: keys, link to the prefix, prefix of each window, a window of each gram."""
    keys, down, leftmost = [windows], [np.arange(len(windows))], [np.arange(len(windows))]
    prefix: list[Indices] = []
    for _ in range(order):
        shorter = keys[-1] >> np.uint64(SYMBOL_BITS)
        begins = begins_run(shorter)
        prefix.append(np.cumsum(begins) - 1)
        keys.append(shorter[begins])
        leftmost.append(leftmost[-1][begins])
        down.append(prefix[-1][down[-1]])
    prefix.append(np.zeros(len(keys[-1]), np.int64))
    return keys[::-1], prefix[::-1], down[::-1], leftmost[::-1]


def _predictions(
    windows: Keys,
    window_gram: Indices,
    lengths: Indices,
    down: list[Indices],
    keys: list[Keys],
    *,
    opened: bool,
) -> tuple[Indices, Indices]:
    """Which n-gram predicts each byte: the longest, or what a document's opening leaves."""
    order = len(keys) - 1
    offsets = np.cumsum([0] + [len(level) for level in keys])
    whole = np.flatnonzero(predicts_byte(windows))
    document = np.repeat(np.arange(len(lengths)), lengths)
    grams, documents = [offsets[order] + window_gram[whole]], [document[whole]]
    begins = np.cumsum(lengths) - lengths
    for k in range(2, order) if opened else ():
        long_enough = np.flatnonzero(lengths >= k)
        grams.append(offsets[k] + down[k][window_gram[begins[long_enough]]])
        documents.append(long_enough)
    return np.concatenate(grams), np.concatenate(documents)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What counts say about the n-grams of one order: p = own + escape · p(base).

    Attributes:
        own: the discounted relative frequency; shape (grams,).
        escape: what is left for the base distribution, 1 for a context never seen; shape (grams,).
        totals: how often the context was seen; shape (grams,).
    """

    own: Floats
    escape: Floats
    totals: Floats


def look_up(counts: Counts, queries: Queries) -> list[Evidence]:
    """The evidence for every n-gram of `queries`, order by order from 1.

    An n-gram is searched for only where its context was found: in a foreign language most are
    settled at a low order.
    """
    evidence: list[Evidence] = []
    place = np.zeros(1, np.int64)  # of each n-gram in the counts, −1 where it is not
    for k in range(1, queries.order + 1):
        level, contexts = counts.levels[k], counts.levels[k - 1]
        context = place[queries.prefix[k]]
        place = _places(level, queries.keys[k], context >= 0)
        evidence.append(_evidence(level, contexts, place, context))
    return evidence


def _places(level: Level, keys: Keys, worthwhile: NDArray[np.bool_]) -> Indices:
    place = np.full(len(keys), -1)
    asked = np.flatnonzero(worthwhile)
    at = np.searchsorted(level.keys, keys[asked])
    hit = level.keys[np.minimum(at, len(level.keys) - 1)] == keys[asked]
    place[asked[hit]] = at[hit]
    return place


def _evidence(level: Level, contexts: Level, place: Indices, context: Indices) -> Evidence:
    # A context that only ever ended documents has no total: it is as good as unseen. Index −1
    # reads a value that the masks then drop.
    totals = np.where(context >= 0, contexts.totals[context], 0).astype(np.float64)
    divisor = np.maximum(totals, 1.0)
    counted = np.where(place >= 0, level.counts[place], 0)
    own = (counted - level.discounts[np.minimum(counted, 3)]) / divisor
    escape = np.where(totals > 0, contexts.reserved[context] / divisor, 1.0)
    return Evidence(own, escape, totals)
