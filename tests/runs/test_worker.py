import errno
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.synthetic import NonsenseSettings
from bytetransfer.errors import StoreError
from bytetransfer.learners.catalog import make_learner
from bytetransfer.learners.learner import Training
from bytetransfer.learners.transformer.numerics import Numerics
from bytetransfer.learners.transformer.settings import preset
from bytetransfer.planning.plan import make_plan
from bytetransfer.runs import worker as module
from bytetransfer.runs.corpora import CorpusRoom
from bytetransfer.runs.store import Store
from bytetransfer.runs.worker import MOST_BLOCKS, block_losses, execute
from bytetransfer.study.study import CorpusSpec

SPLITS = Splits(validation_share=0.1, test_share=0.1, validation_bytes=20_000, test_bytes=20_000)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=3000), st.randoms())
def test_blocks_hold_every_document_once_in_order(lengths, order):
    nats = np.array([order.random() * length for length in lengths])
    blocks = block_losses(nats, np.array(lengths, np.int64))
    assert len(blocks) == min(MOST_BLOCKS, len(lengths))
    assert sum(count for _, count in blocks) == sum(lengths)
    assert sum(value for value, _ in blocks) == pytest.approx(nats.sum())
    ends = np.cumsum([count for _, count in blocks])
    assert set(ends.tolist()) <= set(np.cumsum(lengths).tolist()), "a document is never divided"
    assert all(isinstance(count, int) for _, count in blocks)


def test_blocks_depend_on_the_documents_alone():
    lengths = np.arange(1, 2502)
    one, other = block_losses(lengths * 1.0, lengths), block_losses(lengths * 2.0, lengths)
    assert [count for _, count in one] == [count for _, count in other]
    assert block_losses(np.array([]), np.array([], np.int64)) == []


@pytest.fixture(scope="module")
def prepared(make, tmp_path_factory):
    """A plan of the surface learner on generated text, its corpora in a store."""
    folder = tmp_path_factory.mktemp("worker")
    study = make.study(
        sources=("small",),
        targets=("other",),
        corpora={
            name: CorpusSpec(
                generator=NonsenseSettings(paragraphs=1, paragraphs_range=0, vocabulary=size)
            )
            for name, size in (("small", 100), ("other", 200))
        },
        learners=("ngram",),
        pretrain_bytes=8_000,
        finetune_bytes=(0, 1_000),
        scratch_bytes=(1_000, 9_000),
        seeds=1,
        splits=SPLITS,
    )
    store = Store(folder / "store")
    corpora = CorpusRoom(study, folder, store).prepare(lambda *_: None)
    cards = {name: corpus.card for name, corpus in corpora.items()}
    return make_plan(study, cards, make.numerics), store


@pytest.fixture
def planned(prepared, store):
    """The plan, and a store of its own that shares the corpora."""
    plan, first = prepared
    store.root.mkdir()
    (store.root / "corpora").symlink_to(first.root / "corpora")
    for planned in plan.runs.values():
        store.request(planned.run)
    return plan, store


def parents_of(store):
    def parents(key):
        run = store.run(key)
        return make_learner(run.settings, run.numerics).load(store.state_folder(key))

    return parents


def do_all(plan, store):
    for key in plan.runs:
        execute(store, key, parents=parents_of(store))


def test_runs_are_done_and_say_what_they_were_given(planned, monkeypatch):
    monkeypatch.setattr("bytetransfer.runs.worker.MOST_VALIDATION_BLOCKS", 5)
    plan, store = planned
    do_all(plan, store)
    for cell in plan.cells:
        result = store.result(cell.key)
        corpus = store.corpus(plan.runs[cell.key].run.held_out)
        assert 0 <= cell.nominal_bytes - result.trained_bytes < 4
        assert result.test.bytes == corpus.test.total_bytes
        assert result.validation.bytes == corpus.validation.total_bytes
        assert len(result.validation.blocks) == 5 < len(result.test.blocks)
        for loss in (result.test, result.validation):
            assert sum(nats for nats, _ in loss.blocks) == pytest.approx(loss.nats)
            assert sum(size for _, size in loss.blocks) == loss.bytes
    states = [key for key in plan.runs if store.state_folder(key).exists()]
    assert states == [key for key, p in plan.runs.items() if p.run.kind == "pretrain"]


