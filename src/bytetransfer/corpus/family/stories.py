"""Stories: what happens in the world, one short chain of events a document.

A story only tells what can happen in the state its sentences have led to; so later sentences follow
from earlier ones and from the facts of the world, which no single story tells in full.
"""

from __future__ import annotations

from collections.abc import Callable

from bytetransfer.corpus.draws import Draws
from bytetransfer.corpus.family.concepts import (
    ANIMALS,
    LOOKS,
    NUMBERS,
    PLACES,
    PRODUCTS,
    SITES,
    person,
    place,
)  # fmt: skip
from bytetransfer.corpus.family.grammar import Clause, Noun, Sentence
from bytetransfer.corpus.family.teller import Teller, him, known, the
from bytetransfer.corpus.family.world import make_world

Story = tuple[Sentence, ...]


def story(world_seed: int, number: int) -> Story:
    """The story of a number in the world of a seed: the meaning, in no language."""
    teller = Teller(make_world(world_seed), Draws("story", world_seed, number))
    plot = teller.draws.pick(PLOTS)
    hero = teller.somebody()
    plot(teller, hero)
    if len(teller.told) < 7:
        teller.interlude(hero)
    return tuple(teller.told)


def lost_and_found(t: Teller, hero: int) -> None:
    """Somebody loses a thing, asks, and finds it where they were told to look, or does not."""
    thing, site, helper = t.treasure(), t.draws.pick(SITES), t.somebody(hero)
    t.introduce(hero)
    t.tell(hero, "have", thing)
    far = t.world.places[t.at(hero)].neighbour
    t.travel(hero, far)
    t.tell(hero, "lose", known(thing), ("in", the(site)))
    t.feel(hero, "sad")
    t.meet(hero, helper, "market")
    t.say(hero, helper, Clause("see", Noun("you"), known(thing)), "?", "ask")
    if t.draws.chance(75):
        t.say(
            helper,
            hero,
            Clause("be", known(thing), None, (("in", the(site)),), tense="present"),
            verb="answer",
        )
        t.join(
            t.clause(hero, "go", None, ("to", the(site))),
            "and",
            t.clause(hero, "find", known(thing)),
        )
        t.feel(hero, "glad")
        t.tell(hero, "thank", t.name(helper))
    else:
        t.tell(helper, "know", Noun("way"), negated=True)
        t.tell(hero, "search", known(thing), opening="night")
        t.tell(hero, "find", known(thing), negated=True)
    t.go_home(hero)


def theft(t: Teller, hero: int) -> None:
    """A thing is stolen, seen with the thief, and given back or bought back."""
    thing, thief = t.treasure(), t.somebody(hero)
    witness = t.world.persons[hero].friend
    while thief == witness:
        thief = t.somebody(hero, witness)
    t.introduce(hero)
    t.tell(hero, "have", thing)
    site = t.draws.pick(SITES)
    t.join(t.clause(hero, "sleep"), "and", t.clause(thief, "steal", known(thing)), "night")
    t.tell(thief, "hide", known(thing), ("in", the(site)))
    t.join(
        t.clause(hero, "wake"), "but", t.clause(hero, "see", known(thing), negated=True), "morning"
    )
    t.feel(hero, "angry")
    t.say(witness, hero, Clause("have", Noun(person(thief)), known(thing), tense="present"))
    t.travel(hero, t.world.persons[thief].home)
    t.tell(hero, "find", known(thing), ("in", the(site)))
    t.feel(thief, "ashamed", Clause("steal", him(t, thief), known(thing)))
    if t.draws.chance(60):
        t.say(thief, hero, Clause("forgive", Noun("you"), Noun("I"), tense="present"), "!", "ask")
        t.tell(hero, "forgive", t.name(thief))
    else:
        t.tell(thief, "run", None, ("to", Noun(place(t.world.places[t.at(thief)].neighbour))))
    t.go_home(hero)


def market_day(t: Teller, hero: int) -> None:
    """Somebody makes what their trade makes, sells it and buys a gift for kin."""
    facts = t.world.persons[hero]
    product, tool, _ = PRODUCTS[facts.trade]
    count, price = t.draws.pick_low(NUMBERS), t.draws.pick_low(NUMBERS)
    buyer, gift = t.somebody(hero), t.treasure()
    t.tell(hero, "be", Noun(facts.trade))
    t.tell(
        hero,
        "make",
        Noun(product, number=count),
        ("with", the(tool)),
        opening=t.draws.pick(("winter", "summer", "morning")),
    )
    t.travel(hero, t.world.places[t.at(hero)].neighbour)
    t.meet(hero, buyer, "market")
    t.say(buyer, hero, Clause("want", Noun("I"), Noun(product, number=count), tense="present"))
    t.join(
        t.clause(buyer, "give", Noun("coin", number=price), ("to", t.name(hero))),
        "and",
        t.clause(hero, "sell", Noun(product, definite=True, number="plural")),
    )
    t.tell(hero, "have", Noun("coin", number=price), opening="then")
    t.tell(hero, "buy", gift, ("in", the("market")))
    t.go_home(hero)
    kin = facts.sibling if facts.sibling is not None else facts.friend
    t.tell(hero, "give", known(gift), ("to", t.name(kin)))
    t.feel(kin, "glad", Clause("have", him(t, kin), known(gift)))


