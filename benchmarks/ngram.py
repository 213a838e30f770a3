"""How fast, how small and how good the surface learner is.

    python benchmarks/ngram.py                                 rates, on generated text and noise
    python benchmarks/ngram.py --text FOLDER                   rates and losses on NAME.txt.gz
    python benchmarks/ngram.py --scale FOLDER FOLDER           rates at 1, 10 and 100 MB of text
    python benchmarks/ngram.py --text FOLDER --json FILE

It runs on one thread. Rates are medians of five repetitions; the sort alone is timed beside them,
being the limit. With `--scale`, the distinct lines of all *.txt.gz in the folders are mixed; each
size has a process of its own, and rates are medians of three, in CPU seconds, which others on the
same machine disturb less than the clock on the wall.
"""

from __future__ import annotations

import argparse
import gzip
import json
import multiprocessing
import statistics
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.learner import Fitted, Task
from bytetransfer.learners.ngram import Ngram, NgramSettings
from bytetransfer.learners.ngram_counts import pack_windows
from bytetransfer.learners.ngram_state import NgramState
from bytetransfer.units import bits_per_byte

Result = TypeVar("Result")
Row = dict[str, float | str]
Split = tuple[Documents, Documents, Documents]
NOTHING = Documents.from_list([])
TARGET = "es"
SOURCES = ("pt", "fr", "en", "fi", "ru", "zh")
SCRATCH_BYTES = (10_000, 100_000, 1_000_000, 2_500_000, 2_760_000)
SOURCE_BYTES = 2_500_000
SCALE_BYTES = (1_000_000, 10_000_000, 100_000_000)
SCALE_TEST_BYTES = 2_000_000


