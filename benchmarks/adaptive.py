"""Adaptive studies: do their intervals still hold the truth, and what do they save?

    python benchmarks/adaptive.py coverage --studies 1000     simulated studies with known answers
    python benchmarks/adaptive.py published                   the paper's grid, on its own curves
    python benchmarks/adaptive.py compare GRID.toml ADAPTIVE.toml     two finished studies
    python benchmarks/adaptive.py replay docs/studies/neural/measurements.csv     a finished grid

`coverage`: loss curves are those of `estimators.py`, the ladder has 13 sizes over three decades.
A source is fine-tuned at three sizes; D_E is 0.7 to 4.5 times D_F there. The planner
sees validation losses only, trains what it asks for and stops by its own rule; then the test losses
are read. Every run has noise of its own (a standard deviation of log loss), which is the same on
both splits, so stopping early by luck is as harmful as it can be; where there are documents, those
of the two splits are drawn apart. `never stopped` is the same design with as many seeds, fixed in
advance.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from multiprocessing import Pool
from pathlib import Path
from typing import Any

import numpy as np
from adaptive_cost import compare, published, replay
from estimators import SMALLEST_BYTES, SPAN, Law, draw_law
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.planning.adaptive import first_design, next_design
from bytetransfer.planning.design import Design
from bytetransfer.study.study import AdaptiveOptions, EstimateOptions, Study
from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer

LADDER = tuple(round(SMALLEST_BYTES * 10 ** (step / 4)) for step in range(13))
GRID_SEEDS = 3
CURVE = ("learner", "t")
BLOCKS = 100
REPLICATES = 200
SPREAD = 0.2
"""Standard deviation of how hard a block of documents is, for all runs."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of simulated study; noise is a standard deviation of log loss.

    Attributes:
        seeds: how many a cell begins with.
        width: the width asked for.
        noise: of a run, on both splits.
        falling: whether that is the noise of the smallest size and the largest has a tenth of it.
        tuned: noise of fine-tuned runs, as a multiple of that.
        documents: of what a run makes of the documents of a split, its mean over all of them.
        shape: the kind of curve.
    """

    seeds: int
    width: float = 1.5
    noise: float = 0.005
    falling: bool = False
    tuned: float = 1.0
    documents: float = 0.0
    shape: str = "law"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one cell."""

    covered: bool
    covered_fixed: bool
    width: float
    seeds: int
    scratch_share: float
    stages: int


class World:
    """Runs of one simulated study, each drawn once from its own name."""

    def __init__(self, setting: Setting, seed: Sequence[int]) -> None:
        generator = np.random.default_rng(seed)
        self.setting, self.seed = setting, tuple(seed)
        self.law: Law = draw_law(generator, setting.shape)
        sizes = LADDER[2], LADDER[4], LADDER[6]
        cells = [(source, size) for source in ("a",) for size in sizes]
        self.truth = {
            (source, size): math.log(size / SMALLEST_BYTES) + float(generator.uniform(-0.35, 1.5))
            for source, size in cells
        }
        self.study = Study(
            name="simulated",
            sources=("a",),
            targets=("t",),
            learners=("learner",),
            pretrain_bytes=1,
            finetune_bytes=sizes,
            scratch_bytes=LADDER,
            seeds=setting.seeds,
            estimate=EstimateOptions(resamples=REPLICATES),
            adaptive=AdaptiveOptions(width=setting.width),
        )

    def rows(self, design: Design, split: int) -> Measurements:
        """All runs of a design as seen on one split."""
        curve = design[CURVE]
        rows, blocks = [], {}
        wanted = [(SCRATCH, size, seed) for size in curve.sizes for seed in range(curve.seeds)]
        for (source, size), seeds in curve.cells.items():
            wanted += [(source, size, seed) for seed in range(seeds)]
        for source, size, seed in wanted:
            log_loss, table = self._run(source, size, seed, split)
            key = f"{source}/{size}/{seed}"
            if table is not None:
                blocks[key] = table
                log_loss = math.log(table[:, 0].sum() / table[:, 1].sum() / math.log(2))
            rows.append(
                Measurement(
                    source=source, target="t", target_bytes=size, nominal_bytes=size, seed=seed,
                    bits_per_byte=math.exp(log_loss), learner="learner", run=key,
                )
            )  # fmt: skip
        return Measurements(rows, blocks)

    def _run(
        self, source: str, size: int, seed: int, split: int
    ) -> tuple[float, np.ndarray | None]:
        setting, tuned = self.setting, source != SCRATCH
        place = self.truth[source, size] if tuned else math.log(size / SMALLEST_BYTES)
        name = (*self.seed, len(source) * 256 + ord(source[0]), size)
        scale = setting.noise * (10 ** (-max(place, 0) / SPAN) if setting.falling else 1.0)
        scale *= setting.tuned if tuned else 1.0
        own = np.random.default_rng([*name, seed]).standard_normal()
        log_loss = float(self.law.log_loss(place)) + scale * own
        if not setting.documents:
            return log_loss, None
        easy = SPREAD * np.random.default_rng([*self.seed, split]).standard_normal(BLOCKS)
        cell = np.random.default_rng([*name, 10**6 + split]).standard_normal(BLOCKS)
        uneven = setting.documents * math.sqrt(BLOCKS) * cell
        mean = (SPREAD**2 + (setting.documents * math.sqrt(BLOCKS)) ** 2) / 2
        nats = 1000 * math.log(2) * math.exp(log_loss) * np.exp(easy + uneven - mean)
        return log_loss, np.stack([nats, np.full(BLOCKS, 1000.0)], 1)


