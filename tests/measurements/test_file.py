import dataclasses
import io
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.file import parse_measurements, parse_parquet, read_measurements
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements

HEAD = "source,target,bytes,bits_per_byte\n"
GOOD = "scratch,fi,1000,3\n"
START = "source,target,bytes,"

positive = st.floats(1e-3, 11)


def row(**changes: object) -> Measurement:
    fields = {"source": "en", "target": "fi", "target_bytes": 1000, "bits_per_byte": 3.0}
    return Measurement(**(fields | changes))


def parquet(**columns: object) -> bytes:
    good: dict[str, object] = {
        "source": ["scratch", "en"],
        "target": ["fi", "fi"],
        "bytes": [1000, 1000],
    }
    out = io.BytesIO()
    pq.write_table(pa.table(good | columns), out)
    return out.getvalue()


def parse(content: str | bytes, **options: Any) -> Measurements:
    if isinstance(content, bytes):
        return parse_parquet(content, where="x.table", **options)
    return parse_measurements(content, where="x.table", **options)


def refused(content: str | bytes, *parts: str, **options: Any) -> None:
    with pytest.raises(MeasurementError) as caught:
        parse(content, **options)
    message = str(caught.value)
    for part in ("x.table", *parts):
        assert part in message
    assert "\n" not in message
    assert len(message) < 500


# ── the loss and its unit ────────────────────────────────────────────────────────────────────────


@given(positive, st.integers(1, 10**9))
def test_every_unit_means_the_same_loss(loss, test_bytes):
    nats = loss * math.log(2)
    losses = {
        "bits_per_byte": [loss],
        "nats_per_byte": [nats],
        "perplexity": [2**loss],
        "nats,test_bytes": [nats * test_bytes, test_bytes],
    }
    cells = {names: ",".join(map(repr, values)) for names, values in losses.items()}
    for names, values in [*cells.items(), (",".join(cells), ",".join(cells.values()))]:
        found = parse_measurements(f"{START}{names}\nen,fi,1000,{values}\n", where="x.csv")
        assert found.rows[0].bits_per_byte == pytest.approx(loss, rel=1e-9)


@given(positive, st.sampled_from([-1, 1]))
def test_losses_stated_twice_must_agree(loss, sign):
    def stated(nats: float) -> str:
        return f"{START}bits_per_byte,nats_per_byte\nen,fi,1,{loss!r},{nats!r}\n"

    nats = loss * math.log(2)
    near = parse_measurements(stated(nats * (1 + sign * 5e-4)), where="x.csv")
    assert near.rows[0].bits_per_byte == loss
    refused(stated(nats * (1 + sign * 2e-3)), "line 2", "bits_per_byte", "nats_per_byte", "disagr")


def test_the_message_on_losses_that_disagree_shows_both():
    text = f"{START}bits_per_byte,nats,test_bytes\n{GOOD.strip()},,\nen,fi,1,2.5,20,10\n"
    refused(text, "line 3", "2.5 in bits_per_byte", "20 in nats", "2.5 and 2.88539", "disagree")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["loss", "test_loss", "nll", "Perplexity", "bits_per_char", "BPC"])
def test_a_loss_of_no_declared_unit_is_refused_and_not_guessed(name):
    units = ("bits_per_byte", "nats_per_byte", "perplexity", "nats", "test_bytes")
    refused(f"{START}{name}\nen,fi,1,2\n", "line 1", f"'{name}'", "known unit", *units)
    refused(parquet(**{name: [1.0, 2.0]}), f"'{name}'", "known unit", *units)


def test_a_usual_name_is_told_its_unit():
    refused(f"{START}bpb\nen,fi,1,2\n", "if it means bits_per_byte, rename it")
    refused(f"{START}ppl\nen,fi,1,2\n", "if it means perplexity, rename it")


def test_a_loss_of_unknown_unit_beside_a_declared_one_is_passed_over():
    found = parse_measurements(f"{START}loss,bits_per_byte\nen,fi,1000,9,3\n", where="x.csv")
    assert found.rows == (row(),)


