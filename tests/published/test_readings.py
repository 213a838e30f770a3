"""Figures are read as the script reads them, and what is called an artefact is one."""

import csv
import io
import math
from importlib import resources

import numpy as np
import pytest

from bytetransfer.errors import MeasurementError
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.published.readings import perplexities, readings, to_csv

MB = 1_000_000


@pytest.fixture(scope="module")
def printed():
    """Perplexity by source, target and bytes, straight from the file."""
    file = resources.files("bytetransfer.published").joinpath("perplexities.csv")
    rows = csv.DictReader(io.StringIO(file.read_text("utf-8")))
    return {(r["source"], r["target"], int(r["bytes"])): float(r["perplexity"]) for r in rows}


@pytest.fixture(scope="module")
def cells():
    return readings()


def curve(printed, target):
    """Sizes and perplexities from scratch, by size."""
    sizes = sorted(size for s, t, size in printed if (s, t) == (SCRATCH, target) and size)
    return np.array(sizes), np.array([printed[SCRATCH, target, size] for size in sizes])


def test_every_figure_is_there_once_and_in_bits_per_byte(printed):
    found = {
        (row.source, row.target, row.target_bytes): row.bits_per_byte for row in perplexities()
    }
    assert found.keys() == printed.keys()
    assert all(2 ** found[key] == pytest.approx(value, rel=1e-12) for key, value in printed.items())


def test_all_cells_but_zero_shot_are_read(printed, cells):
    wanted = {key for key in printed if key[0] != SCRATCH and key[2] > 0}
    assert {(c.source, c.target, c.finetune_bytes) for c in cells} == wanted
    assert len(cells) == len(wanted)


@pytest.mark.parametrize(
    ("target", "megabytes"),
    [("ar", 111.93), ("de", 105.87), ("es", 133.02), ("fi", 86.29), ("id", 113.61),
     ("ja", 55.81), ("ko", 57.10), ("ru", 85.32), ("zh", 36.63)],
)  # fmt: skip
def test_english_at_6_mb_as_printed(cells, target, megabytes):
    (cell,) = [c for c in cells if (c.source, c.target, c.finetune_bytes) == ("en", target, 6 * MB)]
    assert round(cell.published_effective_bytes / MB, 2) == megabytes
    assert cell.published_transfer_bytes == cell.published_effective_bytes - 6 * MB


def test_every_published_number_is_the_scripts(printed, cells):
    for cell in cells:
        sizes, losses = curve(printed, cell.target)
        perplexity = printed[cell.source, cell.target, cell.finetune_bytes]
        script = np.interp(perplexity, losses, sizes, period=10)
        assert cell.published_effective_bytes == pytest.approx(script, rel=1e-9)
        assert cell.perplexity == perplexity


def test_english_to_spanish_at_600_mb_is_a_number_where_there_is_only_a_bound(cells):
    (cell,) = [c for c in cells if (c.source, c.target, c.finetune_bytes) == ("en", "es", 600 * MB)]
    assert round(cell.published_effective_bytes / MB, 1) == 6.5
    assert (cell.segment, cell.low_bytes, cell.high_bytes) == ("seam", 6 * MB, 19 * MB)
    assert (cell.monotone_status, cell.monotone_effective_bytes) == ("above_range", 6000 * MB)
    assert (cell.linear_status, cell.linear_effective_bytes) == ("above_range", 6000 * MB)
    assert cell.artefact == "number_for_bound"


def test_an_artefact_is_a_number_for_a_bound_or_off_its_own_line(printed, cells):
    """Found again without the curves: straight lines between neighbours, falling perplexities."""
    for cell in cells:
        sizes, losses = curve(printed, cell.target)
        if not losses.min() <= cell.perplexity <= losses.max():
            wanted = "number_for_bound"
        else:
            last = int(np.flatnonzero(losses <= cell.perplexity)[0])  # the first that reaches it
            share = (losses[last - 1] - cell.perplexity) / (losses[last - 1] - losses[last])
            line = sizes[last - 1] + share * (sizes[last] - sizes[last - 1])
            off = max(cell.published_effective_bytes / line, line / cell.published_effective_bytes)
            wanted = "off_the_line" if off > 1.1 else ""
        assert cell.artefact == wanted, (cell.source, cell.target, cell.finetune_bytes)


def test_between_neighbours_the_script_is_the_straight_line(cells):
    for cell in cells:
        if cell.segment == "neighbours":
            assert not cell.artefact
            assert cell.linear_effective_bytes == pytest.approx(
                cell.published_effective_bytes, rel=1e-9
            )


def test_the_script_reads_between_the_sizes_it_is_said_to(printed, cells):
    for cell in cells:
        low, high = cell.low_bytes, cell.high_bytes
        ends = [printed[SCRATCH, cell.target, size] % 10 for size in (low, high)]
        if cell.segment == "seam":
            ends[int(ends[1] > ends[0])] -= 10
        share = (cell.perplexity - ends[0]) / (ends[1] - ends[0])
        assert cell.published_effective_bytes == pytest.approx(low + share * (high - low), rel=1e-6)
        if cell.segment != "seam":
            folded = max(printed[SCRATCH, cell.target, size] for size in (low, high)) >= 10
            assert folded == (cell.segment == "folded")


def test_without_artefact_both_readings_lie_between_the_same_measured_sizes(printed, cells):
    for cell in cells:
        sizes, _ = curve(printed, cell.target)
        places = [
            np.searchsorted(sizes, size)
            for size in (cell.published_effective_bytes, cell.monotone_effective_bytes)
        ]
        assert cell.artefact or places[0] == places[1]


def test_a_wrong_sign_contradicts_the_losses_at_equal_size(printed, cells):
    for cell in cells:
        scratch = printed[SCRATCH, cell.target, cell.finetune_bytes]
        negative = cell.published_transfer_bytes < 0
        assert cell.has_wrong_sign == (negative == (cell.perplexity < scratch))


def test_other_figures_can_be_read_too():
    sizes = (10**3, 10**4, 10**5)
    rows = [
        Measurement(source=SCRATCH, target="x", target_bytes=size, bits_per_byte=loss)
        for size, loss in zip(sizes, (3.0, 2.0, 1.0), strict=True)
    ]
    tuned = Measurement(source="y", target="x", target_bytes=10**3, bits_per_byte=math.log2(3))
    (cell,) = readings(Measurements([*rows, tuned]))
    assert cell.published_effective_bytes == pytest.approx(55_000)
    assert cell.monotone_transfer_bytes < cell.linear_transfer_bytes == pytest.approx(54_000)
    with pytest.raises(MeasurementError, match="at least two sizes"):
        readings(Measurements([rows[0], tuned]))


def test_the_table_holds_every_number(cells):
    rows = list(csv.DictReader(io.StringIO(to_csv(cells))))
    assert len(rows) == len(cells)
    for row, cell in zip(rows, cells, strict=True):
        assert float(row["monotone_effective_bytes"]) == cell.monotone_effective_bytes
        assert (row["source"], row["artefact"]) == (cell.source, cell.artefact)
