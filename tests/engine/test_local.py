"""Workers on this machine: what they are started with."""

import subprocess
from pathlib import Path

import pytest

from bytetransfer.engine.local import LocalEngine


class Started(Exception):
    """Stands for a process."""


def test_a_worker_computes_and_compiles_with_its_own_threads_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(command: list[str], *, env: dict[str, str], **_: object) -> None:
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TORCHINDUCTOR_COMPILE_THREADS")
        assert {env[name] for name in names} == {"3"}
        raise Started

    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(Started):
        LocalEngine(tmp_path, workers=1, threads=3).submit("key")
