"""Do the intervals and tests of consistency and commutativity keep what they say? Truth known.

    python benchmarks/consistency.py [--studies 1000] [--seed 0]

1. Variance components: coverage of nominal 95 % intervals, beside the parametric bootstrap.
2. Equivalence of sources: how often "all within a factor 2" is said where two sources are exactly a
   factor 2 apart (at most 5 %), and how often where all are equal; the same for "different". Errors
   of one target are correlated as far as they come from its one from-scratch curve; how far that
   is, by whole estimates of two sources read on one curve.
3. Commutativity: how often each test finds differences where there are none, and where there are.
4. The same by whole estimates, where both arms are noisy: five languages without any difference.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import product

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from bytetransfer.analysis.commutativity import PairDifference, commutativity
from bytetransfer.analysis.equivalence import Equivalence, equivalence
from bytetransfer.analysis.variance import Variances, crossed_variances
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.estimate import TransferEstimate, estimate_transfer

FINETUNE_BYTES = 1_000_000
DRAWS = 1_000
MISSING = 0.15


def make_estimate(
    source: str, target: str, log_effective: float, error: float | None = None
) -> TransferEstimate:
    """An estimate with a symmetric 95 % interval of log D_E, or with none."""
    reach = math.exp(stats.norm.ppf(0.975) * error) if error else None
    size, given = math.exp(log_effective), FINETUNE_BYTES
    low, high = (None, None) if reach is None else (size / reach, size * reach)
    return TransferEstimate(
        source=source, target=target, learner="ngram", regime="exact", pretrain_bytes=10**7,
        finetune_bytes=given, nominal_bytes=given, status="inside",
        effective_bytes=size, effective_low=low, effective_high=high, upper_open=False,
        transfer_bytes=size - given,
        transfer_low=None if low is None else low - given,
        transfer_high=None if high is None else high - given,
        transfer_fraction=1 - given / size,
        transfer_fraction_low=None if low is None else 1 - given / low,
        transfer_fraction_high=None if high is None else 1 - given / high,
        level=0.95, covers="seeds and documents" if reach else "no interval: simulated",
        seeds=3, bits_per_byte=1.0, not_converged=False, below_surface=False, runs=(),
    )  # fmt: skip


@dataclass(frozen=True)
class Crossed:
    """Variances of a table and its shape."""

    sources: int
    targets: int
    source: float
    target: float
    residual: float = 0.05
    missing: bool = False
    diagonal: bool = False

    def table(self, generator: np.random.Generator) -> np.ndarray:
        shape = (self.sources, self.targets)
        table = math.sqrt(self.source) * generator.standard_normal((self.sources, 1))
        table = table + math.sqrt(self.target) * generator.standard_normal(self.targets)
        table = table + math.sqrt(self.residual) * generator.standard_normal(shape)
        if self.diagonal:
            np.fill_diagonal(table, np.nan)
        if self.missing:
            table[generator.random(shape) < MISSING] = np.nan
        return table

    @property
    def truth(self) -> np.ndarray:
        return np.array([self.source, self.target, self.residual])


CROSSED = (
    Crossed(3, 10, 0.0, 1.0),
    Crossed(3, 10, 0.05, 1.0),
    Crossed(3, 10, 0.5, 1.0),
    Crossed(3, 10, 0.05, 1.0, missing=True, diagonal=True),
    Crossed(6, 6, 0.05, 0.5, diagonal=True),
    Crossed(6, 6, 0.05, 0.05, missing=True, diagonal=True),
    Crossed(2, 3, 0.05, 0.5),
    Crossed(3, 2, 0.05, 0.5),
    Crossed(3, 2, 0.0, 0.5),
    Crossed(2, 2, 0.05, 0.5),
)


def variance_coverage(
    setting: Crossed, *, studies: int, seed: int, draws: int = DRAWS
) -> np.ndarray:
    """Coverage of the variances and of their shares: source, target, residual; shape (2, 3)."""
    hits = []
    for study in range(studies):
        found = crossed_variances(
            setting.table(np.random.default_rng([seed, study])), draws=draws, seed=study
        )
        assert isinstance(found, Variances)
        parts = (found.source, found.target, found.residual)
        shares = setting.truth / setting.truth.sum()
        hits.append(
            [
                [p.low <= v <= p.high for p, v in zip(parts, setting.truth, strict=True)],
                [p.share_low <= v <= p.share_high for p, v in zip(parts, shares, strict=True)],
            ]
        )
    return np.mean(hits, axis=0)


def bootstrap_coverage(
    setting: Crossed, *, studies: int, seed: int, resamples: int = 200
) -> np.ndarray:
    """Coverage of percentiles of the parametric bootstrap of the same point estimates."""
    hits = []
    for study in range(studies):
        generator = np.random.default_rng([seed, study])
        found = _points(setting.table(generator))
        again = Crossed(setting.sources, setting.targets, *found, setting.missing, setting.diagonal)
        drawn = [_points(again.table(generator)) for _ in range(resamples)]
        low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
        hits.append((low <= setting.truth) & (setting.truth <= high))
    return np.mean(hits, axis=0)


def _points(table: np.ndarray) -> list[float]:
    found = crossed_variances(table, draws=1)
    assert isinstance(found, Variances)
    return [found.source.variance, found.target.variance, found.residual.variance]


@dataclass(frozen=True)
class Sources:
    """Sources of one target: D_T / D_E of the first, how far apart they are, and the noise."""

    ratio: float
    fraction: float = 0.5
    error: float = 0.05
    shared: float = 0.0
    sources: int = 3

    def estimates(self, generator: np.random.Generator) -> list[TransferEstimate]:
        transfer = FINETUNE_BYTES * self.fraction / (1 - self.fraction)
        sizes = transfer * self.ratio ** -np.linspace(0, 1, self.sources)
        own = math.sqrt(1 - self.shared) * generator.standard_normal(self.sources)
        noise = own + math.sqrt(self.shared) * generator.standard_normal()
        logs = np.log(FINETUNE_BYTES + sizes) + self.error * noise
        return [make_estimate(f"s{i}", "t", log, self.error) for i, log in enumerate(logs)]


SOURCES = tuple(
    Sources(ratio, fraction, error, shared)
    for fraction, error in ((0.8, 0.1), (0.5, 0.05), (0.2, 0.02), (0.2, 0.05))
    for shared in (0.0, 0.7)
    for ratio in (1.0, 2.0)
)


def equivalence_rates(setting: Sources, *, studies: int, seed: int) -> tuple[float, float, float]:
    """Share of studies that say "equivalent", "different", and that compare all sources."""
    said = np.zeros(3)
    for study in range(studies):
        rows = setting.estimates(np.random.default_rng([seed, study]))
        (found,) = equivalence(rows, factor=2.0)
        answer = found.answer
        if isinstance(answer, Equivalence) and not found.left_out:
            said += [answer.p_equivalent <= 0.05, answer.p_different <= 0.05, 1]
    return tuple((said / studies).tolist())


@dataclass(frozen=True)
class Languages:
    """log D_E of every pair of languages.

    Effects of a language as source and as target are equal but for `giving`, the standard
    deviation of their difference; `pair` is that of what belongs to a direction alone; a share
    `shared` of the squared standard error of a cell is that of its target's curve.
    """

    count: int
    giving: float = 0.0
    pair: float = 0.0
    error: float = 0.05
    shared: float = 0.0

    def estimates(self, generator: np.random.Generator) -> list[TransferEstimate]:
        shape = (self.count, self.count)
        effect = 0.5 * generator.standard_normal(self.count)
        gives = effect + self.giving * generator.standard_normal(self.count)
        own = math.sqrt(1 - self.shared) * generator.standard_normal(shape)
        noise = own + math.sqrt(self.shared) * generator.standard_normal(self.count)
        logs = 16 + gives[:, None] + effect + self.pair * generator.standard_normal(shape)
        logs = logs + self.error * noise
        return [
            make_estimate(f"l{a:02}", f"l{b:02}", logs[a, b], self.error)
            for a in range(self.count)
            for b in range(self.count)
            if a != b
        ]


LANGUAGES = (
    Languages(3),
    Languages(6),
    Languages(8),
    Languages(8, pair=0.2),
    Languages(8, shared=0.5),
    Languages(8, shared=1.0),
    Languages(3, giving=0.3),
    Languages(8, giving=0.1),
    Languages(8, giving=0.3, pair=0.2),
)


def commutativity_rates(setting: Languages, *, studies: int, seed: int) -> np.ndarray:
    """Share of studies in which: any pair differs (Holm), any pair (uncorrected), swapped roles
    say p ≤ .05 (why there is no such test), any language gives more than it takes (Holm)."""
    said = np.zeros(4)
    for study in range(studies):
        found = commutativity(setting.estimates(np.random.default_rng([seed, study])))
        roles = swapped_roles(found.pairs, found.languages)
        effects = min(one.corrected_p for one in found.asymmetry.effects)
        naive = min(pair.p for pair in found.pairs)
        said += np.array([found.smallest_corrected_p, naive, roles, effects]) <= 0.05
    return said / studies


def swapped_roles(pairs: Sequence[PairDifference], languages: Sequence[str]) -> float:
    """p of the share that languages explain, against swapping the two roles of whole languages."""
    design = np.zeros((len(pairs), len(languages)))
    for row, pair in enumerate(pairs):
        design[row, languages.index(pair.first)] = 1
        design[row, languages.index(pair.second)] = -1
    signs = np.array([(1, *tail) for tail in product((1, -1), repeat=len(languages) - 1)])
    flips = (signs @ np.maximum(design, 0).T) * (signs @ np.maximum(-design, 0).T)
    basis = np.linalg.svd(design, full_matrices=False)[0][:, : np.linalg.matrix_rank(design)]
    values = np.array([pair.log_effective.value for pair in pairs])
    found = (((flips * values) @ basis) ** 2).sum(axis=1)
    return float(np.mean(found >= found[0] * (1 - 1e-9)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    table = Table("simulated", "what", "found")
    for number, one in enumerate(CROSSED):
        found, shares = variance_coverage(one, studies=given.studies, seed=given.seed + number)
        boot = bootstrap_coverage(
            one, studies=max(given.studies // 5, 20), seed=given.seed + number
        )
        table.add_row(_label(one), "coverage: source, target, residual", _rates(found))
        table.add_row("", "coverage of their shares", _rates(shares))
        table.add_row("", "coverage by bootstrap", _rates(boot))
    for setting in SOURCES:
        rates = equivalence_rates(setting, studies=given.studies, seed=given.seed)
        table.add_row(_label(setting), "equivalent, different, all compared", _rates(rates))
    for curve in CURVES:
        correlation = curve_correlation(curve, studies=given.studies, seed=given.seed)
        table.add_row(_label(curve), "correlation of errors", f"{correlation:.2f}")
    for languages in LANGUAGES:
        rates = commutativity_rates(languages, studies=given.studies, seed=given.seed)
        table.add_row(_label(languages), "a pair, uncorrected, roles, a language", _rates(rates))
    for arms in ARMS:
        rates = arms_rates(arms, studies=max(given.studies // 5, 20), seed=given.seed)
        table.add_row(_label(arms), "a pair, uncorrected; pairs covered", _rates(rates))
    Console(width=150).print(table)


@dataclass(frozen=True)
class Curve:
    """Two sources read on one from-scratch curve, with D_E of `first` and `second` bytes."""

    first: float
    second: float
    noise: float = 0.005
    seeds: int = 3

    def log_effective(self, generator: np.random.Generator) -> list[float]:
        sizes = [*(10.0 ** np.linspace(4, 7, 7)), self.first, self.second]
        sources = [SCRATCH] * 7 + ["first", "second"]
        rows = [
            Measurement(
                source=source,
                target="t",
                target_bytes=round(size) if source == SCRATCH else 10_000,
                seed=seed,
                bits_per_byte=(0.9 + 24 * size**-0.3)
                * math.exp(self.noise * generator.standard_normal()),
            )
            for seed in range(self.seeds)
            for source, size in zip(sources, sizes, strict=True)
        ]
        found = estimate_transfer(Measurements(rows), resamples=2)
        return [math.log(row.effective_bytes) for row in found]


CURVES = (Curve(3e5, 3.3e5), Curve(3e5, 6e5), Curve(1e5, 1e6))


def curve_correlation(setting: Curve, *, studies: int, seed: int) -> float:
    """Correlation of the errors of log D_E."""
    found = [
        setting.log_effective(np.random.default_rng([seed, study])) for study in range(studies)
    ]
    return float(np.corrcoef(np.transpose(found))[0, 1])


@dataclass(frozen=True)
class Arms:
    """Five languages that are worth 5 kB to each other at 3 kB, and the noise of log loss.

    `paired` is the share of the squared noise that a seed has in common in all runs of a target.
    """

    scratch: float
    tuned: float
    seeds: int
    paired: float = 0.0

    def estimates(self, generator: np.random.Generator) -> tuple[TransferEstimate, ...]:
        """The estimates of one study."""
        rows = []
        for target, seed in product(range(5), range(self.seeds)):
            common = generator.standard_normal()
            cells = [(SCRATCH, size, size, self.scratch) for size in ARM_SIZES]
            cells += [
                (f"l{source}", 3_000, 8_000.0, self.tuned)
                for source in range(5)
                if source != target
            ]
            for source, size, worth, noise in cells:
                own = generator.standard_normal()
                error = math.sqrt(self.paired) * common + math.sqrt(1 - self.paired) * own
                loss = (1.2 + 1.9 * (2_000 / worth) ** 0.35) * math.exp(noise * error)
                rows.append(
                    Measurement(
                        source=source, target=f"l{target}", target_bytes=size, seed=seed,
                        bits_per_byte=loss,
                    )
                )  # fmt: skip
        return estimate_transfer(Measurements(rows), resamples=200).rows


ARM_SIZES = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
ARMS = tuple(
    Arms(scratch, tuned, seeds, paired)
    for scratch, tuned in ((0.005, 0.005), (0.003, 0.012))
    for paired in (0.0, 0.9)
    for seeds in (2, 3)
)


def arms_rates(setting: Arms, *, studies: int, seed: int) -> np.ndarray:
    """Share of studies in which a pair differs (Holm, and uncorrected), of pairs that cover 0."""
    said, covered = np.zeros(2), []
    for study in range(studies):
        found = commutativity(setting.estimates(np.random.default_rng([seed, study])))
        naive = min((pair.p for pair in found.pairs if pair.p is not None), default=1.0)
        said += np.array([found.smallest_corrected_p or 1.0, naive]) <= 0.05
        amounts = [pair.log_effective for pair in found.pairs]
        covered += [a.low <= 0 <= a.high for a in amounts if None not in (a.low, a.high)]
    return np.array([*said / studies, np.mean(covered)])


def _label(setting: Crossed | Sources | Curve | Languages | Arms) -> str:
    values = [(field.name, getattr(setting, field.name)) for field in fields(setting)]
    said = [name if value is True else f"{name} {value}" for name, value in values if value]
    return ", ".join(said)


def _rates(rates: np.ndarray | tuple[float, ...]) -> str:
    return "  ".join(f"{rate:6.1%}" for rate in rates)


if __name__ == "__main__":
    main()
