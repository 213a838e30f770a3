"""How often does a test find that similar languages transfer more, where they do not, and do?

Simulated studies: every source and every target has an effect of its own on log D_E (standard
deviation 2, seven times the noise of a pair), languages are points of which some lie far off, and
distance is Euclidean. So distances, too, are full of effects of single languages, as real ones are.
An effect of .3 is one of log D_E per standard deviation of distance within sources and targets:
1.35 times the D_E for a source one standard deviation closer.

    python benchmarks/similarity.py --studies 1000
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats

from bytetransfer.analysis.mrqap import Association, mrqap
from bytetransfer.analysis.pair_table import PairTable
from bytetransfer.analysis.similarity import Permuted

EFFECTS = 2.0
NOISE = 0.3


@dataclass(frozen=True, kw_only=True)
class Design:
    """Which languages, which cells are missing, and what besides noise is in the pairs.

    `latent` is the standard deviation of what pairs have in common for reasons that have nothing
    to do with distance: inner products of two random traits of the languages.
    """

    name: str
    sources: int
    targets: int
    shared: int
    moved: Permuted = "targets"
    no_estimate: float = 0.0
    no_distance: float = 0.0
    latent: float = 0.0


DESIGNS = (
    Design(name="8 languages, all pairs", sources=8, targets=8, shared=8),
    Design(name="20 languages, all pairs", sources=20, targets=20, shared=20),
    Design(name="5 languages, all pairs", sources=5, targets=5, shared=5),
    Design(name="3 of 10 as sources, target labels", sources=3, targets=10, shared=3),
    Design(name="the same, both labels", sources=3, targets=10, shared=3, moved="both"),
    Design(name="the same, whole languages", sources=3, targets=10, shared=3, moved="languages"),
    Design(name="3 other sources, 10 targets", sources=3, targets=10, shared=0),
    Design(name="8, a fifth bounds, a tenth without distance", sources=8, targets=8, shared=8,
           no_estimate=0.2, no_distance=0.1),
    Design(name="3 of 10, the same gaps", sources=3, targets=10, shared=3,
           no_estimate=0.2, no_distance=0.1),
    Design(name="8, pairs alike for other reasons", sources=8, targets=8, shared=8, latent=0.5),
    Design(name="3 of 10, alike, target labels", sources=3, targets=10, shared=3, latent=0.5),
    Design(name="3 of 10, alike, whole languages", sources=3, targets=10, shared=3, latent=0.5,
           moved="languages"),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    found: bool
    naive: bool
    held: bool | None
    width: float | None


def simulate(
    design: Design, effect: float, generator: np.random.Generator
) -> tuple[PairTable, PairTable, float]:
    """Log D_E, distances, and the true slope."""
    count = design.sources + design.targets - design.shared
    rows, columns = np.arange(design.sources), np.arange(count - design.targets, count)
    remote = np.where(generator.random(count) < 0.2, 3, 1)[:, None]
    points = generator.standard_normal((count, 3)) * remote
    traits = generator.standard_normal((count, 2))
    x = np.linalg.norm(points[:, None] - points[None], axis=2)
    pairs = np.zeros(x.shape, bool)
    pairs[np.ix_(rows, columns)] = True
    np.fill_diagonal(pairs, False)
    slope = effect / spread(x, pairs)
    y = slope * x + NOISE * generator.standard_normal(x.shape)
    y += EFFECTS * (generator.standard_normal((count, 1)) + generator.standard_normal(count))
    y += design.latent * traits @ traits.T
    y[~pairs | (generator.random(x.shape) < design.no_estimate)] = np.nan
    x[generator.random(x.shape) < design.no_distance] = np.nan
    if design.moved == "languages":
        rows = columns = np.arange(count)
    outcome, distance = (
        PairTable(
            sources=tuple(f"language {place}" for place in rows),
            targets=tuple(f"language {place}" for place in columns),
            values=values[np.ix_(rows, columns)],
        )
        for values in (y, x)
    )
    return outcome, distance, slope


def spread(x: np.ndarray, pairs: np.ndarray) -> float:
    """Standard deviation of distances within sources and targets."""
    rows, columns = np.nonzero(pairs)
    dummies = np.column_stack([np.eye(x.shape[0])[rows], np.eye(x.shape[1])[columns]])
    residuals = x[pairs] - dummies @ np.linalg.lstsq(dummies, x[pairs], rcond=None)[0]
    return float(residuals.std())


def run(design: Design, effect: float, studies: int, permutations: int) -> list[Outcome]:
    """What the studies of a design find; those without an answer are left out."""
    generator = np.random.default_rng(0)
    outcomes = []
    for seed in range(studies):
        y, x, slope = simulate(design, effect, generator)
        labels = "both" if design.moved == "both" else "targets"
        answer = mrqap(y, x, permutations=permutations, seed=seed, moved=labels)
        if not isinstance(answer, Association):  # too few cells are left
            continue
        different = np.array([[a != b for b in y.targets] for a in y.sources])
        known = np.isfinite(y.values) & np.isfinite(x.values) & different
        naive = stats.spearmanr(x.values[known], y.values[known]).pvalue
        held = width = None
        if answer.low is not None and answer.high is not None:
            held = answer.low <= slope <= answer.high
            width = (answer.high - answer.low) * answer.spread
        outcomes.append(Outcome(answer.p <= 0.05, naive <= 0.05, held, width))
    return outcomes


def percent(flags: list[bool]) -> str:
    return f"{100 * np.mean(flags):.1f} %" if flags else "–"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--permutations", type=int, default=499)
    parser.add_argument("--effect", type=float, default=-0.3, help="log D_E per standard deviation")
    options = parser.parse_args()
    began = time.perf_counter()
    table = Table(title=f"{options.studies} studies a line, tests at 5 %, intervals of 95 %")
    table.add_column("design")
    table.add_column("answered", justify="right")
    for column in ("no effect: MRQAP", "raw Spearman", f"effect {options.effect}: MRQAP",
                   "raw Spearman", "slope held", "median width"):  # fmt: skip
        table.add_column(column, justify="right")
    for design in track(DESIGNS, description="simulating", transient=True):
        null = run(design, 0.0, options.studies, options.permutations)
        real = run(design, options.effect, options.studies, options.permutations)
        widths = [one.width for one in real if one.width is not None]
        table.add_row(
            design.name,
            str(len(real)),
            percent([one.found for one in null]),
            percent([one.naive for one in null]),
            percent([one.found for one in real]),
            percent([one.naive for one in real]),
            percent([one.held for one in real if one.held is not None]),
            f"{np.median(widths):.2f}" if widths else "–",
        )
    console = Console(width=150)
    console.print(table)
    console.print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
