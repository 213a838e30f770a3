"""The figures of a small fixed study as plain data: what is drawn, not how it looks.

    PYTHONPATH=src python tests/figure_specs.py > tests/golden/figures.json

writes the golden file again, when figures are meant to say something else.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from bytetransfer.explain.inputs import Evidence
from bytetransfer.explain.sections import explain
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.report import build_report
from bytetransfer.report.view import make_view
from bytetransfer.transfer.estimate import Estimates, TransferEstimate

SCRATCH_LOSSES = {3_000: 4.0, 10_000: 3.0, 30_000: 2.3, 100_000: 1.8}
CELLS = (
    ("et", 3_000, 2.9, "inside", 11_500.0, (10_200.0, 13_000.0)),
    ("et", 10_000, 2.4, "inside", 26_000.0, (23_000.0, 29_500.0)),
    ("ru", 3_000, 3.9, "inside", 3_300.0, (2_600.0, 4_100.0)),
    ("ru", 10_000, 3.1, "inside", 9_100.0, (8_000.0, 9_900.0)),
    ("fi", 3_000, 1.7, "above_range", 100_000.0, (70_000.0, None)),
    ("nonsense", 3_000, 4.2, "below_range", 3_000.0, (None, 3_200.0)),
)


def study() -> tuple[Measurements, Estimates]:
    """Two seeds a size from scratch; numbers, bounds, and intervals that hold zero."""
    rows = [
        Measurement(
            source=SCRATCH, target="fi", target_bytes=size, bits_per_byte=loss * (1 + 0.01 * seed),
            learner="ngram", regime="exact", seed=seed,
        )
        for size, loss in SCRATCH_LOSSES.items()
        for seed in (0, 1)
    ]  # fmt: skip
    estimates = [
        TransferEstimate(
            source=source, target="fi", learner="ngram", regime="exact", pretrain_bytes=1_000_000,
            finetune_bytes=size, nominal_bytes=size, status=status, effective_bytes=effective,
            effective_low=low, effective_high=high, upper_open=high is None,
            transfer_bytes=effective - size,
            transfer_low=None if low is None else low - size,
            transfer_high=None if high is None else high - size,
            transfer_fraction=1 - size / effective,
            transfer_fraction_low=None if low is None else 1 - size / low,
            transfer_fraction_high=None if high is None else 1 - size / high,
            level=0.95, covers="seeds", seeds=2, bits_per_byte=loss, not_converged=False,
            below_surface=None, runs=(),
        )
        for source, size, loss, status, effective, (low, high) in CELLS
    ]  # fmt: skip
    return Measurements(rows), Estimates(tuple(estimates))


def specifications() -> dict[str, Any]:
    """Every figure and heat map of the report, by name; numbers to six figures."""
    measurements, estimates = study()
    evidence = Evidence(
        measurements=measurements,
        estimates=estimates,
        names=make_view(measurements, estimates).names,
        languages={name: name for name in ("et", "fi", "ru")},
    )
    sections = explain(evidence, ("consistency", "scaling"))
    report = build_report(measurements, estimates, explanations=sections)
    found: dict[str, Any] = {}
    for section in report.sections:
        for chart in section.figures:
            found[chart.name] = plain(dataclasses.asdict(chart))
        for table in section.tables:
            if table.is_matrix:
                found[table.name] = plain(dataclasses.asdict(table))
    return found


def plain(value: Any) -> Any:
    """As JSON holds it, without what is left at its default of nothing."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if v not in (None, "", (), [])}
    return [plain(one) for one in value] if isinstance(value, (list, tuple)) else value


if __name__ == "__main__":
    print(json.dumps(specifications(), ensure_ascii=False, indent=1))  # noqa: T201
