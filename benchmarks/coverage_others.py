"""What simpler intervals of D_E would cover, on the studies of `coverage.py` with noise of seeds.

    python benchmarks/coverage_others.py --studies 1000

Beside the method that is used: the percentile bootstrap over seeds (all samples of seeds with
replacement, both arms together, curve refitted), Student's t on the D_E of each seed by itself,
and the delta method with a variance pooled over all arms. Off the curve each takes its end.
"""

from __future__ import annotations

import argparse
import itertools
import math

import numpy as np
from coverage import assess
from coverage_studies import NOISE, Setting, simulate
from rich.console import Console
from rich.table import Table
from scipy import stats

from bytetransfer.measurements.measurement import SCRATCH, Measurements
from bytetransfer.transfer.curve import Curve
from bytetransfer.transfer.estimate import estimate_transfer

METHODS = ("test inverted (used)", "percentile bootstrap", "t on each seed's", "pooled delta")


def arms(study: Measurements) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes, log losses from scratch (seeds, sizes) and fine-tuned (seeds,)."""
    scratch: dict[int, dict[int, float]] = {}
    tuned: dict[int, float] = {}
    for row in study:
        if row.source == SCRATCH:
            scratch.setdefault(row.seed, {})[row.target_bytes] = math.log(row.bits_per_byte)
        else:
            tuned[row.seed] = math.log(row.bits_per_byte)
    sizes = np.array(sorted(next(iter(scratch.values()))), float)
    losses = np.array([[scratch[seed][int(size)] for size in sizes] for seed in sorted(scratch)])
    return sizes, losses, np.array([tuned[seed] for seed in sorted(tuned)])


def log_effective(sizes: np.ndarray, losses: np.ndarray, tuned: float) -> float:
    return math.log(Curve.through(sizes, np.exp(losses)).invert(math.exp(tuned)).bytes)


def bootstrap(sizes: np.ndarray, losses: np.ndarray, tuned: np.ndarray) -> tuple[float, float]:
    count = len(tuned)
    drawn = [
        log_effective(sizes, losses[list(chosen)].mean(axis=0), tuned[list(chosen)].mean())
        for chosen in itertools.product(range(count), repeat=count)
        if chosen == tuple(sorted(chosen))
    ]
    weights = [
        math.factorial(count) / math.prod(map(math.factorial, np.bincount(chosen).tolist()))
        for chosen in itertools.combinations_with_replacement(range(count), count)
    ]
    order = np.argsort(drawn)
    share = np.cumsum(np.array(weights)[order]) / sum(weights)
    low, high = (np.searchsorted(share, limit) for limit in (0.025, 0.975))
    return drawn[order[low]], drawn[order[min(high, len(order) - 1)]]


def per_seed(sizes: np.ndarray, losses: np.ndarray, tuned: np.ndarray) -> tuple[float, float]:
    own = [log_effective(sizes, *pair) for pair in zip(losses, tuned, strict=True)]
    reach = stats.t.ppf(0.975, len(own) - 1) * np.std(own, ddof=1) / math.sqrt(len(own))
    return float(np.mean(own) - reach), float(np.mean(own) + reach)


def pooled_delta(sizes: np.ndarray, losses: np.ndarray, tuned: np.ndarray) -> tuple[float, float]:
    seeds = len(tuned)
    together = np.column_stack([losses, tuned])
    variance = float(together.var(axis=0, ddof=1).mean())
    curve = Curve.through(sizes, np.exp(losses.mean(axis=0)))
    middle = log_effective(sizes, losses.mean(axis=0), float(tuned.mean()))
    inner = np.clip(middle, curve.log_sizes[0] + 0.02, curve.log_sizes[-1] - 0.02)
    ends = [math.log(curve.loss(math.exp(inner + step))) for step in (-0.01, 0.01)]
    slope = min((ends[1] - ends[0]) / 0.02, -1e-6)
    degrees = (seeds - 1) * together.shape[1]
    reach = stats.t.ppf(0.975, degrees) * math.sqrt(2 * variance / seeds) / -slope
    return middle - reach, middle + reach


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=NOISE)
    options = parser.parse_args()
    table = Table("method", "seeds", "covers", "median width in log bytes")
    for seeds in (3, 5):
        held = {name: [] for name in METHODS}
        widths = {name: [] for name in METHODS}
        for number in range(options.studies):
            setting = Setting(seeds=seeds, noise=options.noise)
            study = simulate(setting, np.random.default_rng([0, number]))
            truth = float(study.truths[0])
            found = assess(estimate_transfer(study.measurements, seed=number).rows[0], study)
            held[METHODS[0]].append(found.covered)
            widths[METHODS[0]].append(found.width)
            given = arms(study.measurements)
            for name, method in zip(METHODS[1:], (bootstrap, per_seed, pooled_delta), strict=True):
                low, high = method(*given)
                held[name].append(low <= truth <= high)
                widths[name].append(high - low)
        for name in METHODS:
            row = (f"{np.mean(held[name]):.3f}", f"{np.median(widths[name]):.2f}")
            table.add_row(name, str(seeds), *row)
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
