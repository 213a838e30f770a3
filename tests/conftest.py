"""Small studies, cards and hand-made results, for the tests of plan, store and engine."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import settings

from bytetransfer.corpus.corpus import CorpusCard, Splits
from bytetransfer.corpus.sources import FileSource
from bytetransfer.corpus.splits import SplitStatistics
from bytetransfer.identity import digest
from bytetransfer.learners.catalog import Settings
from bytetransfer.learners.learner import Training
from bytetransfer.learners.ngram import NgramSettings
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import TransformerSettings
from bytetransfer.planning.plan import Plan, make_plan
from bytetransfer.planning.run import Loss, Result, Run, Sample
from bytetransfer.runs.store import Environment, Store
from bytetransfer.study.study import CorpusSpec, Study

# how long an example takes says more about the machine's other work than about the code
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

TEST_BYTES = 1000


class Make:
    """Values that are right unless a test says otherwise."""

    environment = Environment(seconds=1.0, finished="2024-01-01", machine="x", versions={})

    def study(self, **changes: Any) -> Study:
        fields: dict[str, Any] = {
            "name": "small",
            "sources": ("en", "ru"),
            "targets": ("es", "fi"),
            "learners": ("ngram", "transformer/nano"),
            "pretrain_bytes": 50_000,
            "finetune_bytes": (1_000, 3_000),
            "scratch_bytes": (1_000, 10_000, 60_000),
            "seeds": 2,
            "corpora": {
                name: CorpusSpec(text=FileSource(files=(f"{name}.txt",)))
                for name in ("en", "ru", "es", "fi")
            },
        }
        return Study(**(fields | changes))

    def card(self, name: str, train_bytes: int = 1_000_000) -> CorpusCard:
        held_out = SplitStatistics(documents=10, bytes=TEST_BYTES, characters=TEST_BYTES)
        train = SplitStatistics(documents=100, bytes=train_bytes, characters=train_bytes)
        return CorpusCard(
            digest=digest([name, train_bytes]),
            kind="text",
            language=None,
            train=train,
            validation=held_out,
            test=held_out,
            splits=Splits(),
        )

    def cards(self, study: Study, **known: CorpusCard | None) -> dict[str, CorpusCard | None]:
        return {name: known.get(name, self.card(name)) for name in study.expressions()}

    def numerics(self, of: Settings, expected_bytes: int) -> Numerics | None:
        return Numerics() if isinstance(of, TransformerSettings) else None

    def plan(self, study: Study | None = None, **known: CorpusCard | None) -> Plan:
        study = study or self.study()
        return make_plan(study, self.cards(study, **known), self.numerics)

    def run(self, **changes: Any) -> Run:
        """A from-scratch run of the surface learner."""
        corpus = digest("corpus")
        fields: dict[str, Any] = {
            "kind": "scratch",
            "settings": NgramSettings(),
            "seed": 0,
            "held_out": corpus,
            "sample": Sample(corpus=corpus, nominal_bytes=1_000, end="near"),
        }
        return Run(**(fields | changes))

    def result(
        self,
        run: Run,
        *,
        loss: float = 2.0,
        validation: float | None = None,
        stopped: Literal["patience", "budget", "schedule", "exact"] | None = None,
        state: dict[str, str] | msgspec.UnsetType = msgspec.UNSET,
    ) -> Result:
        """The result of a run with these test and validation losses in bits per byte."""
        exact = isinstance(run.settings, NgramSettings)
        size = run.sample.nominal_bytes if run.sample else 0
        test = self.loss(loss)
        return Result(
            key=run.key,
            trained_bytes=size,
            validation=self.loss(loss if validation is None else validation),
            test=msgspec.structs.replace(test, blocks=[(test.nats, test.bytes)]),
            training=Training(
                bytes_seen=size, stopped=stopped or ("exact" if exact else "patience")
            ),
            state=state,
        )

    def loss(self, bits_per_byte: float) -> Loss:
        return Loss(nats=bits_per_byte * math.log(2) * TEST_BYTES, bytes=TEST_BYTES)

    def finish(self, store: Store, run: Run, **result: Any) -> None:
        """Put a run's request and result (and state) into a store, as a worker would."""
        store.request(run)
        if run.kind == "pretrain":
            store.state_folder(run.key).mkdir(parents=True, exist_ok=True)
        store.finish(self.result(run, **result), self.environment)

    def finish_all(
        self, store: Store, plan: Plan, losses: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Finish every run of a plan; `losses` holds arguments of `result` by key."""
        for key, planned in plan.runs.items():
            self.finish(store, planned.run, **(losses or {}).get(key, {}))


@pytest.fixture(scope="session", autouse=True)
def _no_power_cuts() -> Iterator[None]:
    """What the tests write need not survive a power cut, and waiting for disks takes most time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def make() -> Make:
    return Make()


@pytest.fixture
def store(tmp_path: Any) -> Store:
    return Store(tmp_path / "store")
