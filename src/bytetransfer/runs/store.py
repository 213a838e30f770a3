"""The only module that knows how corpora and runs lie on disk.

<root>/corpora/<digest>/             a prepared corpus
<root>/corpora/index/<asked>/<key>.json   which input gave which corpus: it is not read again
<root>/runs/<key>/                   one folder a run:
    run.json                         the request
    result.json                      written last, by rename: its presence alone means done; ends in
                                     its own digest, and holds those of the state's files
    progress.json                    how far it is, while it runs
    failure.txt                      why the last try ended
    environment.json                 when, where and how long: never part of a result
    state/                           the learner's state, kept where other runs start from it
    work/                            checkpoints, gone when the run is done
<root>/remembered/<digest>.json      what took long to make and depends on nothing but its key
<root>/locks/                        one file a lock; the system frees it when its holder dies
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec

from bytetransfer.corpus.corpus import Corpus, open_corpus
from bytetransfer.corpus.inputs import KnownCorpus, Origin
from bytetransfer.errors import StoreError, UserError
from bytetransfer.files.digests import has_seal, sealed, unsealed
from bytetransfer.files.disk import disk_errors, is_there, listed, sweep_temporaries, write_atomic
from bytetransfer.files.locks import hold, is_held
from bytetransfer.identity import canonical_json
from bytetransfer.planning.run import Ending, Result, Run
from bytetransfer.runs.remembered import remembered

T = TypeVar("T")
Read = TypeVar("Read", Result, Ending)


class RunProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a run is.

    Attributes:
        bytes_seen: bytes trained on so far.
        expected_bytes: the most it may come to.
        bits_per_byte: the latest loss, None before the first.
        started: seconds since 1970 when this try began.
        updated: seconds since 1970 of this report.
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
        run = _read(path, Run, todo="delete this file; the run is then requested again")
        if run is None or run.key != key:
            raise StoreError(
                "no request of this run" if run is None else "not the request of this run",
                where=str(path),
                todo="delete this file; the run is then requested again",
            )
        return run

    def requested(self) -> list[str]:
        """Keys of all runs ever requested here, sorted."""
        return sorted(path.parent.name for path in self.root.glob("runs/*/run.json"))

    def is_requested(self, key: str) -> bool:
        """Whether the run's request is there."""
        return (self.run_folder(key) / "run.json").exists()

    def is_done(self, key: str) -> bool:
        """Whether the run has a result."""
        return is_there(self.run_folder(key) / "result.json")

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

    def has_digest(self, key: str) -> bool:
        """Whether the run's result has a digest; those of earlier versions have none."""
        path = self.run_folder(key) / "result.json"
        with disk_errors(path), contextlib.suppress(FileNotFoundError):
            return has_seal(path)
        return False

    def finish(self, result: Result, environment: Environment) -> None:
        """Make `result` the run's result: the last write, after which the run is done."""
        folder = self.run_folder(result.key)
        retried = self.failure(result.key) is not None
        environment = msgspec.structs.replace(environment, retried=retried)
        write_atomic(folder / "environment.json", sealed(msgspec.json.encode(environment)))
        write_atomic(folder / "result.json", sealed(canonical_json(result)))
        self.clear(result.key)

    def clear(self, key: str) -> None:
        """Remove what only a try needs from the folder of a run that is done."""
        folder = self.run_folder(key)
        shutil.rmtree(folder / "work", ignore_errors=True)
        with disk_errors(folder):
            for leftover in ("failure.txt", "progress.json"):
                (folder / leftover).unlink(missing_ok=True)
            sweep_temporaries(folder)

    def reopen(self, key: str) -> None:
        """Make a run count as not done, for example since its state is gone."""
        path = self.run_folder(key) / "result.json"
        with disk_errors(path):
            path.unlink(missing_ok=True)

    def environment(self, key: str) -> Environment | None:
        """The circumstances the run was done in, None if unknown or damaged."""
        path = self.run_folder(key) / "environment.json"
        return _read_if_sound(path, Environment)

    def fail(self, key: str, reason: str) -> None:
        """Record why this attempt at the run failed."""
        write_atomic(self.run_folder(key) / "failure.txt", reason)

    def failure(self, key: str) -> str | None:
        """Why the last try of the run ended, None if it did not fail."""
        path = self.run_folder(key) / "failure.txt"
        with disk_errors(path), contextlib.suppress(FileNotFoundError):
            return path.read_text(encoding="utf-8", errors="replace")
        return None

    def failed_at(self, key: str) -> int | None:
        """When the last try of the run failed, in nanoseconds since 1970; None if it did not."""
        path = self.run_folder(key) / "failure.txt"
        with disk_errors(path), contextlib.suppress(FileNotFoundError):
            return path.stat().st_mtime_ns
        return None

    def show_progress(self, key: str, progress: RunProgress) -> None:
        """Record how far the run is."""
        write_atomic(self.run_folder(key) / "progress.json", msgspec.json.encode(progress))

    def progress(self, key: str) -> RunProgress | None:
        """The run's last progress, None if there is none or it is damaged."""
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
            if _is_sound(final):
                shutil.rmtree(folder)
            else:
                shutil.rmtree(final, ignore_errors=True)  # what was left of one, deleted in part
                folder.replace(final)
        known = KnownCorpus(card=corpus.card, origin=origin)
        self.know_corpus(known)
        return replace(open_corpus(final), card=known.card)

    def know_corpus(self, known: KnownCorpus) -> None:
        """Keep what a corpus was prepared from, so that it is found again."""
        path = self._index / known.origin.asked / f"{known.origin.key}.json"
        write_atomic(path, sealed(msgspec.json.encode(known)))

    def known_corpora(self, asked: str) -> list[KnownCorpus]:
        """Corpora that were prepared as is asked, of these or other files; the newest first.

        An entry that cannot be read is left out: its corpus is prepared again.
        """
        entries = sorted(listed(self._index / asked), key=_changed_at, reverse=True)
        return [known for path in entries if (known := _known(path)) is not None]

    def index_of(self, asked: str) -> Path | None:
        """The folder of what is known of corpora that were prepared as is asked, if it is there."""
        folder = self._index / asked
        return folder if listed(folder) else None

    def known_corpus(self, known: KnownCorpus) -> Corpus | None:
        """The corpus that came of a known origin, None if it has to be prepared."""
        folder = self.corpus_folder(known.card.digest)
        if not is_there(folder / "corpus.json"):
            return None
        corpus = open_corpus(folder)
        return replace(corpus, card=known.card) if known.is_of(corpus.card) else None

    def last_origin(self, corpus: str) -> Origin | None:
        """What the corpus of that name was prepared from when it last was."""
        latest, found = -1, None
        for path in (path for folder in listed(self._index) for path in listed(folder)):
            known, changed = _known(path), _changed_at(path)
            if known is not None and known.origin.corpus == corpus and changed > latest:
                latest, found = changed, known.origin
        return found

    @property
    def _index(self) -> Path:
        return self.root / "corpora" / "index"

    # ── what takes long and depends on nothing but a key ─────────────────────────────────────────

    def remembered(self, key: object, make: Callable[[], object], read: Callable[[object], T]) -> T:
        """The value made for `key` before, or made now and kept; see `remembered.remembered`."""
        return remembered(self.root / "remembered", key, make, read)

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

    def is_locked(self, name: str) -> bool:
        """Whether a process holds the lock of that name."""
        return is_held(self.root / "locks" / f"{name}.lock")


