"""How one split of a prepared corpus lies on disk: `<name>.bin`, `<name>.ends.npy`, `.ids.npy`.

The bytes of all documents laid end to end, where each of them ends, and, in an aligned corpus,
which line each of them is.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

SPLIT_NAMES = ("train", "validation", "test")

Kind = Literal["text", "binary"]
Fetch = Callable[[NDArray[np.int64]], bytes]  # the documents at these indices, laid end to end

_BLOCK_BYTES = 1 << 21
_LAST_CONTINUATION_BYTE = -65  # 0b10111111 as a signed byte; those below are continuation bytes


class SplitStatistics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one split holds.

    Attributes:
        documents: number of documents.
        bytes: bytes of all of them together.
        characters: UTF-8 code points, counted as bytes that do not continue one; None for binary.
    """

    documents: int
    bytes: int
    characters: int | None = None


def count_characters(text: NDArray[np.uint8]) -> int:
    """Code points of UTF-8 `text`: the bytes that are not continuation bytes.

    >>> count_characters(np.frombuffer("añ語".encode(), np.uint8))
    3
    """
    signed = text.view(np.int8)
    blocks = range(0, len(signed), _BLOCK_BYTES)
    return sum(
        int(np.count_nonzero(signed[start : start + _BLOCK_BYTES] > _LAST_CONTINUATION_BYTE))
        for start in blocks
    )


def fetch_from(
    text: memoryview | bytes, starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> Fetch:
    """A fetch of documents that lie in `text` at `starts`.

    A slice and a join per document cost a fraction of a microsecond; an index per byte, as a
    fully vectorised gather needs, costs more from about fifty bytes a document on.
    """

    def fetch(indices: NDArray[np.int64]) -> bytes:
        begin = starts[indices]
        end = begin + lengths[indices]
        return b"".join([text[b:e] for b, e in zip(begin.tolist(), end.tolist(), strict=True)])

    return fetch


def blocks_of(lengths: NDArray[np.int64], block_bytes: int = _BLOCK_BYTES) -> Iterator[slice]:
    """Consecutive slices of documents of about `block_bytes` bytes together, never empty.

    >>> list(blocks_of(np.array([3, 3, 9, 1]), 6))
    [slice(0, 2, None), slice(2, 3, None), slice(3, 4, None)]
    """
    ends = np.cumsum(lengths)
    start, done = 0, 0
    while start < len(lengths):
        stop = max(start + 1, int(np.searchsorted(ends, done + block_bytes, side="right")))
        yield slice(start, stop)
        start, done = stop, int(ends[stop - 1])


class SplitWriter:
    """Writes one split piece by piece; holds none of it in memory.

    Args:
        folder: where the files go.
        name: of the split.
        kind: whether characters are counted.
        with_ids: whether every document carries a line id.
    """

    def __init__(self, folder: Path, name: str, *, kind: Kind, with_ids: bool = False) -> None:
        self.documents = self.bytes = self._characters = 0
        self._kind = kind
        self._text_hash = hashlib.sha256()
        with contextlib.ExitStack() as files:
            self._text: BinaryIO = files.enter_context((folder / f"{name}.bin").open("wb"))
            self._ends = files.enter_context(GrowingArray(folder / f"{name}.ends.npy"))
            self._ids = (
                files.enter_context(GrowingArray(folder / f"{name}.ids.npy")) if with_ids else None
            )
            self._files = files.pop_all()

    def __enter__(self) -> SplitWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._files.__exit__(kind, error, trace)

    def append(
        self,
        text: bytes,
        lengths: NDArray[np.int64],
        ids: NDArray[np.int64] | None = None,
    ) -> None:
        """Write documents that are laid end to end in `text`."""
        self._text.write(text)
        self._text_hash.update(text)
        if self._kind == "text":
            self._characters += count_characters(np.frombuffer(text, np.uint8))
        self._ends.append(self.bytes + np.cumsum(lengths, dtype=np.int64))
        if self._ids is not None and ids is not None:
            self._ids.append(ids)
        self.documents += len(lengths)
        self.bytes += len(text)

    def take(
        self,
        fetch: Fetch,
        indices: NDArray[np.int64],
        lengths: NDArray[np.int64],
        ids: NDArray[np.int64] | None = None,
    ) -> None:
        """Write the documents at `indices`, whose `lengths` are given in the same order."""
        for block in blocks_of(lengths):
            some_ids = None if ids is None else ids[block]
            self.append(fetch(indices[block]), lengths[block], some_ids)

    def statistics(self) -> SplitStatistics:
        """What was written so far."""
        characters = self._characters if self._kind == "text" else None
        return SplitStatistics(documents=self.documents, bytes=self.bytes, characters=characters)

    def identity(self) -> dict[str, str]:
        """Digests of the bytes, the ends and, where there are any, the ids written so far."""
        digests = {"text": self._text_hash.hexdigest(), "ends": self._ends.digest()}
        if self._ids is not None:
            digests["ids"] = self._ids.digest()
        return digests


def split_identity(
    text: NDArray[np.uint8], ends: NDArray[np.int64], ids: NDArray[np.int64] | None
) -> dict[str, str]:
    """What `SplitWriter.identity` says of a split that is already there."""
    digests = {"text": _digest_of(text), "ends": _digest_of(ends)}
    if ids is not None:
        digests["ids"] = _digest_of(ids)
    return digests


def _digest_of(values: NDArray[np.uint8] | NDArray[np.int64]) -> str:
    total = hashlib.sha256()
    for start in range(0, len(values), _BLOCK_BYTES):
        block = values[start : start + _BLOCK_BYTES]
        total.update(block.astype(block.dtype.newbyteorder("<"), copy=False).tobytes())
    return total.hexdigest()


class GrowingArray:
    """A one-dimensional int64 `.npy` file written piece by piece."""

    def __init__(self, path: Path) -> None:
        self._count = 0
        self._hash = hashlib.sha256()
        self._file: BinaryIO = path.open("wb")
        self._write_header()

    def __enter__(self) -> GrowingArray:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if error is None:
                # numpy pads the header for any length of array, so the real one fits in its place
                self._file.seek(0)
                self._write_header()

    def append(self, values: NDArray[np.int64]) -> None:
        """Write `values` after what is there."""
        content = values.astype("<i8", copy=False).tobytes()
        self._file.write(content)
        self._hash.update(content)
        self._count += len(values)

    def digest(self) -> str:
        """SHA-256 of the values written so far, as little-endian 64-bit integers."""
        return self._hash.hexdigest()

    def _write_header(self) -> None:
        header = {"descr": "<i8", "fortran_order": False, "shape": (self._count,)}
        np.lib.format.write_array_header_1_0(self._file, header)
