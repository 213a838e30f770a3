"""Do similar languages transfer more? Effective bytes against distances between languages.

For every measure of distance the estimates of one group form a table of source by target. Source
and target effects are removed from it and from the distances, because a strong source, an easy
target or a remote language moves all its pairs at once. Published analyses correlate raw pairs;
that is returned beside it as `naive`, and is not to be believed.

Close languages err alike, so distances are tested by the signs of components over the map that they
span themselves (`spectral`). `mrqap`, which moves whole languages, holds only where errors are not
smooth over the map; it can be asked for. Which test is used goes by `moved` alone, and whether
there is one by languages and distances, never by what is found.

Tests of this kind need no standard errors: the noise of the estimates is part of what is permuted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations as pairs_of
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import (
    Group,
    Unanswered,
    by_group,
    holm_known,
    log_effective_bytes,
)
from bytetransfer.analysis.language_map import language_map
from bytetransfer.analysis.mrqap import Association, mrqap_each
from bytetransfer.analysis.pair_table import Moved, PairTable
from bytetransfer.analysis.spectral import spectral_each
from bytetransfer.transfer.distributions import t_tail
from bytetransfer.transfer.estimate import TransferEstimate

Distances = Mapping[tuple[str, str], float]
"""Distance by (source, target); pairs without one are absent."""

Outcome = Literal["log_effective_bytes", "transfer_bytes"]

Permuted = Literal["signs", "targets", "both", "languages"]
"""What chance is made of: signs of components over the map (`spectral`), or labels (`mrqap`)."""

_MINIMUM_PAIRS = 3  # a rank correlation of two pairs is always ±1


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's correlation over raw pairs, as published.

    Its p takes pairs for independent, which those that share a language are not: see
    `benchmarks/similarity.py` for how often it then finds what is not there.

    Attributes:
        correlation: Spearman's ρ of distance and outcome.
        p: two-sided, from the t distribution.
        pairs: how many pairs it is of.
    """

    correlation: float
    p: float
    pairs: int


