"""Looking the n-grams of a text up in counts, each distinct one once.

The interpolated probability of an n-gram follows from its own counts, those of its prefix (its
context) and the probability of its suffix (the same prediction from one byte less). So a text is
reduced to its distinct n-grams with links to prefix and suffix, and everything after the look-up
runs over short arrays in which nothing is repeated. One search of the longest n-grams finds those
of every order.
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
    begins_run,
    pack_windows,
    predicts_byte,
)

_BLOCK_NEEDLES = 1 << 15  # what is searched for at once stays in the processor's cache


@dataclass(frozen=True, eq=False)
class Links:
    """How the distinct n-grams of a text hang together.

    Lists run over the orders 0 to `order`; order 0 is the empty n-gram alone and has no links.

    Attributes:
        prefix: which n-gram one order below is the context; shape (grams of that order,).
        suffix: which n-gram one order below predicts the same byte; same shapes.
        first: of the n-grams with the same prefix the first; shape (grams one order below,).
    """

    prefix: list[Indices]
    suffix: list[Indices]
    first: list[Indices]


@dataclass(frozen=True, eq=False)
class Queries:
    """The distinct n-grams of a text, and where they predict its bytes.

    Attributes:
        windows: the distinct windows, increasing: the n-grams of the highest order.
        links: between these and the shorter n-grams.
        at: which of the windows begins at each symbol; shape (symbols,).
        starts: the symbol each document starts at; shape (documents,).
        openings: the bytes that have too little before them for a window: order by order the
            n-grams that predict them, and the document of each.
    """

    windows: Keys
    links: Links
    at: Indices
    starts: Indices
    openings: list[tuple[Indices, Indices]]

    @property
    def order(self) -> int:
        """Bytes of the longest n-gram."""
        return len(self.links.prefix) - 1

    def occurrences(self) -> list[Floats]:
        """For each order, how many bytes each of its n-grams predicts."""
        occurrences = [
            np.bincount(grams, minlength=max(1, len(prefix))).astype(np.float64)
            for (grams, _), prefix in zip(self.openings, self.links.prefix, strict=False)
        ]
        whole = np.bincount(self.at, minlength=len(self.windows))
        return [*occurrences, np.where(predicts_byte(self.windows), whole, 0.0)]

    def document_nats(self, probabilities: list[Floats]) -> Floats:
        """Nats of each document, given the probability of every n-gram; shape (documents,).

        A document is added up by itself, so neighbours change nothing.
        """
        nats = np.where(predicts_byte(self.windows), -np.log(probabilities[-1]), 0.0)
        total = np.add.reduceat(nats[self.at], self.starts)
        for p, (grams, documents) in zip(probabilities, self.openings, strict=False):
            total[documents] -= np.log(p[grams])
        return total


def queries_of(
    text: NDArray[np.uint8], lengths: Indices, *, order: int, opened: bool = True
) -> Queries:
    """The queries a text puts to n-gram counts.

    Args:
        text: the bytes of all documents; shape (bytes,).
        lengths: bytes of each document; shape (documents,).
        order: bytes of the longest n-gram.
        opened: False for a stretch from inside a document, which must not be empty: its first
            order − 1 bytes are context and are not predicted.
    """
    windows = pack_windows(text, lengths, order=order, opened=opened)
    sorting = _sorting(windows)
    ordered = windows[sorting]
    begins = begins_run(ordered)
    at = np.empty(len(windows), np.int64)
    at[sorting] = np.cumsum(begins) - 1
    first = np.flatnonzero(begins)
    example = sorting[first]  # any place where the window occurs: what follows it is the same
    following = at[np.minimum(example + 1, len(windows) - 1)]
    distinct = ordered[first]
    links = _links(distinct, following, order)
    lengths = lengths + 1 if opened else lengths
    starts = np.cumsum(lengths) - lengths
    openings = [(np.zeros(0, np.int64), np.zeros(0, np.int64)) for _ in range(order)]
    grams = at[starts]
    for k in range(order - 1, 1, -1) if opened else ():
        grams = links.prefix[k + 1][grams]
        long_enough = np.flatnonzero(lengths >= k)
        openings[k] = grams[long_enough], long_enough
    return Queries(distinct, links, at, starts, openings)


def _sorting(windows: Keys) -> Indices:
    """np.argsort(windows, kind="stable"), 16 bits after another.

    For numbers so short numpy sorts by radix, as fast on one processor as on another.
    """
    digits = [(windows >> np.uint64(shift)).astype(np.uint16) for shift in range(0, 64, 16)]
    return np.lexsort(digits)


def _links(windows: Keys, following: Indices, order: int) -> Links:
    """The links between the prefixes of `windows`, which `following` follow in the text."""
    none = np.zeros(0, np.int64)
    prefix, suffix, first = ([none] * (order + 1) for _ in range(3))
    differs = np.full(len(windows), -1).astype(np.uint64)  # from the n-gram before, in these bits
    np.bitwise_xor(windows[1:], windows[:-1], out=differs[1:])
    for k in range(order, 0, -1):
        begins = differs >= _one_beyond(order - k + 1)
        prefix[k] = np.cumsum(begins) - 1
        suffix[k] = prefix[k][following]
        first[k] = np.flatnonzero(begins)
        following, differs = suffix[k][first[k]], differs[first[k]]
    return Links(prefix, suffix, first)


@dataclass(frozen=True, eq=False)
class Evidence:
    """What counts say about the n-grams of one order: p = own + escape[context] · p(base).

    Attributes:
        own: the discounted relative frequency; shape (grams,).
        escape: what each context leaves for the base distribution, 1 if it was never seen; shape
            (contexts,), the n-grams one order below.
        totals: how often each context was seen; shape (contexts,).
    """

    own: Floats
    escape: Floats
    totals: Floats


def look_up(counts: Counts, queries: Queries) -> list[Evidence]:
    """The evidence for every n-gram of `queries`, order by order from 1."""
    places = _places(counts, queries)
    evidence: list[Evidence] = []
    for k in range(1, queries.order + 1):
        level, below, prefix = counts.levels[k], counts.levels[k - 1], queries.links.prefix[k]
        contexts, place = places[k - 1]
        seen = below.totals[place]
        totals = np.zeros(len(queries.links.first[k]))
        totals[contexts] = seen
        escape = np.ones(len(totals))
        # A context that only ever ended documents has no total: it is as good as unseen.
        escape[contexts] = np.where(seen > 0, below.reserved[place] / np.maximum(seen, 1), 1.0)
        grams, place = places[k]
        counted = level.counts[place]
        own = np.zeros(len(prefix))
        own[grams] = counted - level.discounts.take(np.minimum(counted, 3))
        own[grams] /= np.maximum(totals, 1.0)[prefix[grams]]
        evidence.append(Evidence(own, escape, totals))
    return evidence


def _places(counts: Counts, queries: Queries) -> list[tuple[Indices, Indices]]:
    """For each order which n-grams the counts hold, and the place of each of these in them.

    Where a query would be put in among the sorted windows, one of the two beside it shares the
    longest prefix with it that any of them shares.
    """
    order = queries.order
    after = _insertions(counts.windows, queries.windows)
    before = np.maximum(after - 1, 0)
    after = np.minimum(after, len(counts.windows) - 1)
    differs = counts.windows[after] ^ queries.windows
    differs_before = counts.windows[before] ^ queries.windows
    nearest = np.where(differs_before < differs, before, after)
    differs = np.minimum(differs, differs_before)
    known = np.flatnonzero(differs == 0)
    places = [(known, nearest[known])]
    for k in range(order, 0, -1):
        first = queries.links.first[k]
        nearest = counts.levels[k].prefix[nearest[first]].astype(np.int64)
        differs = differs[first]
        known = np.flatnonzero(differs < _one_beyond(order - k + 1))
        places.append((known, nearest[known]))
    return places[::-1]


def _insertions(keys: Keys, needles: Keys) -> Indices:
    """np.searchsorted(keys, needles) for `needles` that increase as well.

    Of many keys a few are looked for among the needles, which tells between which two of them
    each needle lies; then all needles halve the stretch between them at the same time.
    """
    stride = 1 << (4 * len(keys) // max(1, len(needles))).bit_length()
    past = np.searchsorted(needles, keys[::stride], side="right")
    below = np.cumsum(np.bincount(past, minlength=len(needles)))[: len(needles)]
    places = np.maximum((below - 1) * stride + 1, 0)
    for a in range(0, len(needles), _BLOCK_NEEDLES):
        block, sought = places[a : a + _BLOCK_NEEDLES], needles[a : a + _BLOCK_NEEDLES]
        half = stride
        while half > 1:
            half //= 2
            block += half * (keys.take(block + (half - 1), mode="clip") < sought)
    return np.minimum(places, len(keys))


def _one_beyond(symbols: int) -> np.uint64:
    """The smallest number that does not fit into so many symbols."""
    return np.uint64(1 << SYMBOL_BITS * symbols)
