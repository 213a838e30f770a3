"""Analyses through the command line: of a study, of a table, of the published figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from bytetransfer.explain.sections import ANALYSES

STUDIES = Path(__file__).parents[2] / "docs/studies"


def test_a_study_is_explained_in_plain_words_and_for_machines(finished_place: Any) -> None:
    told = finished_place.call("analyse", "study.toml")
    assert told.exit_code == 0, told.output
    assert "Where does pretraining stop paying?" in told.stdout
    assert "\x1b" not in told.stdout
    plain = finished_place.call("analyse", "study.toml", "scaling", "consistency", "--json")
    assert [section["name"] for section in json.loads(plain.stdout)] == ["consistency", "scaling"]
    report = finished_place.folder / "results/tiny/report.html"
    page = report.read_text(encoding="utf-8")
    assert "What could not be asked of this study" in page
    assert finished_place.call("analyse", "study.toml").stdout == told.stdout


@pytest.mark.parametrize("name", ANALYSES)
def test_every_analysis_of_the_published_figures_has_an_answer_or_a_reason(
    place: Any, name: str
) -> None:
    found = place.call("analyse", "published", name, "--noise", "0.1", "--json")
    assert found.exit_code == 0, found.output
    (section,) = json.loads(found.stdout)
    assert section["name"] == name
    assert section["text"]
    assert "nan" not in found.stdout.lower().split()
    if name in ("consistency", "commutativity", "decomposition", "scaling"):
        assert section["tables"]


@pytest.mark.parametrize("columns", [None, 60])
@pytest.mark.parametrize(
    "what",
    [
        (str(STUDIES / "neural/measurements.csv"), "--close", "es=pt"),
        (str(STUDIES / "controls/measurements.csv"),),
        ("published",),
    ],
)
def test_no_line_is_longer_than_the_terminal_or_a_log_is_wide(
    place: Any, monkeypatch: pytest.MonkeyPatch, what: tuple[str, ...], columns: int | None
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if columns:
        monkeypatch.setenv("COLUMNS", str(columns))
    told = place.call("analyse", *what)
    assert told.exit_code == 0, told.output
    longest = max(map(cell_len, told.stdout.splitlines()))
    assert 50 < longest <= (columns or 80)


def test_options_of_a_table_are_refused_for_a_study(finished_place: Any) -> None:
    refused = finished_place.call("analyse", "study.toml", "--noise", "0.1")
    assert refused.exit_code == 2
    assert "[analysis]" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("analyse", "none.csv"), "none.csv: no such file"),
        (("analyse", "published", "nothing"), "'nothing' is not one of"),
        (("analyse", "published", "--close", "es"), "write TARGET=SOURCE"),
        (("analyse", "published", "--parameters", "small"), "write LEARNER=COUNT"),
        (("analyse", "published", "--parameters", "small=1e6"), "write LEARNER=COUNT"),
        (("analyse", "published", "--parameters", "small=9"), "no learner is called 'small'"),
        (("analyse", "published", "--parameters", f"small={'9' * 9999}"), "write LEARNER=COUNT"),
        (("analyse", "published", "--noise", "400"), "0<x<=10"),
        (("analyse", "published", "--close", "xx=en"), "no target is called 'xx'"),
        (("analyse", "published", "--close", "es=xx"), "no source is called 'xx'; write"),
        (("analyse", "published", "--close", "es=scratch"), "no source is called 'scratch'"),
        (("analyse", "published", "--close", "en=en"), "not a close source of itself"),
        (("analyse", "published", "similarity", "--distances", "d.csv"), "d.csv"),
    ],
)
def test_what_cannot_be_analysed_has_one_message(
    place: Any, arguments: tuple[str, ...], said: str
) -> None:
    place.write("d.csv", "a,b,miles\nen,fi,far\n")
    refused = place.call(*arguments)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert "Traceback" not in refused.output


PRESETS = {"nano": 123_264, "micro": 672_768, "medium": 5_180_928}


def losses_of_presets(names: dict[str, str]) -> str:
    """Each preset on its own curve, where D_E = 2 · D_F^.7 · N^.2 whatever the learner's name."""
    rows = ["source,target,learner,target_bytes,bits_per_byte"]
    for preset, count in PRESETS.items():

        def loss(size: float, count: int = count) -> float:
            return float(1 + 30 * size**-0.25 * count**-0.05)

        for size in (1e3, 1e4, 1e5, 1e6, 1e7):
            rows.append(f"scratch,es,{names[preset]},{size:.0f},{loss(size)}")
        for size in (1e3, 1e4, 1e5):
            effective = 2 * size**0.7 * count**0.2
            rows.append(f"en,es,{names[preset]},{size:.0f},{loss(effective)}")
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize(
    ("names", "options"),
    [
        ({name: f"transformer/{name}" for name in PRESETS}, ()),
        (
            {"nano": "A", "micro": "B", "medium": "C"},
            ("--parameters", "A=123264", "--parameters", "B=672768", "--parameters", "C=5180928"),
        ),
    ],
)
def test_a_table_with_several_presets_has_a_law_of_their_size(
    place: Any, names: dict[str, str], options: tuple[str, ...]
) -> None:
    place.write("presets.csv", losses_of_presets(names))
    found = place.call("analyse", "presets.csv", "scaling", *options, "--json")
    assert found.exit_code == 0, found.output
    (section,) = json.loads(found.stdout)
    through = [
        row for row in section["tables"]["scaling-laws"] if row["learner"]["text"].count(",") == 2
    ]
    law = next(row for row in through if row["law of"]["value"] == "D_E")
    assert law["power of D_F"]["value"] == pytest.approx(0.7, abs=0.02)
    assert law["power of N"]["value"] == pytest.approx(0.2, abs=0.02)


