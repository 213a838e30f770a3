"""A prepared corpus: a folder of bytes with one identity, and samples of any size from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tokenize import TokenError
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from bytetransfer.corpus.documents import Documents
from bytetransfer.corpus.folder import CARD_NAME
from bytetransfer.corpus.permutation import cut_to_characters, sample_documents
from bytetransfer.corpus.splits import SPLIT_NAMES, Kind, SplitStatistics, split_identity
from bytetransfer.errors import CorpusError, StoreError
from bytetransfer.files.digests import unsealed
from bytetransfer.files.disk import disk_errors
from bytetransfer.identity import digest
from bytetransfer.units import format_bytes

# what numpy raises for bytes that are not, or no longer, an .npy file
_UNREADABLE = (OSError, EOFError, ValueError, TypeError, OverflowError, SyntaxError, TokenError)
_PREPARE_AGAIN = "delete the folder and prepare the corpus again"


class Splits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How documents are divided; the same for all corpora that are compared.

    A document belongs to validation or test by the hash of its content, so the same document
    never stands on two sides, whichever corpus it is in; `division.Placed` does the same for
    aligned groups, where the content of all linked lines decides.

    Attributes:
        validation_share: share of the documents that is held out for choosing.
        test_share: share of the documents that is held out for reporting.
        validation_bytes: of the held-out validation text at most this much is kept.
        test_bytes: of the held-out test text at most this much is kept.
        seed: which documents are held out; another number holds out others.
    """

    validation_share: float = 0.05
    test_share: float = 0.05
    validation_bytes: int = 200_000
    test_bytes: int = 200_000
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("validation_share", "test_share"):
            if not 0 < getattr(self, name) < 0.5:
                todo = "write a share above 0 and below 0.5, for example 0.05"
                raise CorpusError(f"{getattr(self, name)} is no share", where=name, todo=todo)
        for name in ("validation_bytes", "test_bytes"):
            if getattr(self, name) < 1:
                todo = "write a number of bytes, for example 200000"
                raise CorpusError(f"{getattr(self, name)} is no size", where=name, todo=todo)
        if not 0 <= self.seed < 2**32:
            raise CorpusError("must be 0 or above, below 2^32", where="seed", todo="write seed = 0")