def test_a_table_without_any_loss_is_told_how_to_state_one():
    refused(f"{START}accuracy\nen,fi,1,2\n", "no column states a loss", "bits_per_byte")
    refused(f"{START}nats\nen,fi,1,2\n", "total", "test_bytes", "nats_per_byte")


# ── columns ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_spreadsheets_write_spaces_quotes_blank_lines_and_more_columns(ends, mark):
    lines = [
        mark + ' source ,"target", bytes,bits_per_byte,note,',
        "",
        'en , "fi" ,6MB,2.5,"mine, and\nyours",'.replace(' "fi" ', '"fi"'),
        ",,,,,",
        "scratch,fi,1e3,3,,",
    ]
    found = parse_measurements(ends.join(lines), where="x.csv")
    assert found.rows == (
        row(target_bytes=6_000_000, bits_per_byte=2.5),
        row(source=SCRATCH),
    )
    refused(ends.join([*lines, "ru,fi,1000,x,,"]), "line 7", "'x'")


@pytest.mark.parametrize("name", ["target_bytes", "bytes", "finetune_bytes"])
def test_a_column_is_called_in_messages_what_the_file_calls_it(name):
    head = f"source,target,{name},bits_per_byte\n"
    for cell in ("", "1.5", "-1", "x", "6MiB"):
        refused(f"{head}en,fi,{cell},3\n", f"line 2, column {name}: ")


def test_columns_that_are_missing_or_there_twice():
    refused("source,bytes,bits_per_byte\n", "line 1", "no column target;", "are: source, bytes")
    refused("a,b\n1,2\n", "line 1", "no column source", "a, b")
    refused("source,target,perplexity\n", "no column target_bytes or bytes or finetune_bytes")
    refused(f"{START}target_bytes,perplexity\nen,fi,1,2,4\n", "two columns", "'bytes'", "keep one")
    refused(f"target,{HEAD}fi,fi,en,1,2\n", "two columns for target")
    assert len(parse_measurements(f"note,note,{HEAD}a,b,{GOOD}", where="x.csv")) == 1


@pytest.mark.parametrize(
    ("text", "separator", "parts"),
    [
        (HEAD.replace(",", ";"), ",", ["separated by ';'", "commas", "2.5"]),
        ("source;target;bytes;loss, in bits\n", ",", ["separated by ';'"]),
        (HEAD.replace(",", "\t"), ",", ["separated by tabs", "name it .tsv"]),
        (HEAD, "\t", ["separated by ','", "name it .csv"]),
    ],
)
def test_another_separator_is_noticed(text, separator, parts):
    refused(text + GOOD, "line 1", *parts, separator=separator)


