"""Every command, as its user types it."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bytetransfer.cli.main import main
from bytetransfer.measurements.file import parse_measurements
from bytetransfer.runs.worker import main_of_one
from bytetransfer.study.file import read_study

COMMANDS = ("demo", "prepare", "plan", "run", "status", "estimate", "report", "figures")
RUN = ("run", "study.toml", "--workers", "1")
LONG = "a-corpus-with-a-long-name"


def ok(result: Any) -> Any:
    assert result.exit_code == 0, result.output
    assert "Traceback" not in result.output
    return result


# ── the program ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_names_every_command(flag: str) -> None:
    output = ok(CliRunner().invoke(main, [flag])).output
    assert all(f"\n  {command} " in output for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_says_what_it_is_for(command: str) -> None:
    output = ok(CliRunner().invoke(main, [command, "-h"])).output
    usage, what, *_ = output.split("\n\n")
    assert usage.startswith("Usage:")
    assert command in usage
    assert len(what.strip()) > 20
    assert "--json" in output


def test_requests_are_for_whoever_does_them(place: Any) -> None:
    asked = place.call("plan", "study.toml", "--request")
    assert asked.exit_code == 2
    assert "bytetransfer prepare" in asked.stderr
    ok(place.call("prepare", "study.toml"))
    keys = list(json.loads(ok(place.call("plan", "study.toml", "--request", "--json")).output))
    store = place.folder / ".bytetransfer"
    assert sorted(path.parent.name for path in store.glob("runs/*/run.json")) == sorted(keys)
    assert len(keys) == 20
    assert main_of_one(store, keys[0]) == 0
    again = ok(place.call("plan", "study.toml", "--request")).output
    assert keys[0] not in again
    assert all(f"{key}  ngram: " in again for key in keys[1:])
    assert "python -m bytetransfer.runs.worker .bytetransfer KEY" in again


@pytest.mark.parametrize(
    "arguments",
    [["train"], ["run", "--seeds", "3"], ["plan"], ["run"], ["run", "--workers", "0", "x.toml"],
     ["run", "study.toml", "--source", "en=en.txt"], ["run", "--source", "en=en.txt"],
     ["run", "study.toml", "--learner", "ngram"], ["run", "--learner", "ngram"]],
    ids=" ".join,
)  # fmt: skip
def test_a_wrong_call_is_told_the_usage(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "Usage:" in result.stderr
    assert "Error: " in result.stderr


def test_the_program_runs_as_a_module(place: Any) -> None:
    ended = place.ran("--version")
    assert ended.returncode == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", ended.stdout)
    assert place.ran("train").returncode == 2


# ── prepare, plan, run ───────────────────────────────────────────────────────────────────────────


def test_prepare_says_what_there_is_and_does_it_once(place: Any) -> None:
    first = ok(place.call("prepare", "study.toml"))
    assert re.search(r"^fi +\d+\.\d kB +\d", first.stdout, re.MULTILINE)
    assert "preparing fi" in first.stderr
    again = ok(place.call("prepare", "study.toml"))
    assert again.stdout == first.stdout
    assert again.stderr == ""
    cards = json.loads(ok(place.call("prepare", "study.toml", "--json")).stdout)
    assert list(cards) == ["en", "ru", "fi"]
    size = (place.folder / "fi.txt").stat().st_size
    assert cards["fi"]["bytes_read"] == size - 700  # line ends are not counted


def test_plan_trains_nothing(place: Any) -> None:
    plan = ok(place.call("plan", "study.toml"))
    assert "Not prepared: en, ru, fi (never prepared)." in plan.stdout
    assert not (place.folder / ".bytetransfer").exists()
    ok(place.call("prepare", "study.toml"))
    forecast = json.loads(ok(place.call("plan", "study.toml", "--json")).stdout)
    (surface,) = forecast["learners"]
    assert (surface["runs"], surface["reused"]) == (20, 0)
    # 4 pretrainings of 15 kB, 8 fine-tunings of 4 kB a pair, 2 ladders of 34 kB
    assert surface["expected_bytes"] == 4 * 15_000 + 4 * 4_000 + 2 * 34_000
    assert surface["seconds"] > 0
    assert not place.finished()
    assert not (place.folder / "results").exists()


def test_plan_says_what_is_reused_and_why_not(finished_place: Any) -> None:
    assert "0 of 20" in ok(finished_place.call("plan", "study.toml")).stdout
    finished_place.change('pretrain_bytes = "15kB"', 'pretrain_bytes = "12kB"')
    forecast = json.loads(ok(finished_place.call("plan", "study.toml", "--json")).stdout)
    assert forecast["learners"][0]["reused"] == 8  # from scratch
    assert any("sample.nominal_bytes is 12000, was 15000" in note for note in forecast["notes"])


def test_a_finished_study_does_nothing(
    finished_place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, results = finished_place.finish_times(), finished_place.results()
    monkeypatch.setattr("bytetransfer.runs.local._Worker._start", None)  # no worker begins
    again = ok(finished_place.call(*RUN))
    assert "20 of 20 runs are done already" in again.stderr
    assert finished_place.finish_times() == before
    assert finished_place.results() == results


def test_one_more_size_does_what_is_missing(finished_place: Any) -> None:
    before = finished_place.finish_times()
    finished_place.change('["1kB", "3kB"]', '["1kB", "2kB", "3kB"]')
    assert "[24/24]" in ok(finished_place.call(*RUN)).stderr
    after = finished_place.finish_times()
    assert len(after) == 24
    assert before.items() < after.items()


def test_changed_text_is_prepared_and_trained_on_again(finished_place: Any) -> None:
    before = finished_place.finish_times()
    rows = _rows(finished_place)
    with (finished_place.folder / "fi.txt").open("a", encoding="utf-8") as text:
        text.write("a line that was not there before\n")
    assert "preparing fi" in ok(finished_place.call(*RUN)).stderr
    changed = _rows(finished_place)
    assert len(changed) == len(rows)
    assert not {row.run for row in rows} & {row.run for row in changed}
    assert len(finished_place.finish_times()) == len(before) + 16  # not the 4 pretrainings


def _rows(place: Any) -> Any:
    text = place.results()["measurements.csv"].decode()
    return parse_measurements(text, where="measurements.csv").rows


def test_files_on_the_command_line_become_a_study(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bytetransfer.study import quickstart as improvise

    written = improvise.study_text
    monkeypatch.setattr(improvise, "installed_learners", lambda: ["ngram"])
    monkeypatch.setattr(
        improvise, "study_text", lambda *given: written(*given).replace("= 3\n", "= 1\n")
    )
    arguments = ("run", "--source", "en=en.txt", "--source", "ru=ru.txt", "--target", "fi=f*.txt")
    result = ok(place.call(*arguments, "--workers", "1"))
    path = place.folder / "en-ru-to-fi.toml"
    assert str(path) in result.stderr
    study = read_study(path)
    assert (study.sources, study.targets) == (("en", "ru"), ("fi",))
    assert "report: results/en-ru-to-fi/report.html" in result.stdout
    # the very same command again goes on; another one does not overwrite what was edited
    assert "are done already" in ok(place.call(*arguments)).stderr
    place.write(path.name, path.read_text(encoding="utf-8").replace("seeds = 1", "seeds = 2"))
    refused = place.call(*arguments)
    assert refused.exit_code == 2
    assert "says something else" in refused.stderr
    assert read_study(path).seeds == 2


def test_a_learner_is_named_beside_files_and_not_beside_a_study(place: Any) -> None:
    before = (place.folder / "study.toml").read_bytes()
    refused = place.call("run", "study.toml", "--learner", "ngram", "--learner", "transformer/nano")
    assert refused.exit_code == 2
    said = 'write learners = ["ngram", "transformer/nano"] in study.toml'
    assert said in " ".join(refused.stderr.split())
    assert (place.folder / "study.toml").read_bytes() == before
    ok(place.call("run", "--source", "en=en.txt", "--target", "fi=fi.txt", "--learner", "ngram"))
    assert read_study(place.folder / "en-to-fi.toml").learners == ("ngram",)


def test_what_a_study_takes_is_told_before_it_is_run(place: Any) -> None:
    first = ok(place.call(*RUN)).stderr
    assert re.search(r"^ngram +20 of 20 .* s$", first, re.MULTILINE)
    assert first.index(" in all, one run at a time") < first.index("[1/20] ")
    again = ok(place.call(*RUN)).stderr
    assert "runs to do" not in again
    assert ok(place.call(*RUN, "--quiet")).stderr == ""


@pytest.mark.parametrize(
    "bad", ["fi", "fi=", "=fi.txt", "f i=fi.txt", "fi=none.txt", "fi=tiny.txt"]
)
def test_files_on_the_command_line_that_make_no_study(place: Any, bad: str) -> None:
    place.write("tiny.txt", "a line\n" * 50)
    result = place.call("run", "--source", "en=en.txt", "--target", bad)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert not list(place.folder.glob("*-to-*"))


# ── status, estimate, report ─────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_status_before_while_and_after(place: Any, waited: Callable[..., None]) -> None:
    place.change("seeds = 2", "seeds = 6")
    before = ok(place.call("status", "study.toml")).stdout
    assert "tiny: 0 of 60 runs done" in before
    assert "Not prepared: en, ru, fi (never prepared)." in before
    running = place.start(*RUN)
    waited(lambda: len(place.finished()) > 2)
    while running.poll() is None:
        status = json.loads(ok(place.call("status", "study.toml", "--json")).stdout)
        assert 0 < status["done"] <= status["total"] == 60
        assert status["failed"] == {}
    running.communicate()
    assert "tiny: 60 of 60 runs done" in ok(place.call("status", "study.toml")).stdout


def test_status_names_what_failed(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(place.folder / "failing"))
    place.write("failing/sitecustomize.py", FAILING)
    result = place.call(*RUN)
    assert result.exit_code == 1
    assert "2 runs failed, 4 wait for them" in result.stderr
    assert "failure.txt" in result.stderr
    status = json.loads(ok(place.call("status", "study.toml", "--json")).stdout)
    assert status["done"] == 14
    assert set(status["failed"].values()) == {"ZeroDivisionError: as this test wants it"}
    monkeypatch.undo()
    assert ok(place.call(*RUN)).exit_code == 0
    assert json.loads(place.call("status", "study.toml", "--json").stdout)["failed"] == {}


FAILING = """\
import sys