def test_done_twice_in_two_places_is_the_same_bytes(planned, prepared, tmp_path):
    plan, store = planned
    do_all(plan, store)
    other = Store(tmp_path / "elsewhere")
    other.root.mkdir()
    (other.root / "corpora").symlink_to(prepared[1].root / "corpora")
    for planned_run in plan.runs.values():
        other.request(planned_run.run)
    do_all(plan, other)
    for key in plan.runs:
        one, two = (s.run_folder(key) / "result.json" for s in (store, other))
        assert one.read_bytes() == two.read_bytes()
        assert str(tmp_path) not in one.read_text()


def test_a_state_that_is_not_the_one_written_is_not_started_from(planned):
    plan, store = planned
    key = next(key for key, p in plan.runs.items() if p.run.kind == "pretrain")
    execute(store, key, parents=parents_of(store))
    assert module._load_state(store, key)
    path = store.state_folder(key) / "ngram.npz"
    with np.load(path) as stored:
        arrays = dict(stored)
    arrays["multiplicities_0"] = arrays["multiplicities_0"] + 1
    np.savez(path, **arrays)  # a sound file of other counts
    with pytest.raises(StoreError, match="the state is damaged") as caught:
        module._load_state(store, key)
    assert caught.value.where == str(path)


def test_a_run_that_is_done_is_not_done_again(planned):
    plan, store = planned
    key = next(iter(plan.runs))
    execute(store, key, parents=parents_of(store))
    before = (store.run_folder(key) / "result.json").stat().st_mtime_ns
    execute(store, key, parents=parents_of(store))
    assert (store.run_folder(key) / "result.json").stat().st_mtime_ns == before


def test_signs_of_life_come_from_the_clock_that_is_given(planned, monkeypatch):
    plan, store = planned
    key = next(iter(plan.runs))
    shown = []
    monkeypatch.setattr(Store, "show_progress", lambda _, key, progress: shown.append(progress))

    class Clock:
        now = 1000.0

        def time(self):
            self.now += 10
            return self.now

    execute(store, key, parents=parents_of(store), clock=Clock())
    assert shown
    assert all(1000 < p.started <= p.updated for p in shown)
    environment = store.environment(key)
    assert environment is not None
    assert environment.seconds > 0
    assert "numpy" in environment.versions


def worker(store, lines, **options):
    return subprocess.run(
        [sys.executable, "-m", "bytetransfer.runs.worker", str(store.root)],
        input=lines,
        capture_output=True,
        text=True,
        timeout=60,
        **options,
    )


def test_a_worker_answers_each_key_and_stops_when_its_input_ends(planned):
    plan, store = planned
    keys = [key for key, p in plan.runs.items() if p.run.kind != "finetune"]
    with subprocess.Popen(
        [sys.executable, "-m", "bytetransfer.runs.worker", str(store.root)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        answers = []
        for key in (keys[0], "0" * 32, keys[1]):
            process.stdin.write(key + "\n")
            process.stdin.flush()
            answers.append(process.stdout.readline())
        process.stdin.close()
        assert process.wait(timeout=20) == 0
    assert [answers[0], answers[2]] == ["done\n", "done\n"]
    assert answers[1].startswith("refused ")
    assert "no request of this run" in answers[1]
    assert "no request of this run" in (store.failure("0" * 32) or "")
    assert [store.is_done(key) for key in keys[:2]] == [True, True]


def test_numerics_that_were_used_say_what_memory_did_not_suffice_for(make):
    run = make.run(settings=preset("nano"), numerics=Numerics())

    def changed(lowered, **chosen):
        learner, training = SimpleNamespace(lowered=lowered), Training(bytes_seen=1, chosen=chosen)
        return module._changed_numerics(run, learner, training)

    assert changed({}, learning_rate=1e-3) is None
    assert changed({}, micro_batch=4.0) == Numerics(micro_batch=4)
    assert changed({"scored_symbols": 512}) == Numerics(scored_symbols=512)
    assert changed({"scored_symbols": 512}, micro_batch=4.0) == Numerics(
        micro_batch=4, scored_symbols=512
    )


def test_a_disk_that_takes_no_word_does_not_stop_a_worker(store, monkeypatch, capsys):
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(module, "_lines_until_orphaned", lambda: iter(["0" * 32]))
    module.main(store.root)
    assert capsys.readouterr().out.startswith("refused ")
