"""Ciphers: letters change places, everything else stays.

A cipher here is a bijection of characters, so nothing a reader could learn from the text is lost
but the looks of its letters: two texts that were equal stay equal, two that differed still differ.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from bytetransfer.corpus.draws import Draws
from bytetransfer.errors import CorpusError

# The first word of a character's name is its script, but for these.
_SCRIPT_FIXES = {
    "CJK": "HAN", "IDEOGRAPHIC": "HAN", "FULLWIDTH": "LATIN", "HALFWIDTH": "KATAKANA",
    "FEMININE": "LATIN", "MASCULINE": "LATIN", "KELVIN": "LATIN", "ANGSTROM": "LATIN",
    "MICRO": "GREEK", "OHM": "GREEK",
}  # fmt: skip
_TWO_WORD_SCRIPTS = {"OLD", "NEW", "LINEAR", "TAI", "INSCRIPTIONAL", "PSALTER", "MEROITIC"}

# ISO 15924 code -> first word of the names, everyday letters (used first), blocks with further ones
_TARGETS: dict[str, tuple[str, str, tuple[range, ...]]] = {
    "Arab": ("ARABIC", "ابتثجحخدذرزسشصضطظعغفقكلمنهوي", (range(0x620, 0x6FF),)),
    "Armn": ("ARMENIAN", "աբգդեզէըթժիլխծկհձղճմյնշոչպջռսվտրցւփքօֆ", ()),
    "Cyrl": ("CYRILLIC", "абвгдежзийклмнопрстуфхцчшщъыьэюя", (range(0x450, 0x530),)),
    "Deva": ("DEVANAGARI", "अआइईउऊएऐओऔकखगघचछजझटठडढणतथदधनपफबभमयरलवशषसह", (range(0x904, 0x980),)),
    "Geor": ("GEORGIAN", "აბგდევზთიკლმნოპჟრსტუფქღყშჩცძწჭხჯჰ", ()),
    "Glag": ("GLAGOLITIC", "", (range(0x2C30, 0x2C60),)),
    "Grek": ("GREEK", "αβγδεζηθικλμνξοπρστυφχψω", (range(0x3AC, 0x3CF), range(0x3D7, 0x3F0))),
    "Hebr": ("HEBREW", "אבגדהוזחטיךכלםמןנסעףפץצקרשת", ()),
    "Hira": ("HIRAGANA", "", (range(0x3041, 0x3097),)),
    "Latn": ("LATIN", "abcdefghijklmnopqrstuvwxyz", (range(0xDF, 0x250), range(0x1E00, 0x1F00))),
    "Hang": ("HANGUL", "", (range(0xAC00, 0xD7A4),)),
    "Hani": ("HAN", "", (range(0x4E00, 0x9FA6),)),
}
TARGET_SCRIPTS = tuple(sorted(_TARGETS))


@dataclass(frozen=True, eq=False)
class LetterMap:
    """Replaces letters, character by character.

    Attributes:
        table: code point -> code point, a bijection of its keys; what is not in it stays.
        keeps_byte_counts: every character keeps its length in UTF-8.
    """

    table: Mapping[int, int]
    keeps_byte_counts: bool

    def __call__(self, document: bytes) -> bytes:
        """The document with its letters replaced; undecodable bytes pass through."""
        text = document.decode("utf-8", "surrogateescape")
        return text.translate(self.table).encode("utf-8", "surrogateescape")

    def inverse(self) -> LetterMap:
        """The map that undoes this one."""
        return LetterMap({to: of for of, to in self.table.items()}, self.keeps_byte_counts)


@cache
def script_of(letter: str) -> str:
    """The script of a letter, by the first word of its Unicode name.

    >>> script_of("é"), script_of("ж"), script_of("字"), script_of("한")
    ('LATIN', 'CYRILLIC', 'HAN', 'HANGUL')
    """
    words = unicodedata.name(letter, "UNKNOWN").split()
    if words[0] in _TWO_WORD_SCRIPTS and len(words) > 1:
        return f"{words[0]} {words[1]}"
    return _SCRIPT_FIXES.get(words[0], words[0])


def count_letters(documents: Iterable[bytes]) -> Counter[str]:
    """How often each letter (Unicode category L) occurs in the documents."""
    counts: Counter[str] = Counter()
    for document in documents:
        counts.update(document.decode("utf-8", "surrogateescape"))
    return Counter({c: n for c, n in counts.items() if unicodedata.category(c)[0] == "L"})


def has_case_pair(letter: str) -> bool:
    """Whether a lower-case letter and one upper-case letter are each other's counterparts.

    ß (whose capital is SS), ς, ı and µ have none.

    >>> [has_case_pair(c) for c in "aäßςI"]
    [True, True, False, False, False]
    """
    upper = letter.upper()
    return upper != letter and len(upper) == 1 and upper.lower() == letter


def cipher(letters: Iterable[str], *, seed: int) -> LetterMap:
    """A permutation of `letters` within classes of script, case and UTF-8 length.

    The alphabet is what occurs in the training documents, closed under case, and not all that
    Unicode holds: so cipher text keeps to the letters that are in use, as any language does, the
    number of distinct letters and their frequencies are those of the text, and the map is the same
    for every document. A letter first met elsewhere is rare, and stays as it is. Pairs of capital
    and small letter move together; a letter without counterpart (ß, ideographs, Hangul syllables)
    moves among its like. Each class is permuted in one cycle, so that no letter stays, unless it is
    the only one of its class.

    Args:
        letters: letters of the training documents, in any order.
        seed: which of the permutations.

    >>> table = cipher("abcABC", seed=1).table
    >>> chr(table[ord("A")]) == chr(table[ord("a")]).upper()
    True
    """
    classes: dict[tuple[object, ...], list[str]] = {}
    for letter in sorted(_closed_under_case(letters)):
        classes.setdefault(_class_of(letter), []).append(letter)
    table: dict[int, int] = {}
    for key, members in sorted(classes.items(), key=lambda item: repr(item[0])):
        order = Draws("cipher", seed, repr(key)).cycle(len(members))
        for letter, image in zip(members, (members[i] for i in order), strict=True):
            table.update(_with_capitals(letter, image))
    return LetterMap(table, keeps_byte_counts=True)


def cipher_to_script(counts: Mapping[str, int], script: str, *, seed: int) -> LetterMap:
    """Moves the letters of the text's main script into another script, one letter for one.

    The two alphabets change places: a letter of `script` that is already in the text takes the
    place of the one that is written with it now. So the map is a bijection of all characters.
    Letters of third scripts, marks, digits and punctuation stay. Small letters with capitals go to
    such pairs; where `script` knows no case, capitals and small letters get letters of their own.

    Args:
        counts: how often each letter occurs in the training documents.
        script: ISO 15924 code, one of `TARGET_SCRIPTS`.
        seed: which of the assignments.

    Raises:
        CorpusError: no letters, the same script, or more letters than `script` has.
    """
    weights: Counter[str] = Counter()
    for letter, count in counts.items():
        weights[script_of(letter)] += count
    if not weights:
        raise CorpusError("the text has no letters to encipher", todo="leave the cipher out")
    main = min(weights, key=lambda name: (-weights[name], name))
    name = _TARGETS[script][0]
    if main == name:
        raise CorpusError(
            f"the text is already written in {script}", todo="leave out script, or name another"
        )
    letters = sorted(c for c in _closed_under_case(counts) if script_of(c) == main)
    table: dict[int, int] = {}
    for source, image in _assign(letters, script, seed):
        table |= _with_capitals(source, image) | _with_capitals(image, source)
    return LetterMap(table, keeps_byte_counts=False)


def _assign(letters: list[str], script: str, seed: int) -> Iterator[tuple[str, str]]:
    """Pairs (letter, letter of `script`), by lot among as many everyday letters as are needed."""
    targets = list(_inventory(script))
    pairs = [c for c in targets if has_case_pair(c)]
    moved = [c for c in letters if has_case_pair(c)]
    if not pairs:  # a script without case: a capital is a letter like any other
        moved, letters = [], [*letters, *(c.upper() for c in moved)]
    single = sorted(set(letters) - set(moved))
    if len(pairs) < len(moved) or len(targets) < len(single) + len(moved):
        raise CorpusError(
            f"the text uses {len(single) + len(moved)} letters, of which {script} has "
            f"{len(targets)}",
            todo="choose a script with more letters, such as Latn or Hang",
        )
    # a single letter may not take the place of a pair's capital, so pairs are handed out first
    chosen = pairs[: len(moved)]
    rest = [c for c in targets if c not in set(chosen)][: len(single)]
    for kind, group, images in (("pair", moved, chosen), ("single", single, rest)):
        order = Draws("script", seed, script, kind).permutation(len(group))
        yield from zip(group, (images[i] for i in order), strict=True)


@cache
def _inventory(script: str) -> tuple[str, ...]:
    """Letters of a script without capitals that have a small one: everyday ones first."""
    name, everyday, blocks = _TARGETS[script]
    further = (chr(code) for block in blocks for code in block)
    fit = (c for c in further if unicodedata.category(c) in ("Ll", "Lo") and script_of(c) == name)
    return tuple(dict.fromkeys([*everyday, *fit]))


def _closed_under_case(letters: Iterable[str]) -> set[str]:
    """Small letters for capitals that have one; everything else as it is."""
    return {c.lower() if len(c.lower()) == 1 and has_case_pair(c.lower()) else c for c in letters}


def _class_of(letter: str) -> tuple[object, ...]:
    length = len(letter.encode("utf-8"))
    if has_case_pair(letter):
        return script_of(letter), "pair", length, len(letter.upper().encode("utf-8"))
    return script_of(letter), unicodedata.category(letter), length


def _with_capitals(letter: str, image: str) -> dict[int, int]:
    table = {ord(letter): ord(image)}
    if has_case_pair(letter) and has_case_pair(image):
        table[ord(letter.upper())] = ord(image.upper())
    return table
