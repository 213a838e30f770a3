"""What defines a neural run: shape, recipe and optimiser as plain data, and what they cost."""

from __future__ import annotations

import difflib
from typing import Literal

import msgspec

from bytetransfer.errors import StudyError

VOCABULARY = 257
"""256 bytes and the begin-of-document symbol."""

DOCUMENT = 256
"""The begin-of-document symbol; read, never predicted."""


def _positive(**values: float) -> None:
    """Refuse what must be above zero and is not."""
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be above 0")


class Shape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The size of a decoder.

    Attributes:
        layers: blocks of attention and feed-forward.
        width: of the residual stream (D).
        heads: of attention (H); `width / heads` must be even, for rotary positions.
        feed_forward: hidden width of the gated feed-forward (F).
        context: bytes a prediction may look back on (T).
    """

    layers: int
    width: int
    heads: int
    feed_forward: int
    context: int

    def __post_init__(self) -> None:
        if min(self.layers, self.width, self.heads, self.feed_forward, self.context) < 1:
            raise ValueError("every size of a transformer is at least 1")
        if self.width % (2 * self.heads):
            raise ValueError("width must be a multiple of twice the number of heads")


PRESETS: dict[str, Shape] = {
    "nano": Shape(layers=2, width=64, heads=2, feed_forward=192, context=128),
    "micro": Shape(layers=3, width=128, heads=4, feed_forward=384, context=128),
    "small": Shape(layers=4, width=128, heads=4, feed_forward=384, context=256),
    "medium": Shape(layers=6, width=256, heads=4, feed_forward=768, context=512),
    "large": Shape(layers=8, width=512, heads=8, feed_forward=1536, context=1024),
    "paper": Shape(layers=10, width=640, heads=10, feed_forward=2560, context=1024),
    "1b": Shape(layers=16, width=2048, heads=16, feed_forward=8192, context=1024),
}

_BATCH = {"medium": 16, "large": 32, "paper": 512, "1b": 512}
_LEARNING_RATES = {
    "medium": (1e-3, 2e-3),
    "large": (5e-4, 1e-3),
    "paper": (3e-4, 6e-4),
    "1b": (1e-4, 2e-4),
}


class Converged(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="regime",
    tag="converged",
):
    """Train until validation stops improving, then cool down from the best checkpoint.

    Evaluations are spread evenly in log bytes, so patience is a *factor* by which training went on
    in vain, and the same rule fits 3 kB and 3 GB.

    Attributes:
        learning_rates: the search space; each is trained, the best on validation is kept.
        max_bytes: the most one configuration may see; reaching it is `stopped = "budget"`.
        warmup_steps: steps of linear warm-up.
        patience: evaluations without improvement before the cool-down.
        evaluate_bytes: bytes between evaluations at the start.
        evaluate_growth: later, the bytes between them as a share of the bytes seen.
        validation_bytes: at most this much of the validation split (its first documents, which
            are in hash order and so a fair sample) decides when to stop.
        cooldown: length of the linear cool-down to 0, as a share of the bytes of the best
            checkpoint.
        cooldown_evaluations: evaluations during the cool-down, from which the best is kept.
    """

    learning_rates: tuple[float, ...] = (1e-3, 3e-3)
    max_bytes: int = 60_000_000
    warmup_steps: int = 20
    patience: int = 5
    evaluate_bytes: int = 32_768
    evaluate_growth: float = 0.1
    validation_bytes: int = 40_000
    cooldown: float = 0.3
    cooldown_evaluations: int = 5

    def __post_init__(self) -> None:
        _positive(learning_rates=min(self.learning_rates, default=0.0), patience=self.patience)
        _positive(max_bytes=self.max_bytes, evaluate_bytes=self.evaluate_bytes)
        _positive(cooldown_evaluations=self.cooldown_evaluations, cooldown=self.cooldown)
        _positive(evaluate_growth=self.evaluate_growth, validation_bytes=self.validation_bytes)
        if len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError("learning_rates holds the same rate twice")


class Paper(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="regime",
    tag="paper",
):
    """The published recipe: a fixed number of epochs (de Souza et al. 2024).

    Attributes:
        epochs: passes over the text; 10, and 3 for the largest size.
        learning_rate: the peak, from scratch; followed by a cosine to `final_learning_rate`.
        final_learning_rate: the end of the cosine.
        fine_tuning_rate: the constant rate of a fine-tuning.
        warmup: share of the steps spent in linear warm-up, from scratch.
        validation_bytes: at most this much of the validation split is scored after each epoch;
            it chooses nothing.
    """

    epochs: int = 10
    learning_rate: float = 2e-4
    final_learning_rate: float = 2e-5
    fine_tuning_rate: float = 2e-5
    warmup: float = 0.01
    validation_bytes: int = 40_000

    def __post_init__(self) -> None:
        _positive(epochs=self.epochs, learning_rate=self.learning_rate)
        _positive(fine_tuning_rate=self.fine_tuning_rate, validation_bytes=self.validation_bytes)


class Optimiser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """AdamW and gradient clipping; norm gains are not decayed.

    Attributes:
        beta1: decay of the first moment.
        beta2: decay of the second moment.
        epsilon: added to the root of the second moment.
        weight_decay: decoupled, multiplied by the learning rate.
        clip: largest global norm of the gradient.
    """

    beta1: float = 0.9
    beta2: float = 0.95
    epsilon: float = 1e-8
    weight_decay: float = 0.1
    clip: float = 1.0


class TransformerSettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="learner",
    tag="transformer",
):
    """Everything that defines a neural run but its text, its seed and its numerics.

    Attributes:
        shape: the size of the model.
        recipe: how long and at which rates it is trained.
        optimiser: values of AdamW.
        batch: sequences of `shape.context` bytes a step.
        noise: share of the bytes read (never of those predicted) that are replaced by random ones
            from the second epoch on, against learning a small text by heart.
        windows_cross_documents: always true, stated because it is part of the result: a training
            window may hold the end of one document and the beginning of the next, unmasked.
        retry_not_finite: whether training that is no longer finite goes back, once, to its best
            evaluation and on at half the learning rate; absent means that it stops.
    """

    shape: Shape
    recipe: Converged | Paper = Converged()
    optimiser: Optimiser = Optimiser()
    batch: int = 16
    noise: float = 0.05
    windows_cross_documents: bool = True
    retry_not_finite: Literal[True] | msgspec.UnsetType = msgspec.UNSET

    def __post_init__(self) -> None:
        _positive(batch=self.batch)
        if not 0 <= self.noise < 1:
            raise ValueError("noise is a share, from 0 to below 1")
        if not self.windows_cross_documents:
            raise ValueError("windows_cross_documents = false is not supported")


def preset(name: str, *, recipe: Converged | Paper | None = None) -> TransformerSettings:
    """The settings of a preset; its batch and search space suit its size.

    Raises:
        StudyError: there is no preset of that name.

    >>> preset("paper", recipe=Paper(epochs=3)).batch
    512
    """
    shape = PRESETS.get(name)
    if shape is None:
        near = difflib.get_close_matches(name, PRESETS, n=1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise StudyError(
            f"there is no transformer preset {name!r}",
            where=f"transformer/{name}",
            todo=f"{meant}choose one of {', '.join(PRESETS)}",
        )
    rates = _LEARNING_RATES.get(name, Converged().learning_rates)
    recipe = recipe or Converged(learning_rates=rates)
    return TransformerSettings(shape=shape, recipe=recipe, batch=_BATCH.get(name, 16))


def parameters(shape: Shape) -> int:
    """Number of weights; the embedding is also the output layer and counted once.

    >>> from bytetransfer.units import format_count
    >>> {name: format_count(parameters(shape)) for name, shape in PRESETS.items()}
    {'nano': '123 k', 'micro': '673 k', 'small': '886 k', 'medium': '5.18 M', 'large': '27.4 M', \
'paper': '65.7 M', '1b': '1.07 G'}
    """
    width = shape.width
    layer = 4 * width * width + 3 * width * shape.feed_forward + 2 * width
    return shape.layers * layer + (VOCABULARY + 1) * width


def flops_per_byte(shape: Shape) -> int:
    """Floating-point operations of training on one byte: 6N, and attention to half the context.

    >>> round(flops_per_byte(PRESETS["paper"]) / 1e6)
    434
    """
    return 6 * parameters(shape) + 6 * shape.layers * shape.context * shape.width


def state_bytes(shape: Shape) -> int:
    """Bytes of a saved state on disk: every weight in float32."""
    return 4 * parameters(shape)


def checkpoint_bytes(shape: Shape) -> int:
    """Bytes of a checkpoint on disk: weights and both moments, as they are and at the best."""
    return 6 * state_bytes(shape)


def expected_bytes(settings: TransformerSettings, text_bytes: int) -> int:
    """Bytes one configuration is likely to see, for planning; exact for the recipe `Paper`.

    For `Converged` a rough fit to small models on 10 kB to 2.5 MB: some twenty evaluations plus a
    dozen epochs, within the budget. Evaluations cost about as much again below 100 kB of text.

    >>> expected_bytes(preset("paper", recipe=Paper()), 6_000_000)
    60000000
    >>> expected_bytes(preset("nano"), 0)
    0
    """
    recipe = settings.recipe
    if isinstance(recipe, Paper):
        return recipe.epochs * text_bytes
    if not text_bytes:
        return 0
    return min(recipe.max_bytes, 20 * recipe.evaluate_bytes + 12 * text_bytes)
