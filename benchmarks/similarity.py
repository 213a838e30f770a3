"""How often does a test find that similar languages transfer more, where they do not, and do?

Simulated studies: every source and every target has an effect of its own on log D_E (standard
deviation 2, seven times the errors of a pair), languages are points, and distance is Euclidean.
Errors of pairs (standard deviation .3 once source and target effects are removed) are independent,
or four fifths of their variance are smooth: the error of (s, t) goes with that of (u, v) as
k(s, u) · k(t, v), where k falls with distance (`exponential` or `gaussian`, with a range in medians
of the distances) or says whether two languages are of one family. An effect of .3 is one of log D_E
per standard deviation of distance within sources and targets: 1.35 times the D_E for a source one
standard deviation closer.

    python benchmarks/similarity.py                    all designs; a row takes seconds
    python benchmarks/similarity.py --only "12 lang"   some of them

`signs` is the test of the report (`analysis/spectral.py`); MRQAP moves whole languages or labels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from rich.console import Console
from rich.table import Table
from scipy import stats

from bytetransfer.analysis.language_map import LanguageMap
from bytetransfer.analysis.mrqap import Association, mrqap_each
from bytetransfer.analysis.pair_table import PairTable
from bytetransfer.analysis.similarity import Permuted
from bytetransfer.analysis.spectral import spectral_each

EFFECTS = 2.0
NOISE = 0.3
SMOOTH = 0.8  # of the variance of errors
PER_MAP = 10  # studies that share their languages and distances


@dataclass(frozen=True, kw_only=True)
class Errors:
    """How errors of pairs go together; `reach` in medians of the distances.

    They follow the `map` of the distances, its first axis alone (`half`), or an `other` map.
    """

    kind: str = "independent"
    reach: float = 1.0
    reciprocal: bool = False
    follow: str = "map"

    def __str__(self) -> str:
        words = {
            "exponential": f"smooth, range {self.reach:g}",
            "gaussian": f"very smooth, range {self.reach:g}",
            "families": "alike in families",
            "latent": "pairs alike for other reasons",
        }
        followed = {"map": "", "half": ", half of the map", "other": ", other map"}[self.follow]
        both = ", same both ways" if self.reciprocal else ""
        return words.get(self.kind, self.kind) + followed + both


@dataclass(frozen=True, kw_only=True)
class Design:
    """Which languages, where they lie, which cells are missing, and how errors go together.

    Languages are `spread` over a plane, or some `remote`, or in `families` of about four.
    """

    name: str
    sources: int
    targets: int
    shared: int
    lie: str = "remote"
    errors: Errors = field(default_factory=Errors)
    moved: Permuted = "targets"  # by MRQAP
    no_estimate: float = 0.0


SIZES = (
    Design(name="8 languages, all pairs", sources=8, targets=8, shared=8),
    Design(name="12 languages, all pairs", sources=12, targets=12, shared=12),
    Design(name="18 languages, all pairs", sources=18, targets=18, shared=18),
    Design(name="3 of 10 as sources", sources=3, targets=10, shared=3),
)
ERRORS = (
    ("remote", Errors()),
    ("families", Errors()),
    ("spread", Errors(kind="exponential", reach=0.3)),
    ("spread", Errors(kind="exponential", reach=1)),
    ("spread", Errors(kind="exponential", reach=1, reciprocal=True)),
    ("spread", Errors(kind="exponential", reach=3)),
    ("spread", Errors(kind="gaussian", reach=0.5)),
    ("spread", Errors(kind="gaussian", reach=1)),
    ("spread", Errors(kind="gaussian", reach=2)),
    ("remote", Errors(kind="gaussian", reach=1)),
    ("families", Errors(kind="exponential", reach=1)),
    ("families", Errors(kind="gaussian", reach=1)),
    ("families", Errors(kind="families")),
    ("remote", Errors(kind="latent")),
)
MORE = (
    Design(name="5 languages, all pairs", sources=5, targets=5, shared=5),
    Design(name="6 languages, all pairs", sources=6, targets=6, shared=6),
    Design(name="6 languages, all pairs", sources=6, targets=6, shared=6, lie="spread",
           errors=Errors(kind="gaussian")),
    Design(name="3 of 10, MRQAP of both labels", sources=3, targets=10, shared=3, moved="both"),
    Design(name="3 of 10, MRQAP of languages", sources=3, targets=10, shared=3, moved="languages"),
    Design(name="3 other sources, 10 targets", sources=3, targets=10, shared=0),
    Design(name="5 other sources, 8 targets", sources=5, targets=8, shared=0, lie="spread",
           errors=Errors(kind="exponential")),
    Design(name="5 other sources, 8 targets", sources=5, targets=8, shared=0, lie="families",
           errors=Errors(kind="families")),
    *(
        replace(size, lie="spread", errors=Errors(kind=kind, follow=follow))
        for size in SIZES
        for kind in ("exponential", "gaussian")
        for follow in ("half", "other")
    ),
    Design(name="8, a fifth bounds", sources=8, targets=8, shared=8, no_estimate=0.2),
    Design(name="8, a fifth bounds", sources=8, targets=8, shared=8, no_estimate=0.2,
           lie="spread", errors=Errors(kind="exponential")),
)  # fmt: skip
DESIGNS = (
    *(replace(size, lie=lie, errors=errors) for size in SIZES for lie, errors in ERRORS),
    *MORE,
)


@dataclass(frozen=True, kw_only=True)
class World:
    """Distances of all languages, which pairs are asked for, and errors of some studies."""

    distances: np.ndarray  # (languages, languages)
    pairs: np.ndarray  # (languages, languages), True or False
    slope_unit: float  # a slope of so much is one standard deviation of log D_E
    outcomes: np.ndarray  # (studies, languages, languages), without effect; NaN where no estimate


def worlds(design: Design, studies: int) -> Iterator[World]:
    generator = np.random.default_rng(0)
    count = design.sources + design.targets - design.shared
    rows, columns = np.arange(design.sources), np.arange(count - design.targets, count)
    pairs = np.zeros((count, count), bool)
    pairs[np.ix_(rows, columns)] = True
    np.fill_diagonal(pairs, False)
    free = without_effects(pairs)
    for _ in range(studies // PER_MAP):
        points, families = places(design.lie, count, generator)
        x = np.linalg.norm(points[:, None] - points[None], axis=2)
        y = np.zeros((PER_MAP, count, count))
        followed = {"map": points, "half": points[:, :1]}.get(design.errors.follow)
        if followed is None:
            followed = places(design.lie, count, generator)[0]
        over = np.linalg.norm(followed[:, None] - followed[None], axis=2)
        y[:, pairs] = errors(design.errors, over, families, free, pairs, generator)
        y += EFFECTS * generator.standard_normal((PER_MAP, count, 1))
        y += EFFECTS * generator.standard_normal((PER_MAP, 1, count))
        y[:, ~pairs | (generator.random(x.shape) < design.no_estimate)] = np.nan
        unit = 1 / np.sqrt(((x[pairs] @ free) ** 2).sum() / pairs.sum())
        yield World(distances=x, pairs=pairs, slope_unit=unit, outcomes=y)


def without_effects(pairs: np.ndarray) -> np.ndarray:
    """Orthonormal columns without source and target effects; shape (pairs, free)."""
    rows, columns = np.nonzero(pairs)
    dummies = np.column_stack([np.eye(len(pairs))[rows], np.eye(len(pairs))[columns]])
    left, sizes, _ = np.linalg.svd(dummies, full_matrices=True)
    return left[:, (sizes > 1e-9 * sizes[0]).sum() :]


def places(lie: str, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points of languages, and the family of each."""
    families = generator.permutation(np.arange(count) % max(2, round(count / 4)))
    if lie == "families":
        centres = generator.standard_normal((count, 3))
        return centres[families] + 0.35 * generator.standard_normal((count, 3)), families
    if lie == "spread":
        return generator.standard_normal((count, 2)), families
    remote = np.where(generator.random(count) < 0.2, 3, 1)[:, None]
    return generator.standard_normal((count, 3)) * remote, families


