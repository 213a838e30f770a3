"""One run on several processes: two of them on this CPU, which talk through gloo."""

import json
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from bytetransfer.errors import StudyError  # noqa: E402
from bytetransfer.learners.transformer.batches import Windows  # noqa: E402
from bytetransfer.learners.transformer.learner import Transformer  # noqa: E402
from bytetransfer.learners.transformer.numerics import Numerics  # noqa: E402
from bytetransfer.learners.transformer.placement import is_sharded  # noqa: E402
from bytetransfer.learners.transformer.ranks import ALONE, Ranks, is_launched  # noqa: E402
from bytetransfer.learners.transformer.settings import PRESETS  # noqa: E402

SCRIPT = Path(__file__).with_name("rank_script.py")
DO = runpy.run_path(str(SCRIPT))

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available() or not torch.distributed.is_gloo_available(),
    reason="this torch has no gloo",
)


def start(scenario: str, folder: Path, count: int = 2) -> list[subprocess.Popen[bytes]]:
    """The script once a rank, in the environment that torchrun gives."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    fixed = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(count)}
    fixed |= {"TORCHELASTIC_RUN_ID": "test", "OMP_NUM_THREADS": "1"}
    return [
        subprocess.Popen(
            [sys.executable, str(SCRIPT), scenario, str(folder)],
            env={**os.environ, **fixed, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )
        for rank in range(count)
    ]


class Killed(Exception):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield {"steps": DO["steps"](), "fit": DO["fit"](tmp_path_factory.mktemp("alone"))}
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where ranks have worked: a training begun alone is in it, and one killed on two ranks."""
    folder = tmp_path_factory.mktemp("ranks")
    left = [15]

    def watch(_: object) -> None:
        left[0] -= 1
        if not left[0]:
            raise Killed

    learner = Transformer(DO["SETTINGS"], Numerics(), checkpoint_seconds=0.0, watch_seconds=0.0)
    with pytest.raises(Killed):
        learner.fit(DO["TASK"], start=None, folder=folder / "begun-alone", watch=watch)
    ranks = [*start("all", folder), *start("killed", folder)]
    try:
        codes = [rank.wait(timeout=280) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    assert codes == [0, 0, -9, -9]
    return folder


@pytest.fixture(scope="module")
def together(folder: Path) -> list[dict[str, Any]]:
    """What each of two ranks found."""
    return [json.loads((folder / f"all-{rank}.json").read_text()) for rank in range(2)]


@given(st.integers(0, 200), st.integers(1, 20))
def test_shares_are_everything_once_in_order(total: int, count: int) -> None:
    shares = [range(total)[Ranks(number, count).share(total)] for number in range(count)]
    assert [item for share in shares for item in share] == list(range(total))
    sizes = [len(share) for share in shares]
    assert max(sizes) - min(sizes) <= 1


def test_one_process_needs_no_other() -> None:
    assert ALONE.first_says(2.5) == 2.5
    assert ALONE.least(3) == 3
    assert ALONE.agree(7)
    assert not is_launched({"RANK": "0"})


@pytest.mark.slow
def test_ten_steps_of_two_ranks_are_those_of_one(
    alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    expected = alone["steps"]
    for found in (rank["steps"] for rank in together):
        assert found["losses"] == pytest.approx(expected["losses"], abs=2e-5)
        assert found["weights"] == pytest.approx(expected["weights"], abs=2e-5)
        assert found["moments"] == pytest.approx(expected["moments"], rel=1e-4)
        assert found["own"] == expected["own"]
    assert together[0]["steps"]["weights"] == together[1]["steps"]["weights"]


def test_sharded_weights_give_the_same(
    alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    expected = alone["steps"]
    for found in (rank["sharded"] for rank in together):
        assert found["losses"] == pytest.approx(expected["losses"], abs=2e-5)
        assert found["weights"] == pytest.approx(expected["weights"], abs=2e-5)
    assert together[0]["sharded"]["moments"] == pytest.approx(expected["moments"], rel=1e-4)
    assert sum(rank["sharded"]["own"] for rank in together) == expected["own"]


def test_one_rank_short_of_memory_changes_nothing_but_its_micro_batch(
    alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    for found in (rank["short"] for rank in together):
        assert found["losses"] == pytest.approx(alone["steps"]["losses"], abs=2e-5)
    assert [rank["short"]["micro_batch"] for rank in together] == [3, 1]


def test_each_step_sees_the_same_data_whatever_the_number_of_ranks(
    together: list[dict[str, Any]],
) -> None:
    settings, task = DO["SETTINGS"], DO["TASK"]
    windows = Windows(
        task.text, context=settings.shape.context, seed=task.seed, noise=settings.noise
    )
    rows = [rank["fit"]["rows"] for rank in together]
    assert len(rows[0]) == len(rows[1]) > 20
    for step, pieces in enumerate(zip(*rows, strict=True)):
        x, _ = windows.batch(step, settings.batch)
        assert np.array_equal(np.concatenate(pieces), x)


def same(found: dict[str, Any], expected: dict[str, Any], *, ranks: list[int]) -> None:
    """A training and its scores, equal within rounding; what was decided, exactly."""
    one, other = dict(found["training"]), dict(expected["training"])
    assert one.pop("ranks") == ranks
    for key in ("history", "search"):
        assert len(one[key]) == len(other[key])
    assert np.array(one.pop("history")) == pytest.approx(np.array(other.pop("history")), abs=1e-3)
    for mine, its in zip(one.pop("search"), other.pop("search"), strict=True):
        assert mine == pytest.approx(its, abs=1e-3)
    assert one == other
    assert found["nats"] == pytest.approx(expected["nats"], rel=1e-3)


def test_a_training_on_two_ranks_decides_and_ends_like_one(
    alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    for rank in together:
        same(rank["fit"], alone["fit"], ranks=[2])
    assert together[0]["fit"]["training"] == together[1]["fit"]["training"]
    assert together[0]["fit"]["nats"] == together[1]["fit"]["nats"]


def test_begun_alone_it_ends_on_two_sharded_ranks(
    alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    for rank in together:
        same(rank["resumed"], alone["fit"], ranks=[1, 2])
        assert len(rank["resumed"]["rows"]) < len(rank["fit"]["rows"])


def test_sharded_ranks_short_of_memory_begin_again_with_less_at_a_time(
    alone: dict[str, Any], together: list[dict[str, Any]]
) -> None:
    for rank in together:
        assert rank["lowered"]["told"].endswith("started again it takes 2 sequences at a time")
        chosen = rank["lowered"]["training"]["chosen"]
        assert chosen.pop("micro_batch") == 2
        same(rank["lowered"], alone["fit"], ranks=[2])
        assert max(len(rows) for rows in rank["lowered"]["rows"]) == 2


def test_killed_on_two_ranks_it_ends_alone(alone: dict[str, Any], folder: Path) -> None:
    found = DO["fit"](folder / "killed")
    same(found, alone["fit"], ranks=[1, 2])
    assert 0 < len(found["rows"]) < len(alone["fit"]["rows"])


def test_only_the_largest_models_are_sharded() -> None:
    assert {name for name, shape in PRESETS.items() if is_sharded(shape, Ranks(0, 2))} == {"1b"}
    assert not is_sharded(PRESETS["1b"], ALONE)


def test_more_ranks_than_rows_are_refused(tmp_path: Path) -> None:
    learner = Transformer(DO["SETTINGS"], Numerics(), ranks=Ranks(0, 7))
    with pytest.raises(StudyError, match="7 processes cannot share a batch of 6"):
        learner.fit(DO["TASK"], start=None, folder=tmp_path, watch=lambda _: None)
