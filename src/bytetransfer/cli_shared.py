"""What the commands share: arguments, options, one message for what the user can put right."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from bytetransfer.errors import RunFailedError, UserError

STUDY = click.argument("study", type=click.Path(path_type=Path))
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


def settle() -> None:
    """What every command sets before it loads numpy.

    Estimates and analyses multiply thousands of small matrices, for which the threads of OpenBLAS
    would only wait for each other at full speed; workers that train are told their own number. And
    hundreds of thousands of rows live to the end, so to look through them for cycles as often as
    Python does takes a seventh of a large report.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    gc.set_threshold(100_000)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Give what the user can put right one message and exit code 2; a bug keeps its traceback."""

    @wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except UserError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(2)
        except RunFailedError as error:
            click.echo(f"error: {error}", err=True)
            sys.exit(1)
        except KeyboardInterrupt:
            click.echo("stopped; the same command goes on from here", err=True)
            sys.exit(130)

    return guarded


def print_value(value: Any, as_json: bool, show: Callable[[Console], None]) -> None:
    """Print JSON for machines, or what people read."""
    if as_json:
        click.echo(msgspec.json.encode(value).decode())
    else:
        show(Console())
