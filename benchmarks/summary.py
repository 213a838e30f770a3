"""A finished study in a few lines: D_T within and between scripts, and the pairs that share most.

    python benchmarks/summary.py benchmarks/studies/results/surface

Reads `measurements.csv` and `blocks.parquet` of the folder and estimates again.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

from bytetransfer.measurements.file import parse_measurements, read_blocks
from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer
from bytetransfer.units import format_bytes

# zh and ja share their characters, so they count as one script here
SCRIPTS = {"ar": "Arab", "el": "Grek", "he": "Hebr", "ja": "Hani", "ko": "Hang", "ru": "Cyrl"}
SCRIPTS |= {"uk": "Cyrl", "zh": "Hani"}


def script(language: str) -> str:
    return SCRIPTS.get(language, "Latn")


def line(name: str, rows: Sequence[TransferEstimate]) -> str:
    values = [row.transfer_bytes for row in rows]
    above = sum(row.transfer_low is not None and row.transfer_low > 0 for row in rows)
    below = sum(row.transfer_high is not None and row.transfer_high < 0 for row in rows)
    median = format_bytes(statistics.median(values))
    return (
        f"  {name:15} {len(rows):4} pairs, median D_T {median:>8}, "
        f"most {format_bytes(max(values)):>8}, interval above 0: {above:3}, below 0: {below:3}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    blocks = folder / "blocks.parquet"
    measurements = parse_measurements(
        (folder / "measurements.csv").read_text(encoding="utf-8"),
        where=str(folder),
        blocks=read_blocks(blocks.read_bytes(), where=str(blocks)),
    )
    nominal = {row.target_bytes: row.size for row in measurements}
    rows = estimate_transfer(measurements).rows
    for learner in sorted({row.learner for row in rows}):
        for size in sorted({nominal[row.finetune_bytes] for row in rows if row.learner == learner}):
            here = [r for r in rows if r.learner == learner and nominal[r.finetune_bytes] == size]
            print(f"{learner}, D_F {format_bytes(size)}")
            others = [row for row in here if row.source != row.target]
            same = [row for row in others if script(row.source) == script(row.target)]
            groups = {
                "same language": [row for row in here if row.source == row.target],
                "same script": same,
                "other script": [row for row in others if row not in same],
            }
            for name, group in groups.items():
                if group:
                    print(line(name, group))
            for row in sorted(others, key=lambda row: -row.transfer_bytes)[:8]:
                print(f"    {row.source} → {row.target}  {format_bytes(row.transfer_bytes)}")


if __name__ == "__main__":
    main()
