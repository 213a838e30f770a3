"""The waist of the house: one row per run, and test-document blocks for resampling.

Everything above makes measurements, everything below computes from them. Nothing here needs a
corpus, a model or a study: a person with nothing but a CSV of losses starts here.
"""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bytetransfer.errors import MeasurementError
from bytetransfer.frames import make_frame
from bytetransfer.measurements.csv_cells import as_text

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SCRATCH = "scratch"
"""What stands in the column `source` of a run that was trained from scratch."""

_MOST_SPANS = 10

Blocks = NDArray[np.float64]  # (blocks, 2): nats and bytes of each fixed block of test documents


class Place(NamedTuple):
    """Where a row was read.

    Attributes:
        file: the file.
        unit: `line` or `row`.
        number: which, counted from 1.
    """

    file: str
    unit: str
    number: int

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.number}"


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """The held-out loss of one run.

    Attributes:
        source: what the model was pretrained on, or `SCRATCH`.
        target: what it was fine-tuned or trained on, and tested on.
        target_bytes: bytes of target text it was given; D_F where it was pretrained.
        bits_per_byte: loss on the test split, nats / (ln 2 · bytes).
        learner: which learner and preset, for example `transformer/nano`.
        regime: how long it was trained: `converged`, `paper`, or `exact` (closed form).
        seed: fixes permutation, initialisation and batch order; pairs the arms.
        pretrain_bytes: bytes of source text in the pretraining; 0 from scratch.
        nominal_bytes: the size the study asked for (`target_bytes` may be a few bytes less).
        nats: total nats of the test bytes; None where only a loss was reported.
        test_bytes: number of test bytes; None where only a loss was reported.
        validation_bits_per_byte: loss on the validation split, None if unknown.
        not_converged: True if training was cut short or a longer one moved the loss; None if
            unknown.
        below_surface: True if the n-gram learner does better on the same bytes; None if unknown.
        run: key of the run, empty where the row comes from elsewhere.
        replicate: which repetition of the whole study, with a split and a search of its own.
        place: where the row was read, for messages; no part of what it says.
    """

    source: str
    target: str
    target_bytes: int
    bits_per_byte: float
    learner: str = ""
    regime: str = ""
    seed: int = 0
    pretrain_bytes: int = 0
    nominal_bytes: int = 0
    nats: float | None = None
    test_bytes: int | None = None
    validation_bits_per_byte: float | None = None
    not_converged: bool | None = None
    below_surface: bool | None = None
    run: str = ""
    replicate: int = 0
    place: Place | None = field(default=None, compare=False, repr=False)

    @property
    def curve(self) -> tuple[str, str, str]:
        """Learner, regime and target: what a from-scratch curve belongs to."""
        return (self.learner, self.regime, self.target)

    @property
    def cell(self) -> tuple[str, str, str, str, int, int]:
        """What all seeds of one measurement have in common."""
        return (*self.curve, self.source, self.pretrain_bytes, self.size)

    @property
    def size(self) -> int:
        """The nominal size, where one is stated, otherwise the actual one."""
        return self.nominal_bytes or self.target_bytes


