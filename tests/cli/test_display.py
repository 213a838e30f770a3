import io
import re

import msgspec
import pytest
from rich.console import Console

from bytetransfer.cli.display import (
    PrepareDisplay,
    RunDisplay,
    print_corpora,
    print_cost,
    print_forecast,
    print_status,
)
from bytetransfer.runs.collect import collect
from bytetransfer.runs.execute import State
from bytetransfer.runs.status import forecast, status
from bytetransfer.runs.store import RunProgress

NEURAL = "transformer/nano"


@pytest.fixture
def log():
    """A console that is no terminal, as in a log."""
    return Console(file=io.StringIO(), width=80)


@pytest.fixture
def terminal():
    return Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)


def written(console):
    return console.file.getvalue()


@pytest.fixture
def plan(make):
    return make.plan(make.study(sources=("en",), targets=("fi",)))


def show(display, plan, *, done=(), running=(), failed=None, blocked=()):
    display(
        State(
            total=len(plan.runs),
            done=frozenset(done),
            running=frozenset(running),
            failed=failed or {},
            blocked=frozenset(blocked),
        )
    )


def test_a_log_has_a_readable_line_for_every_run_that_ends(make, plan, store, log):
    first, second, third, fourth = list(plan.runs)[:4]
    make.finish(store, plan.runs[first].run)
    with RunDisplay(plan, store, log, quiet=False) as display:
        show(display, plan, done=[first])
        show(display, plan, done=[first], running=[second, third])
        make.finish(store, plan.runs[second].run, loss=2.5)
        show(display, plan, done=[first, second], running=[third])
        show(display, plan, done=[first, second], failed={third: "[bold]out of luck[/]"})
        show(display, plan, done=[first, second], failed={third: "[bold]out of luck[/]"})
    label = plan.runs[second].label
    assert written(log).splitlines() == [
        f"1 of {len(plan.runs)} runs are done already",
        f"[2/{len(plan.runs)}] {label}: 2.500 bits per byte, 1 kB seen",
        f"FAILED {plan.runs[third].label}: [bold]out of luck[/]",
    ]
    assert "\x1b" not in written(log)
    assert fourth not in written(log)


def test_a_log_says_what_went_otherwise_than_asked_for(make, plan, store, log):
    key = next(key for key, planned in plan.runs.items() if planned.run.numerics is not None)
    run = plan.runs[key].run
    with RunDisplay(plan, store, log, quiet=False) as display:
        show(display, plan, running=[key])
        numerics = msgspec.structs.replace(run.numerics, micro_batch=2)
        result = msgspec.structs.replace(make.result(run), changed_numerics=numerics)
        store.finish(result, make.environment)
        show(display, plan, done=[key])
    assert "seen; memory ran out: 2 instead of 16 sequences" in written(log)


def test_quiet_shows_nothing(make, plan, store, log, terminal):
    key = next(iter(plan.runs))
    make.finish(store, plan.runs[key].run)
    for console in (log, terminal):
        with RunDisplay(plan, store, console, quiet=True) as display:
            show(display, plan)
            show(display, plan, done=[key], failed={"x": "y"})
        with PrepareDisplay(console, quiet=True) as prepare:
            prepare("en", 10**6)
        assert written(console) == ""


def test_a_terminal_sees_what_is_at_work(plan, store, terminal, monkeypatch):
    key = next(key for key, planned in plan.runs.items() if planned.learner == NEURAL)
    monkeypatch.setattr("bytetransfer.cli.display.time.time", lambda: 101.0)
    store.show_progress(
        key,
        RunProgress(
            bytes_seen=2_000_000, expected_bytes=9_000_000, bits_per_byte=1.234, started=96.0,
            updated=100.0,
        ),
    )  # fmt: skip
    with RunDisplay(plan, store, terminal, quiet=False) as display:
        show(display, plan, running=[key])
    shown = written(terminal)
    assert f"0/{len(plan.runs)} runs" in shown
    assert "2 MB of at most 9 MB, 500 kB/s, 1.234 bits per byte" in " ".join(shown.split())


