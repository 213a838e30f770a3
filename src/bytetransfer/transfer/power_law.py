"""A power law through a from-scratch curve, its inverse, and when there is none to be had.

L(D) = E + (A/D)^α: an irreducible loss E and a reducible part that falls as a power of the bytes
(Hernandez et al., *Scaling Laws for Transfer*, arXiv 2102.01293; Hoffmann et al., *Training
Compute-Optimal Large Language Models*, arXiv 2203.15556, section 3.3). As in the latter the three
are found by a Huber loss on log residuals from a grid of starts.

A law says more than the points it went through, so it is refused where the points do not bear it
out: each refusal is a `MeasurementError` that gives the reason.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from bytetransfer.errors import MeasurementError
from bytetransfer.transfer.curve import LOG_LOSS_ROUNDING, Curve, Floats, Inverse
from bytetransfer.transfer.distributions import f_quantile, t_quantile

HUBER_SCALE = 0.02
"""Log residuals beyond this count by their absolute value instead of their square. Runs of one
size differ by .5–2 %; a run that went wrong by more does not drag the law along."""
EXPONENTS = (0.01, 3.0)
"""Exponents that are looked for; those of language models lie in .05–.6."""
LARGEST_MISFIT = 0.5
"""How far the points may lie off the law, as a standard deviation of log bytes along it. Simulated
plateaus lie further off always, power laws with 0.5 % noise never, with 2 % noise one in eight."""
REACH = 10.0
"""How far past the largest size a law may be followed when asked to, as a factor of bytes."""

_FLOOR_SHARES = (0.02, 0.2, 0.4, 0.6, 0.75, 0.85, 0.93, 0.98)
_SAME_COST = 1e-6
_SAME_LOG_LOSS = 1e-4
_AT_BOUND = 1e-3
_MOST_STEPS = 300
_LACK_OF_FIT_LEVEL = 0.01
_MOST_OFFSET = 50.0  # of the logarithm of the reducible loss: far from any, and its power a number


class Parameter(NamedTuple):
    """A fitted value with the limits of its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """L(D) = E + (A/D)^α in bits per byte, with intervals.

    Intervals are Student's t on the linearised fit (Jacobian at the optimum, residual variance with
    sizes − 3 degrees of freedom), cut off at 0. With few sizes they are wide, as they should be.

    Attributes:
        irreducible: E, bits per byte.
        scale_bytes: A, the bytes at which the reducible part is one bit per byte.
        exponent: α.
    """

    irreducible: Parameter
    scale_bytes: Parameter
    exponent: Parameter


