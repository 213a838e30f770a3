"""Transforms: one document in, one document out, and the expressions that name them.

A transform acts on each document by itself and depends on nothing but the document, its options,
a seed and (the ciphers) the letters of the training documents or (`decontaminate`) a model of a
stated version. So splits, alignment and nested sizes of the text it is applied to survive it.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from bytetransfer.corpus.ciphers import TARGET_SCRIPTS, cipher, cipher_to_script, count_letters
from bytetransfer.corpus.detectors import DETECTORS, detector_version, load_detector
from bytetransfer.corpus.draws import Draws
from bytetransfer.corpus.foreign_lines import remove_foreign_lines
from bytetransfer.corpus.language_codes import is_language
from bytetransfer.errors import CorpusError, StudyError

OptionValue = str | int
Transform = Callable[[bytes], bytes]

# Option -> its type, of each transform. `key` picks another of the ciphers.
TRANSFORMS: dict[str, dict[str, type]] = {
    "cipher": {"script": str, "key": int},
    "shuffle_words": {},
    "reverse": {},
    "decontaminate": {"language": str, "detector": str},
}
# Where detectors disagree a line stays: each alone takes clean lines for another language, a close
# one or, in Chinese, Japanese (benchmarks/contamination.py).
_DETECTOR = "both"

# Spaces a character in news, web and Bible text of 25 languages: ja, zh and th .00 to .04, all
# others .10 (fi, news) to .25 (ko, Bible).
_LEAST_SPACES_PER_CHARACTER = 0.06


@dataclass(frozen=True)
class Expression:
    """A source or target as a study file writes it: a name, or a transform of an expression.

    Attributes:
        name: name of a corpus, or of a transform if there is an argument.
        argument: what the transform is applied to; None for a corpus.
        options: the transform's options, only those that are written.

    >>> str(parse_transform("cipher( en,script='Cyrl' )"))
    'cipher(en, script="Cyrl")'
    """

    name: str
    argument: Expression | None = None
    options: Mapping[str, OptionValue] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.argument is None:
            return self.name
        written = (f", {key}={_written(value)}" for key, value in sorted(self.options.items()))
        return f"{self.name}({self.argument}{''.join(written)})"

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def corpus(self) -> str:
        """The name of the corpus innermost."""
        return self.name if self.argument is None else self.argument.corpus

    @property
    def keeps_byte_counts(self) -> bool:
        """Whether sizes are counted in its own bytes, as those of the corpus innermost are.

        Where not (a cipher into another script), sizes are to be taken by content: transform the
        documents that a size holds, do not cut the transformed text at that size. What
        `decontaminate` leaves is a corpus in its own right, with sizes of its own.
        """
        return self.argument is None or (
            "script" not in self.options and self.argument.keeps_byte_counts
        )

    @property
    def keeps_language(self) -> bool:
        """Whether the result is in the language of the corpus innermost."""
        return self.argument is None or (
            self.name == "decontaminate" and self.argument.keeps_language
        )

    @property
    def depends_on(self) -> tuple[str, ...]:
        """Names and versions of the packages the result depends on: part of its identity.

        Raises:
            MissingExtraError: where such a package is not installed.

        >>> parse_transform("reverse(en)").depends_on
        ()
        """
        inner = self.argument.depends_on if self.argument is not None else ()
        if self.argument is None or self.name != "decontaminate":
            return inner
        return (*inner, detector_version(str(self.options.get("detector", _DETECTOR))))


def _written(value: OptionValue) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value)


def parse_transform(written: str) -> Expression:
    """Reads `en`, `cipher(en)`, `cipher(en, script="Cyrl")`, `reverse(cipher(en))` ...

    Raises:
        StudyError: unknown transform or option, a value of the wrong type, an unbalanced
            parenthesis or anything else that is not such an expression.

    >>> parse_transform('reverse(cipher(en, key=2))').argument.options
    {'key': 2}
    """
    return _Parser(written).parse()


_DEEPEST = 20
"""Transforms of transforms; two or three have a meaning."""

_TOKEN = re.compile(r"""\s*(?:([\w.+-]+)|("[^"]*"|'[^']*')|([(),=]))""")


