"""kill -9 at any moment of a study: started again, it ends in the very same measurements."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

KILLS_OF_EACH = 10  # of two studies side by side
KILLS_NEURAL = 3

HASTY_CLOCK = """\
import sys
import time

if "bytetransfer.runs.worker" in sys.orig_argv:
    unhurried = time.monotonic
    time.monotonic = lambda: 25 * unhurried()
"""
"""A checkpoint falls due every five seconds, which no run of this study lasts: in the workers of
this test a second is 25. Clocks are no part of a result."""


def _child_processes(pid: int) -> list[int]:
    listing = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True)
    pairs = (map(int, line.split()) for line in listing.stdout.splitlines())
    return [child for child, parent in pairs if parent == pid]


def _kill(process: subprocess.Popen[str], *, with_workers: bool) -> None:
    """Kill the program, alone or with its workers; alone, they must go by themselves."""
    workers = _child_processes(process.pid) if with_workers else []
    for pid in (process.pid, *workers):
        os.kill(pid, signal.SIGKILL)
    # it ends when nobody has the program's streams open any more: when the last worker is gone
    process.communicate(timeout=60)


def _killed_again_and_again(place: Any, seed: int, seconds: float, expected: Any) -> int:
    """Kill a study at random moments until it has been hit often enough; how often it ended."""
    draw = random.Random(seed)
    kills = ended = 0
    while kills < KILLS_OF_EACH:
        process = place.start("run", "study.toml", "--workers", "1")
        try:
            # it ends early when much of it was done before: then it begins from nothing again
            process.communicate(timeout=draw.uniform(0.25, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            _kill(process, with_workers=draw.random() < 0.3)
            kills += 1
            continue
        assert process.returncode == 0
        assert place.results() == expected
        place.forget()
        ended += 1
    assert place.ran("run", "study.toml", "--workers", "1").returncode == 0
    assert place.results() == expected
    return ended


@pytest.mark.slow
def test_surface_study_survives_twenty_kills(new_place: Callable[..., Any]) -> None:
    untouched = new_place()
    begun = time.monotonic()
    assert untouched.ran("run", "study.toml", "--workers", "1").returncode == 0
    seconds = time.monotonic() - begun
    expected = untouched.results()
    places = [new_place(), new_place()]
    with ThreadPoolExecutor() as side_by_side:
        tries = [
            side_by_side.submit(_killed_again_and_again, place, seed, seconds, expected)
            for seed, place in enumerate(places)
        ]
        for one in tries:
            one.result()
    for place in places:
        litter = [p for p in (place.folder / ".bytetransfer").rglob(".*") if p.is_file()]
        assert not litter, "what a killed process left half-written is swept up"


@pytest.mark.slow
def test_transformer_study_survives_kills_after_checkpoints(
    neural_place: Any, new_place: Callable[..., Any], waited: Callable[..., None]
) -> None:
    place = new_place("neural")
    place.write("hasty/sitecustomize.py", HASTY_CLOCK)
    hasty = {**os.environ, "PYTHONPATH": str(place.folder / "hasty")}
    draw = random.Random(0)
    resumed = set()
    for _ in range(KILLS_NEURAL):
        begun = time.time()
        process = place.start("run", "study.toml", "--workers", "1", env=hasty)
        waited(lambda begun=begun: place.checkpoints(since=begun), seconds=240)
        time.sleep(draw.uniform(0, 0.4))
        _kill(process, with_workers=draw.random() < 0.5)
        resumed |= {path.parts[-4] for path in place.checkpoints(since=0)}
    assert place.ran("run", "study.toml", "--workers", "1", env=hasty).returncode == 0
    assert resumed, "at least one run was continued from its checkpoint"
    assert place.results() == neural_place.results()
    assert not place.checkpoints(since=0), "checkpoints go when their run is done"
