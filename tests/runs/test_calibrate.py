import itertools
import subprocess

import msgspec
import pytest

from bytetransfer.learners.ngram import NgramSettings
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import PRESETS, flops_per_byte, preset
from bytetransfer.runs import calibrate
from bytetransfer.runs.calibrate import Probe, bytes_per_second, bytes_per_second_apart

FLOPS_PER_SECOND = 1e11
START_UP_SECONDS = 7.0


def test_the_surface_learner_is_timed_on_text_it_fits(monkeypatch):
    ticks = itertools.count(step=2)
    monkeypatch.setattr(calibrate.time, "perf_counter", lambda: float(next(ticks)))
    speed = bytes_per_second(NgramSettings(), None)
    assert 50_000 < speed < 500_000  # a few hundred kB in the two seconds the clock says it took


@pytest.fixture
def fits(monkeypatch):
    """A machine of known speed in place of this one; the probes it was given."""
    probes = []

    def seconds(settings, numerics, text):
        assert not numerics.compiled
        assert numerics.micro_batch == settings.batch
        probes.append(settings)
        work = settings.recipe.max_bytes * flops_per_byte(settings.shape)
        return START_UP_SECONDS + work / FLOPS_PER_SECOND

    monkeypatch.setattr(calibrate, "_fit_seconds", seconds)
    return probes


@pytest.mark.parametrize("name", PRESETS)
def test_speed_is_that_of_the_machine_whatever_the_size_and_start_up(fits, name):
    settings = preset(name)
    speed = bytes_per_second(settings, Numerics(compiled=True, micro_batch=7))
    assert speed == pytest.approx(FLOPS_PER_SECOND / flops_per_byte(settings.shape))
    for probe in fits:
        work = probe.recipe.max_bytes * flops_per_byte(probe.shape)
        assert work < 4 * calibrate._PROBE_FLOPS, "a probe takes seconds, not minutes"


def test_a_machine_too_fast_to_time_gives_a_finite_speed(monkeypatch):
    monkeypatch.setattr(calibrate, "_fit_seconds", lambda *_: 0.0)
    assert 0 < bytes_per_second(preset("nano"), Numerics()) < float("inf")


def test_another_process_times_what_needs_torch(monkeypatch):
    asked = []

    def run(command, **options):
        asked.append(msgspec.json.decode(options["input"], type=Probe))
        return subprocess.CompletedProcess(command, 0, stdout=b"1234.5")

    monkeypatch.setattr(calibrate.subprocess, "run", run)
    settings, numerics = preset("nano"), Numerics(micro_batch=7)
    assert bytes_per_second_apart(settings, numerics) == 1234.5
    assert asked == [Probe(settings=settings, numerics=numerics)]
    assert bytes_per_second_apart(NgramSettings(), None) > 0
    assert len(asked) == 1, "the surface learner needs no torch and no other process"


def test_what_cannot_be_timed_has_no_speed(monkeypatch):
    monkeypatch.setattr(calibrate.sys, "executable", "/no/such/python")
    assert bytes_per_second_apart(preset("nano"), Numerics()) is None
    monkeypatch.setattr(calibrate.sys, "executable", "false")
    assert bytes_per_second_apart(preset("nano"), Numerics()) is None
