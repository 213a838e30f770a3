"""Rows as a pandas DataFrame; pandas is loaded when the first one is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, get_type_hints

from bytetransfer.errors import MissingExtraError

if TYPE_CHECKING:
    import pandas as pd


def make_frame(
    rows: Sequence[Mapping[str, object]], columns: Sequence[str], row_type: type
) -> pd.DataFrame:
    """A DataFrame whose column types follow from what a row declares, not from what it holds.

    Real numbers are `float64`, with NaN where a value is missing; whole numbers `int64`, or `Int64`
    where one is missing; flags `boolean`; anything else `object`, with None.

    Args:
        rows: values by column; those that are absent are missing.
        columns: the columns, in order.
        row_type: the class whose annotations say what each column holds.

    Raises:
        MissingExtraError: where pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingExtraError("pandas", extra="frames") from None

    hints = get_type_hints(row_type)
    series = {}
    for name in columns:
        values = [row.get(name) for row in rows]
        kind = _dtype(hints.get(name), missing=None in values)
        series[name] = pd.Series(values, dtype=kind)
    return pd.DataFrame(series)


def _dtype(hint: object, *, missing: bool) -> str:
    if hint in (float, float | None):
        return "float64"
    if hint in (int, int | None):
        return "Int64" if missing else "int64"
    return "boolean" if hint in (bool, bool | None) else "object"
