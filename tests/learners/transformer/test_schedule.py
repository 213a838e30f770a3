"""Schedules, driven without a model."""

import itertools
from collections.abc import Callable

import msgspec
import pytest

from bytetransfer.learners.transformer.schedule import (
    ConvergedSchedule,
    PaperSchedule,
    Position,
    Schedule,
)
from bytetransfer.learners.transformer.settings import Converged, Paper


def drive(schedule: Schedule, loss: Callable[[int], float]) -> tuple[Position, list[float]]:
    """The end of training when validation follows `loss(step)`, and the rate of each step."""
    position, rates = Position(), []
    while position.phase != "done":
        if position.step == position.evaluate_at:
            position = schedule.evaluated(position, loss(position.step))
        else:
            rates.append(schedule.rate(position))
            step = position.step + 1
            position = msgspec.structs.replace(position, step=step, bytes_seen=100 * step)
    return position, rates


def converged(recipe: Converged) -> ConvergedSchedule:
    return ConvergedSchedule(recipe, learning_rate=1.0, bytes_per_step=100)


RECIPE = Converged(evaluate_bytes=1000, max_bytes=100_000, patience=3, warmup_steps=10)


def test_stops_after_patience_and_cools_down_from_the_best() -> None:
    position, rates = drive(converged(RECIPE), lambda step: abs(step - 50) / 50 + 1)
    assert position.stopped == "patience"
    assert (position.best_step, position.best) == (50, 1.0)
    assert position.cooldown_from == 80
    assert position.cooldown_steps == 15
    assert rates[:10] == pytest.approx([0.1 * (i + 1) for i in range(10)])
    assert set(rates[10:80]) == {1.0}
    assert rates[80:] == pytest.approx([(15 - i) / 16 for i in range(15)])


def test_the_budget_is_never_exceeded() -> None:
    for most in (100, 1_000, 1_700, 100_000):
        recipe = msgspec.structs.replace(RECIPE, max_bytes=most)
        position, rates = drive(converged(recipe), lambda step: 1 / (1 + step))
        assert position.stopped == "budget"
        assert 100 * len(rates) <= most
        assert position.phase == "done"


def test_evaluations_thin_out_as_training_goes_on() -> None:
    position, _ = drive(converged(RECIPE), lambda step: 1 / (1 + step))
    seen = [bytes_seen for bytes_seen, _ in position.history]
    gaps = [b - a for a, b in itertools.pairwise(seen)]
    assert gaps[0] == 1000
    assert max(gaps) > 5000


def test_the_best_of_the_cooldown_is_kept() -> None:
    position, _ = drive(converged(RECIPE), lambda step: 0.5 if step > 85 else abs(step - 50) + 1)
    assert position.best == 0.5
    assert position.best_step > 80


def test_the_published_rates() -> None:
    recipe = Paper(epochs=4, warmup=0.1)
    position, rates = drive(PaperSchedule(recipe, steps=100, fine_tuning=False), lambda _: 1.0)
    assert len(rates) == 100
    assert rates[9] == max(rates) == pytest.approx(2e-4)
    assert rates[-1] == pytest.approx(2e-5, rel=0.01)
    assert [seen for seen, _ in position.history] == [0, 2500, 5000, 7500, 10000]
    assert position.stopped == "schedule"
    _, rates = drive(PaperSchedule(recipe, steps=7, fine_tuning=True), lambda _: 1.0)
    assert rates == [2e-5] * 7
