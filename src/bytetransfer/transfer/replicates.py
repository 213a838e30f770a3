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

REPLICATES = "replicates (each with its own split, search, seeds and test documents)"

CurveName = tuple[str, str, str]  # learner, regime and target


def replicated_curves(measurements: Measurements) -> frozenset[CurveName]:
    """The curves that were done in more than one replicate, with their fine-tuned cells."""
    found: dict[CurveName, set[int]] = {}
    for row in measurements:
        found.setdefault(row.curve, set()).add(row.replicate)
    return frozenset(curve for curve, replicates in found.items() if len(replicates) > 1)


def means_of_replicates(measurements: Measurements) -> Measurements:
    """One row for each cell and replicate: the geometric mean loss over its seeds.

    Rows of curves with a single replicate stay as they are. In the others the replicate stands in
    the place of the seed, `run` holds the keys of all runs behind a row, and there are no document
    blocks: each replicate has test documents of its own. Both arms of a replicate have the same
    seeds: those that all from-scratch sizes have. A fine-tuned cell that lacks one of them is left
    out of that replicate.

    >>> rows = [
    ...     Measurement(source="en", target="fi", target_bytes=9, bits_per_byte=loss, seed=seed,
    ...                 replicate=seed // 2)
    ...     for seed, loss in enumerate((1.0, 4.0, 3.0, 3.0))
    ... ]
    >>> [round(row.bits_per_byte, 3) for row in means_of_replicates(Measurements(rows))]
    [2.0, 3.0]
    """
    replicated = replicated_curves(measurements)
    if not replicated:
        return measurements
    usable = _seeds_of_curves(measurements)
    alone = [row for row in measurements if row.curve not in replicated]
    cells: dict[tuple[object, ...], list[Measurement]] = {}
    for row in measurements:
        common = usable.get((row.curve, row.replicate))
        if row.curve in replicated and (common is None or row.seed in common):
            cells.setdefault((row.cell, row.replicate), []).append(row)
    means = [
        _mean(rows)
        for rows in cells.values()
        if len(rows) == len(usable.get((rows[0].curve, rows[0].replicate), rows))
    ]
    kept = {row.run for row in alone}
    blocks = {run: table for run, table in measurements.blocks.items() if run in kept}
    return Measurements([*alone, *means], blocks)


@dataclass(frozen=True, kw_only=True)
class Replication:
    """What there is of a curve that was done several times.

    Attributes:
        replicates: how many have any row of it.
        seeds: how many seeds all from-scratch sizes have; one counts in each of its replicates.
        left_out: how many seeds are not at every size.
    """

    replicates: int
    seeds: int
    left_out: int

    def covers(self, paired: int) -> str:
        """What an interval from so many replicates covers, or why there is none."""
        of = f"{paired} of {self.replicates} replicates"
        if paired < 2:
            return f"no interval: {of}"
        said = REPLICATES if paired == self.replicates else f"{REPLICATES}; {of}"
        every = self.seeds + self.left_out
        left_out = f"; {self.left_out} of {every} seeds left out: not at every size"
        return said + left_out * bool(self.left_out)


def replications(measurements: Measurements) -> dict[CurveName, Replication]:
    """What there is of every curve that was done in more than one replicate."""
    usable, found = _seeds_of_curves(measurements), dict[CurveName, Replication]()
    for curve in sorted(replicated_curves(measurements)):
        rows = [row for row in measurements if row.curve == curve]
        every = {(row.replicate, row.seed) for row in rows if row.target_bytes}
        used = sum(len(seeds) for (of, _), seeds in usable.items() if of == curve)
        count = len({row.replicate for row in rows})
        found[curve] = Replication(replicates=count, seeds=used, left_out=len(every) - used)
    return found


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
    replicated = replicated_curves(measurements)
    curves: dict[CurveName, dict[tuple[object, ...], dict[int, list[float]]]] = {}
    for row in measurements:
        if row.target_bytes and row.curve in replicated:
            cell = curves.setdefault(row.curve, {}).setdefault(row.cell, {})
            cell.setdefault(row.replicate, []).append(math.log(row.bits_per_byte))
    return tuple(
        _spread(curve, list(cells.values())) for curve, cells in sorted(curves.items())
        if any(len(found) > 1 for found in cells.values())
    )  # fmt: skip


def _spread(curve: CurveName, cells: Iterable[Mapping[int, list[float]]]) -> ReplicateSpread:
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
) -> dict[tuple[CurveName, int], set[int]]:
    """The seeds that all from-scratch sizes of a curve have in a replicate."""
    sizes: dict[tuple[CurveName, int], dict[int, set[int]]] = {}
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
