"""Documents in, a prepared corpus out: de-duplicated, split by content, in an order by hash."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.corpus import (
    Corpus,
    CorpusCard,
    Splits,
    corpus_digest,
    open_corpus,
)
from bytetransfer.corpus.division import (
    NOTHING_PLACED,
    TEST,
    TRAIN,
    VALIDATION,
    Placed,
    assigned_splits,
)
from bytetransfer.corpus.folder import CARD_NAME, written_folder
from bytetransfer.corpus.shuffle import Part, Shuffle
from bytetransfer.corpus.splits import SPLIT_NAMES, Kind, SplitWriter
from bytetransfer.errors import CorpusError
from bytetransfer.files.digests import sealed
from bytetransfer.files.disk import disk_errors, write_atomic
from bytetransfer.units import format_bytes

MEMORY_BYTES = (
    200_000_000  # more is slower: memory touched for the first time costs more than files
)
LEAST_HELD_OUT_DOCUMENTS = 10
LEAST_HELD_OUT_BYTES = 1_000

_BATCH_DOCUMENTS = 4096


@dataclass(frozen=True, kw_only=True)
class Preparing:
    """How far a preparation is.

    Attributes:
        stage: `reading` the documents or `writing` them in their new order.
        documents: done so far in this stage.
        bytes: done so far in this stage.
        expected_bytes: of the whole stage, None where nobody knows yet.
    """

    stage: Literal["reading", "writing"]
    documents: int
    bytes: int
    expected_bytes: int | None = None


Watch = Callable[[Preparing], None]


def prepare(
    batches: Iterable[list[bytes]],
    folder: Path,
    *,
    splits: Splits | None = None,
    kind: Kind = "text",
    language: str | None = None,
    name: str = "",
    placed: Placed = NOTHING_PLACED,
    watch: Watch | None = None,
    memory_bytes: int = MEMORY_BYTES,
) -> Corpus:
    """Prepare documents in one pass, in bounded memory.

    The result depends on the set of documents, on `splits` and on `placed` alone: not on their
    order, nor on `memory_bytes`.

    Args:
        batches: the documents; those of a text corpus are UTF-8 or kept as they are.
        folder: what is written; appears when all is done, and replaces an older corpus there.
        splits: how to divide the documents.
        kind: whether sizes end at a character.
        language: ISO 639 code, if the corpus is in one language.
        name: what to call the corpus in messages; the folder's name if empty.
        placed: documents that other corpora have put in a split, where they stay.
        watch: called about once per megabyte.
        memory_bytes: about how much memory the shuffle may take.

    Raises:
        CorpusError: where there is no document, or too little for held-out text.
        StoreError: where the disk is full or refuses.
    """
    name = name or folder.name
    with written_folder(folder) as temporary:
        shuffle = Shuffle(temporary, memory_bytes)
        empty = _collected(batches, shuffle, folder, watch)
        if not shuffle.documents:
            raise _empty(name, empty)
        held_out = _HeldOut(splits or Splits())
        with disk_errors(folder), split_writers(temporary, kind) as writers:
            for part in shuffle.parts():
                _write_part(part, writers, held_out, placed)
                _report(watch, writers, shuffle.bytes)
            shuffle.remove_files()
        card = _card(writers, shuffle, held_out, kind=kind, language=language, empty=empty)
        refuse_too_small(card, name)
        write_card(temporary, card)
    return open_corpus(folder)


def _card(
    writers: list[SplitWriter],
    shuffle: Shuffle,
    held_out: _HeldOut,
    *,
    kind: Kind,
    language: str | None,
    empty: int,
) -> CorpusCard:
    train, validation, test = (writer.statistics() for writer in writers)
    kept = train.documents + validation.documents + test.documents
    return CorpusCard(
        digest=corpus_digest(kind, identities(writers)),
        kind=kind,
        language=language,
        train=train,
        validation=validation,
        test=test,
        splits=held_out.splits,
        documents_read=shuffle.documents + empty,
        bytes_read=shuffle.bytes,
        empty_dropped=empty,
        duplicates_dropped=shuffle.documents - kept - held_out.surplus_documents,
        held_out_surplus_documents=held_out.surplus_documents,
        held_out_surplus_bytes=held_out.surplus_bytes,
    )


def derive(
    corpus: Corpus,
    transform: Callable[[bytes], bytes],
    folder: Path,
    *,
    language: str | None = None,
) -> Corpus:
    """A corpus whose documents are those of `corpus`, transformed one by one.

    Splits, order and line ids stay, so a sample of the result holds the transforms of the same
    documents. Training documents that the transform makes equal to a held-out one are left out, and
    so is whatever it leaves nothing of.

    Args:
        corpus: to take the documents from.
        transform: bytes of a document to bytes of a document.
        folder: what is written; appears when all is done.
        language: of the result, if it is one.

    Raises:
        StoreError: where the disk is full or refuses.
    """
    kind, aligned = corpus.card.kind, corpus.card.aligned
    held_out: set[bytes] = set()
    empty = lost = 0
    with written_folder(folder) as temporary:
        # files are also written when they are closed; reading the corpus gives no error of a disk
        with disk_errors(folder), split_writers(temporary, kind, with_ids=aligned) as writers:
            for split in (VALIDATION, TEST, TRAIN):
                for texts, ids in _transformed(corpus, SPLIT_NAMES[split], transform):
                    clashes = held_out.intersection(texts) if split == TRAIN else set()
                    _append(writers[split], texts, ids, clashes | {b""})
                    empty += texts.count(b"")
                    lost += sum(text in clashes for text in texts)
                    if split != TRAIN:
                        held_out.update(filter(None, texts))
        counted = "duplicates_masked" if aligned else "duplicates_dropped"
        card = msgspec.structs.replace(
            corpus.card,
            digest=corpus_digest(kind, identities(writers)),
            language=language,
            empty_dropped=corpus.card.empty_dropped + empty,
            **{n: w.statistics() for n, w in zip(SPLIT_NAMES, writers, strict=True)},
            **{counted: getattr(corpus.card, counted) + lost},
        )
        refuse_too_small(card, folder.name)
        write_card(temporary, card)
    return open_corpus(folder)


def _transformed(
    corpus: Corpus, split: str, transform: Callable[[bytes], bytes]
) -> Iterator[tuple[list[bytes], NDArray[np.int64] | None]]:
    documents, ids = getattr(corpus, split), corpus.ids(split)
    ends = documents.ends
    for first in range(0, len(ends), _BATCH_DOCUMENTS):
        stop = min(len(ends), first + _BATCH_DOCUMENTS)
        begins = [int(ends[first - 1]) if first else 0, *ends[first : stop - 1].tolist()]
        spans = zip(begins, ends[first:stop].tolist(), strict=True)
        texts = [transform(documents.text[begin:end].tobytes()) for begin, end in spans]
        yield texts, None if ids is None else ids[first:stop]


def _append(
    writer: SplitWriter,
    texts: list[bytes],
    ids: NDArray[np.int64] | None,
    left_out: set[bytes],
) -> None:
    kept = np.array([text not in left_out for text in texts], np.bool_)
    texts = [text for text in texts if text not in left_out]
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    writer.append(b"".join(texts), lengths, None if ids is None else ids[kept])


def _collected(
    batches: Iterable[list[bytes]], shuffle: Shuffle, folder: Path, watch: Watch | None
) -> int:
    """Put all documents into the shuffle; how many of them were empty and left out."""
    empty = 0
    for batch in batches:
        documents = batch if all(batch) else [document for document in batch if document]
        empty += len(batch) - len(documents)
        with disk_errors(folder):
            shuffle.add(documents)
        if watch is not None:
            done = shuffle.documents + empty
            watch(Preparing(stage="reading", documents=done, bytes=shuffle.bytes))
    return empty


class _HeldOut:
    """What of the held-out text is kept: in hash order, whole documents, up to the limit."""

    def __init__(self, splits: Splits) -> None:
        self.splits = splits
        self._left = {VALIDATION: splits.validation_bytes, TEST: splits.test_bytes}
        self.surplus_documents = self.surplus_bytes = 0

    def kept(self, split: int, lengths: NDArray[np.int64]) -> int:
        """How many of the next documents of `split` are kept."""
        ends = np.cumsum(lengths)
        count = int(np.searchsorted(ends, self._left[split], side="right"))
        used = int(ends[count - 1]) if count else 0
        # once a document did not fit nothing more is taken: shorter ones must not be preferred
        self._left[split] = self._left[split] - used if count == len(lengths) else 0
        self.surplus_documents += len(lengths) - count
        self.surplus_bytes += int(lengths.sum()) - used
        return count


def _write_part(part: Part, writers: list[SplitWriter], held_out: _HeldOut, placed: Placed) -> None:
    assigned = assigned_splits(part.hashes, held_out.splits, placed)
    for split, writer in enumerate(writers):
        chosen = np.flatnonzero(assigned == split)
        if split != TRAIN:
            chosen = chosen[: held_out.kept(split, part.lengths[chosen])]
        writer.take(part.fetch, part.indices[chosen], part.lengths[chosen])


@contextlib.contextmanager
def split_writers(
    folder: Path, kind: Kind, *, with_ids: bool = False
) -> Iterator[list[SplitWriter]]:
    """Writers for the three splits, in the order of `SPLIT_NAMES`."""
    with contextlib.ExitStack() as stack:
        yield [
            stack.enter_context(SplitWriter(folder, name, kind=kind, with_ids=with_ids))
            for name in SPLIT_NAMES
        ]


def identities(writers: list[SplitWriter]) -> dict[str, dict[str, str]]:
    """The identity of each split written, by name."""
    return {n: writer.identity() for n, writer in zip(SPLIT_NAMES, writers, strict=True)}


def write_card(folder: Path, card: CorpusCard) -> None:
    """Write the card, which makes a folder a corpus; the last file to be written."""
    content = msgspec.json.format(msgspec.json.encode(card), indent=2)
    write_atomic(folder / CARD_NAME, sealed(content))


def refuse_too_small(card: CorpusCard, name: str) -> None:
    """Raise a CorpusError where a split is too small to measure anything on."""
    if card.documents_read == card.empty_dropped:
        raise _empty(name, card.empty_dropped)
    filled = card.documents_read - card.empty_dropped
    if filled - card.duplicates_dropped == 1:
        raise one_document(filled, card.bytes_read // filled, name)
    if not card.train.bytes:
        raise CorpusError(
            f"all of its {card.documents_read:,} documents are held out: none is left to train on",
            where=name,
            todo="add text, or cut it into smaller documents (one a line)",
        )
    for split in ("validation", "test"):
        held = card.split(split)
        if held.documents >= LEAST_HELD_OUT_DOCUMENTS and held.bytes >= LEAST_HELD_OUT_BYTES:
            continue
        raise CorpusError(
            f"the {split} split has {held.documents:,} documents and {held.bytes:,} bytes; at "
            f"least {LEAST_HELD_OUT_DOCUMENTS} documents and {LEAST_HELD_OUT_BYTES:,} bytes are "
            f"needed (the corpus has {card.documents_read:,} documents and "
            f"{card.bytes_read:,} bytes)",
            where=name,
            todo=_more_held_out(card, split),
        )


def one_document(times: int, size: int, name: str) -> CorpusError:
    """The error of a text that is one document, however often it stands there.

    Args:
        times: how often.
        size: its bytes.
        name: what to call the text.
    """
    again = f", {times:,} times" if times > 1 else ""
    return CorpusError(
        f"it is one document of {format_bytes(size)}{again}: none can be held out to test on",
        where=name,
        todo='cut it into documents: one a line (documents = "lines"), or a file each; of binary '
        "files, with a smaller chunk_bytes",
    )


def _more_held_out(card: CorpusCard, split: str) -> str:
    """What makes the split larger, given what made it small."""
    limit = getattr(card.splits, f"{split}_bytes")
    mean = card.bytes_read / max(1, card.documents_read)
    if limit < LEAST_HELD_OUT_BYTES or limit < 2 * LEAST_HELD_OUT_DOCUMENTS * mean:
        advice = f"raise {split}_bytes (it is {format_bytes(limit)})"
    else:
        advice = (
            f"add text, or raise {split}_share (it is {getattr(card.splits, f'{split}_share')})"
        )
    if card.split(split).documents < LEAST_HELD_OUT_DOCUMENTS:
        advice += (
            f"; a document has {format_bytes(mean)} on average: cut the text into smaller ones "
            "(one document a line, or a smaller chunk_bytes for binary files)"
        )
    return advice


def _empty(name: str, empty: int) -> CorpusError:
    what = f"the corpus is empty ({empty:,} empty documents)" if empty else "the corpus is empty"
    return CorpusError(what, where=name, todo="check which files, column or split it names")


def _report(watch: Watch | None, writers: list[SplitWriter], expected: int) -> None:
    if watch is not None:
        watch(
            Preparing(
                stage="writing",
                documents=sum(writer.documents for writer in writers),
                bytes=sum(writer.bytes for writer in writers),
                expected_bytes=expected,
            )
        )
