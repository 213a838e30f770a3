"""The folder that a study's results go to: whose it is, what is written, and their digests."""

from __future__ import annotations

import os
from pathlib import Path

from bytetransfer.errors import StoreError
from bytetransfer.files.disk import disk_errors, sweep_temporaries, write_atomic, write_with_digests
from bytetransfer.measurements.measurement import Measurements
from bytetransfer.results.table import WRITERS
from bytetransfer.transfer.estimate import Estimates

_MOST_SHOWN = 100  # characters of a name that somebody else may have written


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
    owner = folder / "study-file.txt"
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


def write_estimates(folder: Path, measurements: Measurements, estimates: Estimates) -> list[Path]:
    """Write measurements, estimates and laws; the files written.

    Raises:
        StoreError: if the disk does not take it.
    """
    files: dict[str, bytes | str] = {
        "measurements.csv": measurements.to_csv(),
        "blocks.parquet": measurements.blocks_to_parquet(),
    }
    for ending, write in WRITERS.items():
        files[f"estimates{ending}"] = write(estimates)
        laws = folder / f"laws{ending}"
        with disk_errors(laws):
            laws.unlink(missing_ok=True)  # of another method, before
        if len(estimates.laws):
            files[f"laws{ending}"] = write(estimates.laws)
    write_with_digests(folder, files)
    return [folder / name for name in files]


def write_page(folder: Path, page: str) -> Path:
    """Write the report; its path.

    Raises:
        StoreError: if the disk does not take it.
    """
    write_with_digests(folder, {"report.html": page})
    return folder / "report.html"
