import builtins
import functools
import gzip
import io
import json
import sys
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bytetransfer.corpus import blocks, readers
from bytetransfer.corpus.content import not_text
from bytetransfer.corpus.sources import (
    BinarySource,
    FileSource,
    HubSource,
    Source,
    input_files,
    kind_of,
    most_bytes,
    read_source,
)
from bytetransfer.errors import CorpusError, MissingExtraError, StoreError

COMPRESS = {"": bytes, ".gz": gzip.compress, ".zst": zstandard.ZstdCompressor().compress}
TEXTS = ["first", "", " två \t", "третий", "四"]


def read(source: Source, base: Path) -> list[bytes]:
    return [document for batch in read_source(source, base) for document in batch]


def refused(source: Source, base: Path) -> str:
    with pytest.raises(CorpusError) as caught:
        read(source, base)
    assert caught.value.where
    assert caught.value.todo
    return str(caught.value)


def parquet(texts: list[object] | pa.Array, **more: list[object]) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"text": texts, **more}), sink)
    return sink.getvalue().to_pybytes()


@pytest.mark.parametrize("ending", COMPRESS)
@pytest.mark.parametrize("form", ["txt", "jsonl", "parquet"])
def test_every_format_plain_and_compressed_gives_the_same_documents(tmp_path, form, ending):
    content = {
        "txt": "\n".join([*TEXTS, ""]).encode(),
        "jsonl": "\n\n".join(json.dumps({"n": 1, "text": t}) for t in TEXTS).encode(),
        "parquet": parquet(TEXTS),
    }[form]
    (tmp_path / f"a.{form}{ending}").write_bytes(COMPRESS[ending](content))
    documents = read(FileSource(files=(f"a.{form}{ending}",)), tmp_path)
    assert documents == [text.encode() for text in TEXTS]


@pytest.mark.parametrize(
    ("content", "documents"),
    [
        (b"a\nb", [b"a", b"b"]),
        (b"a\r\nb\r\n", [b"a", b"b"]),
        (b"a\r\r\n\rb\r", [b"a\r", b"\rb\r"]),
        (b" a \n\n\n", [b" a ", b"", b""]),
        (b"\xef\xbb\xbfa\x0b\x0c\xc2\x85b\n", [b"\xef\xbb\xbfa\x0b\x0c\xc2\x85b"]),
        (b"", []),
    ],
)
def test_only_line_ends_are_left_out(tmp_path, content, documents):
    (tmp_path / "a.txt").write_bytes(content)
    assert read(FileSource(files=("a.txt",)), tmp_path) == documents


@settings(max_examples=60, deadline=None)
@given(
    lines=st.lists(st.binary(max_size=9).map(lambda b: b.replace(b"\n", b"").rstrip(b"\r"))),
    size=st.integers(1, 12),
    crlf=st.booleans(),
)
def test_block_borders_do_not_matter(tmp_path_factory, lines, size, crlf):
    assume(not not_text(b"\n".join(lines)))  # what begins as an archive does is refused as one
    folder = tmp_path_factory.mktemp("lines")
    end = b"\r\n" if crlf else b"\n"
    text = b"".join(line + end for line in lines)
    assume(not_text(text) is None is not_text(text[:size]))  # nor the beginning of an archive
    (folder / "a.txt").write_bytes(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks.raw_blocks, "__defaults__", (size,))
        assert read(FileSource(files=("a.txt",), errors="keep"), folder) == lines


def test_a_file_can_be_one_document(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"two\nlines\n")
    (tmp_path / "a.py").write_bytes(b"x = 1\n")
    source = FileSource(files=("*",), documents="file")
    assert read(source, tmp_path) == [b"x = 1\n", b"two\nlines\n"]


def test_globs_are_sorted_and_relative_to_the_base(tmp_path):
    for name in ("b", "a", "c"):
        (tmp_path / "deep").mkdir(exist_ok=True)
        (tmp_path / "deep" / f"{name}.txt").write_bytes(name.encode() + b"\n")
    assert read(FileSource(files=("deep/c.txt", "**/*.txt")), tmp_path) == [b"c", b"a", b"b"]
    absolute = str(tmp_path / "deep" / "[ab].txt")
    assert read(FileSource(files=(absolute,)), Path("elsewhere")) == [b"a", b"b"]


@pytest.mark.parametrize("members", [1, 3])
@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_several_members_and_much_compressed_text(tmp_path, ending, members):
    parts = [bytes([65 + i]) * 3_000_000 + b"\n" for i in range(members)]
    (tmp_path / f"a.txt{ending}").write_bytes(b"".join(map(COMPRESS[ending], parts)))
    documents = read(FileSource(files=(f"a.txt{ending}",)), tmp_path)
    assert documents == [part[:-1] for part in parts]


