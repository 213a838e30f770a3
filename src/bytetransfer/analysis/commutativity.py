"""Does transfer commute? D_T of a for b against D_T of b for a, at one D_F.

D_T(a→b) is in bytes of b and D_T(b→a) in bytes of a. Equal numbers of bytes hold unequal content,
so the difference is also shown in content-equal bytes (`premium`). log(D_E / D_F) has no unit and
needs none of that; at one D_F its difference is that of log D_E, but for the few bytes by which the
actual D_F of two languages differ. (D_F is the same in bytes, and no conversion makes it the same
in content.)

Intervals of a difference are put together from those of its two parts (MOVER: Zou and Donner,
*Construction of confidence limits about effect measures*, Statistics in Medicine 27, 2008),
which need not be symmetric. The two directions are read on the curves of different targets and
taken as independent. What seeds share (in aligned corpora the lines, so that errors go together)
makes these intervals too wide, and the paired ones, from one difference per seed, right.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from bytetransfer.analysis.asymmetry import Asymmetry, DirectedPair, asymmetry
from bytetransfer.analysis.cells import Group, Unanswered, by_group, holm_known
from bytetransfer.analysis.equivalence import log_error
from bytetransfer.analysis.premium import Premium, in_content_bytes
from bytetransfer.transfer.distributions import normal_quantile, t_quantile, t_tail
from bytetransfer.transfer.estimate import TransferEstimate


@dataclass(frozen=True)
class Difference:
    """One direction less the other; a limit is None where it is open or unknown."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class PairDifference:
    """Two languages in both roles, first → second less second → first.

    Attributes:
        first: the language whose name comes first.
        second: the other.
        forward: the estimate of first as source, second as target.
        backward: the estimate of second as source, first as target.
        log_effective: difference of log(D_E / D_F), of log D_E where D_F is 0.
        transfer_bytes: difference of D_T, each in bytes of its own target.
        content_bytes: difference of D_T in bytes of the premiums' reference; None without premiums
            of both languages.
        by_seed: the same difference from one difference per seed, or why there is none.
        p: of the hypothesis that `log_effective` is 0, from the standard errors; None
            without these.
        corrected_p: `p` after Holm's correction over the pairs.
    """

    first: str
    second: str
    forward: TransferEstimate
    backward: TransferEstimate
    log_effective: Difference
    transfer_bytes: Difference
    content_bytes: Difference | None
    by_seed: Difference | Unanswered
    p: float | None
    corrected_p: float | None


@dataclass(frozen=True, kw_only=True)
class Commutativity:
    """Both directions of every pair of one group.

    Attributes:
        group: whose estimates these are.
        pairs: those with a number in both directions.
        bounds: pairs of which at least one direction is only a bound.
        smallest_corrected_p: of the hypothesis that all pairs commute, whatever their dependence;
            None without standard errors.
        languages: languages in `pairs`.
        asymmetry: what belongs to languages, or why that is unknown.
        reference: the language of `content_bytes`; None without premiums.
        declared_noise: the declared standard error of log D_E, if there was one.
        level: nominal coverage of intervals.
    """

    group: Group
    pairs: tuple[PairDifference, ...]
    bounds: tuple[tuple[TransferEstimate, TransferEstimate], ...]
    smallest_corrected_p: float | None
    languages: tuple[str, ...]
    asymmetry: Asymmetry | Unanswered
    reference: str | None
    declared_noise: float | None
    level: float


class _Setting(NamedTuple):
    premiums: Mapping[str, Premium]
    by_seed: Mapping[int, Mapping[tuple[str, str], TransferEstimate]]
    noise: float | None
    level: float


def commutativity(
    estimates: Iterable[TransferEstimate],
    *,
    premiums: Mapping[str, Premium] | None = None,
    by_seed: Mapping[int, Iterable[TransferEstimate]] | None = None,
    noise: float | None = None,
    level: float = 0.95,
) -> Commutativity | Unanswered:
    """Both directions of every pair of languages that stands in both roles.

    Args:
        estimates: of one group (`cells.by_group`), one per pair.
        premiums: byte premiums by language, all over one reference.
        by_seed: estimates of the same group, made from the measurements of one seed each.
        noise: declared standard error of log D_E for estimates without any interval.
        level: nominal coverage of intervals; that of the estimates' own intervals is theirs.

    Returns:
        The answer, or why there is none.

    Raises:
        ValueError: for estimates of several groups, or a noise not above 0.
    """
    rows = [row for row in estimates if row.source != row.target]
    groups = by_group(rows)
    if len(groups) > 1:
        raise ValueError("estimates of several groups are not compared")
    if noise is not None and not (noise > 0 and math.isfinite(noise)):
        raise ValueError(f"{noise} is no standard error above 0")
    setting = _Setting(
        premiums or {},
        {key: _by_pair(some) for key, some in (by_seed or {}).items()},
        noise,
        level,
    )
    both = _both_ways(rows)
    if not both:
        return Unanswered(
            "no two languages are each other's source and target: give two targets as sources too"
        )
    inside = [pair for pair in both if all(row.status == "inside" for row in pair)]
    pairs = _with_corrected_p([_difference(*pair, setting) for pair in inside])
    known = [pair.corrected_p for pair in pairs if pair.corrected_p is not None]
    return Commutativity(
        group=next(iter(groups)),
        pairs=pairs,
        bounds=tuple(pair for pair in both if pair not in inside),
        smallest_corrected_p=min(known, default=None),
        languages=tuple(sorted({name for pair in pairs for name in (pair.first, pair.second)})),
        asymmetry=asymmetry([_directed(pair, noise) for pair in pairs], level=level),
        reference=next((one.reference for one in setting.premiums.values()), None),
        declared_noise=noise,
        level=level,
    )


