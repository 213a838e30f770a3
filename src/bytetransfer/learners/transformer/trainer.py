"""One optimiser step, as fast as plain torch allows: weights, moments, gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from bytetransfer.errors import RunFailedError
from bytetransfer.learners.transformer import compiled
from bytetransfer.learners.transformer.attention import position_tables
from bytetransfer.learners.transformer.memory import is_lack_of_memory, release_memory
from bytetransfer.learners.transformer.model import (
    State,
    fuse,
    training_nats,
    unfuse,
)
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.optimiser import AdamW
from bytetransfer.learners.transformer.placement import Nats, Placement, Replicated, Sharded
from bytetransfer.learners.transformer.ranks import ALONE, Ranks
from bytetransfer.learners.transformer.settings import DOCUMENT, TransformerSettings


class NotFiniteError(RunFailedError):
    """A loss or a gradient's norm is infinite or no number.

    Args:
        what: the values, as one clause.

    Attributes:
        step: the first step it was so at.
        learning_rate: of that step.
    """

    def __init__(self, step: int, learning_rate: float, what: str) -> None:
        self.step, self.learning_rate = step, learning_rate
        super().__init__(f"step {step}: {what} at learning rate {learning_rate:.3g}")


class Trainer:
    """Weights and AdamW moments on a device, and the step that changes them.

    Attributes:
        weights: fused, see `model.fuse`, as this rank's optimiser changes them.
        micro_batch: sequences at a time; halved when memory runs out.
        bits_per_byte: training loss of the last step that was checked; None before the first.
        ranks: the processes that share the run; every one calls every method, in the same order.
    """

    def __init__(
        self,
        start: State,
        *,
        settings: TransformerSettings,
        numerics: Numerics,
        micro_batch: int,
        ranks: Ranks = ALONE,
        sharded: bool = False,
    ) -> None:
        self._shape, self._clip = settings.shape, settings.optimiser.clip
        self.micro_batch = micro_batch
        self.bits_per_byte: float | None = None
        self.ranks = ranks
        self._device, self._is_compiled = torch.device(numerics.device), numerics.compiled
        fused = fuse(start, settings.shape)
        weights = {name: tensor.to(self._device) for name, tensor in fused.items()}
        place = Sharded if sharded else Replicated
        nats = _nats(settings, numerics, self._device)
        self._placed: Placement = place(weights, nats, ranks)
        self.weights = self._placed.leaves
        self._optimiser = AdamW(self.weights, settings.optimiser)
        self._unread: list[tuple[int, float, Tensor, Tensor]] = []

    def step(
        self, x: NDArray[np.int64], y: NDArray[np.int64], *, number: int, learning_rate: float
    ) -> int:
        """One optimiser step on windows of shape (B, T); gives the bytes it predicted.

        Every rank is given the whole batch, and computes its share of the rows.
        """
        count = int(np.count_nonzero(y != DOCUMENT))
        rows = self.ranks.share(len(x))
        own = torch.from_numpy(x[rows]), torch.from_numpy(y[rows])
        loss = self._placed.combine(self._gradients(*own, 1 / max(1, count)))
        norm = self._placed.clip(self._clip)
        self._optimiser.step(learning_rate)
        self._unread.append((number, learning_rate, loss, norm))
        if self._device.type == "cpu" or len(self._unread) >= 32:
            self.check()  # on a GPU only now and then, since reading waits for it
        return count

    def check(self) -> None:
        """Read the losses of the steps since the last check.

        Raises:
            NotFiniteError: a loss or gradient since then was not finite.
        """
        unread, self._unread = self._unread, []
        for number, learning_rate, loss_tensor, norm in unread:
            loss, length = float(loss_tensor), float(norm)
            if not (math.isfinite(loss) and math.isfinite(length)):
                what = f"the loss is {loss:.4g} nats and the gradient's norm {length:.4g}"
                raise NotFiniteError(number, learning_rate, what)
            self.bits_per_byte = loss / math.log(2)

    def tensors(self) -> dict[str, Tensor]:
        """Weights and moments, copied to the CPU, by name; of this rank, see `gather`."""
        found: dict[str, Tensor] = {}
        for name, weight in self.weights.items():
            found[name] = weight.detach().to("cpu", copy=True)
            for moment, tensor in self._optimiser.moments[name].items():
                found[f"{name}/{moment}"] = tensor.to("cpu", copy=True)
        return found

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `tensors` gave."""
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(tensors[name])
                for moment, tensor in self._optimiser.moments[name].items():
                    tensor.copy_(tensors[f"{name}/{moment}"])

    def gather(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the ranks' `tensors` are together; the first rank's alone is sure to be whole."""
        return self._placed.gather(tensors, everywhere=False)

    def part(self, tensor: Tensor) -> Tensor:
        """What of a tensor that `gather` gave is this rank's."""
        return self._placed.part(tensor)

    def whole_weights(self) -> dict[str, Tensor]:
        """All weights as they are, fused, on the device."""
        return self._placed.whole()

    def state(self, tensors: Mapping[str, Tensor] | None = None) -> State:
        """The weights under their public names: as they are, or as they stand in `tensors`."""
        if tensors is None:
            return unfuse(self._placed.whole(), self._shape)
        parts = {name: tensors[name] for name in self.weights}
        return unfuse(self._placed.gather(parts, everywhere=True), self._shape)

    def _gradients(self, x_BT: Tensor, y_BT: Tensor, scale: float) -> Tensor:
        """Accumulate the gradient of the mean loss; halves the micro-batch if memory runs out."""
        while True:
            try:
                return self._accumulate(x_BT, y_BT, scale)
            except RuntimeError as error:
                size = min(self.micro_batch, len(x_BT))
                if size == 1 or not is_lack_of_memory(error):
                    raise
                self.micro_batch = -(-size // 2)
                if not self._placed.survives_lack_of_memory:
                    raise
            self._optimiser.drop_gradients()
            release_memory(self._device)

    def _accumulate(self, x_BT: Tensor, y_BT: Tensor, scale: float) -> Tensor:
        total = torch.zeros((), device=self._device)
        size = min(self.micro_batch, len(x_BT))
        if self._is_compiled:  # a last piece of another size would compile again
            missing = (0, 0, 0, -len(x_BT) % size)
            x_BT, y_BT = (F.pad(tokens, missing, value=DOCUMENT) for tokens in (x_BT, y_BT))
        pieces = [*zip(torch.split(x_BT, size), torch.split(y_BT, size), strict=True)]
        for number, (x, y) in enumerate(pieces, 1):
            x, y = x.to(self._device), y.to(self._device)
            total += self._placed.accumulate(x, y, scale, is_last=number == len(pieces))
        return total


def _nats(settings: TransformerSettings, numerics: Numerics, device: torch.device) -> Nats:
    """The training loss as a function of weights and windows."""
    shape, attention = settings.shape, numerics.attention
    dtype = torch.bfloat16 if numerics.precision == "bf16" else torch.float32
    tables = position_tables(shape, dtype, device)
    nats = compiled.training_nats if numerics.compiled else training_nats
    return lambda weights, x, y: nats(weights, x, y, shape, tables, attention)
