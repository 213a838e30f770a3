"""Aligned groups: the same lines in every language, held out and trained on together.

Lines linked by identical text in any member share one split, so no held-out line of any language
stands in the training text of that language. The split goes by the content of all members, not
by the order of lines.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.corpus import Corpus, CorpusCard, Splits, corpus_digest, open_corpus
from bytetransfer.corpus.division import (
    NOTHING_PLACED,
    TEST,
    TORN,
    TRAIN,
    UNPLACED,
    VALIDATION,
    Placed,
    assigned_splits,
    placed_groups,
)
from bytetransfer.corpus.folder import written_folder
from bytetransfer.corpus.prepare import (
    identities,
    refuse_too_small,
    split_writers,
    write_card,
)
from bytetransfer.corpus.shuffle import Hashes, hash_documents
from bytetransfer.corpus.splits import SPLIT_NAMES, Fetch, Kind, fetch_from
from bytetransfer.errors import CorpusError
from bytetransfer.files.disk import disk_errors
from bytetransfer.identity import digest

Lines = NDArray[np.int64]  # numbers of lines, from 0
_SPOOL_NAME = "lines.spool"


@dataclass(frozen=True, eq=False)
class _Member:
    """One language of the group while it is prepared: its bytes on disk, the rest in memory."""

    hashes: Hashes
    lengths: NDArray[np.int64]
    spool: Path

    def fetch(self) -> Fetch:
        text: NDArray[np.uint8] = np.memmap(self.spool, np.uint8, "r")
        return fetch_from(text.data, np.cumsum(self.lengths) - self.lengths, self.lengths)


@dataclass(frozen=True, eq=False)
class _Division:
    """Which lines each split holds, in the order they are written; the same for all members."""

    lines: dict[int, Lines]
    surplus: Lines
    empty: int
    group: str


def prepare_aligned(
    members: Mapping[str, Iterable[list[bytes]]],
    folders: Mapping[str, Path],
    *,
    splits: Splits | None = None,
    languages: Mapping[str, str | None] | None = None,
    kind: Kind = "text",
    placed: Placed = NOTHING_PLACED,
) -> dict[str, Corpus]:
    """Prepare a group whose members hold the same lines.

    A line that is empty in any member is left out of all. Held-out lines are the same for all
    members, as many as the member that reaches its limit first can keep; duplicates are masked
    from training only, member by member. Memory: 24 bytes a line and member; text goes to disk.

    Args:
        members: the lines of each member in batches, in the same order in all.
        folders: where each member goes; each appears when all of them are done.
        splits: how to divide the lines.
        languages: ISO 639 code of each member; None, or no entry, where it is no language.
        kind: whether sizes end at a character.
        placed: documents that other corpora have put in a split: a line equal to one goes there,
            with all lines linked to it; if that is more than one split, it goes nowhere.

    Raises:
        CorpusError: where members differ in their number of lines, or hold too little text.
        StoreError: where the disk is full or refuses.
    """
    splits = splits or Splits()
    with contextlib.ExitStack() as stack:
        temporary = {
            name: stack.enter_context(written_folder(folders[name])) for name in sorted(members)
        }
        read = {
            name: _spooled(members[name], folder, folders[name])
            for name, folder in temporary.items()
        }
        _refuse_unequal(read)
        division = _divided(read, splits, placed)
        for name, folder in temporary.items():
            with disk_errors(folders[name]):
                language = (languages or {}).get(name)
                card = _written(read[name], folder, division, splits, kind, language)
                refuse_too_small(card, name)
                read[name].spool.unlink()
                write_card(folder, card)
    return {name: open_corpus(folders[name]) for name in members}


def groups_of_lines(hashes: list[Hashes]) -> Lines:
    """A group number for each line: lines with text in common share it, whatever the member.

    Args:
        hashes: of each member's lines; uint64, shape (lines, 2) each.

    >>> first = np.array([[1, 1], [2, 2], [1, 1], [3, 3]], np.uint64)
    >>> second = np.array([[5, 5], [6, 6], [7, 7], [6, 6]], np.uint64)
    >>> groups_of_lines([first, second]).tolist()
    [0, 1, 0, 1]
    """
    count = len(hashes[0])
    rows = np.tile(np.arange(count), len(hashes))
    columns = _first_with_same_text(np.concatenate(hashes)) % count
    # A quarter of a second to import, for preparing alone.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = coo_array((np.ones(len(rows), np.int8), (rows, columns)), shape=(count, count))
    _, groups = connected_components(edges, directed=False)
    return np.asarray(groups, np.int64)


def _first_with_same_text(hashes: Hashes) -> Lines:
    order = np.lexsort((hashes[:, 1], hashes[:, 0]))
    ordered = hashes[order]
    new = np.ones(len(order), np.bool_)
    new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    # lexsort is stable, so the first of each stretch of equal hashes is the earliest line
    first = np.empty(len(order), np.int64)
    first[order] = order[new][np.cumsum(new) - 1]
    return first


def _hash_of_rows(hashes: list[Hashes]) -> Hashes:
    """A hash of what a line holds in all members, whatever the members are called."""
    stacked = np.stack(hashes, axis=1)
    order = np.argsort(stacked[:, :, 0], axis=1)[:, :, None]
    content = np.take_along_axis(stacked, order, axis=1).astype("<u8")
    return hash_documents([row.tobytes() for row in content.reshape(len(content), -1)])


def _hash_of_groups(rows: Hashes, groups: Lines) -> Hashes:
    """A hash of each line's group: of the line itself where it is linked to no other."""
    order = np.lexsort((rows[:, 1], rows[:, 0], groups))
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    sizes = np.diff(starts, append=len(order))
    result = rows.copy()
    for start, size in zip(starts[sizes > 1].tolist(), sizes[sizes > 1].tolist(), strict=True):
        lines = order[start : start + size]
        result[lines] = hash_documents([rows[lines].astype("<u8").tobytes()])
    return result


