"""Worker processes on this machine: which devices they see, and runs that several share."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.errors import StoreError
from bytetransfer.learners.transformer.numerics import Numerics, cuda_devices
from bytetransfer.learners.transformer.settings import preset
from bytetransfer.runs import local
from bytetransfer.runs.engine import Outcome
from bytetransfer.runs.local import (
    LocalEngine,
    default_workers,
    device_shares,
    devices_of,
    engine_for,
)

# a worker that tells which devices it sees, and one that torchrun would start with a key
TELLS_DEVICES = """
import os, sys
for line in sys.stdin:
    print("failed", os.environ.get("CUDA_VISIBLE_DEVICES"), line.strip(), flush=True)
"""
SHORT_OF_MEMORY_ONCE = """
import os, pathlib, sys
root, key, attached = sys.argv[1:]
assert attached == "--attached"
tries = pathlib.Path(root, "tries")
tries.write_text(tries.read_text() + "x" if tries.exists() else "x")
print("again memory ran out" if tries.read_text() == "x" else "done", flush=True)
"""


@pytest.fixture
def neural(make):
    def run(device):
        settings = preset("nano")
        return make.run(settings=settings, numerics=Numerics(device=device))

    return run


@pytest.fixture
def eight_devices(monkeypatch):
    monkeypatch.setattr(local, "cuda_devices", lambda: tuple("01234567"))


def outcomes(engine, count):
    found = []
    for _ in range(200):
        found += engine.poll(0.2)
        if len(found) >= count:
            return found
    raise AssertionError(f"{len(found)} of {count} runs ended")


@given(st.integers(0, 9), st.integers(1, 9), st.integers(1, 4))
def test_devices_are_dealt_out_evenly_and_only_shared_where_they_are_few(count, workers, ranks):
    devices = [str(number) for number in range(count)]
    shares = device_shares(devices, workers=workers, ranks=ranks)
    assert len(shares) == workers
    assert all(len(share) <= ranks for share in shares)
    if workers * ranks <= count:
        flat = [device for share in shares for device in share]
        assert len(flat) == len(set(flat)) == workers * ranks
    if not count:
        assert set(shares) == {()}


def test_a_study_on_a_machine_of_eight_devices_has_a_worker_on_each(neural, make, eight_devices):
    runs = [neural("cuda"), make.run()]
    assert devices_of(runs) == tuple("01234567")
    assert default_workers(runs, threads=1) == 8
    assert default_workers(runs, threads=1, ranks=4) == 2
    assert default_workers(runs, threads=1, ranks=9) == 1


def test_runs_without_a_device_count_cores(neural, make, eight_devices, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert devices_of([neural("cpu"), make.run()]) == ()
    assert default_workers([neural("cpu")], threads=4) == 1
    assert default_workers([make.run()], threads=1, ranks=2) == 3


def test_every_worker_process_sees_its_own_device(neural, tmp_path, monkeypatch):
    started = subprocess.Popen

    def tell(command, **options):
        return started([sys.executable, "-c", TELLS_DEVICES], **options)

    monkeypatch.setattr(subprocess, "Popen", tell)
    engine = LocalEngine(tmp_path, workers=4, threads=1, devices=("2", "5"))
    try:
        for key in "abcd":
            engine.submit(key)
        told = sorted(str(outcome.failure) for outcome in outcomes(engine, 4))
    finally:
        engine.close()
    devices = [text.split()[0] for text in told]
    assert devices == ["2", "2", "5", "5"]


def test_without_devices_the_environment_is_left_alone(tmp_path, monkeypatch):
    started = subprocess.Popen
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    monkeypatch.setattr(
        subprocess,
        "Popen",
        lambda _, **options: started([sys.executable, "-c", TELLS_DEVICES], **options),
    )
    engine = LocalEngine(tmp_path, workers=1, threads=1)
    try:
        engine.submit("a")
        assert outcomes(engine, 1)[0].failure == "7 a"
    finally:
        engine.close()


def test_a_shared_run_is_started_again_where_memory_ran_out(neural, make, tmp_path, monkeypatch):
    asked = []

    def launcher(ranks):
        asked.append(ranks)
        return ("-c", SHORT_OF_MEMORY_ONCE)

    monkeypatch.setattr(local, "_torchrun", launcher)
    run, surface = neural("cpu"), make.run()
    engine = engine_for([run, surface], tmp_path, workers=1, threads=1, ranks=3)
    try:
        engine.submit(run.key)
        assert outcomes(engine, 1) == [Outcome(run.key, None)]
        assert asked == [3, 3]
        assert engine.free == 1
        engine.submit(surface.key)  # which is not shared, and was never requested
        (ended,) = outcomes(engine, 1)
        assert ended.is_refusal
        assert asked == [3, 3]
    finally:
        engine.close()


def test_a_process_of_a_shared_run_ends_when_its_starter_is_gone(tmp_path: Path):
    """Its input ends; until then nobody answers it, so it waits for the other process."""
    environment = {"TORCHELASTIC_RUN_ID": "x", "RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    pytest.importorskip("torch")
    process = subprocess.Popen(
        [sys.executable, "-m", "bytetransfer.runs.worker", str(tmp_path), "k", "--attached"],
        stdin=subprocess.PIPE, env={**os.environ, **environment},
    )  # fmt: skip
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=2)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(timeout=60) == 0


def test_devices_are_named_as_the_environment_names_them(monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert cuda_devices({}) == ("0", "1")
    assert cuda_devices({"CUDA_VISIBLE_DEVICES": "3, GPU-ab"}) == ("3", "GPU-ab")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert cuda_devices({"CUDA_VISIBLE_DEVICES": ""}) == ()


class Started(Exception):
    """Stands for a process."""


def test_a_worker_computes_and_compiles_with_its_own_threads_only(tmp_path, monkeypatch):
    def start(command, *, env, **_):
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS")
        assert {env[name] for name in names} == {"3"}
        raise Started

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(Started):
        LocalEngine(tmp_path, workers=1, threads=3).submit("key")


def test_workers_compile_in_a_folder_of_this_user_and_only_where_something_is_compiled(
    tmp_path, monkeypatch
):
    started = []

    def start(command, *, env, **_):
        started.append(env)
        raise Started

    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR", raising=False)
    monkeypatch.delenv("TRITON_CACHE_DIR", raising=False)
    names = ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TMPDIR")
    for compiled in (False, True):
        numerics = Numerics(compiled=compiled)
        runs = [SimpleNamespace(key="key", numerics=numerics)]
        with pytest.raises(Started):
            engine_for(runs, tmp_path, workers=1, threads=1).submit("key")
        own = tmp_path / f"bytetransfer-{os.getuid()}"
        given = [Path(started[-1].get(name, "/nowhere")).is_relative_to(own) for name in names]
        assert given == [compiled] * 3
    own.chmod(0o777)
    with pytest.raises(StoreError, match="another user could write"):
        engine_for(runs, tmp_path, workers=1, threads=1)
