"""How fast this machine trains: a few seconds of each learner on text that means nothing."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import msgspec

from bytetransfer.corpus.documents import Documents
from bytetransfer.corpus.synthetic import NonsenseSettings, generate
from bytetransfer.learners.catalog import Settings, make_learner
from bytetransfer.learners.learner import Task
from bytetransfer.learners.ngram import NgramSettings
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import (
    PRESETS,
    Converged,
    TransformerSettings,
    flops_per_byte,
)

_DOCUMENTS = 100
_PROBE_FLOPS = 2e11
"""A probe of about this many operations is seconds on a CPU core and nothing on a GPU."""
_PATIENCE_SECONDS = 120.0


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What another process is asked to time: a learner and how it computes."""

    settings: Settings
    numerics: Numerics | None


def bytes_per_second(settings: Settings, numerics: Numerics | None) -> float:
    """How many bytes a second one worker gets through in training.

    A transformer too large for a quick probe is timed by a smaller one and its operations; what is
    compiled is timed uncompiled, so a plan errs on the long side.
    """
    text = Documents.from_list(list(islice(generate(NonsenseSettings(), seed=0), _DOCUMENTS)))
    if isinstance(settings, NgramSettings):
        return text.total_bytes / _fit_seconds(settings, None, text)
    assert numerics is not None
    probed = _small_enough(settings)
    numerics = msgspec.structs.replace(numerics, compiled=False, micro_batch=probed.batch)
    steps = max(2, int(_PROBE_FLOPS / (_step_bytes(probed) * flops_per_byte(probed.shape))))
    # the difference of two probes leaves out what a fit costs once
    short, long = (_probe(probed, count) for count in (1, 1 + steps))
    seconds = _fit_seconds(long, numerics, text) - _fit_seconds(short, numerics, text)
    speed = steps * _step_bytes(probed) / max(seconds, 1e-6)
    return speed * flops_per_byte(probed.shape) / flops_per_byte(settings.shape)


def bytes_per_second_apart(settings: Settings, numerics: Numerics | None) -> float | None:
    """The same, timed by a process of its own where the learner needs torch.

    Whoever goes on to start workers must not hold a GPU, nor the memory that torch takes.

    Returns:
        None where it could not be timed: the runs themselves will say why.
    """
    if isinstance(settings, NgramSettings):
        return bytes_per_second(settings, numerics)
    asked = msgspec.json.encode(Probe(settings=settings, numerics=numerics))
    command = [sys.executable, "-m", "bytetransfer.runs.calibrate"]
    try:
        timed = subprocess.run(
            command, input=asked, capture_output=True, timeout=_PATIENCE_SECONDS, check=True
        )
        return msgspec.json.decode(timed.stdout, type=float)
    except (OSError, subprocess.SubprocessError, msgspec.MsgspecError):
        return None


def _small_enough(settings: TransformerSettings) -> TransformerSettings:
    """The settings, or smaller ones whose single step is no more than the probe."""
    shapes = [settings.shape, *(PRESETS[name] for name in ("medium", "small", "nano"))]
    for shape in shapes:
        if 4 * shape.context * flops_per_byte(shape) <= _PROBE_FLOPS:
            break
    batch = min(
        settings.batch, max(1, int(_PROBE_FLOPS / 4 / shape.context / flops_per_byte(shape)))
    )
    return msgspec.structs.replace(settings, shape=shape, batch=batch)


def _probe(settings: TransformerSettings, steps: int) -> TransformerSettings:
    recipe = Converged(
        learning_rates=(1e-3,),
        max_bytes=steps * _step_bytes(settings),
        evaluate_bytes=10**12,
        validation_bytes=1,
        cooldown_evaluations=1,
    )
    return msgspec.structs.replace(settings, recipe=recipe)


def _step_bytes(settings: TransformerSettings) -> int:
    return settings.batch * settings.shape.context


def _fit_seconds(settings: Settings, numerics: Numerics | None, text: Documents) -> float:
    learner = make_learner(settings, numerics)
    task = Task(text=text, validation=Documents.from_list([b"nonsense"]), seed=0)
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        learner.fit(task, start=None, folder=Path(folder), watch=lambda _: None)
        return time.perf_counter() - begun


if __name__ == "__main__":
    probe = msgspec.json.decode(sys.stdin.buffer.read(), type=Probe)
    found = bytes_per_second(probe.settings, probe.numerics)
    sys.stdout.buffer.write(msgspec.json.encode(found))
