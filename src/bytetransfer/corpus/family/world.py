"""A small world: who lives where, does what and is kin to whom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from bytetransfer.corpus.draws import Draws
from bytetransfer.corpus.family import concepts

_ELDERS = 16  # the last of the persons are the parents of the others


@dataclass(frozen=True)
class Person:
    """What stays true of a person through all stories.

    Attributes:
        pronoun: "he" or "she".
        home: index of a place.
        parent: index of a person, None for the elders.
        sibling, friend: indices of persons; a sibling has the same parent.
    """

    pronoun: str
    home: int
    trade: str
    temper: str
    parent: int | None
    sibling: int | None
    friend: int


@dataclass(frozen=True)
class Place:
    """What stays true of a place: its kind, its look, what lies next to it, what it sells."""

    kind: str
    look: str
    neighbour: int
    nature: str
    trade: str


@dataclass(frozen=True)
class World:
    """The facts that all stories of one `world_seed` share."""

    persons: tuple[Person, ...]
    places: tuple[Place, ...]


@lru_cache(maxsize=8)
def make_world(world_seed: int) -> World:
    """The world of a seed."""
    draws = Draws("world", world_seed)
    places = tuple(
        Place(
            kind=draws.pick(concepts.PLACE_KINDS),
            look=draws.pick_low(concepts.LOOKS),
            neighbour=(index + 1 + draws.below(concepts.PLACES - 1)) % concepts.PLACES,
            nature=draws.pick(("river", "sea", "hill", "wood")),
            trade=concepts.TRADES[(index + draws.below(2)) % len(concepts.TRADES)],
        )
        for index in range(concepts.PLACES)
    )
    young = concepts.PERSONS - _ELDERS
    persons = tuple(
        Person(
            pronoun=draws.pick(("he", "she")),
            home=draws.below(concepts.PLACES),
            trade=draws.pick_low(concepts.TRADES),
            temper=draws.pick(concepts.TEMPERS),
            parent=young + index // 2 % _ELDERS if index < young else None,
            sibling=index ^ 1 if index < young else None,
            friend=(index + 2 + draws.below(concepts.PERSONS - 3)) % concepts.PERSONS,
        )
        for index in range(concepts.PERSONS)
    )
    return World(persons, places)
