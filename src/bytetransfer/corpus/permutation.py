"""A permutation per seed, and the documents at either of its ends.

The permutation orders documents by a keyed 64-bit hash of their number (SplitMix64: Steele, Lea
and Flood, OOPSLA 2014), so it is the same on every machine and with every version of numpy, its
beginning is found without sorting the rest, and documents numbered alike in two corpora come in
the same order.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.documents import Documents
from bytetransfer.corpus.splits import blocks_of, fetch_from

Indices = NDArray[np.int64]
Keys = NDArray[np.uint64]

_GOLDEN = 0x9E3779B97F4A7C15
_CHUNK_DOCUMENTS = 1 << 20
_CONTINUATIONS = 3  # a UTF-8 character has at most this many bytes after its first


def permutation_keys(seed: int, numbers: Indices) -> Keys:
    """The key of each document number under `seed`: all different; uint64, shape (documents,).

    >>> permutation_keys(0, np.arange(3)).argsort().tolist()
    [0, 2, 1]
    """
    return mixed_words(numbers.astype(np.uint64) * np.uint64(_GOLDEN), seed)


def mixed_words(words: Keys, seed: int) -> Keys:
    """Words that look drawn at random, a bijection for each seed; uint64, the same shape.

    >>> np.unique(mixed_words(np.arange(9, dtype=np.uint64), 1)).size
    9
    """
    start = int(_mixed(np.array([seed & (2**64 - 1)], np.uint64))[0])
    return _mixed(words + np.uint64(start))


def _mixed(words: Keys) -> Keys:
    """The finaliser of SplitMix64: a bijection on 64-bit words."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Keys = words ^ (words >> np.uint64(31))
    return mixed


def sample_documents(
    documents: Documents,
    numbers: Indices | None,
    *,
    size: int,
    seed: int,
    far: bool = False,
    whole_characters: bool = True,
) -> Documents:
    """The first (or, if `far`, the last) `size` bytes of the permutation of `seed`, in memory.

    The document that is cut keeps its beginning at the near end and its end at the far one.

    Args:
        documents: to take from; at least `size` bytes.
        numbers: what the permutation goes by, one a document; None for their indices.
        size: bytes, at most.
        seed: of the permutation.
        far: take from the far end.
        whole_characters: leave out the bytes of a UTF-8 character that does not fit whole.
    """
    order = _leading(documents, numbers, size=size, seed=seed, far=far)
    begins, lengths = _extents(documents.ends, order)
    whole = int(np.searchsorted(np.cumsum(lengths), size, side="right"))
    rest = size - int(lengths[:whole].sum())
    begins, lengths = begins[: whole + 1], lengths[: whole + 1]
    if whole < len(lengths):
        start, length = int(begins[whole]), int(lengths[whole])
        text = documents.text[start : start + length]
        from_byte, to_byte = _cut(text, rest, far=far, whole_characters=whole_characters)
        begins[whole], lengths[whole] = start + from_byte, to_byte - from_byte
    kept = lengths > 0
    begins, lengths = begins[kept], lengths[kept]
    return (
        _gathered(documents, begins[::-1], lengths[::-1])
        if far
        else _gathered(documents, begins, lengths)
    )


def cut_to_characters(documents: Documents, characters: int, *, far: bool) -> Documents:
    r"""The first (from the far end: the last) so many characters of UTF-8 documents.

    >>> text = Documents.from_list(["añ".encode(), b"bc"])
    >>> [bytes(d) for d in cut_to_characters(text, 3, far=False)]
    [b'a\xc3\xb1', b'b']
    """
    starts = np.flatnonzero((documents.text & 0xC0) != 0x80)
    if characters >= len(starts):
        return documents
    if characters == 0:
        return Documents(documents.text[:0], documents.ends[:0])
    if far:
        cut = int(starts[len(starts) - characters])
        ends = documents.ends[documents.ends > cut] - cut
        return Documents(documents.text[cut:], ends)
    cut = int(starts[characters])
    whole = documents.ends[documents.ends < cut]
    return Documents(documents.text[:cut], np.append(whole, cut) if cut else whole)


def _leading(
    documents: Documents, numbers: Indices | None, *, size: int, seed: int, far: bool
) -> Indices:
    """Documents in order from one end of the permutation, enough of them to hold `size` bytes.

    Keys are uniform, so those below size / total are about the right ones; only they are sorted.
    """
    total = max(1, documents.total_bytes)
    share = min(1.0, 1.05 * size / total + 1e-4)
    while True:
        chunks = list(_below(share, len(documents), numbers, seed=seed, far=far))
        indices = np.concatenate([np.zeros(0, np.int64), *(chunk for chunk, _ in chunks)])
        if share >= 1.0 or _extents(documents.ends, indices)[1].sum() >= size:
            keys = np.concatenate([np.zeros(0, np.uint64), *(keys for _, keys in chunks)])
            return indices[np.argsort(keys)]
        share = min(1.0, 1.5 * share)


def _below(
    share: float, count: int, numbers: Indices | None, *, seed: int, far: bool
) -> Iterator[tuple[Indices, Keys]]:
    """Documents, and their keys, whose key is in the lowest `share` (highest, if `far`)."""
    bound = np.uint64(min(2**64 - 1, int(share * 2**64)))
    for start in range(0, count, _CHUNK_DOCUMENTS):
        stop = min(count, start + _CHUNK_DOCUMENTS)
        some = np.arange(start, stop) if numbers is None else numbers[start:stop]
        keys = permutation_keys(seed, some)
        keys = ~keys if far else keys
        chosen = np.flatnonzero(keys <= bound)
        yield chosen + start, keys[chosen]


def _extents(ends: Indices, indices: Indices) -> tuple[Indices, Indices]:
    """Where the documents at `indices` begin, and how long they are."""
    begins = np.where(indices > 0, ends[indices - 1], 0)
    return begins, ends[indices] - begins


def _cut(
    text: NDArray[np.uint8], rest: int, *, far: bool, whole_characters: bool
) -> tuple[int, int]:
    """Which bytes of the last document fit into `rest`; more continuation bytes are no UTF-8."""
    at = len(text) - rest if far else rest
    step = 1 if far else -1
    candidates = range(at, at + step * (_CONTINUATIONS + 1), step) if whole_characters else ()
    for position in candidates:
        if not 0 < position < len(text) or not 0x80 <= text[position] < 0xC0:
            at = min(max(position, 0), len(text))
            break
    return (at, len(text)) if far else (0, at)


def _gathered(documents: Documents, begins: Indices, lengths: Indices) -> Documents:
    """Pieces of the text copied into memory, laid end to end."""
    ends = np.cumsum(lengths, dtype=np.int64)
    text = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    fetch = fetch_from(documents.text.data, begins, lengths)
    filled = 0
    for block in blocks_of(lengths):
        piece = fetch(np.arange(block.start, block.stop))
        text[filled : filled + len(piece)] = np.frombuffer(piece, np.uint8)
        filled += len(piece)
    return Documents(text, ends)
