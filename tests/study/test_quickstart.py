import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.errors import CorpusError, StudyError
from bytetransfer.runs.corpora import CorpusRoom
from bytetransfer.runs.store import Store
from bytetransfer.study.file import parse_study, read_study
from bytetransfer.study.quickstart import LEAST_BYTES, study_text, write_study

names = st.lists(st.sampled_from(["en", "ru", "fi", "no"]), min_size=1, max_size=3, unique=True)
paths = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)


@given(
    sources=names,
    targets=names,
    sizes=st.lists(st.integers(LEAST_BYTES, 10**12), min_size=4, max_size=4),
    files=st.lists(paths, min_size=4, max_size=4),
)
def test_the_study_that_is_written_can_be_read_and_asks_for_no_more_than_there_is(
    sources, targets, sizes, files
):
    known = ["en", "ru", "fi", "no"]
    available = dict(zip(known, sizes, strict=True))
    named = dict(zip(known, files, strict=True))
    study = parse_study(study_text(sources, targets, named, available, ["ngram"]), where="s.toml")
    assert study.sources == tuple(sources)
    assert study.targets == tuple(targets)
    for name, spec in study.corpora.items():
        assert spec.text is not None
        assert spec.text.files == (named[name],)
    for name, need in study.needed_bytes().items():
        assert need <= available[name]
    assert 10 * max(study.finetune_bytes) <= max(study.scratch_bytes)


def test_a_target_as_its_own_source_leaves_room_for_both():
    # pretraining takes the largest size that leaves room for fine-tuning beside it
    study = parse_study(
        study_text(["en"], ["en"], {"en": "e"}, {"en": 60_000}, ["ngram"]), where="s.toml"
    )
    assert (study.pretrain_bytes, max(study.scratch_bytes)) == (10_000, 30_000)


def test_the_same_files_under_two_names_leave_room_for_both():
    files, available = {"en": "e", "fi": "e"}, {"en": 60_000, "fi": 60_000}
    study = parse_study(study_text(["en"], ["fi"], files, available, ["ngram"]), where="s.toml")
    assert (study.pretrain_bytes, max(study.scratch_bytes)) == (10_000, 30_000)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, count in (("en", 6000), ("fi", 8000), ("small", 10)):
        (tmp_path / f"{name}.txt").write_text("".join(f"{name} {i}\n" for i in range(count)))
    return tmp_path


def test_files_become_a_study_that_is_found_again(folder):
    path = write_study(["en=en.txt"], ["fi=fi.txt"], folder)
    assert path == folder / "en-to-fi.toml"
    assert read_study(path).sources == ("en",)
    before = path.read_bytes()
    assert write_study(["en=en.txt"], ["fi=fi.txt"], folder) == path
    assert path.read_bytes() == before


def test_learners_that_are_named_are_the_ones_of_the_study(folder):
    path = write_study(["en=en.txt"], ["fi=fi.txt"], folder, ["transformer/micro"])
    assert read_study(path).learners == ("transformer/micro",)
    path.unlink()
    with pytest.raises(StudyError, match=r"no learner 'ngrm'; choose from ngram"):
        write_study(["en=en.txt"], ["fi=fi.txt"], folder, ["ngrm"])
    assert not list(folder.glob("*.toml"))


def test_a_study_file_that_says_something_else_is_kept(folder):
    path = write_study(["en=en.txt"], ["fi=fi.txt"], folder)
    path.write_text(path.read_text() + "# mine\n")
    with pytest.raises(StudyError, match=r"en-to-fi\.toml: this study file exists .*; run it with"):
        write_study(["en=en.txt"], ["fi=fi.txt"], folder)
    assert path.read_text().endswith("# mine\n")


@pytest.mark.parametrize(
    ("sources", "targets", "message"),
    [
        (["en"], ["fi=fi.txt"], "'en' is not of the form NAME=FILES; write for example"),
        (["=en.txt"], ["fi=fi.txt"], "is not of the form NAME=FILES"),
        (["en="], ["fi=fi.txt"], "is not of the form NAME=FILES"),
        (["_en=en.txt"], ["fi=fi.txt"], "is not of the form NAME=FILES"),
        (["e(n)=en.txt"], ["fi=fi.txt"], "is not of the form NAME=FILES"),
        (["en=en.txt"], ["en=fi.txt"], "'en' is given two different files"),
        (["en=en.txt", "en=en.txt"], ["fi=fi.txt"], "'en' stands there twice"),
        (["scratch=en.txt"], ["fi=fi.txt"], "'scratch' is the name of training from scratch"),
    ],
)
def test_arguments_without_meaning_leave_no_file(folder, sources, targets, message):
    with pytest.raises(StudyError, match=message.replace("(", r"\(")):
        write_study(sources, targets, folder)
    assert not list(folder.glob("*.toml"))


def test_text_that_is_missing_or_too_little_is_named(folder):
    with pytest.raises(CorpusError, match=r"none\.txt: the file does not exist"):
        write_study(["en=en.txt"], ["fi=none.txt"], folder)
    with pytest.raises(CorpusError, match=r"small \(small\.txt\): .* too few .*; give it at least"):
        write_study(["en=en.txt"], ["small=small.txt"], folder)
    assert not list(folder.glob("*.toml"))


def test_sizes_are_chosen_from_what_is_left_without_duplicates(folder):
    lines = (folder / "fi.txt").read_text().splitlines()
    boilerplate = "Share this article with your friends and family now\n"
    crawled = "".join(f"{line} {index}\n" + 9 * boilerplate for index, line in enumerate(lines))
    (folder / "fi.txt").write_text(crawled)
    path = write_study(["en=en.txt"], ["fi=fi.txt"], folder)
    study = read_study(path)
    assert max(study.scratch_bytes) == 30_000  # of 4 MB
    found = CorpusRoom(study, folder, Store(folder / "store")).prepare(lambda *_: None)
    for name, need in study.needed_bytes().items():
        assert found[name].card.train.bytes >= need
    path.unlink()
    (folder / "fi.txt").write_text(
        "".join(f"{line}\n" for line in lines[:1000]) + 9999 * boilerplate
    )
    with pytest.raises(CorpusError, match=r"516 kB of text, 5.94 kB without duplicates"):
        write_study(["en=en.txt"], ["fi=fi.txt"], folder)


def test_one_document_only_is_said_to_be_that(folder):
    (folder / "fi.txt").write_text("word " * 20_000)
    with pytest.raises(CorpusError, match=r"fi \(fi\.txt\): it is one document of 100 kB"):
        write_study(["en=en.txt"], ["fi=fi.txt"], folder)
    assert not list(folder.glob("*.toml"))


def test_many_names_make_a_name_that_fits(folder):
    sources = [f"source-with-a-long-name-{index}=en.txt" for index in range(9)]
    path = write_study(sources, ["fi=fi.txt"], folder)
    assert len(path.stem) == 100
    assert len(read_study(path).sources) == 9


def test_odd_file_names_survive(folder):
    odd = 'fi "quoted" \\ 😀\x7f.txt'
    (folder / "fi.txt").rename(folder / odd)
    path = write_study(["en=en.txt"], [f"fi={odd}"], folder)
    assert tomllib.loads(path.read_text())["corpora"]["fi"]["files"] == odd
