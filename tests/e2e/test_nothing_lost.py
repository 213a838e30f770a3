"""Results that are there are not replaced by less, nor by something else's."""

from pathlib import Path
from typing import Any

import pytest

STUDY = "study.toml"


def refused(result: Any, *parts: str) -> None:
    assert result.exit_code == 2, result.output
    for part in parts:
        assert part in result.stderr


def results(place: Any) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in Path(place.folder, "results/tiny").iterdir()}


@pytest.mark.parametrize("command", ["estimate", "report"])
def test_results_stay_when_the_text_has_changed(finished_place: Any, command: str) -> None:
    before = results(finished_place)
    with (finished_place.folder / "en.txt").open("a", encoding="utf-8") as file:
        file.write("another line\n")
    refused(finished_place.call(command, STUDY), "en", "changed", "bytetransfer run")
    assert results(finished_place) == before


@pytest.mark.parametrize("command", ["estimate", "report"])
def test_nothing_is_estimated_before_anything_is_done(place: Any, command: str) -> None:
    assert place.call("prepare", STUDY).exit_code == 0
    refused(place.call(command, STUDY), "none of its runs is done")
    assert not (place.folder / "results").exists()


def test_two_studies_of_one_name_keep_apart(finished_place: Any) -> None:
    before = results(finished_place)
    text = (finished_place.folder / STUDY).read_text(encoding="utf-8")
    (finished_place.folder / "other.toml").write_text(text, encoding="utf-8")
    refused(finished_place.call("run", "other.toml"), "holds the results of study.toml")
    assert results(finished_place) == before


def test_a_corpus_that_was_altered_is_not_trained_on(place: Any) -> None:
    assert place.call("prepare", STUDY).exit_code == 0
    train = next(iter(place.folder.glob(".bytetransfer/corpora/*/train.bin")))
    content = bytearray(train.read_bytes())
    content[0] ^= 1
    train.write_bytes(bytes(content))
    refused(place.call("run", STUDY), train.parent.name)
    assert not list(place.folder.glob(".bytetransfer/runs/*/result.json"))
