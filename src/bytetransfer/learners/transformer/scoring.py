"""Nats of documents, each scored alone; the longer ones by overlapping windows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.transformer.attention import position_tables
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


def document_nats(
    weights: Weights, documents: Documents, shape: Shape, numerics: Numerics
) -> NDArray[np.float64]:
    """-ln p of the bytes of each document by itself; float64, shape (documents,).

    Windows are batched by length; padding comes after a window's bytes, where a causal model
    cannot see it, so which documents share a batch changes nothing but float rounding. Where
    numerics say so, windows longer than half the context are filled up to it, and one compiled
    graph serves them all.
    """
    pieces = cut(documents.lengths, shape.context)
    nats = np.zeros(len(documents), np.float64)
    dtype = torch.bfloat16 if numerics.precision == "bf16" else torch.float32
    device = weights["embed"].device
    tables = position_tables(shape, dtype, device)
    symbols, context = SYMBOLS_PER_BATCH[numerics.device], shape.context
    weights = {name: weight.detach() for name, weight in weights.items()}  # else another graph
    with torch.no_grad():
        for chosen in _batches(pieces.length, symbols, context if numerics.compiled else None):
            batch = Pieces(*(column[chosen] for column in pieces))
            whole = numerics.compiled and int(batch.length.max()) > context // 2
            size = (max(1, symbols // context), context) if whole else None
            x, y = (torch.from_numpy(a).to(device) for a in _read(documents, batch, size))
            nats_of = _compiled() if whole else target_nats
            y_nats = nats_of(weights, x, y, shape, tables, numerics.attention)[: len(chosen)]
            counted = y_nats.cpu().numpy().astype(np.float64).sum(axis=1)
            np.add.at(nats, batch.document, counted)
    return nats


@functools.cache
def _compiled() -> Callable[..., Tensor]:
    """The nats of targets through torch.compile, once a process."""
    compiled: Callable[..., Tensor] = torch.compile(target_nats, dynamic=False)
    return compiled


def _batches(
    lengths: NDArray[np.int64], symbols: int, context: int | None
) -> Iterator[NDArray[np.int64]]:
    """Windows of similar length together, at most `symbols` positions with padding.

    Given a context, those longer than half of it count as that long.
    """
    order = np.argsort(-lengths, kind="stable")
    while len(order):
        longest = int(lengths[order[0]])
        width = context if context and longest > context // 2 else longest
        size = max(1, symbols // width)
        yield order[:size]
        order = order[size:]


def _read(
    documents: Documents, pieces: Pieces, size: tuple[int, int] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Symbols read and to be predicted; not counted: `DOCUMENT`.

    Their shape is `size`, or as small as can be: (windows, longest).
    """
    rows, width = size or (len(pieces.length), int(pieces.length.max()))
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
