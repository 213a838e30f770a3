"""The only module that knows how corpora and runs lie on disk.

<root>/corpora/<digest>/             a prepared corpus
<root>/corpora/index/<digest>.json   which input gave which corpus, so that it is not read again
<root>/runs/<key>/                   one folder a run:
    run.json                         the request
    result.json                      written last, by rename: its presence alone means done
    progress.json                    a sign of life while it runs
    failure.txt                      why the last try ended
    environment.json                 when, where and how long: never part of a result
    state/                           the learner's state, kept where other runs start from it
    work/                            checkpoints, gone when the run is done
<root>/remembered/<digest>.json      what took long to make and depends on nothing but its key
<root>/locks/                        one file a lock; the system frees it when its holder dies
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec

from bytetransfer.corpus.corpus import Corpus, open_corpus
from bytetransfer.disk import disk_errors, write_atomic
from bytetransfer.errors import StoreError, UserError
from bytetransfer.identity import canonical_json, digest
from bytetransfer.locks import hold
from bytetransfer.run import Ending, Result, Run

T = TypeVar("T")
Read = TypeVar("Read", Result, Ending)


class RunProgress(msgspec.Struct, frozen=True, kw_only=True):
    """A run's last sign of life.

    Attributes:
        bytes_seen: bytes trained on so far.
        expected_bytes: the most it may come to.
        bits_per_byte: the latest loss, None before the first.
        started: seconds since 1970 when this try began.
        updated: seconds since 1970 of this sign of life.
        resumed_bytes: bytes already seen when this try began.
    """

    bytes_seen: int
    expected_bytes: int
    bits_per_byte: float | None
    started: float
    updated: float
    resumed_bytes: int = 0


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """Under what circumstances a run was done; for the record, never part of a result.

    `retried` says that an earlier try had failed; `Store.finish` knows.
    """

    seconds: float
    finished: str
    machine: str
    versions: dict[str, str]
    retried: bool = False


class Origin(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a corpus is prepared from.

    Attributes:
        key: digest of all that decides the result: the key of the cache of inputs.
        corpus: what a study calls it.
        files: size and time of change, in nanoseconds, of each local file, by path.
    """

    key: str
    corpus: str
    files: dict[str, tuple[int, int]] = {}


