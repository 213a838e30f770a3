"""Canonical JSON and digests of plain values: what makes two results the same result.

A value has an identity only if it has one stable written form. Paths, sets, NaN, bytes and objects
of unknown classes have none and are refused rather than guessed.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping

import msgspec

DIGEST_CHARACTERS = 32  # 128 bits: no two runs will ever share a key by chance


def plain(value: object) -> object:
    """`value` as nested dicts, lists, strings, integers, floats, booleans and None.

    Structs of msgspec and dataclasses become dicts, tuples become lists; what is `msgspec.UNSET`
    is left out, as msgspec does.

    Raises:
        TypeError: for a value without a stable written form (set, path, bytes, NaN, infinity).

    >>> plain({"sizes": (1, 2)})
    {'sizes': [1, 2]}
    """
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise TypeError(f"{value} has no stable written form")
        return value
    if isinstance(value, msgspec.Struct):
        return _plain_struct(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = dataclasses.fields(value)
        return {field.name: plain(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a mapping with keys other than strings has no stable written form")
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    raise TypeError(f"{type(value).__name__} has no stable written form")


def _plain_struct(value: msgspec.Struct) -> dict[str, object]:
    """As msgspec writes it, field by field: `to_builtins` would take a set for a list."""
    config = value.__struct_config__
    written = {} if config.tag_field is None else {config.tag_field: plain(config.tag)}
    for field in _fields(type(value)):
        item = getattr(value, field.name)
        if item is msgspec.UNSET:  # absent by declaration
            continue
        if not (config.omit_defaults and item == field.default):
            written[field.encode_name] = plain(item)
    return written


@functools.cache
def _fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    # msgspec reads the annotations each time, which takes longer than all the rest of a digest
    return msgspec.structs.fields(kind)


def canonical_json(value: object) -> str:
    """One line of JSON: keys sorted, no spaces, ASCII only, floats by their shortest form.

    >>> canonical_json({"b": 1.0, "a": [True, None]})
    '{"a":[true,null],"b":1.0}'
    """
    return json.dumps(plain(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def digest(value: object) -> str:
    """The first 128 bits, in hexadecimal, of the SHA-256 of `canonical_json(value)`.

    >>> digest({"a": 1}) == digest({"a": 1})
    True
    """
    encoded = canonical_json(value).encode("ascii")
    return hashlib.sha256(encoded).hexdigest()[:DIGEST_CHARACTERS]
