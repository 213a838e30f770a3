"""How often do intervals of contrasts hold the truth? Simulated studies with nested controls.

Curves are L(D) = E + (A/D)^alpha over three decades of bytes (E .5-.8 nats, alpha .15-.6, excess
.5-2 nats at the smallest size). Five sources have true D_E of their own within that range; every
run has noise of its own, all runs of a seed share some, and, if asked for, each block of test
documents is harder or easier for all runs and, a little, for each. "uneven" sources differ in their
noise by up to a factor of four. One "far noisier" source, the last, has twenty times the noise of
the others; what is counted then are the steps between those. "one 6 x" is one source, the last but
one, with six times the noise; `worst step` is then one of the two that it is part of.

    python benchmarks/contrasts.py --studies 1000
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.contrasts import Amount
from bytetransfer.analysis.decomposition import Ladder, Stack, stacks
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.resampling import Resampling

SIZES = np.round(6e6 * 10.0 ** np.linspace(0, 3, 7)).astype(int)
GIVEN = int(SIZES[2])
_RUNGS = {rung: rung for rung in ("random_bytes", "nonsense", "hierarchical")}
LADDER = Ladder("x", {**_RUNGS, "cipher": "cipher(x)", "plain": "x"})
UNEVEN = np.array([1.0, 2.0, 0.5, 1.0, 0.5, 1.5])
FAR_NOISIER = 20.0
BLOCKS = 200
Z_95 = 1.959964


@dataclass(frozen=True, kw_only=True)
class Setting:
    """Noise is relative, a standard deviation of log loss."""

    seeds: int = 3
    noise: float = 0.005
    shared: float = 0.005
    uneven: bool = False
    far_noisier: bool = False
    noisier: float = 1.0
    document_noise: float = 0.0
    null: bool = False


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Minus log loss and log D_E by source; no pretraining among them."""

    losses: dict[str, float]
    effective: dict[str, float]


@dataclass(frozen=True)
class Outcome:
    """Of one contrast in one scale: whether its interval holds the truth, and its half-width."""

    scale: str
    step: int
    covered: bool
    half: float


def simulate(setting: Setting, generator: np.random.Generator) -> tuple[Measurements, Truth]:
    """Rows of one study and what is true of it."""
    floor, alpha, excess = (generator.uniform(*r) for r in ((0.5, 0.8), (0.15, 0.6), (0.5, 2.0)))
    sources = list(LADDER.sources.values())
    low, high = math.log(SIZES[0]) + 1, math.log(SIZES[-1]) - 1
    places = generator.uniform(low, high, len(sources))
    if setting.null:
        places[:] = places[0]

    def log_loss(at: np.ndarray) -> np.ndarray:
        reducible = excess * np.exp(-alpha * (at - math.log(SIZES[0])))
        return np.log((floor + reducible) / math.log(2))

    every = np.append(np.log(SIZES), places)
    scale = np.full(len(every), setting.noise)
    if setting.uneven:
        scale[-len(sources) :] *= UNEVEN[1:]
    scale[-2] *= setting.noisier
    if setting.far_noisier:
        scale[-1] *= FAR_NOISIER
    common = setting.shared * generator.standard_normal((setting.seeds, 1))
    drawn = generator.standard_normal((setting.seeds, len(every)))
    logs = log_loss(every) + scale * drawn + common
    truth = Truth(
        losses=dict(zip([SCRATCH, *sources], -log_loss(np.append(math.log(GIVEN), places)),
                        strict=True)),
        effective=dict(zip([SCRATCH, *sources], [math.log(GIVEN), *places], strict=True)),
    )  # fmt: skip
    cells = [(SCRATCH, int(size)) for size in SIZES] + [(name, GIVEN) for name in sources]
    return _study(setting, cells, logs, generator), truth


