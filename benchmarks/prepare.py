"""How fast a plain-text file becomes a prepared folder, and what limits it.

    python benchmarks/prepare.py --size 1GB

Makes its own text in a temporary folder (`--folder` chooses the disk), prepares it in a process
of its own pinned to one core, and prints bytes per second by the clock and of core time (the two
differ where others use the machine), peak memory, the rate beside that of a plain copy of the
file, and the shares of core time that go into reading and splitting, into hashing, and into the
rest: two gathers in the order of hashes and, beyond `--memory`, one more pass over the disk.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bytetransfer.corpus.prepare import MEMORY_BYTES, prepare
from bytetransfer.corpus.shuffle import hash_documents
from bytetransfer.corpus.sources import FileSource, read_source
from bytetransfer.units import format_bytes, parse_bytes

MEAN_BYTES = {"lines of ~130 bytes": 130, "documents of ~3 kB": 3000}
GOAL_MEGABYTES_PER_SECOND = {"lines of ~130 bytes": 40, "documents of ~3 kB": 120}


def write_text(path: Path, size: int, mean: int, alphabet: str) -> None:
    """Random words; document lengths spread evenly around `mean`, a tenth of them duplicates."""
    rng = np.random.default_rng(0)
    encoded = np.array([list(letter.encode()) for letter in alphabet], np.uint8)
    width = encoded.shape[1]
    with path.open("wb") as file:
        written = 0
        while written < size:
            letters = encoded[rng.integers(0, len(encoded), 8_000_000 // width)].tobytes()
            lengths = rng.integers(mean // 2 // width, 3 * mean // 2 // width, 8_000_000 // mean)
            ends = np.cumsum(lengths) * width
            ends = ends[ends <= len(letters)].tolist()
            lines = [letters[a:b] for a, b in zip([0, *ends], ends, strict=False)]
            lines += lines[::10]
            written += file.write(b"\n".join(lines) + b"\n")


def timed_copy(source: Path, target: Path) -> float:
    start = time.perf_counter()
    with source.open("rb", buffering=0) as read, target.open("wb", buffering=0) as write:
        while block := read.read(1 << 20):
            write.write(block)
    seconds = time.perf_counter() - start
    target.unlink()
    return seconds


def batches(text: Path) -> Iterator[list[bytes]]:
    return read_source(FileSource(files=(text.name,)), text.parent)


def work(text: Path, folder: Path, memory_bytes: int) -> dict[str, float]:
    """Time one preparation; stages that can be repeated alone are timed alone afterwards."""
    start, core = time.perf_counter(), time.process_time()
    corpus = prepare(batches(text), folder, memory_bytes=memory_bytes)
    seconds, core = time.perf_counter() - start, time.process_time() - core
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start = time.process_time()
    for _ in batches(text):
        pass
    reading = time.process_time() - start
    hashing = 0.0
    for batch in batches(text):
        start = time.process_time()
        hash_documents(batch)
        hashing += time.process_time() - start
    return {
        "seconds": seconds,
        "core": core,
        "peak_bytes": peak,
        "reading": reading,
        "hashing": hashing,
        "documents": corpus.card.documents_read,
    }


def in_own_process(text: Path, folder: Path, memory_bytes: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--worker", str(text), str(folder), str(memory_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measure(name: str, size: int, folder: Path, memory_bytes: int, alphabet: str) -> list[str]:
    text = folder / "text.txt"
    write_text(text, size, MEAN_BYTES[name], alphabet)
    actual = text.stat().st_size
    copy = min(timed_copy(text, folder / "copy") for _ in range(2))
    run = in_own_process(text, folder / "prepared", memory_bytes)
    text.unlink()
    rate = actual / run["seconds"] / 1e6
    rest = run["core"] - run["reading"] - run["hashing"]
    return [
        name,
        format_bytes(actual),
        f"{rate:.0f} MB/s",
        f"{actual / run['core'] / 1e6:.0f} MB/s",
        f"{GOAL_MEGABYTES_PER_SECOND[name]} MB/s",
        f"{run['core'] / run['documents'] * 1e6:.2f} µs",
        format_bytes(run["peak_bytes"]),
        f"{rate / (actual / copy / 1e6):.2f}",
        f"{run['reading'] / run['core']:.0%}",
        f"{run['hashing'] / run['core']:.0%}",
        f"{rest / run['core']:.0%}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="300MB", help="of the text, for example 10GB")
    parser.add_argument("--memory", default=str(MEMORY_BYTES), help="for the shuffle")
    parser.add_argument("--folder", type=Path, default=None, help="where to write")
    parser.add_argument("--cyrillic", action="store_true", help="two bytes a letter")
    parser.add_argument("--worker", nargs=3, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        text, folder, memory = options.worker
        print(json.dumps(work(Path(text), Path(folder), int(memory))))
        return
    columns = ["text", "size", "by the clock", "of core time", "goal", "core time a document"]
    columns += ["peak memory", "rate / plain copy"]
    table = Table(*columns, "reading", "hashing", "order and writing")
    alphabet = "абвгдежзиклмнопр" if options.cyrillic else "abcdefghijklmnop     "
    for name in MEAN_BYTES:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            size, memory = parse_bytes(options.size), parse_bytes(options.memory)
            table.add_row(*measure(name, size, Path(folder), memory, alphabet))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
