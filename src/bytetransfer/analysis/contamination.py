"""Contamination: which languages a corpus holds beside its own, and whether transfer follows them.

A detector names the language of every line; a line it cannot decide counts as undecided and stays
in the total. Two detectors give two shares: the span between them is the span of two opinions, not
a confidence interval. That many of the documents were read and not all gives a sampling interval
for each opinion.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.similarity import Distances, Similarity, similarities
from bytetransfer.transfer.distributions import beta_quantile
from bytetransfer.transfer.estimate import TransferEstimate

UNDECIDED = ""
"""The language of a line that is too short or too uncertain for a decision."""
FLAGGED_SHARE = 0.5
"""A document is flagged where at least this share of its bytes is in foreign lines."""

Unit = Literal["lines", "bytes"]
Direction = Literal["source_by_target", "target_by_source"]
"""Which corpus holds which language: the source that of the target, or the other way round."""
DIRECTIONS: tuple[Direction, ...] = ("source_by_target", "target_by_source")
Lines = Sequence[tuple[str, int]]  # the lines of a document: language and bytes of each
Floats = NDArray[np.float64]

_EXAMPLES = 5


@dataclass(frozen=True)
class Proportion:
    """A share of a corpus.

    Attributes:
        value: in what was read, from 0 to 1.
        low: lower limit in the whole corpus; None where all of it was read, or one document.
        high: upper limit, the same.
    """

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Share:
    """How much of a corpus is in one language.

    Attributes:
        language: ISO 639 code, or `UNDECIDED`.
        lines: lines in it.
        bytes: bytes of these lines.
        of_lines: their share of all lines.
        of_bytes: their share of all bytes.
    """

    language: str
    lines: int
    bytes: int
    of_lines: Proportion
    of_bytes: Proportion

    def of(self, unit: Unit) -> Proportion:
        """The share by lines or by bytes."""
        return self.of_lines if unit == "lines" else self.of_bytes


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What one detector found in one corpus.

    Attributes:
        corpus: its name.
        language: ISO 639 code of the corpus; None where it has none.
        detector: name of the detector.
        known: the languages the detector can name.
        documents: how many were read.
        corpus_documents: how many there are; None where nobody counted.
        lines: how many were read, undecided ones included.
        bytes: of these lines.
        shares: of each language found and of undecided lines, most bytes first.
        absent: the share of any other language: none was found.
        foreign: lines decided for another language than the corpus's; None where it has none or
            the detector does not know it.
        flagged: documents with foreign lines in at least `FLAGGED_SHARE` of their bytes.
        examples: numbers of the flagged documents with most foreign bytes, as they were read.
        level: nominal coverage of the limits.
    """

    corpus: str
    language: str | None
    detector: str
    known: frozenset[str]
    documents: int
    corpus_documents: int | None
    lines: int
    bytes: int
    shares: tuple[Share, ...]
    absent: Share
    foreign: Share | None
    flagged: int
    examples: tuple[int, ...]
    level: float

    def share(self, language: str) -> Share:
        """The share of a language, zero with its upper limit where none was found."""
        return next((one for one in self.shares if one.language == language), self.absent)

    @property
    def is_sample(self) -> bool:
        """Whether there are documents that were not read."""
        return self.corpus_documents is None or self.documents < self.corpus_documents