# ── cells ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("bad", "parts"),
    [
        ("en,fi,1000,abc\n", ["line 3", "bits_per_byte", "'abc'"]),
        ("en,fi,1000,1_5\n", ["line 3", "column bits_per_byte", "'1_5' is no finite"]),
        ("en,fi,1000,٢.٥\n", ["line 3", "column bits_per_byte", "'٢.٥'"]),
        ("en,fi,100_000,3\n", ["line 3", "column bytes", "'100_000'", "of at least 0"]),
        ("en,fi,１０００,3\n", ["line 3", "column bytes", "'１０００'"]),
        ("Scratch,fi,1000,3\n", ["line 3, column source", "'Scratch'", "write scratch"]),
        ("SCRATCH,fi,1000,3\n", ["line 3, column source", "'SCRATCH'", "write scratch"]),
        ("en,fi,1000,-1\n", ["line 3", "bits_per_byte", "'-1' is no finite number above 0"]),
        ("en,fi,1000,nan\n", ["line 3", "bits_per_byte", "finite"]),
        ("en,fi,1000,inf\n", ["line 3", "bits_per_byte", "finite"]),
        ("en,fi,1000,0\n", ["line 3", "bits_per_byte", "above 0"]),
        ('en,fi,1000,"2,5"\n', ["line 3", "bits_per_byte", "'2,5'", "write decimals as 2.5"]),
        ("en,fi,1000,\n", ["line 3", "no loss", "bits_per_byte"]),
        ("en,fi,1000.5,3\n", ["line 3", "bytes", "whole number"]),
        ('en,fi,"1,000",3\n', ["line 3", "column bytes", "write 1000 or 1"]),
        ("en,fi,6MiB,3\n", ["line 3", "column bytes", "'6MiB'", "2.5MB"]),
        ("en,fi,1.0005kB,3\n", ["line 3", "column bytes", "not a whole number of bytes"]),
        (f"en,fi,{'9' * 30},3\n", ["line 3", "column bytes", "beyond"]),
        (f"en,fi,{'9' * 30}MB,3\n", ["line 3", "column bytes", "beyond"]),
        (f"en,fi,{'9' * 5000},3\n", ["line 3", "column bytes", "99…"]),
        (f"en,fi,{'9' * 5000}MB,3\n", ["line 3", "column bytes", "99…"]),
        (",fi,1000,3\n", ["line 3", "column source", "empty"]),
        ("en,fi\n", ["line 3", "cells in this line: 2, in the header: 4"]),
        ("en,fi,1000,3,7\n", ["line 3", "cells in this line: 5, in the header: 4"]),
        ("\n\nen,fi,1000,abc\n", ["line 5"]),
        ('"e\nn",fi,1000,3\nen,fi,1000,abc\n', ["line 5"]),
        (f'"en,fi,1000,3\n{GOOD * 3}', ["line 3", "no valid CSV"]),
        (f"{'x' * 200_000},fi,1000,3\n", ["line 3", "no valid CSV"]),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_line(bad, parts):
    refused(HEAD + GOOD + bad, *parts)


def test_other_cells_that_cannot_be_are_refused():
    refused(f"{START}perplexity\nen,fi,1,0.5\n", "line 2, column perplexity", "below 1")
    refused(f"{START}perplexity\nen,fi,1,1\n", "line 2, column perplexity", "above 0")
    refused(f"{START}nats_per_byte\nen,fi,1,1.7e308\n", "line 2, column nats_per_byte", "inf")
    head = f"{HEAD.strip()},validation_bits_per_byte\n"
    refused(f"{head}en,fi,1,3,inf\n", "line 2, column validation_bits_per_byte", "finite")
    refused(f"{START}nats,test_bytes\nen,fi,1,4,0\n", "line 2, column test_bytes", "0")
    refused(f"{START}nats,test_bytes\nen,fi,1,4,\n", "line 2", "need test_bytes")
    refused(f"{HEAD.strip()},seed\n{GOOD.strip()},1.5\n", "line 2, column seed", "whole")
    refused(f"{HEAD.strip()},seed\n{GOOD.strip()},1kB\n", "line 2, column seed", "'1kB'")
    refused(f"{HEAD.strip()},not_converged\nen,fi,1,2,yes\n", "line 2", "neither true nor false")
    refused(f"{HEAD.strip()},pretrain_bytes\n{GOOD.strip()},6MB\n", "line 2", "from scratch")


def test_flags_are_read_as_spreadsheets_and_python_write_them():
    lines = [f"en,fi,{n},3,{flag}\n" for n, flag in enumerate(["true", "FALSE", "True", ""])]
    found = parse_measurements(f"{HEAD.strip()},below_surface\n{''.join(lines)}", where="x.csv")
    assert [r.below_surface for r in found] == [True, False, True, None]


@pytest.mark.parametrize("text", ["", "\n", "\ufeff", HEAD, HEAD + ",,,\n"])
def test_a_table_without_rows_is_refused(text):
    refused(text, "no rows", "header")


cells = st.sampled_from(
    ["en", "scratch", "fi", "1000", "6MB", "3", "-1", "nan", "", "\0", '"', "ß"]
)
lines = st.lists(cells | st.text(max_size=4), min_size=4, max_size=4).map(",".join)


@given(st.sampled_from(["", HEAD, START + "perplexity\n"]), st.lists(lines | st.text()))
def test_whatever_stands_in_a_table_it_is_read_or_refused_by_name(head, body):
    try:
        parse_measurements(head + "\n".join(body), where=(where := "x.csv"))
    except MeasurementError as error:
        where = error.where
    assert where.startswith("x.csv")


# ── rows against each other ──────────────────────────────────────────────────────────────────────


def test_rows_that_contradict_each_other_are_both_named():
    text = HEAD + GOOD + "en,fi,1000,3\n" + "scratch,fi,1000,3.5\n"
    refused(text, "line 4: contradicts line 2", "bits_per_byte 3.0 and 3.5", "seed")
    assert len(parse_measurements(HEAD + GOOD + GOOD, where="x.csv")) == 1
    columns = {"bits_per_byte": [3.0, 3.5], "source": ["en", "en"]}
    refused(parquet(**columns), "row 2: contradicts row 1", "3.0 and 3.5")


@pytest.mark.parametrize("name", ["learner", "regime"])
def test_a_curve_is_not_of_one_learner_only_in_part(name):
    head = f"{HEAD.strip()},{name}\n"
    text = head + "scratch,de,1,3,\nscratch,fi,1,3,a\nen,fi,1,2,\n"
    refused(text, "line 4", f"{name} empty, but a in line 3", "target fi")
    refused(head + "scratch,fi,1,3,\nen,fi,1,2,a\n", "line 3", f"{name} a, but empty in line 2")
    both = head + "scratch,fi,1,3,a\nscratch,fi,1,3,b\nscratch,de,1,3,\n"
    assert len(parse_measurements(both, where="x.csv")) == 3


# ── Parquet ──────────────────────────────────────────────────────────────────────────────────────


def as_parquet(measurements: Measurements, **types: pa.DataType) -> bytes:
    plain = pa.Table.from_pylist([vars(r) for r in measurements])
    out = io.BytesIO()
    columns = {n: plain[n].cast(types.get(n, plain[n].type)) for n in plain.column_names}
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


rows = st.builds(
    row,
    source=st.sampled_from(["en", SCRATCH]),
    target_bytes=st.integers(0, 2**60),
    bits_per_byte=positive,
    seed=st.integers(0, 99),
    test_bytes=st.none() | st.integers(1, 2**60),
    not_converged=st.none() | st.booleans(),
)


@pytest.mark.slow
@settings(max_examples=30)  # each starts a process
@given(st.lists(rows, min_size=1, max_size=6, unique_by=lambda r: (r.cell, r.seed)))
def test_parquet_says_what_csv_says(found):
    measurements = Measurements(found)
    data = as_parquet(measurements, seed=pa.float64(), source=pa.large_string())
    assert parse_parquet(data, where="x.parquet").rows == measurements.rows


@pytest.mark.slow
def test_parquet_cells_are_checked_and_named_by_row():
    refused(parquet(bits_per_byte=[3.0, math.nan]), "row 2, column bits_per_byte", "'nan'")
    refused(parquet(bits_per_byte=[3.0, None]), "row 2", "no loss")
    refused(parquet(bits_per_byte=[0, 2]), "row 1, column bits_per_byte", "above 0")
    refused(parquet(bits_per_byte=[3, 2], bytes=[1.0, 1.5]), "row 2, column bytes", "whole")
    refused(parquet(bits_per_byte=[3, 2], bytes=[True, True]), "row 1, column bytes", "'True'")
    refused(parquet(bits_per_byte=[3, 2], target=["fi", ""]), "row 2, column target", "empty")
    sizes = parse_parquet(parquet(perplexity=[4, 2], bytes=["6MB", "1e3"]), where="x.parquet")
    assert [r.target_bytes for r in sizes] == [1000, 6_000_000]
    blank = {n: pa.array([None] * 2, pa.string()) for n in ("source", "target", "bytes")}
    refused(parquet(perplexity=blank["bytes"], **blank), "no rows")


def test_columns_of_no_concern_are_not_even_read():
    odd = pa.array([1, 2], pa.timestamp("ns"))
    assert len(parse_parquet(parquet(perplexity=[4, 2], when=odd), where="x.parquet")) == 2


@pytest.mark.parametrize("data", [b"", b"PAR1 and nothing more", parquet(perplexity=[4, 2])[:-9]])
def test_damaged_parquet_is_refused(data):
    refused(data, "no readable Parquet")


def test_parquet_columns_that_are_missing_or_there_twice():
    refused(parquet(perplexity=[4, 2], target_bytes=[1, 2]), "two columns for target_bytes")
    refused(parquet(), "no column states a loss")


# ── files ────────────────────────────────────────────────────────────────────────────────────────


def test_a_file_is_read_by_its_ending(tmp_path):
    contents = {
        "a.csv": HEAD + GOOD,
        "b.CSV": "\ufeff" + HEAD + GOOD,
        "c.TSV": (HEAD + GOOD).replace(",", "\t"),
        "d.Parquet": as_parquet(Measurements([row(source=SCRATCH)])),
    }
    for name, content in contents.items():
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        for given_path in (path, str(path)):
            assert read_measurements(given_path).rows == (row(source=SCRATCH),)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["losses.csv", "losses.parquet"])
