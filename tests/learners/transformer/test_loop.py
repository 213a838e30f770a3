"""The loop, around a trainer that only counts."""

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bytetransfer.learners.transformer.checkpoint import Pace  # noqa: E402
from bytetransfer.learners.transformer.loop import (  # noqa: E402
    DivergedError,
    Record,
    Retry,
    train,
)
from bytetransfer.learners.transformer.ranks import ALONE  # noqa: E402
from bytetransfer.learners.transformer.schedule import (  # noqa: E402
    ConvergedSchedule,
    PaperSchedule,
    Schedule,
)
from bytetransfer.learners.transformer.settings import Converged, Paper  # noqa: E402
from bytetransfer.learners.transformer.trainer import NotFiniteError  # noqa: E402


class Counter:
    """A trainer whose only weight is the number of steps that led to it."""

    micro_batch = 1
    ranks = ALONE

    def __init__(self, *, breaks_at: int = -1, above_rate: float = 0.0) -> None:
        self.weight, self.restored = 0, []
        self.breaks_at, self.above_rate = breaks_at, above_rate
        self.rates: list[tuple[int, float]] = []
        self.broken: NotFiniteError | None = None

    def step(self, x: object, y: object, *, number: int, learning_rate: float) -> int:
        self.rates.append((number, learning_rate))
        self.weight += 1
        if number == self.breaks_at and learning_rate > self.above_rate:
            self.broken = NotFiniteError(number, learning_rate, "the loss is nan nats")
        return 1

    def check(self) -> None:
        broken, self.broken = self.broken, None
        if broken is not None:
            raise broken

    def gather(self, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return tensors

    def part(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"w": torch.tensor(self.weight)}

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        self.weight = int(tensors["w"])
        self.restored.append(self.weight)

    def state(self, tensors: dict[str, torch.Tensor] | None) -> dict[str, torch.Tensor]:
        return tensors or self.tensors()


class Nothing:
    """Batches of one byte that does not matter."""

    def batch(self, step: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros(1), np.zeros(1)


RECIPE = Converged(evaluate_bytes=10, max_bytes=1000, patience=2, cooldown=0.5, warmup_steps=1)


def course(
    trainer: Counter,
    losses: dict[int, float],
    path: Path,
    *,
    schedule: Schedule | None = None,
    seconds: float = 1e9,
    may_retry: bool = False,
) -> tuple[int, Record]:
    """Train where `losses` gives the loss of some weights, 9 for all others."""
    state, record = train(
        trainer,
        Nothing(),
        schedule or ConvergedSchedule(RECIPE, learning_rate=1.0, bytes_per_step=1),
        batch=1,
        evaluate=lambda _: (losses.get(trainer.weight, 9.0), 1),
        path=path,
        request="",
        pace=Pace(seconds),
        tick=lambda _: None,
        may_retry=may_retry,
    )
    return int(state["w"]), record


def run(trainer: Counter, losses: dict[int, float], path: Path) -> tuple[int, int]:
    weight, record = course(trainer, losses, path)
    return weight, record.position.step


def test_cools_down_from_the_best_weights_and_keeps_the_best(tmp_path: Path) -> None:
    trainer = Counter()
    assert run(trainer, {20: 1.0}, tmp_path / "x") == (20, 50)
    assert trainer.restored == [20]
    assert run(Counter(), {20: 1.0, 24: 0.5}, tmp_path / "x") == (24, 50)


def test_what_is_not_finite_stops_with_step_rate_and_last_good_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(DivergedError, match=r"step 23: .* rate 1; no checkpoint .*retry_not_fin"):
        course(Counter(breaks_at=23), {20: 1.0}, path)
    with pytest.raises(DivergedError, match=rf"step 23: .* is that of step 23, {path}; choose"):
        course(Counter(breaks_at=23), {20: 1.0}, path, seconds=0.0)


def test_allowed_to_it_goes_on_from_the_best_evaluation_at_half_the_rate(tmp_path: Path) -> None:
    trainer = Counter(breaks_at=23, above_rate=0.5)
    weight, record = course(trainer, {20: 1.0}, tmp_path / "x", may_retry=True)
    assert (weight, record.position.step) == (20, 50)
    assert record.retry == Retry(step=23, learning_rate=1.0, from_step=20)
    assert trainer.restored == [20, 20]  # for the retry, and for the cool-down
    first, second = [n for n, (step, _) in enumerate(trainer.rates) if step == 20]
    assert trainer.rates[second - 1][0] >= 23, "what is not finite is found when it is looked for"
    assert {rate for step, rate in trainer.rates[first:second]} == {1.0}
    assert {rate for step, rate in trainer.rates[second:] if step < 40} == {0.5}
    assert max(rate for step, rate in trainer.rates[second:]) == 0.5


def test_a_second_time_it_stops(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match=r"step 23: .*half the rate since step 20 already"):
        course(Counter(breaks_at=23), {20: 1.0}, tmp_path / "x", may_retry=True)


def test_a_fixed_recipe_goes_back_to_its_last_evaluation(tmp_path: Path) -> None:
    schedule = PaperSchedule(Paper(epochs=4), steps=40, fine_tuning=True)
    trainer = Counter(breaks_at=25, above_rate=1.5e-5)
    weight, record = course(trainer, {}, tmp_path / "x", schedule=schedule, may_retry=True)
    assert (weight, record.position.step) == (40, 40)
    assert record.retry == Retry(step=25, learning_rate=2e-5, from_step=20)
    assert trainer.rates[-1] == (39, 1e-5)


def test_training_ends_before_the_step_that_was_not_finite_however_late_it_is_seen(
    tmp_path: Path,
) -> None:
    """A GPU's losses are read now and then: at 23 it breaks, at 30 an evaluation sees it."""
    with pytest.raises(DivergedError) as ended:
        course(Counter(breaks_at=23), {20: 1.0}, tmp_path / "x")
    record = ended.value.record
    assert (record.position.step, record.position.bytes_seen) == (23, 23)
    assert record.divergence is not None
    assert (record.divergence.step, record.divergence.learning_rate) == (23, 1.0)
    assert record.divergence.told == str(ended.value)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_not_finite_is_a_divergence_too(
    tmp_path: Path, loss: float
) -> None:
    with pytest.raises(DivergedError, match=r"step 30: the validation loss is .* rate 1; no check"):
        course(Counter(), {20: 1.0, 30: loss}, tmp_path / "x")
    with pytest.raises(DivergedError, match=r"step 30: .* rate 0.5; .* since step 20 already"):
        course(Counter(), {20: 1.0, 30: loss}, tmp_path / "x", may_retry=True)
