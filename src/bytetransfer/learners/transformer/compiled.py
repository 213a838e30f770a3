"""The functions of `model` through torch's compiler: libraries on a CPU, torch.compile on CUDA."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bytetransfer.learners.transformer import elementary, model
from bytetransfer.learners.transformer.attention import INLINED, Tables
from bytetransfer.learners.transformer.code_folder import claim_code_folder
from bytetransfer.learners.transformer.library import Library, library, modes
from bytetransfer.learners.transformer.model import Weights
from bytetransfer.learners.transformer.settings import DOCUMENT, Shape

SHAPES_A_PROCESS = 256
"""Of these torch.compile makes code; beyond its own limit of 8 it would go on uncompiled."""


def training_nats(
    weights: Weights, x_BT: Tensor, y_BT: Tensor, shape: Shape, tables: Tables, attention: str
) -> Tensor:
    """`model.training_nats`, compiled once for each B; differentiable by the weights alone."""
    # windows of a text shorter than the context are filled up, or they would be compiled for
    missing = (0, shape.context - x_BT.shape[1])
    x_BT, y_BT = (F.pad(tokens, missing, value=DOCUMENT) for tokens in (x_BT, y_BT))
    if x_BT.device.type == "cuda":
        return _by_torch(model.training_nats)(weights, x_BT, y_BT, shape, tables, attention)
    names, attention = tuple(weights), _inlined(tables, attention)

    def with_gradient(*tensors: Tensor) -> tuple[Tensor, ...]:
        leaves, (x, y, *rest) = tensors[: len(names)], tensors[len(names) :]
        named = dict(zip(names, leaves, strict=True))
        nats = model.training_nats(named, x, y, shape, Tables(*rest), attention)
        return nats.detach(), *torch.autograd.grad(nats, leaves)

    leaves = [weight.detach().requires_grad_() for weight in weights.values()]
    tensors = [*leaves, x_BT.contiguous(), y_BT.contiguous(), *tables]
    run = _opened(with_gradient, tensors, ("training", shape, attention))
    nats: Callable[..., Tensor] = _TrainingNats.apply
    return nats(run, tensors[len(names) :], *weights.values())


def target_nats(
    weights: Weights, x_BT: Tensor, y_BT: Tensor, shape: Shape, tables: Tables, attention: str
) -> Tensor:
    """`model.target_nats`, compiled once for each size of x; without a gradient."""
    if x_BT.device.type == "cuda":
        return _by_torch(model.target_nats)(weights, x_BT, y_BT, shape, tables, attention)
    names, attention = tuple(weights), _inlined(tables, attention)

    def nats(*tensors: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(names, tensors, strict=False))
        x, y, *rest = tensors[len(names) :]
        return (model.target_nats(named, x, y, shape, Tables(*rest), attention),)

    leaves = [weight.detach() for weight in weights.values()]
    tensors = [*leaves, x_BT.contiguous(), y_BT.contiguous(), *tables]
    return _opened(nats, tensors, ("scoring", shape, attention))(tensors)[0]


class _TrainingNats(torch.autograd.Function):
    """A loss that comes with its gradient: what is left for a backward pass is to scale it."""

    @staticmethod
    def forward(ctx: Any, run: Library, others: list[Tensor], *weights: Tensor) -> Tensor:
        nats, *ctx.gradients = run([*weights, *others])
        return nats

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        gradients, ctx.gradients = ctx.gradients, None  # or they would be copied, being held twice
        torch._foreach_mul_(gradients, grads[0])
        return None, None, *gradients


_libraries: dict[Any, Library] = {}


def _inlined(tables: Tables, attention: str) -> str:
    """In bfloat16, the attention whose functions `elementary` has; float32 would show them."""
    is_bfloat16 = tables.cosine.dtype == torch.bfloat16
    return INLINED if attention == "matmul" and is_bfloat16 else attention


def _opened(function: Callable[..., Any], like: list[Tensor], what: Any) -> Library:
    """The library of a function, opened once a process."""
    *_, x_BT, _, cosine_TK, _, _ = like
    key = what, cosine_TK.dtype, x_BT.shape, modes()
    if key not in _libraries:
        aten = torch.ops.aten
        gelu: dict[Any, Callable[..., Any]] = {
            aten.gelu.default: elementary.gelu,
            aten.gelu_backward.default: elementary.gelu_gradient,
        }
        instead = gelu if cosine_TK.dtype == torch.bfloat16 else {}
        _libraries[key] = library(function, like, repr(what), instead)
    return _libraries[key]


@functools.cache
def _by_torch(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A function through torch.compile, once a process, so that runs share its code."""
    import torch._dynamo
    import torch._functorch.config

    claim_code_folder()
    torch._dynamo.config.recompile_limit = SHAPES_A_PROCESS
    config, name = torch._functorch.config, "autograd_cache_allow_custom_autograd_functions"
    if hasattr(config, name):  # or a graph with our attention is compiled in every process
        setattr(config, name, True)
    compiled: Callable[..., Tensor] = torch.compile(function, dynamic=False)
    return compiled
