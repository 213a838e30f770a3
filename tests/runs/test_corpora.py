import gzip
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from bytetransfer.corpus import inputs
from bytetransfer.corpus.corpus import Splits
from bytetransfer.corpus.sources import FileSource, HubSource
from bytetransfer.corpus.synthetic import (
    FamilySettings,
    NonsenseSettings,
    RandomBytesSettings,
    generate,
)
from bytetransfer.errors import CorpusError, MissingExtraError, StoreError, StudyError
from bytetransfer.runs import corpora
from bytetransfer.runs.corpora import CorpusRoom
from bytetransfer.study.study import CorpusSpec, Group

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
        shutil.copy(path, moved / path.name)
        path.unlink()
    assert room(study, tmp_path, store).known()["fi"] is None
    second = room(study, moved, store).prepare(lambda *_: pytest.fail("it is prepared already"))
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
    write_lines(tmp_path / "fi.txt", "fix")
    (tmp_path / "en.txt").unlink()
    why = place.unprepared()
    assert why["fi"] == "changed since it was prepared: fi.txt"
    assert why["en"] == why["cipher(en)"] == "en.txt: the file does not exist"
    write_lines(tmp_path / "more.txt", "more")
    import msgspec

    source = FileSource(files=("fi.txt", "more.txt"))
    more = msgspec.structs.replace(study, corpora=study.corpora | {"fi": CorpusSpec(text=source)})
    write_lines(tmp_path / "no.txt.gz", "nog")  # of the group of es, and divided before all others
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
    assert "fi.txt): the file does not exist" in place.unprepared()["fi"]
    (tmp_path / "fi.txt").symlink_to("gone")
    assert "fi.txt): a link whose target is missing" in place.unprepared()["fi"]
    (tmp_path / "fi.txt").unlink()
    with pytest.raises(CorpusError, match=r"fi \(.*fi\.txt\): the file does not exist; check"):
        place.prepare(lambda *_: None)
    write_lines(tmp_path / "fi.txt", "fi")
    assert place.prepare(lambda *_: None)["fi"]


def test_what_is_wrong_with_a_text_is_said_with_its_name(study, tmp_path, store):
    (tmp_path / "fi.txt").write_bytes(b"good\n" * 5_000 + b"\xff\n")
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


# ── what is known of files ───────────────────────────────────────────────────────────────────────


def test_a_corrected_language_is_heard(study, tmp_path, store):
    room(study, tmp_path, store).prepare(lambda *_: None)
    for language in ("fi", "he", None, "fi"):
        spec = CorpusSpec(text=FileSource(files=("fi.txt",)), language=language)
        changed = replace(study, corpora=study.corpora | {"fi": spec})
        prepared = room(changed, tmp_path, store).prepare(lambda *_: None)
        assert prepared["fi"].card.language == language
        known = room(changed, tmp_path, store).known()["fi"]
        assert known is not None
        assert known.card == prepared["fi"].card


def test_what_was_left_out_is_told_of_the_text_at_hand(study, tmp_path, store):
    first = room(study, tmp_path, store).prepare(lambda *_: None)["fi"]
    text = (tmp_path / "fi.txt").read_bytes()
    (tmp_path / "fi.txt").write_bytes(text + b"\n" + text)
    second = room(study, tmp_path, store).prepare(lambda *_: None)["fi"]
    assert second.card.digest == first.card.digest
    assert (first.card.duplicates_dropped, second.card.duplicates_dropped) == (0, 900)
    assert (first.card.empty_dropped, second.card.empty_dropped) == (0, 1)


def test_other_content_with_the_same_size_and_time_is_noticed(study, tmp_path, store):
    before = room(study, tmp_path, store).prepare(lambda *_: None)
    path = tmp_path / "en.txt"
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    text = path.read_bytes()
    path.write_bytes(text.replace(b"en", b"no"))
    os.utime(path, ns=times)
    assert path.stat().st_size == len(text)
    assert (
        room(study, tmp_path, store).unprepared()["en"] == "changed since it was prepared: en.txt"
    )
    after = room(study, tmp_path, store).prepare(lambda *_: None)
    assert after["en"].card.digest != before["en"].card.digest


def read_files(monkeypatch) -> list[str]:
    """The names of files whose content is read for its digest, from now on."""
    read: list[str] = []
    real = inputs.hashlib.file_digest

    def counting(file, name):
        read.append(Path(file.name).name)
        return real(file, name)

    monkeypatch.setattr(inputs.hashlib, "file_digest", counting)
    return read


