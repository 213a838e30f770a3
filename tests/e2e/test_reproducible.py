"""The same study gives the same numbers, wherever, however often and however many at a time."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bytetransfer.measurements.file import parse_measurements
from bytetransfer.measurements.measurement import Measurement

RUN = ("run", "study.toml", "--quiet")

THREADS_TOLERANCE = 1e-4
"""Relative difference of bits per byte between one thread and two: sums of floats are taken in
another order. Measured over the twenty to thirty steps of this study: at most 5e-8; it grows with
the number of steps."""


def _rows(place: Any) -> list[Measurement]:
    text = place.results()["measurements.csv"].decode()
    return list(parse_measurements(text, where="measurements.csv").rows)


def _coordinates(row: Measurement) -> tuple[str, str, str, int, int]:
    return (row.learner, row.source, row.target, row.nominal_bytes, row.seed)


@pytest.mark.slow
def test_surface_studies_in_two_folders_agree(new_place: Callable[..., Any]) -> None:
    one, other = new_place(), new_place()
    assert one.ran(*RUN, "--workers", "1").returncode == 0
    assert other.ran(*RUN, "--workers", "3").returncode == 0
    assert one.results() == other.results()
    assert one.finished() == other.finished()
    assert one.corpora() == other.corpora()
    assert len(_rows(one)) == 16


@pytest.mark.slow
def test_neural_studies_agree_and_threads_hardly_matter(
    neural_place: Any, new_place: Callable[..., Any]
) -> None:
    one, other, threaded = neural_place, new_place("neural"), new_place("neural")
    threaded.change("[numerics]", "[numerics]\nthreads = 2")
    # threads that wait without spinning: on a busy machine the others could not work for it
    calm = {**os.environ, "OMP_WAIT_POLICY": "passive"}
    with ThreadPoolExecutor() as side_by_side:
        calls = [(other, "2"), (threaded, "1")]
        ended = side_by_side.map(lambda c: c[0].ran(*RUN, "--workers", c[1], env=calm), calls)
        assert [process.returncode for process in ended] == [0, 0]
    assert one.results() == other.results()
    assert one.finished() == other.finished()
    # other numerics are another run: they are never mistaken for each other
    assert not one.finished() & threaded.finished()
    pairs = list(zip(_rows(one), _rows(threaded), strict=True))
    assert [_coordinates(a) for a, _ in pairs] == [_coordinates(b) for _, b in pairs]
    for a, b in pairs:
        assert b.bits_per_byte == pytest.approx(a.bits_per_byte, rel=THREADS_TOLERANCE)


@pytest.mark.slow
def test_ctrl_c_stops_with_one_line_and_goes_on_later(
    new_place: Callable[..., Any], waited: Callable[..., None], is_neat: Callable[[str], None]
) -> None:
    whole, stopped = new_place(), new_place()
    assert whole.ran(*RUN).returncode == 0
    process = stopped.start("run", "study.toml", "--workers", "1")
    waited(lambda: stopped.finished())
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=60)  # the workers' streams: they are gone too
    assert process.returncode == 130
    assert stdout == ""
    is_neat(stderr)
    assert stderr.splitlines()[-1] == "stopped; the same command goes on from here"
    done = stopped.finished()
    assert 0 < len(done) < len(whole.finished())
    again = stopped.ran("run", "study.toml")
    assert again.returncode == 0
    assert f"{len(done)} of {len(whole.finished())} runs are done already" in again.stderr
    assert stopped.results() == whole.results()


def test_ctrl_c_while_text_is_read(place: Any, waited: Callable[..., None]) -> None:
    place.write("fi.txt", (place.folder / "fi.txt").read_bytes() * 3000)
    process = place.start("run", "study.toml")
    waited(lambda: list(place.folder.glob(".bytetransfer/corpora/.preparing-*")))
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert stderr.splitlines()[-1] == "stopped; the same command goes on from here"
    assert "Traceback" not in stderr
    assert not list(place.folder.glob(".bytetransfer/corpora/.preparing-*"))
