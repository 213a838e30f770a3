"""How much of a CUDA device training uses: one large run alone, small ones side by side.

    python benchmarks/gpu.py                    the device this machine has; minutes
    python benchmarks/gpu.py --json FILE
    python benchmarks/gpu.py --dry              the same steps in tiny, on any machine: no figures

The rate of large bf16 products is measured first, in the same process, and is what shares refer to.
The large run is the preset `paper` at 512 × 1024 bytes a step. Small runs share the device as
separate processes, as `bytetransfer run --workers N` would have it; all are warm before the clock
starts. Operations are counted as 6 N a byte and attention to half the context.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.transformer.batches import Windows
from bytetransfer.learners.transformer.model import initial_state
from bytetransfer.learners.transformer.numerics import Numerics, resolve_numerics
from bytetransfer.learners.transformer.settings import (
    Shape,
    TransformerSettings,
    flops_per_byte,
    preset,
)
from bytetransfer.learners.transformer.trainer import Trainer

Row = dict[str, Any]
TINY = Shape(layers=1, width=32, heads=2, feed_forward=64, context=32)


def text(size: int) -> Documents:
    """Random bytes: what they are does not matter to how long they take."""
    return Documents.from_list([np.random.default_rng(0).bytes(size)])


def settings_of(name: str, *, dry: bool) -> TransformerSettings:
    settings = preset(name)
    return msgspec.structs.replace(settings, shape=TINY, batch=8) if dry else settings


def numerics_of(settings: TransformerSettings, *, dry: bool) -> Numerics:
    device, compile = ("cpu", "never") if dry else ("cuda", "always")
    return resolve_numerics(settings, threads=1, device=device, compile=compile)  # type: ignore[arg-type]


def wait_for(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def matmul_rate(device: str, *, dry: bool) -> float:
    """Operations a second of square bf16 products, the best of five stretches."""
    size, count = (64, 2) if dry else (8192, 20)
    a = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    torch.mm(a, a)
    rates = []
    for _ in range(5):
        wait_for(device)
        begun = time.perf_counter()
        for _ in range(count):
            torch.mm(a, a)
        wait_for(device)
        rates.append(count * 2 * size**3 / (time.perf_counter() - begun))
    return max(rates)


def attention_kernel(shape: Shape, device: str) -> str:
    """The first of torch's attention kernels that takes this shape in bf16."""
    width = shape.width // shape.heads
    q = torch.randn(1, shape.heads, shape.context, width, device=device, dtype=torch.bfloat16)
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH):
        try:
            with sdpa_kernel(backend):
                torch.nn.functional.scaled_dot_product_attention(q, q, q, is_causal=True, scale=1.0)
        except RuntimeError:
            continue
        return str(backend).rpartition(".")[2].lower()
    raise RuntimeError("none of torch's attention kernels works here")


class Training:
    """A trainer, its text, and the step it is at."""

    def __init__(self, settings: TransformerSettings, numerics: Numerics) -> None:
        self._batch, self._device = settings.batch, numerics.device
        self.trainer = Trainer(
            initial_state(settings.shape, 0),
            settings=settings,
            numerics=numerics,
            micro_batch=numerics.micro_batch,
        )
        size = 4 * settings.batch * settings.shape.context
        self._windows = Windows(text(size), context=settings.shape.context, seed=0)
        self._number = 0

    def go(self, goes_on: Callable[[int, float], bool]) -> tuple[int, float]:
        """Train as long as `goes_on(steps, seconds)`; bytes predicted, and seconds."""
        wait_for(self._device)
        begun, seen, steps = time.perf_counter(), 0, 0
        while goes_on(steps, time.perf_counter() - begun):
            x, y = self._windows.batch(self._number, self._batch)
            seen += self.trainer.step(x, y, number=self._number, learning_rate=1e-4)
            self._number, steps = self._number + 1, steps + 1
        wait_for(self._device)
        return seen, time.perf_counter() - begun


