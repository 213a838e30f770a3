"""Regression on tables of pairs where errors may be smooth over the map: signs of components.

Languages near each other, or of one family, err alike and lie at like distances. Moving languages
(`mrqap`) tears both patterns apart, so that what chance gives looks smaller than it is. Here the
pattern stays. As in Moran spectral randomisation (Wagner & Dray, *Generating spatially constrained
null models for irregularly spaced data*, Methods in Ecology and Evolution 6, 2015, the procedure of
single eigenvectors), only signs are drawn:

1. the map gives for every pair of cells (s, t) and (u, v) a likeness k(s, u) · k(t, v), k falling
   with distance; it is averaged over kernels from rugged to smooth (`_EXPONENTIAL`, `_GAUSSIAN`);
2. its eigenvectors, source and target effects removed, divide both variables into components, from
   those that change slowly over the map to those that change fast. Errors that are smooth over the
   map, at whatever range, or clustered in families, or independent, have components that are all
   but uncorrelated, of whatever variances; so with no effect every component of the outcome might
   as well have the other sign;
3. S = Σ aₖ xₖ yₖ; |S| under random signs is what chance gives. The weights aₖ are averages of
   1 / (1 − h + h λₖ) over shares h of smooth errors, λ the eigenvalues, each as likely as it makes
   the squares yₖ²; they do not depend on signs, so they cost nothing but power.

The interval inverts the test with these weights: with S and X = Σ aₖ xₖ² under the same signs, an
arrangement tolerates the slopes b between the two places where |S − b X| equals the observed one.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.language_map import LanguageMap, NoTest
from bytetransfer.analysis.mrqap import Association, Chance, association
from bytetransfer.analysis.pair_table import Flags, Floats, Frame, PairTable, make_frame

_EXPONENTIAL = (0.3, 1.0, 3.0)  # ranges of exp(-d / range), in medians of the distances
_GAUSSIAN = (0.5, 1.0, 2.0, 4.0)  # the same of exp(-(d / range)² / 2)
_SHARES = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99])
_ALIKE = 1e-8  # eigenvalues that close, relatively to the largest, are one
_STILL = 1e-6  # a part of the predictor that small, relatively, is rounding


@dataclass(frozen=True)
class _Spectrum:
    """Components of the cells of a frame, slow ones first.

    `vectors` has shape (cells, components); `variances` are those of smooth errors, mean 1;
    `moving` says in which components there is any of the predictor.
    """

    vectors: Floats
    variances: Floats
    predictor: Floats
    moving: Flags


def spectral_each(
    outcomes: Sequence[PairTable],
    predictor: PairTable,
    languages: LanguageMap,
    *,
    permutations: int = 9_999,
    seed: int = 0,
    level: float = 0.95,
) -> list[Association | Unanswered]:
    """Slope of each outcome on the predictor, tested by signs of the components of the map.

    Args:
        outcomes: each explained by itself; sources and targets as those of the predictor. Cells
            without outcome or predictor, and pairs of a language with itself, are left out.
        predictor: what explains them.
        languages: how far sources are from each other, and targets.
        permutations: how many random choices of signs to draw; where there are no more than this
            many besides the observed one, each is taken once instead.
        seed: fixes the draws.
        level: nominal coverage of the interval.

    Returns:
        For each outcome the association (slope and correlation with the weights of the test), or
        the reason why there is none. Where so few components hold any of the predictor that no p
        could be as small as 1 − level, that is the reason; it goes by the languages and their
        distances alone.
    """
    spectra: dict[tuple[object, ...], _Spectrum | NoTest] = {}
    found: list[Association | Unanswered] = []
    for outcome in outcomes:
        frame = make_frame(outcome, predictor, (), "signs")
        if isinstance(frame, Unanswered):
            found.append(frame)
            continue
        cells = frame.sources, frame.targets, frame.rows.tobytes(), frame.columns.tobytes()
        if cells not in spectra:
            spectra[cells] = _spectrum(frame, languages, level)
        spectrum = spectra[cells]
        if isinstance(spectrum, NoTest):
            found.append(spectrum)
            continue
        found.append(_tested(frame, spectrum, permutations, seed, level))
    return found


def _spectrum(frame: Frame, languages: LanguageMap, level: float) -> _Spectrum | NoTest:
    maps = [languages.among(names) for names in (frame.sources, frame.targets)]
    known = [one for one in maps if not isinstance(one, NoTest)]
    if len(known) < len(maps):
        return next(one for one in maps if isinstance(one, NoTest))
    likeness = _likeness(frame, *known)
    rank = frame.basis.shape[1]
    free = np.linalg.qr(frame.basis, mode="complete")[0][:, rank:]
    variances, vectors = np.linalg.eigh(free.T @ likeness @ free)
    order = np.argsort(-variances)
    variances, vectors = np.maximum(variances[order], 0.0), free @ vectors[:, order]
    vectors = _turned(vectors, variances, frame.predictor)
    predictor = vectors.T @ frame.predictor
    moving = np.abs(predictor) > _STILL * np.linalg.norm(predictor)
    least = 2.0 ** (1 - int(moving.sum()))
    if least > 1 - level:
        count = int(moving.sum())
        return NoTest(
            f"so few languages have no test that allows for close languages erring alike: their "
            f"distances make {count} {'pattern' if count == 1 else 'patterns'} over the map, which "
            f"leaves no p below {least:.2g}; add languages"
        )
    return _Spectrum(vectors, variances / variances.mean(), predictor, moving)


def _likeness(frame: Frame, sources: Floats, targets: Floats) -> Floats:
    """How alike errors of two cells are, averaged over the kernels; shape (cells, cells)."""
    total = np.zeros((len(frame.rows), len(frame.rows)))
    kernels = [(size, 1) for size in _EXPONENTIAL] + [(size, 2) for size in _GAUSSIAN]
    for size, power in kernels:
        one, other = (np.exp(-((d / size) ** power) / power) for d in (sources, targets))
        alike = one[np.ix_(frame.rows, frame.rows)] * other[np.ix_(frame.columns, frame.columns)]
        # Of the same mean variance once source and target effects are removed.
        explained = np.einsum("cr,cd,dr->", frame.basis, alike, frame.basis, optimize=True)
        left = np.trace(alike) - explained
        total += alike / left if left > _ALIKE * np.trace(alike) else 0.0
    return total


def _turned(vectors: Floats, variances: Floats, predictor: Floats) -> Floats:
    """Components of one variance, turned so that one holds all that they have of `predictor`.

    The map does not tell such components apart, so that any others would be as good, and which
    come out of a decomposition depends on the order of languages.
    """
    gaps = np.flatnonzero(-np.diff(variances) > _ALIKE * variances[0]) + 1
    for group in np.split(np.arange(len(variances)), gaps):
        if len(group) < 2:
            continue
        direction = vectors[:, group].T @ predictor
        if (size := float(np.linalg.norm(direction))) <= _STILL * np.linalg.norm(predictor):
            continue
        axes = np.column_stack([direction / size, np.eye(len(group))])
        vectors[:, group] = vectors[:, group] @ np.linalg.qr(axes)[0]
    return vectors


def _tested(
    frame: Frame, spectrum: _Spectrum, permutations: int, seed: int, level: float
) -> Association:
    x, y = spectrum.predictor, spectrum.vectors.T @ frame.outcome
    weights = _weights(y * y, spectrum.variances)
    moving = spectrum.moving
    products = np.column_stack([weights * x * y, weights * x * x])[moving]
    signs, exact = _signs(len(products), permutations, seed)
    sums = signs @ products
    covariance, square = sums[0]
    return association(
        frame,
        Chance(outcome=sums[:, 0], predictor=sums[:, 1]),
        exact=exact,
        level=level,
        slope=float(covariance / square),
        correlation=float(covariance / np.sqrt(square * (weights * y * y).sum())),
    )


def _weights(squares: Floats, variances: Floats) -> Floats:
    """Mean of 1 / (1 − h + h λ), each share h as likely as it makes the squares; shape as theirs.

    Normal errors of unknown scale, which is integrated out, and all shares of `_SHARES` as likely
    beforehand.
    """
    expected = 1 - _SHARES[:, None] + _SHARES[:, None] * variances
    fit = np.log(expected).sum(axis=1) + len(squares) * np.log((squares / expected).sum(axis=1))
    likely = np.exp((fit.min() - fit) / 2)
    return np.asarray(likely @ (1 / expected) / likely.sum())


def _signs(count: int, permutations: int, seed: int) -> tuple[Floats, bool]:
    """Choices of signs, the observed one first, and whether these are all there are.

    The first sign stays: turning all of them changes no |S|. Shape (choices, count).
    """
    exact = 2 ** (count - 1) <= permutations + 1
    if exact:
        drawn = np.array(list(itertools.product((1.0, -1.0), repeat=count - 1)))
    else:
        bits = np.random.default_rng(seed).integers(0, 2, (permutations + 1, count - 1))
        drawn = 1.0 - 2.0 * bits
        drawn[0] = 1.0
    return np.column_stack([np.ones(len(drawn)), drawn]), exact
