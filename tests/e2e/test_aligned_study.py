"""A group of two languages that say the same line by line, and a target as its own source."""

from __future__ import annotations

import random
from typing import Any

import pytest

from bytetransfer.corpus.corpus import Corpus, open_corpus

STUDY = """\
name = "tiny"
sources = ["fo", "sv"]
targets = ["fo", "sv"]
learners = ["ngram"]
pretrain_bytes = "10kB"
finetune_bytes = [0, "3kB"]
scratch_bytes = ["1kB", "5kB", "15kB"]
seeds = 2

[splits]
validation_share = 0.1
test_share = 0.1
validation_bytes = "2kB"
test_bytes = "3kB"

[groups.verses]
corpora = ["fo", "sv"]
files = "{corpus}.txt"
aligned = true
"""


@pytest.fixture
def aligned(place: Any) -> Any:
    """Line k says the same in both; some lines stand twice, some in one language only."""
    draw = random.Random(1)
    first = (place.folder / "en.txt").read_text(encoding="utf-8").splitlines()
    second = (place.folder / "fi.txt").read_text(encoding="utf-8").splitlines()
    for _ in range(60):
        line, copy = draw.sample(range(len(first)), 2)
        first[copy] = first[line]
        if draw.random() < 0.5:
            second[copy] = second[line]
    place.write("fo.txt", "\n".join(first) + "\n")
    place.write("sv.txt", "\n".join(second) + "\n")
    place.write("study.toml", STUDY)
    return place


def _corpora(place: Any) -> dict[str, Corpus]:
    found = [
        open_corpus(p.parent) for p in place.folder.glob(".bytetransfer/corpora/*/corpus.json")
    ]
    return {str(corpus.card.language): corpus for corpus in found}


def test_test_lines_are_the_same_and_never_trained_on(aligned: Any) -> None:
    assert aligned.call("prepare", "study.toml").exit_code == 0
    corpora = _corpora(aligned)
    assert set(corpora) == {"fo", "sv"}
    held = {name: corpus.test_ids.tolist() for name, corpus in corpora.items()}
    assert held["fo"] == held["sv"]
    lines = {name: (aligned.folder / f"{name}.txt").read_bytes().splitlines() for name in corpora}
    for name, corpus in corpora.items():
        assert [lines[name][i] for i in held[name]] == list(corpus.test)
        assert not set(corpus.test) & set(corpus.train)
        assert not set(corpus.validation) & set(corpus.train)
        assert len(set(corpus.train)) == len(corpus.train)
        assert corpus.card.duplicates_masked > 0


def test_a_target_is_its_own_source(aligned: Any) -> None:
    result = aligned.call("run", "study.toml", "--workers", "1")
    assert result.exit_code == 0, result.output
    header, *rows = aligned.results()["measurements.csv"].decode().splitlines()
    names = header.split(",")
    cells = [dict(zip(names, row.split(","), strict=True)) for row in rows]
    losses = {
        (c["source"], c["target"], c["nominal_bytes"], c["seed"]): float(c["bits_per_byte"])
        for c in cells
    }
    assert len(cells) == 2 * (2 * 2 * 2 + 2 * 3)
    for seed in "01":
        for own, other in (("fo", "sv"), ("sv", "fo")):
            # more of the same language: an upper bound, with and without fine-tuning
            assert losses[own, own, "0", seed] < losses[other, own, "0", seed]
            assert losses[own, own, "3000", seed] < losses[other, own, "3000", seed]


def test_its_own_source_needs_text_for_both(aligned: Any) -> None:
    aligned.change('pretrain_bytes = "10kB"', 'pretrain_bytes = "14kB"')
    result = aligned.call("run", "study.toml")
    assert result.exit_code == 2
    assert "'fo' is its own source" in result.stderr


def test_lines_that_do_not_match(aligned: Any) -> None:
    text = (aligned.folder / "sv.txt").read_text(encoding="utf-8")
    aligned.write("sv.txt", text + "one more line\n")
    result = aligned.call("run", "study.toml")
    assert result.exit_code == 2
    assert "700" in result.stderr
    assert "701" in result.stderr
    assert "verses" in result.stderr
    aligned.write("sv.txt", text)
    assert aligned.call("prepare", "study.toml").exit_code == 0
