"""Which split a document belongs to: by its hash, or by where it stands already.

A document goes by its own hash, so it falls on one side whatever corpus it is in. A line of an
aligned group goes by the hash of all lines linked to it; corpora divided after the group are told
where its lines went (`Placed`) and follow.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.corpus import Corpus, Splits
from bytetransfer.corpus.documents import Documents
from bytetransfer.corpus.permutation import mixed_words
from bytetransfer.corpus.shuffle import Hashes, hash_documents
from bytetransfer.corpus.splits import SPLIT_NAMES, blocks_of

Assigned = NDArray[np.int8]  # a split as its place in SPLIT_NAMES, or one of the two below

TRAIN, VALIDATION, TEST = 0, 1, 2
UNPLACED = -1
TORN = -2
"""Linked to documents of different splits, so it can stand in none."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Documents that have their split already, to be looked up by hash.

    Attributes:
        keys: first halves of their hashes, ascending; uint64, shape (documents,).
        rests: second halves; uint64, shape (documents,).
        splits: where they stand; int8, shape (documents,).
    """

    keys: NDArray[np.uint64]
    rests: NDArray[np.uint64]
    splits: Assigned

    @classmethod
    def of(cls, corpora: Iterable[Corpus]) -> Placed:
        """All documents of prepared corpora; 17 bytes of memory a document."""
        hashes, splits = [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.int8)]
        for corpus in corpora:
            for place, name in enumerate(SPLIT_NAMES):
                found = _hashes_of(getattr(corpus, name))
                hashes.append(found)
                splits.append(np.full(len(found), place, np.int8))
        every, places = np.concatenate(hashes), np.concatenate(splits)
        order = np.argsort(every[:, 0], kind="stable")
        return cls(every[order, 0], every[order, 1], places[order])

    def find(self, hashes: Hashes) -> Assigned:
        """The split of each hash, UNPLACED where it is not among the documents.

        Of two documents whose first 64 bits agree and whose others do not, one may be missed:
        that happens once in a million corpora.
        """
        if not len(self.keys):
            return np.full(len(hashes), UNPLACED, np.int8)
        at = np.minimum(np.searchsorted(self.keys, hashes[:, 0]), len(self.keys) - 1)
        same = (self.keys[at] == hashes[:, 0]) & (self.rests[at] == hashes[:, 1])
        return np.where(same, self.splits[at], np.int8(UNPLACED))


NOTHING_PLACED = Placed.of(())


def assigned_splits(hashes: Hashes, splits: Splits, placed: Placed = NOTHING_PLACED) -> Assigned:
    """The split of each hash, as its place in `SPLIT_NAMES`; int8, shape (documents,).

    The second 64 bits decide, the first ones order: order and split are independent. Another seed
    of the splits maps the deciding bits one to one, so its split is independent of the others.
    """
    deciding = hashes[:, 1] if splits.seed == 0 else mixed_words(hashes[:, 1], splits.seed)
    assigned = np.full(len(hashes), TRAIN, np.int8)
    assigned[deciding < np.uint64(int(splits.validation_share * 2**64))] = VALIDATION
    assigned[deciding >= np.uint64(2**64 - int(splits.test_share * 2**64))] = TEST
    found = placed.find(hashes)
    return np.where(found == UNPLACED, assigned, found)


def placed_groups(lines: list[Assigned], groups: NDArray[np.int64]) -> Assigned:
    """Where lines go for the sake of those of their group that stand somewhere already.

    Args:
        lines: where each member's lines stand already; shape (lines,) each.
        groups: number of the group of each line; shape (lines,).

    Returns:
        For each line the one split its group's lines stand in, UNPLACED if none of them stands
        anywhere, TORN if they stand in several.

    >>> one = np.array([-1, 2, -1, 0, 1], np.int8)
    >>> placed_groups([one], np.array([0, 0, 1, 2, 2])).tolist()
    [2, 2, -1, -2, -2]
    """
    lowest = np.full(len(groups), len(SPLIT_NAMES), np.int8)
    highest = np.full(len(groups), UNPLACED, np.int8)
    for member in lines:
        known = np.flatnonzero(member != UNPLACED)
        np.minimum.at(lowest, groups[known], member[known])
        np.maximum.at(highest, groups[known], member[known])
    torn = (highest != UNPLACED) & (lowest != highest)
    result: Assigned = np.where(torn, np.int8(TORN), highest)[groups]
    return result


def _hashes_of(documents: Documents) -> Hashes:
    hashes = [np.zeros((0, 2), np.uint64)]
    text, starts, ends = documents.text, documents.starts, documents.ends
    for block in blocks_of(documents.lengths):
        spans = zip(starts[block].tolist(), ends[block].tolist(), strict=True)
        hashes.append(hash_documents([text[start:end].tobytes() for start, end in spans]))
    return np.concatenate(hashes)
