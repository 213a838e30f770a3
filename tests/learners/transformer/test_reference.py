"""The fast path against a plain loop: a Llama written out, float32, SDPA, AdamW, nothing fused."""

import functools
import math
from collections.abc import Iterator

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from bytetransfer.learners.transformer import model, trainer  # noqa: E402
from bytetransfer.learners.transformer.numerics import Numerics, has_compiler  # noqa: E402
from bytetransfer.learners.transformer.settings import Shape, TransformerSettings  # noqa: E402

SHAPE = Shape(layers=2, width=32, heads=2, feed_forward=64, context=160)  # two blocks of rows
SETTINGS = TransformerSettings(shape=SHAPE, batch=4)
STEPS, RATE = 20, 3e-3


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Bytes that count upwards from a random place, and a begin symbol."""
    start = np.random.default_rng(step).integers(0, 64, (SETTINGS.batch, 1))
    tokens = (start + np.arange(SHAPE.context + 1)) % 64 + 32
    tokens[0, 7] = 256
    return tokens[:, :-1].copy(), tokens[:, 1:].copy()


def plain_loss(state: model.State, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    B, T = x.shape
    H, K = SHAPE.heads, SHAPE.width // SHAPE.heads
    angle = torch.outer(torch.arange(T), 10_000.0 ** -(torch.arange(0, K, 2) / K)).repeat(1, 2)

    def turned(h: torch.Tensor) -> torch.Tensor:
        other = torch.cat([-h[..., K // 2 :], h[..., : K // 2]], -1)
        return h * angle.cos() + other * angle.sin()

    h = F.embedding(x, state["model.embed_tokens.weight"])
    for layer in range(SHAPE.layers):
        w = {name.removeprefix(f"model.layers.{layer}."): t for name, t in state.items()}
        a = F.rms_norm(h, (SHAPE.width,), w["input_layernorm.weight"], 1e-5)
        q, k, v = (
            (a @ w[f"self_attn.{n}_proj.weight"].T).view(B, T, H, K).transpose(1, 2) for n in "qkv"
        )
        a = F.scaled_dot_product_attention(turned(q), turned(k), v, is_causal=True)
        h = h + a.transpose(1, 2).reshape(B, T, -1) @ w["self_attn.o_proj.weight"].T
        a = F.rms_norm(h, (SHAPE.width,), w["post_attention_layernorm.weight"], 1e-5)
        gate, up = (a @ w[f"mlp.{n}_proj.weight"].T for n in ("gate", "up"))
        h = h + (F.gelu(gate) * up) @ w["mlp.down_proj.weight"].T
    h = F.rms_norm(h, (SHAPE.width,), state["model.norm.weight"], 1e-5)
    logits = h @ state["model.embed_tokens.weight"].T
    return F.cross_entropy(logits.flatten(0, 1), y.flatten(), ignore_index=256)


@functools.cache
def plain_losses() -> list[float]:
    """Bits per byte of 20 steps of the plain loop."""
    state = {n: w.requires_grad_() for n, w in model.initial_state(SHAPE, 0).items()}
    values = SETTINGS.optimiser
    matrices, gains = ([w for w in state.values() if (w.dim() > 1) is m] for m in (True, False))
    optimiser = torch.optim.AdamW(
        [
            {"params": matrices, "weight_decay": values.weight_decay},
            {"params": gains, "weight_decay": 0.0},
        ],
        lr=RATE,
        betas=(values.beta1, values.beta2),
        eps=values.epsilon,
    )
    found = []
    for step in range(STEPS):
        x, y = (torch.from_numpy(tokens) for tokens in batch(step))
        loss = plain_loss(state, x, y)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(state.values(), values.clip)
        optimiser.step()
        found.append(loss.item() / math.log(2))
    return found


def losses(numerics: Numerics) -> list[float]:
    start = model.initial_state(SHAPE, 0)
    made = trainer.Trainer(start, settings=SETTINGS, numerics=numerics, micro_batch=SETTINGS.batch)
    found = []
    for step in range(STEPS):
        made.step(*batch(step), number=step, learning_rate=RATE)
        assert made.bits_per_byte is not None
        found.append(made.bits_per_byte)
    return found


@pytest.mark.parametrize(
    ("numerics", "tolerance"),
    [
        (Numerics(), 2e-4),
        (Numerics(attention="sdpa"), 2e-4),
        (Numerics(precision="bf16"), 0.02),
    ],
    ids=["blocks of rows", "sdpa", "bf16"],
)
def test_twenty_steps_follow_the_plain_loop(numerics: Numerics, tolerance: float) -> None:
    """Stated rounding: .0002 bits per byte in float32, .02 with products in bf16."""
    assert plain_losses()[0] - plain_losses()[-1] > 1, "there is something to follow"
    assert losses(numerics) == pytest.approx(plain_losses(), abs=tolerance)


@pytest.mark.slow
def test_twenty_compiled_steps_follow_the_plain_loop() -> None:
    if not has_compiler():
        pytest.skip("no C++ compiler on this machine, so nothing is compiled here")
    fast = Numerics(precision="bf16", compiled=True)
    assert losses(fast) == pytest.approx(plain_losses(), abs=0.02)
