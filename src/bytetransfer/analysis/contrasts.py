"""Differences between sources of one target, paired by seed and by test document.

A contrast is a weighted sum of readings, one a source. Its variance has two parts, as that of D_E
has (`transfer/interval.py`): between seeds and over test documents. With few seeds the first rests
on the two-way table of sources and seeds (Scheffé, *The Analysis of Variance*, 1959, section 4.2),
which supposes that all sources are equally noisy, and on the contrast's own seeds: what these have
over the table's is shrunk as pairing is (`transfer/pairing.py`), and counts with seeds − 1 degrees
of freedom. Nothing is tested, so no width leaps. The two are combined after Satterthwaite.
`benchmarks/contrasts.py` measures how often such intervals hold the truth.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bytetransfer.analysis.cells import Unanswered, holm_known
from bytetransfer.analysis.source_table import Reading, SourceTable
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.distributions import t_quantile, t_tail
from bytetransfer.transfer.pairing import shrunk_ratio

_CAUTION = 3.0
"""With 1 alike sources are covered in .94 at three seeds, with 3 in .95, and sources beside a far
noisier one get intervals a tenth longer (`benchmarks/contrasts.py`)."""

Pair = tuple[tuple[str, ...], tuple[str, ...]]
"""Sources, and what they are held against."""


@dataclass(frozen=True)
class Amount:
    """A number with its interval.

    Attributes:
        value: the point estimate.
        low: lower limit; None where there is no interval.
        high: upper limit; None where there is no interval.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """What some sources are worth more than others, for one target. Positive is better.

    Attributes:
        upper: the sources, averaged.
        lower: what they are held against, averaged; `SCRATCH` is no pretraining.
        loss_gain: mean log loss of `lower` minus that of `upper`; .01 is about 1 % of the loss.
        effective_gain: mean log D_E of `upper` minus that of `lower`; exp of it is a factor.
        transfer_gain_bytes: the same of D_T, in bytes of target text.
        p: two-sided, of `loss_gain`; None without an interval.
        corrected_p: after Holm over the contrasts that were asked for together.
        seeds: how many seeds all sources of the table have in common.
        level: nominal coverage of each interval by itself.
        covers: what the intervals cover, or why there are none.
        replicated: whether `seeds` counts replicates.
    """

    upper: tuple[str, ...]
    lower: tuple[str, ...]
    loss_gain: Amount
    effective_gain: Amount | Unanswered
    transfer_gain_bytes: Amount | Unanswered
    p: float | None
    corrected_p: float | None
    seeds: int
    level: float
    covers: str
    replicated: bool


@dataclass(frozen=True)
class _Noise:
    """Standard error and degrees of freedom of a contrast."""

    error: float
    degrees: float


def contrasts(
    table: SourceTable, pairs: Sequence[Pair], *, level: float = 0.95
) -> tuple[Contrast, ...]:
    """The contrasts of those pairs whose sources stand in the table.

    Args:
        table: the runs.
        pairs: sources, and what they are held against. Their p-values are corrected together
            (Holm, *Scand. J. Statist.* 6, 1979).
        level: nominal coverage of each interval by itself.
    """
    known = [(up, low) for up, low in pairs if up and low and {*up, *low} <= table.losses.keys()]
    noises = [_noise(table.losses, _weights(*pair), table.blocks) for pair in known]
    gains = [_sum(table.losses, _weights(*pair)) for pair in known]
    p_values = [_p(gain, noise) for gain, noise in zip(gains, noises, strict=True)]
    return tuple(
        Contrast(
            upper=upper,
            lower=lower,
            loss_gain=_amount(gain, noise, level),
            effective_gain=_effective(table, _weights(upper, lower), level, in_bytes=False),
            transfer_gain_bytes=_effective(table, _weights(upper, lower), level, in_bytes=True),
            p=p,
            corrected_p=corrected,
            seeds=table.seeds,
            level=level,
            covers=table.covers,
            replicated=table.replicated,
        )
        for (upper, lower), gain, noise, p, corrected in zip(
            known, gains, noises, p_values, holm_known(p_values), strict=True
        )
    )


def _weights(upper: Sequence[str], lower: Sequence[str]) -> dict[str, float]:
    weights = dict.fromkeys((*upper, *lower), 0.0)
    for names, sign in ((upper, 1.0), (lower, -1.0)):
        for name in names:
            weights[name] += sign / len(names)
    return weights


def _effective(
    table: SourceTable, weights: Mapping[str, float], level: float, *, in_bytes: bool
) -> Amount | Unanswered:
    """The contrast in log D_E, or through it (dD = D · d log D) in bytes of D_T."""
    readings: dict[str, Reading] = {}
    for name, reading in table.log_effective.items():
        if isinstance(reading, Reading):
            readings[name] = reading
        elif name in weights:
            return reading
    if _is_nothing(table.losses, weights):
        return Amount(0.0, 0.0, 0.0)
    if not in_bytes:
        noise = _noise(readings, weights, table.blocks)
        return _amount(_sum(readings, weights), noise, level, _allowance(readings, weights))
    # D_F is the same in all of them and drops out.
    sizes = {name: math.exp(readings[name].value) for name in weights}
    value = math.fsum(weight * sizes[name] for name, weight in weights.items())
    scaled = {name: weight * sizes[name] for name, weight in weights.items()}
    noise = _noise(readings, scaled, table.blocks)
    return _amount(value, noise, level, _allowance(readings, scaled))


