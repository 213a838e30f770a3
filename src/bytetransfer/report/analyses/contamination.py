"""The section on contamination: foreign lines in the corpora, and whether transfer follows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bytetransfer.analysis.cells import Group, Unanswered
from bytetransfer.analysis.contamination import (
    FLAGGED_SHARE,
    UNDECIDED,
    Exposure,
    Proportion,
    Reading,
    by_corpus,
)
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.similarity import MeasureResult, RankCorrelation, Similarity
from bytetransfer.report.chart import Axis, Chart, Dot, Series
from bytetransfer.report.document import Cell, Column, Section, Table
from bytetransfer.report.wording import Names, bare, bounded_bytes, shorten
from bytetransfer.units import format_bytes

_MOST_FOUND = 3  # languages named in a row
_EXAMPLE_CHARACTERS = 160
_SIGNIFICANT = 0.05
_OPEN_ROWS = 20
_RECOGNISED = 0.5
_DIRECTIONS = {
    "source_by_target": "the target's language in the source",
    "target_by_source": "the source's language in the target",
}


def contamination_section(
    readings: Sequence[Reading | Unanswered],
    transfer: Sequence[Similarity | Unanswered],
    held: Sequence[Exposure],
    names: Names,
    *,
    examples: Mapping[str, Sequence[str]] | None = None,
) -> Section:
    """What the corpora hold beside their own languages and whether transfer goes with it.

    Args:
        readings: of each corpus by each detector (`read_shares`).
        transfer: for each group of estimates (`follow_contamination`).
        held: target text in the pretraining of each pair (`exposures`).
        names: what to call corpora and learners.
        examples: text of flagged documents by corpus; shown shortened and escaped.
    """
    read = [one for one in readings if isinstance(one, Reading)]
    reasons = [one.reason for one in (*readings, *transfer) if isinstance(one, Unanswered)]
    answered = [one for one in transfer if isinstance(one, Similarity)]
    judged = [one for one in read if one.foreign is not None]
    tables = (
        _share_table(read, names),
        _effect_table(answered, names),
        _exposure_table(held, names),
        _example_table(examples or {}, names),
    )
    return Section(
        name="contamination",
        title="Are the corpora what they are called?",
        text=(
            _foreign_words(judged, names),
            *_unrecognised_words(judged, names),
            *(words for one in answered for words in _transfer_words(one, names)),
            *_exposure_words(held, names),
            *_reading_words(read),
            *(f"Not answered: {shorten(reason, 400)}." for reason in dict.fromkeys(reasons)),
        ),
        figures=(_chart(judged, names),) if judged else (),
        tables=tuple(table for table in tables if table.rows),
    )


def _percent(share: float) -> str:
    """A share in percent, to three digits.

    >>> _percent(0.0), _percent(0.00002), _percent(0.012345), _percent(0.5)
    ('0 %', '< 0.01 %', '1.23 %', '50 %')
    """
    return "< 0.01 %" if 0 < share < 0.0001 else f"{100 * share:.3g} %"


def _between(low: float, high: float) -> str:
    first, last = _percent(low), _percent(high)
    return first if first == last else f"{first} to {last}"


def _foreign_span(readings: Sequence[Reading]) -> tuple[float, float]:
    values = [one.foreign.of_bytes.value for one in readings if one.foreign is not None]
    return min(values), max(values)


def _foreign_words(readings: Sequence[Reading], names: Names) -> str:
    if not readings:
        return "No corpus could be read: none has a language that a detector knows."
    spans = {corpus: _foreign_span(rows) for corpus, rows in by_corpus(readings).items()}
    worst = max(spans, key=lambda corpus: spans[corpus][1])
    low, high = spans[worst]
    if not high:
        return f"No foreign line was found in any of the {len(spans)} corpora."
    flagged = {c: max(r.flagged for r in rows) for c, rows in by_corpus(readings).items()}
    words = (
        f"The corpus with most foreign lines is {names.language(worst)}: {_between(low, high)} of "
        f"its bytes{', depending on the detector' if low != high else ''}."
    )
    if len(spans) > 1:
        others = max(high for corpus, (_, high) in spans.items() if corpus != worst)
        words += f" In the others it is at most {_percent(others)}."
    count = sum(flagged.values())
    return words + (
        f" In {count:,} of the documents that were read, foreign lines are "
        f"{_percent(FLAGGED_SHARE)} of the bytes or more."
    )


def _unrecognised_words(readings: Sequence[Reading], names: Names) -> tuple[str, ...]:
    """Corpora of which no detector knows most: their small foreign share says nothing."""
    least = {
        corpus: max(one.share(str(one.language)).of_bytes.value for one in rows)
        for corpus, rows in by_corpus(readings).items()
    }
    unknown = {corpus: share for corpus, share in least.items() if share < _RECOGNISED}
    if not unknown:
        return ()
    said = ", ".join(f"{names.language(name)} ({_percent(own)})" for name, own in unknown.items())
    return (
        "Of these corpora no detector recognises even half of the bytes as their language: "
        f"{said}. What is not foreign there is undecided, and nothing follows from a small foreign share.",
    )


def _reading_words(readings: Sequence[Reading]) -> tuple[str, ...]:
    if not readings:
        return ()
    detectors = sorted({one.detector for one in readings})
    undecided = max(one.share(UNDECIDED).of_bytes.value for one in readings)
    words = [
        "Lines that are too short or too uncertain for a decision count as undecided and stay in "
        f"the total; of the bytes of a corpus they are at most {_percent(undecided)}. Detectors "
        "err on closely related languages, so that a percent of Galician in Spanish text may be "
        "Spanish."
    ]
    if len(detectors) > 1:
        words.append(
            f"The detectors are {' and '.join(detectors)}. What lies between their two shares is a "
            "difference of opinion, not a confidence interval."
        )
    if any(one.is_sample for one in readings):
        level = _percent(readings[0].level)
        words.append(
            f"Where part of a corpus was read, brackets hold the share of the whole with {level} "
            "confidence, as far as drawing documents goes; a detector's errors are not in it."
        )
    return tuple(words)


def _title(group: Group, names: Names) -> str:
    size = format_bytes(group.finetune_bytes)
    return f"{names.learner(group.learner, group.regime)}, D_F = {size}"


def _transfer_words(found: Similarity, names: Names) -> tuple[str, ...]:
    """One paragraph a group: what ten times the contamination goes with."""
    said = [_effect_words(one) for one in found.measures]
    words = f"{_title(found.group, names)}: {'; '.join(said)}."
    if found.censored:
        words += f" {found.censored} of {found.pairs} estimates are bounds and left out."
    return (words,)


def _effect_words(result: MeasureResult) -> str:
    direction, _, detector = result.measure.partition(", ")
    what = f"{_DIRECTIONS.get(direction, direction)} ({detector})"
    if isinstance(result.association, Unanswered):
        return f"no answer for {what}, because {shorten(result.association.reason, 300)}"
    p = result.corrected_p if result.corrected_p is not None else result.association.p
    verdict = "goes with" if p <= _SIGNIFICANT else "cannot be told from no effect; it goes with"
    effect = f"{math.exp(result.association.slope):.2f} times the D_E{_limits(result.association)}"
    return f"ten times as much of {what} {verdict} {effect}, corrected p = {_p(p)}"


def _limits(found: Association) -> str:
    if found.low is None or found.high is None:
        return " (no interval: too few permutations)"
    return f" ({math.exp(found.low):.2f}–{math.exp(found.high):.2f})"


def _p(p: float) -> str:
    return f"{p:.4f}" if p < 0.01 else f"{p:.2f}"


def _exposure_words(held: Sequence[Exposure], names: Names) -> tuple[str, ...]:
    known = [one for one in held if one.estimate.status == "inside"]
    if not known:
        return ()
    more = sum(one.estimate.transfer_bytes > one.most_bytes for one in known)
    most = max(known, key=lambda one: one.most_bytes)
    pair = f"{names.language(most.estimate.source)} → {names.language(most.estimate.target)}"
    low, high = format_bytes(most.least_bytes), format_bytes(most.most_bytes)
    size = high if low == high else f"{low} to {high}"
    return (
        f"Pretraining held {size} of the target's language where it held most ({pair}). "
        f"D_T is larger than what was held in {more} of the {len(known)} estimates of two "
        "languages that are numbers.",
    )


def _share_table(readings: Sequence[Reading], names: Names) -> Table:
    return Table(
        name="contamination-shares",
        caption=f"Languages in the corpora ({len(readings)} readings)",
        columns=(
            Column("corpus"),
            Column("detector"),
            Column("documents read", numeric=True),
            Column("own language, bytes", "share", numeric=True),
            Column("undecided, bytes", "share", numeric=True),
            Column("foreign, lines", "share", numeric=True),
            Column("foreign, bytes", "share", numeric=True),
            Column("most found"),
            Column("documents flagged", numeric=True),
        ),
        rows=tuple(_share_row(one, names) for one in readings),
        is_open=len(readings) <= _OPEN_ROWS,
    )


def _share_row(reading: Reading, names: Names) -> tuple[Cell, ...]:
    total = reading.corpus_documents
    read = f"{reading.documents:,}" + (f" of {total:,}" if reading.is_sample and total else "")
    own = reading.share(reading.language).of_bytes if reading.foreign and reading.language else None
    foreign = reading.foreign
    found = [
        f"{names.language(one.language)} {_percent(one.of_bytes.value)}"
        for one in reading.shares
        if one.language not in {UNDECIDED, reading.language}
    ]
    return (
        Cell(names.language(reading.corpus), reading.corpus),
        Cell(reading.detector, reading.detector),
        Cell(read, reading.documents),
        _share_cell(own),
        _share_cell(reading.share(UNDECIDED).of_bytes),
        _share_cell(foreign.of_lines if foreign else None),
        _share_cell(foreign.of_bytes if foreign else None),
        Cell(", ".join(found[:_MOST_FOUND])),
        Cell(f"{reading.flagged:,}", reading.flagged) if foreign else Cell("–"),
    )


def _share_cell(share: Proportion | None) -> Cell:
    if share is None:
        return Cell("–")
    return Cell(_percent(share.value), share.value, detail=_sampling(share))


def _sampling(share: Proportion) -> str:
    """The limits of a share of which a sample was read."""
    return "" if share.low is None or share.high is None else _between(share.low, share.high)


def _effect_table(found: Sequence[Similarity], names: Names) -> Table:
    return Table(
        name="contamination-effects",
        caption="Transfer against contamination, source and target effects removed",
        columns=(
            Column("learner and D_F"),
            Column("share of"),
            Column("detector"),
            Column("pairs", numeric=True),
            Column("D_E a tenfold share", "factor", numeric=True),
            Column("partial correlation", numeric=True),
            Column("p", numeric=True),
            Column("corrected p", numeric=True),
            Column("smallest p possible", numeric=True),
            Column("raw Spearman (as if pairs were independent)", numeric=True),
        ),
        rows=tuple(
            (Cell(_title(group.group, names)), *_effect_cells(one))
            for group in found
            for one in group.measures
        ),
    )


def _effect_cells(result: MeasureResult) -> tuple[Cell, ...]:
    direction, _, detector = result.measure.partition(", ")
    naive = result.naive
    rank = Cell("–")
    if isinstance(naive, RankCorrelation):
        rank = Cell(_signed(naive.correlation), naive.correlation, detail=f"p = {_p(naive.p)}")
    first = (
        Cell(_DIRECTIONS.get(direction, direction), direction),
        Cell(detector, detector),
        Cell(str(result.pairs), result.pairs),
    )
    found = result.association
    if isinstance(found, Unanswered):
        reason = shorten(found.reason, 300)
        return (*first, Cell("–", detail=reason), *(Cell("–") for _ in range(4)), rank)
    factor, corrected = math.exp(found.slope), result.corrected_p
    return (
        *first,
        Cell(f"{factor:.2f}", factor, detail=_limits(found).strip(" ()")),
        Cell(_signed(found.correlation), found.correlation),
        Cell(_p(found.p), found.p),
        Cell("–") if corrected is None else Cell(_p(corrected), corrected),
        Cell(f"{found.smallest_p:.2g}", found.smallest_p),
        rank,
    )


def _signed(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-", "−")


def _exposure_table(held: Sequence[Exposure], names: Names) -> Table:
    return Table(
        name="contamination-held",
        caption=f"Target's language in the pretraining, beside D_T ({len(held)})",
        columns=(
            Column("source"),
            Column("target"),
            Column("learner"),
            Column("D_F", "bytes", numeric=True),
            Column("held, least", "bytes", numeric=True),
            Column("held, most", "bytes", numeric=True),
            Column("D_T", "bytes", numeric=True),
        ),
        rows=tuple(_exposure_row(one, names) for one in held),
        is_open=len(held) <= _OPEN_ROWS,
    )


def _exposure_row(one: Exposure, names: Names) -> tuple[Cell, ...]:
    row = one.estimate
    return (
        Cell(names.source(row.source, row.pretrain_bytes), row.source),
        Cell(names.language(row.target), row.target),
        Cell(names.learner(row.learner, row.regime), row.learner),
        Cell(format_bytes(row.finetune_bytes), row.finetune_bytes),
        Cell(format_bytes(one.least_bytes), one.least_bytes),
        Cell(format_bytes(one.most_bytes), one.most_bytes),
        Cell(bounded_bytes(row.transfer_bytes, row.status), row.transfer_bytes),
    )


def _example_table(examples: Mapping[str, Sequence[str]], names: Names) -> Table:
    rows = tuple(
        (
            Cell(names.language(corpus), corpus),
            Cell(shorten(" ".join(text.split()), _EXAMPLE_CHARACTERS)),
        )
        for corpus, texts in examples.items()
        for text in texts
    )
    return Table(
        name="contamination-examples",
        caption=f"Flagged documents, examples ({len(rows)})",
        columns=(Column("corpus"), Column("begins and ends")),
        rows=rows,
        is_open=False,
    )


def _chart(readings: Sequence[Reading], names: Names) -> Chart:
    """Foreign share of each corpus, a marker a detector, side by side."""
    corpora = list(by_corpus(readings))
    detectors = list(dict.fromkeys(one.detector for one in readings))
    step = 0.5 / len(detectors)
    series = tuple(
        Series(
            name=detector,
            ink=number + 1,
            style="loose",
            dots=tuple(
                _dot(one.foreign.of_bytes, corpora.index(one.corpus) + shift, one, names)
                for one in readings
                if one.detector == detector and one.foreign is not None
            ),
        )
        for number, detector in enumerate(detectors)
        for shift in [(number + 0.5) * step - 0.25]
    )
    dots = [dot for one in series for dot in one.dots]
    top = 1.05 * max(max(dot.y, dot.high or 0) for dot in dots) or 1.0
    return Chart(
        name="contamination",
        title="Foreign lines, percent of the bytes of each corpus",
        description=" ".join(f"{dot.note}." for dot in dots),
        x=Axis(
            title="corpus",
            kind="category",
            low=-0.5,
            high=len(corpora) - 0.5,
            unit="number",
            names=tuple(bare(names.language(corpus)) for corpus in corpora),
        ),
        y=Axis(title="percent of bytes", kind="linear", low=0, high=top, unit="number"),
        series=series,
    )


def _dot(share: Proportion, x: float, reading: Reading, names: Names) -> Dot:
    limits = f" ({_sampling(share)})" if share.low is not None else ""
    name = f"{names.language(reading.corpus)}, {reading.detector}"
    return Dot(
        x=x,
        y=100 * share.value,
        low=None if share.low is None else 100 * share.low,
        high=None if share.high is None else 100 * share.high,
        note=bare(f"{name}: {_percent(share.value)} foreign{limits}"),
    )
