"""What is damaged or deleted in a study is noticed, named or made again; no figure changes."""

from __future__ import annotations

import json
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from bytetransfer.corpus.corpus import open_corpus
from bytetransfer.errors import StoreError
from bytetransfer.files.digests import unsealed
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.planning.plan import Plan
from bytetransfer.results.project import Project
from bytetransfer.runs import worker
from bytetransfer.runs.store import Store

STUDY = "study.toml"
TABLE = "results/tiny/measurements.csv"
FLIPS_OF_EACH = 4


def flipped(content: bytes, bit: int) -> bytes:
    damaged = bytearray(content)
    damaged[bit // 8] ^= 1 << bit % 8
    return bytes(damaged)


def states_read(place: Any, keys: list[str]) -> dict[str, str]:
    """What a worker gets of each pretrained state: the state's digest, or why it is refused."""
    store, found = Store(place.folder / ".bytetransfer"), {}
    for key in keys:
        try:
            state = worker._load_state(store, key)
            found[key] = str(hash(state.counts.windows.tobytes()))
        except StoreError as error:
            found[key] = f"error: {error}"
    return found


def runs_read(place: Any, keys: list[str]) -> list[str]:
    """What is wrong with the requests, and with the texts, before anything is trained on them."""
    store, errors = Store(place.folder / ".bytetransfer"), set()
    for key in keys:
        try:
            run = store.run(key)
            corpora = {run.held_out, *([run.sample.corpus] if run.sample else [])}
            for digest in corpora:
                open_corpus(store.corpus_folder(digest), verify=True)
        except StoreError as error:
            errors.add(f"error: {error}")
    return sorted(errors)


def kind_of(path: Path, folder: Path) -> str:
    """Files of one kind; the folder of a run or a corpus has a digest for its name."""
    return re.sub("[0-9a-f]{32}", "*", str(path.relative_to(folder)))


@pytest.mark.slow
def test_no_flipped_bit_changes_a_figure(finished_place: Any) -> None:
    """In every kind of file: what is printed stays the same, or one message names the file."""
    place, draw = finished_place, random.Random(0)
    place.call("analyse", STUDY)  # remembers distances
    store = Store(place.folder / ".bytetransfer")
    keys = store.requested()
    pretrained = [key for key in keys if store.run(key).kind == "pretrain"][:1]
    before = [place.call("estimate", what, "--json").stdout for what in (STUDY, TABLE)]
    right = [*before, states_read(place, pretrained), runs_read(place, keys)]
    kinds: dict[str, list[Path]] = {}
    for path in sorted(place.folder.rglob("*")):
        if path.is_file() and path.parent != place.folder and path.stat().st_size:
            kinds.setdefault(kind_of(path, place.folder), []).append(path)
    assert len(kinds) > 20, sorted(kinds)
    refused = set()
    for kind, paths in kinds.items():
        for _ in range(FLIPS_OF_EACH):
            path = draw.choice([p for p in paths if "state" not in kind or pretrained[0] in str(p)])
            whole = path.read_bytes()
            path.write_bytes(flipped(whole, draw.randrange(8 * len(whole))))
            answers = [place.call("estimate", what, "--json") for what in (TABLE, STUDY)][::-1]
            found = [a.stdout for a in answers]
            found += [states_read(place, pretrained), runs_read(place, keys)]
            for one, expected in zip(found, right, strict=True):
                words = str(one)
                if one != expected:
                    words = "".join([words, *(answer.stderr for answer in answers)])
                    assert "error: " in words, (path, words)
                    named = path.name in words or path.parent.name in words
                    assert named or path.name == "SHA256SUMS", (path, words)
                    refused.add(kind)
            path.write_bytes(whole)
    runs, corpora = ".bytetransfer/runs/*/", ".bytetransfer/corpora/*/"
    results = "results/tiny/"
    assert refused >= {
        f"{runs}result.json", f"{runs}state/ngram.npz", f"{corpora}corpus.json",
        f"{corpora}train.bin", f"{corpora}test.bin", f"{corpora}validation.bin",
        f"{results}measurements.csv", f"{results}blocks.parquet",
    }  # fmt: skip


def test_no_analysis_reads_text_that_has_changed(finished_place: Any) -> None:
    place = finished_place
    shutil.rmtree(place.folder / ".bytetransfer/remembered")
    assert place.call("analyse", STUDY).exit_code == 0
    shutil.rmtree(place.folder / ".bytetransfer/remembered")
    paths = sorted(place.folder.glob(".bytetransfer/corpora/*/train.bin"))
    for path in paths:
        path.write_bytes(flipped(path.read_bytes(), 80))
    refused = place.call("analyse", STUDY)
    assert refused.exit_code == 2
    assert any(path.parent.name in refused.stderr for path in paths)


def test_a_study_of_an_earlier_version_stays_usable_and_is_said_to_be_unverified(
    finished_place: Any,
) -> None:
    place = finished_place
    table = place.results()
    for path in place.folder.glob(".bytetransfer/**/*.json"):
        content = json.loads(unsealed(path.read_bytes())[0])
        if path.name == "result.json":
            content.pop("state", None)
        path.write_text(json.dumps(content, sort_keys=True, separators=(",", ":")))
    (place.folder / "results/tiny/SHA256SUMS").unlink()
    times = place.finish_times()
    ended = place.call("run", STUDY, "--workers", "1")
    assert ended.exit_code == 0
    assert (place.results(), place.finish_times()) == (table, times)
    for command in (("run", STUDY), ("estimate", STUDY), ("status", STUDY)):
        assert "results are of an earlier version and have no digest" in place.call(*command).output
    victim = next(iter(times))
    (place.folder / ".bytetransfer/runs" / victim / "result.json").unlink()
    assert place.call("run", STUDY, "--workers", "1").exit_code == 0
    assert place.results() == table
    status = json.loads(place.call("status", STUDY, "--json").stdout)
    assert (status["done"], status["unverified"]) == (status["total"], status["total"] - 1)


@pytest.mark.slow
def test_runs_deleted_while_the_study_runs_are_done_again(
    place: Any, finished_place: Any, waited: Any
) -> None:
    shutil.rmtree(place.folder / ".bytetransfer", ignore_errors=True)
    shutil.rmtree(place.folder / "results", ignore_errors=True)
    process = place.start("run", STUDY, "--workers", "1")
    deleted: set[str] = set()

    def delete_one() -> bool:
        for key in sorted(place.finished() - deleted):
            shutil.rmtree(place.folder / ".bytetransfer/runs" / key, ignore_errors=True)
            deleted.add(key)
            return len(deleted) >= 4
        return process.poll() is not None

    waited(delete_one, 120)
    _, stderr = process.communicate(timeout=200)
    assert process.returncode == 0, stderr
    assert "Traceback" not in stderr
    assert len(deleted) == 4
    assert "it is done again" in stderr
    assert len(place.results()["measurements.csv"].splitlines()) == 1 + 16
    status = json.loads(place.call("status", STUDY, "--json").stdout)
    assert status["done"] == status["total"]


def test_what_is_deleted_at_the_very_end_is_said(
    finished_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Project.measurements

    def deleting(project: Project, plan: Plan) -> Measurements:
        for cell in plan.cells[:2]:
            (project.store.run_folder(cell.key) / "result.json").unlink()
        return read(project, plan)

    monkeypatch.setattr(Project, "measurements", deleting)
    ended = finished_place.call("run", STUDY, "--workers", "1")
    assert ended.exit_code == 1
    assert "2 runs were done and deleted while the study ran" in ended.stderr
    assert "en → 1 kB of fi" in ended.stderr


def test_a_corpus_that_was_deleted_is_prepared_again(finished_place: Any) -> None:
    place = finished_place
    table, corpora = place.results(), place.corpora()
    for digest in corpora:
        shutil.rmtree(place.folder / ".bytetransfer/corpora" / digest)
    refused = place.call("estimate", STUDY)
    assert refused.exit_code == 2
    assert "its prepared text was deleted" in refused.stderr
    next(place.folder.glob(".bytetransfer/runs/*/result.json")).unlink()
    assert place.call("run", STUDY, "--workers", "1").exit_code == 0
    assert (place.results(), place.corpora()) == (table, corpora)


def test_what_killed_processes_left_is_gone_after_the_next_run(finished_place: Any) -> None:
    place = finished_place
    before = {p for p in place.folder.rglob("*") if "locks" not in p.parts}
    run = next(place.folder.glob(".bytetransfer/runs/*/state")).parent
    for name in ("failure.txt", "work/rate-0/checkpoint.safetensors", "state/.ngram.npz.1.tmp"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("x")
    for name in (
        ".bytetransfer/corpora/.preparing-0.0a.partial/train.bin",
        ".bytetransfer/corpora/preparing-0/corpus.json",
        ".bytetransfer/corpora/index/.0.json.1.tmp",
        ".bytetransfer/runs/0/.run.json.1-0a.tmp",
        ".bytetransfer/remembered/.0.json.1.tmp",
        "results/tiny/.report.html.1.tmp",
    ):
        (place.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (place.folder / name).write_text("x")
    assert place.call("run", STUDY, "--workers", "1").exit_code == 0
    left = {p for p in place.folder.rglob("*") if "locks" not in p.parts} - before
    assert {path.name for path in left} == {"0"}, "a folder of a run is never deleted"


@pytest.mark.parametrize("name", ["study-file.txt", "laws.csv", "estimates.csv", "SHA256SUMS"])
def test_a_folder_where_a_result_goes_is_named(finished_place: Any, name: str) -> None:
    path = finished_place.folder / "results/tiny" / name
    path.unlink(missing_ok=True)
    path.mkdir()
    refused = finished_place.call("estimate", STUDY)
    assert refused.exit_code == 2
    assert name in refused.stderr
    assert "a folder stands where a file is needed" in refused.stderr


def test_an_owner_that_is_no_text_is_named(finished_place: Any) -> None:
    (finished_place.folder / "results/tiny/study-file.txt").write_bytes(b"\xff\x1b[2J")
    refused = finished_place.call("estimate", STUDY)
    assert refused.exit_code == 2
    assert "study-file.txt" in refused.stderr
    assert "delete it" in refused.stderr
    assert "\x1b" not in refused.stderr


def test_what_only_reads_a_study_leaves_its_folder_of_results_alone(finished_place: Any) -> None:
    owner = finished_place.folder / "results/tiny/study-file.txt"
    owner.write_text("another.toml\n")  # results of its own, which are not these
    before = sorted(owner.parent.iterdir())
    assert finished_place.call("analyse", STUDY).exit_code == 0
    assert finished_place.call("report", STUDY, "--out", "page.html").exit_code == 0
    assert owner.read_text() == "another.toml\n"
    assert sorted(owner.parent.iterdir()) == before
    refused = finished_place.call("report", STUDY)
    assert refused.exit_code == 2
    assert "its folder holds the results of another.toml" in refused.stderr
