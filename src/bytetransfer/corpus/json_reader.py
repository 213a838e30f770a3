"""Documents from JSON: objects one a line, one after another in any layout, or in an array.

Whole lines of plain JSON are decoded at once, which is fast. Where that fails (an object over
several lines, an array, NaN in another column), the text is cut into objects by counting brackets,
and each is decoded by itself: slower, in bounded memory, and with an error that says where.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from bytetransfer.corpus.blocks import BLOCK_BYTES
from bytetransfer.corpus.content import named
from bytetransfer.corpus.readers import Batches, text_blocks, too_long
from bytetransfer.errors import CorpusError

_LONGEST_LINE = 8 * BLOCK_BYTES  # longer ones are cut into objects
_MARK = re.compile(rb'["{}\[\]]')
_REST_OF_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SPACES = b" \t\r\n\x1e"  # and the mark that RFC 7464 puts before each value
_MOST_SHOWN = 30
_ONE_OBJECT = "write one JSON object a line"


def read_json(path: Path, column: str, *, most_bytes: int) -> Batches:
    """The strings under `column` of each JSON object of a file.

    Objects may stand one a line, blank lines between them, one after another in any layout, after
    record separators, or in arrays. Not-a-number, which many programs write and JSON does not
    know, may stand in other columns. An object that has the column twice is refused.

    Args:
        path: the file, compressed or not.
        column: the name the text has.
        most_bytes: how long an object may be.

    Raises:
        CorpusError: for what is no JSON, no object, or has no string under `column`.
    """
    rows = _Rows(path, column)
    cutter = _Cutter(path, most_bytes)
    held: list[bytes] = []
    size = 0
    for block in _without_mark(text_blocks(path)):
        cut = block.rfind(b"\n") + 1
        if cutter.idle and not cut and size + len(block) <= _LONGEST_LINE:
            held.append(block)
            size += len(block)
            continue
        text, rest = b"".join([*held, block[:cut]]), block[cut:]
        if not (cutter.idle and cut):
            text, rest = text + rest, b""
        yield from _decoded(text, rows, cutter)
        if rest and not cutter.idle:
            yield from _decoded(rest, rows, cutter)
            rest = b""
        held, size = [rest] if rest else [], len(rest)
    yield from _decoded(b"".join(held), rows, cutter)
    cutter.finish()


def _without_mark(blocks: Iterator[bytes]) -> Iterator[bytes]:
    first = next(blocks, b"").removeprefix(codecs.BOM_UTF8)
    if first:
        yield first
    yield from blocks


def _decoded(text: bytes, rows: _Rows, cutter: _Cutter) -> Batches:
    if cutter.idle and cutter.is_start_of_line and len(text) <= cutter.most_bytes:
        documents = rows.of_lines(text)
        if documents is not None:
            cutter.line += text.count(b"\n")
            yield documents
            return
    documents, size = [], 0
    for line, one in cutter.objects(text):
        documents.append(rows.of_object(one, line))
        size += len(documents[-1])
        if size > BLOCK_BYTES:
            yield documents
            documents, size = [], 0
    if documents:
        yield documents


class _Object(dict[str, Any]):
    """A JSON object that knows which of its names it has twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        times = Counter(name for name, _ in pairs)
        self.repeated = {name for name, count in times.items() if count > 1}


