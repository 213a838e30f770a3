"""What is known of the local files that a corpus is read from, and whether they are the same.

Size and time of change can be kept by copying tools while the content is another; the number of the
file (inode) and the time of its last status change cannot. Where all of them are as they were the
file is the same; where not, its content decides, by digest.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bytetransfer.corpus.blocks import reading
from bytetransfer.corpus.corpus import CorpusCard
from bytetransfer.corpus.splits import SPLIT_NAMES
from bytetransfer.errors import CorpusError
from bytetransfer.files.disk import shown_path
from bytetransfer.identity import DIGEST_CHARACTERS


class FileState(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file as it stood when it was looked at.

    Attributes:
        path: where, as it is shown.
        name: its own name, whose ending may say what it holds.
        size: in bytes.
        modified: time its content was last changed, in nanoseconds; tools can set it.
        changed: time of the last change of content, name or rights, in nanoseconds; none can.
        inode: its number in its file system.
        content: digest of its bytes, empty where they were not read.
    """

    path: str
    name: str
    size: int
    modified: int
    changed: int
    inode: int
    content: str = ""

    def is_same(self, other: FileState) -> bool:
        """Whether this is the very file, unchanged, wherever its folder was moved to."""
        return self._mark() == other._mark()

    def _mark(self) -> tuple[object, ...]:
        return (self.name, self.size, self.modified, self.changed, self.inode)


def file_state(path: Path) -> FileState:
    """What is known of a file without reading it.

    Raises:
        CorpusError: where it is not there or may not be read.
    """
    with reading(path):
        found = path.stat()
    return FileState(
        path=shown_path(path),
        name=shown_path(path.name),
        size=found.st_size,
        modified=found.st_mtime_ns,
        changed=found.st_ctime_ns,
        inode=found.st_ino,
    )


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a corpus is prepared from.

    Attributes:
        key: digest of all that decides the result, the content of files included.
        asked: digest of all of it but the files.
        corpus: what a study calls it.
        files: the local files it is read from.
    """

    key: str
    asked: str
    corpus: str
    files: tuple[FileState, ...] = ()


class KnownCorpus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An origin and the corpus that came of it.

    Attributes:
        card: of the corpus. The one in its folder may be of another origin with the same text:
            its language and what was left out are not in the digest the folder is named after.
        origin: what it was prepared from.
    """

    card: CorpusCard
    origin: Origin

    def is_of(self, card: CorpusCard) -> bool:
        """Whether a card is of this text: they agree in all that the digest stands for."""
        names = ("digest", "kind", "aligned", *SPLIT_NAMES)
        return all(getattr(card, name) == getattr(self.card, name) for name in names)


class Inputs:
    """Files whose content is read for its digest only where it is asked for, and once."""

    def __init__(self) -> None:
        self._contents: dict[tuple[str, FileState], str] = {}

    def with_content(self, path: Path, state: FileState) -> FileState:
        """The state of a file with the digest of its content.

        Raises:
            CorpusError: where it cannot be read.
        """
        key = (os.fspath(path), state)
        if key not in self._contents:
            with reading(path), path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            self._contents[key] = found[:DIGEST_CHARACTERS]
        return msgspec.structs.replace(state, content=self._contents[key])

    def renewed(
        self, paths: Sequence[Path], states: Sequence[FileState], known: Sequence[FileState]
    ) -> tuple[FileState, ...] | None:
        """The states with their content where it is that of the known ones, else None.

        Args:
            paths: the files.
            states: as they stand now.
            known: as they stood when their content was read.
        """
        if [(s.name, s.size) for s in states] != [(k.name, k.size) for k in known]:
            return None
        found = []
        for path, state, before in zip(paths, states, known, strict=True):
            same = msgspec.structs.replace(state, content=before.content)
            if not state.is_same(before) and self.with_content(path, state) != same:
                return None
            found.append(same)
        return tuple(found)


def refuse_changed(paths: Sequence[Path], states: Sequence[FileState]) -> None:
    """Raise a CorpusError where a file is not as it was when it began to be read."""
    for path, state in zip(paths, states, strict=True):
        if not file_state(path).is_same(state):
            todo = "wait until it is written, then start again"
            raise CorpusError("changed while it was read", where=shown_path(path), todo=todo)
