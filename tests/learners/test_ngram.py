import math
import os
from collections import Counter, defaultdict
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus.documents import Documents
from bytetransfer.errors import StoreError, StudyError
from bytetransfer.identity import canonical_json
from bytetransfer.learners import ngram as ngram_module
from bytetransfer.learners.learner import Fitted, Learner, Progress, Task
from bytetransfer.learners.ngram import FILE, Ngram, NgramSettings
from bytetransfer.learners.ngram_state import NgramState

BEGIN = "begin"
small_texts = st.lists(
    st.lists(st.sampled_from([0, 1, 97, 98, 255]), max_size=12).map(bytes), min_size=1, max_size=6
).filter(any)
orders = st.integers(1, 7)


def no_watch(progress: Progress) -> None:
    assert progress.bytes_seen <= progress.expected_bytes


def fit(learner, text, *, start=None, validation=(), chosen=None) -> Fitted[NgramState]:
    task = Task(
        text=Documents.from_list(text),
        validation=Documents.from_list(validation),
        seed=0,
        chosen=chosen,
    )
    return learner.fit(task, start=start, folder=Path("unused"), watch=no_watch)


def score(learner, state, text) -> np.ndarray:
    return learner.score(state, Documents.from_list(text))


class Reference:
    """Interpolated modified Kneser–Ney written with dictionaries, one byte at a time."""

    def __init__(self, text, order, prior, source=None, weights=None, edges=()):
        self.order, self.source, self.weights, self.edges = order, source, weights, edges
        raw = Counter()
        before = defaultdict(set)
        for document in text:
            symbols = (BEGIN, *document)
            for i in range(1, len(symbols)):
                for k in range(1, order + 1):
                    if i - k + 1 >= 0:
                        gram = symbols[i - k + 1 : i + 1]
                        raw[gram] += 1
                        if i - k >= 0:
                            before[gram].add(symbols[i - k])
        self.counts = {
            gram: count if len(gram) == order or gram[0] == BEGIN else len(before[gram])
            for gram, count in raw.items()
        }
        self.after = defaultdict(dict)
        for gram, count in self.counts.items():
            self.after[gram[:-1]][gram[-1]] = count
        self.discounts = [self._discounts(k, prior) for k in range(order + 1)]

    def _discounts(self, k, prior):
        n = [
            sum(len(g) == k and count == c for g, count in self.counts.items())
            + prior / (c * (c + 1))
            for c in (1, 2, 3, 4)
        ]
        y = n[0] / (n[0] + 2 * n[1])
        free = [c - (c + 1) * y * n[c] / n[c - 1] for c in (1, 2, 3)]
        return [0.0] + [min(max(d, 0.1), c - 0.05) for c, d in enumerate(free, start=1)]

    def total(self, context):
        return sum(self.after[context].values()) if context in self.after else 0

    def probability(self, context, byte):
        """p(byte | context), the context being exactly as long as is to be used."""
        k = len(context) + 1
        lower = self.probability(context[1:], byte) if context else 1 / 256
        if self.source is not None:
            theirs = sum(c <= self.source.total(context) for c in self.edges[0])
            ours = sum(c <= self.total(context) for c in self.edges[1])
            a = self.weights.get(f"source_weight_order{k}_source{theirs}_target{ours}", 0.0)
            lower = (1 - a) * lower + a * self.source.probability(context, byte)
        total = self.total(context)
        if total == 0:
            return lower
        d = self.discounts[k]
        following = self.after[context]
        count = following.get(byte, 0)
        reserved = sum(d[min(c, 3)] for c in following.values())
        return (count - d[min(count, 3)] + reserved * lower) / total

    def nats(self, document):
        symbols = (BEGIN, *document)
        return -sum(
            math.log(self.probability(symbols[max(0, i - self.order + 1) : i], symbols[i]))
            if self.order > 1
            else math.log(self.probability((), symbols[i]))
            for i in range(1, len(symbols))
        )


