"""Every published cell read three ways: as printed, on straight lines, and by our own curve."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from importlib import resources
from typing import Literal

from bytetransfer.measurements.csv_cells import as_text
from bytetransfer.measurements.file import parse_measurements
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.curve import Curve, Status
from bytetransfer.transfer.literature import LinearCurve, PublishedCurve, Segment

TOLERANCE = 1.1
"""A printed D_E further than this factor from the same lines read with care is an artefact."""

Artefact = Literal["", "number_for_bound", "off_the_line"]
"""What is wrong with a printed D_E by the measure of its own method, straight lines:

- `number_for_bound`: the loss lies outside of the from-scratch losses, where there is only a bound;
- `off_the_line`: inside, but a factor of more than `TOLERANCE` from `linear`;
- empty: neither. What a straight line itself does to D_E is not counted here."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One published cell.

    Attributes:
        source: what was pretrained on.
        target: what was fine-tuned and tested on.
        finetune_bytes: D_F.
        perplexity: per byte, of the fine-tuned model.
        published_effective_bytes: D_E as the released script computes it.
        published_transfer_bytes: D_T = D_E − D_F with it.
        linear_status: whether `linear_effective_bytes` is a number or a bound.
        linear_effective_bytes: D_E on straight lines in bytes and perplexity.
        linear_transfer_bytes: D_T with it; a bound like it.
        monotone_status: whether `monotone_effective_bytes` is a number or a bound.
        monotone_effective_bytes: D_E on the monotone curve in log bytes and log loss.
        monotone_transfer_bytes: D_T with it; a bound like it.
        segment: how the two from-scratch points relate that the script read between.
        low_bytes: the smaller of their sizes.
        high_bytes: the larger of their sizes.
        artefact: what is wrong with the printed number, empty if nothing.
    """

    source: str
    target: str
    finetune_bytes: int
    perplexity: float
    published_effective_bytes: float
    published_transfer_bytes: float
    linear_status: Status
    linear_effective_bytes: float
    linear_transfer_bytes: float
    monotone_status: Status
    monotone_effective_bytes: float
    monotone_transfer_bytes: float
    segment: Segment
    low_bytes: int
    high_bytes: int
    artefact: Artefact

    @property
    def ratio(self) -> float | None:
        """Published over monotone D_E; None where the latter is a bound."""
        inside = self.monotone_status == "inside"
        return self.published_effective_bytes / self.monotone_effective_bytes if inside else None

    @property
    def has_wrong_sign(self) -> bool:
        """Whether the printed D_T has a sign that the monotone reading excludes."""
        printed, ours = self.published_transfer_bytes, self.monotone_transfer_bytes
        if printed < 0:
            return ours >= 0 and self.monotone_status != "below_range"
        return printed > 0 >= ours and self.monotone_status != "above_range"


@cache
def perplexities() -> Measurements:
    """The published figures, zero-shot rows (0 bytes) included, in bits per byte.

    >>> row = perplexities().rows[0]
    >>> row.source, row.target, row.target_bytes, round(row.bits_per_byte, 3)
    ('en', 'ar', 0, 2.161)
    """
    file = resources.files(__package__).joinpath("perplexities.csv")
    return parse_measurements(file.read_text(encoding="utf-8"), where="published perplexities")


def readings(measurements: Measurements | None = None) -> tuple[Reading, ...]:
    """Every fine-tuned cell read three ways, by target, D_F and source; zero-shot rows left out.

    Args:
        measurements: one seed of one learner; the published ones if None.

    Raises:
        MeasurementError: if a target lacks a from-scratch curve.

    >>> spanish = [r for r in readings() if (r.source, r.target) == ("en", "es")]
    >>> [(r.finetune_bytes // 10**6, r.artefact) for r in spanish[3:5]]
    [(189, 'off_the_line'), (600, 'number_for_bound')]
    """
    rows = [row for row in measurements or perplexities() if row.target_bytes > 0]
    curves = {target: Curves.of(rows, target) for target in {row.target for row in rows}}
    cells = [curves[row.target].read(row) for row in rows if row.source != SCRATCH]
    return tuple(sorted(cells, key=lambda cell: (cell.target, cell.finetune_bytes, cell.source)))


@dataclass(frozen=True)
class Curves:
    """One target's from-scratch losses as three curves."""

    published: PublishedCurve
    linear: LinearCurve
    monotone: Curve

    @classmethod
    def of(cls, rows: Sequence[Measurement], target: str) -> Curves:
        """The curves through the from-scratch rows of `target`; size 0 is on none of them."""
        points = [
            (row.target_bytes, row.bits_per_byte)
            for row in rows
            if (row.source, row.target) == (SCRATCH, target) and row.target_bytes > 0
        ]
        sizes, losses = [size for size, _ in points], [loss for _, loss in points]
        return cls(
            PublishedCurve.through(sizes, losses),
            LinearCurve.through(sizes, losses),
            Curve.through(sizes, losses),
        )

    def read(self, row: Measurement) -> Reading:
        """A fine-tuned row on each of the curves."""
        size, loss = row.target_bytes, row.bits_per_byte
        printed = self.published.invert(loss).bytes
        linear, monotone = self.linear.invert(loss), self.monotone.invert(loss)
        low, high = self.published.between(loss)
        artefact: Artefact = ""
        if linear.status != "inside":
            artefact = "number_for_bound"
        elif not 1 / TOLERANCE <= printed / linear.bytes <= TOLERANCE:
            artefact = "off_the_line"
        return Reading(
            source=row.source,
            target=row.target,
            finetune_bytes=size,
            perplexity=round(2.0**loss, 12),  # as printed, before it became bits
            published_effective_bytes=printed,
            published_transfer_bytes=printed - size,
            linear_status=linear.status,
            linear_effective_bytes=linear.bytes,
            linear_transfer_bytes=linear.bytes - size,
            monotone_status=monotone.status,
            monotone_effective_bytes=monotone.bytes,
            monotone_transfer_bytes=monotone.bytes - size,
            segment=self.published.segment(loss),
            low_bytes=int(low),
            high_bytes=int(high),
            artefact=artefact,
        )


def to_csv(cells: Sequence[Reading]) -> str:
    """A row per cell, a column per attribute of `Reading`."""
    out = io.StringIO()
    names = [field.name for field in fields(Reading)]
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    for cell in cells:
        values = asdict(cell).items()
        writer.writerow({n: as_text(v) if isinstance(v, str) else v for n, v in values})
    return out.getvalue()