def _sum(readings: Mapping[str, Reading], weights: Mapping[str, float]) -> float:
    return math.fsum(weight * readings[name].value for name, weight in weights.items())


def _allowance(readings: Mapping[str, Reading], weights: Mapping[str, float]) -> float:
    return abs(math.fsum(w * readings[name].allowance for name, w in weights.items()))


def _noise(
    readings: Mapping[str, Reading], weights: Mapping[str, float], blocks: int
) -> _Noise | None:
    """Of the weighted sum; None where nothing tells."""
    parts: list[tuple[float, float]] = []
    seeds = len(next(iter(readings.values())).seeds)
    if _is_nothing(readings, weights):
        return _Noise(0.0, math.inf)
    if seeds > 1:
        parts += _seed_parts(readings, weights)
    drawn = [(w, readings[name].blocks) for name, w in weights.items()]
    if blocks and all(b is not None for _, b in drawn):
        deviations = np.sum([w * b for w, b in drawn if b is not None], axis=0)
        parts.append((float(np.mean(np.square(deviations))), blocks - 1.0))
    if not parts:
        return _declared(readings, weights)
    variance = sum(part for part, _ in parts)
    scale = sum(part**2 / degrees for part, degrees in parts)
    return _Noise(math.sqrt(variance), variance**2 / scale if scale > 0 else 1.0)


def _is_nothing(readings: Mapping[str, Reading], weights: Mapping[str, float]) -> bool:
    """Whether two sources gave the same runs: then they differ by nothing, and that is certain.

    A source and itself without foreign lines, where it has none, are one text. Documents tell:
    that two losses of one seed are equal in all test documents, but for rounding, is no chance.
    """
    found = [readings[name] for name, weight in weights.items() if weight]
    if len(found) != 2 or math.fsum(weights.values()) or any(one.blocks is None for one in found):
        return False
    one, other = found
    return (
        one.value == other.value
        and np.array_equal(one.seeds, other.seeds)
        and np.allclose(np.asarray(one.blocks), np.asarray(other.blocks), rtol=0, atol=1e-10)
    )


def _declared(readings: Mapping[str, Reading], weights: Mapping[str, float]) -> _Noise | None:
    variance = 0.0
    for name, weight in weights.items():
        error = readings[name].noise
        if error is None:
            return None
        variance += (weight * error) ** 2
    return _Noise(math.sqrt(variance), math.inf)


def _seed_parts(
    readings: Mapping[str, Reading], weights: Mapping[str, float]
) -> list[tuple[float, float]]:
    """Variances between seeds with their degrees of freedom."""
    own = np.sum([weight * readings[name].seeds for name, weight in weights.items()], axis=0)
    seeds = len(own)
    paired, free = float(np.var(own, ddof=1)) / seeds, seeds - 1.0
    # D_E of no pretraining is D_F and does not vary: it tells nothing of the others' noise.
    varying = {name: reading.seeds for name, reading in readings.items() if reading.seeds.any()}
    if len(varying) < 2:
        return [(paired, free)]
    residual, shared = _two_way(np.stack(list(varying.values())))
    inside = [weight for name, weight in weights.items() if name in varying]
    parts = [
        (residual * math.fsum(w * w for w in inside) / seeds, (len(varying) - 1) * free),
        # What moves all sources of a seed alike drops out of a contrast whose weights sum to 0.
        (shared * math.fsum(inside) ** 2 / seeds, free),
    ]
    pooled = sum(part for part, _ in parts)
    if pooled == 0:
        return [(paired, free)]
    ratio, weight = shrunk_ratio(paired / pooled, free, caution=_CAUTION)
    inverse = sum((part / pooled) ** 2 / degrees for part, degrees in parts)
    return [(pooled * ratio, 1 / ((1 - weight) * inverse + weight / free))]


def _two_way(deviations: Floats) -> tuple[float, float]:
    """Variance of a cell of the table of sources and seeds, and what the seeds' means add to it."""
    sources, seeds = deviations.shape
    means = deviations.mean(axis=0)
    squares = float(np.square(deviations - means).sum())
    residual = squares / ((sources - 1) * (seeds - 1))
    between = sources * float(means @ means) / (seeds - 1)
    return residual, max(0.0, (between - residual) / sources)


def _amount(value: float, noise: _Noise | None, level: float, allowance: float = 0.0) -> Amount:
    if noise is None:
        return Amount(value)
    half = float(t_quantile((1 + level) / 2, noise.degrees)) * noise.error + allowance
    return Amount(value, value - half, value + half)


def _p(value: float, noise: _Noise | None) -> float | None:
    if noise is None:
        return None
    if noise.error == 0:
        return 1.0 if value == 0 else 0.0
    return 2 * t_tail(abs(value) / noise.error, noise.degrees)
