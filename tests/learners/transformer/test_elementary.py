"""Polynomials against torch's own functions, in float64."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import torch.nn.functional as F  # noqa: E402

from bytetransfer.learners.transformer import elementary  # noqa: E402

GRID = torch.cat([torch.linspace(-12, 12, 20_001), torch.tensor([-1e30, -1e3, 1e3, 1e30])])


def test_gelu_and_its_derivative_are_near_those_of_the_error_function() -> None:
    exact = GRID.double().requires_grad_()
    F.gelu(exact).sum().backward()
    got = elementary.gelu(GRID).double()
    torch.testing.assert_close(got, F.gelu(exact.detach()), rtol=1e-6, atol=6e-7)
    slope = elementary.gelu_gradient(torch.ones_like(GRID), GRID).double()
    torch.testing.assert_close(slope, exact.grad, rtol=0, atol=1.5e-6)


def test_gelu_of_no_number_is_no_number() -> None:
    nothing = torch.tensor([math.nan])
    assert elementary.gelu(nothing).isnan().all()
    assert elementary.gelu_gradient(torch.ones(1), nothing).isnan().all()


scores = st.lists(
    st.one_of(st.floats(-200, 200, width=32), st.just(-math.inf)), min_size=1, max_size=40
).filter(lambda row: max(row) > -math.inf)


@given(scores)
def test_softmax_is_near_that_of_the_exponential(row: list[float]) -> None:
    x = torch.tensor(row)
    exponentials, over_sum = elementary.softmax(x)
    got = (exponentials * over_sum).double()
    exact = torch.softmax(x.double(), -1)
    torch.testing.assert_close(got, exact, rtol=5e-6, atol=1e-7)
    assert (got[x == -math.inf] == 0).all(), "what is masked weighs nothing at all"
    assert exponentials.max() == 1


@given(scores, st.integers(0, 99))
def test_the_gradient_of_softmax_is_that_of_its_parts(row: list[float], seed: int) -> None:
    exact = torch.tensor(row, dtype=torch.float64).requires_grad_()
    grad = torch.from_numpy(np.random.default_rng(seed).normal(size=len(row)))
    torch.softmax(exact, -1).backward(grad)
    exponentials, over_sum = elementary.softmax(torch.tensor(row))
    got = elementary.softmax_gradient(grad.float() * over_sum, exponentials, over_sum)
    torch.testing.assert_close(got.double(), exact.grad, rtol=1e-5, atol=3e-6)


def test_softmax_of_no_number_is_no_number() -> None:
    exponentials, over_sum = elementary.softmax(torch.tensor([0.0, math.nan]))
    assert (exponentials * over_sum).isnan().all()