class _Parser:
    """Recursive descent over `expression = name [ "(" expression { "," name "=" value } ")" ]`."""

    def __init__(self, written: str) -> None:
        self.written = written
        self.tokens = list(self._split())
        self.next = 0

    def parse(self) -> Expression:
        expression = self._expression()
        if self._peek() == ")":
            raise self._fault("has a closing parenthesis too many", "remove it")
        if self._peek():
            raise self._fault(f"goes on with {self._peek()!r} after its end", "remove that")
        return expression

    def _split(self) -> Iterator[str]:
        at, text = 0, self.written.rstrip()
        while at < len(text):
            match = _TOKEN.match(text, at)
            if match is None:
                raise self._fault(
                    f"cannot be read from {text[at:].strip()!r} on",
                    'write for example cipher(en, script="Cyrl")',
                )
            yield match[0].strip()
            at = match.end()

    def _peek(self) -> str:
        return self.tokens[self.next] if self.next < len(self.tokens) else ""

    def _take(self) -> str:
        token = self._peek()
        self.next += 1
        return token

    def _expression(self, depth: int = 0) -> Expression:
        name = self._name("the name of a corpus or a transform")
        if self._peek() != "(":
            return Expression(name)
        if name not in TRANSFORMS:
            raise self._fault(
                f"names an unknown transform, {name}", _suggestion(name, list(TRANSFORMS))
            )
        self._take()
        if depth >= _DEEPEST:
            raise self._fault(f"nests more than {_DEEPEST} transforms", "write fewer")
        argument = self._expression(depth + 1)
        options: dict[str, OptionValue] = {}
        while self._peek() == ",":
            self._take()
            option, value = self._option(name)
            if option in options:
                raise self._fault(f"gives {option} twice", "remove one of them")
            options[option] = value
        if self._take() != ")":
            raise self._fault(
                f"lacks the parenthesis that closes {name}(" if self.next > len(self.tokens)
                else f"has {self.tokens[self.next - 1]!r} where a comma or ) should be",
                "write for example reverse(cipher(en))",
            )  # fmt: skip
        return Expression(name, argument, options)

    def _option(self, transform: str) -> tuple[str, OptionValue]:
        name = self._name("an option")
        known = TRANSFORMS[transform]
        if name not in known:
            raise self._fault(f"gives {transform} an unknown option, {name}",
                              _suggestion(name, list(known)))  # fmt: skip
        if self._take() != "=":
            raise self._fault(f"lacks the value of {name}", f"write {name} = ...")
        return name, self._value(name, known[name])

    def _value(self, option: str, kind: type) -> OptionValue:
        token = self._take()
        if kind is int:
            if not re.fullmatch(r"[0-9]+", token):
                raise self._fault(f"gives {option} the value {token}", "write a whole number")
            return int(token)
        value = token.strip("\"'")
        known = {"script": TARGET_SCRIPTS, "detector": DETECTORS}.get(option)
        if known is not None and value not in known:
            raise self._fault(
                f"names an unknown {option}, {value or 'nothing'}", _suggestion(value, list(known))
            )
        if option == "language" and not is_language(value):
            raise self._fault(
                f"names no language, {value or 'nothing'}", "write an ISO 639 code, for example fi"
            )
        return value

    def _name(self, wanted: str) -> str:
        token = self._take()
        if not re.fullmatch(r"[\w.+-]+", token):
            raise self._fault(f"lacks {wanted}" + (f" before {token!r}" if token else ""),
                              "write for example cipher(en)")  # fmt: skip
        return token

    def _fault(self, what: str, todo: str) -> StudyError:
        written = self.written.strip()
        where = written if len(written) <= 200 else f"{written[:200]}…"
        return StudyError(f"the expression {what}", where=where or '""', todo=todo)


def _suggestion(name: str, known: list[str]) -> str:
    close = {k.lower(): k for k in known}
    match = get_close_matches(name.lower(), list(close), n=1, cutoff=0.5)
    if match:
        return f"did you mean {close[match[0]]}?"
    return f"there is {', '.join(known)}" if known else "it has no options"