@given(small_texts, small_texts, orders)
@settings(deadline=None, max_examples=60)
def test_scores_agree_with_a_slow_reference(text, test, order):
    learner = Ngram(NgramSettings(order=order))
    reference = Reference(text, order, 30.0)
    expected = [reference.nats(document) for document in test]
    got = score(learner, fit(learner, text).state, test)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@given(small_texts, small_texts, small_texts, orders, st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_mixtures_agree_with_a_slow_reference(source, text, test, order, seed):
    own = NgramSettings(order=order, source_classes=(1, 3), target_classes=(1, 4))
    learner = Ngram(own)
    start = fit(learner, source).state
    names = fit(learner, text, start=start, validation=test).training.chosen
    numbers = np.random.default_rng(seed).random(len(names)).tolist()
    chosen = dict(zip(names, numbers, strict=True))
    reference = Reference(
        text, order, 30.0, Reference(source, order, 30.0), chosen, ((1, 3), (1, 4))
    )
    state = fit(learner, text, start=start, chosen=chosen).state
    expected = [reference.nats(document) for document in test]
    np.testing.assert_allclose(score(learner, state, test), expected, rtol=1e-12, atol=1e-12)


@given(small_texts, small_texts, st.binary(max_size=9), orders, st.booleans())
@settings(deadline=None, max_examples=60)
def test_probabilities_of_the_256_bytes_sum_to_one(source, text, context, order, fine_tuned):
    learner = Ngram(NgramSettings(order=order))
    start = fit(learner, source).state if fine_tuned else None
    state = fit(learner, text, start=start, validation=source).state
    nats = score(learner, state, [context] + [context + bytes([b]) for b in range(256)])
    assert np.exp(nats[0] - nats[1:]).sum() == pytest.approx(1.0, abs=1e-12)


def language(seed: int, count: int, words: int = 60, shared: int = 0) -> list[bytes]:
    """Sentences over a random lexicon; `shared` words are the same for all seeds."""

    def lexicon(own: int, size: int) -> list[bytes]:
        own_random = np.random.default_rng(own)
        return [bytes(own_random.integers(97, 123, 5).tolist()) for _ in range(size)]

    known = lexicon(999, shared) + lexicon(seed, words - shared)
    draws = np.random.default_rng(seed + 1000).zipf(1.5, (count, 8)) % words
    return [b" ".join(known[i] for i in row) + b"." for row in draws.tolist()]


def mean(nats: np.ndarray, text: list[bytes]) -> float:
    return float(nats.sum()) / (math.log(2) * sum(map(len, text)))


def test_more_text_of_the_same_kind_helps():
    learner = Ngram(NgramSettings())
    everything = language(1, 1200)
    test, train = everything[:200], everything[200:]
    losses = [
        mean(score(learner, fit(learner, train[:n]).state, test), test) for n in (10, 50, 200, 1000)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] - losses[-1] > 0.5


def test_a_related_source_helps_and_its_weights_do_not_depend_on_test():
    learner = Ngram(NgramSettings())
    everything = language(1, 600, shared=40)
    train, validation, test = everything[:20], everything[20:300], everything[300:]
    start = fit(learner, language(2, 500, shared=40)).state
    scratch = fit(learner, train)
    tuned = fit(learner, train, start=start, validation=validation)
    gain = mean(score(learner, scratch.state, test), test) - mean(
        score(learner, tuned.state, test), test
    )
    assert gain > 0.2
    losses = [entry["validation_bits_per_byte"] for entry in tuned.training.search]
    assert losses[0] == pytest.approx(mean(score(learner, scratch.state, validation), validation))
    assert min(losses) == pytest.approx(mean(score(learner, tuned.state, validation), validation))


def test_training_record():
    learner = Ngram(NgramSettings(order=3))
    start = fit(learner, [b"abcabc"]).state
    training = fit(learner, [b"abcd"], start=start, validation=[b"abc"]).training
    assert (training.stopped, training.bytes_seen, training.search_bytes) == ("exact", 4, 0)
    assert len(training.chosen) == 3 * 3 * 3
    assert training.search[0]["weights_zero"] == 1.0


@given(small_texts, small_texts, small_texts)
@settings(deadline=None, max_examples=40)
def test_the_source_never_costs_anything_on_validation(source, text, validation):
    learner = Ngram(NgramSettings())
    start = fit(learner, source).state
    with_source = fit(learner, text, start=start, validation=validation).state
    without = fit(learner, text).state
    assert score(learner, with_source, validation).sum() <= (
        score(learner, without, validation).sum() + 1e-9
    )


@given(small_texts, small_texts, small_texts)
@settings(deadline=None, max_examples=40)
def test_no_step_of_the_search_makes_it_worse(source, text, validation):
    learner = Ngram(NgramSettings(weight_prior_bytes=0.0, search_stop=0.0))
    start = fit(learner, source).state
    search = fit(learner, text, start=start, validation=validation).training.search
    losses = np.array([entry["validation_bits_per_byte"] for entry in search[1:]])
    assert (np.diff(losses) <= 1e-12).all()


def test_a_source_without_use_gives_the_model_from_scratch_exactly():
    learner = Ngram(NgramSettings())
    target, foreign = [b"abcabcabd" * 3, b"abdabc"], [bytes(range(200, 256)) * 2]
    start = fit(learner, foreign).state
    tuned = fit(learner, target, start=start, validation=target)
    assert not any(tuned.training.chosen.values())
    scratch = fit(learner, target).state
    test = [b"abcxyz", bytes(range(190, 220))]
    assert (score(learner, tuned.state, test) == score(learner, scratch, test)).all()


def test_zero_weights_given_are_the_model_from_scratch_exactly():
    learner = Ngram(NgramSettings())
    start = fit(learner, [b"some source text"]).state
    names = fit(learner, [b"text"], start=start, validation=[b"text"]).training.chosen
    state = fit(learner, [b"text"], start=start, chosen=dict.fromkeys(names, 0.0)).state
    scratch = fit(learner, [b"text"]).state
    assert (score(learner, state, [b"sext"]) == score(learner, scratch, [b"sext"])).all()


def test_chosen_values_skip_the_search_and_give_the_same_state():
    learner = Ngram(NgramSettings())
    train, validation = language(1, 20, shared=30), language(1, 100, shared=30)
    start = fit(learner, language(2, 100, shared=30)).state
    searched = fit(learner, train, start=start, validation=validation)
    again = fit(learner, train, start=start, chosen=searched.training.chosen)
    assert again.training.search == []
    assert max(searched.training.chosen.values()) > 0.5
    assert again.training.chosen == searched.training.chosen
    assert (
        score(learner, again.state, validation) == score(learner, searched.state, validation)
    ).all()


def test_chosen_values_of_other_settings_are_refused():
    learner = Ngram(NgramSettings())
    start = fit(learner, [b"text"]).state
    with pytest.raises(ValueError, match="not the weights of these settings"):
        fit(learner, [b"text"], start=start, chosen={"learning_rate": 1e-3})


def test_zero_shot_is_the_source_untouched():
    learner = Ngram(NgramSettings())
    start = fit(learner, [b"some source text"]).state
    for empty in ([], [b"", b""]):
        fitted = fit(learner, empty, start=start, validation=[b"anything"])
        assert fitted.state is start
        assert fitted.training.bytes_seen == 0
        assert not fitted.training.chosen
        assert not fitted.training.search


def test_neither_text_nor_start_is_an_error():
    with pytest.raises(ValueError, match="no text"):
        fit(Ngram(NgramSettings()), [b""])


def test_a_choice_without_validation_text_is_an_error():
    learner = Ngram(NgramSettings())
    with pytest.raises(ValueError, match="no validation text"):
        fit(learner, [b"ab"], start=fit(learner, [b"ab"]).state)


def test_a_fine_tuned_state_can_be_fine_tuned_again():
    learner = Ngram(NgramSettings())
    first = fit(learner, language(1, 60)).state
    second = fit(
        learner, language(2, 20, shared=40), start=first, validation=language(2, 60, shared=40)
    )
    third = fit(
        learner,
        language(3, 5, shared=40),
        start=second.state,
        validation=language(3, 60, shared=40),
    )
    nats = score(learner, third.state, [b"abc"] + [b"abc" + bytes([b]) for b in range(256)])
    assert np.exp(nats[0] - nats[1:]).sum() == pytest.approx(1.0, abs=1e-12)


@given(small_texts, small_texts)
@settings(deadline=None, max_examples=40)
def test_a_document_is_scored_by_itself(text, test):
    learner = Ngram(NgramSettings())
    state = fit(learner, text).state
    alone = np.concatenate([score(learner, state, [document]) for document in test])
    assert (score(learner, state, test) == alone).all()


def test_empty_documents_cost_nothing():
    learner = Ngram(NgramSettings())
    state = fit(learner, [b"", b"abc", b""]).state
    nats = score(learner, state, [b"", b"a", b""])
    assert nats[0] == nats[2] == 0
    assert nats[1] > 0
    assert score(learner, state, []).shape == (0,)


@pytest.mark.parametrize("order", [1, 2, 7])
def test_batches_and_cut_documents_change_no_context(monkeypatch, order):
    learner = Ngram(NgramSettings(order=order))
    state = fit(learner, language(1, 50)).state
    test = [b"", *language(1, 9), b"".join(language(1, 9)), b"", b"x" * 64, b"ab"]
    whole = score(learner, state, test)
    monkeypatch.setattr(ngram_module, "_BATCH_BYTES", 64)
    np.testing.assert_allclose(score(learner, state, test), whole, rtol=1e-13)
    alone = np.concatenate([score(learner, state, [document]) for document in test])
    assert (score(learner, state, test) == alone).all()


def test_contexts_do_not_cross_documents():
    learner = Ngram(NgramSettings())
    joined = fit(learner, [b"abababab"]).state
    apart = fit(learner, [b"a", b"b"] * 4).state
    a_then_b = [
        score(learner, s, [b"ab"])[0] - score(learner, s, [b"a"])[0] for s in (joined, apart)
    ]
    assert a_then_b[0] < 1.0 < a_then_b[1]


def fine_tuned(learner: Ngram) -> NgramState:
    start = fit(learner, language(2, 100, shared=30)).state
    text, validation = language(1, 20, shared=30), language(1, 100, shared=30)
    return fit(learner, text, start=start, validation=validation).state


@pytest.mark.parametrize("tuned", [False, True])
def test_a_state_read_back_scores_identically(tmp_path, tuned):
    learner = Ngram(NgramSettings())
    state = fine_tuned(learner) if tuned else fit(learner, language(1, 50)).state
    assert (state.source is not None) == tuned
    learner.save(state, tmp_path / "new")
    again = learner.load(tmp_path / "new")
    test = language(1, 50)
    assert (score(learner, state, test) == score(learner, again, test)).all()
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]


