"""Weights of seeds and of test-document blocks, the same for all runs that are compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bytetransfer.transfer.curve import Floats


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """Weights of seeds and of document blocks, the same for every arm.

    The weights depend on `seed` and on the number of seeds or blocks, not on what was drawn before,
    so one estimate does not change when another is added.

    Attributes:
        resamples: number of resamples, at least 2; rounded up to an even number.
        seed: fixes all weights.
    """

    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resamples < 2:
            raise ValueError(f"{self.resamples} resamples have no variance; take 2 or more")

    def seed_weights(self, seeds: int) -> Floats:
        """Gaussian weights that give a weighted sum of deviations the variance of a mean.

        Returns:
            Shape (resamples, seeds); in pairs of opposite sign.
        """
        generator = np.random.default_rng([self.seed, 0, seeds])
        half = generator.standard_normal(((self.resamples + 1) // 2, seeds))
        weights = np.concatenate([half, -half]) / np.sqrt(seeds * (seeds - 1))
        return np.asarray(weights, np.float64)

    def block_weights(self, blocks: int) -> Floats:
        """How often each block is drawn when as many as there are are drawn with replacement.

        Returns:
            Shape (resamples, blocks).
        """
        return _block_weights(self.seed, 2 * ((self.resamples + 1) // 2), blocks)


@lru_cache(maxsize=2)
def _block_weights(seed: int, resamples: int, blocks: int) -> Floats:
    """Drawn once for the many curves with as many blocks: it takes a fifth of a second."""
    generator = np.random.default_rng([seed, 1, blocks])
    counts = generator.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
    weights = counts.astype(np.float64)
    weights.flags.writeable = False
    return weights


def resampled_log_losses(weights: Floats, nats: Floats, block_bytes: Floats) -> Floats:
    """Seed means of log loss on resampled document blocks.

    Args:
        weights: shape (resamples, blocks).
        nats: shape (seeds, arms, blocks).
        block_bytes: bytes of each block, the same for all runs; shape (blocks,).

    Returns:
        Shape (resamples, arms). The unit (nats or bits) drops out of every difference.
    """
    totals = np.einsum("rb,sab->rsa", weights, nats, optimize=True)
    count = weights @ block_bytes
    return np.asarray(np.log(totals / count[:, None, None]).mean(axis=1), np.float64)


def resampled_means(weights: Floats, cells: Sequence[Floats], block_bytes: Floats) -> list[Floats]:
    """Seed means of log loss of many cells on resampled document blocks.

    Args:
        weights: shape (resamples, blocks).
        cells: nats of the runs of each cell; shape (seeds, blocks).
        block_bytes: bytes of each block, the same for all runs; shape (blocks,).

    Returns:
        A cell each, shape (resamples,).
    """
    if not cells:
        return []
    # All runs at once: one product of matrices instead of a pass over the weights for each cell.
    losses = resampled_log_losses(weights, np.concatenate(cells)[None], block_bytes)
    ends = np.cumsum([len(nats) for nats in cells])[:-1]
    return [part.mean(axis=1) for part in np.split(losses, ends, axis=1)]
