"""A tiny study on made-up text, and the program called as its user calls it."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from bytetransfer.cli.main import main

SYLLABLES = ["ka", "lo", "mi", "tu", "re", "san", "pe", "vio", "dra", "nel", "qui", "po"]

SURFACE_STUDY = """\
name = "tiny"
sources = ["en", "ru"]
targets = ["fi"]
learners = ["ngram"]
pretrain_bytes = "15kB"
finetune_bytes = ["1kB", "3kB"]
scratch_bytes = ["1kB", "3kB", "10kB", "20kB"]
seeds = 2

[splits]
validation_share = 0.1
test_share = 0.1
validation_bytes = "2kB"
test_bytes = "3kB"

[corpora.en]
files = "en.txt"
[corpora.ru]
files = "ru.txt"
[corpora.fi]
files = "fi.txt"
"""

NEURAL_STUDY = """\
name = "tiny"
sources = ["en"]
targets = ["fi"]
learners = ["transformer/nano"]
pretrain_bytes = "5kB"
finetune_bytes = ["2kB"]
scratch_bytes = ["2kB", "5kB"]
seeds = 1
convergence_checks = false

[splits]
validation_share = 0.1
test_share = 0.1
validation_bytes = "2kB"
test_bytes = "3kB"

[transformer]
pretrain_learning_rate = 3e-3
scratch_learning_rates = [3e-3]
finetune_learning_rates = [3e-3]
most_bytes = "40kB"
most_pretrain_bytes = "60kB"

[numerics]
device = "cpu"
precision = "fp32"
compile = "never"

[corpora.en]
files = "en.txt"
[corpora.fi]
files = "fi.txt"
"""


def sentences(language: str, count: int) -> list[str]:
    """Lines of a language that has its own words, some of them everyone's, and some order."""
    draw = random.Random(language)
    own = ["".join(draw.choices(SYLLABLES, k=draw.randint(1, 4))) for _ in range(60)]
    words = own + [a + b for a in SYLLABLES[:6] for b in SYLLABLES[:6]]
    return [" ".join(draw.choices(words, k=draw.randint(5, 12))) for _ in range(count)]


def neat(text: str) -> None:
    """Refuse what does not belong in a log: control characters and lines that break off."""
    assert not [c for c in text if (ord(c) < 32 and c != "\n") or c == "\x7f"], repr(text)
    assert text == "" or text.endswith("\n")
    assert "Traceback" not in text


