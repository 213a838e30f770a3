import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

_MEASURED = """
import pathlib, sys
import bytetransfer.corpus.sources
def peak():  # what getrusage says begins with the memory of the parent
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
before = peak()
exec(sys.argv[1])
print(peak() - before)
"""


@pytest.fixture
def peak_memory() -> Callable[[str], tuple[str, int]]:
    """What code prints in a process of its own, and how many bytes its memory grew by."""

    if not Path("/proc/self/status").is_file():
        pytest.skip("the peak of a process's memory is read from /proc")

    def measure(code: str) -> tuple[str, int]:
        arguments = [sys.executable, "-c", _MEASURED, textwrap.dedent(code)]
        done = subprocess.run(arguments, capture_output=True, text=True)
        assert not done.returncode, done.stderr
        *printed, grown = done.stdout.split()
        return " ".join(printed), int(grown)

    return measure
