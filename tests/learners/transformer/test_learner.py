"""The learner as a whole: resume, search, zero-shot, states on disk."""

import dataclasses
import random
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bytetransfer.corpus.documents import Documents  # noqa: E402
from bytetransfer.errors import CorpusError, RunFailedError, StoreError  # noqa: E402
from bytetransfer.learners.learner import Fitted, Progress, Task  # noqa: E402
from bytetransfer.learners.transformer import model, scoring  # noqa: E402
from bytetransfer.learners.transformer.learner import Transformer  # noqa: E402
from bytetransfer.learners.transformer.model import State  # noqa: E402
from bytetransfer.learners.transformer.numerics import Numerics  # noqa: E402
from bytetransfer.learners.transformer.settings import (  # noqa: E402
    Converged,
    Paper,
    Shape,
    TransformerSettings,
)
from bytetransfer.learners.transformer.trainer import Trainer  # noqa: E402
from bytetransfer.units import bits_per_byte  # noqa: E402

SHAPE = Shape(layers=1, width=16, heads=2, feed_forward=32, context=24)
RECIPE = Converged(
    learning_rates=(3e-2, 1e-3),
    max_bytes=8_000,
    warmup_steps=3,
    patience=2,
    evaluate_bytes=1_000,
    validation_bytes=500,
)


def story(seed: int, documents: int = 12) -> Documents:
    """Sentences of a few words, so that there is something to learn."""
    choose = random.Random(seed)
    words = ["sun ", "moon ", "rises ", "sets ", "slowly ", "the ", "red "]
    return Documents.from_list(
        ["".join(choose.choices(words, k=8)).encode() for _ in range(documents)]
    )


TASK = Task(text=story(1), validation=story(2), seed=0)


def transformer(recipe: Converged | Paper = RECIPE, **numerics: object) -> Transformer:
    settings = TransformerSettings(shape=SHAPE, recipe=recipe, batch=4)
    return Transformer(settings, Numerics(**numerics), watch_seconds=0.0)


def careful(recipe: Converged | Paper = RECIPE, **numerics: object) -> Transformer:
    """One that writes a checkpoint at every step."""
    settings = TransformerSettings(shape=SHAPE, recipe=recipe, batch=4)
    return Transformer(settings, Numerics(**numerics), checkpoint_seconds=0.0, watch_seconds=0.0)


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Fitted[State]:
    folder = tmp_path_factory.mktemp("pretrained")
    return transformer().fit(TASK, start=None, folder=folder, watch=quiet)


def quiet(_: Progress) -> None:
    return


def same(a: State, b: State) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


class Killed(Exception):
    """Stands for the end of the process."""


