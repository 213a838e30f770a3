"""A kill before every rename, fsync, mkdir, unlink and rmdir of a small study, one after the other.

    python benchmarks/kills.py                         n-grams: every call there is
    python benchmarks/kills.py --learner nano          a transformer of a few steps
    python benchmarks/kills.py --one-of-a-kind         one call of each kind of file and process
    python benchmarks/kills.py --twice 50              the second run is killed too, at random

Each trial begins with nothing but text, kills the process that makes the n-th of these calls in the
study's folder (main process or worker), and starts the study again. It has to end in the bytes of
a run that nobody killed, with no file more and none less; times of day, which stand in the report,
in `environment.json` and in the index of corpora, are left out. Calls are counted and kills sent by
a `sitecustomize` that is put before the interpreter's path; the program knows nothing of it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

CUSTOMIZE = """
import fcntl, os, signal, sys

folder, log, kill_at = os.environ["KILLS_FOLDER"], os.environ["KILLS_LOG"], os.environ["KILLS_AT"]
role = "worker" if "bytetransfer.runs.worker" in sys.orig_argv else "main"


def place(target, dir_fd):
    if isinstance(target, int):
        return os.readlink(f"/proc/self/fd/{target}")
    name = os.fsdecode(target)
    base = os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}")
    return os.path.join(base, name)


def counted(name, call):
    def counting(target, *rest, **options):
        where = place(target, options.get("dir_fd"))
        if where.startswith(folder):
            with open(log, "a+") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.seek(0)
                number = file.read().count("\\n") + 1
                file.write(f"{role} {name} {where[len(folder) + 1:]}\\n")
            if str(number) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
        return call(target, *rest, **options)

    return counting


for name in ("rename", "replace", "fsync", "mkdir", "unlink", "remove", "rmdir"):
    setattr(os, name, counted(name, getattr(os, name)))
