import errno
import os
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus import folder as folders
from bytetransfer.corpus.corpus import Corpus, Splits, open_corpus
from bytetransfer.corpus.prepare import Preparing, derive, prepare
from bytetransfer.corpus.splits import SplitWriter
from bytetransfer.errors import CorpusError, StoreError

HALF = Splits(validation_share=0.2, test_share=0.2)


def texts(count: int, start: int = 0, length: int = 60) -> list[bytes]:
    return [
        f"{i:06} ".encode() + "né".encode() * (length // 3) for i in range(start, start + count)
    ]


def everything(corpus: Corpus) -> list[bytes]:
    return [*corpus.train, *corpus.validation, *corpus.test]


def in_batches(items: list[bytes], size: int) -> list[list[bytes]]:
    return [items[i : i + size] for i in range(0, len(items), size)]


@settings(max_examples=25, deadline=None)
@given(
    extra=st.lists(st.binary(max_size=40)),
    order=st.randoms(use_true_random=False),
    batch=st.integers(1, 200),
    memory_bytes=st.sampled_from([1, 20_000, 60_000, 10**9]),
)
def test_bytes_in_are_bytes_out_whatever_the_order_and_memory(
    tmp_path_factory, extra, order, batch, memory_bytes
):
    path = tmp_path_factory.mktemp("prepare")
    documents = texts(200) + extra + extra[:3]
    first = prepare([documents], path / "a", splits=HALF)
    assert Counter(everything(first)) == Counter(set(documents) - {b""})
    shuffled = documents.copy()
    order.shuffle(shuffled)
    second = prepare(
        in_batches(shuffled, batch), path / "b", splits=HALF, memory_bytes=memory_bytes
    )
    assert second.card == first.card
    for name in ("train.bin", "train.ends.npy", "validation.bin", "test.bin", "test.ends.npy"):
        assert (path / "a" / name).read_bytes() == (path / "b" / name).read_bytes()
    assert sorted(p.name for p in path.iterdir()) == ["a", "b"]
    assert not list((path / "b").glob("run-*"))


def test_a_document_never_crosses_a_split_between_corpora(tmp_path):
    one = prepare([texts(900)], tmp_path / "one")
    other = prepare([texts(900, start=450)], tmp_path / "other")
    for split, foreign in (("train", "test"), ("test", "validation"), ("validation", "train")):
        assert not set(getattr(one, split)) & set(getattr(other, foreign))
    assert set(one.test) & set(other.test)


def test_the_card_counts(tmp_path):
    documents = texts(400)
    corpus = prepare([documents, documents[:30], [b"", b""]], tmp_path / "c", language="fr")
    card = corpus.card
    assert (card.documents_read, card.empty_dropped, card.duplicates_dropped) == (432, 2, 30)
    assert card.bytes_read == sum(map(len, documents + documents[:30]))
    assert card.language == "fr"
    for name in ("train", "validation", "test"):
        found, said = getattr(corpus, name), card.split(name)
        joined = b"".join(found)
        assert (len(found), len(joined), len(joined.decode())) == (
            said.documents,
            said.bytes,
            said.characters,
        )


def test_held_out_text_is_limited_and_the_rest_is_unused(tmp_path):
    free = prepare([texts(2000)], tmp_path / "free", splits=HALF)
    limits = Splits(validation_share=0.2, test_share=0.2, validation_bytes=2000, test_bytes=3000)
    for memory_bytes in (10**9, 20_000):
        tight = prepare([texts(2000)], tmp_path / "t", splits=limits, memory_bytes=memory_bytes)
        assert list(tight.train) == list(free.train)
        assert list(tight.validation) == list(free.validation)[: len(tight.validation)]
        assert 1900 < tight.card.validation.bytes <= 2000
        assert 2900 < tight.card.test.bytes <= 3000
        surplus = free.card.validation.bytes + free.card.test.bytes - tight.card.validation.bytes
        assert tight.card.held_out_surplus_bytes == surplus - tight.card.test.bytes


def test_the_limit_cuts_alike_in_memory_and_on_disk(tmp_path):
    documents = [f"{i} ".encode() + b"x" * (i * 37 % 400) for i in range(3000)]
    limits = Splits(validation_share=0.2, test_share=0.2, validation_bytes=5000, test_bytes=9000)
    cards = [
        prepare([documents], tmp_path / "c", splits=limits, memory_bytes=memory_bytes).card
        for memory_bytes in (10**9, 60_000)
    ]
    assert cards[0] == cards[1]


def test_many_copies_of_one_document_stay_in_bounded_memory(tmp_path):
    copies = [[b"x" * 5000] * 20 for _ in range(50)]
    corpus = prepare([texts(400), *copies], tmp_path / "c", splits=HALF, memory_bytes=200_000)
    assert corpus.card.duplicates_dropped == 999


def test_binary_has_no_characters(tmp_path):
    corpus = prepare([[os.urandom(50) for _ in range(2000)]], tmp_path / "c", kind="binary")
    assert corpus.card.train.characters is None


@pytest.mark.parametrize("batches", [[], [[]], [[b"", b""]]])
def test_empty_corpus(tmp_path, batches):
    with pytest.raises(CorpusError, match="fi: the corpus is empty"):
        prepare(batches, tmp_path / "c", name="fi")
    assert not list(tmp_path.iterdir())


def test_text_that_is_held_out_whole_is_not_called_empty(tmp_path):
    held = Splits(validation_share=0.49, test_share=0.49)
    with pytest.raises(CorpusError, match="fi: all of its 2 documents are held out"):
        prepare([texts(2)], tmp_path / "c", name="fi", splits=held)


@pytest.mark.parametrize(
    ("documents", "splits", "advice"),
    [
        (texts(5000, length=6)[:100], Splits(), "add text, or raise validation_share"),
        ([b"raw" * 30_000, b"war" * 30_000], Splits(), "smaller chunk_bytes"),
        (texts(20, length=30_000), Splits(), "one document a line"),
        (texts(2000), Splits(validation_bytes=500), "raise validation_bytes"),
        (texts(2000), Splits(test_bytes=500), "raise test_bytes"),
    ],
)
def test_held_out_text_too_small(tmp_path, documents, splits, advice):
    with pytest.raises(CorpusError, match=r"split has .* documents and .* bytes") as caught:
        prepare([documents], tmp_path / "c", splits=splits)
    assert advice in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [{"validation_share": 0}, {"test_share": 0.6}, {"test_bytes": 0}])
