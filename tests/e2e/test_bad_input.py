"""Whatever is wrong with what the program is given: one message, exit code 2, nothing lost."""

from __future__ import annotations

import errno
import gzip
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

RUN = ("run", "study.toml", "--workers", "1")


def refused(result: Any, *parts: str) -> str:
    """The one message of a refusal, in which all `parts` stand."""
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    messages = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1, result.stderr
    assert result.stderr.rstrip().endswith(messages[0]), "one line says it all"
    for part in parts:
        assert part in messages[0]
    return messages[0]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def nothing_half_written(place: Any) -> None:
    """No corpus that is no corpus, no run without its request, no results."""
    store = place.folder / ".bytetransfer"
    corpora = [p for p in store.glob("corpora/*") if p.name != "index"]
    assert all((corpus / "corpus.json").exists() for corpus in corpora), corpora
    assert not [p for p in store.rglob(".*") if p.is_file()]
    assert not (place.folder / "results").exists()


# ── text ─────────────────────────────────────────────────────────────────────────────────────────


def _missing(place: Any) -> None:
    (place.folder / "fi.txt").unlink()


def _empty(place: Any) -> None:
    place.write("fi.txt", "")


def _only_empty_lines(place: Any) -> None:
    place.write("fi.txt", "\n" * 500)


def _too_little(place: Any) -> None:
    _keep(place, 15_000)


def _too_little_to_hold_out(place: Any) -> None:
    _keep(place, 1_500)


def _keep(place: Any, size: int) -> None:
    lines = (place.folder / "fi.txt").read_bytes()
    place.write("fi.txt", lines[:size].rpartition(b"\n")[0] + b"\n")


def _latin_1(place: Any) -> None:
    text = (place.folder / "fi.txt").read_bytes()
    place.write("fi.txt", text[:1000] + "\u00e4".encode("latin-1") + text[1000:])


