"""Estimates from a table of losses: whatever the table looks like, an answer or one message."""

from __future__ import annotations

import json
import math
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from bytetransfer.transfer.methods import METHODS

NOISE = {0: 0.0, 1: 0.02, 2: -0.01}
CURVE = {10_000: 3.1, 100_000: 2.4, 1_000_000: 1.9}
ROWS = [("scratch", "fi", size, loss) for size, loss in CURVE.items()] + [("en", "fi", 10_000, 2.7)]


def table(rows: list[tuple[object, ...]] = ROWS, loss: str = "bits_per_byte") -> str:
    lines = [("source", "target", "bytes", loss), *rows]
    return "".join(",".join(map(str, line)) + "\n" for line in lines)


def refused(result: Any, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for part in parts:
        assert part in result.stderr


def estimates(place: Any, *arguments: str) -> list[dict[str, Any]]:
    result = place.call("estimate", *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_the_kind_of_file_and_the_unit_do_not_matter(place: Any) -> None:
    place.write("losses.csv", table())
    nats = [(*row[:3], repr(row[3] * math.log(2))) for row in ROWS]
    place.write("nats.TSV", table(nats, "nats_per_byte").replace(",", "\t"))
    ppl = [(*row[:3], repr(2 ** row[3])) for row in ROWS]
    place.write("perplexity.CSV", "\ufeff" + table(ppl, "perplexity").replace("\n", "\r\n"))
    csv = pyarrow.csv.read_csv(place.folder / "losses.csv")
    pq.write_table(csv, place.folder / "losses.parquet")
    (expected,) = estimates(place, "losses.csv")
    assert expected["status"] == "inside"
    assert 10_000 < expected["effective_bytes"] < 100_000
    for name in ("nats.TSV", "perplexity.CSV", "losses.parquet"):
        (found,) = estimates(place, name)
        assert found.keys() == expected.keys()
        for column, value in expected.items():
            same = pytest.approx(value, rel=1e-9) if isinstance(value, float) else value
            assert found[column] == same


def test_the_method_is_passed_on(place: Any) -> None:
    place.write("losses.csv", table([*ROWS, ("scratch", "fi", 1_000, 4.5)]))
    assert estimates(place, "losses.csv")[0]["method"] == "monotone"
    found = [estimates(place, "losses.csv", "--method", method)[0] for method in METHODS]
    assert [row["method"] for row in found] == list(METHODS)
    assert len({row["effective_bytes"] for row in found[:3]}) == 3  # the script may be right
    shown = place.call("estimate", "--help").stdout
    assert f"[{'|'.join(METHODS)}]" in shown


def test_the_confidence_is_passed_on(place: Any) -> None:
    seeds = [(*row[:3], row[3] + change, seed) for row in ROWS for seed, change in NOISE.items()]
    place.write("losses.csv", table(seeds, "bits_per_byte,seed"))
    (plain,) = estimates(place, "losses.csv")
    lows = [
        estimates(place, "losses.csv", "--confidence", level)[0]["effective_low"]
        for level in ("0.99", "0.95", "0.9")
    ]
    assert lows[0] < lows[1] < lows[2] < plain["effective_bytes"]
    assert lows[1] == plain["effective_low"]


def test_only_a_power_law_may_be_read_beyond_its_curve(place: Any) -> None:
    law = [("scratch", "fi", 10**n, 1 + (1000 / 10**n) ** 0.3) for n in range(3, 8)]
    place.write("losses.csv", table([*law, ("en", "fi", 1000, 1 + (1000 / 4e7) ** 0.3)]))
    options = ("losses.csv", "--method", "power_law")
    assert estimates(place, *options)[0]["status"] == "above_range"
    (found,) = estimates(place, *options, "--extrapolate")
    assert found["status"] == "extrapolated"
    assert found["effective_bytes"] == pytest.approx(4e7, rel=0.01)
    for method in METHODS:
        given = ("--method", method) if method != "monotone" else ()
        result = place.call("estimate", "losses.csv", "--extrapolate", *given)
        assert (result.exit_code, "only power_law" in result.stderr) == (
            (0, False) if method == "power_law" else (2, True)
        )


@pytest.mark.parametrize("ending", ["csv", "JSON", "parquet"])
def test_estimates_are_written_where_asked(place: Any, ending: str) -> None:
    place.write("losses.csv", table())
    result = place.call("estimate", "losses.csv", "--out", f"new/found.{ending}")
    assert result.exit_code == 0, result.output
    assert f"written: new/found.{ending}" in result.stdout
    path = place.folder / "new" / f"found.{ending}"
    if ending == "csv":
        header, row = path.read_text().splitlines()
        found = dict(zip(header.split(","), row.split(","), strict=True))
    else:
        (found,) = (
            json.loads(path.read_text()) if ending == "JSON" else pq.read_table(path).to_pylist()
        )
    (expected,) = estimates(place, "losses.csv")
    assert float(found["effective_bytes"]) == expected["effective_bytes"]


def test_where_estimates_cannot_be_written(place: Any) -> None:
    losses = place.write("losses.csv", table())
    for out in ("found.txt", "found"):
        refused(place.call("estimate", "losses.csv", "--out", out), out, ".csv, .json, .parquet")
    (place.folder / "link.csv").symlink_to(losses)
    for out in ("losses.csv", "./losses.csv", "link.csv"):
        result = place.call("estimate", "losses.csv", "--out", out)
        assert result.exit_code == 2
        assert "table of losses itself" in result.stderr
    assert losses.read_text() == table()
    (place.folder / "loop.csv").symlink_to("loop.csv")  # what is written takes its place
    assert place.call("estimate", "losses.csv", "--out", "loop.csv").exit_code == 0
    assert not (place.folder / "loop.csv").is_symlink()


def test_options_of_a_table_are_not_taken_by_a_study(place: Any) -> None:
    for option in ("--method linear", "--confidence 0.9", "--out x.csv", "--extrapolate"):
        result = place.call("estimate", "study.toml", *option.split())
        assert result.exit_code == 2
        assert "measurements.csv" in result.stderr
    refused(place.call("estimate", "NONE.TOML"), "no such study file")
    place.write("losses.csv", table())
    assert place.call("estimate", "losses.csv", "--confidence", "1").exit_code == 2
    assert place.call("estimate", "losses.csv", "--method", "cubic").exit_code == 2


def test_a_target_without_a_curve_stands_beside_those_that_have_one(place: Any) -> None:
    place.write("losses.csv", table([*ROWS, ("en", "de", 10_000, 2.5)]))
    result = place.call("estimate", "losses.csv")
    assert result.exit_code == 0, result.output
    assert "no from-scratch run" in result.stdout


def test_a_table_without_any_curve_is_refused_by_target(place: Any) -> None:
    tuned = [("en", "fi", 10_000, 2.5), ("ru", "fi", 10_000, 2.4), ("en", "de", 10_000, 2.5)]
    place.write("none.csv", table([*tuned, ("scratch", "de", 10_000, 3.5)]))
    for flags in ((), ("--json",)):
        result = place.call("estimate", "none.csv", *flags)
        refused(
            result, "none.csv", "fi: there is no from-scratch", "de: a curve needs", "'scratch'"
        )
    mixed = [(*row, "small") for row in ROWS[:-1]] + [("en", "fi", 10_000, 2.7, "large")]
    place.write("mixed.csv", table(mixed, "bits_per_byte,learner"))
    refused(place.call("estimate", "mixed.csv"), "fi, large: there is no from-scratch")
    place.write("many.csv", table([("en", f"t{n}", 10_000, 2.5) for n in range(9)]))
    refused(place.call("estimate", "many.csv"), "t0: there", "t4: there", "and 4 more")
    place.write("scratch.csv", table(ROWS[:-1]))
    refused(place.call("estimate", "scratch.csv"), "no row is fine-tuned", "'scratch'")


BAD = {
    "empty.csv": ("", ["no rows"]),
    "unit.csv": (table(loss="loss"), ["line 1", "'loss'", "bits_per_byte"]),
    "ppl.csv": (table(loss="ppl"), ["line 1", "'ppl'", "perplexity"]),
    "short.csv": (table() + "en,fi,1\n", ["line 6", "cells"]),
    "nan.csv": (table() + "ru,fi,1,nan\n", ["line 6", "'nan'"]),
    "low.csv": (table(loss="perplexity") + "ru,fi,1,0.9\n", ["line 6", "below 1"]),
    "twice.csv": (table() + "scratch,fi,10000,3\n", ["line 6", "line 2", "3.1 and 3.0"]),
    "semicolon.csv": (table().replace(",", ";"), ["line 1", "';'"]),
    "latin.csv": (table().encode() + b"\xe4", ["UTF-8"]),
    "cut.parquet": (b"PAR1", ["Parquet"]),
    "losses.xlsx": (b"PK", [".csv, .tsv, .parquet", ".toml"]),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_table_gets_one_message(place: Any, name: str) -> None:
    content, parts = BAD[name]
    place.write(name, content)
    refused(place.call("estimate", name), name, *parts)
    assert not (place.folder / "out.csv").exists()


def test_the_help_names_every_column_of_a_loss(place: Any) -> None:
    from bytetransfer.measurements.row import LOSSES, REQUIRED

    shown = place.call("estimate", "--help").stdout
    assert {*LOSSES, *REQUIRED[:2], "bytes", "test_bytes"} <= set(shown.replace(",", "").split())


def test_refusals_name_their_lines_beside_estimates_and_alone(place: Any) -> None:
    place.write("losses.csv", table([*ROWS, ("en", "de", 10_000, 2.5)]))
    assert (
        "en, de, 10 kB (line 6): there is no from-scratch run"
        in place.call("estimate", "losses.csv").stdout
    )
    alone = [("en", "de", 10_000, 2.5), ("ru", "de", 10_000, 2.4), ("scratch", "de", 1_000, 3.0)]
    place.write("none.csv", table(alone))
    refused(place.call("estimate", "none.csv"), "1000 bytes (line 4)", "for lines 2–3")


def test_refusals_in_files_name_their_lines(place: Any) -> None:
    place.write("losses.csv", table([*ROWS, ("en", "de", 10_000, 2.5)]))
    assert estimates(place, "losses.csv")[-1]["reason"].endswith("and regime, for line 6")
    place.call("estimate", "losses.csv", "--out", "out.csv")
    assert ", for line 6" in (place.folder / "out.csv").read_text()


def test_rows_of_a_learner_that_nothing_is_read_on_are_named(place: Any) -> None:
    small = [(*row, "small") for row in ROWS]
    other = [("scratch", "fi", 20_000, 2.9, "large"), ("scratch", "fi", 2_000_000, 1.5, "large")]
    elsewhere = [("scratch", "de", 20_000, 2.9, "large")]
    place.write("mixed.csv", table([*other[:1], *small, *other[1:]], "bits_per_byte,learner"))
    said = ("mixed.csv: one curve", "lines 2, 7: from scratch, large", "fine-tuned row of fi is")
    refused(place.call("estimate", "mixed.csv"), *said)
    refused(place.call("estimate", "mixed.csv", "--json"), *said)
    assert place.call("analyse", "mixed.csv").exit_code == 0
    tuned = ("en", "fi", 20_000, 2.8, "large")
    for rows in ([*small, *other, tuned], [*small, *elsewhere]):
        place.write("legal.csv", table(rows, "bits_per_byte,learner"))
        assert place.call("estimate", "legal.csv").exit_code == 0


def test_rows_of_many_unused_learners_are_counted(place: Any) -> None:
    small = [(*row, "small") for row in ROWS]
    other = [("scratch", "fi", 20_000, 2.9, f"l{n}") for n in range(7)]
    place.write("mixed.csv", table([*small, *other], "bits_per_byte,learner"))
    refused(place.call("estimate", "mixed.csv"), "l4, which no", "; and 2 more)")


def test_a_folder_gets_one_message(place: Any) -> None:
    for name in (".", "/", ""):
        refused(place.call("estimate", name), "holds no measurements.csv")


def test_parameters_of_power_laws_are_shown_and_written(place: Any) -> None:
    law = [("scratch", "fi", 10**n, 1 + (1000 / 10**n) ** 0.3) for n in range(3, 8)]
    place.write("losses.csv", table([*law, ("en", "fi", 1000, 1.5), ("ru", "fi", 1000, 1.6)]))
    options = ("losses.csv", "--method", "power_law")
    result = place.call("estimate", *options, "--laws", "laws.json")
    assert result.exit_code == 0, result.output
    assert "E + (A/D)^" in result.stdout
    (found,) = json.loads((place.folder / "laws.json").read_text())
    assert found["scale_bytes"] == pytest.approx(1000, rel=1e-3)
    assert found["exponent_low"] <= 0.3 + 1e-6
    for arguments in (("losses.csv", "--laws", "l.csv"), (*options, "--laws", "losses.csv"),
                      (*options, "--laws", "x.csv", "--out", "x.csv")):  # fmt: skip
        assert place.call("estimate", *arguments).exit_code == 2


def test_marks_of_pooled_curves_and_plateaus_are_shown(place: Any) -> None:
    rows = [
        ("scratch", "fi", 10**n, loss) for n, loss in zip(range(3, 7), (4, 3, 3, 2), strict=True)
    ]
    rising = [
        ("scratch", "de", 10**n, loss) for n, loss in zip(range(3, 6), (4, 2, 2.1), strict=True)
    ]
    tuned = [("en", "fi", 1_000, 3), ("en", "de", 1_000, 3)]
    place.write("losses.csv", table([*rows, *rising, *tuned]))
    lines = place.call("estimate", "losses.csv").stdout.splitlines()
    assert next(line for line in lines if line.startswith("fi")).endswith("=")
    assert next(line for line in lines if line.startswith("de")).endswith("*")
    assert any("up to 100 kB" in line for line in lines)