def large_run(peak: float, *, dry: bool) -> Row:
    """The preset `paper`, alone."""
    settings = settings_of("paper", dry=dry)
    numerics = numerics_of(settings, dry=dry)
    training = Training(settings, numerics)
    warm, steps = (1, 2) if dry else (3, 20)
    training.go(lambda done, _: done < warm)
    if numerics.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seen, seconds = training.go(lambda done, _: done < steps)
    memory = torch.cuda.max_memory_allocated() if numerics.device == "cuda" else None
    kernel = attention_kernel(settings.shape, numerics.device)
    return {
        "what": "tiny, alone" if dry else "paper, alone",
        "processes": 1,
        "micro_batch": training.trainer.micro_batch,
        "kernel": kernel if numerics.attention == "sdpa" else numerics.attention,
        "precision": numerics.precision,
        "compiled": numerics.compiled,
        "mb_per_s": seen / seconds / 1e6,
        "share_of_matmul": seen / seconds * flops_per_byte(settings.shape) / peak,
        "memory_gb": None if memory is None else memory / 1e9,
    }


def one_of_several(name: str, seconds: float, *, dry: bool) -> None:
    """A process that warms up, says so, waits for a line, trains and says how many bytes."""
    settings = settings_of(name, dry=dry)
    training = Training(settings, numerics_of(settings, dry=dry))
    training.go(lambda done, _: done < 3)
    print("ready", flush=True)
    sys.stdin.readline()
    seen, took = training.go(lambda _, passed: passed < seconds)
    print(json.dumps([seen, took]), flush=True)


def side_by_side(name: str, count: int, seconds: float, peak: float, *, dry: bool) -> Row:
    """`count` runs of a preset at a time, each in a process of its own."""
    command = [sys.executable, __file__, "--one", name, "--seconds", str(seconds)]
    processes = [
        subprocess.Popen(
            [*command, *(["--dry"] if dry else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(count)
    ]
    for process in processes:
        assert process.stdout is not None
        if process.stdout.readline().strip() != "ready":
            raise RuntimeError(f"a process of {count} ended before it was warm")
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate()[0]) for process in processes]
    rate = sum(seen / took for seen, took in told)
    shape = settings_of(name, dry=dry).shape
    return {
        "what": "tiny, side by side" if dry else f"{name}, side by side",
        "processes": count,
        "mb_per_s": rate / 1e6,
        "share_of_matmul": rate * flops_per_byte(shape) / peak,
    }


def print_table(rows: list[Row]) -> None:
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [names] + [[shown(row.get(name)) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))


def shown(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dry", action="store_true", help="tiny sizes on the CPU: no figures")
    parser.add_argument("--json", type=Path, help="file to write the table to")
    parser.add_argument("--small", default="small", help="preset of the runs side by side")
    parser.add_argument("--processes", default="1,2,4,8", help="how many of them at a time")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each such measurement")
    parser.add_argument("--one", metavar="PRESET", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    dry = arguments.dry
    if not dry and not torch.cuda.is_available():
        print("no CUDA device on this machine; --dry goes through the steps", file=sys.stderr)
        sys.exit(2)
    if arguments.one:
        one_of_several(arguments.one, arguments.seconds, dry=dry)
        return
    device = "cpu" if dry else "cuda"
    peak = matmul_rate(device, dry=dry)
    counts = [int(count) for count in arguments.processes.split(",")]
    rows = [large_run(peak, dry=dry)] + [
        side_by_side(arguments.small, count, arguments.seconds, peak, dry=dry) for count in counts
    ]
    name = "dry: figures mean nothing" if dry else torch.cuda.get_device_name()
    print(f"{name}, torch {torch.__version__}: bf16 products at {peak / 1e12:.4g} TFLOP/s")
    print_table(rows)
    if arguments.json:
        found = {"device": name, "torch": torch.__version__, "matmul_flops": peak, "rows": rows}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
