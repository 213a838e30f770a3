"""A study in several replicates through the command line."""

import json

import pytest

from bytetransfer.measurements.file import read_measurements


def replicated(place, count=2):
    place.change("seeds = 2", f"seeds = 2\nreplicates = {count}")
    return place


@pytest.mark.slow
def test_replicates_differ_in_split_and_seeds_and_their_intervals_cover_both(place, is_neat):
    replicated(place)
    planned = place.call("plan", "study.toml")
    assert planned.exit_code == 0
    assert "fi (replicate 2)" in planned.output
    ran = place.call("run", "study.toml", "--workers", "1")
    assert ran.exit_code == 0, ran.output
    is_neat(ran.output)
    assert "intervals over replicates" in " ".join(ran.output.split())
    table = read_measurements(place.folder / "results/tiny/measurements.csv")
    assert {(row.replicate, row.seed) for row in table} == {(0, 0), (0, 1), (1, 100), (1, 101)}
    corpora = [place.folder / ".bytetransfer/corpora" / name for name in place.corpora()]
    held_out = {(folder / "test.bin").read_bytes() for folder in corpora}
    assert len(corpora) == len(held_out) == 2 * 3
    for command in ("estimate", "status", "analyse", "report", "figures"):
        called = place.call(command, "study.toml")
        assert called.exit_code == 0, called.output


@pytest.mark.slow
def test_the_table_of_a_replicated_study_gives_the_estimates_of_the_study(place):
    replicated(place)
    assert place.call("run", "study.toml", "--quiet").exit_code == 0
    of_study = json.loads(place.call("estimate", "study.toml", "--json").output)
    of_table = json.loads(place.call("estimate", "results/tiny/measurements.csv", "--json").output)
    for name in ("effective_bytes", "effective_low", "effective_high", "seeds", "covers"):
        assert [row[name] for row in of_study] == [row[name] for row in of_table]


@pytest.mark.slow
def test_the_first_replicate_is_the_study_without_replicates(place):
    assert place.call("run", "study.toml", "--quiet").exit_code == 0
    before = place.finished()
    replicated(place)
    assert place.call("run", "study.toml", "--quiet").exit_code == 0
    assert before < place.finished()
    assert len(place.finished()) == 2 * len(before)


def test_what_no_replicates_can_be_is_one_message(place):
    for value, said in (("0", "from 1 to 50"), ("51", "from 1 to 50"), ('"two"', "whole number")):
        place.change("seeds = 2", f"seeds = 2\nreplicates = {value}")
        refused = place.call("plan", "study.toml")
        assert refused.exit_code == 2
        assert "replicates" in refused.output
        assert said in refused.output
        place.change(f"\nreplicates = {value}", "")
    place.change("seeds = 2", "seeds = 3\nreplicates = 2\nadaptive = true")
    refused = place.call("plan", "study.toml")
    assert refused.exit_code == 2
    assert "adaptive = false" in refused.output
