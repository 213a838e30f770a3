"""How often do intervals of D_E hold the truth? Simulated studies on power laws.

Loss curves are L(D) = E + (A/D)^alpha with E in .5–.8 nats, alpha in .15–.6 and an excess of .5–2
nats at the smallest size, over three decades of bytes; the true D_E is log-uniform over the
measured range. Every run has noise of its own (0.5 % by default) and, if asked for, each block of
test documents is harder or easier for all runs and, a little, for each. The truth is the loss on an
endless test split.

    python benchmarks/coverage.py --studies 1000
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass

import numpy as np

from bytetransfer.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer

SMALLEST_BYTES = 6e6
DECADES = 3.0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of simulated study; noise is relative, a standard deviation of log loss.

    `falling` gives the smallest size that noise and the largest a tenth of it; `shared` is the part
    of the variance of from-scratch runs that a seed's sizes have in common; `document_noise` is
    the standard deviation of the mean over all blocks of what a run makes of them on its own.
    """

    seeds: int
    sizes: int = 6
    noise: float = 0.005
    falling: bool = False
    shared: float = 0.0
    document_noise: float = 0.0
    blocks: int = 200


@dataclass(frozen=True)
class Outcome:
    covered: bool
    position: float
    width: float
    status: str
    error: float


def simulate(setting: Setting, generator: np.random.Generator) -> tuple[Measurements, float, float]:
    """Rows of one study, the true log D_E, and its position in the range."""
    log_sizes = math.log(SMALLEST_BYTES) + np.linspace(0, DECADES * math.log(10), setting.sizes)
    floor, alpha, excess = (generator.uniform(*r) for r in ((0.5, 0.8), (0.15, 0.6), (0.5, 2.0)))
    position = float(generator.uniform())
    truth = float(log_sizes[0] + position * (log_sizes[-1] - log_sizes[0]))
    places = np.append(log_sizes, truth)
    losses = np.log((floor + excess * np.exp(-alpha * (places - log_sizes[0]))) / math.log(2))
    scale = np.full(len(places), setting.noise)
    if setting.falling:
        scale = setting.noise * 10 ** (-(places - log_sizes[0]) / (log_sizes[-1] - log_sizes[0]))
    drawn = generator.standard_normal((setting.seeds, len(places)))
    common = generator.standard_normal((setting.seeds, 1))
    drawn[:, :-1] *= math.sqrt(1 - setting.shared)
    drawn[:, :-1] += math.sqrt(setting.shared) * common
    log_losses = losses + scale * drawn
    return _study(setting, log_sizes, log_losses, generator), truth, position


def _study(
    setting: Setting,
    log_sizes: np.ndarray,
    log_losses: np.ndarray,
    generator: np.random.Generator,
) -> Measurements:
    arms, count = log_losses.shape[1], setting.blocks
    easy = 0.2 * generator.standard_normal(count)
    own = setting.document_noise * math.sqrt(count) * generator.standard_normal((arms, count))
    hardness = np.exp(easy + own - (0.2**2 + own.var()) / 2)
    rows, blocks = [], {}
    for seed in range(setting.seeds):
        for arm in range(arms):
            loss = math.exp(log_losses[seed, arm])
            tuned = arm == arms - 1
            key = f"{seed}/{arm}"
            if setting.document_noise > 0:
                table = np.stack([1000 * math.log(2) * loss * hardness[arm], np.full(count, 1e3)])
                blocks[key] = table.T
                loss = float(table[0].sum() / table[1].sum() / math.log(2))
            size = 10**6 if tuned else round(math.exp(log_sizes[arm]))
            source = "source" if tuned else SCRATCH
            rows.append(
                Measurement(
                    source=source, target="t", target_bytes=size, bits_per_byte=loss, seed=seed,
                    run=key,
                )
            )  # fmt: skip
    return Measurements(rows, blocks)


def assess(row: TransferEstimate, truth: float, position: float) -> Outcome:
    """Does the interval hold the truth, and how wide is it in log bytes (infinite if open)?"""
    low = -math.inf if row.effective_low is None else math.log(row.effective_low)
    high = math.inf if row.effective_high is None else math.log(row.effective_high)
    error = math.log(row.effective_bytes) - truth
    # Sizes are whole bytes, which moves the ends of the range by less than 1e-7.
    covered = low - 1e-6 <= truth <= high + 1e-6
    return Outcome(covered, position, high - low, row.status, error)


def run_setting(setting: Setting, *, studies: int, replicates: int, seed: int) -> list[Outcome]:
    """The outcomes of `studies` studies of one kind."""
    outcomes = []
    for study in range(studies):
        measurements, truth, position = simulate(setting, np.random.default_rng([seed, study]))
        row = estimate_transfer(measurements, replicates=replicates, seed=study).rows[0]
        outcomes.append(assess(row, truth, position))
    return outcomes


def summary(outcomes: list[Outcome]) -> str:
    """Coverage in all and by third of the range, open share, median width, RMSE inside."""
    thirds = [
        np.mean([o.covered for o in outcomes if third <= 3 * o.position < third + 1])
        for third in range(3)
    ]
    inside = [o.error for o in outcomes if o.status == "inside"]
    return "  ".join(
        [
            f"{np.mean([o.covered for o in outcomes]):8.3f}",
            " ".join(f"{share:.3f}" for share in thirds),
            f"{np.mean([not math.isfinite(o.width) for o in outcomes]):5.2f}",
            f"{np.median([o.width for o in outcomes]):6.2f}",
            f"{np.sqrt(np.mean(np.square(inside))):6.3f}",
            f"{np.median(inside):+.3f}",
            f"{1 - len(inside) / len(outcomes):5.2f}",
        ]
    )


def settings() -> list[tuple[str, Setting]]:
    """What is reported: seeds, noise alike or falling with size, shared, with documents."""
    kinds = {
        "alike": {},
        "falling from 2 %": {"noise": 0.02, "falling": True},
        "half of it shared": {"shared": 0.5},
        "2 % noise": {"noise": 0.02},
        "4 sizes": {"sizes": 4},
        "documents 0.2 %": {"document_noise": 0.002},
        "documents 0.5 %": {"document_noise": 0.005},
    }
    found = [
        (kind, Setting(seeds=seeds, **given))
        for kind, given in kinds.items()
        for seeds in (2, 3, 5)
    ]
    return [*found, ("documents 0.5 %", Setting(seeds=1, noise=0.0, document_noise=0.005))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    heads = "covers  by third of range   open   width   RMSE  median censored"
    print(f"{'noise':18s} seeds   {heads}")
    for kind, setting in settings():
        start = time.perf_counter()
        outcomes = run_setting(
            setting, studies=options.studies, replicates=options.replicates, seed=options.seed
        )
        spent = time.perf_counter() - start
        print(f"{kind:18s} {setting.seeds:5d} {summary(outcomes)}   ({spent:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
