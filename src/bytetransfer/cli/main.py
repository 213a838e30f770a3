"""The command line: parse, call, print; nothing else."""

from __future__ import annotations

import os
from importlib import metadata
from pathlib import Path
from typing import Any

import click

from bytetransfer.cli.analyse import analyse, published
from bytetransfer.cli.report import figures, report
from bytetransfer.cli.shared import (
    JSON,
    QUIET,
    RANKS,
    RESULTS,
    STORE,
    STUDY,
    WORKERS,
    Commands,
    guarded,
    print_value,
    say_note,
    settle,
)
from bytetransfer.cli.terminal import console, say, say_json
from bytetransfer.errors import UserError
from bytetransfer.files.disk import shown_path

_COLUMNS = """\b
A table (.csv, .tsv, .parquet) has a row per run, and the columns
  source         what was pretrained on; scratch for a run from scratch
  target         what was fine-tuned or trained on, and tested on
  bytes          bytes of target text it was given: 6000000 or 6MB
the held-out loss in one of
  bits_per_byte
  nats_per_byte
  perplexity     per byte: 2 to the power of bits_per_byte
  nats           their total, beside the bytes tested on in test_bytes
and if you like learner, regime, seed, pretrain_bytes. Other columns are ignored.
"""


@click.group(
    cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(metadata.version("bytetransfer"), message="%(version)s")
def main() -> None:
    """How many bytes of the target language is pretraining on another one worth?

    A study file says what is compared with what; see examples/. Begin with: bytetransfer demo
    """
    settle()


@main.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Where the demo's study, store and results go.",
)
@WORKERS
@JSON
@QUIET
@guarded
def demo(folder: Path, workers: int | None, as_json: bool, quiet: bool) -> None:
    """What five sources are worth for Spanish: a whole study, offline, in under three minutes."""
    from bytetransfer.study.demo import write_demo

    path = write_demo(folder)
    _run(path, workers=workers, as_json=as_json, quiet=quiet)
    if not as_json:
        say(
            "\nYour own text next:\n"
            "  bytetransfer run --source en='english/*.txt' --target fi=finnish.txt\n"
            f"or copy {path}, change it, and: bytetransfer run my-study.toml"
        )


@main.command()
@STUDY
@STORE
@JSON
@QUIET
@guarded
def prepare(study: Path, store: Path | None, as_json: bool, quiet: bool) -> None:
    """Read, de-duplicate, shuffle and split the study's text."""
    from bytetransfer.cli.display import PrepareDisplay, print_corpora
    from bytetransfer.results.project import Project

    project = Project.open(study, store=store)
    with PrepareDisplay(console(err=True), quiet=quiet or as_json) as display:
        corpora = project.prepare(display)
    cards = {name: corpus.card for name, corpus in corpora.items()}
    print_value(cards, as_json, lambda to: print_corpora(cards, to))


@main.command()
@STUDY
@STORE
@WORKERS
@click.option(
    "--request",
    is_flag=True,
    help="Write the requests of what is to be done and list their keys, for torchrun or a cluster.",
)
@JSON
@guarded
def plan(
    study: Path, store: Path | None, workers: int | None, request: bool, as_json: bool
) -> None:
    """What the study would take, what is there already, and why something is not reused."""
    from bytetransfer.cli.display import print_forecast, print_keys
    from bytetransfer.results.project import Project

    project = Project.open(study, store=store)
    stage = project.stage()
    if request:
        keys = project.request(stage.plan)
        print_value(keys, as_json, lambda to: print_keys(keys, project.store.root, to))
        return
    workers = workers or project.default_workers(stage.plan)
    forecast = project.forecast(stage, workers=workers)
    print_value(forecast, as_json, lambda to: print_forecast(forecast, to))