class CorpusCard(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a prepared folder says of itself; written last, so its presence means done.

    Attributes:
        digest: identity: of the kind, bytes, document ends and line ids of the three splits.
        kind: `text` (UTF-8, sizes end at a character) or `binary`.
        language: ISO 639 code, None where the corpus is no language or none was stated.
        aligned: whether documents are lines of a group with the same lines in every language.
        group: digest of the aligned group; members prepared together share it, None otherwise.
        train: what the training split holds.
        validation: what the validation split holds.
        test: what the test split holds.
        splits: how the documents were divided.
        documents_read: documents that came in, empty ones included.
        bytes_read: bytes that came in.
        empty_dropped: documents left out because they, or in an aligned group the same line in
            another language, are empty.
        duplicates_dropped: documents left out because an equal one is in.
        duplicates_masked: lines of an aligned group left out of training because an equal one is
            in it.
        held_out_surplus_documents: documents held out and used for nothing: over the limit, or in
            an aligned group linked to documents that stand in different splits elsewhere.
        held_out_surplus_bytes: their bytes.
    """

    digest: str
    kind: Kind
    language: str | None
    aligned: bool = False
    group: str | None = None
    train: SplitStatistics
    validation: SplitStatistics
    test: SplitStatistics
    splits: Splits
    documents_read: int = 0
    bytes_read: int = 0
    empty_dropped: int = 0
    duplicates_dropped: int = 0
    duplicates_masked: int = 0
    held_out_surplus_documents: int = 0
    held_out_surplus_bytes: int = 0

    def split(self, name: str) -> SplitStatistics:
        """The statistics of `train`, `validation` or `test`."""
        statistics: SplitStatistics = getattr(self, name)
        return statistics


@dataclass(frozen=True, eq=False)
class Corpus:
    """An opened prepared folder; its bytes stay on disk until they are asked for."""

    folder: Path
    card: CorpusCard

    @cached_property
    def train(self) -> Documents:
        """The training documents in the order they lie in, memory-mapped."""
        return self._documents("train")

    @cached_property
    def validation(self) -> Documents:
        """The documents every choice is made on, memory-mapped."""
        return self._documents("validation")

    @cached_property
    def test(self) -> Documents:
        """The documents that are reported on, memory-mapped."""
        return self._documents("test")

    @cached_property
    def train_ids(self) -> NDArray[np.int64] | None:
        """Which line each training document is; None where the corpus is not aligned."""
        return self.ids("train")

    @cached_property
    def validation_ids(self) -> NDArray[np.int64] | None:
        """Which line each validation document is; None where the corpus is not aligned."""
        return self.ids("validation")

    @cached_property
    def test_ids(self) -> NDArray[np.int64] | None:
        """Which line each test document is; None where the corpus is not aligned."""
        return self.ids("test")

    def ids(self, split: str) -> NDArray[np.int64] | None:
        """Which line of the group, from 0, each document of `split` is; None if unaligned."""
        return _load_array(self.folder / f"{split}.ids.npy") if self.card.aligned else None

    def sample(self, size: int, *, seed: int, end: Literal["near", "far"] = "near") -> Documents:
        """At most `size` bytes of training text, from one end of seed's own permutation.

        Documents are taken whole but for the last, which is cut at a character (text) or anywhere
        (binary). From the near end, a smaller sample is a prefix of every larger one. From the far
        end, a smaller sample is a suffix of every larger one, and its cut document keeps its end:
        a near and a far sample share no byte as long as their sizes sum to no more than the
        training text. In an aligned corpus the permutation goes by line, so the same lines come
        first in every member.

        Raises:
            CorpusError: where there is less training text than that.
        """
        self._refuse_too_large(size)
        return sample_documents(
            self.train,
            self.train_ids,
            size=size,
            seed=seed,
            far=end == "far",
            whole_characters=self.card.kind == "text",
        )

    def sample_characters(
        self, characters: int, *, seed: int, end: Literal["near", "far"] = "near"
    ) -> Documents:
        """Training text of so many characters, from one end of seed's own permutation.

        A letter-for-letter transform keeps characters and documents, so as many characters of it
        as another corpus's sample has hold the same content.

        Raises:
            CorpusError: where there is less training text than that, or for a binary corpus.
        """
        available = self.card.train.characters
        if available is None or characters > available:
            raise CorpusError(
                f"asked for {characters:,} characters, there are {available or 0:,}",
                where=str(self.folder),
                todo="ask for a smaller size or add text",
            )
        # no character of UTF-8 is longer than four bytes
        size = min(self.card.train.bytes, 4 * characters)
        sample = self.sample(size, seed=seed, end=end)
        return cut_to_characters(sample, characters, far=end == "far")

    def _refuse_too_large(self, size: int) -> None:
        available = self.card.train.bytes
        if not 0 <= size <= available:
            raise CorpusError(
                f"asked for {size:,} bytes of training text, there are {available:,} "
                f"({format_bytes(available)})",
                where=str(self.folder),
                todo="ask for a smaller size or add text",
            )

    def _documents(self, split: str) -> Documents:
        path = self.folder / f"{split}.bin"
        with disk_errors(path):
            text: NDArray[np.uint8] = np.memmap(path, np.uint8, "r").view(np.ndarray)
        return Documents(text, _load_array(self.folder / f"{split}.ends.npy"))


def corpus_digest(kind: Kind, splits: Mapping[str, Mapping[str, str]]) -> str:
    """The identity of a corpus: of its kind and the digests of each split's files."""
    return digest({"kind": kind, "splits": splits})


def open_corpus(folder: Path, *, verify: bool = False) -> Corpus:
    """Open a prepared folder.

    Args:
        folder: what `prepare` wrote.
        verify: read every byte and compare with the digest; otherwise only sizes are compared.

    Raises:
        StoreError: where there is no prepared corpus or a file of it is damaged.
    """
    card = _read_card(folder)
    for name in SPLIT_NAMES:
        _check_split(folder, name, card)
    corpus = Corpus(folder, card)
    if verify and _recomputed_digest(corpus) != card.digest:
        raise _damaged(folder, "the bytes are not those that were prepared")
    return corpus


def _read_card(folder: Path) -> CorpusCard:
    path = folder / CARD_NAME
    try:
        content, _ = unsealed(path.read_bytes())
        return msgspec.json.decode(content, type=CorpusCard)
    except (FileNotFoundError, NotADirectoryError) as error:
        todo = "prepare the corpus first"
        raise StoreError("no prepared corpus here", where=str(folder), todo=todo) from error
    except OSError as error:
        todo = "check that you may read the folder"
        raise StoreError(f"cannot be read ({error})", where=str(path), todo=todo) from error
    except (msgspec.MsgspecError, CorpusError, ValueError) as error:
        raise _damaged(path, f"the card is damaged ({error})") from error


def _check_split(folder: Path, name: str, card: CorpusCard) -> None:
    statistics = card.split(name)
    path = folder / f"{name}.bin"
    size = path.stat().st_size if path.is_file() else None
    if size != statistics.bytes:
        found = "it is missing" if size is None else f"it has {size:,} bytes"
        raise _damaged(path, f"{found} instead of {statistics.bytes:,}")
    arrays = ["ends", "ids"] if card.aligned else ["ends"]
    for path in (folder / f"{name}.{array}.npy" for array in arrays):
        values = _load_array(path)
        if values.shape != (statistics.documents,):
            raise _damaged(path, f"{len(values):,} entries instead of {statistics.documents:,}")
        if path.name.endswith(".ends.npy") and values[-1:].sum() != statistics.bytes:
            raise _damaged(path, "the last document does not end where the text ends")


def _load_array(path: Path) -> NDArray[np.int64]:
    try:
        with disk_errors(path):
            array = np.load(path, mmap_mode="r")
    except _UNREADABLE as error:
        raise _damaged(path, f"cannot be read ({error})") from error
    if array.dtype != np.int64 or array.ndim != 1:
        raise _damaged(path, "not a list of 64-bit integers")
    return np.asarray(array).view(np.ndarray)


def _recomputed_digest(corpus: Corpus) -> str:
    identities = {}
    for name in SPLIT_NAMES:
        documents: Documents = getattr(corpus, name)
        identities[name] = split_identity(documents.text, documents.ends, corpus.ids(name))
    return corpus_digest(corpus.card.kind, identities)


def _damaged(path: Path, what: str) -> StoreError:
    return StoreError(what, where=str(path), todo=_PREPARE_AGAIN)
