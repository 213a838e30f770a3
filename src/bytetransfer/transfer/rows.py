"""Rows as estimates are made from them: checked, grouped by cell, and those that no cell uses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.arms import in_brackets


def cells_of(measurements: Measurements) -> list[list[Measurement]]:
    """Fine-tuned rows by cell: the seeds of one measurement."""
    cells: dict[tuple[object, ...], list[Measurement]] = {}
    for row in measurements:
        if row.source != SCRATCH:
            cells.setdefault(row.cell, []).append(row)
    return list(cells.values())


def unused_rows(measurements: Measurements) -> tuple[Measurement, ...]:
    """From-scratch rows of no curve that a fine-tuned row of their target is read on.

    No error here: of a study in progress, the fine-tuned runs of a learner may be yet to come.
    """
    curves = {row.curve for row in measurements if row.source != SCRATCH}
    targets = {target for _, _, target in curves}
    return tuple(
        row for row in measurements
        if row.source == SCRATCH and row.target in targets and row.curve not in curves
    )  # fmt: skip


def check_row(row: Measurement) -> None:
    """Refuse a row that no run can have.

    Raises:
        MeasurementError: for a loss that is not positive, a negative size, or a from-scratch row
            with pretraining.
    """
    named = f"source {row.source}, target {row.target}, {row.target_bytes} bytes, seed {row.seed}"
    where = str(row.place or named)
    if not (math.isfinite(row.bits_per_byte) and row.bits_per_byte > 0):
        raise MeasurementError(
            f"a loss of {row.bits_per_byte} bits per byte is not positive",
            where=where,
            todo="correct or delete the row",
        )
    for name in ("target_bytes", "pretrain_bytes", "nominal_bytes"):
        if getattr(row, name) < 0:
            what = f"{name} is {getattr(row, name)}, and no text has fewer than 0 bytes"
            raise MeasurementError(what, where=where, todo="correct or delete the row")
    if row.source == SCRATCH and row.pretrain_bytes:
        raise MeasurementError(
            f"a run from scratch with {row.pretrain_bytes} bytes of pretraining",
            where=where,
            todo="name its source, or set pretrain_bytes to 0",
        )


def check_same_test(runs: Sequence[Measurement]) -> None:
    """Refuse runs that were tested on texts of different sizes.

    Raises:
        MeasurementError: with the sizes and the rows that state them.
    """
    sizes = sorted({run.test_bytes for run in runs if run.test_bytes is not None})
    if len(sizes) > 1:
        found = [
            f"{size}{in_brackets(run for run in runs if run.test_bytes == size)}" for size in sizes
        ]
        raise MeasurementError(
            f"the runs were tested on different text, of {' and '.join(found)} bytes"
        )
