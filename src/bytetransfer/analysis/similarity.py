"""Do similar languages transfer more? Effective bytes against distances between languages.

For every measure of distance the estimates of one group form a table of source by target. Source
and target effects are removed from it and from the distances (`mrqap`), because a strong source, an
easy target or a remote language moves all its pairs at once. Published analyses correlate raw
pairs; that is returned beside it as `naive`, and is not to be believed.

A test of this kind needs no standard errors: the noise of the estimates is part of the residuals
that are permuted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import permutations as pairs_of
from typing import Literal

import numpy as np
from scipy import stats

from bytetransfer.analysis.cells import (
    Group,
    Unanswered,
    by_group,
    holm_known,
    log_effective_bytes,
)
from bytetransfer.analysis.mrqap import Association, Moved, PairTable, mrqap
from bytetransfer.transfer.estimate import TransferEstimate

Distances = Mapping[tuple[str, str], float]
"""Distance by (source, target); pairs without one are absent."""

Outcome = Literal["log_effective_bytes", "transfer_bytes"]

Permuted = Literal["targets", "both", "languages"]

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
    moved: Permuted = "targets",
) -> Similarity | Unanswered:
    """Correlation of transfer with each measure of distance, source and target effects removed.

    Args:
        estimates: of one group (`cells.by_group`), one per pair.
        measures: distances by name of the measure; controls such as `nonsense` need not have any.
        outcome: what is explained. Source and target effects are taken for factors of D_E, or for
            bytes of D_T.
        permutations: see `mrqap`.
        seed: see `mrqap`.
        level: nominal coverage of intervals.
        moved: see `mrqap`; `languages` permutes all languages in both their roles also where
            sources and targets differ, which needs the distances of all pairs.

    Returns:
        One result per measure, or the reason why no measure can have one.

    Raises:
        ValueError: for estimates of several groups.
    """
    rows = [row for row in estimates if row.source != row.target]
    groups = by_group(rows)
    if len(groups) > 1:
        raise ValueError("estimates of several groups are not compared")
    if (reason := _obstacle(rows, measures)) is not None:
        return Unanswered(reason)
    labels: Moved = "both" if moved == "both" else "targets"
    options = partial(mrqap, permutations=permutations, seed=seed, level=level, moved=labels)
    test = partial(_tested, outcome=outcome, square=moved == "languages", test=options)
    results = [_result(name, among, rows, outcome, test) for name, among in measures.items()]
    tested = (result.association for result in results)
    corrected = holm_known([one.p if isinstance(one, Association) else None for one in tested])
    inside = [row for row in rows if row.status == "inside"]
    return Similarity(
        group=next(iter(groups)),
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


_Test = Callable[[PairTable, PairTable], Association | Unanswered]


def _tested(
    rows: Sequence[TransferEstimate],
    among: Distances,
    *,
    outcome: Outcome,
    square: bool,
    test: _Test,
) -> Association | Unanswered:
    """The test of outcome and distances as tables; in a square one, of all languages by all."""
    sources = tuple(sorted({row.source for row in rows}))
    targets = tuple(sorted({row.target for row in rows}))
    if square:
        known = {name for pair in among for name in pair}
        sources = targets = tuple(sorted(known & {*sources, *targets}))
        if absent := [pair for pair in pairs_of(sources, 2) if pair not in among]:
            return Unanswered(
                f"to permute whole languages the distances of all pairs are needed; "
                f"{len(absent)} are missing, such as {' and '.join(absent[0])}"
            )
    values = {(row.source, row.target): _value(row, outcome) for row in rows}
    return test(_table(values, sources, targets), _table(among, sources, targets))


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


def _result(
    name: str,
    among: Distances,
    rows: Sequence[TransferEstimate],
    outcome: Outcome,
    test: Callable[[Sequence[TransferEstimate], Distances], Association | Unanswered],
) -> MeasureResult:
    """What one measure says, p not yet corrected."""
    inside = [row for row in rows if row.status == "inside"]
    known = [row for row in inside if (row.source, row.target) in among]
    values = [_value(row, outcome) for row in known]
    bounds = len(rows) > len(inside)
    return MeasureResult(
        measure=name,
        association=test(inside, among),
        corrected_p=None,
        with_bounds=test(rows, among) if bounds else None,
        naive=_naive([among[row.source, row.target] for row in known], values),
        pairs=len(known),
        missing=len(inside) - len(known),
    )


def _naive(distances: Sequence[float], values: Sequence[float]) -> RankCorrelation | Unanswered:
    if len(values) < _MINIMUM_PAIRS:
        return Unanswered(f"{len(values)} pairs have both an estimate and a distance")
    if len(set(distances)) == 1 or len(set(values)) == 1:
        return Unanswered("all pairs have the same distance, or the same estimate")
    found = stats.spearmanr(distances, values)
    return RankCorrelation(float(found.statistic), float(found.pvalue), len(values))