def simulate(setting: Setting, seed: Sequence[int]) -> list[Outcome]:
    """One adaptive study to its end, and what its test losses then say."""
    world = World(setting, seed)
    design, stages = first_design(world.study), 1
    while True:
        step = next_design(world.study, design, world.rows(design, 0))
        if step.design is None:
            break
        design, stages = step.design, stages + 1
    curve = design[CURVE]
    grid = GRID_SEEDS * sum(LADDER[::2])
    share = curve.seeds * sum(curve.sizes) / grid
    found = _read(world, design)
    # the same numbers of seeds, but other seeds: nobody stopped because these looked well
    fixed = _read(World(setting, seed), design, fresh=True)
    return [
        Outcome(
            covered=_covers(row, world.truth[cell]),
            covered_fixed=_covers(fixed[cell], world.truth[cell]),
            width=_width(row),
            seeds=curve.cells[cell],
            scratch_share=share,
            stages=stages,
        )
        for cell, row in found.items()
    ]


def _read(world: World, design: Design, *, fresh: bool = False) -> dict[Any, TransferEstimate]:
    if fresh:
        world.seed = (*world.seed, 1)
    found = estimate_transfer(world.rows(design, 1), resamples=REPLICATES)
    return {(row.source, row.nominal_bytes): row for row in found.rows}


def _covers(row: TransferEstimate, truth: float) -> bool:
    low = -math.inf if row.effective_low is None else math.log(row.effective_low)
    high = math.inf if row.effective_high is None else math.log(row.effective_high)
    return low - 1e-6 <= truth + math.log(SMALLEST_BYTES) <= high + 1e-6


def _width(row: TransferEstimate) -> float:
    if row.effective_low is None or row.effective_high is None:
        return math.inf
    return row.effective_high / row.effective_low


def settings() -> list[tuple[str, Setting]]:
    """What is reported."""
    kinds: dict[str, dict[str, Any]] = {
        "0.5 % noise, width 1.5": {},
        "0.5 % noise, width 1.2": {"width": 1.2},
        "2 % noise, width 1.5": {"noise": 0.02},
        "falls from 2 % to 0.2 %": {"noise": 0.02, "falling": True},
        "seeds : documents 1 : 1": {"noise": 0.0035, "documents": 0.0035},
        "fine-tuned 4 x": {"tuned": 4.0},
        "broken power law": {"shape": "broken"},
    }
    return [
        (kind, Setting(seeds=seeds, **given)) for seeds in (3, 2) for kind, given in kinds.items()
    ]


def coverage(studies: int, only: str, seeds: int | None, processes: int) -> list[dict[str, Any]]:
    """Simulate every setting."""
    rows = []
    with Pool(processes) as pool:
        for kind, setting in settings():
            if only not in kind or seeds not in (None, setting.seeds):
                continue
            work = [(setting, (0, study)) for study in range(studies)]
            outcomes = [o for some in pool.starmap(simulate, work, chunksize=4) for o in some]
            rows.append({"noise": kind, "seeds": setting.seeds, **summary(outcomes, setting)})
    return rows


def summary(outcomes: Iterable[Outcome], setting: Setting) -> dict[str, float]:
    """Shares and medians over all cells of all studies."""
    all_of = [asdict(outcome) for outcome in outcomes]
    column = {name: np.array([row[name] for row in all_of], np.float64) for name in all_of[0]}
    return {
        "covers": float(column["covered"].mean()),
        "never stopped": float(column["covered_fixed"].mean()),
        "narrow": float((column["width"] <= setting.width).mean()),
        "width": float(np.median(column["width"])),
        "most seeds": float(column["seeds"].max()),
        "mean seeds": float(column["seeds"].mean()),
        "scratch bytes": float(column["scratch_share"].mean()),
        "stages": float(column["stages"].mean()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["coverage", "published", "compare", "replay"])
    parser.add_argument(
        "files", nargs="*", type=Path, help="compare: two study files; replay: a table"
    )
    parser.add_argument("--learner", default="transformer/nano", help="replay: whose rows")
    parser.add_argument("--width", type=float, default=1.5, help="replay: what is asked for")
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--only", default="", help="only the kinds whose name holds this")
    parser.add_argument("--seeds", type=int, help="only studies that begin with so many")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.what == "compare":
        rows = compare(*options.files)
    elif options.what == "replay":
        rows = replay(*options.files, options.learner, options.width)
    elif options.what == "published":
        rows = published()
    else:
        rows = coverage(options.studies, options.only, options.seeds, options.processes)
    table = Table(*rows[0], box=SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(f"{v:.3g}" if isinstance(v, float) else str(v) for v in row.values()))
    Console(width=140).print(table)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
