import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.sources import FileSource, HubSource
from bytetransfer.corpus.synthetic import FamilySettings, NonsenseSettings
from bytetransfer.engine import corpora
from bytetransfer.engine.corpora import CorpusRoom
from bytetransfer.errors import CorpusError, MissingExtraError, StoreError
from bytetransfer.study import CorpusSpec, Group

SPLITS = Splits(validation_share=0.1, test_share=0.1, validation_bytes=20_000, test_bytes=20_000)


def write_lines(path, word, count=900):
    lines = "".join(f"{word} {index} says so\n" for index in range(count))
    path.write_bytes(gzip.compress(lines.encode()) if path.suffix == ".gz" else lines.encode())


@pytest.fixture
def study(make, tmp_path):
    for name in ("en", "fi"):
        write_lines(tmp_path / f"{name}.txt", name)
    for name in ("es", "no"):
        write_lines(tmp_path / f"{name}.txt.gz", name)
    return make.study(
        sources=("en", "cipher(en)", "nonsense", "hill"),
        targets=("fi", "es"),
        pretrain_bytes=8_000,
        scratch_bytes=(1_000, 9_000),
        splits=SPLITS,
        corpora={
            "en": CorpusSpec(text=FileSource(files=("en.txt",)), language="en"),
            "fi": CorpusSpec(text=FileSource(files=("fi.txt",))),
            "hill": CorpusSpec(generator=FamilySettings(word_order="SOV")),
            "nonsense": CorpusSpec(generator=NonsenseSettings(paragraphs=1, paragraphs_range=0)),
        },
        groups={
            "bible": Group(
                corpora=("es", "no"),
                files="{corpus}.txt.gz",
                aligned=True,
                languages={"no": "nb"},
            )
        },
    )


def room(study, tmp_path, store):
    return CorpusRoom(study, tmp_path, store)


def test_every_source_and_target_is_prepared_once(study, tmp_path, store):
    place = room(study, tmp_path, store)
    assert set(place.known().values()) == {None}
    watched = []
    prepared = place.prepare(lambda name, count: watched.append((name, count)))
    assert list(prepared) == [*study.sources, *study.targets]
    assert {name for name, _ in watched} == {"en", "fi", "es", "no", "nonsense", "hill"}
    again = place.prepare(lambda *_: pytest.fail("it is prepared already"))
    known = place.known()
    for name, corpus in prepared.items():
        assert again[name].card == corpus.card
        assert known[name] is not None
        assert known[name].card == corpus.card
        assert corpus.card.train.bytes >= study.needed_bytes()[name]
    assert not list(store.root.glob("corpora/preparing-*"))
    assert prepared["en"].card.language == "en"
    assert prepared["es"].card.aligned
    assert prepared["cipher(en)"].card.train.bytes == prepared["en"].card.train.bytes


def test_what_is_prepared_does_not_depend_on_where_it_lies(study, tmp_path, store, make):
    first = room(study, tmp_path, store).prepare(lambda *_: None)
    moved = tmp_path / "moved"
    moved.mkdir()
    for path in [*tmp_path.glob("*.txt"), *tmp_path.glob("*.gz")]:
        path.rename(moved / path.name)
    assert room(study, tmp_path, store).known()["fi"] is None
    second = room(study, moved, store).prepare(lambda *_: None)
    assert {n: c.card for n, c in first.items()} == {n: c.card for n, c in second.items()}


def test_a_changed_file_is_prepared_again_with_what_comes_from_it(study, tmp_path, store):
    place = room(study, tmp_path, store)
    before = place.prepare(lambda *_: None)
    write_lines(tmp_path / "en.txt", "English", 800)
    known = place.known()
    assert {name for name, corpus in known.items() if corpus is None} == {"en", "cipher(en)"}
    after = place.prepare(lambda *_: None)
    for name in known:
        same = after[name].card.digest == before[name].card.digest
        assert same == (name not in ("en", "cipher(en)"))


def test_other_splits_are_other_corpora(make, study, tmp_path, store):
    first = room(study, tmp_path, store).prepare(lambda *_: None)
    import msgspec

    other = msgspec.structs.replace(study, splits=Splits(validation_share=0.2, test_share=0.1))
    assert set(room(other, tmp_path, store).known().values()) == {None}
    assert first["fi"].card.splits == SPLITS


