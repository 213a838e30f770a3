"""Where machine code lies: a folder that nobody else can write to, which torch is given as well.

Left to itself, torch keeps what it compiles under a name that everybody knows among temporary
files, and loads what it finds there. So it is told a folder, by the environment, before it looks:
in a worker before torch is loaded. Torch is not loaded here.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bytetransfer.errors import StoreError
from bytetransfer.files.disk import disk_errors

NAMED = "TORCHINDUCTOR_CACHE_DIR"
_OTHERS = {"TRITON_CACHE_DIR": "triton", "PYTORCH_KERNEL_CACHE_PATH": "kernels"}
_MOST_LINKS = 40
_UID_MAP = Path("/proc/self/uid_map")
_OVERFLOW_UID = Path("/proc/sys/kernel/overflowuid")


def claim_code_folder() -> Path:
    """The folder of this package's libraries; from now on this process compiles nowhere else.

    Raises:
        StoreError: it cannot be made, or somebody else could write to it.
    """
    told = code_environment()
    if any(os.environ.get(name) != folder for name, folder in told.items()):
        os.environ.update(told)
        tempfile.tempdir = None  # or Python would keep the one it has found before
    return Path(told[NAMED]) / "bytetransfer"


def code_environment(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The variables that keep a process and what it starts to folders of this user.

    TORCHINDUCTOR_CACHE_DIR is what it is where it is set, else a folder of the user's among
    temporary files; the others are what they are, or lie in it. Compilers put temporary files
    there, and torch its headers. A process with these variables finds them the same.

    Raises:
        StoreError: a folder cannot be made, or somebody else could write to it.
    """
    usual = Path(tempfile.gettempdir()) / f"bytetransfer-{os.getuid()}"
    folder = Path(environment.get(NAMED) or usual).absolute()
    told = {NAMED: str(folder), "TMPDIR": str(folder / "temporary")}
    for name, inside in _OTHERS.items():
        told[name] = environment.get(name) or str(folder / inside)
    for name in told.values():
        make_private(Path(name))
    return told


def make_private(folder: Path) -> None:
    """Make a folder unless it is there, and refuse it where another user could write to it.

    Every folder on the way from the root must belong to this user or to root, and be closed to
    others or keep them from each other's files (as /tmp does). Links on the way are followed if
    they belong to this user or to root, and what they point to is looked at in the same way.

    Raises:
        StoreError: it cannot be made, or somebody else could write to it.
    """
    owners, ahead = _trusted_owners(), list(reversed(folder.absolute().parts))
    at = Path(ahead.pop())
    links = 0
    with disk_errors(folder):
        _refuse_open_to_others(at, at.lstat(), owners)
        while ahead:
            name = ahead.pop()
            if name == "..":
                at = at.parent  # links are resolved on the way, so this is where it leads
                continue
            at, about = at / name, _made(at / name)
            if not stat.S_ISLNK(about.st_mode):
                _refuse_open_to_others(at, about, owners)
                continue
            links += 1
            if about.st_uid not in owners or links > _MOST_LINKS:
                raise _open_to_others(at)
            target = at.readlink()
            ahead += reversed(target.parts)
            at = Path(ahead.pop()) if target.is_absolute() else at.parent
        about = at.lstat()
        if about.st_uid != os.getuid() or about.st_mode & 0o022:
            raise _open_to_others(at)


def is_ours(path: Path) -> bool:
    """Whether this is a file of this user's alone: no link, and closed to others."""
    try:
        about = path.lstat()
    except FileNotFoundError:
        return False
    own = stat.S_ISREG(about.st_mode) and about.st_uid == os.getuid()
    return own and not about.st_mode & 0o022


def _made(folder: Path) -> os.stat_result:
    with contextlib.suppress(FileNotFoundError):
        return folder.lstat()
    with contextlib.suppress(FileExistsError):  # by another process of ours, or it is looked at
        folder.mkdir(mode=0o700)
    return folder.lstat()


def _refuse_open_to_others(folder: Path, about: os.stat_result, owners: frozenset[int]) -> None:
    if not stat.S_ISDIR(about.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    keeps_apart = not about.st_mode & 0o022 or about.st_mode & stat.S_ISVTX
    if about.st_uid not in owners or not keeps_apart:
        raise _open_to_others(folder)


def _open_to_others(folder: Path) -> StoreError:
    what = "another user could write to this folder, and machine code would be run from it"
    todo = f"close it to others (chmod go-w), or set {NAMED} to a folder of yours"
    return StoreError(what, where=str(folder), todo=todo)


def _trusted_owners() -> frozenset[int]:
    """Numbers of this user and of root.

    In a container that does not know root, its folders show the number of all unknown users. The
    last folder must be this user's own there, too.
    """
    owners = {0, os.getuid()}
    with contextlib.suppress(OSError, ValueError):
        lines = [list(map(int, line.split())) for line in _UID_MAP.read_text().splitlines()]
        if not any(first <= 0 < first + count for first, _, count in lines):
            owners.add(int(_OVERFLOW_UID.read_text()))
    return frozenset(owners)
