"""Every example is a study that can be read, planned and priced without its text."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from bytetransfer.cli.display import print_forecast
from bytetransfer.planning.plan import Plan
from bytetransfer.results.project import Project
from bytetransfer.runs.status import forecast
from bytetransfer.study.file import read_study
from bytetransfer.study.study import Study

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.toml"))


def planned(path: Path, folder: Path) -> Plan:
    # a store of its own: what an example needs must not lie around by chance
    return Project.open(path, store=folder).plan()


def test_there_are_examples() -> None:
    names = {path.stem for path in EXAMPLES}
    assert names >= {"own_text", "hugging_face", "paper", "paper_among_sources"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_planned_and_priced_without_its_text(path: Path, tmp_path: Path) -> None:
    project = Project.open(path, store=tmp_path)
    plan = project.plan()
    study = project.study

    assert set(plan.unprepared) == {*study.sources, *study.targets}
    arms = len(study.sources) * len(study.finetune_bytes) + len(study.scratch_bytes)
    assert len(plan.cells) == len(study.learners) * study.seeds * len(study.targets) * arms
    assert list(tmp_path.iterdir()) == []  # a plan writes nothing

    priced = forecast(plan, project.store, workers=1, speed=None)
    shown = io.StringIO()
    print_forecast(priced, Console(file=shown, width=200))
    for row in priced.learners:
        assert row.expected_bytes > 0
        assert (row.flops > 0) == row.learner.startswith("transformer")
        assert row.learner in shown.getvalue()


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_text_of_the_hub_is_pinned(path: Path) -> None:
    for spec in read_study(path).corpora.values():
        revision = getattr(spec.text, "revision", "no data set of the hub")
        assert revision
        assert revision != "main"


def paper(name: str) -> Study:
    return read_study(next(path for path in EXAMPLES if path.stem == name))


def test_the_papers_two_files_hold_all_its_pairs() -> None:
    studies = [paper("paper"), paper("paper_among_sources")]
    pairs = {(s, t) for study in studies for s in study.sources for t in study.targets}
    targets = ("ar", "de", "en", "es", "fi", "id", "ja", "ko", "ru", "zh")
    published = {(s, t) for s in ("en", "ru", "zh") for t in targets} | {("pt", "es")}
    assert published <= pairs


def test_the_papers_two_files_share_their_pretraining(tmp_path: Path) -> None:
    plans = [planned(path, tmp_path) for path in EXAMPLES if path.stem.startswith("paper")]
    first, second = (
        {key for key, run in plan.runs.items() if run.run.kind == "pretrain"} for plan in plans
    )
    assert len(first & second) == 3
    studies = [paper("paper"), paper("paper_among_sources")]
    for name in ("en", "ru", "zh"):
        assert studies[0].corpora[name] == studies[1].corpora[name]
    assert studies[0].splits == studies[1].splits


def test_the_papers_recipe_is_the_published_one(tmp_path: Path) -> None:
    """From scratch 10 epochs, 3 at the largest size; pretraining and fine-tuning likewise."""
    path = next(path for path in EXAMPLES if path.stem == "paper")
    gigabytes = {"6 MB": 0.06, "19 MB": 0.19, "60 MB": 0.6, "189 MB": 1.89, "600 MB": 6, "6 GB": 18}
    per_arm = sum(gigabytes.values())
    expected = 4 * 18 + 7 * per_arm * (4 + 1)  # pretraining; four sources and from scratch
    plan = planned(path, tmp_path)
    total = sum(planned.cost.expected_bytes for planned in plan.runs.values())
    assert total == pytest.approx(expected * 1e9, rel=1e-6)
