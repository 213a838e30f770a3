"""What is antisymmetric in a table of languages by languages: who gives more than it takes.

With y_ab the log D_E of a for b, A_ab = y_ab − y_ba is the difference between two directions. Were
every language as good a source as it is a target, A would be noise. Otherwise part of it is one
number per language, A_ab ≈ g_a − g_b, found by least squares; it is positive for a language that
gives more than it takes.

Pairs that share a language are not independent, so chance is what happens when the two roles of
whole languages are swapped: A_ab → c_a c_b A_ab for signs c of the languages, all of them or a
random sample (Fisher, *The Design of Experiments*, 1935, chapter III, with languages and not pairs
as units). The statistic is the share of Σ A² that the g explain.

This test cannot tell the error of a target's from-scratch curve, which is in all cells of that
target, from an effect of the language, and finds it nearly always where it dominates
(`benchmarks/consistency.py`). The intervals of g can: they take the worst case, errors of one
target that are all the same. Where standard errors are known, these are to be believed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from bytetransfer.analysis.cells import Unanswered, holm

Floats = NDArray[np.float64]

_EXACT_LANGUAGES = 13  # up to here all 2¹² patterns are gone through
_RANDOM_PATTERNS = 9_999
_TIE = 1e-9  # relative; equal in exact arithmetic is not always equal in floats


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
class RoleTest:
    """The test that swaps roles.

    Attributes:
        p: share of the patterns whose statistic is at least the observed one.
        smallest_p: what p could have been at best with these pairs.
        patterns: number of patterns, the observed one included.
        exact: whether these are all.
    """

    p: float
    smallest_p: float
    patterns: int
    exact: bool


@dataclass(frozen=True, kw_only=True)
class Asymmetry:
    """Languages that give more than they take.

    Attributes:
        share: of Σ A² that one number per language explains.
        effects: by language.
        test: of that share against swapped roles, or why there is none.
        level: nominal coverage of the effects' intervals.
    """

    share: float
    effects: tuple[LanguageEffect, ...]
    test: RoleTest | Unanswered
    level: float


def asymmetry(
    pairs: Sequence[DirectedPair], *, level: float = 0.95, seed: int = 0
) -> Asymmetry | Unanswered:
    """How much of the differences between directions belongs to languages.

    Args:
        pairs: each unordered pair once.
        level: nominal coverage of intervals.
        seed: fixes the random patterns, which are drawn where there are more than 13 languages.

    >>> pairs = [DirectedPair("a", "b", 1.0), DirectedPair("b", "c", 1.0),
    ...     DirectedPair("a", "c", 2.0)]
    >>> found = asymmetry(pairs)
    >>> round(found.share, 3), found.test.p, found.test.smallest_p
    (1.0, 0.25, 0.25)
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
    return Asymmetry(
        share=float(min(1.0, explained @ explained / (differences @ differences))),
        effects=_effects(pairs, languages, solver, level),
        test=_test(design, differences, seed),
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
    reach = stats.norm.ppf((1 + level) / 2) * errors
    p_values = holm((2 * stats.norm.sf(np.abs(values) / errors)).tolist())
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


def _test(design: Floats, differences: Floats, seed: int) -> RoleTest | Unanswered:
    signs, exact = _patterns(design.shape[1], seed)
    flips = signs @ np.maximum(design, 0).T * (signs @ np.maximum(-design, 0).T)
    left, sizes, _ = np.linalg.svd(design, full_matrices=False)
    basis = left[:, sizes > _TIE * sizes[0]]

    def statistic(values: Floats) -> Floats:
        return np.asarray((((flips * values) @ basis) ** 2).sum(axis=1))

    def share_as_large(values: Floats) -> float:
        found = statistic(values)
        return float(np.mean(found >= found[0] * (1 - _TIE)))

    # Values that the languages explain fully: what then ties with them always will.
    smallest = share_as_large(design @ np.sqrt(np.arange(2.0, 2 + design.shape[1])))
    if smallest == 1:
        return Unanswered(
            "the pairs form no circle of three or more languages, so one number per language "
            "explains whatever is found"
        )
    return RoleTest(
        p=share_as_large(differences), smallest_p=smallest, patterns=len(signs), exact=exact
    )


def _patterns(languages: int, seed: int) -> tuple[Floats, bool]:
    """Signs of the languages, all 1 first; the first language keeps its roles, as −c is c.

    Returns:
        Shape (patterns, languages), and whether these are all.
    """
    if languages <= _EXACT_LANGUAGES:
        codes = np.arange(2 ** (languages - 1))[:, None] >> np.arange(languages - 1)
        signs = np.ones((len(codes), languages))
        signs[:, 1:] -= 2.0 * (codes & 1)
        return signs, True
    generator = np.random.default_rng(seed)
    signs = np.ones((_RANDOM_PATTERNS + 1, languages))
    signs[1:, 1:] -= 2.0 * generator.integers(0, 2, (_RANDOM_PATTERNS, languages - 1))
    return signs, False
