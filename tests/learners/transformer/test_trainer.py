"""The optimiser step."""

import weakref
from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bytetransfer.errors import RunFailedError  # noqa: E402
from bytetransfer.learners.transformer import model, trainer  # noqa: E402
from bytetransfer.learners.transformer.numerics import Numerics  # noqa: E402
from bytetransfer.learners.transformer.settings import Shape, TransformerSettings  # noqa: E402

SHAPE = Shape(layers=2, width=32, heads=2, feed_forward=64, context=32)
SETTINGS = TransformerSettings(shape=SHAPE, batch=8)
STEPS = 20

GOLDEN = {0: 8.0491, 4: 7.57268, 9: 7.03073, 14: 6.49244, 19: 5.97873}
"""Training loss, bits per byte, after some of the 20 steps below, eager fp32 on a CPU.

Append only. A new value is legitimate when the definition of the model, of its initialisation or
of the optimiser has changed on purpose; the reason belongs in CHANGELOG.md, since every run made
before is then another one. A change that is meant to be faster, or tidier, must leave them alone.
"""


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other cost more than they give at these sizes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def tokens(step: int) -> tuple[np.ndarray, np.ndarray]:
    """A text with structure: bytes that count upwards from a random place; one begin symbol."""
    random = np.random.default_rng(step)
    found = (random.integers(0, 64, (8, 1)) + np.arange(33)) % 64 + 32
    found[0, 7] = 256
    return found[:, :-1].copy(), found[:, 1:].copy()


def losses(numerics: Numerics, settings: TransformerSettings = SETTINGS) -> list[float]:
    start = model.initial_state(SHAPE, 0)
    made = trainer.Trainer(
        start, settings=settings, numerics=numerics, micro_batch=numerics.micro_batch
    )
    found = []
    for step in range(STEPS):
        made.step(*tokens(step), number=step, learning_rate=3e-3)
        assert made.bits_per_byte is not None
        found.append(made.bits_per_byte)
    return found


def test_twenty_steps_give_the_golden_losses() -> None:
    found = losses(Numerics())
    assert {step: found[step] for step in GOLDEN} == pytest.approx(GOLDEN, abs=2e-4)


@pytest.mark.parametrize(
    ("numerics", "tolerance"),
    [
        (Numerics(attention="sdpa"), 1e-4),
        (Numerics(micro_batch=3), 1e-4),
        (Numerics(precision="bf16"), 0.02),
    ],
)
def test_other_numerics_give_the_same_losses(numerics: Numerics, tolerance: float) -> None:
    assert losses(numerics) == pytest.approx(losses(Numerics()), abs=tolerance)


def test_an_odd_last_piece_of_a_batch_takes_no_graph_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes = set()

    def nats(weights: object, x: torch.Tensor, *rest: object) -> torch.Tensor:
        sizes.add(len(x))
        return model.training_nats(weights, x, *rest)

    monkeypatch.setattr(trainer.compiled, "training_nats", nats)
    found = losses(Numerics(compiled=True, micro_batch=3))
    assert found == pytest.approx(losses(Numerics()), abs=1e-4)
    assert sizes == {3}


def test_running_out_of_memory_halves_the_micro_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    def too_large(weights: object, x: torch.Tensor, *rest: object) -> torch.Tensor:
        if len(x) > 3:
            raise torch.OutOfMemoryError
        return model.training_nats(weights, x, *rest)

    expected = losses(Numerics())
    monkeypatch.setattr(trainer, "training_nats", too_large)
    assert losses(Numerics(micro_batch=8)) == pytest.approx(expected, abs=2e-4)
    made = trainer.Trainer(
        model.initial_state(SHAPE, 0), settings=SETTINGS, numerics=Numerics(), micro_batch=8
    )
    made.step(*tokens(0), number=0, learning_rate=0.0)
    assert made.micro_batch == 2


def test_a_cpu_without_memory_halves_the_micro_batch_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A CPU's allocator raises a plain RuntimeError; this one is real."""

    def too_large(weights: object, x: torch.Tensor, *rest: object) -> torch.Tensor:
        if len(x) > 3:
            torch.empty(1 << 60, dtype=torch.uint8)
        return model.training_nats(weights, x, *rest)

    expected = losses(Numerics())
    monkeypatch.setattr(trainer, "training_nats", too_large)
    assert losses(Numerics(micro_batch=8)) == pytest.approx(expected, abs=2e-4)


def test_only_a_lack_of_memory_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made = trainer.Trainer(
        model.initial_state(SHAPE, 0), settings=SETTINGS, numerics=Numerics(), micro_batch=8
    )

    def fails(*_: object) -> torch.Tensor:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr(made._placed, "_nats", fails)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        made.step(*tokens(0), number=0, learning_rate=0.0)
    assert made.micro_batch == 8


def test_a_failed_try_lets_go_of_its_memory_before_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[weakref.ref[torch.Tensor]] = []

    def too_large(weights: object, x: torch.Tensor, *rest: object) -> torch.Tensor:
        assert all(large() is None for large in tries)
        if len(x) > 2:
            large = torch.zeros(1000)
            tries.append(weakref.ref(large))
            raise torch.OutOfMemoryError
        return model.training_nats(weights, x, *rest)

    monkeypatch.setattr(trainer, "training_nats", too_large)
    losses(Numerics(micro_batch=8))
    assert len(tries) == 2


def test_memory_that_does_not_suffice_for_one_sequence_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_large(*_: object) -> torch.Tensor:
        raise torch.OutOfMemoryError

    monkeypatch.setattr(trainer, "training_nats", too_large)
    with pytest.raises(torch.OutOfMemoryError):
        losses(Numerics(micro_batch=8))


def test_a_loss_that_is_not_finite_names_step_and_rate() -> None:
    state = model.initial_state(SHAPE, 0)
    state["model.norm.weight"][0] = torch.inf
    made = trainer.Trainer(state, settings=SETTINGS, numerics=Numerics(), micro_batch=8)
    with pytest.raises(RunFailedError, match=r"step 41: .* learning rate 0\.5"):
        made.step(*tokens(0), number=41, learning_rate=0.5)


def test_the_begin_symbol_is_never_learned() -> None:
    """Its gradient comes from being read alone: where nothing is read, nothing moves."""
    made = trainer.Trainer(
        model.initial_state(SHAPE, 0), settings=SETTINGS, numerics=Numerics(), micro_batch=8
    )
    x = np.full((8, 32), 65)
    y = x.copy()
    y[:, -1] = 256
    assert made.step(x, y, number=0, learning_rate=1e-3) == 8 * 31
    only = np.full((8, 1), 256)
    before = made.tensors()
    assert made.step(only, only, number=1, learning_rate=0.0) == 0
    assert all(torch.equal(before[name], made.tensors()[name]) for name in made.weights)


def test_restoring_puts_back_weights_and_moments() -> None:
    made = trainer.Trainer(
        model.initial_state(SHAPE, 0), settings=SETTINGS, numerics=Numerics(), micro_batch=8
    )
    made.step(*tokens(0), number=0, learning_rate=1e-3)
    kept = made.tensors()
    made.step(*tokens(1), number=1, learning_rate=1e-3)
    after = made.tensors()
    made.restore(kept)
    made.step(*tokens(1), number=1, learning_rate=1e-3)
    assert all(torch.equal(after[name], tensor) for name, tensor in made.tensors().items())
