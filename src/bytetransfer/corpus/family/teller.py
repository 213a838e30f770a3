"""Telling: what has been said so far, and the state of the world at that moment."""

from __future__ import annotations

from bytetransfer.corpus.draws import Draws
from bytetransfer.corpus.family.concepts import (
    ANIMALS,
    LOOKS,
    MOODS,
    NUMBERS,
    PERSONS,
    PLACES,
    PRODUCTS,
    SITES,
    TEMPERS,
    TRADES,
    TREASURES,
    WHEN,
    person,
    place,
)  # fmt: skip
from bytetransfer.corpus.family.grammar import Clause, Noun, Sentence
from bytetransfer.corpus.family.world import World


def the(head: str) -> Noun:
    """A thing that the reader knows, or that there is one of."""
    return Noun(head, definite=True)


def known(noun: Noun) -> Noun:
    """A thing that was mentioned before."""
    return the(noun.head)


class Teller:
    """Tells one story: what was told so far and the state of the world at that moment.

    Attributes:
        told: the sentences so far.
        where: person -> place they are at, for those who left home.
        subject: the person the last sentence was about, whom a pronoun can mean.
    """

    def __init__(self, world: World, draws: Draws) -> None:
        self.world, self.draws = world, draws
        self.told: list[Sentence] = []
        self.where: dict[int, int] = {}
        self.subject: int | None = None
        self.named: set[int] = set()

    # -- who and what ---------------------------------------------------------------------

    def somebody(self, *others: int) -> int:
        """A person who is none of `others`; some are met more often than the rest."""
        while True:
            index = self.draws.pick_low(range(PERSONS))
            if index not in others:
                return index

    def at(self, index: int) -> int:
        """The place where a person is."""
        return self.where.get(index, self.world.persons[index].home)

    def name(self, index: int) -> Noun:
        """A person by name, now and then by kinship at first mention."""
        facts = self.world.persons[index]
        if index not in self.named:
            self.named.add(index)
            if facts.sibling in self.named and facts.sibling is not None:
                kin = "brother" if facts.pronoun == "he" else "sister"
                return Noun(kin, owner=Noun(person(facts.sibling)))
        return Noun(person(index))

    def about(self, index: int) -> Noun:
        """A person as subject: a pronoun if the last sentence was about the same one."""
        if self.subject == index:
            return Noun(self.world.persons[index].pronoun)
        self.subject = index
        return self.name(index)

    def treasure(self) -> Noun:
        """A thing that somebody may own, lose or want."""
        head = self.draws.pick_low(TREASURES)
        return Noun(head, adjective=self.draws.pick_low(LOOKS) if self.draws.chance(60) else None)

    # -- telling --------------------------------------------------------------------------

    def tell(
        self,
        who: int | Noun,
        verb: str,
        what: Noun | None = None,
        *roles: tuple[str, Noun],
        opening: str | None = None,
        **more: str | bool,
    ) -> None:
        """Adds a sentence of one clause."""
        clause = self.clause(who, verb, what, *roles, **more)
        self.told.append(Sentence((("", clause),), opening))

    def clause(
        self,
        who: int | Noun,
        verb: str,
        what: Noun | None = None,
        *roles: tuple[str, Noun],
        **more: str | bool,
    ) -> Clause:
        """A clause about a person or thing."""
        subject = self.about(who) if isinstance(who, int) else who
        return Clause(verb, subject, what, roles, **more)  # type: ignore[arg-type]

    def join(
        self, first: Clause, connective: str, second: Clause, opening: str | None = None
    ) -> None:
        """Adds a sentence of two clauses."""
        self.told.append(Sentence((("", first), (connective, second)), opening))

    def say(self, who: int, to: int, said: Clause, mark: str = ".", verb: str = "say") -> None:
        """Adds a sentence of direct speech."""
        clause = self.clause(who, verb, None, ("to", self.name(to)))
        self.told.append(Sentence((("", clause),), None, ".", (said, mark)))

    # -- what may stand in any story ------------------------------------------------------

    def introduce(self, hero: int) -> None:
        """Who this is: trade, home or temper, as the world has it."""
        facts = self.world.persons[hero]
        home = Noun(place(facts.home))
        if self.draws.chance(50):
            self.tell(
                hero,
                "be",
                Noun(facts.trade),
                ("in", home),
                opening=self.draws.pick((None, "long-ago")),
            )
        else:
            kind = self.world.places[facts.home]
            self.tell(hero, "live", None, ("in", home))
            if self.draws.chance(50):
                told = Noun(place(facts.home))
                self.tell(
                    told,
                    "be",
                    Noun(kind.kind, kind.look),
                    ("in", the(kind.nature)),
                    tense="present",
                )
                self.subject = None
        if self.draws.chance(30):
            self.tell(hero, "be", None, quality=facts.temper)
        if self.draws.chance(60):
            self.aside(hero)

    def travel(self, who: int, to: int, verb: str = "go") -> None:
        """Somebody goes to another place, if they are not there; weather may make them feel it."""
        if self.at(who) == to:
            return
        opening = self.draws.pick(("morning", "then", "day-after", "evening", None))
        self.tell(
            who,
            verb,
            None,
            ("from", Noun(place(self.at(who)))),
            ("to", Noun(place(to))),
            opening=opening,
        )
        self.where[who] = to
        if self.draws.chance(60):
            self.aside(who)
        if self.draws.chance(25):
            weather, act, mood = self.draws.pick(
                (
                    ("rain", "fall", "cold"),
                    ("sun", "shine", "glad"),
                    ("snow", "fall", "cold"),
                    ("storm", "rise", "afraid"),
                    ("wind", "blow", "tired"),
                )
            )
            cause = Clause(act, the(weather))
            self.join(cause, "so", self.clause(who, "be", None, quality=mood))

    def aside(self, who: int) -> None:
        """Something by the way that nothing follows from: most of what is open in a story."""
        draws = self.draws
        kind = draws.below(4)
        if kind == 0:
            number = draws.pick_low(NUMBERS) if draws.chance(50) else None
            seen = Noun(draws.pick_low(ANIMALS), draws.pick_low(LOOKS), number=number)
            self.tell(who, "see", seen, ("in", the(draws.pick(SITES))))
        elif kind == 1:
            stranger = Noun(draws.pick_low(TRADES), draws.pick(TEMPERS))
            origin = Noun(place(draws.pick_low(range(PLACES))))
            self.tell(who, "meet", stranger, ("from", origin), opening=draws.pick((None, *WHEN)))
        elif kind == 2:
            self.tell(who, "want", self.treasure(), ("with", self.treasure()))
        else:
            friend = Noun(person(self.world.persons[who].friend))
            cause = Clause("be", friend, None, quality=draws.pick(MOODS))
            act = draws.pick(("sing", "laugh", "weep", "wake"))
            self.join(self.clause(who, act), "because", cause, draws.pick((None, *WHEN)))
            self.subject = None  # a pronoun might now mean the friend

    def meet(self, who: int, other: int, site: str) -> None:
        """Two people meet in the place where the first one is."""
        self.where[other] = self.at(who)
        self.tell(who, "meet", self.name(other), ("in", the(site)))

    def interlude(self, who: int) -> None:
        """An evening, for stories that were short."""
        facts = self.world.persons[who]
        product, _, use = PRODUCTS[self.world.places[self.at(who)].trade]
        if use in ("eat", "drink"):
            self.join(
                self.clause(who, use, Noun(product)), "and", self.clause(who, "sleep"), "evening"
            )
        else:
            self.tell(
                who, "sing", Noun("song"), ("with", self.name(facts.friend)), opening="evening"
            )
            self.tell(Noun("they"), "laugh")

    def go_home(self, who: int) -> None:
        """Back to where they live, if they are elsewhere."""
        home = self.world.persons[who].home
        if self.at(who) != home:
            self.tell(who, "return", None, ("to", Noun(place(home))), opening="then")
            self.where[who] = home

    def feel(self, who: int, mood: str, cause: Clause | None = None) -> None:
        """Somebody is glad, sad, angry ..., for a reason."""
        felt = self.clause(who, "be", None, quality=mood)
        if cause is None:
            self.told.append(Sentence((("", felt),)))
        else:
            self.join(felt, "because", cause)


def him(teller: Teller, who: int) -> Noun:
    """The pronoun of somebody who was just named."""
    return Noun(teller.world.persons[who].pronoun)
