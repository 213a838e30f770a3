"""Learners by name: what settings a name, a regime and an arm stand for, and what a run costs.

Nothing here loads torch; `make_learner` does when a transformer is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib import util
from typing import Any, Literal

import msgspec

from bytetransfer.errors import MissingExtraError
from bytetransfer.learners.learner import Learner
from bytetransfer.learners.ngram import Ngram, NgramSettings
from bytetransfer.learners.transformer.numerics import (
    Numerics,
    resolve_numerics,
    slower_without,
)
from bytetransfer.learners.transformer.ranks import ALONE, Ranks
from bytetransfer.learners.transformer.settings import (
    PRESETS,
    Converged,
    Paper,
    TransformerSettings,
    expected_bytes,
    flops_per_byte,
    parameters,
    preset,
    state_bytes,
)

Settings = NgramSettings | TransformerSettings
Arm = Literal["pretrain", "finetune", "scratch"]

SURFACE = "ngram"
"""The surface learner's name: what every other learner is held against."""

LEARNER_NAMES = (SURFACE, *(f"transformer/{preset}" for preset in PRESETS))


def installed_learners() -> list[str]:
    """The surface learner and, where torch is installed, the smallest transformer."""
    neural = util.find_spec("torch") and util.find_spec("safetensors")
    return [SURFACE, "transformer/nano"] if neural else [SURFACE]


def parameter_counts(learners: Iterable[str]) -> dict[str, int]:
    """Parameters of each transformer among the learners, embeddings included.

    Names that are no preset of ours (another's in a table of losses) have none.

    >>> parameter_counts(["ngram", "transformer/nano", "rnn/large"])
    {'transformer/nano': 123264}
    """
    known = {f"transformer/{name}": parameters(preset) for name, preset in PRESETS.items()}
    return {name: known[name] for name in learners if name in known}


class TransformerOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be asked of every transformer of a study; None is the preset's own value.

    Both arms are searched alike: as many learning rates from scratch as in fine-tuning, each
    trained under the same budget, chosen on the validation split of seed 0 and reused by the
    other seeds.

    Attributes:
        pretrain_learning_rate: peak learning rate of pretraining.
        scratch_learning_rates: search space from scratch.
        finetune_learning_rates: search space in fine-tuning, of the same length.
        batch: sequences a step.
        patience: evaluations without improvement before training stops.
        most_bytes: the most bytes one configuration may see (the budget).
        most_pretrain_bytes: the same for pretraining.
        retry_not_finite: let training that is no longer finite go back once and on at half the
            learning rate, instead of stopping.
    """

    pretrain_learning_rate: float | None = None
    scratch_learning_rates: tuple[float, ...] | None = None
    finetune_learning_rates: tuple[float, ...] | None = None
    batch: int | None = None
    patience: int | None = None
    most_bytes: int | None = None
    most_pretrain_bytes: int | None = None
    retry_not_finite: bool = False


class NumericsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How results are computed; `auto` is resolved by a rule when the plan is made."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    compile: Literal["auto", "always", "never"] = "auto"
    threads: int = 1


@dataclass(frozen=True)
class Cost:
    """What a run is expected to take.

    Attributes:
        expected_bytes: bytes of text it will see in training, all configurations together.
        most_bytes: the most it may see.
        flops: floating-point operations, scoring included; 0 where that is no measure of it.
        disk_bytes: what stays on disk when it is done.
        weight: its work in bytes, to compare with other runs of the same learner.
    """

    expected_bytes: int
    most_bytes: int
    flops: float
    disk_bytes: int
    weight: float


def make_learner(
    settings: Settings, numerics: Numerics | None, ranks: Ranks = ALONE
) -> Learner[Any]:
    """The learner that `settings` describe.

    Args:
        settings: of the run.
        numerics: of the run.
        ranks: the processes that share the run; a surface learner's needs no other's help.

    Raises:
        MissingExtraError: for a transformer where torch is not installed.
    """
    if isinstance(settings, NgramSettings):
        return Ngram(settings)
    try:
        from bytetransfer.learners.transformer.learner import Transformer
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "safetensors"):
            raise
        raise MissingExtraError(error.name, extra="neural") from error
    assert numerics is not None, "a transformer's run states its numerics"
    return Transformer(settings, numerics, ranks=ranks)


def settings_for(
    name: str, regime: str, arm: Arm, options: TransformerOptions, *, is_largest: bool
) -> Settings:
    """The settings a learner's name stands for, with no default left open.

    Args:
        name: one of `LEARNER_NAMES`.
        regime: `converged` or `paper`.
        arm: pretraining has one learning rate; the two arms have a search space of equal size.
        options: what the study says instead of the preset's values.
        is_largest: whether this is the arm's largest size, which the paper trains for 3 epochs.
    """
    if name == SURFACE:
        return NgramSettings()
    base = preset(name.removeprefix("transformer/"))
    batch = options.batch or base.batch
    if options.retry_not_finite:
        base = msgspec.structs.replace(base, retry_not_finite=True)
    if regime == "paper":
        epochs = 3 if is_largest or arm == "pretrain" else 10
        recipe = Paper(epochs=epochs)
        return msgspec.structs.replace(base, recipe=recipe, batch=batch, noise=0.0)
    assert isinstance(base.recipe, Converged)
    rates = {
        "pretrain": (options.pretrain_learning_rate or max(base.recipe.learning_rates),),
        "scratch": options.scratch_learning_rates or base.recipe.learning_rates,
        "finetune": options.finetune_learning_rates or base.recipe.learning_rates,
    }
    most = options.most_pretrain_bytes if arm == "pretrain" else options.most_bytes
    converged = msgspec.structs.replace(
        base.recipe,
        learning_rates=rates[arm],
        patience=options.patience or base.recipe.patience,
        max_bytes=most or base.recipe.max_bytes,
    )
    return msgspec.structs.replace(base, recipe=converged, batch=batch)


def has_search(settings: Settings) -> bool:
    """Whether a run with these settings chooses among configurations that are each trained."""
    return search_size(settings) > 1


def search_size(settings: Settings) -> int:
    """How many configurations a run with these settings trains."""
    if isinstance(settings, TransformerSettings) and isinstance(settings.recipe, Converged):
        return len(settings.recipe.learning_rates)
    return 1


def with_doubled_patience(settings: Settings) -> Settings | None:
    """The same settings with twice the patience, None where there is no patience to double."""
    if not isinstance(settings, TransformerSettings) or not isinstance(settings.recipe, Converged):
        return None
    recipe = settings.recipe
    patient = msgspec.structs.replace(recipe, patience=2 * recipe.patience)
    return msgspec.structs.replace(settings, recipe=patient)


def numerics_for(
    settings: Settings, options: NumericsOptions, planned_bytes: int
) -> Numerics | None:
    """How a run computes on this machine, by rule; None for a learner with one way of computing.

    Args:
        settings: of the run.
        options: what the study says of it.
        planned_bytes: bytes that all runs of its learner are expected to see in the study.

    Raises:
        MissingExtraError: for a transformer where torch is not installed.
    """
    if not isinstance(settings, TransformerSettings):
        return None
    return resolve_numerics(
        settings,
        threads=options.threads,
        device=options.device,
        precision=options.precision,
        compile=options.compile,
        planned_bytes=planned_bytes,
    )


def slower_paths(learners: Iterable[str], options: NumericsOptions) -> list[str]:
    """Where this machine makes a transformer among the learners train slower, a sentence each."""
    if all(name == SURFACE for name in learners):
        return []
    return slower_without(
        device=options.device, precision=options.precision, compile=options.compile
    )


def cost_of_run(
    settings: Settings,
    size_bytes: int,
    heldout_bytes: int = 0,
    *,
    keeps_state: bool = False,
    is_chosen: bool = False,
) -> Cost:
    """What a run is expected to take.

    A fixed recipe sees a known number of bytes. How long it takes to converge is known only
    afterwards; before, it is the rule of thumb of `expected_bytes`, with the budget as the upper
    end.

    Args:
        settings: of the run.
        size_bytes: bytes of training text.
        heldout_bytes: bytes of validation and test text, scored once at the end.
        keeps_state: whether the state stays on disk for other runs.
        is_chosen: whether another run's search has chosen for it, so that it skips its own.
    """
    if isinstance(settings, NgramSettings):
        disk = 3 * size_bytes if keeps_state else 0
        return Cost(size_bytes, size_bytes, 0.0, disk, size_bytes + heldout_bytes)
    recipe = settings.recipe
    expected = most = expected_bytes(settings, size_bytes)
    if isinstance(recipe, Converged) and size_bytes:
        configurations = 1 if is_chosen else len(recipe.learning_rates)
        expected *= configurations
        most = configurations * recipe.max_bytes
    per_byte = flops_per_byte(settings.shape)
    flops = per_byte * (expected + heldout_bytes / 3)  # scoring is the forward third of training
    disk = state_bytes(settings.shape) if keeps_state else 0
    return Cost(expected, most, flops, disk, expected + heldout_bytes / 3)
