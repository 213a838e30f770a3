"""Which sizes and seeds of a study are trained: the whole grid, or what an adaptive one asks for.

A curve is of one learner and one target. All its sizes have the same seeds, and every cell that is
read on it has some of them, so the arms stay paired by seed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bytetransfer.study.study import Study

CurveName = tuple[str, str]
"""Learner and target of a from-scratch curve."""

CellName = tuple[str, int]
"""Source and D_F of a fine-tuned cell."""


@dataclass(frozen=True)
class CurveDesign:
    """What is trained for one curve.

    Attributes:
        sizes: from-scratch sizes in bytes, ascending; each is trained with every seed.
        cells: how many seeds each fine-tuned cell has.
    """

    sizes: tuple[int, ...]
    cells: Mapping[CellName, int]

    @property
    def seeds(self) -> int:
        """How many seeds the curve has: as many as the cell with the most."""
        return max(self.cells.values())


Design = Mapping[CurveName, CurveDesign]


def curve_names(study: Study) -> list[CurveName]:
    """The curves of a study, in order."""
    return [(learner, target) for learner in study.learners for target in study.targets]


def cell_names(study: Study) -> list[CellName]:
    """The fine-tuned cells that are read on each curve, in order."""
    return [(source, size) for source in study.sources for size in study.finetune_bytes]


def full_grid(study: Study) -> Design:
    """Every size with every seed; of an adaptive study, the most it can come to."""
    seeds = study.adaptive.most_seeds if study.adaptive else study.seeds
    cells = dict.fromkeys(cell_names(study), seeds)
    return {name: CurveDesign(study.scratch_bytes, cells) for name in curve_names(study)}
