"""The commands that show: `report` and `figures`."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from bytetransfer.cli.shared import JSON, RESULTS, STORE, Command, guarded, print_value, say_note
from bytetransfer.cli.terminal import say
from bytetransfer.files.disk import shown_path

if TYPE_CHECKING:
    from bytetransfer.cli.live import Edition
    from bytetransfer.planning.plan import Plan
    from bytetransfer.results.project import Project

_FORMATS = ("svg", "pdf", "png", "csv", "parquet", "tex")
_LOOK_SECONDS = 2.0


@click.command(cls=Command)
@RESULTS
@STORE
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where the page goes  [default: results/<name>/report.html beside the study file; "
    "losses-report.html beside losses.csv]",
)
@click.option("--live", is_flag=True, help="Serve the page to this machine while the study runs.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=0,
    help="Where --live listens  [default: any free port]",
)
@JSON
@guarded
def report(
    file: Path, store: Path | None, out: Path | None, live: bool, port: int, as_json: bool
) -> None:
    """Write the report of a study's finished runs, or of a table of losses, as one HTML file.

    The page works offline. FOLDER is the folder of a study's results; its table alone is read. No
    file but an earlier report is replaced.

    With --live the page is served to this machine alone and renewed as runs finish, until Ctrl-C;
    the analyses come when all runs are done.
    """
    from bytetransfer.results.project import Project
    from bytetransfer.results.read import read_results

    if live and (out is not None or file.suffix.lower() != ".toml"):
        raise click.UsageError("--live is for a study file, and writes nothing")
    if live:
        _serve(Project.open(file, store=store), port)
        return
    results = read_results(file, store=store)
    say_note(results.note)
    path = shown_path(results.write_report(out))
    print_value({"report": path}, as_json, lambda _: say(f"report: {path}"))


def _serve(project: Project, port: int) -> None:
    """Serve the page; the analyses, which may take minutes, follow it once all runs are done."""
    from bytetransfer.cli.live import serving

    plan, state = _look(project)
    editions = [_edition(project, plan, state)]
    with serving(lambda: editions[0], port=port) as address:
        say(f"{address}  renewed as runs finish; Ctrl-C ends it")
        while True:
            if state.is_done and not editions[0].is_whole:
                editions[0] = _edition(project, plan, state, is_whole=True)
            time.sleep(_LOOK_SECONDS)
            plan, found = _look(project)
            if found != state:
                state = found
                editions[0] = _edition(project, plan, state)


class _State(NamedTuple):
    """What the page depends on: how many runs there are, how many are done, and what may come."""

    done: int
    runs: int
    is_done: bool


def _look(project: Project) -> tuple[Plan, _State]:
    """Looked up before the results are read: what is done since comes next time."""
    stage = project.stage()
    done = sum(project.store.is_done(key) for key in stage.plan.runs)
    is_done = stage.is_last and not stage.plan.unprepared and done == len(stage.plan.runs)
    return stage.plan, _State(done, len(stage.plan.runs), is_done)


def _edition(project: Project, plan: Plan, state: _State, *, is_whole: bool = False) -> Edition:
    """The page of a state, with the analyses where it is to be whole."""
    from bytetransfer.cli.live import Edition
    from bytetransfer.explain.sections import ANALYSES
    from bytetransfer.report import render_html
    from bytetransfer.report.document import Section

    found = project.results(plan).report(ANALYSES if is_whole else ())
    version = f"{state.done} of {state.runs} runs done"
    sections = list(found.sections)
    if not is_whole:
        later = "the analyses are being made" if state.is_done else "the analyses come when all are"
        version += f"; {later}"
        text = f"{later.capitalize()}{' done' * (not state.is_done)}; this page then renews itself."
        waiting = Section(name="explanations", title="What explains it", text=(text,))
        sections.insert([one.name for one in sections].index("trust"), waiting)
    page = replace(found, subtitle=f"{found.subtitle}; {version}", sections=tuple(sections))
    return Edition(version, render_html(page, version=version), is_whole=is_whole)


@click.command(cls=Command)
@RESULTS
@STORE
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("figures"),
    show_default=True,
    help="Folder for the files.",
)
@click.option(
    "--format",
    "formats",
    type=click.Choice(_FORMATS),
    multiple=True,
    help="Only these; may be given several times  [default: all]",
)
@JSON
@guarded
def figures(
    file: Path, store: Path | None, out: Path, formats: tuple[str, ...], as_json: bool
) -> None:
    """Every figure of a report as SVG, PDF and PNG, every table as CSV, Parquet and LaTeX.

    Of a study file's finished runs, of a table of losses, or of that in FOLDER. PDF and PNG need
    the extra [figures].
    """
    from bytetransfer.files.disk import write_atomic
    from bytetransfer.report.figures.standalone import check_renderer, figure_files
    from bytetransfer.results.read import read_results

    wanted = frozenset(formats or _FORMATS)
    check_renderer(wanted)
    results = read_results(file, store=store)
    say_note(results.note)
    written = []
    for name, content in figure_files(results.report(), wanted):
        write_atomic(out / name, content)
        written.append(str(out / name))
    print_value(
        {"files": written},
        as_json,
        lambda _: say(f"written: {len(written)} files in {out}"),
    )
