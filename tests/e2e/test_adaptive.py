"""An adaptive study through the command line, whole and killed."""

import random
import signal
import subprocess

import pytest

CHANGES = [
    ("seeds = 2", "seeds = 3\nadaptive = { width = 1.6, most_seeds = 5 }"),
    ('["1kB", "3kB", "10kB", "20kB"]', '["500B", "1kB", "2kB", "4kB", "8kB", "16kB"]'),
]
KILLS = 3


def adaptive(place):
    for old, new in CHANGES:
        place.change(old, new)
    return place


@pytest.mark.slow
def test_an_adaptive_study_says_where_it_is_and_why_it_ends(place, is_neat):
    adaptive(place)
    planned = place.call("plan", "study.toml")
    assert "Adaptive: stage 1, a coarse curve around every D_F." in planned.output
    assert "at most, with every size and seed, " in planned.output
    ran = place.call("run", "study.toml", "--workers", "1")
    assert ran.exit_code == 0
    assert "adaptive: stage 2, " in ran.output
    assert "adaptive: settled in " in ran.output
    is_neat(ran.output)
    status = place.call("status", "study.toml")
    assert "adaptive: settled in " in status.output
    before = place.finish_times()
    again = place.call("run", "study.toml", "--workers", "1")
    assert again.exit_code == 0
    assert place.finish_times() == before
    assert place.call("report", "study.toml").exit_code == 0
    assert place.call("estimate", "study.toml").exit_code == 0


@pytest.mark.slow
def test_with_the_full_grid_there_nothing_is_trained_again(place):
    adaptive(place)
    place.write("grid.toml", (place.folder / "study.toml").read_text(encoding="utf-8"))
    place.change("adaptive = { width = 1.6, most_seeds = 5 }", "", name="grid.toml")
    place.change('name = "tiny"', 'name = "grid"', name="grid.toml")
    place.change("seeds = 3", "seeds = 5", name="grid.toml")
    assert place.call("run", "grid.toml", "--workers", "1").exit_code == 0
    before = place.finish_times()
    assert place.call("run", "study.toml", "--workers", "1").exit_code == 0
    assert place.finish_times() == before


@pytest.mark.slow
def test_killed_at_any_moment_it_comes_to_the_same_runs_and_numbers(new_place):
    untouched, place = adaptive(new_place()), adaptive(new_place())
    assert untouched.call("run", "study.toml", "--workers", "1").exit_code == 0
    draw, kills = random.Random(0), 0
    total = len(untouched.finished())
    while kills < KILLS:
        process = place.start("run", "study.toml", "--workers", "1")
        wanted = len(place.finished()) + draw.randint(1, total // (KILLS + 1))
        while process.poll() is None and len(place.finished()) < wanted:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.05)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
        kills += 1
    assert place.call("run", "study.toml", "--workers", "1").exit_code == 0
    assert place.finished() == untouched.finished()
    assert place.results() == untouched.results()