def _broken_off(place: Any) -> None:
    packed = gzip.compress((place.folder / "fi.txt").read_bytes())
    place.write("fi.txt.gz", packed[: len(packed) // 2])
    place.change('"fi.txt"', '"fi.txt.gz"')


def _no_gzip(place: Any) -> None:
    place.write("fi.txt.gz", (place.folder / "fi.txt").read_bytes())
    place.change('"fi.txt"', '"fi.txt.gz"')


def _other_column(place: Any) -> None:
    lines = (place.folder / "fi.txt").read_text(encoding="utf-8").splitlines()
    pq.write_table(pa.table({"content": lines}), place.folder / "fi.parquet")
    place.change('"fi.txt"', '"fi.parquet"')


def _damaged_parquet(place: Any) -> None:
    place.write("fi.parquet", b"PAR1 and nothing more")
    place.change('"fi.txt"', '"fi.parquet"')


def _other_key(place: Any) -> None:
    place.write("fi.jsonl", '{"text": "a"}\n{"body": "b"}\n')
    place.change('"fi.txt"', '"fi.jsonl"')


def _folder(place: Any) -> None:
    (place.folder / "texts").mkdir()
    place.change('"fi.txt"', '"texts"')


def _no_match(place: Any) -> None:
    place.change('"fi.txt"', '"fi/*.txt"')


TEXT = {
    _missing: ("fi", "fi.txt", "does not exist"),
    _empty: ("fi", "empty"),
    _only_empty_lines: ("fi", "empty"),
    _too_little: ("fi has", "20 kB"),
    _too_little_to_hold_out: ("fi", "validation"),
    _latin_1: ("fi.txt", "byte 1,000", "line 1", "0xe4", 'errors = "keep"'),
    _broken_off: ("fi.txt.gz", "breaks off at byte"),
    _no_gzip: ("fi.txt.gz", "no valid .gz data"),
    _other_column: ("fi.parquet", 'no column "text"', "content"),
    _damaged_parquet: ("fi.parquet", "Parquet"),
    _other_key: ("fi.jsonl, line 2", 'no column "text"', "body"),
    _folder: ("texts", "a folder"),
    _no_match: ("fi/*.txt", "no file matches"),
}


@pytest.mark.parametrize("spoil", TEXT, ids=lambda spoil: spoil.__name__.strip("_"))
def test_bad_text_is_refused_before_anything_is_trained(
    place: Any, spoil: Callable[[Any], None]
) -> None:
    good = contents(place.folder)
    spoil(place)
    refused(place.call(*RUN), *TEXT[spoil])
    nothing_half_written(place)
    assert not place.finished()
    for path, content in good.items():
        Path(path).write_bytes(content)
    prepared = place.call("prepare", "study.toml", "--json")
    assert prepared.exit_code == 0, prepared.output


def test_bytes_that_are_no_utf8_are_kept_if_asked_for(place: Any) -> None:
    _latin_1(place)
    place.change('files = "fi.txt"', 'files = "fi.txt"\nerrors = "keep"')
    assert place.call("prepare", "study.toml").exit_code == 0
    cards = place.folder.glob(".bytetransfer/corpora/*/*.bin")
    assert sum(path.read_bytes().count(b"\xe4") for path in cards) == 1


# ── the study file ───────────────────────────────────────────────────────────────────────────────

STUDY = {
    ('name = "tiny"', 'name = "tiny'): ("study.toml", "TOML", "line 1"),
    ('name = "tiny"', 'name = "../up"'): ("name", "folder"),
    ("seeds = 2", "seed = 2"): ("seed", "did you mean 'seeds'"),
    ("seeds = 2", 'seeds = "two"'): ("seeds", "whole number"),
    ("seeds = 2", "seeds = 0"): ("seeds", "at least 1"),
    ('["en", "ru"]', '["en", "rot13(en)"]'): ("rot13", "cipher"),
    ('["en", "ru"]', '["en", "cipher(en"]'): ("cipher(en",),
    ('["en", "ru"]', '["en", "cipher(de)"]'): ("no corpus 'de'", "cipher(de)"),
    ('["en", "ru"]', '["en", "en"]'): ("sources", "twice"),
    ('["en", "ru"]', '["scratch"]'): ("sources", "scratch"),
    ('["en", "ru"]', "[]"): ("sources", "empty"),
    ('["1kB", "3kB"]', '["3kB", "1kB"]'): ("finetune_bytes", "ascend"),
    ('["1kB", "3kB"]', '["1kB", "1kB"]'): ("finetune_bytes", "repeat"),
    ('["1kB", "3kB"]', '["1kB", "1000"]'): ("finetune_bytes", "repeat"),
    ('["1kB", "3kB"]', '["1kB", "3 chunks"]'): ("finetune_bytes", "3 chunks", "10kB"),
    ('["1kB", "3kB"]', '"3kB"'): ("finetune_bytes", "a list"),
    ('["ngram"]', '["unigram"]'): ("learners", "unigram", "ngram"),
    ('["fi"]', '["sv"]'): ("no corpus 'sv'", "[corpora.sv]"),
    ('files = "fi.txt"', 'file = "fi.txt"'): ("corpora.fi", "files"),
    ('files = "fi.txt"', 'files = "fi.txt"\ncolum = "a"'): ("corpora.fi.colum", "'column'"),
    ("test_share = 0.1", "test_share = 0.7"): ("test_share", "0.7"),
    ("[splits]", "[split]"): ("split", "'splits'"),
    ("[corpora.ru]\n", "[corpora.en]\n"): ("study.toml", "TOML"),
}


@pytest.mark.parametrize("change", STUDY, ids=lambda change: change[1].replace("\n", " "))
def test_a_study_without_meaning_is_refused(place: Any, change: tuple[str, str]) -> None:
    place.change(*change)
    for command in ("plan", "run"):
        refused(place.call(command, "study.toml"), *STUDY[change])
    assert not (place.folder / ".bytetransfer").exists()


@pytest.mark.parametrize("command", ["prepare", "plan", "run", "status", "estimate", "report"])
def test_no_study_file(place: Any, command: str) -> None:
    refused(place.call(command, "none.toml"), "none.toml", "no such study file")


def test_a_study_file_that_is_no_text(place: Any) -> None:
    place.write("study.toml", b"name = '\xff'")
    refused(place.call(*RUN), "study.toml", "byte 8", "UTF-8")


def test_names_that_are_not_utf8(place: Any) -> None:
    """Of a study file, of a folder and of a text."""
    folder = place.folder / os.fsdecode(b"a\xff")
    folder.mkdir()
    for name in ("en", "ru", "fi"):
        (place.folder / f"{name}.txt").rename(folder / os.fsdecode(name.encode() + b"\xfe.txt"))
        place.change(f'"{name}.txt"', f'"a*/{name}*.txt"')
    study = os.fsdecode(b"study\xff.toml")
    (place.folder / "study.toml").rename(place.folder / study)
    for command in (("run", study, "--workers", "1"), ("status", study), ("plan", study, "--json")):
        ended = place.call(*command)
        assert ended.exit_code == 0, ended.output
    assert "study\\xff.toml" in (place.folder / "results/tiny/report.html").read_text()
    refused(place.call("run", os.fsdecode(b"none\xff.toml")), "no such study file")


def test_results_of_another_user(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.exists

    def closed(path: Path) -> bool:
        if path.name == "study-file.txt":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "exists", closed)
    refused(place.call(*RUN), "study-file.txt", "no permission", "change its permissions")


def test_a_csv_without_losses(place: Any) -> None:
    place.write("losses.csv", "source,target,bytes\nen,fi,1000\n")
    refused(place.call("estimate", "losses.csv"), "losses.csv, line 1", "bits_per_byte")
    refused(place.call("estimate", "none.csv"), "none.csv", "no such file")


# ── the disk ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("command", ["prepare", "run"])
def test_a_full_disk(place: Any, command: str, full_disk: Callable[..., Any]) -> None:
    for room in (1_000, 20_000, 100_000):
        with full_disk(room):
            message = refused(place.call(command, "study.toml"), "disk is full", "free some space")
        assert str(place.folder) in message or ".bytetransfer" in message
        nothing_half_written(place)
    assert place.call(command, "study.toml").exit_code == 0


@pytest.mark.slow
def test_a_disk_that_fills_up_while_runs_are_at_work(place: Any, tmp_path: Path) -> None:
    """The worker reports it, the program says it in one message, and nothing done is lost."""
    assert place.call("prepare", "study.toml").exit_code == 0
    place.write("full/sitecustomize.py", FULL_IN_WORKERS)
    environment = {**os.environ, "PYTHONPATH": str(place.folder / "full")}
    ended = place.ran(*RUN, env=environment)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "the disk is full" in ended.stderr
    kept = place.finished()
    assert len(kept) == 3
    assert place.ran(*RUN).returncode == 0
    assert kept < place.finished()


FULL_IN_WORKERS = """\
import errno, os, sys

if "bytetransfer.runs.worker" in sys.orig_argv:
    real, results = os.replace, []

    def replace(old, new, *rest, **named):
        if str(new).endswith("result.json"):
            results.append(new)
            if len(results) > 3:
                raise OSError(errno.ENOSPC, "No space left on device", str(old))
        return real(old, new, *rest, **named)

    os.replace = replace
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", [".bytetransfer", "results", ".bytetransfer/corpora"])
def test_a_file_where_a_folder_should_be(place: Any, name: str) -> None:
    path = place.write(name, "a file")
    refused(place.call(*RUN), "a file stands where a folder", "move it away")
    assert path.read_text() == "a file"
    path.unlink()
    assert place.call(*RUN).exit_code == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written(place: Any) -> None:
    place.folder.chmod(0o555)
    try:
        refused(place.call(*RUN), "no permission")
    finally:
        place.folder.chmod(0o755)


@pytest.mark.slow
def test_two_runs_of_one_study_at_once(place: Any, waited: Callable[..., None]) -> None:
    place.change("seeds = 2", "seeds = 8")
    first = place.start(*RUN)
    waited(lambda: len(place.finished()) > 0)
    refused(place.call(*RUN), "tiny", "at work already", "wait for it")
    assert place.call("status", "study.toml").exit_code == 0
    first.communicate(timeout=60)
    assert first.returncode == 0
    assert place.call(*RUN).exit_code == 0


# ── a store with damaged files ───────────────────────────────────────────────────────────────────


def _runs(place: Any, kind: str) -> list[Path]:
    requests = sorted(place.folder.glob(".bytetransfer/runs/*/run.json"))
    return [p.parent for p in requests if f'"kind":"{kind}"' in p.read_text().replace(" ", "")]


def _cut(path: Path) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


def _put_right(message: str, place: Any) -> None:
    """Do what the message says: delete the file or the folder it names."""
    found = re.fullmatch(r"error: (\S+): .*; delete (this file|the folder|\S+);? .*", message)
    assert found, message
    where, what = place.folder / found[1], found[2]
    path = {"this file": where, "the folder": where if where.is_dir() else where.parent}.get(what)
    path = path or place.folder / what.rstrip(";")
    assert path.exists(), message
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


DAMAGE = {
    "result.json": lambda place: _cut(_runs(place, "scratch")[0] / "result.json"),
    "run.json": lambda place: _cut(_runs(place, "scratch")[0] / "run.json"),
    "state": lambda place: _cut(_runs(place, "pretrain")[0] / "state/ngram.npz"),
    "corpus text": lambda place: _cut(sorted(place.folder.rglob("train.bin"))[0]),
    "corpus card": lambda place: _cut(sorted(place.folder.rglob("corpus.json"))[0]),
    "corpus ends": lambda place: _cut(sorted(place.folder.rglob("test.ends.npy"))[0]),
}


def test_a_damaged_record_of_circumstances_stops_nothing(finished_place: Any) -> None:
    expected = finished_place.results()
    _cut(_runs(finished_place, "scratch")[0] / "environment.json")
    for command in (
        RUN,
        ("plan", "study.toml"),
        ("status", "study.toml"),
        ("report", "study.toml"),
    ):
        ended = finished_place.call(*command)
        assert ended.exit_code == 0, ended.output
    assert finished_place.results() == expected


def test_a_damaged_index_of_corpora_is_made_again(finished_place: Any) -> None:
    expected, times = finished_place.results(), finished_place.finish_times()
    for path in finished_place.folder.glob(".bytetransfer/corpora/index/*/*.json"):
        _cut(path)
    ended = finished_place.call(*RUN)
    assert ended.exit_code == 0, ended.output
    assert (finished_place.results(), finished_place.finish_times()) == (expected, times)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_store(finished_place: Any, damage: str) -> None:
    place = finished_place
    expected = place.results()
    path = DAMAGE[damage](place)
    place.change('["1kB", "3kB"]', '["1kB", "2kB", "3kB"]')  # something is left to do
    message = refused(place.call(*RUN), str(path.relative_to(place.folder)).split("/")[-2])
    _put_right(message, place)
    place.change('["1kB", "2kB", "3kB"]', '["1kB", "3kB"]')
    ended = place.call(*RUN)
    assert ended.exit_code == 0, ended.output
    assert place.results() == expected


def test_a_folder_that_was_removed_under_the_program(place: Any) -> None:
    gone = place.folder / "gone"
    gone.mkdir()
    script = 'cd gone; rmdir ../gone; exec "$@"'
    ended = subprocess.run(
        ["sh", "-c", script, "sh", sys.executable, "-m", "bytetransfer",
         "run", "--source", "en=en.txt", "--target", "fi=fi.txt"],
        cwd=place.folder, capture_output=True, text=True,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr == "error: the folder you are in was removed; go to another one\n"