def read_shares(
    documents: Iterable[Lines],
    *,
    corpus: str,
    language: str | None,
    detector: str,
    known: Set[str],
    corpus_documents: int | None = None,
    level: float = 0.95,
) -> Reading | Unanswered:
    """Shares of each language in a corpus, by lines and by bytes.

    Documents are drawn, not lines, and lines of one document go together. So the variance of a
    share is that of a ratio over documents, less what a finite corpus saves (Cochran, *Sampling
    Techniques*, 3rd ed. 1977, eqs. 2.46 and 6.9), and the limits are those of Clopper & Pearson
    for as many independent lines as have that variance (Korn & Graubard, Survey Methodology 24,
    1998). They hold where few lines or none are foreign, where the bootstrap has no width.

    Args:
        documents: language and bytes of each line, by document; a simple random sample of them.
        corpus: its name.
        language: ISO 639 code of the corpus; None where it has none.
        detector: who decided.
        known: the languages the detector can name.
        corpus_documents: how many documents there are; None where nobody counted.
        level: nominal coverage of the limits.

    Returns:
        The shares, or the reason why there are none.

    >>> lines = [[("es", 80), ("en", 20)], [("es", 90), ("", 10)]]
    >>> found = read_shares(
    ...     lines, corpus="es", language="es", detector="d", known={"es", "en"}, corpus_documents=2
    ... )
    >>> [(one.language, one.of_lines.value, one.of_bytes.value) for one in found.shares]
    [('es', 0.5, 0.85), ('en', 0.25, 0.1), ('', 0.25, 0.05)]
    """
    counts = [_counted(lines) for lines in documents]
    total = np.array([[len(c.lines), sum(c.bytes.values())] for c in counts], float).reshape(-1, 2)
    if not total[:, 1].sum():
        return Unanswered(f"{corpus} holds no text to read")
    survey = _Survey(total, corpus_documents, level)
    names = sorted({name for count in counts for name in count.bytes})
    shares = [survey.share(name, _column(counts, [name])) for name in names]
    foreign = None
    flagged: list[int] = []
    if language in known:
        column = _column(counts, [name for name in names if name not in {language, UNDECIDED}])
        foreign = survey.share("foreign", column)
        flagged = _flagged(column[:, 1], total[:, 1])
    return Reading(
        corpus=corpus,
        language=language,
        detector=detector,
        known=frozenset(known),
        documents=len(counts),
        corpus_documents=corpus_documents,
        lines=int(total[:, 0].sum()),
        bytes=int(total[:, 1].sum()),
        shares=tuple(sorted(shares, key=lambda one: (-one.bytes, one.language))),
        absent=survey.share(UNDECIDED, np.zeros_like(total)),
        foreign=foreign,
        flagged=len(flagged),
        examples=tuple(flagged[:_EXAMPLES]),
        level=level,
    )


def _flagged(foreign_bytes: Floats, total_bytes: Floats) -> list[int]:
    """Numbers of the documents that are mostly foreign, most foreign bytes first."""
    mostly = (foreign_bytes > 0) & (foreign_bytes >= FLAGGED_SHARE * total_bytes)
    return sorted(np.flatnonzero(mostly).tolist(), key=lambda n: (-foreign_bytes[n], n))


@dataclass(frozen=True)
class _Counted:
    lines: list[str]
    bytes: Counter[str]


def _counted(lines: Lines) -> _Counted:
    sizes: Counter[str] = Counter()
    for language, size in lines:
        sizes[language] += size
    return _Counted([language for language, _ in lines], sizes)


def _column(counts: Sequence[_Counted], names: Sequence[str]) -> Floats:
    """Lines and bytes in some languages, by document; shape (documents, 2)."""
    wanted = set(names)
    found = [
        (sum(one in wanted for one in count.lines), sum(count.bytes[one] for one in wanted))
        for count in counts
    ]
    return np.array(found, float).reshape(-1, 2)


@dataclass(frozen=True)
class _Survey:
    """The sample that shares are estimated from; `total` is lines and bytes by document."""

    total: Floats
    corpus_documents: int | None
    level: float

    def share(self, language: str, part: Floats) -> Share:
        lines, size = part.sum(axis=0)
        of_lines, of_bytes = (self._proportion(part[:, n], self.total[:, n]) for n in (0, 1))
        return Share(language, int(lines), int(size), of_lines, of_bytes)

    def _proportion(self, part: Floats, whole: Floats) -> Proportion:
        count, value = len(whole), float(part.sum() / whole.sum())
        unread = 1 - count / self.corpus_documents if self.corpus_documents else 1.0
        if unread <= 0 or count < 2:
            return Proportion(value)
        residual = part - value * whole
        variance = unread * count / (count - 1) * float(residual @ residual) / whole.sum() ** 2
        # No line says more than one independent line; where all documents are alike (none
        # foreign, or all), there is one observation a document.
        most = self.total[:, 0].sum() / unread
        alike = count / unread
        lines = min(value * (1 - value) / variance, most) if variance > 0 else alike
        return Proportion(value, *_exact_limits(value, lines, self.level))


def _exact_limits(value: float, lines: float, level: float) -> tuple[float, float]:
    """Limits of Clopper & Pearson (Biometrika 26, 1934) for a share of `lines`, also of a half."""
    tail, found = (1 - level) / 2, value * lines
    low = beta_quantile(tail, found, lines - found + 1) if found > 0 else 0.0
    missing = lines - found
    high = beta_quantile(1 - tail, found + 1, missing) if missing > 1e-9 else 1.0
    return min(low, value), max(high, value)


def span(readings: Iterable[Reading], language: str, unit: Unit) -> tuple[float, float]:
    """The smallest and the largest share that detectors find; opinions, not an interval.

    Args:
        readings: of one corpus, a detector each.
        language: ISO 639 code, or `UNDECIDED`.
        unit: shares of lines or of bytes.
    """
    values = [reading.share(language).of(unit).value for reading in readings]
    return min(values), max(values)


