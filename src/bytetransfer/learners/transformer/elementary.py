"""GELU and softmax of polynomials, for code that is compiled for a CPU.

A compiler turns polynomials into a few instructions between its own, where it would call a library
for torch's exponential and error function, and once more for the derivative. What is lost is a
thousandth of what bfloat16 rounds away. Both functions are powers of a reciprocal, which fall to 0
by themselves where the argument is large, so nothing need be cut off.

    exp(-w)            is about  E(w / 32)^-32
    erfc(z / √2) / 2   is about  T(z)^-16 / 2, the Gaussian tail, in the form of Abramowitz & Stegun
                                 7.1.28, whose slope, the density, then costs no second exponential
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

# Fitted by least squares with weights that even out the error. exp: relative error 4e-7 up to
# w = 16, from where on terms are below bfloat16's rounding. Tail: absolute error of GELU 4e-7, of
# its derivative 1e-6. Rounding in float32 adds 2e-6 to the former.
_EXP = (1.0, 1.00000114, 0.49996637, 0.16698406, 0.04038126, 0.01063211)
_TAIL = (
    *(1.0, 4.98659487e-2, 2.11483922e-2, 3.26443926e-3),
    *(4.83230301e-5, 4.52686262e-5, 5.84801139e-6),
)
_TAIL_SLOPE = tuple(power * factor for power, factor in enumerate(_TAIL))[1:]


def gelu(x: Tensor, approximate: str = "none") -> Tensor:
    """The product of x and the Gaussian distribution function at x; float32 inside."""
    x_ = x.float()
    tail, _ = _tail_and_density(x_.abs())
    return (x_ * 0.5 + x_.abs() * (0.5 - tail)).to(x.dtype)


def gelu_gradient(grad: Tensor, x: Tensor, approximate: str = "none") -> Tensor:
    """The gradient of `gelu` by x, where `grad` is that by its value."""
    x_ = x.float()
    tail, density = _tail_and_density(x_.abs())
    negative = tail - x_.abs() * density
    return (grad.float() * torch.where(x_ < 0, negative, 1 - negative)).to(x.dtype)


def softmax(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Over the last dimension, in two parts: exponentials, and one over their sum.

    The largest exponential of a row is 1. They are rounded to the type of `scores` and the sum is
    that of the rounded ones, float32, of length 1 in the last dimension.
    """
    x = scores.float()
    exponentials = _exp_of_negative(x.amax(-1, keepdim=True) - x).to(scores.dtype)
    return exponentials, torch.reciprocal(exponentials.float().sum(-1, keepdim=True))


def softmax_gradient(grad: Tensor, exponentials: Tensor, over_sum: Tensor) -> Tensor:
    """The gradient by the scores, where `grad` is that by the softmax, times `over_sum`."""
    grad_, exponentials_ = grad.float(), exponentials.float()
    mean = (exponentials_ * grad_).sum(-1, keepdim=True) * over_sum
    return (exponentials_ * (grad_ - mean)).to(grad.dtype)


def _exp_of_negative(w: Tensor) -> Tensor:
    """exp(-w) of numbers from 0 to infinity."""
    return _squared(torch.reciprocal(_polynomial(w * (1 / 32), _EXP)), 5)


def _tail_and_density(z: Tensor) -> tuple[Tensor, Tensor]:
    """Of the standard Gaussian beyond z, and at z; z is not negative."""
    z = z.clamp(max=100.0)  # where the tail is 0, and the powers of z still finite
    over = torch.reciprocal(_polynomial(z, _TAIL))
    tail = _squared(over, 4) * 0.5
    return tail, tail * over * _polynomial(z, _TAIL_SLOPE) * 16


def _polynomial(x: Tensor, factors: Sequence[float]) -> Tensor:
    """By Horner's rule; factors of rising powers."""
    highest, second, *rest = reversed(factors)
    return functools.reduce(lambda sum_, factor: sum_ * x + factor, rest, x * highest + second)


def _squared(x: Tensor, times: int) -> Tensor:
    for _ in range(times):
        x = x.square()  # for x * x the compiler would work out x twice, and this 2^times times
    return x