def test_what_is_checked_out_again_is_read_once_more_and_not_prepared(
    study, tmp_path, store, monkeypatch
):
    room(study, tmp_path, store).prepare(lambda *_: None)
    read = read_files(monkeypatch)
    assert None not in room(study, tmp_path, store).known().values()
    assert read == []  # nothing is read where nothing has changed
    text = (tmp_path / "en.txt").read_bytes()
    (tmp_path / "en.txt").unlink()
    (tmp_path / "en.txt").write_bytes(text)
    (tmp_path / "fi.txt").touch()
    assert None not in room(study, tmp_path, store).known().values()
    assert sorted(read) == ["en.txt", "fi.txt"]  # each once, whatever is derived from it
    assert None not in room(study, tmp_path, store).known().values()
    assert len(read) == 2  # and then it is known again
    room(study, tmp_path, store).prepare(lambda *_: pytest.fail("it is prepared already"))


def test_files_of_other_sizes_are_not_read_by_a_plan(study, tmp_path, store, monkeypatch):
    room(study, tmp_path, store).prepare(lambda *_: None)
    write_lines(tmp_path / "en.txt", "en", 901)
    read = read_files(monkeypatch)
    assert room(study, tmp_path, store).known()["en"] is None
    assert read == []


def test_a_store_that_cannot_be_written_still_knows_its_corpora(
    study, tmp_path, store, monkeypatch
):
    room(study, tmp_path, store).prepare(lambda *_: None)
    (tmp_path / "en.txt").touch()

    def refuse(known):
        raise StoreError("the disk is read-only")

    monkeypatch.setattr(store, "know_corpus", refuse)
    assert None not in room(study, tmp_path, store).known().values()


def test_text_that_changes_while_it_is_read_is_refused(study, tmp_path, store):
    def write_on(name: str, _: int) -> None:
        if name == "fi":
            with (tmp_path / "fi.txt").open("a") as file:
                file.write("one more\n")

    with pytest.raises(CorpusError, match=r"fi\.txt: changed while it was read"):
        room(study, tmp_path, store).prepare(write_on)
    assert room(study, tmp_path, store).known()["fi"] is None


def test_a_folder_given_as_dataset_is_watched(make, tmp_path, store, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "text").mkdir()
    write_lines(tmp_path / "text" / "train.txt", "en")
    write_lines(tmp_path / "fi.txt", "fi")
    study = make.study(
        sources=("en",), targets=("fi",), pretrain_bytes=8_000, splits=SPLITS,
        scratch_bytes=(1_000, 9_000),
        corpora={
            "en": CorpusSpec(text=HubSource(dataset="./text")),
            "fi": CorpusSpec(text=FileSource(files=("fi.txt",))),
        },
    )  # fmt: skip
    before = room(study, tmp_path, store).prepare(lambda *_: None)
    assert room(study, tmp_path, store).unprepared() == {}
    write_lines(tmp_path / "text" / "train.txt", "English")
    assert room(study, tmp_path, store).unprepared() == {
        "en": "changed since it was prepared: text/train.txt"
    }
    after = room(study, tmp_path, store).prepare(lambda *_: None)
    assert after["en"].card.digest != before["en"].card.digest
    shutil.rmtree(tmp_path / "text")
    assert "there is no such folder" in room(study, tmp_path, store).unprepared()["en"]


def test_a_name_that_is_not_utf8_is_read_and_found_again(make, tmp_path, store):
    path = Path(os.fsdecode(os.fsencode(tmp_path / "en") + b"\xff.txt"))
    write_lines(path, "en")
    write_lines(tmp_path / "fi.txt", "fi")
    texts = {name: FileSource(files=(f"{name}*.txt",)) for name in ("en", "fi")}
    study = make.study(
        sources=("en",), targets=("fi",), pretrain_bytes=8_000, splits=SPLITS,
        scratch_bytes=(1_000, 9_000),
        corpora={name: CorpusSpec(text=text) for name, text in texts.items()},
    )  # fmt: skip
    room(study, tmp_path, store).prepare(lambda *_: None)
    assert room(study, tmp_path, store).unprepared() == {}
    write_lines(path, "English")
    why = room(study, tmp_path, store).unprepared()
    assert why == {"en": "changed since it was prepared: en\\xff.txt"}


