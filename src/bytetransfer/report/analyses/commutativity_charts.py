"""The charts of the section on commutativity: both directions of each pair, side by side."""

from __future__ import annotations

import math

from bytetransfer.analysis.commutativity import Commutativity, Difference, PairDifference
from bytetransfer.report.analyses.phrases import SIGNIFICANT, factor_text, group_title, p_words
from bytetransfer.report.figures.chart import Axis, Chart, Dot, Series
from bytetransfer.report.wording import Names, bare, byte_range
from bytetransfer.transfer.estimate import TransferEstimate
from bytetransfer.units import format_bytes

_MOST_DRAWN = 12  # more pairs than this, and their names cannot be read
_APART = 0.16  # of the room of a pair, that each direction stands from its middle
_DIFFER = "*"


def paired_chart(found: Commutativity, number: int, names: Names) -> Chart:
    """D_E of both directions of each pair, joined; of many pairs those that differ most.

    D_E and not D_T, as its ratio is what is tested: both directions have the same D_F.
    """
    drawn = sorted(found.pairs, key=lambda pair: -abs(pair.log_effective.value))[:_MOST_DRAWN]
    forward = tuple(_dot(pair.forward, n - _APART, pair, names) for n, pair in enumerate(drawn))
    backward = tuple(_dot(pair.backward, n + _APART, pair, names) for n, pair in enumerate(drawn))
    dots = [*forward, *backward]
    ends = [end for dot in dots for end in (dot.y, dot.low, dot.high) if end]
    less = f", the {len(drawn)} largest of {len(found.pairs)}" * (len(drawn) < len(found.pairs))
    return Chart(
        name=f"commutativity-{number}",
        title=group_title(found.group, names) + less,
        description=" ".join(_words(pair, names) for pair in drawn),
        x=Axis(
            title=_axis_title(drawn),
            kind="category",
            low=-0.5,
            high=len(drawn) - 0.5,
            unit="number",
            names=tuple(_pair_name(pair, names) for pair in drawn),
        ),
        y=Axis(
            title="D_E, bytes of each direction's target (log scale)",
            kind="log",
            low=min(ends) / 1.1,
            high=max(ends) * 1.1,
        ),
        series=(
            Series(
                name="",
                ink=0,
                style="link",
                dots=tuple(dot for both in zip(forward, backward, strict=True) for dot in both),
            ),
            Series(name="a for b", ink=1, style="loose", dots=forward),
            Series(name="b for a", ink=2, style="loose", dots=backward),
        ),
    )


def _axis_title(drawn: list[PairDifference]) -> str:
    title = "pair a, b"
    if any(_is_different(pair) for pair in drawn):
        return f"{title} ({_DIFFER} differs, corrected p ≤ {SIGNIFICANT:g})"
    return title


def _is_different(pair: PairDifference) -> bool:
    return pair.corrected_p is not None and pair.corrected_p <= SIGNIFICANT


def _pair_name(pair: PairDifference, names: Names) -> str:
    mark = f" {_DIFFER}" if _is_different(pair) else ""
    return bare(f"{names.language(pair.first)}, {names.language(pair.second)}{mark}")


def _dot(row: TransferEstimate, x: float, pair: PairDifference, names: Names) -> Dot:
    around = byte_range(row.effective_low, row.effective_high)
    said = f"{names.language(row.source)} for {names.language(row.target)}: "
    return Dot(
        x=x,
        y=row.effective_bytes,
        low=row.effective_low,
        high=row.effective_high,
        note=bare(f"{said}D_E {format_bytes(row.effective_bytes)}")
        + (f" ({around})" if around else "")
        + f". {_words(pair, names)}",
    )


def _words(pair: PairDifference, names: Names) -> str:
    p = "" if pair.corrected_p is None else f", corrected {p_words(pair.corrected_p)}"
    return bare(f"{stronger(pair, names)}{p}.")


def stronger(pair: PairDifference, names: Names) -> str:
    """Which direction has the larger D_E, and by what factor."""
    one, other = names.language(pair.first), names.language(pair.second)
    difference = pair.log_effective
    if difference.value < 0:
        one, other = other, one
        difference = Difference(-difference.value, _minus(difference.high), _minus(difference.low))
    factor = math.exp(difference.value)
    return f"{one} for {other} reaches {factor_text(factor)} times the D_E of {other} for {one}" + (
        f" ({factors(difference)})" if factors(difference) else ""
    )


def _minus(value: float | None) -> float | None:
    return None if value is None else -value


def factors(difference: Difference) -> str:
    """The limits of a difference of logarithms as factors."""
    low, high = (
        None if end is None else math.exp(end) for end in (difference.low, difference.high)
    )
    if low is None or high is None:
        if low is not None:
            return f"≥ {factor_text(low)}"
        return "" if high is None else f"≤ {factor_text(high)}"
    return f"{factor_text(low)}–{factor_text(high)}"
