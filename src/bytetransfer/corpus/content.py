"""What a file holds by the look of its first bytes: for messages, never to choose how to read it.

Text is UTF-8. What is something else is told by signatures, byte-order marks and NULs; that
encodings of one byte a character cannot be told apart is said, not guessed at.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from dataclasses import dataclass

import msgspec

HEAD_BYTES = 1 << 16
"""How much of a file is looked at."""

_UNPACK = "unpack it and name the files in it"
_OFFICE = "save it as plain text in UTF-8"
_CONVERT = "convert it first, for example: iconv -f {} -t UTF-8 FILE > FILE.txt"

_SIGNATURES: tuple[tuple[bytes, str, str], ...] = (
    (b"PAR1", "a Parquet file", 'write format = "parquet", or let its name end in .parquet'),
    (b"ARROW1", "an Arrow file", 'write format = "arrow", or let its name end in .arrow'),
    (b"\xff\xff\xff\xff", "an Arrow file", 'write format = "arrow", or let its name end in .arrow'),
    (b"%PDF-", "a PDF document", "extract its text first, for example with pdftotext"),
    (b"{\\rtf", "a document in rich text format", _OFFICE),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Microsoft Office document", _OFFICE),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (b"!<arch>\n", "an ar archive", _UNPACK),
    (b"\x04\x22\x4d\x18", "data compressed by LZ4", "compress it by gzip or Zstandard instead"),
    (b"\x1f\x9d", "data compressed by compress", "compress it by gzip or Zstandard instead"),
    (b"SQLite format 3\0", "an SQLite database", "export its text to .jsonl or .csv"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "export its text to .jsonl or .parquet"),
    (b"\x93NUMPY", "a NumPy array", "export its text to .jsonl or .parquet"),
    (b"Obj\x01", "an Avro file", "export its text to .jsonl or .parquet"),
    (b"ORC", "an ORC file", "export its text to .jsonl or .parquet"),
    (b"\x89PNG\r\n\x1a\n", "a picture", "for raw bytes, use a binary source"),
    (b"\xff\xd8\xff", "a picture", "for raw bytes, use a binary source"),
    (b"GIF8", "a picture", "for raw bytes, use a binary source"),
    (b"OggS\0", "sound", "for raw bytes, use a binary source"),
    (b"fLaC\0", "sound", "for raw bytes, use a binary source"),
    (b"ID3", "sound", "for raw bytes, use a binary source"),
    (b"\x7fELF", "a program", "for raw bytes, use a binary source"),
)
_WORDS_MAY_BEGIN_SO = {
    b"ORC",
    b"GIF8",
    b"ID3",
    b"PAR1",
    b"ARROW1",
}  # then a byte of no text decides
_COMPRESSED = ((b"\x1f\x8b\x08", "gzip"), (b"\x28\xb5\x2f\xfd", "Zstandard"), (b"\xfd7zXZ\0", "xz"))
_IN_ZIP = (
    (b"mimetypeapplication/epub+zip", "an EPUB book"),
    (b"mimetypeapplication/vnd.oasis.opendocument", "an OpenDocument file"),
    (b"word/", "a Word document (.docx)"),
    (b"xl/", "an Excel workbook (.xlsx)"),
    (b"ppt/", "a PowerPoint presentation (.pptx)"),
)
_MARKS = (  # UTF-32 before UTF-16, whose mark is its beginning
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_LEAST_NULS = 8
_EBCDIC = frozenset([0x40, 0x4B, 0x6B, *range(0x81, 0x8A), *range(0x91, 0x9A), *range(0xA2, 0xAA)])
_MOST_NAMES = 20
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Something:
    """What a file holds instead of text, and what to do about it."""

    what: str
    todo: str


def not_text(head: bytes) -> Something | None:
    r"""What bytes are that are no text, None where they may be text in UTF-8.

    Args:
        head: the first bytes of the file, decompressed.

    >>> not_text(b"PK\x03\x04...word/document.xml").what
    'a Word document (.docx)'
    >>> not_text("hello\n".encode("utf-16-le") * 4).what
    'text in UTF-16 without a byte-order mark'
    >>> not_text(b"plain words\n") is None
    True
    """
    head = head[:HEAD_BYTES]
    for mark, name in _MARKS:
        if head.startswith(mark):
            return Something(f"text in {name}, not UTF-8", _CONVERT.format(name))
    return _by_signature(head) or _by_nuls(head)


def _by_signature(head: bytes) -> Something | None:
    for signature, what, todo in _SIGNATURES:
        if head.startswith(signature) and (
            signature not in _WORDS_MAY_BEGIN_SO or _CONTROL.search(head)
        ):
            return Something(what, todo)
    for signature, name in _COMPRESSED:
        if head.startswith(signature):
            return Something(f"data compressed by {name} once more", "decompress it once")
    if head.startswith(b"PK\x03\x04"):
        for part, document in _IN_ZIP:
            if part in head:
                return Something(document, _OFFICE)
        return Something("a zip archive", _UNPACK)
    if head[257:262] == b"ustar":
        return Something("a tar archive", "unpack it (tar -xf) and name the files in it")
    return None


def _by_nuls(head: bytes) -> Something | None:
    """Text in UTF-16 or UTF-32 without a mark has NULs in step; other data has them anywhere."""
    nuls = head.count(0)
    if nuls < _LEAST_NULS or nuls * 128 < len(head):
        return None
    fours = [head[place::4].count(0) for place in range(4)]
    for name, high in (("UTF-32-LE", fours[2:]), ("UTF-32-BE", fours[:2])):
        if min(high) > 0.95 * (len(head) // 4) and len(head) >= 16:
            return _unmarked(name)
    odd = fours[1] + fours[3]
    for name, in_step in (("UTF-16-LE", odd), ("UTF-16-BE", nuls - odd)):
        if in_step > 0.95 * nuls:
            return _unmarked(name)
    if nuls * 16 > len(head):
        what = f"binary data ({nuls / len(head):.0%} of its first bytes are NUL)"
        return Something(what, "for raw bytes, use a binary source")
    return None


def _unmarked(name: str) -> Something:
    return Something(f"text in {name[:6]} without a byte-order mark", _CONVERT.format(name))


def conversion(head: bytes) -> str:
    """What to do about a file that begins with `head` and is not UTF-8."""
    counted = Counter(head[:HEAD_BYTES])
    if sum(counted[value] for value in _EBCDIC) > 0.8 * max(1, counted.total()):
        return "it looks like EBCDIC; " + _CONVERT.format("IBM037")
    return (
        "if it is in another encoding, convert it by that one's name; if it is Latin-1, for "
        "example: iconv -f LATIN1 -t UTF-8 FILE > FILE.txt"
    )


def json_columns(head: bytes) -> list[str] | None:
    r"""The names in the first JSON object, where lines of JSON objects or an array begin so.

    >>> json_columns(b'{"id": 1, "text": "a"}\n{"id"')
    ['id', 'text']
    >>> json_columns(b"{curly} words") is None
    True
    """
    text = head[:HEAD_BYTES].lstrip(codecs.BOM_UTF8 + b" \t\r\n\x1e")
    if text.startswith(b"["):
        text = text[1:].lstrip()
    if not text.startswith(b"{"):
        return None
    first = text.partition(b"\n")[0]
    for candidate in (first.rstrip().rstrip(b",]"), first):
        try:
            return list(msgspec.json.decode(candidate, type=dict[str, msgspec.Raw]))
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
    # of an object that does not end in its line, or within what was read
    names = re.match(rb'\{\s*"((?:[^"\\]|\\.)*)"\s*:', text)
    return None if names is None else [names[1].decode(errors="replace")]


def is_json_lines(head: bytes, *, whole: bool) -> bool:
    """Whether every line of `head` is a JSON object; the last only if it is the `whole` file."""
    if head.lstrip()[:1] != b"{":
        return False
    lines = head[:HEAD_BYTES].splitlines()
    if not whole or len(head) > HEAD_BYTES:
        lines = lines[:-1]
    lines = [line for line in lines if line.strip()]
    try:
        for line in lines:
            msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return bool(lines)


def may_be_lines(head: bytes) -> bool:
    """Whether a file that begins so may be text, a document a line: nothing speaks against it."""
    return not (not_text(head) or json_columns(head) is not None or head.lstrip()[:1] == b"<")


def advice(head: bytes) -> str:
    """How to have a file read whose ending does not tell what it holds, by what it begins with."""
    other = not_text(head)
    if other is not None:
        return f"it looks like {other.what}: {other.todo}"
    columns = json_columns(head)
    if columns is not None:
        what = 'it looks like JSON: write format = "jsonl"'
        return what if "text" in columns else f"{what} and column = {_one_of(columns)}"
    begin = head.lstrip()[:1]
    if begin == b"<":
        return "it looks like XML or HTML: extract its text first, one document a line, into a .txt"
    lines = head[:HEAD_BYTES].splitlines()[:20]
    if len({line.count(b"\t") for line in lines[:-1]} - {0}) == 1 and lines[0].count(b"\t"):
        return 'it looks like columns: write format = "tsv" with column = their name'
    return 'if it is plain text, a document a line, write format = "text"'


def named(names: list[str]) -> str:
    """Names of columns for a message: not a thousand of them, and nothing a terminal would obey.

    >>> named(["text", "id"]), named([])
    ('text, id', 'none')
    """
    more = len(names) - _MOST_NAMES
    shown = ", ".join(map(_shown, names[:_MOST_NAMES]))
    return shown + (f" and {more} more" if more > 0 else "") or "none"


def _shown(name: str) -> str:
    plain = "".join(character if character.isprintable() else "\ufffd" for character in name)
    return plain if len(plain) <= _LONGEST_NAME else plain[: _LONGEST_NAME - 1] + "…"


def _one_of(columns: list[str]) -> str:
    return " or ".join(f'"{_shown(name)}"' for name in columns[:_MOST_NAMES])