if "bytetransfer.runs.worker" in sys.orig_argv:
    from bytetransfer.learners.ngram import Ngram

    real = Ngram.save
    calls = []

    def save(self, state, folder):
        calls.append(folder)
        if len(calls) in (1, 3):
            raise ZeroDivisionError("as this test wants it")
        real(self, state, folder)

    Ngram.save = save
"""


def test_estimates_of_a_study_and_of_its_rows_agree(finished_place: Any) -> None:
    table = ok(finished_place.call("estimate", "study.toml")).stdout
    assert "D_T" in table
    assert "results/tiny/estimates.csv" in table
    of_study = json.loads(ok(finished_place.call("estimate", "study.toml", "--json")).stdout)
    rows = "results/tiny/measurements.csv"
    assert json.loads(ok(finished_place.call("estimate", rows, "--json")).stdout) == of_study
    alone = shutil.copy(finished_place.folder / rows, finished_place.folder / "alone.csv")
    assert "seeds" in ok(finished_place.call("estimate", Path(alone).name)).stdout


def test_estimates_of_a_study_that_has_not_begun(place: Any) -> None:
    result = place.call("estimate", "study.toml")
    assert result.exit_code in (0, 2)
    assert "Traceback" not in result.output
    assert "Traceback" not in place.call("report", "study.toml").output


def test_the_report_is_one_file_that_needs_no_other(finished_place: Any) -> None:
    page = finished_place.folder / "results/tiny/report.html"
    written = page.read_text(encoding="utf-8")
    page.unlink()
    assert (
        "report: results/tiny/report.html" in ok(finished_place.call("report", "study.toml")).stdout
    )
    assert page.read_text(encoding="utf-8") == written
    assert json.loads(ok(finished_place.call("report", "study.toml", "--json")).stdout)
    outside = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?(?!#|data:)([^"'\s>)]+)""", written)
    assert not [link for link in outside if not link.startswith("https://arxiv.org")], outside
    assert "<script src" not in written