def visit(t: Teller, hero: int) -> None:
    """A visit to a parent or friend, with food from home."""
    facts = t.world.persons[hero]
    host = facts.parent if facts.parent is not None else facts.friend
    parent = "father" if t.world.persons[host].pronoun == "he" else "mother"
    kin = parent if facts.parent is not None else "friend"
    food = t.draws.pick(("bread", "apple", "cheese", "fish"))
    t.introduce(hero)
    t.tell(
        hero,
        "visit",
        Noun(kin, owner=Noun(person(hero))),
        opening=t.draws.pick(("spring", "autumn", "feast-day")),
    )
    t.subject = hero
    t.tell(hero, "take", Noun(food, number=t.draws.pick_low(NUMBERS)))
    t.travel(hero, t.world.persons[host].home)
    t.tell(host, "open", the("gate"))
    t.say(
        host,
        hero,
        Clause(
            "be",
            Noun("you"),
            None,
            quality=t.draws.pick(("tired", "hungry", "cold")),
            tense="present",
        ),
        "?",
        "ask",
    )
    t.join(
        Clause("eat", Noun("they"), the(food)),
        "and",
        Clause("sing", Noun("they"), Noun("song", t.draws.pick_low(LOOKS))),
        "evening",
    )
    t.join(
        t.clause(
            hero, "sleep", None, ("in", Noun("house", definite=True, owner=Noun(person(host))))
        ),
        "and",
        t.clause(hero, "wake"),
        "night",
    )
    t.go_home(hero)


def runaway(t: Teller, hero: int) -> None:
    """An animal runs away and is brought back for a reward."""
    animal, finder = t.draws.pick_low(ANIMALS), t.somebody(hero)
    beast, site = (
        Noun(animal, t.draws.pick_low(LOOKS)),
        t.draws.pick(("wood", "hill", "field", "harbour", "bridge")),
    )
    t.introduce(hero)
    t.tell(hero, "have", beast)
    beast = known(beast)
    noise = t.draws.pick(("storm", "rain", "wind"))
    t.join(
        Clause("rise", the(noise)),
        "and",
        Clause("be", beast, None, quality="afraid"),
        "night",
    )
    t.tell(Noun("it"), "run", None, ("to", the(site)))
    t.tell(hero, "call", beast)
    t.join(t.clause(hero, "search", beast), "but", t.clause(hero, "find", beast, negated=True))
    t.tell(finder, "come", None, ("from", the(site)), opening="morning")
    t.say(
        finder,
        hero,
        Clause("be", beast, None, (("in", the(site)),), tense="present"),
    )
    t.tell(finder, "bring", beast, ("to", t.name(hero)))
    reward = PRODUCTS[t.world.persons[hero].trade][0]
    t.join(
        t.clause(hero, "be", None, quality="glad"),
        "and",
        t.clause(
            hero, "give", Noun(reward, number=t.draws.pick_low(NUMBERS)), ("to", t.name(finder))
        ),
    )


def illness(t: Teller, hero: int) -> None:
    """Somebody is ill; a healer's herb, fetched from afar, helps."""
    facts = t.world.persons[hero]
    patient = facts.sibling if facts.sibling is not None else facts.friend
    look = t.draws.pick(("red", "white", "black", "green", "golden"))
    t.introduce(hero)
    t.tell(patient, "be", None, quality="ill", opening=t.draws.pick(("winter", "autumn", "then")))
    t.feel(hero, "sad", Clause("love", him(t, hero), Noun(person(patient))))
    t.say(
        hero,
        patient,
        Clause("bring", Noun("I"), Noun("herb", look), tense="future"),
        verb="promise",
    )
    t.travel(hero, t.world.places[t.at(hero)].neighbour)
    t.tell(the("healer"), "show", Noun("way"), ("to", t.name(hero)))
    t.subject = None
    t.tell(
        hero,
        "gather",
        Noun("herb", look, number="plural"),
        ("in", the(t.draws.pick(("wood", "hill", "field")))),
    )
    t.go_home(hero)
    t.tell(patient, "drink", Noun("herb", definite=True, number="plural"))
    well = t.draws.chance(80)
    t.tell(patient, "be", None, quality="well", opening="day-after", negated=not well)
    if well:
        t.join(t.clause(patient, "laugh"), "and", t.clause(hero, "be", None, quality="proud"))
    else:
        t.tell(hero, "weep")


def place_report(t: Teller, hero: int) -> None:
    """Not a story: what the world knows of a place, its people and its trade."""
    index = t.draws.pick_low(range(PLACES))
    facts = t.world.places[index]
    here, product = Noun(place(index)), PRODUCTS[facts.trade]
    t.tell(
        here,
        "be",
        Noun(facts.kind, facts.look),
        ("in", the(facts.nature)),
        tense="present",
    )
    t.tell(
        the("people"),
        "make",
        Noun(product[0], number="plural"),
        ("with", Noun(product[1])),
        tense="present",
    )
    t.tell(
        the("way"),
        "go",
        None,
        ("from", here),
        ("to", Noun(place(facts.neighbour))),
        tense="present",
    )
    residents = [i for i, p in enumerate(t.world.persons) if p.home == index]
    for which in t.draws.permutation(len(residents))[:2]:
        resident, who = residents[which], t.world.persons[residents[which]]
        t.tell(resident, "live", None, ("in", here), tense="present")
        t.tell(resident, "be", Noun(who.trade, who.temper), tense="present")
        t.tell(resident, "love", t.name(who.friend), tense="present")
    thing = t.treasure()
    t.tell(hero, "come", None, ("to", here), opening=t.draws.pick(("spring", "summer", "autumn")))
    t.join(t.clause(hero, "see", thing), "and", t.clause(hero, "buy", known(thing)))
    t.tell(hero, "eat" if product[2] == "eat" else "carry", Noun(product[0]), opening="then")


PLOTS: tuple[Callable[[Teller, int], None], ...] = (
    market_day, lost_and_found, theft, visit, runaway, illness, place_report,
)  # fmt: skip
