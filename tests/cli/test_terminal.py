"""What is printed where it cannot be printed as it is."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bytetransfer.cli.main import main
from bytetransfer.cli.terminal import console, prepare_streams, say

HOSTILE = "es\x1b[2J\x9b1m\u202elave"


def table(folder: Path, source: str = "español") -> Path:
    rows = [f"scratch,fi,{size},{4 - place}" for place, size in enumerate((1000, 9000, 90000))]
    path = folder / "losses.csv"
    path.write_text("\n".join(["source,target,bytes,perplexity", *rows, f"{source},fi,1000,3.5\n"]))
    return path


def run(*arguments: str | Path, encoding: str = "utf-8", **streams: Any) -> Any:
    return subprocess.run(
        [sys.executable, "-m", "bytetransfer", *map(str, arguments)],
        env=os.environ | {"PYTHONIOENCODING": encoding},
        **({"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams),
    )


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ascii", "utf-16"])
def test_any_encoding_of_the_output_shows_everything_somehow(encoding: str, tmp_path: Path) -> None:
    path = table(tmp_path, "español–Ω")
    for arguments in (("estimate", path), ("analyse", path, "scaling"), ("analyse", path)):
        done = run(*arguments, encoding=encoding)
        assert (done.returncode, done.stderr) == (0, b"")
    done = run("estimate", path, encoding=encoding)
    shown = done.stdout.decode(encoding)
    assert ("español" if encoding != "ascii" else r"espa\xf1ol") in shown
    assert (r"\u03a9" if encoding != "utf-16" else "Ω") in shown
    told = json.loads(run("estimate", path, "--json", encoding=encoding).stdout.decode(encoding))
    assert told[0]["source"] == "español–Ω"


@pytest.mark.slow
def test_standard_output_on_a_full_disk_is_one_message(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    path = table(tmp_path)
    calls = ("estimate", path), ("estimate", path, "--json"), ("estimate", "-h"), ("--version",)
    for arguments in calls:
        with Path("/dev/full").open("w") as full:
            done = run(*arguments, stdout=full)
        told = done.stderr.decode()
        assert done.returncode == 2
        assert told.startswith("error: standard output")
        assert "No space left on device" in told
        assert told.count("\n") == 1
        with Path("/dev/full").open("w") as full:
            assert run(*arguments, stderr=full).returncode == 0


@pytest.mark.slow
def test_a_reader_that_has_enough_ends_the_program_in_silence(tmp_path: Path) -> None:
    path = table(tmp_path)
    for arguments in (("estimate", path), ("estimate", path, "--json"), ("-h",), ("plan", "-h")):
        read, write = os.pipe()
        os.close(read)
        with os.fdopen(write, "w") as closed:
            done = run(*arguments, stdout=closed)
        assert (done.returncode, done.stderr) == (141, b"")


def test_closed_streams_take_nothing_from_files(tmp_path: Path) -> None:
    """A file that were opened as number 2 would get what workers and libraries say."""
    script = f"""
import os, sys
for number in (1, 2):
    os.close(number)
sys.stdout = sys.stderr = None
from bytetransfer.cli.terminal import prepare_streams, say, console
prepare_streams()
file = open({str(tmp_path / "data")!r}, "wb")
assert file.fileno() > 2
say("nobody hears this", err=True)
console().print("nor this")
os.write(2, b"nor this")
"""
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
    assert (tmp_path / "data").read_bytes() == b""


class _Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_names_in_tables_and_on_live_displays_are_not_obeyed(monkeypatch: Any) -> None:
    screen = _Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    shown = console()
    rows = Table()
    rows.add_column(Text(HOSTILE))
    rows.add_row(Text(HOSTILE, style="bold red"))
    shown.print(rows)
    shown.print(Text(HOSTILE), soft_wrap=True)
    with Live(Text(HOSTILE), console=shown):
        pass
    say(HOSTILE)
    written = screen.getvalue()
    assert "\x1b[2J" not in written
    assert not {"\x9b", "\u202e"} & set(written)
    assert written.count(r"\x1b[2J\x9b1m\u202elave") >= 4


@pytest.mark.parametrize(
    "arguments",
    [
        ("estimate", f"{HOSTILE}.csv"),
        ("run", f"{HOSTILE}.toml"),
        (HOSTILE,),
        ("run", f"--{HOSTILE}"),
        ("analyse", "published", HOSTILE),
        ("analyse", "published", "--close", HOSTILE),
    ],
    ids=lambda arguments: arguments[0].partition("\x1b")[0],
)
def test_errors_show_arguments_and_obey_none(arguments: tuple[str, ...]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert r"\x1b[2J\x9b1m\u202elave" in result.stderr
    assert not {"\x1b", "\x9b", "\u202e"} & set(result.stderr)


def test_columns_and_names_of_a_table_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    path.write_text(f"source,{HOSTILE},bytes\n")
    result = CliRunner().invoke(main, ["estimate", str(path)])
    assert result.exit_code == 2
    assert "lave" in result.stderr
    assert not {"\x1b", "\x9b", "\u202e"} & set(result.stderr)
    for name in ("estimate", "analyse"):
        result = CliRunner().invoke(main, [name, str(table(tmp_path, HOSTILE))])
        assert result.exit_code == 0
        assert not {"\x1b", "\x9b", "\u202e"} & set(result.output)
    result = CliRunner().invoke(main, ["estimate", str(table(tmp_path, HOSTILE)), "--json"])
    assert json.loads(result.output)[0]["source"] == HOSTILE
    assert not {"\x1b", "\x9b", "\u202e"} & set(result.output)


def test_preparing_streams_twice_changes_nothing(monkeypatch) -> None:
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    prepare_streams()
    before = [(stream.encoding, stream.errors) for stream in streams]
    print("é", file=streams[0])
    prepare_streams()
    print("é", file=streams[0], flush=True)
    assert [(stream.encoding, stream.errors) for stream in streams] == before
    first, second = streams[0].buffer.getvalue().splitlines()
    assert first == second != b""
