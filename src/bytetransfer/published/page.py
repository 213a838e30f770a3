"""The page on the published figures, as data: what the readings are, where they part, and why."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from bytetransfer.measurements.measurement import Measurements
from bytetransfer.published.charts import reading_charts
from bytetransfer.published.findings import (
    PORTUGUESE,
    Count,
    against_others,
    by_size,
    count,
    exchanges,
    spreads,
)
from bytetransfer.published.readings import Reading
from bytetransfer.report.document import Cell, Column, Report, Section, Table
from bytetransfer.report.wording import bounded_bytes
from bytetransfer.units import format_bytes, signed_bytes

LANGUAGES = {
    "ar": "Arabic", "de": "German", "en": "English", "es": "Spanish", "fi": "Finnish",
    "id": "Indonesian", "ja": "Japanese", "ko": "Korean", "pt": "Portuguese", "ru": "Russian",
    "zh": "Chinese",
}  # fmt: skip
REMARKS = {"": "", "number_for_bound": "a bound", "off_the_line": "off the line"}
"""An artefact in a word or two; the page explains them."""


def build_page(measurements: Measurements, cells: Sequence[Reading]) -> Report:
    """The page as data: findings first, then how the numbers came about, then every target.

    Args:
        measurements: the published figures.
        cells: their readings.
    """
    targets = sorted({cell.target for cell in cells}, key=lambda code: LANGUAGES[code])
    return Report(
        title="The published figures, read three ways",
        subtitle=f"{len(cells)} cells of de Souza, Almeida, Lotufo and Nogueira, Measuring "
        "Cross-lingual Transfer in Bytes, NAACL 2024 (arXiv 2404.08191)",
        sections=(
            findings_section(cells),
            _rules_section(),
            *(
                _target_section(measurements, [c for c in cells if c.target == target])
                for target in targets
            ),
        ),
    )


def findings_section(cells: Sequence[Reading]) -> Section:
    """What the readings say together, in words and small tables."""
    return Section(
        name="findings",
        title="What they say",
        text=(*_artefact_words(count(cells)), *_statement_words(cells)),
        tables=(
            _size_table(cells),
            _spread_table(cells),
            _exchange_table(cells),
            _portuguese_table(cells),
        ),
    )


def _artefact_words(found: Count) -> tuple[str, ...]:
    kinds, roads, sound = found.artefacts, found.artefact_segments, found.sound
    return (
        f"Of {found.cells} printed D_E, {found.artefact_cells} are artefacts: "
        f"{kinds['number_for_bound']} are numbers where the data give only a bound, and "
        f"{kinds['off_the_line']} are more than 10 % off the straight line between sizes that the "
        f"reading is meant to follow. {found.segments['neighbours']} others repeat that line to "
        "the last digit, the rest to within 10 %.",
        f"How the {found.artefact_cells} came about: {roads['folded']} were read next to a "
        "from-scratch perplexity of 10 or more that had been taken modulo 10 (folded), "
        f"{roads['seam']} across the end of the period (seam), {roads['unsorted']} between sizes "
        "that are no neighbours, where more text had not lowered the perplexity (unsorted).",
        f"In {found.wrong_signs} cells the printed D_T is negative although the pretrained model "
        "has the lower perplexity at that very size. No interpolation is needed to see that.",
        "Straight lines by themselves, in the cells without artefact: the printed D_E is "
        f"{sound.median:.2f} times the monotone one in the median, {sound.smallest:.2f} to "
        f"{sound.largest:.2f} times; {sound.above_tolerance} of {sound.cells} are more than 10 % "
        "above it. Both lie between the same two from-scratch sizes; where between them, these "
        "data cannot say. If loss falls as a power of bytes, the straight line is too high.",
    )


def _statement_words(cells: Sequence[Reading]) -> tuple[str, ...]:
    """The paper's statements that rest on D_T alone, under both readings."""
    size = min(cell.finetune_bytes for cell in cells)
    apart = spreads(cells, size)
    printed, ours = sorted(s.published for s in apart), sorted(s.monotone for s in apart)
    closer = sum(found.monotone < found.published for found in apart)
    return (
        "Statement: very different sources are worth much the same. At "
        f"{format_bytes(size)}, the largest D_T of English, Russian and Chinese is "
        f"{printed[0]:.2f} to {printed[-1]:.2f} times the smallest as printed "
        f"(median {median(printed):.2f}), {ours[0]:.2f} to {ours[-1]:.2f} times by the monotone "
        f"curve (median {median(ours):.2f}); the sources of {closer} of {len(apart)} targets lie "
        "closer together. The statement holds under both readings.",
        "Statement: transfer does not commute. It still does not, but at that size the two ways "
        "lie closer together in every pair. English has from-scratch sizes a decade apart, where "
        "any interpolation is a guess, and the two most lopsided pairs have it on one side.",
        "Statement: Portuguese is worth more to Spanish than the others are. So it is, up to 189 "
        "MB of Spanish; at 600 MB all four do better than any from-scratch model, and nothing can "
        "be said. All printed cells of Portuguese but the one at 6 MB are artefacts, and from 189 "
        "MB on they say that it does harm.",
        "The weak correlation with contamination and similarity cannot be checked here: those "
        "figures are not among the perplexities. In the tables * marks an artefact.",
    )


