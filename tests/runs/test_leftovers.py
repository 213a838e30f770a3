import fcntl

import pytest

from bytetransfer.corpus.folder import written_folder
from bytetransfer.runs.leftovers import sweep_preparations, sweep_runs


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def run(make, store):
    run = make.run()
    make.finish(store, run)
    return run


def test_what_a_try_left_of_a_finished_run_goes(store, run):
    folder = store.run_folder(run.key)
    clean = names(folder)
    (folder / "work" / "rate-0").mkdir(parents=True)
    for name in ("work/rate-0/x", "failure.txt", "progress.json", ".result.json.1.tmp"):
        (folder / name).write_text("x")
    sweep_runs(store)
    assert names(folder) == clean


def test_of_an_unfinished_run_checkpoints_stay(make, store):
    run = make.run()
    store.request(run)
    folder = store.run_folder(run.key)
    for name in ("work/rate-0/checkpoint", "state/x", "failure.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")
    kept = names(folder)
    for name in (".run.json.1.tmp", "work/.a.2.tmp", "work/rate-0/.b.3.tmp", "state/.c.4-a.tmp"):
        (folder / name).write_text("x")
    sweep_runs(store)
    assert names(folder) == kept


def test_what_a_living_process_uses_stays(store, run):
    folder = store.run_folder(run.key)
    (folder / "work").mkdir()
    written = folder / ".result.json.1.tmp"
    with store.lock(f"run-{run.key}", wait=False), written.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        sweep_runs(store)
        assert (folder / "work").exists()
        assert written.exists()
    sweep_runs(store)
    assert not (folder / "work").exists()
    assert not written.exists()


def test_a_store_without_runs_is_swept_too(store):
    sweep_runs(store)
    sweep_preparations(store)
    assert not store.root.exists()


def test_a_preparation_of_any_key_is_swept(store):
    corpora = store.root / "corpora"
    for name in (
        "preparing-a/corpus.json",
        ".preparing-b.0a.partial/.being-written",
        ".preparing-b.0a.partial/train.bin",
        ".preparing-c.0a.partial/train.bin",  # killed while it was swept: the marker went first
        ".preparing-d.0a.replaced/train.bin",
        "index/.x.json.1.tmp",
        "../remembered/.x.json.1.tmp",
        "digest/corpus.json",
    ):
        (corpora / name).parent.mkdir(parents=True, exist_ok=True)
        (corpora / name).write_text("x")
    (corpora / ".preparing-e.0a.partial").mkdir()  # killed before there was a marker
    with written_folder(corpora / "preparing-f") as temporary:
        kept = [temporary.name, "digest", "index"]
        sweep_preparations(store)
        assert sorted(path.name for path in corpora.iterdir()) == sorted(kept)
        assert names(store.root / "remembered") == names(corpora / "index") == []
