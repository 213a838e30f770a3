"""Regression on tables of pairs: source and target effects removed, tested by moving nodes.

Pairs that share a language are not independent, so neither pairs nor their residuals may be
shuffled one by one. The multiple regression quadratic assignment procedure moves whole languages:
rows and columns of the predictor's table travel together. This is the double semi-partialling of
Dekker, Krackhardt & Snijders, *Sensitivity of MRQAP tests to collinearity and autocorrelation
conditions* (Psychometrika 72, 2007, section 3), with one dummy for every source and every target
among the covariates:

1. the predictor is regressed on the covariates; its residuals are ε;
2. the languages of ε are permuted, giving ε_π;
3. the outcome is regressed on ε_π and the covariates; |t| of ε_π is what chance gives.

The interval inverts the test: it holds every slope b for which `outcome − b · predictor` is not
rejected, so it holds 0 if and only if p > 1 − level. With y and x the residuals of both variables
and u_π the permuted ones without the covariates, scaled to length 1, |t| rises with |y·u_π|. So an
arrangement tolerates the b between the two places where |(y − b x)·u_π| equals that of the observed
arrangement u, (y·u − y·u_π) / (x·u − x·u_π) and (y·u + y·u_π) / (x·u + x·u_π); the limits are
quantiles of these places over the arrangements.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import Unanswered

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]
Moved = Literal["targets", "both"]
_Names = tuple[tuple[str, ...], tuple[str, ...]]

_BATCH_CELLS = 2_000_000  # numbers held at once while permuting
_NEGLIGIBLE = 1e-9  # of the spread before covariates were removed: rounding, not a spread
_TIE = 1e-10  # two arrangements that close, relatively, have the same statistic


@dataclass(frozen=True, kw_only=True)
class PairTable:
    """A number for every pair of a source and a target, or none.

    Attributes:
        sources: names of the rows, each once.
        targets: names of the columns, each once.
        values: shape (sources, targets); NaN where there is none.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    values: Floats


@dataclass(frozen=True)
class ResidualPair:
    """A pair with source and target effects removed from both variables.

    Attributes:
        source: name of the row.
        target: name of the column.
        predictor: what is left of the predictor, in its unit.
        outcome: what is left of the outcome, in its unit.
    """

    source: str
    target: str
    predictor: float
    outcome: float


@dataclass(frozen=True, kw_only=True)
class Association:
    """How the outcome goes with the predictor within sources and targets.

    Attributes:
        slope: outcome per unit of predictor.
        low: lower limit of the slope; None where permutations are too few for the level.
        high: upper limit of the slope, the same.
        level: nominal coverage of the limits.
        spread: standard deviation of the predictor's residuals; turns slopes into effects.
        correlation: partial correlation, in [-1, 1].
        p: two-sided, by permutation.
        smallest_p: the smallest `p` that these languages, or this many permutations, can give.
        permutations: how many arrangements were compared, the observed one included.
        exact: whether these are all arrangements there are.
        moved: `languages` (rows and columns together), `targets`, or `both` (each for itself).
        pairs: the residuals the correlation is of; as many as there are cells.
    """

    slope: float
    low: float | None
    high: float | None
    level: float
    spread: float
    correlation: float
    p: float
    smallest_p: float
    permutations: int
    exact: bool
    moved: Literal["languages", "targets", "both"]
    pairs: tuple[ResidualPair, ...]


def mrqap(
    outcome: PairTable,
    predictor: PairTable,
    *,
    controls: Sequence[PairTable] = (),
    permutations: int = 9_999,
    seed: int = 0,
    level: float = 0.95,
    moved: Moved = "targets",
) -> Association | Unanswered:
    """Slope of the outcome on the predictor, source and target effects removed from both.

    By the theorem of Frisch & Waugh (Econometrica 1, 1933) the slope is that of the residuals of
    both on the covariates. Where sources and targets are the same languages, these are permuted,
    rows and columns together; otherwise target labels are (`moved="targets"`), or target and source
    labels independently (`"both"`). Cells without outcome or predictor, and pairs of a language
    with itself, are left out. Where a permutation brings a cell to a place that has no predictor,
    its residual counts as 0.

    Args:
        outcome: what is explained.
        predictor: what explains it; sources and targets in the same order.
        controls: further tables to remove from both, the same; incomplete cells are left out.
        permutations: how many random arrangements to draw; where there are no more than this many
            besides the observed one, each is taken once instead.
        seed: fixes the draws.
        level: nominal coverage of the interval.
        moved: whose labels are permuted where sources and targets differ.

    Returns:
        The association, or the reason why there is none: too few cells, or a predictor without
        variation once source and target effects are gone.

    >>> names = ("a", "b", "c", "d")
    >>> x = np.array([[0, 1, 2, 4], [1, 0, 1, 3], [2, 1, 0, 2], [4, 3, 2, 0.0]])
    >>> y = 5 - 2 * x**2 + np.array([[0.0], [3], [1], [7]])
    >>> found = mrqap(
    ...     PairTable(sources=names, targets=names, values=y),
    ...     PairTable(sources=names, targets=names, values=x**2),
    ... )
    >>> round(found.slope, 6), round(found.correlation, 6), found.permutations, found.low
    (-2.0, -1.0, 24, None)
    """
    frame = _frame(outcome, predictor, controls, moved)
    if isinstance(frame, Unanswered):
        return frame
    if frame.moved == "targets" and len(frame.targets) == 2:
        return Unanswered(
            "exchanging two targets only turns the sign of what is compared, so that no p but 1 "
            "could be found: three targets or more are needed"
        )
    arrangements, exact = _arrangements(frame, permutations, seed)
    chance = _chance(frame, arrangements)
    return _association(frame, chance, exact, level)


