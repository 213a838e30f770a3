"""Training windows."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.corpus.documents import Documents
from bytetransfer.learners.transformer.batches import Windows, pack

TEXTS = st.lists(st.binary(max_size=30), min_size=1, max_size=8).filter(any)


@given(TEXTS, st.integers(1, 40), st.integers(0, 9))
def test_an_epoch_covers_every_symbol_and_little_twice(
    texts: list[bytes], context: int, seed: int
) -> None:
    documents = Documents.from_list(texts)
    windows = Windows(documents, context=context, seed=seed)
    _, predicted = windows.batch(0, windows.per_epoch)
    expected = np.bincount(pack(documents), minlength=257)
    got = np.bincount(predicted.ravel(), minlength=257)
    assert (got >= expected).all()
    assert got.sum() - expected.sum() < windows.length


@given(TEXTS, st.integers(1, 40), st.integers(0, 9))
def test_windows_are_stretches_of_the_ring(texts: list[bytes], context: int, seed: int) -> None:
    documents = Documents.from_list(texts)
    windows = Windows(documents, context=context, seed=seed)
    ring = bytes(np.minimum(np.tile(pack(documents), 3), 255).astype(np.uint8))
    for x, y in zip(*windows.batch(5, 4), strict=True):
        assert (x[1:] == y[:-1]).all()
        window = np.append(x, y[-1])
        assert bytes(np.minimum(window, 255).astype(np.uint8)) in ring


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    documents = Documents.from_list([bytes(range(200)), b"abc" * 50])

    def batch(seed: int, *steps: int) -> np.ndarray:
        windows = Windows(documents, context=16, seed=seed, noise=0.1)
        return np.stack([windows.batch(step, 8) for step in steps][-1])

    assert (batch(1, 0, 1, 2, 9) == batch(1, 9)).all()
    assert (batch(1, 9, 2) == batch(1, 2)).all()
    assert (batch(1, 3) != batch(2, 3)).any()
    assert (batch(1, 3) != batch(1, 4)).any()


def test_epochs_differ_in_order_and_phase() -> None:
    windows = Windows(Documents.from_list([bytes(range(250))]), context=10, seed=0)
    first, second = (windows.batch(epoch, windows.per_epoch)[0] for epoch in (0, 1))
    assert set(first[:, 0].tolist()) != set(second[:, 0].tolist())


def test_one_byte_is_enough() -> None:
    windows = Windows(Documents.from_list([b"a"]), context=128, seed=0)
    assert windows.length == 2
    assert sorted(windows.batch(0, 1)[0][0].tolist()) == [97, 256]


def test_noise_starts_with_the_second_epoch_and_spares_what_is_predicted() -> None:
    documents = Documents.from_list([bytes([i]) * 99 for i in range(40)])
    clean = Windows(documents, context=50, seed=0)
    noisy = Windows(documents, context=50, seed=0, noise=0.2)
    for epoch in (0, 1, 2):
        x, y = clean.batch(epoch, clean.per_epoch)
        other_x, other_y = noisy.batch(epoch, noisy.per_epoch)
        assert (y == other_y).all()
        assert ((x == 256) == (other_x == 256)).all()
        changed = float((x != other_x).mean())
        assert changed == 0 if epoch == 0 else 0.15 < changed < 0.25
