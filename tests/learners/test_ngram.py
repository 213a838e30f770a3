import math

import msgspec
import numpy as np
import pytest

from bytetransfer.errors import StudyError
from bytetransfer.identity import canonical_json
from bytetransfer.learners.learner import Learner
from bytetransfer.learners.ngram import Ngram, NgramSettings
from bytetransfer.learners.ngram_state import NgramState


def mean(nats: np.ndarray, text: list[bytes]) -> float:
    return float(nats.sum()) / (math.log(2) * sum(map(len, text)))


def test_more_text_of_the_same_kind_helps(fit, score, language):
    learner = Ngram(NgramSettings())
    everything = language(1, 1200)
    test, train = everything[:200], everything[200:]
    losses = [
        mean(score(learner, fit(learner, train[:n]).state, test), test) for n in (10, 50, 200, 1000)
    ]
    assert losses == sorted(losses, reverse=True)
    assert losses[0] - losses[-1] > 0.5


def test_a_related_source_helps_and_its_weights_do_not_depend_on_test(fit, score, language):
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


def test_training_record(fit):
    learner = Ngram(NgramSettings(order=3))
    start = fit(learner, [b"abcabc"]).state
    training = fit(learner, [b"abcd"], start=start, validation=[b"abc"]).training
    assert (training.stopped, training.bytes_seen, training.search_bytes) == ("exact", 4, 0)
    assert len(training.chosen) == 3 * 3 * 3
    assert training.search[0]["weights_zero"] == 1.0


def test_chosen_values_skip_the_search_and_give_the_same_state(fit, score, language):
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


def test_chosen_values_of_other_settings_are_refused(fit):
    learner = Ngram(NgramSettings())
    start = fit(learner, [b"text"]).state
    with pytest.raises(ValueError, match="not the weights of these settings"):
        fit(learner, [b"text"], start=start, chosen={"learning_rate": 1e-3})


def test_zero_shot_is_the_source_untouched(fit):
    learner = Ngram(NgramSettings())
    start = fit(learner, [b"some source text"]).state
    for empty in ([], [b"", b""]):
        fitted = fit(learner, empty, start=start, validation=[b"anything"])
        assert fitted.state is start
        assert fitted.training.bytes_seen == 0
        assert not fitted.training.chosen
        assert not fitted.training.search


def test_neither_text_nor_start_is_an_error(fit):
    with pytest.raises(ValueError, match="no text"):
        fit(Ngram(NgramSettings()), [b""])


def test_a_choice_without_validation_text_is_an_error(fit):
    learner = Ngram(NgramSettings())
    with pytest.raises(ValueError, match="no validation text"):
        fit(learner, [b"ab"], start=fit(learner, [b"ab"]).state)


def test_a_fine_tuned_state_can_be_fine_tuned_again(fit, score, language):
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