# ── checks before costs ──────────────────────────────────────────────────────────────────────────


@pytest.fixture
def costs(monkeypatch):
    """Everything that is generated or derived, by name, from now on."""
    paid: list[str] = []
    for name in ("generate", "derive"):
        real = getattr(corpora, name)

        def counting(*args, _name=name, _real=real, **options):
            paid.append(_name)
            return _real(*args, **options)

        monkeypatch.setattr(corpora, name, counting)
    return paid


def test_texts_are_checked_before_anything_is_generated_or_derived(study, tmp_path, store, costs):
    names = ("nonsense", "cipher(en)", "en")
    too_much = replace(study, sources=names, pretrain_bytes=15_000, scratch_bytes=(1_000, 9_000))
    with pytest.raises(StudyError, match=r"^small: en has .* the study needs 15 kB of it"):
        room(too_much, tmp_path, store).prepare(lambda *_: None)
    # where only what is derived is asked for, its text is checked the same
    only = replace(too_much, sources=("nonsense", "reverse(cipher(en))"))
    with pytest.raises(StudyError, match=r"^small: en has .* the study needs 15 kB of it"):
        room(only, tmp_path, store).prepare(lambda *_: None)
    assert costs == []
    room(study, tmp_path, store).prepare(lambda *_: None)
    assert set(costs) == {"generate", "derive"}


def test_one_text_under_two_names_is_checked_before_costs(make, tmp_path, store, costs):
    write_lines(tmp_path / "en.txt", "en")
    texts = {name: CorpusSpec(text=FileSource(files=("en.txt",))) for name in ("en", "fi")}
    study = make.study(
        sources=("en", "nonsense"), targets=("fi",), pretrain_bytes=9_000, splits=SPLITS,
        scratch_bytes=(1_000, 9_000), finetune_bytes=(5_000,), corpora=texts,
    )  # fmt: skip
    with pytest.raises(StudyError, match=r"en has .*needs 14 kB of it"):
        room(study, tmp_path, store).prepare(lambda *_: None)
    assert costs == []


def test_files_that_are_too_small_are_not_read_to_know_it(study, tmp_path, store, monkeypatch):
    too_much = replace(study, pretrain_bytes=4 * 10**9)
    with pytest.raises(StudyError, match=r"en can have at most .*; the study needs 4 GB of it"):
        room(too_much, tmp_path, store).known()
    packed = FileSource(files=("no.txt.gz",))  # nobody knows what it holds
    other = replace(too_much, corpora=study.corpora | {"en": CorpusSpec(text=packed)})
    assert room(replace(other, groups={}, targets=("fi",)), tmp_path, store).known()["en"] is None
    monkeypatch.setattr(corpora, "_LONG_TO_READ", 1_000)
    with pytest.raises(StudyError, match="en can have at most"):
        room(too_much, tmp_path, store).prepare(lambda *_: pytest.fail("it is read"))


def test_a_disk_that_is_known_to_be_too_small_is_said_first(study, tmp_path, store, monkeypatch):
    monkeypatch.setattr(corpora, "free_bytes", lambda folder: 100_000)
    with pytest.raises(StoreError, match=r"room for 100 kB, and .* at least \((hill|nonsense) "):
        room(study, tmp_path, store).prepare(lambda *_: pytest.fail("it is read"))
    monkeypatch.setattr(corpora, "free_bytes", lambda folder: 10**9)
    room(study, tmp_path, store).prepare(lambda *_: None)
    monkeypatch.setattr(corpora, "free_bytes", lambda folder: 0)
    room(study, tmp_path, store).prepare(lambda *_: None)  # nothing is left to write


@pytest.mark.parametrize(
    "settings", [NonsenseSettings(), RandomBytesSettings(document_bytes=90_000)]
)
def test_generated_documents_come_in_whole_rounds_and_small_batches(settings):
    batches = list(corpora._batched(generate(settings, seed=0), 2_500_000))
    documents = [document for batch in batches for document in batch]
    assert len(documents) % 64 == 0
    assert len(documents) >= 512
    before = len(documents) - 64
    assert before < 512 or sum(map(len, documents[:before])) < 2_500_000
    assert all(sum(map(len, batch)) < 4_100_000 for batch in batches)
    assert documents == [d for d, _ in zip(generate(settings, seed=0), documents, strict=False)]
