"""How estimates are said: sizes with bounds, intervals, sentences, and names made safe to show.

Names come from studies and corpora and may hold anything. `visible` makes one line of harmless
text of them; `isolate` also keeps their writing direction from spilling into the sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bytetransfer.readable import is_harmless
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.transfer.table import MARKS
from bytetransfer.units import format_bytes, signed_bytes

ISOLATE, END_ISOLATE = "\u2068", "\u2069"
NAME_CHARACTERS = 40
_REPLACEMENT = "\ufffd"


def said_once(covers: Iterable[str]) -> str:
    """What several intervals cover, each part of it once.

    >>> said_once({"seeds only; 1 of 3 seeds left out", "seeds only"})
    'seeds only; 1 of 3 seeds left out'
    """
    return "; ".join(dict.fromkeys(part for said in sorted(covers) for part in said.split("; ")))


def not_covered(rows: Iterable[TransferEstimate]) -> str:
    """What the intervals of estimates do not cover, as a list of nouns."""
    if all(row.replicates > 1 for row in rows):
        return "other text or another recipe"
    return "another split of the text, another search or another recipe"


def count(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun, in the plural where it needs it.

    >>> count(1, "target"), count(0, "target"), count(2, "has", "have")
    ('1 target', '0 targets', '2 have')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def visible(text: str, *, keep: str = "") -> str:
    r"""`text` with every character that is unseen, not text, or turns the direction replaced.

    Args:
        text: anything.
        keep: control characters to let through, for example newline and tab in a listing.

    >>> visible("fi\u202egnp.exe\x1b[2J") == "fi\ufffdgnp.exe\ufffd[2J"
    True
    """
    if (
        text.isprintable()
    ):  # says the same of all but spaces and formats, and a hundred times faster
        return text
    return "".join(c if c in keep or is_harmless(c) else _REPLACEMENT for c in text)


def shorten(text: str, limit: int = NAME_CHARACTERS) -> str:
    """The visible `text` in at most `limit` characters; the middle gives way, ends differ most.

    >>> shorten("cipher(en, script = Greek)", 12)
    'cipher…reek)'
    """
    # Cut first: ten thousand characters need no cleaning when forty are shown.
    if len(text) <= limit:
        return visible(text)
    head = limit // 2
    return visible(text[:head]) + "…" + visible(text[len(text) - (limit - head - 1) :])


def isolate(name: str, limit: int = NAME_CHARACTERS) -> str:
    """The shortened name between direction isolates; HTML shows them as `<bdi>`."""
    return f"{ISOLATE}{shorten(name, limit)}{END_ISOLATE}"


def bare(text: str) -> str:
    """`text` without direction isolates, for outputs that do not know them."""
    return text.replace(ISOLATE, "").replace(END_ISOLATE, "")


@dataclass(frozen=True, kw_only=True)
class Names:
    """What to call languages and learners.

    Attributes:
        languages: names of corpora as people say them, by the study's own short names.
        show_pretraining: whether sources come in several pretraining sizes.
        show_regime: whether learners come in several regimes.
        sources: source and pretraining bytes, in the order they are shown.
    """

    languages: Mapping[str, str] = field(default_factory=dict)
    show_pretraining: bool = False
    show_regime: bool = False
    sources: tuple[tuple[str, int], ...] = ()

    def ink(self, code: str, pretrain_bytes: int) -> int:
        """The number of a source's colour and marker, 1 and up, the same in all charts."""
        source = (code, pretrain_bytes)
        return self.sources.index(source) + 1 if source in self.sources else len(self.sources) + 1

    def language(self, code: str) -> str:
        """The spoken name of a corpus, isolated."""
        return isolate(self.languages.get(code, code))

    def source(self, code: str, pretrain_bytes: int) -> str:
        """The spoken name of a source, with its size where sources come in several."""
        size = f" ({format_bytes(pretrain_bytes)})" if self.show_pretraining else ""
        return self.language(code) + size

    def learner(self, learner: str, regime: str) -> str:
        """The name of a learner, with its regime where there are several."""
        shown = isolate(learner or "learner")
        return f"{shown}, {isolate(regime)}" if self.show_regime and regime else shown


def bounded_bytes(count: float, status: str) -> str:
    """A number of bytes, marked where it is only a bound.

    >>> bounded_bytes(2.4e6, "above_range"), bounded_bytes(-7000, "below_range")
    ('≥ 2.4 MB', '≤ −7 kB')
    """
    return MARKS.get(status, "") + signed_bytes(count)


def estimated_bytes(count: float, estimate: TransferEstimate) -> str:
    """D_E or D_T of an estimate, marked where it is only a bound or not surely that."""
    return estimate.mark + signed_bytes(count)


