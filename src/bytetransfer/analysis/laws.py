"""Laws of transfer over sizes, with intervals and held-out error.

* `finetune_law`: fine-tuned loss as a power law with an offset, ℓ = (A / (D_F + D_0))^α. D_0 is how
  many bytes of the target the pretraining stands for at D_F = 0. Without it, it is the law of
  Mikami et al., *A Scaling Law for Synthetic-to-Real Transfer* (2021, arXiv 2108.11018), at one
  size of pretraining: δ(γ + n^−a)·D_F^−α. A floor under the loss as well is not told from the
  offset by the handful of sizes that studies have.
* `effective_law`: log D_E = a + b·log D_F + c·log N, with bounds as bounds (Tobin, *Econometrica*
  26, 1958). D_E is positive whatever the sign of D_T, so no cell is dropped for its sign. b < 1
  says that pretraining is worth ever less beside what one has.
* `hernandez_law`: D_T = k·D_F^α·N^β (Hernandez et al., *Scaling Laws for Transfer*, 2021, arXiv
  2102.01293, section 1). It has no place for D_T ≤ 0: the cells it leaves out are counted.

Intervals are Student's t from what the cells scatter about the law, misfit included, or from their
own standard errors where these are larger: cells that share a from-scratch curve err alike and
scatter less than they are wrong.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import mul
from typing import NamedTuple

import numpy as np

from bytetransfer.analysis.cells import Unanswered, standard_error
from bytetransfer.analysis.contrasts import Amount
from bytetransfer.analysis.tobit import Regression, tobit
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.distributions import chi2_tail, normal_quantile, t_quantile
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.units import format_bytes

LEAST_SIZES = 3
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


@dataclass(frozen=True, kw_only=True)
class SizeLaw:
    """A straight line in logarithms: log y = intercept + slope·log D_F + model_slope·log N.

    Attributes:
        intercept: log y at D_F = 1 byte and one parameter.
        slope: exponent of D_F.
        model_slope: exponent of N; None where one model size was measured.
        scatter: standard deviation of log y about the law.
        misfit_p: chance of so much scatter if the law were true and each D_E as exact as its
            interval says (chi-square); None without intervals, or where y is not D_E. A small one
            says that the cells bend and the slopes describe no more than their middle.
        cells: how many cells it was fitted to.
        bounds: how many of them are only bounds.
        left_out: how many cells it has no place for: D_F = 0 in all laws, D_T ≤ 0 and bounds where
            the law is one of D_T.
        held_out_error: root mean square of log D_E over sizes left out one by one, or why none.
    """

    intercept: float
    slope: Amount
    model_slope: Amount | None
    scatter: float
    misfit_p: float | None
    cells: int
    bounds: int
    left_out: int
    held_out_error: float | Unanswered

    def value(self, finetune_bytes: float, parameters: int = 1) -> float:
        """The law's y, in bytes.

        Args:
            finetune_bytes: D_F, above 0.
            parameters: N, where the law has one.
        """
        log = self.intercept + self.slope.value * math.log(finetune_bytes)
        if self.model_slope is not None:
            log += self.model_slope.value * math.log(parameters)
        return math.exp(log)


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
    if len(set(sizes)) < LEAST_SIZES + 1:
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


def effective_law(
    rows: Sequence[TransferEstimate],
    parameters: Mapping[str, int] | None = None,
    *,
    level: float = 0.95,
) -> SizeLaw | Unanswered:
    """D_E as a law of D_F and, for several presets, of their parameters; bounds enter as bounds.

    Args:
        rows: cells of one source and target.
        parameters: N of each learner among them, where a law of N is asked for.
        level: nominal coverage of the intervals.
    """
    kept = [row for row in rows if row.finetune_bytes > 0]
    return _law(kept, rows, parameters, level, of_transfer=False)


def hernandez_law(
    rows: Sequence[TransferEstimate],
    parameters: Mapping[str, int] | None = None,
    *,
    level: float = 0.95,
) -> SizeLaw | Unanswered:
    """D_T as Hernandez et al. (2021) have it, from the cells where it is a number above 0.

    Args:
        rows: cells of one source and target.
        parameters: N of each learner among them, where a law of N is asked for.
        level: nominal coverage of the intervals.
    """
    kept = [
        row
        for row in rows
        if row.finetune_bytes > 0 and row.status == "inside" and row.transfer_bytes > 0
    ]
    return _law(kept, rows, parameters, level, of_transfer=True)


def _law(
    kept: Sequence[TransferEstimate],
    rows: Sequence[TransferEstimate],
    parameters: Mapping[str, int] | None,
    level: float,
    *,
    of_transfer: bool,
) -> SizeLaw | Unanswered:
    sizes = {row.nominal_bytes for row in kept}
    if len(sizes) < LEAST_SIZES:
        lost = len(rows) - len(kept)
        return Unanswered(
            f"a law needs {LEAST_SIZES} sizes; {len(sizes)} can be used"
            + (f" ({lost} of {len(rows)} cells have no place in it)" if lost else "")
        )
    fit = _regress(kept, parameters, of_transfer=of_transfer)
    if isinstance(fit, Unanswered):
        return fit
    # Half-widths of cells over the normal quantile have their own degrees of freedom in them.
    quantiles = normal_quantile((1 + level) / 2) / t_quantile((1 + level) / 2, fit.degrees)
    noise = _noise(kept, of_transfer=of_transfer)
    wider = max(1.0, float(quantiles) * noise / fit.scatter)
    amounts = [
        Amount(float(value), float(value - half), float(value + half))
        for column, value in enumerate(fit.coefficients)
        for half in [wider * fit.half_width(column, level)]
    ]
    return SizeLaw(
        intercept=amounts[0].value,
        slope=amounts[1],
        model_slope=amounts[2] if len(amounts) > 2 else None,
        scatter=fit.scatter,
        misfit_p=None if of_transfer else _misfit(kept, parameters, fit),
        cells=len(kept),
        bounds=sum(row.status in ("above_range", "below_range") for row in kept),
        left_out=len(rows) - len(kept),
        held_out_error=_law_error(kept, rows, parameters, of_transfer=of_transfer),
    )


def _design(rows: Sequence[TransferEstimate], parameters: Mapping[str, int] | None) -> Floats:
    columns = [np.ones(len(rows)), np.log([row.finetune_bytes for row in rows])]
    if parameters is not None:
        columns.append(np.array([math.log(parameters[row.learner]) for row in rows]))
    return np.stack(columns, axis=1)


def _regress(
    rows: Sequence[TransferEstimate],
    parameters: Mapping[str, int] | None,
    *,
    of_transfer: bool,
) -> Regression | Unanswered:
    worth = [row.transfer_bytes if of_transfer else row.effective_bytes for row in rows]
    side = {"inside": 0, "extrapolated": 0, "above_range": 1, "below_range": -1}
    sides = np.array([side[row.status] for row in rows])
    return tobit(_design(rows, parameters), np.log(worth), sides)


def _noise(rows: Sequence[TransferEstimate], *, of_transfer: bool) -> float:
    """Root mean square of the cells' own standard errors of log y; 0 where none is known."""
    errors = [
        error * (row.effective_bytes / row.transfer_bytes if of_transfer else 1.0)
        for row in rows
        if (error := standard_error(row))
    ]
    return float(np.sqrt(np.mean(np.square(errors)))) if errors else 0.0


