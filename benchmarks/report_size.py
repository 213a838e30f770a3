"""What the report of a large study weighs and takes: 20 × 20 languages, six sizes, made-up losses.

    python benchmarks/report_size.py [--analyses] [--out page.html]

Prints seconds for the estimates, for the analyses (where asked for), and for building the page, and
the bytes of each section. Losses follow power laws; languages lie on a plane, and what a source is
worth falls with distance.
"""

from __future__ import annotations

import argparse
import itertools
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from bytetransfer.explain import ANALYSES, answered
from bytetransfer.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.project import explain_table
from bytetransfer.report import build_report, render_html
from bytetransfer.transfer.estimate import estimate_transfer

LANGUAGES = [a + b for a in "abcde" for b in "aeio"]
SIZES = (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
SCRATCH_SIZES = (1_000, *SIZES, 3_000_000)
SEEDS = 3


def made_up() -> Measurements:
    draw = np.random.default_rng(0)
    places = draw.normal(size=(len(LANGUAGES), 2))
    given = draw.normal(0, 0.3, len(LANGUAGES))

    def row(source: str, target: str, size: int, seed: int, reached: float) -> Measurement:
        loss = 1.1 + 24 * (reached + 300) ** -0.28
        return Measurement(
            source=source,
            target=target,
            target_bytes=size - seed,
            nominal_bytes=size,
            bits_per_byte=loss * math.exp(0.005 * draw.standard_normal()),
            learner="ngram",
            regime="exact",
            seed=seed,
            pretrain_bytes=0 if source == SCRATCH else 2_000_000,
            run=f"{source}-{target}-{size}-{seed}",
        )

    rows = [
        row(SCRATCH, target, size, seed, size)
        for target, size, seed in itertools.product(LANGUAGES, SCRATCH_SIZES, range(SEEDS))
    ]
    for (i, source), (j, target) in itertools.product(enumerate(LANGUAGES), repeat=2):
        near = 3.0 if i == j else math.exp(-1.2 * float(np.linalg.norm(places[i] - places[j])))
        worth = 30_000 * math.exp(given[i]) * near
        rows += [
            row(source, target, size, seed, size + worth * (size / 1e4) ** 0.3)
            for size, seed in itertools.product(SIZES, range(SEEDS))
        ]
    return Measurements(rows)


@contextmanager
def timed(what: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    print(f"{what:12} {time.perf_counter() - started:6.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--analyses", action="store_true")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    measurements = made_up()
    with timed("estimates"):
        estimates = estimate_transfer(measurements)
    sections = []
    if arguments.analyses:
        with timed("analyses"):
            sections = answered(explain_table(measurements, ANALYSES, close={}))
    with timed("page"):
        report = build_report(measurements, estimates, explanations=sections)
        page = render_html(report)
    for name, part in re.findall(r'<section id="([^"]+)"(.*?)</section>', page, re.DOTALL):
        print(f"  {name:14} {len(part.encode()) / 1e3:8.0f} kB")
    print(f"whole page   {len(page.encode()) / 1e6:6.2f} MB")
    if arguments.out:
        arguments.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
