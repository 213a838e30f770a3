import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners import ngram as ngram_module
from bytetransfer.learners import ngram_queries
from bytetransfer.learners.ngram import Ngram, NgramSettings
from bytetransfer.learners.ngram_counts import SYMBOL_BITS
from bytetransfer.learners.ngram_queries import queries_of

small_texts = st.lists(
    st.lists(st.sampled_from([0, 1, 97, 98, 255]), max_size=12).map(bytes), min_size=1, max_size=6
).filter(any)
orders = st.integers(1, 7)


@given(small_texts, small_texts)
@settings(deadline=None, max_examples=40)
def test_a_document_is_scored_by_itself(fit, score, text, test):
    learner = Ngram(NgramSettings())
    state = fit(learner, text).state
    alone = np.concatenate([score(learner, state, [document]) for document in test])
    assert (score(learner, state, test) == alone).all()


def test_empty_documents_cost_nothing(fit, score):
    learner = Ngram(NgramSettings())
    state = fit(learner, [b"", b"abc", b""]).state
    nats = score(learner, state, [b"", b"a", b""])
    assert nats[0] == nats[2] == 0
    assert nats[1] > 0
    assert score(learner, state, []).shape == (0,)


@pytest.mark.parametrize("order", [1, 2, 7])
def test_batches_and_cut_documents_change_no_context(fit, score, language, monkeypatch, order):
    learner = Ngram(NgramSettings(order=order))
    state = fit(learner, language(1, 50)).state
    test = [b"", *language(1, 9), b"".join(language(1, 9)), b"", b"x" * 64, b"ab"]
    whole = score(learner, state, test)
    monkeypatch.setattr(ngram_module, "_BATCH_BYTES", 64)
    np.testing.assert_allclose(score(learner, state, test), whole, rtol=1e-13)
    alone = np.concatenate([score(learner, state, [document]) for document in test])
    assert (score(learner, state, test) == alone).all()


@given(small_texts, orders)
@settings(deadline=None, max_examples=60)
def test_links_lead_to_the_n_gram_without_its_last_or_first_symbol(text, order):
    documents = Documents.from_list(text)
    queries = queries_of(documents.text, documents.lengths, order=order)
    below = [0]
    for k in range(1, order + 1):
        grams = np.unique(queries.windows >> np.uint64(SYMBOL_BITS * (order - k))).tolist()
        shorter = [gram >> SYMBOL_BITS for gram in grams]
        assert queries.links.prefix[k].tolist() == [below.index(gram) for gram in shorter]
        assert queries.links.first[k].tolist() == [shorter.index(gram) for gram in below]
        without_first = [gram % (1 << SYMBOL_BITS * (k - 1)) for gram in grams]
        for gram, suffix, expected in zip(
            grams, queries.links.suffix[k].tolist(), without_first, strict=True
        ):
            if 0 < gram % (1 << SYMBOL_BITS) < 257:  # the others predict nothing
                assert below[suffix] == expected
        below = grams


@given(small_texts, orders)
@settings(deadline=None, max_examples=60)
def test_every_byte_is_predicted_once(text, order):
    documents = Documents.from_list(text)
    queries = queries_of(documents.text, documents.lengths, order=order)
    occurrences = queries.occurrences()
    expected = [sum(len(d) >= k - 1 for d in text) if 1 < k < order else 0 for k in range(order)]
    assert sum(o.sum() for o in occurrences) == documents.total_bytes
    assert [len(o) for o in occurrences[1:]] == [len(p) for p in queries.links.prefix[1:]]
    assert [o.sum() for o in occurrences[:-1]] == expected


@pytest.mark.parametrize("counts", [(1, 1), (1, 50), (50, 1), (300, 7), (2000, 90), (90, 2000)])
def test_needles_are_put_in_where_numpy_puts_them(counts, monkeypatch):
    monkeypatch.setattr(ngram_queries, "_BLOCK_NEEDLES", 16)
    for seed in range(20):
        draws = np.random.default_rng(seed).integers(0, 3000, sum(counts)).astype(np.uint64)
        keys, needles = np.unique(draws[: counts[0]]), np.unique(draws[counts[0] :])
        expected = np.searchsorted(keys, needles)
        assert ngram_queries._insertions(keys, needles).tolist() == expected.tolist()


def test_windows_are_sorted_by_all_their_bits():
    windows = np.random.default_rng(0).integers(0, 1 << 63, 500).astype(np.uint64)
    windows = np.concatenate([windows, windows >> np.uint64(40), windows[:50]])
    expected = np.argsort(windows, kind="stable")
    assert ngram_queries._sorting(windows).tolist() == expected.tolist()
