"""Batches of raw documents from one file: lines, whole files, Parquet and Arrow, chunks.

Bytes in are bytes out. Only the line end that separates two documents belongs to neither; empty
documents are passed on, because in an aligned corpus they keep the lines in step. No reader holds
more than one document and some blocks of a file, and no document may be longer than is stated.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from bytetransfer.corpus.blocks import BLOCK_BYTES, is_compressed, open_blocks, raw_blocks
from bytetransfer.corpus.content import advice, conversion, is_json_lines, named, not_text
from bytetransfer.errors import CorpusError
from bytetransfer.files.arrow_reader import TableError, TableReader, column_names
from bytetransfer.files.disk import disk_errors
from bytetransfer.units import format_bytes

if TYPE_CHECKING:
    import pyarrow as pa

Batches = Iterator[list[bytes]]
OnBadUtf8 = Literal["strict", "keep"]

MOST_DOCUMENT_BYTES = 100_000_000
"""How long a document may be where nothing else is stated."""

_KEEP = 'write errors = "keep" to keep the bytes as they are'
_OLD_LINE_ENDS = 8


def read_lines(path: Path, *, errors: OnBadUtf8, most_bytes: int, stated: bool = True) -> Batches:
    r"""One document a line; the line end `\n` or `\r\n` is left out, everything else stays.

    Args:
        path: the file, compressed or not.
        errors: whether bytes that are no UTF-8 are refused.
        most_bytes: how long a line may be.
        stated: somebody said that this is text; otherwise its name does, and JSON is refused.

    Raises:
        CorpusError: where the file cannot be read, is no text or, with `strict`, no UTF-8, or has
            a line longer than `most_bytes`.
    """
    first_line = 1
    for offset, text in line_blocks(path, most_bytes=most_bytes):
        if not offset:
            _refuse_other_lines(text, path, stated=stated)
        if errors == "strict":
            refuse_bad_utf8(text, path, offset, first_line)
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        lines = text.split(b"\n")
        if not lines[-1]:
            lines.pop()  # what stands after the last line end is no line
        first_line += len(lines)
        yield lines


def read_whole(path: Path, *, errors: OnBadUtf8, most_bytes: int) -> Batches:
    """The file as one document.

    Raises:
        CorpusError: where the file cannot be read, is no text or, with `strict`, no UTF-8, or is
            longer than `most_bytes`.
    """
    text = _joined(text_blocks(path), path, most_bytes)
    if errors == "strict":
        refuse_bad_utf8(text, path, 0, 1)
    yield [text]


def read_chunks(path: Path, chunk_bytes: int | None, *, most_bytes: int) -> Batches:
    """The raw bytes of the file in documents of `chunk_bytes`; the whole file if that is None.

    Raises:
        CorpusError: where the file cannot be read, or a document is longer than `most_bytes`.
    """
    if chunk_bytes is None:
        yield [_joined(raw_blocks(path), path, most_bytes)]
        return
    if chunk_bytes > most_bytes:
        raise too_long("a chunk", str(path), most_bytes)
    size = chunk_bytes * max(1, BLOCK_BYTES // chunk_bytes)
    rest = b""
    for block in raw_blocks(path, size):
        data = rest + block
        whole = len(data) // chunk_bytes * chunk_bytes
        rest = data[whole:]
        yield [data[start : start + chunk_bytes] for start in range(0, whole, chunk_bytes)]
    if rest:
        yield [rest]


def read_table(
    path: Path, column: str, tables: TableReader, *, errors: OnBadUtf8, most_bytes: int
) -> Batches:
    """The values of a column of strings or bytes, of a Parquet or Arrow file.

    Args:
        path: the file; compressed as a whole or not.
        column: its name.
        tables: the process that reads it.
        errors: whether bytes that are no UTF-8 are refused.
        most_bytes: how long a value may be.

    Raises:
        CorpusError: where the file is damaged or has no such column.
    """
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(_uncompressed(path))
        try:
            schema, batches = tables.read(plain, [column], most_value_bytes=most_bytes)
            names = column_names(schema)
            if names.count(column) != 1:
                twice = column in names
                what = f'two columns "{column}"' if twice else f'no column "{column}"'
                todo = f"the columns there are: {named(names)}"
                raise CorpusError(what, where=str(path), todo=todo)
            rows = 0
            for batch in batches:
                values = batch.column(0)
                yield arrow_documents(values, errors=errors, where=str(path), first_row=rows)
                rows += len(batch)
        except TableError as error:
            raise CorpusError(error.what, where=str(path), todo=error.todo) from error


def arrow_documents(
    values: pa.Array, *, errors: OnBadUtf8, where: str, first_row: int
) -> list[bytes]:
    """An Arrow array of strings or bytes as a list of byte strings.

    Args:
        values: the array.
        errors: whether bytes that are no UTF-8 are refused.
        where: file or dataset, for messages.
        first_row: number of the row before the array's first.

    Raises:
        CorpusError: for a type that holds no text, a null, or bytes that are no UTF-8.
    """
    import pyarrow as pa  # a tenth of a second that plain text need not pay

    if values.null_count:
        row = first_row + int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        todo = "leave out the rows without text"
        raise CorpusError(f"row {row + 1:,} holds no text (null)", where=where, todo=todo)
    try:
        if errors == "strict":
            strings = values.cast(pa.large_string())
            strings.validate(full=True)
        array = values.cast(pa.large_binary())
    except pa.ArrowNotImplementedError as error:
        what = f"the column holds {values.type}, not text"
        raise CorpusError(what, where=where, todo="name a column of strings") from error
    except pa.ArrowInvalid as error:
        last = f"{first_row + len(values):,}"
        what = f"bytes that are no UTF-8 in the rows {first_row + 1:,} to {last} ({error})"
        raise CorpusError(what, where=where, todo=f"repair the file, or {_KEEP}") from error
    if not len(array):
        return []
    _, offsets, data = array.buffers()
    ends = np.frombuffer(offsets, np.int64, len(array) + 1, 8 * array.offset).tolist()
    text = memoryview(data) if data is not None else memoryview(b"")
    return [bytes(text[ends[i] : ends[i + 1]]) for i in range(len(array))]


def refuse_bad_utf8(text: bytes, path: Path, offset: int, first_line: int) -> None:
    """Raise a CorpusError if `text`, which begins at byte `offset` of the file, is no UTF-8."""
    if text.isascii():
        return
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = first_line + text.count(b"\n", 0, error.start)
        raise CorpusError(
            f"no UTF-8 at byte {offset + error.start:,} of the text, in line {line:,} "
            f"(byte value 0x{text[error.start]:02x})",
            where=str(path),
            todo=f"repair the file; {conversion(text)}; or {_KEEP}",
        ) from error


def text_blocks(path: Path) -> Iterator[bytes]:
    """The blocks of a file that is to hold text.

    Raises:
        CorpusError: where it cannot be read, or what it begins with is no text.
    """
    blocks = open_blocks(path)
    first = next(blocks, b"")
    other = not_text(first)
    if other is not None:
        raise CorpusError(f"no text but {other.what}", where=str(path), todo=other.todo)
    return chain([first], blocks) if first else blocks


def line_blocks(path: Path, *, most_bytes: int) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines of text, each with the byte offset it begins at.

    Raises:
        CorpusError: as `text_blocks`, and for a line longer than `most_bytes`.
    """
    offset, line, carried = 0, 1, 0
    pieces: list[memoryview] = []
    for block in text_blocks(path):
        cut = block.rfind(b"\n") + 1
        view = memoryview(block)
        if not cut:
            pieces.append(view)
            carried += len(view)
            if carried > most_bytes:
                raise too_long("a line", f"{path}, line {line:,}", most_bytes)
            continue
        text = b"".join([*pieces, view[:cut]])
        pieces, carried = [view[cut:]], len(view) - cut
        _refuse_long_lines(text, path, line, most_bytes)
        yield offset, text
        offset += len(text)
        line += text.count(b"\n")
    if any(pieces):
        text = b"".join(pieces)
        _refuse_long_lines(text, path, line, most_bytes)
        yield offset, text


