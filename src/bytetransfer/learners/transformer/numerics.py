"""How a run computes, chosen by a rule from what the machine offers and never by a clock."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from bytetransfer.errors import MissingExtraError, StudyError
from bytetransfer.learners.transformer.settings import (
    Shape,
    TransformerSettings,
    flops_per_byte,
)

if TYPE_CHECKING:
    from types import ModuleType

COMPILE_FLOPS_CPU = 60e12
"""Training work of all runs of one shape from which compiling it pays on a CPU.

Measured on one core with AVX-512 and bf16 (docs/performance.md): compiling takes 34 s at the
smallest preset and more with more layers, and training proceeds at 99 to 131 instead of 68 to 97
GFLOP/s, so the time is won back after 7 to 14 TFLOP. Workers that begin together wait for the first
of them, so that four of them take four times as long to win it back: this is where all gain."""

MICRO_BATCH_CPU = 4096
"""Bytes of text at a time on a CPU: more falls out of its caches between two layers, less leaves
products too small. Around this size it makes a few per cent."""

MATMUL_CONTEXT = 512
"""Up to this context, plain matrix products beat the fused attention kernel on a CPU."""


class Numerics(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may change the last digits of a result, but not its meaning.

    Attributes:
        device: "cpu" or "cuda".
        precision: of matrix products in training; weights, moments and sums are float32.
        attention: "matmul" (rows of the score matrix that see only their past) or "sdpa"
            (torch's fused kernel).
        compiled: whether training and scoring go through torch's compiler.
        threads: of torch on the CPU.
        micro_batch: sequences at a time; a larger batch is accumulated.
        scored_symbols: positions scored at a time, padding counted; absent in a request, where it
            follows from the device, and in a result unless memory ran out.
    """

    device: Literal["cpu", "cuda"] = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"
    attention: Literal["sdpa", "matmul"] = "matmul"
    compiled: bool = False
    threads: int = 1
    micro_batch: int = 16
    scored_symbols: int | msgspec.UnsetType = msgspec.UNSET


def resolve_numerics(
    settings: TransformerSettings,
    *,
    threads: int,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    compile: Literal["auto", "never", "always"] = "auto",
    planned_bytes: int | None = None,
) -> Numerics:
    """The numerics of a run on this machine.

    Args:
        settings: of the run.
        threads: CPU threads it is given.
        device: "auto" takes a CUDA device if there is one.
        precision: "auto" takes bf16 where the hardware multiplies it natively.
        compile: "auto" compiles on CUDA, and on a CPU if `planned_bytes` of training are worth
            `COMPILE_FLOPS_CPU` or more; only where there is a C++ compiler.
        planned_bytes: bytes that all runs of this shape are expected to see in the study; unknown
            means few.

    Raises:
        MissingExtraError: torch is not installed.
        StudyError: CUDA or compiling was asked for and is not possible.
    """
    torch = _torch()
    cuda = bool(torch.cuda.is_available())
    if device == "cuda" and not cuda:
        raise StudyError("there is no CUDA device on this machine", todo='use device = "auto"')
    if device == "auto":
        device = "cuda" if cuda else "cpu"
    native = _multiplies_bf16(torch, device)
    if precision == "auto":
        precision = "bf16" if native else "fp32"
    if compile == "always" and not has_compiler():
        what = 'compile = "always", and this machine has no C++ compiler'
        raise StudyError(what, todo='install g++ or clang++, or use compile = "auto"')
    work = (planned_bytes or 0) * flops_per_byte(settings.shape)
    pays = device == "cuda" or work >= COMPILE_FLOPS_CPU
    compiled = compile == "always" or (compile == "auto" and pays and has_compiler())
    sdpa = device == "cuda" or settings.shape.context > MATMUL_CONTEXT
    return Numerics(
        device=device,
        precision=precision,
        attention="sdpa" if sdpa else "matmul",
        compiled=compiled,
        threads=threads,
        micro_batch=_micro_batch(torch, settings, device),
    )


def slower_without(
    *,
    device: Literal["auto", "cpu", "cuda"],
    precision: Literal["auto", "fp32", "bf16"],
    compile: Literal["auto", "never", "always"],
) -> list[str]:
    """What this machine lacks for the fast path, so that training takes another: a sentence each.

    Raises:
        MissingExtraError: torch is not installed.
    """
    torch = _torch()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    found = []
    if precision == "auto" and not _multiplies_bf16(torch, device):
        found.append("No bf16 on this processor: transformers are trained in float32, slower.")
    if compile == "auto" and not has_compiler():
        found.append(
            "No C++ compiler on this machine: transformers are trained uncompiled, slower."
        )
    return found


def cuda_devices(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """The CUDA devices at hand, as CUDA_VISIBLE_DEVICES names them."""
    count = int(_torch().cuda.device_count())
    named = environment.get("CUDA_VISIBLE_DEVICES", "")
    names = [name.strip() for name in named.split(",")] if named else map(str, range(count))
    return tuple(names)[:count]


def cuda_device_name() -> str:
    """What the CUDA device that this process computes on calls itself."""
    return str(_torch().cuda.get_device_name())


def has_compiler() -> bool:
    """Whether there is a C++ compiler for torch's compiler to call."""
    usual = "clang++" if sys.platform == "darwin" else "g++"
    return shutil.which(os.environ.get("CXX", usual)) is not None


def activation_bytes(shape: Shape) -> int:
    """Memory one byte of training text takes between forward and backward, about, in bf16."""
    layer = 2 * (16 * shape.width + 5 * shape.feed_forward)
    return shape.layers * layer + 12 * 257


def _torch() -> ModuleType:
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", extra="neural") from None
    return torch


def _multiplies_bf16(torch: ModuleType, device: str) -> bool:
    """Whether bf16 products are native there, not emulated (which would be slower than fp32)."""
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    probes = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    return any(bool(getattr(torch.cpu, probe, bool)()) for probe in probes)


def _micro_batch(torch: ModuleType, settings: TransformerSettings, device: str) -> int:
    """The batch, halved until its activations fit half of a GPU's memory, or a CPU's caches."""
    sequence, limit = settings.shape.context, MICRO_BATCH_CPU
    if device == "cuda":
        sequence *= activation_bytes(settings.shape)
        limit = int(torch.cuda.get_device_properties(0).total_memory) // 2
    micro_batch = settings.batch
    while micro_batch > 1 and micro_batch * sequence > limit:
        micro_batch = -(-micro_batch // 2)
    return micro_batch
