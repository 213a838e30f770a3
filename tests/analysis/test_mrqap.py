"""MRQAP against least squares, brute force and simulations whose truth is known."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.mrqap import Association, mrqap, mrqap_each
from bytetransfer.analysis.pair_table import PairTable

SQUARE = tuple("abcdefgh")
STUDIES = 200
BAND = (0.015, 0.095)  # 5 % of 200, within three standard errors


def table(values, sources=SQUARE, targets=SQUARE):
    values = np.array(values, float)
    return PairTable(sources=tuple(sources), targets=tuple(targets), values=values)


def distances(generator, sources, targets):
    """Euclidean between points of which some are remote: strong effects of source and target."""
    names = sorted({*sources, *targets})
    remote = np.where(generator.random(len(names)) < 0.2, 3, 1)
    drawn = generator.standard_normal((len(names), 3)) * remote[:, None]
    points = dict(zip(names, drawn, strict=True))
    return np.array([[np.linalg.norm(points[a] - points[b]) for b in targets] for a in sources])


def study(generator, sources, targets, *, slope=0.0, missing=0.0):
    """Outcome with effects of sources and targets seven times its noise, and distances."""
    x = distances(generator, sources, targets)
    y = 2 * generator.standard_normal((len(sources), 1)) + slope * x
    y = y + 2 * generator.standard_normal(len(targets)) + 0.3 * generator.standard_normal(x.shape)
    y[generator.random(x.shape) < missing] = np.nan
    return table(y, sources, targets), table(x, sources, targets)


def least_squares(y, x):
    """Slope with a dummy for every source and target, by the textbook."""
    rows, columns = np.nonzero(
        np.isfinite(y.values) & np.isfinite(x.values)
        & np.array([[a != b for b in y.targets] for a in y.sources])
    )  # fmt: skip
    design = np.column_stack(
        [x.values[rows, columns], np.eye(len(y.sources))[rows], np.eye(len(y.targets))[columns]]
    )
    return np.linalg.lstsq(design, y.values[rows, columns], rcond=None)[0][0]


def brute_force_t(y, x, control, order):
    """|t| after rows and columns of the residual predictor were moved together."""
    off = ~np.eye(len(order), dtype=bool)

    def covariates(cells):
        rows, columns = np.nonzero(cells)
        return np.column_stack(
            [np.eye(len(order))[rows], np.eye(len(order))[columns], control[cells]]
        )

    residual = np.zeros(x.shape)
    fitted = covariates(off) @ np.linalg.lstsq(covariates(off), x[off], rcond=None)[0]
    residual[off] = x[off] - fitted
    cells = off & np.isfinite(y)
    design = np.column_stack([residual[np.ix_(order, order)][cells], covariates(cells)])
    slopes, _, rank, _ = np.linalg.lstsq(design, y[cells], rcond=None)
    variance = ((y[cells] - design @ slopes) ** 2).sum() / (cells.sum() - rank)
    return abs(slopes[0]) / math.sqrt(variance * np.linalg.pinv(design.T @ design)[0, 0])


@pytest.mark.parametrize(("sources", "targets"), [("abcdef", "abcdef"), ("abc", "abcdefgh")])
@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_the_slope_is_that_of_least_squares_with_dummies(sources, targets, missing):
    y, x = study(np.random.default_rng(1), sources, targets, slope=-0.3, missing=missing)
    found = mrqap(y, x, permutations=99)
    assert found.slope == pytest.approx(least_squares(y, x))
    assert (
        len(found.pairs)
        == (np.isfinite(y.values) & np.array([[a != b for b in targets] for a in sources])).sum()
    )


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_p_is_the_share_of_all_arrangements_with_a_larger_t(missing):
    y, x = study(np.random.default_rng(4), "abcde", "abcde", slope=-0.1, missing=missing)
    control = table(distances(np.random.default_rng(5), "abcde", "abcde"), "abcde", "abcde")
    values = [
        brute_force_t(y.values, x.values, control.values, order)
        for order in itertools.permutations(range(5))
    ]
    found = mrqap(y, x, controls=[control])
    assert found.exact
    assert found.moved == "languages"
    assert found.permutations == 120
    assert found.smallest_p == 1 / 120
    assert found.p == pytest.approx(np.mean(np.array(values) >= values[0] - 1e-9))


def test_the_interval_holds_what_the_test_does_not_reject():
    y, x = study(np.random.default_rng(5), "abcdef", "abcdef", slope=-0.3)
    found = mrqap(y, x, level=0.9)
    for slope, rejected in (
        (found.low - 1e-6, True), (found.low + 1e-6, False),
        (found.high - 1e-6, False), (found.high + 1e-6, True),
    ):  # fmt: skip
        less = table(y.values - slope * x.values, "abcdef", "abcdef")
        assert (mrqap(less, x).p <= 0.1) == rejected


def test_too_few_arrangements_give_no_interval_and_say_the_smallest_p():
    y, x = study(np.random.default_rng(6), "abc", "def", slope=-5)
    found = mrqap(y, x)
    assert (found.permutations, found.exact, found.moved) == (6, True, "targets")
    assert found.smallest_p == 1 / 6 <= found.p
    assert (found.low, found.high) == (None, None)


def test_rows_and_columns_can_be_moved_each_for_itself():
    y, x = study(np.random.default_rng(6), "abc", "defg", slope=-1)
    both, targets = mrqap(y, x, moved="both"), mrqap(y, x)
    assert (both.permutations, targets.permutations) == (6 * 24, 24)
    assert both.slope == targets.slope


def test_a_control_that_is_the_predictor_leaves_nothing_of_it():
    y, x = study(np.random.default_rng(7), SQUARE, SQUARE, slope=-1)
    other = table(distances(np.random.default_rng(8), SQUARE, SQUARE))
    assert isinstance(mrqap(y, x, controls=[x]), Unanswered)
    controlled = mrqap(y, x, controls=[other], permutations=199)
    assert controlled.slope == pytest.approx(-1, abs=0.3)
    assert controlled.slope != pytest.approx(mrqap(y, x, permutations=199).slope)


@pytest.mark.parametrize(
    "values",
    [np.ones((8, 8)), np.arange(8)[:, None] + np.arange(8.0) ** 2, np.full((8, 8), np.nan)],
    ids=["constant", "sum", "unknown"],
)
def test_a_predictor_without_variation_of_its_own_is_answered_with_a_reason(values):
    y, x = study(np.random.default_rng(9), SQUARE, SQUARE)
    reason = mrqap(y, table(values), permutations=99).reason
    assert ("source and target effects" in reason) or "no pair of two languages" in reason
    assert isinstance(mrqap(table(values), x, permutations=99), Unanswered)


def test_languages_unknown_to_the_predictor_are_left_out_on_both_sides():
    y, x = study(np.random.default_rng(10), "abcdef", "abcdef")
    unknown = x.values.copy()
    unknown[2], unknown[:, 2] = np.nan, np.nan
    kept = np.ix_([0, 1, 3, 4, 5], [0, 1, 3, 4, 5])
    without = [table(one.values[kept], "abdef", "abdef") for one in (y, x)]
    found = mrqap(y, table(unknown, "abcdef", "abcdef"))
    assert found == mrqap(*without)
    assert (found.moved, found.permutations, len(found.pairs)) == ("languages", 120, 20)


def test_tables_of_different_languages_are_refused():
    y, x = study(np.random.default_rng(11), "abc", "def")
    with pytest.raises(ValueError, match="same sources and targets"):
        mrqap(y, table(x.values, "abc", "deg"))


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.01, 100),
    effects=st.lists(st.floats(-50, 50), min_size=12, max_size=12),
)
def test_effects_and_units_change_nothing(seed, scale, effects):
    y, x = study(np.random.default_rng(seed), "abcdef", "abcdef")
    found = mrqap(y, x, permutations=59, seed=3)
    shift = np.array(effects[:6])[:, None] + np.array(effects[6:])
    other = mrqap(
        table(y.values + shift, "abcdef", "abcdef"),
        table(x.values * scale, "abcdef", "abcdef"),
        permutations=59, seed=3,
    )  # fmt: skip
    assert other.p == found.p
    assert other.correlation == pytest.approx(found.correlation, abs=1e-6)
    assert other.slope * scale == pytest.approx(found.slope, abs=1e-6)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000), order=st.permutations(range(6)))
def test_the_order_of_languages_changes_nothing(seed, order):
    y, x = study(np.random.default_rng(seed), "abcdef", "abcdef")
    names = "abcdef", [*"abcdef"[order[0] :], *"abcdef"[: order[0]]]
    names = [[row[place] for place in order] for row in names]
    places = [["abcdef".index(name) for name in row] for row in names]
    moved = [table(one.values[np.ix_(*places)], *names) for one in (y, x)]
    found, other = mrqap(y, x), mrqap(*moved)
    assert other.p == pytest.approx(found.p)
    assert other.slope == pytest.approx(found.slope)
    assert other.low == pytest.approx(found.low)


DESIGNS = {
    "square": dict(sources=SQUARE, targets=SQUARE),
    "three of ten": dict(sources="abc", targets="abcdefghij"),
    "with gaps": dict(sources=SQUARE, targets=SQUARE, missing=0.2),
}


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_no_effect_is_found_as_often_as_promised_and_far_more_often_over_raw_pairs(design):
    generator = np.random.default_rng(20)
    rejected, naive = [], []
    for seed in range(STUDIES):
        y, x = study(generator, **design)
        found = mrqap(y, x, permutations=199, seed=seed)
        rejected.append(found.p <= 0.05)
        known = np.isfinite(y.values) & (x.values > 0)
        naive.append(stats.spearmanr(x.values[known], y.values[known]).pvalue <= 0.05)
    assert BAND[0] <= np.mean(rejected) <= BAND[1]
    assert np.mean(naive) > 1.5 * BAND[1]


@pytest.mark.parametrize("design", DESIGNS.values(), ids=DESIGNS)
def test_intervals_hold_the_slope_and_effects_are_found(design):
    generator = np.random.default_rng(21)
    held, found = [], []
    for seed in range(STUDIES):
        y, x = study(generator, slope=-0.3, **design)
        answer = mrqap(y, x, permutations=199, seed=seed)
        assert isinstance(answer, Association)
        held.append(answer.low <= -0.3 <= answer.high)
        found.append(answer.p <= 0.05)
    assert 1 - BAND[1] <= np.mean(held) <= 1 - BAND[0]
    assert np.mean(found) > 0.5


def test_two_targets_are_too_few_to_exchange():
    generator = np.random.default_rng(0)
    sources, targets = ("a", "b", "c", "d", "e"), ("x", "y")
    x = generator.standard_normal((5, 2))
    found = mrqap(table(-3 * x, sources, targets), table(x, sources, targets))
    assert isinstance(found, Unanswered)
    assert "three targets or more" in found.reason


@pytest.mark.parametrize(("sources", "targets"), [("abcdef", "abcdef"), ("abcd", "cdefgh")])
def test_outcomes_together_are_tested_as_each_by_itself(sources, targets):
    generator = np.random.default_rng(9)
    _, x = study(generator, sources, targets)
    ys = [study(generator, sources, targets, slope=-0.2, missing=m)[0] for m in (0, 0.1, 0, 0.2)]
    ys[0].values[:, 0] = np.nan  # one target less where targets are moved
    together = mrqap_each([*ys, table(x.values * np.nan, sources, targets)], x, permutations=199)
    for y, found in zip(ys, together, strict=False):
        alone = mrqap(y, x, permutations=199)
        assert isinstance(found, Association)
        assert (found.p, found.permutations, found.exact) == (
            alone.p,
            alone.permutations,
            alone.exact,
        )
        assert found.slope == pytest.approx(alone.slope)
        assert found.low == pytest.approx(alone.low)
        assert found.high == pytest.approx(alone.high)
        assert len(found.pairs) == len(alone.pairs)
    assert isinstance(together[-1], Unanswered)
