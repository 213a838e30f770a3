"""How fast a CPU trains: ours against Hugging Face's Trainer and a plain loop, in one sitting.

    python benchmarks/train.py                              the small shape
    python benchmarks/train.py --shapes small medium tiny --json FILE

Every contestant lives in processes of its own, warmed up first. Rounds are interleaved: in each,
every contestant in turn trains some steps while all others wait. "2 x 1" is two processes of one
thread at the same time, "1 x 2" one of two threads. A row shows the median over the rounds of all
bytes per second of wall time; the "best HF" figure that ratios refer to is the better of the two
arrangements. "cores" says how much of the two cores a contestant got: well below 2, and others
were computing at the same time.

Peers come with the extra [bench] (transformers, accelerate). The peak is measured in the same
rounds: a square product of 2048 in bf16, and the products of the model at its own sizes, forward
and backward, without anything between them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bytetransfer.learners.transformer.settings import (
    Shape,
    TransformerSettings,
    flops_per_byte,
)

SHAPES = {
    "small": (Shape(layers=4, width=128, heads=4, feed_forward=384, context=256), 32),
    "medium": (Shape(layers=6, width=320, heads=5, feed_forward=960, context=512), 16),
    "tiny": (Shape(layers=2, width=96, heads=3, feed_forward=256, context=256), 4),
}
OURS = {
    "ours": {"precision": "bf16", "compiled": True},
    "ours, eager": {"precision": "bf16"},
    "plain loop fp32": {"attention": "sdpa"},
}
PEERS = ("HF fp32", "HF bf16")
LIMITS = ("square products", "the model's products")
ARRANGEMENTS = {"2 x 1": (2, 1), "1 x 2": (1, 2)}
MEMORY = ("MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
Work = Callable[[float], tuple[float, float]]  # seconds to work -> amount done, seconds it took


# ── in a contestant's process ────────────────────────────────────────────────────────────────


def our_steps(shape: Shape, batch: int, numerics: dict[str, Any]) -> Work:
    """Bytes, through the loop and the trainer that a worker uses."""
    from bytetransfer.corpus.documents import Documents
    from bytetransfer.learners.transformer.batches import Windows
    from bytetransfer.learners.transformer.checkpoint import Pace
    from bytetransfer.learners.transformer.loop import train
    from bytetransfer.learners.transformer.model import initial_state
    from bytetransfer.learners.transformer.numerics import Numerics
    from bytetransfer.learners.transformer.schedule import Position
    from bytetransfer.learners.transformer.trainer import Trainer

    class Steps:
        """So many steps and no evaluation."""

        def __init__(self, count: int) -> None:
            self.count = count

        def rate(self, position: Position) -> float:
            return 1e-3

        def evaluated(self, position: Position, loss: float) -> Position:
            done = position.step >= self.count
            return msgspec.structs.replace(
                position, evaluate_at=self.count, phase="done" if done else "constant"
            )

    settings = TransformerSettings(shape=shape, batch=batch)
    used = Numerics(**numerics, micro_batch=batch)
    trainer = Trainer(initial_state(shape, 0), settings=settings, numerics=used, micro_batch=batch)
    windows = Windows(Documents.from_list([text().tobytes()]), context=shape.context, seed=0)

    def steps(count: int) -> float:
        begun = time.perf_counter()
        train(
            trainer,
            windows,
            Steps(count),
            batch=batch,
            evaluate=lambda: 1.0,
            path=Path("never"),
            request="",
            pace=Pace(1e9),
            tick=lambda _: None,
        )
        return time.perf_counter() - begun

    return _by_steps(steps, batch * shape.context)


def peer_steps(shape: Shape, batch: int, precision: str) -> Work:
    """Bytes, through transformers.Trainer and a Llama of the same shape; start and end left out."""
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = transformers.LlamaConfig(
        vocab_size=257,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.context,
        hidden_act="gelu",
        tie_word_embeddings=True,
        use_cache=False,
    )
    model = transformers.LlamaForCausalLM(config)
    tokens = torch.from_numpy(text().astype(np.int64))

    class Windows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
        def __len__(self) -> int:
            return len(tokens) // shape.context

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            window = tokens[index * shape.context : (index + 1) * shape.context]
            return {"input_ids": window, "labels": window}

    class Watch(transformers.TrainerCallback):
        begun = ended = 0.0

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 0:
                self.begun = time.perf_counter()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.ended = time.perf_counter()

    watch = Watch()

    def steps(count: int) -> float:
        arguments = transformers.TrainingArguments(
            output_dir="never",
            max_steps=count,
            per_device_train_batch_size=batch,
            learning_rate=1e-3,
            bf16=precision == "bf16",
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        transformers.Trainer(
            model=model, args=arguments, train_dataset=Windows(), callbacks=[watch]
        ).train()
        return watch.ended - watch.begun

    return _by_steps(steps, batch * shape.context)


def products(shape: Shape | None, batch: int) -> Work:
    """Operations, in products alone: square ones, or forward and backward those of a model."""
    import torch

    def rows(m: int, k: int, n: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        a, b, c = (torch.randn(x, y, dtype=torch.bfloat16) for x, y in ((m, k), (k, n), (m, n)))
        return [(a, b), (c, b.T), (a.T, c)]  # the product, and both of its gradients

    if shape is None:
        pairs = rows(2048, 2048, 2048)[:1]
    else:
        m, d, f = batch * shape.context, shape.width, shape.feed_forward
        layer = [(m, d, 3 * d), (m, d, d), (m, d, 2 * f), (m, f, d)]
        sizes = layer * shape.layers + [(m, d, 257)]
        pairs = [pair for size in sizes for pair in rows(*size)]
    each = sum(2 * a.shape[0] * a.shape[1] * b.shape[1] for a, b in pairs)

    def work(count: int) -> float:
        begun = time.perf_counter()
        for _ in range(count):
            for a, b in pairs:
                torch.mm(a, b)
        return time.perf_counter() - begun

    return _by_steps(work, each)


def _by_steps(steps: Callable[[int], float], each: float) -> Work:
    """Work of about the seconds asked for, in whole steps of a known amount."""
    steps(2)
    per_step = steps(3) / 3

    def work(seconds: float) -> tuple[float, float]:
        count = max(2, round(seconds / per_step))
        return count * each, steps(count)

    return work


def text() -> np.ndarray:
    """Bytes with the skew of text; what they say makes no difference to speed."""
    return np.random.default_rng(0).zipf(1.3, 2_000_000).clip(1, 200).astype(np.uint8)


def contend(name: str, shape: Shape, batch: int, threads: int) -> None:
    """Warm up, then for every line of input work so many seconds and answer with what was done."""
    import torch

    torch.set_num_threads(threads)
    if name in OURS:
        work = our_steps(shape, batch, {**OURS[name], "threads": threads})
    elif name in PEERS:
        work = peer_steps(shape, batch, name.split()[1])
    else:
        work = products(None if name == LIMITS[0] else shape, batch)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        before = time.process_time()
        amount, took = work(float(line))
        sys.stdout.write(json.dumps([amount, took, time.process_time() - before]) + "\n")
        sys.stdout.flush()


# ── in the process that compares ─────────────────────────────────────────────────────────────


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
        for process in self.processes:
            self._read(process)
        self.rounds: list[tuple[float, float]] = []

    def work(self, seconds: float) -> None:
        """One round: what all its processes did a second, and the cores they had."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        answers = [json.loads(self._read(process)) for process in self.processes]
        rate = sum(amount / took for amount, took, _ in answers)
        cores = sum(cpu for *_, cpu in answers) / max(took for _, took, _ in answers)
        self.rounds.append((rate, cores))

    def close(self) -> None:
        for process in self.processes:
            process.communicate()

    def row(self) -> dict[str, Any]:
        rates, cores = zip(*self.rounds, strict=True)
        return {
            "name": self.name,
            "processes_x_threads": self.arrangement,
            "rate": statistics.median(rates),
            "lowest": min(rates),
            "highest": max(rates),
            "cores": statistics.median(cores),
        }

    def _read(self, process: subprocess.Popen[str]) -> str:
        assert process.stdout is not None
        while line := process.stdout.readline():
            if line.startswith(("ready", "[")):
                return line
        raise SystemExit(f"{self.name} ended without an answer; its messages are above")


