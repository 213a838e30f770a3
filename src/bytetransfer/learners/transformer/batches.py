"""Training windows: a batch is a pure function of the text, the seed and the step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.transformer.settings import DOCUMENT

_ORDER, _NOISE = 0x0B, 0x0C  # keep the random streams of one seed apart


def pack(documents: Documents) -> NDArray[np.uint16]:
    """Begin-of-document symbol + bytes of each document that has any; uint16, one after another.

    >>> pack(Documents.from_list([b"ab", b"", b"c"])).tolist()
    [256, 97, 98, 256, 99]
    """
    starts = documents.starts[documents.lengths > 0]
    return np.insert(documents.text[: documents.total_bytes].astype(np.uint16), starts, DOCUMENT)


class Windows:
    """Windows over the packed text, drawn without replacement epoch by epoch.

    The text is a ring, cut again every epoch at a random phase into windows that follow each other,
    then permuted: an epoch sees every byte at least once, and less than one window twice. Text
    shorter than the context gives windows of its own length, so no window holds a byte twice.

    Args:
        documents: the training text.
        context: longest window.
        seed: fixes phases, order and noise.
        noise: share of the bytes read that are replaced by random ones, once the text is repeated;
            what is predicted is never changed.

    Attributes:
        length: symbols a window predicts (T); at most the context.
        per_epoch: windows in one pass.
    """

    def __init__(
        self, documents: Documents, *, context: int, seed: int, noise: float = 0.0
    ) -> None:
        packed = pack(documents)
        self.symbols = len(packed)
        self.length = min(context, self.symbols)
        self.per_epoch = -(-self.symbols // self.length)
        self._ring = np.resize(packed, self.symbols + self.length + 1)
        self._seed, self._noise = seed, noise
        self._offsets = np.arange(self.length + 1)
        self._starts: dict[int, NDArray[np.int64]] = {}

    def batch(self, step: int, size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The symbols read and those to be predicted at optimiser step `step`.

        Returns:
            Two arrays, int64, shape (size, length); the second is the first moved by one, before
            any noise.
        """
        index = step * size + np.arange(size)
        epochs, places = np.divmod(index, self.per_epoch)
        starts = np.empty(size, np.int64)
        for epoch in np.unique(epochs).tolist():
            here = epochs == epoch
            starts[here] = self._epoch(epoch)[places[here]]
        windows = self._ring[starts[:, None] + self._offsets].astype(np.int64)
        x, y = windows[:, :-1].copy(), windows[:, 1:].copy()
        if self._noise:
            self._disturb(x, step, repeated=epochs > 0)
        return x, y

    def _disturb(self, x: NDArray[np.int64], step: int, *, repeated: NDArray[np.bool_]) -> None:
        """Replace some bytes of the windows that have been seen before, in place.

        A text of which nothing was seen twice cannot be learned by heart, so nothing is changed.
        """
        random = np.random.default_rng([_NOISE, self._seed, step])
        hit = (random.random(x.shape) < self._noise) & repeated[:, None] & (x != DOCUMENT)
        x[hit] = random.integers(0, 256, int(hit.sum()))

    def _epoch(self, epoch: int) -> NDArray[np.int64]:
        """Where the windows of an epoch start, in the order they are drawn."""
        if epoch not in self._starts:
            random = np.random.default_rng([_ORDER, self._seed, epoch])
            phase = int(random.integers(self.symbols))
            starts = phase + self.length * random.permutation(self.per_epoch).astype(np.int64)
            recent = {old: kept for old, kept in self._starts.items() if old >= epoch - 1}
            self._starts = {**recent, epoch: starts % self.symbols}
        return self._starts[epoch]
