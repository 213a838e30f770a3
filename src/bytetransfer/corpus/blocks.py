"""Files, plain or compressed, as blocks of bytes: the bottom of every text source.

Whatever a compressed file holds, no more than some megabytes of it are in memory at a time.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import zstandard

from bytetransfer.errors import CorpusError

BLOCK_BYTES = 1 << 20  # large enough to amortise calls, small enough to stay in the cache

COMPRESSED = {
    ".gz": ".gz",
    ".zst": ".zst",
    ".zstd": ".zst",
    ".bz2": ".bz2",
    ".xz": ".xz",
}
"""Endings of compressed files, in lower case, and the method each stands for."""

_SIGNATURES = {
    ".gz": b"\x1f\x8b\x08",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\0",
}
_SKIPPABLE = (
    b"*M\x18"  # after one byte: a frame of Zstandard that is skipped; pzstd begins with one
)
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90")  # what follows "BZh" and a digit
_LONGEST_SIGNATURE = 10  # a shorter file breaks off, or is damaged, whatever it is
_NAMES = {".gz": "gzip", ".zst": "Zstandard", ".bz2": "bzip2", ".xz": "xz"}

_INPUT_BYTES = 1 << 16
_GZIP_WINDOW = 31  # zlib's number for "gzip header, largest window"
_XZ_MEMORY_BYTES = 1 << 28  # four times what `xz -9` needs
_ZSTANDARD_WINDOW_BYTES = 1 << 31  # what `zstd --long=31` needs
_ZSTANDARD_USUAL_WINDOW_BYTES = 1 << 27  # up to which the program zstd asks no questions
_ZSTANDARD_MOST_TIMES = 1000
_ZSTANDARD_HEADER_BYTES = 18  # the longest header of a frame
# a block of four bytes can stand for 128 KiB, so that this much gives 16 MiB at most
_ZSTANDARD_INPUT_BYTES = 1 << 9


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what the operating system refuses while `path` is read into a CorpusError."""
    try:
        yield
    except FileNotFoundError as error:
        todo = "check its name and the folder it is looked for in"
        raise CorpusError("the file does not exist", where=str(path), todo=todo) from error
    except PermissionError as error:
        todo = "give yourself the right to read it (chmod u+r)"
        raise CorpusError("no permission to read the file", where=str(path), todo=todo) from error
    except IsADirectoryError as error:
        todo = "name the files in it, for example with *.txt"
        raise CorpusError("a folder, not a file", where=str(path), todo=todo) from error
    except OSError as error:
        todo = "check the disk, or copy the file and try again"
        raise CorpusError(f"cannot be read ({error})", where=str(path), todo=todo) from error


def raw_blocks(path: Path, size: int = BLOCK_BYTES) -> Iterator[bytes]:
    """The bytes of the file as they lie, in blocks of `size`.

    Raises:
        CorpusError: where the file cannot be read.
    """
    with reading(path), path.open("rb", buffering=0) as file:
        while block := file.read(size):
            yield block


def open_blocks(path: Path) -> Iterator[bytes]:
    """The bytes of the file, decompressed if its name or, failing that, its first bytes say so.

    The name that counts is the one given, in any case; where it is a link's, not its target's.
    No text in UTF-8 begins as a compressed file does.

    Raises:
        CorpusError: where the file cannot be read, is truncated or damaged, or is not compressed
            as its name says.
    """
    said = COMPRESSED.get(path.suffix.lower())
    blocks = raw_blocks(path) if said is None else raw_blocks(path, _INPUT_BYTES)
    first = next(blocks, b"")
    seen = compression_of(first)
    if said is not None and seen != said and len(first) >= _LONGEST_SIGNATURE:
        raise _otherwise(path, first, said, seen)
    method = said or seen
    if method is None:
        return chain([first], blocks) if first else blocks
    return _merged(_unpacked(chain([first], blocks), path, method))


def is_compressed(path: Path) -> bool:
    """Whether the first bytes of a file, whatever its name, are those of a compressed one.

    Raises:
        CorpusError: where the file cannot be read.
    """
    with reading(path), path.open("rb") as file:
        return compression_of(file.read(_LONGEST_SIGNATURE)) is not None


def compression_of(head: bytes) -> str | None:
    """The method by which bytes that begin with `head` are compressed, None if by none known.

    >>> compression_of(b"BZh91AY&SY..."), compression_of(b"BZh is a word") is None
    ('.bz2', True)
    """
    for method, signature in _SIGNATURES.items():
        if head.startswith(signature):
            return method if method != ".bz2" or head[4:10] in _BZIP2_BLOCKS else None
    return ".zst" if head[1:4] == _SKIPPABLE and 0x50 <= head[0] <= 0x5F else None


