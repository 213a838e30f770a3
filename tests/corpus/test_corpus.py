import errno
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus import permutation
from bytetransfer.corpus.corpus import Corpus, open_corpus
from bytetransfer.corpus.documents import Documents
from bytetransfer.corpus.permutation import (
    cut_to_characters,
    permutation_keys,
    sample_documents,
)
from bytetransfer.corpus.prepare import derive, prepare
from bytetransfer.errors import CorpusError, StoreError

WORDS = st.text(st.sampled_from("aé語🙂 "), min_size=1, max_size=12)
DOCUMENTS = st.lists(WORDS.map(str.encode), min_size=1, max_size=40)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    documents = [f"{i} é 語 {'🙂' * (i % 7)}".encode() for i in range(3000)]
    return prepare([documents], tmp_path_factory.mktemp("corpus") / "c")


def joined(documents: Documents) -> bytes:
    assert documents.total_bytes == len(documents.text)
    assert (documents.lengths > 0).all()
    return documents.text.tobytes()


@given(items=DOCUMENTS, seed=st.integers(-5, 5), data=st.data())
def test_near_samples_are_prefixes_and_far_ones_suffixes(items, seed, data):
    documents = Documents.from_list(items)
    total = documents.total_bytes
    small = data.draw(st.integers(0, total))
    large = data.draw(st.integers(small, total))
    for far in (False, True):
        a, b, whole = (
            joined(sample_documents(documents, None, size=size, seed=seed, far=far))
            for size in (small, large, total)
        )
        assert sorted(whole) == sorted(b"".join(items))
        assert b.endswith(a) if far else b.startswith(a)
        for size, sample in ((small, a), (large, b)):
            sample.decode()
            assert size - 4 < len(sample) <= size
            longer = whole[-len(sample) - 1 :] if far else whole[: len(sample) + 1]
            assert len(sample) == size or not is_text(longer) or len(longer) > size


def is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@given(items=DOCUMENTS, seed=st.integers(0, 5), data=st.data(), characters=st.booleans())
def test_near_and_far_are_the_two_ends_of_one_permutation(items, seed, data, characters):
    documents = Documents.from_list(items)
    total = documents.total_bytes
    near_bytes = data.draw(st.integers(0, total))
    far_bytes = data.draw(st.integers(0, total - near_bytes))
    take = {"seed": seed, "whole_characters": characters}
    whole = joined(sample_documents(documents, None, size=total, **take))
    near = joined(sample_documents(documents, None, size=near_bytes, **take))
    far = joined(sample_documents(documents, None, size=far_bytes, far=True, **take))
    assert whole.startswith(near)
    assert whole.endswith(far)
    assert len(near) + len(far) <= total
    if not characters:
        assert (len(near), len(far)) == (near_bytes, far_bytes)


@given(items=st.lists(st.binary(min_size=1, max_size=9), min_size=1), size=st.integers(0, 30))
def test_bytes_that_are_no_utf8_are_still_nested(items, size):
    documents = Documents.from_list(items)
    size = min(size, documents.total_bytes)
    sizes = [joined(sample_documents(documents, None, size=s, seed=1)) for s in range(size + 1)]
    for smaller, larger in itertools.pairwise(sizes):
        assert larger.startswith(smaller)
    assert size - 3 <= len(sizes[-1]) <= size


def test_documents_come_in_the_order_of_their_keys():
    documents = Documents.from_list([bytes([i]) * 3 for i in range(1, 101)])
    order = np.argsort(permutation_keys(7, np.arange(100)))
    taken = sample_documents(documents, None, size=31, seed=7, whole_characters=False)
    assert list(taken) == [documents[i] for i in order[:10]] + [documents[order[10]][:1]]


def test_the_permutation_is_fixed_for_ever():
    keys = permutation_keys(3, np.array([0, 1, 2**40]))
    assert keys.tolist() == [15559990572502793946, 15040763173281104258, 11039562114500575479]


def test_uneven_documents_are_found_however_the_guess_goes():
    items = [b"x" * (100_000 if i == 5 else 1) for i in range(4000)]
    documents = Documents.from_list(items)
    for size in (1, 2000, 3999, 50_000, 103_999):
        for far in (False, True):
            taken = sample_documents(documents, None, size=size, seed=2, far=far)
            assert taken.total_bytes == size


def test_chunks_do_not_matter(monkeypatch):
    documents = Documents.from_list([bytes([65 + i % 26]) * (i % 9 + 1) for i in range(500)])
    whole = joined(sample_documents(documents, None, size=1500, seed=4))
    monkeypatch.setattr(permutation, "_CHUNK_DOCUMENTS", 7)
    assert joined(sample_documents(documents, None, size=1500, seed=4)) == whole


