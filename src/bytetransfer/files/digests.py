"""Digests beside what is kept: a bit that changes on the disk is noticed where it is read.

A JSON file ends in the digest of what stands before it (`sealed`). Other files have theirs in a
list beside them, `SHA256SUMS`, which `sha256sum -c` reads as well.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

SUMS_NAME = "SHA256SUMS"

_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"\}\Z')
_SEAL_LENGTH = len(',"sha256":""}') + 64
_SUM = re.compile(r"([0-9a-f]{64})  ([^\s/][^\n/]*)")


def sealed(content: str | bytes) -> bytes:
    """A JSON object with the SHA-256 of itself as its last member.

    Args:
        content: the object as JSON; not empty, no member called `sha256`.

    >>> sealed('{"a":1}')[:17]
    b'{"a":1,"sha256":"'
    """
    body = (content.encode() if isinstance(content, str) else content).rstrip()
    return body[:-1] + b',"sha256":"' + hashlib.sha256(body).hexdigest().encode() + b'"}'


def unsealed(data: bytes) -> tuple[bytes, bool]:
    """The JSON object that was sealed, and whether there was a seal at all.

    Without one it comes from an earlier version; the caller has to refuse members that it does not
    know, so that no damaged seal passes for none.

    Raises:
        ValueError: if the content is not what was sealed.

    >>> unsealed(sealed('{"a":1}')), unsealed(b'{"a":1}')
    ((b'{"a":1}', True), (b'{"a":1}', False))
    """
    found = _SEAL.search(data, max(0, len(data) - _SEAL_LENGTH))
    if found is None:
        return data, False
    body = data[: found.start()] + b"}"
    if hashlib.sha256(body).hexdigest().encode() != found[1]:
        raise ValueError("the content is not what was written: it has another SHA-256")
    return body, True


def has_seal(path: Path) -> bool:
    """Whether a file ends as a sealed one does; nothing else of it is read.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _SEAL_LENGTH))
        return _SEAL.match(file.read()) is not None


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal; read in pieces.

    Raises:
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_digest(content: str | bytes) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def sums_text(digests: Mapping[str, str]) -> str:
    """A list of digests by name of file, as `sha256sum` writes and reads it.

    >>> parse_sums(sums_text({"b.csv": "0" * 64, "a.csv": "1" * 64})) == {
    ...     "a.csv": "1" * 64, "b.csv": "0" * 64
    ... }
    True
    """
    return "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))


def parse_sums(text: str) -> dict[str, str]:
    """Digests by name of file; lines of any other kind are ignored."""
    found = (_SUM.fullmatch(line) for line in text.split("\n"))
    return {line[2]: line[1] for line in found if line is not None}
