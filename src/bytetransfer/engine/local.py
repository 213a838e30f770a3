"""Runs on this machine: a few worker processes that stay alive over many runs.

A worker is the command `python -m bytetransfer.engine.worker`, fed with keys on its standard input
and answering on its standard output. When this process dies, however it dies, its workers read the
end of their input and stop.
"""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import threading
from pathlib import Path

from bytetransfer.engine.engine import Outcome

_SECONDS_TO_LET_GO = 2.0


class LocalEngine:
    """Worker processes on this machine.

    Args:
        root: the store's folder.
        workers: how many run at a time.
        threads: how many threads each may use.
    """

    def __init__(self, root: Path, *, workers: int, threads: int) -> None:
        self._outcomes: queue.Queue[tuple[_Worker, Outcome]] = queue.Queue()
        self._idle = [_Worker(root, threads, self._outcomes) for _ in range(workers)]
        self._workers = tuple(self._idle)

    @property
    def free(self) -> int:
        """Workers without a run."""
        return len(self._idle)

    def submit(self, key: str) -> None:
        """Hand the run to an idle worker."""
        self._idle.pop().begin(key)

    def poll(self, seconds: float) -> list[Outcome]:
        """The runs that have ended since the last call; waits at most `seconds` for one."""
        ended: list[Outcome] = []
        try:
            while True:
                worker, outcome = self._outcomes.get(timeout=0 if ended else seconds)
                self._idle.append(worker)
                ended.append(outcome)
        except queue.Empty:
            return ended

    def close(self) -> None:
        """Stop the workers; what they were at resumes from its checkpoint another time."""
        for worker in self._workers:
            worker.stop()


class _Worker:
    """One worker process, started with its first run and again if it dies."""

    def __init__(
        self, root: Path, threads: int, outcomes: queue.Queue[tuple[_Worker, Outcome]]
    ) -> None:
        self._root, self._threads, self._outcomes = root, threads, outcomes
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def begin(self, key: str) -> None:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            self._process = self._start()
        self._thread = threading.Thread(target=self._follow, args=(self._process, key), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping = True
        self._end()

    def _end(self) -> None:
        """Kill the process if it lives, and close its streams once nobody reads them."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        if self._thread is not None:
            # a process that the worker has started may hold the other end a little longer
            self._thread.join(timeout=_SECONDS_TO_LET_GO)
            if not self._thread.is_alive():
                with contextlib.suppress(BrokenPipeError), self._process:
                    pass
        self._process = None

    def _start(self) -> subprocess.Popen[str]:
        # threads of the numerical libraries are fixed before they are loaded; so many processes
        # compile, or every worker would start one for each core, that each load torch
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        threads = {name: str(self._threads) for name in (*names, "TORCHINDUCTOR_COMPILE_THREADS")}
        # large blocks are kept for the next step instead of going back to the system each time:
        # a few per cent of a training step, the same results
        memory = {
            name: str(1 << 28)
            for name in ("MALLOC_TOP_PAD_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")
        }
        return subprocess.Popen(
            [sys.executable, "-m", "bytetransfer.engine.worker", str(self._root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **threads, **memory},
            start_new_session=True,  # Ctrl-C reaches the parent alone, which then stops its workers
        )

    def _follow(self, process: subprocess.Popen[str], key: str) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(key + "\n")
            process.stdin.flush()
            answer = process.stdout.readline().strip()
        except OSError:
            answer = ""
        if self._stopping:
            return
        self._outcomes.put((self, _outcome(key, answer or _how_it_died(process.wait()))))


def _outcome(key: str, answer: str) -> Outcome:
    word, _, reason = answer.partition(" ")
    if word == "done":
        return Outcome(key, None)
    return Outcome(key, reason, is_refusal=word == "refused")


def _how_it_died(code: int) -> str:
    if code == -9:
        return "failed its worker process was killed (signal 9); often that means memory ran out"
    return f"failed its worker process ended with code {code}; its messages are above"
