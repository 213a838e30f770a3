"""Scoring documents one by one."""

import weakref

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from bytetransfer.corpus.documents import Documents  # noqa: E402
from bytetransfer.learners.transformer import attention, model, scoring  # noqa: E402
from bytetransfer.learners.transformer.numerics import Numerics  # noqa: E402
from bytetransfer.learners.transformer.scoring import Scorer, cut  # noqa: E402
from bytetransfer.learners.transformer.settings import Shape  # noqa: E402

SHAPE = Shape(layers=1, width=16, heads=2, feed_forward=24, context=16)
WEIGHTS = model.fuse(model.initial_state(SHAPE, 5), SHAPE)
NUMERICS = Numerics()


def score(*texts: bytes) -> np.ndarray:
    return Scorer(SHAPE, NUMERICS).nats(WEIGHTS, Documents.from_list(texts))


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


TEXTS = [
    np.random.default_rng(n).integers(0, 256, n, np.uint8).tobytes()
    for n in (3, 40, 0, 8, 9, 16, 17, 1, 90, 15, 12)
]


def allow(
    monkeypatch: pytest.MonkeyPatch, symbols: int, error: type[RuntimeError] | None = None
) -> list[weakref.ref[torch.Tensor]]:
    """Memory for so many positions; a CPU's allocator raises a plain RuntimeError, and is real."""
    tries: list[weakref.ref[torch.Tensor]] = []

    def target_nats(weights: object, x: torch.Tensor, *rest: object) -> torch.Tensor:
        assert all(large() is None for large in tries), "a failed try lets go of its memory"
        if x.numel() > symbols:
            large = torch.zeros(1000)
            tries.append(weakref.ref(large))
            if error is not None:
                raise error("no room")
            torch.empty(1 << 60, dtype=torch.uint8)
        return model.target_nats(weights, x, *rest)

    monkeypatch.setattr(scoring, "target_nats", target_nats)
    return tries


@pytest.mark.parametrize("error", [torch.OutOfMemoryError, None])
def test_running_out_of_memory_halves_the_windows_at_a_time(
    error: type[RuntimeError] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = score(*TEXTS)
    tries = allow(monkeypatch, 64, error)
    scorer = Scorer(SHAPE, NUMERICS)
    documents = Documents.from_list(TEXTS)
    np.testing.assert_allclose(scorer.nats(WEIGHTS, documents), expected, rtol=1e-5)
    assert scorer.symbols <= 64 < scorer.asked == 4096
    failed = len(tries)
    assert failed == 3, "of 24, 12 and 6 windows"
    np.testing.assert_allclose(scorer.nats(WEIGHTS, documents), expected, rtol=1e-5)
    assert len(tries) == failed, "what fitted is remembered"
    again = Scorer(SHAPE, Numerics(scored_symbols=scorer.symbols))
    assert again.nats(WEIGHTS, documents).tolist() == scorer.nats(WEIGHTS, documents).tolist()


def test_memory_that_does_not_suffice_for_one_window_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = allow(monkeypatch, 15, torch.OutOfMemoryError)
    with pytest.raises(torch.OutOfMemoryError):
        score(*TEXTS)
    assert len(tries) == 5, "of 24, 12, 6, 3 windows and one"


def test_only_a_lack_of_memory_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = allow(monkeypatch, 64, RuntimeError)
    with pytest.raises(RuntimeError, match="no room"):
        score(*TEXTS)
    assert len(tries) == 1


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> set[tuple[int, ...]]:
    """Of the batches that go through what is compiled, which here is the model as it is."""
    found: set[tuple[int, ...]] = set()

    def nats(weights: model.Weights, x: torch.Tensor, *rest: object) -> torch.Tensor:
        if x.numel() > 64:
            raise torch.OutOfMemoryError
        found.add(tuple(x.shape))
        return model.target_nats(weights, x, *rest)

    monkeypatch.setattr(scoring.compiled, "target_nats", nats)
    return found


def test_less_memory_takes_one_more_graph_a_size(
    monkeypatch: pytest.MonkeyPatch, sizes: set[tuple[int, ...]]
) -> None:
    monkeypatch.setitem(scoring.SYMBOLS_PER_BATCH, "cpu", 128)
    scorer = Scorer(SHAPE, Numerics(compiled=True))
    for some in (TEXTS, TEXTS[:2], TEXTS[1:]):
        found = scorer.nats(WEIGHTS, Documents.from_list(some))
        np.testing.assert_allclose(found, score(*some), rtol=1e-5)
    assert scorer.symbols == 64
    assert sizes == {(4, 16)}


def test_filling_windows_up_for_one_graph_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, sizes: set[tuple[int, ...]]
) -> None:
    monkeypatch.setitem(scoring.SYMBOLS_PER_BATCH, "cpu", 64)  # several batches, the last not full
    for some in (TEXTS, TEXTS[:2], TEXTS[:1]):
        documents = Documents.from_list(some)
        found = Scorer(SHAPE, Numerics(compiled=True)).nats(WEIGHTS, documents)
        np.testing.assert_allclose(found, score(*some), rtol=1e-5)
    assert sizes == {(4, 16)}


def test_no_documents_no_nats() -> None:
    assert score().shape == (0,)
