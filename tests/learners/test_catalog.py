import builtins
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.errors import MissingExtraError
from bytetransfer.learners.catalog import (
    LEARNER_NAMES,
    NumericsOptions,
    TransformerOptions,
    cost_of_run,
    has_search,
    make_learner,
    numerics_for,
    search_size,
    settings_for,
    with_doubled_patience,
)
from bytetransfer.learners.ngram import Ngram, NgramSettings
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import PRESETS, Converged, Paper

ARMS = ("pretrain", "finetune", "scratch")
NONE = TransformerOptions()
NEURAL = [name for name in LEARNER_NAMES if name != "ngram"]


def settings_of(name="transformer/nano", arm="scratch", options=NONE, regime="converged", **rest):
    return settings_for(name, regime, arm, options, **({"is_largest": False} | rest))


def test_there_is_a_name_for_the_surface_learner_and_every_preset():
    assert ("ngram", *(f"transformer/{name}" for name in PRESETS)) == LEARNER_NAMES


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("regime", ["converged", "paper"])
def test_the_surface_learner_is_the_same_in_every_arm(arm, regime):
    assert settings_of("ngram", arm, regime=regime) == NgramSettings()


@pytest.mark.parametrize("name", NEURAL)
def test_both_arms_are_searched_alike_and_pretraining_is_not_searched(name):
    sizes = {arm: search_size(settings_of(name, arm)) for arm in ARMS}
    assert sizes["scratch"] == sizes["finetune"] > sizes["pretrain"] == 1
    recipes = [settings_of(name, arm).recipe for arm in ("scratch", "finetune")]
    assert recipes[0] == recipes[1], "the same budget, patience and space, unless the study says so"
    assert settings_of(name).shape == PRESETS[name.removeprefix("transformer/")]


def test_every_option_arrives_where_it_belongs():
    options = TransformerOptions(
        pretrain_learning_rate=0.1,
        scratch_learning_rates=(0.2, 0.3),
        finetune_learning_rates=(0.4, 0.5),
        batch=7,
        patience=9,
        most_bytes=1000,
        most_pretrain_bytes=2000,
    )
    found = {arm: settings_of(arm=arm, options=options) for arm in ARMS}
    assert {arm: s.recipe.learning_rates for arm, s in found.items()} == {
        "pretrain": (0.1,), "scratch": (0.2, 0.3), "finetune": (0.4, 0.5)
    }  # fmt: skip
    assert {arm: s.recipe.max_bytes for arm, s in found.items()} == {
        "pretrain": 2000, "scratch": 1000, "finetune": 1000
    }  # fmt: skip
    assert {(s.batch, s.recipe.patience) for s in found.values()} == {(7, 9)}


def test_what_is_not_said_is_the_presets_own_value():
    own = settings_of("transformer/large")
    said = TransformerOptions(scratch_learning_rates=own.recipe.learning_rates, batch=own.batch)
    assert settings_of("transformer/large", options=said) == own


def test_the_papers_recipe_has_fewer_epochs_of_much_text():
    epochs = {
        (arm, largest): settings_of(arm=arm, regime="paper", is_largest=largest).recipe.epochs
        for arm in ARMS
        for largest in (False, True)
    }
    assert epochs == {
        ("pretrain", False): 3, ("pretrain", True): 3,
        ("finetune", False): 10, ("finetune", True): 3,
        ("scratch", False): 10, ("scratch", True): 3,
    }  # fmt: skip
    paper = settings_of("transformer/paper", regime="paper")
    assert (paper.batch, paper.shape.context, paper.recipe) == (512, 1024, Paper(epochs=10))


def test_only_more_than_one_configuration_is_a_search():
    assert has_search(settings_of())
    assert not has_search(settings_of(arm="pretrain"))
    assert not has_search(settings_of(regime="paper"))
    assert not has_search(NgramSettings())


def test_doubled_patience_doubles_patience_alone():
    settings = settings_of()
    patient = with_doubled_patience(settings)
    assert patient is not None
    assert patient.recipe.patience == 2 * settings.recipe.patience
    recipe = msgspec.structs.replace(patient.recipe, patience=settings.recipe.patience)
    assert msgspec.structs.replace(patient, recipe=recipe) == settings
    assert with_doubled_patience(NgramSettings()) is None
    assert with_doubled_patience(settings_of(regime="paper")) is None


# ── what a run costs ─────────────────────────────────────────────────────────────────────────


@given(
    name=st.sampled_from(LEARNER_NAMES),
    arm=st.sampled_from(ARMS),
    regime=st.sampled_from(["converged", "paper"]),
    size=st.integers(0, 10**10),
    more=st.integers(0, 10**10),
    held_out=st.integers(0, 10**6),
)
def test_more_text_never_costs_less(name, arm, regime, size, more, held_out):
    settings = settings_of(name, arm, regime=regime)
    less, greater = (cost_of_run(settings, n, held_out) for n in (size, size + more))
    for field in ("expected_bytes", "most_bytes", "flops", "weight"):
        assert 0 <= getattr(less, field) <= getattr(greater, field)
    assert less.expected_bytes <= less.most_bytes
    assert less.disk_bytes == 0
    assert size == 0 or less.expected_bytes > 0


def test_zero_shot_is_scoring_alone():
    for name in LEARNER_NAMES:
        cost = cost_of_run(settings_of(name, "finetune"), 0, 300)
        assert (cost.expected_bytes, cost.most_bytes) == (0, 0)
        assert cost.weight > 0


def test_a_fixed_recipe_sees_what_it_says():
    cost = cost_of_run(settings_of(regime="paper"), 1_000)
    assert cost.expected_bytes == cost.most_bytes == 10_000


def test_the_budget_holds_for_every_configuration_of_the_search():
    settings = settings_of(options=TransformerOptions(most_bytes=1_000_000))
    assert isinstance(settings.recipe, Converged)
    assert cost_of_run(settings, 10**9).most_bytes == 2_000_000


def test_a_state_that_is_kept_takes_disk():
    for name in LEARNER_NAMES:
        assert cost_of_run(settings_of(name, "pretrain"), 1000, keeps_state=True).disk_bytes > 0


# ── learners and numerics ────────────────────────────────────────────────────────────────────


def test_the_surface_learner_needs_no_numerics():
    assert isinstance(make_learner(NgramSettings(), None), Ngram)
    assert numerics_for(NgramSettings(), NumericsOptions(), 10**9) is None


@pytest.mark.parametrize("missing", ["torch", "safetensors"])
def test_without_the_neural_part_it_is_said_what_to_install(monkeypatch, missing):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.split(".")[0] == missing:
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, *args, **kwargs)

    for module in [m for m in sys.modules if m.startswith("bytetransfer.learners.transformer.")]:
        if not module.endswith((".settings", ".numerics")):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingExtraError, match=rf"{missing} is not .*bytetransfer\[neural\]"):
        make_learner(settings_of(), Numerics())


def test_a_fault_of_our_own_is_not_taken_for_a_missing_part(monkeypatch):
    real = builtins.__import__

    def broken(name, *args, **kwargs):
        if name.endswith("transformer.learner"):
            raise ModuleNotFoundError("No module named 'typo'", name="typo")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", broken)
    with pytest.raises(ModuleNotFoundError, match="typo"):
        make_learner(settings_of(), Numerics())


def test_the_published_recipe_replaces_no_bytes():
    settings = settings_for(
        "transformer/paper", "paper", "scratch", TransformerOptions(), is_largest=False
    )
    assert settings.noise == 0.0
