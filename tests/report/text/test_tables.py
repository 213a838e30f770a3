"""Tables as text: no line passes the width, nothing is lost without a word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bytetransfer.report.document import Cell, Column, Section, Table
from bytetransfer.report.text.sections import plain_section
from bytetransfer.report.text.tables import lay_out, wrapped


def table(columns, rows, minor=()):
    cells = tuple(tuple(c if isinstance(c, Cell) else Cell(c) for c in row) for row in rows)
    columns = tuple(columns)
    return Table(name="t", caption="What it is", columns=columns, rows=cells, minor=minor)


NAMES = st.text(st.sampled_from("ab é日本語(\u202e[1]\n "), max_size=60)
TABLES = st.integers(1, 7).flatmap(
    lambda count: st.builds(
        table,
        st.lists(
            st.builds(Column, NAMES, st.just("bytes"), numeric=st.booleans()),
            min_size=count,
            max_size=count,
        ),
        st.lists(
            st.lists(st.builds(Cell, NAMES, detail=NAMES), min_size=count, max_size=count),
            min_size=1,
            max_size=40,
        ),
    )
)


@given(TABLES, st.integers(40, 120))
def test_no_line_of_any_table_passes_the_width(one, width):
    lines = lay_out(one, width).split("\n")
    assert max(map(cell_len, lines)) <= width
    assert "\u202e" not in "".join(lines)


@given(st.text(max_size=200), st.integers(2, 40))
def test_wrapping_loses_no_letter(text, width):
    lines = wrapped(text, width)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(line) <= width for line in lines)


LANGUAGES = [Column("source"), Column("target"), Column("D_T", "bytes", numeric=True)]


def test_what_all_rows_share_is_said_once_above_them():
    said = lay_out(table(LANGUAGES, [("en", "fi", "3 kB"), ("pt", "fi", "1 kB")]), 80)
    assert said.count("fi") == 1
    assert "target: fi" in said.split("\n")[1]


def test_rows_stand_under_sub_headings_where_their_lines_would_be_too_long():
    long = "a name of more than thirty letters"
    rows = [(f"source {n}", long + str(n % 2), f"{n} kB") for n in range(8)]
    wide, narrow = (lay_out(table(LANGUAGES, rows), width) for width in (80, 50))
    assert wide.count(long) == 8
    assert narrow.count(long) == 2
    assert f"target: {long}0" in narrow
    assert all(f"source {n}" in narrow for n in range(8))


def test_long_details_are_notes_that_stand_once():
    detail = "with a size left out too few cells are left"
    rows = [("en", "fi", Cell("unknown", detail=detail)), ("pt", "es", Cell("1", detail="0–2"))]
    said = lay_out(table(LANGUAGES, rows), 80)
    assert "unknown [1]" in said
    assert f"[1] {detail}" in said.split("\n")
    assert "1 0–2" in said


def test_minor_columns_go_first_and_are_named_with_where_they_are():
    numbers = [("1" * 30, "2" * 30, "3" * 30), ("4" * 30, "5" * 30, "6" * 30)]
    columns = [
        Column("loss", numeric=True),
        Column("scatter", numeric=True),
        Column("worth", "bytes", numeric=True),
    ]
    said = lay_out(table(columns, numbers, minor=("scatter",)), 80)
    assert "1" * 30 in said
    assert "3" * 30 in said
    assert "2" * 30 not in said
    assert said.endswith("Not shown: the column “scatter”. --json has everything.")


def test_of_many_rows_those_that_say_least_are_left_out_and_counted():
    columns = [Column("source"), Column("D_T", numeric=True), Column("corrected p", numeric=True)]
    rows = [(f"s{n}.", f"{n} B", Cell("p", 0.6 - n / 100)) for n in range(59)]
    said = lay_out(table(columns, rows), 80)
    assert "s28." not in said
    assert "s29." in said
    assert "s58." in said
    assert "29 of 59 rows" in said
    dashed = [(f"s{n}.", "–" if n < 5 else "1", Cell("–")) for n in range(35)]
    assert [f"s{n}." in lay_out(table(columns, dashed), 80) for n in (4, 5)] == [False, True]


def test_the_answer_comes_first_then_tables_and_method_last():
    section = Section(
        name="a",
        title="Is it so?",
        text=("It is.", "How it was found."),
        further=("For Finnish it is.",),
        tables=(table(LANGUAGES, [("en", "fi", "3 kB")]),),
    )
    said = plain_section(section)
    places = [
        said.index(part)
        for part in ("Is it so?", "It is.", "What it is", "For Finnish", "How it was found.")
    ]
    assert places == sorted(places)


@pytest.mark.parametrize("width", [1, 40, 80, 200])
def test_paragraphs_fit_narrow_lines_and_are_not_drawn_out_over_wide_ones(width):
    section = Section(name="a", title="t", text=("word " * 100,))
    longest = max(map(len, plain_section(section, width).split("\n")))
    assert longest <= min(max(width, 40), 96)