def test_blocks_beside_a_table_are_read_with_it(tmp_path, name):
    stated = Measurements([row(run="a", bits_per_byte=0.72135)], {"a": [[1.0, 2.0]]})
    csv = name.endswith("csv")
    content = stated.to_csv().encode() if csv else as_parquet(stated)
    (tmp_path / name).write_bytes(content)
    assert read_measurements(tmp_path / name).blocks == {}
    (tmp_path / "blocks.parquet").write_bytes(stated.blocks_to_parquet())
    assert read_measurements(tmp_path / name).blocks["a"].tolist() == [[1.0, 2.0]]
    with pytest.raises(MeasurementError, match="no column source"):
        read_measurements(tmp_path / "blocks.parquet")


@pytest.mark.parametrize("name", ["", ".", "/", ".."])
def test_a_folder_is_no_table(name):
    with pytest.raises(MeasurementError, match=r"by its name; .* ends in \.csv"):
        read_measurements(name)


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"bits_per_byte": 3.01}, ["line 3: ", "run 'a'", "3 bits per byte", "3.01 bits"]),
        ({"test_bytes": 101}, ["line 3: ", "run 'a'", "100 bytes", "101 test_bytes"]),
    ],
)
def test_blocks_of_another_state_of_the_table_are_refused(changes, parts):
    size = np.array([60.0, 40.0])
    blocks = {"a": np.stack([3 * math.log(2) * size, size], 1)}
    good = row(run="a", test_bytes=100, bits_per_byte=3.002)
    before = Measurements([row(source="cs"), good])
    assert parse_measurements(before.to_csv(), where="x.csv", blocks=blocks).rows == before.rows
    edited = Measurements([row(source="cs"), dataclasses.replace(good, **changes)])
    refused(edited.to_csv(), "blocks.parquet", *parts, blocks=blocks)


