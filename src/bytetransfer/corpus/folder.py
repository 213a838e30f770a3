"""Folders that appear whole or not at all.

A folder is written under a hidden name beside its final one and renamed at the end, so a process
killed at any moment leaves nothing that could be taken for done; what it did leave is swept away
by the next one that writes the same folder, or by whoever sweeps the folder they lie in.

A marker, locked by the process that writes, is the first thing in a hidden folder and goes only
after the rename. So what holds something but no marker is nobody's.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from bytetransfer.errors import StoreError
from bytetransfer.files.disk import disk_errors
from bytetransfer.files.locks import hold

CARD_NAME = "corpus.json"

_LOCK_NAME = ".being-written"


@contextlib.contextmanager
def written_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends without an exception.

    Raises:
        StoreError: where `folder` is something else than a prepared corpus or an empty folder, or
            the disk refuses.
    """
    with disk_errors(folder):
        _refuse_foreign(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep_folders(folder.parent, folder.name)
        temporary, lock = _new_folder(folder)
    with lock:
        try:
            yield temporary
            with disk_errors(folder):
                _replace_folder(temporary, folder)
                (folder / _LOCK_NAME).unlink(missing_ok=True)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def sweep_folders(parent: Path, name: str = "*") -> None:
    """Remove what killed processes left of a folder, or of all folders in `parent`.

    A folder still being written is locked and stays.
    """
    pattern = name if name == "*" else glob.escape(name)
    for stale in parent.glob(f".{pattern}.*.partial"):
        _sweep(stale)
    for replaced in parent.glob(f".{pattern}.*.replaced"):
        shutil.rmtree(replaced, ignore_errors=True)


def _new_folder(folder: Path) -> tuple[Path, BinaryIO]:
    """A hidden folder to write in, and its locked marker."""
    while True:
        temporary = _beside(folder, "partial")
        temporary.mkdir()
        try:
            lock = (temporary / _LOCK_NAME).open("wb")
        except FileNotFoundError:
            continue  # swept while it was empty
        try:
            hold(lock, folder, wait=True, local="choose a folder on a local disk")
        except StoreError:
            lock.close()
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        if (temporary / _LOCK_NAME).exists():
            return temporary, lock
        lock.close()  # swept before it was locked


def _beside(folder: Path, purpose: str) -> Path:
    return folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.{purpose}")


def _refuse_foreign(folder: Path) -> None:
    """Never replace a folder that someone keeps other things in."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise FileExistsError(errno.EEXIST, "a file", str(folder))
    if any(folder.iterdir()) and not (folder / CARD_NAME).exists():
        raise StoreError(
            "the folder holds something else than a prepared corpus",
            where=str(folder),
            todo="choose another folder or empty this one",
        )


def _sweep(stale: Path) -> None:
    with contextlib.suppress(OSError):
        stale.rmdir()  # killed before there was a marker; whoever is about to write one tries again
    try:
        with (stale / _LOCK_NAME).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(stale, ignore_errors=True)
    except FileNotFoundError:
        shutil.rmtree(stale, ignore_errors=True)
    except OSError:
        pass  # somebody is at work on it


def _replace_folder(new: Path, folder: Path) -> None:
    """Put `new` in the place of `folder`, which steps aside: only an empty one can be replaced."""
    if folder.exists():
        aside = _beside(folder, "replaced")
        folder.replace(aside)
        new.replace(folder)
        shutil.rmtree(aside, ignore_errors=True)
    else:
        new.replace(folder)
