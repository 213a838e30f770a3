"""Content-equal bytes: how many bytes each language needs to say the same.

The byte premium of a language over a reference is the ratio of the bytes of content-matched text
in the two (Arnett, Chang and Bergen, *A Bit of a Problem: Measurement Disparities in Dataset Sizes
Across Languages*, 2024, arXiv 2403.00686, section 3). Here it comes from aligned lines, for
example verses: total bytes over total bytes, so that long lines count for what they are.

A premium is a property of a translation as much as of a language: what is said around the words,
how freely, in which spelling. Its interval covers which lines there happen to be, nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bytetransfer.errors import MeasurementError

LineBytes = Mapping[str, NDArray[np.integer]]
"""Bytes of each aligned line by language; the same lines in the same order, shape (lines,)."""

_BLOCKS = 100  # enough for a bootstrap, and long enough to hold what neighbouring lines share
_MINIMUM_BLOCKS = 10  # of fewer a bootstrap knows next to nothing, and its interval is too short


@dataclass(frozen=True, kw_only=True)
class Premium:
    """The byte premium of one language.

    Attributes:
        language: whose it is.
        reference: the language it is held against.
        ratio: bytes of the language that hold the content of one byte of the reference.
        low: lower limit of the ratio; None for too few lines.
        high: upper limit; None for too few lines.
        level: nominal coverage of the interval.
        lines: number of aligned lines.
        total_bytes: bytes of the language in them.
    """

    language: str
    reference: str
    ratio: float
    low: float | None
    high: float | None
    level: float
    lines: int
    total_bytes: int


def byte_premiums(
    line_bytes: LineBytes,
    reference: str = "en",
    *,
    level: float = 0.95,
    resamples: int = 2_000,
    seed: int = 0,
) -> dict[str, Premium]:
    """The byte premium of every language over a reference.

    Intervals are percentiles of a bootstrap over at most 100 blocks of consecutive lines, the
    same for all languages: neighbouring lines are of one text and resemble each other.

    Args:
        line_bytes: bytes of each line by language, line ends not counted.
        reference: one of the languages.
        level: nominal coverage of the intervals.
        resamples: how often blocks are resampled.
        seed: fixes the resampling.

    Raises:
        MeasurementError: where the reference is missing, lines are not aligned, or there is no
            text.

    >>> lines = {"en": np.array([10, 20, 30]), "ru": np.array([19, 36, 53])}
    >>> premium = byte_premiums(lines)["ru"]
    >>> premium.ratio, premium.low
    (1.8, None)
    """
    _check(line_bytes, reference)
    lines = len(line_bytes[reference])
    count = min(_BLOCKS, lines)
    starts = np.arange(count) * lines // count
    blocks = {
        name: np.add.reduceat(np.asarray(sizes, np.float64), starts)
        for name, sizes in line_bytes.items()
    }
    drawn = None
    if count >= _MINIMUM_BLOCKS:
        generator = np.random.default_rng(seed)
        drawn = generator.multinomial(count, np.full(count, 1 / count), size=resamples)
    tails = [(1 - level) / 2, (1 + level) / 2]
    found = {}
    for name, sizes in blocks.items():
        low = high = None
        if drawn is not None:
            # A draw without any byte of the reference would need all its lines to be empty.
            beneath = np.maximum(drawn @ blocks[reference], 1)
            low, high = map(float, np.quantile(drawn @ sizes / beneath, tails))
        found[name] = Premium(
            language=name,
            reference=reference,
            ratio=float(sizes.sum() / blocks[reference].sum()),
            low=low,
            high=high,
            level=level,
            lines=lines,
            total_bytes=int(sizes.sum()),
        )
    return found


def in_content_bytes(count: float, of: Premium, to: Premium | None = None) -> float:
    """Bytes of one language as bytes of another, or of the reference, that hold the same content.

    Args:
        count: bytes of a language; may be negative, as D_T can be.
        of: the premium of that language.
        to: the premium of the language to express it in; None for the reference.

    Raises:
        MeasurementError: for premiums over different references.

    >>> lines = {"en": np.array([10, 20]), "ru": np.array([18, 36]), "fi": np.array([12, 24])}
    >>> premium = byte_premiums(lines)
    >>> in_content_bytes(900, premium["ru"]), in_content_bytes(900, premium["ru"], premium["fi"])
    (500.0, 600.0)
    """
    if to is None:
        return count / of.ratio
    if to.reference != of.reference:
        raise MeasurementError(
            f"the premiums of {of.language} and {to.language} are over different references, "
            f"{of.reference} and {to.reference}"
        )
    return count * (to.ratio / of.ratio)


def _check(line_bytes: LineBytes, reference: str) -> None:
    if reference not in line_bytes:
        raise MeasurementError(
            f"there are no aligned lines of the reference {reference!r}",
            todo=f"take one of: {', '.join(sorted(line_bytes))}" if line_bytes else "give lines",
        )
    for name, sizes in line_bytes.items():
        if sizes.ndim != 1 or len(sizes) != len(line_bytes[reference]):
            raise MeasurementError(
                f"{name!r} has {len(sizes) if sizes.ndim else 0} lines and {reference!r} "
                f"{len(line_bytes[reference])}",
                todo="give the lines that stand in all languages, in the same order",
            )
        if not np.issubdtype(sizes.dtype, np.integer) or (sizes < 0).any():
            raise MeasurementError(f"the lines of {name!r} are not all of a whole size in bytes")
        if sizes.sum() == 0:
            raise MeasurementError(f"the lines of {name!r} are all empty")
