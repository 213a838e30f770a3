"""Each knob of the family turns one thing and leaves the story alone."""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus.family import (
    FamilySettings,
    concepts,
    family_documents,
    gloss,
    render,
    story,
)
from bytetransfer.corpus.family.grammar import Grammar, Token
from bytetransfer.corpus.family.lexicon import ALPHABETS, from_script, is_shared, lexicon
from bytetransfer.corpus.family.world import make_world

ORDERS = ("SVO", "SOV", "VSO", "VOS", "OVS", "OSV")
MORPHOLOGIES = ("isolating", "agglutinative", "fusional")
NUMBERS = st.integers(0, 5000)
BASE = FamilySettings()


def first(of: FamilySettings, count: int = 30) -> list[str]:
    return [document.decode() for document in islice(family_documents(of), count)]


@given(NUMBERS)
@settings(max_examples=30)
def test_a_full_share_is_the_base_language_whatever_its_own_words(number: int) -> None:
    told = story(0, number)
    same = FamilySettings(lexicon_shared=1.0, lexicon_seed=9)
    assert render(told, same) == render(told, BASE)


@given(NUMBERS, st.sampled_from(sorted(ALPHABETS)), st.sampled_from(MORPHOLOGIES))
@settings(max_examples=50)
def test_script_changes_letters_and_nothing_else(number: int, script: str, shape: str) -> None:
    told = story(0, number)
    latin = render(told, FamilySettings(morphology=shape))
    other = render(told, FamilySettings(morphology=shape, script=script))
    assert from_script(other, script) == latin
    assert [c.isupper() for c in other] == [c.isupper() for c in latin]
    if script != "Latn":
        assert not set(re.findall(r"\w", other)) & set(re.findall(r"\w", latin))


def test_alphabets_are_one_for_one() -> None:
    for letters in ALPHABETS.values():
        capitals = letters.upper()
        assert len(set(letters + capitals)) == 2 * len(ALPHABETS["Latn"])
        assert capitals.lower() == letters


@given(NUMBERS, st.integers(0, 3), st.sampled_from(ORDERS))
@settings(max_examples=30)
def test_another_lexicon_is_a_translation_word_by_word(number: int, seed: int, order: str) -> None:
    told = story(0, number)
    ours, theirs = lexicon(1.0, 0), lexicon(0.0, seed)
    dictionary = {ours[c]: theirs[c] for c in concepts.WORDS}
    assert not set(dictionary) & set(dictionary.values())

    def translate(match: re.Match[str]) -> str:
        word = match[0]
        image = dictionary[word.lower()]
        return image[0].upper() + image[1:] if word[0].isupper() else image

    base = render(told, FamilySettings(word_order=order))
    other = render(told, FamilySettings(word_order=order, lexicon_shared=0.0, lexicon_seed=seed))
    assert re.sub(r"\w+", translate, base) == other


def content(number: int, of: FamilySettings) -> list[Counter[str]]:
    """The words of each sentence that are not grammar, without order."""
    grammar = Grammar(of.word_order, of.adjectives, of.morphology)
    kept = []
    for sentence in story(of.world_seed, number):
        tokens = [t.stem for t in grammar.sentence(sentence) if isinstance(t, Token)]
        kept.append(Counter(t for t in tokens if t not in concepts.MARKERS))
    return kept


@given(NUMBERS, st.sampled_from(ORDERS), st.sampled_from(MORPHOLOGIES), st.booleans())
@settings(max_examples=60)
def test_a_document_is_the_same_story_in_every_language(
    number: int, order: str, shape: str, after: bool
) -> None:
    other = FamilySettings(
        word_order=order, morphology=shape, adjectives="after" if after else "before"
    )
    assert content(number, other) == content(number, BASE)


