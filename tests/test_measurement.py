import dataclasses
import io
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.errors import MeasurementError
from bytetransfer.measurement import (
    SCRATCH,
    Measurement,
    Measurements,
    parse_blocks,
    parse_measurements,
)

names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
losses = st.floats(1e-6, 50)
flags = st.none() | st.booleans()

rows = st.builds(
    Measurement,
    source=names | st.just(SCRATCH),
    target=names,
    target_bytes=st.integers(0, 2**60),
    bits_per_byte=losses,
    learner=st.just("") | names,
    regime=st.just("") | names,
    seed=st.integers(0, 10),
    pretrain_bytes=st.integers(0, 10**12),
    nominal_bytes=st.integers(0, 10**12),
    nats=st.none() | st.floats(0, 1e12),
    test_bytes=st.none() | st.integers(0, 10**9),
    validation_bits_per_byte=st.none() | losses,
    not_converged=flags,
    below_surface=flags,
    run=st.just("") | names,
)
many_rows = st.lists(rows, min_size=1, max_size=8, unique_by=lambda row: (*row.cell, row.seed))


def row(**changes: object) -> Measurement:
    fields = {"source": "en", "target": "fi", "target_bytes": 1000, "bits_per_byte": 3.0}
    return Measurement(**(fields | changes))


def refused(text: str, *parts: str) -> None:
    with pytest.raises(MeasurementError) as caught:
        parse_measurements(text, where="x.csv")
    for part in ("x.csv", *parts):
        assert part in str(caught.value)


@given(many_rows)
def test_csv_and_back_is_the_same(found):
    measurements = Measurements(found)
    again = parse_measurements(measurements.to_csv(), where="x.csv")
    assert again.rows == measurements.rows
    assert again.to_csv() == measurements.to_csv()


def test_no_byte_is_lost_beyond_what_floats_hold():
    measurements = Measurements([row(target_bytes=2**53 + 1, test_bytes=2**60 - 1)])
    assert parse_measurements(measurements.to_csv(), where="x.csv").rows == measurements.rows


@given(many_rows, st.randoms(use_true_random=False))
def test_the_order_and_repetition_of_rows_do_not_matter(found, order):
    shuffled = [*found, *found[:2]]
    order.shuffle(shuffled)
    assert Measurements(shuffled).to_csv() == Measurements(found).to_csv()


@given(
    st.dictionaries(
        names,
        st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 10**9)), min_size=1, max_size=5),
        max_size=4,
    )
)
def test_blocks_and_back_are_the_same(found):
    blocks = {run: np.array(pairs, np.float64) for run, pairs in found.items()}
    measurements = Measurements([row()], blocks)
    again = parse_blocks(measurements.blocks_to_parquet(), where="x.parquet")
    assert again.keys() == blocks.keys()
    for run, pairs in blocks.items():
        np.testing.assert_array_equal(again[run], pairs)


@pytest.mark.parametrize(
    ("column", "value"),
    [("bits_per_byte", 3.1), ("run", "abc"), ("not_converged", True), ("target_bytes", 999)],
)
def test_rows_that_disagree_are_refused_and_named(column, value):
    one = row(nominal_bytes=1000)
    other = dataclasses.replace(one, **{column: value})
    with pytest.raises(MeasurementError, match=r"source en, target fi, .* seed 0: two rows disag"):
        Measurements([one, other])
    assert len(Measurements([one, dataclasses.replace(other, seed=1)])) == 2


def test_a_bare_table_of_perplexities_is_enough():
    text = "source,target,bytes,perplexity\nscratch,fi,1000,8\nen,fi,1000,4\n"
    found = parse_measurements(text, where="x.csv")
    assert [(r.source, r.size, r.bits_per_byte) for r in found] == [
        ("en", 1000, 2.0),
        (SCRATCH, 1000, 3.0),
    ]


def test_a_loss_may_be_stated_as_nats_and_bytes():
    text = f"source,target,finetune_bytes,nats,test_bytes\nen,fi,10,{20 * math.log(2)},10\n"
    assert parse_measurements(text, where="x.csv").rows[0].bits_per_byte == pytest.approx(2)


