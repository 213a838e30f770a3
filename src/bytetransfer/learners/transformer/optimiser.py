"""AdamW over named weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.optim.adamw import adamw

from bytetransfer.learners.transformer.settings import Optimiser


class AdamW:
    """AdamW by torch's fused kernel; norm gains are not decayed.

    The arithmetic is that of `torch.optim.AdamW`. That class, though, loads torch's compiler when
    it is made: more than a second, also where nothing is compiled.

    Args:
        weights: what is changed, by name.
        values: of the optimiser.

    Attributes:
        moments: of each weight: `step`, `exp_avg` and `exp_avg_sq`; there from the beginning, so
            that a checkpoint can be copied into them.
    """

    def __init__(self, weights: Mapping[str, Tensor], values: Optimiser) -> None:
        self._weights, self._values = weights, values
        self.moments = {
            name: {
                "step": torch.zeros((), device=weight.device),
                "exp_avg": torch.zeros_like(weight, requires_grad=False),
                "exp_avg_sq": torch.zeros_like(weight, requires_grad=False),
            }
            for name, weight in weights.items()
        }
        matrices = [name for name, weight in weights.items() if weight.dim() > 1]
        gains = [name for name, weight in weights.items() if weight.dim() == 1]
        self._groups = ((matrices, values.weight_decay), (gains, 0.0))

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """Change the weights by their gradients, and drop these."""
        values = self._values
        for names, weight_decay in self._groups:
            moments = [self.moments[name] for name in names]
            adamw(
                [self._weights[name] for name in names],
                [gradient for name in names if (gradient := self._weights[name].grad) is not None],
                [moment["exp_avg"] for moment in moments],
                [moment["exp_avg_sq"] for moment in moments],
                [],
                [moment["step"] for moment in moments],
                fused=True,
                amsgrad=False,
                beta1=values.beta1,
                beta2=values.beta2,
                lr=learning_rate,
                weight_decay=weight_decay,
                eps=values.epsilon,
                maximize=False,
            )
        self.drop_gradients()

    def drop_gradients(self) -> None:
        """Forget the gradients."""
        for weight in self._weights.values():
            weight.grad = None
