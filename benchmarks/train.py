"""How fast a CPU trains: ours against Hugging Face's Trainer and a plain loop, in one sitting.

    python benchmarks/train.py                              the small shape
    python benchmarks/train.py --shapes small medium tiny --json FILE

Every contestant lives in processes of its own, warmed up first. Rounds are interleaved: in each,
every contestant in turn trains some steps while all others wait. "2 x 1" is two processes of one
thread at the same time, "1 x 2" one of two threads. A row shows the median over the rounds of all
bytes per second of wall time; the "best HF" figure that ratios refer to is the better of the two
arrangements. "cores" says how much of the two cores a contestant got. Where it is well below 2,
others were computing at the same time and wall time says little; "kB/core s", bytes per second of
processor time, holds then as well, and --per-core-second takes ratios and shares from it.
--in-turn does all of it in one process of one thread, for a machine that is never free.

Peers come with the extra [bench] (transformers, accelerate). The peak is measured in the same
rounds: a square product of 2048 in bf16, and the products of the model at its own sizes, forward
and backward, without anything between them.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
from train_work import LIMITS, OURS, PEERS, SHAPES, Work, work_of

from bytetransfer.learners.transformer.settings import flops_per_byte

ARRANGEMENTS = {"2 x 1": (2, 1), "1 x 2": (1, 2)}
MEMORY = ("MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def contend(work: Work) -> None:
    """For every line of input work so many seconds and answer with what was done.

    Memory is given back while others work: all contestants of a large shape do not fit at once.
    """
    release = getattr(ctypes.CDLL(None), "malloc_trim", lambda _: None)
    release(0)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        work(0.0)  # takes the memory again
        sys.stdout.write(json.dumps(work(float(line))) + "\n")
        sys.stdout.flush()
        release(0)


class Contestant:
    """One or two processes that work when told to."""

    def __init__(self, name: str, shape: str, arrangement: str) -> None:
        self.name, self.arrangement = name, arrangement
        count, threads = ARRANGEMENTS[arrangement]
        command = [sys.executable, __file__, "--contend", name, "--shapes", shape]
        command += ["--threads", str(threads)]
        # what a worker of ours sets for itself is given to everybody
        environment = {name: str(1 << 28) for name in MEMORY} | {"OMP_NUM_THREADS": str(threads)}
        self.processes = [
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=os.environ | environment | {"CUDA_VISIBLE_DEVICES": ""},
            )
            for _ in range(count)
        ]
        self.rounds: list[tuple[float, float, float]] = []

    def wait(self) -> None:
        """Until it has warmed up."""
        for process in self.processes:
            self._read(process)

    def work(self, seconds: float) -> None:
        """One round: what all its processes did a second, and the cores they had."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        self._add([json.loads(self._read(process)) for process in self.processes])

    def _add(self, answers: list[tuple[float, float, float]]) -> None:
        rate = sum(amount / took for amount, took, _ in answers)
        core_seconds = sum(cpu for *_, cpu in answers)
        cores = core_seconds / max(took for _, took, _ in answers)
        self.rounds.append((rate, sum(amount for amount, *_ in answers) / core_seconds, cores))

    def close(self) -> None:
        for process in self.processes:
            process.communicate()

    def row(self) -> dict[str, Any]:
        rates, per_core_second, cores = zip(*self.rounds, strict=True)
        return {
            "name": self.name,
            "processes_x_threads": self.arrangement,
            "rate": statistics.median(rates),
            "lowest": min(rates),
            "highest": max(rates),
            "rate_per_core_second": statistics.median(per_core_second),
            "cores": statistics.median(cores),
        }

    def _read(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        while line := process.stdout.readline():
            if line.startswith(("ready", "[")):
                return line
        raise SystemExit(f"{self.name} ended without an answer; its messages are above")


class InTurn(Contestant):
    """A contestant in this process, on one thread."""

    def __init__(self, name: str, shape: str) -> None:
        self.name, self.arrangement, self.processes = name, "1 x 1", []
        self.does = work_of(name, *SHAPES[shape], threads=1)
        self.rounds = []

    def work(self, seconds: float) -> None:
        self._add([self.does(seconds)])


def contestants_for(shape: str, *, in_turn: bool) -> list[Contestant]:
    if in_turn:
        return [InTurn(name, shape) for name in (*OURS, *LIMITS, *PEERS)]
    entries = [(name, "2 x 1") for name in (*OURS, *LIMITS)]
    entries += [(name, arrangement) for name in PEERS for arrangement in ARRANGEMENTS]
    found = []
    for name, arrangement in entries:
        found.append(Contestant(name, shape, arrangement))
        found[-1].wait()  # one after the other: warming up takes the most memory
    return found


def compare(shape: str, rounds: int, seconds: float, by: str, *, in_turn: bool) -> dict[str, Any]:
    """All contestants on one shape, ratios and shares taken from the rate `by`."""
    contestants = contestants_for(shape, in_turn=in_turn)
    for _ in range(rounds):
        for contestant in contestants:
            contestant.work(seconds)
    for contestant in contestants:
        contestant.close()
    rows = [contestant.row() for contestant in contestants]
    limits = {row["name"]: row for row in rows if row["name"] in LIMITS}
    rows = [row for row in rows if row["name"] not in LIMITS]
    best = {n: max(row[by] for row in rows if row["name"] == n) for n in PEERS}
    flops = flops_per_byte(SHAPES[shape][0])
    for row in rows:
        row |= {f"x {name}": row[by] / best[name] for name in PEERS}
        row |= {f"share of {n}": row[by] * flops / limits[n][by] for n in LIMITS}
    return {
        "shape": shape,
        "batch": SHAPES[shape][1],
        **msgspec.structs.asdict(SHAPES[shape][0]),
        "flops_per_byte": flops,
        "compared_by": by,
        "limits_flops_per_s": limits,
        "rows": rows,
    }


def show(table: dict[str, Any]) -> None:
    by = table["compared_by"]
    print(
        f"{table['shape']}: {table['layers']} layers x width {table['width']}, context "
        f"{table['context']}, batch {table['batch']}; "
        + ", ".join(f"{n} {r[by] / 1e9:,.0f}" for n, r in table["limits_flops_per_s"].items())
        + f" GFLOP/s ({by}, as all ratios)"
    )
    head = ("", "run as", "kB/s", "lowest", "highest", "kB/core s", "x HF fp32", "x HF bf16")
    form = "{:18}{:>7}{:>8}{:>8}{:>9}{:>11}{:>11}{:>11}{:>11}{:>8}{:>7}"
    print(form.format(*head, "of square", "of own", "cores"))
    for row in table["rows"]:
        keys = ("rate", "lowest", "highest", "rate_per_core_second")
        rates = [f"{row[key] / 1e3:,.1f}" for key in keys]
        ratios = [f"{row[f'x {n}']:.2f}" for n in PEERS]
        shares = [f"{row[f'share of {n}']:.3f}" for n in LIMITS]
        first = (row["name"], row["processes_x_threads"])
        print(form.format(*first, *rates, *ratios, *shares, f"{row['cores']:.2f}"))
    print(flush=True)


def machine() -> dict[str, Any]:
    from importlib import metadata

    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    model = next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")
    flags = next((x.split() for x in lines if x.startswith("flags")), [])
    return {
        "cpu": model or platform.processor(),
        "cores": os.cpu_count(),
        "bf16_units": [flag for flag in ("avx512_bf16", "amx_bf16") if flag in flags],
        "versions": {n: metadata.version(n) for n in ("torch", "transformers", "accelerate")},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["small"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of work a round")
    parser.add_argument("--per-core-second", action="store_true", help="compare by processor time")
    parser.add_argument("--in-turn", action="store_true", help="in one process of one thread")
    parser.add_argument("--json", type=Path, help="file to write the tables to")
    parser.add_argument("--contend", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contend:
        contend(work_of(arguments.contend, *SHAPES[arguments.shapes[0]], arguments.threads))
        return
    in_turn = arguments.in_turn
    by = "rate_per_core_second" if arguments.per_core_second or in_turn else "rate"
    found = {"machine": machine(), "tables": []}
    print(found["machine"])
    for shape in arguments.shapes:
        table = compare(shape, arguments.rounds, arguments.seconds, by, in_turn=in_turn)
        found["tables"].append(table)
        show(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
