"""How the weights of one model lie on the ranks that train it: whole on each, or a piece on each.

Both placements do the same arithmetic. The loss is summed nats times a scale that every rank knows
(one over the bytes the whole batch predicts), so gradients are added over ranks, never averaged:
ranks whose rows hold fewer targets weigh less, as they would in one process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bytetransfer.learners.transformer.model import Weights
from bytetransfer.learners.transformer.ranks import Ranks
from bytetransfer.learners.transformer.settings import Shape, parameters

SHARD_FROM_PARAMETERS = 500_000_000
"""Models of this size or more are sharded over ranks: weights, gradients and moments take 16 bytes
a parameter, which below it is less than a tenth of a card of 80 GB."""

Nats = Callable[[Weights, Tensor, Tensor], Tensor]


def is_sharded(shape: Shape, ranks: Ranks) -> bool:
    """Whether a model of that shape is laid out in pieces."""
    return ranks.count > 1 and parameters(shape) >= SHARD_FROM_PARAMETERS


class Placement(Protocol):
    """Weights on ranks.

    Attributes:
        leaves: what this rank's optimiser changes: the weights, or its rows of each.
        survives_lack_of_memory: whether a step that failed for it can be tried again; not where
            ranks talk to each other in the middle of it.
    """

    leaves: Weights
    survives_lack_of_memory: bool

    def accumulate(self, x_BT: Tensor, y_BT: Tensor, scale: float, *, is_last: bool) -> Tensor:
        """Add the gradient of `scale` · nats to what is there; gives `scale` · nats."""
        ...

    def combine(self, loss: Tensor) -> Tensor:
        """Make the leaves' gradients those of all ranks' rows; gives the sum of their losses."""
        ...

    def clip(self, most: float) -> Tensor:
        """Scale the gradient so that its global norm is at most `most`; the norm before."""
        ...

    def whole(self) -> Weights:
        """All weights as they are, on this rank's device, to compute with."""
        ...

    def gather(self, parts: Mapping[str, Tensor], *, everywhere: bool) -> Weights:
        """Whole tensors from ranks' parts (named as leaves, or NAME/MOMENT), on the CPU.

        Every rank must call it; where not `everywhere`, others than the first may get nothing.
        """
        ...

    def part(self, tensor: Tensor) -> Tensor:
        """This rank's part of a whole tensor: what `gather` puts together."""
        ...


class Replicated:
    """All weights on every rank; gradients are added up once a step, after the last micro-batch."""

    survives_lack_of_memory = True

    def __init__(self, weights: Weights, nats: Nats, ranks: Ranks) -> None:
        self._nats, self._ranks = nats, ranks
        self.leaves = {name: weight.requires_grad_() for name, weight in weights.items()}

    def accumulate(self, x_BT: Tensor, y_BT: Tensor, scale: float, *, is_last: bool) -> Tensor:
        """See `Placement`."""
        loss = self._nats(self.leaves, x_BT, y_BT) * scale
        torch.autograd.backward(loss)
        return loss.detach()

    def combine(self, loss: Tensor) -> Tensor:
        """See `Placement`; one message for all of it."""
        if self._ranks.count == 1:
            return loss
        leaves = list(self.leaves.values())
        gradients = [leaf.grad for leaf in leaves if leaf.grad is not None]
        flat = self._ranks.add(torch.cat([loss.view(1), *(g.reshape(-1) for g in gradients)]))
        parts = torch.split(flat[1:], [leaf.numel() for leaf in leaves])
        for leaf, part in zip(leaves, parts, strict=True):
            leaf.grad = part.view_as(leaf)
        return flat[0]

    def clip(self, most: float) -> Tensor:
        """See `Placement`."""
        return torch.nn.utils.clip_grad_norm_(self.leaves.values(), most, foreach=True)

    def whole(self) -> Weights:
        """See `Placement`."""
        return self.leaves

    def gather(self, parts: Mapping[str, Tensor], *, everywhere: bool) -> Weights:
        """See `Placement`."""
        return dict(parts)

    def part(self, tensor: Tensor) -> Tensor:
        """See `Placement`."""
        return tensor


