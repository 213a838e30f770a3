"""Phrases that several sections of analyses share."""

from __future__ import annotations

from bytetransfer.analysis.cells import Group
from bytetransfer.report.wording import Names
from bytetransfer.units import format_bytes

SIGNIFICANT = 0.05
"""Corrected p values up to this are called a finding."""

ERR_ALIKE = "It does not hold where close languages err alike."
"""The limit of tests that move labels of languages (MRQAP)."""


def group_title(group: Group, names: Names) -> str:
    """Learner and size of a group, as they head its paragraphs, rows and charts."""
    size = format_bytes(group.finetune_bytes)
    pretraining = (
        f", {format_bytes(group.pretrain_bytes)} of pretraining" if names.show_pretraining else ""
    )
    return f"{names.learner(group.learner, group.regime)}, D_F = {size}{pretraining}"


def noise_words(noise: float | None) -> str:
    """Under which declared noise something was computed; empty without one."""
    if noise is None:
        return ""
    return f"Under a declared standard error of {noise:.3g} of log D_E. "


def p_text(p: float) -> str:
    """A p value: two digits, four decimals at most.

    >>> p_text(0.00001), p_text(0.00123), p_text(0.0312), p_text(0.5)
    ('< 0.0001', '0.0012', '0.031', '0.50')
    """
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.{4 if p < 0.01 else 3 if p < 0.1 else 2}f}"


def p_words(p: float) -> str:
    """A p value in a sentence.

    >>> p_words(0.00001), p_words(0.5)
    ('p < 0.0001', 'p = 0.50')
    """
    text = p_text(p)
    return f"p {text}" if text.startswith("<") else f"p = {text}"


def factor_text(factor: float) -> str:
    """A factor in three digits, or in three decimals where it is near 1.

    >>> factor_text(0.9712), factor_text(1.2345), factor_text(2789.0), factor_text(0.00123)
    ('0.971', '1.23', '2,790', '0.00123')
    """
    if 0.9 < factor < 1.1:
        return f"{factor:.3f}"
    if factor >= 1000:
        return f"{float(f'{factor:.3g}'):,.0f}"
    return f"{factor:.3g}"


def percent_text(share: float) -> str:
    """A share in percent: two digits of it, or of what it lacks to all; the sign is left out.

    >>> percent_text(0.0), percent_text(0.00123), percent_text(0.456), percent_text(0.9934)
    ('0', '0.12', '46', '99.34')
    >>> percent_text(0.00002), percent_text(0.99999), percent_text(1.0)
    ('< 0.01', '> 99.99', '100')
    """
    percent, rest = 100 * share, 100 * (1 - share)
    if percent <= 0 or rest <= 0:
        return "0" if percent <= 0 else "100"
    if min(percent, rest) < 0.01:
        return "< 0.01" if percent < rest else "> 99.99"
    if percent < 10:
        return f"{percent:.2g}"
    return f"{100 - float(f'{rest:.2g}'):.4g}" if rest < 10 else f"{percent:.0f}"
