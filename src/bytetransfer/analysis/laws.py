"""Laws of D_E and D_T over sizes, with intervals and held-out error.

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
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import Unanswered, standard_error
from bytetransfer.analysis.contrasts import Amount
from bytetransfer.analysis.tobit import Regression, Sides, tobit
from bytetransfer.transfer.curve import Floats
from bytetransfer.transfer.distributions import chi2_tail, normal_quantile, t_quantile
from bytetransfer.transfer.estimate import TransferEstimate

LEAST_SIZES = 3


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
    cells = _Cells.of(kept, parameters, of_transfer=of_transfer)
    fit = tobit(cells.design, cells.outcomes, cells.sides)
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
        held_out_error=_law_error(cells, rows, parameters, of_transfer=of_transfer),
    )


class _Cells(NamedTuple):
    """What a law goes through: sizes, design, log y and which of them are bounds; a row a cell."""

    sizes: NDArray[np.int_]
    design: Floats
    outcomes: Floats
    sides: Sides

    @classmethod
    def of(
        cls,
        rows: Sequence[TransferEstimate],
        parameters: Mapping[str, int] | None,
        *,
        of_transfer: bool,
    ) -> _Cells:
        worth = [row.transfer_bytes if of_transfer else row.effective_bytes for row in rows]
        side = {"inside": 0, "extrapolated": 0, "above_range": 1, "below_range": -1}
        return cls(
            np.array([row.nominal_bytes for row in rows]),
            _design(rows, parameters),
            np.log(worth),
            np.array([side[row.status] for row in rows]),
        )


def _design(rows: Sequence[TransferEstimate], parameters: Mapping[str, int] | None) -> Floats:
    sizes = [[1.0, math.log(row.finetune_bytes)] for row in rows]
    if parameters is None:
        return np.array(sizes)
    models = [[math.log(parameters[row.learner])] for row in rows]
    return np.hstack([sizes, models])


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
    cells: _Cells,
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
        known = cells.sizes != size
        fit = tobit(cells.design[known], cells.outcomes[known], cells.sides[known])
        if isinstance(fit, Unanswered):
            return Unanswered("with a size left out too few cells are left")
        said = _design(tested, parameters) @ fit.coefficients
        if of_transfer:
            said = np.logaddexp(np.log([row.finetune_bytes for row in tested]), said)
        errors += list(said - np.log([row.effective_bytes for row in tested]))
    return float(np.sqrt(np.mean(np.square(errors))))
