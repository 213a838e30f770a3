"""When to evaluate, at which rate to train and when to stop: pure functions of a `Position`."""

from __future__ import annotations

import math
from typing import Literal, Protocol

import msgspec

from bytetransfer.learners.transformer.settings import Converged, Paper


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where the training of one configuration stands, at the boundary of a step.

    Attributes:
        phase: `constant` (or the fixed schedule), `cooldown` or `done`.
        step: optimiser steps taken; also the index of the next batch.
        bytes_seen: bytes predicted so far.
        evaluate_at: the step before which validation is scored next.
        best: lowest validation loss so far, bits per byte; None where nothing is chosen by it.
        best_step: the step it was reached at.
        in_vain: evaluations since then.
        cooldown_from: the step the cool-down began at.
        cooldown_steps: its length.
        stopped: why training ended, or is going to end.
        history: (bytes seen, validation bits per byte) of every evaluation.
    """

    phase: Literal["constant", "cooldown", "done"] = "constant"
    step: int = 0
    bytes_seen: int = 0
    evaluate_at: int = 0
    best: float | None = None
    best_step: int = 0
    in_vain: int = 0
    cooldown_from: int = 0
    cooldown_steps: int = 0
    stopped: Literal["patience", "budget", "schedule"] = "patience"
    history: tuple[tuple[int, float], ...] = ()


class Schedule(Protocol):
    """A recipe applied to one text."""

    def rate(self, position: Position) -> float:
        """The learning rate of the step at `position`."""
        ...

    def evaluated(self, position: Position, loss: float) -> Position:
        """What follows from a validation loss (bits per byte) at `position`."""
        ...


class ConvergedSchedule:
    """Constant rate until validation stalls, then a linear cool-down from the best checkpoint."""

    def __init__(self, recipe: Converged, *, learning_rate: float, bytes_per_step: int) -> None:
        self._recipe, self._learning_rate = recipe, learning_rate
        self._interval = max(1, recipe.evaluate_bytes // bytes_per_step)
        self._most_steps = max(1, recipe.max_bytes // bytes_per_step)
        self._most_constant = max(1, int(self._most_steps / (1 + recipe.cooldown)))

    def rate(self, position: Position) -> float:
        """Warm-up, constant, then linearly to 0."""
        done = position.step - position.cooldown_from
        if position.phase == "constant":
            return self._learning_rate * self._warmup(position.step)
        left = (position.cooldown_steps - done) / (position.cooldown_steps + 1)
        return self._learning_rate * left * self._warmup(position.best_step + done)

    def evaluated(self, position: Position, loss: float) -> Position:
        """The next position; in its `cooldown` at `cooldown_from`, the best weights are due."""
        seen = (*position.history, (position.bytes_seen, loss))
        better = position.best is None or loss < position.best
        position = msgspec.structs.replace(
            position,
            history=seen,
            best=loss if better else position.best,
            best_step=position.step if better else position.best_step,
            in_vain=0 if better else position.in_vain + 1,
        )
        if position.phase == "constant":
            return self._go_on(position)
        return self._cool(position)

    def _go_on(self, position: Position) -> Position:
        """Another stretch at constant rate, or the beginning of the cool-down."""
        if position.in_vain >= self._recipe.patience:
            return self._begin_cooldown(position, "patience")
        if position.step >= self._most_constant:
            return self._begin_cooldown(position, "budget")
        stretch = max(self._interval, int(self._recipe.evaluate_growth * position.step))
        due = min(position.step + stretch, self._most_constant)
        return msgspec.structs.replace(position, evaluate_at=due)

    def _begin_cooldown(
        self, position: Position, stopped: Literal["patience", "budget"]
    ) -> Position:
        steps = max(self._interval, math.ceil(self._recipe.cooldown * position.best_step))
        steps = min(steps, self._most_steps - position.step)
        begun = msgspec.structs.replace(
            position,
            phase="cooldown",
            cooldown_from=position.step,
            cooldown_steps=steps,
            stopped=stopped,
        )
        return self._cool(begun)

    def _cool(self, position: Position) -> Position:
        """Another stretch of the cool-down, or the end."""
        end = position.cooldown_from + position.cooldown_steps
        if position.step >= end:
            return msgspec.structs.replace(position, phase="done")
        stretch = math.ceil(position.cooldown_steps / self._recipe.cooldown_evaluations)
        return msgspec.structs.replace(position, evaluate_at=min(position.step + stretch, end))

    def _warmup(self, step: int) -> float:
        return min(1.0, (step + 1) / max(1, self._recipe.warmup_steps))


class PaperSchedule:
    """A fixed number of epochs: warm-up and cosine from scratch, constant in fine-tuning."""

    def __init__(self, recipe: Paper, *, steps: int, fine_tuning: bool) -> None:
        self._recipe, self._steps, self._fine_tuning = recipe, steps, fine_tuning

    def rate(self, position: Position) -> float:
        """The published rate at a step."""
        recipe = self._recipe
        if self._fine_tuning:
            return recipe.fine_tuning_rate
        warmup = math.ceil(recipe.warmup * self._steps)
        if position.step < warmup:
            return recipe.learning_rate * (position.step + 1) / warmup
        progress = (position.step - warmup) / max(1, self._steps - warmup)
        wave = 0.5 * (1 + math.cos(math.pi * progress))
        span = recipe.learning_rate - recipe.final_learning_rate
        return recipe.final_learning_rate + span * wave

    def evaluated(self, position: Position, loss: float) -> Position:
        """Evaluations are for the record: after each epoch, and at the end."""
        due = next(
            step
            for step in (self._epoch_end(e) for e in range(1, self._recipe.epochs + 1))
            if step > position.step or step == self._steps
        )
        return msgspec.structs.replace(
            position,
            history=(*position.history, (position.bytes_seen, loss)),
            evaluate_at=due,
            phase="done" if position.step >= self._steps else "constant",
            stopped="schedule",
        )

    def _epoch_end(self, epoch: int) -> int:
        return math.ceil(self._steps * epoch / self._recipe.epochs)
