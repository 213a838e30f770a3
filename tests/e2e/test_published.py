"""`bytetransfer published`: what it prints and writes, and how it refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import re

FILES = ("published.html", "published.csv", "published.json")


def test_it_prints_every_cell_and_writes_three_files(place, is_neat):
    result = place.call("published")
    assert result.exit_code == 0, result.output
    is_neat(result.output)
    lines = re.findall(r"^[a-z]{2} +\d+ [MG]B  [a-z]{2} .*$", result.stdout, re.MULTILINE)
    assert len(lines) == 159
    spanish = next(line for line in lines if line.split()[:4] == ["es", "600", "MB", "en"])
    assert "6.53 MB" in spanish
    assert "≥ 6 GB" in spanish
    assert spanish.endswith("a bound: seam")
    assert "34 are artefacts" in result.stdout
    assert result.stdout.splitlines()[-1] == (
        "written: published/published.html, published/published.csv, published/published.json"
    )
    assert sorted(path.name for path in (place.folder / "published").iterdir()) == sorted(FILES)


def test_the_same_files_come_every_time_where_they_are_wanted(place):
    for name in ("one", "deep/two"):
        assert place.call("published", "--out", name).exit_code == 0
    one, two = (
        [(place.folder / name / file).read_bytes() for file in FILES]
        for name in ("one", "deep/two")
    )
    assert one == two
    assert not (place.folder / "published").exists()


def test_json_is_what_is_written(place):
    result = place.call("published", "--json")
    assert result.exit_code == 0
    assert result.stdout == (place.folder / "published/published.json").read_text()
    cells = json.loads(result.stdout)["cells"]
    rows = list(csv.DictReader(io.StringIO((place.folder / "published/published.csv").read_text())))
    assert len(cells) == len(rows) == 159
    assert [list(map(str, cell.values())) for cell in cells] == [list(r.values()) for r in rows]


def test_without_unicode_it_prints_ascii(place):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"}
    ended = place.ran("published", env=environment)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.isascii()
    assert ">= 6 GB" in ended.stdout


def test_a_folder_that_cannot_be_written_to_is_one_error(place, full_disk):
    place.write("taken", "a file")
    result = place.call("published", "--out", "taken")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: taken")
    assert "a file stands where a folder is needed" in result.stderr
    assert result.stdout == ""
    with full_disk(10_000):
        result = place.call("published", "--out", "full")
    assert result.exit_code == 2
    assert "the disk is full" in result.stderr
    assert not list((place.folder / "full").iterdir())
