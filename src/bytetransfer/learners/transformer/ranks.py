"""The processes that share one run: which of them this is, and what they tell each other.

`torchrun` starts one process, a *rank*, per device and says so in the environment. All ranks do the
same run in step: each computes its rows of every batch, gradients are summed, decisions that look
at a clock or a disk are the first rank's, and only the first rank writes.
"""

from __future__ import annotations

import contextlib
import datetime
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_PATIENCE = datetime.timedelta(hours=1)  # the others wait while the first writes a checkpoint


@dataclass(frozen=True)
class Ranks:
    """One of the processes that share a run.

    Attributes:
        number: which, from 0.
        count: how many there are.
    """

    number: int = 0
    count: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.number == 0

    def share(self, total: int) -> slice:
        """This rank's part of `total` things in a row; parts differ by at most one.

        >>> [Ranks(number, 3).share(8) for number in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(self.number * total // self.count, (self.number + 1) * total // self.count)

    def add(self, tensor: Tensor) -> Tensor:
        """The sum of the ranks' tensors, in place; the same bits on every rank."""
        if self.count > 1:
            import torch.distributed

            torch.distributed.all_reduce(tensor)
        return tensor

    def first_says(self, value: float) -> float:
        """The first rank's value."""
        return self._heard(value)[0]

    def least(self, value: int) -> int:
        """The lowest of the ranks' values."""
        return int(min(self._heard(value)))

    def agree(self, value: int) -> bool:
        """Whether all ranks have the same value."""
        return len(set(self._heard(value))) == 1

    def _heard(self, value: float) -> list[float]:
        """Every rank's value, by rank; over the CPUs, so that no device is waited for."""
        if self.count == 1:
            return [value]
        import torch

        values = torch.zeros(self.count, dtype=torch.float64)
        values[self.number] = value
        torch.distributed.all_reduce(values)
        return [float(heard) for heard in values]


ALONE = Ranks()
"""A run of one process."""


def is_launched(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether `torchrun` has started this process."""
    return "TORCHELASTIC_RUN_ID" in environment


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """The ranks that `torchrun` has started, connected; this process alone if it did not.

    A rank computes on the CUDA device of its local number, if the machine has any.
    """
    if not is_launched():
        yield ALONE
        return
    import torch
    import torch.distributed

    cuda = torch.cuda.is_available()
    if cuda:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield Ranks(torch.distributed.get_rank(), torch.distributed.get_world_size())
    finally:
        torch.distributed.destroy_process_group()
