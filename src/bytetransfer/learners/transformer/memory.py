"""Memory that ran out: what says so, and what gives some of it back."""

from __future__ import annotations

import torch


def is_lack_of_memory(error: RuntimeError) -> bool:
    """Whether an allocation failed; on a CPU torch has no class for it."""
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)


def release_memory(device: torch.device) -> None:
    """Let go of what a failed try leaves behind.

    To be called outside the handler: there the error still keeps the tensors of the try alive.
    """
    if device.type == "cuda":
        torch.cuda.empty_cache()
