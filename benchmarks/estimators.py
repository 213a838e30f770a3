"""How well does each method read D_E? Simulated from-scratch curves with a known answer.

Loss curves are L(D) = E + (A/D)^alpha with E in .5-.8 nats, alpha in .15-.6 and an excess of .5-2
nats at the smallest size, at six sizes over three decades of bytes; the true D_E is log-uniform
over the measured range, and curve and fine-tuned loss have 0.5 % noise. Then the same with 2 %
noise, with four sizes, with an exponent that halves on the way (broken), and with a loss that stops
falling at two thirds of the range (plateau; the true D_E lies before). Errors are of log D_E over
the cases that a method gives a number for. `oracle` knows the true curve and has only the noise of
the fine-tuned loss: no method can be expected to beat it.

    python benchmarks/estimators.py --studies 1000 --json estimators.json
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.estimate import estimate_transfer
from bytetransfer.transfer.methods import METHODS, Method
from bytetransfer.transfer.reading import read_curve

SMALLEST_BYTES = 6e6
SPAN = math.log(1e3)
GRID = 20_000
METHODS_AND_ORACLE = (*METHODS, "oracle")


@dataclass(frozen=True, kw_only=True)
class Law:
    """A true loss curve over log bytes, counted from the smallest size.

    Attributes:
        floor: E, nats per byte.
        exponent: alpha.
        excess: reducible loss at the smallest size, nats per byte.
        knee: where the exponent changes.
        after: the exponent from there on, as a share of `exponent`.
    """

    floor: float
    exponent: float
    excess: float
    knee: float = SPAN
    after: float = 1.0

    def log_loss(self, places: Floats | float) -> Floats:
        """Log of bits per byte."""
        steps = np.minimum(places, self.knee) + self.after * np.maximum(places - self.knee, 0.0)
        loss = self.floor + self.excess * np.exp(-self.exponent * steps)
        return np.log(loss / math.log(2))

    def place(self, log_loss: float) -> float:
        """Where the loss is reached; infinite outside the range."""
        grid = np.linspace(0.0, SPAN, GRID)
        falling = self.log_loss(grid)
        if not falling[-1] <= log_loss <= falling[0]:
            return math.inf
        return float(np.interp(-log_loss, -falling, grid))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A kind of simulated curve; noise is a standard deviation of log loss."""

    name: str
    noise: float = 0.005
    sizes: int = 6
    shape: str = "law"


CASES = (
    Case(name="0.5 % noise"),
    Case(name="2 % noise", noise=0.02),
    Case(name="four sizes", sizes=4),
    Case(name="broken law", shape="broken"),
    Case(name="plateau", shape="plateau"),
)


@dataclass(frozen=True, kw_only=True)
class Score:
    """How one method did on one kind of curve; errors in log D_E over the cases inside."""

    case: str
    method: str
    studies: int
    median_bias: float | None
    rmse: float | None
    median_absolute_error: float | None
    inside: float
    censored: float
    refused: float


def draw_law(generator: np.random.Generator, shape: str = "law") -> Law:
    """A law with parameters from the ranges of the module's description."""
    floor, exponent, excess = (
        float(generator.uniform(*ends)) for ends in ((0.5, 0.8), (0.15, 0.6), (0.5, 2.0))
    )
    law = Law(floor=floor, exponent=exponent, excess=excess)
    if shape == "broken":
        knee = float(generator.uniform(1 / 3, 2 / 3)) * SPAN
        return Law(floor=floor, exponent=exponent, excess=excess, knee=knee, after=0.5)
    if shape == "plateau":
        return Law(floor=floor, exponent=exponent, excess=excess, knee=SPAN * 2 / 3, after=0.0)
    return law


def errors(case: Case, *, studies: int, seed: int) -> dict[str, list[float | None]]:
    """For each method, log D_E less the truth; None where refused, infinite where a bound."""
    found: dict[str, list[float | None]] = {name: [] for name in METHODS_AND_ORACLE}
    places = np.linspace(0.0, SPAN, case.sizes)
    for study in range(studies):
        generator = np.random.default_rng([seed, study])
        law = draw_law(generator, case.shape)
        last = law.knee if case.shape == "plateau" else SPAN
        truth = float(generator.uniform(0.0, last))
        noise = case.noise * generator.standard_normal(case.sizes + 1)
        scratch = law.log_loss(places) + noise[:-1]
        tuned = float(law.log_loss(truth)) + float(noise[-1])
        for method in METHODS:
            found[method].append(_error(method, places, scratch, tuned, truth))
        found["oracle"].append(law.place(tuned) - truth)
    return found