def test_splits_without_meaning(wrong):
    with pytest.raises(CorpusError, match=next(iter(wrong))):
        Splits(**wrong)


@pytest.mark.parametrize(
    ("number", "expected"),
    [(errno.ENOSPC, "full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")],
)
def test_a_disk_that_refuses(tmp_path, monkeypatch, number, expected):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(SplitWriter, "append", refuse)
        with pytest.raises(StoreError, match=expected):
            prepare([texts(400)], tmp_path / "c")
    assert not list(tmp_path.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)
        with pytest.raises(StoreError, match=expected):
            prepare([texts(400)], tmp_path / "c")


def test_what_the_reader_raises_is_not_blamed_on_the_disk(tmp_path):
    def batches():
        yield texts(10)
        raise PermissionError(errno.EACCES, "the reader's own")

    with pytest.raises(PermissionError):
        prepare(batches(), tmp_path / "c")
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "thesis.tex").write_text("years of work")
    with pytest.raises(StoreError, match="something else"):
        prepare([texts(400)], tmp_path / "c")
    assert (tmp_path / "c" / "thesis.tex").read_text() == "years of work"
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a file stands"):
        prepare([texts(400)], tmp_path / "file")


def test_an_older_corpus_is_replaced_whole(tmp_path):
    old = prepare([texts(400)], tmp_path / "c")
    new = prepare([texts(500)], tmp_path / "c")
    assert old.card.digest != new.card.digest
    assert open_corpus(tmp_path / "c", verify=True).card == new.card
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


ENDLESS = """
import itertools, pathlib, sys
from bytetransfer.corpus.prepare import prepare
batches = ([f"{i} {j}".encode() for j in range(100)] for i in itertools.count())
prepare(batches, pathlib.Path(sys.argv[1]), memory_bytes=100_000)
"""


