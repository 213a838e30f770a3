"""The decoder: causal, and equal to a literal Llama."""

import math

import pytest

torch = pytest.importorskip("torch")

from bytetransfer.learners.transformer import attention as attending  # noqa: E402
from bytetransfer.learners.transformer import model  # noqa: E402
from bytetransfer.learners.transformer.settings import Shape  # noqa: E402

SHAPE = Shape(layers=2, width=24, heads=3, feed_forward=40, context=200)


def llama_logits(state: model.State, x_BT: torch.Tensor) -> torch.Tensor:
    """Hugging Face's Llama, written out head by head from a state's own names."""
    width, heads = SHAPE.width, SHAPE.heads
    size = width // heads
    T = x_BT.shape[1]
    angle = torch.outer(torch.arange(T), 10_000.0 ** -(torch.arange(0, size, 2) / size))
    cos, sin = (torch.cat([f(angle), f(angle)], -1) for f in (torch.cos, torch.sin))

    def norm(h: torch.Tensor, gain: torch.Tensor) -> torch.Tensor:
        return gain * h / torch.sqrt((h * h).mean(-1, keepdim=True) + 1e-5)

    def turn(h: torch.Tensor) -> torch.Tensor:
        rotated = torch.cat([-h[..., size // 2 :], h[..., : size // 2]], -1)
        return h * cos + rotated * sin

    h = state["model.embed_tokens.weight"][x_BT]
    for layer in range(SHAPE.layers):
        w = {name.removeprefix(f"model.layers.{layer}."): tensor for name, tensor in state.items()}
        a = norm(h, w["input_layernorm.weight"])
        parts = []
        for head in range(heads):
            rows = slice(head * size, (head + 1) * size)
            q, k, v = (a @ w[f"self_attn.{name}_proj.weight"][rows].T for name in "qkv")
            scores = turn(q) @ turn(k).transpose(1, 2) / math.sqrt(size)
            scores = scores.masked_fill(torch.ones(T, T).triu(1).bool(), -math.inf)
            parts.append(scores.softmax(-1) @ v)
        h = h + torch.cat(parts, -1) @ w["self_attn.o_proj.weight"].T
        a = norm(h, w["post_attention_layernorm.weight"])
        gate, up = (a @ w[f"mlp.{name}_proj.weight"].T for name in ("gate", "up"))
        gelu = gate * 0.5 * (1 + torch.erf(gate / math.sqrt(2)))
        h = h + (gelu * up) @ w["mlp.down_proj.weight"].T
    return norm(h, state["model.norm.weight"]) @ state["model.embed_tokens.weight"].T


def perturbed_state() -> model.State:
    """Random weights, norm gains included, so that no weight is at a value that hides it."""
    random = torch.Generator().manual_seed(3)
    return {
        name: tensor + 0.3 * torch.randn(tensor.shape, generator=random)
        for name, tensor in model.initial_state(SHAPE, 1).items()
    }


def tables(dtype: torch.dtype = torch.float32) -> attending.Tables:
    return attending.position_tables(SHAPE, dtype, torch.device("cpu"))


@pytest.mark.parametrize("attention", ["matmul", "sdpa"])
def test_equals_a_literal_llama(attention: str) -> None:
    state = perturbed_state()
    tokens = torch.randint(0, 257, (3, 151), generator=torch.Generator().manual_seed(0))
    x, y = tokens[:, :-1], tokens[:, 1:]
    got = model.target_nats(model.fuse(state, SHAPE), x, y, SHAPE, tables(), attention)
    log_p = llama_logits(state, x).log_softmax(-1)
    expected = -log_p.gather(2, y[:, :, None])[:, :, 0].where(y != 256, torch.zeros(()))
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    total = model.training_nats(model.fuse(state, SHAPE), x, y, SHAPE, tables(), attention)
    torch.testing.assert_close(total, expected.sum(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("attention", ["matmul", "sdpa"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_later_byte_never_changes_an_earlier_loss(dtype: torch.dtype, attention: str) -> None:
    weights = model.fuse(perturbed_state(), SHAPE)
    tokens = torch.randint(0, 256, (1, 180), generator=torch.Generator().manual_seed(0))
    for place in (1, 64, 127, 128, 129, 178):
        other = tokens.clone()
        other[0, place] = (other[0, place] + 1) % 256
        before, after = (
            model.target_nats(weights, t[:, :-1], t[:, 1:], SHAPE, tables(dtype), attention)
            for t in (tokens, other)
        )
        assert torch.equal(before[0, : place - 1], after[0, : place - 1])
        assert not torch.equal(before[0, place - 1 :], after[0, place - 1 :])


def test_bf16_is_near_fp32() -> None:
    """Rounding to 8 bits of mantissa moves a mean loss by well under a hundredth of a nat."""
    weights = model.fuse(model.initial_state(SHAPE, 1), SHAPE)
    tokens = torch.randint(0, 256, (8, 181), generator=torch.Generator().manual_seed(0))
    x, y = tokens[:, :-1], tokens[:, 1:]
    fp32, bf16 = (
        model.target_nats(weights, x, y, SHAPE, tables(dtype), "matmul").mean()
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert abs(float(fp32 - bf16)) < 0.003


def test_fusing_is_undone_exactly() -> None:
    state = perturbed_state()
    back = model.unfuse(model.fuse(state, SHAPE), SHAPE)
    assert list(back) == list(state)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_initial_weights_are_a_function_of_the_seed() -> None:
    one, same, other = (model.initial_state(SHAPE, seed) for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["model.embed_tokens.weight"], other["model.embed_tokens.weight"])
