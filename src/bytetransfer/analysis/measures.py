"""Distances between two texts that need no database: n-grams, scripts, bytes a letter, compression.

All are functions of two byte strings, lie in [0, 1] (`conditional_compression` and
`compression_distance` up to rounding by the compressor, `letter_width_distance` from 0 without
bound), are 0 for a text and itself where that is possible, and are deterministic. Compare samples
of equal size: the more text, the more of its n-grams have been seen. `text_distances` cuts both
texts to the same size and states it.
"""

from __future__ import annotations

import lzma
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import Unanswered

SAMPLE_BYTES = 100_000
MINIMUM_BYTES = 1_000
"""Fewer bytes say more about the sample than about the language."""


def ngram_distance(one: bytes, other: bytes, *, orders: range = range(1, 5)) -> float:
    """Jensen-Shannon distance of the byte n-grams, its square averaged over the orders.

    For p and q the relative frequencies of n-grams of one order and m = (p + q) / 2,
    JS(p, q) = H(m) − (H(p) + H(q)) / 2 in bits (Lin, *Divergence measures based on the Shannon
    entropy*, IEEE Trans. Inf. Theory 37, 1991, equation 3.6); the distance is √(mean of JS over
    the orders), a metric (Endres & Schindelin, IEEE Trans. Inf. Theory 49, 2003). Symmetric, 0 for
    equal frequencies, 1 for texts without a common byte.

    Args:
        one: a text, of at least as many bytes as the longest order.
        other: another.
        orders: lengths of n-grams in bytes, each at most 8.

    >>> ngram_distance(b"banana", b"banana"), ngram_distance(b"banana", b"yes, yes")
    (0.0, 1.0)
    """
    divergences = [_jensen_shannon(_ngrams(one, n), _ngrams(other, n)) for n in orders]
    return math.sqrt(max(0.0, float(np.mean(divergences))))


def _ngrams(text: bytes, order: int) -> NDArray[np.uint64]:
    """Every n-gram as a number; uint64, shape (bytes − order + 1,)."""
    codes = np.frombuffer(text, np.uint8).astype(np.uint64)
    count = len(codes) - order + 1
    if count < 1:
        raise ValueError(f"{len(text)} bytes have no n-gram of order {order}")
    found = np.zeros(count, np.uint64)
    for place in range(order):
        found = found << np.uint64(8) | codes[place : place + count]
    return found


