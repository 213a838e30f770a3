"""The terminal table: whole numbers, no wrapping, no markup, and plain where it is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bytetransfer.report import print_estimates
from bytetransfer.report.wording import bounded_bytes
from bytetransfer.transfer.estimate import Estimates, Refusal, estimate_transfer


def printed(estimates, *, width=80, terminal=False, encoding="utf-8") -> str:
    buffer = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=buffer, width=width, force_terminal=terminal, color_system=None)
    print_estimates(estimates, console)
    buffer.flush()
    return buffer.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("terminal", [False, True])
def test_it_fits_eighty_columns_and_cuts_no_number(estimates, terminal):
    text = printed(estimates, terminal=terminal)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(line == line.rstrip() for line in lines)
    for row in estimates.rows:
        assert bounded_bytes(row.transfer_bytes, row.status) in text
    assert not set(text) & set("│┃╭─━┏")


def test_without_a_terminal_every_line_is_whole_and_alike(estimates):
    lines = printed(estimates, width=20).splitlines()
    rows = [line for line in lines if line.startswith(("es ", "fi "))]
    assert len(rows) == len(estimates.rows)
    assert all("ngram" in line or "transformer/nano" in line for line in rows)
    assert "\x1b" not in "".join(lines)
    assert "█" not in "".join(lines)


def test_names_are_whole_in_a_log_and_short_in_a_terminal(make_estimate):
    name = "cipher(old-church-slavonic, script = Greek)"
    rows = Estimates((make_estimate(source=name), make_estimate(source="x" * 10_000)))
    assert f" {name} " in printed(rows)
    assert max(map(len, printed(rows).splitlines())) < 300
    assert max(map(len, printed(rows, terminal=True).splitlines())) <= 80


def test_a_terminal_is_spared_what_a_log_keeps(make_estimate):
    sizes = (3_000, 10_000, 30_000)
    rows = Estimates(
        tuple(
            make_estimate(
                source=f"s{n:02}", finetune_bytes=size, nominal_bytes=size,
                status="inside" if size == 10_000 or n else "above_range",
            )
            for n in range(40)
            for size in sizes
        )
    )  # fmt: skip
    lines = printed(rows, terminal=True).splitlines()
    assert sum(" s" in f" {line}" and "1.9 MB" in line for line in lines) == 40
    assert any("10 kB" in line for line in lines)
    assert not any("30 kB" in line for line in lines)
    assert any(line.startswith("40 of 120 estimates, one D_F a learner") for line in lines)
    assert sum("1.9 MB" in line for line in printed(rows).splitlines()) == 120


def test_a_terminal_gets_bars_and_none_for_an_upper_bound(make_estimate):
    rows = (
        make_estimate(source="en"),
        make_estimate(source="ru", transfer_bytes=-5e5, transfer_low=-6e5, transfer_high=-4e5),
        make_estimate(source="zh", status="below_range", transfer_bytes=1e6, transfer_low=None),
    )
    by_source = {
        source: next(
            line
            for line in printed(Estimates(rows), terminal=True).splitlines()
            if f" {source} " in line
        )
        for source in ("en", "ru", "zh")
    }
    assert "█" in by_source["en"]
    assert "░" in by_source["ru"]
    assert not set("█░") & set(by_source["zh"])
    assert "≲ 1 MB" in by_source["zh"]


def test_flags_and_bounds_are_explained_where_they_occur(make_estimate):
    assert "not converged" not in printed(Estimates((make_estimate(),)))
    flagged = make_estimate(not_converged=True, below_surface=True, status="above_range")
    text = printed(Estimates((flagged,)))
    assert "!^" in text
    assert "not converged" in text
    assert "a bound" in text
    assert "≳ 1.9 MB" in text
    assert "its interval reaches back onto the curve" in text


def test_refusals_say_why_and_the_rest_are_counted():
    refusals = tuple(
        Refusal(
            source="en", target="fi", learner="", regime="", pretrain_bytes=0,
            finetune_bytes=size, reason="there is no curve",
        )
        for size in range(1, 9)
    )  # fmt: skip
    text = printed(Estimates((), refusals))
    assert "8 not estimated" in text
    assert "en, fi, 1 B: there is no curve" in text
    assert "and 3 more" in text


def test_hostile_names_move_no_cursor_and_are_no_markup(hostile):
    text = printed(estimate_transfer(hostile, resamples=20), terminal=True)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[red]" in text
    assert max(map(len, text.splitlines())) <= 100


def test_an_ascii_terminal_is_spoken_to_in_ascii(estimates):
    text = printed(estimates, encoding="ascii")
    assert "<= 3 kB" in text
    assert "?" not in text


def test_what_intervals_cover_is_said_once(make_estimate):
    said = "seeds only (no document blocks)"
    rows = [make_estimate(covers=said), make_estimate(covers=f"{said}; 1 of 3 seeds left out")]
    assert f"intervals over {said}; 1 of 3 seeds left out\n" in printed(Estimates(tuple(rows)))
