"""Meaning and its wording: from the sentences of a story to the words of a language.

A story is told once, in `Sentence`s that know nothing of any language; a `Grammar` puts their
parts into its order and marks them in its way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from bytetransfer.corpus.family import concepts

WordOrder = Literal["SVO", "SOV", "VSO", "VOS", "OVS", "OSV"]
Morphology = Literal["isolating", "agglutinative", "fusional"]


class Noun(NamedTuple):
    """A noun phrase: head, what describes it, whose it is."""

    head: str
    adjective: str | None = None
    definite: bool = False
    number: str | None = None  # a numeral, or "plural"
    owner: Noun | None = None


class Clause(NamedTuple):
    """Who does what to whom. `roles` are pairs of a case (to, in, from ...) and a noun phrase.

    With the verb `be` the object, or `quality`, is what the subject is.
    """

    verb: str
    subject: Noun
    object: Noun | None = None
    roles: tuple[tuple[str, Noun], ...] = ()
    quality: str | None = None
    tense: str = "past"
    negated: bool = False


class Sentence(NamedTuple):
    """Clauses with what joins each to the one before ("" for the first)."""

    clauses: tuple[tuple[str, Clause], ...]
    opening: str | None = None
    mark: str = "."
    speech: tuple[Clause, str] | None = None  # what is said, and the mark it ends with


class Token(NamedTuple):
    """A word: its concept and the concepts of its endings, in order."""

    stem: str
    endings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grammar:
    """Order and marking, all that turns a sentence into tokens.

    Orders with the verb before the object put prepositions before the noun phrase, tense and
    negation before the verb, possessors after what is possessed and further roles at the end; the
    others mirror all of that, as languages tend to.

    Attributes:
        word_order: of subject, verb and object.
        adjectives: before or after their noun.
        morphology: "isolating" has a separate word for each of number, case, definiteness, tense
            and negation; "agglutinative" the same morphemes as endings; "fusional" one ending for
            number and case, or number and tense, that differs between two classes of stems and
            that adjectives take too.
    """

    word_order: WordOrder
    adjectives: Literal["before", "after"]
    morphology: Morphology

    @property
    def head_first(self) -> bool:
        """Whether the verb comes before the object, and all that goes with that."""
        return self.word_order.index("V") < self.word_order.index("O")

    def noun_phrase(self, noun: Noun, case: str) -> list[Token]:
        """The tokens of a noun phrase in a case."""
        plural = noun.number is not None
        core = self._marked(noun, case, plural)
        if noun.owner is not None:
            owner = self.noun_phrase(noun.owner, "of")
            core = core + owner if self.head_first else owner + core
        if self.morphology == "isolating" and case not in ("nom", "acc"):
            core = [Token(case), *core] if self.head_first else [*core, Token(case)]
        return core

    def _marked(self, noun: Noun, case: str, plural: bool) -> list[Token]:
        """Head, adjective, numeral and article, without owner and adposition."""
        before, after = [], []
        if self.morphology == "agglutinative":
            endings = ("plural",) * plural + ("the",) * noun.definite
            head = Token(noun.head, endings + (() if case == "nom" else (case,)))
        else:
            if noun.definite:
                before.append(Token("the"))
            if self.morphology == "isolating" and plural:
                after.append(Token("plural"))
            head = Token(noun.head, self._noun_ending(noun.head, case, plural))
        if noun.number not in (None, "plural"):
            before.append(Token(str(noun.number)))
        if noun.adjective:
            word = Token(noun.adjective, self._noun_ending(noun.adjective, case, plural))
            (before.append if self.adjectives == "before" else lambda t: after.insert(0, t))(word)
        return [*before, head, *after]

    def _noun_ending(self, stem: str, case: str, plural: bool) -> tuple[str, ...]:
        if self.morphology != "fusional" or (case == "nom" and not plural):
            return ()
        return (f"end:{concepts.stem_class(stem)}:{'pl' if plural else 'sg'}:{case}",)

    def verb(self, clause: Clause) -> list[Token]:
        """The verb with tense and negation."""
        stem, tense = clause.verb, clause.tense
        if self.morphology == "fusional":
            many = clause.subject.number is not None or clause.subject.head == "they"
            ending = f"verb:{concepts.stem_class(stem)}:{'pl' if many else 'sg'}:{tense}"
            verb = Token(stem, (ending,))
            parts = [Token("not")] * clause.negated
            return [*parts, verb] if self.head_first else [verb, *parts]
        marks = ("not",) * clause.negated + (() if tense == "present" else (tense,))
        if self.morphology == "agglutinative":
            return [Token(stem, marks)]
        particles = [Token(mark) for mark in marks]
        return [*particles, Token(stem)] if self.head_first else [Token(stem), *particles[::-1]]

    def clause(self, clause: Clause) -> list[Token]:
        """The tokens of a clause, subject, verb, object and roles in the language's order."""
        parts = {"S": self.noun_phrase(clause.subject, "nom"), "V": self.verb(clause), "O": []}
        if clause.object is not None:
            parts["O"] = self.noun_phrase(clause.object, "nom" if clause.verb == "be" else "acc")
        elif clause.quality is not None:
            many = clause.subject.number is not None
            parts["O"] = [Token(clause.quality, self._noun_ending(clause.quality, "nom", many))]
        roles = [token for case, noun in clause.roles for token in self.noun_phrase(noun, case)]
        if self.head_first:
            return [token for letter in self.word_order for token in parts[letter]] + roles
        parts["O"] = roles + parts["O"]
        return [token for letter in self.word_order for token in parts[letter]]

    def sentence(self, sentence: Sentence) -> list[Token | str]:
        """Tokens and, as strings, the punctuation between them."""
        out: list[Token | str] = [Token(sentence.opening)] if sentence.opening else []
        for connective, clause in sentence.clauses:
            if connective:
                out += [","] if connective != "and" else []
                out.append(Token(connective))
            out += self.clause(clause)
        if sentence.speech is None:
            return [*out, sentence.mark]
        said, mark = sentence.speech
        return [*out, ":", '"', *self.clause(said), mark, '"']


def write(pieces: Iterable[Sequence[str]]) -> str:
    """Sentences of words and punctuation as text: spaces and capitals where they belong.

    >>> write([["lo", "ma", ":", '"', "ti", "re", "?", '"'], ["ti", ",", "so", "."]])
    'Lo ma: "Ti re?" Ti, so.'
    """
    out: list[str] = []
    for sentence in pieces:
        capital, space, quoted = True, bool(out), False
        for piece in sentence:
            if piece == '"':
                quoted = not quoted
                out.append(' "' if quoted else '"')
                capital, space = True, False
            elif piece in ".,:?!":
                out.append(piece)
            else:
                out.append(
                    (" " if space else "") + (piece[0].upper() + piece[1:] if capital else piece)
                )
                capital, space = False, True
    return "".join(out)
