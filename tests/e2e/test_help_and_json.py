"""What scripts rest on: the options that help names, and the keys of all that `--json` prints."""

from __future__ import annotations

import json
import re
from typing import Any

import click
import pytest
from click.testing import CliRunner

from bytetransfer.cli import main as commands
from bytetransfer.cli.main import main

OPTIONS = {
    "demo": "--folder --workers --quiet",
    "prepare": "--store --quiet",
    "plan": "--store --workers --request",
    "run": "--source --target --store --workers --ranks --quiet",
    "status": "--store",
    "estimate": "--store --method --extrapolate --confidence --out --laws",
    "analyse": "--store --close --distances --factor --noise --parameters",
    "report": "--store --live --port",
    "figures": "--store --out --format",
    "published": "--out",
}
CORPUS = "digest kind language aligned group train validation test"
ESTIMATE = (
    "source target learner method pretrain_bytes finetune_bytes nominal_bytes status "
    "effective_bytes effective_low effective_high transfer_bytes transfer_low transfer_high "
    "transfer_fraction transfer_fraction_low transfer_fraction_high interval seeds replicates "
    "bits_per_byte not_converged below_surface runs reason"
)
# Of a list, the keys of each of its entries.
KEYS = {
    ("prepare", "study.toml"): "en fi ru",
    ("plan", "study.toml"): "study learners seconds notes",
    ("run", "study.toml", "--workers", "1"): ESTIMATE,
    ("status", "study.toml"): "study total done running failed not_converged below_surface "
    "unprepared stage unverified",
    ("estimate", "study.toml"): ESTIMATE,
    ("estimate", "results/tiny/measurements.csv"): ESTIMATE,
    ("analyse", "study.toml", "scaling"): "name title text tables",
    ("analyse", "results/tiny/measurements.csv", "scaling"): "name title text tables",
    ("report", "study.toml"): "report",
    ("figures", "study.toml", "--format", "svg"): "files",
    ("published",): "cells counts counts_by_finetune_bytes spreads",
}


def command(name: str) -> click.Command:
    return main.commands[name]


def help_of(name: str) -> str:
    result = CliRunner().invoke(main, [name, "--help"], terminal_width=1000)
    assert result.exit_code == 0
    return result.output


def test_no_command_is_left_out() -> None:
    assert set(OPTIONS) == set(main.commands)
    assert {call[0] for call in KEYS} == set(OPTIONS) - {"demo"}  # which is `run` of its own study


@pytest.mark.parametrize("name", OPTIONS)
def test_help_names_and_explains_every_option(name: str) -> None:
    output = help_of(name)
    told = set(re.findall(r"^ +(?:-\w, )?(--[a-z-]+)", output, re.MULTILINE))
    assert told >= {*OPTIONS[name].split(), "--json", "--help"}
    options = [one for one in command(name).params if isinstance(one, click.Option)]
    assert {option.opts[-1] for option in options} <= told
    for option in options:
        assert len((option.help or "").split()) >= 2, option.opts
        assert str(option.help).split("  [")[0] in output, option.opts


@pytest.mark.parametrize("call", KEYS, ids=" ".join)
def test_json_parses_and_has_its_keys(call: tuple[str, ...], finished_place: Any) -> None:
    result = finished_place.call(*call, "--json")
    assert result.exit_code == 0, result.output
    printed = json.loads(result.stdout)
    entries = printed if isinstance(printed, list) else [printed]
    assert entries
    for entry in entries:
        assert set(KEYS[call].split()) <= set(entry)
    if call[0] == "prepare":
        assert all(set(CORPUS.split()) <= set(card) for card in printed.values())


def test_json_of_requests_is_each_run_by_its_key(place: Any) -> None:
    assert place.call("prepare", "study.toml").exit_code == 0
    requests = json.loads(place.call("plan", "study.toml", "--request", "--json").stdout)
    assert len(requests) == 20
    assert all(re.fullmatch("[0-9a-f]{32,64}", key) for key in requests)


def test_json_of_the_demo_is_that_of_a_run(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo trains for minutes: that it hands its study and `--json` to `run` is looked at."""
    asked: list[tuple[Any, dict[str, Any]]] = []
    monkeypatch.setattr(commands, "_run", lambda path, **options: asked.append((path, options)))
    result = CliRunner().invoke(main, ["demo", "--folder", str(tmp_path / "demo"), "--json"])
    assert (result.exit_code, result.stdout) == (0, "")
    ((path, options),) = asked
    assert path.is_file()
    assert options["as_json"] is True
