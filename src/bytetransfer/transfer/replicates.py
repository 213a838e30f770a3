"""Several replicates of a study as one set of measurements whose seeds are the replicates.

A replicate has its own split of the text, its own search and its own seeds. The mean log loss over
the seeds of a replicate is one draw of all of these together, test documents included. So whatever
is estimated from seeds (variances, pairing of the arms, intervals) is estimated from replicates by
the same equations, and covers more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements


def has_replicates(measurements: Measurements) -> bool:
    """Whether the rows are of more than one replicate."""
    return len({row.replicate for row in measurements}) > 1


def means_of_replicates(measurements: Measurements) -> Measurements:
    """One row for each cell and replicate: the geometric mean loss over its seeds.

    Rows of a single replicate are given back as they are. Otherwise the replicate stands in the
    place of the seed, `run` holds the keys of all runs behind a row, and there are no document
    blocks: each replicate has test documents of its own. Of a curve whose sizes do not all have
    the same seeds yet, only the seeds common to them are used.

    >>> rows = [
    ...     Measurement(source="en", target="fi", target_bytes=9, bits_per_byte=loss, seed=seed,
    ...                 replicate=seed // 2)
    ...     for seed, loss in enumerate((1.0, 4.0, 3.0, 3.0))
    ... ]
    >>> [round(row.bits_per_byte, 3) for row in means_of_replicates(Measurements(rows))]
    [2.0, 3.0]
    """
    if not has_replicates(measurements):
        return measurements
    usable = _seeds_of_curves(measurements)
    cells: dict[tuple[object, ...], list[Measurement]] = {}
    for row in measurements:
        common = usable.get((row.curve, row.replicate))
        if common is None or row.seed in common:
            cells.setdefault((row.cell, row.replicate), []).append(row)
    return Measurements(_mean(rows) for rows in cells.values())


@dataclass(frozen=True, kw_only=True)
class ReplicateSpread:
    """How far the replicates of a curve lie apart, and how far its seeds alone would put them.

    Attributes:
        target: what was fine-tuned and tested on.
        learner: learner and preset.
        regime: how long it was trained.
        replicates: how many there are.
        between: standard deviation of log loss between replicates, pooled over cells.
        seeds: what the seeds within a replicate explain of it; None with one seed.
    """

    target: str
    learner: str
    regime: str
    replicates: int
    between: float
    seeds: float | None

    @property
    def beyond_seeds(self) -> float | None:
        """What splits, test documents and searches add; 0 where the seeds explain it all."""
        if self.seeds is None:
            return None
        return math.sqrt(max(0.0, self.between**2 - self.seeds**2))


def replicate_spreads(measurements: Measurements) -> tuple[ReplicateSpread, ...]:
    """The spread of every curve with its fine-tuned cells; nothing of a single replicate."""
    if not has_replicates(measurements):
        return ()
    curves: dict[tuple[str, str, str], dict[tuple[object, ...], dict[int, list[float]]]] = {}
    for row in measurements:
        if row.target_bytes:
            cell = curves.setdefault(row.curve, {}).setdefault(row.cell, {})
            cell.setdefault(row.replicate, []).append(math.log(row.bits_per_byte))
    return tuple(
        _spread(curve, list(cells.values())) for curve, cells in sorted(curves.items())
        if any(len(found) > 1 for found in cells.values())
    )  # fmt: skip


def _spread(
    curve: tuple[str, str, str], cells: Iterable[Mapping[int, list[float]]]
) -> ReplicateSpread:
    learner, regime, target = curve
    between, within, count = [], [], 0
    for replicates in cells:
        if len(replicates) > 1:
            count = max(count, len(replicates))
            between.append(float(np.var([np.mean(one) for one in replicates.values()], ddof=1)))
        within += [np.var(one, ddof=1) / len(one) for one in replicates.values() if len(one) > 1]
    return ReplicateSpread(
        target=target,
        learner=learner,
        regime=regime,
        replicates=count,
        between=math.sqrt(np.mean(between)),
        seeds=math.sqrt(np.mean(within)) if within else None,
    )


def _seeds_of_curves(
    measurements: Measurements,
) -> dict[tuple[tuple[str, str, str], int], set[int]]:
    """The seeds that all from-scratch sizes of a curve have in a replicate."""
    sizes: dict[tuple[tuple[str, str, str], int], dict[int, set[int]]] = {}
    for row in measurements:
        if row.source == SCRATCH and row.target_bytes:
            found = sizes.setdefault((row.curve, row.replicate), {})
            found.setdefault(row.size, set()).add(row.seed)
    return {curve: set.intersection(*seeds.values()) for curve, seeds in sizes.items()}


def _mean(rows: list[Measurement]) -> Measurement:
    first = rows[0]
    validation = [row.validation_bits_per_byte for row in rows]
    known = [loss for loss in validation if loss is not None]
    return replace(
        first,
        target_bytes=round(sum(row.target_bytes for row in rows) / len(rows)),
        bits_per_byte=_geometric_mean([row.bits_per_byte for row in rows]),
        nominal_bytes=first.nominal_bytes or first.target_bytes,
        seed=first.replicate,
        nats=None,
        test_bytes=None,
        validation_bits_per_byte=_geometric_mean(known) if len(known) == len(rows) else None,
        not_converged=_any([row.not_converged for row in rows]),
        below_surface=_any([row.below_surface for row in rows]),
        run=" ".join(row.run for row in rows if row.run),
    )


def _geometric_mean(losses: list[float]) -> float:
    return math.exp(sum(map(math.log, losses)) / len(losses))


def _any(flags: list[bool | None]) -> bool | None:
    return True if True in flags else None if None in flags else False
