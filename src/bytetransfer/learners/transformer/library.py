"""Functions of tensors as machine code in files, which no process but the first has to make.

torch.compile keeps what it makes, too, but loads the whole compiler and traces the function again
in every process before it finds it: five seconds and more, where a library opens in a few
hundredths of one.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import platform
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bytetransfer.disk import disk_errors
from bytetransfer.errors import StoreError

Function = Callable[..., Any]
Library = Callable[[list[Tensor]], list[Tensor]]

_SOURCES = ("attention.py", "compiled.py", "elementary.py", "library.py", "model.py")
_CPU_INFO = Path("/proc/cpuinfo")


def library(
    function: Function, like: Sequence[Tensor], what: str, instead: Mapping[Any, Function]
) -> Library:
    """A function as machine code for this processor; made if no process has made it before.

    Processes that ask for the same one at the same time wait for the first of them.

    Args:
        function: takes tensors and gives tensors; traced once, so that whatever else it depends on
            is fixed.
        like: tensors of the shapes, strides and types it will be called with; with others what it
            gives is undefined.
        what: names the function and all that it depends on, beside the source of this package and
            the shapes of `like`.
        instead: functions in place of torch's operators.

    Raises:
        StoreError: the folder of libraries cannot be written to, or belongs to somebody else.
    """
    folder = library_folder()
    path = folder / f"{_key(like, what)}.so"
    with disk_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.stat().st_uid != os.getuid():
            todo = "set TORCHINDUCTOR_CACHE_DIR to a folder of yours"
            raise StoreError("machine code would be run from here", where=str(folder), todo=todo)
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not path.exists():
                _make(function, like, path, instead)
    runner = torch._C._aoti.AOTIModelContainerRunnerCpu(str(path), 1)
    return lambda tensors: runner.run(tensors)


def library_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Where libraries lie: where torch's compiler is told to keep its own, or temporary files."""
    named = environment.get("TORCHINDUCTOR_CACHE_DIR")
    if named:
        return Path(named) / "bytetransfer"
    return Path(tempfile.gettempdir()) / f"bytetransfer-{os.getuid()}"


def _key(like: Sequence[Tensor], what: str) -> str:
    """Digest of everything that decides what the machine code is."""
    tensors = [(tuple(x.shape), x.stride(), str(x.dtype)) for x in like]
    threads = torch.get_num_threads()
    told = repr((what, tensors, threads, torch.__version__, _processor(), _source()))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _make(
    function: Function, like: Sequence[Tensor], path: Path, instead: Mapping[Any, Function]
) -> None:
    """Trace and compile; the file appears whole or not at all."""
    import torch._inductor
    from torch._inductor.decomposition import select_decomp_table
    from torch.fx.experimental.proxy_tensor import make_fx

    # a killed process leaves this folder behind; the next one of the same key begins it anew
    scratch = path.with_suffix(".making")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    inside = scratch / "library.so"
    options = {
        "aot_inductor.output_path": str(inside),
        "cpp.enable_floating_point_contract_flag": "fast",  # a product and a sum are one operation
    }
    trace = make_fx(function, {**select_decomp_table(), **instead}, tracing_mode="fake")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's, of its own code
        graph = trace(*like)
        torch._inductor.aot_compile(graph, tuple(x.detach() for x in like), options=options)
    with inside.open("rb") as file:
        os.fsync(file.fileno())
    inside.replace(path)
    shutil.rmtree(scratch, ignore_errors=True)


@functools.cache
def _processor() -> str:
    """What code that is made for this very processor depends on."""
    kind = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    if not _CPU_INFO.exists():
        return kind
    lines = _CPU_INFO.read_text(encoding="utf-8", errors="replace").splitlines()
    told = {line for line in lines if line.startswith(("model name", "flags", "Features"))}
    return "\n".join([kind, *sorted(told)])


@functools.cache
def _source() -> bytes:
    """Digest of the code that is traced."""
    folder = Path(__file__).parent
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in _SOURCES)).digest()
