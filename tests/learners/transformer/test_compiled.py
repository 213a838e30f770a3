"""What goes through torch's compiler, against what does not."""

import functools
import getpass
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from bytetransfer.corpus.documents import Documents  # noqa: E402
from bytetransfer.learners.learner import Progress, Task  # noqa: E402
from bytetransfer.learners.transformer import attention, compiled, model  # noqa: E402
from bytetransfer.learners.transformer.learner import Transformer  # noqa: E402
from bytetransfer.learners.transformer.numerics import Numerics, has_compiler  # noqa: E402
from bytetransfer.learners.transformer.settings import (  # noqa: E402
    DOCUMENT,
    Converged,
    Shape,
    TransformerSettings,
)

SHAPE = Shape(layers=2, width=32, heads=2, feed_forward=64, context=160)  # as in test_reference
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads, mode = torch.get_num_threads(), torch.get_deterministic_debug_mode()
    torch.set_num_threads(1)
    torch.set_deterministic_debug_mode("error")
    yield
    torch.set_deterministic_debug_mode(mode)
    torch.set_num_threads(threads)


def batch(rows: int, length: int = SHAPE.context) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows that lie in a larger array, with a begin symbol; not contiguous."""
    tokens = torch.from_numpy(np.random.default_rng(rows).integers(0, 256, (rows, length + 1)))
    tokens[0, 3] = DOCUMENT
    return tokens[:, :-1], tokens[:, 1:]


Nats = Callable[..., torch.Tensor]


def with_gradient(
    nats: Nats, dtype: torch.dtype, kind: str, rows: int = 4, length: int = SHAPE.context
) -> list[torch.Tensor]:
    """A loss times three, and its gradient."""
    weights = model.fuse(model.initial_state(SHAPE, 0), SHAPE)
    leaves = {name: weight.requires_grad_() for name, weight in weights.items()}
    tables = attention.position_tables(SHAPE, dtype, CPU)
    loss = 3 * nats(leaves, *batch(rows, length), SHAPE, tables, kind)
    return [loss.detach(), *torch.autograd.grad(loss, list(leaves.values()))]


def relative_error(found: Sequence[torch.Tensor], exact: Sequence[torch.Tensor]) -> float:
    """The worst over the tensors."""
    pairs = zip(found, exact, strict=True)
    return max(float((a - b).norm() / b.norm()) for a, b in pairs)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["matmul", "sdpa"])
def test_in_float32_loss_and_gradient_are_those_of_the_model(kind: str) -> None:
    if not has_compiler():
        pytest.skip("no C++ compiler on this machine, so nothing is compiled here")
    found, exact = (
        with_gradient(nats, torch.float32, kind)
        for nats in (compiled.training_nats, model.training_nats)
    )
    assert relative_error(found, exact) < 1e-5


@pytest.mark.slow
def test_in_bfloat16_they_are_as_near_the_truth_as_those_of_the_model() -> None:
    if not has_compiler():
        pytest.skip("no C++ compiler on this machine, so nothing is compiled here")
    exact = with_gradient(model.training_nats, torch.float32, "matmul")
    found, usual = (
        relative_error(with_gradient(nats, torch.bfloat16, "matmul"), exact)
        for nats in (compiled.training_nats, model.training_nats)
    )
    assert usual > 1e-3, "there is rounding to compare with"
    assert found < 1.2 * usual


@pytest.mark.slow
def test_scores_are_those_of_the_model() -> None:
    if not has_compiler():
        pytest.skip("no C++ compiler on this machine, so nothing is compiled here")
    weights = model.fuse(model.initial_state(SHAPE, 0), SHAPE)
    found, exact = (
        nats(weights, *batch(2), SHAPE, attention.position_tables(SHAPE, dtype, CPU), "matmul")
        for nats, dtype in (
            (compiled.target_nats, torch.bfloat16),
            (model.target_nats, torch.float32),
        )
    )
    assert found.shape == (2, SHAPE.context)
    torch.testing.assert_close(found, exact, rtol=0, atol=0.1)
    assert abs(found.mean() - exact.mean()) < 2e-3


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Of what libraries were asked for; they run the functions as they are."""
    asked: list[str] = []

    def library(
        function: Callable[..., Sequence[torch.Tensor]],
        like: Sequence[torch.Tensor],
        what: str,
        instead: object,
    ) -> Callable[[Sequence[torch.Tensor]], list[torch.Tensor]]:
        asked.append(what)

        def run(tensors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
            with torch.enable_grad():
                leaves = [
                    tensor.detach().requires_grad_(example.requires_grad)
                    for tensor, example in zip(tensors, like, strict=True)
                ]
                return [found.detach() for found in function(*leaves)]

        return run

    monkeypatch.setattr(compiled, "library", library)
    monkeypatch.setattr(compiled, "_libraries", {})
    return asked


def test_a_text_shorter_than_the_context_is_filled_up(graphs: list[str]) -> None:
    for length in (37, SHAPE.context):
        found, exact = (
            with_gradient(nats, torch.float32, "matmul", length=length)
            for nats in (compiled.training_nats, model.training_nats)
        )
        assert relative_error(found, exact) < 1e-5
    assert len(graphs) == 1


def test_a_library_serves_one_size_and_type_and_number_of_threads(graphs: list[str]) -> None:
    for _ in range(2):
        for rows, dtype in ((2, torch.float32), (3, torch.float32), (3, torch.bfloat16)):
            with_gradient(compiled.training_nats, dtype, "matmul", rows)
        torch.set_num_threads(2)
        with_gradient(compiled.training_nats, torch.float32, "matmul", 2)
        torch.set_num_threads(1)
    assert len(graphs) == 4
    assert [attention.INLINED in what for what in graphs] == [False, False, True, False]


def test_two_graphs_serve_all_runs_of_a_study(tmp_path: Path, graphs: list[str]) -> None:
    """One trains, one scores: all sizes and seeds, and texts shorter than the context."""
    recipe = Converged(learning_rates=(1e-3, 3e-3), max_bytes=300, evaluate_bytes=200)
    shape = Shape(layers=1, width=8, heads=1, feed_forward=8, context=24)
    settings = TransformerSettings(shape=shape, recipe=recipe, batch=2)
    learner = Transformer(settings, Numerics(compiled=True, micro_batch=2))
    validation = Documents.from_list([b"one document", b"another, which is longer"])

    def fit(text: bytes, name: str, start: model.State | None = None) -> model.State:
        task = Task(text=Documents.from_list([text]), validation=validation, seed=len(name))
        return learner.fit(task, start=start, folder=tmp_path / name, watch=quiet).state

    def quiet(_: Progress) -> None:
        return

    parent = fit(bytes(range(256)), "parent")
    for name, text in (("long", b"abc" * 99), ("short", b"short"), ("other seed", b"abc" * 99)):
        fit(text, name)
        fit(text, f"{name}, fine-tuned", parent)
    assert len(graphs) == 2


@pytest.mark.slow
def test_a_process_makes_code_for_more_shapes_than_torch_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there are no libraries, on CUDA; its own limit is 8, then it goes on uncompiled."""
    from torch._dynamo.testing import CompileCounter

    counter = CompileCounter()  # runs the graph as it is, and counts
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=counter))
    nats = compiled._by_torch.__wrapped__(model.target_nats)
    weights = model.fuse(model.initial_state(SHAPE, 0), SHAPE)
    tables = attention.position_tables(SHAPE, torch.float32, CPU)
    for rows in range(1, 11):
        nats(weights, *batch(rows), SHAPE, tables, "sdpa")
    assert counter.frame_count == 10


SCRIPT = """
import sys, tempfile
from pathlib import Path
from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.learner import Task
from bytetransfer.learners.transformer.learner import Transformer
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import Converged, Shape, TransformerSettings

shape = Shape(layers=1, width=8, heads=1, feed_forward=8, context=8)
recipe = Converged(max_bytes=99, evaluate_bytes=40)
settings = TransformerSettings(shape=shape, recipe=recipe, batch=2)
learner = Transformer(settings, Numerics(compiled=True, micro_batch=2))
text = Documents.from_list([b"a few words"])
task = Task(text=text, validation=text, seed=0)
with tempfile.TemporaryDirectory() as folder:
    fitted = learner.fit(task, start=None, folder=Path(folder), watch=lambda _: None)
print(float(learner.score(fitted.state, text).sum()).hex())
print([name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules])
"""


@pytest.mark.slow
def test_a_second_process_finds_what_the_first_compiled_and_loads_no_compiler(
    tmp_path: Path,
) -> None:
    if not has_compiler():
        pytest.skip("no C++ compiler on this machine, so nothing is compiled here")
    others = tmp_path / f"torchinductor_{getpass.getuser()}"
    others.mkdir()  # where torch would look for code, whoever made it
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "PYTORCH_KERNEL_CACHE_PATH"):
        environment.pop(name, None)
    first, second = (
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", SCRIPT],
            capture_output=True,
            text=True,
            timeout=200,
            env=environment,
        )
        for _ in range(2)
    )
    assert first.returncode == second.returncode == 0, first.stderr + second.stderr
    (nats, _), (nats_again, loaded) = (done.stdout.splitlines() for done in (first, second))
    assert nats == nats_again
    assert math.isfinite(float.fromhex(nats))
    assert loaded == "[]"
    assert not list(others.iterdir())
    assert {path.name for path in tmp_path.iterdir()} <= {
        others.name,
        f"bytetransfer-{os.getuid()}",
    }
