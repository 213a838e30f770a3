"""Nats of documents, each scored alone; the longer ones by overlapping windows."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import torch
from numpy.typing import NDArray

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.transformer import compiled
from bytetransfer.learners.transformer.attention import position_tables
from bytetransfer.learners.transformer.memory import is_lack_of_memory, release_memory
from bytetransfer.learners.transformer.model import Weights, target_nats
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import DOCUMENT, Shape

SYMBOLS_PER_BATCH = {"cpu": 4_096, "cuda": 131_072}


class Pieces(NamedTuple):
    """Windows that cover documents; int64, shape (windows,) each.

    Attributes:
        document: which document a window belongs to.
        start: first position it reads, counted from the document's begin symbol.
        length: positions it reads; it predicts the byte after each of them.
        fresh: first position whose prediction is counted; those before are only context.
    """

    document: NDArray[np.int64]
    start: NDArray[np.int64]
    length: NDArray[np.int64]
    fresh: NDArray[np.int64]


def cut(lengths: NDArray[np.int64], context: int) -> Pieces:
    """Windows of at most `context`, stride half the context, that count each byte once.

    >>> pieces = cut(np.array([3, 0, 9]), 4)
    >>> pieces.document.tolist(), pieces.start.tolist()
    ([0, 2, 2, 2, 2], [0, 0, 2, 4, 6])
    >>> pieces.length.tolist(), pieces.fresh.tolist()
    ([3, 4, 4, 4, 3], [0, 0, 2, 2, 2])
    """
    stride = max(1, context // 2)
    more = -(-np.maximum(lengths - context, 0) // stride)
    windows = np.where(lengths > 0, 1 + more, 0)
    document = np.repeat(np.arange(len(lengths)), windows)
    first = np.cumsum(windows) - windows
    order = np.arange(len(document)) - first[document]
    start = order * stride
    fresh = np.where(order > 0, context - stride, 0)
    return Pieces(document, start, np.minimum(context, lengths[document] - start), fresh)


class Scorer:
    """Scores documents, each by itself; less of them at a time once memory has run out.

    Windows are batched by length; padding comes after a window's bytes, where a causal model
    cannot see it, so which documents share a batch changes nothing but float rounding. Where
    numerics say so, windows longer than half the context are filled up to it, their batches with
    empty windows, and one compiled graph serves them all.

    Attributes:
        asked: positions of a batch, padding counted, where memory suffices.
        symbols: positions of a batch now; lowered where memory runs out.
    """

    def __init__(self, shape: Shape, numerics: Numerics) -> None:
        self._shape, self._numerics = shape, numerics
        asked = numerics.scored_symbols
        self.asked = SYMBOLS_PER_BATCH[numerics.device] if asked is msgspec.UNSET else asked
        self.symbols = self.asked

    def at_most(self, symbols: int | None) -> None:
        """Take no more at a time than that, if it is known what fits."""
        self.symbols = min(self.symbols, symbols or self.symbols)

    def nats(self, weights: Weights, documents: Documents) -> NDArray[np.float64]:
        """-ln p of the bytes of each document by itself; float64, shape (documents,)."""
        pieces = cut(documents.lengths, self._shape.context)
        nats = np.zeros(len(documents), np.float64)
        weights = {name: weight.detach() for name, weight in weights.items()}  # else another graph
        left = np.argsort(-pieces.length, kind="stable")
        while len(left):
            rows, width = self._size(int(pieces.length[left[0]]), len(left))
            batch = Pieces(*(column[left[:rows]] for column in pieces))
            try:
                counted = self._batch(weights, documents, batch, (rows, width))
            except RuntimeError as error:
                if rows == 1 or not is_lack_of_memory(error):
                    raise
                self.symbols = max(width, rows * width // 2)
            else:
                np.add.at(nats, batch.document, counted)
                left = left[rows:]
                continue
            release_memory(weights["embed"].device)
        return nats

    def _size(self, longest: int, left: int) -> tuple[int, int]:
        """Windows and positions of the next batch; the same ones for all that is compiled."""
        context = self._shape.context
        if self._numerics.compiled and longest > context // 2:
            return max(1, self.symbols // context), context
        return min(left, max(1, self.symbols // longest)), longest

    def _batch(
        self, weights: Weights, documents: Documents, batch: Pieces, size: tuple[int, int]
    ) -> NDArray[np.float64]:
        """Nats of what is counted of each window, float64, shape (windows,)."""
        numerics, shape, device = self._numerics, self._shape, weights["embed"].device
        dtype = torch.bfloat16 if numerics.precision == "bf16" else torch.float32
        tables = position_tables(shape, dtype, device)
        x, y = (torch.from_numpy(a).to(device) for a in _read(documents, batch, size))
        is_whole = numerics.compiled and size[1] == shape.context
        nats_of = compiled.target_nats if is_whole else target_nats
        with torch.no_grad():
            y_nats = nats_of(weights, x, y, shape, tables, numerics.attention)[: len(batch.start)]
        counted: NDArray[np.float64] = y_nats.cpu().numpy().astype(np.float64).sum(axis=1)
        return counted


def _read(
    documents: Documents, pieces: Pieces, size: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Symbols read and to be predicted, shape `size`: (windows, positions).

    What is not counted is `DOCUMENT`; so are windows beyond the pieces.
    """
    rows, width = size
    column = np.arange(width)
    inside = column < pieces.length[:, None]
    # position p of a document is its begin symbol for p = 0 and byte p - 1 after that
    at = (documents.starts[pieces.document] + pieces.start)[:, None] + column
    y = documents.text[np.where(inside, at, 0)].astype(np.int64)
    x = documents.text[np.where(inside, at - 1, 0)].astype(np.int64)
    x[:, 0] = np.where(pieces.start == 0, DOCUMENT, x[:, 0])
    x[~inside] = DOCUMENT
    y[~inside | (column < pieces.fresh[:, None])] = DOCUMENT
    missing = ((0, rows - len(x)), (0, 0))
    x, y = (np.pad(tokens, missing, constant_values=DOCUMENT) for tokens in (x, y))
    return x, y
