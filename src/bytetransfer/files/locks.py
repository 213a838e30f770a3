"""Locks of files that the system frees when their holder dies, however it dies."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO, Any

from bytetransfer.errors import StoreError


def is_held(path: Path) -> bool:
    """Whether a process holds the lock of a file; looking makes no file.

    Whoever asks for the lock at this very moment may be refused it: ask seldom.
    """
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:  # held, or on a disk that does not say
        return True
    return False


def hold(file: IO[Any], where: Path, *, wait: bool, busy: str = "", local: str) -> None:
    """Lock an open file until it is closed.

    Without a lock two processes could do one thing at a time and spoil it, so that a disk that
    knows no locks (Lustre mounted without `flock`, an old NFS) is refused.

    Args:
        file: the file, open for writing.
        where: the folder that is locked by it, for messages.
        wait: wait for another holder to finish, or refuse at once.
        busy: what to say when refusing.
        local: what the user can do to choose a folder on another disk.

    Raises:
        StoreError: another process holds the lock and `wait` is False, or the disk knows no locks.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        todo = "wait for it to end or stop it, then start again"
        raise StoreError(busy, where=str(where), todo=todo) from None
    except OSError as error:
        what = f"the disk of this folder cannot lock files ({error.strerror})"
        raise StoreError(what, where=str(where), todo=local) from None
