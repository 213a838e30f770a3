"""States and checkpoints on disk: one safetensors file each, replaced atomically.

Each holds the SHA-256 of its tensors and its record; files of earlier versions have none.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bytetransfer.errors import StoreError
from bytetransfer.files.disk import write_atomic

_RECORD, _DIGEST = "bytetransfer", "sha256"  # of our JSON and its digest among a file's metadata


def write_tensors(path: Path, tensors: Mapping[str, Tensor], record: str = "") -> None:
    """Write tensors and a record (JSON) as one file that is either whole or not there.

    Raises:
        StoreError: the disk is full or the folder cannot be written.
    """
    here = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
    digest = hashlib.sha256()
    for name in sorted(here):
        _add(digest, name, here[name])
    digest.update(record.encode())
    metadata = {"format": "pt", _RECORD: record, _DIGEST: digest.hexdigest()}
    write_atomic(path, _in_one_order(save(here, metadata)))


def read_tensors(
    path: Path, part: Callable[[Tensor], Tensor] = lambda tensor: tensor
) -> tuple[dict[str, Tensor], str]:
    """The tensors and the record of a file; on the CPU.

    Args:
        path: the file.
        part: what of each tensor is wanted; the rest does not stay in memory.

    Raises:
        StoreError: the file is missing, damaged or not ours.
    """
    digest, tensors = hashlib.sha256(), {}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            for name in sorted(file.keys()):
                whole = file.get_tensor(name)
                _add(digest, name, whole)
                # a copy: the file may be replaced while its memory map is in use
                tensors[name] = part(whole).clone()
    except FileNotFoundError:
        raise StoreError("there is no such file", where=str(path), todo=_TODO) from None
    except (SafetensorError, OSError) as error:
        raise StoreError(f"damaged ({error})", where=str(path), todo=_TODO) from error
    if (record := metadata.get(_RECORD)) is None:
        raise StoreError("not written by bytetransfer", where=str(path), todo=_TODO)
    digest.update(record.encode())
    if metadata.get(_DIGEST, digest.hexdigest()) != digest.hexdigest():
        what = "damaged (the content is not what was written: it has another SHA-256)"
        raise StoreError(what, where=str(path), todo=_TODO)
    return tensors, record


def _in_one_order(payload: bytes) -> bytes:
    """The same file with its header sorted: safetensors writes metadata in a random order."""
    start = 8 + int.from_bytes(payload[:8], "little")
    header = json.dumps(json.loads(payload[8:start]), sort_keys=True, separators=(",", ":"))
    padded = header.encode() + b" " * (-len(header) % 8)  # tensors are to begin at a multiple of 8
    return b"".join([len(padded).to_bytes(8, "little"), padded, memoryview(payload)[start:]])


def _add(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
    digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)


_TODO = "delete this folder and run again"


class Pace:
    """When to write a checkpoint: seldom enough to cost little, whatever the size of the model.

    It looks at a clock, which is harmless: resuming from any step gives the same result.
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._next = clock() + seconds

    def due(self) -> bool:
        """Whether it is time for the next one."""
        return self._clock() >= self._next

    def run(self, work: Callable[[], None]) -> None:
        """Do it, and allow the next after `seconds` or 20 times what it took."""
        began = self._clock()
        work()
        ended = self._clock()
        self._next = ended + max(self._seconds, 20 * (ended - began) if self._seconds else 0.0)