def test_one_run_is_not_several_rows_but_for_the_names_of_its_texts():
    blocks = {"a": np.array([[3 * math.log(2) * 50, 50.0]])}
    for other in (row(run="a", seed=1), row(run="a", target_bytes=9), row(run="a", source=SCRATCH)):
        table = Measurements([row(run="a"), other]).to_csv()
        refused(table, "line 3: run 'a' is also that of line 2", "key of its own", blocks=blocks)
    named_twice = Measurements([row(run="a"), row(run="a", source="en2", below_surface=True)])
    found = parse_measurements(named_twice.to_csv(), where="x.csv", blocks=blocks)
    assert found.rows == named_twice.rows


def test_the_blocks_of_a_published_study_are_those_of_its_rows():
    folder = Path(__file__).parents[2] / "docs" / "studies" / "neural"
    found = read_measurements(folder / "measurements.csv")
    assert found.blocks.keys() == {r.run for r in found}


def test_a_table_of_losses_may_be_called_what_blocks_are_called(tmp_path):
    (tmp_path / "blocks.parquet").write_bytes(as_parquet(Measurements([row()])))
    assert read_measurements(tmp_path / "blocks.parquet").rows == (row(),)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "latin.csv").write_bytes(HEAD.encode() + b"en,\xe4,1000,3\n")
    (tmp_path / "wide.csv").write_bytes((HEAD + GOOD).encode("utf-16"))
    (tmp_path / "x.xlsx").write_bytes(b"PK")
    for name, part in {
        "none.csv": "no such file",
        "folder.csv": "cannot be read",
        "latin.csv": f"not UTF-8 at byte {len(HEAD) + 3}; save it as UTF-8",
        "wide.csv": "not UTF-8 at byte 0",
        "x.xlsx": "ends in .csv, .tsv, .parquet; a study file in .toml",
    }.items():
        with pytest.raises(MeasurementError) as caught:
            read_measurements(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)
        assert part in str(caught.value)


