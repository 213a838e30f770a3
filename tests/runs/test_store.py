import errno
import functools
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import msgspec
import pytest

from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.inputs import FileState, Origin
from bytetransfer.corpus.prepare import prepare
from bytetransfer.errors import StoreError
from bytetransfer.identity import canonical_json
from bytetransfer.runs.store import RunProgress, Store

FILE = FileState(
    path="en.txt", name="en.txt", size=400, modified=1, changed=2, inode=3, content="c"
)
ORIGIN = Origin(key="origin", asked="asked", corpus="en", files=(FILE,))


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refuse(number: int):
    def refusing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refusing


# ── runs ─────────────────────────────────────────────────────────────────────────────────────


def test_a_run_and_its_result_come_back(make, store):
    run = make.run()
    assert (store.result(run.key), store.is_done(run.key), store.requested()) == (None, False, [])
    assert store.ending(run.key) is None
    store.request(run)
    assert (store.run(run.key), store.requested()) == (run, [run.key])
    assert not store.is_done(run.key)
    store.finish(make.result(run), make.environment)
    assert store.is_done(run.key)
    assert store.result(run.key) == make.result(run)
    assert store.ending(run.key).training == make.result(run).training
    assert store.environment(run.key) == make.environment


def test_a_request_is_written_once(make, store):
    run = make.run()
    store.request(run)
    before = (store.run_folder(run.key) / "run.json").stat().st_mtime_ns
    store.request(run)
    assert (store.run_folder(run.key) / "run.json").stat().st_mtime_ns == before


def test_finishing_clears_what_only_a_try_needs(make, store):
    run = make.run()
    store.request(run)
    store.fail(run.key, "out of luck")
    store.work_folder(run.key).mkdir()
    (store.work_folder(run.key) / "checkpoint").write_text("")
    store.show_progress(run.key, progress())
    torn = store.run_folder(run.key) / ".environment.json.1.tmp"  # killed in the middle of a write
    torn.write_text("{")
    assert store.failure(run.key) == "out of luck"
    store.finish(make.result(run), make.environment)
    assert sorted(files(store.run_folder(run.key))) == [
        "environment.json",
        "result.json",
        "run.json",
    ]
    assert (store.failure(run.key), store.progress(run.key)) == (None, None)
    environment = store.environment(run.key)
    assert environment is not None
    assert environment.retried  # the failure is gone, that there was one is not


def progress() -> RunProgress:
    return RunProgress(
        bytes_seen=10, expected_bytes=100, bits_per_byte=None, started=1.0, updated=2.0
    )


def test_the_result_is_written_last(make, store, monkeypatch):
    run = make.run()
    store.request(run)
    written = []
    rename = Path.replace
    monkeypatch.setattr(
        Path, "replace", lambda path, to: (written.append(Path(to).name), rename(path, to))[1]
    )
    store.finish(make.result(run), make.environment)
    assert written == ["environment.json", "result.json"]


@pytest.mark.parametrize(
    ("number", "message"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")],
)
def test_a_disk_that_takes_nothing_leaves_nothing_half_written(
    make, store, monkeypatch, number, message
):
    run = make.run()
    store.request(run)
    before = files(store.root)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", refuse(number))
        for write in (
            lambda: store.finish(make.result(run), make.environment),
            lambda: store.request(make.run(seed=1)),
            lambda: store.fail(run.key, "why"),
            lambda: store.show_progress(run.key, progress()),
        ):
            with pytest.raises(StoreError, match=message) as caught:
                write()
            assert str(store.root) in caught.value.where
    assert files(store.root) == before
    assert not store.is_done(run.key)
    assert store.requested() == [run.key]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_store_is_named(make, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="no permission"):
        Store(tmp_path / "store").request(make.run())


DAMAGED = [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"key": 5}', b'{"learner": "ngram"}']


@pytest.mark.parametrize("content", DAMAGED)
@pytest.mark.parametrize("name", ["result.json", "run.json"])
def test_a_damaged_file_is_named_with_what_to_do(make, store, name, content):
    run = make.run()
    make.finish(store, run)
    path = store.run_folder(run.key) / name
    path.write_bytes(content)
    read = {"result.json": store.result, "run.json": store.run}[name]
    with pytest.raises(StoreError, match=r"the file is damaged .*; delete") as caught:
        read(run.key)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("content", DAMAGED)
def test_what_is_for_the_record_only_stops_nothing(make, store, content):
    run = make.run()
    make.finish(store, run)
    store.show_progress(run.key, progress())
    for name in ("progress.json", "environment.json"):
        (store.run_folder(run.key) / name).write_bytes(content)
    assert (store.progress(run.key), store.environment(run.key)) == (None, None)


def test_a_truncated_result_is_damaged(make, store):
    run = make.run()
    make.finish(store, run)
    path = store.run_folder(run.key) / "result.json"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="the file is damaged"):
            store.result(run.key)