def make_transform(
    name: str,
    options: Mapping[str, OptionValue],
    *,
    seed: int,
    sample: Iterable[bytes],
    language: str | None = None,
) -> Transform:
    """The function from document to document that a transform's name and options stand for.

    Args:
        name: one of `TRANSFORMS`.
        options: as in `Expression.options`.
        seed: fixes the permutations; `reverse` and `decontaminate` need none.
        sample: training documents, or enough of them to meet every common letter. The ciphers take
            their alphabet from it, and `shuffle_words` whether there are spaces.
        language: of the documents, which `decontaminate` keeps unless its options name another.

    Raises:
        StudyError: an unknown transform.
        MissingExtraError: `decontaminate` without the package of its detector.
        CorpusError: the text cannot be transformed so (see each transform).

    >>> make_transform("reverse", {}, seed=0, sample=[])("añb".encode()).decode()
    'bña'
    """
    if name == "cipher":
        seed = seed if "key" not in options else Draws(seed, int(options["key"])).below(1 << 31)
        counts = count_letters(sample)
        if "script" in options:
            return cipher_to_script(counts, str(options["script"]), seed=seed)
        return cipher(counts, seed=seed)
    if name == "shuffle_words":
        _require_spaces(sample)
        return lambda document: shuffle_words(document, seed=seed)
    if name == "reverse":
        return reverse
    if name == "decontaminate":
        return _decontaminate(options, language)
    raise StudyError(f"there is no transform {name}", todo=_suggestion(name, list(TRANSFORMS)))


def _decontaminate(options: Mapping[str, OptionValue], language: str | None) -> Transform:
    kept = str(options.get("language", language or ""))
    if not kept:
        raise CorpusError(
            "decontaminate must know which language is to stay, and the corpus states none",
            todo='give the corpus a language, or write decontaminate(x, language="fi")',
        )
    return remove_foreign_lines(kept, load_detector(str(options.get("detector", _DETECTOR))))


# A run of bytes that are no UTF-8 (as surrogates) is one unit: reversed, it might become UTF-8.
_UNIT = re.compile("[\udc80-\udcff]+|.", re.DOTALL)
_ESCAPED = re.compile("[\udc80-\udcff]")


def reverse(document: bytes) -> bytes:
    """The document's code points from last to first; twice is the document again.

    A combining mark comes to stand before its letter. Undecodable bytes keep their order.

    >>> reverse(b"drawer")
    b'reward'
    """
    text = document.decode("utf-8", "surrogateescape")
    turned = "".join(_UNIT.findall(text)[::-1]) if _ESCAPED.search(text) else text[::-1]
    return turned.encode("utf-8", "surrogateescape")


def shuffle_words(document: bytes, *, seed: int) -> bytes:
    """The document's words in random order, in the places where words were.

    A word is what stands between white space, without the punctuation and symbols at its two ends;
    those and all white space stay where they are, so that the rhythm of sentences stays. Letter
    case goes with the word. The order depends on seed and document only.

    >>> shuffle_words(b"One, two (three).", seed=3)
    b'three, One (two).'
    """
    text = document.decode("utf-8", "surrogateescape")
    spans = list(_word_spans(text))
    words = [text[start:end] for start, end in spans]
    pieces, at = [], 0
    order = Draws("shuffle_words", seed, hashlib.sha256(document).hexdigest())
    for (start, end), index in zip(spans, order.permutation(len(words)), strict=True):
        pieces += [text[at:start], words[index]]
        at = end
    pieces.append(text[at:])
    return "".join(pieces).encode("utf-8", "surrogateescape")


def _word_spans(text: str) -> Iterator[tuple[int, int]]:
    for match in re.finditer(r"\S+", text):
        start, end = match.span()
        while start < end and _is_edge(text[start]):
            start += 1
        while end > start and _is_edge(text[end - 1]):
            end -= 1
        if start < end:
            yield start, end


def _is_edge(character: str) -> bool:
    return not character.isalnum() and unicodedata.category(character)[0] in "PS"


def _require_spaces(sample: Iterable[bytes]) -> None:
    spaces = characters = 0
    for document in sample:
        text = document.decode("utf-8", "surrogateescape")
        spaces += len(re.findall(r"\s+", text))
        characters += len(text)
    if spaces < _LEAST_SPACES_PER_CHARACTER * characters or not characters:
        share = spaces / characters if characters else 0.0
        raise CorpusError(
            f"shuffle_words needs text with spaces between words; this one has {share:.3f} spaces "
            f"a character, under {_LEAST_SPACES_PER_CHARACTER}",
            todo="leave shuffle_words of it out, or put spaces between its words first",
        )
