"""Estimates whose log D_E, standard error and status are chosen by the test."""

from __future__ import annotations

import math

import pytest
from scipy import stats

from bytetransfer.transfer.estimate import TransferEstimate


def _estimate(
    source: str,
    target: str,
    effective_bytes: float,
    error: float | None = None,
    **changes: object,
) -> TransferEstimate:
    """With D_F = 1 MB and an interval symmetric in log D_E, or none."""
    given = int(changes.get("finetune_bytes", 1_000_000))
    reach = None if error is None else math.exp(stats.norm.ppf(0.975) * error)
    low = None if reach is None else effective_bytes / reach
    high = None if reach is None else effective_bytes * reach
    values: dict[str, object] = {
        "source": source,
        "target": target,
        "learner": "ngram",
        "regime": "exact",
        "pretrain_bytes": 10_000_000,
        "finetune_bytes": given,
        "nominal_bytes": given,
        "status": "inside",
        "effective_bytes": effective_bytes,
        "effective_low": low,
        "effective_high": high,
        "upper_open": False,
        "transfer_bytes": effective_bytes - given,
        "transfer_low": None if low is None else low - given,
        "transfer_high": None if high is None else high - given,
        "transfer_fraction": 1 - given / effective_bytes,
        "transfer_fraction_low": None if low is None else 1 - given / low,
        "transfer_fraction_high": None if high is None else 1 - given / high,
        "level": 0.95,
        "covers": "no interval: one seed" if error is None else "seeds and documents",
        "seeds": 3,
        "bits_per_byte": 1.0,
        "not_converged": False,
        "below_surface": False,
        "runs": (),
    }
    return TransferEstimate(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def make_row():
    """Makes one estimate: source, target, D_E, standard error of its logarithm."""
    return _estimate