def _misfit(
    rows: Sequence[TransferEstimate], parameters: Mapping[str, int] | None, fit: Regression
) -> float | None:
    known = [(row, error) for row in rows if (error := standard_error(row))]
    degrees = len(known) - len(fit.coefficients)
    if degrees < 1:
        return None
    said = _design([row for row, _ in known], parameters) @ fit.coefficients
    rest = np.log([row.effective_bytes for row, _ in known]) - said
    return chi2_tail(float(np.square(rest / [error for _, error in known]).sum()), degrees)


def _law_error(
    kept: Sequence[TransferEstimate],
    rows: Sequence[TransferEstimate],
    parameters: Mapping[str, int] | None,
    *,
    of_transfer: bool,
) -> float | Unanswered:
    """Of log D_E, in both laws alike, at every cell where it is a number: D_T ≤ 0 too."""
    errors: list[float] = []
    for size in sorted({row.nominal_bytes for row in rows}):
        tested = [row for row in rows if row.nominal_bytes == size and row.finetune_bytes > 0]
        tested = [row for row in tested if row.status == "inside"]
        if not tested:
            continue
        known = [row for row in kept if row.nominal_bytes != size]
        fit = _regress(known, parameters, of_transfer=of_transfer) if known else None
        if not isinstance(fit, Regression):
            return Unanswered("with a size left out too few cells are left")
        said = _design(tested, parameters) @ fit.coefficients
        if of_transfer:
            said = np.logaddexp(np.log([row.finetune_bytes for row in tested]), said)
        errors += list(said - np.log([row.effective_bytes for row in tested]))
    return float(np.sqrt(np.mean(np.square(errors))))


