"""What is printed: on any encoding, on a full disk, into a pipe that is closed, or nowhere.

All that a command prints goes through here. What came from outside has no power over the terminal.
Standard error only accompanies what is done, so that what cannot be written there is dropped;
standard output is the answer, so that what cannot be written there is an error.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
from collections.abc import Iterable
from typing import IO, Any, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from bytetransfer.errors import StoreError
from bytetransfer.readable import readable, readable_json, replacement

_INSTEAD = "bytetransfer.replacement"
_LOG_WIDTH = 80


class ReaderGoneError(Exception):
    """Whoever read standard output has closed it, as `head` does when it has enough."""


def prepare_streams() -> None:
    """Let every character be written somehow, and keep descriptors of streams from files.

    Where standard error was closed, the next file that is opened would take its number, and what
    some library or worker says would be written into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
    codecs.register_error(_INSTEAD, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_INSTEAD)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return replacement(error.object[error.start : error.end]), error.end


def say(text: str, *, err: bool = False) -> None:
    """Print a line, or several, of text.

    Raises:
        ReaderGoneError: nobody reads standard output any more.
        StoreError: standard output cannot be written to.
    """
    _Stream(err=err).write(readable(text, keep="\n") + "\n")
    _Stream(err=err).flush()


def say_json(text: str) -> None:
    """Print JSON; it means the same whatever the encoding of standard output.

    Raises:
        ReaderGoneError: nobody reads standard output any more.
        StoreError: standard output cannot be written to.
    """
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    stream = _Stream(err=False)
    stream.write(readable_json(text, ascii_only=not encoding.startswith("utf")) + "\n")
    stream.flush()


def console(*, err: bool = False) -> Console:
    """A console on standard output or standard error.

    Where that is no terminal, lines have 80 places unless COLUMNS says otherwise, whatever the
    terminal is like that the command was started in.
    """
    stream = _Stream(err=err)
    is_open = stream.isatty() or os.environ.get("COLUMNS", "").isdigit()
    return _Console(file=cast(IO[str], stream), width=None if is_open else _LOG_WIDTH)


def drop_output() -> None:
    """Write nothing more to standard output; Python would try again, and complain, at the end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


class _Console(Console):
    """Shows text that came from outside without obeying it."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control or segment.text.isprintable():
                yield segment
            else:
                yield Segment(readable(segment.text, keep="\n"), segment.style)

    def on_broken_pipe(self) -> None:
        raise ReaderGoneError


class _Stream(io.TextIOBase):
    """Standard output or standard error, whose errors are what they mean to a command."""

    def __init__(self, *, err: bool) -> None:
        stream = sys.stderr if err else sys.stdout
        self._stream: IO[str] | None = getattr(stream, "rich_proxied_file", stream)
        self._err = err

    def write(self, text: str) -> int:
        with self._told():
            if self._stream is not None:
                self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._told():
            if self._stream is not None:
                self._stream.flush()

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("the stream is closed")
        return self._stream.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "utf-8"

    @contextlib.contextmanager
    def _told(self) -> Any:
        try:
            yield
        except OSError as error:
            if self._err:
                return
            drop_output()
            if isinstance(error, BrokenPipeError):
                raise ReaderGoneError from None
            what = f"cannot be written to ({error.strerror})"
            todo = "free some space, or send the output elsewhere; what was done is kept"
            raise StoreError(what, where="standard output", todo=todo) from None
