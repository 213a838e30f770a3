"""The report: which sections there are and what they say, from measurements and estimates.

Pure functions from data to data. Statistics are reckoned by `transfer`; this file chooses, words
and orders them. The answer comes first, then what it rests on, then how to repeat it.
"""

from __future__ import annotations

from collections.abc import Sequence

from bytetransfer.measurement import SCRATCH, Measurements
from bytetransfer.report.charts import curve_charts, transfer_charts
from bytetransfer.report.document import Answer, Listing, Report, Section, Table
from bytetransfer.report.listing import (
    corpora_table,
    estimate_table,
    facts_table,
    matrix,
    refusal_table,
    warning_table,
)
from bytetransfer.report.view import LearnerKey, StudyDescription, View, make_view
from bytetransfer.report.wording import sentence, shorten, verdict, visible
from bytetransfer.transfer.estimate import Estimates, TransferEstimate

_SHOWN_CURVES = 5


def build_report(
    measurements: Measurements,
    estimates: Estimates,
    study: StudyDescription | None = None,
    explanations: Sequence[Section] = (),
) -> Report:
    """The report of a study as data.

    Args:
        measurements: all rows, from scratch and fine-tuned.
        estimates: what was reckoned from them, and what was refused.
        study: what is known of the study; a report of bare rows has none.
        explanations: sections of analyses, in the order they are shown.
    """
    study = study or {}
    view = make_view(measurements, estimates, study)
    return Report(
        title=shorten(study.get("name", "") or "Transfer in bytes", 80),
        subtitle=_subtitle(view),
        sections=(
            _answer_section(view),
            _curve_section(view),
            _transfer_section(view),
            *explanations,
            _trust_section(view, study),
            _repeat_section(study),
        ),
    )


