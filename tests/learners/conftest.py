"""The surface learner at work on lists of byte strings, and a slow one to compare it with."""

import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.learner import Fitted, Progress, Task
from bytetransfer.learners.ngram_state import NgramState

BEGIN = "begin"


def _no_watch(progress: Progress) -> None:
    assert progress.bytes_seen <= progress.expected_bytes


def _fit(learner, text, *, start=None, validation=(), chosen=None) -> Fitted[NgramState]:
    task = Task(
        text=Documents.from_list(text),
        validation=Documents.from_list(validation),
        seed=0,
        chosen=chosen,
    )
    return learner.fit(task, start=start, folder=Path("unused"), watch=_no_watch)


def _score(learner, state, text) -> np.ndarray:
    return learner.score(state, Documents.from_list(text))


class _Reference:
    """Interpolated modified Kneser–Ney written with dictionaries, one byte at a time."""

    def __init__(self, text, order, prior, source=None, weights=None, edges=()):
        self.order, self.source, self.weights, self.edges = order, source, weights, edges
        raw = Counter()
        before = defaultdict(set)
        for document in text:
            symbols = (BEGIN, *document)
            for i in range(1, len(symbols)):
                for k in range(1, order + 1):
                    if i - k + 1 >= 0:
                        gram = symbols[i - k + 1 : i + 1]
                        raw[gram] += 1
                        if i - k >= 0:
                            before[gram].add(symbols[i - k])
        self.counts = {
            gram: count if len(gram) == order or gram[0] == BEGIN else len(before[gram])
            for gram, count in raw.items()
        }
        self.after = defaultdict(dict)
        for gram, count in self.counts.items():
            self.after[gram[:-1]][gram[-1]] = count
        self.discounts = [self._discounts(k, prior) for k in range(order + 1)]

    def _discounts(self, k, prior):
        n = [
            sum(len(g) == k and count == c for g, count in self.counts.items())
            + prior / (c * (c + 1))
            for c in (1, 2, 3, 4)
        ]
        y = n[0] / (n[0] + 2 * n[1])
        free = [c - (c + 1) * y * n[c] / n[c - 1] for c in (1, 2, 3)]
        return [0.0] + [min(max(d, 0.1), c - 0.05) for c, d in enumerate(free, start=1)]

    def total(self, context):
        return sum(self.after[context].values()) if context in self.after else 0

    def probability(self, context, byte):
        """p(byte | context), the context being exactly as long as is to be used."""
        k = len(context) + 1
        lower = self.probability(context[1:], byte) if context else 1 / 256
        if self.source is not None:
            theirs = sum(c <= self.source.total(context) for c in self.edges[0])
            ours = sum(c <= self.total(context) for c in self.edges[1])
            a = self.weights.get(f"source_weight_order{k}_source{theirs}_target{ours}", 0.0)
            lower = (1 - a) * lower + a * self.source.probability(context, byte)
        total = self.total(context)
        if total == 0:
            return lower
        d = self.discounts[k]
        following = self.after[context]
        count = following.get(byte, 0)
        reserved = sum(d[min(c, 3)] for c in following.values())
        return (count - d[min(count, 3)] + reserved * lower) / total

    def nats(self, document):
        symbols = (BEGIN, *document)
        return -sum(
            math.log(self.probability(symbols[max(0, i - self.order + 1) : i], symbols[i]))
            if self.order > 1
            else math.log(self.probability((), symbols[i]))
            for i in range(1, len(symbols))
        )


def _language(seed: int, count: int, words: int = 60, shared: int = 0) -> list[bytes]:
    """Sentences over a random lexicon; `shared` words are the same for all seeds."""

    def lexicon(own: int, size: int) -> list[bytes]:
        own_random = np.random.default_rng(own)
        return [bytes(own_random.integers(97, 123, 5).tolist()) for _ in range(size)]

    known = lexicon(999, shared) + lexicon(seed, words - shared)
    draws = np.random.default_rng(seed + 1000).zipf(1.5, (count, 8)) % words
    return [b" ".join(known[i] for i in row) + b"." for row in draws.tolist()]


@pytest.fixture(scope="session")
def fit():
    """Fits a learner: text, and by name start, validation and chosen."""
    return _fit


@pytest.fixture(scope="session")
def score():
    """Nats of each document under a state."""
    return _score


@pytest.fixture(scope="session")
def language():
    """Sentences of a made-up language: its seed and how many."""
    return _language


@pytest.fixture(scope="session")
def reference():
    """The slow reference: text, order and prior, and what a mixture needs."""
    return _Reference