def _known(path: Path) -> KnownCorpus | None:
    """An entry of the index, None where it is damaged, of another version or not sealed."""
    try:
        with disk_errors(path):
            content, has_digest = unsealed(path.read_bytes())
        return msgspec.json.decode(content, type=KnownCorpus) if has_digest else None
    except (OSError, ValueError, msgspec.MsgspecError, UserError):
        return None


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except FileNotFoundError:  # since it was listed
        return -1


def _read(path: Path, kind: type[T], *, todo: str) -> T | None:
    try:
        with disk_errors(path):
            content, has_digest = unsealed(path.read_bytes())
        if kind is Ending and not has_digest:  # an ending ignores what it does not know
            msgspec.json.decode(content, type=Result)
        return msgspec.json.decode(content, type=kind)
    except FileNotFoundError:
        return None
    except StoreError:
        raise
    # UserError: settings check themselves
    except (msgspec.DecodeError, ValueError, UserError) as error:
        raise StoreError(f"the file is damaged ({error})", where=str(path), todo=todo) from None


def _read_if_sound(path: Path, kind: type[T]) -> T | None:
    """What is for the record or for display only, and not worth stopping for where damaged."""
    try:
        return _read(path, kind, todo="")
    except StoreError:
        return None


def _is_sound(folder: Path) -> bool:
    """Whether a corpus lies there, as far as can be seen without reading it."""
    try:
        open_corpus(folder)
    except StoreError:
        return False
    return True
