"""Files, plain or compressed, as blocks of bytes: the bottom of every text source."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import zstandard

from bytetransfer.errors import CorpusError

BLOCK_BYTES = 1 << 20  # large enough to amortise calls, small enough to stay in the cache

_INPUT_BYTES = 1 << 16
_GZIP_WINDOW = 31  # zlib's number for "gzip header, largest window"
_ZSTANDARD_WINDOW_BYTES = 1 << 31  # what `zstd --long=31` needs


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
    """The bytes of the file, decompressed if its name ends in `.gz` or `.zst`.

    Raises:
        CorpusError: where the file cannot be read, is truncated or damaged.
    """
    if path.suffix == ".gz":
        return _merged(_gunzipped(path))
    if path.suffix == ".zst":
        return _merged(_unzstandard(path))
    return raw_blocks(path)


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


def _gunzipped(path: Path) -> Iterator[bytes]:
    """All members of a gzip file; a limit keeps a small file from unpacking into all memory."""
    read, member = 0, zlib.decompressobj(_GZIP_WINDOW)
    for data in raw_blocks(path, _INPUT_BYTES):
        read += len(data)
        while data:
            if member.eof:
                data = data.lstrip(b"\0")  # some tools pad with zeros after the last member
                if not data:
                    break
                member = zlib.decompressobj(_GZIP_WINDOW)
            with _damage(path, read):
                # output still held back comes with the next input: at least the checksum follows
                piece = member.decompress(data, BLOCK_BYTES)
            yield piece
            data = member.unused_data if member.eof else member.unconsumed_tail
    if not member.eof:
        raise _truncated(path, read)


def _unzstandard(path: Path) -> Iterator[bytes]:
    """All frames of a Zstandard file."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTANDARD_WINDOW_BYTES)
    read, frame = 0, decompressor.decompressobj()
    for data in raw_blocks(path, _INPUT_BYTES):
        read += len(data)
        while data:
            if frame.eof:
                frame = decompressor.decompressobj()
            with _damage(path, read):
                piece = frame.decompress(data)
            yield piece
            data = frame.unused_data if frame.eof else b""
    if not frame.eof:
        raise _truncated(path, read)


@contextlib.contextmanager
def _damage(path: Path, read: int) -> Iterator[None]:
    try:
        yield
    except (zlib.error, zstandard.ZstdError) as error:
        raise CorpusError(
            f"no valid {path.suffix} data before byte {read:,} of the compressed file ({error})",
            where=str(path),
            todo="download or compress it again",
        ) from error


def _truncated(path: Path, read: int) -> CorpusError:
    return CorpusError(
        f"the compressed file breaks off at byte {read:,}",
        where=str(path),
        todo="download or compress it again",
    )
