"""A family of artificial languages that tell the same stories of the same small world.

The languages share or differ in lexicon, word order, place of adjectives, morphology and script,
one setting each, so that transfer between two of them has a known cause. Document k of every
language with the same `world_seed` and `story_offset` tells the same story.

    concepts.py  what can be spoken of          world.py    who and what there is
    stories.py   what happens, in no language   grammar.py  order and marking
    lexicon.py   words and letters
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Annotated, ClassVar, Literal

import msgspec

from bytetransfer.corpus.family import concepts
from bytetransfer.corpus.family.grammar import Grammar, Morphology, Token, WordOrder, write
from bytetransfer.corpus.family.lexicon import Script, lexicon, to_script
from bytetransfer.corpus.family.stories import Story, story

__all__ = ["FamilySettings", "family_documents", "gloss", "render", "story"]


class FamilySettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="generator",
    tag="family",
):
    """A language of the family and the stories told in it. The defaults are the base language.

    Attributes:
        lexicon_shared: share of the dictionary in common with the base language, evenly over its
            groups; of running text .25, .5 and .75 are .41, .59 and .85, as "the" is shared early.
        lexicon_seed: fixes the words that are not shared; languages with different seeds share
            those words with each other no more than by chance.
        word_order: of subject, verb and object, and what tends to go with it (adpositions,
            possessors, tense and negation): see `Grammar`.
        adjectives: before or after the noun.
        morphology: grammar by separate words, by strings of endings, or by fused endings.
        script: the letters; every one stands for one letter of the Latin form.
        world_seed: another seed is another world with other facts, in the same languages.
        story_offset: number of the first story. Corpora that must not tell the same stories take
            offsets that are far apart: 1,000,000 stories are about half a gigabyte.
    """

    kind: ClassVar[Literal["text", "binary"]] = "text"
    lexicon_shared: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    lexicon_seed: int = 1
    word_order: WordOrder = "SVO"
    adjectives: Literal["before", "after"] = "before"
    morphology: Morphology = "isolating"
    script: Script = "Latn"
    world_seed: int = 0
    story_offset: Annotated[int, msgspec.Meta(ge=0)] = 0


def family_documents(settings: FamilySettings) -> Iterator[bytes]:
    """The language's documents, story after story, without end."""
    for number in count(settings.story_offset):
        yield render(story(settings.world_seed, number), settings).encode("utf-8")


def render(told: Story, settings: FamilySettings) -> str:
    """A story in a language of the family."""
    grammar = Grammar(settings.word_order, settings.adjectives, settings.morphology)
    words = _Words(settings.lexicon_shared, settings.lexicon_seed)
    written = write([words.form(piece) for piece in grammar.sentence(s)] for s in told)
    return to_script(written, settings.script)


def gloss(told: Story, settings: FamilySettings) -> str:
    """The same wording with English glosses for words, for a reader who wants to follow.

    >>> gloss(story(0, 0), FamilySettings())[:32]
    'Fihul be old valley in the hill.'
    """
    grammar = Grammar(settings.word_order, settings.adjectives, settings.morphology)
    return write([_gloss(piece) for piece in grammar.sentence(s)] for s in told)


class _Words:
    """The written forms of a language's tokens."""

    def __init__(self, lexicon_shared: float, lexicon_seed: int) -> None:
        self._forms = lexicon(lexicon_shared, lexicon_seed)

    def form(self, piece: Token | str) -> str:
        if isinstance(piece, str):
            return piece
        word = self._forms[piece.stem] + "".join([self._forms[e] for e in piece.endings])
        return word.capitalize() if piece.stem in _NAMES else word


_NAMES = frozenset(concepts.NAMES)


def _gloss(piece: Token | str) -> str:
    if isinstance(piece, str):
        return piece
    stem = piece.stem
    if stem in _NAMES:
        stem = lexicon(1.0, 0)[stem].capitalize()
    return "-".join([stem, *(e.split(":", 2)[-1] for e in piece.endings)])