@dataclass(frozen=True, eq=False)
class PowerLawCurve:
    """Loss against bytes as a power law, from-scratch runs of one (learner, regime, target).

    Attributes:
        sizes_bytes: training bytes, strictly increasing; shape (sizes,).
        bits_per_byte: measured losses; shape (sizes,).
        extrapolate: whether `invert` may follow the law past the largest size, by at most `REACH`.

    Raises:
        MeasurementError: for what is no curve at all, and with the reason where the points do not
            identify a power law.

    >>> sizes = [10_000, 30_000, 100_000, 300_000, 1_000_000]
    >>> losses = [1 + (20_000 / size) ** 0.4 for size in sizes]
    >>> curve = PowerLawCurve.through(sizes, losses)
    >>> round(curve.law.irreducible.value, 3), round(curve.law.exponent.value, 3)
    (1.0, 0.4)
    >>> round(curve.invert(1 + (20_000 / 50_000) ** 0.4).bytes)
    50000
    >>> curve.invert(1.1).status
    'above_range'
    """

    sizes_bytes: Floats
    bits_per_byte: Floats
    extrapolate: bool = False

    def __post_init__(self) -> None:
        Curve(self.sizes_bytes, self.bits_per_byte)
        _ = self._fit

    @classmethod
    def through(
        cls, sizes_bytes: ArrayLike, bits_per_byte: ArrayLike, *, extrapolate: bool = False
    ) -> PowerLawCurve:
        """The law through measured points, given in any order."""
        measured = Curve.through(sizes_bytes, bits_per_byte)
        return cls(measured.sizes_bytes, measured.bits_per_byte, extrapolate)

    @cached_property
    def _fit(self) -> _Fit:
        return _fit(np.log(self.sizes_bytes), np.log(self.bits_per_byte))

    @cached_property
    def law(self) -> PowerLaw:
        """The parameters with their 95 % intervals."""
        return self.parameters(0.95)

    def parameters(self, confidence: float) -> PowerLaw:
        """The parameters with intervals of that nominal coverage."""
        return self._fit.law(confidence)

    @property
    def pooled(self) -> bool:
        """False: a law falls by itself, and nothing is pooled."""
        return False

    @property
    def reach_bytes(self) -> float:
        """The largest size `invert` can return."""
        return float(self.sizes_bytes[-1]) * (REACH if self.extrapolate else 1.0)

    def loss(self, size_bytes: float) -> float:
        """Bits per byte of the law at a size within the range it may be read in.

        Raises:
            ValueError: outside of it.
        """
        if not self.sizes_bytes[0] <= size_bytes <= self.reach_bytes:
            raise ValueError(f"{size_bytes} bytes lie outside the sizes the law is read at")
        return math.exp(float(self._fit.log_losses(np.log([size_bytes]))[0]))

    def invert(self, bits_per_byte: float) -> Inverse:
        """The size at which the law reaches a loss.

        Past the largest size the status is `extrapolated` if asked for, and `above_range` with the
        largest measured size, which rests on no law, if not asked for or beyond `REACH`.
        """
        if not (math.isfinite(bits_per_byte) and bits_per_byte > 0):
            raise MeasurementError(
                f"a loss of {bits_per_byte} bits per byte has no place on a curve",
                todo="give a positive loss",
            )
        smallest, largest = float(self.sizes_bytes[0]), float(self.sizes_bytes[-1])
        log_loss = math.log(bits_per_byte)
        first, last, reach = self._fit.log_losses(np.log([smallest, largest, self.reach_bytes]))
        if log_loss > first + LOG_LOSS_ROUNDING:
            return Inverse("below_range", smallest, smallest)
        if log_loss < reach - LOG_LOSS_ROUNDING:
            return Inverse("above_range", largest, None)
        size = math.exp(self._fit.log_size(log_loss))
        if log_loss < last - LOG_LOSS_ROUNDING:
            size = min(max(size, largest), self.reach_bytes)
            return Inverse("extrapolated", size, size)
        size = min(max(size, smallest), largest)
        return Inverse("inside", size, size)

    def refit(self, log_sizes: Floats, log_losses: Floats, at: Floats) -> Floats:
        """Log losses of the laws through many slightly different curves, to first order.

        One step of Gauss and Newton from the fit at hand, which costs a product of matrices.

        Args:
            log_sizes: natural logarithm of this curve's sizes; shape (sizes,).
            log_losses: one row a curve; shape (curves, sizes).
            at: natural logarithm of sizes; shape (points,).

        Returns:
            Shape (curves, points).
        """
        changes = log_losses - np.log(self.bits_per_byte)
        steps = changes @ self._fit.influence.T
        return np.asarray(self._fit.log_losses(at) + steps @ self._fit.jacobian(at).T, np.float64)

    def check(self, log_losses: Floats, document_losses: Floats | None = None) -> None:
        """Hold the misfit against noise (F test for lack of fit, 1 %).

        Noise is that between seeds, plus what resampling test documents leaves off the law: the
        test documents are the same for all seeds, so that seeds do not show it.

        Args:
            log_losses: log loss of each run, whose means the law went through; shape
                (seeds, sizes). One seed tells nothing.
            document_losses: seed means of log loss on resampled documents, in order of size; shape
                (resamples, sizes); None where there are no documents.

        Raises:
            MeasurementError: if the points lie further off the law than their noise explains.
        """
        seeds, sizes = log_losses.shape
        if seeds < 2:
            return
        between_seeds = float(log_losses.var(axis=0, ddof=1).mean()) / seeds
        noise = between_seeds
        if document_losses is not None:
            noise += self._fit.variance_off_the_law(document_losses)
        misfit, free = self._fit.residual_variance, sizes * (seeds - 1)
        # Satterthwaite: the part of the documents is known as well as there are resamples.
        degrees = free * (noise / between_seeds) ** 2 if between_seeds > 0 else math.inf
        limit = float(f_quantile(1 - _LACK_OF_FIT_LEVEL, sizes - 3, degrees))
        if misfit > limit * noise + LOG_LOSS_ROUNDING:
            whence = "seeds" if document_losses is None else "seeds and test documents"
            raise _refusal(
                f"the points lie {math.sqrt(misfit):.2g} off it in log loss, and noise "
                f"between {whence} explains {math.sqrt(noise):.2g}"
            )