def errors(
    of: Errors, x: np.ndarray, families: np.ndarray, free: np.ndarray, pairs: np.ndarray,
    generator: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Errors of every pair, without what source and target effects take up; (studies, pairs)."""
    shape = PER_MAP, *x.shape
    noise = generator.standard_normal(shape)
    smooth = np.zeros(shape)
    scaled = x / (of.reach * np.median(x[np.triu_indices(len(x), 1)]))
    if of.kind == "latent":
        traits = generator.standard_normal((PER_MAP, len(x), 2))
        smooth = traits @ traits.transpose(0, 2, 1)
    elif of.kind != "independent":
        alike = {"exponential": np.exp(-scaled), "gaussian": np.exp(-(scaled**2) / 2),
                 "families": (families[:, None] == families) * 1.0}[of.kind]  # fmt: skip
        variances, vectors = np.linalg.eigh(alike)
        root = vectors * np.sqrt(np.maximum(variances, 0))
        smooth = root @ generator.standard_normal(shape) @ root.T
    parts = []
    for part, share in ((noise, 1 - SMOOTH), (smooth, SMOOTH)):
        both = part + part.transpose(0, 2, 1) if of.reciprocal else part
        inside = both[:, pairs] @ free
        size = np.sqrt((inside**2).mean() * free.shape[1] / pairs.sum()) or 1.0
        whole = 1.0 if of.kind == "independent" else np.sqrt(share)
        parts.append(NOISE * whole * (inside @ free.T) / size)
    return parts[0] + parts[1]


@dataclass(frozen=True)
class Outcome:
    found: bool
    held: bool | None
    width: float | None


def tested(design: Design, world: World, effect: float, test: str, seed: int) -> list[Outcome]:
    """What the studies of one world find; those without an answer are left out."""
    slope = effect * world.slope_unit
    count = len(world.distances)
    rows, columns = np.flatnonzero(world.pairs.any(1)), np.flatnonzero(world.pairs.any(0))
    if test == "MRQAP" and design.moved == "languages":
        rows = columns = np.arange(count)

    def table(values: np.ndarray) -> PairTable:
        names = [tuple(f"language {place:02}" for place in some) for some in (rows, columns)]
        return PairTable(sources=names[0], targets=names[1], values=values[np.ix_(rows, columns)])

    ys = [table(y + slope * world.distances) for y in world.outcomes]
    x = table(world.distances)
    if test == "signs":
        names = tuple(f"language {place:02}" for place in range(count))
        languages = LanguageMap(names=names, distances=world.distances)
        found = spectral_each(ys, x, languages, permutations=999, seed=seed)
    else:
        moved = "both" if design.moved == "both" else "targets"
        found = mrqap_each(ys, x, permutations=199, seed=seed, moved=moved)
    return [outcome(one, slope) for one in found if isinstance(one, Association)]


def outcome(one: Association, slope: float) -> Outcome:
    if one.low is None or one.high is None:
        return Outcome(one.p <= 0.05, None, None)
    return Outcome(one.p <= 0.05, one.low <= slope <= one.high, (one.high - one.low) * one.spread)


def naive(world: World) -> list[bool]:
    """Whether Spearman's correlation over raw pairs is significant."""
    known = np.isfinite(world.outcomes[0])
    x = world.distances[known]
    return [stats.spearmanr(x, y[known]).pvalue <= 0.05 for y in world.outcomes]


def percent(flags: list[bool]) -> str:
    return f"{100 * np.mean(flags):.1f}" if flags else "no test"


def row(design: Design, options: argparse.Namespace) -> list[str]:
    kinds = [(test, effect) for test in ("signs", "MRQAP") for effect in (0.0, options.effect)]
    results: dict[tuple[str, float], list[Outcome]] = {kind: [] for kind in kinds}
    raw: list[bool] = []
    for seed, world in enumerate(worlds(design, options.studies)):
        raw += naive(world)
        for test, effect in kinds:
            results[test, effect] += tested(design, world, effect, test, seed)
    real = results["signs", options.effect]
    widths = [one.width for one in real if one.width is not None]
    sizes, powers = (
        [percent([one.found for one in results[test, effect]]) for test in ("signs", "MRQAP")]
        for effect in (0.0, options.effect)
    )
    held = percent([one.held for one in real if one.held is not None])
    width = f"{np.median(widths):.2f}" if widths else "–"
    where = f"{design.lie}; {design.errors}"
    return [design.name, where, *sizes, percent(raw), *powers, held, width]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--effect", type=float, default=-0.3, help="log D_E per standard deviation")
    parser.add_argument("--only", default="", help="designs whose name holds this")
    options = parser.parse_args()
    began = time.perf_counter()
    title = f"{options.studies} studies a line, tests at 5 %, intervals of 95 %; in %"
    table = Table(title=title)
    table.add_column("design", no_wrap=True)
    table.add_column("languages; errors", no_wrap=True)
    for column in ("no effect: signs", "MRQAP", "raw Spearman", f"effect {options.effect}: signs",
                   "MRQAP", "slope held", "median width"):  # fmt: skip
        table.add_column(column, justify="right")
    console = Console(width=150)
    for design in DESIGNS:
        if options.only in design.name:
            cells = row(design, options)
            console.print(f"{time.perf_counter() - began:5.0f} s", " | ".join(cells), style="dim")
            table.add_row(*cells)
    console.print(table)
    console.print(f"{time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
