"""Counts of byte n-grams with modified Kneser–Ney discounts, all orders from one sort.

A window is the n-gram that begins at a symbol, packed into 64 bits: 9 bits a symbol, the first
symbol highest, so that up to seven fit. A byte b is the symbol b + 1, every document is opened by
a symbol of its own (`BEGIN`), and what would lie beyond its end is 0. Sorting the windows brings
together not only equal n-grams but, as prefixes, the n-grams of every lower order: each level is
one linear pass over the level above, and no context crosses a document.

Smoothing follows Chen and Goodman (1999), "An empirical study of smoothing techniques for language
modeling", section 3: three discounts an order, estimated from the counts of counts; below the
highest order an n-gram counts once for every different symbol it follows, except where it opens a
document and nothing can precede it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bytetransfer.errors import CorpusError

SYMBOL_BITS = 9
BEGIN = 257
MAX_ORDER = 63 // SYMBOL_BITS

_SYMBOL = np.uint64(SYMBOL_BITS)
_LAST_SYMBOL = np.uint16((1 << SYMBOL_BITS) - 1)
_BLOCK_SYMBOLS = 1 << 16  # windows are packed in blocks that stay in the processor's cache

Keys = NDArray[np.uint64]
Indices = NDArray[np.int64]
Floats = NDArray[np.float64]

_NONE = np.zeros(0, np.uint32)


@dataclass(frozen=True, eq=False)
class Level:
    """The n-grams of one order k in the order of their symbols; level 0 is the empty one alone.

    Their symbols are not kept: the windows have them all, and `prefix` leads from there to here.
    Those cut off by the end of a document are among them with a count of 0.

    Attributes:
        counts: how often each counts as a prediction (continuation counts below the highest
            order); uint32, shape (grams,).
        discounts: taken off a count of 0, 1, 2, and 3 or more; shape (4,).
        totals: counts of all bytes after each n-gram as a context; uint32, shape (grams,), empty
            at the highest order.
        reserved: the discounts taken off those bytes together; shape (grams,), as `totals`.
        prefix: which n-gram of order k − 1 each begins with; uint32, shape (grams,).
    """

    counts: NDArray[np.uint32]
    discounts: Floats
    totals: NDArray[np.uint32]
    reserved: Floats
    prefix: NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Counts:
    """The statistics of a text.

    Attributes:
        windows: the distinct windows of the highest order, increasing; shape (windows,).
        multiplicities: how often each occurs; uint32, shape (windows,). With `windows` all there
            is to store: the levels follow from them.
        levels: levels 0 to order, ready to be looked up in.
    """

    windows: Keys
    multiplicities: NDArray[np.uint32]
    levels: tuple[Level, ...]

    @property
    def order(self) -> int:
        """Bytes of the longest n-gram."""
        return len(self.levels) - 1


def count_text(
    text: NDArray[np.uint8], lengths: Indices, *, order: int, discount_prior: float
) -> Counts:
    """Count the n-grams of documents laid end to end in `text`.

    Args:
        text: the bytes of all documents; shape (bytes,).
        lengths: bytes of each document; shape (documents,).
        order: bytes of the longest n-gram.
        discount_prior: see `discounts_of`.

    Raises:
        CorpusError: if there is more text than 32-bit counts can hold.
    """
    if len(text) + len(lengths) >= 1 << 32:
        raise CorpusError(
            f"{len(text)} bytes are too many for the n-gram learner",
            todo="give it at most 4 GB of text",
        )
    sorted_windows = pack_windows(text, lengths, order=order)
    sorted_windows.sort()
    first = first_of_each(sorted_windows)
    multiplicities = _run_lengths(first, len(sorted_windows))
    windows = sorted_windows[first]
    del sorted_windows, first  # the largest arrays: free before the levels are built
    return counts_of(windows, multiplicities, order=order, discount_prior=discount_prior)


def counts_of(
    windows: Keys, multiplicities: NDArray[np.uint32], *, order: int, discount_prior: float
) -> Counts:
    """Build all levels from the distinct windows, which must be increasing."""
    levels: list[Level] = []
    keys, raw, continuations, totals, reserved = windows, multiplicities, _NONE, _NONE, np.zeros(0)
    for k in range(order, -1, -1):
        counts = _prediction_counts(keys, raw, continuations, k)
        discounts = discounts_of(counts, discount_prior) if k else np.zeros(4)
        continuations = _continuation_counts(keys, k)
        begins = begins_run(keys >> _SYMBOL)
        prefix = np.cumsum(begins, dtype=np.uint32)
        prefix -= np.uint32(1)
        levels.append(Level(counts, discounts, totals, reserved, prefix))
        first = np.flatnonzero(begins)
        keys, raw = keys[first] >> _SYMBOL, np.add.reduceat(raw, first, dtype=np.uint32)
        totals, reserved = _context_statistics(first, counts, discounts)
        del begins, first  # as long as what is kept: free before the next level is built
    return Counts(windows, multiplicities, tuple(reversed(levels)))


def pack_windows(
    text: NDArray[np.uint8], lengths: Indices, *, order: int, opened: bool = True
) -> Keys:
    """The window that begins at each symbol, documents in order.

    Args:
        text: the bytes of all documents; shape (bytes,).
        lengths: bytes of each document; shape (documents,).
        order: symbols of a window.
        opened: whether each document has its `BEGIN`; False for a stretch from inside one.

    Returns:
        Shape (bytes + documents,) or, where not opened, (bytes,).

    >>> windows = pack_windows(np.frombuffer(b"ab", np.uint8), np.array([2]), order=2)
    >>> [(int(w) >> 9, int(w) & 511) for w in windows]
    [(257, 98), (98, 99), (99, 0)]
    """
    lengths = lengths + 1 if opened else lengths
    ends = np.cumsum(lengths)
    symbols = _symbols(text, ends - lengths if opened else None, padding=order - 1)
    windows = np.empty(len(symbols) - (order - 1), np.uint64)
    for a in range(0, len(windows), _BLOCK_SYMBOLS):
        block = windows[a : a + _BLOCK_SYMBOLS]
        block[:] = symbols[a : a + len(block)]
        for shift in range(1, order):
            block <<= _SYMBOL
            block |= symbols[a + shift : a + shift + len(block)]
    for left in range(1, order):  # what a window holds beyond the end of its document
        late = ends[lengths >= left] - left
        windows[late] &= ~np.uint64((1 << SYMBOL_BITS * (order - left)) - 1)
    return windows


def first_of_each(keys: Keys) -> Indices:
    """Where each run of equal values begins in `keys`, which are sorted."""
    return np.flatnonzero(begins_run(keys))


def begins_run(keys: Keys) -> NDArray[np.bool_]:
    """Whether each of the sorted `keys` differs from the one before; shape (keys,)."""
    begins = np.ones(len(keys), np.bool_)
    np.not_equal(keys[1:], keys[:-1], out=begins[1:])
    return begins


def predicts_byte(keys: Keys) -> NDArray[np.bool_]:
    """Whether the last symbol of each n-gram is a byte, neither `BEGIN` nor beyond the end."""
    last = keys.astype(np.uint16) & _LAST_SYMBOL
    return (last - np.uint16(1)) < np.uint16(256)


def discounts_of(counts: NDArray[np.uint32], prior: float) -> Floats:
    """The discounts of an order from its counts of counts (Chen and Goodman 1999, eq. 26).

    In small texts the counts of counts are few and their ratios wild. `prior` n-grams are added to
    them, spread as 1 / (c (c + 1)) as Zipf's law has it, which also bounds every discount away
    from 0: each byte keeps some probability after any context.

    Returns:
        What is taken off a count of 0, 1, 2, and 3 or more; shape (4,).

    >>> discounts_of(np.zeros(0, np.uint32), 30).round(2).tolist()
    [0.0, 0.6, 1.1, 1.56]
    """
    n = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].astype(np.float64)
    n += prior / (np.arange(1, 5) * np.arange(2, 6))
    once = n[0] / (n[0] + 2 * n[1])
    c = np.arange(1.0, 4.0)
    return np.concatenate([[0.0], np.clip(c - (c + 1) * once * n[1:] / n[:3], 0.1, c - 0.05)])


def _symbols(
    text: NDArray[np.uint8], begins: Indices | None, *, padding: int
) -> NDArray[np.uint16]:
    """Bytes as symbols with `BEGIN` at `begins`, and `padding` zeros after the last."""
    count = len(text) + (0 if begins is None else len(begins))
    symbols = np.zeros(count + padding, np.uint16)
    if begins is None:
        np.add(text, 1, out=symbols[:count], dtype=np.uint16)
        return symbols
    is_byte = np.ones(count, np.bool_)
    is_byte[begins] = False
    symbols[:count][is_byte] = text
    symbols[:count] += np.uint16(1)
    symbols[begins] = BEGIN
    return symbols


def _prediction_counts(
    keys: Keys, raw: NDArray[np.uint32], continuations: NDArray[np.uint32], k: int
) -> NDArray[np.uint32]:
    """Raw counts at the highest order (no continuations), continuation counts below."""
    predicts = predicts_byte(keys)
    counts = raw * predicts
    if len(continuations):
        # BEGIN is the largest symbol, so what opens a document comes last and keeps its raw count
        inside = np.searchsorted(keys, np.uint64(BEGIN << SYMBOL_BITS * (k - 1)))
        counts[np.flatnonzero(predicts[:inside])] = continuations
    return counts


def _continuation_counts(keys: Keys, k: int) -> NDArray[np.uint32]:
    """How many n-grams of order k have each suffix that predicts a byte, suffixes in order."""
    if k < 2:
        return _NONE
    suffixes = keys[predicts_byte(keys)]
    suffixes &= np.uint64((1 << SYMBOL_BITS * (k - 1)) - 1)
    suffixes.sort(kind="stable")  # merges the sorted runs that share a first symbol
    return _run_lengths(first_of_each(suffixes), len(suffixes))


def _run_lengths(first: Indices, total: int) -> NDArray[np.uint32]:
    """The lengths of runs that begin at `first`, the last of which ends at `total`."""
    lengths = np.empty(len(first), np.uint32)
    np.subtract(first[1:], first[:-1], out=lengths[:-1], casting="unsafe")
    lengths[-1:] = total - first[-1:]
    return lengths


def _context_statistics(
    first: Indices, counts: NDArray[np.uint32], discounts: Floats
) -> tuple[NDArray[np.uint32], Floats]:
    """Of the runs of n-grams with one context: their counts, and what is taken off them."""
    taken = discounts.take(np.minimum(counts, 3))
    return np.add.reduceat(counts, first, dtype=np.uint32), np.add.reduceat(taken, first)
