"""Text in a CSV that spreadsheets show as the text it is, instead of computing it as a formula.

A name of a corpus, a file or a learner may begin with = or @, and a spreadsheet would run what
follows. Such a cell is written with an apostrophe before it, which spreadsheets take as "text
follows", and read without. The page's script writes the same (report/script/save.js).
"""

from __future__ import annotations

import re

_FORMULA = re.compile(r"'*(?:\s*[=+\-@＝＋－＠]|[\t\r\n])")
_NUMBER = re.compile(r"[+-]?[0-9][0-9.,]*(?:e[+-]?[0-9]+)?(?: ?%)?", re.IGNORECASE)


def as_text(cell: str) -> str:
    """Text as it is written into a CSV.

    >>> as_text("=HYPERLINK()"), as_text("en"), as_text("-3.5"), as_text("'=x")
    ("'=HYPERLINK()", 'en', '-3.5', "''=x")
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def from_text(cell: str) -> str:
    """What `as_text` was given, as it is read from a CSV.

    >>> from_text("'=HYPERLINK()"), from_text("'twas"), from_text("''=x")
    ('=HYPERLINK()', "'twas", "'=x")
    """
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell
