"""Estimates as typed rows, and their table as CSV, JSON and DataFrame."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from html import escape
from typing import TYPE_CHECKING, Literal

from bytetransfer.frames import make_frame
from bytetransfer.measurements.measurement import Measurement, Place, name_places
from bytetransfer.readable import readable
from bytetransfer.transfer.curve import Status
from bytetransfer.transfer.law_table import Laws, csv_text
from bytetransfer.transfer.methods import Method
from bytetransfer.units import format_bytes, signed_bytes

if TYPE_CHECKING:
    import pandas as pd

_MOST_SHOWN = 100

MARKS = {"above_range": "≥ ", "below_range": "≤ ", "extrapolated": "~ "}
"""By the status of an estimate, what stands before its numbers."""

IntervalState = Literal["two_sided", "low_only", "high_only", "open", "none"]


@dataclass(frozen=True, kw_only=True)
class TransferEstimate:
    """What pretraining on `source` is worth for `target`, in bytes of target text.

    Limits are None where the interval is open on that side or where there is none; `interval`
    tells the two apart.

    Attributes:
        source: what was pretrained on.
        target: what was fine-tuned and tested on.
        learner: learner and preset.
        regime: how long it was trained.
        method: how the from-scratch curve was drawn and read.
        pretrain_bytes: bytes of source text.
        finetune_bytes: D_F, the actual bytes, averaged over seeds and rounded.
        nominal_bytes: the size that was asked for, the same in all languages; what cells of one
            size are told by.
        status: whether `effective_bytes` and what follows from it are numbers or bounds.
        effective_bytes: D_E where `inside` or `extrapolated`; an upper bound where `below_range`;
            a lower bound where `above_range`.
        effective_low: lower limit of D_E.
        effective_high: upper limit of D_E.
        upper_open: True if any larger size fits as well: above the range, or on a plateau at the
            end of the curve.
        effective_upper: the largest size with the same loss: D_E itself where the curve falls, the
            far end of a plateau inside the range, None where `upper_open`.
        transfer_bytes: D_T = D_E − D_F, a bound like D_E.
        transfer_low: lower limit of D_T.
        transfer_high: upper limit of D_T.
        transfer_fraction: D_T / D_E, a bound like D_E.
        transfer_fraction_low: lower limit of D_T / D_E.
        transfer_fraction_high: upper limit of D_T / D_E.
        level: nominal coverage of the interval.
        covers: what the interval covers, or why there is none.
        seeds: number of paired seeds; of several replicates, how many replicates are paired.
        replicates: how often the whole study was done; 1 where intervals cover its seeds alone.
        bits_per_byte: fine-tuned loss, geometric mean over the seeds.
        not_converged: True if a fine-tuned run, or a from-scratch run at the sizes on either side
            of D_E, is so; None if unknown for some.
        below_surface: the same.
        pooled: True if a from-scratch loss rose with bytes, so that neighbours were averaged.
        runs: keys of the contributing runs, both arms.
        degrees: of freedom of the interval's noise, infinite where they are not known; for tests
            that need more than the interval, and in no table.
    """

    source: str
    target: str
    learner: str
    regime: str
    method: Method = "monotone"
    pretrain_bytes: int
    finetune_bytes: int
    nominal_bytes: int
    status: Status
    effective_bytes: float
    effective_low: float | None
    effective_high: float | None
    upper_open: bool
    effective_upper: float | None = None
    transfer_bytes: float
    transfer_low: float | None
    transfer_high: float | None
    transfer_fraction: float
    transfer_fraction_low: float | None
    transfer_fraction_high: float | None
    level: float
    covers: str
    seeds: int
    replicates: int = 1
    bits_per_byte: float
    not_converged: bool | None
    below_surface: bool | None
    pooled: bool = False
    runs: tuple[str, ...]
    degrees: float = math.inf

    @property
    def interval(self) -> IntervalState:
        """Which limits there are; `none` if there is no interval at all."""
        if self.covers.startswith("no interval"):
            return "none"
        if self.effective_low is None:
            return "open" if self.effective_high is None else "high_only"
        return "low_only" if self.effective_high is None else "two_sided"

    @property
    def is_sure(self) -> bool:
        """Whether the interval of a bound, if it has one, allows nothing on the curve's side."""
        if self.interval == "none":
            return True
        if self.status == "above_range":
            return self.transfer_low is not None and self.transfer_low >= self.transfer_bytes
        if self.status == "below_range":
            return self.transfer_high is not None and self.transfer_high <= self.transfer_bytes
        return True

    @property
    def mark(self) -> str:
        """What stands before D_E, D_T and their share: `≥ ` and `≤ ` of bounds, `~ ` beyond them.

        Beyond the curve the end of it is what is estimated; where the interval reaches back onto
        the curve, "at least" would say too much: `≳ ` and `≲ `.
        """
        mark = MARKS.get(self.status, "")
        return mark if self.is_sure else mark.replace("≥", "≳").replace("≤", "≲")


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A fine-tuned cell for which there is no estimate, and why.

    Attributes:
        source: what was pretrained on.
        target: what was fine-tuned and tested on.
        learner: learner and preset.
        regime: how long it was trained.
        method: how the from-scratch curve was to be read.
        pretrain_bytes: bytes of source text.
        finetune_bytes: the size of the cell, nominal where one is stated.
        reason: why there is no estimate.
        places: where its rows were read, if in a file; in the table, at the end of `reason`.
    """

    source: str
    target: str
    learner: str
    regime: str
    method: Method = "monotone"
    pretrain_bytes: int
    finetune_bytes: int
    reason: str
    places: tuple[Place, ...] = ()

    @property
    def placed_reason(self) -> str:
        """The reason, and which lines it is for."""
        return f"{self.reason}, for {name_places(self.places)}" if self.places else self.reason


_FIELDS = tuple(column.name for column in fields(TransferEstimate) if column.name != "degrees")
_FIRST = (*_FIELDS[: _FIELDS.index("level")], "interval")
COLUMNS = (*_FIRST, *_FIELDS[_FIELDS.index("level") :], "reason")
"""Columns of the written table. `status` is `inside`, `below_range`, `above_range`, `extrapolated`
(only if asked for), or `refused` with every number empty and the cause in `reason`; an empty limit
is open unless `interval` is `none`; `runs` are separated by spaces in CSV. The others are
documented at `TransferEstimate`."""


@dataclass(frozen=True, repr=False)
class Estimates:
    """All estimates of a set of measurements, and the cells without one.

    Attributes:
        rows: one per fine-tuned cell with a curve, in canonical order.
        refusals: the other cells.
        laws: the parameters of the curves that were read as power laws.
        unused: from-scratch rows of a learner or regime that their target's fine-tuned rows do not
            have, so that nothing was read on their curve; empty for a target without such rows.
    """

    rows: tuple[TransferEstimate, ...]
    refusals: tuple[Refusal, ...] = ()
    laws: Laws = field(default_factory=Laws)
    unused: tuple[Measurement, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[TransferEstimate]:
        return iter(self.rows)

    def __repr__(self) -> str:
        unused = f", {len(self.unused)} from-scratch rows unused" if self.unused else ""
        return f"<Estimates: {len(self.rows)} cells, {len(self.refusals)} refused{unused}>"

    def _repr_html_(self) -> str:
        """The table as a notebook shows it: names escaped, no more than `_MOST_SHOWN` rows."""
        names = ("target", "learner", "D_F", "source", "D_E", "D_T", "interval of D_T")
        lines = [
            *("".join(f"<td>{_html(cell)}</td>" for cell in _shown(row)) for row in self.rows),
            *(
                f"<td>{_html(row.target)}</td><td>{_html(row.learner)}</td>"
                f"<td>{_html(format_bytes(row.finetune_bytes))}</td><td>{_html(row.source)}</td>"
                f'<td colspan="3">{_html(f"refused: {row.placed_reason}")}</td>'
                for row in self.refusals
            ),
        ]
        body = "".join(f"<tr>{line}</tr>" for line in lines[:_MOST_SHOWN])
        more = len(lines) - _MOST_SHOWN
        left_out = f"<p>and {more} more: see .to_frame()</p>" if more > 0 else ""
        heads = "".join(f"<th>{name}</th>" for name in names)
        return (
            f"<p>{_html(repr(self))}</p><table><thead><tr>{heads}</tr></thead>"
            f"<tbody>{body}</tbody></table>{left_out}"
        )

    def to_rows(self) -> list[dict[str, object]]:
        """One dict of plain values per cell, keys in the order of `COLUMNS`; refusals last."""
        given = [
            {name: getattr(row, name, None) for name in COLUMNS} | {"runs": list(row.runs)}
            for row in self.rows
        ]
        stated = {"status": "refused", "interval": "none", "runs": []}
        refused = [
            {name: getattr(row, name, stated.get(name)) for name in COLUMNS}
            | {"reason": row.placed_reason}
            for row in self.refusals
        ]
        return given + refused

    def to_csv(self) -> str:
        """The table as CSV; None is an empty cell, `runs` are separated by spaces."""
        return csv_text(COLUMNS, self.to_rows())

    def to_frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame, one column each of `COLUMNS`.

        Raises:
            MissingExtraError: where pandas is not installed.
        """
        return make_frame(self.to_rows(), COLUMNS, TransferEstimate)

    def to_json(self) -> str:
        """The table as a JSON list of objects, in the order of the rows."""
        return json.dumps(self.to_rows(), indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _shown(row: TransferEstimate) -> tuple[str, ...]:
    """An estimate as a line of text cells."""
    limits = [
        "open" if limit is None else signed_bytes(limit)
        for limit in (row.transfer_low, row.transfer_high)
    ]
    return (
        row.target,
        row.learner,
        format_bytes(row.nominal_bytes),
        row.source,
        row.mark + format_bytes(row.effective_bytes),
        row.mark + signed_bytes(row.transfer_bytes),
        "none" if row.interval == "none" else f"{limits[0]} to {limits[1]}",
    )


def _html(text: str) -> str:
    return escape(readable(text))