def test_time_left_is_estimated_learner_by_learner(make, plan, store, terminal):
    fast = [key for key, planned in plan.runs.items() if planned.learner == "ngram"]
    slow = [key for key, planned in plan.runs.items() if planned.learner == NEURAL]
    display = RunDisplay(plan, store, terminal, quiet=False)

    def finish(keys, seconds):
        for key in keys:
            store.request(plan.runs[key].run)
            environment = msgspec.structs.replace(make.environment, seconds=seconds)
            store.finish(make.result(plan.runs[key].run), environment)

    def left(**state):
        return display._time_left(State(total=len(plan.runs), **state))

    show(display, plan)
    finish(fast, 0.1)
    show(display, plan, done=fast)
    # nothing is known of the slow learner yet, and the fast one's pace says nothing of it
    assert left(done=frozenset(fast)) == ""
    finish(slow[:1], 3600.0)
    done = [*fast, slow[0]]
    show(display, plan, done=done)
    work = {key: plan.runs[key].cost.weight for key in slow}
    hours = sum(work[key] for key in slow[1:]) / work[slow[0]]
    assert left(done=frozenset(done)).startswith(f"about {int(hours)} h")
    two = left(done=frozenset(done), running=frozenset(slow[1:3]))
    assert two.startswith(f"about {int(hours / 2)} h")
    rest = frozenset(slow[2:])
    assert left(done=frozenset(done), failed={slow[1]: "x"}, blocked=rest) == ""


def test_preparing_is_said_once_a_corpus_in_a_log(log):
    with PrepareDisplay(log, quiet=False) as display:
        for count in (10, 20):
            display("en", count)
        display("cipher(en)", 5)
    assert written(log) == "preparing en\npreparing cipher(en)\n"


def test_status_says_what_is_wrong_by_name(make, plan, store, log):
    keys = list(plan.runs)
    neural = next(cell for cell in plan.cells if cell.learner == NEURAL)
    make.finish(store, plan.runs[neural.key].run, loss=7.0, stopped="budget")
    store.fail(keys[1], "out of [red]luck[/red]")
    rows = collect(plan, store, regime="converged").rows
    print_status(status(plan, store, rows, now=0.0), log, study="small.toml")
    shown = written(log)
    assert f"small: 1 of {len(plan.runs)} runs done" in shown
    assert f"failed   {plan.runs[keys[1]].label}: out of [red]luck[/red]" in shown
    assert "1 runs not converged:\n" in shown
    assert plan.runs[neural.key].label in shown


def test_a_stopped_study_is_said_to_be_stopped_and_how_to_go_on(make, plan, store, log):
    key = next(iter(plan.runs))
    progress = RunProgress(
        bytes_seen=600, expected_bytes=1000, bits_per_byte=None, started=0.0, updated=0.0
    )
    store.show_progress(key, progress)
    found = status(plan, store, [], now=60.0, is_locked=lambda: False)
    print_status(found, log, study="a/small.toml")
    assert f"  stopped  {plan.runs[key].label}: after 600 B of at most 1 kB\n" in written(log)
    assert written(log).endswith("not running; `bytetransfer run a/small.toml` goes on\n")


def test_a_log_says_how_long_is_left_from_the_first_run_on(make, plan, store, log):
    expected = forecast(plan, store, workers=2, speed=lambda *_: 100.0)
    key = next(iter(plan.runs))
    with RunDisplay(plan, store, log, quiet=False, workers=2, forecast=expected) as display:
        show(display, plan, running=[key])
        make.finish(store, plan.runs[key].run, loss=2.5)
        show(display, plan, done=[key])
    (line,) = written(log).splitlines()
    assert re.search(r"; about [1-9].* left$", line), line


def test_what_is_to_be_done_is_told_with_its_time_in_all(plan, store, log):
    print_cost(forecast(plan, store, workers=2, speed=lambda *_: 1e5), log, workers=2)
    lines = written(log).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["learner", "ngram", NEURAL]
    assert re.fullmatch(r"about \d.* in all, 2 runs at a time", lines[-1])


def test_a_forecast_fits_a_log_of_80_columns(make, plan, store, log):
    print_forecast(forecast(plan, store, workers=1, speed=lambda *_: 1e5), log)
    lines = written(log).splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["learner", "ngram", NEURAL]
    assert lines[1].split()[-2:] == ["50", "s"]
    assert max(map(len, lines)) <= 80
    assert "…" not in written(log)


def test_a_time_that_was_not_measured_is_no_number(make, plan, store, log):
    print_forecast(forecast(plan, store, workers=1, speed=None), log)
    assert written(log).splitlines()[1].split()[-1] == "-"


def test_corpora_are_listed_with_what_they_hold(make, log):
    print_corpora({"en": make.card("en"), "[x]": make.card("x", 2_500_000)}, log)
    assert "2.5 MB" in written(log)
    assert "[x]" in written(log)
