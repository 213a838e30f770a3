"""The test by signs: against brute force, and in worlds where close languages err alike."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.language_map import LanguageMap, NoTest, language_map
from bytetransfer.analysis.mrqap import Association, mrqap_each
from bytetransfer.analysis.pair_table import PairTable
from bytetransfer.analysis.spectral import spectral_each

NAMES = "abcdefgh"
DESIGNS = {"square": (NAMES, NAMES), "three of ten": ("abc", "abcdefghij")}


def table(values, sources=NAMES, targets=NAMES):
    values = np.array(values, float)
    return PairTable(sources=tuple(sources), targets=tuple(targets), values=values)


def points(generator, names):
    where = generator.standard_normal((len(names), 2))
    return np.linalg.norm(where[:, None] - where[None], axis=2)


def study(generator, sources, targets, *, slope=0.0, smooth=0.0, count=1):
    """Outcomes whose errors are smooth over the map by that share, distances, and the map."""
    names = sorted({*sources, *targets})
    far = points(generator, names)
    cells = np.ix_([names.index(a) for a in sources], [names.index(b) for b in targets])
    variances, vectors = np.linalg.eigh(np.exp(-((far / np.median(far)) ** 2) / 2))
    root = vectors * np.sqrt(np.maximum(variances, 0))
    ys = []
    for _ in range(count):
        y = np.sqrt(smooth) * root @ generator.standard_normal(far.shape) @ root.T
        y = y + np.sqrt(1 - smooth) * 0.3 * generator.standard_normal(far.shape) + slope * far
        y = (
            y
            + 2 * generator.standard_normal((len(names), 1))
            + generator.standard_normal(len(names))
        )
        ys.append(table(y[cells], sources, targets))
    languages = LanguageMap(names=tuple(names), distances=far)
    return ys, table(far[cells], sources, targets), languages


def spectral(y, x, languages, **options):
    (found,) = spectral_each([y], x, languages, **options)
    return found


def by_the_book(y, x, far):
    """p of a rectangle of disjoint sources and targets: components, weights and signs in full."""
    sources, targets = y.shape
    far = far / np.median(far[np.triu_indices(len(far), 1)])
    centre = np.kron(*(np.eye(n) - 1 / n for n in (sources, targets)))
    likeness = np.zeros(centre.shape)
    cells = [(s, sources + t) for s in range(sources) for t in range(targets)]
    for kernel in (
        *(lambda d, r=r: np.exp(-d / r) for r in (0.3, 1, 3)),
        *(lambda d, r=r: np.exp(-(d**2) / (2 * r**2)) for r in (0.5, 1, 2)),
    ):
        k = kernel(far)
        one = [[k[s, u] * k[t, v] + k[s, v] * k[t, u] / 2 for u, v in cells] for s, t in cells]
        one = centre @ np.array(one) @ centre
        likeness += one / np.trace(one)
    variances, vectors = np.linalg.eigh(likeness)
    kept = (sources - 1) * (targets - 1)
    variances, vectors = variances[-kept:] / variances[-kept:].mean(), vectors[:, -kept:]
    xs, ys = (vectors.T @ values.ravel() for values in (x, y))
    shares = [*np.arange(10) / 10, 0.95, 0.98, 0.99]
    expected = np.array([1 - h + h * variances for h in shares])
    likely = [np.prod(v) ** -0.5 * (ys**2 / v).sum() ** (-kept / 2) for v in expected]
    weights = (np.array(likely)[:, None] / expected).sum(axis=0) / sum(likely)
    sums = [
        abs(np.dot(signs, weights * xs * ys)) for signs in itertools.product((1, -1), repeat=kept)
    ]
    return np.mean(np.array(sums) >= sums[0] - 1e-12), (weights * xs * ys).sum() / (
        weights * xs * xs
    ).sum()


def test_p_is_the_share_of_all_signs_with_a_larger_sum():
    (y,), x, languages = study(np.random.default_rng(3), "abc", "defgh", slope=-0.3, smooth=0.5)
    p, slope = by_the_book(y.values, x.values, languages.distances)
    found = spectral(y, x, languages)
    assert (found.exact, found.permutations, found.smallest_p) == (True, 2**7, 2**-7)
    assert found.moved == "signs"
    assert found.p == pytest.approx(p)
    assert found.slope == pytest.approx(slope)


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_smooth_errors_are_not_taken_for_an_effect_of_distance_as_they_are_by_moving(design):
    generator = np.random.default_rng(20)
    signs, moved = [], []
    for seed in range(40):
        ys, x, languages = study(generator, *design, smooth=0.9, count=5)
        signs += [
            one.p <= 0.05 for one in spectral_each(ys, x, languages, permutations=499, seed=seed)
        ]
        moved += [one.p <= 0.05 for one in mrqap_each(ys, x, permutations=99, seed=seed)]
    assert 0.005 <= np.mean(signs) <= 0.095  # 5 % of 200, within three standard errors
    assert np.mean(moved) > 0.2


@pytest.mark.parametrize("smooth", [0.0, 0.05])
def test_effects_are_found_and_intervals_hold_them(smooth):
    generator = np.random.default_rng(21)
    held, found = [], []
    for seed in range(40):
        ys, x, languages = study(generator, NAMES, NAMES, slope=-0.4, smooth=smooth, count=5)
        for one in spectral_each(ys, x, languages, permutations=499, seed=seed):
            assert isinstance(one, Association)
            held.append(one.low <= -0.4 <= one.high)
            found.append(one.p <= 0.05)
            assert (one.low <= 0 <= one.high) == (one.p > 0.05)
            assert one.low <= one.slope <= one.high
    assert 0.905 <= np.mean(held) <= 0.995
    assert np.mean(found) > 0.4


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.01, 100),
    shift=st.lists(st.floats(-50, 50), min_size=12, max_size=12),
    order=st.permutations(range(6)),
    gaps=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=4),
)
def test_effects_units_and_the_order_of_languages_change_nothing(seed, scale, shift, order, gaps):
    names = "abcdef"
    (y,), x, languages = study(np.random.default_rng(seed), names, names, smooth=0.5)
    for cell in gaps:
        y.values[cell] = np.nan
    found = spectral(y, x, languages, permutations=199)
    moved = y.values + np.array(shift[:6])[:, None] + np.array(shift[6:])
    ordered = [names[place] for place in order]
    grid = np.ix_(order, order)
    other = spectral(
        table(moved[grid], ordered, ordered),
        table(scale * x.values[grid], ordered, ordered),
        LanguageMap(names=languages.names, distances=scale * languages.distances),
        permutations=199,
    )
    if isinstance(found, Unanswered):
        assert other == found
        return
    assert other.p == pytest.approx(found.p)
    assert other.slope * scale == pytest.approx(found.slope, abs=1e-6)
    assert other.permutations == found.permutations


def test_two_groups_of_languages_are_one_pattern_and_have_no_test_whatever_their_number():
    group = np.arange(8) < 4
    far = np.where(group[:, None] == group, 0.0, 1.0)
    y = table(np.random.default_rng(0).standard_normal((8, 8)))
    found = spectral(y, table(far), LanguageMap(names=tuple(NAMES), distances=far))
    assert isinstance(found, NoTest)
    assert "1 pattern over the map" in found.reason


def test_whether_there_is_a_test_goes_by_languages_and_not_by_estimates():
    for slope in (0.0, -5.0):
        (y,), x, languages = study(np.random.default_rng(1), "abcde", "abcde", slope=slope)
        found = spectral(y, x, languages)
        assert isinstance(found, NoTest)
        assert "no p below 0.062" in found.reason
    (y,), x, languages = study(np.random.default_rng(1), "abcdef", "abcdef")
    assert isinstance(spectral(y, x, languages), Association)


def test_a_map_with_a_gap_is_none():
    (y,), x, languages = study(np.random.default_rng(1), "abcd", "efgh")
    languages.distances[0, 1] = languages.distances[1, 0] = np.nan
    found = spectral(y, x, languages)
    assert isinstance(found, NoTest)
    assert "1 are missing, such as that of a and b" in found.reason
    languages.distances[:] = 0
    assert "all distances among a, b, c, d, e, f, g, h are 0" in spectral(y, x, languages).reason


def test_directed_distances_make_one_map():
    found = language_map({("a", "b"): 1.0, ("b", "a"): 3.0, ("c", "a"): 5.0})
    assert found.distances[0].tolist() == [0.0, 2.0, 5.0]
    assert np.isnan(found.distances[1, 2])
    assert isinstance(found.among("abc"), NoTest)
    assert isinstance(found.among("ad"), NoTest)


def test_outcomes_with_other_cells_are_tested_as_each_by_itself():
    ys, x, languages = study(np.random.default_rng(2), "abcd", "cdefgh", smooth=0.3, count=3)
    ys[1].values[0, 3] = np.nan
    ys[2].values[:, 0] = np.nan
    for y, together in zip(ys, spectral_each(ys, x, languages, permutations=99), strict=True):
        assert together == spectral(y, x, languages, permutations=99)
