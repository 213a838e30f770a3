"""AdamW, held against torch's class."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from bytetransfer.learners.transformer.optimiser import AdamW  # noqa: E402
from bytetransfer.learners.transformer.settings import Optimiser  # noqa: E402

VALUES = Optimiser(beta1=0.8, beta2=0.9, epsilon=1e-6, weight_decay=0.3)


def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    shapes = {"matrix": (5, 7), "gain": (7,), "other": (3, 2)}
    return {name: torch.randn(shape).requires_grad_() for name, shape in shapes.items()}


def test_it_does_what_torchs_own_does_to_the_bit() -> None:
    mine, its = weights(), weights()
    made = AdamW(mine, VALUES)
    groups = [
        {"params": [its["matrix"], its["other"]], "weight_decay": VALUES.weight_decay},
        {"params": [its["gain"]], "weight_decay": 0.0},
    ]
    betas = (VALUES.beta1, VALUES.beta2)
    reference = torch.optim.AdamW(groups, betas=betas, eps=VALUES.epsilon, fused=True)
    for number in range(5):
        rate = 0.1 / (number + 1)
        for name in mine:
            gradient = torch.randn(mine[name].shape)
            mine[name].grad, its[name].grad = gradient.clone(), gradient
        made.step(rate)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
    for name in mine:
        assert torch.equal(mine[name], its[name])
        assert mine[name].grad is None
        for moment, tensor in made.moments[name].items():
            assert torch.equal(tensor, reference.state[its[name]][moment])


@pytest.mark.slow
def test_what_is_not_compiled_does_not_load_the_compiler() -> None:
    """It takes as long as all the rest before the first step."""
    script = """
import sys, tempfile
from pathlib import Path
from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.learner import Task
from bytetransfer.learners.transformer.learner import Transformer
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import Converged, Shape, TransformerSettings

shape = Shape(layers=1, width=8, heads=1, feed_forward=8, context=8)
recipe = Converged(max_bytes=99, evaluate_bytes=40)
learner = Transformer(TransformerSettings(shape=shape, recipe=recipe, batch=2), Numerics())
text = Documents.from_list([b"a few words"])
task = Task(text=text, validation=text, seed=0)
with tempfile.TemporaryDirectory() as folder:
    fitted = learner.fit(task, start=None, folder=Path(folder), watch=lambda _: None)
learner.score(fitted.state, text)
print([name for name in ("torch._dynamo", "torch._inductor") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n", done.stderr
