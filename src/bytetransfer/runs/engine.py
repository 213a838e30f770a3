"""The protocol of an engine: something that takes keys of requested runs and reports their end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        key: the run's key.
        failure: None if it has a result, otherwise the reason, first line first.
        is_refusal: the reason is something the user has to put right: a full disk, a damaged file.
    """

    key: str
    failure: str | None
    is_refusal: bool = False


class Engine(Protocol):
    """Executes requested runs, several at a time. A run's request lies in the store already."""

    @property
    def free(self) -> int:
        """How many further runs it would start at once."""
        ...

    def submit(self, key: str) -> None:
        """Begin the run `key`."""
        ...

    def poll(self, seconds: float) -> list[Outcome]:
        """The runs that have ended since the last call; waits at most `seconds` for one."""
        ...

    def close(self) -> None:
        """Stop what is running; checkpoints stay."""
        ...