@given(NUMBERS, st.sampled_from(ORDERS))
@settings(max_examples=30)
def test_order_alone_keeps_the_words(number: int, order: str) -> None:
    def words(of: FamilySettings) -> Counter[str]:
        return Counter(re.findall(r"\w+|[^\w\s]", render(story(0, number), of).lower()))

    assert words(FamilySettings(word_order=order)) == words(BASE)


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, "She past see new ring and she past buy the ring."),
        ({"word_order": "SOV"}, "She new ring see past and she the ring buy past."),
        ({"word_order": "VSO"}, "Past see she new ring and past buy she the ring."),
        ({"adjectives": "after"}, "She past see ring new and she past buy the ring."),
        (
            {"morphology": "agglutinative"},
            "She see-past new ring-acc and she buy-past ring-the-acc.",
        ),
        (
            {"morphology": "fusional"},
            "She see-sg:past new-sg:acc ring-sg:acc and she buy-sg:past the ring-sg:acc.",
        ),
    ],
)
def test_knobs_word_the_same_sentence(more: dict[str, str], expected: str) -> None:
    see, buy, ring = "see", "buy", "ring"
    found = (
        gloss((sentence,), FamilySettings(**more))
        for number in range(3000)
        for sentence in story(0, number)
        if [c.verb for _, c in sentence.clauses] == [see, buy]
        and sentence.clauses[0][1].object is not None
        and sentence.clauses[0][1].object[:2] == (ring, "new")
        and sentence.clauses[0][1].subject.head == "she"
    )
    assert next(found) == expected


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 0.9, 1.0])
def test_the_share_of_words_is_what_it_says(share: float) -> None:
    base, other = lexicon(1.0, 0), lexicon(share, 5)
    same = sum(base[c] == other[c] for c in base) / len(base)
    assert same == pytest.approx(share, abs=0.01)
    assert len(set(other.values())) == len(other)
    more = {c for c in base if is_shared(c, min(1.0, share + 0.1))}
    assert {c for c in base if is_shared(c, share)} <= more


def test_unrelated_languages_do_not_share_words_with_each_other() -> None:
    one, other = lexicon(0.0, 1), lexicon(0.0, 2)
    assert sum(one[c] == other[c] for c in one) / len(one) < 0.03


def test_offset_and_world_choose_the_stories() -> None:
    shifted = first(FamilySettings(story_offset=10), 20)
    assert shifted == first(BASE, 30)[10:]
    assert not set(first(FamilySettings(world_seed=1))) & set(first(BASE))
    assert make_world(0) != make_world(1)


def test_stories_follow_the_facts_of_the_world() -> None:
    """A home that is told is the home the world has, and what is given was had before."""
    world, homes = make_world(0), 0
    for number in range(300):
        for sentence in story(0, number):
            clause = sentence.clauses[0][1]
            subject, roles = clause.subject.head, dict(clause.roles)
            if clause.verb == "live" and subject.startswith("person:"):
                homes += 1
                home = world.persons[int(subject.split(":")[1])].home
                assert roles["in"].head == concepts.place(home)
    assert homes > 50


def test_people_leave_from_where_they_are() -> None:
    """Every journey begins at home or where the last one ended, and leads elsewhere."""
    persons, journeys = make_world(0).persons, 0
    for number in range(300):
        at: dict[str, str] = {}
        who = ""
        for clause in (c for sentence in story(0, number) for _, c in sentence.clauses):
            roles = {case: noun.head for case, noun in clause.roles}
            if clause.subject.head not in concepts.PRONOUNS:
                who = clause.subject.head
            if not who.startswith("person:") or "place:" not in roles.get("to", ""):
                continue  # somebody's sister, or no journey
            if clause.verb == "go":
                journeys += 1
                home = concepts.place(persons[int(who.split(":")[1])].home)
                assert roles["from"] == at.get(who, home)
                assert roles["from"] != roles["to"]
            at[who] = roles["to"]
    assert journeys > 100


def test_kin_have_the_same_parent() -> None:
    persons = make_world(0).persons
    for index, one in enumerate(persons):
        assert one.friend != index
        if one.sibling is not None:
            assert persons[one.sibling].sibling == index
            assert persons[one.sibling].parent == one.parent != None  # noqa: E711


def test_it_looks_like_language() -> None:
    text = " ".join(first(BASE, 1000))
    words = Counter(re.findall(r"\w+", text.lower()))
    assert 300 < len(words) < 2000
    ranked = [count for _, count in words.most_common()]
    assert ranked[0] / ranked[9] > 2.5  # a head and a long tail, as Zipf has it
    assert ranked[9] / ranked[99] > 5
    assert len(set(first(BASE, 1000))) > 990
    assert all(re.fullmatch(r'[A-Z"].*[.!?"]', document) for document in first(BASE))
    assert "\n" not in text


def test_settings_refuse_what_has_no_meaning() -> None:
    for field, value in (("lexicon_shared", 1.5), ("word_order", "SSO"), ("script", "Hebr")):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"generator": "family", field: value}, FamilySettings)


def test_stories_are_as_they_always_were() -> None:
    """Fixed for ever: a change here changes every family corpus."""
    assert render(story(0, 0), BASE)[:40] == GOLDEN


GOLDEN = "Fihul da pisra tas ti so hampi. So tao t"
