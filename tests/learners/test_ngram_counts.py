import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.ngram import Ngram, NgramSettings
from bytetransfer.learners.ngram_counts import SYMBOL_BITS, count_text

small_texts = st.lists(
    st.lists(st.sampled_from([0, 1, 97, 98, 255]), max_size=12).map(bytes), min_size=1, max_size=6
).filter(any)
orders = st.integers(1, 7)


@given(small_texts, small_texts, orders)
@settings(deadline=None, max_examples=60)
def test_scores_agree_with_a_slow_reference(fit, score, reference, text, test, order):
    learner = Ngram(NgramSettings(order=order))
    reference = reference(text, order, 30.0)
    expected = [reference.nats(document) for document in test]
    got = score(learner, fit(learner, text).state, test)
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@given(small_texts, small_texts, st.binary(max_size=9), orders, st.booleans())
@settings(deadline=None, max_examples=60)
def test_probabilities_of_the_256_bytes_sum_to_one(
    fit, score, source, text, context, order, fine_tuned
):
    learner = Ngram(NgramSettings(order=order))
    start = fit(learner, source).state if fine_tuned else None
    state = fit(learner, text, start=start, validation=source).state
    nats = score(learner, state, [context] + [context + bytes([b]) for b in range(256)])
    assert np.exp(nats[0] - nats[1:]).sum() == pytest.approx(1.0, abs=1e-12)


def test_contexts_do_not_cross_documents(fit, score):
    learner = Ngram(NgramSettings())
    joined = fit(learner, [b"abababab"]).state
    apart = fit(learner, [b"a", b"b"] * 4).state
    a_then_b = [
        score(learner, s, [b"ab"])[0] - score(learner, s, [b"a"])[0] for s in (joined, apart)
    ]
    assert a_then_b[0] < 1.0 < a_then_b[1]


def prefixes(windows: np.ndarray, order: int, k: int) -> list[int]:
    """The distinct prefixes of k symbols, in their order."""
    return np.unique(windows >> np.uint64(SYMBOL_BITS * (order - k))).tolist()


@given(small_texts, orders)
@settings(deadline=None, max_examples=60)
def test_every_n_gram_knows_the_one_it_extends(text, order):
    documents = Documents.from_list(text)
    counts = count_text(documents.text, documents.lengths, order=order, discount_prior=30.0)
    for k in range(1, order + 1):
        grams, contexts = prefixes(counts.windows, order, k), prefixes(counts.windows, order, k - 1)
        expected = [contexts.index(gram >> SYMBOL_BITS) for gram in grams]
        assert counts.levels[k].prefix.tolist() == expected


def test_what_is_kept_of_an_n_gram_takes_at_most_20_bytes():
    documents = Documents.from_list([bytes(range(256)) * 4])
    counts = count_text(documents.text, documents.lengths, order=7, discount_prior=30.0)
    for level in counts.levels[:-1]:
        kept = (level.counts, level.totals, level.reserved, level.prefix)
        assert sum(array.nbytes for array in kept) == 20 * len(level.counts)