def test_settings_without_meaning_are_damage_too(make, store):
    run = make.run()
    store.request(run)
    path = store.run_folder(run.key) / "run.json"
    path.write_text(path.read_text().replace('"order":7', '"order":99'))
    with pytest.raises(StoreError, match="is no order of the n-gram learner") as caught:
        store.run(run.key)
    assert caught.value.where == str(path)


def test_a_file_of_another_run_is_refused(make, store):
    one, other = make.run(), make.run(seed=1)
    for run in (one, other):
        make.finish(store, run)
    for name in ("run.json", "result.json"):
        content = (store.run_folder(other.key) / name).read_bytes()
        (store.run_folder(one.key) / name).write_bytes(content)
    with pytest.raises(StoreError, match="not the request of this run"):
        store.run(one.key)
    with pytest.raises(StoreError, match="the result of another run"):
        store.result(one.key)
    with pytest.raises(StoreError, match="no request of this run"):
        store.run("0" * 32)


def test_a_folder_in_place_of_a_file_is_named(make, store):
    (store.run_folder(make.run().key) / "result.json").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"result\.json: a folder stands where a file is needed"):
        store.result(make.run().key)


def test_a_failure_is_read_whatever_bytes_it_holds(make, store):
    store.fail("key", "x")
    (store.run_folder("key") / "failure.txt").write_bytes(b"\xff why")
    assert (store.failure("key") or "").endswith(" why")


def outcome(read, key, path):
    """What reading gives; the error's advice where it is refused."""
    try:
        return read(key)
    except StoreError as error:
        return error.todo if error.where == str(path) else f"not named: {error}"


@pytest.mark.parametrize(
    ("name", "read", "refused"),
    [
        ("result.json", Store.result, "delete this file; the run is then done again, to the same"),
        ("result.json", Store.ending, "delete this file; the run is then done again, to the same"),
        ("environment.json", Store.environment, "None"),
    ],
)
def test_no_flipped_bit_of_a_result_or_its_circumstances_passes(make, store, name, read, refused):
    run = make.run()
    make.finish(store, run)
    path = store.run_folder(run.key) / name
    whole, right = path.read_bytes(), read(store, run.key)
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        found = outcome(functools.partial(read, store), run.key, path)
        assert found == right or str(found).startswith(refused), (bit, bytes(damaged))


def test_a_result_of_an_earlier_version_is_read_and_said_to_have_no_digest(make, store):
    run = make.run()
    make.finish(store, run)
    path = store.run_folder(run.key) / "result.json"
    assert store.has_digest(run.key)
    path.write_text(canonical_json(make.result(run)))
    assert not store.has_digest(run.key)
    assert store.result(run.key) == make.result(run)
    assert store.ending(run.key).training == make.result(run).training
    path.write_text(canonical_json(make.result(run))[:-1] + ',"sha256":"0"}')  # a torn digest
    for read in (store.result, store.ending):
        with pytest.raises(StoreError, match="the file is damaged"):
            read(run.key)
    path.unlink()
    assert not store.has_digest(run.key)


def test_a_link_that_leads_to_itself_is_named(make, store):
    run = make.run()
    make.finish(store, run)
    path = store.run_folder(run.key) / "result.json"
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(StoreError, match=r"result\.json: a link that leads back to itself; delete"):
        store.result(run.key)


