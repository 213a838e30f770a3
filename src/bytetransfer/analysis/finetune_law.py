"""Fine-tuned loss as a power law with an offset, ℓ = (A / (D_F + D_0))^α.

D_0 is how many bytes of the target the pretraining stands for at D_F = 0. Without it, it is the law
of Mikami et al., *A Scaling Law for Synthetic-to-Real Transfer* (2021, arXiv 2108.11018), at one
size of pretraining: δ(γ + n^−a)·D_F^−α. A floor under the loss as well is not told from the offset
by the handful of sizes that studies have. Intervals are Student's t from what the cells scatter
about the law.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.contrasts import Amount
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.distributions import t_quantile
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.units import format_bytes

_LEAST_SIZES = 4  # three parameters, and one size to see how far off they are
_OFFSETS = 200
_TIE = 1e-6


@dataclass(frozen=True, kw_only=True)
class FinetuneLaw:
    """ℓ = (A / (D_F + D_0))^α in bits per byte.

    Attributes:
        exponent: α.
        offset_bytes: D_0; its upper limit is None where it is open.
        offset_bound: why D_0 is only known to be at most the upper limit of `offset_bytes`; empty
            where its value is a number.
        log_scale: log A, of bytes.
        sizes: number of sizes it was fitted to.
        held_out_error: root mean square of log loss over sizes left out one by one, or why none.
    """

    exponent: Amount
    offset_bytes: Amount
    offset_bound: str
    log_scale: float
    sizes: int
    held_out_error: float | Unanswered

    def bits_per_byte(self, finetune_bytes: float) -> float:
        """The loss at a D_F."""
        place = math.log(finetune_bytes + self.offset_bytes.value)
        return math.exp(self.exponent.value * (self.log_scale - place))


def finetune_law(
    rows: Sequence[TransferEstimate], *, level: float = 0.95
) -> FinetuneLaw | Unanswered:
    """Fine-tuned loss as a law of D_F, for one source, target and learner.

    Args:
        rows: one cell a size; zero-shot is welcome.
        level: nominal coverage of the intervals.
    """
    sizes = np.array([row.finetune_bytes for row in rows], np.float64)
    losses = np.log([row.bits_per_byte for row in rows])
    if len(set(sizes)) < _LEAST_SIZES:
        return Unanswered(
            f"a law of the loss has three parameters and needs four sizes, not {len(set(sizes))}"
        )
    fit = _fit_offset(sizes, losses)
    if isinstance(fit, Unanswered):
        return fit
    degrees = len(sizes) - 3
    quantile = float(t_quantile((1 + level) / 2, degrees))
    offset = _offset_amount(sizes, losses, fit, 1 + quantile**2 / degrees)
    bound = _offset_bound(sizes, offset)
    if bound and offset.high is None:
        return Unanswered(
            "any D_0 from nothing to ten times the largest size fits these losses: their scatter "
            "is too large, or the sizes too few, to name one"
        )
    places = np.log(sizes + fit.offset)
    columns = [np.ones_like(places), -places]
    if fit.offset > 0:
        columns.append(-fit.exponent * fit.offset / (sizes + fit.offset))
    design = np.stack(columns, axis=1)
    spread = np.linalg.pinv(design.T @ design)[1, 1] * fit.squares / degrees
    half = quantile * math.sqrt(max(0.0, float(spread)))
    return FinetuneLaw(
        exponent=Amount(fit.exponent, fit.exponent - half, fit.exponent + half),
        offset_bytes=offset,
        offset_bound=bound,
        log_scale=fit.intercept / fit.exponent,
        sizes=len(sizes),
        held_out_error=_finetune_error(sizes, losses),
    )


class _OffsetFit(NamedTuple):
    offset: float
    intercept: float
    exponent: float
    squares: float


def _offset_amount(sizes: Floats, losses: Floats, fit: _OffsetFit, ratio: float) -> Amount:
    """D_0 and all of them whose sum of squares is at most so many times the least."""
    grid, logs = _offsets(sizes.tobytes())
    inside = grid[_squares(logs, losses) <= fit.squares * ratio].tolist()
    high = None if grid[-1] in inside else max([fit.offset, *inside])
    if high is not None:
        # A number between two of the grid is no limit; the next that is refused is one.
        high = float(grid[min(int(np.searchsorted(grid, high, side="right")), len(grid) - 1)])
    low = 0.0 if grid[0] in inside else min([fit.offset, *inside])
    return Amount(fit.offset, low, high)


def _offset_bound(sizes: Floats, offset: Amount) -> str:
    """Why a D_0 is no number: it lies where the sizes cannot tell it from none; zero-shot can."""
    least = float(sizes.min())
    if least == 0 or offset.value > least / 100 * (1 + _TIE):
        return ""
    return (
        f"the best fit is no more than a hundredth of the smallest size ({format_bytes(least)}), "
        "which these sizes do not tell from none"
        + ("" if offset.high is None else f"; up to {format_bytes(offset.high)} is not ruled out")
    )


@lru_cache(maxsize=64)
def _offsets(sizes: bytes) -> tuple[Floats, Floats]:
    """Offsets to look at: none, where no size is 0, and from far below to far above the sizes.

    At zero-shot an offset is all there is, and the least can be told from none. With them come
    the logarithms of all sizes and each, less their mean; shape (offsets, sizes). Sizes are the
    bytes of an array, as all pairs of a study have the same few.
    """
    given = np.frombuffer(sizes, np.float64)
    positive = given[given > 0]
    zero_shot = len(positive) < len(given)
    least = positive.min() / (1e6 if zero_shot else 100)
    tried = np.geomspace(least, positive.max() * 10, _OFFSETS)
    tried = tried if zero_shot else np.append(0.0, tried)
    return tried, _centred(given, tried)


def _centred(sizes: Floats, offsets: Floats) -> Floats:
    logs = np.log(sizes + offsets[:, None])
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def _line(places: Floats, losses: Floats) -> tuple[float, float, float]:
    """Intercept, minus slope, and sum of squares of log loss over log bytes."""
    logs = np.log(places)
    middle, height = logs.mean(), losses.mean()
    slope = (logs - middle) @ (losses - height) / np.square(logs - middle).sum()
    intercept = height - slope * middle
    rest = losses - intercept - slope * logs
    return float(intercept), -float(slope), float(rest @ rest)


def _squares(logs: Floats, losses: Floats) -> Floats:
    """Sums of squares that `_line` leaves at all of `_offsets` at once."""
    rest = losses - losses.mean()
    slopes = (logs @ rest) / np.einsum("os,os->o", logs, logs)
    return np.asarray(np.square(rest - slopes[:, None] * logs).sum(axis=1))


def _fit_offset(sizes: Floats, losses: Floats) -> _OffsetFit | Unanswered:
    """Offset, intercept, exponent and sum of squares: a line for every offset, the best of them."""
    grid, logs = _offsets(sizes.tobytes())
    best = int(_squares(logs, losses).argmin())
    if best == len(grid) - 1:
        return Unanswered("the loss does not bend over these sizes, so they name no offset")
    if best == 0 and grid[0] > 0:
        return Unanswered("but from zero-shot the loss hardly falls, so it names no offset")
    offset = float(grid[best])
    if best > 0 and grid[best - 1] > 0:
        offset = _between(sizes, losses, grid[best - 1], grid[best + 1])
    intercept, exponent, least = _line(sizes + offset, losses)
    if exponent <= 0:
        return Unanswered("the loss does not fall with the size of the data")
    return _OffsetFit(offset, intercept, exponent, least)


def _between(sizes: Floats, losses: Floats, low: float, high: float) -> float:
    """The best offset between two: of a fine grid of logarithms, and of the parabola about it."""
    logs = np.linspace(math.log(low), math.log(high), _OFFSETS)
    squares = _squares(_centred(sizes, np.exp(logs)), losses)
    best = int(np.clip(squares.argmin(), 1, len(logs) - 2))
    before, least, after = squares[best - 1 : best + 2].tolist()
    bend = before - 2 * least + after
    moved = min(1.0, max(-1.0, (before - after) / (2 * bend))) if bend > 0 else 0.0
    return math.exp(logs[best] + moved * (logs[1] - logs[0]))


def _finetune_error(sizes: Floats, losses: Floats) -> float | Unanswered:
    if len(sizes) <= _LEAST_SIZES:
        return Unanswered("with a size left out there are as many parameters as sizes")
    errors = []
    for place in range(len(sizes)):
        fit = _fit_offset(np.delete(sizes, place), np.delete(losses, place))
        if isinstance(fit, Unanswered):
            return Unanswered("with a size left out the law is not identified")
        offset, intercept, exponent, _ = fit
        at = sizes[place] + offset
        if at == 0:
            return Unanswered("with the zero-shot cell left out the law has no offset")
        errors.append(losses[place] - intercept + exponent * math.log(at))
    return float(np.sqrt(np.mean(np.square(errors))))
