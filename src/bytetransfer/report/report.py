"""The report: which sections there are and what they say, from measurements and estimates.

Pure functions from data to data. Statistics are computed by `transfer`; this file chooses, words
and orders them. The answer comes first, then what it rests on, then how to repeat it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bytetransfer.measurements.measurement import Measurements
from bytetransfer.report.document import Answer, Content, Report, Section, Sentence
from bytetransfer.report.figures.curves import CURVE_LEVEL, curve_charts
from bytetransfer.report.figures.transfer import share_charts, transfer_charts
from bytetransfer.report.listing import choice, estimate_table, matrices, refusal_table
from bytetransfer.report.order import ALL_IN_COLOUR, families, family_order, likeness
from bytetransfer.report.trust import bracket_words, repeat_section, trust_section
from bytetransfer.report.view import LearnerKey, StudyDescription, View, make_view
from bytetransfer.report.wording import count, sentence, shorten, verdict
from bytetransfer.transfer.estimate import Estimates


def build_report(
    measurements: Measurements,
    estimates: Estimates,
    study: StudyDescription | None = None,
    explanations: Sequence[Section] = (),
) -> Report:
    """The report of a study as data.

    Args:
        measurements: all rows, from scratch and fine-tuned.
        estimates: what was estimated from them, and what was refused.
        study: what is known of the study; a report of bare rows has none.
        explanations: sections of analyses, in the order they are shown.
    """
    study = study or {}
    view = make_view(measurements, estimates, study)
    detected = next((one.title for one in explanations if one.name == "contamination"), "")
    return Report(
        title=shorten(study.get("name", "") or "Transfer in bytes", 80),
        subtitle=_subtitle(view),
        sections=(
            _answer_section(view),
            _curve_section(view),
            _transfer_section(view),
            *explanations,
            trust_section(view, study, detected=detected),
            repeat_section(study),
        ),
        content=_content(view, study.get("premiums", {}), study.get("reference", "")),
    )


def _content(view: View, premiums: Mapping[str, float], reference: str) -> Content | None:
    """Targets in bytes of the reference; nothing where none but the reference is known."""
    known = {target: premiums[target] for target in view.targets if target in premiums}
    if not known.keys() - {reference}:
        return None
    return Content(
        reference=view.names.language(reference),
        premiums={view.names.language(target): ratio for target, ratio in known.items()},
        unknown=tuple(view.names.language(one) for one in view.targets if one not in known),
    )


def _subtitle(view: View) -> str:
    counts = (
        (len({name for name, _ in view.sources}), "source"),
        (len(view.targets), "target"),
        (len(view.learners), "learner"),
        (len(view.measurements), "run"),
    )
    return ", ".join(count(number, noun) for number, noun in counts)


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
            f"{_matrix_words(view)} {bracket_words(view)}",
        ),
        answers=tuple(_answer(view, target) for target in view.targets),
        tables=matrices(view),
    )


def _matrix_words(view: View) -> str:
    """How the matrices are read, and in which order they stand."""
    words = (
        "Each cell says what pretraining on the row is worth in bytes of the column: blue is "
        "worth, hatched orange costs, a stronger colour is more. A cell without colour may be "
        "either, as its interval holds zero; ≥ and ≤ mark bounds, ≳ and ≲ those "
        "whose interval reaches back onto the curve."
    )
    if likeness(view):
        words += (
            " Languages stand beside those with which they exchange more than either does with "
            "others (average linkage of log D_E without effects of source and target)."
        )
    return words + _family_words(view)


def _family_words(view: View) -> str:
    """Who is of which family, where that is an order to choose."""
    if family_order(view) is None:
        return ""
    said = "; ".join(
        f"{group} ({', '.join(view.names.language(name) for name in names)})"
        for group, names in families(view).items()
    )
    return f" The order by family is {said}."


def _answer(view: View, target: str) -> Answer:
    """What is said of a target at every D_F; what the report opens on is shown first."""
    found = tuple(
        Sentence(
            learner=view.names.learner(*key),
            text=text,
            choice=choice(view, key, size),
            is_open=size == view.chosen_size(key),
        )
        for key in view.learners
        for size in view.sizes(key)
        if (text := _most_and_least(view, key, target, size))
    )
    nothing = "No estimate could be made; the reasons stand under “Can I trust it?”."
    return Answer(
        target=view.names.language(target),
        sentences=found or (Sentence(learner="", text=nothing),),
    )


def _most_and_least(view: View, learner: LearnerKey, target: str, size: int) -> str:
    """The most and the least a pretraining is worth to a learner at a D_F.

    The target as its own source is the upper bound of what there is to gain, and said last.
    """
    found = view.rows_at(learner, size, target=target)
    if not found:
        return ""
    rows = [row for row in found if row.source != target] or found
    most = max(rows, key=lambda row: row.transfer_bytes)
    least = min(rows, key=lambda row: row.transfer_bytes)
    text = f"{sentence(most, view.names)}."
    if most is not least:
        name = view.names.source(least.source, least.pretrain_bytes)
        text += f" The least of {count(len(rows), 'source')}: {name} {verdict(least)}."
    own = [row for row in found if row.source == target and row not in rows]
    if own:
        text += f" As much text of the language itself {verdict(own[0])}."
    return text


def _curve_section(view: View) -> Section:
    return Section(
        name="curves",
        title="Curves",
        text=(
            "The thick curve is the loss of models trained from scratch on ever more target text "
            "(large dots: mean of the seeds; small dots: each seed; shaded: "
            f"{CURVE_LEVEL * 100:.3g} % interval of the mean). Coloured marks are models "
            "pretrained on a source and fine-tuned on D_F bytes. The horizontal step from a mark "
            "ends on the curve at D_E, the bytes a from-scratch model needs for the same loss, "
            "marked on the axis; an arrow says that D_E lies beyond the sizes measured."
            + _quiet_words(view),
        ),
        figures=tuple(chart for target in view.targets for chart in curve_charts(view, target)),
    )


def _quiet_words(view: View) -> str:
    if len(view.sources) <= ALL_IN_COLOUR:
        return ""
    return (
        " Of the many sources each chart names those worth most and least, and the language "
        "itself; the others are grey."
    )


def _transfer_section(view: View) -> Section:
    if not view.estimates.rows:
        return Section(name="transfer", title="D_T against D_F", text=("No estimates.",))
    return Section(
        name="transfer",
        title="D_T against D_F",
        text=(
            "D_T = D_E − D_F, what the pretraining is worth in bytes of target text, at every size "
            "of fine-tuning. Hollow marks with an arrow lie above (up) or below (down) the curve. "
            "The vertical axis is linear around zero and logarithmic outside, since D_T may be "
            "negative." + _quiet_words(view),
            "D_T / D_E is the share of the effective data that came from pretraining: near 1 where "
            "the target text itself hardly counts, 0 where pretraining was worth nothing.",
        ),
        figures=tuple(
            chart
            for draw in (transfer_charts, share_charts)
            for key in view.learners
            for chart in draw(view, key)
        ),
        tables=(estimate_table(view),),
    )
