"""What the results rest on, and how to repeat them: the last two sections of the report."""

from __future__ import annotations

from bytetransfer.measurements.measurement import SCRATCH
from bytetransfer.report.document import Listing, Section
from bytetransfer.report.listing import (
    corpora_table,
    facts_table,
    refusal_table,
    warning_table,
)
from bytetransfer.report.run_tables import bound_summary, run_summary, run_table
from bytetransfer.report.view import StudyDescription, View
from bytetransfer.report.wording import count, not_covered, said_once, visible
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.transfer.replicates import replicate_spreads

_SHOWN_CURVES = 5


def bracket_words(view: View) -> str:
    """What the intervals are, or why there are none."""
    rows = view.estimates.rows
    if all(row.interval == "none" for row in rows):
        return f"There are no intervals; {_covers(view)}."
    levels = " and ".join(sorted({f"{row.level * 100:.3g} %" for row in rows}))
    return (
        f"Brackets hold {levels} intervals; they cover {_covers(view)}. They do not cover "
        f"{not_covered(rows)}."
    )


def _covers(view: View) -> str:
    return said_once({visible(row.covers) for row in view.estimates.rows if row.covers})


def trust_section(view: View, study: StudyDescription, *, detected: str = "") -> Section:
    """Bounds, flags, runs and corpora.

    Args:
        view: what is shown.
        study: what is known of the study.
        detected: title of the section that says which languages were detected in the corpora.
    """
    runs = study.get("runs", {})
    tables = [
        bound_summary(view),
        run_summary(view, runs),
        warning_table(view),
        run_table(view, runs),
    ]
    if view.estimates.rows and view.estimates.refusals:
        tables.append(refusal_table(view))
    caption = (
        "Runs that differ from their request (only a retry and a learning rate that diverged "
        "move more than the last digits)"
    )
    tables.append(facts_table("departures", caption, study.get("departures", {})))
    if study.get("corpora"):
        tables.append(corpora_table(study["corpora"]))
    pointer = f"All that was detected in the corpora stands under “{detected}”."
    detection = (study.get("detection", ""), pointer * bool(detected))
    return Section(
        name="trust",
        title="Can I trust it?",
        text=(
            *_trust_words(view, is_study="text" in study),
            *(" ".join(filter(None, detection)),) * any(detection),
        ),
        tables=tuple(table for table in tables if table.rows),
    )


def _trust_words(view: View, *, is_study: bool) -> tuple[str, ...]:
    rows, refusals = view.estimates.rows, len(view.estimates.refusals)
    text = []
    if rows:
        inside = sum(row.status == "inside" for row in rows)
        beyond = sum(row.status == "extrapolated" for row in rows)
        text.append(
            f"Of {count(len(rows), 'estimate')}, {count(inside, 'lies', 'lie')} inside the "
            "measured range; "
            + (f"{beyond} beyond it, by the power law alone; " if beyond else "")
            + f"{count(len(rows) - inside - beyond, 'is a bound', 'are bounds')}. "
            f"{_seed_words(rows)} "
            f"{bracket_words(view)} "
            f"{count(refusals, 'cell') if refusals else 'No cell'} had to be refused an estimate."
        )
    text += [*_spread_words(view), *_pooled_words(view)]
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
    unit = "replicate" if all(row.replicates > 1 for row in rows) else "seed"
    if len(counts) == 1:
        return f"Each rests on {count(counts[0], unit)}."
    return f"They rest on {counts[0]} to {counts[-1]} {unit}s."


def _spread_words(view: View) -> list[str]:
    """How far replicates lie apart, and what of it their seeds explain; nothing without any."""
    said = []
    for one in replicate_spreads(view.measurements):
        name = f"{view.names.language(one.target)}, {view.names.learner(one.learner, one.regime)}"
        words = f"{name}: {one.between * 100:.2f} % of the loss"
        if one.seeds is not None and one.beyond_seeds is not None:
            words += (
                f" ({one.seeds * 100:.2f} % from seeds alone, {one.beyond_seeds * 100:.2f} % from "
                "split, test documents and search alone)"
            )
        said.append(words)
    if not said:
        return []
    return [f"Replicates differ (standard deviation of log loss) for {'; '.join(said)}."]


def _flag_words(view: View) -> str:
    """How many runs carry each flag, and for how many it is unknown."""
    rows, words = view.measurements.rows, []
    for name, spoken in (("not_converged", "not converged"), ("below_surface", "below surface")):
        raised = [getattr(row, name) for row in rows]
        unknown = raised.count(None)
        said = f"{raised.count(True):,} known to be {spoken}"
        words.append(said + (f" ({unknown:,} unknown)" if unknown else ""))
    scratch = sum(row.source == SCRATCH for row in rows)
    from_scratch = count(scratch, "is", "are")
    return f"Of {count(len(rows), 'run')}, {from_scratch} from scratch, {', '.join(words)}."


def repeat_section(study: StudyDescription) -> Section:
    """What the study took, on what, and everything that doing it again needs."""
    tables = [
        facts_table("costs", "What it took", study.get("costs", {})),
        facts_table("machine", "Machine", study.get("machine", {})),
        facts_table("versions", "Versions", study.get("versions", {})),
        facts_table(
            "digests", "Digests: the same digest is the same data", study.get("digests", {})
        ),
    ]
    commands = "\n".join(study.get("commands", ()))
    listings = [
        ("To repeat it, type", commands),
        ("The study file", study.get("text", "")),
        ("How to cite", "\n\n".join(study.get("citations", ()))),
    ]
    known = [Listing(title=title, text=text) for title, text in listings if text]
    empty = not known and not any(table.rows for table in tables)
    return Section(
        name="repeat",
        title="What it took and how to repeat it",
        text=("This report was made from measurements alone; no study file is known.",) * empty,
        tables=tuple(table for table in tables if table.rows),
        listings=tuple(known),
    )
