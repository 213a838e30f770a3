"""Batches of raw documents from one file: lines, whole files, JSON lines, Parquet, chunks.

Bytes in are bytes out. Only the line end that separates two documents belongs to neither; empty
documents are passed on, because in an aligned corpus they keep the lines in step.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import msgspec
import numpy as np

from bytetransfer.corpus.blocks import BLOCK_BYTES, open_blocks, raw_blocks, reading
from bytetransfer.errors import CorpusError

if TYPE_CHECKING:
    import pyarrow as pa

Batches = Iterator[list[bytes]]
OnBadUtf8 = Literal["strict", "keep"]

_KEEP = 'repair the file, or write errors = "keep" to keep the bytes as they are'
_BATCH_BYTES = 4 * BLOCK_BYTES


def read_lines(path: Path, *, errors: OnBadUtf8) -> Batches:
    r"""One document a line; the line end `\n` or `\r\n` is left out, everything else stays.

    Raises:
        CorpusError: where the file cannot be read or, with `strict`, is no UTF-8.
    """
    first_line = 1
    for offset, text in _line_blocks(path):
        if errors == "strict":
            refuse_bad_utf8(text, path, offset, first_line)
        if b"\r" in text:
            text = text.replace(b"\r\n", b"\n")
        lines = text.split(b"\n")
        if not lines[-1]:
            lines.pop()  # what stands after the last line end is no line
        first_line += len(lines)
        yield lines


def read_whole(path: Path, *, errors: OnBadUtf8) -> Batches:
    """The file as one document.

    Raises:
        CorpusError: where the file cannot be read or, with `strict`, is no UTF-8.
    """
    text = b"".join(open_blocks(path))
    if errors == "strict":
        refuse_bad_utf8(text, path, 0, 1)
    yield [text]


def read_chunks(path: Path, chunk_bytes: int | None) -> Batches:
    """The raw bytes of the file in documents of `chunk_bytes`; the whole file if that is None.

    Raises:
        CorpusError: where the file cannot be read.
    """
    if chunk_bytes is None:
        yield [b"".join(raw_blocks(path))]
        return
    size = chunk_bytes * max(1, BLOCK_BYTES // chunk_bytes)
    rest = b""
    for block in raw_blocks(path, size):
        data = rest + block
        whole = len(data) // chunk_bytes * chunk_bytes
        rest = data[whole:]
        yield [data[start : start + chunk_bytes] for start in range(0, whole, chunk_bytes)]
    if rest:
        yield [rest]


def read_json_lines(path: Path, column: str) -> Batches:
    """The strings under `column`, one JSON object a line; blank lines are skipped.

    Raises:
        CorpusError: for a line that is no JSON object with a string under `column`.
    """
    row = msgspec.defstruct("Row", [("text", str)], rename={"text": column})
    decoder = msgspec.json.Decoder(row)
    first_line = 1
    for _, text in _line_blocks(path):
        try:
            rows: list[Any] = decoder.decode_lines(text)
            yield [row.text.encode() for row in rows]
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise _first_bad_row(path, text, first_line, decoder, column) from error
        first_line += text.count(b"\n")


def read_parquet(path: Path, column: str, *, errors: OnBadUtf8) -> Batches:
    """The values of a column of strings or bytes.

    Raises:
        CorpusError: where the file is damaged or has no such column.
    """
    with reading(path), _seekable(path) as file:
        yield from _parquet_batches(file, path, column, errors)


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
        raise CorpusError(what, where=where, todo=_KEEP) from error
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
            todo=_KEEP,
        ) from error


def _line_blocks(path: Path) -> Iterator[tuple[int, bytes]]:
    """Blocks of whole lines, each with the byte offset it begins at."""
    offset = 0
    pieces: list[memoryview] = []
    for block in open_blocks(path):
        cut = block.rfind(b"\n") + 1
        view = memoryview(block)
        if not cut:
            pieces.append(view)
            continue
        text = b"".join([*pieces, view[:cut]])
        pieces = [view[cut:]]
        yield offset, text
        offset += len(text)
    if any(pieces):
        yield offset, b"".join(pieces)


def _first_bad_row(
    path: Path,
    text: bytes,
    first_line: int,
    decoder: msgspec.json.Decoder[Any],
    column: str,
) -> CorpusError:
    """The error of the first line that cannot be decoded."""
    for number, line in enumerate(text.split(b"\n"), first_line):
        try:
            if line.strip():
                decoder.decode(line).text.encode()
        except msgspec.ValidationError:
            what, todo = _wrong_row(line, column)
        except UnicodeError as error:
            what, todo = f"no UTF-8 ({error})", "JSON has to be UTF-8: write the file again"
        except msgspec.DecodeError as error:
            what, todo = f"no JSON ({error})", "write one JSON object a line"
        else:
            continue
        return CorpusError(what, where=f"{path}, line {number:,}", todo=todo)
    return CorpusError("no JSON lines", where=str(path), todo="write one JSON object a line")


def _wrong_row(line: bytes, column: str) -> tuple[str, str]:
    try:
        row = json.loads(line)
    except ValueError as error:
        return f"no JSON ({error})", "write one JSON object a line"
    if not isinstance(row, dict):
        return "no JSON object", f'write one object a line, like {{"{column}": "..."}}'
    if column not in row:
        names = ", ".join(row) or "none"
        return f'no column "{column}"', f"the columns there are: {names}"
    return f'"{column}" holds no string', "name a column of strings"


def _seekable(path: Path) -> BinaryIO:
    """The file, or, if it is compressed as a whole, a temporary copy that is not."""
    if path.suffix not in {".gz", ".zst"}:
        return path.open("rb")
    copy: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
    for block in open_blocks(path):
        copy.write(block)
    copy.seek(0)
    return copy


def _parquet_batches(file: BinaryIO, path: Path, column: str, errors: OnBadUtf8) -> Batches:
    import pyarrow as pa
    import pyarrow.parquet as pq

    where = str(path)
    try:
        parquet = pq.ParquetFile(file)
        names = parquet.schema_arrow.names
        if column not in names:
            todo = f"the columns there are: {', '.join(names)}"
            raise CorpusError(f'no column "{column}"', where=where, todo=todo)
        rows = 0
        for batch in parquet.iter_batches(_rows_a_batch(parquet, column), columns=[column]):
            yield arrow_documents(batch.column(0), errors=errors, where=where, first_row=rows)
            rows += len(batch)
    except (pa.ArrowException, OSError) as error:
        todo = "download or write the file again"
        raise CorpusError(f"no readable Parquet file ({error})", where=where, todo=todo) from error


def _rows_a_batch(parquet: Any, column: str) -> int:
    """Rows that hold about `_BATCH_BYTES`, so that long documents do not pile up in memory."""
    metadata = parquet.metadata
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    stored: int = sum(
        group.column(i).total_uncompressed_size
        for group in groups
        for i in range(group.num_columns)
        if group.column(i).path_in_schema == column
    )
    mean = max(1, stored // max(1, int(metadata.num_rows)))
    return max(1, min(65536, _BATCH_BYTES // mean))