def fit_with_kills(
    learner: Callable[[], Transformer],
    task: Task,
    start: State | None,
    folder: Path,
    seed: int,
) -> tuple[Fitted[State], int]:
    """Fit, thrown out at random moments and called again until it gets through."""
    choose, kills = random.Random(seed), 0
    while True:
        left = [choose.randint(1, 25)]

        def watch(_: Progress, left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                raise Killed

        try:
            return learner().fit(task, start=start, folder=folder, watch=watch), kills
        except Killed:
            kills += 1


@pytest.mark.slow
@pytest.mark.parametrize("recipe", [RECIPE, Paper(epochs=6)], ids=["converged", "paper"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_killed_and_resumed_is_the_same_to_the_bit(
    tmp_path: Path, recipe: Converged | Paper, precision: str
) -> None:
    learner = careful(recipe, precision=precision)
    whole = learner.fit(TASK, start=None, folder=tmp_path / "whole", watch=quiet)
    task = Task(text=story(3), validation=story(4), seed=1)
    tuned = learner.fit(task, start=whole.state, folder=tmp_path / "tuned", watch=quiet)
    total = 0
    for seed in range(2):
        folder = tmp_path / f"{seed}"
        resumed, kills = fit_with_kills(lambda: learner, TASK, None, folder / "a", seed)
        assert resumed.training == whole.training
        assert same(resumed.state, whole.state)
        again, more = fit_with_kills(lambda: learner, task, whole.state, folder / "b", seed)
        assert again.training == tuned.training
        assert same(again.state, tuned.state)
        total += kills + more
    assert total >= 4


def test_a_kill_between_any_two_steps_loses_nothing(tmp_path: Path) -> None:
    recipe = Converged(learning_rates=(1e-2,), max_bytes=3_000, patience=1, evaluate_bytes=500)
    learner = careful(recipe)
    whole = learner.fit(TASK, start=None, folder=tmp_path / "whole", watch=quiet)
    calls = 0
    while True:

        def watch(_: Progress) -> None:
            raise Killed

        calls += 1
        try:
            resumed = learner.fit(TASK, start=None, folder=tmp_path / "cut", watch=watch)
            break
        except Killed:
            continue
    assert calls > 20
    assert resumed.training == whole.training
    assert same(resumed.state, whole.state)


def test_learning_lowers_the_loss_and_the_search_keeps_the_best(tmp_path: Path) -> None:
    learner = transformer()
    before = torch.get_num_threads()
    fitted = learner.fit(TASK, start=None, folder=tmp_path, watch=quiet)
    assert torch.get_num_threads() == before
    training = fitted.training
    nats = learner.score(fitted.state, TASK.validation)
    assert nats.dtype == np.float64
    loss = bits_per_byte(float(nats.sum()), TASK.validation.total_bytes)
    assert loss < 3.5 < training.history[0][1]
    losses = [entry["validation_bits_per_byte"] for entry in training.search]
    assert training.chosen["learning_rate"] == RECIPE.learning_rates[int(np.argmin(losses))]
    assert min(loss for _, loss in training.history) == min(losses)
    assert training.search_bytes == sum(entry["bytes_seen"] for entry in training.search)
    assert all(entry["bytes_seen"] <= RECIPE.max_bytes for entry in training.search)


def test_the_kept_state_is_the_best_on_validation(tmp_path: Path) -> None:
    learner = transformer()
    validation = Documents(TASK.validation.text, TASK.validation.ends[:8])
    task = Task(text=TASK.text, validation=validation, seed=0)
    fitted = learner.fit(task, start=None, folder=tmp_path, watch=quiet)
    nats = learner.score(fitted.state, validation).sum()
    best = min(loss for _, loss in fitted.training.history)
    assert bits_per_byte(nats, validation.total_bytes) == pytest.approx(best, rel=1e-9)


def test_chosen_values_skip_the_search(tmp_path: Path) -> None:
    task = Task(text=TASK.text, validation=TASK.validation, seed=0, chosen={"learning_rate": 5e-3})
    training = transformer().fit(task, start=None, folder=tmp_path, watch=quiet).training
    assert training.chosen == {"learning_rate": 5e-3}
    assert [entry["learning_rate"] for entry in training.search] == [5e-3]


def test_the_same_seed_gives_the_same_result_and_another_another(tmp_path: Path) -> None:
    def fitted(name: str, seed: int) -> State:
        task = Task(text=TASK.text, validation=TASK.validation, seed=seed)
        return transformer().fit(task, start=None, folder=tmp_path / name, watch=quiet).state

    one = fitted("a", 0)
    assert same(one, fitted("b", 0))
    assert not same(one, fitted("c", 1))


def test_two_threads_agree_with_one(tmp_path: Path) -> None:
    """Stated tolerance: .02 bits per byte of validation at every evaluation of a short run."""
    recipe = Converged(learning_rates=(1e-3,), max_bytes=4_000, evaluate_bytes=1_000)
    one, two = (
        transformer(recipe, threads=n).fit(TASK, start=None, folder=tmp_path / str(n), watch=quiet)
        for n in (1, 2)
    )
    for (_, a), (_, b) in zip(one.training.history, two.training.history, strict=True):
        assert a == pytest.approx(b, abs=0.02)


def test_no_text_is_zero_shot(tmp_path: Path, pretrained: Fitted[State]) -> None:
    learner, start = transformer(), pretrained.state
    task = Task(text=Documents.from_list([]), validation=TASK.validation, seed=0)
    fitted = learner.fit(task, start=start, folder=tmp_path / "b", watch=quiet)
    assert same(fitted.state, start)
    assert fitted.training.bytes_seen == 0
    with pytest.raises(CorpusError, match="no text"):
        learner.fit(task, start=None, folder=tmp_path / "c", watch=quiet)


def test_one_byte_can_be_learned(tmp_path: Path) -> None:
    task = Task(text=Documents.from_list([b"a"]), validation=TASK.validation, seed=0)
    recipe = Converged(learning_rates=(1e-3,), max_bytes=200, evaluate_bytes=50)
    fitted = transformer(recipe).fit(task, start=None, folder=tmp_path, watch=quiet)
    assert 0 < fitted.training.bytes_seen <= 200


def test_fine_tuning_leaves_the_start_alone(tmp_path: Path, pretrained: Fitted[State]) -> None:
    start = pretrained.state
    before = {name: tensor.clone() for name, tensor in start.items()}
    transformer().fit(TASK, start=start, folder=tmp_path / "b", watch=quiet)
    assert same(start, before)


def test_a_state_survives_the_disk_and_damage_is_told(
    tmp_path: Path, pretrained: Fitted[State]
) -> None:
    learner, state = transformer(), pretrained.state
    learner.save(state, tmp_path / "state")
    assert same(learner.load(tmp_path / "state"), state)
    other = Transformer(
        TransformerSettings(shape=Shape(layers=2, width=16, heads=2, feed_forward=32, context=24)),
        Numerics(),
    )
    with pytest.raises(StoreError, match="another shape"):
        other.load(tmp_path / "state")
    (tmp_path / "state" / "model.safetensors").write_bytes(b"rubbish")
    with pytest.raises(StoreError, match="damaged"):
        learner.load(tmp_path / "state")


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    learner = transformer()
    learner.fit(TASK, start=None, folder=tmp_path, watch=quiet)
    other = Task(text=story(9), validation=TASK.validation, seed=0)
    with pytest.raises(StoreError, match="another run"):
        learner.fit(other, start=None, folder=tmp_path, watch=quiet)


def test_progress_grows_and_stays_within_what_was_expected(tmp_path: Path) -> None:
    seen: list[Progress] = []
    transformer().fit(TASK, start=None, folder=tmp_path, watch=seen.append)
    counts = [progress.bytes_seen for progress in seen]
    assert counts == sorted(counts)
    assert all(progress.bytes_seen <= progress.expected_bytes for progress in seen)


def break_at_step_12(monkeypatch: pytest.MonkeyPatch, *, above_rate: float) -> None:
    """The loss of step 13 is no number where step 12 has a higher rate than that."""
    step = Trainer.step

    def breaks(self: Trainer, x: object, y: object, *, number: int, learning_rate: float) -> int:
        count = step(self, x, y, number=number, learning_rate=learning_rate)
        if number == 12 and learning_rate > above_rate:
            with torch.no_grad():
                self.weights["norm"].fill_(torch.nan)
        return count

    monkeypatch.setattr(Trainer, "step", breaks)


@pytest.mark.parametrize("recipe", [RECIPE, Paper(epochs=6, learning_rate=3e-2)])
def test_one_retry_at_half_the_rate_is_recorded_and_survives_kills(
    tmp_path: Path, recipe: Converged | Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at_step_12(monkeypatch, above_rate=0.017)
    settings = TransformerSettings(shape=SHAPE, recipe=recipe, batch=4)
    alone = dataclasses.replace(TASK, chosen={"learning_rate": 3e-2})
    refused = Transformer(settings, Numerics(), checkpoint_seconds=0.0)
    told = r"^step 13: the loss is nan .*checkpoint is that of .* under \[transformer\]$"
    for _ in range(2):  # started again, it ends the same way
        with pytest.raises(RunFailedError, match=told):
            refused.fit(alone, start=None, folder=tmp_path / "refused", watch=quiet)
    settings = msgspec.structs.replace(settings, retry_not_finite=True)
    learner = Transformer(settings, Numerics(), checkpoint_seconds=0.0, watch_seconds=0.0)
    whole = learner.fit(TASK, start=None, folder=tmp_path / "whole", watch=quiet)
    entry = whole.training.search[0]
    assert entry["not_finite_step"] == 13
    assert 0.017 < entry["not_finite_learning_rate"] <= 3e-2
    assert 0 <= entry["halved_from_step"] <= 12
    assert all("not_finite_step" not in entry for entry in whole.training.search[1:])
    resumed, kills = fit_with_kills(lambda: learner, TASK, None, tmp_path / "cut", seed=0)
    assert kills
    assert resumed.training == whole.training
    assert same(resumed.state, whole.state)


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_a_rate_that_diverges_is_lost_and_the_search_goes_on(
    tmp_path: Path, lost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at_step_12(monkeypatch, above_rate=0.017)
    rates = [2e-3, 1e-3]
    rates.insert(lost, 3e-2)  # the best one, if it did not diverge
    recipe = msgspec.structs.replace(RECIPE, learning_rates=tuple(rates))
    learner = careful(recipe)
    whole = learner.fit(TASK, start=None, folder=tmp_path / "whole", watch=quiet)
    assert whole.training.chosen == {"learning_rate": 2e-3}
    entry = whole.training.search[lost]
    assert entry == {
        "learning_rate": 3e-2,
        "bytes_seen": entry["bytes_seen"],
        "diverged_step": 13,
        "diverged_learning_rate": 3e-2,
    }
    assert 12 * 4 * SHAPE.context < entry["bytes_seen"] <= 13 * 4 * SHAPE.context
    assert [len(e) for e in whole.training.search].count(3) == 2, "nothing else is said of others"
    resumed, kills = fit_with_kills(lambda: learner, TASK, None, tmp_path / "cut", seed=0)
    assert kills
    assert resumed.training == whole.training
    assert same(resumed.state, whole.state)


def test_where_every_rate_diverges_the_run_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_at_step_12(monkeypatch, above_rate=0.0)
    learner = careful()
    checkpoint = tmp_path / "rate-1" / "checkpoint.safetensors"
    told = rf"step 13: the loss is nan .* at learning rate 0.001; .*step 13, {checkpoint}; choose"
    with pytest.raises(RunFailedError, match=told):
        learner.fit(TASK, start=None, folder=tmp_path, watch=quiet)
    checkpoint.unlink()  # so nothing but the diverged rates' own records is left

    def trains(_: Progress) -> None:
        raise AssertionError("what has diverged is not trained again")

    with pytest.raises(RunFailedError, match=told):
        learner.fit(TASK, start=None, folder=tmp_path, watch=trains)


@pytest.mark.slow
def test_less_is_scored_at_a_time_after_a_kill_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory runs out in one evaluation in the midst of training; later it would suffice again."""
    steps = 0
    step = Trainer.step

    def counted(self: Trainer, x: object, y: object, *, number: int, learning_rate: float) -> int:
        nonlocal steps
        steps = number
        return step(self, x, y, number=number, learning_rate=learning_rate)

    def too_large(weights: object, x: torch.Tensor, *rest: object) -> torch.Tensor:
        if 20 <= steps < 30 and x.numel() > 2 * SHAPE.context:
            raise torch.OutOfMemoryError
        return model.target_nats(weights, x, *rest)

    monkeypatch.setattr(Trainer, "step", counted)
    monkeypatch.setattr(scoring, "target_nats", too_large)
    whole = careful()
    assert not whole.lowered
    fitted = whole.fit(TASK, start=None, folder=tmp_path / "whole", watch=quiet)
    assert 0 < whole.lowered["scored_symbols"] <= 2 * SHAPE.context
    steps = 0
    resumed, kills = fit_with_kills(careful, TASK, None, tmp_path / "cut", seed=0)
    assert kills
    assert resumed.training == fitted.training
    assert same(resumed.state, fitted.state)
    steps = 0
    read_back = careful()
    read_back.fit(TASK, start=None, folder=tmp_path / "cut", watch=quiet)
    assert read_back.lowered == whole.lowered, "the record of what is finished says it as well"


def test_memory_that_scoring_lacks_is_no_reason_to_train_on_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(scoring, "target_nats", too_large)
    with pytest.raises(torch.OutOfMemoryError):
        transformer().fit(TASK, start=None, folder=tmp_path, watch=quiet)
    assert not list(tmp_path.rglob("micro-batch.txt"))


def test_training_that_explodes_is_told(tmp_path: Path, pretrained: Fitted[State]) -> None:
    start = {name: tensor.clone() for name, tensor in pretrained.state.items()}
    start["model.norm.weight"][0] = torch.nan
    with pytest.raises(RunFailedError, match="step 0"):
        transformer().fit(TASK, start=start, folder=tmp_path / "b", watch=quiet)