@dataclass(frozen=True)
class _Frame:
    """What all arrangements share; cells are those with outcome, predictor and controls."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    moved: Literal["languages", "targets", "both"]
    rows: Places  # of each cell
    columns: Places
    basis: Floats  # orthonormal, shape (cells, rank): sources, targets, controls
    outcome: Floats  # residuals, shape (cells,)
    predictor: Floats
    table: Floats  # residuals of the predictor wherever it is known, 0 elsewhere


@dataclass(frozen=True)
class _Chance:
    """Arrangements, the observed one first: y·u_π and x·u_π, shape (arrangements,)."""

    outcome: Floats
    predictor: Floats


def _frame(
    outcome: PairTable, predictor: PairTable, controls: Sequence[PairTable], moved: Moved
) -> _Frame | Unanswered:
    """The cells and languages that are compared, and both variables without the covariates."""
    tables = (outcome, predictor, *controls)
    names = predictor.sources, predictor.targets
    if any((table.sources, table.targets) != names for table in tables):
        raise ValueError("the tables are not of the same sources and targets")
    stack = np.stack([table.values for table in tables])
    stack[:, np.array([[a == b for b in names[1]] for a in names[0]], bool)] = np.nan
    # A language without any predictor has no place in an arrangement of predictors.
    stack, names = _trim(stack, names, _complete(stack[1:]))
    scheme: Literal["languages", "targets", "both"] = moved
    if set(names[0]) == set(names[1]):
        scheme = "languages"
        stack = stack[:, :, [names[1].index(name) for name in names[0]]]
        names = names[0], names[0]
    else:
        stack, names = _trim(stack, names, _complete(stack))
    known, cells = _complete(stack[1:]), _complete(stack)
    basis = _basis(cells, stack[2:])
    y, x = _without(basis, stack[0][cells]), _without(basis, stack[1][cells])
    if (reason := _obstacle(basis, (y, stack[0][cells]), (x, stack[1][cells]), names)) is not None:
        return Unanswered(reason)
    table = np.zeros(known.shape)
    table[known] = _without(_basis(known, stack[2:]), stack[1][known])
    rows, columns = np.nonzero(cells)
    return _Frame(*names, scheme, rows, columns, basis, y, x, table)


def _complete(stack: Floats) -> Flags:
    return np.asarray(np.isfinite(stack).all(axis=0))


def _trim(stack: Floats, names: _Names, cells: Flags) -> tuple[Floats, _Names]:
    """Without the rows and columns that have none of the cells."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    kept = tuple(names[0][row] for row in rows), tuple(names[1][column] for column in columns)
    return stack[:, rows][:, :, columns], kept


def _obstacle(
    basis: Floats, outcome: tuple[Floats, Floats], predictor: tuple[Floats, Floats], names: _Names
) -> str | None:
    """Why there is nothing to compare, given residuals and values of both variables."""
    pairs, rank = basis.shape
    if not pairs:
        return "no pair of two languages has both variables"
    if pairs - rank < 2:
        return (
            f"{pairs} pairs of {len(names[0])} sources and {len(names[1])} targets leave "
            f"{pairs - rank} to compare once source and target effects are removed; at least 2 "
            "are needed, so add languages"
        )
    if _is_flat(*predictor):
        return (
            "the predictor is constant, or a sum of a part of the source and a part of the target, "
            "so nothing of it is left once source and target effects are removed"
        )
    if _is_flat(*outcome):
        return "nothing of the outcome is left once source and target effects are removed"
    return None


def _basis(cells: Flags, controls: Floats) -> Floats:
    """Orthonormal columns that span the dummies of sources and targets, and the controls."""
    rows, columns = np.nonzero(cells)
    design = np.zeros((len(rows), sum(cells.shape) + len(controls)))
    design[np.arange(len(rows)), rows] = 1
    design[np.arange(len(rows)), cells.shape[0] + columns] = 1
    for place, control in enumerate(controls, start=sum(cells.shape)):
        values = control[cells]
        scale = np.abs(values).max(initial=0.0)
        design[:, place] = values / scale if scale else values
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray(left[:, sizes > _NEGLIGIBLE * sizes.max(initial=0.0)])


