"""Settings: cost, presets, and that planning needs no torch."""

import subprocess
import sys

import msgspec
import pytest

from bytetransfer.errors import StudyError
from bytetransfer.learners.transformer import settings


def test_parameters_are_those_of_the_model() -> None:
    model = pytest.importorskip("bytetransfer.learners.transformer.model")
    for name in ("nano", "micro", "small"):
        shape = settings.PRESETS[name]
        state = model.initial_state(shape, 0)
        assert settings.parameters(shape) == sum(t.numel() for t in state.values())


def test_an_unknown_preset_says_which_one_was_meant() -> None:
    with pytest.raises(StudyError, match="did you mean 'nano'"):
        settings.preset("nanno")


@pytest.mark.parametrize("recipe", [settings.Converged(max_bytes=9), settings.Paper(epochs=3)])
def test_settings_survive_json(recipe: settings.Converged | settings.Paper) -> None:
    before = settings.preset("nano", recipe=recipe)
    encoded = msgspec.json.encode(before)
    assert b'"learner":"transformer"' in encoded
    assert msgspec.json.decode(encoded, type=settings.TransformerSettings) == before


@pytest.mark.parametrize(
    "text",
    [
        b'{"shape":{"layers":1,"width":6,"heads":2,"feed_forward":4,"context":8}}',
        b'{"shape":{"layers":0,"width":8,"heads":2,"feed_forward":4,"context":8}}',
        b'{"shape":{"layers":1,"width":8,"heads":2,"feed_forward":4,"context":8},"bach":3}',
    ],
)
def test_what_makes_no_sense_is_refused(text: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(text, type=settings.TransformerSettings)


def test_planning_loads_no_torch() -> None:
    code = (
        "import sys, bytetransfer.learners.transformer.settings, "
        "bytetransfer.learners.transformer.numerics; "
        "sys.exit('torch' in sys.modules or 'safetensors' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
