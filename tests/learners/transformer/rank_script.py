"""What the ranks of `test_ranks.py` do: `python rank_script.py SCENARIO FOLDER`, once a rank.

Each rank leaves what it found in FOLDER/SCENARIO-RANK.json.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch

from bytetransfer.corpus.documents import Documents
from bytetransfer.errors import LessMemoryError
from bytetransfer.learners.learner import Task
from bytetransfer.learners.transformer import learner, model, trainer
from bytetransfer.learners.transformer.learner import Transformer
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.ranks import ALONE, Ranks, joined
from bytetransfer.learners.transformer.settings import Converged, Shape, TransformerSettings

SHAPE = Shape(layers=1, width=16, heads=2, feed_forward=32, context=24)
RECIPE = Converged(
    learning_rates=(1e-2,),
    max_bytes=4_000,
    warmup_steps=3,
    patience=2,
    evaluate_bytes=500,
    validation_bytes=500,
)
SETTINGS = TransformerSettings(shape=SHAPE, recipe=RECIPE, batch=6)
STEPS = 10


def story(seed: int, documents: int = 12) -> Documents:
    choose = random.Random(seed)
    words = ["sun ", "moon ", "rises ", "sets ", "slowly ", "the ", "red "]
    return Documents.from_list(
        ["".join(choose.choices(words, k=8)).encode() for _ in range(documents)]
    )


TASK = Task(text=story(1), validation=story(2), seed=0)


def batch(step: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which the last ones predict little: means over ranks would be another loss."""
    x = np.random.default_rng(step).integers(97, 105, (6, 25))
    y = x[:, 1:].copy()
    y[4:, :-2] = 256
    return x[:, :-1].copy(), y


def steps(ranks: Ranks = ALONE, *, sharded: bool = False) -> dict[str, Any]:
    """Losses of some steps, the weights after them, and what stands in a checkpoint."""
    made = trainer.Trainer(
        model.initial_state(SHAPE, 0),
        settings=SETTINGS,
        numerics=Numerics(),
        micro_batch=3,
        ranks=ranks,
        sharded=sharded,
    )
    losses = []
    for step in range(STEPS):
        x, y = batch(step)
        assert made.step(x, y, number=step, learning_rate=3e-2) == 4 * 24 + 2 * 2
        losses.append(made.bits_per_byte)
    whole = made.gather(made.tensors())
    for name, tensor in made.tensors().items():
        if ranks.is_first:
            assert torch.equal(made.part(whole[name]), tensor)
    moments = sum(t.double().square().sum().item() for n, t in whole.items() if "/" in n)
    weights = torch.cat([tensor.flatten() for tensor in made.state().values()])
    own = sum(tensor.numel() for tensor in made.weights.values())
    return {
        "losses": losses,
        "weights": weights.tolist(),
        "moments": moments,
        "own": own,
        "micro_batch": made.micro_batch,
    }


def steps_short_of_memory(ranks: Ranks) -> dict[str, Any]:
    """The same, where the last rank has room for one sequence at a time only."""

    def nats(weights: Any, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        if ranks.number == ranks.count - 1 and len(x) > 1:
            raise torch.OutOfMemoryError
        return model.training_nats(weights, x, *rest)

    trainer.training_nats = nats
    try:
        return steps(ranks)
    finally:
        trainer.training_nats = model.training_nats


def fit(
    folder: Path,
    ranks: Ranks = ALONE,
    *,
    sharded: bool = False,
    checkpoint_seconds: float = 1e9,
    die_after: int | None = None,
) -> dict[str, Any]:
    """A whole training, the rows each step computed here, and the scores of some documents."""
    rows: list[list[list[int]]] = []
    calls = 0

    def nats(weights: Any, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        rows.append(x.tolist())
        return model.training_nats(weights, x, *rest)

    def watch(_: object) -> None:
        nonlocal calls
        calls += 1
        if calls == die_after:
            os.kill(os.getpid(), signal.SIGKILL)

    trainer.training_nats = nats
    learner.is_sharded = lambda *_: sharded
    made = Transformer(
        SETTINGS, Numerics(), ranks=ranks, checkpoint_seconds=checkpoint_seconds, watch_seconds=0.0
    )
    fitted = made.fit(TASK, start=None, folder=folder, watch=watch)
    trainer.training_nats = model.training_nats
    return {
        "training": msgspec.to_builtins(fitted.training),
        "rows": rows,
        "nats": made.score(fitted.state, story(3)).tolist(),
    }


def fit_short_of_memory(folder: Path, ranks: Ranks) -> dict[str, Any]:
    """Sharded ranks cannot try a step again: they end, and begin again with less at a time."""

    def too_large(_: Any, x: torch.Tensor, *rest: Any) -> torch.Tensor:
        raise torch.OutOfMemoryError

    whole, model.training_nats = model.training_nats, too_large
    try:
        fit(folder, ranks, sharded=True, checkpoint_seconds=0.0)
    except LessMemoryError as error:
        told = str(error)
    model.training_nats = whole
    return {"told": told, **fit(folder, ranks, sharded=True)}


def main(scenario: str, folder: Path) -> None:
    torch.set_num_threads(1)
    with joined() as ranks:
        if scenario == "killed":
            fit(folder / "killed", ranks, checkpoint_seconds=0.0, die_after=20)
        found: dict[str, Any] = {
            "steps": steps(ranks),
            "sharded": steps(ranks, sharded=True),
            "short": steps_short_of_memory(ranks),
            "fit": fit(folder / "together", ranks),
            "resumed": fit(folder / "begun-alone", ranks, sharded=True),
            "lowered": fit_short_of_memory(folder / "lowered", ranks),
        }
        (folder / f"{scenario}-{ranks.number}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