def _without(basis: Floats, values: Floats) -> Floats:
    return np.asarray(values - basis @ (basis.T @ values))


def _is_flat(residuals: Floats, values: Floats) -> bool:
    return float(np.abs(residuals).max()) <= _NEGLIGIBLE * float(np.abs(values).max())


def _arrangements(frame: _Frame, permutations: int, seed: int) -> tuple[list[Places], bool]:
    """Places of rows and of columns in every arrangement; the observed one first.

    Returns:
        Arrays of shape (arrangements, sources) and (arrangements, targets), and whether these are
        all arrangements.
    """
    sizes = [len(frame.sources), len(frame.targets)]
    free = {"languages": [0], "targets": [1], "both": [0, 1]}[frame.moved]
    exact = math.prod(math.factorial(sizes[side]) for side in free) <= permutations + 1
    drawn: list[Places]
    if exact:
        every = itertools.product(*(itertools.permutations(range(sizes[side])) for side in free))
        found = list(every)
        drawn = [np.array([one[place] for one in found], np.intp) for place in range(len(free))]
    else:
        generator = np.random.default_rng(seed)
        drawn = [_draws(generator, sizes[side], permutations) for side in free]
    if frame.moved == "languages":
        return [drawn[0], drawn[0]], exact
    if frame.moved == "targets":
        return [np.tile(np.arange(sizes[0]), (len(drawn[0]), 1)), drawn[0]], exact
    return drawn, exact


def _draws(generator: np.random.Generator, size: int, count: int) -> Places:
    places = np.tile(np.arange(size), (count + 1, 1))
    places[1:] = generator.permuted(places[1:], axis=1)
    return places


def _chance(frame: _Frame, arrangements: Sequence[Places]) -> _Chance:
    """Covariance of every arrangement of the predictor with both variables."""
    rows, columns = arrangements
    batch = max(1, _BATCH_CELLS // len(frame.rows))
    parts: list[Floats] = []
    for start in range(0, len(rows), batch):
        part = slice(start, start + batch)
        moved = frame.table[rows[part][:, frame.rows], columns[part][:, frame.columns]]
        # What the covariates explain is taken off the length alone: y and x have none of it.
        length2 = (moved**2).sum(axis=1) - ((moved @ frame.basis) ** 2).sum(axis=1)
        usable = length2 > _NEGLIGIBLE * (frame.table**2).sum()
        length = np.sqrt(np.where(usable, length2, 1.0))
        both = moved @ np.column_stack([frame.outcome, frame.predictor])
        parts.append(np.where(usable[:, None], both / length[:, None], 0.0))
    joined = np.concatenate(parts)
    return _Chance(joined[:, 0], joined[:, 1])


def _association(frame: _Frame, chance: _Chance, exact: bool, level: float) -> Association:
    x, y = frame.predictor, frame.outcome
    count = len(chance.outcome)
    statistic = np.abs(chance.outcome)
    p = float(np.mean(statistic >= statistic[0] * (1 - _TIE)))
    low, high = _limits(chance, level)
    names = zip(frame.rows.tolist(), frame.columns.tolist(), x.tolist(), y.tolist(), strict=True)
    return Association(
        slope=float(y @ x / (x @ x)),
        low=low,
        high=high,
        level=level,
        spread=float(np.sqrt(x @ x / len(x))),
        correlation=float(np.clip(y @ x / np.sqrt((x @ x) * (y @ y)), -1, 1)),
        p=p,
        smallest_p=1 / count,
        permutations=count,
        exact=exact,
        moved=frame.moved,
        pairs=tuple(
            ResidualPair(frame.sources[row], frame.targets[column], *residuals)
            for row, column, *residuals in names
        ),
    )


def _limits(chance: _Chance, level: float) -> tuple[float | None, float | None]:
    """The slopes that at least a share 1 − level of the arrangements tolerate."""
    y, x = chance.outcome, chance.predictor
    ends = []
    for sign in (-1.0, 1.0):
        gap = x[0] + sign * x
        same = gap <= _TIE * x[0]  # the observed arrangement, or its mirror: it tolerates all
        ends.append(np.where(same, np.nan, (y[0] + sign * y) / np.where(same, 1.0, gap)))
    always = np.isnan(ends[0]) | np.isnan(ends[1])
    lower = np.where(always, -np.inf, np.minimum(*ends))
    upper = np.where(always, np.inf, np.maximum(*ends))
    # p(b) is the share of arrangements that tolerate b; the interval is where it exceeds 1 - level.
    place = math.floor((1 - level) * len(y) * (1 + _TIE))
    low, high = float(np.sort(lower)[place]), float(np.sort(upper)[-1 - place])
    return (low if math.isfinite(low) else None), (high if math.isfinite(high) else None)
