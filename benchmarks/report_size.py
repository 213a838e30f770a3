"""What the report of a large study weighs and takes: 20 × 20 languages, six sizes, made-up losses.

    python benchmarks/report_size.py [--learners 1 2] [--analyses] [--json out.json] [--out page]
    python benchmarks/report_size.py --study FILE     the parts of `bytetransfer report`

Prints seconds of the clock and of the processor for the estimates, each analysis and the page, and
the bytes of each section. Losses follow power laws and have test-document blocks; languages lie on
a plane, and what a source is worth falls with distance. Shares of foreign lines, distances between
texts and byte premiums are made up too, as many as a study of aligned corpora has.
"""

# ruff: noqa: E402
from __future__ import annotations

import argparse
import itertools
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bytetransfer.cli.shared import settle

settle()  # as every command does, before numpy is loaded

import numpy as np

from bytetransfer.analysis.cells import by_group
from bytetransfer.analysis.contamination import (
    Reading,
    exposures,
    follow_contamination,
    read_shares,
)
from bytetransfer.analysis.premium import byte_premiums
from bytetransfer.explain.inputs import Evidence
from bytetransfer.explain.sections import ANALYSES, answered
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.report import build_report, render_html
from bytetransfer.report.analyses.contamination import contamination_section
from bytetransfer.report.analyses.content import content_section
from bytetransfer.report.document import Section
from bytetransfer.report.view import make_view
from bytetransfer.results.project import Project
from bytetransfer.transfer.estimate import Estimates, estimate_transfer

LANGUAGES = tuple("ar de el en es et fi fr he hu id ja ko pt ru sw tr uk vi zh".split())  # noqa: SIM905
LEARNERS = {"ngram": "exact", "transformer/nano": "converged"}
SIZES = (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
SCRATCH_SIZES = (1_000, *SIZES, 3_000_000)
LIMIT_MB = 6  # what a page of one learner may weigh
SEEDS, BLOCKS = 3, 1000
TEXT_MEASURES = ("n-grams", "scripts", "letter width", "compression", "compression, one way")


class World:
    """Languages on a plane, and what each is worth as a source."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.draw = draw
        places = draw.normal(size=(len(LANGUAGES), 2))
        self.apart = np.linalg.norm(places[:, None] - places, axis=2)
        self.given = draw.normal(0, 0.3, len(LANGUAGES))
        self.bytes = draw.integers(200, 400, (len(LANGUAGES), BLOCKS)).astype(np.float64)
        self.documents = np.exp(0.1 * draw.standard_normal((len(LANGUAGES), BLOCKS)))

    def measurements(self, learners: Sequence[str]) -> Measurements:
        self.blocks: dict[str, np.ndarray] = {}
        return Measurements(list(self._rows(learners)), self.blocks)

    def _rows(self, learners: Sequence[str]) -> Iterator[Measurement]:
        places, seeds = range(len(LANGUAGES)), range(SEEDS)
        for number, learner in enumerate(learners):
            for j, size, seed in itertools.product(places, SCRATCH_SIZES, seeds):
                yield self._row(learner, SCRATCH, j, size, seed, size)
            for i, j in itertools.product(places, repeat=2):
                near = 3.0 if i == j else math.exp(-1.2 * self.apart[i, j] / (1 + number))
                worth = 30_000 * math.exp(self.given[i]) * near
                for size, seed in itertools.product(SIZES, seeds):
                    reached = size + worth * (size / 1e4) ** 0.3
                    yield self._row(learner, LANGUAGES[i], j, size, seed, reached)

    def _row(
        self, learner: str, source: str, target: int, size: int, seed: int, reached: float
    ) -> Measurement:
        loss = (1.1 + 24 * (reached + 300) ** -0.28) * math.exp(0.005 * self.draw.normal())
        run = f"{learner}-{source}-{target}-{size}-{seed}"
        weight = self.bytes[target]
        nats = weight * self.documents[target] * np.exp(0.02 * self.draw.standard_normal(BLOCKS))
        nats *= loss * math.log(2) * weight.sum() / nats.sum()
        self.blocks[run] = np.stack([nats, weight], axis=1)
        return Measurement(
            source=source,
            target=LANGUAGES[target],
            target_bytes=size - seed,
            nominal_bytes=size,
            bits_per_byte=loss,
            learner=learner,
            regime=LEARNERS[learner],
            seed=seed,
            pretrain_bytes=0 if source == SCRATCH else 2_000_000,
            run=run,
        )

    def distances(self) -> dict[str, dict[tuple[str, str], float]]:
        """As many measures as there are between texts."""
        found = {}
        for measure in TEXT_MEASURES:
            noise = np.exp(0.2 * self.draw.standard_normal(self.apart.shape))
            table = self.apart * (noise + noise.T)
            pairs = itertools.permutations(range(len(LANGUAGES)), 2)
            found[measure] = {(LANGUAGES[i], LANGUAGES[j]): float(table[i, j]) for i, j in pairs}
        return found

    def readings(self) -> list[Reading]:
        """Two detectors that find a line in a hundred foreign."""
        found = []
        for detector, language in itertools.product(("lid176", "langid"), LANGUAGES):
            drawn = self.draw.random((2_000, 5)) < 0.99
            others = self.draw.choice(LANGUAGES, (2_000, 5))
            lines = [
                [
                    (language if own else str(other), 80)
                    for own, other in zip(*document, strict=True)
                ]
                for document in zip(drawn, others, strict=True)
            ]
            reading = read_shares(lines, corpus=language, language=language, detector=detector,
                                  known=set(LANGUAGES), corpus_documents=20_000)  # fmt: skip
            assert isinstance(reading, Reading)
            found.append(reading)
        return found

    def line_bytes(self) -> dict[str, np.ndarray]:
        lines = self.draw.integers(50, 200, 20_000)
        return {name: (lines * self.draw.uniform(0.8, 2)).astype(int) for name in LANGUAGES}


class Clock:
    """Seconds of the clock and of the processor by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, tuple[float, float]] = {}

    @contextmanager
    def timed(self, what: str) -> Iterator[None]:
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.seconds[what] = time.perf_counter() - wall, time.process_time() - cpu
        print(f"  {what:14} {self.seconds[what][0]:6.2f} s, CPU {self.seconds[what][1]:6.2f} s")


