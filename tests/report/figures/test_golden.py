"""Golden specifications: data and encodings of every figure of a small fixed study."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from figure_specs import specifications

GOLDEN = Path(__file__).parents[2] / "golden/figures.json"
WHAT_TO_DO = (
    "a figure says something else than before; if it is meant to, write tests/golden/figures.json "
    "again as tests/figure_specs.py says, and say in the commit what changed for the reader"
)


def test_there_are_no_figures_but_the_golden_ones():
    assert specifications().keys() == json.loads(GOLDEN.read_text("utf-8")).keys(), WHAT_TO_DO


@pytest.mark.parametrize("name", json.loads(GOLDEN.read_text("utf-8")))
def test_a_figure_says_what_it_said(name):
    golden = json.loads(GOLDEN.read_text("utf-8"))[name]
    assert same(specifications()[name], golden), WHAT_TO_DO


def same(found: object, golden: object) -> bool:
    """Equal, numbers to five figures: the last digits are those of the machine."""
    if isinstance(golden, dict) and isinstance(found, dict):
        return found.keys() == golden.keys() and all(same(found[k], golden[k]) for k in golden)
    if isinstance(golden, list) and isinstance(found, list):
        return len(found) == len(golden) and all(map(same, found, golden))
    if isinstance(golden, float) and isinstance(found, (int, float)):
        return found == pytest.approx(golden, rel=1e-5, abs=1e-9)
    return found == golden