def _otherwise(path: Path, head: bytes, said: str, seen: str | None) -> CorpusError:
    name = _NAMES[said]
    if seen is not None:
        what = f"compressed by {_NAMES[seen]}, while its name says {name}"
        todo = f"rename it, or a link to it, so that it ends in {seen}"
    else:
        what = f"no valid {said} data: it does not begin as a file compressed by {name} does"
        if head.isascii() and b"\0" not in head:
            todo = f"it seems to be plain text: rename it so that it does not end in {path.suffix}"
        else:
            todo = "download or compress it again"
    return CorpusError(what, where=str(path), todo=todo)


def _unpacked(blocks: Iterator[bytes], path: Path, method: str) -> Iterator[bytes]:
    if method == ".gz":
        return _gunzipped(blocks, path)
    if method == ".zst":
        return _unzstandard(blocks, path)
    if method == ".bz2":
        return _streams(blocks, path, method, bz2.BZ2Decompressor)
    return _streams(blocks, path, method, _xz)


def _xz() -> Any:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY_BYTES)


def _merged(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pieces of any size as blocks of about `BLOCK_BYTES`."""
    held: list[bytes] = []
    size = 0
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= BLOCK_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if held:
        yield b"".join(held)


def _gunzipped(blocks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """All members of a gzip file; a limit keeps a small file from unpacking into all memory."""
    read, member = 0, zlib.decompressobj(_GZIP_WINDOW)
    for data in blocks:
        read += len(data)
        while data:
            if member.eof:
                data = data.lstrip(b"\0")  # some tools pad with zeros after the last member
                if not data:
                    break
                member = zlib.decompressobj(_GZIP_WINDOW)
            with _damage(path, read, ".gz"):
                # output still held back comes with the next input: at least the checksum follows
                piece = member.decompress(data, BLOCK_BYTES)
            yield piece
            data = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise _truncated(path, read)


def _streams(
    blocks: Iterator[bytes], path: Path, method: str, new: Callable[[], Any]
) -> Iterator[bytes]:
    """All streams of a bzip2 or xz file, each no more than a block at a time."""
    read, stream = 0, new()
    for data in blocks:
        read += len(data)
        while data or not (stream.eof or stream.needs_input):
            if stream.eof:
                data = data.lstrip(b"\0")  # padding between and after streams
                if not data:
                    break
                stream = new()
            with _damage(path, read, method):
                piece = stream.decompress(data, BLOCK_BYTES)
            yield piece
            data = stream.unused_data if stream.eof else b""
    if not stream.eof:
        raise _truncated(path, read)


def _unzstandard(blocks: Iterator[bytes], path: Path) -> Iterator[bytes]:
    """All frames of a Zstandard file."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTANDARD_WINDOW_BYTES)
    read, frame, limit = 0, decompressor.decompressobj(), _Window(path)
    for block in blocks:
        for start in range(0, len(block), _ZSTANDARD_INPUT_BYTES):
            data = block[start : start + _ZSTANDARD_INPUT_BYTES]
            read += len(data)
            while data:
                if frame.eof:
                    frame, limit = decompressor.decompressobj(), _Window(path)
                with _damage(path, read, ".zst"):
                    piece = frame.decompress(data)
                limit.check(data, piece)
                yield piece
                data = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise _truncated(path, read)


class _Window:
    """What a frame may unpack to where it asks for an unusually large window.

    The window is the memory that unpacking fills as it goes on. Up to 2 GiB are honest in large
    files, `zstd --long=31` makes such; a few kilobytes that fill as much are not.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._head, self._taken, self._given = b"", 0, 0

    def check(self, data: bytes, piece: bytes) -> None:
        """Take account of the next input and output of the frame."""
        if len(self._head) < _ZSTANDARD_HEADER_BYTES:
            self._head = (self._head + data)[:_ZSTANDARD_HEADER_BYTES]
        self._taken += len(data)
        self._given += len(piece)
        most = max(_ZSTANDARD_USUAL_WINDOW_BYTES, _ZSTANDARD_MOST_TIMES * self._taken)
        if self._given <= most:
            return
        window = zstandard.get_frame_parameters(self._head).window_size
        if window > _ZSTANDARD_USUAL_WINDOW_BYTES:
            raise CorpusError(
                f"{self._taken:,} compressed bytes unpack to more than {most:,}, and ask for a "
                f"window of {window:,} bytes of memory",
                where=str(self._path),
                todo="if it is text after all: unpack it with zstd -d --long=31, and compress it "
                "again without --long",
            )


@contextlib.contextmanager
def _damage(path: Path, read: int, method: str) -> Iterator[None]:
    try:
        yield
    # what bz2 says of damage is an OSError
    except (zlib.error, zstandard.ZstdError, lzma.LZMAError, OSError) as error:
        raise CorpusError(
            f"no valid {method} data before byte {read:,} of the compressed file ({error})",
            where=str(path),
            todo="download or compress it again",
        ) from error


def _truncated(path: Path, read: int) -> CorpusError:
    return CorpusError(
        f"the compressed file breaks off at byte {read:,}",
        where=str(path),
        todo="download or compress it again",
    )
