"""What each run and each estimate rests on, as tables: the part of the report that doubts."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import variance

from bytetransfer.measurements.measurement import SCRATCH, Measurement
from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.view import Plain, View
from bytetransfer.units import format_bytes

MOST_RUNS = 300
"""With more runs than this, only those with something to say are listed one by one."""
_ENDS = {
    "patience": "early: validation stopped improving",
    "budget": "at its budget, still improving",
    "schedule": "at the end of its recipe",
    "exact": "closed form",
}
_ENDED = {
    "patience": "stopped early",
    "budget": "ended at budget",
    "schedule": "ended by recipe",
    "exact": "closed form",
}

Runs = Mapping[str, Mapping[str, Plain]]


def run_summary(view: View, runs: Runs) -> Table:
    """Runs by learner, arm and size: how they ended, and how many carry which flag."""
    groups: dict[tuple[tuple[str, str], bool, int], list[Measurement]] = {}
    for row in view.measurements:
        learner = (row.learner, row.regime)
        groups.setdefault((learner, row.source != SCRATCH, row.size), []).append(row)
    order = {key: number for number, key in enumerate(view.learners)}
    keys = sorted(groups, key=lambda key: (order.get(key[0], len(order)), *key[1:]))
    heads = (Column("learner"), Column("arm"), Column("size", "bytes", numeric=True))
    counted = ("runs", "seeds", "not converged", "convergence unknown", "worse than n-grams")
    endings = [
        kind for kind in _ENDS if any(facts.get("stopped") == kind for facts in runs.values())
    ]
    retried = any(facts.get("retried") for facts in runs.values())
    return Table(
        name="run-summary",
        caption="How the runs went, by learner, arm and size",
        columns=(
            *heads,
            *(Column(title, numeric=True) for title in counted[:2]),
            Column("sd between seeds", "% of the loss", numeric=True),
            *(Column(title, numeric=True) for title in counted[2:]),
            *(Column(_ENDED[kind], numeric=True) for kind in endings),
            *(Column("tried again", numeric=True),) * retried,
        ),
        rows=tuple(
            (
                Cell(view.names.learner(*learner), learner[0]),
                Cell("fine-tuned" if tuned else "from scratch"),
                Cell(format_bytes(size), size),
                *_counts(groups[learner, tuned, size], runs, endings, retried=retried),
            )
            for learner, tuned, size in keys
        ),
        is_open=len(keys) <= 40,
    )


def _counts(
    rows: Sequence[Measurement], runs: Runs, endings: Sequence[str], *, retried: bool
) -> tuple[Cell, ...]:
    found = [runs.get(row.run, {}) for row in rows]
    ended = Counter(facts.get("stopped") for facts in found)
    first = (len(rows), len({row.seed for row in rows}))
    spread = seed_deviation(rows)
    numbers = [
        sum(row.not_converged is True for row in rows),
        sum(row.not_converged is None for row in rows),
        sum(row.below_surface is True for row in rows),
        *(ended[kind] for kind in endings),
        *([sum(bool(facts.get("retried")) for facts in found)] * retried),
    ]
    return (
        *(Cell(f"{number:,}", number) for number in first),
        Cell("") if spread is None else Cell(f"{100 * spread:.2f}", 100 * spread),
        *(Cell(f"{number:,}", number) for number in numbers),
    )


def seed_deviation(rows: Sequence[Measurement]) -> float | None:
    """Standard deviation of log loss between the seeds of a cell, over all cells of some runs.

    Squares of all cells are added, and their degrees of freedom; None where no cell has two seeds.
    Replicates differ in more than seeds: the cells of each stand for themselves.
    """
    cells: dict[tuple[object, ...], list[float]] = {}
    for row in rows:
        cells.setdefault((row.cell, row.replicate), []).append(math.log(row.bits_per_byte))
    several = [losses for losses in cells.values() if len(losses) > 1]
    if not several:
        return None
    squares = sum(variance(losses) * (len(losses) - 1) for losses in several)
    return math.sqrt(squares / sum(len(losses) - 1 for losses in several))


def run_table(view: View, runs: Runs) -> Table:
    """Every run with its loss and what is known of it; of very many, those that need a word."""
    rows = list(view.measurements)
    shown = [row for row in rows if len(rows) <= MOST_RUNS or _is_doubtful(row, runs)][:MOST_RUNS]
    less = "" if len(shown) == len(rows) else f"{len(shown)} of {len(rows)}, those with a warning"
    return Table(
        name="runs",
        caption=f"Every run ({less or len(rows)})",
        columns=(
            Column("run"),
            Column("learner"),
            Column("seed", numeric=True),
            Column("loss", "bits per byte", numeric=True),
            Column("converged"),
            Column("against n-grams"),
            Column("ended"),
            Column("tries"),
        ),
        rows=tuple(_run_cells(view, row, runs.get(row.run, {})) for row in shown),
        is_open=False,
    )


def _is_doubtful(row: Measurement, runs: Runs) -> bool:
    return bool(row.not_converged or row.below_surface or runs.get(row.run, {}).get("retried"))


def _run_cells(view: View, row: Measurement, facts: Mapping[str, Plain]) -> tuple[Cell, ...]:
    size, target = format_bytes(row.size), view.names.language(row.target)
    scratch = row.source == SCRATCH
    source = "from scratch" if scratch else view.names.source(row.source, row.pretrain_bytes)
    converged = {None: "not known", True: "no", False: "yes"}[row.not_converged]
    surface = {None: "–", True: "worse", False: "better"}[row.below_surface]
    return (
        Cell(f"{source} → {size} of {target}", row.run),
        Cell(view.names.learner(row.learner, row.regime), row.learner),
        Cell(str(row.seed), row.seed),
        Cell(f"{row.bits_per_byte:.3f}", row.bits_per_byte),
        Cell(converged),
        Cell(surface),
        Cell(_ENDS.get(str(facts.get("stopped")), "–")),
        Cell("an earlier one failed" if facts.get("retried") else "–"),
    )


def bound_summary(view: View) -> Table:
    """Estimates by learner and D_F: how many are numbers, bounds, or were refused."""
    rows = []
    for key in view.learners:
        refused = Counter(
            cell.finetune_bytes
            for cell in view.estimates.refusals
            if (cell.learner, cell.regime) == key
        )
        for size in sorted({*view.sizes(key), *refused}):
            found = view.rows_at(key, size)
            status = Counter(row.status for row in found)
            numbers = (
                len(found),
                status["inside"] + status["extrapolated"],
                status["above_range"],
                status["below_range"],
                sum(row.interval == "open" for row in found),
                refused[size],
            )
            rows.append(
                (
                    Cell(view.names.learner(*key), key[0]),
                    Cell(format_bytes(size), size),
                    *(Cell(f"{number:,}", number) for number in numbers),
                )
            )
    titles = (
        "estimates",
        "numbers",
        "above the curve",
        "below the curve",
        "interval open",
        "not estimated",
    )
    return Table(
        name="bounds",
        caption="Numbers and bounds, by learner and D_F",
        columns=(
            Column("learner"),
            Column("D_F", "bytes", numeric=True),
            *(Column(title, numeric=True) for title in titles),
        ),
        rows=tuple(rows),
    )