def test_a_number_of_parameters_may_be_larger_than_any_machine_integer(place: Any) -> None:
    place.write("presets.csv", losses_of_presets({"nano": "A", "micro": "B", "medium": "C"}))
    counts = [f"--parameters={name}={'9' * (28 + k)}" for k, name in enumerate("ABC")]
    found = place.call("analyse", "presets.csv", "scaling", *counts)
    assert found.exit_code == 0, found.output


def test_tables_are_not_told_of_a_study_file_and_things_are_said_once(place: Any) -> None:
    told = " ".join(place.call("analyse", "published").output.split())
    assert "study file" not in told
    assert "a table of losses has no texts" in told
    assert told.count("the estimates have none") == 1
    assert "In 0 of them" not in told
    assert "no smallest p that could be found" in told
    place.write("presets.csv", losses_of_presets({name: name for name in PRESETS}))
    alone = place.call("analyse", "presets.csv", "decomposition").output
    assert "--close TARGET=SOURCE" in alone
    noisy = place.call("analyse", "published", "--noise", "0.1", "--factor", "1.0000001").output
    assert "a factor 1.0000001 of each other" in " ".join(noisy.split())
    assert "intervals of crossovers only" in " ".join(noisy.split())
    assert "p has no smallest value" in " ".join(noisy.split())


def test_without_their_sizes_presets_of_a_table_have_no_such_law(place: Any) -> None:
    place.write("presets.csv", losses_of_presets({"nano": "A", "micro": "B", "medium": "C"}))
    (section,) = json.loads(place.call("analyse", "presets.csv", "scaling", "--json").stdout)
    assert all(row["power of N"]["text"] == "–" for row in section["tables"]["scaling-laws"])
    assert "--parameters" in " ".join(section["text"])


def test_a_study_names_its_close_sources_and_factor(place: Any) -> None:
    place.write(
        "study.toml", place.folder.joinpath("study.toml").read_text() + "[analysis]\nfactor = 1\n"
    )
    refused = place.call("plan", "study.toml")
    assert refused.exit_code == 2
    assert "analysis.factor" in refused.stderr
    place.change("factor = 1", 'factor = 3\nclose = { xx = "en" }')
    refused = place.call("plan", "study.toml")
    assert refused.exit_code == 2
    assert "'xx' is no target of the study" in refused.stderr
    place.change('xx = "en"', 'fi = "en"')
    assert place.call("plan", "study.toml").exit_code == 0
    place.change('targets = ["fi"]', 'targets = ["fi", "en"]')
    place.change('fi = "en"', 'en = "en"')
    refused = place.call("plan", "study.toml")
    assert refused.exit_code == 2
    assert "'en' is not a close source of itself" in refused.stderr