class _Rows:
    """Decodes objects that hold text under one name."""

    def __init__(self, path: Path, column: str) -> None:
        self._path, self._column = path, column
        row = msgspec.defstruct("Row", [("text", str)], rename={"text": column})
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(row)
        self._name = json.dumps(column).encode()  # as nearly every program writes it
        self._tolerant = json.JSONDecoder(
            object_pairs_hook=_Object,
            parse_constant=lambda _: 0.0,  # whatever it is, it is no string
            parse_int=lambda _: 0,
            parse_float=lambda _: 0.0,
        )

    def of_lines(self, text: bytes) -> list[bytes] | None:
        """The documents of whole lines, None where one of them asks for more care."""
        try:
            rows: list[Any] = self._decoder.decode_lines(text)
            if text.count(self._name) > len(rows):  # within other objects, or twice in one
                return None
            return [row.text.encode() for row in rows]
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None

    def of_object(self, text: bytes, line: int) -> bytes:
        """The document of one object, which begins in `line`.

        Raises:
            CorpusError: where there is none.
        """
        if text.count(self._name) > 1:
            return self._with_care(text, line)
        try:
            document: bytes = self._decoder.decode(text).text.encode()
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._with_care(text, line)
        return document

    def _with_care(self, text: bytes, line: int) -> bytes:
        try:
            row = self._tolerant.decode(text.decode())
        except json.JSONDecodeError as error:
            what, todo = _in_words(error)
            line += error.lineno - 1
        except RecursionError:
            what, todo = "JSON nested too deeply", "leave out what is nested so"
        except UnicodeError as error:
            what, todo = f"no UTF-8 ({error})", "JSON has to be UTF-8: write the file again"
        else:
            found = row.get(self._column)
            if self._column in row.repeated:
                what = f'"{self._column}" stands twice in one object'
                raise self._wrong(what, "leave one of them in each object", line)
            if isinstance(found, str):
                try:
                    return found.encode()
                except UnicodeError:
                    what = f'"{self._column}" holds half a character (a lone \\ud800 to \\udfff)'
                    raise self._wrong(what, "repair or leave out the line", line) from None
            what, todo = self._no_string(row)
        raise self._wrong(what, todo, line)

    def _no_string(self, row: dict[str, Any]) -> tuple[str, str]:
        if self._column not in row:
            there = f"the columns there are: {named(list(row))}; write column = one of them"
            return f'no column "{self._column}"', there
        value = row[self._column]
        if value is None:
            return f'"{self._column}" holds no text (null)', "leave out the lines without text"
        kinds = {_Object: "an object", list: "an array", bool: "true or false"}
        kind = kinds.get(type(value), "a number")
        return f'"{self._column}" holds no string but {kind}', "name a column of strings"

    def _wrong(self, what: str, todo: str, line: int) -> CorpusError:
        return CorpusError(what, where=f"{self._path}, line {line:,}", todo=todo)


def _in_words(error: json.JSONDecodeError) -> tuple[str, str]:
    if error.msg.startswith("Invalid control character"):
        character = ord(error.doc[error.pos])
        if character == 0x0A:
            return "no JSON (a string that does not end in its line)", _ONE_OBJECT
        what = f"no JSON (the control character 0x{character:02x} in a string)"
        return what, f"JSON writes it \\u{character:04x}: write the file again by a JSON library"
    return f"no JSON ({error})", _ONE_OBJECT


