"""The loop, around a trainer that only counts."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bytetransfer.learners.transformer.checkpoint import Pace  # noqa: E402
from bytetransfer.learners.transformer.loop import train  # noqa: E402
from bytetransfer.learners.transformer.ranks import ALONE  # noqa: E402
from bytetransfer.learners.transformer.schedule import ConvergedSchedule  # noqa: E402
from bytetransfer.learners.transformer.settings import Converged  # noqa: E402


class Counter:
    """A trainer whose only weight is the number of steps that led to it."""

    micro_batch = 1
    ranks = ALONE

    def __init__(self) -> None:
        self.weight, self.restored = 0, []

    def step(self, x: object, y: object, *, number: int, learning_rate: float) -> int:
        self.weight += 1
        return 1

    def check(self) -> None:
        return

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"w": torch.tensor(self.weight)}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        self.weight = int(tensors["w"])
        self.restored.append(self.weight)

    def state(self, tensors: dict[str, torch.Tensor] | None) -> dict[str, torch.Tensor]:
        return tensors or self.tensors()


class Nothing:
    """Batches of nothing."""

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(0), np.zeros(0)


def run(trainer: Counter, losses: dict[int, float], path: Path) -> tuple[int, int]:
    """Train where `losses` gives the loss of some weights, 9 for all others."""
    recipe = Converged(evaluate_bytes=10, max_bytes=1000, patience=2, cooldown=0.5)
    state, record = train(
        trainer,
        Nothing(),
        ConvergedSchedule(recipe, learning_rate=1.0, bytes_per_step=1),
        batch=1,
        evaluate=lambda: losses.get(trainer.weight, 9.0),
        path=path,
        request="",
        pace=Pace(1e9),
        tick=lambda _: None,
    )
    return int(state["w"]), record.position.step


def test_cools_down_from_the_best_weights_and_keeps_the_best(tmp_path: Path) -> None:
    trainer = Counter()
    assert run(trainer, {20: 1.0}, tmp_path / "x") == (20, 50)
    assert trainer.restored == [20]
    assert run(Counter(), {20: 1.0, 24: 0.5}, tmp_path / "x") == (24, 50)
