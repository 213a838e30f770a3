"""Counts and comparisons of readings, on cells made up for it and on the published ones."""

import json
from dataclasses import replace

import pytest

from bytetransfer.published.findings import (
    against_others,
    by_size,
    count,
    exchanges,
    spreads,
    to_json,
)
from bytetransfer.published.readings import readings

MB = 1_000_000
BASE = readings()[0]


def made(source="en", target="fi", size=6, printed=60.0, ours=50.0, **changes):
    """A cell of `size` MB with a printed D_E and ours in MB."""
    return replace(
        BASE,
        source=source,
        target=target,
        finetune_bytes=size * MB,
        published_effective_bytes=printed * MB,
        published_transfer_bytes=(printed - size) * MB,
        monotone_effective_bytes=ours * MB,
        monotone_transfer_bytes=(ours - size) * MB,
        **changes,
    )


ABOVE = {"monotone_status": "above_range", "artefact": "number_for_bound", "segment": "seam"}
OFF = {"artefact": "off_the_line", "segment": "folded"}


def test_artefacts_are_counted_apart_from_what_a_straight_line_does():
    found = count([made(), made(printed=100), made(printed=5, **OFF), made(printed=7, **ABOVE)])
    assert (found.cells, found.artefact_cells, found.bounds, found.wrong_signs) == (4, 2, 1, 1)
    assert found.artefacts == {"number_for_bound": 1, "off_the_line": 1}
    assert found.artefact_segments == {"folded": 1, "seam": 1}
    assert found.segments == {"folded": 1, "neighbours": 2, "seam": 1}
    assert (found.sound.cells, found.sound.above_tolerance) == (2, 2)
    assert (found.sound.smallest, found.sound.median, found.sound.largest) == (1.2, 1.6, 2.0)
    assert (found.broken.cells, found.broken.median) == (1, 0.1)


def test_where_there_is_nothing_there_is_no_ratio():
    found = count([made(**ABOVE)])
    assert (found.sound.cells, found.sound.median, found.sound.largest) == (0, None, None)


@pytest.mark.parametrize(
    ("printed", "ours", "status", "wrong"),
    [
        (-1, 1, "inside", True),
        (-1, -1, "inside", False),
        (1, -1, "inside", True),
        (1, 1, "inside", False),
        (-1, 0, "above_range", True),
        (-1, -2, "above_range", False),  # at least −2: −1 is possible
        (1, -2, "above_range", False),
        (-1, 2, "below_range", False),  # at most 2: −1 is possible
        (1, -2, "below_range", True),
    ],
)
def test_a_sign_is_wrong_where_the_reading_excludes_it(printed, ours, status, wrong):
    cell = made(size=6, printed=6 + printed, ours=6 + ours, monotone_status=status)
    assert cell.has_wrong_sign is wrong


def test_counts_by_size_add_up():
    cells = readings()
    found = by_size(cells)
    assert list(found) == sorted(found)
    assert sum(one.cells for one in found.values()) == len(cells)
    assert sum(one.artefact_cells for one in found.values()) == count(cells).artefact_cells


def test_sources_of_a_target_lie_apart_by_the_ratio_of_transfer():
    cells = [
        made("en", printed=66, ours=36),
        made("ru", printed=26, ours=26),
        made("pt", printed=600, ours=600),  # of one target only, so not compared
        made("en", target="ko"),  # one source
        made("en", target="ja", ours=5),
        made("ru", target="ja"),  # one D_T below 0
        made("en", size=19, printed=999),
    ]
    (found,) = spreads(cells, 6 * MB)
    assert (found.target, found.published, found.monotone) == ("fi", 3.0, 1.5)


def test_pairs_are_those_measured_both_ways():
    there, back = made("en", "zh"), made("zh", "en")
    cells = [back, there, made("en", "fi"), made("zh", "en", size=19)]
    assert exchanges(cells, 6 * MB) == [(there, back)]


def test_a_source_stands_beside_the_best_of_the_others():
    own = made("pt", "es")
    cells = [own, made("en", "es", printed=9, ours=8), made("ru", "es", printed=8, ours=9),
             made("zh", "es", size=19), made("en", "fi", printed=99, ours=99)]  # fmt: skip
    (found,) = against_others(cells, "pt", "es")
    assert (found.own, found.published, found.monotone) == (own, cells[1], cells[2])


def test_json_holds_the_cells_and_what_is_counted():
    cells = readings()
    found = json.loads(to_json(cells))
    assert len(found["cells"]) == len(cells)
    assert found["cells"][0]["published_effective_bytes"] == cells[0].published_effective_bytes
    assert found["counts"]["artefacts"] == count(cells).artefacts
    assert set(found["counts_by_finetune_bytes"]) == {str(size) for size in by_size(cells)}
    assert {one["target"] for one in found["spreads"]} == {c.target for c in cells}