class _Cutter:
    """Cuts JSON into its objects, block by block, by counting brackets outside of strings.

    Attributes:
        most_bytes: how long an object may be.
        line: the number of the line the next block begins in.
        is_start_of_line: whether it begins where a line does.
    """

    def __init__(self, path: Path, most_bytes: int) -> None:
        self._path, self.most_bytes = path, most_bytes
        self._depth = 0  # of brackets within the object
        self._in_string = self._in_array = False
        self._object: list[bytes] = []  # what is there of an object that has not ended
        self._object_bytes, self._object_line = 0, 1
        self._between, self._between_line = b"", 1  # what stands between objects, without spaces
        self._first = True  # of its array
        self._carried = b""  # a backslash at the end of a block
        self.line, self.is_start_of_line = 1, True

    @property
    def idle(self) -> bool:
        """Whether the last block ended outside of objects and arrays."""
        return not (self._depth or self._in_array or self._between)

    def objects(self, block: bytes) -> Iterator[tuple[int, bytes]]:
        """The objects that end in the next block, and the lines they begin in.

        Raises:
            CorpusError: where something else stands between them, or one is too long.
        """
        text = self._carried + block
        self._carried = b""
        at = counted = start = 0
        while (mark := self._next_mark(text, at)) >= 0:
            at, opened = mark + 1, not self._depth
            if self._depth or text[mark] == ord("{"):
                self._nested(text[mark])
            if opened:
                self.line += text.count(b"\n", counted, mark)
                counted = mark
                self._outside(text[start:mark], text[mark])
                start, self._object_line = mark if self._depth else at, self.line
            elif not self._depth:
                self._check_length(at - start)
                yield self._object_line, b"".join([*self._object, text[start:at]])
                self._object, self._object_bytes, start = [], 0, at
        self.line += text.count(b"\n", counted, len(text) - len(self._carried))
        self._keep(text[start : len(text) - len(self._carried)])
        self.is_start_of_line = text.endswith(b"\n")

    def finish(self) -> None:
        """Refuse a file that ends within an object or array."""
        if self._depth:
            what = "no JSON (the file ends before the object that begins here does)"
            raise self._wrong(what, self._object_line)
        if self._in_array or self._between:
            what, line = self._no_object(), self._between_line
            if self._in_array:
                what, line = "no JSON (the file ends before its array does)", self.line
            raise self._wrong(what, line)

    def _next_mark(self, text: bytes, at: int) -> int:
        """Where the next bracket outside of a string stands, -1 if there is none."""
        while True:
            if self._in_string:
                at = _REST_OF_STRING.match(text, at).end()  # type: ignore[union-attr]
                if at >= len(text) or text[at] == ord("\\"):
                    self._carried = text[at:]
                    return -1
                self._in_string = False
                at += 1
            found = _MARK.search(text, at)
            if found is None:
                return -1
            if text[found.start()] != ord('"') or not self._depth:
                return found.start()
            self._in_string = True
            at = found.end()

    def _nested(self, mark: int) -> None:
        self._depth += 1 if mark in b"{[" else -1

    def _outside(self, text: bytes, mark: int) -> None:
        """Check what stands before an object, an array, or the end of one."""
        self._take_between(text)
        between, self._between = self._between, b""
        expected = b"," if self._in_array and not self._first else b""
        if mark == ord("{") and between == expected:
            self._first = False
        elif mark == ord("[") and not self._in_array and not between:
            self._in_array = self._first = True
        elif mark == ord("]") and self._in_array and not between:
            self._in_array = False
        else:
            self._between_line = self._between_line if between else self.line
            self._between = between + bytes([mark])
            raise self._wrong(self._no_object(), self._between_line)

    def _keep(self, text: bytes) -> None:
        """Keep what the block holds of an object that goes on, or of what is between objects."""
        if not self._depth:
            self._take_between(text)
            if len(self._between) > _MOST_SHOWN:
                raise self._wrong(self._no_object(), self._between_line)
            return
        self._object.append(text)
        self._object_bytes += len(text)
        self._check_length()

    def _check_length(self, more_bytes: int = 0) -> None:
        if self._object_bytes + more_bytes > self.most_bytes:
            where = f"{self._path}, line {self._object_line:,}"
            raise too_long("a JSON object", where, self.most_bytes)

    def _take_between(self, text: bytes) -> None:
        """Add what ends where `line` counts to."""
        found = text.translate(None, _SPACES)
        if found and not self._between:
            self._between_line = self.line - text.count(b"\n", text.index(found[:1]))
        self._between += found

    def _no_object(self) -> str:
        shown = self._between[:_MOST_SHOWN].decode(errors="replace")
        return f"no JSON object but {shown!r}"

    def _wrong(self, what: str, line: int, todo: str = "") -> CorpusError:
        todo = todo or 'write one object a line, like {"text": "..."}'
        return CorpusError(what, where=f"{self._path}, line {line:,}", todo=todo)