def _error(
    method: Method, places: Floats, scratch: Floats, tuned: float, truth: float
) -> float | None:
    sizes = SMALLEST_BYTES * np.exp(places)
    try:
        inverse = read_curve(method, sizes, scratch[None]).curve.invert(math.exp(tuned))
    except MeasurementError:
        return None
    if inverse.status != "inside":
        return math.inf
    return math.log(inverse.bytes / SMALLEST_BYTES) - truth


def score(case: str, method: str, found: list[float | None]) -> Score:
    """What a list of errors comes to."""
    given = np.array([error for error in found if error is not None])
    inside = given[np.isfinite(given)]
    some = len(inside) > 0
    return Score(
        case=case,
        method=method,
        studies=len(found),
        median_bias=float(np.expm1(np.median(inside))) if some else None,
        rmse=float(np.sqrt(np.mean(inside**2))) if some else None,
        median_absolute_error=float(np.median(np.abs(inside))) if some else None,
        inside=len(inside) / len(found),
        censored=(len(given) - len(inside)) / len(found),
        refused=1 - len(given) / len(found),
    )


def speed(method: Method, *, targets: int = 20, cells: int = 25, resamples: int = 2000) -> float:
    """Seconds of CPU for `targets` × `cells` estimates, three seeds and 500 document blocks."""
    generator = np.random.default_rng(0)
    rows: list[Measurement] = []
    blocks: dict[str, Floats] = {}
    block_bytes = np.full(500, 1e3)
    places = np.linspace(0.0, SPAN, 6)
    for target in range(targets):
        law = draw_law(generator)
        easy = 0.3 * generator.standard_normal(500)
        arms = [(SCRATCH, x) for x in places]
        arms += [(f"s{i}", float(generator.uniform(0, SPAN))) for i in range(cells)]
        for seed in range(3):
            for source, place in arms:
                loss = law.log_loss(place) + 0.005 * generator.standard_normal()
                nats = np.exp(loss + easy + 0.05 * generator.standard_normal(500)) * block_bytes
                nats *= math.log(2)
                run = f"{target}/{source}/{place}/{seed}"
                size = round(SMALLEST_BYTES * math.exp(place)) if source == SCRATCH else 10**6
                blocks[run] = np.stack([nats, block_bytes], axis=1)
                loss = float(nats.sum() / block_bytes.sum() / math.log(2))
                rows.append(
                    Measurement(
                        source=source, target=f"t{target}", target_bytes=size, bits_per_byte=loss,
                        seed=seed, run=run,
                    )
                )  # fmt: skip
    measurements = Measurements(rows, blocks)
    start = time.process_time()
    estimate_transfer(measurements, method=method, resamples=resamples)
    return time.process_time() - start


def table(scores: list[Score]) -> Table:
    """One line a case and method."""
    made = Table(
        box=SIMPLE_HEAD,
        title="Error of log D_E over the cases inside: median bias, RMSE, median |error|; "
        "shares with a number, a bound, none (refused)",
    )
    heads = ("curves", "method", "bias", "RMSE", "|error|", "inside", "bound", "none")
    for head in heads:
        made.add_column(head, justify="left" if head in heads[:2] else "right", no_wrap=True)
    for one in scores:
        first = one.method == METHODS_AND_ORACLE[0]
        percent: Callable[[float], str] = "{:.1%}".format
        made.add_row(
            one.case if first else "",
            one.method,
            "-" if one.median_bias is None else f"{one.median_bias:+.1%}",
            "-" if one.rmse is None else f"{one.rmse:.3f}",
            "-" if one.median_absolute_error is None else f"{one.median_absolute_error:.3f}",
            percent(one.inside),
            percent(one.censored),
            percent(one.refused),
            end_section=one.method == METHODS_AND_ORACLE[-1],
        )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    options = parser.parse_args()
    scores = []
    for case in CASES:
        found = errors(case, studies=options.studies, seed=options.seed)
        scores += [score(case.name, name, found[name]) for name in METHODS_AND_ORACLE]
    console = Console()
    console.print(table(scores))
    seconds = {method: speed(method) for method in METHODS}
    for method, spent in seconds.items():
        console.print(f"500 estimates, 2,000 resamples, {method}: {spent:.1f} s of CPU")
    if options.json:
        content = {"scores": [asdict(one) for one in scores], "seconds": seconds}
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
