"""What killed processes leave in a store, removed by the next; never what a living one uses.

Temporary files and folders are locked by whoever writes them, and what is in a run's folder is
touched under the run's lock.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from bytetransfer.corpus.folder import sweep_folders
from bytetransfer.errors import StoreError
from bytetransfer.files.disk import disk_errors, sweep_temporaries
from bytetransfer.runs.store import Store

_OF_A_TRY = frozenset({"work", "failure.txt", "progress.json"})


def sweep_runs(store: Store) -> None:
    """Remove what killed processes left in the folders of all runs, whatever their keys.

    The checkpoints of a run that is not done stay: it goes on from them.

    Raises:
        StoreError: if the disk refuses.
    """
    folder = store.root / "runs"
    with disk_errors(folder), contextlib.suppress(FileNotFoundError):
        for key in sorted(entry.name for entry in os.scandir(folder) if entry.is_dir()):
            with contextlib.suppress(FileNotFoundError):  # deleted in the meantime
                _sweep(store, key)


def sweep_preparations(store: Store) -> None:
    """Remove what killed preparations left; for the holder of the lock `prepare`.

    Raises:
        StoreError: if the disk refuses.
    """
    folder = store.root / "corpora"
    with disk_errors(folder):
        sweep_folders(folder)
        for left in folder.glob("preparing-*"):
            shutil.rmtree(left, ignore_errors=True)
        for kept in (folder / "index", store.root / "remembered"):
            sweep_temporaries(kept)


def _sweep(store: Store, key: str) -> None:
    folder = store.run_folder(key)
    names = {entry.name for entry in os.scandir(folder)}
    if "result.json" in names and names & _OF_A_TRY:
        with (
            contextlib.suppress(StoreError),  # at work: it will do so itself
            store.lock(f"run-{key}", wait=False),
        ):
            store.clear(key)
    if any(name.endswith(".tmp") for name in names):
        sweep_temporaries(folder)
    if "state" in names:
        sweep_temporaries(folder / "state")
    if "work" in names:
        for inside in _folders(folder / "work"):
            sweep_temporaries(inside)


def _folders(work: Path) -> list[Path]:
    return [work, *(Path(entry) for entry in os.scandir(work) if entry.is_dir())]
