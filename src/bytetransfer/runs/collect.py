"""Results of a plan's runs → measurements: the step into the waist of the hourglass."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from bytetransfer.errors import MeasurementError
from bytetransfer.learners.catalog import SURFACE
from bytetransfer.measurements.measurement import SCRATCH, Blocks, Measurement, Measurements
from bytetransfer.planning.plan import Cell, Plan
from bytetransfer.planning.run import Result
from bytetransfer.runs.store import Store
from bytetransfer.transfer.convergence import converged
from bytetransfer.transfer.curve import Curve
from bytetransfer.units import bits_per_byte


def collect(plan: Plan, store: Store, *, regime: str) -> Measurements:
    """A row for every cell whose run has a result, flags included.

    Args:
        plan: which run fills which cell.
        store: where results lie.
        regime: of every learner that is trained by steps.
    """
    keys = {cell.key for cell in plan.cells} | {check.key for check in plan.checks}
    results: dict[str, Result] = {}
    blocks: dict[str, Blocks] = {}
    for key in sorted(keys):
        if (result := store.result(key)) is not None:
            # As pairs of numbers the blocks of a large study would take a gigabyte.
            blocks[key] = _as_array(result.test.blocks)
            results[key] = _without_blocks(result)
    surface = _surface_losses(plan, results)
    unconverged = _failed_checks(plan, results)
    rows = [
        _row(cell, results[cell.key], regime, surface, unconverged)
        for cell in plan.cells
        if cell.key in results
    ]
    return Measurements(rows, {row.run: blocks[row.run] for row in rows})


def _as_array(blocks: Sequence[tuple[float, int]]) -> Blocks:
    numbers = itertools.chain.from_iterable(blocks)
    return np.fromiter(numbers, np.float64, 2 * len(blocks)).reshape(-1, 2)


def _without_blocks(result: Result) -> Result:
    bare = {
        name: msgspec.structs.replace(getattr(result, name), blocks=[])
        for name in ("test", "validation")
    }
    return msgspec.structs.replace(result, **bare)


def collect_validation(
    plan: Plan, read: Callable[[str], Result | None], *, regime: str
) -> Measurements:
    """A row for every cell whose run has a result, with the validation loss in place of the test's.

    What an adaptive study is decided on. The test losses are left behind here.

    Args:
        plan: which run fills which cell.
        read: the result of a run by its key, None without one.
        regime: of every learner that is trained by steps.
    """
    rows, blocks = [], {}
    for cell in plan.cells:
        result = read(cell.key)
        if result is not None:
            seen = msgspec.structs.replace(result, test=result.validation)
            rows.append(_row(cell, seen, regime, {}, {}))
            if seen.test.blocks:  # results of earlier versions have none
                blocks[cell.key] = _as_array(seen.test.blocks)
    return Measurements(rows, blocks)


def _row(
    cell: Cell,
    result: Result,
    regime: str,
    surface: Mapping[tuple[object, ...], float],
    unconverged: Mapping[tuple[object, ...], bool],
) -> Measurement:
    test, validation = result.test, result.validation
    loss = bits_per_byte(test.nats, test.bytes)
    rival = surface.get(_coordinates(cell))
    exact = result.training.stopped == "exact"
    return Measurement(
        source=cell.source,
        target=cell.target,
        target_bytes=result.trained_bytes,
        bits_per_byte=loss,
        learner=cell.learner,
        regime="exact" if cell.learner == SURFACE else regime,
        seed=cell.seed,
        pretrain_bytes=cell.pretrain_bytes,
        nominal_bytes=cell.nominal_bytes,
        nats=test.nats,
        test_bytes=test.bytes,
        validation_bits_per_byte=bits_per_byte(validation.nats, validation.bytes),
        not_converged=False
        if exact
        else _not_converged(result, unconverged.get(_without_seed(cell))),
        below_surface=None if cell.learner == SURFACE or rival is None else loss > rival,
        run=cell.key,
        replicate=cell.replicate,
    )


def _not_converged(result: Result, check_failed: bool | None) -> bool | None:
    """True if cut short or if the cell's check failed; None where nobody looked."""
    if result.training.stopped == "budget" or check_failed:
        return True
    if result.training.stopped == "schedule":
        return None  # a fixed recipe ends when it ends; whether that was enough is not known
    return False


def _coordinates(cell: Cell) -> tuple[object, ...]:
    return (cell.source, cell.target, cell.seed, cell.pretrain_bytes, cell.nominal_bytes)


def _without_seed(cell: Cell) -> tuple[object, ...]:
    return (cell.source, cell.target, cell.learner, cell.nominal_bytes)


def _surface_losses(plan: Plan, results: Mapping[str, Result]) -> dict[tuple[object, ...], float]:
    """Test loss of the surface learner by coordinates: the same target and source bytes."""
    return {
        _coordinates(cell): bits_per_byte(results[cell.key].test.nats, results[cell.key].test.bytes)
        for cell in plan.cells
        if cell.learner == SURFACE and cell.key in results
    }


def _failed_checks(plan: Plan, results: Mapping[str, Result]) -> dict[tuple[object, ...], bool]:
    """Whether doubled patience moved the validation loss too far, by cell without its seed.

    A check speaks for all seeds of its cell.
    """
    failed: dict[tuple[object, ...], bool] = {}
    for check in plan.checks:
        cell = check.cell
        curve = _validation_curve(plan, results, cell)
        if curve is None or cell.key not in results or check.key not in results:
            continue
        losses = [_validation_loss(results[key]) for key in (cell.key, check.key)]
        size = float(results[cell.key].trained_bytes)
        if cell.source != SCRATCH:
            size = curve.invert(losses[0]).bytes  # a fine-tuned run stands where its D_E is
        failed[_without_seed(cell)] = not converged(curve, size, *losses)
    return failed


def _validation_curve(plan: Plan, results: Mapping[str, Result], cell: Cell) -> Curve | None:
    """The from-scratch curve of validation losses a check is held against, seed means."""
    found: dict[int, list[Result]] = {}
    for other in plan.cells:
        same = (other.learner, other.target, other.source) == (cell.learner, cell.target, SCRATCH)
        if same and other.replicate == cell.replicate and other.key in results:
            found.setdefault(other.nominal_bytes, []).append(results[other.key])
    if len(found) < 2:
        return None
    sizes = [np.mean([r.trained_bytes for r in group]) for group in found.values()]
    losses = [np.mean([_validation_loss(r) for r in group]) for group in found.values()]
    try:
        return Curve.through(sizes, losses)
    except MeasurementError:
        return None


def _validation_loss(result: Result) -> float:
    return result.validation.nats / (math.log(2) * result.validation.bytes)
