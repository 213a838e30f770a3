import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus.aligned import groups_of_lines, prepare_aligned
from bytetransfer.corpus.corpus import Splits, open_corpus
from bytetransfer.corpus.prepare import derive
from bytetransfer.corpus.shuffle import hash_documents
from bytetransfer.errors import CorpusError

HALF = Splits(validation_share=0.2, test_share=0.2)
LINES = 600


def group(linked: bool = True) -> dict[str, list[bytes]]:
    """English repeats itself at 17, Finnish at 23: chains of links across members."""
    english = [
        f"verse {i % 17 if linked and i % 5 == 0 else i} is short".encode() for i in range(LINES)
    ]
    finnish = [
        f"jae numero {i % 23 if linked and i % 7 == 0 else i} on tässä".encode()
        for i in range(LINES)
    ]
    return {"en": english, "fi": finnish}


def prepared(members, path, *, splits=HALF, **more):
    batches = {n: [lines[:100], lines[100:]] for n, lines in members.items()}
    return prepare_aligned(batches, {n: path / n for n in members}, splits=splits, **more)


def texts_of(corpus, split):
    return dict(zip(corpus.ids(split).tolist(), getattr(corpus, split), strict=True))


def test_ids_say_which_line_a_document_is(tmp_path):
    members = group()
    for name, corpus in prepared(members, tmp_path, languages={"en": "en"}).items():
        for split in ("train", "validation", "test"):
            for line, text in texts_of(corpus, split).items():
                assert members[name][line] == text
        assert corpus.card.aligned
        assert corpus.card.language == ("en" if name == "en" else None)
        assert open_corpus(tmp_path / name, verify=True).card == corpus.card


def test_held_out_lines_are_the_same_and_in_nobodys_training_text(tmp_path):
    corpora = prepared(group(), tmp_path)
    english, finnish = corpora["en"], corpora["fi"]
    for split in ("validation", "test"):
        assert english.ids(split).tolist() == finnish.ids(split).tolist()
    for corpus in corpora.values():
        splits = [set(getattr(corpus, split)) for split in ("train", "validation", "test")]
        assert not splits[0] & (splits[1] | splits[2])
        assert not splits[1] & splits[2]
    assert english.card.group == finnish.card.group


def test_duplicates_are_masked_from_training_only_member_by_member(tmp_path):
    members = group()
    corpora = prepared(members, tmp_path)
    held = sum(len(corpora["en"].ids(split)) for split in ("validation", "test"))
    for corpus in corpora.values():
        training = list(corpus.train)
        assert len(training) == len(set(training))
        assert corpus.card.duplicates_masked == LINES - held - len(training) > 0
    held_out = [*corpora["en"].validation, *corpora["en"].test]
    assert len(set(held_out)) < len(held_out)


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(LINES)))
def test_splits_do_not_depend_on_the_order_of_lines_or_members(tmp_path_factory, order):
    path = tmp_path_factory.mktemp("order")
    members = group()
    first = prepared(members, path / "a")
    moved = {n: [members[n][i] for i in order] for n in reversed(members)}
    second = prepared(moved, path / "b")
    for name in members:
        for split in ("train", "validation", "test"):
            ours, theirs = getattr(first[name], split), getattr(second[name], split)
            assert sorted(ours) == sorted(theirs)
    assert first["en"].card.group == second["en"].card.group


def test_splits_do_not_depend_on_what_members_are_called(tmp_path):
    members = group()
    first = prepared(members, tmp_path / "a")
    renamed = prepared({"a": members["fi"], "b": members["en"]}, tmp_path / "b")
    assert renamed["b"].card.digest == first["en"].card.digest
    assert renamed["a"].card.group == first["fi"].card.group


