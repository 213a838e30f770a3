"""Bytes as people write them, nats and bits, durations."""

from __future__ import annotations

import itertools
import math
import re
import string
from fractions import Fraction

from bytetransfer.errors import UserError

_POWERS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS = tuple(
    (name, _POWERS[name.upper()], 0.9995 * _POWERS[name.upper()])
    for name in ("TB", "GB", "MB", "kB")
)
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)\s*")
_GROUPED = re.compile(r"[1-9][0-9]{0,2}(?:[.,][0-9]{3})+")
_LONGEST_SIZE = 40  # characters: room for every size there is, none for numbers that take minutes

TWO_READINGS = "the mark may separate thousands or begin decimals"
MOST_BYTES = 2**63 - 1
"""The largest size: what a column of integers holds."""


def readings(number: str, unit: str = "") -> list[str]:
    """Both readings of a number whose mark may separate thousands or begin decimals; else none.

    >>> readings("10.000"), readings("1.500", "kB"), readings("2.5"), readings("0.125", "MB")
    (['10000', '10'], ['1500kB', '1500B'], [], [])
    """
    if not _GROUPED.fullmatch(number):
        return []
    digits = number.replace(".", "").replace(",", "")
    found, units = [digits + unit], list(_POWERS)
    if len(digits) > len(number) - 2:  # one mark
        if number.endswith("000"):
            found.append(number[:-4] + unit)
        elif unit.upper() in units[1:]:  # whole in the next smaller unit
            found.append(digits + units[units.index(unit.upper()) - 1].replace("K", "k"))
    return found


def parse_bytes(text: str | int) -> int:
    """The number of bytes meant by `text`; units are decimal, as in the paper.

    Raises:
        UserError: for anything that is not a whole number of bytes, and for numbers with two
            readings, such as `10.000`: ten with decimals, or ten thousand.

    >>> parse_bytes("6MB"), parse_bytes("2.5 kB"), parse_bytes(0), parse_bytes("300")
    (6000000, 2500, 0, 300)
    """
    todo = 'write a number and a unit, for example "10kB", "2.5MB" or "6GB"'
    if isinstance(text, bool) or not isinstance(text, (str, int)):
        raise UserError(f"{text!r} is no size", todo=todo)
    if isinstance(text, int):
        if not 0 <= text <= MOST_BYTES:
            what = f"{text} is no size" if text < 0 else "the size is beyond 2**63 bytes"
            raise UserError(what, todo=todo)
        return text
    if len(text) > _LONGEST_SIZE:
        raise UserError(f"{text[: _LONGEST_SIZE - 1] + '…'!r} is no size", todo=todo)
    _refuse_grouped(text)
    match = _SIZE.fullmatch(text)
    power = _POWERS.get(match[2].upper() or "B") if match else None
    if match is None or power is None:
        raise UserError(f"{text!r} is no size", todo=todo)
    count = Fraction(match[1]) * power  # exact, where 1.005 * 10**6 is not
    if count.denominator != 1:
        raise UserError(f"{text!r} is not a whole number of bytes", todo=todo)
    if count > MOST_BYTES:
        raise UserError(f"{text!r} is beyond 2**63 bytes", todo=todo)
    return int(count)


def _refuse_grouped(text: str) -> None:
    """Raise a UserError for a size that has two readings, with how to write either."""
    number = text.strip().rstrip(string.ascii_letters).rstrip()
    found = readings(number, text.strip().removeprefix(number).strip())
    if found:
        what = f"{text.strip()!r} is ambiguous: {TWO_READINGS}"
        raise UserError(what, todo=f"write {' or '.join(map(repr, found))}".replace("'", '"'))


def format_bytes(count: float) -> str:
    """`count` bytes in three significant figures.

    >>> format_bytes(6_000_000), format_bytes(1234), format_bytes(-40_000), format_bytes(12)
    ('6 MB', '1.23 kB', '-40 kB', '12 B')
    """
    magnitude = abs(count)
    for name, power, least in _UNITS:
        if magnitude >= least:
            scaled = count / power
            digits = max(0, 2 - math.floor(math.log10(abs(scaled)) + 1e-9))
            number = f"{scaled:.{digits}f}"
            return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {name}"
    return f"{count:.0f} B"


def signed_bytes(count: float) -> str:
    """A number of bytes with a true minus sign.

    >>> signed_bytes(-40_000)
    '−40 kB'
    """
    text = format_bytes(count)
    return "0 B" if text == "-0 B" else text.replace("-", "−")


def format_duration(seconds: float) -> str:
    """A duration in its two largest units.

    >>> format_duration(3.2), format_duration(75), format_duration(7300), format_duration(200_000)
    ('3 s', '1 min 15 s', '2 h 1 min', '2 d 7 h')
    """
    total = round(seconds)
    units = (("d", 86400), ("h", 3600), ("min", 60), ("s", 1))
    for (big, size), (small, part) in itertools.pairwise(units):
        if total >= size:
            rest = total % size // part
            return f"{total // size} {big}" + (f" {rest} {small}" if rest else "")
    return f"{total} s"


def format_count(count: float) -> str:
    """A large count with an SI prefix: parameters, FLOPs.

    >>> format_count(65_000_000), format_count(3.4e18), format_count(950)
    ('65 M', '3.4 E', '950')
    """
    for power, prefix in ((18, "E"), (15, "P"), (12, "T"), (9, "G"), (6, "M"), (3, "k")):
        if abs(count) >= 0.9995 * 10**power:
            return f"{count / 10**power:.3g} {prefix}"
    return f"{count:.3g}"


def bits_per_byte(nats: float, count: float) -> float:
    """Total nats over (ln 2 · bytes): the loss every curve is drawn in (docs/method.md).

    >>> round(bits_per_byte(math.log(256) * 10, 10), 12)
    8.0
    """
    return nats / (math.log(2) * count)