def test_killed_leaves_nothing_that_looks_done(tmp_path):
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(tmp_path / "c")])
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".c.*.partial/run-00003.text")) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert list(tmp_path.glob(".c.*.partial"))
    with pytest.raises(StoreError, match="no prepared corpus"):
        open_corpus(tmp_path / "c")
    prepare([texts(400)], tmp_path / "c")
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_a_folder_being_written_is_not_swept(tmp_path):
    with folders.written_folder(tmp_path / "c") as temporary:
        (temporary / folders.CARD_NAME).write_text("{}")
        prepare([texts(400)], tmp_path / "c")
        assert temporary.exists()


def test_watch_hears_of_both_stages(tmp_path):
    heard: list[Preparing] = []
    prepare(in_batches(texts(400), 100), tmp_path / "c", watch=heard.append)
    assert [sign.stage for sign in heard] == ["reading"] * 4 + ["writing"]
    assert heard[-1].expected_bytes == heard[-2].bytes


def test_derive_keeps_order_and_splits(tmp_path):
    corpus = prepare([texts(400)], tmp_path / "c", language="fr")
    derived = derive(corpus, lambda document: document.upper(), tmp_path / "d", language="xx")
    for name in ("train", "validation", "test"):
        assert list(getattr(derived, name)) == [d.upper() for d in getattr(corpus, name)]
    assert (derived.card.language, corpus.card.language) == ("xx", "fr")
    assert derived.card.digest != corpus.card.digest
    assert open_corpus(tmp_path / "d", verify=True)
    same = derive(corpus, lambda document: document, tmp_path / "e")
    assert same.card.digest == corpus.card.digest


def test_derive_leaves_out_what_nothing_is_left_of_in_every_split(tmp_path):
    corpus = prepare([texts(400)], tmp_path / "c", splits=HALF)
    derived = derive(corpus, lambda d: d if d[5] % 2 else b"", tmp_path / "d")
    for name in ("train", "validation", "test"):
        assert list(getattr(derived, name)) == [d for d in getattr(corpus, name) if d[5] % 2]
    assert (derived.card.empty_dropped, derived.card.duplicates_dropped) == (200, 0)


def test_derive_leaves_out_training_text_that_became_held_out(tmp_path):
    corpus = prepare([texts(400)], tmp_path / "c")
    last_digits = derive(corpus, lambda d: d[4:], tmp_path / "d")
    held_out = {*last_digits.validation, *last_digits.test}
    assert not held_out & set(last_digits.train)
    lost = corpus.card.train.documents - last_digits.card.train.documents
    assert last_digits.card.duplicates_dropped == lost > 0


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([[b"word " * 5_000]], "it is one document of 25 kB"),
        ([[b"word " * 5_000, b""]], "it is one document of 25 kB"),
        ([[b"the same line"] * 700], "it is one document of 13 B, 700 times: none can be held out"),
    ],
)
def test_one_document_only_is_said_to_be_that(tmp_path, batches, message):
    with pytest.raises(CorpusError, match=message) as caught:
        prepare(batches, tmp_path / "x")
    assert 'documents = "lines"' in caught.value.todo
    assert not (tmp_path / "x").exists()


def test_a_disk_that_takes_no_more_while_a_corpus_is_derived_leaves_nothing_half_written(tmp_path):
    """Whatever is still in a buffer is written when files are closed, and may not fit either."""
    corpus = prepare([texts(2000)], tmp_path / "plain", splits=HALF)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    for file in ("train.bin", "train.ends.npy"):
        size = (tmp_path / "plain" / file).stat().st_size
        for limit in (0, 100, size // 2, size - 5000, size - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
            try:
                with pytest.raises(StoreError, match="larger than allowed") as refused:
                    derive(corpus, bytes.upper, tmp_path / "derived")
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, before)
            assert refused.value.where == str(tmp_path / "derived")
            assert [path.name for path in tmp_path.iterdir()] == ["plain"]
    assert derive(corpus, bytes.upper, tmp_path / "derived").card.train == corpus.card.train