def byte_range(low: float | None, high: float | None) -> str:
    """An interval in bytes; an open end is said, an absent interval is empty.

    >>> byte_range(1.6e6, 2.3e6), byte_range(-10_000, 70_000), byte_range(1.6e6, None)
    ('1.6–2.3 MB', '−10 to 70 kB', '≥ 1.6 MB')
    >>> byte_range(0.0, 0.2)
    '0 B'
    """
    if low is None or high is None:
        end, mark = (low, "≥ ") if low is not None else (high, "≤ ")
        return "" if end is None else mark + signed_bytes(end)
    first, last = signed_bytes(low), signed_bytes(high)
    if first == last:
        return first
    number, unit = first.rsplit(" ", 1)
    if last.endswith(f" {unit}"):
        first = number
    return f"{first} to {last}" if "−" in first + last else f"{first}–{last}"


def transfer_range(estimate: TransferEstimate) -> str:
    """The interval of D_T; "any" where both ends are open, empty where there is none."""
    if estimate.interval == "open":
        return "any"
    return byte_range(estimate.transfer_low, estimate.transfer_high)


def fraction_text(estimate: TransferEstimate) -> str:
    """D_T / D_E; it rises with D_E, so a bound on one is a bound on the other."""
    return estimate.mark + f"{round(estimate.transfer_fraction, 2) + 0.0:.2f}".replace("-", "−")


def sentence(estimate: TransferEstimate, names: Names) -> str:
    """One estimate in plain words, its interval in brackets."""
    subject = f"{names.source(estimate.source, estimate.pretrain_bytes)} pretraining"
    language = names.language(estimate.target)
    of = f" of {language}"
    start = format_bytes(estimate.finetune_bytes)
    having = f"when you have {start}" if estimate.finetune_bytes else "before you have any"
    said = verdict(estimate, of=of)
    if of not in said:  # a verdict of no difference has no amount to say it of
        said = said.replace("difference", f"difference to {language}")
    return f"{subject} {said} {having}"


def verdict(estimate: TransferEstimate, *, of: str = "") -> str:
    """What the pretraining does, without saying whose: "is worth 1.9 MB (1.6–2.3 MB)".

    An interval that holds zero is called that, whichever side its middle is on.
    """
    count, spread = estimate.transfer_bytes, _brackets(estimate)
    lost = format_bytes(abs(count))
    if estimate.status == "above_range":
        return _at_least(count, of, spread, sure=estimate.is_sure)
    if estimate.status == "below_range":
        sure = estimate.is_sure
        if count <= 0:
            return f"{'costs' if sure else 'seems to cost'} more than {lost}{of}{spread}"
        return f"{'is' if sure else 'seems'} worth less than {lost}{of}{spread}"
    low, high = estimate.transfer_low, estimate.transfer_high
    if estimate.status == "extrapolated":
        spread += ", by the power law beyond the sizes measured,"
    if low is not None and high is not None and low <= 0 <= high:
        return f"makes no measurable difference{spread}"
    if count < 0:
        return f"costs {lost}{of}{spread}"
    return f"is worth {lost}{of}{spread}"


def _at_least(count: float, of: str, spread: str, *, sure: bool) -> str:
    if count > 0 and not sure:
        return f"seems worth more than {format_bytes(count)}{of}{spread}"
    if count > 0:
        return f"is worth at least {format_bytes(count)}{of}{spread}"
    # The from-scratch curve ends at or before D_F, so the bound says nothing about the sign.
    return f"beats every from-scratch size, none of which exceeds its own share{of}{spread}"


def _brackets(estimate: TransferEstimate) -> str:
    spread = transfer_range(estimate)
    if not spread or spread == "any":
        return ""
    signed = estimate.transfer_low is not None and estimate.transfer_low < 0
    return f" (D_T {spread})" if signed or estimate.transfer_bytes < 0 else f" ({spread})"


def flags(estimate: TransferEstimate) -> tuple[str, ...]:
    """The warnings an estimate carries, as words."""
    marks = (
        (estimate.not_converged, "not converged"),
        (estimate.below_surface, "below surface"),
    )
    return tuple(word for raised, word in marks if raised)


def remarks(estimate: TransferEstimate) -> tuple[str, ...]:
    """The warnings of an estimate, and what its curve does around it."""
    words = flags(estimate)
    if estimate.status == "extrapolated":
        words += ("extrapolated",)
    if estimate.pooled:
        words += ("curve pooled",)
    if on_plateau(estimate):
        upper = estimate.effective_upper
        words += ("plateau, open above" if upper is None else f"plateau to {format_bytes(upper)}",)
    return words


def on_plateau(estimate: TransferEstimate) -> bool:
    """Whether larger sizes than D_E have the same loss."""
    upper = estimate.effective_upper
    further = estimate.upper_open if upper is None else upper > estimate.effective_bytes
    return estimate.status == "inside" and further
