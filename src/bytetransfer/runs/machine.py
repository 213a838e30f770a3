"""What a run was done on, in words: for the record, never part of a result."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from pathlib import Path

from bytetransfer.learners.transformer.numerics import Numerics, cuda_device_name

_CPU_INFO = Path("/proc/cpuinfo")
_MODEL = re.compile(r"^model name\s*:\s*(\S.*)$", re.MULTILINE)
_PACKAGES = ("bytetransfer", "numpy", "torch")


def machine_name(numerics: Numerics | None, *, cpu_info: Path = _CPU_INFO) -> str:
    """The processor, its cores, the memory, and the CUDA device where a run used one.

    Args:
        numerics: how the run computed; None for a learner that needs only a processor.
        cpu_info: where the system tells the processor's model, if it does.
    """
    cores = os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    parts = [
        *([cuda_device_name()] if numerics is not None and numerics.device == "cuda" else []),
        _processor(cpu_info),
        f"{cores} core" + "s" * (cores != 1),
        f"{memory:.0f} GB memory",
    ]
    return ", ".join(parts)


def _processor(cpu_info: Path) -> str:
    """The model where the system tells it, and the architecture."""
    kind = platform.machine()
    try:
        found = _MODEL.search(cpu_info.read_text(encoding="utf-8", errors="replace"))
    except OSError:  # macOS has no such file
        found = None
    model = " ".join(found[1].split()) if found else platform.processor()
    return f"{model} ({kind})" if model and model != kind else kind


def installed_versions() -> dict[str, str]:
    """Versions of Python and of what results depend on, as far as it is installed."""
    installed = {found.metadata["Name"] for found in metadata.distributions()}
    found = {name: metadata.version(name) for name in _PACKAGES if name in installed}
    return {"python": platform.python_version(), **found}
