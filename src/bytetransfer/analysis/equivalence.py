"""Are all sources worth about the same for a target? Equivalence and difference of log D_T.

"Not significantly different" is what any study with enough noise says. Equivalence turns the burden
round: the hypothesis to be rejected is that some two sources differ by a factor f or more.

For a pair, two one-sided tests (Schuirmann, *J. Pharmacokin. Biopharm.* 15, 1987) have
p = Φ((|d| − ln f) / s), d the difference of log D_T and s its standard error. All pairs together
are an intersection-union test, whose p is the largest of theirs and needs no correction (Berger and
Hsu, *Bioequivalence trials, intersection-union tests and equivalence confidence sets*, Statistical
Science 11, 1996). The test of difference beside it is that of heterogeneity (Cochran, *Biometrics*
10, 1954): Q = Σ w (x − x̄)², w = 1/s².

Standard errors are carried over from log D_E: s(log D_T) = D_E / D_T · s(log D_E). Errors of
different sources are taken as independent. They are not: one from-scratch curve serves all sources
of a target, and where their D_E are near each other its error moves them together (correlation .5
for D_E a tenth apart, .2 a factor 2 apart, 0 a factor 10 apart, `benchmarks/consistency.py`). D_T
within a factor 2 means D_E within a factor 2, so that where equivalence is at stake s is too large,
and both tests reject too seldom: the safe side for "equivalent" and for "different".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bytetransfer.analysis.cells import Unanswered, holm, standard_error
from bytetransfer.transfer.distributions import chi2_tail, normal_quantile, normal_tail
from bytetransfer.transfer.estimate import TransferEstimate

RESOLUTION_BYTES = 1.0
"""D_F is rounded to whole bytes, so D_T of less than this is none."""


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """What is known about the differences between the sources of one target.

    Attributes:
        ratio: largest D_T over smallest.
        within: upper confidence limit of the same ratio of the true values, the smallest factor
            for which the test of equivalence succeeds.
        p_equivalent: of the hypothesis that some two sources differ by the factor or more.
        p_different: of the hypothesis that all sources are equal.
        corrected_equivalent: `p_equivalent` after Holm's correction over the targets.
        corrected_different: `p_different` after Holm's correction over the targets.
    """

    ratio: float
    within: float
    p_equivalent: float
    p_different: float
    corrected_equivalent: float
    corrected_different: float


@dataclass(frozen=True, kw_only=True)
class TargetSources:
    """The sources of one target and what the tests say.

    Attributes:
        target: its name.
        compared: sources whose D_T has an interval above 0.
        not_positive: sources whose D_T is at most 0 or has an interval that reaches 0.
        bounds: sources whose D_E is only a bound.
        without_interval: sources whose D_E has no two-sided interval and no declared noise.
        answer: the tests of those compared, or why there are none.
    """

    target: str
    compared: tuple[str, ...]
    not_positive: tuple[str, ...]
    bounds: tuple[str, ...]
    without_interval: tuple[str, ...]
    answer: Equivalence | Unanswered

    @property
    def left_out(self) -> int:
        """How many sources could not be compared."""
        return len(self.not_positive) + len(self.bounds) + len(self.without_interval)


def log_error(row: TransferEstimate, noise: float | None) -> float | None:
    """Standard error of log D_E: measured, else declared where there is no interval at all.

    A learner that makes no use of its pretraining has D_E = D_F and an interval without width; no
    size is known more exactly than the byte it is rounded to.
    """
    error = noise if row.interval == "none" else standard_error(row)
    return None if error is None else max(error, RESOLUTION_BYTES / row.effective_bytes)


def equivalence(
    rows: Iterable[TransferEstimate],
    *,
    factor: float = 2.0,
    noise: float | None = None,
    level: float = 0.95,
) -> tuple[TargetSources, ...]:
    """Equivalence of the sources of each target, in order of the targets.

    Args:
        rows: estimates of one group.
        factor: what still counts as the same, above 1.
        noise: declared standard error of log D_E where an estimate has no interval; else None.
        level: of the interval of D_T that must lie above 0, and of `Equivalence.within`.

    Raises:
        ValueError: for a factor not above 1 or a noise not above 0.
    """
    if not factor > 1 or not math.isfinite(factor):
        raise ValueError(f"{factor} is no factor above 1")
    if noise is not None and not (noise > 0 and math.isfinite(noise)):
        raise ValueError(f"{noise} is no standard error above 0")
    targets: dict[str, list[TransferEstimate]] = {}
    for row in rows:
        targets.setdefault(row.target, []).append(row)
    found = [_target(targets[name], factor, noise, level) for name in sorted(targets)]
    return _corrected(found)


def _target(
    rows: Sequence[TransferEstimate], factor: float, noise: float | None, level: float
) -> TargetSources:
    kinds: dict[str, list[TransferEstimate]] = {
        "compared": [], "not_positive": [], "bounds": [], "without_interval": [],
    }  # fmt: skip
    for row in sorted(rows, key=lambda row: row.source):
        kinds[_kind(row, noise, level)].append(row)
    names = {kind: tuple(row.source for row in some) for kind, some in kinds.items()}
    answer: Equivalence | Unanswered
    if len(kinds["compared"]) < 2:
        answer = Unanswered(
            f"{len(kinds['compared'])} of {len(rows)} sources have a D_T whose interval is above 0"
        )
    else:
        answer = _tests(kinds["compared"], factor, noise, level)
    return TargetSources(target=rows[0].target, answer=answer, **names)


def _kind(row: TransferEstimate, noise: float | None, level: float) -> str:
    if row.status != "inside":
        return "bounds"
    error = log_error(row, noise)
    if error is None:
        return "without_interval"
    low = row.effective_bytes * math.exp(-normal_quantile((1 + level) / 2) * error)
    if row.interval != "none" and row.effective_low is not None:
        low = row.effective_low
    positive = low - row.finetune_bytes >= RESOLUTION_BYTES
    return "compared" if positive else "not_positive"


def _tests(
    rows: Sequence[TransferEstimate], factor: float, noise: float | None, level: float
) -> Equivalence:
    x = np.log([row.transfer_bytes for row in rows])
    s = np.array([(log_error(row, noise) or 0.0) / row.transfer_fraction for row in rows])
    first, second = np.array(list(itertools.combinations(range(len(rows)), 2))).T
    distance, error = np.abs(x[first] - x[second]), np.hypot(s[first], s[second])
    p_equivalent = float(normal_tail((math.log(factor) - distance) / error).max())
    weights = 1 / s**2
    q = float(np.sum(weights * (x - np.average(x, weights=weights)) ** 2))
    p_different = chi2_tail(q, len(rows) - 1)
    return Equivalence(
        ratio=float(np.exp(np.ptp(x))),
        within=float(np.exp((distance + normal_quantile(level) * error).max())),
        p_equivalent=p_equivalent,
        p_different=p_different,
        corrected_equivalent=p_equivalent,
        corrected_different=p_different,
    )


def _corrected(found: Sequence[TargetSources]) -> tuple[TargetSources, ...]:
    answers = [one.answer for one in found if isinstance(one.answer, Equivalence)]
    corrected = iter(
        zip(
            holm([one.p_equivalent for one in answers]),
            holm([one.p_different for one in answers]),
            strict=True,
        )
    )
    return tuple(
        replace(one, answer=_with(one.answer, *next(corrected)))
        if isinstance(one.answer, Equivalence)
        else one
        for one in found
    )


def _with(answer: Equivalence, equivalent: float, different: float) -> Equivalence:
    return replace(answer, corrected_equivalent=equivalent, corrected_different=different)
