import bz2
import gzip
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bytetransfer.corpus.sources import FileSource, HubSource, Source, input_files, read_source
from bytetransfer.errors import CorpusError

TEXTS = ["first line", "toinen rivi", "третья строка"]
LINES = "".join(f"{text}\n" for text in TEXTS)
OBJECTS = "".join(json.dumps({"text": text, "n": 1}) + "\n" for text in TEXTS)


def read(folder: Path, source: Source) -> list[str]:
    return [text.decode() for batch in read_source(source, folder) for text in batch]


def refused(folder: Path, source: Source | str, **more: object) -> str:
    source = FileSource(files=(source,), **more) if isinstance(source, str) else source
    with pytest.raises(CorpusError) as caught:
        read(folder, source)
    assert caught.value.todo
    return str(caught.value)


def zipped(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, LINES)
    return out.getvalue()


def tarred() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        entry = tarfile.TarInfo("a.txt")
        entry.size = len(LINES.encode())
        archive.addfile(entry, io.BytesIO(LINES.encode()))
    return out.getvalue()


def arrow(*, stream: bool = True) -> bytes:
    table = pa.table({"id": [1, 2, 3], "text": TEXTS})
    out = io.BytesIO()
    with (pa.ipc.new_stream if stream else pa.ipc.new_file)(out, table.schema) as sink:
        sink.write_table(table)
    return out.getvalue()


def parquet() -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table({"text": TEXTS}), out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.TXT", LINES.encode()),
        ("a.Txt.GZ", gzip.compress(LINES.encode())),
        ("c4-fi.00000-of-00001.json.gz", gzip.compress(OBJECTS.encode())),
        ("a.ndjson", OBJECTS.encode()),
        ("a.JSONLINES.bz2", bz2.compress(OBJECTS.encode())),
        ("a.json", json.dumps([{"text": text} for text in TEXTS], indent=2).encode()),
        ("a.csv", ("text\n" + LINES).encode()),
        ("a.tsv", ("text\n" + LINES).encode()),
        ("a.Parquet", parquet()),
        ("a.arrow", arrow()),
        ("b.arrow", arrow(stream=False)),
        ("TED.en-fi.fi", LINES.encode()),
        ("news.fin.gz", gzip.compress(LINES.encode())),
        ("tatoeba.pt_BR", LINES.encode()),
    ],
)
def test_an_ending_in_any_case_says_how_a_file_is_read(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert read(tmp_path, FileSource(files=(name,))) == TEXTS


def test_the_ending_of_moses_files_is_text_only_where_it_looks_like_text(tmp_path):
    for content, part in (
        (zipped("a.txt"), "a zip archive"),
        (OBJECTS.encode(), 'format = "jsonl"'),
        (b"<?xml version='1.0'?>\n<tmx>\n", "XML"),
    ):
        (tmp_path / "a.fi").write_bytes(content)
        assert part in refused(tmp_path, "a.fi")


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (OBJECTS.encode(), ('write format = "jsonl"',)),
        (OBJECTS.replace("text", "body").encode(), ('"jsonl" and column = "body" or "n"',)),
        (b'[\n  {\n    "text": "a"\n  }\n]\n', ('write format = "jsonl"',)),
        (gzip.compress(OBJECTS.encode()), ('write format = "jsonl"',)),
        (LINES.encode(), ('if it is plain text, a document a line, write format = "text"',)),
        (b"id\ttext\n1\ta\n2\tb\n", ('write format = "tsv"',)),
        (parquet(), ('write format = "parquet"',)),
        (arrow(), ('write format = "arrow"',)),
        (LINES.encode("utf-16-le"), ("UTF-16 without", "iconv -f UTF-16-LE")),
        (tarred(), ("a tar archive",)),
    ],
)
def test_a_file_is_looked_into_before_it_is_said_how_to_read_it(tmp_path, content, parts):
    (tmp_path / "a.data").write_bytes(content)
    message = refused(tmp_path, "a.data")
    assert 'the ending ".data" does not tell' in message
    assert ('format = "text"' in message) == (content == LINES.encode())
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (zipped("a.txt"), "a zip archive"),
        (zipped("[Content_Types].xml", "word/document.xml"), "a Word document"),
        (gzip.compress(tarred()), "a tar archive"),
        (gzip.compress(gzip.compress(LINES.encode())), "gzip once more"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "a PDF document"),
        (b"{\\rtf1\\ansi words}\n", "rich text"),
        (parquet(), "a Parquet file"),
        (LINES.encode("utf-16"), "text in UTF-16, not UTF-8"),
        (LINES.encode("utf-32"), "text in UTF-32, not UTF-8"),
        (LINES.encode("utf-16-le"), "text in UTF-16 without a byte-order mark"),
        (("слова и слова " * 9).encode("utf-16-le"), "text in UTF-16 without"),
        (("слова и слова " * 9).encode("utf-16-be"), "iconv -f UTF-16-BE"),
        (LINES.encode("utf-32-le"), "text in UTF-32 without"),
        (LINES.encode("utf-32-be"), "iconv -f UTF-32-BE"),
        (bytes(range(7)) * 40, "binary data"),
        (b"one\rtwo\rthree\rfour\rfive\rsix\rseven\reight\r", "carriage return alone"),
        (OBJECTS.encode(), "every line is a JSON object"),
    ],
)
@pytest.mark.parametrize("errors", ["strict", "keep"])
def test_text_that_is_no_text_is_called_what_it_is(tmp_path, content, part, errors):
    (tmp_path / "a.txt").write_bytes(content)
    assert part in refused(tmp_path, "a.txt", errors=errors)