COLUMNS = tuple(f.name for f in fields(Measurement) if f.compare)
"""The fields of a row, which are the columns of its table."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """Rows and, where known, the nats and bytes of each row's test-document blocks.

    Rows are kept in a canonical order, so that two sets of the same rows are written identically.
    Identical rows collapse; rows that agree in everything but the loss contradict each other.

    Raises:
        MeasurementError: if two rows of one run and cell disagree.

    >>> row = Measurement(source=SCRATCH, target="fi", target_bytes=1000, bits_per_byte=3.0)
    >>> len(Measurements([row, row]))
    1
    """

    rows: tuple[Measurement, ...]
    blocks: Mapping[str, Blocks] = field(default_factory=dict)

    def __init__(
        self, rows: Iterable[Measurement], blocks: Mapping[str, Blocks] | None = None
    ) -> None:
        unique: dict[tuple[object, ...], Measurement] = {}
        for row in rows:
            key = (*row.cell, row.replicate, row.seed)
            known = unique.setdefault(key, row)
            if known != row:
                raise MeasurementError(
                    f"two rows disagree: {disagreement(known, row)}",
                    where=f"source {row.source}, target {row.target}, {row.target_bytes} bytes, "
                    f"seed {row.seed}" + f", replicate {row.replicate}" * bool(row.replicate),
                    todo="give repeated runs different seeds, or delete one of the rows",
                )
        ordered = tuple(unique[key] for key in sorted(unique))
        object.__setattr__(self, "rows", ordered)
        object.__setattr__(self, "blocks", dict(blocks or {}))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Measurement]:
        return iter(self.rows)

    def to_csv(self) -> str:
        """All rows as CSV, one column a field; None is written as an empty cell."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_cell_text(getattr(row, name)) for name in COLUMNS] for row in self.rows)
        return out.getvalue()

    def to_frame(self) -> pd.DataFrame:
        """All rows as a pandas DataFrame, one column a field (`COLUMNS`).

        Raises:
            MissingExtraError: where pandas is not installed.
        """
        rows = [{name: getattr(row, name) for name in COLUMNS} for row in self.rows]
        return make_frame(rows, COLUMNS, Measurement)

    def blocks_to_parquet(self) -> bytes:
        """The blocks as a Parquet file: run, block, nats, bytes; as CSV it would be far larger."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        runs = sorted(self.blocks)
        counts = [len(self.blocks[run]) for run in runs]
        values = np.concatenate([np.zeros((0, 2)), *(self.blocks[run] for run in runs)])
        table = pa.table(
            {
                "run": pa.DictionaryArray.from_arrays(
                    np.repeat(np.arange(len(runs), dtype=np.int32), counts),
                    pa.array(runs, pa.string()),
                ),
                "block": np.concatenate([np.zeros(0, np.int32), *map(_numbered, counts)]),
                "nats": values[:, 0],
                "bytes": values[:, 1].astype(np.int64),
            }
        )
        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd")
        return out.getvalue()


def disagreement(one: Measurement, other: Measurement) -> str:
    """The columns in which two rows differ, with both values."""
    pairs = [(name, getattr(one, name), getattr(other, name)) for name in COLUMNS]
    return ", ".join(f"{name} {a!r} and {b!r}" for name, a, b in pairs if a != b)


def name_rows(rows: Iterable[Measurement]) -> str:
    """Where rows stand in their file, as `name_places` says it."""
    return name_places(row.place for row in rows if row.place)


def name_places(places: Iterable[Place]) -> str:
    """Places without the name of their file; empty for none.

    >>> name_places(Place("x.csv", "line", number) for number in (9, 4, 5, 6))
    'lines 4–6, 9'
    """
    found = sorted(set(places))
    if not found:
        return ""
    spans: list[list[int]] = []
    for place in found:
        if spans and place.number == spans[-1][1] + 1:
            spans[-1][1] = place.number
        else:
            spans.append([place.number, place.number])
    said = [f"{first}" if first == last else f"{first}–{last}" for first, last in spans]
    more = f" and {len(said) - _MOST_SPANS} more" if len(said) > _MOST_SPANS else ""
    unit = found[0].unit + "s" * (len(found) > 1)
    return f"{unit} {', '.join(said[:_MOST_SPANS])}{more}"


def _numbered(count: int) -> NDArray[np.int32]:
    return np.arange(count, dtype=np.int32)


def parse_blocks(table: pa.Table, *, where: str) -> dict[str, Blocks]:
    """Read blocks from a table as `Measurements.blocks_to_parquet` writes it.

    Args:
        table: with the columns run, block, nats and bytes.
        where: what to call it in messages.

    Raises:
        MeasurementError: for a missing column, blocks out of order, a block of 0 bytes or 0 nats: a
            resample of such blocks alone has no loss.
    """
    import pyarrow as pa

    try:
        if any(column.null_count for column in table.columns):
            raise ValueError("a cell is empty")
        runs = table["run"].cast(pa.string()).to_pylist()
        number = np.asarray(table["block"], np.int64)
        values = np.stack([np.asarray(table[name], np.float64) for name in ("nats", "bytes")], 1)
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise MeasurementError(f"no blocks ({error})", where=where, todo="delete it") from None
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise MeasurementError("a number below 0 or not finite", where=where, todo="delete it")
    starts = sorted({0, *np.flatnonzero(number == 0).tolist(), len(runs)})
    found: dict[str, Blocks] = {}
    for start, stop in itertools.pairwise(starts):
        in_order = np.array_equal(number[start:stop], np.arange(stop - start))
        if not in_order or runs[start] in found or len(set(runs[start:stop])) > 1:
            what = f"the blocks of run {runs[start]!r} are not in order from 0"
            raise MeasurementError(what, where=where, todo="delete it")
        if empty := np.argwhere(values[start:stop] == 0).tolist():
            block, column = empty[0]
            what = f"block {block} of run {runs[start]!r} has 0 {('nats', 'bytes')[column]}"
            raise MeasurementError(what, where=where, todo="delete it")
        found[runs[start]] = values[start:stop]
    return found


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else as_text(str(value))
