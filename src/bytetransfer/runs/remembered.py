"""Values that take long to make and depend on nothing but their key: a file each, sealed.

A file that cannot be read, is damaged or holds something of another shape is made again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import msgspec

from bytetransfer.errors import StoreError
from bytetransfer.files.digests import sealed, unsealed
from bytetransfer.files.disk import write_atomic
from bytetransfer.identity import digest

T = TypeVar("T")


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    value: msgspec.Raw


def remembered(
    folder: Path,
    key: object,
    make: Callable[[], object],
    read: Callable[[object], T],
) -> T:
    """The value made for `key` before, or made now and kept.

    Args:
        folder: where the files lie.
        key: everything the value depends on, as plain values.
        make: makes it; plain values that JSON can hold.
        read: makes of the plain value what is wanted; raises a ValueError or msgspec's
            ValidationError where it has another shape.
    """
    path = folder / f"{digest(key)}.json"
    try:
        content, has_digest = unsealed(path.read_bytes())
        if has_digest:
            kept = msgspec.json.decode(content, type=_Kept)
            return read(msgspec.json.decode(kept.value))
    except (OSError, ValueError, msgspec.MsgspecError, RecursionError):
        pass  # it is made again
    plain = msgspec.json.encode(make())
    with contextlib.suppress(StoreError):  # where it cannot be kept it is made next time
        write_atomic(path, sealed(b'{"value":' + plain + b"}"))
    return read(msgspec.json.decode(plain))  # as it will be read next time