@pytest.mark.parametrize(
    "text",
    [
        "one\0 stray\n" * 1 + "line\n" * 900,
        "ORC and GIF8 and ID3 are words too\n",
        "ID3 is another\n",
        "{curly} brackets\n{again}\n",
        '{"text": "a"}\nis how a line of JSON looks\n',
        "a\rb\rc\n" * 9,
        "PK is how they begin\n",
    ],
)
def test_text_that_is_odd_is_text(tmp_path, text):
    (tmp_path / "a.txt").write_text(text, newline="")
    assert read(tmp_path, FileSource(files=("a.txt",))) == text.split("\n")[:-1]


def test_json_itself_can_be_learnt_from_where_that_is_said(tmp_path):
    (tmp_path / "a.txt").write_text(OBJECTS)
    found = read(tmp_path, FileSource(files=("a.txt",), format="text"))
    assert found == OBJECTS.splitlines()
    for name in ("a.json", "a.csv", "a.fi"):
        (tmp_path / name).write_text(OBJECTS)
        assert read(tmp_path, FileSource(files=(name,), documents="file")) == [OBJECTS]


@pytest.mark.parametrize(
    ("encoding", "part"),
    [("latin-1", "iconv -f LATIN1"), ("cp037", "EBCDIC"), ("shift-jis", "another encoding")],
)
def test_other_encodings_are_refused_with_how_to_convert_them(tmp_path, encoding, part):
    text = "日本語の文\n" if encoding == "shift-jis" else "quelques mots déjà écrits\n"
    (tmp_path / "a.txt").write_bytes(text.encode(encoding) * 3)
    message = refused(tmp_path, "a.txt")
    assert "no UTF-8 at byte" in message
    assert part in message
    assert 'errors = "keep"' in message


