"""The benchmark of a CUDA device, gone through without one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280)


@pytest.mark.slow
def test_dry_it_goes_through_every_step_and_says_that_figures_mean_nothing(tmp_path: Path) -> None:
    file = tmp_path / "gpu.json"
    done = run("--dry", "--processes", "2", "--seconds", "0.1", "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert "figures mean nothing" in done.stdout
    found = json.loads(file.read_text())
    assert [row["processes"] for row in found["rows"]] == [1, 2]
    assert all(row["mb_per_s"] > 0 and row["share_of_matmul"] > 0 for row in found["rows"])
    assert len(done.stdout.splitlines()) == 2 + len(found["rows"])


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_without_a_device_it_says_so() -> None:
    done = run()
    assert done.returncode == 2
    assert "no CUDA device" in done.stderr
    assert not done.stdout
