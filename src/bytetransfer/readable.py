"""Text that came from outside, made safe for a terminal: file names, names of columns, of corpora.

A terminal obeys control characters, and text that turns its direction reads as something else than
it is. What is unseen is therefore written as an escape that a reader can see and search for.
"""

from __future__ import annotations

import re
import unicodedata

# Letter shaping in Persian and Indic scripts needs the joiners; every other format character
# (direction marks, overrides, isolates, tags, zero-width spaces) can only mislead a reader.
KEPT_FORMAT = frozenset("\u200c\u200d")
_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_PLAIN = {
    "≥": ">=", "≤": "<=", "−": "-", "–": "-", "—": "-", "…": "...", "×": "x", "±": "+/-",
    "→": "->", "←": "<-", "·": ".", "α": "alpha", "β": "beta", "ρ": "rho", "σ": "sigma",
    "∞": "inf", "█": "#", "░": "-", "≈": "~", "≠": "!=", "‘": "'", "’": "'", "“": '"', "”": '"',
    "²": "^2", "³": "^3", "√": "sqrt", "•": "*", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    "\u200c": "", "\u200d": "",
}  # fmt: skip


def is_harmless(character: str) -> bool:
    """Whether a character is text: seen, and without power over a terminal or the direction."""
    if character in KEPT_FORMAT:
        return True
    if unicodedata.category(character) in _UNSEEN:
        return False
    return ord(character) & 0xFFFE != 0xFFFE  # the last two of each plane are not characters


def readable(text: str, *, keep: str = "") -> str:
    r"""`text` with every character that is unseen or has power over a terminal as an escape.

    Args:
        text: anything, lone surrogates of file names that are not UTF-8 included.
        keep: control characters to let through, such as the newlines of a message of our own.

    >>> readable("fi\x1b[2J\u202e.txt")
    'fi\\x1b[2J\\u202e.txt'
    """
    if text.isprintable():  # says the same of all but spaces and formats, and much faster
        return text
    return "".join(c if c in keep or is_harmless(c) else escaped(c) for c in text)


def escaped(character: str) -> str:
    r"""A character as Python writes it in a string.

    >>> escaped("\x9b"), escaped("\t")
    ('\\x9b', '\\t')
    """
    return character.encode("unicode_escape", "backslashreplace").decode()


def replacement(text: str) -> str:
    r"""ASCII that means the same as text an encoding lacks, or escapes.

    >>> replacement("≥ ñ")
    '>= \\xf1'
    """
    return "".join(c if c.isascii() else _PLAIN.get(c, escaped(c)) for c in text)


def readable_json(text: str, *, ascii_only: bool = False) -> str:
    r"""JSON with the same meaning, whose strings hold no character that a terminal would obey.

    Args:
        text: JSON.
        ascii_only: escape all that is not ASCII, for outputs that cannot encode it.

    >>> readable_json('"\u202eñ"'), readable_json('"ñ"', ascii_only=True)
    ('"\\u202eñ"', '"\\u00f1"')
    """
    return re.sub(
        r"[^\x00-\x7e]",
        lambda found: (
            _json_escape(found[0]) if ascii_only or not is_harmless(found[0]) else found[0]
        ),
        text,
    )


def _json_escape(character: str) -> str:
    """One escape, or two surrogates for a character beyond the first plane."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