def test_generated_text_suffices_for_the_study(make, tmp_path, store):
    study = make.study(
        sources=("random_bytes",), targets=("noise",), pretrain_bytes=900_000, splits=SPLITS,
        corpora={"noise": CorpusSpec(generator=NonsenseSettings(paragraphs=1))},
    )  # fmt: skip
    found = room(study, tmp_path, store).prepare(lambda *_: None)
    for name, need in study.needed_bytes().items():
        assert found[name].card.train.bytes >= need


def test_what_is_unprepared_is_said_with_what_changed(study, tmp_path, store, monkeypatch):
    monkeypatch.chdir(tmp_path)
    place = room(study, Path(), store)
    assert set(place.unprepared().values()) == {"never prepared"}
    place.prepare(lambda *_: None)
    assert place.unprepared() == {}
    os.utime(tmp_path / "fi.txt", (1, 1))
    (tmp_path / "en.txt").unlink()
    why = place.unprepared()
    assert why["fi"] == "changed since it was prepared: fi.txt"
    assert why["en"] == why["cipher(en)"] == "en.txt: the file does not exist"
    write_lines(tmp_path / "more.txt", "more")
    import msgspec

    source = FileSource(files=("fi.txt", "more.txt"))
    more = msgspec.structs.replace(study, corpora=study.corpora | {"fi": CorpusSpec(text=source)})
    os.utime(tmp_path / "no.txt.gz", (2, 2))  # of the group of es, and divided before all others
    why = room(more, tmp_path, store).unprepared()
    assert why["es"] == why["hill"] == "changed since it was prepared: no.txt.gz"


def test_a_document_never_crosses_a_split_between_a_group_and_a_corpus(make, tmp_path, store):
    lines = [f"line {i % 40 if i % 4 == 0 else i} of the book\n" for i in range(900)]
    (tmp_path / "es.txt").write_text("".join(lines))
    (tmp_path / "en.txt").write_text("".join(lines[::-1]) + "and one more\n")
    write_lines(tmp_path / "no.txt", "no")
    study = make.study(
        sources=("en",), targets=("es",), pretrain_bytes=3_000, splits=SPLITS,
        scratch_bytes=(1_000, 3_000), finetune_bytes=(1_000,),
        corpora={"en": CorpusSpec(text=FileSource(files=("en.txt",)))},
        groups={"bible": Group(corpora=("es", "no"), files="{corpus}.txt", aligned=True)},
    )  # fmt: skip
    found = room(study, tmp_path, store).prepare(lambda *_: None)
    for split in ("train", "validation", "test"):
        for other in {"train", "validation", "test"} - {split}:
            assert not set(getattr(found["en"], split)) & set(getattr(found["es"], other))
    assert set(found["en"].test) & set(found["es"].test)


def test_members_of_a_group_are_read_as_it_says(make, tmp_path, store):
    def study(**group):
        return make.study(
            sources=("en",), targets=("fi",), pretrain_bytes=3_000, splits=SPLITS,
            scratch_bytes=(1_000, 3_000), finetune_bytes=(1_000,),
            corpora={}, groups={"ted": Group(corpora=("en", "fi"), aligned=True, **group)},
        )  # fmt: skip

    for name in ("en", "fi"):
        write_lines(tmp_path / f"TED.en-fi.{name}", f"In {name} somebody")
        lines = (tmp_path / f"TED.en-fi.{name}").read_text().splitlines()
        rows = "".join(json.dumps({"body": line}) + "\n" for line in lines)
        (tmp_path / f"{name}.rows").write_text(rows)
    moses = study(files="TED.en-fi.{corpus}")
    found = room(moses, tmp_path, store).prepare(lambda *_: None)
    stated = study(files="{corpus}.rows", format="jsonl", column="body")
    again = room(stated, tmp_path, store).prepare(lambda *_: None)
    assert [c.card.digest for c in found.values()] == [c.card.digest for c in again.values()]
    limited = study(files="TED.en-fi.{corpus}", most_document_bytes=5)
    with pytest.raises(CorpusError, match="longer than 5 B"):
        room(limited, tmp_path, store).prepare(lambda *_: None)


