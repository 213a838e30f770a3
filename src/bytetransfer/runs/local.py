"""Runs on this machine: a few worker processes that stay alive over many runs.

A worker is the command `python -m bytetransfer.runs.worker`, fed with keys on its standard input
and answering on its standard output. When this process dies, however it dies, its workers read the
end of their input and stop. A run that several processes share is a `torchrun` of that command.
"""

from __future__ import annotations

import contextlib
import functools
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from bytetransfer.learners.transformer.code_folder import code_environment
from bytetransfer.learners.transformer.numerics import cuda_devices
from bytetransfer.planning.run import Run
from bytetransfer.runs.engine import Outcome

_WORKER = "bytetransfer.runs.worker"
_SECONDS_TO_LET_GO = 2.0


class LocalEngine:
    """Worker processes on this machine.

    Args:
        root: the store's folder.
        workers: how many run at a time.
        threads: how many threads each process may use.
        devices: CUDA devices, as CUDA_VISIBLE_DEVICES names them; each worker sees its share.
        ranks: processes that share a run of those in `shared`.
        shared: keys of such runs.
        environment: variables of the worker processes besides those of this one.
    """

    def __init__(
        self,
        root: Path,
        *,
        workers: int,
        threads: int,
        devices: Sequence[str] = (),
        ranks: int = 1,
        shared: Collection[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._outcomes: queue.Queue[tuple[_Worker, Outcome]] = queue.Queue()
        self._ranks, self._shared = ranks, frozenset(shared)
        self._idle = [
            _Worker(root, threads, own, self._outcomes, dict(environment or {}))
            for own in device_shares(devices, workers=workers, ranks=ranks)
        ]
        self._workers = tuple(self._idle)

    @property
    def free(self) -> int:
        """Workers without a run."""
        return len(self._idle)

    def submit(self, key: str) -> None:
        """Hand the run to an idle worker."""
        self._idle.pop().begin(key, ranks=self._ranks if key in self._shared else 1)

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


def devices_of(runs: Iterable[Run]) -> tuple[str, ...]:
    """The CUDA devices at hand, if any of the runs computes on one."""
    numerics = [run.numerics for run in runs]
    on_cuda = any(found is not None and found.device == "cuda" for found in numerics)
    return cuda_devices() if on_cuda else ()


def engine_for(
    runs: Sequence[Run], root: Path, *, workers: int, threads: int, ranks: int = 1
) -> LocalEngine:
    """An engine for these runs: transformers' are shared by `ranks` processes each.

    Raises:
        StoreError: runs are to be compiled, and there is no folder of this user's for that.
    """
    is_compiled = any(run.numerics is not None and run.numerics.compiled for run in runs)
    shared = [run.key for run in runs if run.numerics is not None]
    devices = devices_of(runs)
    return LocalEngine(
        root,
        workers=workers,
        threads=threads,
        devices=devices,
        ranks=ranks,
        shared=shared,
        environment=code_environment() if is_compiled else {},
    )


def default_workers(runs: Iterable[Run], *, threads: int, ranks: int = 1) -> int:
    """As many runs at a time as there are devices for, or cores where none is needed."""
    places = len(devices_of(runs)) or (os.cpu_count() or 1) // threads
    return max(1, places // ranks)


def device_shares(devices: Sequence[str], *, workers: int, ranks: int = 1) -> list[tuple[str, ...]]:
    """The devices each worker sees: `ranks` of them, dealt out in turn; () where there are none.

    >>> device_shares(["0", "1"], workers=3)
    [('0',), ('1',), ('0',)]
    >>> device_shares(["0", "1", "2", "3"], workers=2, ranks=2)
    [('0', '1'), ('2', '3')]
    """
    groups = [tuple(devices[at : at + ranks]) for at in range(0, len(devices), ranks)] or [()]
    return [groups[number % len(groups)] for number in range(workers)]


class _Worker:
    """One worker process, started with its first run and again if it dies."""

    def __init__(
        self,
        root: Path,
        threads: int,
        devices: tuple[str, ...],
        outcomes: queue.Queue[tuple[_Worker, Outcome]],
        environment: dict[str, str],
    ) -> None:
        self._environment = environment
        self._root, self._threads, self._devices = root, threads, devices
        self._outcomes = outcomes
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False

    def begin(self, key: str, *, ranks: int = 1) -> None:
        """Do a run; one of several ranks has processes of its own, which end with it."""
        if self._process is not None and (ranks > 1 or self._process.poll() is not None):
            self._end()
        if ranks > 1:
            follow = functools.partial(self._follow_ranks, key, ranks)
        else:
            self._process = self._process or self._start("-m", _WORKER, str(self._root))
            follow = functools.partial(self._follow, self._process, key)
        self._thread = threading.Thread(target=follow, daemon=True)
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

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
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
        devices = {"CUDA_VISIBLE_DEVICES": ",".join(self._devices)} if self._devices else {}
        return subprocess.Popen(
            [sys.executable, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **self._environment, **threads, **memory, **devices},
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

    def _follow_ranks(self, key: str, ranks: int) -> None:
        """Do a run in processes of its own, once more as often as memory ran out.

        The first to answer tells: where one fails, the others only miss it.
        """
        answer = "again"
        while answer.partition(" ")[0] == "again" and not self._stopping:
            arguments = (*_torchrun(ranks), str(self._root), key, "--attached")
            with self._start(*arguments) as self._process:
                assert self._process.stdout is not None
                answer = self._process.stdout.readline().strip()
                answer = answer or _how_it_died(self._process.wait())
        if not self._stopping:
            self._outcomes.put((self, _outcome(key, answer)))


def _torchrun(ranks: int) -> tuple[str, ...]:
    """The interpreter's arguments that start a worker in so many processes on this machine."""
    launcher = ("-m", "torch.distributed.run", "--standalone")
    return (*launcher, "--nproc-per-node", str(ranks), "-m", _WORKER)


def _outcome(key: str, answer: str) -> Outcome:
    word, _, reason = answer.partition(" ")
    if word == "done":
        return Outcome(key, None)
    return Outcome(key, reason, is_refusal=word == "refused")


def _how_it_died(code: int) -> str:
    if code == -9:
        return "failed its worker process was killed (signal 9); often that means memory ran out"
    return f"failed its worker process ended with code {code}; its messages are above"