@dataclass(frozen=True, kw_only=True)
class MeasureResult:
    """What one measure of distance says.

    Attributes:
        measure: its name.
        association: slope, partial correlation and permutation test, or why there are none.
        corrected_p: `association.p` after Holm's correction over the measures that have one.
        with_bounds: the same with every bound taken for the value; None without bounds.
        naive: Spearman over raw pairs, or why there is none.
        pairs: pairs with an estimate and a distance.
        missing: pairs with an estimate and no distance.
    """

    measure: str
    association: Association | Unanswered
    corrected_p: float | None
    with_bounds: Association | Unanswered | None
    naive: RankCorrelation | Unanswered
    pairs: int
    missing: int


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Transfer against distance in one group of estimates.

    Attributes:
        group: whose estimates these are.
        outcome: `log_effective_bytes` (natural logarithm) or `transfer_bytes`.
        pairs: estimates of two different languages, bounds included.
        censored: how many of these are bounds; they are left out of all but `with_bounds`.
        transfer_fraction: median D_T / D_E of the others. Where it is near 0, log D_E is nearly
            the same for all sources by construction.
        measures: in the order they were given.
    """

    group: Group
    outcome: Outcome
    pairs: int
    censored: int
    transfer_fraction: float
    measures: tuple[MeasureResult, ...]


def similarity(
    estimates: Iterable[TransferEstimate],
    measures: Mapping[str, Distances],
    *,
    outcome: Outcome = "log_effective_bytes",
    permutations: int = 9_999,
    seed: int = 0,
    level: float = 0.95,
    moved: Permuted = "signs",
) -> Similarity | Unanswered:
    """Correlation of transfer with each measure of distance, source and target effects removed.

    Args:
        estimates: of one group (`cells.by_group`), one per pair.
        measures: distances by name of the measure; controls such as `nonsense` need not have any.
        outcome: what is explained. Source and target effects are taken for factors of D_E, or for
            bytes of D_T.
        permutations: how many choices of signs, or arrangements, at most.
        seed: fixes which are drawn.
        level: nominal coverage of intervals.
        moved: `signs` tests by `spectral`, which needs the distances among all languages. The
            others are for errors that are not smooth over the map, see `mrqap`; `languages`
            permutes all languages in both their roles also where sources and targets differ, which
            needs these distances too.

    Returns:
        One result per measure, or the reason why no measure can have one.

    Raises:
        ValueError: for estimates of several groups.
    """
    (found,) = similarities(
        [estimates], measures, outcome=outcome, permutations=permutations, seed=seed, level=level,
        moved=moved,
    )  # fmt: skip
    return found


def similarities(
    groups: Iterable[Iterable[TransferEstimate]],
    measures: Mapping[str, Distances],
    *,
    outcome: Outcome = "log_effective_bytes",
    permutations: int = 9_999,
    seed: int = 0,
    level: float = 0.95,
    moved: Permuted = "signs",
) -> list[Similarity | Unanswered]:
    """`similarity` of several groups, each by itself; every measure is permuted once for all.

    Args:
        groups: the estimates of each.
        measures: see `similarity`.
        outcome: see `similarity`.
        permutations: see `similarity`.
        seed: see `similarity`.
        level: nominal coverage of intervals.
        moved: see `similarity`.
    """
    each = [[row for row in rows if row.source != row.target] for rows in groups]
    if any(len(by_group(rows)) > 1 for rows in each):
        raise ValueError("estimates of several groups are not compared")
    make = partial(_test_of, moved=moved, permutations=permutations, seed=seed, level=level)
    test = partial(_tested, outcome=outcome, square=moved == "languages", make=make)
    reasons = [_obstacle(rows, measures) for rows in each]
    asked = [rows for rows, reason in zip(each, reasons, strict=True) if reason is None]
    by_measure = [_results(name, among, asked, outcome, test) for name, among in measures.items()]
    answers = iter(
        _answer(rows, outcome, results)
        for rows, results in zip(asked, zip(*by_measure, strict=True), strict=False)
    )
    return [next(answers) if reason is None else Unanswered(reason) for reason in reasons]


def _answer(
    rows: Sequence[TransferEstimate], outcome: Outcome, results: Sequence[MeasureResult]
) -> Similarity:
    tested = (result.association for result in results)
    corrected = holm_known([one.p if isinstance(one, Association) else None for one in tested])
    inside = [row for row in rows if row.status == "inside"]
    return Similarity(
        group=next(iter(by_group(rows))),
        outcome=outcome,
        pairs=len(rows),
        censored=len(rows) - len(inside),
        transfer_fraction=float(np.median([row.transfer_fraction for row in inside])),
        measures=tuple(
            replace(result, corrected_p=p) for result, p in zip(results, corrected, strict=True)
        ),
    )


def _obstacle(rows: Sequence[TransferEstimate], measures: Mapping[str, Distances]) -> str | None:
    if not measures:
        return "no measure of distance is given"
    if not rows:
        return "there is no estimate of a source and a different target"
    for name in ("source", "target"):
        if len({getattr(row, name) for row in rows}) < 2:
            return (
                f"all pairs have the same {name}, so its effect and distance cannot be told apart"
            )
    if all(row.status != "inside" for row in rows):
        return f"all {len(rows)} estimates of D_E are bounds: measure longer from-scratch curves"
    return None


_Test = Callable[[Sequence[PairTable], PairTable], list[Association | Unanswered]]


def _test_of(
    among: Distances, *, moved: Permuted, permutations: int, seed: int, level: float
) -> _Test:
    if moved == "signs":
        languages = language_map(among)
        return partial(
            spectral_each, languages=languages, permutations=permutations, seed=seed, level=level
        )
    labels: Moved = "both" if moved == "both" else "targets"
    return partial(mrqap_each, permutations=permutations, seed=seed, level=level, moved=labels)


def _tested(
    groups: Sequence[Sequence[TransferEstimate]],
    among: Distances,
    *,
    outcome: Outcome,
    square: bool,
    make: Callable[[Distances], _Test],
) -> list[Association | Unanswered]:
    """The tests of outcomes and distances as tables; in square ones, of all languages by all."""
    found: dict[int, Association | Unanswered] = {}
    alike: dict[tuple[tuple[str, ...], tuple[str, ...]], list[int]] = {}
    test = make(among)
    for number, rows in enumerate(groups):
        sources = tuple(sorted({row.source for row in rows}))
        targets = tuple(sorted({row.target for row in rows}))
        if square:
            known = {name for pair in among for name in pair}
            sources = targets = tuple(sorted(known & {*sources, *targets}))
            if absent := [pair for pair in pairs_of(sources, 2) if pair not in among]:
                found[number] = Unanswered(
                    f"to permute whole languages the distances of all pairs are needed; "
                    f"{len(absent)} are missing, such as {' and '.join(absent[0])}"
                )
                continue
        alike.setdefault((sources, targets), []).append(number)
    for names, numbers in alike.items():
        values = ({(r.source, r.target): _value(r, outcome) for r in groups[n]} for n in numbers)
        outcomes = [_table(some, *names) for some in values]
        found |= zip(numbers, test(outcomes, _table(among, *names)), strict=True)
    return [found[number] for number in range(len(groups))]


def _table(values: Distances, sources: tuple[str, ...], targets: tuple[str, ...]) -> PairTable:
    cells = [[values.get((source, target), np.nan) for target in targets] for source in sources]
    shaped = np.array(cells, float).reshape(len(sources), len(targets))
    return PairTable(sources=sources, targets=targets, values=shaped)


def _value(row: TransferEstimate, outcome: Outcome) -> float:
    """The outcome; that of the bound where the estimate is one."""
    if outcome == "transfer_bytes":
        return row.transfer_bytes
    inside = log_effective_bytes(row)
    return float(np.log(row.effective_bytes)) if inside is None else inside


def _results(
    name: str,
    among: Distances,
    groups: Sequence[Sequence[TransferEstimate]],
    outcome: Outcome,
    test: Callable[
        [Sequence[Sequence[TransferEstimate]], Distances], list[Association | Unanswered]
    ],
) -> list[MeasureResult]:
    """What one measure says of each group, p not yet corrected."""
    insides = [[row for row in rows if row.status == "inside"] for rows in groups]
    bounded = [len(rows) > len(inside) for rows, inside in zip(groups, insides, strict=True)]
    whole = [rows for rows, some in zip(groups, bounded, strict=True) if some]
    answers = test([*insides, *whole], among)
    with_bounds = iter(answers[len(groups) :])
    found = []
    for inside, association, some in zip(insides, answers, bounded, strict=False):
        known = [row for row in inside if (row.source, row.target) in among]
        distances = [among[row.source, row.target] for row in known]
        found.append(
            MeasureResult(
                measure=name,
                association=association,
                corrected_p=None,
                with_bounds=next(with_bounds) if some else None,
                naive=_naive(distances, [_value(row, outcome) for row in known]),
                pairs=len(known),
                missing=len(inside) - len(known),
            )
        )
    return found


def _naive(distances: Sequence[float], values: Sequence[float]) -> RankCorrelation | Unanswered:
    if len(values) < _MINIMUM_PAIRS:
        return Unanswered(f"{len(values)} pairs have both an estimate and a distance")
    if len(set(distances)) == 1 or len(set(values)) == 1:
        return Unanswered("all pairs have the same distance, or the same estimate")
    correlation = float(np.corrcoef(_ranks(distances), _ranks(values))[0, 1])
    degrees, rest = len(values) - 2, (1 + correlation) * (1 - correlation)
    p = 2 * t_tail(abs(correlation) * math.sqrt(degrees / rest), degrees) if rest > 0 else 0.0
    return RankCorrelation(correlation, p, len(values))


def _ranks(values: Sequence[float]) -> NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[places], np.float64)
