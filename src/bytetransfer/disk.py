"""Writing so that a kill at any moment leaves the old file or the new one, never half of one."""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bytetransfer.errors import StoreError

_ADVICE = {
    errno.ENOSPC: ("the disk is full", "free some space and start again; nothing done is lost"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and start again"),
    errno.EFBIG: ("the file would be larger than allowed", "raise the limit on file sizes"),
    errno.EROFS: ("the disk is read-only", "choose a folder that can be written to"),
    errno.EACCES: ("no permission", "change its permissions or choose another folder"),
    errno.EPERM: ("no permission", "change its permissions or choose another folder"),
    errno.EIO: ("the disk reports an error", "choose a folder on another disk"),
    errno.EEXIST: ("a file stands where a folder is needed", "move it away"),
    errno.ENOTDIR: ("a file stands where a folder is needed", "move it away"),
    errno.ENAMETOOLONG: ("the name is too long", "choose a shorter one"),
    errno.EISDIR: ("a folder stands where a file is needed", "move it away"),
}


def shown_path(path: Path | str) -> str:
    r"""A path as text that can be printed and stored, also where its name is not UTF-8.

    >>> shown_path("fi\udcff.txt")
    'fi\\xff.txt'
    """
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def free_bytes(path: Path) -> int:
    """Bytes that the disk has room for, under a path that need not be there yet."""
    for folder in (path, *path.absolute().parents):
        with suppress(OSError):
            return shutil.disk_usage(folder).free
    return sys.maxsize


@contextmanager
def disk_errors(where: Path) -> Iterator[None]:
    """Turn what the user can put right about a disk into a `StoreError`; the rest passes."""
    try:
        yield
    except OSError as error:
        if error.errno not in _ADVICE:
            raise
        what, todo = _ADVICE[error.errno]
        raise StoreError(what, where=str(where), todo=todo) from error


def is_there(path: Path) -> bool:
    """Whether a file or folder is there.

    Raises:
        StoreError: where its folder is closed, which does not say that nothing is there.
    """
    with disk_errors(path):
        return path.exists()


def listed(folder: Path) -> list[Path]:
    """What stands in a folder, but what begins with a dot; nothing where there is no folder.

    Raises:
        StoreError: where the folder is closed.
    """
    with disk_errors(folder):
        try:
            return [path for path in folder.iterdir() if not path.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return []


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write a whole file by way of a temporary name in the same folder, made if missing.

    Raises:
        StoreError: if the disk is full, read-only or closed to us.
    """
    data = content.encode() if isinstance(content, str) else content
    # a killed process leaves this name behind; the next one of the same id writes over it
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except FileNotFoundError:  # a file system that takes no folders, such as /proc
            what = "there is no such folder, and none can be made"
            raise StoreError(what, where=str(path), todo="choose another folder") from None
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