def _by_pair(rows: Iterable[TransferEstimate]) -> dict[tuple[str, str], TransferEstimate]:
    return {(row.source, row.target): row for row in rows}


def _both_ways(
    rows: Sequence[TransferEstimate],
) -> list[tuple[TransferEstimate, TransferEstimate]]:
    found = _by_pair(rows)
    return [(found[a, b], found[b, a]) for a, b in sorted(found) if a < b and (b, a) in found]


def _difference(
    forward: TransferEstimate, backward: TransferEstimate, setting: _Setting
) -> PairDifference:
    first, second = forward.source, forward.target
    logs = _less(*(_log_gain(row, setting) for row in (forward, backward)))
    transfers = [_transfer(row, setting) for row in (forward, backward)]
    content = None
    if first in setting.premiums and second in setting.premiums:
        # Each direction is in bytes of its own target.
        content = _less(
            _in_content(transfers[0], setting.premiums[second]),
            _in_content(transfers[1], setting.premiums[first]),
        )
    return PairDifference(
        first=first,
        second=second,
        forward=forward,
        backward=backward,
        log_effective=logs,
        transfer_bytes=_less(*transfers),
        content_bytes=content,
        by_seed=_by_seed(first, second, setting),
        p=_p(logs.value, _noise(forward, setting), _noise(backward, setting)),
        corrected_p=None,
    )


def _effective(row: TransferEstimate, setting: _Setting) -> Difference:
    """D_E with the limits that were measured, else those of the declared noise."""
    if row.interval != "none" or setting.noise is None:
        return Difference(row.effective_bytes, row.effective_low, row.effective_high)
    reach = math.exp(normal_quantile((1 + setting.level) / 2) * setting.noise)
    return Difference(row.effective_bytes, row.effective_bytes / reach, row.effective_bytes * reach)


def _log_gain(row: TransferEstimate, setting: _Setting) -> Difference:
    """Logarithm of D_E / D_F; of D_E where D_F is 0, which it then is in both directions."""
    given = row.finetune_bytes or 1
    return _moved(_effective(row, setting), lambda count: math.log(count / given))


def _transfer(row: TransferEstimate, setting: _Setting) -> Difference:
    return _moved(_effective(row, setting), lambda count: count - row.finetune_bytes)


def _in_content(count: Difference, premium: Premium) -> Difference:
    return _moved(count, lambda value: in_content_bytes(value, premium))


def _moved(one: Difference, function: Callable[[float], float]) -> Difference:
    """The value and limits after a rising function."""
    low, high = (None if end is None else function(end) for end in (one.low, one.high))
    return Difference(function(one.value), low, high)


def _less(one: Difference, other: Difference) -> Difference:
    """Difference of two independent estimates, limits by MOVER."""
    value = one.value - other.value
    low = high = None
    if one.low is not None and other.high is not None:
        low = value - math.hypot(one.value - one.low, other.high - other.value)
    if one.high is not None and other.low is not None:
        high = value + math.hypot(one.high - one.value, other.value - other.low)
    return Difference(value, low, high)


def _noise(row: TransferEstimate, setting: _Setting) -> tuple[float, float] | None:
    """Standard error of log D_E, and its degrees of freedom.

    `log_error` is what it would be if the interval were a normal one. Holm's smallest p lies far
    out, where Student's t has more in its tails than that makes up for.
    """
    error = log_error(row, setting.noise)
    if error is None:
        return None
    if row.interval == "none":
        return error, math.inf
    share = (1 + row.level) / 2
    return error * normal_quantile(share) / float(t_quantile(share, row.degrees)), row.degrees


def _p(
    value: float, one: tuple[float, float] | None, other: tuple[float, float] | None
) -> float | None:
    """Two-sided, by Student's t with degrees of freedom after Satterthwaite."""
    if one is None or other is None:
        return None
    variances = one[0] ** 2, other[0] ** 2
    inverse = sum((v / sum(variances)) ** 2 / d[1]
                  for v, d in zip(variances, (one, other), strict=True))  # fmt: skip
    degrees = 1 / inverse if inverse > 0 else math.inf
    return float(2 * t_tail(abs(value) / math.sqrt(sum(variances)), degrees))


def _by_seed(first: str, second: str, setting: _Setting) -> Difference | Unanswered:
    if len(setting.by_seed) < 2:
        return Unanswered("estimates of at least two seeds, each by itself, are needed")
    known = []
    for rows in setting.by_seed.values():
        both = [rows.get(pair) for pair in ((first, second), (second, first))]
        logs = [_log_gain(row, setting).value for row in both if row and row.status == "inside"]
        if len(logs) == 2:
            known.append(logs[0] - logs[1])
    if (unknown := len(setting.by_seed) - len(known)) > 0:
        return Unanswered(
            f"{unknown} of {len(setting.by_seed)} seeds have no number in both directions"
        )
    value = float(np.mean(known))
    error = float(np.std(known, ddof=1)) / math.sqrt(len(known))
    reach = float(t_quantile((1 + setting.level) / 2, len(known) - 1)) * error
    return Difference(value, value - reach, value + reach)


def _with_corrected_p(pairs: Sequence[PairDifference]) -> tuple[PairDifference, ...]:
    corrected = holm_known([pair.p for pair in pairs])
    return tuple(replace(pair, corrected_p=p) for pair, p in zip(pairs, corrected, strict=True))


def _directed(pair: PairDifference, noise: float | None) -> DirectedPair:
    return DirectedPair(
        pair.first,
        pair.second,
        pair.log_effective.value,
        log_error(pair.forward, noise),
        log_error(pair.backward, noise),
    )