def _spooled(batches: Iterable[list[bytes]], temporary: Path, folder: Path) -> _Member:
    """Write the lines to disk; keep their hashes and lengths."""
    spool = temporary / _SPOOL_NAME
    hashes, lengths = [np.zeros((0, 2), np.uint64)], [np.zeros(0, np.int64)]
    with disk_errors(folder):
        file = spool.open("wb")
    with file:
        for batch in batches:
            hashes.append(hash_documents(batch))
            lengths.append(np.fromiter(map(len, batch), np.int64, len(batch)))
            with disk_errors(folder):
                file.write(b"".join(batch))
    return _Member(np.concatenate(hashes), np.concatenate(lengths), spool)


def _refuse_unequal(read: Mapping[str, _Member]) -> None:
    counts = {name: len(member.lengths) for name, member in read.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        raise CorpusError(
            f"the members of an aligned group differ in their number of lines: {listed}",
            where=", ".join(counts),
            todo="give every member the same lines (an empty line where one is missing), "
            "or do not declare them aligned",
        )
    for name, member in read.items():
        if not member.lengths.any():
            todo = "check which files, column or split it names"
            raise CorpusError("the corpus is empty", where=name, todo=todo)


def _divided(read: Mapping[str, _Member], splits: Splits, placed: Placed) -> _Division:
    lengths = np.stack([member.lengths for member in read.values()], axis=1)
    kept = np.flatnonzero((lengths > 0).all(axis=1))
    hashes = [member.hashes[kept] for member in read.values()]
    rows = _hash_of_rows(hashes)
    linked = groups_of_lines(hashes)
    groups = _hash_of_groups(rows, linked)
    assigned = placed_groups([placed.find(member) for member in hashes], linked)
    assigned = np.where(assigned == UNPLACED, assigned_splits(groups, splits), assigned)
    order = np.lexsort((rows[:, 1], rows[:, 0], groups[:, 1], groups[:, 0]))
    content = hashlib.sha256(rows[order].astype("<u8").tobytes()).hexdigest()
    lines = {TRAIN: kept[order[assigned[order] == TRAIN]]}
    surplus = [kept[order[assigned[order] == TORN]]]
    for split, limit in ((VALIDATION, splits.validation_bytes), (TEST, splits.test_bytes)):
        held = kept[order[assigned[order] == split]]
        fits = (np.cumsum(lengths[held], axis=0) <= limit).all(axis=1)
        lines[split] = held[fits]
        surplus.append(held[~fits])
    return _Division(
        lines=lines,
        surplus=np.concatenate(surplus),
        empty=len(lengths) - len(kept),
        group=digest({"members": len(read), "lines": content, "splits": splits}),
    )


def _unmasked(member: _Member, lines: Lines) -> Lines:
    """The first of each text in `lines`, in their order."""
    distinct = _first_with_same_text(member.hashes[lines]) == np.arange(len(lines))
    kept: Lines = lines[distinct]
    return kept


def _written(
    member: _Member,
    folder: Path,
    division: _Division,
    splits: Splits,
    kind: Kind,
    language: str | None,
) -> CorpusCard:
    fetch = member.fetch()
    lines = division.lines | {TRAIN: _unmasked(member, division.lines[TRAIN])}
    with split_writers(folder, kind, with_ids=True) as writers:
        for split in range(len(SPLIT_NAMES)):
            writers[split].take(fetch, lines[split], member.lengths[lines[split]], lines[split])
    train, validation, test = (writer.statistics() for writer in writers)
    return CorpusCard(
        digest=corpus_digest(kind, identities(writers)),
        kind=kind,
        language=language,
        aligned=True,
        group=division.group,
        train=train,
        validation=validation,
        test=test,
        splits=splits,
        documents_read=len(member.lengths),
        bytes_read=int(member.lengths.sum()),
        empty_dropped=division.empty,
        duplicates_masked=len(division.lines[TRAIN]) - len(lines[TRAIN]),
        held_out_surplus_documents=len(division.surplus),
        held_out_surplus_bytes=int(member.lengths[division.surplus].sum()),
    )