@dataclass
class Place:
    """A folder with text in which the program is called.

    Attributes:
        folder: the working directory of every call.
    """

    folder: Path

    def write(self, name: str, content: str | bytes) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def change(self, old: str, new: str, name: str = "study.toml") -> None:
        """Change the study file at one place."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert text.count(old) == 1, (old, text)
        self.write(name, text.replace(old, new))

    def call(self, *arguments: str) -> Result:
        """The command line in this process: quick, and a bug shows as the exception it is."""
        before = Path.cwd()
        os.chdir(self.folder)
        try:
            result = CliRunner().invoke(main, arguments)
        finally:
            os.chdir(before)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def start(self, *arguments: str, **options: object) -> subprocess.Popen[str]:
        """The real program in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "bytetransfer", *arguments],
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            # what started the tests may ignore Ctrl-C (nohup does); the program must not inherit it
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            **options,  # type: ignore[call-overload]
        )

    def ran(self, *arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
        """The real program, to its end."""
        process = self.start(*arguments, **options)
        try:
            stdout, stderr = process.communicate(timeout=250)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def results(self) -> dict[str, bytes]:
        """What must be the same however a study came to its end."""
        folder = self.folder / "results/tiny"
        names = ("measurements.csv", "blocks.parquet")
        return {name: (folder / name).read_bytes() for name in names}

    def finished(self) -> set[str]:
        """Keys of the runs that have a result."""
        return {p.parent.name for p in self.folder.glob(".bytetransfer/runs/*/result.json")}

    def finish_times(self) -> dict[str, int]:
        """When each run that has a result was finished."""
        found = self.folder.glob(".bytetransfer/runs/*/result.json")
        return {path.parent.name: path.stat().st_mtime_ns for path in found}

    def corpora(self) -> set[str]:
        """Digests of the prepared corpora."""
        return {p.parent.name for p in self.folder.glob(".bytetransfer/corpora/*/corpus.json")}

    def forget(self) -> None:
        """Begin from nothing again."""
        for name in ("results", ".bytetransfer"):
            shutil.rmtree(self.folder / name)

    def checkpoints(self, *, since: float) -> list[Path]:
        """Checkpoints of unfinished runs written after a moment."""
        found = self.folder.glob(".bytetransfer/runs/*/work/*/checkpoint.safetensors")
        return [path for path in found if path.stat().st_mtime > since]


def wait_until(true: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        time.sleep(0.02)


@pytest.fixture
def waited() -> Callable[..., None]:
    return wait_until


@pytest.fixture
def is_neat() -> Callable[[str], None]:
    return neat


def _place(folder: Path, study: str) -> Place:
    place = Place(folder)
    place.write("study.toml", study)
    for language in ("en", "ru", "fi"):
        place.write(f"{language}.txt", "\n".join(sentences(language, 700)) + "\n")
    return place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with three languages and a study of the surface learner: 20 short runs."""
    return _place(tmp_path, SURFACE_STUDY)


@pytest.fixture(scope="module")
def _finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = _place(tmp_path_factory.mktemp("finished"), SURFACE_STUDY)
    assert place.call("run", "study.toml", "--workers", "1").exit_code == 0
    return place.folder


@pytest.fixture
def finished_place(_finished: Path, tmp_path: Path) -> Place:
    """The same folder with the study done, a copy for every test."""
    shutil.copytree(_finished, tmp_path, dirs_exist_ok=True)
    place = Place(tmp_path)
    assert place.call("prepare", "study.toml").exit_code == 0  # here the same files are new
    return place


@pytest.fixture(scope="session")
def neural_place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A finished study of a transformer, to hold others against; not to be written to."""
    place = _place(tmp_path_factory.mktemp("neural"), NEURAL_STUDY)
    ended = place.ran("run", "study.toml", "--workers", "1")
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], AbstractContextManager[None]]:
    """A disk with `room` bytes left, for this process: what is written beyond them is ENOSPC."""

    @contextmanager
    def full(room: int) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr("pathlib.Path.open", _limited(Path.open, [room]))
            patch.setattr("os.fdopen", _limited(os.fdopen, [room]))
            yield

    return full


def _limited(opened: Callable[..., Any], room: list[int]) -> Callable[..., Any]:
    def open_limited(*arguments: Any, **options: Any) -> Any:
        file = opened(*arguments, **options)
        mode = str((*arguments[1:], *options.values(), "r")[0])
        return _Limited(file, room) if set(mode) & set("wax+") else file

    return open_limited


class _Limited:
    """A file whose writes use up the room there is."""

    def __init__(self, file: Any, room: list[int]) -> None:
        self._file, self._room = file, room

    def write(self, data: Any) -> int:
        self._room[0] -= len(data)
        if self._room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return int(self._file.write(data))

    def __enter__(self) -> _Limited:
        self._file.__enter__()
        return self

    def __exit__(self, *error: Any) -> Any:
        return self._file.__exit__(*error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.fixture
def new_place(tmp_path: Path) -> Iterator[Callable[[str], Place]]:
    """Further folders like it; `kind` is "surface" or "neural"."""
    made = 0

    def make(kind: str = "surface") -> Place:
        nonlocal made
        made += 1
        folder = tmp_path / f"place-{made}"
        return _place(folder, NEURAL_STUDY if kind == "neural" else SURFACE_STUDY)

    return make