def test_binary_chunks_hold_all_bytes(tmp_path):
    content = bytes(range(256)) * 40
    (tmp_path / "a.wav.gz").write_bytes(content)
    documents = read(BinarySource(files=("a.wav.gz",), chunk_bytes=100), tmp_path)
    assert {len(document) for document in documents[:-1]} == {100}
    assert b"".join(documents) == content
    assert read(BinarySource(files=("a.wav.gz",), chunk_bytes=None), tmp_path) == [content]
    assert kind_of(BinarySource(files=("a",))) == "binary"


def test_missing_file_empty_glob_folder(tmp_path):
    assert "does not exist" in refused(FileSource(files=("fi.txt",)), tmp_path)
    assert "no file matches" in refused(FileSource(files=("*.txt",)), tmp_path)
    (tmp_path / "fi").mkdir()
    assert "fi/*.txt" in refused(FileSource(files=("fi",)), tmp_path)


def test_no_permission(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_bytes(b"a\n")

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "denied")

    monkeypatch.setattr(Path, "open", deny)
    assert "no permission" in refused(FileSource(files=("a.txt",)), tmp_path)


def test_bad_utf8_says_where(tmp_path):
    text = ("é" * 1000 + "\n").encode() * 1500
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(text + b"ab\xff\n"))
    message = refused(FileSource(files=("a.txt.gz",)), tmp_path)
    assert f"byte {len(text) + 2:,} " in message
    assert "line 1,501 " in message
    assert 'errors = "keep"' in message
    kept = read(FileSource(files=("a.txt.gz",), errors="keep"), tmp_path)
    assert kept[-1] == b"ab\xff"


@pytest.mark.parametrize("content", [b"a\nb\xc3", b"\x80\n"])
@pytest.mark.parametrize("documents", ["lines", "file"])
def test_bad_utf8_at_the_borders(tmp_path, content, documents):
    (tmp_path / "a.txt").write_bytes(content)
    assert "no UTF-8" in refused(FileSource(files=("a.txt",), documents=documents), tmp_path)


@pytest.mark.parametrize("ending", [".gz", ".zst"])
def test_truncated_and_damaged_compression(tmp_path, ending):
    whole = COMPRESS[ending](bytes(i * i % 251 for i in range(100_000)))
    source = FileSource(files=("a.txt" + ending,), errors="keep")
    for cut in (0, 3, len(whole) // 2, len(whole) - 1):
        (tmp_path / source.files[0]).write_bytes(whole[:cut])
        assert f"breaks off at byte {cut:,}" in refused(source, tmp_path)
    (tmp_path / source.files[0]).write_bytes(b"no archive at all")
    assert f"no valid {ending} data" in refused(source, tmp_path)
    (tmp_path / source.files[0]).write_bytes(whole + b"trailing")
    assert f"no valid {ending} data" in refused(source, tmp_path)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b'{"text": "a"', "no JSON"),
        (b'{"body": "a", "n": 1}', "the columns there are: body, n"),
        (b'{"text": 3}', "holds no string"),
        (b'["a"]', "no JSON object"),
        (b'{"text": "\xff"}', "no UTF-8"),
    ],
)
def test_bad_json_line_says_which(tmp_path, line, expected):
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "fine"}\n\n' + line + b"\n")
    message = refused(FileSource(files=("a.jsonl",)), tmp_path)
    assert expected in message
    assert "line 3" in message


def test_bad_json_line_far_into_the_file(tmp_path):
    lines = [json.dumps({"text": "x" * 990})] * 5000
    (tmp_path / "a.jsonl").write_text("\n".join([*lines, "{}"]))
    assert "line 5,001:" in refused(FileSource(files=("a.jsonl",)), tmp_path)


def test_parquet_without_the_column_or_text(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet(["x", None], n=[1, 2]))
    source = FileSource(files=("a.parquet",), column="body")
    assert "the columns there are: text, n" in refused(source, tmp_path)
    assert "int64" in refused(FileSource(files=("a.parquet",), column="n"), tmp_path)
    assert "row 2 holds no text" in refused(FileSource(files=("a.parquet",)), tmp_path)
    (tmp_path / "a.parquet").write_bytes(b"no parquet")
    assert "no readable Parquet" in refused(FileSource(files=("a.parquet",)), tmp_path)


def test_parquet_bytes_that_are_no_utf8(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet([b"a\xc3", b"\xa9b"]))
    assert "no UTF-8" in refused(FileSource(files=("a.parquet",)), tmp_path)
    kept = read(FileSource(files=("a.parquet",), errors="keep"), tmp_path)
    assert kept == [b"a\xc3", b"\xa9b"]
    falsely = pa.array([b"a\xc3", b"\xa9b"]).view(pa.string())
    (tmp_path / "a.parquet").write_bytes(parquet(falsely))
    assert "no UTF-8" in refused(FileSource(files=("a.parquet",)), tmp_path)
    assert read(FileSource(files=("a.parquet",), errors="keep"), tmp_path) == kept