class KnownCorpus(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An origin and the corpus that came of it.

    Attributes:
        digest: of the corpus.
        origin: what it was prepared from.
    """

    digest: str
    origin: Origin


class Store:
    """Corpora, runs and results under one folder.

    Args:
        root: the folder; made when something is first written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    # ── runs ─────────────────────────────────────────────────────────────────────────────────

    def run_folder(self, key: str) -> Path:
        """Where the run `key` lies."""
        return self.root / "runs" / key

    def work_folder(self, key: str) -> Path:
        """Where the run `key` keeps its checkpoints."""
        return self.run_folder(key) / "work"

    def state_folder(self, key: str) -> Path:
        """Where the state of the run `key` lies once it is done."""
        return self.run_folder(key) / "state"

    def request(self, run: Run) -> None:
        """Write the run's request, once."""
        path = self.run_folder(run.key) / "run.json"
        if not path.exists():
            write_atomic(path, canonical_json(run))

    def run(self, key: str) -> Run:
        """The request of `key`.

        Raises:
            StoreError: if it is missing, damaged, or not the request its folder is named after.
        """
        path = self.run_folder(key) / "run.json"
        run = _read(path, Run, todo="delete the folder; the run is then requested again")
        if run is None or run.key != key:
            raise StoreError(
                "no request of this run" if run is None else "not the request of this run",
                where=str(path),
                todo="delete the folder; the run is then requested again",
            )
        return run

    def requested(self) -> list[str]:
        """Keys of all runs ever requested here, sorted."""
        return sorted(path.parent.name for path in self.root.glob("runs/*/run.json"))

    def is_done(self, key: str) -> bool:
        """Whether the run has a result."""
        return (self.run_folder(key) / "result.json").exists()

    def result(self, key: str) -> Result | None:
        """The result of `key`, None if there is none yet.

        Raises:
            StoreError: if the file is damaged.
        """
        return self._result(key, Result)

    def ending(self, key: str) -> Ending | None:
        """How the run ended, None if it has not; a fifth of the work of reading its result.

        Raises:
            StoreError: if the file is damaged.
        """
        return self._result(key, Ending)

    def _result(self, key: str, kind: type[Read]) -> Read | None:
        path = self.run_folder(key) / "result.json"
        todo = "delete this file; the run is then done again, to the same numbers"
        result = _read(path, kind, todo=todo)
        if result is not None and result.key != key:
            raise StoreError("the result of another run", where=str(path), todo=todo)
        return result

    def finish(self, result: Result, environment: Environment) -> None:
        """Make `result` the run's result: the last write, after which the run is done."""
        folder = self.run_folder(result.key)
        retried = self.failure(result.key) is not None
        environment = msgspec.structs.replace(environment, retried=retried)
        write_atomic(folder / "environment.json", msgspec.json.encode(environment))
        write_atomic(folder / "result.json", canonical_json(result))
        shutil.rmtree(folder / "work", ignore_errors=True)
        with disk_errors(folder):
            # what earlier tries left, killed in the middle of a write, goes with them
            leftovers = (folder / "failure.txt", folder / "progress.json", *folder.glob(".*.tmp"))
            for leftover in leftovers:
                leftover.unlink(missing_ok=True)

    def environment(self, key: str) -> Environment | None:
        """The circumstances the run was done in, None if unknown or damaged."""
        path = self.run_folder(key) / "environment.json"
        return _read_if_sound(path, Environment)

    def fail(self, key: str, reason: str) -> None:
        """Leave word of why this try of the run ended."""
        write_atomic(self.run_folder(key) / "failure.txt", reason)

    def failure(self, key: str) -> str | None:
        """Why the last try of the run ended, None if it did not fail."""
        path = self.run_folder(key) / "failure.txt"
        with disk_errors(path):
            return path.read_text(encoding="utf-8", errors="replace") if path.exists() else None

    def failed_at(self, key: str) -> int | None:
        """When the last try of the run failed, in nanoseconds since 1970; None if it did not."""
        path = self.run_folder(key) / "failure.txt"
        with disk_errors(path):
            return path.stat().st_mtime_ns if path.exists() else None

    def show_progress(self, key: str, progress: RunProgress) -> None:
        """Leave a sign of life."""
        write_atomic(self.run_folder(key) / "progress.json", msgspec.json.encode(progress))

    def progress(self, key: str) -> RunProgress | None:
        """The run's last sign of life, None if there is none or it is damaged."""
        path = self.run_folder(key) / "progress.json"
        return _read_if_sound(path, RunProgress)

    # ── corpora ──────────────────────────────────────────────────────────────────────────────

    def corpus_folder(self, digest: str) -> Path:
        """Where the corpus `digest` lies."""
        return self.root / "corpora" / digest

    def corpus(self, digest: str) -> Corpus:
        """Open a prepared corpus."""
        return open_corpus(self.corpus_folder(digest))

    def verify_corpora(self, runs: Iterable[Run]) -> None:
        """Read every corpus that a run without a result needs, and compare it with its digest.

        Raises:
            StoreError: if one is missing or its content has changed since it was prepared.
        """
        needed: set[str] = set()
        for run in runs:
            if not self.is_done(run.key):
                sample = run.sample
                parts = (sample.corpus, sample.content_of) if sample else ()
                needed |= {run.held_out, *(part for part in parts if part is not None)}
        for found in sorted(needed):
            open_corpus(self.corpus_folder(found), verify=True)

    def new_corpus_folder(self, label: str) -> Path:
        """A place to prepare a corpus in, before its digest is known."""
        folder = self.root / "corpora" / f"preparing-{label}"
        with disk_errors(folder):
            shutil.rmtree(folder, ignore_errors=True)
            folder.parent.mkdir(parents=True, exist_ok=True)
        return folder

    def adopt_corpus(self, folder: Path, origin: Origin) -> Corpus:
        """Move a corpus prepared in `folder` to its digest, and remember what it came from."""
        corpus = open_corpus(folder)
        final = self.corpus_folder(corpus.card.digest)
        with disk_errors(final):
            if final.exists():
                shutil.rmtree(folder)
            else:
                folder.replace(final)
        known = KnownCorpus(digest=corpus.card.digest, origin=origin)
        write_atomic(self._index(origin.key), msgspec.json.encode(known))
        return open_corpus(final)

    def known_corpus(self, key: str) -> Corpus | None:
        """The corpus prepared from the origin with that key, None if it has to be prepared."""
        known = self._known(self._index(key))
        if known is None or not (self.corpus_folder(known.digest) / "corpus.json").exists():
            return None
        return self.corpus(known.digest)

    def last_origin(self, corpus: str) -> Origin | None:
        """What the corpus of that name was prepared from when it last was."""
        latest, found = -1, None
        for path in self.root.glob("corpora/index/*.json"):
            known, changed = _read_if_sound(path, KnownCorpus), path.stat().st_mtime_ns
            if known is not None and known.origin.corpus == corpus and changed > latest:
                latest, found = changed, known.origin
        return found

    def _known(self, path: Path) -> KnownCorpus | None:
        return _read(path, KnownCorpus, todo="delete this file; the corpus is then prepared again")

    def _index(self, key: str) -> Path:
        return self.root / "corpora" / "index" / f"{key}.json"

    # ── what takes long and depends on nothing but a key ─────────────────────────────────────────

    def remembered(self, key: object, make: Callable[[], object]) -> object:
        """The plain value made for `key` before, or made now and kept.

        Args:
            key: everything the value depends on, as plain values.
            make: makes it; plain values that JSON can hold.
        """
        path = self.root / "remembered" / f"{digest(key)}.json"
        kept = _read_if_sound(path, object)
        if kept is not None:
            return kept
        with self.lock("remembered", wait=True):
            kept = msgspec.json.decode(msgspec.json.encode(make()))  # as it will be read next time
            write_atomic(path, msgspec.json.encode(kept))
            with disk_errors(path):  # what a killed process left of it; no other writes now
                for leftover in path.parent.glob(f".{path.name}.*.tmp"):
                    leftover.unlink(missing_ok=True)
        return kept

    # ── locks ────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def lock(self, name: str, *, wait: bool, busy: str = "") -> Iterator[None]:
        """Hold a lock by name; it is freed when its holder dies, however it dies.

        Args:
            name: what is locked.
            wait: wait for another holder to finish, or refuse at once.
            busy: what to say when refusing.

        Raises:
            StoreError: if another process holds it and `wait` is False, or the disk knows no locks.
        """
        path = self.root / "locks" / f"{name}.lock"
        with disk_errors(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except FileNotFoundError:  # a file system that takes no folders, such as /proc
                what = "there is no such folder, and none can be made"
                todo = "choose another one with --store"
                raise StoreError(what, where=str(self.root), todo=todo) from None
            file = path.open("w")
        with file:
            busy = busy or f"{name} is in use by another process"
            local = "choose a folder on a local disk with --store"
            hold(file, self.root, wait=wait, busy=busy, local=local)
            yield


def _read(path: Path, kind: type[T], *, todo: str) -> T | None:
    try:
        with disk_errors(path):
            return msgspec.json.decode(path.read_bytes(), type=kind)
    except FileNotFoundError:
        return None
    except StoreError:
        raise
    # UserError: settings check themselves
    except (msgspec.DecodeError, UnicodeDecodeError, UserError) as error:
        raise StoreError(f"the file is damaged ({error})", where=str(path), todo=todo) from None


def _read_if_sound(path: Path, kind: type[T]) -> T | None:
    """What is for the record or for display only, and not worth stopping for where damaged."""
    try:
        return _read(path, kind, todo="")
    except StoreError:
        return None