def _size_table(cells: Sequence[Reading]) -> Table:
    return Table(
        name="by-size",
        caption="By D_F: artefacts, and printed over monotone D_E elsewhere",
        columns=(
            Column("D_F"),
            *(
                Column(title, numeric=True)
                for title in ("cells", "artefacts", "bounds", "wrong sign", "median", "largest")
            ),
        ),
        rows=tuple(
            (
                Cell(format_bytes(size), size),
                *(
                    Cell(str(number), number)
                    for number in (
                        found.cells, found.artefact_cells, found.bounds, found.wrong_signs
                    )
                ),
                _ratio_cell(found.sound.median),
                _ratio_cell(found.sound.largest),
            )
            for size, found in by_size(cells).items()
        ),
    )  # fmt: skip


def _spread_table(cells: Sequence[Reading]) -> Table:
    size = min(cell.finetune_bytes for cell in cells)
    return Table(
        name="spreads",
        caption=f"Largest over smallest D_T of English, Russian, Chinese at {format_bytes(size)}",
        columns=(
            Column("target"),
            Column("published", numeric=True),
            Column("monotone", numeric=True),
            Column("artefacts", numeric=True),
        ),
        rows=tuple(
            (
                Cell(LANGUAGES[found.target], found.target),
                _ratio_cell(found.published),
                _ratio_cell(found.monotone),
                Cell(str(found.artefacts), found.artefacts),
            )
            for found in spreads(cells, size)
        ),
    )


def _exchange_table(cells: Sequence[Reading]) -> Table:
    size = min(cell.finetune_bytes for cell in cells)
    columns = ("there, published", "back, published", "there, monotone", "back, monotone")
    return Table(
        name="exchanges",
        caption=f"D_T there and back at {format_bytes(size)}",
        columns=(Column("pair"), *(Column(title, numeric=True) for title in columns)),
        rows=tuple(
            (
                Cell(f"{there.source}/{there.target}"),
                _printed_cell(there),
                _printed_cell(back),
                _our_cell(there),
                _our_cell(back),
            )
            for there, back in exchanges(cells, size)
        ),
    )


def _portuguese_table(cells: Sequence[Reading]) -> Table:
    columns = ("pt, published", "next, published", "pt, monotone", "next, monotone")
    return Table(
        name="portuguese",
        caption="D_T of Portuguese for Spanish, and the best of the others",
        columns=(Column("D_F"), *(Column(title, numeric=True) for title in columns)),
        rows=tuple(
            (
                Cell(format_bytes(found.own.finetune_bytes), found.own.finetune_bytes),
                _printed_cell(found.own),
                _printed_cell(found.published),
                _our_cell(found.own),
                _our_cell(found.monotone),
            )
            for found in against_others(cells, PORTUGUESE, "es")
        ),
    )


def _printed_cell(cell: Reading) -> Cell:
    star = " *" if cell.artefact else ""
    return Cell(signed_bytes(cell.published_transfer_bytes) + star, cell.published_transfer_bytes)


def _our_cell(cell: Reading) -> Cell:
    text = bounded_bytes(cell.monotone_transfer_bytes, cell.monotone_status)
    return Cell(text, cell.monotone_transfer_bytes)


def _ratio_cell(ratio: float | None) -> Cell:
    return Cell("–") if ratio is None else Cell(f"{ratio:.2f}", ratio)


