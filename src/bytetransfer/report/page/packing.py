"""What a large page holds packed: HTML deflated, which its script unfolds as the page opens.

A page is readable without a script as far as it is small. Of a larger one the answer, all text and
the figures that come first stand there as ever. The rest takes a sixth of the room when packed, and
where it belongs the page says that it needs a script.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable

from markupsafe import Markup

MOST_BYTES = 2_900_000
"""How large a page may be. A larger one is packed, as little of it as brings it below."""

_PLAIN_SHARES = (1.0, 0.8, 0.6, 0.4, 0.2, 0.0)

_PLACE = re.compile("\x00(\\d+)\x00")  # no text of a report holds such a character: see `visible`
_DATA = "\x00data\x00"
_INSTEAD = (
    "<p data-packed>Packed: needs JavaScript, or <code>bytetransfer figures</code> for a file.</p>"
)


class Packing:
    """Takes out of a page what could be packed, and puts back what is not."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, str]] = []

    def part(self, rank: int, caller: Callable[[], str]) -> Markup:
        """A block of the template that could be packed; a mark stands in its place for now.

        Args:
            rank: how soon it is packed: of the highest rank first, of one rank the last first.
            caller: gives the block.
        """
        self._parts.append((rank, caller()))
        return Markup(f"\x00{len(self._parts) - 1}\x00")

    @staticmethod
    def data() -> Markup:
        """Where the data of the script goes."""
        return Markup(_DATA)

    def finished(self, page: str, data: str, most_bytes: int = MOST_BYTES) -> str:
        """The page, whole, with as little packed as keeps it within `most_bytes`.

        Args:
            page: what the template made.
            data: JSON for the script.
            most_bytes: see `MOST_BYTES`; a page that is longer even so is packed all the same.
        """
        found = ""
        for share in _PLAIN_SHARES:
            found = self.packed(page, data, int(share * most_bytes))
            if len(found.encode()) <= most_bytes:
                break
        return found

    def packed(self, page: str, data: str, plain_bytes: int) -> str:
        """The page, so many bytes of which stay as they stand, or more if text alone is longer."""
        element = f'<script type="application/json" id="data">{data}</script>'
        room = plain_bytes - len(page.encode())
        kept = set(range(len(self._parts)))
        if sum(self._sizes()) > room - len(element):
            kept = self._kept(room)
            parts = [text for number, (_, text) in enumerate(self._parts) if number not in kept]
            packed = f'{{"data":{data},"parts":{json.dumps(parts)}}}'
            deflated = base64.b64encode(zlib.compress(packed.encode())).decode("ascii")
            element = f'<script type="text/plain" id="packed">{deflated}</script>'

        def part(found: re.Match[str]) -> str:
            number = int(found[1])
            return self._parts[number][1] if number in kept else _INSTEAD

        return _PLACE.sub(part, page).replace(_DATA, element, 1)

    def _sizes(self) -> list[int]:
        return [len(text.encode()) for _, text in self._parts]

    def _kept(self, room: int) -> set[int]:
        """The parts there is room for, by rank and as they come in the page."""
        sizes, kept = self._sizes(), set()
        for number in sorted(range(len(sizes)), key=lambda number: self._parts[number][0]):
            room -= sizes[number]
            if room < 0:
                break
            kept.add(number)
        return kept