@dataclass(frozen=True, eq=False)
class _Fit:
    """A fitted law in the coordinates it was fitted in.

    Log sizes are counted from `centre`, losses in units of `unit`: loss / unit = floor +
    exp(offset − exponent · place). That makes the fit the same in any unit of bytes or loss.
    """

    log_sizes: Floats
    residuals: Floats
    centre: float
    log_unit: float
    parameters: Floats  # floor, offset, exponent

    def log_losses(self, log_sizes: Floats) -> Floats:
        """Log of bits per byte; shape of `log_sizes`."""
        return _log_law(self.parameters, log_sizes - self.centre) + self.log_unit

    def log_size(self, log_loss: float) -> float:
        """The log size with a loss above the floor."""
        floor, offset, exponent = self.parameters
        reducible = math.exp(log_loss - self.log_unit) - floor
        return self.centre + float((offset - math.log(reducible)) / exponent)

    def jacobian(self, log_sizes: Floats) -> Floats:
        """Change of log loss with the parameters; shape (points, 3)."""
        return _jacobian(self.parameters, log_sizes - self.centre)

    @cached_property
    def influence(self) -> Floats:
        """Change of the parameters with the log loss at each size; shape (3, sizes)."""
        weights = HUBER_SCALE / np.maximum(np.abs(self.residuals), HUBER_SCALE)
        jacobian = self.jacobian(self.log_sizes)
        weighted = jacobian.T * weights
        return np.asarray(np.linalg.pinv(weighted @ jacobian) @ weighted, np.float64)

    @property
    def residual_variance(self) -> float:
        """Of log loss, with sizes − 3 degrees of freedom."""
        return float(self.residuals @ self.residuals) / (len(self.residuals) - 3)

    def variance_off_the_law(self, log_losses: Floats) -> float:
        """Residual variance of laws refitted, to first order, through resampled curves.

        Args:
            log_losses: one row a curve; shape (curves, sizes).
        """
        changes = log_losses - log_losses.mean(axis=0)
        left = changes - changes @ self.influence.T @ self.jacobian(self.log_sizes).T
        return float((left**2).sum(axis=1).mean()) / (len(self.residuals) - 3)

    @property
    def misfit(self) -> float:
        """Residual standard deviation in log bytes: log loss over the slope of the law."""
        slopes = self.jacobian(self.log_sizes)[:, 1] * self.parameters[2]
        shifts = self.residuals / np.maximum(slopes, np.finfo(np.float64).tiny)
        return math.sqrt(float(shifts @ shifts) / (len(shifts) - 3))

    def law(self, confidence: float) -> PowerLaw:
        """The parameters in bytes and bits per byte."""
        floor, offset, exponent = map(float, self.parameters)
        log_scale = self.centre + (offset + self.log_unit) / exponent
        # Columns: E, log A and α, as they change with floor, offset and exponent.
        change = np.diag([math.exp(self.log_unit), 1 / exponent, 1.0])
        change[1, 2] = -(offset + self.log_unit) / exponent**2
        spread = change @ self.influence
        errors = np.sqrt(self.residual_variance * (spread**2).sum(axis=1))
        half = errors * float(t_quantile((1 + confidence) / 2, len(self.residuals) - 3))
        irreducible = floor * math.exp(self.log_unit)
        return PowerLaw(
            irreducible=_parameter(irreducible, half[0]),
            scale_bytes=Parameter(
                *(_exp(log_scale + sign * half[1]) for sign in (0, -1, 1)),
            ),
            exponent=_parameter(exponent, half[2]),
        )


def _parameter(value: float, half: float) -> Parameter:
    return Parameter(value, max(0.0, value - float(half)), value + float(half))


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _log_law(parameters: Floats, places: Floats) -> Floats:
    floor, offset, exponent = parameters
    return np.asarray(np.log(floor + np.exp(offset - exponent * places)), np.float64)


