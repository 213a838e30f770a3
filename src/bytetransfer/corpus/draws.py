"""Random draws that are the same on every platform and with every version of every library.

Controls and artificial languages are part of what defines a result, so their randomness is our own
integer arithmetic: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) on a counter. A number taken
singly and one taken in bulk come from the same sequence.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")

_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15
_FIRST, _SECOND = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


class Draws:
    """A sequence of random numbers, fixed by its key.

    Args:
        key: strings and integers; different keys give independent sequences.

    >>> Draws("nonsense", 1).below(1000) == Draws("nonsense", 1).below(1000)
    True
    >>> singly = Draws(7)
    >>> Draws(7).many_below(10, 3).tolist() == [singly.below(10) for _ in range(3)]
    True
    """

    __slots__ = ("_state",)

    def __init__(self, *key: int | str) -> None:
        written = "\x1f".join(f"{type(part).__name__}:{part}" for part in key)
        self._state = int.from_bytes(hashlib.sha256(written.encode("utf-8")).digest()[:8], "little")

    def raw(self, count: int) -> NDArray[np.uint64]:
        """The next `count` numbers of 64 bits; uint64, shape (count,)."""
        z = np.arange(1, count + 1, dtype=np.uint64)
        z *= np.uint64(_STEP)  # arithmetic modulo 2^64 is meant
        z += np.uint64(self._state)
        self._state = (self._state + _STEP * count) & _MASK
        z = (z ^ (z >> np.uint64(30))) * np.uint64(_FIRST)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(_SECOND)
        return z ^ (z >> np.uint64(31))

    def below(self, bound: int) -> int:
        """An integer from 0 to `bound` - 1, each as likely (to within bound / 2^32)."""
        self._state = z = (self._state + _STEP) & _MASK
        z = ((z ^ (z >> 30)) * _FIRST) & _MASK
        z = ((z ^ (z >> 27)) * _SECOND) & _MASK
        return (((z ^ (z >> 31)) >> 32) * bound) >> 32

    def many_below(self, bound: int, count: int) -> NDArray[np.int64]:
        """`count` integers as `below` would give them; int64, shape (count,)."""
        shift = np.uint64(32)
        return (((self.raw(count) >> shift) * np.uint64(bound)) >> shift).astype(np.int64)

    def chance(self, percent: int) -> bool:
        """True in `percent` of 100 cases."""
        return self.below(100) < percent

    def pick(self, items: Sequence[Item]) -> Item:
        """One of `items`, each as likely."""
        return items[self.below(len(items))]

    def pick_low(self, items: Sequence[Item]) -> Item:
        """One of `items`, the earlier the likelier, about as 1 / rank (a Zipfian choice)."""
        # every octave 1, 2-3, 4-7 ... of ranks is as likely: 1 / rank, in integers
        bits = len(items).bit_length()
        while True:
            octave = self.below(bits)
            rank = (1 << octave) + self.below(1 << octave)
            if rank <= len(items):
                return items[rank - 1]

    def cycle(self, count: int) -> list[int]:
        """A random permutation of range(count) that is one cycle: nothing stays (Sattolo 1986)."""
        order = list(range(count))
        for last in range(count - 1, 0, -1):
            other = self.below(last)
            order[last], order[other] = order[other], order[last]
        return order

    def permutation(self, count: int) -> list[int]:
        """A random permutation of range(count), all equally likely."""
        order: list[int] = np.argsort(self.raw(count), kind="stable").tolist()
        return order
