import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.errors import UserError
from bytetransfer.units import (
    bits_per_byte,
    format_bytes,
    format_count,
    format_duration,
    parse_bytes,
)

UNITS = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


@given(st.integers(0, 10**15), st.sampled_from(sorted(UNITS)))
def test_every_number_of_bytes_can_be_written_in_every_unit(count, unit):
    whole, rest = divmod(count, UNITS[unit])
    digits = len(str(UNITS[unit])) - 1
    # one zero more: three decimals may part thousands
    written = f"{whole}.{rest:0{digits}}0" if digits else str(whole)
    assert parse_bytes(f"{written}{unit}") == count
    assert parse_bytes(f" {written} {unit.lower()} ") == count


@given(st.integers(0, 10**18))
def test_a_whole_number_is_itself(count):
    assert parse_bytes(count) == parse_bytes(str(count)) == count


def test_what_floats_would_round_is_exact():
    assert parse_bytes("1.0050MB") == 1_005_000
    assert parse_bytes("9007199254740993") == 9007199254740993


@pytest.mark.parametrize(
    "written",
    ["", "MB", "-1", "-1kB", "1.5", "1.2345kB", "1e3", "6 megabytes", "1,5MB", "1 2", "nan",
     -1, True, False, 1.0, None, [1]],
)  # fmt: skip
def test_what_is_no_size_is_refused_with_an_example(written):
    with pytest.raises(UserError, match=r'for example "10kB"'):
        parse_bytes(written)


@pytest.mark.parametrize(
    ("written", "readings"),
    [
        ("10.000", ["10000", "10"]),
        ("10.000 kB", ["10000kB", "10kB"]),
        ("1.500kB", ["1500kB", "1500B"]),
        ("1.005MB", ["1005MB", "1005kB"]),
        ("10,000", ["10000", "10"]),
        (" 1.500 ", ["1500"]),
        ("1.234.567", ["1234567"]),
        ("1,234,567 B", ["1234567B"]),
    ],
)
def test_a_size_with_two_readings_is_refused_with_how_to_write_each(written, readings):
    with pytest.raises(UserError, match="is ambiguous") as caught:
        parse_bytes(written)
    assert caught.value.todo == "write " + " or ".join(f'"{one}"' for one in readings)
    for one in readings:
        assert parse_bytes(one) > 0


@pytest.mark.parametrize("written", ["0.125MB", "12345.000", "2.50kB", "1.2340MB", "1000.500kB"])
def test_what_cannot_part_thousands_has_one_reading(written):
    assert parse_bytes(written) > 0


@pytest.mark.parametrize("written", ["9" * 5000 + "MB", 10**30, "9" * 20, "1" * 19 + "TB"])
def test_sizes_beyond_all_disks_are_refused(written):
    with pytest.raises(UserError, match=r"beyond 2\*\*63 bytes|is no size"):
        parse_bytes(written)


@given(st.integers(-(10**14), 10**14))
def test_formatted_bytes_read_back_within_three_figures(count):
    number, unit = format_bytes(count).split(" ")
    assert abs(Fraction(number) * UNITS[unit] - count) <= Fraction(6, 1000) * abs(count)
    assert len(number.lstrip("-").replace(".", "").lstrip("0")) <= 3 or number == "-0"


@pytest.mark.parametrize(
    ("count", "written"),
    [(999, "999 B"), (999_499, "999 kB"), (999_500, "1 MB"), (-999_600, "-1 MB")],
)
def test_what_rounds_up_to_the_next_unit_is_written_in_it(count, written):
    assert format_bytes(count) == written


@given(st.sampled_from([m * 10**k for k in range(13) for m in range(1, 10)]))
def test_round_sizes_survive_being_formatted(count):
    assert parse_bytes(format_bytes(count)) == count


@given(st.floats(0, 1e9))
def test_durations_are_two_units_at_most_and_near(seconds):
    sizes = {"d": 86400, "h": 3600, "min": 60, "s": 1}
    words = format_duration(seconds).split(" ")
    assert len(words) in (2, 4)
    parts = list(zip(words[::2], words[1::2], strict=True))
    total = sum(int(number) * sizes[unit] for number, unit in parts)
    assert total - 0.5 <= seconds < total + sizes[parts[-1][1]] * 60
    assert all(int(number) for number, _ in parts) or total == 0


@pytest.mark.parametrize(
    ("count", "written"), [(0, "0"), (1e3, "1 k"), (999.9, "1 k"), (2.5e15, "2.5 P"), (12, "12")]
)
def test_counts(count, written):
    assert format_count(count) == written


def test_a_uniform_guess_costs_eight_bits():
    assert bits_per_byte(5 * math.log(256), 5) == pytest.approx(8)
