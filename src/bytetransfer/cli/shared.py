"""What the commands share: arguments, options, one message for what the user can put right."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from bytetransfer.cli.terminal import (
    ReaderGoneError,
    console,
    drop_output,
    prepare_streams,
    say,
    say_json,
)
from bytetransfer.errors import RunFailedError, UserError
from bytetransfer.readable import readable

STUDY = click.argument("study", type=click.Path(path_type=Path))
RESULTS = click.argument("file", metavar="STUDY.toml|TABLE|FOLDER", type=click.Path(path_type=Path))
STORE = click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="Folder of corpora and runs  [default: .bytetransfer beside the study file]",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
QUIET = click.option("--quiet", is_flag=True, help="No progress.")
WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Runs at a time  [default: cores / threads of the study, or the number of GPUs]",
)
RANKS = click.option(
    "--ranks",
    type=click.IntRange(min=1),
    default=1,
    help="Processes, one per device, that share each run of a transformer  [default: 1]",
)

_READER_GONE = 128 + signal.SIGPIPE  # what a shell gives for a program that the signal ended


@contextlib.contextmanager
def _readable_usage() -> Iterator[None]:
    """What is said of wrong arguments shows them without obeying them."""
    try:
        yield
    except click.UsageError as error:
        message = error.format_message()
        if readable(message, keep="\n") == message:
            raise
        raise click.UsageError(readable(message, keep="\n"), ctx=error.ctx) from None


@contextlib.contextmanager
def _parsing() -> Iterator[None]:
    """While click reads arguments, or prints help that may not fit where it is to go."""
    try:
        with _readable_usage():
            yield
    except OSError as error:
        drop_output()
        if isinstance(error, BrokenPipeError):
            sys.exit(_READER_GONE)
        say(f"error: standard output cannot be written to ({error.strerror})", err=True)
        sys.exit(2)


class Command(click.Command):
    """A command; its arguments are parsed here."""

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Parse the arguments, or print the help."""
        with _parsing():
            return super().make_context(*args, **options)


class Commands(click.Group):
    """The commands."""

    command_class = Command

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Parse what stands before the command, or print the help."""
        with _parsing():
            return super().make_context(*args, **options)

    def resolve_command(self, *args: Any) -> Any:
        """Find the command."""
        with _parsing():
            return super().resolve_command(*args)


def settle() -> None:
    """What every command sets before it loads numpy.

    Estimates and analyses multiply thousands of small matrices, for which the threads of OpenBLAS
    would only wait for each other at full speed; workers that train are told their own number. And
    hundreds of thousands of rows live to the end, so to look through them for cycles as often as
    Python does takes a seventh of a large report.
    """
    prepare_streams()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(100_000)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Give what the user can put right one message and exit code 2; a bug keeps its traceback."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            with _readable_usage():
                command(*args, **kwargs)
        except UserError as error:
            say(f"error: {error}", err=True)
            sys.exit(2)
        except RunFailedError as error:
            say(f"error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            say("stopped; the same command goes on from here", err=True)
            sys.exit(130)
        except ReaderGoneError:
            sys.exit(_READER_GONE)

    return guarded


def say_note(note: str) -> None:
    """Say what the user should know of results before they are shown; most often nothing."""
    if note:
        say(note, err=True)


def print_value(value: Any, as_json: bool, show: Callable[[Console], None]) -> None:
    """Print JSON for machines, or what people read."""
    if as_json:
        say_json(msgspec.json.encode(value).decode())
    else:
        show(console())
