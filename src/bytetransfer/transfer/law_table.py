"""Fitted power laws as typed rows, and their table as CSV, JSON and DataFrame."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from bytetransfer.frames import make_frame
from bytetransfer.measurements.csv_cells import as_text
from bytetransfer.measurements.measurement import Measurement
from bytetransfer.transfer.power_law import Parameter, PowerLaw

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class CurveLaw:
    """L(D) = E + (A/D)^α of one from-scratch curve, in bits per byte, with intervals.

    Intervals are those of `PowerLaw`; a value or limit beyond all numbers is None.

    Attributes:
        target: what was trained and tested on.
        learner: learner and preset.
        regime: how long it was trained.
        sizes: number of sizes the law went through.
        seeds: number of seeds they are means of.
        irreducible: E, bits per byte.
        irreducible_low: lower limit of E.
        irreducible_high: upper limit of E.
        scale_bytes: A, the bytes at which the reducible part is one bit per byte.
        scale_bytes_low: lower limit of A.
        scale_bytes_high: upper limit of A.
        exponent: α.
        exponent_low: lower limit of α.
        exponent_high: upper limit of α.
        level: nominal coverage of the intervals.
    """

    target: str
    learner: str
    regime: str
    sizes: int
    seeds: int
    irreducible: float | None
    irreducible_low: float | None
    irreducible_high: float | None
    scale_bytes: float | None
    scale_bytes_low: float | None
    scale_bytes_high: float | None
    exponent: float | None
    exponent_low: float | None
    exponent_high: float | None
    level: float


LAW_COLUMNS = tuple(column.name for column in fields(CurveLaw))
"""Columns of the written table of laws, documented at `CurveLaw`."""


def curve_law(run: Measurement, law: PowerLaw, *, sizes: int, seeds: int, level: float) -> CurveLaw:
    """The row of a fitted law.

    Args:
        run: any run of its curve.
        law: the parameters.
        sizes: number of sizes the law went through.
        seeds: number of seeds.
        level: nominal coverage of the intervals of `law`.
    """
    values: dict[str, float | None] = {}
    for name in ("irreducible", "scale_bytes", "exponent"):
        parameter: Parameter = getattr(law, name)
        for ending, value in zip(("", "_low", "_high"), parameter, strict=True):
            values[name + ending] = value if math.isfinite(value) else None
    return CurveLaw(
        target=run.target,
        learner=run.learner,
        regime=run.regime,
        sizes=sizes,
        seeds=seeds,
        level=level,
        **values,
    )


@dataclass(frozen=True)
class Laws:
    """The power laws of a set of measurements; none by another method.

    Attributes:
        rows: one per curve (and set of seeds, where cells of a curve have different ones).
    """

    rows: tuple[CurveLaw, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[CurveLaw]:
        return iter(self.rows)

    def to_rows(self) -> list[dict[str, object]]:
        """One dict of plain values per curve, keys in the order of `LAW_COLUMNS`."""
        return [asdict(row) for row in self.rows]

    def to_csv(self) -> str:
        """The table as CSV; None is an empty cell."""
        return csv_text(LAW_COLUMNS, self.to_rows())

    def to_json(self) -> str:
        """The table as a JSON list of objects."""
        return json.dumps(self.to_rows(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame, one column each of `LAW_COLUMNS`.

        Raises:
            MissingExtraError: where pandas is not installed.
        """
        return make_frame(self.to_rows(), LAW_COLUMNS, CurveLaw)


def csv_text(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str:
    """A table as CSV; None is an empty cell, a list is separated by spaces."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell_text(value) for value in row.values()] for row in rows)
    return out.getvalue()


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return " ".join(value)
    return repr(value) if isinstance(value, float) else as_text(str(value))
