"""Writing so that a kill at any moment leaves the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bytetransfer.errors import StoreError
from bytetransfer.files.digests import SUMS_NAME, content_digest, parse_sums, sums_text

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
    errno.ELOOP: ("a link that leads back to itself", "delete it"),
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

    What killed processes left of the same file goes.

    Raises:
        StoreError: if the disk is full, read-only or closed to us.
    """
    data = content.encode() if isinstance(content, str) else content
    with disk_errors(path):
        try:
            _write(path, data)
        except FileNotFoundError:  # somebody has deleted the folder in the meantime
            _write(path, data)


def write_with_digests(folder: Path, files: Mapping[str, bytes | str]) -> None:
    """Write files into a folder, and their digests into its `SHA256SUMS`, which is written last.

    Digests of other files that are still there are kept.

    Raises:
        StoreError: if the disk does not take it.
    """
    for name, content in files.items():
        write_atomic(folder / name, content)
    sums = folder / SUMS_NAME
    kept = {name: known for name, known in _sums(sums).items() if (folder / name).exists()}
    write_atomic(sums, sums_text(kept | {n: content_digest(c) for n, c in files.items()}))


def check_digest(path: Path, data: bytes) -> None:
    """Compare what was read from a file with the `SHA256SUMS` beside it, if that lists the file.

    Raises:
        StoreError: if the digests differ.
    """
    known = _sums(path.with_name(SUMS_NAME)).get(path.name)
    if known is not None and known != content_digest(data):
        raise StoreError(
            f"its content is not what {SUMS_NAME} beside it says",
            where=str(path),
            todo=f"write it again from its study, or, where it was changed on purpose, delete its "
            f"line in {SUMS_NAME}",
        )


def sweep_temporaries(folder: Path, name: str = "*") -> None:
    """Remove what killed processes left of a file, or of all files of a folder.

    A temporary file is locked as long as the process that writes it lives, and then stays; where
    the file system has no locks, all of them stay.

    Raises:
        OSError: if the folder cannot be read.
    """
    pattern = name if name == "*" else glob.escape(name)
    for left in folder.glob(f".{pattern}.*.tmp"):
        with contextlib.suppress(OSError), left.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            left.unlink()


def _sums(path: Path) -> dict[str, str]:
    try:
        with disk_errors(path):
            return parse_sums(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return {}


def _write(path: Path, data: bytes) -> None:
    _make_folder(path)
    sweep_temporaries(path.parent, path.name)
    temporary, file = _new_temporary(path)
    with file:  # locked until it has its final name
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def _make_folder(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError:  # a file system that takes no folders, such as /proc
        what = "there is no such folder, and none can be made"
        raise StoreError(what, where=str(path), todo="choose another folder") from None


def _new_temporary(path: Path) -> tuple[Path, BinaryIO]:
    """A new hidden file beside `path`, locked; nobody sweeps it while it is open."""
    while True:
        mark = f"{os.getpid()}-{secrets.token_hex(4)}"
        temporary = path.with_name(f".{path.name}.{mark}.tmp")
        file = temporary.open("xb")
        with contextlib.suppress(OSError):  # a file system without locks: nothing is swept there
            fcntl.flock(file, fcntl.LOCK_EX)
        if temporary.exists():
            return temporary, file
        file.close()  # swept between its making and its locking
