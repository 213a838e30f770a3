"""Do the laws of transfer find what is true? Simulated studies where pretraining stops paying.

From-scratch losses follow L(D) = E + (A/D)^alpha, and the true D_E is a power of D_F that crosses
it (log D_E = a + b log D_F with b < 1), bent at small sizes where pretraining stands for a constant
number of bytes ("bent"). Each run has noise of its own. D_E is read as any study reads it, so that
cells beyond the from-scratch sizes are bounds.

    python benchmarks/scaling.py --studies 500
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from bytetransfer.analysis.laws import SizeLaw
from bytetransfer.analysis.scaling import Crossover, Scaling, scaling
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.estimate import estimate_transfer

SCRATCH_SIZES = np.geomspace(1e4, 3e7, 8).round().astype(int)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Noise is a standard deviation of log loss, `tuned` times it that of fine-tuned runs; `sizes`
    is how many D_F there are."""

    sizes: int = 6
    seeds: int = 3
    noise: float = 0.005
    tuned: float = 1.0
    bent: bool = False
    smallest: float = 2e4
    largest: float = 1e7


@dataclass(frozen=True)
class Truth:
    slope: float
    log_crossover: float


def simulate(setting: Setting, generator: np.random.Generator) -> tuple[Measurements, Truth]:
    """Rows of one study; the crossover lies in the middle half of the measured D_F."""
    floor, alpha, excess = (generator.uniform(*r) for r in ((0.5, 0.8), (0.15, 0.5), (1.0, 2.0)))
    slope = float(generator.uniform(0.3, 0.85))
    ends = math.log(setting.smallest), math.log(setting.largest)
    crossover = float(generator.uniform(*np.quantile(ends, [0.25, 0.75])))
    given = np.geomspace(setting.smallest, setting.largest, setting.sizes).round().astype(int)
    worth = crossover + slope * (np.log(given) - crossover)
    if setting.bent:
        # Pretraining stands for at least so many bytes, a tenth of those at the crossover.
        worth = np.logaddexp(worth, crossover - math.log(10)) - math.log1p(0.1)
    cells = [(SCRATCH, int(size), math.log(size)) for size in SCRATCH_SIZES]
    cells += [("s", int(size), float(log)) for size, log in zip(given, worth, strict=True)]
    rows = []
    for seed in range(setting.seeds):
        for source, size, place in cells:
            reducible = excess * math.exp(-alpha * (place - math.log(SCRATCH_SIZES[0])))
            scale = setting.noise * (1.0 if source == SCRATCH else setting.tuned)
            noise = scale * generator.standard_normal()
            loss = (floor + reducible) / math.log(2) * math.exp(noise)
            rows.append(
                Measurement(
                    source=source, target="t", target_bytes=size, bits_per_byte=loss, seed=seed
                )
            )
    return Measurements(rows), Truth(slope, crossover)


def run_study(setting: Setting, study: int, seed: int = 0) -> tuple[Scaling, Truth]:
    """The laws of one simulated study."""
    measurements, truth = simulate(setting, np.random.default_rng([seed, study]))
    estimates = estimate_transfer(measurements, resamples=200, seed=study)
    (result,) = scaling(estimates)
    return result, truth


def holds(found: Crossover, truth: Truth) -> bool:
    """Does the interval of the crossover hold the true one?"""
    low = -math.inf if found.low is None else math.log(found.low)
    high = math.inf if found.high is None else math.log(found.high)
    return low <= truth.log_crossover <= high


SETTINGS = {
    "6 sizes, 3 seeds": Setting(),
    "4 sizes": Setting(sizes=4),
    "2 % noise": Setting(noise=0.02),
    "D_E beyond the curve": Setting(smallest=6e3, largest=6e7),
    "fine-tuned 4 x, 2 seeds": Setting(tuned=4.0, seeds=2),
    "fine-tuned 4 x, 3 seeds": Setting(tuned=4.0),
    "bent": Setting(bent=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = Table("setting", "crossover covered", "median factor off", "half-width (log)", "open",
                  "bounds", "b covered", "error of b", "misfit p < .05", "held out: law",
                  "Hernandez", "left out of it",
                  title=f"{options.studies} studies, 95 % intervals")  # fmt: skip
    for name, setting in SETTINGS.items():
        found = [run_study(setting, study, options.seed) for study in range(options.studies)]
        table.add_row(name, *_summary(found))
    Console().print(table)


def _summary(found: list[tuple[Scaling, Truth]]) -> list[str]:
    crossings = [(r.crossover, t) for r, t in found if isinstance(r.crossover, Crossover)]
    off = [abs(math.log(c.size_bytes) - t.log_crossover) for c, t in crossings if c.size_bytes]
    halves = [math.log(c.high / c.low) / 2 for c, _ in crossings if c.low and c.high]
    laws = [(r.effective, t.slope) for r, t in found if isinstance(r.effective, SizeLaw)]
    others = [r.hernandez for r, _ in found if isinstance(r.hernandez, SizeLaw)]
    covered = [(law.slope.low or 0) <= b <= (law.slope.high or 0) for law, b in laws]
    errors = [[x.held_out_error for x in kind if isinstance(x.held_out_error, float)]
              for kind in ([law for law, _ in laws], others)]  # fmt: skip
    bounds = [np.mean([row.status != "inside" for row in r.cells]) for r, _ in found]
    return [
        f"{np.mean([holds(*pair) for pair in crossings]):.3f}",
        f"{math.exp(np.median(off)):.2f}",
        f"{np.median(halves):.2f}" if halves else "none",
        f"{1 - len(halves) / len(crossings):.2f}",
        f"{np.mean(bounds):.2f}",
        f"{np.mean(covered):.3f}",
        f"{np.median([abs(law.slope.value - b) for law, b in laws]):.3f}",
        f"{np.mean([(law.misfit_p or 0) < 0.05 for law, _ in laws]):.2f}",
        *(f"{np.median(kind):.2f}" if kind else "none" for kind in errors),
        f"{np.mean([law.left_out / (law.left_out + law.cells) for law in others]):.2f}"
        if others else "all",
    ]  # fmt: skip


if __name__ == "__main__":
    main()