def compare(shape: str, rounds: int, seconds: float) -> dict[str, Any]:
    """All contestants on one shape."""
    entries = [(name, "2 x 1") for name in (*OURS, *LIMITS)]
    entries += [(name, arrangement) for name in PEERS for arrangement in ARRANGEMENTS]
    contestants = [Contestant(name, shape, arrangement) for name, arrangement in entries]
    for _ in range(rounds):
        for contestant in contestants:
            contestant.work(seconds)
    for contestant in contestants:
        contestant.close()
    rows = [contestant.row() for contestant in contestants]
    limits = {row["name"]: row for row in rows if row["name"] in LIMITS}
    rows = [row for row in rows if row["name"] not in LIMITS]
    best = {n: max(row["rate"] for row in rows if row["name"] == n) for n in PEERS}
    flops = flops_per_byte(SHAPES[shape][0])
    for row in rows:
        row |= {f"x {name}": row["rate"] / best[name] for name in PEERS}
        row |= {f"share of {n}": row["rate"] * flops / limits[n]["rate"] for n in LIMITS}
    return {
        "shape": shape,
        "batch": SHAPES[shape][1],
        **msgspec.structs.asdict(SHAPES[shape][0]),
        "flops_per_byte": flops,
        "limits_flops_per_s": limits,
        "rows": rows,
    }


def show(table: dict[str, Any]) -> None:
    print(
        f"{table['shape']}: {table['layers']} layers x width {table['width']}, context "
        f"{table['context']}, batch {table['batch']}; "
        + ", ".join(f"{n} {r['rate'] / 1e9:,.0f}" for n, r in table["limits_flops_per_s"].items())
        + " GFLOP/s"
    )
    head = ("", "run as", "kB/s", "lowest", "highest", "x HF fp32", "x HF bf16", "share of square")
    print("{:18}{:>8}{:>8}{:>8}{:>9}{:>11}{:>11}{:>17}{:>9}{:>7}".format(*head, "of own", "cores"))
    for row in table["rows"]:
        rates = "".join(f"{row[k] / 1e3:8,.1f}" for k in ("rate", "lowest", "highest"))
        shares = [row[f"x {n}"] for n in PEERS] + [row[f"share of {n}"] for n in LIMITS]
        ratios = "{:12.2f}{:11.2f}{:17.3f}{:9.3f}".format(*shares)
        print(f"{row['name']:18}{row['processes_x_threads']:>8}{rates}{ratios}{row['cores']:7.2f}")
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
    parser.add_argument("--json", type=Path, help="file to write the tables to")
    parser.add_argument("--contend", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, default=1, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.contend:
        contend(arguments.contend, *SHAPES[arguments.shapes[0]], arguments.threads)
        return
    found = {"machine": machine(), "tables": []}
    print(found["machine"])
    for shape in arguments.shapes:
        found["tables"].append(compare(shape, arguments.rounds, arguments.seconds))
        show(found["tables"][-1])
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
