"""How contrasts between sources are written: percent of the loss, factors of D_E, bytes of D_T."""

from __future__ import annotations

import math

from bytetransfer.analysis.cells import Group, Unanswered
from bytetransfer.analysis.contrasts import Amount, Contrast
from bytetransfer.measurements.measurement import SCRATCH
from bytetransfer.report.analyses.phrases import p_text
from bytetransfer.report.document import Cell, Column, Table
from bytetransfer.report.wording import Names, byte_range, shorten
from bytetransfer.units import format_bytes, signed_bytes

_OPEN_ROWS = 20
_COLUMNS = (
    Column("step"),
    Column("target"),
    Column("learner"),
    Column("D_F", "bytes", numeric=True),
    Column("loss lowered by", "%", numeric=True),
    Column("D_E times", "factor", numeric=True),
    Column("D_T more by", "bytes", numeric=True),
    Column("corrected p", "", numeric=True),
    Column("intervals cover"),
)


def lowered(gain: float) -> float:
    """Percent of the loss, signed."""
    return -100 * math.expm1(-gain)


def percent_lowered(amount: Amount) -> str:
    """By how many percent the loss is lowered, with its interval."""
    value = f"{lowered(amount.value):.3g} %".replace("-", "−")
    if amount.low is None or amount.high is None:
        return value
    low, high = (f"{lowered(end):.3g}".replace("-", "−") for end in (amount.low, amount.high))
    return f"{value} ({low} to {high})"


def factor_of(amount: Amount | Unanswered) -> str:
    """A gain in log D_E as a factor, with its interval."""
    if isinstance(amount, Unanswered):
        return "unknown"
    value = f"{math.exp(amount.value):.3g}"
    if amount.low is None or amount.high is None:
        return value
    return f"{value} ({math.exp(amount.low):.3g} to {math.exp(amount.high):.3g})"


def bytes_more(amount: Amount | Unanswered) -> str:
    """A gain in D_T, with its interval."""
    if isinstance(amount, Unanswered):
        return "unknown"
    around = byte_range(amount.low, amount.high)
    return signed_bytes(amount.value) + (f" ({around})" if around else "")


def source_name(name: str, names: Names) -> str:
    """A source as people call it."""
    return "no pretraining" if name == SCRATCH else names.language(name)


def over(contrast: Contrast, names: Names) -> str:
    """Which sources, over which."""
    lower = ", ".join(source_name(name, names) for name in contrast.lower)
    return f"{upper_names(contrast, names)} over {lower}"


def upper_names(contrast: Contrast, names: Names) -> str:
    """The sources that are held against others."""
    return ", ".join(source_name(name, names) for name in contrast.upper)


def contrast_row(
    step: str, group: Group, target: str, contrast: Contrast, names: Names
) -> tuple[Cell, ...]:
    """A row of `contrast_table`; `step` says what the sources differ in."""
    effective, transfer = contrast.effective_gain, contrast.transfer_gain_bytes
    factor = math.exp(effective.value) if isinstance(effective, Amount) else None
    reason = effective.reason if isinstance(effective, Unanswered) else ""
    p = contrast.corrected_p
    unit = "replicates" if contrast.replicated else "seeds"
    return (
        Cell(over(contrast, names), step, detail=step),
        Cell(names.language(target), target),
        Cell(names.learner(group.learner, group.regime), group.learner),
        Cell(format_bytes(group.finetune_bytes), group.finetune_bytes),
        Cell(percent_lowered(contrast.loss_gain), lowered(contrast.loss_gain.value)),
        Cell(factor_of(effective), factor, detail=shorten(reason, 120)),
        Cell(bytes_more(transfer), transfer.value if isinstance(transfer, Amount) else None),
        Cell("–") if p is None else Cell(p_text(p), p),
        Cell(f"{contrast.covers}; {unit}: {contrast.seeds}", contrast.covers),
    )


def contrast_table(name: str, caption: str, rows: list[tuple[Cell, ...]]) -> Table:
    """A table of contrasts."""
    return Table(
        name=name,
        caption=caption,
        columns=_COLUMNS,
        minor=("D_E times",),
        rows=tuple(rows),
        is_open=len(rows) <= _OPEN_ROWS,
    )
