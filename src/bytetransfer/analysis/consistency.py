"""Do different sources transfer alike? The spread of D_E and D_T over sources in one group.

Three views, because each alone misleads:

- the variance of log D_E divided into targets, sources and the rest (`variance`);
- the spread of D_T over the sources of each target;
- the test that all sources of a target are within a factor of each other (`equivalence`).

D_E = D_F + D_T. Where D_T is small beside D_F, log D_E is nearly log D_F whatever the source, so a
small share of sources in the variance of log D_E is then arithmetic and not a finding. The share
D_T / D_E stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from bytetransfer.analysis.cells import Group, Unanswered, by_group, log_effective_bytes
from bytetransfer.analysis.equivalence import (
    RESOLUTION_BYTES,
    TargetSources,
    equivalence,
    log_error,
)
from bytetransfer.analysis.variance import Floats, Variances, crossed_variances
from bytetransfer.transfer.estimate import TransferEstimate


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Measurement noise within the residual variance of log D_E.

    The error of a from-scratch curve is common to all sources of its target, so it sits in the
    variance of the targets and not in the residual. To take all of the squared standard errors off
    the residual is to take off too much: what is left is a lower estimate of how much pairs differ.

    Attributes:
        variance: mean squared standard error of log D_E.
        cells: how many cells have one.
        declared: whether it was declared for all cells rather than measured.
        beyond: residual variance less the noise, not below 0.
        beyond_low: the same of the lower limit of the residual variance.
        beyond_high: the same of the upper limit.
    """

    variance: float
    cells: int
    declared: bool
    beyond: float
    beyond_low: float
    beyond_high: float


@dataclass(frozen=True, kw_only=True)
class Spread:
    """D_T over the sources of one target; D_T ≤ 0 and bounds are counted and left out.

    Sizes are rounded to whole bytes, so less than one byte counts as 0.

    Attributes:
        target: its name.
        sources: number of sources, all told.
        positive: how many have a D_T above 0.
        not_positive: how many have a D_T of 0 or below.
        bounds: how many have a D_E that is only a bound.
        smallest_bytes: smallest D_T above 0; None without one.
        largest_bytes: largest D_T above 0; None without one.
        deviation: standard deviation of log D_T over those above 0; None for fewer than two.
    """

    target: str
    sources: int
    positive: int
    not_positive: int
    bounds: int
    smallest_bytes: float | None
    largest_bytes: float | None
    deviation: float | None

    @property
    def ratio(self) -> float | None:
        """Largest D_T above 0 over smallest; None for fewer than two."""
        if self.smallest_bytes is None or self.largest_bytes is None or self.positive < 2:
            return None
        return self.largest_bytes / self.smallest_bytes


@dataclass(frozen=True, kw_only=True)
class Consistency:
    """How alike the sources are in one group of estimates.

    Attributes:
        group: whose estimates these are.
        factor: what counts as the same in the test of equivalence.
        estimates: of a source and another target, bounds included.
        bounds: how many of these are bounds.
        own_sources: estimates left out because the target is its own source.
        transfer_fraction: median D_T / D_E of those that are no bounds; None without any.
        variances: the division of the variance of log D_E, or why there is none.
        noise: measurement noise in the residual; None where no cell has a standard error.
        declared_noise: the declared standard error of log D_E, if there was one.
        spreads: by target.
        targets: the tests, by target.
        level: nominal coverage of intervals.
    """

    group: Group
    factor: float
    estimates: tuple[TransferEstimate, ...]
    bounds: int
    own_sources: int
    transfer_fraction: float | None
    variances: Variances | Unanswered
    noise: Noise | None
    declared_noise: float | None
    spreads: tuple[Spread, ...]
    targets: tuple[TargetSources, ...]
    level: float

    @property
    def effect_of_factor(self) -> float | None:
        """By what factor D_E would change if D_T at the median fraction changed by `factor`.

        (D_F + f D_T) / (D_F + D_T) = 1 + (f − 1) D_T / D_E.
        """
        if self.transfer_fraction is None:
            return None
        return 1 + (self.factor - 1) * self.transfer_fraction