def test_a_loss_that_no_byte_has_is_taken_for_one_of_tokens():
    start = "source,target,bytes,perplexity\n"
    refused(f"{start}en,fi,1000,9000\n", "line 2", "is it per token?", "13.14 bits per byte")


# ── numbers with two readings ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("column", "cell", "todo"),
    [
        ("bytes", "10.000", "write 10000 or 10"),
        ("bytes", "1.500 kB", 'write "1500kB" or "1500B"'),
        ("pretrain_bytes", "2.500.000", "write 2500000"),
        ("nominal_bytes", "10.500", "write 10500"),
        ("test_bytes", "200.000", "write 200000 or 200"),
        ("seed", "1.000", "write 1000 or 1"),
        ("bytes", '"10,000"', "write 10000 or 10"),
    ],
)
def test_a_count_that_may_have_its_thousands_parted_is_refused(column, cell, todo):
    columns = {"bytes": "1000", "bits_per_byte": "3"} | {column: cell}
    text = f"source,target,{','.join(columns)}\nscratch,fi,{','.join(columns.values())}\n"
    refused(text, "line 2", f"column {column}", "is ambiguous", todo)


def test_a_loss_with_three_decimals_has_one_reading():
    head = f"{START}bits_per_byte,nats_per_byte,perplexity,validation_bits_per_byte\n"
    (found,) = parse(f"{head}en,fi,10000.0,2.400,1.664,5.278,2.350\n").rows
    assert (found.target_bytes, found.bits_per_byte) == (10_000, 2.4)
    assert found.validation_bits_per_byte == 2.35


def test_a_total_of_nats_is_refused_only_where_both_readings_can_be():
    head = f"{START}nats,test_bytes\n"
    (found,) = parse(f"{head}en,fi,1000,138.629,200\n").rows
    assert found.bits_per_byte == pytest.approx(1.0, rel=1e-4)
    refused(f"{head}en,fi,1000,277.240,200000\n", "nats", "ambiguous", "277240", "277.2400")


def test_decimals_of_parquet_have_one_reading():
    sizes = pa.array([Decimal("10.000"), Decimal("1000.000")], pa.decimal128(9, 3))
    found = parse(parquet(bytes=sizes, bits_per_byte=[3.0, 2.0]))
    assert {row.target_bytes for row in found} == {10, 1000}


def test_what_is_said_of_semicolons_does_not_lead_to_parted_thousands():
    text = "source;target;bytes;bits_per_byte\nen;fi;10.000;2,4\n"
    refused(text, "separated by ';'", "decimals as 2.5", "thousands without a mark (10000)")


ROWS = ("scratch,fi,1000,4,0", "scratch,fi,9000,3,0", "en,fi,1000,3.5,0")


@pytest.mark.parametrize("name", ["Replicate", "replicates", "REPLICATE", "Seed", "seeds"])
def test_a_column_that_is_nearly_a_known_one_is_not_ignored(name):
    text = "\n".join([f"source,target,bytes,bits_per_byte,{name}", *ROWS])
    with pytest.raises(MeasurementError, match=f"the column '{name}' is none") as refused:
        parse_measurements(text, where="x")
    assert refused.value.todo.startswith(f"write {name.lower().rstrip('s')}")


def test_a_replicate_is_stated_in_all_rows_or_in_none():
    header = "source,target,bytes,bits_per_byte,replicate"
    assert len(parse_measurements("\n".join([header, *ROWS]), where="x")) == 3
    blank = [row.removesuffix("0") for row in ROWS]
    assert len(parse_measurements("\n".join([header, *blank]), where="x")) == 3
    with pytest.raises(MeasurementError, match=r"line 3.*replicate is empty"):
        parse_measurements("\n".join([header, ROWS[0], blank[1], ROWS[2]]), where="x")
