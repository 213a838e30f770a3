"""A worker's command with a key, by itself and started by torchrun."""

import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from bytetransfer.corpus.corpus import Splits  # noqa: E402
from bytetransfer.corpus.synthetic import NonsenseSettings  # noqa: E402
from bytetransfer.learners.catalog import TransformerOptions  # noqa: E402
from bytetransfer.learners.transformer.ranks import Ranks  # noqa: E402
from bytetransfer.planning.plan import make_plan  # noqa: E402
from bytetransfer.runs.corpora import CorpusRoom  # noqa: E402
from bytetransfer.runs.engine import Outcome  # noqa: E402
from bytetransfer.runs.local import engine_for  # noqa: E402
from bytetransfer.runs.store import Store  # noqa: E402
from bytetransfer.runs.worker import execute, main_of_one  # noqa: E402
from bytetransfer.study.study import CorpusSpec  # noqa: E402

SPLITS = Splits(validation_share=0.1, test_share=0.1, validation_bytes=5_000, test_bytes=5_000)


@pytest.fixture
def runs(make, store):
    """The smallest from-scratch run of each learner, requested."""
    words = NonsenseSettings(paragraphs=1, paragraphs_range=0, vocabulary=50)
    study = make.study(
        sources=("other",),
        targets=("small",),
        corpora={name: CorpusSpec(generator=words) for name in ("other", "small")},
        pretrain_bytes=2_000,
        finetune_bytes=(1_000,),
        scratch_bytes=(1_000, 3_000),
        transformer=TransformerOptions(
            scratch_learning_rates=(1e-3,), finetune_learning_rates=(1e-3,), most_bytes=15_000
        ),
        seeds=1,
        convergence_checks=False,
        splits=SPLITS,
    )
    corpora = CorpusRoom(study, store.root, store).prepare(lambda *_: None)
    cards = {name: corpus.card for name, corpus in corpora.items()}
    plan = make_plan(study, cards, make.numerics)
    found = {}
    for planned in plan.runs.values():
        store.request(planned.run)
        if planned.run.kind == "scratch":
            found.setdefault(planned.learner, planned.run)
    return found


@pytest.mark.slow
def test_two_processes_of_torchrun_do_one_run_together(runs, store, tmp_path: Path) -> None:
    run = runs["transformer/nano"]
    engine = engine_for([run], store.root, workers=1, threads=1, ranks=2)
    try:
        engine.submit(run.key)
        assert engine.poll(200) == [Outcome(run.key, None)]
    finally:
        engine.close()
    together = store.result(run.key)
    assert together is not None
    assert together.training.ranks == [2]
    assert not store.work_folder(run.key).exists()
    other = Store(tmp_path / "other")
    other.request(run)
    (other.root / "corpora").symlink_to(store.root / "corpora")
    execute(other, run.key, parents=lambda _: None)
    alone = other.result(run.key)
    assert alone is not None
    assert "ranks" not in (other.run_folder(run.key) / "result.json").read_text()
    assert together.training.steps == alone.training.steps > 0
    assert together.training.stopped == alone.training.stopped
    assert together.test.nats == pytest.approx(alone.test.nats, rel=1e-3)
    assert [b for _, b in together.test.blocks] == [b for _, b in alone.test.blocks]


def test_a_key_alone_is_one_run_and_its_end_an_exit_code(runs, store, capsys) -> None:
    key = runs["ngram"].key
    assert main_of_one(store.root, key) == 0
    assert store.is_done(key)
    assert main_of_one(store.root, "0" * 32) == 2
    (store.corpus_folder(runs["transformer/nano"].held_out) / "corpus.json").unlink()
    assert main_of_one(store.root, runs["transformer/nano"].key) == 2
    answers = capsys.readouterr().out.splitlines()
    assert answers[0] == "done"
    assert "no request of this run" in answers[1]
    assert "no request of this run" in (store.failure("0" * 32) or "")


def test_other_ranks_write_nothing_and_leave_the_surface_learner_to_the_first(
    runs, store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ranks, "first_says", lambda self, value: value)
    monkeypatch.setattr("bytetransfer.runs.worker.make_learner", None)  # nothing is to be learnt
    key = runs["ngram"].key
    before = sorted(store.run_folder(key).iterdir())
    execute(store, key, parents=lambda _: None, ranks=Ranks(1, 2))
    assert sorted(store.run_folder(key).iterdir()) == before
    assert not (store.root / "locks" / f"run-{key}.lock").exists()


def test_of_several_processes_the_first_to_fail_tells_why(runs, store) -> None:
    from bytetransfer.runs.worker import _leave_word

    key = runs["ngram"].key
    store.fail(key, "an earlier try")
    before = store.failed_at(key)
    os.utime(store.run_folder(key) / "failure.txt", ns=(0, 0))
    store.fail(key, "the reason")
    _leave_word(store, key, "the other is gone", before)
    assert store.failure(key) == "the reason"
    _leave_word(store, key, "another reason", store.failed_at(key))
    assert store.failure(key) == "another reason"
