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

import numpy as np

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.pair_table import (
    NEGLIGIBLE,
    Floats,
    Frame,
    Moved,
    Names,
    PairTable,
    Places,
    Scheme,
    make_frame,
)

_BATCH_CELLS = 200_000  # numbers held at once while permuting: as many as stay in a cache
_TIE = 1e-10  # two arrangements that close, relatively, have the same statistic


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
        moved: `languages` (rows and columns together), `targets`, `both` (each for itself), or
            `signs` (of components of the map: `spectral`).
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
    moved: Scheme
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
    (found,) = mrqap_each(
        [outcome], predictor, controls=controls, permutations=permutations, seed=seed,
        level=level, moved=moved,
    )  # fmt: skip
    return found


def mrqap_each(
    outcomes: Sequence[PairTable],
    predictor: PairTable,
    *,
    controls: Sequence[PairTable] = (),
    permutations: int = 9_999,
    seed: int = 0,
    level: float = 0.95,
    moved: Moved = "targets",
) -> list[Association | Unanswered]:
    """`mrqap` of several outcomes by one predictor, which every arrangement moves once for all.

    Args:
        outcomes: each explained by itself; sources and targets as those of the predictor.
        predictor: see `mrqap`.
        controls: see `mrqap`.
        permutations: see `mrqap`.
        seed: see `mrqap`.
        level: see `mrqap`.
        moved: see `mrqap`.
    """
    frames = [make_frame(outcome, predictor, controls, moved) for outcome in outcomes]
    found: dict[int, Association | Unanswered] = {}
    alike: dict[Names, list[int]] = {}
    for number, frame in enumerate(frames):
        if isinstance(frame, Unanswered):
            found[number] = frame
        else:
            alike.setdefault((frame.sources, frame.targets), []).append(number)
    for numbers in alike.values():
        # Frames of the same names have the same predictor, wherever it is moved to.
        some = [frame for n in numbers if isinstance(frame := frames[n], Frame)]
        arrangements, exact = _arrangements(some[0], permutations, seed)
        for number, frame, chance in zip(numbers, some, _chances(some, arrangements), strict=True):
            found[number] = _association(frame, chance, exact, level)
    return [found[number] for number in range(len(frames))]


@dataclass(frozen=True)
class Chance:
    """Arrangements, the observed one first: y·u_π and x·u_π, shape (arrangements,).

    Attributes:
        outcome: covariances of the outcome with each arrangement of the predictor.
        predictor: covariances of the predictor, the same; the observed one is above 0.
    """

    outcome: Floats
    predictor: Floats


def _arrangements(frame: Frame, permutations: int, seed: int) -> tuple[list[Places], bool]:
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


def _chances(frames: Sequence[Frame], arrangements: Sequence[Places]) -> list[Chance]:
    """Covariances of every arrangement of one predictor with both variables of each frame."""
    table, (rows, columns) = frames[0].table, arrangements
    kinds: dict[tuple[bytes, bytes], list[int]] = {}
    for number, frame in enumerate(frames):
        kinds.setdefault((frame.rows.tobytes(), frame.columns.tobytes()), []).append(number)
    parts = [_weights([frames[n] for n in same], table.shape) for same in kinds.values()]
    ends = np.cumsum([part.shape[1] for part in parts])[:-1]
    weights, inside = np.hstack(parts), np.stack([part.any(axis=1) for part in parts], axis=1)
    least, batch = NEGLIGIBLE * (table**2).sum(), max(1, _BATCH_CELLS // table.size)
    found = np.zeros((len(frames), 2, len(rows)))
    for start in range(0, len(rows), batch):
        part = slice(start, start + batch)
        places = rows[part, :, None] * table.shape[1] + columns[part, None, :]
        moved = table.ravel().take(places.reshape(len(places), -1))
        squares = (moved * moved) @ inside.astype(np.float64)
        products = np.split(moved @ weights, ends, axis=1)
        for same, of_kind, square in zip(kinds.values(), products, squares.T, strict=True):
            outcomes, predictor, covariates = np.split(of_kind, [len(same), len(same) + 1], axis=1)
            # What the covariates explain is taken off the length alone: y and x have none of it.
            length2 = square - np.square(covariates).sum(axis=1)
            usable = length2 > least
            scale = np.where(usable, 1 / np.sqrt(np.where(usable, length2, 1.0)), 0.0)
            found[same, 0, part] = outcomes.T * scale
            found[same, 1, part] = predictor[:, 0] * scale
    return [Chance(*both) for both in found]


def _weights(frames: Sequence[Frame], shape: tuple[int, ...]) -> Floats:
    """Outcomes, predictor and covariates of frames with the same cells, 0 where there is no cell.

    Shape (places of the table, frames + 1 + covariates).
    """
    first = frames[0]
    outcomes = [frame.outcome for frame in frames]
    columns = np.column_stack([*outcomes, first.predictor, first.basis])
    spread = np.zeros((*shape, columns.shape[1]))
    spread[first.rows, first.columns] = columns
    return spread.reshape(-1, columns.shape[1])


def _association(frame: Frame, chance: Chance, exact: bool, level: float) -> Association:
    x, y = frame.predictor, frame.outcome
    return association(
        frame, chance, exact=exact, level=level, slope=float(y @ x / (x @ x)),
        correlation=float(y @ x / np.sqrt((x @ x) * (y @ y))),
    )  # fmt: skip


def association(
    frame: Frame, chance: Chance, *, exact: bool, level: float, slope: float, correlation: float
) -> Association:
    """What the arrangements say: p, its smallest value, and the interval that inverts the test.

    Args:
        frame: the residuals.
        chance: what the arrangements give.
        exact: whether these are all there are.
        level: nominal coverage of the interval.
        slope: outcome per unit of predictor.
        correlation: partial correlation.
    """
    x, y = frame.predictor, frame.outcome
    count = len(chance.outcome)
    statistic = np.abs(chance.outcome)
    low, high = _limits(chance, level)
    names = zip(frame.rows.tolist(), frame.columns.tolist(), x.tolist(), y.tolist(), strict=True)
    return Association(
        slope=slope,
        low=low,
        high=high,
        level=level,
        spread=float(np.sqrt(x @ x / len(x))),
        correlation=float(np.clip(correlation, -1, 1)),
        p=float(np.mean(statistic >= statistic[0] * (1 - _TIE))),
        smallest_p=1 / count,
        permutations=count,
        exact=exact,
        moved=frame.moved,
        pairs=tuple(
            ResidualPair(frame.sources[row], frame.targets[column], *residuals)
            for row, column, *residuals in names
        ),
    )


def _limits(chance: Chance, level: float) -> tuple[float | None, float | None]:
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