def consistency(
    estimates: Iterable[TransferEstimate],
    *,
    factor: float = 2.0,
    noise: float | None = None,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Consistency | Unanswered:
    """How alike the sources of one group are.

    A target that is its own source is left out: it is the upper bound, not one of the sources.
    Controls are sources like any other; leave them out beforehand if they are not meant.

    Args:
        estimates: of one group (`cells.by_group`), one per pair.
        factor: what still counts as the same, above 1.
        noise: declared standard error of log D_E for estimates without any interval.
        level: nominal coverage of intervals.
        draws: see `crossed_variances`.
        seed: see `crossed_variances`.

    Returns:
        The answer, or why there is none. Its parts can be unanswered on their own.

    Raises:
        ValueError: for estimates of several groups, a factor not above 1, a noise not above 0.
    """
    given = list(estimates)
    rows = [row for row in given if row.source != row.target]
    groups = by_group(rows)
    if len(groups) > 1:
        raise ValueError("estimates of several groups are not compared")
    if len({row.source for row in rows}) < 2:
        return Unanswered(
            "consistency needs at least two sources; a target as its own source is not counted"
        )
    inside = tuple(row for row in rows if row.status == "inside")
    variances = crossed_variances(_table(rows), level=level, draws=draws, seed=seed)
    fractions = [row.transfer_fraction for row in inside]
    return Consistency(
        group=next(iter(groups)),
        factor=factor,
        estimates=tuple(rows),
        bounds=len(rows) - len(inside),
        own_sources=len(given) - len(rows),
        transfer_fraction=float(np.median(fractions)) if inside else None,
        variances=variances,
        noise=_noise(inside, variances, noise),
        declared_noise=noise,
        spreads=_spreads(rows),
        targets=equivalence(rows, factor=factor, noise=noise, level=level),
        level=level,
    )


def _table(rows: Sequence[TransferEstimate]) -> Floats:
    """Log D_E by source and target; NaN where there is none or it is a bound."""
    sources = sorted({row.source for row in rows})
    targets = sorted({row.target for row in rows})
    table = np.full((len(sources), len(targets)), np.nan)
    for row in rows:
        value = log_effective_bytes(row)
        if value is not None:
            table[sources.index(row.source), targets.index(row.target)] = value
    return table


def _noise(
    inside: Sequence[TransferEstimate], variances: Variances | Unanswered, declared: float | None
) -> Noise | None:
    errors = [error for row in inside if (error := log_error(row, declared)) is not None]
    if isinstance(variances, Unanswered) or not errors:
        return None
    variance = float(np.mean(np.square(errors)))
    residual = variances.residual
    beyond, low, high = (
        max(0.0, one - variance) for one in (residual.variance, residual.low, residual.high)
    )
    return Noise(
        variance=variance,
        cells=len(errors),
        declared=all(row.interval == "none" for row in inside),
        beyond=beyond,
        beyond_low=low,
        beyond_high=high,
    )


def _spreads(rows: Sequence[TransferEstimate]) -> tuple[Spread, ...]:
    targets = sorted({row.target for row in rows})
    return tuple(_spread([row for row in rows if row.target == target]) for target in targets)


def _spread(rows: Sequence[TransferEstimate]) -> Spread:
    values = [row.transfer_bytes for row in rows if row.status == "inside"]
    positive = [value for value in values if value >= RESOLUTION_BYTES]
    logs = [math.log(value) for value in positive]
    return Spread(
        target=rows[0].target,
        sources=len(rows),
        positive=len(positive),
        not_positive=len(values) - len(positive),
        bounds=len(rows) - len(values),
        smallest_bytes=min(positive, default=None),
        largest_bytes=max(positive, default=None),
        deviation=float(np.std(logs, ddof=1)) if len(logs) > 1 else None,
    )
