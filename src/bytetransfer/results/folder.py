"""How results are written: whose results a folder holds, the files in it, and their digests."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

from bytetransfer.errors import StoreError
from bytetransfer.files.disk import disk_errors, sweep_temporaries, write_atomic, write_with_digests
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.transfer.estimate import Estimates
from bytetransfer.transfer.law_table import Laws

TABLE = "measurements.csv"
"""The table of losses in a folder of results."""

_OWNER = "study-file.txt"
_MOST_SHOWN = 100  # characters of a name that somebody else may have written
_GENERATOR = b'<meta name="generator" content="bytetransfer">'  # of every page, near its top
_TOP_BYTES = 1_000


def claim_results(folder: Path, *, study_file: str, study: str) -> None:
    """Refuse to write over the results of another study file of the same name.

    What killed processes left in the folder goes.

    Args:
        folder: where the results go.
        study_file: name of the study file.
        study: what it calls itself.

    Raises:
        StoreError: if the folder belongs to another study file, or the disk refuses.
    """
    owner = folder / _OWNER
    with disk_errors(owner):
        found = os.fsdecode(owner.read_bytes()).strip() if owner.exists() else study_file
    if found != study_file:
        shown = found[:_MOST_SHOWN]
        raise StoreError(
            f"its folder holds the results of {shown if shown.isprintable() else ascii(shown)}",
            where=str(owner),
            todo=f"give {study_file} another name than {study!r}; if the file is wrong, delete it",
        )
    write_atomic(owner, study_file + "\n")
    with disk_errors(folder):
        sweep_temporaries(folder)


def write_estimates(
    folder: Path, measurements: Measurements, estimates: Estimates, *, is_own: bool
) -> list[Path]:
    """Write measurements, estimates and laws; the files written.

    Args:
        folder: where to.
        measurements: all rows, with their blocks.
        estimates: what was computed from them.
        is_own: whether the folder is claimed, so that what stands in it is replaced; otherwise a
            file that stands there is refused, unless it holds just what would be written.

    Raises:
        StoreError: for files of another origin, or if the disk does not take it.
    """
    files: dict[str, bytes | str] = {
        TABLE: measurements.to_csv(),
        "blocks.parquet": measurements.blocks_to_parquet(),
    }
    laws = estimates.laws
    for ending, write in WRITERS.items():
        files[f"estimates{ending}"] = write(estimates)
        if len(laws):
            files[f"laws{ending}"] = write(laws)
    stale = [folder / f"laws{ending}" for ending in WRITERS if not len(laws)]  # of another method
    if not is_own:
        _refuse_others(folder, files, stale)
    for path in stale:
        with disk_errors(path):
            path.unlink(missing_ok=True)
    write_with_digests(folder, files)
    return [folder / name for name in files]


def _refuse_others(folder: Path, files: dict[str, bytes | str], stale: list[Path]) -> None:
    with disk_errors(folder):
        others = [path for path in (folder / _OWNER, *stale) if path.exists()]
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            path = folder / name
            if path.exists() and (path.is_dir() or path.read_bytes() != data):
                others.append(path)
    if others:
        what, todo = "is there already and would be lost", "give another folder, or move it away"
        raise StoreError(what, where=str(others[0]), todo=todo)


def write_page(folder: Path, page: str) -> Path:
    """Write the report into the folder of its study; its path.

    Raises:
        StoreError: if the disk does not take it.
    """
    write_with_digests(folder, {"report.html": page})
    return folder / "report.html"


def write_own_page(path: Path, page: str) -> Path:
    """Write a report to any path; another report may stand there, but no other file.

    Raises:
        StoreError: if another file stands there, or the disk does not take it.
    """
    with disk_errors(path):
        if path.exists():
            with path.open("rb") as file:
                top = file.read(_TOP_BYTES)
            if _GENERATOR not in top:
                what = "is there already, and is no report of bytetransfer"
                todo = "give the report another path (--out), or move it away"
                raise StoreError(what, where=str(path), todo=todo)
    write_atomic(path, page)
    return path


def write_table(table: Estimates | Laws, path: Path) -> None:
    """Write estimates or laws as the ending of the file says: `.csv`, `.json` or `.parquet`.

    Raises:
        StoreError: for another ending, or if the disk does not take it.
    """
    ending = path.suffix.lower()
    if ending not in WRITERS:
        todo = f"give a file that ends in {', '.join(WRITERS)}"
        raise StoreError("no kind of table by its name", where=str(path), todo=todo)
    write_atomic(path, WRITERS[ending](table))


def _parquet(table: Estimates | Laws) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(table.to_rows()), out)
    return out.getvalue()


WRITERS: dict[str, Callable[[Estimates | Laws], bytes | str]] = {
    ".csv": lambda table: table.to_csv(),
    ".json": lambda table: table.to_json(),
    ".parquet": _parquet,
}
"""By the ending of the file, what is written."""
