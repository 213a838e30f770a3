"""Paths and globs -> the files they name: every real folder once, every match accounted for."""

from __future__ import annotations

import errno
import fnmatch
import glob
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from bytetransfer.corpus.formats import folder_advice
from bytetransfer.errors import CorpusError
from bytetransfer.files.disk import shown_path

_ANY_DEPTH = "**"
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_NO_FILES = (
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISCHR, "a device"),
)


def resolve(patterns: tuple[str, ...], base: Path) -> list[Path]:
    """The files that paths and globs name: in the order given, each glob sorted, none twice.

    A file is called what the pattern calls it, also where that is a link. As in a shell, `*` and
    `**` leave out names that begin with a dot, and a folder that matches is no file of the glob's.

    Args:
        patterns: paths or globs, `**` for any depth.
        base: the folder that relative ones start from.

    Raises:
        CorpusError: for a path that does not exist, a glob that matches no file, and whatever is
            matched but cannot be read: links that lead nowhere, pipes, sockets, devices, files and
            folders without permission.
    """
    found: dict[str, Path] = {}
    for pattern in patterns:
        for path in _named(pattern, base):
            found.setdefault(os.path.realpath(path), path.absolute())
    return list(found.values())


def files_below(folder: Path) -> list[Path]:
    """All files in a folder, at any depth, but those whose names begin with a dot; sorted.

    Raises:
        CorpusError: as `resolve`.
    """
    return resolve((f"{glob.escape(str(folder))}/**",), folder)


def _named(pattern: str, base: Path) -> list[Path]:
    """The files one path or glob names, each checked."""
    path = base / _expanded(pattern)
    if not glob.has_magic(pattern) or os.path.lexists(path):
        return [_checked(path, base)]
    expanded = _expanded(pattern)
    start = Path(expanded.anchor) if expanded.anchor else base  # no glob, whatever its name holds
    parts = expanded.relative_to(expanded.anchor).parts
    matches = [_checked(match, base) for match in sorted(_matches(start, list(parts)))]
    if not matches:
        todo = f"check the pattern; it is looked for in {shown_path(base.resolve())}"
        raise CorpusError("no file matches", where=pattern, todo=todo)
    return matches


def _expanded(pattern: str) -> Path:
    if "\0" in pattern:
        raise CorpusError("no name of a file", where=repr(pattern), todo="remove the NUL in it")
    if _ADDRESS.match(pattern):
        todo = "download it first, or name a dataset of the hub by its id (dataset = ...)"
        raise CorpusError("a web address, not a file", where=pattern, todo=todo)
    try:
        return Path(pattern).expanduser()
    except RuntimeError:
        todo = "write the path of the home folder"
        raise CorpusError("no such user", where=pattern, todo=todo) from None


def _matches(start: Path, parts: list[str]) -> Iterator[Path]:
    """What a glob matches, folders left out; nothing is said of what it is.

    Folders are looked into once for each part of the pattern, whatever links lead to them, and by
    their own names before those of links.
    """
    if parts[-1] == _ANY_DEPTH:
        parts.append("*")
    seen: set[tuple[int, int, int]] = set()
    folders: list[tuple[Path, int]] = [(start, 0)]
    linked: list[tuple[Path, int]] = []
    while folders or linked:
        folder, at = folders.pop() if folders else linked.pop(0)
        state = _state(folder)
        if state is None or (state.st_dev, state.st_ino, at) in seen:
            continue
        seen.add((state.st_dev, state.st_ino, at))
        if parts[at] == _ANY_DEPTH:
            folders.append((folder, at + 1))
        for entry in _entries(folder, parts[at]):
            if is_folder(entry):
                place = (entry, at if parts[at] == _ANY_DEPTH else at + 1)
                if place[1] < len(parts):
                    (linked if entry.is_symlink() else folders).append(place)
            elif at == len(parts) - 1:
                yield entry
            elif parts[at] != _ANY_DEPTH and entry.is_symlink():
                _refuse_dangling(entry)  # its folder might hold what is looked for


def _entries(folder: Path, part: str) -> list[Path]:
    """What stands in a folder under a name that a part of a glob matches, last name first."""
    if not glob.has_magic(part):
        entry = folder / part
        return [entry] if _state(entry, follow=False) else []
    try:
        names = [entry.name for entry in os.scandir(folder)]
    except OSError as error:
        raise _unreadable(folder, error) from None
    hidden = part.startswith(".")
    kept = (name for name in names if hidden or not name.startswith("."))
    return [folder / name for name in sorted(kept, reverse=True) if fnmatch.fnmatchcase(name, part)]


def _state(path: Path, *, follow: bool = True) -> os.stat_result | None:
    """What is known of a path, None where nothing is there."""
    try:
        return path.stat(follow_symlinks=follow)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None
        raise _unreadable(path, error) from None


def is_folder(path: Path) -> bool:
    """Whether a folder, or a link to one, is there.

    Raises:
        CorpusError: where the folder it stands in is closed.
    """
    state = _state(path)
    return state is not None and stat.S_ISDIR(state.st_mode)


def _checked(path: Path, base: Path) -> Path:
    """The path of a file that can be read; anything else is an error."""
    state = _state(path)
    if state is None:
        _refuse_dangling(path)
        todo = f"check its name; relative paths start from {shown_path(base.resolve())}"
        raise CorpusError("the file does not exist", where=shown_path(path), todo=todo)
    if stat.S_ISDIR(state.st_mode):
        written = path.relative_to(base) if path.is_relative_to(base) else path
        todo = folder_advice(path, shown_path(written))
        raise CorpusError("a folder, not a file", where=shown_path(path), todo=todo)
    for is_such, kind in _NO_FILES:
        if is_such(state.st_mode):
            todo = "write what it gives to a file first, or leave it out of the pattern"
            raise CorpusError(f"{kind}, not a file", where=shown_path(path), todo=todo)
    if not os.access(path, os.R_OK):
        todo = "give yourself the right to read it (chmod u+r)"
        raise CorpusError("no permission to read the file", where=shown_path(path), todo=todo)
    return path


def _refuse_dangling(path: Path) -> None:
    """Raise a CorpusError where a link leads nowhere."""
    if not path.is_symlink():
        return
    try:
        path.stat()
    except OSError as error:
        what = (
            "a link to itself" if error.errno == errno.ELOOP else "a link whose target is missing"
        )
        target = shown_path(path.readlink())
        todo = f"get its target ({target}), or remove the link"
        raise CorpusError(what, where=shown_path(path), todo=todo) from None


def _unreadable(path: Path, error: OSError) -> CorpusError:
    if isinstance(error, PermissionError):
        what, todo = "no permission to look into the folder", "give yourself the right (chmod u+rx)"
        folder = path if os.access(path.parent, os.X_OK) else path.parent
        return CorpusError(what, where=shown_path(folder), todo=todo)
    shown = shown_path(path)
    where = f"{shown[:80]}…" if len(shown) > 80 else shown
    return CorpusError(f"cannot be read ({error.strerror})", where=where, todo="check its name")