def _rules_section() -> Section:
    return Section(
        name="rules",
        title="How they were read",
        text=(
            "D_E is the size at which the model trained from scratch reaches the loss of the "
            "fine-tuned one; D_T = D_E − D_F.",
            "Published: the released analysis calls numpy.interp with period=10 on perplexities "
            "over growing sizes. Given a period, that function takes all perplexities modulo 10, "
            "sorts them with their sizes, repeats the last before the first and the first after "
            "the last, and joins neighbours by straight lines. This turns falling perplexities "
            "into the rising ones it needs. But 12.5, the perplexity of 6 MB of Spanish, then "
            "stands at 2.5 among those of 600 MB (folded); where a perplexity does not fall with "
            "size, sizes are joined that are no neighbours (unsorted); and what lies below the "
            "smallest is read on the line to the largest less 10, so that a loss better than all "
            "that was measured has a number too (seam). Perplexity has no period; reversing both "
            "lists would have done.",
            "Linear: the same straight lines in bytes and perplexity, made monotone (perplexities "
            "that rise with size are averaged with their neighbours), with a bound outside.",
            "Monotone: what bytetransfer reads: a shape-preserving curve in log bits per byte over "
            "log bytes, made monotone, with a bound outside.",
            "A printed D_E is called an artefact if linear has a bound there, or a number that "
            "differs by more than 10 %. It is measured against its own method, not ours. A cell "
            "that went a wrong way and came out within 10 % is not counted.",
            "The thick line in a figure is the from-scratch curve as that reading has it. A mark "
            "is a fine-tuned model; the dashed step from it ends at D_E, with an arrow where that "
            "lies beyond. In the tables, ratio is published over monotone D_E.",
            "There is one run a cell and no test documents, so there are no intervals. The "
            "from-scratch curves themselves are taken as they are, although the smallest sizes "
            "were trained for few steps.",
        ),
    )


def _target_section(measurements: Measurements, cells: Sequence[Reading]) -> Section:
    target = cells[0].target
    found = count(cells)
    return Section(
        name=target,
        title=LANGUAGES[target],
        text=(_target_words(found),),
        figures=reading_charts(measurements, cells, LANGUAGES[target]),
        tables=(_reading_table(cells, f"All readings of {LANGUAGES[target]}"),),
    )


def _target_words(found: Count) -> str:
    words = f"{found.artefact_cells or 'None'} of {found.cells} printed D_E "
    words += "is an artefact" if found.artefact_cells < 2 else "are artefacts"
    if found.artefact_cells:
        roads = (f"{number} {road}" for road, number in found.artefact_segments.items())
        words += f" ({', '.join(roads)}); a flat bar marks where their steps end"
    if found.sound.median is not None:
        words += f". Elsewhere printed over monotone D_E is {found.sound.median:.2f} in the median"
    return words + "."


def _reading_table(cells: Sequence[Reading], caption: str) -> Table:
    """A row per cell: three D_E, published over monotone, two D_T, how the printed one came."""
    numeric = ("D_F", "perplexity", "D_E published", "linear", "monotone", "ratio",
               "D_T published", "monotone")  # fmt: skip
    return Table(
        name=f"readings-{cells[0].target}",
        caption=caption,
        columns=(
            Column("source"),
            *(Column(title, numeric=True) for title in numeric),
            Column("read between"),
        ),
        rows=tuple(_reading_cells(cell) for cell in cells),
    )


def _reading_cells(cell: Reading) -> tuple[Cell, ...]:
    linear = bounded_bytes(cell.linear_effective_bytes, cell.linear_status)
    monotone = bounded_bytes(cell.monotone_effective_bytes, cell.monotone_status)
    return (
        Cell(cell.source, cell.source),
        Cell(format_bytes(cell.finetune_bytes), cell.finetune_bytes),
        Cell(f"{cell.perplexity:.3f}", cell.perplexity),
        Cell(format_bytes(cell.published_effective_bytes), cell.published_effective_bytes),
        Cell(linear, cell.linear_effective_bytes),
        Cell(monotone, cell.monotone_effective_bytes),
        _ratio_cell(cell.ratio),
        Cell(signed_bytes(cell.published_transfer_bytes), cell.published_transfer_bytes),
        _our_cell(cell),
        Cell(_between(cell), cell.segment),
    )


def _between(cell: Reading) -> str:
    """The two sizes the script read between, how they relate if oddly, and what came of it."""
    words = f"{format_bytes(cell.low_bytes)} and {format_bytes(cell.high_bytes)}"
    if cell.segment != "neighbours":
        words += f", {cell.segment}"
    return f"{words}: {REMARKS[cell.artefact]}" if cell.artefact else words
