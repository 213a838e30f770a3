"""What is antisymmetric in a table of languages by languages: who gives more than it takes.

With y_ab the log D_E of a for b, A_ab = y_ab − y_ba is the difference between two directions. Were
every language as good a source as it is a target, A would be noise. Otherwise part of it is one
number per language, A_ab ≈ g_a − g_b, found by least squares; it is positive for a language that
gives more than it takes.

No permutation tests it. Swapping the two roles of whole languages (A_ab → c_a c_b A_ab, signs c of
the languages) would be the natural test, but the error of a target's from-scratch curve is in all
cells of that target and so in A exactly as an effect of the language is: where nothing else is
there, such a test rejects in 77 to 100 % of studies (`benchmarks/consistency.py`). Only standard
errors can tell the two apart. So the g have intervals that take the worst case, errors of one
target that are all the same, and Holm-corrected p values from these; without standard errors they
are described and nothing is tested.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import Unanswered, holm
from bytetransfer.transfer.distributions import normal_quantile, normal_tail

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DirectedPair:
    """Two languages in both roles.

    Attributes:
        first: a.
        second: b.
        difference: y_ab − y_ba.
        forward_error: standard error of y_ab; None if unknown.
        backward_error: standard error of y_ba; None if unknown.
    """

    first: str
    second: str
    difference: float
    forward_error: float | None = None
    backward_error: float | None = None


@dataclass(frozen=True, kw_only=True)
class LanguageEffect:
    """How much more a language gives than it takes.

    Attributes:
        language: its name.
        effect: g, in the unit of the table (log bytes); the g of all languages sum to 0.
        low: lower limit, at least of the nominal coverage; None where standard errors are missing.
        high: upper limit.
        corrected_p: two-sided, Holm-corrected over the languages; None like the limits.
    """

    language: str
    effect: float
    low: float | None
    high: float | None
    corrected_p: float | None


@dataclass(frozen=True, kw_only=True)
class Asymmetry:
    """Languages that give more than they take.

    Attributes:
        share: of Σ A² that one number per language explains.
        chance_share: of it that they would explain in the mean of differences that have nothing to
            do with languages; 1 where the pairs form no circle, so that they explain anything.
        effects: by language.
        level: nominal coverage of the effects' intervals.
    """

    share: float
    chance_share: float
    effects: tuple[LanguageEffect, ...]
    level: float


def asymmetry(pairs: Sequence[DirectedPair], *, level: float = 0.95) -> Asymmetry | Unanswered:
    """How much of the differences between directions belongs to languages.

    Args:
        pairs: each unordered pair once.
        level: nominal coverage of intervals.

    >>> pairs = [DirectedPair("a", "b", 1.0), DirectedPair("b", "c", 1.0),
    ...     DirectedPair("a", "c", 2.0)]
    >>> found = asymmetry(pairs)
    >>> round(found.share, 3), round(found.chance_share, 3)
    (1.0, 0.667)
    """
    if not pairs:
        return Unanswered("no pair of languages has a number in both directions")
    languages = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    differences = np.array([pair.difference for pair in pairs])
    if not differences.any():
        return Unanswered("both directions are equal in every pair")
    design = _design(pairs, languages)
    solver: Floats = np.asarray(np.linalg.pinv(design), np.float64)
    explained = design @ (solver @ differences)
    rank = int(np.linalg.matrix_rank(design))
    return Asymmetry(
        share=float(min(1.0, explained @ explained / (differences @ differences))),
        chance_share=rank / len(pairs),
        effects=_effects(pairs, languages, solver, level),
        level=level,
    )


def _design(pairs: Sequence[DirectedPair], languages: Sequence[str]) -> Floats:
    """1 for the first language of a pair and −1 for the second; shape (pairs, languages)."""
    design = np.zeros((len(pairs), len(languages)))
    for row, pair in enumerate(pairs):
        design[row, languages.index(pair.first)] = 1
        design[row, languages.index(pair.second)] = -1
    return design


def _effects(
    pairs: Sequence[DirectedPair], languages: Sequence[str], solver: Floats, level: float
) -> tuple[LanguageEffect, ...]:
    values = solver @ np.array([pair.difference for pair in pairs])
    errors = _worst_errors(pairs, languages, solver)
    if errors is None:
        return tuple(
            LanguageEffect(language=name, effect=value, low=None, high=None, corrected_p=None)
            for name, value in zip(languages, values.tolist(), strict=True)
        )
    reach = normal_quantile((1 + level) / 2) * errors
    p_values = holm((2 * normal_tail(np.abs(values) / errors)).tolist())
    return tuple(
        LanguageEffect(language=name, effect=value, low=low, high=high, corrected_p=p)
        for name, value, low, high, p in zip(
            languages,
            values.tolist(),
            (values - reach).tolist(),
            (values + reach).tolist(),
            p_values,
            strict=True,
        )
    )


def _worst_errors(
    pairs: Sequence[DirectedPair], languages: Sequence[str], solver: Floats
) -> Floats | None:
    """The largest standard error of each g that any correlation within targets can make.

    Each g is a weighted sum of cells. Cells of different targets are independent; for those of one
    target the errors at worst add up.
    """
    worst = np.zeros((len(languages), len(languages)))  # effect, target
    for column, pair in enumerate(pairs):
        if pair.forward_error is None or pair.backward_error is None:
            return None
        weight = np.abs(solver[:, column])
        worst[:, languages.index(pair.second)] += weight * pair.forward_error
        worst[:, languages.index(pair.first)] += weight * pair.backward_error
    return np.asarray(np.sqrt((worst**2).sum(axis=1)))
