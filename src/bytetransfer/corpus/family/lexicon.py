"""Words: the form each concept has in a language, and the letters it is written with."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Literal

from bytetransfer.corpus.draws import Draws
from bytetransfer.corpus.family import concepts

Script = Literal["Latn", "Grek", "Cyrl", "Armn", "Glag"]

_CONSONANTS = "tnskrlmpdvbhgzfj"  # the earlier the more frequent
_VOWELS = "aieouy"
_FINALS = "nrslkmt"
_LETTERS = _VOWELS + _CONSONANTS

# One letter for each of _LETTERS. Glagolitic stands for an invented script: its letters have the
# values they are given here and three bytes each.
ALPHABETS: dict[Script, str] = {
    "Latn": _LETTERS,
    "Grek": "αιεουη" + "τνσκρλμπδωβχγζφξ",
    "Cyrl": "аиеоуы" + "тнскрлмпдвбхгзфж",
    "Armn": "աիեոօը" + "տնսկրլմպդվբհգզֆժ",
    "Glag": "ⰰⰱⰲⰳⰴⰵ" + "ⰶⰷⰸⰹⰺⰼⰽⰾⰿⱀⱁⱂⱃⱄⱅⱆ",
}


def to_script(text: str, script: Script) -> str:
    """Latin text in another script, letter for letter, capitals for capitals.

    >>> to_script("Tano mi.", "Cyrl")
    'Тано ми.'
    """
    return text.translate(_table("Latn", script))


def from_script(text: str, script: Script) -> str:
    """The Latin text that `to_script` made this of.

    >>> from_script("Тано ми.", "Cyrl")
    'Tano mi.'
    """
    return text.translate(_table(script, "Latn"))


@cache
def _table(of: Script, to: Script) -> dict[int, str]:
    pairs = list(zip(ALPHABETS[of], ALPHABETS[to], strict=True))
    return {ord(a): b for a, b in [*pairs, *((a.upper(), b.upper()) for a, b in pairs)]}


def is_shared(concept: str, lexicon_shared: float) -> bool:
    """Whether a language with this share has the base language's word for a concept.

    The concepts shared are spread evenly over all groups and ranks of frequency, and a language
    that shares more shares what one that shares less does.
    """
    # multiples of the golden ratio fill the circle evenly (Weyl)
    return ((_RANK[concept] + 1) * 0x9E3779B97F4A7C15 % (1 << 64)) / (1 << 64) < lexicon_shared


_RANK = {name: rank for rank, name in enumerate((*concepts.WORDS, *concepts.ENDINGS))}


@lru_cache(maxsize=64)
def lexicon(lexicon_shared: float, lexicon_seed: int) -> dict[str, str]:
    """Concept -> its form in Latin letters; no two words of a language are the same.

    Args:
        lexicon_shared: share of concepts with the form of the base language.
        lexicon_seed: fixes the forms of the others, none of which is a word of the base language.
    """
    base = _base_forms()
    own = _forms(Draws("lexicon", lexicon_seed), taken=frozenset(base.values()))
    return {name: (base if is_shared(name, lexicon_shared) else own)[name] for name in _RANK}


@lru_cache(maxsize=1)
def _base_forms() -> dict[str, str]:
    return _forms(Draws("base lexicon"), taken=frozenset())


def _forms(draws: Draws, taken: frozenset[str]) -> dict[str, str]:
    forms: dict[str, str] = {}
    used = set(taken)
    for concept in _RANK:
        form = _form(draws, concept)
        while form in used:
            form = _form(draws, concept)
        used.add(form)
        forms[concept] = form
    return forms


def _form(draws: Draws, concept: str) -> str:
    """A word of plausible syllables, the shorter the more frequent its kind."""
    if concept in _ENDINGS:
        final = draws.pick_low(_CONSONANTS) if draws.chance(80) else ""
        return draws.pick_low(_VOWELS) + final + draws.pick_low(_VOWELS) * draws.chance(40)
    if concept in _GRAMMAR:
        return _syllable(draws, final_percent=25)
    syllables = 2 + draws.chance(35) if concept in _NAMES else 1 + draws.chance(80)
    syllables += draws.chance(15)
    stem = "".join(_syllable(draws, final_percent=12) for _ in range(syllables - 1))
    return stem + _syllable(draws, final_percent=45)


def _syllable(draws: Draws, final_percent: int) -> str:
    onset = draws.pick_low(_CONSONANTS) if draws.chance(90) else ""
    final = draws.pick_low(_FINALS) if draws.chance(final_percent) else ""
    return onset + draws.pick_low(_VOWELS) + final


_ENDINGS = frozenset(concepts.ENDINGS)
_NAMES = frozenset(concepts.NAMES)
_GRAMMAR = frozenset((*concepts.MARKERS, *concepts.CONNECTIVES, *concepts.PRONOUNS, "be"))
