"""The methods by which D_E is read; a name needs neither numpy nor scipy."""

from __future__ import annotations

from typing import Literal, get_args

Method = Literal["monotone", "power_law", "linear", "published"]
"""How D_E is read:

- `monotone`: isotonic, then shape-preserving between the sizes, in log loss over log bytes;
- `power_law`: L(D) = E + (A/D)^α, refused where the curve does not identify it;
- `linear`: isotonic, then straight lines in perplexity over bytes, for comparison;
- `published`: what the script released with the paper does, its faults included. No method: it is
  kept to reproduce printed figures."""

METHODS: tuple[Method, ...] = get_args(Method)


def check_method(method: str, *, extrapolate: bool) -> None:
    """Refuse a method that there is not, and one that cannot extrapolate.

    Raises:
        ValueError: saying what to choose from.
    """
    if method not in METHODS:
        raise ValueError(f"no method is called {method!r}; choose from {', '.join(METHODS)}")
    if extrapolate and method != "power_law":
        raise ValueError(f"the method {method} cannot extrapolate; only power_law can")
