"""Tables of losses, CSV or Parquet -> Measurements, with one clear error for whatever is wrong.

A column declares its unit by its name; a loss whose unit is not declared is refused,
not guessed. Every message names the file and the line (the row in Parquet, counted from 1), and
calls a column what the file calls it.
"""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from bytetransfer.errors import MeasurementError
from bytetransfer.files.arrow_reader import TableError, read_whole_table
from bytetransfer.files.disk import check_digest
from bytetransfer.measurements.csv_cells import from_text
from bytetransfer.measurements.measurement import (
    COLUMNS,
    SCRATCH,
    Blocks,
    Measurement,
    Measurements,
    Place,
    disagreement,
    name_rows,
    parse_blocks,
)
from bytetransfer.measurements.row import AGREE, LOSSES, REQUIRED, Row, shown
from bytetransfer.units import bits_per_byte

if TYPE_CHECKING:
    import pandas as pd

_SEPARATORS = {".csv": ",", ".tsv": "\t"}
_ENDINGS = (*_SEPARATORS, ".parquet")
_ALIASES = {"bytes": "target_bytes", "finetune_bytes": "target_bytes"}
_KNOWN = {*COLUMNS, *LOSSES, *_ALIASES}
_LIKE_A_LOSS = re.compile(r"loss|nll|bpb|bpc|ppl|perplex|entropy|bits|nats", re.IGNORECASE)
_TODO_UNITS = (
    "name a column by its unit: bits_per_byte, nats_per_byte, perplexity (per byte), or nats "
    "(their total) with test_bytes"
)
_NAMED_FOR_A_UNIT = {"bpb": "bits_per_byte", "ppl": "perplexity"}

_Lines = Iterator[tuple[Place, list[str]]]  # where a line stands, and its cells


def read_measurements(path: str | Path) -> Measurements:
    """Read a table of losses from a file, with the `blocks.parquet` beside it if there is one.

    Args:
        path: a file whose name ends in `.csv`, `.tsv` (tabs) or `.parquet`, in any case; columns
            as in `parse_measurements`.

    Raises:
        MeasurementError: if the file is missing, is no such table, states what cannot be, or the
            blocks are not those of its rows.
    """
    path = Path(path)
    where, ending = str(path), path.suffix.lower()
    if ending not in _ENDINGS:
        todo = f"a table of losses ends in {', '.join(_ENDINGS)}; a study file in .toml"
        raise MeasurementError("neither CSV nor Parquet by its name", where=where, todo=todo)
    data, blocks, beside = _content(path), None, path.with_name("blocks.parquet")
    if beside != path and beside.exists():
        blocks = read_blocks(_content(beside), where=str(beside))
    if ending == ".parquet":
        return parse_parquet(data, where=where, blocks=blocks)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        what, todo = f"not UTF-8 at byte {error.start}", "save it as UTF-8"
        raise MeasurementError(what, where=where, todo=todo) from None
    return parse_measurements(text, where=where, blocks=blocks, separator=_SEPARATORS[ending])


def parse_measurements(
    text: str, *, where: str, blocks: Mapping[str, Blocks] | None = None, separator: str = ","
) -> Measurements:
    r"""Read rows from CSV; only source, target, bytes and a loss are needed.

    The loss stands in a column that declares its unit: `bits_per_byte`, `nats_per_byte`,
    `perplexity` (per byte), or `nats` (total) with `test_bytes`; several must agree. `bytes` and
    `finetune_bytes` are other names of `target_bytes`. The columns of `Measurement` are optional,
    any other column is ignored. Sizes may be written as `6MB`.

    Args:
        text: the CSV with a header line.
        where: what to call the file in messages.
        blocks: nats and bytes of each run's test-document blocks, as `read_blocks` reads them.
        separator: what stands between two cells.

    Raises:
        MeasurementError: for a missing column, an undeclared unit, a cell that cannot be, rows that
            contradict each other, blocks that are not those of their row.

    >>> rows = parse_measurements("source,target,bytes,perplexity\nen,fi,6MB,4\n", where="x.csv")
    >>> rows.rows[0].target_bytes, rows.rows[0].bits_per_byte
    (6000000, 2.0)
    """
    lines = _csv_lines(text.removeprefix("\ufeff"), separator, where=where)
    place, header = next(lines, (Place(where, "line", 1), []))
    if not header:
        raise _no_rows(where)
    _check_separator(header, separator, where=str(place))
    columns = _columns(header, where=str(place))
    known = [header.index(name) for name in columns.values()]
    picked = ((place, [cells[index] for index in known]) for place, cells in lines)
    return _measurements(columns, picked, where, blocks)


