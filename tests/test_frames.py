from __future__ import annotations

import math
import sys
from dataclasses import dataclass

import pytest

from bytetransfer.errors import MissingExtraError
from bytetransfer.frames import make_frame


@dataclass
class Fruit:
    name: str
    grams: float
    seeds: int
    peel_grams: float | None
    leaves: int | None
    ripe: bool
    sweet: bool | None


COLUMNS = ("name", "grams", "seeds", "peel_grams", "leaves", "ripe", "sweet", "note")
KNOWN = {"name": "fig", "grams": 50.5, "seeds": 2**53 + 1, "peel_grams": 1.0, "leaves": 2}
KNOWN |= {"ripe": True, "sweet": True, "note": "a"}
TYPES = ["object", "float64", "int64", "float64", "int64", "boolean", "boolean", "object"]


def test_types_follow_from_the_declaration():
    pytest.importorskip("pandas")
    for rows in ([], [KNOWN], [KNOWN, KNOWN]):
        frame = make_frame(rows, COLUMNS, Fruit)
        assert tuple(frame.columns) == COLUMNS
        assert len(frame) == len(rows)
        assert [str(kind) for kind in frame.dtypes] == TYPES
    assert frame["seeds"].tolist() == [2**53 + 1] * 2


def test_what_is_missing_stays_so():
    pandas = pytest.importorskip("pandas")
    for rows in ([KNOWN, {}], [KNOWN, dict.fromkeys(COLUMNS)]):
        frame = make_frame(rows, COLUMNS, Fruit)
        assert [str(kind) for kind in frame.dtypes] == [k.replace("int", "Int") for k in TYPES]
        assert frame["seeds"].tolist() == [2**53 + 1, pandas.NA]
        assert math.isnan(frame["peel_grams"][1])
        assert frame["sweet"].tolist() == [True, pandas.NA]
        assert frame["note"].tolist() == ["a", None]


def test_without_pandas_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"pandas is not .*bytetransfer\[frames\]"):
        make_frame([], COLUMNS, Fruit)
