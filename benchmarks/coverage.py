"""How often do intervals of D_E hold the truth? Simulated studies on power laws.

Loss curves and true D_E are those of `estimators.py`. Every run has noise of its own (0.5 % by
default) and, if asked for, each block of test documents is harder or easier for all runs and, a
little, for each. The truth is the loss on an endless test split. Where both are there, their
standard deviations stand in the stated ratio and their variances add up to that of 0.5 %. A bound
covers if the truth lies where it says; on a plateau the truth is the smallest size, where it
begins; studies that a method refuses are counted and left out.

    python benchmarks/coverage.py --studies 1000 --method monotone
"""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from estimators import SMALLEST_BYTES, SPAN, draw_law
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bytetransfer.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer
from bytetransfer.transfer.methods import METHODS, Method

NOISE = 0.005


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of simulated study; noise is relative, a standard deviation of log loss.

    `falling` gives the smallest size that noise and the largest a tenth of it; `shared` is the part
    of the variance of from-scratch runs that a seed's sizes have in common; `document_noise` is
    the standard deviation of the mean over all blocks of what a run makes of them on its own.
    `useless` makes the fine-tuned runs the from-scratch runs of a size in the middle; `shape` is
    the kind of curve.
    """

    seeds: int
    sizes: int = 6
    noise: float = NOISE
    falling: bool = False
    shared: float = 0.0
    document_noise: float = 0.0
    blocks: int = 200
    useless: bool = False
    shape: str = "law"


@dataclass(frozen=True)
class Outcome:
    covered: bool
    position: float
    width: float
    status: str
    error: float


def simulate(setting: Setting, generator: np.random.Generator) -> tuple[Measurements, float, float]:
    """Rows of one study, the true log D_E, and its position in the range."""
    law = draw_law(generator, setting.shape)
    places = np.linspace(0, SPAN, setting.sizes)
    position = float(generator.uniform())
    if setting.useless:
        position = round(position * (setting.sizes - 1)) / (setting.sizes - 1)
    places = np.append(places, position * SPAN)
    scale = setting.noise * (10 ** (-places / SPAN) if setting.falling else np.ones(len(places)))
    drawn = generator.standard_normal((setting.seeds, len(places)))
    common = generator.standard_normal((setting.seeds, 1))
    drawn[:, :-1] *= math.sqrt(1 - setting.shared)
    drawn[:, :-1] += math.sqrt(setting.shared) * common
    log_losses = law.log_loss(places) + scale * drawn
    same = round(position * (setting.sizes - 1)) if setting.useless else None
    if same is not None:
        log_losses[:, -1] = log_losses[:, same]
    measurements = _study(setting, places, log_losses, generator, same)
    truth = min(places[-1], law.knee) if setting.shape == "plateau" else places[-1]
    return measurements, math.log(SMALLEST_BYTES) + float(truth), position


def _study(
    setting: Setting,
    places: np.ndarray,
    log_losses: np.ndarray,
    generator: np.random.Generator,
    same: int | None,
) -> Measurements:
    arms, count = log_losses.shape[1], setting.blocks
    easy = 0.2 * generator.standard_normal(count)
    own = setting.document_noise * math.sqrt(count) * generator.standard_normal((arms, count))
    if same is not None:
        own[-1] = own[same]
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
            size = 10**6 if tuned else round(SMALLEST_BYTES * math.exp(places[arm]))
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


def run_setting(
    setting: Setting, *, studies: int, replicates: int, seed: int, method: Method
) -> list[Outcome]:
    """The outcomes of `studies` studies of one kind; those refused are absent."""
    outcomes = []
    for study in range(studies):
        measurements, truth, position = simulate(setting, np.random.default_rng([seed, study]))
        found = estimate_transfer(measurements, method=method, replicates=replicates, seed=study)
        outcomes += [assess(row, truth, position) for row in found.rows]
    return outcomes


def summary(outcomes: list[Outcome], studies: int) -> list[str]:
    """Coverage in all and by third of the range, open share, median width, RMSE inside."""
    thirds = [
        [o.covered for o in outcomes if min(int(3 * o.position), 2) == third] for third in range(3)
    ]
    inside = [o.error for o in outcomes if o.status == "inside"]
    bounded = [o.width for o in outcomes if math.isfinite(o.width)]
    return [
        f"{np.mean([o.covered for o in outcomes]):.3f}",
        *(f"{np.mean(covered):.3f}" for covered in thirds),
        f"{1 - len(bounded) / len(outcomes):.2f}",
        f"{np.median(bounded):.2f}",
        f"{np.sqrt(np.mean(np.square(inside))):.3f}",
        f"{1 - len(inside) / len(outcomes):.2f}",
        f"{1 - len(outcomes) / studies:.2f}",
    ]


def settings() -> list[tuple[str, Setting]]:
    """What is reported: seeds, noise alike or falling with size, shared, with documents."""
    kinds: dict[str, dict[str, Any]] = {
        "seeds only": {},
        "2 % noise": {"noise": 0.02},
        "four sizes": {"sizes": 4},
        "three sizes": {"sizes": 3},
        "two sizes": {"sizes": 2},
        "half of it shared": {"shared": 0.5},
        "falls from 2 % to 0.2 %": {"noise": 0.02, "falling": True},
    }
    for ratio in (4.0, 1.0, 0.25):
        documents = NOISE / math.hypot(1.0, ratio)
        name = f"seeds : documents {ratio:g} : 1" if ratio >= 1 else "seeds : documents 1 : 4"
        kinds[name] = {"noise": ratio * documents, "document_noise": documents}
    kinds["broken power law"] = {"shape": "broken"}
    kinds["plateau"] = {"shape": "plateau"}
    kinds["the same model"] = {"useless": True, "document_noise": NOISE / 2}
    found = [
        (kind, Setting(seeds=seeds, **given))
        for kind, given in kinds.items()
        for seeds in (2, 3, 5)
    ]
    return [*found, ("documents only", Setting(seeds=1, noise=0.0, document_noise=NOISE))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", choices=METHODS[:3], default=METHODS[0])
    parser.add_argument("--only", default="", help="only the kinds whose name holds this")
    options = parser.parse_args()
    heads = [
        "noise",
        "seeds",
        "covers",
        "lower",
        "middle",
        "upper",
        "open",
        "width",
        "RMSE",
        "bounds",
        "refused",
    ]
    made = Table(*heads, title=f"Nominal 95 % intervals, {options.method}", box=SIMPLE_HEAD)
    start = time.perf_counter()
    for kind, setting in settings():
        if options.only not in kind:
            continue
        outcomes = run_setting(
            setting,
            studies=options.studies,
            replicates=options.replicates,
            seed=options.seed,
            method=options.method,
        )
        made.add_row(kind, str(setting.seeds), *summary(outcomes, options.studies))
    console = Console(width=120)
    console.print(made)
    spent = time.perf_counter() - start
    console.print(f"{options.studies} studies a row; by third of the range; {spent:.0f} s")


if __name__ == "__main__":
    main()
