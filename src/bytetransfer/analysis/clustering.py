"""Which languages stand together in a matrix: those that help each other more than others do."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LEAST_LANGUAGES = 5
"""Of fewer, any order is as good as another."""


def likeness_order(log_effective: NDArray[np.float64]) -> tuple[int, ...]:
    """An order of languages in which neighbours are worth much to each other.

    What a source gives to all and what a target takes from all is taken out first (residuals of
    two-way effects in log D_E); what is left of a pair, averaged over both ways, is its likeness.
    Languages are joined by average linkage and the leaves put in the order that keeps neighbours
    most alike (Bar-Joseph, Gifford and Jaakkola 2001).

    Args:
        log_effective: log D_E of each source (rows) for each target (columns), in one order; shape
            (languages, languages). NaN where there is none; the diagonal is not looked at.

    Returns:
        Row numbers in their new order; the old one where there are fewer than five languages.

    >>> near = np.kron(np.eye(3), np.full((2, 2), 2.0))
    >>> likeness_order(near[[0, 2, 4, 1, 3, 5]][:, [0, 2, 4, 1, 3, 5]])
    (0, 3, 4, 1, 5, 2)
    """
    count = len(log_effective)
    if count < LEAST_LANGUAGES:
        return tuple(range(count))
    # A quarter of a second to import, for large matrices alone.
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    values = np.where(np.eye(count, dtype=bool), np.nan, log_effective)
    residuals = _without_effects(values)
    likeness = np.nan_to_num((residuals + residuals.T) / 2)
    distances = likeness.max() - likeness
    np.fill_diagonal(distances, 0.0)
    tree = linkage(squareform(distances, checks=False), "average", optimal_ordering=True)
    leaves = [int(leaf) for leaf in leaves_list(tree)]
    # A tree reads the same from either end; the end that came first in the old order comes first.
    return tuple(leaves if leaves[0] < leaves[-1] else reversed(leaves))


def _without_effects(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Residuals of row and column effects, by turns until they no longer change; NaN stays."""
    known = ~np.isnan(values)
    left = np.where(known, values, 0.0)
    for _ in range(50):
        for axis in (0, 1):
            counts = np.maximum(known.sum(axis=axis, keepdims=True), 1)
            left = np.where(known, left - left.sum(axis=axis, keepdims=True) / counts, 0.0)
    return np.where(known, left, np.nan)