@settings(deadline=None, max_examples=30)
@given(size=st.integers(0, 20_000), seed=st.integers(0, 3))
def test_a_corpus_samples_its_training_text(corpus, size, seed):
    sample = corpus.sample(size, seed=seed)
    training = set(corpus.train)
    assert all(document in training for document in list(sample)[:-1])
    assert size - 4 < sample.total_bytes <= size


def test_the_ends_of_a_corpus_are_disjoint(corpus):
    total = corpus.card.train.bytes
    near, far = corpus.sample(total // 2, seed=1), corpus.sample(total // 2, seed=1, end="far")
    assert not set(near) & set(far)
    assert joined(corpus.sample(total, seed=1)).endswith(joined(far))


def test_seeds_differ_and_repeat(corpus):
    first, again, other = (joined(corpus.sample(5000, seed=s)) for s in (0, 0, 1))
    assert first == again != other


def test_asking_for_too_much(corpus):
    total = corpus.card.train.bytes
    assert corpus.sample(total, seed=0).total_bytes == total
    for size in (total + 1, -1):
        with pytest.raises(CorpusError, match=f"there are {total:,}"):
            corpus.sample(size, seed=0)


def test_reopened_is_the_same(corpus):
    again = open_corpus(corpus.folder, verify=True)
    assert again.card == corpus.card
    assert joined(again.sample(1000, seed=1)) == joined(corpus.sample(1000, seed=1))
    assert (again.train_ids, again.validation_ids, again.test_ids) == (None, None, None)


FILES = ["train.bin", "train.ends.npy", "validation.bin", "test.bin", "test.ends.npy"]


@pytest.mark.parametrize("name", [*FILES, "corpus.json"])
@pytest.mark.parametrize("damage", ["missing", "short", "long", "empty"])
def test_a_damaged_file_is_noticed(tmp_path, name, damage):
    prepare([[f"{i} words and words".encode() for i in range(2000)]], tmp_path / "c")
    path = tmp_path / "c" / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        wrong = {"short": content[:-2], "long": content + b"{", "empty": b""}
        path.write_bytes(wrong[damage])
    if (damage, path.suffix) == ("long", ".npy"):
        return  # numpy reads as many entries as the header says
    with pytest.raises(StoreError) as caught:
        open_corpus(tmp_path / "c")
    assert "prepare the corpus" in str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_changed_bytes_are_noticed_on_request(tmp_path, name):
    prepare([[f"{i} words and words".encode() for i in range(2000)]], tmp_path / "c")
    path = tmp_path / "c" / name
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="not those that were prepared"):
        open_corpus(tmp_path / "c", verify=True)


def test_no_corpus_there(tmp_path: Path):
    with pytest.raises(StoreError, match="no prepared corpus here; prepare the corpus first"):
        open_corpus(tmp_path / "nowhere")


def test_text_stays_on_disk_until_asked_for(corpus):
    assert isinstance(corpus.train.text.base, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        corpus.train.text[0] = 0
    assert os.path.getsize(corpus.folder / "train.bin") == len(corpus.train.text)  # noqa: PTH202


@given(items=DOCUMENTS, data=st.data())
def test_a_cut_to_characters_keeps_so_many_of_them_from_its_end(items, data):
    documents = Documents.from_list(items)
    text = b"".join(items).decode()
    count = data.draw(st.integers(0, len(text)))
    near = cut_to_characters(documents, count, far=False)
    far = cut_to_characters(documents, count, far=True)
    assert joined(near).decode() == text[:count]
    assert joined(far).decode() == text[len(text) - count :]


def test_another_script_is_sized_by_content(corpus, tmp_path):
    """A sample of a letter-for-letter transform holds what the sample of the original says."""
    one_to_one = str.maketrans("0123456789 é", "абвгдежзиқ_語")
    moved = derive(corpus, lambda d: d.decode().translate(one_to_one).encode(), tmp_path / "moved")
    for end in ("near", "far"):
        content = corpus.sample(5000, seed=3, end=end)
        count = len(joined(content).decode())
        found = moved.sample_characters(count, seed=3, end=end)
        assert joined(found).decode() == joined(content).decode().translate(one_to_one)
        assert found.total_bytes > content.total_bytes


def test_more_characters_than_there_are_are_refused(corpus):
    with pytest.raises(CorpusError, match="characters"):
        corpus.sample_characters(10**9, seed=0)


@pytest.mark.parametrize("name", ["train.bin", "train.ends.npy"])
def test_files_closed_to_us_are_told_as_that(tmp_path, monkeypatch, name):
    corpus = prepare(
        [[f"document {i} of some length".encode() for i in range(2000)]], tmp_path / "c"
    )
    real = open

    def refuse(path, *arguments, **options):
        if str(path).endswith(name):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(StoreError, match="no permission") as refused:
        list(corpus.train)
    assert refused.value.where == str(tmp_path / "c" / name)