def by_corpus(readings: Iterable[Reading]) -> Mapping[str, tuple[Reading, ...]]:
    """The readings of each corpus, in the order of the corpora."""
    found: dict[str, list[Reading]] = {}
    for reading in readings:
        found.setdefault(reading.corpus, []).append(reading)
    return {corpus: tuple(rows) for corpus, rows in found.items()}


def log_shares(
    readings: Iterable[Reading], direction: Direction, *, unit: Unit = "bytes"
) -> Distances:
    """Contamination of every pair of corpora in two languages, as `similarity` takes it.

    The share is relative to the corpus that holds the language, so sizes of corpora are out of it.
    Shares span many orders of magnitude; where no line was found, the share of half a line stands,
    so that a corpus of which little was read is not taken for a clean one.

    Args:
        readings: by one detector, a corpus each.
        direction: whose share in which corpus.
        unit: shares of bytes or of lines.

    Returns:
        Logarithm (base 10) of the share by (source, target); no pair of one language, and none of
        a corpus without a language or in one that the detector does not know.
    """
    found: dict[tuple[str, str], float] = {}
    rows = list(readings)
    for source, target in ((a, b) for a in rows for b in rows if a.language != b.language):
        holder, other = (source, target) if direction == "source_by_target" else (target, source)
        if not _knows_both(holder, other):
            continue
        share = holder.share(other.language or UNDECIDED).of(unit).value
        found[source.corpus, target.corpus] = float(np.log10(share or 0.5 / holder.lines))
    return found


def _knows_both(holder: Reading, other: Reading) -> bool:
    return holder.language in holder.known and other.language in holder.known


def follow_contamination(
    groups: Iterable[Iterable[TransferEstimate]],
    readings: Iterable[Reading],
    *,
    unit: Unit = "bytes",
    permutations: int = 9_999,
    seed: int = 0,
    level: float = 0.95,
) -> list[Similarity | Unanswered]:
    """Does transfer follow contamination? Log D_E against log shares, as against a distance.

    Source and target effects are removed from both and languages permuted (`mrqap`). The measures
    are named by direction and detector, for example `source_by_target, lid176`; p is corrected over
    all of them. A slope is log D_E a tenfold share.

    Args:
        groups: the estimates of each group (`cells.by_group`).
        readings: of their corpora, by one or more detectors; two of one language are no pair.
        unit: shares of bytes or of lines.
        permutations: see `mrqap`.
        seed: see `mrqap`.
        level: nominal coverage of intervals.

    Returns:
        For each group one result a direction and detector, or the reason why there are none.
    """
    by_detector: dict[str, list[Reading]] = {}
    for reading in readings:
        by_detector.setdefault(reading.detector, []).append(reading)
    measures = {
        f"{direction}, {detector}": log_shares(rows, direction, unit=unit)
        for detector, rows in by_detector.items()
        for direction in DIRECTIONS
    }
    if not any(measures.values()):
        reason = (
            "fewer than two corpora have a language that a detector knows; state `language` of each"
        )
        return [Unanswered(reason) for _ in groups]
    known = {pair for measure in measures.values() for pair in measure}
    rows = [[row for row in some if (row.source, row.target) in known] for some in groups]
    # Shares are no distances, so they span no map whose components could be signed.
    return similarities(
        rows, measures, permutations=permutations, seed=seed, level=level, moved="targets"
    )


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """How much of the target's language the pretraining held, by its share of the source.

    Attributes:
        estimate: what the pretraining was worth.
        least_bytes: by the detector that finds least; of the pretraining bytes.
        most_bytes: by the detector that finds most.
    """

    estimate: TransferEstimate
    least_bytes: float
    most_bytes: float


def exposures(
    estimates: Iterable[TransferEstimate], readings: Iterable[Reading]
) -> tuple[Exposure, ...]:
    """Target text inside the source of each pair of two languages, in bytes of the pretraining.

    Where it is far less than D_T, contamination as so much more target text does not explain it.
    """
    found = by_corpus(readings)
    rows = []
    for estimate in estimates:
        held = found.get(estimate.source, ())
        language = next((r.language for r in found.get(estimate.target, ())), None)
        able = [r for r in held if language in r.known and r.language not in {None, language}]
        if language is None or not able:
            continue
        low, high = span(able, language, "bytes")
        size = estimate.pretrain_bytes
        rows.append(Exposure(estimate=estimate, least_bytes=low * size, most_bytes=high * size))
    return tuple(rows)
