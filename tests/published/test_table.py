"""The readings in a terminal and in a log."""

import io
import re

import pytest
from rich.console import Console

from bytetransfer.published import print_readings, readings

YELLOW = "\x1b[33m"


@pytest.fixture(scope="module")
def printed():
    def show(**options):
        file = io.StringIO()
        print_readings(readings(), Console(file=file, width=80, **options))
        return file.getvalue()

    return show


def test_in_a_terminal_cells_stand_under_their_target_and_artefacts_are_coloured(printed):
    text = printed(force_terminal=True, color_system="standard", _environ={})
    yellow = [line for line in text.splitlines() if line.startswith(YELLOW)]
    assert len(yellow) == sum(bool(cell.artefact) for cell in readings())
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    start = plain.index("Spanish (es)")
    assert plain[start + 1].split()[:3] == ["6", "MB", "en"]
    assert not [line for line in plain if line.startswith("es ")]


def test_in_a_log_every_line_has_its_target_and_no_colour(printed):
    text = printed()
    assert "\x1b" not in text
    assert "Spanish (es)" not in text
    lines = re.findall(r"^es  .*$", text, re.MULTILINE)
    assert len(lines) == 23


def test_columns_stand_under_their_headings(printed):
    heading, *lines = printed().splitlines()[:160]
    for end in (heading.index(name) + len(name) for name in ("D_E published", "linear", "D_F")):
        assert all(line[end - 1] == "B" and line[end] == " " for line in lines)
