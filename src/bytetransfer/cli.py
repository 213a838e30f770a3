"""The command line: parse, call, print; nothing else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib import metadata
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console

from bytetransfer.errors import RunFailedError, UserError

_STUDY = click.argument("study", type=click.Path(path_type=Path))
_STORE = click.option(
    "--store",
    type=click.Path(path_type=Path),
    help="Folder of corpora and runs  [default: .bytetransfer beside the study file]",
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
_QUIET = click.option("--quiet", is_flag=True, help="No progress.")
_WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Runs at a time  [default: cores / threads of the study; 1 on a GPU]",
)


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(metadata.version("bytetransfer"), message="%(version)s")
def main() -> None:
    """How many bytes of the target language is pretraining on another one worth?

    A study file says what is compared with what; see examples/. Begin with: bytetransfer demo
    """


@main.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where the demo's study, store and results go.",
)
@_WORKERS
@_JSON
@_QUIET
@_guarded
def demo(folder: Path, workers: int | None, as_json: bool, quiet: bool) -> None:
    """A whole study on artificial languages: offline, in under three minutes."""
    from bytetransfer.demo import write_demo

    path = write_demo(folder)
    _run(path, None, workers=workers, as_json=as_json, quiet=quiet)
    if not as_json:
        click.echo(
            "\nYour own text next:\n"
            "  bytetransfer run --source en='english/*.txt' --target fi=finnish.txt\n"
            f"or copy {path}, change it, and: bytetransfer run my-study.toml"
        )


@main.command()
@_STUDY
@_STORE
@_JSON
@_QUIET
@_guarded
def prepare(study: Path, store: Path | None, as_json: bool, quiet: bool) -> None:
    """Read, de-duplicate, shuffle and split the study's text."""
    from bytetransfer.display import PrepareDisplay, print_corpora
    from bytetransfer.project import Project

    project = Project.open(study, store=store)
    with PrepareDisplay(Console(stderr=True), quiet=quiet or as_json) as display:
        corpora = project.prepare(display)
    cards = {name: corpus.card for name, corpus in corpora.items()}
    _print(cards, as_json, lambda console: print_corpora(cards, console))


@main.command()
@_STUDY
@_STORE
@_WORKERS
@_JSON
@_guarded
def plan(study: Path, store: Path | None, workers: int | None, as_json: bool) -> None:
    """What the study would take, what is there already, and why something is not reused."""
    from bytetransfer.display import print_forecast
    from bytetransfer.project import Project

    project = Project.open(study, store=store)
    planned = project.plan()
    forecast = project.forecast(planned, workers=workers or project.default_workers(planned))
    _print(forecast, as_json, lambda console: print_forecast(forecast, console))


@main.command()
@click.argument("study", type=click.Path(path_type=Path), required=False)
@click.option(
    "--source", "sources", multiple=True, metavar="NAME=FILES", help="Text to start from."
)
@click.option("--target", "targets", multiple=True, metavar="NAME=FILES", help="Text to learn.")
@_STORE
@_WORKERS
@_JSON
@_QUIET
@_guarded
def run(
    study: Path | None,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    store: Path | None,
    workers: int | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Do what is missing of a study; stop it with Ctrl-C and start it again at will.

    With --source and --target instead of a study file, the study file they stand for is written
    first.
    """
    if study is None or sources or targets:
        from bytetransfer.improvise import write_study

        if study is not None or not sources or not targets:
            raise click.UsageError("give either a study file, or --source and --target")
        study = write_study(sources, targets, Path.cwd())
        click.echo(f"wrote {study}: the study these files stand for; edit it as you like", err=True)
    _run(study, store, workers=workers, as_json=as_json, quiet=quiet)


@main.command()
@_STUDY
@_STORE
@_JSON
@_guarded
def status(study: Path, store: Path | None, as_json: bool) -> None:
    """How far a study is, also while it runs in another terminal."""
    from bytetransfer.display import print_status
    from bytetransfer.project import Project

    project = Project.open(study, store=store)
    found = project.status(project.plan())
    _print(found, as_json, lambda console: print_status(found, console))


@main.command()
@click.argument("study", type=click.Path(path_type=Path))
@_STORE
@_JSON
@_guarded
def estimate(study: Path, store: Path | None, as_json: bool) -> None:
    """D_E and D_T of a study file's finished runs, or of a CSV of losses."""
    from bytetransfer.project import Project, estimate_csv
    from bytetransfer.report import print_estimates

    if study.suffix == ".csv":
        estimates = estimate_csv(study)
    else:
        project = Project.open(study, store=store)
        measurements = project.finished(project.plan())
        estimates = project.estimates(measurements)
        files = project.write_estimates(measurements, estimates)
    if as_json:
        click.echo(estimates.to_json())
        return
    print_estimates(estimates, Console())
    if study.suffix != ".csv":
        click.echo(f"written: {', '.join(os.path.relpath(file) for file in files)}")


@main.command()
@_STUDY
@_STORE
@_JSON
@_guarded
def report(study: Path, store: Path | None, as_json: bool) -> None:
    """Write the report of the study's finished runs: one HTML file that works offline."""
    from bytetransfer.project import Project

    project = Project.open(study, store=store)
    planned = project.plan()
    measurements = project.finished(planned)
    path = project.write_report(planned, measurements, project.estimates(measurements))
    _print({"report": str(path)}, as_json, lambda console: click.echo(f"report: {path}"))


def _run(
    path: Path, store: Path | None, *, workers: int | None, as_json: bool, quiet: bool
) -> None:
    """Prepare, run, estimate and report."""
    from bytetransfer.display import PrepareDisplay, RunDisplay
    from bytetransfer.project import Project, failure_message
    from bytetransfer.report import print_estimates

    project = Project.open(path, store=store)
    quiet = quiet or as_json
    with PrepareDisplay(Console(stderr=True), quiet=quiet) as display:
        corpora = project.prepare(display)
    planned = project.plan(corpora)
    workers = workers or project.default_workers(planned)
    with RunDisplay(planned, project.store, Console(stderr=True), quiet=quiet) as display:
        state = project.run(planned, workers=workers, watch=display)
    measurements = project.measurements(planned)
    estimates = project.estimates(measurements)
    project.write_estimates(measurements, estimates)
    page = project.write_report(planned, measurements, estimates)
    if as_json:
        click.echo(estimates.to_json())
    else:
        print_estimates(estimates, Console())
        click.echo(f"report: {os.path.relpath(page)}")
    if state.failed:
        raise RunFailedError(failure_message(planned, state, project.store))


def _print(value: Any, as_json: bool, show: Callable[[Console], None]) -> None:
    if as_json:
        click.echo(msgspec.json.encode(value).decode())
    else:
        show(Console())
