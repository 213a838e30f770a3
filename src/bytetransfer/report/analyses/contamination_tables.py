"""Tables of the section on contamination, and how its numbers are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bytetransfer.analysis.contamination import UNDECIDED, Exposure, Proportion, Reading
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.similarity import MeasureResult, RankCorrelation, Similarity
from bytetransfer.report.analyses.phrases import (
    factor_text,
    group_title,
    p_text,
    p_words,
    percent_text,
)
from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.wording import Names, estimated_bytes, shorten
from bytetransfer.units import format_bytes

_MOST_FOUND = 3  # languages named in a row
_EXAMPLE_CHARACTERS = 160
_OPEN_ROWS = 20
DIRECTIONS = {
    "source_by_target": "the target's language in the source",
    "target_by_source": "the source's language in the target",
}


def percent(share: float) -> str:
    """A share in percent, with its sign.

    >>> percent(0.00002), percent(0.012345)
    ('< 0.01 %', '1.2 %')
    """
    return f"{percent_text(share)} %"


def between(low: float, high: float) -> str:
    """Two shares as a range; one where they read alike."""
    first, last = percent(low), percent(high)
    return first if first == last else f"{first} to {last}"


def limits_text(found: Association) -> str:
    """The interval of an effect as a factor of D_E in brackets, or why there is none."""
    if found.low is None or found.high is None:
        return " (no interval: too few permutations)"
    return f" ({factor_text(math.exp(found.low))}–{factor_text(math.exp(found.high))})"


def share_table(readings: Sequence[Reading], names: Names) -> Table:
    """What each detector found in each corpus."""
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
        f"{names.language(one.language)} {percent(one.of_bytes.value)}"
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
    return Cell(percent(share.value), share.value, detail=sampling_words(share))


def sampling_words(share: Proportion) -> str:
    """The limits of a share of which a sample was read."""
    return "" if share.low is None or share.high is None else between(share.low, share.high)


def effect_table(found: Sequence[Similarity], names: Names) -> Table:
    """Whether transfer follows contamination, by direction and detector."""
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
            (Cell(group_title(group.group, names)), *_effect_cells(one))
            for group in found
            for one in group.measures
            if isinstance(one.association, Association)
        ),
    )


def _effect_cells(result: MeasureResult) -> tuple[Cell, ...]:
    direction, _, detector = result.measure.partition(", ")
    naive = result.naive
    rank = Cell("–")
    if isinstance(naive, RankCorrelation):
        rank = Cell(_signed(naive.correlation), naive.correlation, detail=p_words(naive.p))
    first = (
        Cell(DIRECTIONS.get(direction, direction), direction),
        Cell(detector, detector),
        Cell(str(result.pairs), result.pairs),
    )
    found = result.association
    assert isinstance(found, Association)
    factor, corrected = math.exp(found.slope), result.corrected_p
    return (
        *first,
        Cell(factor_text(factor), factor, detail=limits_text(found).strip(" ()")),
        Cell(_signed(found.correlation), found.correlation),
        Cell(p_text(found.p), found.p),
        Cell("–") if corrected is None else Cell(p_text(corrected), corrected),
        Cell(f"{found.smallest_p:.2g}", found.smallest_p),
        rank,
    )


def _signed(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-", "−")


def exposure_table(held: Sequence[Exposure], names: Names) -> Table:
    """Target text that the pretraining held, beside D_T."""
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
        Cell(estimated_bytes(row.transfer_bytes, row), row.transfer_bytes),
    )


def example_table(examples: Mapping[str, Sequence[str]], names: Names) -> Table:
    """Documents that were flagged, shortened."""
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