def _subtitle(view: View) -> str:
    counts = (
        (len({name for name, _ in view.sources}), "source"),
        (len(view.targets), "target"),
        (len(view.learners), "learner"),
        (len(view.measurements), "run"),
    )
    return ", ".join(_count(number, noun) for number, noun in counts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _answer_section(view: View) -> Section:
    if not view.estimates.rows:
        return Section(
            name="answer",
            title="The answer",
            text=("No estimate could be made from these measurements. The reasons:",),
            tables=(refusal_table(view),),
        )
    return Section(
        name="answer",
        title="The answer",
        text=(
            "How many bytes of the target language is pretraining worth? The model trained from "
            "scratch would need that many bytes more to reach the same held-out loss.",
            "In the tables each cell says what pretraining on the row is worth in bytes of the "
            "column: blue is worth, orange costs, a stronger colour is more. "
            + _bracket_words(view),
        ),
        answers=tuple(_answer(view, target) for target in view.targets),
        tables=_matrices(view),
    )


def _bracket_words(view: View) -> str:
    """What the intervals are, or why there are none."""
    rows = view.estimates.rows
    if all(row.interval == "none" for row in rows):
        return f"There are no intervals; {_covers(view)}."
    levels = " and ".join(sorted({f"{row.level * 100:.3g} %" for row in rows}))
    return f"Brackets hold {levels} intervals; they cover {_covers(view)}."


def _covers(view: View) -> str:
    return "; ".join(sorted({visible(row.covers) for row in view.estimates.rows if row.covers}))


def _answer(view: View, target: str) -> Answer:
    said = [(view.names.learner(*key), _most_and_least(view, key, target)) for key in view.learners]
    found = tuple((learner, text) for learner, text in said if text)
    nothing = ("", "No estimate could be made; the reasons stand under “Can I trust it?”.")
    return Answer(target=view.names.language(target), sentences=found or (nothing,))


def _most_and_least(view: View, learner: LearnerKey, target: str) -> str:
    """The most and the least a pretraining is worth to a learner, where D_F is the chosen one.

    The target as its own source is the upper bound of what there is to gain, and said last.
    """
    found = view.rows_at(learner, view.chosen_size(learner), target=target)
    if not found:
        return ""
    rows = [row for row in found if row.source != target] or found
    most = max(rows, key=lambda row: row.transfer_bytes)
    least = min(rows, key=lambda row: row.transfer_bytes)
    text = f"{sentence(most, view.names)}."
    if most is not least:
        name = view.names.source(least.source, least.pretrain_bytes)
        text += f" The least of {_count(len(rows), 'source')}: {name} {verdict(least)}."
    own = [row for row in found if row.source == target and row not in rows]
    if own:
        text += f" As much text of the language itself {verdict(own[0])}."
    return text


def _matrices(view: View) -> tuple[Table, ...]:
    """A matrix a learner and D_F: first those the report opens on, then the folded ones."""
    chosen = {key: view.chosen_size(key) for key in view.learners}
    tables = [
        matrix(view, key, size, is_open=size == chosen[key])
        for key in view.learners
        for size in view.sizes(key)
    ]
    return tuple(sorted(tables, key=lambda table: not table.is_open))


def _curve_section(view: View) -> Section:
    return Section(
        name="curves",
        title="Curves",
        text=(
            "The thick curve is the loss of models trained from scratch on ever more target text "
            "(large dots: mean of the seeds; small dots: each seed). Coloured marks are models "
            "pretrained on a source and fine-tuned on D_F bytes. The horizontal step from a mark "
            "ends on the curve at D_E, the bytes a from-scratch model needs for the same loss; "
            "an arrow says that D_E lies beyond the sizes measured.",
        ),
        figures=tuple(chart for target in view.targets for chart in curve_charts(view, target)),
    )


def _transfer_section(view: View) -> Section:
    if not view.estimates.rows:
        return Section(name="transfer", title="D_T against D_F", text=("No estimates.",))
    return Section(
        name="transfer",
        title="D_T against D_F",
        text=(
            "D_T = D_E − D_F, what the pretraining is worth in bytes of target text, at every size "
            "of fine-tuning. Hollow marks with an arrow are bounds: at least (up), at most (down). "
            "The vertical axis is linear around zero and logarithmic outside, since D_T may be "
            "negative.",
        ),
        figures=tuple(chart for key in view.learners for chart in transfer_charts(view, key)),
        tables=(estimate_table(view),),
    )


def _trust_section(view: View, study: StudyDescription) -> Section:
    tables = [warning_table(view)]
    if view.estimates.rows and view.estimates.refusals:
        tables.append(refusal_table(view))
    departures = study.get("departures", {})
    caption = (
        "Runs that went otherwise than asked for (only a retry moves more than the last digits)"
    )
    tables.append(facts_table("departures", caption, departures))
    if study.get("corpora"):
        tables.append(corpora_table(study["corpora"]))
    return Section(
        name="trust",
        title="Can I trust it?",
        text=_trust_words(view, is_study="text" in study),
        tables=tuple(table for table in tables if table.rows),
    )


def _trust_words(view: View, *, is_study: bool) -> tuple[str, ...]:
    rows, refusals = view.estimates.rows, len(view.estimates.refusals)
    text = []
    if rows:
        inside = sum(row.status == "inside" for row in rows)
        beyond = sum(row.status == "extrapolated" for row in rows)
        text.append(
            f"{inside} of {_count(len(rows), 'estimate')} lie inside the measured range; "
            + (f"{beyond} beyond it, by the power law alone; " if beyond else "")
            + f"{len(rows) - inside - beyond} are bounds. {_seed_words(rows)} "
            f"{_bracket_words(view)} "
            f"{_count(refusals, 'cell') if refusals else 'No cell'} had to be refused an estimate."
        )
    text += _pooled_words(view)
    text.append(_flag_words(view))
    if is_study:  # rows from elsewhere may have been chosen on anything
        text.append("Every loss is of test text on which nothing was chosen.")
    text.append(
        "Not converged: training was cut short, or longer training would still move D_E by more "
        "than 5 %. Below surface: the n-gram learner, given the same bytes, does better; a small "
        "model on much text may rightly be so, but elsewhere the estimate then measures how long "
        "was trained rather than what was learnt."
    )
    return tuple(text)


def _pooled_words(view: View) -> list[str]:
    """On which curves a from-scratch loss rose with bytes; nothing if on none."""
    pooled = {(row.target, row.learner, row.regime) for row in view.estimates.rows if row.pooled}
    names = sorted(f"{view.names.language(t)} ({view.names.learner(*k)})" for t, *k in pooled)
    if not names:
        return []
    more = f" and {len(names) - _SHOWN_CURVES} more" if len(names) > _SHOWN_CURVES else ""
    return [
        f"A from-scratch loss rises with bytes on the curve of {', '.join(names[:_SHOWN_CURVES])}"
        f"{more}: there neighbouring sizes were averaged (“curve pooled”), and D_E is less sure."
    ]


def _seed_words(rows: tuple[TransferEstimate, ...]) -> str:
    counts = sorted({row.seeds for row in rows})
    if len(counts) == 1:
        return f"Each rests on {_count(counts[0], 'seed')}."
    return f"They rest on {counts[0]} to {counts[-1]} seeds."


def _flag_words(view: View) -> str:
    """How many runs carry each flag, and for how many it is unknown."""
    rows, words = view.measurements.rows, []
    for name, spoken in (("not_converged", "not converged"), ("below_surface", "below surface")):
        raised = [getattr(row, name) for row in rows]
        unknown = raised.count(None)
        said = f"{raised.count(True)} known to be {spoken}"
        words.append(said + (f" ({unknown} unknown)" if unknown else ""))
    scratch = sum(row.source == SCRATCH for row in rows)
    return f"Of {_count(len(rows), 'run')}, {scratch} are from scratch, {', '.join(words)}."


def _repeat_section(study: StudyDescription) -> Section:
    tables = [
        facts_table("costs", "What it took", study.get("costs", {})),
        facts_table("machine", "Machine", study.get("machine", {})),
        facts_table("versions", "Versions", study.get("versions", {})),
        facts_table(
            "digests", "Digests: the same digest is the same data", study.get("digests", {})
        ),
    ]
    commands = "\n".join(study.get("commands", ()))
    listings = [("To repeat it, type", commands), ("The study file", study.get("text", ""))]
    known = [Listing(title=title, text=text) for title, text in listings if text]
    empty = not known and not any(table.rows for table in tables)
    return Section(
        name="repeat",
        title="What it took and how to repeat it",
        text=("This report was made from measurements alone; no study file is known.",) * empty,
        tables=tuple(table for table in tables if table.rows),
        listings=tuple(known),
    )
