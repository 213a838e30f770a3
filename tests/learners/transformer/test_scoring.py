"""Scoring documents one by one."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from bytetransfer.corpus.documents import Documents  # noqa: E402
from bytetransfer.learners.transformer import attention, model, scoring  # noqa: E402
from bytetransfer.learners.transformer.numerics import Numerics  # noqa: E402
from bytetransfer.learners.transformer.scoring import cut, document_nats  # noqa: E402
from bytetransfer.learners.transformer.settings import Shape  # noqa: E402

SHAPE = Shape(layers=1, width=16, heads=2, feed_forward=24, context=16)
WEIGHTS = model.fuse(model.initial_state(SHAPE, 5), SHAPE)
NUMERICS = Numerics()


def score(*texts: bytes) -> np.ndarray:
    return document_nats(WEIGHTS, Documents.from_list(texts), SHAPE, NUMERICS)


def window_nats(symbols: list[int], first: int) -> float:
    """Nats of symbols[first + 1:] by one window over all of them."""
    x = torch.tensor([symbols[:-1]])
    y = torch.tensor([symbols[1:]])
    tables = attention.position_tables(SHAPE, torch.float32, torch.device("cpu"))
    return float(model.target_nats(WEIGHTS, x, y, SHAPE, tables, "matmul")[0, first:].sum())


@given(st.lists(st.integers(0, 60), max_size=6), st.integers(1, 16))
def test_windows_count_each_byte_once_with_enough_context(lengths: list[int], context: int) -> None:
    pieces = cut(np.array(lengths, np.int64), context)
    counted = [np.zeros(n, int) for n in lengths]
    for document, start, length, fresh in zip(*pieces, strict=True):
        assert 1 <= length <= context
        counted[document][start + fresh : start + length] += 1
        assert start == 0 or fresh >= context - max(1, context // 2)
    assert all((c == 1).all() for c in counted)


def test_a_short_document_is_one_window_from_its_begin_symbol() -> None:
    text = b"a short one"
    assert score(text)[0] == pytest.approx(window_nats([256, *text], 0), rel=1e-6)


def test_a_long_document_is_read_in_windows_half_a_context_apart() -> None:
    text = bytes(range(65, 65 + 27))
    symbols = [256, *text]
    expected = (
        window_nats(symbols[0:17], 0) + window_nats(symbols[8:25], 8) + window_nats(symbols[16:], 8)
    )
    assert score(text)[0] == pytest.approx(expected, rel=1e-6)


def test_no_document_sees_another() -> None:
    random = np.random.default_rng(0)
    texts = [random.integers(0, 256, n, np.uint8).tobytes() for n in (3, 40, 0, 16, 17, 1, 90)]
    together = score(*texts)
    alone = np.concatenate([score(text) for text in texts])
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert together[2] == 0
    order = random.permutation(len(texts))
    np.testing.assert_allclose(score(*[texts[i] for i in order]), together[order], rtol=1e-5)
    assert (score(*texts) == together).all()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's own, in its compiler
def test_filling_windows_up_for_one_graph_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._dynamo.testing import CompileCounter

    counter = CompileCounter()  # runs the graph as it is, and counts
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=counter))
    monkeypatch.setitem(scoring.SYMBOLS_PER_BATCH, "cpu", 64)  # several batches, the last not full
    scoring._compiled.cache_clear()
    random = np.random.default_rng(0)
    texts = [
        random.integers(0, 256, n, np.uint8).tobytes()
        for n in (3, 40, 0, 8, 9, 16, 17, 1, 90, 15, 12)
    ]
    for some in (texts, texts[:2], texts[:1]):
        documents = Documents.from_list(some)
        for weights in (WEIGHTS, {n: w.clone().requires_grad_() for n, w in WEIGHTS.items()}):
            found = document_nats(weights, documents, SHAPE, Numerics(compiled=True))
            np.testing.assert_allclose(found, score(*some), rtol=1e-5)
    scoring._compiled.cache_clear()
    assert counter.frame_count == 1


def test_no_documents_no_nats() -> None:
    assert score().shape == (0,)
