"""Documents: byte strings laid end to end, the only form in which text reaches a learner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Documents:
    """A sequence of documents, each a byte string.

    Attributes:
        text: the bytes of all documents, no separators between them; uint8, shape (bytes,).
        ends: where each document ends in `text` (exclusive); int64, shape (documents,).

    >>> documents = Documents.from_list([b"one", b"", b"three"])
    >>> len(documents), documents.total_bytes, documents[2]
    (3, 8, b'three')
    """

    text: NDArray[np.uint8]
    ends: NDArray[np.int64]

    @classmethod
    def from_list(cls, items: Iterable[bytes]) -> Documents:
        """The documents of a list of byte strings."""
        kept = list(items)
        lengths = np.fromiter((len(item) for item in kept), np.int64, count=len(kept))
        return cls(np.frombuffer(b"".join(kept), np.uint8), np.cumsum(lengths, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, index: int) -> bytes:
        return self.text[self.starts[index] : self.ends[index]].tobytes()

    def __iter__(self) -> Iterator[bytes]:
        start = 0
        for end in self.ends.tolist():
            yield self.text[start:end].tobytes()
            start = end

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where each document begins in `text`; int64, shape (documents,)."""
        return np.concatenate([np.zeros(1, np.int64), self.ends[:-1]])[: len(self.ends)]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Bytes of each document; int64, shape (documents,)."""
        return self.ends - self.starts

    @property
    def total_bytes(self) -> int:
        """Bytes of all documents together."""
        return int(self.ends[-1]) if len(self.ends) else 0

    def select(self, indices: NDArray[np.int64]) -> Documents:
        """The documents at `indices`, in that order, copied into memory."""
        starts, lengths = self.starts[indices], self.lengths[indices]
        pieces = [
            self.text[s : s + n] for s, n in zip(starts.tolist(), lengths.tolist(), strict=True)
        ]
        text = np.concatenate(pieces) if pieces else np.zeros(0, np.uint8)
        return Documents(text, np.cumsum(lengths, dtype=np.int64))
