"""Generators: controls and artificial languages, documents without end from settings and a seed.

The controls are nested, each adding one thing to the one before: `random_bytes` (nothing),
`nonsense` (bytes of text, words, sentences, paragraphs), `hierarchical` (words that depend on one
another across others). An artificial family of languages is in `corpus.family`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Annotated, ClassVar, Literal

import msgspec
import numpy as np

from bytetransfer.corpus.draws import Draws
from bytetransfer.corpus.family import FamilySettings, family_documents
from bytetransfer.errors import CorpusError
from bytetransfer.units import format_bytes

Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[int, msgspec.Meta(ge=0)]

_LETTERS = 26
_MOST_WORDS = 1_000_000
_MOST_DOCUMENT_BYTES = 1_000_000
_BATCH_SENTENCES = 64
_BATCH_BYTES = 1 << 16


class NonsenseSettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="generator",
    tag="nonsense",
):
    """Random words: the control of the paper's released code, with its numbers as defaults.

    The vocabulary is the first `vocabulary` strings of the shortest length that gives so many, in
    the order aaa, baa, caa ... (5,000 words of three letters; the last letter is a to h). A
    document has 8 ± 3 paragraphs, each of 10 ± 3 sentences of 10 ± 5 words; every count is uniform
    in its range and at least 1, every word uniform and independent of all others. A sentence ends
    in ` .`, a paragraph in a line end; sentences and paragraphs are joined by a space. A document
    is about 3.4 kB; fewer `paragraphs` make shorter ones.

    Attributes:
        vocabulary: number of words.
        paragraphs, sentences, words: means; paragraphs a document, sentences a paragraph, words a
            sentence.
        paragraphs_range, sentences_range, words_range: largest difference from those means.

    Source: lersouza/language-transfer, scripts/create_nonsense_data.py, after Krishna, Bigham and
    Lipton, *Does Pretraining for Summarization Require Knowledge Transfer?* (arXiv 2109.04953).
    """

    kind: ClassVar[Literal["text", "binary"]] = "text"
    vocabulary: Annotated[int, msgspec.Meta(ge=1, le=_MOST_WORDS)] = 5000
    paragraphs: Positive = 8
    paragraphs_range: NotNegative = 3
    sentences: Positive = 10
    sentences_range: NotNegative = 3
    words: Positive = 10
    words_range: NotNegative = 5

    def __post_init__(self) -> None:
        _refuse_long_documents(self, self.words + self.words_range)


class HierarchicalSettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="generator",
    tag="hierarchical",
):
    """Nested dependencies: `nonsense` in which every word has a partner.

    Vocabulary, sentences, paragraphs and documents are as in `NonsenseSettings`. The words form
    `vocabulary` / 2 pairs of an opening and a closing word (by lot, so that nothing in a word says
    which it is or whose). A sentence is a well-nested sequence of 5 ± 2 pairs: their number is
    uniform, the shape uniform among all well-nested shapes of that many pairs (42 for five pairs;
    pairs then stand at depth 1.8 and sentences reach depth 2.8 on average), each pair uniform in
    the vocabulary. So single words are distributed as in `nonsense`, and what can be predicted is
    half of the words: those that close.

    Attributes:
        vocabulary: number of words, even.
        paragraphs, paragraphs_range, sentences, sentences_range: as in `NonsenseSettings`.
        pairs: mean number of pairs a sentence.
        pairs_range: largest difference from that.

    Source: nesting parentheses of Papadimitriou and Jurafsky (EMNLP 2020, arXiv 2004.14601).
    """

    kind: ClassVar[Literal["text", "binary"]] = "text"
    vocabulary: Annotated[int, msgspec.Meta(ge=2, le=_MOST_WORDS, multiple_of=2)] = 5000
    paragraphs: Positive = 8
    paragraphs_range: NotNegative = 3
    sentences: Positive = 10
    sentences_range: NotNegative = 3
    pairs: Annotated[int, msgspec.Meta(ge=1, le=6)] = 5
    pairs_range: Annotated[int, msgspec.Meta(ge=0, le=4)] = 2

    def __post_init__(self) -> None:
        _refuse_long_documents(self, 2 * (self.pairs + self.pairs_range))


class RandomBytesSettings(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="generator",
    tag="random_bytes",
):
    """Independent, uniform bytes: 8 bits a byte, nothing to learn.

    Attributes:
        document_bytes: length of every document.
    """

    kind: ClassVar[Literal["text", "binary"]] = "binary"
    document_bytes: Annotated[int, msgspec.Meta(ge=1, le=_MOST_DOCUMENT_BYTES)] = 1024


GeneratorSettings = NonsenseSettings | HierarchicalSettings | RandomBytesSettings | FamilySettings
GENERATORS: dict[str, type[GeneratorSettings]] = {
    "nonsense": NonsenseSettings,
    "hierarchical": HierarchicalSettings,
    "random_bytes": RandomBytesSettings,
    "family": FamilySettings,
}


def generate(settings: GeneratorSettings, *, seed: int) -> Iterator[bytes]:
    """Documents without end; the same for the same settings and seed, on every platform.

    Args:
        settings: what to generate; `settings.kind` says whether it is text.
        seed: fixes the documents of the controls. The family ignores it: which stories it tells is
            in its settings, so that languages stay parallel whatever seed each is generated with.

    >>> next(generate(NonsenseSettings(), seed=1))[:20]
    b'wsg vye vsg pkd sfd '
    """
    if isinstance(settings, NonsenseSettings):
        return _nonsense(settings, Draws("nonsense", seed))
    if isinstance(settings, HierarchicalSettings):
        return _hierarchical(settings, Draws("hierarchical", seed))
    if isinstance(settings, RandomBytesSettings):
        return _random_bytes(settings, Draws("random_bytes", seed))
    return family_documents(settings)


def _refuse_long_documents(
    settings: NonsenseSettings | HierarchicalSettings, most_words: int
) -> None:
    """Raise a CorpusError for documents that one could wait for longer than for the study."""
    sentences = (settings.paragraphs + settings.paragraphs_range) * (
        settings.sentences + settings.sentences_range
    )
    letters = _word_letters(settings.vocabulary)
    most = sentences * most_words * (letters + 1)
    if most > _MOST_DOCUMENT_BYTES:
        limit = format_bytes(_MOST_DOCUMENT_BYTES)
        what = f"a document may come to {format_bytes(most)}, more than {limit}"
        todo = "lower paragraphs, sentences or words, or their ranges"
        raise CorpusError(what, where="paragraphs", todo=todo)


def _vocabulary(size: int) -> list[bytes]:
    """The first `size` words aaa, baa, caa, ... of the shortest sufficient length."""
    length = _word_letters(size)
    return [
        bytes(97 + index // _LETTERS**place % _LETTERS for place in range(length))
        for index in range(size)
    ]


def _word_letters(vocabulary: int) -> int:
    """How many letters a word needs for so many words to differ."""
    length = 1
    while _LETTERS**length < vocabulary:
        length += 1
    return length


def _around(draws: Draws, mean: int, spread: int) -> int:
    return max(1, mean - spread + draws.below(2 * spread + 1))


def _document(
    draws: Draws,
    settings: NonsenseSettings | HierarchicalSettings,
    sentences: Iterator[bytes],
) -> bytes:
    paragraphs = []
    for _ in range(_around(draws, settings.paragraphs, settings.paragraphs_range)):
        count = _around(draws, settings.sentences, settings.sentences_range)
        paragraphs.append(b" ".join(next(sentences) for _ in range(count)) + b"\n")
    return b" ".join(paragraphs)


def _nonsense(settings: NonsenseSettings, draws: Draws) -> Iterator[bytes]:
    sentences = _nonsense_sentences(settings, Draws("words", draws.below(1 << 32)))
    while True:
        yield _document(draws, settings, sentences)


def _nonsense_sentences(settings: NonsenseSettings, draws: Draws) -> Iterator[bytes]:
    vocabulary = _vocabulary(settings.vocabulary)
    while True:
        spread = settings.words_range
        counts = settings.words - spread + draws.many_below(2 * spread + 1, _BATCH_SENTENCES)
        ends = np.cumsum(np.maximum(counts, 1)).tolist()
        indices = draws.many_below(len(vocabulary), ends[-1]).tolist()
        words = [vocabulary[index] for index in indices]
        start = 0
        for end in ends:
            yield b" ".join(words[start:end]) + b" ."
            start = end


def _hierarchical(settings: HierarchicalSettings, draws: Draws) -> Iterator[bytes]:
    sentences = _nested_sentences(settings, Draws("words", draws.below(1 << 32)))
    while True:
        yield _document(draws, settings, sentences)


def _nested_sentences(settings: HierarchicalSettings, draws: Draws) -> Iterator[bytes]:
    words = _vocabulary(settings.vocabulary)
    vocabulary = [words[i] for i in draws.permutation(len(words))]
    pairs = len(vocabulary) // 2  # word i < pairs opens, word i + pairs closes it
    while True:
        spread = settings.pairs_range
        counts = np.maximum(
            settings.pairs - spread + draws.many_below(2 * spread + 1, _BATCH_SENTENCES), 1
        ).tolist()
        chosen = draws.many_below(pairs, sum(counts)).tolist()
        shapes = draws.many_below(1 << 31, len(counts)).tolist()
        start = 0
        for count, shape in zip(counts, shapes, strict=True):
            known = nested_shapes(count)
            slots = known[shape * len(known) >> 31]
            picked = chosen[start : start + count]
            both = picked + [index + pairs for index in picked]
            yield b" ".join([vocabulary[both[slot]] for slot in slots]) + b" ."
            start += count


@cache
def nested_shapes(pairs: int) -> tuple[tuple[int, ...], ...]:
    """All well-nested sequences of so many pairs.

    Pair p opens as the number p and closes as p + `pairs`; pairs are numbered as they open.

    >>> nested_shapes(2)
    ((0, 1, 3, 2), (0, 2, 1, 3))
    """
    found: list[tuple[int, ...]] = []

    def grow(done: tuple[int, ...], opened: int, stack: tuple[int, ...]) -> None:
        if len(done) == 2 * pairs:
            found.append(done)
        if opened < pairs:
            grow((*done, opened), opened + 1, (*stack, opened))
        if stack:
            grow((*done, stack[-1] + pairs), opened, stack[:-1])

    grow((), 0, ())
    return tuple(found)


def _random_bytes(settings: RandomBytesSettings, draws: Draws) -> Iterator[bytes]:
    size = settings.document_bytes
    documents = max(1, _BATCH_BYTES // size)
    while True:
        numbers = draws.raw(-(-documents * size // 8)).astype("<u8")
        block = numbers.tobytes()
        for start in range(0, documents * size, size):
            yield block[start : start + size]
