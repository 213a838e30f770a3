"""Tables of pairs of languages with source and target effects removed: what the tests work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import Unanswered

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]
Moved = Literal["targets", "both", "signs"]
Scheme = Literal["languages", "targets", "both", "signs"]
Names = tuple[tuple[str, ...], tuple[str, ...]]

NEGLIGIBLE = 1e-9
"""Of the spread before covariates were removed: rounding, not a spread."""


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
class Frame:
    """What all arrangements share; cells are those with outcome, predictor and controls."""

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    moved: Scheme
    rows: Places  # of each cell
    columns: Places
    basis: Floats  # orthonormal, shape (cells, rank): sources, targets, controls
    outcome: Floats  # residuals, shape (cells,)
    predictor: Floats
    table: Floats  # residuals of the predictor wherever it is known, 0 elsewhere


def make_frame(
    outcome: PairTable, predictor: PairTable, controls: Sequence[PairTable], moved: Moved
) -> Frame | Unanswered:
    """The cells and languages that are compared, and both variables without the covariates."""
    tables = (outcome, predictor, *controls)
    names = predictor.sources, predictor.targets
    if any((table.sources, table.targets) != names for table in tables):
        raise ValueError("the tables are not of the same sources and targets")
    stack = np.stack([table.values for table in tables])
    stack[:, np.array([[a == b for b in names[1]] for a in names[0]], bool)] = np.nan
    # A language without any predictor has no place in an arrangement of predictors.
    stack, names = _trim(stack, names, _complete(stack[1:]))
    scheme: Scheme = moved
    if moved != "signs" and set(names[0]) == set(names[1]):
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
    if scheme == "targets" and len(names[1]) == 2:
        return Unanswered(
            "exchanging two targets only turns the sign of what is compared, so that no p but 1 "
            "could be found: three targets or more are needed"
        )
    table = np.zeros(known.shape)
    table[known] = _without(_basis(known, stack[2:]), stack[1][known])
    rows, columns = np.nonzero(cells)
    return Frame(*names, scheme, rows, columns, basis, y, x, table)


def _complete(stack: Floats) -> Flags:
    return np.asarray(np.isfinite(stack).all(axis=0))


def _trim(stack: Floats, names: Names, cells: Flags) -> tuple[Floats, Names]:
    """Without the rows and columns that have none of the cells."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    kept = tuple(names[0][row] for row in rows), tuple(names[1][column] for column in columns)
    return stack[:, rows][:, :, columns], kept


def _obstacle(
    basis: Floats, outcome: tuple[Floats, Floats], predictor: tuple[Floats, Floats], names: Names
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
    if not len(controls):
        return _basis_of_dummies(cells.tobytes(), cells.shape)
    return _spanned(_design(cells, controls))


@lru_cache(maxsize=32)
def _basis_of_dummies(cells: bytes, shape: tuple[int, ...]) -> Floats:
    """Found once for the many tests of the same cells."""
    flags = np.frombuffer(cells, np.bool_).reshape(shape)
    basis = _spanned(_design(flags, np.zeros((0, *shape))))
    basis.flags.writeable = False
    return basis


def _design(cells: Flags, controls: Floats) -> Floats:
    rows, columns = np.nonzero(cells)
    design = np.zeros((len(rows), sum(cells.shape) + len(controls)))
    design[np.arange(len(rows)), rows] = 1
    design[np.arange(len(rows)), cells.shape[0] + columns] = 1
    for place, control in enumerate(controls, start=sum(cells.shape)):
        values = control[cells]
        scale = np.abs(values).max(initial=0.0)
        design[:, place] = values / scale if scale else values
    return design


def _spanned(design: Floats) -> Floats:
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    return np.asarray(left[:, sizes > NEGLIGIBLE * sizes.max(initial=0.0)])


def _without(basis: Floats, values: Floats) -> Floats:
    return np.asarray(values - basis @ (basis.T @ values))


def _is_flat(residuals: Floats, values: Floats) -> bool:
    return float(np.abs(residuals).max()) <= NEGLIGIBLE * float(np.abs(values).max())
