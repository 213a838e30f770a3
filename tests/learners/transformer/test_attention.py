"""Attention by rows against torch's fused kernel, forward and backward."""

import pytest

torch = pytest.importorskip("torch")

from bytetransfer.learners.transformer import attention  # noqa: E402
from bytetransfer.learners.transformer.settings import Shape  # noqa: E402

SHAPE = Shape(layers=1, width=64, heads=4, feed_forward=64, context=300)
CPU = torch.device("cpu")


def attended(kind: str, length: int, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
    """What attention makes of random q, k and v, and the gradient of a random sum of it."""
    random = torch.Generator().manual_seed(length)
    qkv = torch.randn(2, length, 3 * SHAPE.width, generator=random).to(dtype).requires_grad_()
    found = attention.attend(qkv, attention.position_tables(SHAPE, dtype, CPU), SHAPE, kind)
    found.backward(torch.randn(found.shape, generator=random).to(dtype))
    assert qkv.grad is not None
    return found.detach(), qkv.grad


@pytest.mark.parametrize("kind", ["matmul", attention.INLINED])
@pytest.mark.parametrize("length", [1, 40, 128, 129, 256, 300])
def test_rows_equal_the_fused_kernel_and_so_do_their_gradients(length: int, kind: str) -> None:
    rows, fused = (attended(kind, length, torch.float32) for kind in (kind, "sdpa"))
    for got, expected in zip(rows, fused, strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["matmul", attention.INLINED])
def test_in_bf16_rows_are_as_near_the_truth_as_the_fused_kernel(kind: str) -> None:
    exact = attended("sdpa", 256, torch.float32)
    rows, fused = (attended(kind, 256, torch.bfloat16) for kind in (kind, "sdpa"))
    for got, other, expected in zip(rows, fused, exact, strict=True):
        error, usual = ((x.float() - expected).square().mean() for x in (got, other))
        assert error < 1.5 * usual


def test_a_rotation_is_undone_by_the_opposite_sine() -> None:
    cosine, sine, _ = attention.position_tables(SHAPE, torch.float64, CPU)
    x = torch.randn(2, 4, 300, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    back = attention.rotate(attention.rotate(x, cosine, sine), cosine, -sine)
    torch.testing.assert_close(back, x / 4)  # each way times K^-1/4


def test_scores_depend_on_the_distance_of_positions_alone() -> None:
    cosine, sine, _ = attention.position_tables(SHAPE, torch.float64, CPU)
    q, k = torch.randn(2, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    every = [x.expand(1, 1, 300, 16) for x in (q, k)]
    turned_q, turned_k = (attention.rotate(x, cosine, sine)[0, 0] for x in every)
    scores = turned_q @ turned_k.T
    for distance in (0, 1, 17, 200):
        along = scores.diagonal(-distance)
        torch.testing.assert_close(along, along[:1].expand_as(along))
