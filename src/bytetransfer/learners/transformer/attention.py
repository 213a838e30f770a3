"""Causal attention with rotary positions, by plain matrix products or torch's fused kernel.

Letters of the shape suffixes are those of `model`, and R the rows of a block of scores, S the
positions they see.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from bytetransfer.learners.transformer import elementary
from bytetransfer.learners.transformer.settings import Shape

ROTARY_BASE = 10_000.0
INLINED = "inlined matmul"  # "matmul" for code that is compiled: its loops merge with one another
ROW_BLOCK = 128  # rows of the score matrix at a time: each block computes only its past


class Tables(NamedTuple):
    """What depends on positions alone.

    Attributes:
        cosine: of the rotary angles of a head's two halves, shape (T, K); times K^-1/4, like the
            sine, so that q·k arrives divided by √K.
        sine: likewise, negative for the first half.
        mask: 0 on and below the diagonal, -inf above; shape (T, T).
    """

    cosine: Tensor
    sine: Tensor
    mask: Tensor


def attend(qkv_BTX: Tensor, tables: Tables, shape: Shape, attention: str) -> Tensor:
    """Causal attention from q over k over v, shape (B, T, D)."""
    if attention != "sdpa":
        by_rows: Callable[..., Tensor] = _AttendByRows.apply
        return by_rows(qkv_BTX, *tables, shape.heads, attention == INLINED)
    q_BHTK, k_BHTK, v_BHTK = _heads(qkv_BTX, shape.heads)
    q_BHTK, k_BHTK = (rotate(x, tables.cosine, tables.sine) for x in (q_BHTK, k_BHTK))
    a_BHTK = F.scaled_dot_product_attention(q_BHTK, k_BHTK, v_BHTK, is_causal=True, scale=1.0)
    return a_BHTK.transpose(1, 2).flatten(2)


def rotate(x_BHTK: Tensor, cosine_TK: Tensor, sine_TK: Tensor) -> Tensor:
    """Rotary positions: each half of a head turned with the other.

    `sine` has its sign in it, see `Tables`; with the other sign this is the inverse, and so what
    gradients are turned by.
    """
    T = x_BHTK.shape[2]
    first, second = x_BHTK.chunk(2, -1)
    swapped_BHTK = torch.cat((second, first), -1)
    return x_BHTK * cosine_TK[:T] + swapped_BHTK * sine_TK[:T]


def _rotate_halves(x_BHTK: Tensor, cosine_TK: Tensor, sine_TK: Tensor) -> Tensor:
    """`rotate` without a swapped copy: more operations, which a compiler merges into one loop."""
    T, half = x_BHTK.shape[2], x_BHTK.shape[3] // 2
    first, second = x_BHTK.chunk(2, -1)
    cosine_TK, sine_TK = cosine_TK[:T], sine_TK[:T]
    turned = first * cosine_TK[:, :half] + second * sine_TK[:, :half]
    return torch.cat((turned, second * cosine_TK[:, half:] + first * sine_TK[:, half:]), -1)


class _AttendByRows(torch.autograd.Function):
    """Causal attention by plain matrix products, a block of rows at a time.

    With a backward pass of its own: torch's would sum gradients of overlapping slices, of
    transposed operands and of the halves of heads element by element.
    """

    @staticmethod
    def forward(
        ctx: Any,
        qkv_BTX: Tensor,
        cosine_TK: Tensor,
        sine_TK: Tensor,
        mask_TT: Tensor,
        heads: int,
        inlined: bool,
    ) -> Tensor:
        """Shape (B, T, D)."""
        B, T, _ = qkv_BTX.shape
        ctx.inlined, turn = inlined, _rotate_halves if inlined else rotate
        q_BHTK, k_BHTK, v_BHTK = _heads(qkv_BTX, heads)
        q_BHTK, k_BHTK = (turn(x, cosine_TK, sine_TK) for x in (q_BHTK, k_BHTK))
        blocks: list[Tensor] = []
        kept: list[Tensor | None] = [cosine_TK, sine_TK]
        for start, end in _row_blocks(T):
            q_NRK = _packed(q_BHTK[:, :, start:end])
            k_NSK, v_NSK = _packed(k_BHTK[:, :, :end]), _packed(v_BHTK[:, :, :end])
            scores_NRS = torch.bmm(q_NRK, k_NSK.transpose(1, 2)) + mask_TT[start:end, :end]
            share_NRS, over_NR1 = _softmax(scores_NRS, inlined)
            blocks.append(_beside(_times(torch.bmm(share_NRS, v_NSK), over_NR1), B))
            kept += [q_NRK, k_NSK, v_NSK, share_NRS, over_NR1]
        ctx.save_for_backward(*kept)
        return torch.cat(blocks, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """The gradient of qkv, shape (B, T, X)."""
        B, T, _ = grads[0].shape
        turn = _rotate_halves if ctx.inlined else rotate
        cosine_TK, sine_TK, *kept = ctx.saved_tensors
        grad_BHTK = grads[0].reshape(B, T, len(kept[0]) // B, -1).transpose(1, 2)
        blocks = _row_blocks(T)
        dq, dk, dv = [], [], []
        for (start, end), q, k, v, share, over in zip(blocks, *[iter(kept)] * 5, strict=True):
            grad_NRK = _times(_packed(grad_BHTK[:, :, start:end]), over)
            dshare_NRS = torch.bmm(grad_NRK, v.transpose(1, 2))
            dscores_NRS = _softmax_gradient(dshare_NRS, share, over)
            dq.append(torch.bmm(dscores_NRS, k))
            dk.append(torch.bmm(dscores_NRS.transpose(1, 2), q))
            dv.append(torch.bmm(share.transpose(1, 2), grad_NRK))
        rows = []
        for i, (start, end) in enumerate(blocks):
            k_NRK, v_NRK = (_sum(x[:, start:end] for x in later[i:]) for later in (dk, dv))
            back = cosine_TK[start:end], -sine_TK[start:end]
            turned = (turn(x[None], *back)[0] for x in (dq[i], k_NRK))
            rows.append(torch.cat([_beside(x, B) for x in (*turned, v_NRK)], -1))
        return torch.cat(rows, 1), *[None] * 5


def _softmax(scores_NRS: Tensor, inlined: bool) -> tuple[Tensor, Tensor | None]:
    """Shares, and what they are still to be multiplied with."""
    return elementary.softmax(scores_NRS) if inlined else (torch.softmax(scores_NRS, -1), None)


def _softmax_gradient(dshare_NRS: Tensor, share_NRS: Tensor, over_NR1: Tensor | None) -> Tensor:
    if over_NR1 is None:
        return torch._softmax_backward_data(dshare_NRS, share_NRS, -1, share_NRS.dtype)
    return elementary.softmax_gradient(dshare_NRS, share_NRS, over_NR1)


def _times(x_NRK: Tensor, over_NR1: Tensor | None) -> Tensor:
    return x_NRK if over_NR1 is None else (x_NRK.float() * over_NR1).to(x_NRK.dtype)


def _heads(qkv_BTX: Tensor, heads: int) -> tuple[Tensor, ...]:
    """Views of q, k and v, each of shape (B, H, T, K)."""
    B, T, _ = qkv_BTX.shape
    return tuple(x.view(B, T, heads, -1).transpose(1, 2) for x in qkv_BTX.chunk(3, -1))


def _row_blocks(T: int) -> list[tuple[int, int]]:
    return [(start, min(start + ROW_BLOCK, T)) for start in range(0, T, ROW_BLOCK)]


def _sum(parts: Iterable[Tensor]) -> Tensor:
    return functools.reduce(operator.add, parts)


def _packed(x_BHTK: Tensor) -> Tensor:
    """One matrix a head, each whole in memory: products would pack a slice again at each use."""
    return x_BHTK.contiguous().view(-1, *x_BHTK.shape[2:])


def _beside(x_NTK: Tensor, B: int) -> Tensor:
    """Heads beside one another, shape (B, T, D)."""
    _, T, K = x_NTK.shape
    return x_NTK.view(B, -1, T, K).transpose(1, 2).reshape(B, T, -1)


@functools.lru_cache(maxsize=8)
def position_tables(shape: Shape, dtype: torch.dtype, device: torch.device) -> Tables:
    """The tables of a shape, made once; `dtype` is the type of the matrix products."""
    K = shape.width // shape.heads
    frequency = ROTARY_BASE ** -(torch.arange(0, K, 2, dtype=torch.float64) / K)
    position = torch.arange(shape.context, dtype=torch.float64)
    angle = torch.outer(position, frequency)
    scale = K**-0.25
    cosine = torch.cat((angle.cos(), angle.cos()), 1) * scale
    sine = torch.cat((-angle.sin(), angle.sin()), 1) * scale
    mask = torch.full((shape.context, shape.context), -math.inf).triu(1)
    return Tables(*(table.to(device, dtype) for table in (cosine, sine, mask)))
