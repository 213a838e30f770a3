"""The section on content: what D_T is in bytes that say the same."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bytetransfer.analysis.premium import Premium, in_content_bytes
from bytetransfer.report.document import Cell, Column, Section, Table
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.wording import Names, estimated_bytes
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.units import format_bytes

_OPEN_ROWS = 40


def content_section(
    estimates: Iterable[TransferEstimate], premiums: Mapping[str, Premium], names: Names
) -> Section:
    """What a byte of each language says, and every D_T in bytes of source, target and reference.

    Args:
        estimates: all cells; those of a source or target without a premium are ignored.
        premiums: byte premiums by language, all over one reference; one at least.
        names: what to call languages and learners.
    """
    known = [row for row in estimates if row.source in premiums and row.target in premiums]
    tables = (_premium_table(premiums, names), _content_table(known, premiums, names))
    return Section(
        name="content",
        title="What is it worth in bytes of equal content?",
        text=(
            *_premium_words(premiums, names),
            "A byte of one language says more or less than a byte of another. D_T is in bytes of "
            "the target; divided by its premium and times that of another language it is in bytes "
            "of that one. Bounds stay bounds, and the error of the premiums is not in them.",
        ),
        figures=(_chart(premiums, names),),
        tables=tuple(table for table in tables if table.rows),
    )


def _premium_words(premiums: Mapping[str, Premium], names: Names) -> tuple[str, ...]:
    others = [one for one in premiums.values() if one.language != one.reference]
    if not others:
        return ()
    least, most = (pick(others, key=lambda one: one.ratio) for pick in (min, max))
    reference = names.language(most.reference)
    said = f"{names.language(most.language)} needs {most.ratio:.3g} times the bytes of {reference}"
    if least is not most:
        said += f" to say the same, {names.language(least.language)} {least.ratio:.3g} times"
    else:
        said += " to say the same"
    return (
        f"{said}, by {most.lines:,} aligned lines. That belongs to these translations as much as "
        "to the languages.",
    )


def _premium_table(premiums: Mapping[str, Premium], names: Names) -> Table:
    return Table(
        name="byte-premiums",
        caption="Bytes for the same content",
        columns=(
            Column("language"),
            Column("held against"),
            Column("byte premium", numeric=True),
            Column("aligned lines", numeric=True),
        ),
        rows=tuple(
            (
                Cell(names.language(one.language), one.language),
                Cell(names.language(one.reference), one.reference),
                Cell(
                    f"{one.ratio:.3f}",
                    one.ratio,
                    detail="no interval: too few lines"
                    if one.low is None or one.high is None
                    else f"{one.low:.3f}–{one.high:.3f}",
                ),
                Cell(f"{one.lines:,}", one.lines),
            )
            for one in premiums.values()
        ),
    )


def _content_table(
    rows: Iterable[TransferEstimate], premiums: Mapping[str, Premium], names: Names
) -> Table:
    reference = names.language(next(iter(premiums.values())).reference)
    cells = tuple(_content_cells(row, premiums, names) for row in rows)
    return Table(
        name="content-transfer",
        caption="D_T in bytes of equal content",
        columns=(
            Column("source"),
            Column("target"),
            Column("learner"),
            Column("D_F", "bytes", numeric=True),
            Column("D_T, bytes of the target", "bytes", numeric=True),
            Column("of the source", "bytes", numeric=True),
            Column(f"of {reference}", "bytes", numeric=True),
        ),
        rows=cells,
        is_open=len(cells) <= _OPEN_ROWS,
    )


def _content_cells(
    row: TransferEstimate, premiums: Mapping[str, Premium], names: Names
) -> tuple[Cell, ...]:
    own, source = premiums[row.target], premiums[row.source]
    worth = row.transfer_bytes
    amounts = (worth, in_content_bytes(worth, own, source), in_content_bytes(worth, own))
    return (
        Cell(names.source(row.source, row.pretrain_bytes), row.source),
        Cell(names.language(row.target), row.target),
        Cell(names.learner(row.learner, row.regime), row.learner),
        Cell(format_bytes(row.nominal_bytes), row.nominal_bytes),
        *(Cell(estimated_bytes(amount, row), amount) for amount in amounts),
    )


def _chart(premiums: Mapping[str, Premium], names: Names) -> Chart:
    """The premium of each language with its interval, from the least to the most bytes."""
    order = sorted(premiums.values(), key=lambda one: one.ratio)
    dots = tuple(
        Dot(
            x=place,
            y=one.ratio,
            low=one.low,
            high=one.high,
            note=f"{names.language(one.language)}: {one.ratio:.3f}",
        )
        for place, one in enumerate(order)
    )
    ends = [end for dot in dots for end in (dot.y, dot.low, dot.high) if end is not None]
    room = 0.05 * (max(1.1, *ends) - min(0.9, *ends))
    return Chart(
        name="content-premiums",
        title="Bytes for the same content",
        description=" ".join(f"{dot.note}." for dot in dots),
        x=Axis(
            title="language",
            kind="category",
            low=-0.5,
            high=len(order) - 0.5,
            names=tuple(names.language(one.language) for one in order),
        ),
        y=Axis(
            title=f"bytes for a byte of {names.language(order[0].reference)}",
            kind="linear",
            low=min(0.9, *ends) - room,
            high=max(1.1, *ends) + room,
            unit="number",
        ),
        series=(Series(name="", ink=1, style="loose", dots=dots),),
    )
