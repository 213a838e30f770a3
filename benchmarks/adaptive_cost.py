"""What an adaptive study saves: on the paper's grid, and against real ones.

Run through `adaptive.py published`, `adaptive.py compare` and `adaptive.py replay`.

`published`: the paper's from-scratch curves are taken for the truth, monotone and smooth between
its sizes, and its fine-tuned losses likewise; every run gets 0.5 % noise of its own. Grid and
adaptive study have three seeds, so that they differ in sizes alone; `grid narrow` is how many of
the same cells the grid brings within the width. Bytes are bytes seen in the paper's own schedule:
ten epochs, three at 6 GB and in pretraining.

`replay`: a finished full grid, of which an adaptive study is shown nothing but what it asks for.
Bytes are bytes of text, since a table of losses does not hold how often they were seen.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from bytetransfer.measurements.file import parse_measurements, read_blocks
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.planning.adaptive import Verdict, first_design, next_design
from bytetransfer.planning.design import CurveDesign, Design, full_grid
from bytetransfer.planning.plan import Plan
from bytetransfer.published.readings import perplexities
from bytetransfer.results.project import Project
from bytetransfer.runs.store import Store
from bytetransfer.study.study import AdaptiveOptions, EstimateOptions, Study
from bytetransfer.transfer.curve import Curve
from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer

SEEDS = 3
NOISE = 0.005
LARGEST = 6_000_000_000
LEARNER = "paper"


def seen(size: int) -> int:
    """Bytes one run of the paper sees: ten epochs, three of the largest size."""
    return (3 if size == LARGEST else 10) * size


class Target:
    """One target of the paper: its true curve and its cells."""

    def __init__(self, name: str, largest_finetune: int) -> None:
        rows = [r for r in perplexities() if r.target == name and r.target_bytes > 0]
        scratch = [row for row in rows if row.source == SCRATCH]
        self.name = name
        self.sizes = tuple(sorted(row.target_bytes for row in scratch))
        self.curve = Curve.through(
            [row.target_bytes for row in scratch], [row.bits_per_byte for row in scratch]
        )
        self.every_cell = [(r.source, r.target_bytes) for r in rows if r.source != SCRATCH]
        self.tuned = {
            (row.source, row.target_bytes): row.bits_per_byte
            for row in rows
            if row.source != SCRATCH and row.target_bytes <= largest_finetune
        }
        self.study = Study(
            name=name,
            sources=tuple(sorted({source for source, _ in self.tuned})),
            targets=(name,),
            learners=(LEARNER,),
            pretrain_bytes=LARGEST,
            finetune_bytes=tuple(sorted({size for _, size in self.tuned})),
            scratch_bytes=self.sizes,
            seeds=SEEDS,
            estimate=EstimateOptions(resamples=500),
            adaptive=AdaptiveOptions(most_seeds=SEEDS),
        )

    def only_published(self, design: Design) -> Design:
        """Without the cells that the paper left out."""
        curve = design[LEARNER, self.name]
        cells = {cell: seeds for cell, seeds in curve.cells.items() if cell in self.tuned}
        return {(LEARNER, self.name): replace(curve, cells=cells)}

    def rows(self, design: Design) -> Measurements:
        """All runs of a design, each drawn once from its own name."""
        curve = design[LEARNER, self.name]
        wanted = [
            (SCRATCH, size, seed, self.curve.loss(size))
            for size in curve.sizes
            for seed in range(curve.seeds)
        ]
        for cell, seeds in curve.cells.items():
            wanted += [(*cell, seed, self.tuned[cell]) for seed in range(seeds)]
        return Measurements(
            Measurement(
                source=source, target=self.name, target_bytes=size, nominal_bytes=size, seed=seed,
                bits_per_byte=loss * math.exp(NOISE * self._noise(source, size, seed)),
                learner=LEARNER,
            )
            for source, size, seed, loss in wanted
        )  # fmt: skip

    def _noise(self, source: str, size: int, seed: int) -> float:
        name = [*f"{source}>{self.name}".encode(), size // 10**6, seed]
        return float(np.random.default_rng(name).standard_normal())


def settle(target: Target) -> tuple[CurveDesign, list[Verdict]]:
    """What an adaptive study of one target ends with."""
    design = target.only_published(first_design(target.study))
    while True:
        step = next_design(target.study, design, target.rows(design))
        if step.design is None:
            return design[LEARNER, target.name], list(step.verdicts.values())
        design = step.design


def published() -> list[dict[str, Any]]:
    """The paper's grid against adaptive studies of more or less of its cells."""
    variants = [
        ("every cell", LARGEST),
        ("D_F up to 600 MB", 600_000_000),
        ("D_F up to 189 MB", 189_000_000),
        ("D_F up to 60 MB", 60_000_000),
    ]
    return [{"study": name, **_against_grid(largest)} for name, largest in variants]