def parse_parquet(
    data: bytes, *, where: str, blocks: Mapping[str, Blocks] | None = None
) -> Measurements:
    """Read rows from a Parquet file; the columns are those of `parse_measurements`.

    Args:
        data: the whole file.
        where: what to call it in messages.
        blocks: nats and bytes of each run's test-document blocks, as `read_blocks` reads them.

    Raises:
        MeasurementError: as `parse_measurements`, and for a damaged file.
    """
    try:
        names, table = read_whole_table(data, sorted(_KNOWN))
    except TableError as error:
        raise MeasurementError(error.what, where=where, todo=error.todo) from None
    columns = _columns(names, where=where)
    values = [map(_text, table[name].to_pylist()) for name in columns.values()]
    lines = (
        (Place(where, "row", number), list(cells))
        for number, cells in enumerate(zip(*values, strict=True), 1)
        if any(cells)
    )
    return _measurements(columns, lines, where, blocks)


def parse_frame(frame: pd.DataFrame, *, where: str) -> Measurements:
    """Read rows from a pandas DataFrame; the columns are those of `parse_measurements`.

    Args:
        frame: a row for every run; rows are counted from 1 in messages, whatever the index.
        where: what to call it in messages.

    Raises:
        MeasurementError: as `parse_measurements`.
    """
    names = [str(name) for name in frame.columns]
    columns = _columns(names, where=where)
    values = []
    for name in columns.values():
        column = frame.iloc[:, names.index(name)]
        pairs = zip(column.tolist(), column.isna().tolist(), strict=True)
        values.append([_text(None if missing else value) for value, missing in pairs])
    lines = (
        (Place(where, "row", number), list(cells))
        for number, cells in enumerate(zip(*values, strict=True), 1)
        if any(cells)
    )
    return _measurements(columns, lines, where, None)


def read_blocks(data: bytes, *, where: str) -> dict[str, Blocks]:
    """Read blocks from a Parquet file as `Measurements.blocks_to_parquet` writes it.

    Args:
        data: the whole file.
        where: what to call it in messages.

    Raises:
        MeasurementError: for a damaged file, and as `parse_blocks`.
    """
    try:
        _, table = read_whole_table(data, ["run", "block", "nats", "bytes"])
    except TableError as error:
        raise MeasurementError(f"no blocks ({error})", where=where, todo="delete it") from None
    return parse_blocks(table, where=where)


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        check_digest(path, data)
        return data
    except FileNotFoundError:
        raise MeasurementError("no such file", where=str(path), todo="check its name") from None
    except OSError as error:
        raise MeasurementError(f"cannot be read ({error.strerror})", where=str(path)) from None


