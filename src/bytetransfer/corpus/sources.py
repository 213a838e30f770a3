"""Where documents come from: text files, datasets of the Hugging Face hub, raw bytes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from bytetransfer.corpus.blocks import is_compressed
from bytetransfer.corpus.content import named
from bytetransfer.corpus.csv_reader import read_separated
from bytetransfer.corpus.formats import (
    Format,
    format_of,
    is_saved_dataset,
    saved_files,
)
from bytetransfer.corpus.json_reader import read_json
from bytetransfer.corpus.patterns import files_below, is_folder, resolve
from bytetransfer.corpus.readers import (
    MOST_DOCUMENT_BYTES,
    Batches,
    OnBadUtf8,
    arrow_documents,
    read_chunks,
    read_lines,
    read_table,
    read_whole,
    too_long,
)
from bytetransfer.corpus.splits import Kind
from bytetransfer.errors import CorpusError, MissingExtraError
from bytetransfer.files.arrow_reader import TableReader
from bytetransfer.files.disk import shown_path
from bytetransfer.units import format_bytes

_LOCAL_BUILDERS = {"csv", "json", "parquet", "text"}
_HUB_BATCH_ROWS = 1000
_NOT_PACKED = {".txt", ".jsonl"}
_BATCH_BYTES = 1 << 20
_MOST_CHUNK_BYTES = 1_000_000_000  # a document is held in memory


class FileSource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="from",
    tag="files",
):
    """Text in files, read by their endings (`formats.ENDINGS`), compressed or not.

    Attributes:
        files: paths or globs (`**` for any depth), relative to the study's folder; read in the
            order given, each glob sorted by name.
        documents: whether a document is a line or a whole file (`.txt` only).
        column: what holds the text in formats that name their columns.
        errors: what to do with bytes that are no UTF-8: `strict` refuses, `keep` keeps them.
        format: what the files hold, for those whose ending does not tell.
        most_document_bytes: a longer document is refused, and so is a longer row of those formats;
            it bounds the memory that reading takes.
    """

    files: tuple[str, ...]
    documents: Literal["lines", "file"] = "lines"
    column: str = "text"
    errors: OnBadUtf8 = "strict"
    format: Format = "auto"
    most_document_bytes: int = MOST_DOCUMENT_BYTES

    def __post_init__(self) -> None:
        check_most_document_bytes(self.most_document_bytes)


class HubSource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="from",
    tag="hub",
):
    """A dataset of the Hugging Face hub, streamed; or local files through the same library.

    Attributes:
        dataset: its id; or a folder, as a path that begins with `./`, `../`, `/` or `~` and
            starts from the study's folder; or `csv`, `json`, `parquet`, `text` for local
            `data_files`.
        config: its configuration (often a language).
        split: which of its own splits to read; bytetransfer divides the documents itself.
        column: what holds the text.
        revision: commit of the dataset, so that everyone reads the same.
        data_files: files of the dataset, or local ones, relative to the study's folder (of a
            folder given as dataset: relative to that).
        most_document_bytes: a longer document is refused.
    """

    dataset: str
    config: str | None = None
    split: str = "train"
    column: str = "text"
    revision: str | None = None
    data_files: tuple[str, ...] = ()
    most_document_bytes: int = MOST_DOCUMENT_BYTES

    def __post_init__(self) -> None:
        check_most_document_bytes(self.most_document_bytes)


class BinarySource(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    tag_field="from",
    tag="binary",
):
    """Raw bytes of any modality: source code, audio, images; nothing is decompressed.

    Attributes:
        files: paths or globs, relative to the study's folder.
        chunk_bytes: a document is a piece of this length; None makes each file one document.
        most_document_bytes: a longer document is refused.
    """

    files: tuple[str, ...]
    chunk_bytes: int | None = 4096
    most_document_bytes: int = MOST_DOCUMENT_BYTES

    def __post_init__(self) -> None:
        check_most_document_bytes(self.most_document_bytes)
        if self.chunk_bytes is not None and self.chunk_bytes < 1:
            what = f"{self.chunk_bytes} is no number of bytes"
            raise CorpusError(what, where="chunk_bytes", todo="write a number above 0")
        if self.chunk_bytes is not None and self.chunk_bytes > _MOST_CHUNK_BYTES:
            most = format_bytes(_MOST_CHUNK_BYTES)
            what = f"{format_bytes(self.chunk_bytes)} are more than a document can have"
            todo = f'write at most "{most}"; a shorter file is one document'
            raise CorpusError(what, where="chunk_bytes", todo=todo)


def check_most_document_bytes(most_bytes: int) -> None:
    """Raise a CorpusError where it is no limit."""
    if most_bytes < 1:
        what = f"{most_bytes} is no number of bytes"
        raise CorpusError(what, where="most_document_bytes", todo='write for example "100MB"')


Source = FileSource | HubSource | BinarySource


def kind_of(source: Source) -> Kind:
    """Whether the documents of `source` are text or raw bytes."""
    return "binary" if isinstance(source, BinarySource) else "text"


def read_source(source: Source, base: Path) -> Batches:
    """The documents of `source` in batches, in its own order, empty ones included.

    Args:
        source: what to read.
        base: the folder relative paths start from.

    Raises:
        CorpusError: for whatever cannot be read; says where and what to do.
        MissingExtraError: for a hub source where the `datasets` library is absent.
    """
    if isinstance(source, HubSource):
        return _read_hub(source, base)
    return _filled(_read_files(resolve(source.files, base), source))


def _read_files(paths: list[Path], source: FileSource | BinarySource) -> Batches:
    with TableReader() as tables:
        for path in paths:
            if isinstance(source, BinarySource):
                most = source.most_document_bytes
                yield from read_chunks(path, source.chunk_bytes, most_bytes=most)
            else:
                yield from _read_file(path, source, tables)


def input_files(source: Source, base: Path) -> list[Path]:
    """The local files that `source` is read from.

    Raises:
        CorpusError: where one does not exist or cannot be read.
    """
    if not isinstance(source, HubSource):
        return resolve(source.files, base)
    if source.dataset in _LOCAL_BUILDERS:
        return resolve(source.data_files, base)
    folder = _local_folder(source.dataset, base)
    return [] if folder is None else files_below(folder)


def most_bytes(source: Source, base: Path) -> int | None:
    """The most text the local files of `source` can hold, without reading them.

    None where only reading tells: compressed files, Parquet, data sets.

    Raises:
        CorpusError: where a file does not exist or cannot be read.
    """
    if isinstance(source, HubSource):
        return None
    paths = resolve(source.files, base)
    if isinstance(source, FileSource) and any(
        path.suffix not in _NOT_PACKED or is_compressed(path) for path in paths
    ):
        return None
    return sum(path.stat().st_size for path in paths)


def _local_folder(dataset: str, base: Path) -> Path | None:
    """The folder that a dataset is, None where it is one of the hub.

    Raises:
        CorpusError: where there is no such folder, an id of the hub is also one, or it is a data
            set saved to disk.
    """
    where = f"dataset {dataset}"
    folder = base / Path(dataset).expanduser()
    if is_saved_dataset(folder):
        todo = f"write {saved_files(folder, dataset)} in place of dataset"
        raise CorpusError("a dataset saved to disk", where=where, todo=todo)
    if dataset not in (".", "..") and not dataset.startswith(("/", "./", "../", "~")):
        for other in (folder, Path(dataset)):
            if is_folder(other):
                what = f"an id of the hub, and a folder ({shown_path(other.resolve())})"
                todo = f'write "./{dataset}" for one beside the study file, or rename the folder'
                raise CorpusError(what, where=where, todo=todo)
        return None
    if not is_folder(folder):
        what = "a file, not a folder" if folder.exists() else "there is no such folder"
        start = shown_path(base.resolve())
        todo = f"relative paths start from {start}; for single files write files = ..."
        raise CorpusError(what, where=where, todo=todo)
    return folder.resolve()


def _read_file(path: Path, source: FileSource, tables: TableReader) -> Batches:
    form = source.format if source.format != "auto" else format_of(path, source.documents)
    column, errors, most = source.column, source.errors, source.most_document_bytes
    if form == "jsonl":
        return read_json(path, column, most_bytes=most)
    if form == "csv":
        return read_separated(path, column, ",", errors=errors, most_bytes=most)
    if form == "tsv":
        return read_separated(path, column, "\t", errors=errors, most_bytes=most)
    if form in ("parquet", "arrow"):
        return read_table(path, column, tables, errors=errors, most_bytes=most)
    if source.documents == "file":
        return read_whole(path, errors=errors, most_bytes=most)
    stated = source.format == "text"
    return read_lines(path, errors=errors, most_bytes=most, stated=stated)


def _filled(batches: Iterator[list[bytes]]) -> Batches:
    """The same documents in batches worth their while; thousands of small files make few."""
    held: list[bytes] = []
    size = 0
    for batch in batches:
        if not held and len(batch) > 1:
            yield batch
            continue
        held += batch
        size += sum(map(len, batch))
        if size >= _BATCH_BYTES:
            yield held
            held, size = [], 0
    if held:
        yield held


def _read_hub(source: HubSource, base: Path) -> Batches:
    rows = 0
    for table in _hub_tables(source, base):
        for chunk in table.column(source.column).chunks:
            where = f"dataset {source.dataset}"
            documents = arrow_documents(chunk, errors="strict", where=where, first_row=rows)
            if max(map(len, documents), default=0) > source.most_document_bytes:
                raise too_long("a document", where, source.most_document_bytes)
            yield documents
            rows += len(chunk)


def _hub_tables(source: HubSource, base: Path) -> Iterator[Any]:
    """Arrow tables of the dataset's column."""
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("datasets", extra="hub") from error
    where, dataset = f"dataset {source.dataset}", source.dataset
    files: list[str] | None = list(source.data_files) or None
    if dataset in _LOCAL_BUILDERS:
        files = [str(path) for path in resolve(source.data_files, base)]
    elif folder := _local_folder(dataset, base):
        dataset = str(folder)
    try:
        stream = datasets.load_dataset(
            dataset,
            source.config,
            split=source.split,
            revision=source.revision,
            data_files=files,
            streaming=True,
        )
        names = list(stream.column_names or next(iter(stream.take(1)), {}))
        if source.column not in names:
            todo = f"the columns there are: {named(names)}"
            raise CorpusError(f'no column "{source.column}"', where=where, todo=todo)
        columns = stream.select_columns([source.column]).with_format("arrow")
        yield from columns.iter(batch_size=_HUB_BATCH_ROWS)
    except CorpusError:
        raise
    except Exception as error:  # the library and what it stands on raise more than can be named
        todo = "check id, config, split and revision, and that you are online and logged in"
        what = f"cannot be read ({type(error).__name__}: {error})"
        raise CorpusError(what, where=where, todo=todo) from error