def test_a_link_is_judged_by_its_own_name(tmp_path):
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    (blobs / "1f3a").write_bytes(parquet())
    (blobs / "9c77").write_bytes(gzip.compress(LINES.encode()))
    (blobs / "b2").write_text(OBJECTS)
    (blobs / "fi.jsonl").write_text(OBJECTS)
    named = {"a.parquet": "1f3a", "a.txt.gz": "9c77", "a.jsonl": "b2", "newest": "fi.jsonl"}
    for name, blob in named.items():
        (tmp_path / name).symlink_to(os.path.join("blobs", blob))  # noqa: PTH118
        source = FileSource(files=(name,))
        assert read(tmp_path, source) == TEXTS
        assert input_files(source, tmp_path) == [tmp_path / name]
    (tmp_path / "wrong.txt").symlink_to(blobs / "fi.jsonl")
    assert "every line is a JSON object" in refused(tmp_path, "wrong.txt")
    both = FileSource(files=("newest", "blobs/fi.jsonl"))
    assert read(tmp_path, both) == TEXTS  # one file of two names is read once


def save_to_disk(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "data-00000-of-00001.arrow").write_bytes(arrow())
    (folder / "state.json").write_text("{}")
    (folder / "dataset_info.json").write_text("{}")


def test_a_dataset_saved_to_disk_is_read_as_it_is_said_to_be(tmp_path):
    pytest.importorskip("datasets")
    save_to_disk(tmp_path / "data" / "saved")
    save_to_disk(tmp_path / "parts" / "train")
    save_to_disk(tmp_path / "parts" / "dev")
    (tmp_path / "parts" / "dataset_dict.json").write_text("{}")
    for name, files in (("data/saved", "data/saved/*.arrow"), ("parts", "parts/train/*.arrow")):
        hub = [HubSource(dataset=given) for given in (name, f"./{name}")]
        for source in (FileSource(files=(name,)), *hub):
            assert f'{files}"' in refused(tmp_path, source)
        for source in hub:  # known before any file of it is read
            with pytest.raises(CorpusError, match="saved to disk"):
                input_files(source, tmp_path)
        assert read(tmp_path, FileSource(files=(files,))) == TEXTS


def test_a_folder_is_answered_by_what_is_in_it(tmp_path):
    folder = tmp_path / "fi"
    folder.mkdir()
    assert "fi/*.txt" in refused(tmp_path, "fi")
    for name in ("a.jsonl.gz", "b.jsonl.gz", "c.txt", "README"):
        (folder / name).write_bytes(b"")
    assert "fi/*.jsonl.gz" in refused(tmp_path, "fi")


@pytest.mark.parametrize("url", ["https://example.org/fi.txt", "hf://datasets/x/y.parquet"])
def test_a_web_address_is_shown_as_it_was_written(tmp_path, url):
    message = refused(tmp_path, url)
    assert message.startswith(f"{url}: a web address")
    assert url in refused(tmp_path, HubSource(dataset="json", data_files=(url,)))


def test_documents_longer_than_stated_are_refused(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"short\n" + b"x" * 5000 + b"\nshort\n")
    assert "line 2: a line longer than 4 kB" in refused(tmp_path, "a.txt", most_document_bytes=4000)
    whole = FileSource(files=("a.txt",), documents="file", most_document_bytes=4000)
    assert "a file longer than 4 kB" in refused(tmp_path, whole)
    assert len(read(tmp_path, FileSource(files=("a.txt",), most_document_bytes=5000))) == 3
    (tmp_path / "a.txt").write_bytes(b"short\n" + b"x" * 5000)
    assert "line 2: a line" in refused(tmp_path, "a.txt", most_document_bytes=4000)
    with pytest.raises(CorpusError, match="most_document_bytes"):
        FileSource(files=("a.txt",), most_document_bytes=0)


def test_empty_files_and_blank_lines_hold_no_text(tmp_path):
    for name in ("a.txt", "a.jsonl", "a.csv", "a.fi"):
        (tmp_path / name).write_bytes(b"")
        assert read(tmp_path, FileSource(files=(name,))) == []
    for name in ("a.jsonl", "a.csv"):
        (tmp_path / name).write_bytes(b"\n\n\n")
        assert read(tmp_path, FileSource(files=(name,))) == []
    (tmp_path / "a.txt").write_bytes(b"\n\n")
    assert read(tmp_path, FileSource(files=("a.txt",))) == ["", ""]
