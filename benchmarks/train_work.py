"""What the contestants of `train.py` do: steps of training, or products alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bytetransfer.learners.transformer.settings import Shape, TransformerSettings

SHAPES = {
    "small": (Shape(layers=4, width=128, heads=4, feed_forward=384, context=256), 32),
    "medium": (Shape(layers=6, width=320, heads=5, feed_forward=960, context=512), 16),
    "tiny": (Shape(layers=2, width=96, heads=3, feed_forward=256, context=256), 4),
}
OURS = {
    "ours": {"precision": "bf16", "compiled": True},
    "ours, eager": {"precision": "bf16"},
    "plain loop fp32": {"attention": "sdpa"},
}
PEERS = ("HF fp32", "HF bf16")
LIMITS = ("square products", "the model's products")
Seconds = tuple[float, float]  # of wall time and of processor time
Work = Callable[[float], tuple[float, float, float]]  # seconds to work -> amount done, Seconds


def our_steps(shape: Shape, batch: int, numerics: dict[str, Any]) -> Work:
    """Bytes, through the loop and the trainer that a worker uses."""
    from bytetransfer.corpus.documents import Documents
    from bytetransfer.learners.transformer.batches import Windows
    from bytetransfer.learners.transformer.checkpoint import Pace
    from bytetransfer.learners.transformer.loop import train
    from bytetransfer.learners.transformer.model import initial_state
    from bytetransfer.learners.transformer.numerics import Numerics, resolve_numerics
    from bytetransfer.learners.transformer.schedule import Position
    from bytetransfer.learners.transformer.trainer import Trainer

    class Steps:
        """So many steps and no evaluation."""

        def __init__(self, count: int) -> None:
            self.count = count

        def rate(self, position: Position) -> float:
            return 1e-3

        def evaluated(self, position: Position, loss: float) -> Position:
            done = position.step >= self.count
            return msgspec.structs.replace(
                position, evaluate_at=self.count, phase="done" if done else "constant"
            )

    settings = TransformerSettings(shape=shape, batch=batch)
    micro_batch = resolve_numerics(settings, threads=1, device="cpu").micro_batch
    used = Numerics(**numerics, micro_batch=micro_batch)
    trainer = Trainer(
        initial_state(shape, 0), settings=settings, numerics=used, micro_batch=micro_batch
    )
    windows = Windows(Documents.from_list([text().tobytes()]), context=shape.context, seed=0)

    def steps(count: int) -> Seconds:
        begun = now()
        train(
            trainer,
            windows,
            Steps(count),
            batch=batch,
            evaluate=lambda symbols: (1.0, symbols),
            path=Path("no-checkpoint-is-ever-written"),
            request="",
            pace=Pace(1e9),
            tick=lambda _: None,
        )
        return since(begun)

    return _by_steps(steps, batch * shape.context)


def peer_steps(shape: Shape, batch: int, precision: str) -> Work:
    """Bytes, through transformers.Trainer and a Llama of the same shape; start and end left out."""
    import torch
    import transformers

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    config = transformers.LlamaConfig(
        vocab_size=257,
        hidden_size=shape.width,
        intermediate_size=shape.feed_forward,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        max_position_embeddings=shape.context,
        hidden_act="gelu",
        tie_word_embeddings=True,
        use_cache=False,
    )
    model = transformers.LlamaForCausalLM(config)
    tokens = torch.from_numpy(text().astype(np.int64))

    class Windows(torch.utils.data.Dataset[dict[str, torch.Tensor]]):
        def __len__(self) -> int:
            return len(tokens) // shape.context

        def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
            window = tokens[index * shape.context : (index + 1) * shape.context]
            return {"input_ids": window, "labels": window}

    class Watch(transformers.TrainerCallback):
        begun = took = (0.0, 0.0)

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == 0:
                self.begun = now()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self.took = since(self.begun)

    watch = Watch()

    def steps(count: int) -> Seconds:
        arguments = transformers.TrainingArguments(
            output_dir=tempfile.gettempdir(),
            max_steps=count,
            per_device_train_batch_size=batch,
            learning_rate=1e-3,
            bf16=precision == "bf16",
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = transformers.Trainer(
            model=model, args=arguments, train_dataset=Windows(), callbacks=[watch]
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return watch.took

    return _by_steps(steps, batch * shape.context)


def products(shape: Shape | None, batch: int) -> Work:
    """Operations, in products alone: square ones, or forward and backward those of a model."""
    import torch

    def rows(m: int, k: int, n: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        a, b, c = (torch.randn(x, y, dtype=torch.bfloat16) for x, y in ((m, k), (k, n), (m, n)))
        return [(a, b), (c, b.T), (a.T, c)]  # the product, and both of its gradients

    if shape is None:
        pairs = rows(2048, 2048, 2048)[:1]
    else:
        m, d, f = batch * shape.context, shape.width, shape.feed_forward
        layer = [(m, d, 3 * d), (m, d, d), (m, d, 2 * f), (m, f, d)]
        sizes = layer * shape.layers + [(m, d, 257)]
        pairs = [pair for size in sizes for pair in rows(*size)]
    each = sum(2 * a.shape[0] * a.shape[1] * b.shape[1] for a, b in pairs)

    def work(count: int) -> Seconds:
        begun = now()
        for _ in range(count):
            for a, b in pairs:
                torch.mm(a, b)
        return since(begun)

    return _by_steps(work, each)


def now() -> Seconds:
    return time.perf_counter(), time.process_time()


def since(begun: Seconds) -> Seconds:
    wall, processor = now()
    return wall - begun[0], processor - begun[1]


def _by_steps(steps: Callable[[int], Seconds], each: float) -> Work:
    """Work of about the seconds asked for, in whole steps of a known amount."""
    steps(2)
    per_step = steps(3)[1] / 3 / torch_threads()

    def work(seconds: float) -> tuple[float, float, float]:
        count = max(2, round(seconds / per_step))
        return (count * each, *steps(count))

    return work


def torch_threads() -> int:
    import torch

    return int(torch.get_num_threads())


def text() -> np.ndarray:
    """Bytes with the skew of text; what they say makes no difference to speed."""
    return np.random.default_rng(0).zipf(1.3, 2_000_000).clip(1, 200).astype(np.uint8)


def work_of(name: str, shape: Shape, batch: int, threads: int) -> Work:
    """A contestant, warmed up."""
    import torch

    torch.set_num_threads(threads)
    if name in OURS:
        return our_steps(shape, batch, {**OURS[name], "threads": threads})
    if name in PEERS:
        return peer_steps(shape, batch, name.split()[1])
    return products(None if name == LIMITS[0] else shape, batch)
