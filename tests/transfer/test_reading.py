"""Every method draws its own curve, with its own interval or the reason why there is none."""

import math

import numpy as np
import pytest

from bytetransfer.errors import MeasurementError, StudyError
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.results.results import Results
from bytetransfer.study.file import parse_study
from bytetransfer.transfer.curve import Curve, fit_log_losses
from bytetransfer.transfer.interval import CurveNoise
from bytetransfer.transfer.literature import LinearCurve, PublishedCurve
from bytetransfer.transfer.methods import METHODS
from bytetransfer.transfer.power_law import PowerLawCurve
from bytetransfer.transfer.reading import read_curve
from bytetransfer.transfer.resampling import Resampling

SIZES = np.geomspace(6e6, 6e9, 6)
SPAN = math.log(1e3)
PLACES = np.log(SIZES / SIZES[0])


def log_law(places, *, floor=0.65, exponent=0.35, excess=1.2):
    return np.log((floor + excess * np.exp(-exponent * np.asarray(places))) / math.log(2))


def test_each_method_has_its_curve_through_the_seed_means():
    log_losses = log_law(PLACES) + 0.003 * np.random.default_rng(0).standard_normal((3, 6))
    kinds = {
        "monotone": Curve,
        "power_law": PowerLawCurve,
        "linear": LinearCurve,
        "published": PublishedCurve,
    }
    assert tuple(kinds) == METHODS
    for method, kind in kinds.items():
        curve = read_curve(method, SIZES, log_losses).curve
        assert type(curve) is kind
        np.testing.assert_array_equal(curve.sizes_bytes, SIZES)
        np.testing.assert_allclose(np.log(curve.bits_per_byte), log_losses.mean(axis=0))


@pytest.mark.parametrize("method", ["monotone", "power_law", "linear"])
def test_a_curve_is_redrawn_as_it_was_drawn(method):
    log_losses = log_law(PLACES) + 0.003 * np.random.default_rng(1).standard_normal((3, 6))
    reading = read_curve(method, SIZES, log_losses)
    noise = CurveNoise(np.log(SIZES), log_losses, Resampling(resamples=20), refit=reading.refit)
    sizes = np.clip(np.exp(noise.grid), SIZES[0], SIZES[-1])
    drawn = np.log([reading.curve.loss(size) for size in sizes])
    np.testing.assert_allclose(noise.fitted, drawn, atol=1e-12)


