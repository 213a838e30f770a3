"""Functions of tensors as machine code in files, which no process but the first has to make.

torch.compile keeps what it makes, too, but loads the whole compiler and traces the function again
in every process before it finds it: five seconds and more, where a library opens in a few
hundredths of one.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from bytetransfer.errors import StoreError
from bytetransfer.files.disk import disk_errors
from bytetransfer.files.locks import hold
from bytetransfer.learners.transformer.code_folder import (
    NAMED,
    claim_code_folder,
    is_ours,
    make_private,
)

Function = Callable[..., Any]
Library = Callable[[list[Tensor]], list[Tensor]]

_SOURCES = ["attention.py", "compiled.py", "elementary.py", "library.py", "model.py", "settings.py"]
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
        StoreError: libraries cannot be written to their folder or run from it, somebody else could
            write to it, or the compiler failed.
    """
    folder = claim_code_folder()
    path = folder / f"{_key(like, what)}.so"
    with disk_errors(folder):
        make_private(folder)
        with _opened(path.with_suffix(".lock")) as lock:
            hold(lock, folder, wait=True, local=f"set {NAMED} to a folder on a local disk")
            lock.seek(0)
            if not is_ours(path) or _digest(path) != lock.read():
                _make(function, like, path, instead)
                lock.truncate(0)
                lock.write(_digest(path))
    try:
        runner = torch._C._aoti.AOTIModelContainerRunnerCpu(str(path), 1)
    except RuntimeError as error:
        todo = f"set {NAMED} to a folder that code may be run from"
        raise StoreError(f"cannot be opened ({error})", where=str(path), todo=todo) from error
    return lambda tensors: runner.run(tensors)


def modes() -> tuple[int, bool, bool]:
    """What torch is set to that decides what the machine code is."""
    filling: bool = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
    return torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), filling


def _opened(path: Path) -> IO[str]:
    """A file of ours that others neither wrote nor linked, open for reading and writing.

    The folder is ours alone now; what lies in it may be of a time when it was not.
    """
    if os.path.lexists(path) and not is_ours(path):
        path.unlink()
    flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    return os.fdopen(os.open(path, flags, 0o600), "a+")


def _key(like: Sequence[Tensor], what: str) -> str:
    """Digest of everything that decides what the machine code is."""
    tensors = [(tuple(x.shape), x.stride(), str(x.dtype)) for x in like]
    told = repr((what, tensors, modes(), torch.__version__, _processor(), _source()))
    return hashlib.sha256(told.encode()).hexdigest()[:32]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _make(
    function: Function, like: Sequence[Tensor], path: Path, instead: Mapping[Any, Function]
) -> None:
    """Trace and compile; the file appears whole or not at all."""
    import torch._inductor.codecache
    from torch._inductor.decomposition import select_decomp_table
    from torch.fx.experimental.proxy_tensor import make_fx

    # a killed process leaves its folder behind, and perhaps a compiler that still writes to it
    for left in path.parent.glob(f"{path.stem}.*.making"):
        shutil.rmtree(left, ignore_errors=True)
    scratch = path.with_suffix(f".{os.getpid()}.making")
    scratch.mkdir()
    inside = scratch / "library.so"
    options: dict[str, object] = {
        "aot_inductor.output_path": str(inside),
        "cpp.enable_floating_point_contract_flag": "fast",  # a product and a sum are one operation
    }
    headers = getattr(torch._inductor.codecache, "_HEADER_DIR", None)
    if headers is not None and not Path(headers).is_relative_to(path.parents[1]):
        # the compiler was loaded before it was given a folder, and would read what lies in its own
        options["aot_inductor.precompile_headers"] = False
    trace = make_fx(function, {**select_decomp_table(), **instead}, tracing_mode="fake")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's, of its own code
        graph = trace(*like)
        try:
            torch._inductor.aot_compile(graph, tuple(x.detach() for x in like), options=options)
        except RuntimeError as error:
            raise _refusal(error, path) from error
    inside.chmod(0o700)  # a linker leaves it as open as the user's files usually are
    with inside.open("rb") as file:
        os.fsync(file.fileno())
    inside.replace(path)
    shutil.rmtree(scratch, ignore_errors=True)


def _refusal(error: RuntimeError, path: Path) -> StoreError:
    """A compiler's failure in one line; what it says is pages long."""
    told = f"{error}"
    if "No space left on device" in told:
        todo = f"free some space and start again, or set {NAMED} to another folder"
        return StoreError("the disk is full", where=str(path.parent), todo=todo)
    note = path.with_suffix(".txt")
    with contextlib.suppress(OSError):
        note.write_text(told, encoding="utf-8")
    todo = 'read there why, or train without it by compile = "never" under [numerics]'
    return StoreError("torch's compiler failed", where=str(note), todo=todo)


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
