"""What all analyses share: which estimates are compared, their logarithms, and saying why not."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bytetransfer.transfer.distributions import normal_quantile
from bytetransfer.transfer.estimate import TransferEstimate


@dataclass(frozen=True)
class Unanswered:
    """An analysis that has no answer, and why: never a NaN.

    Attributes:
        reason: what is missing, and where it can be had.
    """

    reason: str


@dataclass(frozen=True, order=True)
class Group:
    """Estimates that are compared with each other.

    Attributes:
        learner: learner and preset.
        regime: how long it was trained.
        pretrain_bytes: bytes of source text.
        finetune_bytes: the nominal D_F, the same in all languages.
    """

    learner: str
    regime: str
    pretrain_bytes: int
    finetune_bytes: int


def by_group(estimates: Iterable[TransferEstimate]) -> dict[Group, tuple[TransferEstimate, ...]]:
    """Estimates of one learner, regime, pretraining size and nominal D_F, in order of these."""
    found: dict[Group, list[TransferEstimate]] = {}
    for row in estimates:
        group = Group(row.learner, row.regime, row.pretrain_bytes, row.nominal_bytes)
        found.setdefault(group, []).append(row)
    return {group: tuple(found[group]) for group in sorted(found)}


def log_effective_bytes(row: TransferEstimate) -> float | None:
    """Natural logarithm of D_E; None where D_E is only a bound."""
    return math.log(row.effective_bytes) if row.status == "inside" else None


def standard_error(row: TransferEstimate) -> float | None:
    """Standard error of log D_E that a two-sided interval stands for; None without one.

    The interval need not be symmetric; half its width in log bytes over the normal quantile of its
    level is what it would be if it were. It is never less than a byte's worth: where pretraining
    is not used at all both arms are one model, D_E is D_F, and the interval has no width.
    """
    if row.interval != "two_sided" or row.effective_low is None or row.effective_high is None:
        return None
    width = math.log(row.effective_high) - math.log(row.effective_low)
    error = width / (2 * normal_quantile((1 + row.level) / 2))
    return float(max(error, 1 / max(1.0, row.effective_bytes)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction for several tests (*Scandinavian Journal of Statistics* 6, 1979).

    The smallest of k is multiplied by k, the next by k − 1, and so on; none falls below one before.

    >>> [round(p, 3) for p in holm([0.04, 0.01, 0.5])]
    [0.08, 0.03, 0.5]
    """
    corrected = [0.0] * len(p_values)
    largest = 0.0
    for passed, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, p_values[place] * (len(p_values) - passed)))
        corrected[place] = largest
    return corrected


def holm_known(p_values: Sequence[float | None]) -> list[float | None]:
    """`holm` over those tests that have a p; the others stay without.

    >>> holm_known([0.25, None])
    [0.25, None]
    """
    corrected = iter(holm([p for p in p_values if p is not None]))
    return [None if p is None else next(corrected) for p in p_values]