class Sharded:
    """Rows of every weight, of its gradient and of its moments on each rank (torch's FSDP).

    All weights form one group: they are gathered once a step and let go after its last backward
    pass, whose end adds up the gradients and leaves each rank its rows. The optimiser sees plain
    local tensors.
    """

    survives_lack_of_memory = False

    def __init__(self, weights: Weights, nats: Nats, ranks: Ranks) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        self._ranks = ranks
        self._rows = {name: len(weight) for name, weight in weights.items()}
        self._module: Any = _Loss(weights, nats)
        device = next(iter(weights.values())).device
        fully_shard(self._module, mesh=init_device_mesh(device.type, (ranks.count,)))
        sharded: dict[str, Any] = self._module.weights()
        self.leaves = {name: weight.to_local().detach() for name, weight in sharded.items()}

    def accumulate(self, x_BT: Tensor, y_BT: Tensor, scale: float, *, is_last: bool) -> Tensor:
        """See `Placement`; ranks talk before the first and after the last one only."""
        self._module.set_requires_gradient_sync(is_last)
        self._module.set_reshard_after_backward(is_last)
        loss: Tensor = self._module(x_BT, y_BT) * scale
        torch.autograd.backward(loss * self._ranks.count)  # FSDP divides by it
        return loss.detach()

    def combine(self, loss: Tensor) -> Tensor:
        """See `Placement`; the gradients have been added up in the backward pass."""
        for name, weight in self._module.weights().items():
            assert weight.grad is not None, "every weight takes part in the loss"
            self.leaves[name].grad = weight.grad.to_local()
            weight.grad = None
        return self._ranks.add(loss)

    def clip(self, most: float) -> Tensor:
        """See `Placement`."""
        gradients = [leaf.grad for leaf in self.leaves.values() if leaf.grad is not None]
        norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
        norm = self._ranks.add(norms.square().sum()).sqrt()
        torch._foreach_mul_(gradients, (most / (norm + 1e-6)).clamp(max=1.0))
        return norm

    def whole(self) -> Weights:
        """See `Placement`."""
        with torch.no_grad():
            return {name: w.full_tensor() for name, w in self._module.weights().items()}

    def gather(self, parts: Mapping[str, Tensor], *, everywhere: bool) -> Weights:
        """See `Placement`; a tensor at a time, so that others than the first hold little."""
        found: Weights = {}
        for name, part in parts.items():
            whole = part if part.dim() == 0 else self._joined(name.partition("/")[0], part)
            if everywhere or self._ranks.is_first:
                found[name] = whole
        return found

    def part(self, tensor: Tensor) -> Tensor:
        """See `Placement`."""
        if tensor.dim() == 0:
            return tensor
        chunks = tensor.chunk(self._ranks.count)
        return chunks[self._ranks.number] if self._ranks.number < len(chunks) else tensor[:0]

    def _joined(self, name: str, part: Tensor) -> Tensor:
        """All rows of a tensor of which each rank has some; the last ranks may have fewer."""
        rows = self._rows[name]
        most = -(-rows // self._ranks.count)
        filled = part.new_zeros(most, *part.shape[1:])
        filled[: len(part)] = part
        pieces = [torch.empty_like(filled) for _ in range(self._ranks.count)]
        torch.distributed.all_gather(pieces, filled)
        return torch.cat(pieces)[:rows]


class _Loss(nn.Module):
    """The model as torch's FSDP wants it: a module that owns its weights and gives the loss."""

    def __init__(self, weights: Weights, nats: Nats) -> None:
        super().__init__()
        self._nats = nats
        self._names = list(weights)
        self._weights = nn.ParameterList(nn.Parameter(weight) for weight in weights.values())

    def weights(self) -> Weights:
        return dict(zip(self._names, self._weights, strict=True))

    def forward(self, x_BT: Tensor, y_BT: Tensor) -> Tensor:
        return self._nats(self.weights(), x_BT, y_BT)
