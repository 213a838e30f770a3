"""External shuffle: any number of documents in, each once and ordered by hash out.

Documents are held in memory up to a limit, then written as a run sorted by hash. At the end the
range of hashes is cut so that each part, gathered from all runs, fits in memory. Writing and
reading are sequential, and neither the number of runs nor of parts has to be known beforehand.
The order by hash depends on nothing but the set of documents.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.splits import Fetch, blocks_of, fetch_from

Hashes = NDArray[np.uint64]  # (documents, 2): the first 128 bits of the SHA-256 of each document

_LEAST_RUN_BYTES = 4096
_OVERHEAD_BYTES = 96  # of a document held in memory: object header, list slot, hash, indices


def hash_documents(documents: list[bytes]) -> Hashes:
    """128-bit hashes, the same on every machine; uint64, shape (documents, 2)."""
    sha256 = hashlib.sha256
    joined = b"".join([sha256(document).digest() for document in documents])
    words: Hashes = np.frombuffer(joined, "<u8").reshape(-1, 4)[:, :2].astype(np.uint64)
    return words


def first_of_each(hashes: Hashes) -> NDArray[np.int64]:
    """Indices of the distinct rows of `hashes` in ascending order, one for each.

    >>> first_of_each(np.array([[7, 1], [3, 9], [7, 1], [3, 2]], np.uint64)).tolist()[:2]
    [3, 1]
    """
    order = np.argsort(hashes[:, 0].copy())
    same = _same_as_previous(hashes[order, 0])
    twins = same & ~_same_as_previous(hashes[order, 1])
    if twins.any():  # 64 bits alike and not the other 64: once in a million corpora
        order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    same = _same_as_previous(hashes[order, 0]) & _same_as_previous(hashes[order, 1])
    return order[~same]


def _same_as_previous(values: NDArray[np.uint64]) -> NDArray[np.bool_]:
    same = np.zeros(len(values), np.bool_)
    same[1:] = values[1:] == values[:-1]
    return same


@dataclass(frozen=True, eq=False)
class Part:
    """Distinct documents of one range of hashes, in ascending order of hash.

    Attributes:
        indices: what to ask `fetch` for, in order of hash; int64, shape (documents,).
        lengths: bytes of each document; int64, shape (documents,).
        hashes: of each document; uint64, shape (documents, 2).
        fetch: gives documents by index.
    """

    indices: NDArray[np.int64]
    lengths: NDArray[np.int64]
    hashes: Hashes
    fetch: Fetch


class Shuffle:
    """Collects documents and gives them back ordered by hash, without duplicates.

    Args:
        folder: where runs are written if the documents do not fit in memory.
        memory_bytes: about how much memory all of it may take.
    """

    def __init__(self, folder: Path, memory_bytes: int) -> None:
        self.documents = self.bytes = 0
        self._folder = folder
        # half, because allocators do not give everything back; a floor, so runs are worth a file
        self._limit_bytes = max(_LEAST_RUN_BYTES, memory_bytes // 2)
        self._held: list[bytes] = []
        self._hashes: list[Hashes] = []
        self._held_bytes = 0
        self._runs: list[_Run] = []

    def add(self, documents: list[bytes]) -> None:
        """Take in documents, none of them empty."""
        total = sum(map(len, documents))
        self._held += documents
        self._hashes.append(hash_documents(documents))
        self._held_bytes += total + _OVERHEAD_BYTES * len(documents)
        self.documents += len(documents)
        self.bytes += total
        if self._held_bytes > self._limit_bytes:
            self._spill()

    def parts(self) -> Iterator[Part]:
        """All documents, one range of hashes after another; what was collected is used up."""
        if not self._runs:
            if self._held:
                yield self._in_memory()
            return
        if self._held:
            self._spill()
        stored = sum(run.bytes + _OVERHEAD_BYTES * run.documents for run in self._runs)
        count = math.ceil(stored / self._limit_bytes)
        bounds = np.array([k * 2**64 // count for k in range(1, count)], np.uint64)
        cuts = [run.cuts(bounds) for run in self._runs]
        for k in range(count):
            part = _merged(self._runs, [(cut[k], cut[k + 1]) for cut in cuts])
            if len(part.indices):
                yield part

    def remove_files(self) -> None:
        """Delete the runs."""
        for run in self._runs:
            run.remove()

    def _in_memory(self) -> Part:
        held, hashes = self._held, np.concatenate(self._hashes)
        self._held, self._hashes = [], []
        indices = first_of_each(hashes)
        lengths = np.fromiter(map(len, held), np.int64, len(held))[indices]

        def fetch(wanted: NDArray[np.int64]) -> bytes:
            return b"".join([held[i] for i in wanted.tolist()])

        return Part(indices, lengths, hashes[indices], fetch)

    def _spill(self) -> None:
        run = _Run(self._folder / f"run-{len(self._runs):05}")
        self._runs.append(run)
        run.write(self._in_memory())
        self._held_bytes = 0


@dataclass(frozen=True, eq=False)
class _Slice:
    """A range of hashes of one run: where its documents lie, and what they are."""

    hashes: Hashes
    lengths: NDArray[np.int64]
    offset: int
    size: int


class _Run:
    """Documents sorted by hash: their bytes in one file; hashes, then ends in another."""

    def __init__(self, path: Path) -> None:
        self._text, self._index = path.with_suffix(".text"), path.with_suffix(".index")
        self.documents = self.bytes = 0

    def write(self, part: Part) -> None:
        self.documents, self.bytes = len(part.indices), int(part.lengths.sum())
        with self._index.open("wb") as index:
            for column in (part.hashes[:, 0], part.hashes[:, 1], np.cumsum(part.lengths)):
                index.write(column.tobytes())
        with self._text.open("wb") as text:
            for block in blocks_of(part.lengths):
                text.write(part.fetch(part.indices[block]))

    def cuts(self, bounds: NDArray[np.uint64]) -> list[int]:
        """First document at or above each bound, with 0 before and their number after."""
        inner = np.searchsorted(self._column(0, 0, self.documents), bounds)
        return [0, *inner.tolist(), self.documents]

    def slice(self, first: int, stop: int) -> _Slice:
        hashes = np.stack([self._column(c, first, stop) for c in (0, 1)], axis=1)
        offset = int(self._column(2, first - 1, first)[0]) if first else 0
        ends = self._column(2, first, stop).astype(np.int64)
        size = int(ends[-1]) - offset if len(ends) else 0
        return _Slice(hashes, np.diff(ends, prepend=np.int64(offset)), offset, size)

    def read_text(self, offset: int, into: memoryview) -> None:
        with self._text.open("rb") as file:
            file.seek(offset)
            if file.readinto(into) != len(into):
                raise OSError(errno.EIO, "a temporary file was cut short", str(self._text))

    def remove(self) -> None:
        for path in (self._text, self._index):
            with contextlib.suppress(FileNotFoundError):
                path.unlink()

    def _column(self, column: int, first: int, stop: int) -> NDArray[np.uint64]:
        offset = 8 * (column * self.documents + first)
        return np.fromfile(self._index, np.uint64, stop - first, offset=offset)


def _merged(runs: list[_Run], ranges: list[tuple[int, int]]) -> Part:
    """The same range of hashes of all runs as one part."""
    slices = [run.slice(first, stop) for run, (first, stop) in zip(runs, ranges, strict=True)]
    text = memoryview(bytearray(sum(piece.size for piece in slices)))
    filled = 0
    for run, piece in zip(runs, slices, strict=True):
        run.read_text(piece.offset, text[filled : filled + piece.size])
        filled += piece.size
    hashes = np.concatenate([piece.hashes for piece in slices])
    lengths = np.concatenate([piece.lengths for piece in slices])
    indices = first_of_each(hashes)
    fetch = fetch_from(text, np.cumsum(lengths) - lengths, lengths)
    return Part(indices, lengths[indices], hashes[indices], fetch)
