"""Combining the statistics of a target with those of a source.

At every order k the target's smoothed estimate falls back, by its own discounts, on a base that is
itself a mixture of two predictions: the target's from one byte less, and the source's from the same
context (Wood and Teh 2009, "A hierarchical nonparametric Bayesian approach to statistical language
model domain adaptation", where the same graph is a doubly hierarchical Pitman–Yor process):

    p_k = own_k + escape_k · ((1 − a) · p_{k−1} + a · source_k)

So target counts override the source as soon as there are any, and the weight a is large where the
source knows the context well. It depends on the order and on how often source and target have seen
the context, in a few classes. With all weights 0 what remains is the model from scratch, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from bytetransfer.learners.ngram_counts import Floats, Indices
from bytetransfer.learners.ngram_queries import Evidence, Queries

UNIFORM = 1.0 / 256


def interpolate(queries: Queries, evidence: list[Evidence]) -> list[Floats]:
    """The probability of every n-gram from one text's counts, order by order from 0."""
    probabilities = [np.full(1, UNIFORM)]
    for k, seen in enumerate(evidence, start=1):
        lower = probabilities[-1][queries.links.suffix[k]]
        probabilities.append(seen.own + seen.escape[queries.links.prefix[k]] * lower)
    return probabilities


def _class_of(totals: Floats, edges: Sequence[int]) -> Indices:
    """How many of the `edges` each total has reached: np.digitize, where they are few."""
    reached = np.zeros(len(totals), np.int64)
    for edge in edges:
        reached += totals >= edge
    return reached


class Mixture:
    """One text's queries with the evidence of target and source: ready for any weights.

    Args:
        queries: the n-grams of the text.
        target: the target's evidence, order by order from 1.
        source: the source's probabilities of the n-grams, order by order from 0.
        source_totals: how often the source has seen each context, order by order from 1.
        source_edges: source counts at which a class of contexts begins; below the first of them
            the context is unseen and the weight 0.
        target_edges: target counts at which a class of contexts begins.
    """

    def __init__(
        self,
        queries: Queries,
        target: list[Evidence],
        *,
        source: list[Floats],
        source_totals: list[Floats],
        source_edges: Sequence[int],
        target_edges: Sequence[int],
    ) -> None:
        self.queries, self.target, self.source = queries, target, source
        self.shape = (queries.order, len(source_edges) + 1, len(target_edges) + 1)
        self._classes: list[Indices] = [  # of the contexts, order by order from 1
            _class_of(theirs, source_edges) * self.shape[2] + _class_of(own.totals, target_edges)
            for theirs, own in zip(source_totals, target, strict=True)
        ]

    def probabilities(self, weights: Floats) -> tuple[list[Floats], list[Floats]]:
        """The probability of every n-gram from order 0, and the base from order 1.

        Args:
            weights: of the source, by order, source class and target class; shape `shape`.
        """
        links, probabilities, bases = self.queries.links, [np.full(1, UNIFORM)], []
        for k, own in enumerate(self.target, start=1):
            weight = weights[k - 1].ravel()[self._classes[k - 1]][links.prefix[k]]
            lower = probabilities[-1][links.suffix[k]]
            bases.append((1 - weight) * lower + weight * self.source[k])
            probabilities.append(own.own + own.escape[links.prefix[k]] * bases[-1])
        return probabilities, bases

    def steps(self, weights: Floats, *, prior_bytes: float) -> Iterator[tuple[Floats, float]]:
        """Weights and the nats of the text under them, each better by a step of EM.

        Args:
            weights: where to begin; shape `shape`.
            prior_bytes: so many bytes that spoke against the source are added to each class,
                which keeps classes with little evidence near 0.
        """
        occurrences = self.queries.occurrences()
        while True:
            probabilities, bases = self.probabilities(weights)
            used = [n > 0 for n in occurrences]
            # no dot product: BLAS adds up in an order that depends on its threads
            nats = -sum(
                float(np.sum(n[u] * np.log(p[u])))
                for n, p, u in zip(occurrences, probabilities, used, strict=True)
            )
            yield weights, nats
            weights = self._step(weights, probabilities, bases, occurrences, prior_bytes)

    def _step(
        self,
        weights: Floats,
        probabilities: list[Floats],
        bases: list[Floats],
        occurrences: list[Floats],
        prior_bytes: float,
    ) -> Floats:
        """Each weight becomes the source's share of the bytes that reached its class; 0 stays 0."""
        better = np.zeros(self.shape)
        reached = np.zeros_like(occurrences[-1])  # expected bytes that come down to each n-gram
        classes = self.shape[1] * self.shape[2]
        for k in range(self.queries.order, 0, -1):
            reached = reached + occurrences[k]
            base, prefix = bases[k - 1], self.queries.links.prefix[k]
            fell_back = reached * self.target[k - 1].escape[prefix] * base / probabilities[k]
            kind = self._classes[k - 1][prefix]
            share = weights[k - 1].ravel()[kind] * self.source[k] / base
            to_source = np.bincount(kind, fell_back * share, minlength=classes)
            in_class = np.bincount(kind, fell_back, minlength=classes) + prior_bytes
            ratio = np.divide(to_source, in_class, out=np.zeros(classes), where=in_class > 0)
            better[k - 1] = ratio.reshape(self.shape[1:])
            size = len(probabilities[k - 1])
            left = fell_back * (1 - share)
            fallen = np.bincount(self.queries.links.suffix[k], left, minlength=size)
            reached = fallen.astype(np.float64, copy=False)
        return better