def test_what_is_allowed_for_between_sizes():
    log_losses = log_law(PLACES)[None]
    found = {}
    for method in ("monotone", "power_law", "linear"):
        refit = read_curve(method, SIZES, log_losses).refit
        noise = CurveNoise(np.log(SIZES), log_losses, Resampling(resamples=20), refit=refit)
        found[method] = noise.allowance
        np.testing.assert_allclose(noise.allowance[:: len(noise.grid) // 5], 0, atol=1e-15)
    smooth = fit_log_losses(np.log(SIZES), log_losses, noise.grid)
    chords = np.interp(noise.grid, np.log(SIZES), log_losses[0])
    np.testing.assert_allclose(found["monotone"], 0.1 * (smooth - chords)[0])
    np.testing.assert_allclose(found["linear"], noise.fitted - smooth[0])
    assert not found["power_law"].any()


def test_the_published_reading_has_no_interval():
    assert read_curve("published", SIZES, log_law(PLACES)[None]).refit is None


def test_only_a_power_law_is_read_past_the_largest_size():
    log_losses = log_law(PLACES) + np.zeros((2, 1))
    reading = read_curve("power_law", SIZES, log_losses, extrapolate=True)
    noise = CurveNoise(np.log(SIZES), log_losses, Resampling(resamples=20), refit=reading.refit)
    assert math.exp(noise.grid[-1]) == pytest.approx(10 * SIZES[-1])
    assert reading.curve.invert(math.exp(log_law(SPAN + 1))).status == "extrapolated"
    for method in ("monotone", "linear", "published"):
        with pytest.raises(ValueError, match="cannot extrapolate"):
            read_curve(method, SIZES, log_losses, extrapolate=True)


def test_an_unknown_method_is_refused_with_the_choice():
    with pytest.raises(ValueError, match="choose from monotone, power_law, linear, published"):
        read_curve("cubic", SIZES, log_law(PLACES)[None])


def test_a_law_is_held_against_the_noise_between_seeds():
    broken = log_law(np.minimum(PLACES, 3.5) + 0.5 * np.maximum(PLACES - 3.5, 0))
    log_losses = broken + 0.0005 * np.random.default_rng(2).standard_normal((3, 6))
    assert read_curve("power_law", SIZES, log_losses[:1]).curve is not None
    with pytest.raises(MeasurementError, match="noise between seeds"):
        read_curve("power_law", SIZES, log_losses)


def test_a_law_is_held_against_the_noise_of_test_documents_too():
    generator = np.random.default_rng(4)
    drawn = 0.004 * generator.standard_normal(6)  # by the documents: the same for all seeds
    between_seeds = 0.0002 * generator.standard_normal((3, 6))
    resampled = drawn + 0.004 * generator.standard_normal((400, 6))
    lawful = log_law(PLACES) + drawn + between_seeds
    with pytest.raises(MeasurementError, match="noise between seeds explains"):
        read_curve("power_law", SIZES, lawful)
    backwards = slice(None, None, -1)
    for order in (slice(None), backwards):
        noisy = (log_law(PLACES) + resampled)[:, order]
        read_curve("power_law", SIZES[order], lawful[:, order], noisy)
    # what documents do to all sizes alike is no misfit, and excuses none
    shift = 0.1 * generator.standard_normal((400, 1)) + np.zeros(6)
    broken = log_law(np.minimum(PLACES, 3.5) + 0.5 * np.maximum(PLACES - 3.5, 0)) + between_seeds
    with pytest.raises(MeasurementError, match="noise between seeds and test documents"):
        read_curve("power_law", SIZES, broken, broken.mean(axis=0) + shift)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "bias", "most_bias", "most_error"),
    [("monotone", 0.0, 0.03, 0.13), ("power_law", 0.0, 0.03, 0.12), ("linear", 0.25, 0.1, 0.4)],
)
def test_how_well_methods_read_simulated_laws(method, bias, most_bias, most_error):
    # Bands for 150 studies; benchmarks/estimators.py has the figures.
    generator, errors, bounds = np.random.default_rng(11), [], 0
    for _ in range(150):
        ends = ((0.5, 0.8), (0.15, 0.6), (0.5, 2.0))
        floor, exponent, excess = (generator.uniform(*pair) for pair in ends)
        places = np.append(PLACES, generator.uniform(0, SPAN))
        true = log_law(places, floor=floor, exponent=exponent, excess=excess)
        noisy = true + 0.005 * generator.standard_normal(7)
        found = read_curve(method, SIZES, noisy[None, :6]).curve.invert(math.exp(noisy[6]))
        if found.status == "inside":
            errors.append(math.log(found.bytes / SIZES[0]) - places[6])
        bounds += found.status != "inside"
    assert abs(math.expm1(np.median(errors)) - bias) < most_bias
    assert math.sqrt(np.mean(np.square(errors))) < most_error
    assert bounds <= 10


def test_a_study_names_its_method():
    text = """
        name = "x"
        sources = ["nonsense"]
        targets = ["hierarchical"]
        pretrain_bytes = "1kB"
        finetune_bytes = ["1kB"]
        scratch_bytes = ["1kB", "10kB"]
        """
    assert parse_study(text, where="x.toml").estimate.method == "monotone"
    study = parse_study(text + '[estimate]\nmethod = "linear"', where="x.toml")
    rows = [
        Measurement(source=source, target="t", target_bytes=size, bits_per_byte=loss)
        for source, size, loss in ((SCRATCH, 1_000, 4.0), (SCRATCH, 9_000, 2.0), ("s", 1_000, 3.0))
    ]
    results = Results(measurements=Measurements(rows), options=study.estimate)
    (found,) = results.estimates.rows
    assert found.method == "linear"
    with pytest.raises(StudyError, match="'monotone', 'power_law', 'linear', 'published'"):
        parse_study(text + '[estimate]\nmethod = "spline"', where="x.toml")


def test_a_study_may_ask_for_extrapolation_with_a_power_law_only():
    text = """
        name = "x"
        sources = ["nonsense"]
        targets = ["hierarchical"]
        pretrain_bytes = "1kB"
        finetune_bytes = ["1kB"]
        scratch_bytes = ["1kB", "10kB"]
        [estimate]
        extrapolate = true
        """
    with pytest.raises(StudyError, match=r"estimate.extrapolate: the method monotone cannot"):
        parse_study(text, where="x.toml")
    study = parse_study(text + 'method = "power_law"', where="x.toml")
    rows = [
        Measurement(source=SCRATCH, target="t", target_bytes=size, bits_per_byte=1 + loss)
        for size, loss in ((10**n, (100 / 10**n) ** 0.3) for n in range(3, 8))
    ]
    beyond = 1 + (100 / 5e7) ** 0.3
    tuned = Measurement(source="s", target="t", target_bytes=1_000, bits_per_byte=beyond)
    results = Results(measurements=Measurements([*rows, tuned]), options=study.estimate)
    (found,) = results.estimates.rows
    assert found.status == "extrapolated"
    with pytest.raises(StudyError, match=r"estimate\.extrapolate"):
        parse_study(text.replace("true", '"yes"'), where="x.toml")