def _against_grid(largest_finetune: int) -> dict[str, Any]:
    names = sorted({row.target for row in perplexities()})
    targets = [Target(name, largest_finetune) for name in names]
    ends = [settle(target) for target in targets]
    widths = [width for target in targets for width in _widths_in_grid(target)]
    verdicts = [verdict for _, some in ends for verdict in some]
    scratch = sum(curve.seeds * sum(map(seen, curve.sizes)) for curve, _ in ends)
    tuned = sum(n * seen(size) for curve, _ in ends for (_, size), n in curve.cells.items())
    grid = SEEDS * sum(seen(size) for target in targets for size in target.sizes)
    grid_tuned = SEEDS * sum(seen(size) for t in targets for _, size in t.every_cell)
    pretrained: dict[str, int] = {}
    for curve, _ in ends:
        for (source, _), n in curve.cells.items():
            pretrained[source] = max(pretrained.get(source, 0), n)
    sources = {source for target in targets for source, _ in target.every_cell}
    all_of_grid = grid + grid_tuned + SEEDS * len(sources) * seen(LARGEST)
    return {
        "cells": len(verdicts),
        "narrow": verdicts.count("narrow"),
        "bounds": verdicts.count("bound"),
        "grid narrow": sum(width <= AdaptiveOptions().width for width in widths),
        "grid width": float(np.median(widths)),
        "wide": len(verdicts) - verdicts.count("narrow") - verdicts.count("bound"),
        "scratch": scratch / grid,
        "all": (scratch + tuned + sum(pretrained.values()) * seen(LARGEST)) / all_of_grid,
    }


def _widths_in_grid(target: Target) -> list[float]:
    """How wide the intervals of a target's cells are when everything is trained."""
    rows = target.rows(target.only_published(full_grid(target.study)))
    return [_width(row) for row in estimate_transfer(rows).rows]


def replay(table: Path, learner: str, width: float) -> list[dict[str, Any]]:
    """What an adaptive study would have trained of a finished grid, more and more D_F asked for."""
    blocks = table.with_name("blocks.parquet")
    everything = parse_measurements(
        table.read_text(encoding="utf-8"),
        where=str(table),
        blocks=read_blocks(blocks.read_bytes(), where=str(blocks)),
    )
    rows = [row for row in everything if row.learner == learner]
    sizes = sorted({row.size for row in rows if row.source != SCRATCH})
    return [
        _replayed(
            Measurements(
                [row for row in rows if row.source == SCRATCH or row.size <= largest],
                everything.blocks,
            ),
            width,
        )
        for largest in sizes
    ]


def _replayed(grid: Measurements, width: float) -> dict[str, Any]:
    study = _study_of(grid, width)
    design = first_design(study)
    while True:
        step = next_design(study, design, _on_validation(_part(grid, design)))
        if step.design is None:
            break
        design = step.design
    part = _part(grid, design)
    full, ours = ({_cell(e): _width(e) for e in estimate_transfer(m).rows} for m in (grid, part))
    text = [sum(row.target_bytes for row in m if row.source == SCRATCH) for m in (part, grid)]
    ratios = [math.log(ours[c]) / math.log(w) for c, w in full.items() if 1 < w < math.inf]
    return {
        "D_F up to": f"{max(study.finetune_bytes) / 1e3:g} kB",
        "cells": len(full),
        "within width": sum(w <= width for w in ours.values()),
        "grid within": sum(w <= width for w in full.values()),
        "sizes": " ".join(f"{t}: {len(c.sizes)}" for (_, t), c in design.items()),
        "scratch share": text[0] / text[1],
        "log width to grid's": float(np.median(ratios)),
        "most": max(ratios),
    }