def too_long(what: str, where: str, most_bytes: int) -> CorpusError:
    """What is said of a document, or what holds one, that is longer than is stated."""
    return CorpusError(
        f"{what} longer than {format_bytes(most_bytes)} where a document is expected",
        where=where,
        todo="cut the text into shorter documents, or raise most_document_bytes of the corpus",
    )


def _refuse_long_lines(text: bytes, path: Path, first_line: int, most_bytes: int) -> None:
    if len(text) <= most_bytes:
        return
    for number, line in enumerate(text.split(b"\n"), first_line):
        if len(line) > most_bytes:
            raise too_long("a line", f"{path}, line {number:,}", most_bytes)


def _refuse_other_lines(text: bytes, path: Path, *, stated: bool) -> None:
    """Refuse lines of JSON, and those that end in a carriage return alone: all would be one."""
    if not stated and is_json_lines(text, whole=True):
        what = "every line is a JSON object, while its name says plain text"
        todo = f'{advice(text)}; or write format = "text" to learn JSON itself'
        raise CorpusError(what, where=str(path), todo=todo)
    if b"\n" not in text and text.count(b"\r") >= _OLD_LINE_ENDS:
        what = "its lines end in a carriage return alone, so that all of them are one line"
        todo = "write them again, for example: tr '\\r' '\\n' < FILE > FILE.txt"
        raise CorpusError(what, where=str(path), todo=todo)


def _joined(blocks: Iterator[bytes], path: Path, most_bytes: int) -> bytes:
    held: list[bytes] = []
    size = 0
    for block in blocks:
        held.append(block)
        size += len(block)
        if size > most_bytes:
            raise too_long("a file", str(path), most_bytes)
    return b"".join(held)


@contextlib.contextmanager
def _uncompressed(path: Path) -> Iterator[Path]:
    """The file, or, if it is compressed as a whole, a temporary copy that is not."""
    if not is_compressed(path):
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy:
        with disk_errors(Path(tempfile.gettempdir())):
            for block in open_blocks(path):
                copy.write(block)
            copy.flush()
        yield Path(copy.name)
