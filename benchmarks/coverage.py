"""How often do intervals of D_E hold the truth? Simulated studies with a known answer.

Power-law curves and true D_E are those of `estimators.py`, other curves and what both arms share by
seed those of `coverage_studies.py`. Every run has noise of its own (0.5 % by default) and, if asked
for, each block of test documents is harder or easier for all runs and, a little, for each. The
truth is the loss on an endless test split. Where both are there, their standard deviations stand in
the stated ratio and their variances add up to that of 0.5 %. A bound covers if the truth lies where
it says; on a plateau the truth is the smallest size, where it begins; studies that a method refuses
are counted and left out. `over oracle` is the median width over that of one who knows all variances
and correlations, where documents add none; `sd` are the mean standard deviations between seeds of
both arms, in percent of the loss; `worst` is the source that is covered least, where there are
several.

    python benchmarks/coverage.py --studies 1000 --method monotone
    python benchmarks/coverage.py --studies 1000 --only rho
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from coverage_studies import NOISE, Setting, Simulated, simulate
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer
from bytetransfer.transfer.methods import METHODS, Method


@dataclass(frozen=True)
class Outcome:
    """Of one cell; widths in log bytes."""

    source: int
    covered: bool
    position: float
    width: float
    oracle: float
    status: str
    error: float
    sds: tuple[float, float]


def assess(row: TransferEstimate, study: Simulated, source: int = 0) -> Outcome:
    """Does the interval hold the truth, and how wide is it in log bytes (infinite if open)?"""
    low = -math.inf if row.effective_low is None else math.log(row.effective_low)
    high = math.inf if row.effective_high is None else math.log(row.effective_high)
    truth = float(study.truths[source])
    # Sizes are whole bytes, which moves the ends of the range by less than 1e-7.
    covered = low - 1e-6 <= truth <= high + 1e-6
    several, count = study.setting.seeds > 1, study.setting.sizes
    sds = study.log_losses.std(axis=0, ddof=1) if several else np.full(count + 1, np.nan)
    return Outcome(
        source,
        covered,
        float(study.positions[source]),
        high - low,
        study.oracle_width(source) if several else math.inf,
        row.status,
        math.log(row.effective_bytes) - truth,
        (float(sds[:count].mean()), float(sds[count:].mean())),
    )


def run_setting(
    setting: Setting, *, studies: int, resamples: int, seed: int, method: Method
) -> list[Outcome]:
    """The outcomes of `studies` studies of one kind; those refused are absent."""
    outcomes = []
    for number in range(studies):
        study = simulate(setting, np.random.default_rng([seed, number]))
        found = estimate_transfer(
            study.measurements, method=method, resamples=resamples, seed=number
        )
        outcomes += [assess(row, study, int(row.source[-2:])) for row in found.rows]
    return outcomes


def summary(outcomes: list[Outcome], cells: int) -> list[str]:
    """Coverage in all, by third and of the worst source, open share, widths, RMSE, deviations."""
    thirds = [
        [o.covered for o in outcomes if min(int(3 * o.position), 2) == third] for third in range(3)
    ]
    inside = [o.error for o in outcomes if o.status == "inside"]
    bounded = [o.width for o in outcomes if math.isfinite(o.width)]
    ratios = [o.width / o.oracle for o in outcomes if math.isfinite(o.oracle) and o.oracle > 0]
    sources = {o.source for o in outcomes}
    worst = min(np.mean([o.covered for o in outcomes if o.source == s]) for s in sources)
    sds = [np.mean([o.sds[arm] for o in outcomes]) for arm in (0, 1)]
    return [
        f"{np.mean([o.covered for o in outcomes]):.3f}",
        f"{worst:.3f}" if len(sources) > 1 else "",
        *(f"{np.mean(covered):.3f}" for covered in thirds),
        f"{1 - len(bounded) / len(outcomes):.2f}",
        f"{np.median(bounded):.2f}" if bounded else "none",
        f"{np.median(ratios):.2f}" if ratios else "",
        f"{np.sqrt(np.mean(np.square(inside))):.3f}",
        f"{1 - len(inside) / len(outcomes):.2f}",
        f"{1 - len(outcomes) / cells:.2f}",
        "" if np.isnan(sds[0]) else f"{100 * sds[0]:.2f}, {100 * sds[1]:.2f}",
    ]


def settings() -> Iterator[tuple[str, Setting]]:
    """What is reported: noise, shapes, noisy fine-tuned runs, and what seeds share."""
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
    kinds["stretched exponential"] = {"shape": "stretched"}
    kinds["sigmoid"] = {"shape": "sigmoid"}
    for sizes in (4, 5, 6, 8):
        kinds[f"uneven ladder of {sizes}"] = {"sizes": sizes, "uneven": True}
        for shape in ("stretched", "sigmoid"):
            kinds[f"{shape}, uneven ladder of {sizes}"] = {
                "sizes": sizes, "uneven": True, "shape": shape
            }  # fmt: skip
    kinds["the same model"] = {"useless": True, "document_noise": NOISE / 2}
    kinds |= _arms()
    for kind, given in kinds.items():
        for seeds in (2, 3, 5):
            yield kind, Setting(seeds=seeds, **given)
    yield "documents only", Setting(seeds=1, noise=1e-9, document_noise=NOISE)


def _arms() -> dict[str, dict[str, Any]]:
    """Kinds whose arms differ in noise, or go together by seed."""
    kinds: dict[str, dict[str, Any]] = {}
    for sources in (1, 2, 5, 12):
        of, given = f"sources {sources}", {"sources": sources}
        for tuned in (0.25, 4.0, 8.0):
            kinds[f"fine-tuned {tuned:g} x, {of}"] = {"tuned": tuned, **given}
        if sources > 1:
            kinds[f"one of {sources} sources 6 x"] = {"odd": 6.0, **given}
        for rho in (-0.5, 0.0, 0.5, 0.9, 0.99):
            kinds[f"rho {rho:g} with the curve, {of}"] = {"rho": rho, **given}
            if rho:
                kinds[f"rho {rho:g} by seed, {of}"] = {"rho": rho, "by_seed": True, **given}
    return kinds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--resamples", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", choices=METHODS[:3], default=METHODS[0])
    parser.add_argument("--only", default="", help="only the kinds whose name holds this")
    options = parser.parse_args()
    heads = [
        "noise",
        "seeds",
        "covers",
        "worst",
        "lower",
        "middle",
        "upper",
        "open",
        "width",
        "over oracle",
        "RMSE",
        "bounds",
        "refused",
        "sd: scratch, tuned %",
    ]
    made = Table(*heads, title=f"Nominal 95 % intervals, {options.method}", box=SIMPLE_HEAD)
    start = time.perf_counter()
    for kind, setting in settings():
        if options.only not in kind:
            continue
        outcomes = run_setting(
            setting,
            studies=options.studies,
            resamples=options.resamples,
            seed=options.seed,
            method=options.method,
        )
        cells = options.studies * setting.sources
        made.add_row(kind, str(setting.seeds), *summary(outcomes, cells))
    console = Console(width=170)
    console.print(made)
    spent = time.perf_counter() - start
    console.print(f"{options.studies} studies a row; by third of the range; {spent:.0f} s")


if __name__ == "__main__":
    main()