def _csv_lines(text: str, separator: str, *, where: str) -> _Lines:
    """Every line that holds something, the header first, and where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] = []
    while True:
        place = Place(where, "line", reader.line_num + 1)
        try:
            cells = [from_text(cell.strip()) for cell in next(reader)]
        except StopIteration:
            return
        except csv.Error as error:
            raise MeasurementError(f"no valid CSV ({error})", where=str(place)) from None
        if not any(cells):
            continue
        header = header or cells
        if len(cells) != len(header):
            what = f"cells in this line: {len(cells)}, in the header: {len(header)}"
            todo = "write one cell a column, empty where nothing is known, and text that holds the "
            todo = f"{todo}separator in double quotes"
            raise MeasurementError(what, where=str(place), todo=todo)
        yield place, cells


def _text(value: object) -> str:
    """A value of Parquet as it would stand in CSV."""
    if value is None:
        return ""
    if isinstance(value, Decimal):  # its zeros are those of the column, and part no thousands
        return f"{value.normalize():f}"
    return repr(float(value)) if isinstance(value, float) else str(value).strip()


# ── columns ──────────────────────────────────────────────────────────────────────────────────────


def _check_separator(header: Sequence[str], separator: str, *, where: str) -> None:
    """Say so if the cells are separated by something else."""
    line = separator.join(header)
    likely = max(",;\t|", key=line.count)
    if set(REQUIRED[:2]) <= set(header) or line.count(likely) <= line.count(separator):
        return
    ending = next((end for end, mark in _SEPARATORS.items() if mark == likely), None)
    todo = "separate them by commas, write decimals as 2.5, and thousands without a mark (10000)"
    todo = f"name it {ending}" if ending else todo
    named = "tabs" if likely == "\t" else repr(likely)
    raise MeasurementError(f"the file seems to be separated by {named}", where=where, todo=todo)


def _columns(header: Sequence[str], *, where: str) -> dict[str, str]:
    """The known columns in the order of the file: the name of the field, and the file's own.

    Raises:
        MeasurementError: if one is missing or stands there twice.
    """
    found: dict[str, str] = {}
    for name in header:
        field = _ALIASES.get(name, name)
        if name in _KNOWN and field in found:
            what = f"two columns for {field}: {found[field]!r} and {name!r}"
            raise MeasurementError(what, where=where, todo="keep one of them")
        if name in _KNOWN:
            found[field] = name
    for field in REQUIRED:
        if field not in found:
            names = [field, *(name for name, meant in _ALIASES.items() if meant == field)]
            what = f"no column {' or '.join(names)}"
            there = shown(", ".join(name for name in header if name), quote=False, most=300)
            raise MeasurementError(what, where=where, todo=f"the columns are: {there}")
    _check_unit(found, header, where=where)
    _refuse_misnamed(header, where=where)
    return found


def _refuse_misnamed(header: Sequence[str], *, where: str) -> None:
    """Refuse a column that differs from a known one by capitals or a plural alone.

    It would be ignored, and what tells rows apart with it.
    """
    plain = {name.casefold().rstrip("s"): name for name in sorted(_KNOWN)}
    for name in header:
        meant = plain.get(name.strip().casefold().rstrip("s"))
        if meant and name not in _KNOWN and meant not in header:
            todo = f"write {meant}, or give it another name if it means something else"
            what = f"the column {shown(name)} is none, though {meant} is"
            raise MeasurementError(what, where=where, todo=todo)


def _check_unit(found: Mapping[str, str], header: Sequence[str], *, where: str) -> None:
    """Refuse a table in which no column declares the unit of the loss."""
    if "nats" in found and "test_bytes" not in found and not _stated(found):
        todo = "add the column test_bytes, or nats_per_byte instead"
        raise MeasurementError("nats are a total and need test_bytes", where=where, todo=todo)
    if "nats" in found or _stated(found):
        return
    for name in header:
        if name not in found.values() and _LIKE_A_LOSS.search(name):
            meant = _NAMED_FOR_A_UNIT.get(name.lower())
            hint = f"if it means {meant}, rename it; otherwise " if meant else ""
            what = f"the column {shown(name)} does not declare a known unit"
            raise MeasurementError(what, where=where, todo=f"{hint}{_TODO_UNITS}")
    raise MeasurementError("no column states a loss", where=where, todo=_TODO_UNITS)


def _stated(names: Iterable[str]) -> bool:
    return bool({"bits_per_byte", "nats_per_byte", "perplexity"} & set(names))


# ── rows ─────────────────────────────────────────────────────────────────────────────────────────


def _measurements(
    columns: Mapping[str, str], lines: _Lines, where: str, blocks: Mapping[str, Blocks] | None
) -> Measurements:
    read = [Row(place, dict(zip(columns, cells, strict=True)), columns) for place, cells in lines]
    rows = [row.measurement() for row in read]
    if "replicate" in columns:
        _refuse_half_stated(read)
    if not rows:
        raise _no_rows(where)
    _check_against_each_other(rows)
    _check_blocks(rows, blocks or {})
    return Measurements(rows, blocks)


def _refuse_half_stated(rows: Sequence[Row]) -> None:
    """Refuse rows without a replicate among others that state one: they need not be the first."""
    empty = [row for row in rows if not row.cells["replicate"]]
    if empty and len(empty) < len(rows):
        raise MeasurementError(
            "replicate is empty, and other rows state one",
            where=str(empty[0].place),
            todo="state the replicate in all rows, or in none",
        )


def _no_rows(where: str) -> MeasurementError:
    return MeasurementError("no rows", where=where, todo="give a header and one row per run")


def _check_against_each_other(rows: Sequence[Measurement]) -> None:
    """Refuse rows that contradict each other, and curves that are of one learner only in part."""
    runs: dict[object, Measurement] = {}
    targets: dict[str, Measurement] = {}
    for row in rows:
        known = runs.setdefault((row.cell, row.replicate, row.seed), row)
        if known != row:
            what = f"contradicts {name_rows([known])}: {disagreement(known, row)}"
            todo = "tell them apart by seed, replicate, learner or regime, or delete one of them"
            raise MeasurementError(what, where=str(row.place), todo=todo)
        known = targets.setdefault(row.target, row)
        for name in ("learner", "regime"):
            here, there = getattr(row, name), getattr(known, name)
            if bool(here) != bool(there):
                what = f"{name} {here or 'empty'}, but {there or 'empty'} in {name_rows([known])}"
                todo = f"state the {name} in all rows of target {row.target}, or in none"
                raise MeasurementError(what, where=str(row.place), todo=todo)


def _check_blocks(rows: Iterable[Measurement], blocks: Mapping[str, Blocks]) -> None:
    """Refuse blocks that give another loss than the row of their run, and runs told apart by it."""
    runs: dict[str, Measurement] = {}
    for row in rows:
        if not (row.run and row.run in blocks):
            continue
        known = runs.setdefault(row.run, row)
        if _done(known) != _done(row):
            what = f"run {shown(row.run)} is also that of {name_rows([known])}, which is another"
            todo = "give every run a key of its own, or leave both empty"
            raise MeasurementError(what, where=str(row.place), todo=todo)
        nats, size = (float(total) for total in blocks[row.run].sum(axis=0))
        loss = bits_per_byte(nats, size)
        said = f"{loss:.6g} bits per byte over {size:.0f} bytes, the row "
        if not math.isclose(loss, row.bits_per_byte, rel_tol=AGREE):
            said += f"{row.bits_per_byte:.6g} bits per byte"
        elif row.test_bytes not in (None, size):
            said += f"{row.test_bytes} test_bytes"
        else:
            continue
        what = f"the document blocks of run {shown(row.run)} say {said}"
        todo = "put the blocks.parquet of these very runs beside the table, or delete it"
        raise MeasurementError(what, where=str(row.place), todo=todo)


def _done(row: Measurement) -> tuple[object, ...]:
    """What a run is beyond the names of its texts: one text may have two names."""
    trained = (row.source == SCRATCH, row.pretrain_bytes, row.target_bytes, row.seed)
    return (*trained, row.learner, row.regime, row.bits_per_byte)