@lru_cache(maxsize=64)
def _offsets(sizes: bytes) -> tuple[Floats, Floats]:
    """Offsets to look at: none, where no size is 0, and from far below to far above the sizes.

    At zero-shot an offset is all there is, and the least can be told from none.

    Args:
        sizes: of an array of float64; all pairs of a study have the same few.

    Returns:
        The offsets, shape (offsets,), and for each the logarithms of all sizes with it less their
        mean, shape (offsets, sizes).
    """
    given = np.frombuffer(sizes, np.float64)
    positive = given[given > 0]
    zero_shot = len(positive) < len(given)
    least = positive.min() / (1e6 if zero_shot else 100)
    tried = np.geomspace(least, positive.max() * 10, _OFFSETS)
    tried = tried if zero_shot else np.append(0.0, tried)
    logs = np.log(given + tried[:, None])
    return tried, logs - logs.mean(axis=1, keepdims=True)


def _line(places: Sequence[float], losses: Sequence[float]) -> tuple[float, float, float]:
    """Intercept, minus slope, and sum of squares of log loss over log bytes.

    Of lists: for a handful of sizes arrays take ten times as long.
    """
    logs = [math.log(place) for place in places]
    middle, height = sum(logs) / len(logs), sum(losses) / len(losses)
    apart = [log - middle for log in logs]
    above = [loss - height for loss in losses]
    slope = sum(map(mul, apart, above)) / sum(map(mul, apart, apart))
    rest = [y - slope * x for x, y in zip(apart, above, strict=True)]
    return height - slope * middle, -slope, sum(map(mul, rest, rest))


def _squares(logs: Floats, losses: Floats) -> Floats:
    """Sums of squares that `_line` leaves at all of `_offsets` at once."""
    rest = losses - losses.mean()
    slopes = (logs @ rest) / (logs**2).sum(axis=1)
    return np.asarray(np.square(rest - slopes[:, None] * logs).sum(axis=1))


def _fit_offset(sizes: Floats, losses: Floats) -> _OffsetFit | Unanswered:
    """Offset, intercept, exponent and sum of squares: a line for every offset, the best of them."""
    grid, logs = _offsets(sizes.tobytes())
    best = int(_squares(logs, losses).argmin())
    if best == len(grid) - 1:
        return Unanswered("the loss does not bend over these sizes, so they name no offset")
    if best == 0 and grid[0] > 0:
        return Unanswered("but from zero-shot the loss hardly falls, so it names no offset")
    offset, given, heights = float(grid[best]), sizes.tolist(), losses.tolist()
    if best > 0 and grid[best - 1] > 0:
        from scipy.optimize import minimize_scalar  # a third of a second, for these laws alone

        found = minimize_scalar(
            lambda log: _line([size + math.exp(log) for size in given], heights)[2],
            bounds=(math.log(grid[best - 1]), math.log(grid[best + 1])),
            method="bounded",
        )
        offset = math.exp(float(found.x))
    intercept, exponent, least = _line([size + offset for size in given], heights)
    if exponent <= 0:
        return Unanswered("the loss does not fall with the size of the data")
    return _OffsetFit(offset, intercept, exponent, least)


def _finetune_error(sizes: Floats, losses: Floats) -> float | Unanswered:
    if len(sizes) < LEAST_SIZES + 2:
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