def test_saving_twice_writes_the_same_bytes(tmp_path):
    learner = Ngram(NgramSettings())
    for folder in ("one", "two"):
        learner.save(fine_tuned(learner), tmp_path / folder)
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()


def test_damage_anywhere_is_found_and_named(tmp_path):
    learner = Ngram(NgramSettings())
    learner.save(fit(learner, [b"some text"]).state, tmp_path)
    path = tmp_path / FILE
    good = path.read_bytes()
    state = learner.load(tmp_path)
    expected = score(learner, state, [b"test"])
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :])
        try:
            damaged = learner.load(tmp_path)
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017  some bytes of a zip file mean nothing
        else:
            assert (score(learner, damaged, [b"test"]) == expected).all()
    for size in (0, 10, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:size])
        with pytest.raises(StoreError, match=FILE):
            learner.load(tmp_path)


def test_a_missing_file_and_other_settings_are_named(tmp_path):
    learner = Ngram(NgramSettings())
    with pytest.raises(StoreError, match=FILE):
        learner.load(tmp_path)
    learner.save(fine_tuned(learner), tmp_path)
    for other in (
        NgramSettings(order=6),
        NgramSettings(discount_prior=1.0),
        NgramSettings(target_classes=()),
    ):
        with pytest.raises(StoreError, match="of other settings"):
            Ngram(other).load(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="a file in the way of a folder")
def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    learner = Ngram(NgramSettings())
    with pytest.raises(StoreError, match="a file stands where"):
        learner.save(fit(learner, [b"ab"]).state, tmp_path / "file" / "folder")


def test_settings_read_and_refuse():
    default = NgramSettings()
    assert msgspec.json.decode(msgspec.json.encode(default), type=NgramSettings) == default
    assert '"learner":"ngram"' in canonical_json(default)
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"learner":"ngram","ordr":3}', type=NgramSettings)
    for wrong in ({"order": 8}, {"order": 0}, {"source_classes": ()}, {"target_classes": (3, 3)}):
        with pytest.raises(StudyError, match=next(iter(wrong))):
            NgramSettings(**wrong)


def test_it_keeps_the_protocol():
    learner: Learner[NgramState] = Ngram(NgramSettings())
    assert callable(learner.fit)
