import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.corpus.aligned import prepare_aligned
from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.division import (
    TEST,
    TORN,
    TRAIN,
    UNPLACED,
    VALIDATION,
    Placed,
    assigned_splits,
    placed_groups,
)
from bytetransfer.corpus.prepare import prepare
from bytetransfer.corpus.shuffle import hash_documents
from bytetransfer.corpus.splits import SPLIT_NAMES
from bytetransfer.errors import CorpusError

FIFTHS = Splits(validation_share=0.2, test_share=0.2)


def lines(word, start, stop):
    return [f"{word} {number} stands in some corpus".encode() for number in range(start, stop)]


def aligned(path, members, **more):
    batches = {name: [texts] for name, texts in members.items()}
    return prepare_aligned(batches, {n: path / n for n in members}, splits=FIFTHS, **more)


def crossings(corpora):
    """Documents that stand in different splits of the corpora."""
    places = {}
    for corpus in corpora:
        for split in SPLIT_NAMES:
            for document in getattr(corpus, split):
                places.setdefault(document, set()).add(split)
    return [document for document, splits in places.items() if len(splits) > 1]


def test_the_hash_decides_where_nothing_is_placed():
    hashes = hash_documents(lines("en", 0, 5000))
    shares = np.bincount(assigned_splits(hashes, FIFTHS), minlength=3) / 5000
    assert np.abs(shares - [0.6, 0.2, 0.2]).max() < 0.03


def test_documents_are_found_where_they_were_placed(tmp_path):
    corpus = prepare([lines("en", 0, 600)], tmp_path / "en", splits=FIFTHS)
    placed = Placed.of([corpus])
    for split, name in enumerate(SPLIT_NAMES):
        documents = list(getattr(corpus, name))
        assert (placed.find(hash_documents(documents)) == split).all()
    assert (placed.find(hash_documents(lines("fi", 0, 600))) == UNPLACED).all()
    other = Splits(validation_share=0.4, test_share=0.4)
    moved = prepare([lines("en", 300, 900)], tmp_path / "more", splits=other)
    kept = prepare([lines("en", 300, 900)], tmp_path / "kept", splits=other, placed=placed)
    assert crossings([corpus, moved])
    assert not crossings([corpus, kept])
    assert len(kept.test) > len(corpus.test)  # what was not placed goes by its own hash


def test_a_corpus_follows_the_group_whose_lines_it_shares(tmp_path):
    # chains of equal lines send many of them where their own hash would not
    english = [
        texts if i % 3 else b"and it came to pass" for i, texts in enumerate(lines("en", 0, 900))
    ]
    members = {"en": english, "fi": [line.replace(b"en", b"fi") for line in lines("en", 0, 900)]}
    group = aligned(tmp_path, members)
    alone = prepare([lines("en", 0, 1200)], tmp_path / "alone", splits=FIFTHS)
    assert crossings([*group.values(), alone])
    followed = prepare(
        [lines("en", 0, 1200)], tmp_path / "x", splits=FIFTHS, placed=Placed.of(group.values())
    )
    assert not crossings([*group.values(), followed])
    assert followed.card.documents_read == 1200


def test_a_second_group_follows_the_first_and_leaves_out_what_it_would_tear(tmp_path):
    first = aligned(tmp_path / "1", {"en": lines("en", 0, 900), "fi": lines("fi", 0, 900)})
    # a third member links lines 0-299 pairwise, which the first group put in different splits
    third = [f"sw {i % 150 if i < 300 else i} inaendelea hapa".encode() for i in range(600)]
    members = {"en": lines("en", 0, 600), "sw": third}
    loose = aligned(tmp_path / "2", members)
    assert crossings([*first.values(), *loose.values()])
    second = aligned(tmp_path / "3", members, placed=Placed.of(first.values()))
    assert not crossings([*first.values(), *second.values()])
    assert second["en"].card.held_out_surplus_documents > 50
    written = sum(second["en"].card.split(name).documents for name in SPLIT_NAMES)
    assert written + second["en"].card.held_out_surplus_documents == 600


PLACES = st.sampled_from([UNPLACED, UNPLACED, TRAIN, VALIDATION, TEST])


@given(rows=st.lists(st.tuples(st.integers(0, 4), PLACES, PLACES), min_size=1, max_size=30))
def test_a_group_goes_where_its_lines_stand(rows):
    numbers = np.unique([row[0] for row in rows], return_inverse=True)[1]
    members = [np.array([row[m] for row in rows], np.int8) for m in (1, 2)]
    found = placed_groups(members, numbers)
    for line, number in enumerate(numbers):
        stand = {int(m[i]) for m in members for i in np.flatnonzero(numbers == number)} - {UNPLACED}
        expected = UNPLACED if not stand else stand.pop() if len(stand) == 1 else TORN
        assert found[line] == expected


def test_another_seed_holds_out_other_documents_as_many_and_independently():
    hashes = np.random.default_rng(3).integers(0, 2**64, (20_000, 2), np.uint64)
    shares = {"validation_share": 0.2, "test_share": 0.3}
    found = [assigned_splits(hashes, Splits(**shares, seed=seed)) for seed in range(3)]
    for split, share in ((TRAIN, 0.5), (VALIDATION, 0.2), (TEST, 0.3)):
        for one in found:
            assert abs(np.mean(one == split) - share) < 0.015
        for one, other in itertools.combinations(found, 2):
            both = np.mean((one == split) & (other == split))
            assert abs(both - share**2) < 0.015
    assert (found[0] == assigned_splits(hashes, Splits(**shares))).all()


def test_a_seed_of_the_splits_is_a_number_from_0():
    for wrong in (-1, 2**32):
        with pytest.raises(CorpusError, match="0 or above"):
            Splits(seed=wrong)
