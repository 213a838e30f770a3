"""Parquet and Arrow files that others wrote, read in a process of their own.

The library that reads them is C++. Some damaged files make it end the whole process, some make it
ask for any amount of memory. So a second process reads, within a limit, and hands on what it has
checked; where that process ends, the file is what is wrong.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_BYTES = 4 << 30
"""How much memory the reading process may take."""

_BATCH_BYTES = 4 << 20
_MOST_ROWS = 65536
_BUFFER_BYTES = 1 << 20
_DONE = b"done\n"
_FAULT = 3  # exit code of a process that has said what is wrong with the file
_AGAIN = "download or write the file again"
_MOST_SAID = 200
_NAMES = b"bytetransfer.names"
_ARROW = b"ARROW1"
_ARROW_STREAM = b"\xff\xff\xff\xff"


class TableError(Exception):
    """What is wrong with a file, as one clause, and what to do about it."""

    def __init__(self, what: str, todo: str = _AGAIN) -> None:
        self.what, self.todo = what, todo
        super().__init__(what)


class TableReader:
    """A process that reads one file after another; it starts with the first of them.

    Args:
        memory_bytes: how much memory it may take.
    """

    def __init__(self, memory_bytes: int = MEMORY_BYTES) -> None:
        self._memory_bytes = memory_bytes
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    def __enter__(self) -> TableReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def read(
        self, source: Path | bytes, columns: Sequence[str], *, most_value_bytes: int | None = None
    ) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The columns of a file that were asked for: their schema, and batches of them.

        `column_names` of the schema gives all the names that the file has.

        Args:
            source: a Parquet file, or an Arrow file or stream, or all the bytes of one.
            columns: which to read, those that are missing left out.
            most_value_bytes: columns hold text, no value longer than this; strings come as bytes,
                unchecked. None: any columns, all checked.

        Raises:
            TableError: for a file that cannot be read, then or while batches are taken.
        """
        import pyarrow as pa

        process = self._started()
        data = source if isinstance(source, bytes) else b""
        path = str(source) if isinstance(source, Path) else None
        asked = {"path": path, "bytes": len(data), "columns": [*columns], "most": most_value_bytes}
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps(asked).encode() + b"\n" + data)
            process.stdin.flush()
            stream = pa.ipc.open_stream(process.stdout)
        except (pa.ArrowException, OSError):
            raise self._ended() from None
        return stream.schema, self._batches(stream, process.stdout)

    def _batches(self, stream: Any, answers: IO[bytes]) -> Iterator[pa.RecordBatch]:
        import pyarrow as pa

        try:
            yield from stream
            # a stream that breaks off between two batches reads like one that has ended
            complete = answers.read(len(_DONE)) == _DONE
        except (pa.ArrowException, OSError):
            complete = False
        if not complete:
            raise self._ended() from None

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._errors = tempfile.TemporaryFile()  # noqa: SIM115
            # this very file, which imports nothing of ours; -P: nor what lies beside it
            self._process = subprocess.Popen(
                [sys.executable, "-P", __file__, str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system", "PYTHONUTF8": "1"},
            )
        return self._process

    def _ended(self) -> Exception:
        """Why the process ended before it had read the file."""
        assert self._process is not None
        assert self._errors is not None
        code = self._process.wait()
        self._errors.seek(0)
        said = self._errors.read().decode(errors="replace").strip()
        last = said.rpartition("\n")[2]
        self._stop()
        if code == _FAULT:
            return TableError(*json.loads(last))
        if code < 0:
            name = signal.Signals(-code).name
            why = f"{name}: {last}" if last else name
            return TableError(f"the library that reads it ended ({_short(why)})")
        return RuntimeError(f"the process that reads tables ended with {code}:\n{said}")

    def _stop(self) -> None:
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
        if self._errors is not None:
            self._errors.close()
            self._errors = None


def column_names(schema: pa.Schema) -> list[str]:
    """The names of all columns of the file that a schema of `TableReader.read` comes from."""
    names: list[str] = json.loads(schema.metadata[_NAMES])
    return names


def read_whole_table(data: bytes, columns: Sequence[str]) -> tuple[list[str], pa.Table]:
    """The names of all columns of a file that others wrote, and those asked for that it has.

    Args:
        data: the whole Parquet file.
        columns: which to read.

    Raises:
        TableError: for a file that cannot be read, or not within the memory there may be.
    """
    import pyarrow as pa

    with TableReader() as tables:
        schema, batches = tables.read(data, columns)
        taken: list[pa.RecordBatch] = []
        total = 0
        for batch in batches:
            total += batch.nbytes
            if total > MEMORY_BYTES:
                raise TableError(f"it holds more than {MEMORY_BYTES:,} bytes")
            taken.append(batch)
    return column_names(schema), pa.Table.from_batches(taken, schema)


# ── in the process that reads ────────────────────────────────────────────────────────────────────


def _serve(memory_bytes: int) -> None:
    """Answer the requests of standard input, a line each, on standard output."""
    _limit_memory(memory_bytes)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while line := requests.readline():
        asked = json.loads(line)
        try:
            given = io.BytesIO(requests.read(asked["bytes"]))
            with given if asked["path"] is None else Path(asked["path"]).open("rb") as file:
                _answer(answers, file, asked["columns"], asked["most"])
        except TableError as error:
            _give_up(error.what, error.todo)
        except MemoryError:
            _give_up(f"it takes more than {memory_bytes:,} bytes of memory to read")
        answers.write(_DONE)
        answers.flush()


def _answer(answers: IO[bytes], file: IO[bytes], columns: list[str], most: int | None) -> None:
    import pyarrow as pa

    head = file.read(len(_ARROW))
    head = head if head == _ARROW else head[: len(_ARROW_STREAM)]
    file.seek(0)
    kind = "Arrow" if head in (_ARROW, _ARROW_STREAM) else "Parquet"
    try:
        schema, batches = _opened(file, head, set(columns), text=most is not None)
        names = json.dumps(schema.names)
        fields = [field for field in schema if field.name in columns]
        schema = pa.schema(fields, {_NAMES: names})
        if most is not None:
            schema = _as_bytes(schema)
        with pa.ipc.new_stream(answers, schema) as sink:
            for batch in _checked(batches, schema, most):
                sink.write_batch(batch)
    except MemoryError:
        raise
    except (pa.ArrowException, OSError, ValueError, RecursionError, OverflowError) as error:
        raise TableError(f"no readable {kind} file ({_short(str(error))})") from error


def _opened(
    file: IO[bytes], head: bytes, columns: set[str], *, text: bool
) -> tuple[pa.Schema, Iterator[Any]]:
    """The schema of a file that begins with `head`, and batches of the columns asked for."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if head == _ARROW:
        whole = pa.ipc.open_file(file)
        return whole.schema, map(whole.get_batch, range(whole.num_record_batches))
    if head == _ARROW_STREAM:
        stream = pa.ipc.open_stream(file)
        return stream.schema, iter(stream)
    # what is not read through a buffer is read a whole row group at a time
    parquet = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
    names = [name for name in parquet.schema_arrow.names if name in columns]
    rows = _rows_a_batch(parquet, names[0]) if text and names else _MOST_ROWS
    return parquet.schema_arrow, parquet.iter_batches(rows, columns=names, use_threads=False)


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
    return max(1, min(_MOST_ROWS, _BATCH_BYTES // mean))


def _as_bytes(schema: pa.Schema) -> pa.Schema:
    """The schema with bytes instead of strings, which nobody has checked yet."""
    import pyarrow as pa

    def plain(kind: Any) -> Any:
        if pa.types.is_dictionary(kind):
            return plain(kind.value_type)
        kinds = ("string", "large_string", "string_view", "binary", "large_binary", "binary_view")
        return pa.large_binary() if str(kind) in kinds else kind

    fields = [field.with_type(plain(field.type)) for field in schema]
    return pa.schema(fields, schema.metadata)


def _checked(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, most: int | None
) -> Iterator[pa.RecordBatch]:
    """Batches of the columns of `schema`, sound and, of text, none of them large."""
    import pyarrow as pa

    rows = 0
    for batch in batches:
        names = batch.schema.names
        held = [at for at, name in enumerate(names) if name in schema.names]
        arrays = []
        for at, field in zip(held, schema, strict=True):
            array = batch.column(at)
            if most is not None:
                # the offsets before anything follows them; bytes need not be UTF-8
                array.validate()
                array = array if array.type == field.type else array.cast(field.type)
            array.validate(full=True)
            arrays.append(array)
        whole = pa.RecordBatch.from_arrays(arrays, schema=schema)
        yield from [whole] if most is None else _cut(whole, rows, most)
        rows += len(whole)


def _cut(batch: pa.RecordBatch, rows: int, most: int) -> Iterator[pa.RecordBatch]:
    """A batch of one column of text in pieces of about `_BATCH_BYTES`."""
    import numpy as np
    import pyarrow as pa

    if not batch.num_columns or batch.schema.types[0] != pa.large_binary() or not len(batch):
        yield batch
        return
    array = batch.column(0)
    ends = np.frombuffer(array.buffers()[1], np.int64, len(array) + 1, 8 * array.offset)
    lengths = np.diff(ends)
    if lengths.max() > most:
        row = rows + int(lengths.argmax()) + 1
        what = (
            f"row {row:,} holds {int(lengths.max()):,} bytes, more than the {most:,} of a document"
        )
        raise TableError(
            what, "cut the text into shorter documents, or raise most_document_bytes of the corpus"
        )
    start = 0
    while start < len(array):
        full = int(np.searchsorted(ends, ends[start] + _BATCH_BYTES, side="right")) - 1
        stop = max(start + 1, full)
        yield batch.slice(start, stop - start)
        start = stop


def _limit_memory(memory_bytes: int) -> None:
    try:
        import resource
    except ImportError:  # there is no such limit on Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # what is written to, unlike address space, is what a machine runs out of
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def _give_up(what: str, todo: str = _AGAIN) -> None:
    sys.stderr.write(f"\n{json.dumps([what, todo])}\n")
    sys.stderr.flush()
    os._exit(_FAULT)  # half an answer stands in the buffers of standard output


def _short(text: str) -> str:
    """One line of what a library says, without marks that a terminal would obey."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _MOST_SAID else line[: _MOST_SAID - 1] + "…"


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