def test_spreadsheets_may_have_spaces_blank_lines_and_more_columns():
    text = " source , target,bytes,bits_per_byte,note\n\nen , fi,1e3,2.5,mine\n,,,,\n"
    with pytest.raises(MeasurementError, match="line 4"):
        parse_measurements(text, where="x.csv")
    found = parse_measurements(text.removesuffix(",,,,\n"), where="x.csv")
    assert found.rows == (row(bits_per_byte=2.5),)


HEAD = "source,target,bytes,bits_per_byte\n"
GOOD = "scratch,fi,1000,3\n"


@pytest.mark.parametrize(
    ("bad", "parts"),
    [
        ("en,fi,1000,abc\n", ["line 3", "bits_per_byte", "'abc'"]),
        ("en,fi,1000,-1\n", ["line 3", "bits_per_byte", "at least 0"]),
        ("en,fi,1000,nan\n", ["line 3", "bits_per_byte"]),
        ("en,fi,1000,inf\n", ["line 3", "bits_per_byte"]),
        ("en,fi,1000,0\n", ["line 3", "above 0"]),
        ("en,fi,1000,\n", ["line 3", "no loss", "perplexity"]),
        ("en,fi,1000.5,3\n", ["line 3", "target_bytes", "whole number"]),
        ("en,fi,,3\n", ["line 3", "target_bytes"]),
        (",fi,1000,3\n", ["line 3", "source"]),
        ("en,fi\n", ["line 3", "no loss"]),
        ("en,fi,1000,3,7\n", ["line 3", "more cells"]),
        ("\n\nen,fi,1000,abc\n", ["line 5"]),
        ('"e\nn",fi,1000,abc\n', ["line 4"]),
        (f"{'x' * 200_000},fi,1000,3\n", ["line 3", "no valid CSV"]),
        ("scratch,fi,1000,3.5\n", ["two rows disagree", "3.5", "scratch"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(bad, parts):
    refused(HEAD + GOOD + bad, *parts)


@pytest.mark.parametrize("text", ["", "\n", HEAD])
def test_a_table_without_rows_is_refused(text):
    refused(text, "no rows", "header")


def test_other_columns_that_are_wrong_are_refused():
    refused("source,target,bytes,perplexity\nen,fi,1,0.5\n", "line 2", "below 1")
    refused("source,target,bytes,perplexity\nen,fi,1,1\n", "line 2", "above 0")
    refused(HEAD.strip() + ",not_converged\nen,fi,1,2,yes\n", "line 2", "neither true nor false")
    refused("source,target,bytes,target_bytes,perplexity\nen,fi,1,2,4\n", "two columns")
    refused("source;target;bytes;perplexity\nen;fi;1;2\n", "line 2", "no loss")


def block_file(**columns: list[object]) -> bytes:
    good: dict[str, list[object]] = {"run": ["a", "a"], "block": [0, 1], "nats": [1.0, 2.0]}
    out = io.BytesIO()
    pq.write_table(pa.table(good | {"bytes": [3, 4]} | columns), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (b"no parquet", "no blocks"),
        (block_file()[:-9], "no blocks"),
        (block_file(block=[0, 0]), "not in order"),
        (block_file(block=[0, 2]), "not in order"),
        (block_file(block=[1, 2]), "not in order"),
        (block_file(block=[1, 0]), "not in order"),
        (block_file(block=[None, 0]), "no blocks"),
        (block_file(run=["a", "b"]), "not in order"),
        (block_file(nats=[1.0, -1.0]), "below 0"),
        (block_file(nats=[1.0, math.nan]), "not finite"),
    ],
)
def test_damaged_blocks_are_refused(data, part):
    with pytest.raises(MeasurementError, match=part) as caught:
        parse_blocks(data, where="x.parquet")
    assert caught.value.where == "x.parquet"


def test_a_cell_is_told_by_its_nominal_size():
    assert row(target_bytes=998, nominal_bytes=1000).cell == row(target_bytes=1000).cell
    assert row(learner="ngram", regime="exact").curve == ("ngram", "exact", "fi")