# ── the demo ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_the_demo_study_can_be_planned(place: Any) -> None:
    from bytetransfer.study.demo import write_demo

    path = write_demo(place.folder / "demo")
    assert read_study(path).learners[0] == "ngram"
    forecast = json.loads(ok(place.call("plan", str(path), "--json")).stdout)
    pretrained, tuned, scratch = 5, 5 * 2, 6
    runs = {row["learner"]: row["runs"] for row in forecast["learners"]}
    assert runs == dict.fromkeys(("ngram", "transformer/nano"), pretrained + tuned + scratch)


@pytest.mark.slow
def test_the_demo_without_torch(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bytetransfer.learners.catalog.util.find_spec", lambda name: None)
    result = ok(place.call("demo", "--folder", "here"))
    assert read_study(place.folder / "here/demo.toml").learners == ("ngram",)
    assert "D_T" in result.stdout
    worth = [
        (row["source"], row["transfer_bytes"])
        for row in json.loads(ok(place.call("estimate", "here/demo.toml", "--json")).stdout)
        if row["nominal_bytes"] == 10_000
    ]
    order = [source for source, _ in sorted(worth, key=lambda one: -one[1])]
    assert order == ["fr", "en", "fi", "cipher(en)", "nonsense"], worth
    assert "report: here/results/demo/report.html" in result.stdout
    assert "bytetransfer run --source" in result.stdout
    assert (place.folder / "here/results/demo/report.html").exists()


# ── without a terminal ───────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_logs_read_well(place: Any, is_neat: Callable[[str], None]) -> None:
    text = (place.folder / "study.toml").read_text(encoding="utf-8")
    place.write("study.toml", re.sub(r"\bru\b(?!\.txt)", LONG, text))
    process = place.ran(*RUN)
    assert process.returncode == 0, process.stderr
    is_neat(process.stdout)
    is_neat(process.stderr)
    lines = process.stderr.splitlines()
    assert lines[:3] == ["preparing en", f"preparing {LONG}", "preparing fi"]
    told = r"(; about .* left)?"
    assert [line.split()[0] for line in lines[3:6]] == ["learner", "ngram", "about"]
    assert all(
        re.match(rf"\[\d+/20\] ngram: .* bits per byte, .* seen{told}$", line) for line in lines[6:]
    )
    for command in ("prepare", "plan", "status"):
        output = ok(place.call(command, "study.toml")).stdout
        is_neat(output)
        assert "…" not in output, "nothing is cut off"
        assert (LONG in output) == (command == "prepare")


@pytest.mark.parametrize("command", ["prepare", "plan", "run", "status", "estimate", "report"])
def test_json_is_all_there_is_on_standard_output(finished_place: Any, command: str) -> None:
    result = ok(finished_place.call(command, "study.toml", "--json"))
    json.loads(result.stdout)
    assert result.stderr == ""


def test_what_slows_training_on_this_machine_is_said_once(
    place: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    numerics = pytest.importorskip("bytetransfer.learners.transformer.numerics")
    pytest.importorskip("torch")
    monkeypatch.setattr(numerics, "_multiplies_bf16", lambda *_: False)
    monkeypatch.setattr(numerics, "has_compiler", lambda: False)
    (place.folder / "fi.txt").unlink()  # so that it ends before anything is trained
    assert "slower" not in place.call("run", "study.toml").stderr
    place.change('["ngram"]', '["ngram", "transformer/nano"]')
    told = place.call("run", "study.toml").stderr
    assert (told.count("float32"), told.count("C++")) == (1, 1)
