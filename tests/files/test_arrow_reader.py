import io
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bytetransfer.corpus.sources import FileSource, read_source
from bytetransfer.errors import CorpusError, MeasurementError
from bytetransfer.files import arrow_reader
from bytetransfer.files.arrow_reader import TableError, TableReader, read_whole_table
from bytetransfer.measurements.file import read_blocks, read_measurements

TEXTS = ["first", "second", "third"]


def parquet(columns: dict[str, object], **options: object) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **options)
    return out.getvalue()


def aborting() -> bytes:
    """A file whose footer contradicts itself: the library ends the process that asks about it."""
    data = parquet({"text": TEXTS})
    optional = data.rindex(b"%\x02\x18\x04text")
    return data[: optional + 1] + b"\0" + data[optional + 2 :]


def texts(path: Path, **more: object) -> list[bytes]:
    source = FileSource(files=(path.name,), **more)
    return [text for batch in read_source(source, path.parent) for text in batch]


def test_one_process_reads_one_file_after_another(tmp_path, monkeypatch):
    started = []
    real = arrow_reader.subprocess.Popen
    monkeypatch.setattr(
        arrow_reader.subprocess,
        "Popen",
        lambda *a, **k: started.append(real(*a, **k)) or started[-1],
    )
    for name in "abc":
        (tmp_path / f"{name}.parquet").write_bytes(parquet({"text": TEXTS}))
    (tmp_path / "d.parquet").write_bytes(parquet({"text": pa.array([], pa.string())}))
    assert texts(tmp_path / "*.parquet") == [text.encode() for text in TEXTS] * 3
    assert len(started) == 1
    assert started[0].poll() is not None  # and it ends with the source


def test_a_file_that_ends_the_process_is_what_is_wrong(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet({"text": TEXTS}))
    (tmp_path / "b.parquet").write_bytes(aborting())
    with pytest.raises(CorpusError, match=r"b\.parquet: .* ended \(SIGABRT: .*histogram"):
        texts(tmp_path / "*.parquet")


def test_a_process_that_is_killed_between_batches_has_not_read_the_file(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(parquet({"text": [*TEXTS * 9]}, row_group_size=3))
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(
        "import os, sys\n"
        "from bytetransfer.files import arrow_reader\n"
        "real = arrow_reader._checked\n"
        "def some(*arguments):\n"
        "    yield from [next(real(*arguments))]\n"
        "    sys.stdout.flush()\n"
        "    os.kill(os.getpid(), 9)\n"
        "arrow_reader._checked = some\n"
        "arrow_reader._serve(int(sys.argv[1]))\n"
    )
    real = arrow_reader.subprocess.Popen

    def start(arguments: list[str], **options: object) -> object:
        return real([sys.executable, str(stand_in), arguments[-1]], **options)

    monkeypatch.setattr(arrow_reader.subprocess, "Popen", start)
    with pytest.raises(CorpusError, match=r"ended \(SIGKILL\)"):
        texts(tmp_path / "a.parquet")


def test_a_fault_of_the_program_keeps_its_traceback():
    tables = TableReader(memory_bytes="no number")  # type: ignore[arg-type]
    with tables, pytest.raises(RuntimeError, match="Traceback"):
        tables.read(parquet({"text": TEXTS}), ["text"])


def test_memory_is_limited(tmp_path):
    """A kilobyte of repeated references to one long text is a gigabyte of text."""
    repeated = pa.DictionaryArray.from_arrays(np.zeros(3_000, np.int32), ["x" * 900_000])
    (tmp_path / "a.parquet").write_bytes(parquet({"text": repeated}, store_schema=False))
    assert (tmp_path / "a.parquet").stat().st_size < 100_000
    with TableReader(memory_bytes=1 << 30) as tables:
        _, batches = tables.read(tmp_path / "a.parquet", ["text"], most_value_bytes=10**6)
        with pytest.raises(TableError, match=r"more than 1,073,741,824 bytes of memory"):
            list(batches)


def test_batches_that_are_handed_on_are_small(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet({"text": ["x" * 900_000] * 100}))
    with TableReader() as tables:
        _, batches = tables.read(tmp_path / "a.parquet", ["text"], most_value_bytes=10**6)
        sizes = [(len(batch), batch.nbytes) for batch in batches]
    assert sum(rows for rows, _ in sizes) == 100
    assert max(size for _, size in sizes) < 5_000_000


def test_a_value_longer_than_stated_is_refused_with_its_row(tmp_path):
    content = parquet({"text": ["x", "y" * 5000]}, row_group_size=1)
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(CorpusError, match=r"row 2 holds 5,000 bytes.*most_document_bytes"):
        texts(tmp_path / "a.parquet", most_document_bytes=4999)
    assert len(texts(tmp_path / "a.parquet", most_document_bytes=5000)) == 2


@pytest.mark.slow
def test_text_is_read_from_every_type_that_holds_it(tmp_path):
    types = [pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.string_view()]
    for kind in [*types, pa.dictionary(pa.int32(), pa.string())]:
        values = pa.array([*TEXTS, ""], pa.string()).cast(kind)
        (tmp_path / "a.parquet").write_bytes(parquet({"n": [1, 2, 3, 4], "text": values}))
        assert texts(tmp_path / "a.parquet") == [b"first", b"second", b"third", b""]
    (tmp_path / "a.parquet").write_bytes(parquet({"text": [["a"]]}))
    with pytest.raises(CorpusError, match="holds list"):
        texts(tmp_path / "a.parquet")


def test_arrow_files_are_checked_before_they_are_handed_on(tmp_path):
    out = io.BytesIO()
    table = pa.record_batch({"text": TEXTS})
    with pa.ipc.new_stream(out, table.schema) as sink:
        sink.write_batch(table)
    offsets = np.array([0, 5, 11, 16], "<i4").tobytes()
    assert out.getvalue().count(offsets) == 1
    wrong = np.array([0, 2**30, 11, 16], "<i4").tobytes()
    (tmp_path / "a.arrow").write_bytes(out.getvalue().replace(offsets, wrong))
    with pytest.raises(CorpusError, match="no readable Arrow file"):
        texts(tmp_path / "a.arrow")


@pytest.mark.slow
def test_tables_of_losses_and_blocks_are_read_so_too(tmp_path):
    (tmp_path / "x.parquet").write_bytes(aborting())
    # the library aborts when it is asked for sizes, which a table of losses does not need
    with pytest.raises(MeasurementError, match="no column source"):
        read_measurements(tmp_path / "x.parquet")
    for damaged in (b"", b"PAR1 and more", parquet({"source": ["en"]})[:-20]):
        with pytest.raises(TableError, match="no readable Parquet file"):
            read_whole_table(damaged, ["source"])
        with pytest.raises(MeasurementError, match="no blocks"):
            read_blocks(damaged, where="x")
    names, table = read_whole_table(parquet({"a": [1], "b": ["x"], "c": [None]}), ["b", "a", "d"])
    assert names == ["a", "b", "c"]
    assert table.to_pylist() == [{"a": 1, "b": "x"}]


def test_what_lies_in_the_working_folder_is_not_imported(tmp_path, monkeypatch):
    (tmp_path / "pyarrow.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    names, _ = read_whole_table(parquet({"a": [1]}), ["a"])
    assert names == ["a"]