def _jacobian(parameters: Floats, places: Floats) -> Floats:
    floor, offset, exponent = parameters
    reducible = np.exp(offset - exponent * places)
    columns = [np.ones_like(places), reducible, -places * reducible]
    return np.asarray(np.stack(columns, axis=-1) / (floor + reducible)[:, None], np.float64)


def _fit(log_sizes: Floats, log_losses: Floats) -> _Fit:
    """The best law, or a refusal."""
    if len(log_sizes) < 4:
        raise _refusal(f"it has three parameters and {len(log_sizes)} sizes; four are needed")
    if log_losses[-1] >= log_losses[0]:
        raise _refusal("the loss does not fall from the smallest size to the largest")
    centre, log_unit = float(log_sizes.mean()), float(log_losses[-1])
    places, heights = log_sizes - centre, log_losses - log_unit
    lowest = float(np.exp(heights.min()))
    solutions = [_solve(start, places, heights, lowest) for start in _starts(places, heights)]
    converged = [(cost, parameters) for done, cost, parameters in solutions if done]
    if not converged:
        raise _refusal("the optimiser did not converge from any start")
    converged.sort(key=lambda pair: pair[0])
    cost, best = converged[0]
    _check_unique(cost, best, converged, places)
    fit = _Fit(log_sizes, heights - _log_law(best, places), centre, log_unit, best)
    _check_parameters(fit, lowest)
    return fit


def _starts(places: Floats, heights: Floats) -> list[Floats]:
    """For each share of the floor in the lowest loss, the straight line through what is left."""
    starts = []
    for share in _FLOOR_SHARES:
        floor = share * float(np.exp(heights.min()))
        rest = np.log(np.exp(heights) - floor)
        slope, offset = np.polyfit(places, rest, 1)
        starts.append(np.array([floor, offset, float(np.clip(-slope, 0.02, 2.5))]))
    return starts


def _solve(
    start: Floats, places: Floats, heights: Floats, lowest: float
) -> tuple[bool, float, Floats]:
    from scipy.optimize import least_squares  # a third of a second, for this method alone

    found = least_squares(
        lambda p: _log_law(p, places) - heights,
        start,
        jac=lambda p: _jacobian(p, places),
        bounds=([0.0, -_MOST_OFFSET, EXPONENTS[0]], [2 * lowest, _MOST_OFFSET, EXPONENTS[1]]),
        loss="huber",
        f_scale=HUBER_SCALE,
        x_scale="jac",
        ftol=1e-12,
        xtol=1e-10,
        gtol=1e-12,
        max_nfev=_MOST_STEPS,
    )
    return bool(found.status > 0), float(found.cost), np.asarray(found.x, np.float64)


def _check_unique(
    cost: float, best: Floats, converged: list[tuple[float, Floats]], places: Floats
) -> None:
    """Fits as good as the best must say the same of the sizes between."""
    grid = np.linspace(places[0], places[-1], 33)
    for other_cost, other in converged:
        if other_cost > cost * (1 + _SAME_COST) + 1e-12:
            continue
        apart = np.abs(_log_law(other, grid) - _log_law(best, grid)).max()
        if apart > _SAME_LOG_LOSS:
            raise _refusal("equally good fits from different starts disagree")


def _check_parameters(fit: _Fit, lowest: float) -> None:
    floor, _, exponent = fit.parameters
    if floor <= _AT_BOUND * lowest:
        raise _refusal("no irreducible loss above 0 is seen: the curve does not bend")
    if not EXPONENTS[0] * (1 + _AT_BOUND) < exponent < EXPONENTS[1] * (1 - _AT_BOUND):
        low, high = EXPONENTS
        raise _refusal(f"no exponent between {low:g} and {high:g} fits")
    if fit.misfit > LARGEST_MISFIT:
        factor = math.exp(min(fit.misfit, 50.0))
        raise _refusal(f"the points lie off it by a factor of {factor:.2g} in bytes, typically")


def _refusal(reason: str) -> MeasurementError:
    return MeasurementError(
        f"the curve does not identify a power law: {reason}", todo="use the method monotone"
    )