def sections(
    world: World, measurements: Measurements, estimates: Estimates, clock: Clock
) -> list[Section]:
    """Every analysis, those that need corpora from what was made up for them."""
    evidence = Evidence(
        measurements=measurements,
        estimates=estimates,
        names=make_view(measurements, estimates).names,
        languages={name: name for name in LANGUAGES},
        distances=world.distances(),
        close={"es": "pt"},
    )
    readings, lines = world.readings(), world.line_bytes()
    groups = list(by_group(evidence.between_languages).values())
    by_hand = {
        "contamination": lambda: contamination_section(
            readings,
            follow_contamination(groups, readings),
            exposures(evidence.between_languages, readings),
            evidence.names,
        ),
        "content": lambda: content_section(estimates, byte_premiums(lines), evidence.names),
    }
    found = []
    for name, make in ANALYSES.items():
        with clock.timed(name):
            found.append(by_hand[name]() if name in by_hand else make(evidence))
    return answered(found)


def measure(learners: int, *, analyses: bool, out: Path | None) -> dict[str, object]:
    print(f"{learners} learner{'s' * (learners > 1)}")
    world, clock = World(np.random.default_rng(0)), Clock()
    measurements = world.measurements(list(LEARNERS)[:learners])
    with clock.timed("estimates"):
        estimates = estimate_transfer(measurements)
    explained = sections(world, measurements, estimates, clock) if analyses else []
    with clock.timed("page"):
        report = build_report(measurements, estimates, explanations=explained)
        page = render_html(report)
    wall, cpu = (sum(spent) for spent in zip(*clock.seconds.values(), strict=True))
    print(f"  {'together':14} {wall:6.2f} s, CPU {cpu:6.2f} s")
    parts = re.findall(r'<section id="([^"]+)"(.*?)</section>', page, re.DOTALL)
    sizes = {name: len(part.encode()) for name, part in parts}
    data = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    sizes["data"] = len(data[1].encode())
    for name, size in sizes.items():
        print(f"  {name:14} {size / 1e3:8.0f} kB")
    print(f"  whole page     {len(page.encode()) / 1e6:8.2f} MB of {LIMIT_MB} MB")
    if out:
        out.with_suffix(f".{learners}.html").write_text(page, encoding="utf-8")
    return {"learners": learners, "seconds": clock.seconds, "bytes": sizes,
            "page_bytes": len(page.encode())}  # fmt: skip


def multiply() -> None:
    """The limit of the estimates: the product that resamples all runs of one curve."""
    draw = np.random.default_rng(0)
    counts = draw.multinomial(BLOCKS, np.full(BLOCKS, 1 / BLOCKS), 2_000).astype(np.float64)
    nats = draw.random((BLOCKS, len(LANGUAGES) * len(SIZES) * SEEDS))
    started = time.process_time()
    for _ in range(10):
        counts @ nats
    seconds = (time.process_time() - started) / 10
    rate = 2 * counts.size * nats.shape[1] / seconds / 1e9
    print(f"resampling a curve: {seconds:.3f} s of a product, {rate:.0f} GFLOP/s")


def of_study(path: Path) -> None:
    """The parts of the report of a finished study; nothing is written."""
    clock, project = Clock(), Project.open(path)
    with clock.timed("plan"):
        planned = project.plan()
    with clock.timed("results"):
        measurements = project.finished(planned)
    with clock.timed("estimates"):
        estimates = project.estimates(measurements)
    found: list[Section] = []
    for name in ANALYSES:
        with clock.timed(name):
            found += project.explain(measurements, estimates, [name])
    with clock.timed("bare report"):  # how the runs ended is read for it
        project.report(planned, measurements, estimates, analyses=())
    with clock.timed("page"):
        page = render_html(build_report(measurements, estimates, explanations=answered(found)))
    print(f"  whole page     {len(page.encode()) / 1e6:8.2f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--learners", type=int, nargs="+", default=[1, 2], choices=[1, 2])
    parser.add_argument("--analyses", action="store_true")
    parser.add_argument("--study", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    if asked.study:
        of_study(asked.study)
        return
    multiply()
    found = [measure(n, analyses=asked.analyses, out=asked.out) for n in asked.learners]
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
