"""Does transfer change when the foreign lines go? A source against itself without them.

Both are fine-tuned on the same text of the target with the same seeds, tested on the same documents
and read on the same from-scratch curve, so that what they share drops out (`contrasts`). This is
the experiment that a correlation of transfer with contamination only stands in for: languages that
a detector confuses are close, and close languages transfer more whatever the lines are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bytetransfer.analysis.cells import Group, Unanswered, holm_known
from bytetransfer.analysis.contrasts import Contrast, contrasts
from bytetransfer.analysis.decomposition import Undecided, measured_cells
from bytetransfer.analysis.source_table import source_table
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.transfer.methods import Method
from bytetransfer.transfer.resampling import Resampling


@dataclass(frozen=True, kw_only=True)
class Counterfactual:
    """A source over the same without foreign lines, for one target, by one learner at one D_F.

    Attributes:
        group: learner, regime, pretraining size, nominal D_F.
        target: what both were fine-tuned on.
        contrast: what the source with its foreign lines is worth more; p corrected (Holm) over all
            sources and targets of the group.
    """

    group: Group
    target: str
    contrast: Contrast


def counterfactuals(
    measurements: Measurements,
    pairs: Sequence[tuple[str, str]],
    *,
    level: float = 0.95,
    resampling: Resampling | None = None,
    method: Method = "monotone",
    noise: float | None = None,
) -> tuple[Counterfactual | Undecided, ...]:
    """Every source over itself without foreign lines, by learner, D_F and target.

    A target is no source of itself here.

    Args:
        measurements: rows of both arms and, where known, their document blocks.
        pairs: a source, and what it is called without its foreign lines.
        level: nominal coverage of each interval.
        resampling: draws of the documents.
        method: how the from-scratch curve is drawn.
        noise: standard error of log D_E to assume where there is one seed and no document.
    """
    found: dict[Group, list[Counterfactual]] = {}
    open_questions: list[Undecided] = []
    for group, target in measured_cells(measurements, {clean for _, clean in pairs}):
        asked = [pair for pair in pairs if target not in pair]
        sources = [name for pair in asked for name in pair]
        table = source_table(
            measurements, group, target, sources,
            resampling=resampling, method=method, noise=noise,
        )  # fmt: skip
        if isinstance(table, Unanswered):
            open_questions.append(Undecided(group=group, target=target, reason=table.reason))
            continue
        found.setdefault(group, []).extend(
            Counterfactual(group=group, target=target, contrast=contrast)
            for contrast in contrasts(table, [((a,), (b,)) for a, b in asked], level=level)
        )
    return (*(one for rows in found.values() for one in _corrected(rows)), *open_questions)


def _corrected(rows: Sequence[Counterfactual]) -> list[Counterfactual]:
    corrected = holm_known([one.contrast.p for one in rows])
    return [
        replace(one, contrast=replace(one.contrast, corrected_p=p))
        for one, p in zip(rows, corrected, strict=True)
    ]
