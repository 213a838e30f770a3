"""The commands that explain: `analyse` and `published`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import click

from bytetransfer.cli.shared import JSON, STORE, Command, guarded, say_note
from bytetransfer.cli.terminal import console, say, say_json

_NAMES = (
    "consistency",
    "contamination",
    "similarity",
    "commutativity",
    "content",
    "decomposition",
    "scaling",
)

_MOST_DIGITS = 40  # of a number of parameters


@click.command(cls=Command)
@click.argument("what", metavar="STUDY.toml|TABLE|FOLDER|published")
@click.argument("analyses", metavar="[ANALYSIS]...", nargs=-1, type=click.Choice(_NAMES))
@STORE
@click.option(
    "--close",
    multiple=True,
    metavar="TARGET=SOURCE",
    help="Of a table: a close source of a target, to be held against the distant ones.",
)
@click.option(
    "--distances",
    type=click.Path(path_type=Path),
    help="Of a table: a CSV of distances between languages (columns a, b, and one a measure).",
)
@click.option(
    "--factor",
    type=click.FloatRange(1, min_open=True),
    help="Of a table: sources within it are called alike  [default: 2]",
)
@click.option(
    "--noise",
    type=click.FloatRange(0, 10, min_open=True),  # e^10 is more than any interval can mean
    help="Of a table: standard error of log D_E to assume where there is no interval.",
)
@click.option(
    "--parameters",
    multiple=True,
    metavar="LEARNER=COUNT",
    help="Of a table: how many parameters a learner has, for laws of the model's size; once for "
    "each of several presets. Those of transformer/<preset> are known.",
)
@JSON
@guarded
def analyse(
    what: str, analyses: tuple[str, ...], store: Path | None, as_json: bool, **options: Any
) -> None:
    """What explains the transfer: one or more analyses, or all of them.

    consistency (are sources alike?), contamination (by the target's language), similarity (of
    languages), commutativity (there and back), content (bytes that say the same), decomposition
    (of what transfers), scaling (where pretraining stops paying). The word `published` stands
    for the paper's own figures.
    """
    from bytetransfer.report.text.sections import plain_section, section_rows
    from bytetransfer.results.read import published_results, read_results

    given = {name: value for name, value in options.items() if value}
    for name in ("factor", "noise"):  # click lets "nan" and "inf" through
        if name in given and not math.isfinite(given[name]):
            raise click.UsageError(f"--{name} must be a finite number")
    if what.lower().endswith(".toml") and given:
        raise click.UsageError("a study states these in its file, under [analysis]")
    for name, read in (("close", _close), ("parameters", _parameters)):
        if name in given:
            given[name] = read(given[name])
    if what == "published":
        results = published_results(**given)
    else:
        results = read_results(what, store=store, **given)
    say_note(results.note)
    sections = results.explain(analyses or _NAMES)
    if as_json:
        say_json(json.dumps([section_rows(found) for found in sections], ensure_ascii=False))
        return
    to = console()
    for section in sections:
        text = plain_section(section, to.width) + "\n"
        to.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)


def _close(given: tuple[str, ...]) -> dict[str, str]:
    close = {}
    for pair in given:
        target, found, source = pair.partition("=")
        if not (target and found and source):
            raise click.UsageError(f"--close {pair}: write TARGET=SOURCE, for example es=pt")
        close[target] = source
    return close


def _parameters(given: tuple[str, ...]) -> dict[str, int]:
    found = {}
    for pair in given:
        learner, _, count = pair.rpartition("=")
        digits = count.isascii() and count.isdecimal() and len(count) <= _MOST_DIGITS
        if not (learner and digits) or int(count) < 1:
            raise click.UsageError(
                f"--parameters {pair}: write LEARNER=COUNT, for example small=12000000"
            )
        found[learner] = int(count)
    return found


@click.command(cls=Command)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("published"),
    show_default=True,
    help="Folder for the page and the tables.",
)
@JSON
@guarded
def published(out: Path, as_json: bool) -> None:
    """The paper's own figures, read as printed, on straight lines, and as bytetransfer does.

    Needs no study, training or network. Writes published.html, published.csv, published.json.
    """
    from bytetransfer.files.disk import write_atomic
    from bytetransfer.published import (
        build_page,
        perplexities,
        print_readings,
        readings,
        to_csv,
        to_json,
    )
    from bytetransfer.report import render_html

    cells = readings()
    page = render_html(build_page(perplexities(), cells))
    files = {"html": page, "csv": to_csv(cells), "json": to_json(cells)}
    for ending, content in files.items():
        write_atomic(out / f"published.{ending}", content)
    if as_json:
        say_json(files["json"].removesuffix("\n"))
        return
    print_readings(cells, console())
    say(f"\nwritten: {', '.join(str(out / f'published.{ending}') for ending in files)}")
