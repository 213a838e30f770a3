"""The axis for D_T: it holds what is drawn, and small values keep their room beside a large one."""

from __future__ import annotations

import math

from hypothesis import example, given
from hypothesis import strategies as st

from bytetransfer.report.figures.axes import worth_axis
from bytetransfer.report.figures.scales import Scale

SIZES = st.floats(-1e10, 1e10)
SPANS = st.lists(
    st.tuples(SIZES, st.floats(0, 1e9), st.booleans()).map(
        lambda one: (one[0], one[0] - one[1], one[0] + one[1]) if one[2] else (one[0], None, None)
    ),
    min_size=1,
)


@given(SPANS, st.booleans())
@example([(0.0, None, None), (5e-324, None, None)], False)  # a tenth of which is 0
def test_everything_lies_on_the_axis(spans, needs_zero):
    axis = worth_axis(spans, needs_zero=needs_zero)
    ends = [end for span in spans for end in span if end is not None]
    assert axis.low <= min(ends) <= max(ends) <= axis.high
    assert all(math.isfinite(Scale(axis, 0, 100)(end)) for end in ends)
    assert axis.kind == "signed_log" or min(ends) > 0


def test_a_large_value_does_not_squeeze_the_others():
    """2 MB of the language itself beside a few kB of others: these have most of the axis."""
    spans = [(2e6, None, None), *((size, size - 300, size + 300) for size in (4e3, 1e3, 100.0))]
    place = Scale(worth_axis(spans), 0, 100)
    assert place(4e3) - place(100) > 25
    assert place(1e3) - place(100) > 12


def test_zero_is_left_out_where_it_is_not_asked_for_and_all_is_above_it():
    spans = [(4e3, 3e3, 5e3), (1e3, 500.0, 2e3)]
    assert worth_axis(spans, needs_zero=False).kind == "log"
    assert worth_axis([*spans, (10.0, -5.0, 20.0)], needs_zero=False).kind == "signed_log"