# ── corpora ──────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(store):
    folder = store.new_corpus_folder("origin")
    documents = [b"%05d is the number of this document" % number for number in range(400)]
    prepare([documents], folder, splits=Splits(validation_share=0.2, test_share=0.2))
    return folder


def test_a_prepared_corpus_is_found_by_its_origin_and_by_its_digest(store, folder):
    assert store.known_corpora("asked") == []
    corpus = store.adopt_corpus(folder, ORIGIN)
    assert not folder.exists()
    assert corpus.folder == store.corpus_folder(corpus.card.digest)
    (known,) = store.known_corpora("asked")
    assert known.origin == ORIGIN
    for found in (store.known_corpus(known), store.corpus(corpus.card.digest)):
        assert found is not None
        assert found.card == corpus.card
    assert store.known_corpora("other") == []


def test_two_origins_of_one_text_share_it(store, folder):
    first = store.adopt_corpus(folder, ORIGIN)
    again = store.new_corpus_folder("again")
    text = [[*first.train, *first.validation, *first.test, b""]]
    prepare(text, again, splits=first.card.splits, language="en")
    other = store.adopt_corpus(again, Origin(key="again", asked="asked", corpus="en"))
    assert other.folder == first.folder
    assert not again.exists()
    # what is not in the digest of the text is not kept under it
    for corpus, language, empty in ((first, None, 0), (other, "en", 1)):
        assert (corpus.card.language, corpus.card.empty_dropped) == (language, empty)
    cards = {known.origin.key: store.known_corpus(known) for known in store.known_corpora("asked")}
    assert {key: found and found.card for key, found in cards.items()} == {
        "origin": first.card,
        "again": other.card,
    }


def test_the_last_origin_of_a_name_is_remembered(store, folder):
    assert store.last_origin("en") is None
    store.adopt_corpus(folder, ORIGIN)
    assert store.last_origin("en") == ORIGIN
    assert store.last_origin("fi") is None
    (store.root / "corpora" / "index" / "asked" / "zz.json").write_text("{")
    assert store.last_origin("en") == ORIGIN


def test_a_deleted_corpus_is_not_known_any_more(store, folder):
    corpus = store.adopt_corpus(folder, ORIGIN)
    (known,) = store.known_corpora("asked")
    (corpus.folder / "corpus.json").unlink()
    assert store.known_corpus(known) is None


def test_a_damaged_corpus_is_refused_not_forgotten(store, folder):
    corpus = store.adopt_corpus(folder, ORIGIN)
    (known,) = store.known_corpora("asked")
    (corpus.folder / "train.bin").write_bytes(b"x")
    with pytest.raises(StoreError, match=r"train\.bin.*prepare the corpus again"):
        store.known_corpus(known)


@pytest.mark.parametrize(
    ("old", "new"),
    [(None, b""), (None, b"{"), (None, b"\xff"), (None, b"[]"), (None, b"null"),
     (b'"language":null', b'"language":"fi"'), (b'"en.txt"', b'"no.txt"')],
)  # fmt: skip
def test_a_damaged_entry_of_the_index_is_no_entry(store, folder, old, new):
    store.adopt_corpus(folder, ORIGIN)
    path = store.root / "corpora" / "index" / "asked" / "origin.json"
    content = path.read_bytes()
    path.write_bytes(content.replace(old, new) if old else new)
    assert path.read_bytes() != content
    assert store.known_corpora("asked") == []
    assert store.last_origin("en") is None


def test_an_entry_for_other_text_is_not_believed(store, folder):
    corpus = store.adopt_corpus(folder, ORIGIN)
    (known,) = store.known_corpora("asked")
    train = msgspec.structs.replace(corpus.card.train, bytes=corpus.card.train.bytes - 1)
    card = msgspec.structs.replace(corpus.card, train=train)
    assert store.known_corpus(msgspec.structs.replace(known, card=card)) is None


