"""How far languages lie from each other, whatever their role: the map that errors may follow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.pair_table import Floats


class NoTest(Unanswered):
    """No test is valid for these languages and distances, whatever the estimates say."""


@dataclass(frozen=True, kw_only=True)
class LanguageMap:
    """Distances among languages, of whatever role.

    Attributes:
        names: of the languages, each once.
        distances: shape (languages, languages), symmetric; NaN where unknown.
    """

    names: tuple[str, ...]
    distances: Floats

    def among(self, names: Sequence[str]) -> Floats | NoTest:
        """Distances among some of the languages in units of their median; shape (names, names).

        Returns:
            The distances, or why they are no map: one is unknown (guesses of it by the triangle
            inequality let a test at 5 % reject 11 % of simulated studies), or all are 0.
        """
        places = {name: place for place, name in enumerate(self.names)}
        pairs = list(combinations(names, 2))
        missing = [
            pair
            for pair in pairs
            if not places.keys() >= set(pair)
            or not np.isfinite(self.distances[places[pair[0]], places[pair[1]]])
        ]
        if missing:
            return NoTest(
                f"close languages err alike, and a test that allows for it needs the distances "
                f"among all languages, two sources or two targets as well; {len(missing)} are "
                f"missing, such as that of {' and '.join(missing[0])}"
            )
        kept = [places[name] for name in names]
        some = self.distances[np.ix_(kept, kept)]
        known = some[np.triu_indices(len(names), 1)]
        scale = float(np.median(known)) or float(known.max())
        if not scale:
            return NoTest(f"all distances among {', '.join(names)} are 0")
        return np.asarray(some / scale)


def language_map(distances: Mapping[tuple[str, str], float]) -> LanguageMap:
    """The map that distances by (source, target) span; directed ones are averaged.

    >>> found = language_map({("a", "b"): 1.0, ("b", "a"): 3.0, ("a", "c"): 5.0})
    >>> found.names, found.distances[0].tolist()
    (('a', 'b', 'c'), [0.0, 2.0, 5.0])
    """
    names = tuple(sorted({name for pair in distances for name in pair}))
    places = {name: place for place, name in enumerate(names)}
    values = np.full((len(names), len(names)), np.nan)
    for (one, other), value in distances.items():
        values[places[one], places[other]] = value
    both = np.where(np.isfinite(values), values, values.T)
    both = (both + both.T) / 2
    np.fill_diagonal(both, 0.0)
    return LanguageMap(names=names, distances=both)