def test_unknown_ending(tmp_path):
    (tmp_path / "a.xyz.gz").write_bytes(gzip.compress(b"a\n"))
    assert '".xyz"' in refused(FileSource(files=("a.xyz.gz",)), tmp_path)
    assert read(FileSource(files=("a.xyz.gz",), format="text"), tmp_path) == [b"a"]


def test_hub_reads_local_files_through_datasets(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"body": t}) + "\n" for t in TEXTS))
    (tmp_path / "a.parquet").write_bytes(parquet(TEXTS))
    (tmp_path / "a.txt").write_text("first\nthird\n")
    for builder, name, column in (("json", "jsonl", "body"), ("parquet", "parquet", "text")):
        source = HubSource(dataset=builder, data_files=(f"a.{name}",), column=column)
        assert read(source, tmp_path) == [text.encode() for text in TEXTS]
    text = HubSource(dataset="text", data_files=("a.txt",))
    assert read(text, tmp_path) == [b"first", b"third"]
    wrong = HubSource(dataset="json", data_files=("a.jsonl",))
    assert "the columns there are: body" in refused(wrong, tmp_path)
    split = HubSource(dataset="json", data_files=("a.jsonl",), column="body", split="dev")
    assert "dev" in refused(split, tmp_path)
    (tmp_path / "b.jsonl").write_text('{"text": "a"}\n{"te')
    assert "cannot be read" in refused(HubSource(dataset="json", data_files=("b.jsonl",)), tmp_path)


def test_what_a_file_can_hold_at_most_is_not_told_of_a_compressed_one(tmp_path):
    text = b"word " * 1000
    (tmp_path / "a.txt").write_bytes(text)
    (tmp_path / "b.txt").write_bytes(gzip.compress(text))  # is unpacked all the same
    assert most_bytes(FileSource(files=("a.txt",)), tmp_path) == 5000
    assert most_bytes(FileSource(files=("[ab].txt",)), tmp_path) is None
    assert len(read(FileSource(files=("b.txt",)), tmp_path)[0]) == 5000


def test_a_full_disk_is_not_taken_for_a_fault_of_the_file(tmp_path, monkeypatch):
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress(parquet(TEXTS)))
    full = functools.partial(io.FileIO, "/dev/full", "wb")
    monkeypatch.setattr(readers.tempfile, "NamedTemporaryFile", full)
    with pytest.raises(StoreError, match="the disk is full"):
        read(FileSource(files=("a.parquet.gz",)), tmp_path)


def test_hub_without_the_library(tmp_path, monkeypatch):
    real = builtins.__import__

    def absent(name: str, *rest: object) -> object:
        if name == "datasets":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    monkeypatch.delitem(sys.modules, "datasets", raising=False)
    with pytest.raises(MissingExtraError, match=r"bytetransfer\[hub\]"):
        read(HubSource(dataset="x/y"), tmp_path)


def test_input_files_are_the_local_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "folder/b.txt", "folder/deep/c.txt", "folder/.cache/d"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"a\n")
    one, two, three = (tmp_path / name for name in ("a.txt", "folder/b.txt", "folder/deep/c.txt"))
    assert input_files(FileSource(files=("*.txt",)), tmp_path) == [one]
    assert input_files(HubSource(dataset="text", data_files=("*.txt",)), tmp_path) == [one]
    assert input_files(HubSource(dataset="x/y", data_files=("b.parquet",)), tmp_path) == []
    for dataset in ("./folder", str(tmp_path / "folder")):
        assert input_files(HubSource(dataset=dataset), tmp_path) == [two, three]
    assert input_files(HubSource(dataset="../folder"), tmp_path / "folder") == [two, three]


def test_a_folder_is_told_from_an_id_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study" / "own" / "text").mkdir(parents=True)
    (tmp_path / "wiki").mkdir()
    base = tmp_path / "study"
    for dataset in ("own/text", "wiki"):  # beside the study file, and where one stands
        with pytest.raises(CorpusError, match=rf"an id of the hub, and a folder .*\./{dataset}"):
            input_files(HubSource(dataset=dataset), base)
    assert "no such folder" in refused(HubSource(dataset="./text"), base)
    (base / "a.txt").write_text("a")
    assert "files = " in refused(HubSource(dataset="./a.txt"), base)


def test_a_local_folder_is_read_from_the_study_s_folder(tmp_path, monkeypatch):
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "study" / "text").mkdir(parents=True)
    (tmp_path / "study" / "text" / "train.txt").write_text("first\nthird\n")
    monkeypatch.chdir(tmp_path)
    assert read(HubSource(dataset="./text"), tmp_path / "study") == [b"first", b"third"]


def test_sources_are_told_apart_and_unknown_keys_refused():
    for source in (FileSource(files=("a",)), HubSource(dataset="d"), BinarySource(files=("a",))):
        assert msgspec.convert(msgspec.to_builtins(source), Source) == source
    with pytest.raises(msgspec.ValidationError, match="colum"):
        msgspec.convert({"from": "files", "files": ["a"], "colum": "x"}, Source)
