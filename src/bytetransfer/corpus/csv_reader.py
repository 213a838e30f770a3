"""Documents from a column of comma- or tab-separated values.

The first line names the columns. Between commas, text may stand in double quotes and go over
several lines (RFC 4180); between tabs nothing is quoted, as the format is registered.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from pathlib import Path

from bytetransfer.corpus.content import named
from bytetransfer.corpus.readers import (
    Batches,
    OnBadUtf8,
    line_blocks,
    refuse_bad_utf8,
    too_long,
)
from bytetransfer.errors import CorpusError

_BATCH_ROWS = 4096
_BATCH_BYTES = 1 << 20
_LONGEST_FIELD = 1 << 40  # the length of rows is limited here, not by the csv module

_Rows = Iterator[tuple[int, list[str]]]  # the number of the line each begins in, and its cells


def read_separated(
    path: Path, column: str, separator: str, *, errors: OnBadUtf8, most_bytes: int
) -> Batches:
    """The cells of a column, one a row; blank lines are skipped.

    Args:
        path: the file, compressed or not.
        column: the name of the column; another is read where it is the only one.
        separator: a comma or a tab.
        errors: whether bytes that are no UTF-8 are refused.
        most_bytes: how long a row may be.

    Raises:
        CorpusError: where there is no such column, or a row does not have as many cells as the
            header.
    """
    lines = _Lines(path, errors, most_bytes)
    rows = _quoted(lines, path) if separator == "," else _tabbed(lines, path)
    header: list[str] | None = None
    index = size = 0
    held: list[bytes] = []
    for line, cells in rows:
        if header is None:
            header = cells
            index = _index(cells, column, separator, where=f"{path}, line {line:,}")
            continue
        if len(cells) != len(header):
            raise _uneven(cells, header, separator, where=f"{path}, line {line:,}")
        held.append(cells[index].encode(errors="surrogateescape"))
        size += len(held[-1])
        if len(held) >= _BATCH_ROWS or size >= _BATCH_BYTES:
            yield held
            held, size = [], 0
    yield held


class _Lines:
    """The lines of a file with their ends, counted; those of one row no longer than allowed.

    Attributes:
        taken: how many lines were taken.
    """

    def __init__(self, path: Path, errors: OnBadUtf8, most_bytes: int) -> None:
        self._path, self._errors, self._most = path, errors, most_bytes
        self.taken = self._row_bytes = 0
        self._row_line = 1

    def __iter__(self) -> Iterator[str]:
        for offset, block in line_blocks(self._path, most_bytes=self._most):
            if self._errors == "strict":
                refuse_bad_utf8(block, self._path, offset, self.taken + 1)
            if not offset:
                block = block.removeprefix(codecs.BOM_UTF8)
            for line in io.BytesIO(block):
                self.taken += 1
                self._row_bytes += len(line)
                if self._row_bytes > self._most:
                    where = f"{self._path}, line {self._row_line:,}"
                    raise too_long("a row (is a quote never closed?)", where, self._most)
                yield line.decode(errors="surrogateescape")

    def end_row(self) -> None:
        """The next line begins a row."""
        self._row_bytes, self._row_line = 0, self.taken + 1


def _quoted(lines: _Lines, path: Path) -> _Rows:
    reader = csv.reader(iter(lines), strict=True)
    while True:
        first = lines.taken + 1
        usual = csv.field_size_limit(_LONGEST_FIELD)  # of the process: tables of losses keep theirs
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise CorpusError(
                f"no valid CSV ({error})",
                where=f"{path}, line {first:,}",
                todo="put text that holds commas, quotes or line ends in double quotes, and write "
                '"" for a quote in it',
            ) from None
        finally:
            csv.field_size_limit(usual)
        lines.end_row()
        if cells:
            yield first, cells


def _tabbed(lines: _Lines, path: Path) -> _Rows:
    for line in lines:
        lines.end_row()
        text = line.removesuffix("\n").removesuffix("\r")
        if not text:
            continue
        cells = text.split("\t")
        if any(_is_quoted(cell) for cell in cells):
            raise _quotes(f"{path}, line {lines.taken:,}")
        yield lines.taken, cells


def _is_quoted(cell: str) -> bool:
    """Whether quotes stand around a cell for certain: those within it are doubled."""
    return len(cell) > 3 and cell[0] == cell[-1] == '"' and '""' in cell[1:-1]


def _quotes(where: str) -> CorpusError:
    what = "a cell in quotes, which tab-separated values do not have"
    return CorpusError(what, where=where, todo="save the table as .csv, separated by commas")


def _index(header: list[str], column: str, separator: str, *, where: str) -> int:
    if header.count(column) == 1:
        return header.index(column)
    if separator == "\t" and any(cell[:1] == cell[-1:] == '"' for cell in header):
        raise _quotes(where)
    likely = max(",;\t|", key=separator.join(header).count)
    if likely != separator and len(header) == 1 and likely in header[0]:
        other = "tabs" if likely == "\t" else repr(likely)
        todo = {"\t": "name it .tsv", ",": "name it .csv"}.get(likely, "save it with commas")
        raise CorpusError(f"it seems to be separated by {other}", where=where, todo=todo)
    if len(header) == 1 and header[0]:
        return 0
    what = f'{"two columns" if column in header else "no column"} "{column}"'
    todo = f"the columns there are: {named(header)}; write column = one of them"
    raise CorpusError(what, where=where, todo=todo)


def _uneven(cells: list[str], header: list[str], separator: str, *, where: str) -> CorpusError:
    if separator == "\t" and any(cell.startswith('"') for cell in cells):
        return _quotes(where)
    what = f"{len(cells)} cells in this row, {len(header)} in the header"
    todo = "write one cell a column"
    if separator == ",":
        todo += ", and text that holds commas in double quotes"
    return CorpusError(what, where=where, todo=todo)