def test_the_first_to_reach_its_limit_cuts_all(tmp_path):
    limits = Splits(validation_share=0.2, test_share=0.2, validation_bytes=1500, test_bytes=1500)
    corpora = prepared(group(linked=False), tmp_path, splits=limits)
    assert 1460 < corpora["fi"].card.validation.bytes <= 1500
    assert 1000 <= corpora["en"].card.validation.bytes < 1400
    assert corpora["en"].validation_ids.tolist() == corpora["fi"].validation_ids.tolist()
    assert corpora["en"].card.held_out_surplus_documents > 0


def test_a_line_empty_in_one_member_is_left_out_of_all(tmp_path):
    members = group(linked=False)
    members["fi"][7] = b""
    members["en"][9] = b""
    members["en"][11] = members["fi"][11] = b""
    for corpus in prepared(members, tmp_path).values():
        lines = [*corpus.train_ids, *corpus.validation_ids, *corpus.test_ids]
        assert sorted({*range(LINES)} - {*lines}) == [7, 9, 11]
        assert corpus.card.empty_dropped == 3


def test_the_same_lines_come_first_in_every_member(tmp_path):
    corpora = prepared(group(), tmp_path)
    firsts = {}
    for name, corpus in corpora.items():
        lines = {text: line for line, text in texts_of(corpus, "train").items()}
        firsts[name] = [lines[text] for text in list(corpus.sample(1500, seed=5))[:-1]]
    common = set(corpora["en"].train_ids.tolist()) & set(corpora["fi"].train_ids.tolist())
    english, finnish = ([line for line in firsts[n] if line in common] for n in ("en", "fi"))
    shorter = min(len(english), len(finnish))
    assert shorter > 20
    assert english[:shorter] == finnish[:shorter]


def test_derived_corpora_keep_their_lines(tmp_path):
    english = prepared(group(), tmp_path)["en"]
    derived = derive(english, bytes.upper, tmp_path / "upper")
    for split in ("train", "validation", "test"):
        assert derived.ids(split).tolist() == english.ids(split).tolist()
    assert list(derived.sample(500, seed=1)) == [d.upper() for d in english.sample(500, seed=1)]
    assert open_corpus(tmp_path / "upper", verify=True).card.group == english.card.group


def test_derived_training_lines_that_became_held_out_are_masked(tmp_path):
    english = prepared(group(linked=False), tmp_path)["en"]
    derived = derive(english, lambda text: text[-11:], tmp_path / "end")
    assert not set(derived.train) & {*derived.validation, *derived.test}
    assert derived.card.duplicates_masked > 0
    original = texts_of(english, "train")
    for line, text in texts_of(derived, "train").items():
        assert original[line].endswith(text)


def test_different_numbers_of_lines(tmp_path):
    members = group()
    members["fi"] = members["fi"][:-1]
    with pytest.raises(CorpusError, match=r"en 600, fi 599"):
        prepared(members, tmp_path)
    assert not list(tmp_path.iterdir())


def test_empty_and_too_small_groups(tmp_path):
    with pytest.raises(CorpusError, match="the corpus is empty"):
        prepared({"en": [b"", b""], "fi": [b"a", b"b"]}, tmp_path)
    few = {name: lines[:20] for name, lines in group().items()}
    with pytest.raises(CorpusError, match="the validation split has"):
        prepared(few, tmp_path)
    assert not list(tmp_path.iterdir())


@given(
    lines=st.lists(
        st.tuples(st.integers(0, 9).map(bytes), st.integers(0, 9).map(bytes)), min_size=1
    )
)
def test_groups_are_the_connected_lines(lines):
    found = groups_of_lines([hash_documents(list(member)) for member in zip(*lines, strict=True)])
    expected = np.arange(len(lines))
    for _ in lines:
        for i, one in enumerate(lines):
            for j, other in enumerate(lines):
                if set(one) & set(other):
                    expected[i] = expected[j] = min(expected[i], expected[j])
    for i in range(len(lines)):
        assert ((found == found[i]) == (expected == expected[i])).all()