def _study(
    setting: Setting,
    cells: list[tuple[str, int]],
    logs: np.ndarray,
    generator: np.random.Generator,
) -> Measurements:
    easy = 0.2 * generator.standard_normal(BLOCKS)
    own = setting.document_noise * math.sqrt(BLOCKS)
    hardness = easy + own * generator.standard_normal((len(cells), BLOCKS))
    hardness = np.exp(hardness - (0.2**2 + own**2) / 2)
    rows, blocks = [], {}
    for seed, losses in enumerate(np.exp(logs)):
        for (source, size), loss, hard in zip(cells, losses, hardness, strict=True):
            key = f"{seed}/{source}/{size}"
            bits = float(loss)
            if setting.document_noise > 0:
                nats = 1000 * math.log(2) * bits * hard
                blocks[key] = np.stack([nats, np.full(BLOCKS, 1e3)], axis=1)
                bits = float(nats.sum() / BLOCKS / 1000 / math.log(2))
            rows.append(
                Measurement(source=source, target="t", target_bytes=size, bits_per_byte=bits,
                            seed=seed, run=key)
            )  # fmt: skip
    return Measurements(rows, blocks)


def assess(stack: Stack, truth: Truth, *, far_noisier: bool = False) -> list[Outcome]:
    """Of every step, in every scale; without the far noisier source's own."""
    found = []
    for number, step in enumerate(stack.steps[:-1] if far_noisier else stack.steps):
        contrast = step.contrast
        (up,), (low,) = contrast.upper, contrast.lower
        scales = {
            "log loss": (contrast.loss_gain, truth.losses, False),
            "log D_E": (contrast.effective_gain, truth.effective, False),
            "D_T": (contrast.transfer_gain_bytes, truth.effective, True),
        }
        for name, (amount, known, in_bytes) in scales.items():
            if isinstance(amount, Unanswered) or amount.low is None or amount.high is None:
                continue
            better, worse = known[up], known[low]
            right = math.exp(better) - math.exp(worse) if in_bytes else better - worse
            half = (amount.high - amount.low) / 2
            found.append(Outcome(name, number, amount.low <= right <= amount.high, half))
    return found


def run_setting(
    setting: Setting, *, studies: int, resamples: int = 400, seed: int = 0
) -> tuple[list[Outcome], float, float]:
    """Outcomes, share of steps without D_E, share of stacks with a corrected p below .05."""
    outcomes: list[Outcome] = []
    censored, rejected = [], []
    for study in range(studies):
        measurements, truth = simulate(setting, np.random.default_rng([seed, study]))
        draws = Resampling(resamples=resamples, seed=study)
        (stack,) = stacks(measurements, LADDER, resampling=draws)
        assert isinstance(stack, Stack)
        outcomes += assess(stack, truth, far_noisier=setting.far_noisier)
        steps = [step.contrast for step in stack.steps]
        censored += [not isinstance(c.effective_gain, Amount) for c in steps]
        # Under the null all but the first step are nothing.
        rejected.append(any((c.corrected_p or 0) < 0.05 for c in steps[1:]))
    return outcomes, float(np.mean(censored)), float(np.mean(rejected))


SETTINGS = {
    "3 seeds": Setting(),
    "2 seeds": Setting(seeds=2),
    "5 seeds": Setting(seeds=5),
    "3 seeds, 2 % noise": Setting(noise=0.02),
    "3 seeds, uneven": Setting(uneven=True),
    "3 seeds, far noisier": Setting(far_noisier=True),
    "2 seeds, one 6 x": Setting(seeds=2, noisier=6.0),
    "3 seeds, one 6 x": Setting(noisier=6.0),
    "5 seeds, one 6 x": Setting(seeds=5, noisier=6.0),
    "3 seeds, documents .5 %": Setting(document_noise=0.005),
    "1 seed, documents .5 %": Setting(seeds=1, noise=0.0, shared=0.0, document_noise=0.005),
    "3 seeds, sources alike": Setting(null=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    table = Table("setting", "log loss", "worst step", "log D_E", "worst step", "D_T", "half-width",
                  "censored", "corrected p < .05",
                  title=f"coverage of 95 % intervals, {options.studies} studies")  # fmt: skip
    for name, setting in SETTINGS.items():
        outcomes, censored, rejected = run_setting(
            setting, studies=options.studies, seed=options.seed
        )
        row = []
        for scale in ("log loss", "log D_E", "D_T"):
            mine = [o for o in outcomes if o.scale == scale]
            steps = {o.step for o in mine}
            by_step = [np.mean([o.covered for o in mine if o.step == s]) for s in steps]
            row += [f"{np.mean([o.covered for o in mine]):.3f}", f"{min(by_step):.3f}"]
        halves = [o.half for o in outcomes if o.scale == "log D_E"]
        table.add_row(name, *row[:5], f"{np.median(halves):.2f}", f"{censored:.2f}",
                      f"{rejected:.3f}")  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