def test_a_missing_file_is_unprepared_to_a_plan_and_an_error_to_a_preparation(
    study, tmp_path, store
):
    (tmp_path / "fi.txt").unlink()
    place = room(study, tmp_path, store)
    assert place.known()["fi"] is None
    with pytest.raises(CorpusError, match=r"fi \(.*fi\.txt\): the file does not exist; check"):
        place.prepare(lambda *_: None)
    write_lines(tmp_path / "fi.txt", "fi")
    assert place.prepare(lambda *_: None)["fi"]


def test_what_is_wrong_with_a_text_is_said_with_its_name(study, tmp_path, store):
    (tmp_path / "fi.txt").write_bytes(b"good\n" * 5 + b"\xff\n")
    with pytest.raises(CorpusError, match=r"^corpora\.fi \(.*fi\.txt"):
        room(study, tmp_path, store).prepare(lambda *_: None)
    assert room(study, tmp_path, store).known()["fi"] is None
    write_lines(tmp_path / "fi.txt", "fi", 20)
    with pytest.raises(CorpusError, match=r"^corpora\.fi"):
        room(study, tmp_path, store).prepare(lambda *_: None)
    (tmp_path / "no.txt.gz").write_bytes(b"")
    write_lines(tmp_path / "fi.txt", "fi")
    with pytest.raises(CorpusError, match=r"groups\.bible"):
        room(study, tmp_path, store).prepare(lambda *_: None)


def test_a_part_that_is_not_installed_is_no_fault_of_the_text(make, tmp_path, store, monkeypatch):
    def missing(*_: object) -> Iterator[list[bytes]]:
        raise MissingExtraError("datasets", extra="hub")
        yield []  # as the real one, it reads when it is asked for the first batch

    monkeypatch.setattr(corpora, "read_source", missing)
    spec = CorpusSpec(text=HubSource(dataset="text", data_files=()))
    study = make.study(sources=("en",), targets=("en",), corpora={"en": spec})
    with pytest.raises(MissingExtraError, match=r"bytetransfer\[hub\]"):
        room(study, tmp_path, store).prepare(lambda *_: None)


def test_damaged_corpora_are_refused(study, tmp_path, store):
    place = room(study, tmp_path, store)
    prepared = place.prepare(lambda *_: None)
    os.truncate(prepared["fi"].folder / "train.bin", 5)
    with pytest.raises(StoreError, match=r"train\.bin"):
        place.known()


class Vowels:
    """A detector for the test: what has an e is English, anything else Finnish."""

    name, version = "vowels", "1"
    languages = frozenset({"en", "fi"})

    def detect(self, lines: list[str]) -> list[tuple[str, float]]:
        return [("en" if "e" in line else "fi", 1.0) for line in lines]


@pytest.mark.parametrize("stated", ["en", None])
def test_a_cleaned_corpus_keeps_its_language_and_follows_its_detector(
    make, tmp_path, store, monkeypatch, stated
):
    from bytetransfer.corpus import transforms

    long = "is said in so many words of it " * 2
    lines = [f"{'en' if i % 3 else 'fi'} {i} {long.replace('e', '')}\n" for i in range(2000)]
    (tmp_path / "en.txt").write_text("".join(lines))
    monkeypatch.setattr(transforms, "load_detector", lambda name: Vowels())
    monkeypatch.setattr(transforms, "detector_version", lambda name: "vowels 1")
    study = make.study(
        sources=("decontaminate(en)",), targets=("en",), pretrain_bytes=3_000, splits=SPLITS,
        scratch_bytes=(1_000, 3_000), finetune_bytes=(1_000,),
        corpora={"en": CorpusSpec(text=FileSource(files=("en.txt",)), language=stated)},
    )  # fmt: skip
    place = room(study, tmp_path, store)
    found = place.prepare(lambda *_: None)
    clean = found["decontaminate(en)"]
    assert clean.card.language == "en"
    assert 0 < len(clean.train) < len(found["en"].train)
    assert all(b"en" in document[:3] for document in [*clean.train, *clean.test])
    monkeypatch.setattr(transforms, "detector_version", lambda name: "vowels 2")
    assert set(place.unprepared()) == {"decontaminate(en)"}