@main.command()
@click.argument("study", type=click.Path(path_type=Path), required=False)
@click.option(
    "--source", "sources", multiple=True, metavar="NAME=FILES", help="Text to start from."
)
@click.option("--target", "targets", multiple=True, metavar="NAME=FILES", help="Text to learn.")
@click.option(
    "--learner",
    "learners",
    multiple=True,
    metavar="NAME",
    help="With --source and --target: who learns, once for each  [default: ngram, and "
    "transformer/nano where torch is installed]",
)
@STORE
@WORKERS
@RANKS
@JSON
@QUIET
@guarded
def run(
    study: Path | None,
    sources: tuple[str, ...],
    targets: tuple[str, ...],
    learners: tuple[str, ...],
    store: Path | None,
    workers: int | None,
    ranks: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Do what is missing of a study; stop it with Ctrl-C and start it again at will.

    With --source and --target instead of a study file, the study file they stand for is written
    first.
    """
    if learners and study is not None:
        names = ", ".join(f'"{name}"' for name in learners)
        raise click.UsageError(
            "--learner goes with --source and --target; the learners of a study stand in its "
            f"file: write learners = [{names}] in {study}"
        )
    if study is None or sources or targets:
        from bytetransfer.study.quickstart import write_study

        if study is not None or not sources or not targets:
            raise click.UsageError("give either a study file, or --source and --target")
        try:
            folder = Path.cwd()
        except FileNotFoundError:
            what, todo = "the folder you are in was removed", "go to another one"
            raise UserError(what, todo=todo) from None
        study = write_study(sources, targets, folder, learners)
        say(f"wrote {study}: the study these files stand for; edit it as you like", err=True)
    _run(study, store=store, workers=workers, ranks=ranks, as_json=as_json, quiet=quiet)


@main.command()
@STUDY
@STORE
@JSON
@guarded
def status(study: Path, store: Path | None, as_json: bool) -> None:
    """How far a study is, also while it runs in another terminal."""
    from bytetransfer.cli.display import print_status
    from bytetransfer.results.project import Project

    project = Project.open(study, store=store)
    found = project.status(project.stage())
    print_value(found, as_json, lambda to: print_status(found, to, study=shown_path(study)))


@main.command(epilog=_COLUMNS)
@RESULTS
@STORE
@click.option(
    "--method",
    type=click.Choice(["monotone", "power_law", "linear", "published"]),
    help="How a table's from-scratch curve is drawn and inverted  [default: monotone]",
)
@click.option(
    "--extrapolate",
    is_flag=True,
    help="Let power_law look past the largest size; the status says so.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 1, max_open=True),
    help="Nominal coverage of a table's intervals  [default: 0.95]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write a table's estimates to a .csv, .json or .parquet file.",
)
@click.option(
    "--laws",
    type=click.Path(path_type=Path),
    help="Write the parameters of power_law, a row a curve, to such a file.",
)
@JSON
@guarded
def estimate(
    file: Path,
    store: Path | None,
    method: str | None,
    extrapolate: bool,
    confidence: float | None,
    out: Path | None,
    laws: Path | None,
    as_json: bool,
) -> None:
    """D_E and D_T of a study file's finished runs, of a table of losses, or of that in FOLDER."""
    from bytetransfer.report import print_estimates
    from bytetransfer.results.folder import write_table
    from bytetransfer.results.read import read_results

    if confidence is not None and not 0.5 <= confidence < 1:  # click lets "nan" through
        raise click.UsageError("--confidence must be at least 0.5 and below 1")
    given = {"method": method, "extrapolate": extrapolate, "confidence_level": confidence}
    options: dict[str, Any] = {name: value for name, value in given.items() if value}
    is_study = file.suffix.lower() == ".toml"
    if is_study and (options or out or laws):
        raise click.UsageError(
            "--store and --json are all a study file takes; the other options are for a table of "
            "losses, such as the study's results/.../measurements.csv"
        )
    if not is_study:
        _check_outputs(file, out, laws, options)
    results = read_results(file, store=store, **options)
    results.check()
    say_note(results.note)
    estimates = results.estimates
    written = results.write() if is_study else []
    for path, table in ((out, estimates), (laws, estimates.laws)):
        if path is not None:
            write_table(table, path)
            written.append(path)
    if as_json:
        say_json(estimates.to_json())
        return
    print_estimates(estimates, console())
    if written:
        say(f"written: {', '.join(os.path.relpath(path) for path in written)}")


def _check_outputs(
    file: Path, out: Path | None, laws: Path | None, options: dict[str, Any]
) -> None:
    from bytetransfer.results.read import table_of

    table = table_of(file)
    for name, given in (("--out", out), ("--laws", laws)):
        if given is not None and os.path.realpath(given) == os.path.realpath(table):
            raise click.UsageError(f"{name} is the table of losses itself")
    if out is not None and laws is not None and os.path.realpath(out) == os.path.realpath(laws):
        raise click.UsageError("--out and --laws are one file")
    if options.get("method") != "power_law":
        if options.get("extrapolate"):
            raise click.UsageError("only power_law can extrapolate: add --method power_law")
        if laws is not None:
            raise click.UsageError("only power_law has parameters: add --method power_law")


def _run(path: Path, *, as_json: bool, quiet: bool, **options: Any) -> None:
    from bytetransfer.cli.display import TerminalProgress
    from bytetransfer.results.run import run_study

    run_study(path, progress=TerminalProgress(as_json=as_json, quiet=quiet or as_json), **options)


main.add_command(report)
main.add_command(figures)
main.add_command(analyse)
main.add_command(published)
