"""When a run counts as trained to the end (docs/method.md, *Convergence*)."""

from __future__ import annotations

import math

from bytetransfer.transfer.curve import Curve

EFFECTIVE_STEP = 1.05
"""A run is converged if training longer would move its D_E by less than this factor."""


def loss_step(curve: Curve, size_bytes: float) -> float:
    """The step of log loss that moves D_E by 5 % at a size: the smaller one of the two sides.

    A size outside the measured range is moved to its nearer end, where the slope was last measured.

    >>> curve = Curve.through([1_000, 100_000], [4.0, 1.0])
    >>> round(loss_step(curve, 10_000) / math.log(1.05), 3)  # slope: -log 4 over log 100
    0.301
    """
    smallest, largest = float(curve.sizes_bytes[0]), float(curve.sizes_bytes[-1])
    size = min(max(size_bytes, smallest), largest)
    here = math.log(curve.loss(size))
    steps = [
        abs(math.log(curve.loss(other)) - here)
        for other in (size / EFFECTIVE_STEP, size * EFFECTIVE_STEP)
        if smallest <= other <= largest
    ]
    # Where the whole curve spans less than 5 %, its whole drop is the step.
    return min(steps) if steps else abs(math.log(curve.loss(smallest) / curve.loss(largest)))


def converged(curve: Curve, size: float, loss: float, patient_loss: float) -> bool:
    """Whether doubling the patience changed the loss by less than 5 % of D_E is worth.

    Args:
        curve: validation loss of the from-scratch runs of the same learner, regime and target.
        size: bytes at which the run stands on the curve: its D_E, that is its own size from
            scratch, and `curve.invert(loss).bytes` if it was fine-tuned.
        loss: validation loss of the run, bits per byte.
        patient_loss: the same after training with twice the patience.

    >>> curve = Curve.through([1_000, 10_000, 100_000], [4.0, 2.0, 1.0])
    >>> converged(curve, 10_000, 2.0, 1.99), converged(curve, 10_000, 2.0, 1.9)
    (True, False)
    """
    change = abs(math.log(patient_loss / loss))
    return change == 0.0 or change < loss_step(curve, size)
