"""One optimiser step, as fast as plain torch allows: weights, moments, gradients."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bytetransfer.errors import RunFailedError
from bytetransfer.learners.transformer.model import (
    State,
    Weights,
    fuse,
    position_tables,
    training_nats,
    unfuse,
)
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import DOCUMENT, Shape, TransformerSettings


class Trainer:
    """Weights and AdamW moments on a device, and the step that changes them.

    Attributes:
        weights: fused, see `model.fuse`; leaves of autograd.
        micro_batch: sequences at a time; halved when memory runs out.
        bits_per_byte: training loss of the last step that was checked; None before the first.
    """

    def __init__(
        self, start: State, *, settings: TransformerSettings, numerics: Numerics, micro_batch: int
    ) -> None:
        self._shape, self._numerics = settings.shape, numerics
        self._clip = settings.optimiser.clip
        self.micro_batch = micro_batch
        self.bits_per_byte: float | None = None
        self._device = torch.device(numerics.device)
        self.weights = {
            name: tensor.to(self._device).requires_grad_()
            for name, tensor in fuse(start, settings.shape).items()
        }
        self._optimiser = _adamw(self.weights, settings)
        dtype = torch.bfloat16 if numerics.precision == "bf16" else torch.float32
        self._tables = position_tables(settings.shape, dtype, self._device)
        self._nats = _compiled() if numerics.compiled else training_nats
        self._unread: list[tuple[int, float, Tensor, Tensor]] = []

    def step(
        self, x: NDArray[np.int64], y: NDArray[np.int64], *, number: int, learning_rate: float
    ) -> int:
        """One optimiser step on windows of shape (B, T); gives the bytes it predicted."""
        count = int(np.count_nonzero(y != DOCUMENT))
        loss = self._gradients(torch.from_numpy(x), torch.from_numpy(y), 1 / max(1, count))
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), self._clip, foreach=True)
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate
        self._optimiser.step()
        self._optimiser.zero_grad(set_to_none=True)
        self._unread.append((number, learning_rate, loss, norm))
        if self._device.type == "cpu" or len(self._unread) >= 32:
            self.check()  # on a GPU only now and then, since reading waits for it
        return count

    def check(self) -> None:
        """Read the losses of the steps since the last check.

        Raises:
            RunFailedError: a loss or gradient since then was not finite.
        """
        for number, learning_rate, loss_tensor, norm in self._unread:
            loss = float(loss_tensor)
            if not (math.isfinite(loss) and math.isfinite(float(norm))):
                raise RunFailedError(
                    f"step {number}: the loss is {loss:.4g} nats and the gradient's norm "
                    f"{float(norm):.4g} at learning rate {learning_rate:.3g}; "
                    "choose a lower learning rate"
                )
            self.bits_per_byte = loss / math.log(2)
        self._unread = []

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments, copied to the CPU, by name."""
        found: dict[str, Tensor] = {}
        for name, weight in self.weights.items():
            found[name] = weight.detach().to("cpu", copy=True)
            for moment, tensor in self._optimiser.state[weight].items():
                found[f"{name}/{moment}"] = tensor.to("cpu", copy=True)
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors[name])
                for moment, tensor in self._optimiser.state[weight].items():
                    tensor.copy_(tensors[f"{name}/{moment}"])

    def state(self, tensors: Mapping[str, Tensor] | None = None) -> State:
        """The weights under their public names: as they are, or as they stand in `tensors`."""
        source = self.weights if tensors is None else tensors
        return unfuse({name: source[name] for name in self.weights}, self._shape)

    def _gradients(self, x_BT: Tensor, y_BT: Tensor, scale: float) -> Tensor:
        """Accumulate the gradient of the mean loss; halves the micro-batch if memory runs out."""
        while True:
            try:
                return self._accumulate(x_BT, y_BT, scale)
            except torch.OutOfMemoryError:
                if self.micro_batch == 1:
                    raise
                self.micro_batch = -(-self.micro_batch // 2)
                self._optimiser.zero_grad(set_to_none=True)
                if self._device.type == "cuda":
                    torch.cuda.empty_cache()

    def _accumulate(self, x_BT: Tensor, y_BT: Tensor, scale: float) -> Tensor:
        total = torch.zeros((), device=self._device)
        size = self.micro_batch
        for x, y in zip(torch.split(x_BT, size), torch.split(y_BT, size), strict=True):
            x, y = x.to(self._device), y.to(self._device)
            attention = self._numerics.attention
            loss = self._nats(self.weights, x, y, self._shape, self._tables, attention) * scale
            torch.autograd.backward(loss)
            total += loss.detach()
        return total


@functools.cache
def _compiled() -> Callable[..., Tensor]:
    """The training loss through torch.compile, once a process, so that runs share its code."""
    compiled: Callable[..., Tensor] = torch.compile(training_nats, dynamic=False)

    def nats(weights: Weights, x_BT: Tensor, y_BT: Tensor, shape: Shape, *rest: object) -> Tensor:
        # windows of a text shorter than the context are filled up, or they would compile anew
        missing = (0, shape.context - x_BT.shape[1])
        x_BT, y_BT = (F.pad(tokens, missing, value=DOCUMENT) for tokens in (x_BT, y_BT))
        return compiled(weights, x_BT, y_BT, shape, *rest)

    return nats


def _adamw(weights: dict[str, Tensor], settings: TransformerSettings) -> torch.optim.AdamW:
    """Fused AdamW with its moments already there, so that a checkpoint can be copied into them."""
    values = settings.optimiser
    groups: list[dict[str, Any]] = [
        {
            "params": [w for w in weights.values() if w.dim() > 1],
            "weight_decay": values.weight_decay,
        },
        {"params": [w for w in weights.values() if w.dim() == 1], "weight_decay": 0.0},
    ]
    betas = (values.beta1, values.beta2)
    optimiser = torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=values.epsilon, fused=True)
    for weight in weights.values():
        optimiser.state[weight] = {
            "step": torch.zeros((), device=weight.device),
            "exp_avg": torch.zeros_like(weight, requires_grad=False),
            "exp_avg_sq": torch.zeros_like(weight, requires_grad=False),
        }
    return optimiser
