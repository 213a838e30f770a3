"""How it is said whether transfer changes when the foreign lines go: part of contamination."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Sequence

from bytetransfer.analysis.contrasts import Amount
from bytetransfer.analysis.counterfactual import Counterfactual
from bytetransfer.analysis.decomposition import Undecided
from bytetransfer.report.analyses.contrast_tables import (
    contrast_row,
    contrast_table,
    factor_of,
    over,
    percent_lowered,
)
from bytetransfer.report.analyses.phrases import SIGNIFICANT, group_title
from bytetransfer.report.document import Table
from bytetransfer.report.wording import Names, count, shorten


def counterfactual_words(
    found: Sequence[Counterfactual | Undecided], names: Names
) -> tuple[str, ...]:
    """One paragraph a group: in how many pairs the foreign lines are worth something.

    Args:
        found: sources over themselves without foreign lines (`counterfactuals`).
        names: what to call languages and learners.
    """
    answered = [one for one in found if isinstance(one, Counterfactual)]
    groups = itertools.groupby(answered, lambda one: one.group)
    said = [_group_words(group_title(group, names), list(rows), names) for group, rows in groups]
    reasons = Counter(shorten(one.reason, 300) for one in found if isinstance(one, Undecided))
    return (
        *said,
        *(
            "What foreign lines are worth is not answered for "
            f"{count(number, 'target and size', 'targets and sizes')}: {reason}."
            for reason, number in reasons.items()
        ),
    )


def _group_words(title: str, rows: Sequence[Counterfactual], names: Names) -> str:
    widest = max(rows, key=lambda one: abs(one.contrast.loss_gain.value))
    words = (
        f"{title}: of {count(len(rows), 'pair')} whose source was also used without its foreign "
        "lines, "
        f"{_clear(rows)}. The largest difference is {over(widest.contrast, names)} for "
        f"{names.language(widest.target)}: the lines lower the loss by "
        f"{percent_lowered(widest.contrast.loss_gain)}"
    )
    if isinstance(widest.contrast.effective_gain, Amount):
        words += f", D_E times {factor_of(widest.contrast.effective_gain)}"
    return f"{words}. {_at_most(rows)}".strip()


def _clear(rows: Sequence[Counterfactual]) -> str:
    known = [one.contrast for one in rows if one.contrast.corrected_p is not None]
    if not known:
        return "none can be told from chance, as there are no intervals"
    clear = [one for one in known if (one.corrected_p or 0) <= SIGNIFICANT]
    better = sum(one.loss_gain.value > 0 for one in clear)
    return (
        f"the lines are worth something to {better} and harm {len(clear) - better} beyond chance "
        "(corrected p)"
    )


def _at_most(rows: Sequence[Counterfactual]) -> str:
    """How far the intervals reach: what the lines may be worth at most."""
    gains = [one.contrast.effective_gain for one in rows]
    ends = [
        end
        for gain in gains
        if isinstance(gain, Amount)
        for end in (gain.low, gain.high)
        if end is not None
    ]
    if not ends:
        return ""
    return (
        f"All intervals of D_E with the lines over D_E without lie between {_factor(min(ends))} "
        f"and {_factor(max(ends))}."
    )


def _factor(log: float) -> str:
    return f"{math.exp(log):.3g}"


def counterfactual_table(found: Sequence[Counterfactual | Undecided], names: Names) -> Table:
    """Every source over itself without foreign lines."""
    rows = [
        contrast_row("its foreign lines", one.group, one.target, one.contrast, names)
        for one in found
        if isinstance(one, Counterfactual)
    ]
    caption = f"What foreign lines are worth: with them over without ({len(rows)})"
    return contrast_table("contamination-without", caption, rows)
