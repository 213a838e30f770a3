"""Regression on tables of pairs where errors may be smooth over the map: signs of components.

Languages near each other, or of one family, err alike and lie at like distances. Moving languages
(`mrqap`) tears both patterns apart, so that what chance gives looks smaller than it is. Here the
pattern stays. As in Moran spectral randomisation (Wagner & Dray, *Generating spatially constrained
null models for irregularly spaced data*, Methods in Ecology and Evolution 6, 2015, the procedure of
single eigenvectors), only signs are drawn:

1. the map gives for every pair of cells (s, t) and (u, v) a likeness k(s, u) · k(t, v) + ½ k(s, v)
   · k(t, u), k falling with distance: errors of both ways between two languages may be alike, too.
   It is averaged over kernels from rugged to smooth (`_EXPONENTIAL`, `_GAUSSIAN`);
2. its eigenvectors, source and target effects removed, divide both variables into components, from
   those that change slowly over the map to those that change fast. Errors that are smooth over the
   map, at whatever range, or clustered in families, or independent, have components that are all
   but uncorrelated, of whatever variances; so with no effect every component of the outcome might
   as well have the other sign;
3. S = Σ aₖ xₖ yₖ; |S| under random signs is what chance gives. The weights aₖ are averages of
   1 / (1 − h + h λₖ) over shares h of smooth errors, λ the eigenvalues, each as likely as it makes
   the squares yₖ²; they do not depend on signs, so that p holds whatever they are.

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
from bytetransfer.analysis.pair_table import Flags, Floats, Frame, PairTable, Places, make_frame

_EXPONENTIAL = (0.3, 1.0, 3.0)  # ranges of exp(-d / range), in medians of the distances
_GAUSSIAN = (0.5, 1.0, 2.0)  # the same of exp(-(d / range)² / 2)
_BOTH_WAYS = 0.5  # likeness of the two ways between two languages; 0 rejected 7 to 9 % at 5 %
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
        languages: how far all sources and targets are from each other.
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
    frames = [make_frame(outcome, predictor, (), "signs") for outcome in outcomes]
    found: dict[int, Association | Unanswered] = {}
    alike: dict[tuple[object, ...], list[int]] = {}
    for number, frame in enumerate(frames):
        if isinstance(frame, Unanswered):
            found[number] = frame
        else:
            cells = frame.sources, frame.targets, frame.rows.tobytes(), frame.columns.tobytes()
            alike.setdefault(cells, []).append(number)
    for numbers in alike.values():
        some = [frame for n in numbers if isinstance(frame := frames[n], Frame)]
        spectrum = _spectrum(some[0], languages, level)
        if isinstance(spectrum, NoTest):
            found |= dict.fromkeys(numbers, spectrum)
        else:
            tested = _tested(some, spectrum, permutations, seed, level)
            found |= zip(numbers, tested, strict=True)
    return [found[number] for number in range(len(frames))]


def _spectrum(frame: Frame, languages: LanguageMap, level: float) -> _Spectrum | NoTest:
    names = tuple(sorted({*frame.sources, *frame.targets}))
    distances = languages.among(names)
    if isinstance(distances, NoTest):
        return distances
    ends = [
        np.array([names.index(name) for name in role], np.intp)[places]
        for role, places in ((frame.sources, frame.rows), (frame.targets, frame.columns))
    ]
    likeness = _likeness(frame.basis, distances, *ends)
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


def _likeness(basis: Floats, distances: Floats, sources: Places, targets: Places) -> Floats:
    """How alike errors of two cells are, averaged over the kernels; shape (cells, cells).

    `sources` and `targets` are the places in `distances` of the two languages of each cell.
    """
    total = np.zeros((len(sources), len(sources)))
    kernels = [(size, 1) for size in _EXPONENTIAL] + [(size, 2) for size in _GAUSSIAN]
    for size, power in kernels:
        near = np.exp(-((distances / size) ** power) / power)
        alike = near[np.ix_(sources, sources)] * near[np.ix_(targets, targets)]
        crossed = near[np.ix_(sources, targets)] * near[np.ix_(targets, sources)]
        alike += _BOTH_WAYS * crossed
        # Of the same mean variance once source and target effects are removed.
        left = np.trace(alike) - np.vdot(basis, alike @ basis)
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
    frames: Sequence[Frame], spectrum: _Spectrum, permutations: int, seed: int, level: float
) -> list[Association]:
    """What random signs say of frames with the same cells."""
    x, moving = spectrum.predictor, spectrum.moving
    ys = [spectrum.vectors.T @ frame.outcome for frame in frames]
    weights = [_weights(y * y, spectrum.variances) for y in ys]
    products = [
        column[moving]
        for y, weight in zip(ys, weights, strict=True)
        for column in (weight * x * y, weight * x * x)
    ]
    signs, exact = _signs(int(moving.sum()), permutations, seed)
    sums = (signs @ np.column_stack(products)).T
    answers = []
    for number, frame in enumerate(frames):
        outcome, predictor = sums[2 * number : 2 * number + 2]
        length = predictor[0] * (weights[number] * ys[number] ** 2).sum()
        found = association(
            frame, Chance(outcome=outcome, predictor=predictor), exact=exact, level=level,
            slope=float(outcome[0] / predictor[0]),
            correlation=float(outcome[0] / np.sqrt(length)),
        )  # fmt: skip
        answers.append(found)
    return answers


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
