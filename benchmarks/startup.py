"""From the start of a worker's process to the first step of training, and what a further run costs.

    python benchmarks/startup.py                       the preset small
    python benchmarks/startup.py --preset nano --json FILE
    python benchmarks/startup.py --together 2          two workers that begin at the same time

Each line is a new process that imports what a worker imports and fits one run as far as its first
step (the evaluation before it included), then begins a second run of the same shape. "cold": no
code is compiled yet; "warm": it lies in the cache on disk; "eager": nothing is compiled. CPU
seconds, those of compilers included, stand beside wall time, since others may be computing too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

KINDS = ("eager", "cold", "warm")
COLUMNS = ("imports", "first step", "second run", "cpu first step", "cpu second run")


class FirstStep(Exception):
    """Ends a fit after its first step."""


def cpu_seconds() -> float:
    """Of this process and of all it has started and waited for."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in both)


def begin(preset_name: str, *, compiled: bool, began: float) -> dict[str, float]:
    """Seconds since `began` at which imports and first steps were done."""
    from bytetransfer.corpus.documents import Documents
    from bytetransfer.learners.learner import Progress, Task
    from bytetransfer.learners.transformer.learner import Transformer
    from bytetransfer.learners.transformer.numerics import resolve_numerics
    from bytetransfer.learners.transformer.settings import preset
    from bytetransfer.runs import worker  # noqa: F401  (all that a worker imports)

    found = {"imports": time.time() - began}
    settings = preset(preset_name)
    numerics = resolve_numerics(
        settings, threads=1, device="cpu", compile="always" if compiled else "never"
    )
    task = Task(
        text=Documents.from_list([bytes(range(256)) * 80]),
        validation=Documents.from_list([b"a line of some text that is scored" * 3] * 400),
        seed=0,
    )

    def watch(progress: Progress) -> None:
        if progress.bytes_seen:
            raise FirstStep

    learner = Transformer(settings, numerics, watch_seconds=0.0)  # tells of every step
    for name in ("first step", "second run"):
        begun, cpu = time.time(), cpu_seconds()
        with tempfile.TemporaryDirectory() as folder:
            try:
                learner.fit(task, start=None, folder=Path(folder), watch=watch)
            except FirstStep:
                found[f"cpu {name}"] = cpu_seconds() - (0.0 if name == "first step" else cpu)
                found[name] = time.time() - (began if name == "first step" else begun)
    return found


def measure(preset_name: str, kind: str, cache: Path, together: int) -> list[dict[str, float]]:
    """What so many processes found that began at the same time."""
    environment = {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": str(cache)}
    environment |= {"TORCHINDUCTOR_COMPILE_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, __file__, "--preset", preset_name, "--begin", kind]
    processes = [
        subprocess.Popen(
            [*command, str(time.time())],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(together)
    ]
    answers = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("a process failed; its messages are above")
    return [json.loads(answer.splitlines()[-1]) for answer in answers]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", default="small")
    parser.add_argument("--rounds", type=int, default=3, help="of eager and warm; one cold")
    parser.add_argument("--together", type=int, default=1, help="processes at the same time")
    parser.add_argument("--json", type=Path, help="file to write the table to")
    parser.add_argument("--begin", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.begin:
        kind, began = arguments.begin
        print(json.dumps(begin(arguments.preset, compiled=kind != "eager", began=float(began))))
        return
    rounds: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as cache:
        for kind in ("cold", *("eager", "warm") * arguments.rounds):
            rounds[kind] += measure(arguments.preset, kind, Path(cache), arguments.together)
    print(f"{arguments.preset}, {arguments.together} together, seconds: " + ", ".join(COLUMNS))
    table: list[dict[str, Any]] = []
    for kind, found in rounds.items():
        medians = {name: statistics.median(one[name] for one in found) for name in COLUMNS}
        table.append({"kind": kind, "processes": len(found), **medians})
        print(f"{kind:6}" + "".join(f"{medians[name]:9.2f}" for name in COLUMNS), flush=True)
    if arguments.json:
        named = {"preset": arguments.preset, "together": arguments.together}
        found_all = {**named, "rows": table}
        arguments.json.write_text(json.dumps(found_all, indent=1) + "\n")


if __name__ == "__main__":
    main()