def _study_of(grid: Measurements, width: float) -> Study:
    """The adaptive study whose full grid a table is."""
    tuned = [row for row in grid if row.source != SCRATCH]
    seeds = len({row.seed for row in grid})
    return Study(
        name="replayed",
        sources=tuple(sorted({row.source for row in tuned})),
        targets=tuple(sorted({row.target for row in tuned})),
        learners=(tuned[0].learner,),
        pretrain_bytes=tuned[0].pretrain_bytes,
        finetune_bytes=tuple(sorted({row.size for row in tuned})),
        scratch_bytes=tuple(sorted({row.size for row in grid if row.source == SCRATCH})),
        seeds=seeds,
        adaptive=AdaptiveOptions(width=width, most_seeds=seeds),
    )


def _part(grid: Measurements, design: Design) -> Measurements:
    """The rows of a design that fits into the grid."""
    rows = [
        row
        for row in grid
        if row.source != SCRATCH or row.size in design[row.learner, row.target].sizes
    ]
    return Measurements(rows, grid.blocks)


def _on_validation(measurements: Measurements) -> Measurements:
    return Measurements(
        replace(row, bits_per_byte=row.validation_bits_per_byte or math.nan, run="", nats=None)
        for row in measurements
    )


def _cell(row: TransferEstimate) -> tuple[object, ...]:
    return (row.target, row.source, row.nominal_bytes)


def compare(grid: Path, adaptive: Path) -> list[dict[str, Any]]:
    """Two finished studies of the same cells: bytes by kind of run, and widths of intervals."""
    rows = []
    for path in (grid, adaptive):
        project = Project.open(path)
        plan = project.plan()
        estimates = project.results(plan).estimates.rows
        widths = {(e.learner, e.target, e.source, e.nominal_bytes): _width(e) for e in estimates}
        rows.append((path.stem, _bytes_by_kind(plan, project.store), widths))
        wanted = (project.study.adaptive or AdaptiveOptions()).width
    (_, of_grid, grid_widths), (_, _, narrow) = rows
    pairs = [(grid_widths[cell], narrow[cell]) for cell in grid_widths]
    ratios = [math.log(ours) / math.log(theirs) for theirs, ours in pairs if theirs > 1 + 1e-6]
    return [
        {
            "study": name,
            **{kind: f"{amount / 1e6:.3g} MB" for kind, amount in amounts.items()},
            "scratch share": amounts["scratch"] / of_grid["scratch"],
            "share of all": sum(amounts.values()) / sum(of_grid.values()),
            f"within {wanted:g}": sum(width <= wanted for width in widths.values()),
            "widest": max(widths.values()),
            "median width": float(np.median(list(widths.values()))),
            "log width to grid's": float(np.median(ratios)) if name != rows[0][0] else 1.0,
            "most": max(ratios) if name != rows[0][0] else 1.0,
        }
        for name, amounts, widths in rows
    ]


def _bytes_by_kind(plan: Plan, store: Store) -> dict[str, int]:
    amounts = {"pretrain": 0, "finetune": 0, "scratch": 0}
    for key, planned in plan.runs.items():
        result = store.result(key)
        assert result is not None, f"{planned.label} is not done"
        training = result.training
        amounts[planned.run.kind] += max(training.bytes_seen, training.search_bytes)
    return amounts


def _width(row: TransferEstimate) -> float:
    if row.effective_low is None or row.effective_high is None:
        return math.inf
    return row.effective_high / row.effective_low