"""

STUDY = """\
name = "killed"
sources = ["en", "cipher(en)"]
targets = ["fi"]
learners = ["{learner}"]
pretrain_bytes = "3kB"
finetune_bytes = ["1kB"]
scratch_bytes = ["1kB", "3kB"]
seeds = 1
convergence_checks = false
[splits]
validation_share = 0.1
test_share = 0.1
validation_bytes = "2kB"
test_bytes = "2kB"
[corpora.en]
files = "en.txt"
[corpora.fi]
files = "fi.txt"
"""
NANO = """\
[transformer]
pretrain_learning_rate = 3e-3
scratch_learning_rates = [1e-3, 3e-3]
finetune_learning_rates = [1e-3, 3e-3]
most_bytes = "10kB"
most_pretrain_bytes = "10kB"
[numerics]
device = "cpu"
compile = "never"
"""
TIMED = re.compile(r"report\.html|environment\.json|SHA256SUMS|corpora/index/")
LEARNERS = {"ngram": "ngram", "nano": "transformer/nano"}
CHANGING = re.compile(r"[0-9a-f]{32}|\.\d+-[0-9a-f]{8}\.tmp|\.[0-9a-f]{8}\.(?=partial|replaced)")


class Trials:
    """A folder with a study that can be run, killed and looked at.

    Args:
        root: an empty folder.
        learner: which learner the study has.
    """

    def __init__(self, root: Path, learner: str) -> None:
        self.folder, self._log, self._path = root / "study", root / "log", root / "path"
        self.folder.mkdir()
        self._path.mkdir()
        (self._path / "sitecustomize.py").write_text(CUSTOMIZE)
        study = STUDY.format(learner=LEARNERS[learner]) + NANO * (learner == "nano")
        (self.folder / "study.toml").write_text(study)
        for language in ("en", "fi"):
            (self.folder / f"{language}.txt").write_text("".join(sentences(language)))

    def clear(self) -> None:
        for name in (".bytetransfer", "results"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def run(self, kill_at: int = 0) -> tuple[int, str]:
        """Run the study: its exit code and what it says."""
        self._log.write_text("")
        path = os.pathsep.join([str(self._path), *filter(None, [os.environ.get("PYTHONPATH")])])
        settings = {
            "PYTHONPATH": path,
            "KILLS_FOLDER": str(self.folder),
            "KILLS_LOG": str(self._log),
            "KILLS_AT": str(kill_at),
            "PYTHONHASHSEED": "0",  # sets of languages are remembered in the order they come in
        }
        command = ["bytetransfer", "run", "study.toml", "--workers", "1", "--quiet"]
        ended = subprocess.run(
            [sys.executable, "-m", *command],
            cwd=self.folder,
            env=os.environ | settings,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        return ended.returncode, ended.stderr

    def calls(self) -> list[str]:
        """Process, call and file of every call of the last run."""
        return self._log.read_text().splitlines()

    def tree(self) -> dict[str, str]:
        """A digest of every file and folder there is; none of those that hold a time."""
        found = {}
        for path in sorted(self.folder.rglob("*")):
            name = str(path.relative_to(self.folder))
            is_plain = path.is_file() and not TIMED.search(name)
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if is_plain else ""
        return found


def sentences(language: str) -> Iterator[str]:
    """Lines of made-up words that differ by language."""
    draw = random.Random(language)
    words = ["".join(draw.choices("aeioklmnrstu", k=draw.randint(2, 8))) for _ in range(80)]
    for _ in range(400):
        yield " ".join(draw.choices(words, k=draw.randint(5, 10))) + "\n"


def kind(call: str) -> str:
    """A call without what tells it from others of its kind."""
    return CHANGING.sub("*", call)


def trial(trials: Trials, expected: dict[str, str], points: list[int]) -> tuple[bool, str]:
    """Kill at each point in turn and run to the end: whether a kill came, and what is wrong."""
    trials.clear()
    killed = False
    for point in points:
        code, said = trials.run(point)
        killed |= len(trials.calls()) >= point
        if "Traceback" in said:
            return killed, f"a traceback: {said[-300:]}"
    code, said = trials.run()
    if code:
        return killed, f"exit code {code}: {said[-300:]}"
    found = trials.tree()
    wrong = [f"more: {name}" for name in found.keys() - expected.keys()]
    wrong += [f"missing: {name}" for name in expected.keys() - found.keys()]
    wrong += [f"other bytes: {n}" for n, d in expected.items() if found.get(n, d) != d]
    return killed, "; ".join(sorted(wrong))


def wanted(calls: list[str], options: argparse.Namespace) -> list[list[int]]:
    """At which calls each trial kills."""
    points = list(range(1, len(calls) + 1))
    if options.one_of_a_kind:
        points = [at for at in points if kind(calls[at - 1]) not in map(kind, calls[: at - 1])]
    draw = random.Random(0)
    pairs = [[draw.choice(points), draw.randint(1, len(calls))] for _ in range(options.twice)]
    chosen = [at for at in points if at > options.after and options.only in calls[at - 1]]
    return pairs or [[at] for at in chosen]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--learner", choices=[*LEARNERS], default="ngram")
    parser.add_argument("--one-of-a-kind", action="store_true")
    parser.add_argument("--twice", type=int, default=0, metavar="TRIALS")
    parser.add_argument("--after", type=int, default=0, help="begin after that many calls")
    parser.add_argument("--only", default="", metavar="TEXT", help="calls that hold this text")
    options = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as root:
        trials = Trials(Path(root).resolve(), options.learner)
        code, said = trials.run()
        assert code == 0, said
        calls, expected = trials.calls(), trials.tree()
        chosen = wanted(calls, options)
        kinds = len(set(map(kind, calls)))
        print(f"{options.learner}: {len(calls)} calls of {kinds} kinds; {len(chosen)} trials")
        bad = kills = 0
        for points in chosen:
            killed, wrong = trial(trials, expected, points)
            kills += killed
            if wrong:
                bad += 1
                print(f"  killed before {calls[points[0] - 1]} ({points}): {wrong}", flush=True)
    minutes = (time.monotonic() - began) / 60
    print(f"{kills} kills came, {bad} ended in something else; {minutes:.0f} minutes")
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