def _jensen_shannon(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    _, places = np.unique(np.concatenate([one, other]), return_inverse=True)
    size = int(places.max()) + 1
    p = np.bincount(places[: len(one)], minlength=size) / len(one)
    q = np.bincount(places[len(one) :], minlength=size) / len(other)
    return _entropy_bits((p + q) / 2) - (_entropy_bits(p) + _entropy_bits(q)) / 2


def _entropy_bits(p: NDArray[np.float64]) -> float:
    seen = p[p > 0]
    return float(-(seen * np.log2(seen)).sum())


def script_distance(one: bytes, other: bytes) -> float:
    """Share of letters, by script, that two texts do not have in common.

    ½ Σ |p(script) − q(script)|, the total variation of the shares of letters by Unicode script.
    Symmetric, in [0, 1]: 0 for the same shares of scripts, 1 for no script in common. Letters are
    characters of category L; the script is the first word of the character's name, so that
    hiragana and katakana are two. Bytes that are not UTF-8 are no letters.

    Raises:
        ValueError: for a text without letters.

    >>> script_distance("река 7".encode(), "Река".encode())
    0.0
    >>> script_distance("river".encode(), "река".encode())
    1.0
    """
    p, q = script_shares(one), script_shares(other)
    return sum(abs(p.get(name, 0.0) - q.get(name, 0.0)) for name in sorted({*p, *q})) / 2


def script_shares(text: bytes) -> dict[str, float]:
    """Share of the letters of a text by script, most frequent first; they sum to 1.

    Raises:
        ValueError: for a text without letters.

    >>> script_shares("αβγ d".encode())
    {'GREEK': 0.75, 'LATIN': 0.25}
    """
    found: Counter[str] = Counter()
    for character, count in Counter(text.decode(errors="ignore")).items():
        if unicodedata.category(character).startswith("L"):
            found[_script(character)] += count
    if not (total := found.total()):
        raise ValueError("there is no letter in the text")
    return {
        script: count / total
        for script, count in sorted(found.items(), key=lambda item: (-item[1], item[0]))
    }


@cache
def _script(character: str) -> str:
    return unicodedata.name(character, "UNNAMED").replace("-", " ").split(" ", 1)[0]


def bytes_per_character(text: bytes) -> float:
    """Mean length of a character in UTF-8, in [1, 4].

    Raises:
        ValueError: for a text that is not UTF-8 (a character cut off at the end does not matter),
            or is empty.

    >>> bytes_per_character("né".encode())
    1.5
    """
    decoded = text.decode(errors="ignore")
    if not decoded:
        raise ValueError("there is no character in the text")
    length = len(decoded.encode())
    if len(text) - length > 3:
        raise ValueError("the text is not UTF-8, so that it has no characters")
    return length / len(decoded)


def letter_width_distance(one: bytes, other: bytes) -> float:
    """|log₂ of the ratio of bytes per character|: 0 for the same, 1 for twice as many.

    The signed logarithm would be a difference of one number a text, so nothing but a source and a
    target effect; its size is not.

    >>> letter_width_distance("река".encode(), b"river")
    1.0
    """
    return abs(math.log2(bytes_per_character(one) / bytes_per_character(other)))


def conditional_compression(given: bytes, text: bytes) -> float:
    """Compressed size of `text` after `given`, as a share of its size alone; directed.

    (C(given · text) − C(given)) / C(text), with C the bytes that raw LZMA2 at preset 6 needs and a
    dictionary that holds both texts (Cilibrasi & Vitányi, *Clustering by compression*, IEEE Trans.
    Inf. Theory 51, 2005, section III, for C(y|x) ≈ C(xy) − C(x)). Near 1 where `given` is of no
    use, near 0 where it holds all of `text`. A little over 1 is possible.

    Args:
        given: what has been seen, the source.
        text: what is to be told, the target; not empty.
    """
    return (_compressed(given + text) - _compressed(given)) / _compressed(text)


def compression_distance(one: bytes, other: bytes) -> float:
    """Normalised compression distance; symmetric.

    (C(xy) − min(C(x), C(y))) / max(C(x), C(y)), Cilibrasi & Vitányi (2005), definition III.1, with
    the mean of C(xy) and C(yx) for C(xy), and C as in `conditional_compression`. About 0 for a text
    and itself, about 1 for texts that have nothing in common.
    """
    together = _compressed(one + other), _compressed(other + one)
    return _normalised(together, _compressed(one), _compressed(other))


def _normalised(together: tuple[int, int], one: int, other: int) -> float:
    return (sum(together) / 2 - min(one, other)) / max(one, other)


def _compressed(text: bytes) -> int:
    """Bytes without container; the dictionary must hold all or the source would be forgotten."""
    size = max(1 << 16, 1 << max(1, len(text) - 1).bit_length())
    chain = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": size}]
    return len(lzma.compress(text, format=lzma.FORMAT_RAW, filters=chain))


CONDITIONAL_COMPRESSION = "compression, given the source"
COMPRESSION = "compression"
SYMMETRIC: Mapping[str, Callable[[bytes, bytes], float]] = {
    "byte n-grams": ngram_distance,
    "scripts": script_distance,
    "bytes per character": letter_width_distance,
}
MEASURES = (*SYMMETRIC, CONDITIONAL_COMPRESSION, COMPRESSION)
"""Every measure of `text_distances` by the name it is shown under."""


@dataclass(frozen=True, kw_only=True)
class TextDistances:
    """Distances between texts, by measure.

    Attributes:
        values: distance by measure and (source, target), pairs of two texts only.
        missing: why a measure has no distance for a text, by measure and name of the text.
        sample_bytes: how many bytes of each text were compared.
    """

    values: Mapping[str, Mapping[tuple[str, str], float]]
    missing: Mapping[str, Mapping[str, str]]
    sample_bytes: int


def text_distances(
    texts: Mapping[str, bytes],
    *,
    sample_bytes: int = SAMPLE_BYTES,
    on_pair: Callable[[], None] = lambda: None,
) -> TextDistances | Unanswered:
    """All measures between all pairs of texts, in both directions.

    Takes about 0.3 s a pair of texts with the default sample.

    Args:
        texts: the beginning of every corpus by its name, documents joined; of these the first bytes
            are compared, as many of each as the shortest has.
        sample_bytes: at most so many of each.
        on_pair: called after each of the n (n − 1) / 2 pairs.

    Returns:
        The distances, or the reason why there are none: fewer than two texts, or one that is too
        short.
    """
    if len(texts) < 2:
        return Unanswered("distances need at least two texts")
    shortest = min(texts, key=lambda name: len(texts[name]))
    size = min(sample_bytes, len(texts[shortest]))
    if size < MINIMUM_BYTES:
        return Unanswered(
            f"{size} bytes of {shortest} are too few to compare texts by; {MINIMUM_BYTES} is the "
            "least"
        )
    samples = {name: text[:size] for name, text in texts.items()}
    alone = {name: _compressed(sample) for name, sample in samples.items()}
    missing = {measure: _unusable(samples, of) for measure, of in SYMMETRIC.items()}
    values: dict[str, dict[tuple[str, str], float]] = {measure: {} for measure in MEASURES}
    for a, b in combinations(samples, 2):
        for measure, of in SYMMETRIC.items():
            if not {a, b} & missing[measure].keys():
                values[measure][a, b] = values[measure][b, a] = of(samples[a], samples[b])
        together = _compressed(samples[a] + samples[b]), _compressed(samples[b] + samples[a])
        both = _normalised(together, alone[a], alone[b])
        values[COMPRESSION][a, b] = values[COMPRESSION][b, a] = both
        values[CONDITIONAL_COMPRESSION][a, b] = (together[0] - alone[a]) / alone[b]
        values[CONDITIONAL_COMPRESSION][b, a] = (together[1] - alone[b]) / alone[a]
        on_pair()
    return TextDistances(values=values, missing=missing, sample_bytes=size)


def _unusable(samples: Mapping[str, bytes], of: Callable[[bytes, bytes], float]) -> dict[str, str]:
    """Texts that a measure has no value for, and why: what it says of the text and itself."""
    found: dict[str, str] = {}
    for name, sample in samples.items():
        try:
            of(sample, sample)
        except ValueError as error:
            found[name] = str(error)
    return found
