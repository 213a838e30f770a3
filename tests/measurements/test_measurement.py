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
from bytetransfer.measurements.file import parse_measurements, read_blocks
from bytetransfer.measurements.measurement import (
    COLUMNS,
    SCRATCH,
    Measurement,
    Measurements,
)

names = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
losses = st.floats(1e-6, 11)
flags = st.none() | st.booleans()


def rows(curve_names: st.SearchStrategy[str]) -> st.SearchStrategy[Measurement]:
    return st.builds(
        Measurement,
        source=names | st.just(SCRATCH),
        target=names,
        target_bytes=st.integers(0, 2**60),
        bits_per_byte=losses,
        learner=curve_names,
        regime=curve_names,
        seed=st.integers(0, 10),
        nominal_bytes=st.integers(0, 10**12),
        test_bytes=st.none() | st.integers(1, 10**9),
        validation_bits_per_byte=st.none() | losses,
        not_converged=flags,
        below_surface=flags,
        run=st.just("") | names,
    )


def with_nats(row: Measurement) -> Measurement:
    """The same row with its loss stated twice."""
    nats = row.bits_per_byte * math.log(2) * row.test_bytes if row.test_bytes else None
    return dataclasses.replace(row, nats=nats)


def with_pretraining(row: Measurement) -> Measurement:
    return dataclasses.replace(row, pretrain_bytes=row.target_bytes * (row.source != SCRATCH))


def lists(row: st.SearchStrategy[Measurement]) -> st.SearchStrategy[list[Measurement]]:
    some = row | row.map(with_nats) | row.map(with_pretraining)
    return st.lists(some, min_size=1, max_size=8, unique_by=lambda row: (*row.cell, row.seed))


many_rows = lists(rows(names)) | lists(rows(st.just("")))  # a learner for all rows, or for none


def row(**changes: object) -> Measurement:
    fields = {"source": "en", "target": "fi", "target_bytes": 1000, "bits_per_byte": 3.0}
    return Measurement(**(fields | changes))


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


@pytest.mark.slow
@given(
    st.dictionaries(
        names,
        st.lists(st.tuples(st.floats(1e-9, 1e9), st.integers(1, 10**9)), min_size=1, max_size=5),
        max_size=4,
    )
)
def test_blocks_and_back_are_the_same(found):
    blocks = {run: np.array(pairs, np.float64) for run, pairs in found.items()}
    measurements = Measurements([row()], blocks)
    again = read_blocks(measurements.blocks_to_parquet(), where="x.parquet")
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


def block_file(**columns: list[object]) -> bytes:
    good: dict[str, list[object]] = {"run": ["a", "a"], "block": [0, 1], "nats": [1.0, 2.0]}
    out = io.BytesIO()
    pq.write_table(pa.table(good | {"bytes": [3, 4]} | columns), out)
    return out.getvalue()


@pytest.mark.slow
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
        (block_file(bytes=[3, 0]), "block 1 of run 'a' has 0 bytes"),
        (block_file(nats=[0.0, 2.0]), "block 0 of run 'a' has 0 nats"),
        (block_file(run=["a", "b"], block=[0, 0], nats=[1.0, 0.0]), "block 0 of run 'b'"),
    ],
)
def test_damaged_blocks_are_refused(data, part):
    with pytest.raises(MeasurementError, match=part) as caught:
        read_blocks(data, where="x.parquet")
    assert caught.value.where == "x.parquet"


def test_a_cell_is_told_by_its_nominal_size():
    assert row(target_bytes=998, nominal_bytes=1000).cell == row(target_bytes=1000).cell
    assert row(learner="ngram", regime="exact").curve == ("ngram", "exact", "fi")


def test_a_frame_has_a_row_a_run_and_a_column_a_field():
    pytest.importorskip("pandas")
    some = [row(), row(seed=1, test_bytes=2**53 + 1, nats=1.5, not_converged=True)]
    frame = Measurements(some).to_frame()
    assert tuple(frame.columns) == COLUMNS
    assert frame["seed"].tolist() == [0, 1]
    assert frame["test_bytes"][1] == 2**53 + 1
    assert Measurements([]).to_frame().shape == (0, len(COLUMNS))
