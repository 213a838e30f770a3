import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.learners.ngram import Ngram, NgramSettings

small_texts = st.lists(
    st.lists(st.sampled_from([0, 1, 97, 98, 255]), max_size=12).map(bytes), min_size=1, max_size=6
).filter(any)
orders = st.integers(1, 7)


@given(small_texts, small_texts, small_texts, orders, st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=60)
def test_mixtures_agree_with_a_slow_reference(
    fit, score, reference, source, text, test, order, seed
):
    own = NgramSettings(order=order, source_classes=(1, 3), target_classes=(1, 4))
    learner = Ngram(own)
    start = fit(learner, source).state
    names = fit(learner, text, start=start, validation=test).training.chosen
    numbers = np.random.default_rng(seed).random(len(names)).tolist()
    chosen = dict(zip(names, numbers, strict=True))
    reference = reference(
        text, order, 30.0, reference(source, order, 30.0), chosen, ((1, 3), (1, 4))
    )
    state = fit(learner, text, start=start, chosen=chosen).state
    expected = [reference.nats(document) for document in test]
    np.testing.assert_allclose(score(learner, state, test), expected, rtol=1e-12, atol=1e-12)


@given(small_texts, small_texts, small_texts)
@settings(deadline=None, max_examples=40)
def test_no_step_of_the_search_makes_it_worse(fit, source, text, validation):
    learner = Ngram(NgramSettings(weight_prior_bytes=0.0, search_stop=0.0))
    start = fit(learner, source).state
    search = fit(learner, text, start=start, validation=validation).training.search
    losses = np.array([entry["validation_bits_per_byte"] for entry in search[1:]])
    assert (np.diff(losses) <= 1e-12).all()


@given(small_texts, small_texts, small_texts)
@settings(deadline=None, max_examples=40)
def test_the_source_never_costs_anything_on_validation(fit, score, source, text, validation):
    learner = Ngram(NgramSettings())
    start = fit(learner, source).state
    with_source = fit(learner, text, start=start, validation=validation).state
    without = fit(learner, text).state
    assert score(learner, with_source, validation).sum() <= (
        score(learner, without, validation).sum() + 1e-9
    )


def test_a_source_without_use_gives_the_model_from_scratch_exactly(fit, score):
    learner = Ngram(NgramSettings())
    target, foreign = [b"abcabcabd" * 3, b"abdabc"], [bytes(range(200, 256)) * 2]
    start = fit(learner, foreign).state
    tuned = fit(learner, target, start=start, validation=target)
    assert not any(tuned.training.chosen.values())
    scratch = fit(learner, target).state
    test = [b"abcxyz", bytes(range(190, 220))]
    assert (score(learner, tuned.state, test) == score(learner, scratch, test)).all()


def test_zero_weights_given_are_the_model_from_scratch_exactly(fit, score):
    learner = Ngram(NgramSettings())
    start = fit(learner, [b"some source text"]).state
    names = fit(learner, [b"text"], start=start, validation=[b"text"]).training.chosen
    state = fit(learner, [b"text"], start=start, chosen=dict.fromkeys(names, 0.0)).state
    scratch = fit(learner, [b"text"]).state
    assert (score(learner, state, [b"sext"]) == score(learner, scratch, [b"sext"])).all()


def test_losses_are_what_they_were_when_first_written_down(fit, score):
    def text(modulus: int, count: int) -> list[bytes]:
        return [b" ".join(b"%d" % (i * j % modulus) for j in range(9)) for i in range(count)]

    learner = Ngram(NgramSettings())
    start = fit(learner, text(97, 300)).state
    tuned = fit(learner, text(89, 30), start=start, validation=text(83, 40))
    assert max(tuned.training.chosen.values()) > 0.1
    source, both = (score(learner, state, text(79, 200)) for state in (start, tuned.state))
    assert [source.sum(), source[7]] == pytest.approx(
        [6648.642237173655, 15.294157961181732], rel=1e-12
    )
    assert [both.sum(), both[7]] == pytest.approx(
        [6777.801239799999, 15.664625376683569], rel=1e-12
    )