def generated(size: int, seed: int) -> Documents:
    """Sentences of a made-up language with Zipfian words, the same language for all seeds."""
    random = np.random.default_rng(0)
    lexicon = [
        bytes(random.integers(97, 115, n).tolist()) for n in random.integers(2, 9, 20_000).tolist()
    ]
    draws = (np.random.default_rng(seed).zipf(1.2, size // 3) % 20_000).tolist()
    sentences = (b" ".join(lexicon[i] for i in draws[a : a + 20]) for a in range(0, len(draws), 20))
    return take(Documents.from_list(sentences), size)


def noise(size: int, seed: int) -> Documents:
    """Random bytes, the worst case for memory: hardly an n-gram of four bytes recurs."""
    random = np.random.default_rng(seed)
    return Documents.from_list(random.bytes(1000) for _ in range(size // 1000))


def read_split(path: Path, seed: int = 0) -> Split:
    """Training, validation and test: 90, 5 and 5 % of the lines, at random."""
    with gzip.open(path) as file:
        lines = Documents.from_list(line.rstrip(b"\n") for line in file)
    order = np.random.default_rng(seed).permutation(len(lines))
    share = len(lines) // 20
    test, validation, train = np.split(order, [share, 2 * share])
    return lines.select(train), lines.select(validation), lines.select(test)


def take(documents: Documents, size: int) -> Documents:
    """As many whole documents as fit into `size` bytes."""
    return documents.select(np.arange(np.searchsorted(documents.ends, size, side="right")))


def fit(
    learner: Ngram,
    text: Documents,
    start: NgramState | None = None,
    validation: Documents = NOTHING,
) -> Fitted[NgramState]:
    task = Task(text=text, validation=validation, seed=0)
    return learner.fit(task, start=start, folder=Path(), watch=lambda progress: None)


def loss(learner: Ngram, state: NgramState, test: Documents) -> float:
    return bits_per_byte(float(learner.score(state, test).sum()), test.total_bytes)


def seconds(
    action: Callable[[], object],
    repetitions: int = 5,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    taken = []
    for _ in range(repetitions):
        begin = clock()
        action()
        taken.append(clock() - begin)
    return statistics.median(taken)


def peak_bytes(action: Callable[[], Result]) -> tuple[Result, int]:
    tracemalloc.start()
    result = action()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return result, peak


def rates(name: str, train: Documents, test: Documents) -> Row:
    """Fit and score rates, the sort's share, memory and size of the state."""
    learner = Ngram(NgramSettings())
    fitted, peak = peak_bytes(lambda: fit(learner, train))
    size = train.total_bytes
    windows = pack_windows(train.text, train.lengths, order=learner.settings.order)
    fit_s = seconds(lambda: fit(learner, train))
    score_s = seconds(lambda: learner.score(fitted.state, test))
    counts = fitted.state.counts
    return {
        "text": name,
        "train_bytes": size,
        "test_bytes": test.total_bytes,
        "fit_mb_per_s": size / fit_s / 1e6,
        "sort_alone_mb_per_s": size / seconds(lambda: np.sort(windows)) / 1e6,
        "score_mb_per_s": test.total_bytes / score_s / 1e6,
        "peak_bytes_per_byte": peak / size,
        "state_bytes_per_byte": state_bytes(fitted.state) / size,
        "file_bytes_per_byte": (counts.windows.nbytes + counts.multiplicities.nbytes) / size,
    }


def state_bytes(state: NgramState) -> int:
    counts = state.counts
    arrays = [counts.windows, counts.multiplicities]
    for level in counts.levels:
        arrays += [level.counts, level.totals, level.reserved, level.prefix]
    return sum(array.nbytes for array in arrays)


def mixed_lines(folders: list[Path], seed: int = 0) -> Documents:
    """The distinct lines of all texts in `folders`, in random order."""
    lines: dict[bytes, None] = {}
    for path in (path for folder in folders for path in sorted(folder.glob("*.txt.gz"))):
        lines.update(dict.fromkeys(gzip.decompress(path.read_bytes()).split(b"\n")))
    kept = list(lines)
    order = np.random.default_rng(seed).permutation(len(kept))
    return Documents.from_list(kept[i] for i in order.tolist())


def scale(folders: list[Path]) -> list[Row]:
    """Rates and memory by size of the training text, each in a process of its own."""
    documents = mixed_lines(folders)
    held_out = int(np.searchsorted(documents.ends, SCALE_TEST_BYTES))
    test = documents.select(np.arange(held_out))
    rest = documents.select(np.arange(held_out, len(documents)))
    rows: list[Row] = []
    for size in SCALE_BYTES:
        if rest.total_bytes < size:
            print(f"only {rest.total_bytes:,} bytes of distinct text: {size:,} are left out")
            continue
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(scale_row, (take(rest, size), test)))
    return rows


def scale_row(train: Documents, test: Documents) -> Row:
    learner = Ngram(NgramSettings())
    state, peak = peak_bytes(lambda: fit(learner, train).state)
    half = len(test) // 2
    validation = take(test.select(np.arange(half)), 100_000)
    few = take(test.select(np.arange(half, len(test))), 100_000)
    tuned = fit(learner, few, state, validation).state

    def cpu_rate(text: Documents, action: Callable[[], object]) -> float:
        return text.total_bytes / seconds(action, 3, time.process_time) / 1e6

    score_rate = cpu_rate(test, lambda: learner.score(state, test))
    tuned_rate = cpu_rate(test, lambda: learner.score(tuned, test))
    fit_rate = cpu_rate(train, lambda: fit(learner, train))
    windows = pack_windows(train.text, train.lengths, order=learner.settings.order)
    sort_rate = cpu_rate(train, lambda: np.sort(windows))
    return {
        "train_bytes": train.total_bytes,
        "fit_mb_per_s": fit_rate,
        "sort_alone_mb_per_s": sort_rate,
        "sort_share_of_fit": fit_rate / sort_rate,
        "score_mb_per_s": score_rate,
        "fine_tuned_score_mb_per_s": tuned_rate,
        "bits_per_byte": loss(learner, state, test),
        "peak_bytes_per_byte": peak / train.total_bytes,
        "state_bytes_per_byte": state_bytes(state) / train.total_bytes,
        "process_peak_gb": process_peak() / 1e9,
    }


def process_peak() -> float:
    """The most memory this process has held, in bytes; nan where Linux does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return float("nan")
    # not getrusage: its figure begins with what the parent held
    return float(status.split("VmHWM:")[1].split()[0]) * 1024


def scratch_losses(name: str, train: Documents, test: Documents) -> list[Row]:
    learner = Ngram(NgramSettings())
    rows: list[Row] = []
    for size in SCRATCH_BYTES:
        text = take(train, size)
        if train.total_bytes >= size:
            bpb = loss(learner, fit(learner, text).state, test)
            rows.append({"text": name, "bytes": text.total_bytes, "bits_per_byte": bpb})
    return rows


def transfer(folder: Path, sizes: tuple[int, ...] = (10_000, 100_000)) -> list[Row]:
    """Losses of the target from each source, and D_T read on the from-scratch curve."""
    learner = Ngram(NgramSettings())
    train, validation, test = read_split(folder / f"{TARGET}.txt.gz")
    curve = [take(train, int(size)) for size in np.geomspace(5e3, 1e6, 24)]
    log_bytes = np.log([text.total_bytes for text in curve])
    losses = np.array([loss(learner, fit(learner, text).state, test) for text in curve])
    rows: list[Row] = []
    for source in SOURCES:
        text = take(read_split(folder / f"{source}.txt.gz")[0], SOURCE_BYTES)
        start = fit(learner, text).state
        zero_shot = loss(learner, start, test)
        for size in sizes:
            small = take(train, size)
            begin = time.perf_counter()
            fitted = fit(learner, small, start, validation)
            took = time.perf_counter() - begin
            bpb = loss(learner, fitted.state, test)
            effective = float(np.exp(np.interp(-bpb, -losses, log_bytes)))
            rows.append(
                {
                    "source": source,
                    "zero_shot": zero_shot,
                    "target_bytes": small.total_bytes,
                    "scratch": loss(learner, fit(learner, small).state, test),
                    "fine_tuned": bpb,
                    "transfer_bytes": effective - small.total_bytes,
                    "fit_s": took,
                    "fit_and_score_s": took + seconds(lambda: learner.score(fitted.state, test), 1),  # noqa: B023
                    "search": float(len(fitted.training.search)),
                }
            )
    return rows


def print_table(rows: list[Row]) -> None:
    if not rows:
        return
    cells = [list(rows[0])] + [
        [f"{v:,.4g}" if isinstance(v, float) and abs(v) < 1e3 else f"{v:,.0f}"
         if not isinstance(v, str) else v for v in row.values()]
        for row in rows
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--text", type=Path, help="folder with NAME.txt.gz, one document a line")
    parser.add_argument("--names", default="en,es", help="files the loss table is made of")
    parser.add_argument("--size", type=int, default=10_000_000, help="bytes of generated text")
    parser.add_argument("--json", type=Path, help="file to write the tables to")
    parser.add_argument("--scale", type=Path, nargs="+", help="folders for the table by size")
    arguments = parser.parse_args()
    if arguments.scale:
        tables = {"scale": scale(arguments.scale)}
        print_table(tables["scale"])
    else:
        tables = rates_and_losses(arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(tables, indent=1) + "\n")


def rates_and_losses(arguments: argparse.Namespace) -> dict[str, list[Row]]:
    text, held_out = generated(arguments.size, seed=1), generated(1_000_000, seed=2)
    tables = {
        "rates": [
            rates("generated", text, held_out),
            rates("random bytes", noise(arguments.size // 2, seed=1), noise(1_000_000, seed=2)),
        ]
    }
    print_table(tables["rates"])
    if arguments.text:
        splits = {
            name: read_split(arguments.text / f"{name}.txt.gz")
            for name in arguments.names.split(",")
        }
        tables["rates_on_text"] = [rates(name, s[0], s[2]) for name, s in splits.items()]
        print_table(tables["rates_on_text"])
        tables["from_scratch"] = [
            row for name, s in splits.items() for row in scratch_losses(name, s[0], s[2])
        ]
        print_table(tables["from_scratch"])
        if all((arguments.text / f"{name}.txt.gz").exists() for name in (TARGET, *SOURCES)):
            tables[f"transfer_to_{TARGET}"] = transfer(arguments.text)
            print_table(tables[f"transfer_to_{TARGET}"])
    return tables


if __name__ == "__main__":
    main()
