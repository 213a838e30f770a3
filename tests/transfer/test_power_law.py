"""Power laws: found, read, held against noise, and refused where the points do not bear them."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.errors import MeasurementError
from bytetransfer.transfer import power_law
from bytetransfer.transfer.power_law import PowerLawCurve

SIZES = np.geomspace(6e6, 6e9, 6)
PLACES = np.log(SIZES / SIZES[0])


def law(places, *, floor=0.9, exponent=0.35, excess=1.5):
    """Bits per byte; places are log bytes above the smallest size."""
    return floor + excess * np.exp(-exponent * np.asarray(places))


@st.composite
def laws(draw):
    """Sizes over two to four decades with losses that follow a law exactly."""
    first = draw(st.floats(1e3, 1e7))
    decades, count = draw(st.floats(2, 4)), draw(st.integers(4, 8))
    places = np.linspace(0, decades * math.log(10), count)
    losses = law(
        places,
        floor=draw(st.floats(0.4, 1.5)),
        exponent=draw(st.floats(0.15, 0.7)),
        excess=draw(st.floats(0.7, 3)),
    )
    return first * np.exp(places), losses


SHARES = st.floats(0, 1)


@settings(deadline=None, max_examples=40)
@given(laws(), SHARES)
def test_inverting_a_law_returns_its_input(points, share):
    sizes, losses = points
    curve = PowerLawCurve.through(sizes, losses)
    np.testing.assert_allclose([curve.loss(size) for size in sizes], losses, rtol=1e-5)
    size = min(max(sizes[0] * (sizes[-1] / sizes[0]) ** share, sizes[0]), sizes[-1])
    found = curve.invert(curve.loss(size))
    assert found.status == "inside"
    assert found.bytes == found.upper_bytes == pytest.approx(size, rel=1e-8)


@settings(deadline=None, max_examples=30)
@given(laws(), st.floats(0.3, 6), st.floats(0.3, 6), st.booleans())
def test_a_lower_loss_never_needs_fewer_bytes(points, one, other, extrapolate):
    curve = PowerLawCurve.through(*points, extrapolate=extrapolate)
    few, many = (curve.invert(max(one, other)), curve.invert(min(one, other)))
    if many.status != "above_range" or not extrapolate:
        assert few.bytes <= many.bytes * (1 + 1e-12)
    order = ["below_range", "inside", "extrapolated", "above_range"]
    assert order.index(few.status) <= order.index(many.status)


@settings(deadline=None, max_examples=30)
@given(laws(), SHARES, st.floats(0.01, 100), st.floats(0.1, 10), st.randoms(use_true_random=False))
def test_units_and_order_do_not_matter(points, share, bytes_factor, loss_factor, random):
    sizes, losses = points
    shuffled = random.sample(range(len(sizes)), len(sizes))
    loss = float(losses[-1] + share * (losses[0] - losses[-1]))
    one = PowerLawCurve.through(sizes, losses)
    other = PowerLawCurve.through(sizes[shuffled] * bytes_factor, losses[shuffled] * loss_factor)
    # A fit is found to some digits; next to an end of the curve they decide between two states.
    here = one.invert(min(max(loss, losses[-1] + 1e-4), losses[0] - 1e-4))
    there = other.invert(min(max(loss, losses[-1] + 1e-4), losses[0] - 1e-4) * loss_factor)
    assert (here.status, there.status) == ("inside", "inside")
    assert there.bytes / bytes_factor == pytest.approx(here.bytes, rel=1e-3)
    assert other.law.exponent.value == pytest.approx(one.law.exponent.value, rel=1e-3)
    assert other.law.irreducible.value == pytest.approx(
        one.law.irreducible.value * loss_factor, rel=1e-3
    )


def test_the_parameters_are_those_of_the_law():
    found = PowerLawCurve.through(SIZES, law(PLACES)).law
    assert found.irreducible.value == pytest.approx(0.9, rel=1e-6)
    assert found.exponent.value == pytest.approx(0.35, rel=1e-6)
    scale = found.scale_bytes.value
    assert (scale / SIZES[0]) ** 0.35 == pytest.approx(1.5, rel=1e-6)


@pytest.mark.slow
def test_intervals_of_the_parameters_hold_the_truth():
    generator, studies, held = np.random.default_rng(5), 120, np.zeros(3)
    widths, estimates = [], []
    truth = (0.9, SIZES[0] * 1.5 ** (1 / 0.35), 0.35)
    for _ in range(studies):
        losses = law(PLACES) * np.exp(0.005 * generator.standard_normal(6))
        found = PowerLawCurve.through(SIZES, losses).law
        parameters = (found.irreducible, found.scale_bytes, found.exponent)
        held += [p.low <= true <= p.high for p, true in zip(parameters, truth, strict=True)]
        widths.append([math.log(p.high / max(p.low, 1e-300)) for p in parameters])
        estimates.append([math.log(p.value) for p in parameters])
    # Nominal 95 %; three standard deviations of 120 studies are 6 %.
    assert np.all(held / studies >= 0.89)
    # t with 3 degrees of freedom is 3.2 either way; a sample variance of so few is often small.
    shares = np.median(widths, axis=0) / (2 * 3.2 * np.std(estimates, axis=0))
    assert np.all((shares > 0.5) & (shares < 1.5))


def test_outside_the_range_there_is_a_bound():
    curve = PowerLawCurve.through(SIZES, law(PLACES))
    below, above = curve.invert(2.5), curve.invert(0.5)
    assert (below.status, below.bytes, below.upper_bytes) == ("below_range", SIZES[0], SIZES[0])
    assert (above.status, above.bytes, above.upper_bytes) == ("above_range", SIZES[-1], None)


def test_past_the_largest_size_only_when_asked_and_never_far():
    twice, beyond = (float(law(PLACES[-1] + math.log(factor))) for factor in (2, 11))
    plain = PowerLawCurve.through(SIZES, law(PLACES))
    assert (plain.invert(twice).status, plain.invert(twice).bytes) == ("above_range", SIZES[-1])
    with pytest.raises(ValueError, match="outside"):
        plain.loss(2 * SIZES[-1])
    further = PowerLawCurve.through(SIZES, law(PLACES), extrapolate=True)
    found = further.invert(twice)
    assert found.status == "extrapolated"
    assert found.bytes == found.upper_bytes == pytest.approx(2 * SIZES[-1], rel=1e-6)
    assert further.loss(2 * SIZES[-1]) == pytest.approx(twice)
    for loss in (beyond, 0.5):
        assert further.invert(loss).status == "above_range"
        assert further.invert(loss).bytes == SIZES[-1]
    assert further.invert(2.5).status == "below_range"


def test_one_run_that_went_wrong_does_not_drag_the_law_along(monkeypatch):
    losses = law(PLACES)
    losses[2] *= 1.06

    def largest_error():
        curve = PowerLawCurve.through(SIZES, losses)
        good = [curve.loss(size) / true for size, true in zip(SIZES, law(PLACES), strict=True)]
        return np.abs(np.log(good)).max()

    robust = largest_error()
    monkeypatch.setattr(power_law, "HUBER_SCALE", 10.0)
    assert robust < 0.8 * largest_error()


PLATEAU = law(np.minimum(PLACES, PLACES[-1] * 2 / 3))
SCATTERED = law(PLACES) * np.exp(0.1 * np.array([1, -1, 1, 1, -1, 1]))


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        (law(PLACES)[:3], "three parameters and 3 sizes"),
        (law(PLACES)[::-1], "does not fall"),
        (np.full(6, 2.0), "does not fall"),
        (law(PLACES, floor=0.0), "does not bend"),
        (4 - 0.2 * PLACES, "does not bend"),
        (law(PLACES, exponent=4.0), "no exponent between"),
        (PLATEAU, "by a factor of"),
        (SCATTERED, "by a factor of"),
    ],
)
def test_a_curve_that_does_not_identify_a_law_is_refused(losses, reason):
    with pytest.raises(MeasurementError, match=rf"does not identify a power law: .*{reason}"):
        PowerLawCurve.through(SIZES[: len(losses)], losses)


def test_an_optimiser_that_did_not_end_is_not_believed(monkeypatch):
    monkeypatch.setattr(power_law, "_MOST_STEPS", 1)
    with pytest.raises(MeasurementError, match="did not converge"):
        PowerLawCurve.through(SIZES, law(PLACES) * [1, 1.02, 1, 0.99, 1.01, 1])


def test_equally_good_fits_must_agree(monkeypatch):
    solved = iter(range(100))

    def solve(start, places, heights, lowest):
        return True, 1e-3, np.array([0.5, 0.0, 0.3 + 0.1 * (next(solved) % 2)])

    monkeypatch.setattr(power_law, "_solve", solve)
    with pytest.raises(MeasurementError, match="different starts disagree"):
        PowerLawCurve.through(SIZES, law(PLACES))


def test_a_misfit_that_seeds_do_not_explain_is_refused():
    noise = np.random.default_rng(2).standard_normal((3, 6))
    broken = law(np.minimum(PLACES, 3.5) + 0.5 * np.maximum(PLACES - 3.5, 0))
    for losses, scale, fits in ((broken, 0.0005, False), (broken, 0.02, True),
                                (law(PLACES), 0.0005, True)):  # fmt: skip
        log_losses = np.log(losses) + scale * noise
        curve = PowerLawCurve.through(SIZES, np.exp(log_losses.mean(axis=0)))
        curve.check(log_losses[:1])  # one seed tells nothing
        if fits:
            curve.check(log_losses)
        else:
            with pytest.raises(MeasurementError, match="noise between seeds explains"):
                curve.check(log_losses)


def test_refitting_is_fitting_again_to_first_order():
    generator = np.random.default_rng(3)
    log_losses = np.log(law(PLACES)) + 0.004 * generator.standard_normal(6)
    curve = PowerLawCurve.through(SIZES, np.exp(log_losses))
    at = np.log(SIZES[0]) + np.linspace(0, PLACES[-1], 9)
    changed = log_losses + 1e-4 * generator.standard_normal((5, 6))
    quick = curve.refit(np.log(SIZES), changed, at)
    base = np.log([curve.loss(min(math.exp(x), SIZES[-1])) for x in at])
    for row, fitted in zip(changed, quick, strict=True):
        again = PowerLawCurve.through(SIZES, np.exp(row))
        true = np.log([again.loss(min(math.exp(x), SIZES[-1])) for x in at])
        np.testing.assert_allclose(fitted - base, true - base, atol=3e-6)


def test_what_is_no_curve_and_losses_that_are_none_are_refused():
    with pytest.raises(MeasurementError, match="all different"):
        PowerLawCurve.through([1, 1, 2, 3], [4.0, 3.0, 2.0, 1.9])
    with pytest.raises(MeasurementError, match="not all positive"):
        PowerLawCurve(SIZES, law(PLACES) - 2)
    curve = PowerLawCurve.through(SIZES, law(PLACES))
    for loss in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(MeasurementError, match="no place"):
            curve.invert(loss)
