import csv
import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.corpus import blocks
from bytetransfer.corpus.sources import FileSource, read_source
from bytetransfer.errors import CorpusError


def read(path: Path, **more: object) -> list[bytes]:
    source = FileSource(files=(path.name,), **more)
    return [text for batch in read_source(source, path.parent) for text in batch]


def refused(path: Path, **more: object) -> str:
    with pytest.raises(CorpusError) as caught:
        read(path, **more)
    assert caught.value.todo
    return str(caught.value)


@settings(max_examples=100, deadline=None)
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), max_size=6),
    size=st.integers(1, 9),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_quotes_commas_and_line_ends_stay_in_the_text(tmp_path_factory, texts, size, quoting, end):
    folder = tmp_path_factory.mktemp("csv")
    out = io.StringIO(newline="")
    if "\r" in "".join(texts):  # which Python's writer does not quote by itself before 3.13
        quoting = csv.QUOTE_ALL
    writer = csv.writer(out, quoting=quoting, lineterminator=end)
    writer.writerows([["id", "text"], *([number, text] for number, text in enumerate(texts))])
    (folder / "a.csv").write_text(out.getvalue(), encoding="utf-8", newline="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blocks.raw_blocks, "__defaults__", (size,))
        patch.setattr("bytetransfer.corpus.content._LEAST_NULS", 10**9)
        assert read(folder / "a.csv") == [text.encode() for text in texts]


def test_between_tabs_nothing_is_quoted(tmp_path):
    (tmp_path / "a.TSV.gz").write_bytes(
        gzip.compress(b'id\ttext\n1\t"Yes!" she said\n2\t"No!"\r\n\n3\t\n4\ta \\n, b\n')
    )
    documents = [b'"Yes!" she said', b'"No!"', b"", b"a \\n, b"]
    assert read(tmp_path / "a.TSV.gz") == documents


def test_a_column_is_named_or_the_only_one(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbfid,body\n1,one\n")
    assert "the columns there are: id, body" in refused(path)
    assert read(path, column="body") == [b"one"]
    path.write_bytes(b"sentence\none\n\ntwo\n")
    assert read(path) == [b"one", b"two"]
    path.write_bytes(b"text,text\na,b\n")
    assert 'two columns "text"' in refused(path)
    path.write_bytes(b"")
    assert read(path) == []


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.csv", "id;text\n1;one\n", ("separated by ';'",)),
        ("a.csv", "id\ttext\n1\tone\n", ("separated by tabs", "name it .tsv")),
        ("a.tsv", "id,text\n1,one\n", ("separated by ','", "name it .csv")),
        ("a.tsv", '"id"\t"text"\n"1"\t"one"\n', ("line 1", "in quotes", ".csv")),
        ("a.tsv", 'id\ttext\n1\t"a ""b"" c"\n', ("line 2", "in quotes")),
        ("a.tsv", 'id\ttext\n1\t"over\nlines"\n', ("line 3", "1 cells in this row, 2")),
        ("a.tsv", 'id\ttext\n1\t"a\tb"\n', ("line 2", "in quotes")),
        ("a.csv", "id,text\n1,one, two\n", ("line 2", "3 cells in this row, 2 in the header")),
        ("a.csv", 'id,text\n1,"one" two\n', ("line 2", "no valid CSV")),
        ("a.csv", 'id,text\n1,one\n2,"never closed\n\n', ("line 3", "no valid CSV")),
        ("a.csv", "id,text\r1,one\r2,two\r", ("no valid CSV",)),
        ("a.csv", "id,text\n1,\udcff\n", ("line 2", "no UTF-8 at byte 10")),
    ],
)
def test_what_cannot_be_a_row_is_said_with_its_line(tmp_path, name, content, parts):
    (tmp_path / name).write_bytes(content.encode(errors="surrogateescape"))
    message = refused(tmp_path / name)
    for part in parts:
        assert part in message


def test_bytes_that_are_no_utf8_can_be_kept(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'id,text\n1,"\xff, \xe9"\n')
    assert read(tmp_path / "a.csv", errors="keep") == [b"\xff, \xe9"]


def test_a_row_longer_than_stated_is_refused(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"text\n" + b'"' + b"line\n" * 1000)
    message = refused(tmp_path / "a.csv", most_document_bytes=3000)
    assert "line 2: a row (is a quote never closed?) longer than 3 kB" in message
    (tmp_path / "a.csv").write_bytes(b"text\n" + b"word " * 1000 + b"\n")
    assert "longer than 3 kB" in refused(tmp_path / "a.csv", most_document_bytes=3000)
    (tmp_path / "b.csv").write_text('text\n"' + ("言" * 100 + "\n") * 12 + '"\n', encoding="utf-8")
    assert "longer than 3 kB" in refused(tmp_path / "b.csv", most_document_bytes=3000)
    assert len(read(tmp_path / "a.csv", most_document_bytes=6000)) == 1
    (tmp_path / "a.csv").write_bytes(b"text\n" + b"x" * 400_000 + b"\n")
    before = csv.field_size_limit()
    assert len(read(tmp_path / "a.csv")) == 1  # three times what the csv module takes unasked
    assert csv.field_size_limit() == before == 131_072
