"""The demo's verses: small, whole, aligned, shipped; that the study runs is tested in e2e."""

import gzip
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

import bytetransfer
from bytetransfer.study.demo import write_demo
from bytetransfer.study.file import read_study

PACKAGE = Path(bytetransfer.__file__).parent
DEMO = PACKAGE / "study/demo"
PYPROJECT = PACKAGE.parents[1] / "pyproject.toml"
LANGUAGES = ("es", "fr", "en", "fi")
MOST_BYTES = 250_000


def lines(name: str) -> list[str]:
    text = gzip.decompress((DEMO / f"verses/{name}.txt.gz").read_bytes()).decode("utf-8")
    assert text.endswith("\n")
    return text.removesuffix("\n").split("\n")


def data_files() -> set[Path]:
    """What stands in the demo's folder, less what Python makes of its own accord."""
    return {
        file
        for file in DEMO.rglob("*")
        if file.is_file() and "__pycache__" not in file.parts and file.suffix != ".py"
    }


def test_the_folder_stays_small() -> None:
    code = DEMO / "__init__.py"
    assert sum(file.stat().st_size for file in {*data_files(), code}) <= MOST_BYTES


def test_every_file_goes_into_the_wheel() -> None:
    tool = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["tool"]
    patterns = tool["setuptools"]["package-data"]["bytetransfer"]
    shipped = {file for pattern in patterns for file in PACKAGE.glob(pattern)}
    assert len(data_files()) == 7
    assert data_files() <= shipped


def test_every_file_has_a_line_a_verse() -> None:
    verses = lines("ids")
    assert len(set(verses)) == len(verses) == 1220
    for language in LANGUAGES:
        text = lines(language)
        assert len(text) == len(verses)
        assert all(line == line.strip() != "" for line in text)


@pytest.mark.parametrize(("one", "other"), list(combinations(LANGUAGES, 2)))
def test_line_k_is_the_same_verse(one: str, other: str) -> None:
    """A long verse is long in every language; a file that slipped by a line shows no such thing."""
    lengths = [np.array([len(line) for line in lines(name)]) for name in (one, other)]
    for first, second in zip(*(np.array_split(of, 4) for of in lengths), strict=True):
        assert np.corrcoef(first, second)[0, 1] > 0.8
        assert np.corrcoef(first[1:], second[:-1])[0, 1] < 0.4


def test_the_readme_names_every_file_its_edition_and_licence() -> None:
    rows = (DEMO / "verses/README.md").read_text(encoding="utf-8").splitlines()
    for language in LANGUAGES:
        (row,) = [row for row in rows if row.startswith(f"| `{language}.txt.gz` |")]
        assert row.endswith(" | public domain |")


def test_the_study_is_about_the_verses_beside_it(tmp_path: Path) -> None:
    study = read_study(write_demo(tmp_path))
    (group,) = study.groups.values()
    assert group.aligned
    for corpus in group.corpora:
        written = tmp_path / group.files.format(corpus=corpus)
        assert written.read_bytes() == (DEMO / f"verses/{corpus}.txt.gz").read_bytes()
    assert (tmp_path / "verses/README.md").exists()