def test_a_corpus_deleted_in_part_is_replaced_by_a_new_one(store, folder):
    first = store.adopt_corpus(folder, ORIGIN)
    content = [*first.train, *first.validation, *first.test]
    (first.folder / "corpus.json").unlink()
    again = store.new_corpus_folder("origin")
    prepare([content], again, splits=first.card.splits)
    assert store.adopt_corpus(again, ORIGIN).card == first.card
    assert sorted(p.name for p in (store.root / "corpora").iterdir()) == sorted(
        ["index", first.card.digest]
    )


def test_what_an_earlier_try_left_is_cleared(store):
    left = store.new_corpus_folder("origin")
    left.mkdir()
    assert store.new_corpus_folder("origin") == left
    assert not left.exists()


# ── locks ────────────────────────────────────────────────────────────────────────────────────


def test_a_second_holder_is_refused_and_told_why(store):
    with store.lock("study-x", wait=False):
        with (
            pytest.raises(StoreError, match="x is at work; wait for it to end or stop it"),
            store.lock("study-x", wait=False, busy="x is at work"),
        ):
            pytest.fail("the lock was given twice")
        with store.lock("study-y", wait=False):
            pass
    with store.lock("study-x", wait=False):
        pass


def test_whether_a_lock_is_held_can_be_seen_without_a_trace(store):
    assert not store.is_locked("x")
    assert not store.root.exists()
    with store.lock("x", wait=False):
        assert store.is_locked("x")
        assert not store.is_locked("y")
    assert not store.is_locked("x")
    with store.lock("x", wait=False):
        pass  # looking has not kept it


def test_a_lock_is_freed_when_what_it_guards_fails(store):
    with pytest.raises(ZeroDivisionError), store.lock("x", wait=False):
        raise ZeroDivisionError
    with store.lock("x", wait=False):
        pass


def test_a_lock_dies_with_the_process_that_holds_it(store):
    code = """
        import sys, time
        from pathlib import Path
        from bytetransfer.runs.store import Store
        with Store(Path(sys.argv[1])).lock("x", wait=False):
            print("held", flush=True)
            time.sleep(60)
    """
    holder = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(store.root)], stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(StoreError, match="in use"), store.lock("x", wait=False):
            pytest.fail("the lock was given twice")
        holder.kill()
    started = time.monotonic()
    with store.lock("x", wait=True):
        assert time.monotonic() - started < 5


def test_a_lock_on_a_disk_that_takes_nothing_is_refused(store, monkeypatch):
    monkeypatch.setattr(Path, "mkdir", refuse(errno.EROFS))
    with pytest.raises(StoreError, match="read-only"), store.lock("x", wait=True):
        pytest.fail("there is no lock")


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ESTALE])
@pytest.mark.parametrize("wait", [True, False])
def test_a_disk_that_knows_no_locks_is_refused(store, monkeypatch, wait, number):
    """To go on without one might spoil a run that two processes do."""
    monkeypatch.setattr("fcntl.flock", refuse(number))
    with (
        pytest.raises(StoreError, match=r"cannot lock files.*--store") as refused,
        store.lock("x", wait=wait),
    ):
        pytest.fail("there is no lock")
    assert refused.value.where == str(store.root)


def test_a_store_where_no_folder_can_be_made_is_refused():
    if not Path("/proc/self").exists():
        pytest.skip("no file system that takes no folders")
    with (
        pytest.raises(StoreError, match=r"none can be made.*--store") as refused,
        Store(Path("/proc/x")).lock("x", wait=True),
    ):
        pytest.fail("there is no lock")
    assert refused.value.where == "/proc/x"


# ── folders of others ────────────────────────────────────────────────────────────────────────────


def test_a_closed_folder_is_named_and_does_not_count_as_empty(make, store, folder, monkeypatch):
    run = make.run()
    make.finish(store, run)
    store.adopt_corpus(folder, ORIGIN)
    (known,) = store.known_corpora("asked")
    for name in ("exists", "iterdir"):
        monkeypatch.setattr(Path, name, refuse(errno.EACCES))
    for ask in (
        lambda: store.is_done(run.key),
        lambda: store.known_corpora("asked"),
        lambda: store.known_corpus(known),
        lambda: store.last_origin("en"),
    ):
        with pytest.raises(StoreError, match="no permission; change its permissions"):
            ask()
