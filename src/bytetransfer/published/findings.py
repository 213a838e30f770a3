"""What the three readings say together: counts, and the paper's statements under each of them."""

from __future__ import annotations

import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from bytetransfer.published.readings import TOLERANCE, Reading

PORTUGUESE = "pt"
"""A source for one target, Spanish; the others were paired with all."""


@dataclass(frozen=True, kw_only=True)
class Ratios:
    """Published over monotone D_E of cells that have both; None where there are none.

    Attributes:
        cells: how many.
        median: of them.
        smallest: of them.
        largest: of them.
        above_tolerance: how many exceed `TOLERANCE`.
    """

    cells: int
    median: float | None
    smallest: float | None
    largest: float | None
    above_tolerance: int

    @classmethod
    def of(cls, cells: Iterable[Reading]) -> Ratios:
        """The ratios of those cells whose monotone reading is a number."""
        found = [cell.ratio for cell in cells if cell.ratio is not None]
        return cls(
            cells=len(found),
            median=statistics.median(found) if found else None,
            smallest=min(found, default=None),
            largest=max(found, default=None),
            above_tolerance=sum(ratio > TOLERANCE for ratio in found),
        )


@dataclass(frozen=True, kw_only=True)
class Count:
    """Cells counted, all of them or those of one D_F.

    Attributes:
        cells: how many there are.
        artefacts: how many printed D_E are artefacts, by kind.
        segments: how many cells were read between which kind of points.
        artefact_segments: the same of the artefacts.
        bounds: cells whose monotone reading is a bound.
        wrong_signs: cells whose printed D_T has a sign that the monotone reading excludes.
        sound: published over monotone D_E where the printed number is no artefact.
        broken: the same where it is.
    """

    cells: int
    artefacts: dict[str, int]
    segments: dict[str, int]
    artefact_segments: dict[str, int]
    bounds: int
    wrong_signs: int
    sound: Ratios
    broken: Ratios

    @property
    def artefact_cells(self) -> int:
        """How many printed D_E are artefacts."""
        return sum(self.artefacts.values())


@dataclass(frozen=True, kw_only=True)
class Spread:
    """How far the sources of one target lie apart at one D_F: the largest D_T over the smallest.

    Attributes:
        target: of the sources.
        artefacts: how many of the printed D_E are artefacts.
        published: with the printed numbers.
        monotone: with ours.
    """

    target: str
    artefacts: int
    published: float
    monotone: float


@dataclass(frozen=True, kw_only=True)
class Rivals:
    """A source beside the best of the others.

    Attributes:
        own: the cell of the source.
        published: the cell of the other with the largest printed D_T.
        monotone: the cell of the other with the largest D_T of ours.
    """

    own: Reading
    published: Reading
    monotone: Reading


def count(cells: Sequence[Reading]) -> Count:
    """Count artefacts by kind and by how they came about, and what straight lines do to the rest.

    >>> from bytetransfer.published.readings import readings
    >>> found = count(readings())
    >>> found.cells, found.artefacts
    (159, {'number_for_bound': 12, 'off_the_line': 22})
    """
    broken = [cell for cell in cells if cell.artefact]
    return Count(
        cells=len(cells),
        artefacts=_counted(cell.artefact for cell in broken),
        segments=_counted(cell.segment for cell in cells),
        artefact_segments=_counted(cell.segment for cell in broken),
        bounds=sum(cell.monotone_status != "inside" for cell in cells),
        wrong_signs=sum(cell.has_wrong_sign for cell in cells),
        sound=Ratios.of(cell for cell in cells if not cell.artefact),
        broken=Ratios.of(broken),
    )


def by_size(cells: Iterable[Reading]) -> dict[int, Count]:
    """The counts of each D_F, rising."""
    groups: dict[int, list[Reading]] = {}
    for cell in cells:
        groups.setdefault(cell.finetune_bytes, []).append(cell)
    return {size: count(groups[size]) for size in sorted(groups)}


def spreads(cells: Sequence[Reading], finetune_bytes: int) -> list[Spread]:
    """How far the sources of each target lie apart; Portuguese, paired with Spanish only, is out.

    Targets of one source have no spread; nor have those of which a D_T is not above 0.
    """
    found = []
    for target in sorted({cell.target for cell in cells}):
        group = [
            cell
            for cell in cells
            if (cell.target, cell.finetune_bytes) == (target, finetune_bytes)
            and cell.source != PORTUGUESE
        ]
        printed = [cell.published_transfer_bytes for cell in group]
        ours = [cell.monotone_transfer_bytes for cell in group]
        if len(group) > 1 and min(printed + ours) > 0:
            found.append(
                Spread(
                    target=target,
                    artefacts=sum(bool(cell.artefact) for cell in group),
                    published=max(printed) / min(printed),
                    monotone=max(ours) / min(ours),
                )
            )
    return found


def exchanges(cells: Iterable[Reading], finetune_bytes: int) -> list[tuple[Reading, Reading]]:
    """Pairs of languages measured there and back at one D_F, by name."""
    by_pair = {(c.source, c.target): c for c in cells if c.finetune_bytes == finetune_bytes}
    return [
        (there, by_pair[target, source])
        for (source, target), there in sorted(by_pair.items())
        if source < target and (target, source) in by_pair
    ]


def against_others(cells: Sequence[Reading], source: str, target: str) -> list[Rivals]:
    """A source of a target beside the best of the others, at every D_F it was measured at."""
    here = sorted(
        (cell for cell in cells if cell.target == target), key=lambda cell: cell.finetune_bytes
    )
    found = []
    for own in here:
        others = [c for c in here if c.source != source and c.finetune_bytes == own.finetune_bytes]
        if own.source == source and others:
            printed = max(others, key=lambda cell: cell.published_transfer_bytes)
            ours = max(others, key=lambda cell: cell.monotone_transfer_bytes)
            found.append(Rivals(own=own, published=printed, monotone=ours))
    return found


def to_json(cells: Sequence[Reading]) -> str:
    """The cells, their counts over all and by D_F, and the spreads at the smallest D_F."""
    sizes = by_size(cells)
    content = {
        "cells": [asdict(cell) for cell in cells],
        "counts": asdict(count(cells)),
        "counts_by_finetune_bytes": {str(size): asdict(found) for size, found in sizes.items()},
        "spreads": [asdict(found) for found in spreads(cells, min(sizes))],
    }
    return json.dumps(content, indent=1, allow_nan=False) + "\n"


def _counted(kinds: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(kinds).items()))
