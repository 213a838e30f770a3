"""Every exception bytetransfer raises on purpose.

    BytetransferError
    ├── UserError            something to put right: one message, exit code 2, no traceback
    │   ├── StudyError       the study file: unknown key, wrong type, sizes out of order
    │   ├── CorpusError      the text: missing, empty, too small, undecodable, truncated
    │   ├── StoreError       the disk: full, read-only, locked by another run, a damaged file
    │   ├── MeasurementError rows that cannot be read or that contradict each other
    │   └── MissingExtraError  a part of the program that is installed separately
    └── RunFailedError       a run ended in an error of its own; its folder says which
        └── LessMemoryError  it ran out of memory, and will take less when started again

A `UserError` says what is wrong, where, and what to do. Anything else that escapes is a bug and
keeps its traceback.
"""

from __future__ import annotations

from bytetransfer.readable import readable


class BytetransferError(Exception):
    """Root of the tree."""


class UserError(BytetransferError):
    """Something the user can put right.

    Args:
        what: what is wrong, as one clause without a full stop.
        where: file, key, line or byte offset the problem was found at.
        todo: what the user can do about it.

    >>> print(UserError("the file does not exist", where="fi.txt", todo="check its name"))
    fi.txt: the file does not exist; check its name
    """

    def __init__(self, what: str, *, where: str = "", todo: str = "") -> None:
        self.what, self.where, self.todo = what, where, todo
        said = (f"{where}: " if where else "") + what + (f"; {todo}" if todo else "")
        super().__init__(readable(said))  # names in it are those of files and columns


class StudyError(UserError):
    """The study file asks for something that has no meaning."""


class CorpusError(UserError):
    """The text cannot be read or does not suffice."""


class StoreError(UserError):
    """The disk does not hold, or cannot take, what it should."""


class MeasurementError(UserError):
    """Rows that cannot be read or that contradict each other."""


class MissingExtraError(UserError):
    """A part of the program that is installed separately is needed and absent."""

    def __init__(self, module: str, *, extra: str) -> None:
        super().__init__(
            f"{module} is not installed",
            todo=f"install it with: pip install 'bytetransfer[{extra}]'",
        )


class RunFailedError(BytetransferError):
    """At least one run of a study ended in an error; `failure.txt` in its folder says which."""


class LessMemoryError(RunFailedError):
    """A run that processes share ran out of memory; started again it takes less at a time."""
