"""States that pretraining leaves for other runs: whether they are there, and are what was written.

Their digests stand in the run's result. Those of earlier versions have none: they are used as they
are, and `Store.has_digest` tells them apart.
"""

from __future__ import annotations

from bytetransfer.errors import StoreError
from bytetransfer.files.digests import file_digest
from bytetransfer.files.disk import disk_errors, sweep_temporaries
from bytetransfer.runs.store import Store


def digests_of_state(store: Store, key: str) -> dict[str, str]:
    """SHA-256 of each file of the state that the run `key` has just left, by name.

    Raises:
        StoreError: if it cannot be read.
        FileNotFoundError: if it is gone.
    """
    folder = store.state_folder(key)
    with disk_errors(folder):
        sweep_temporaries(folder)
        return {path.name: file_digest(path) for path in sorted(folder.iterdir())}


def has_state(store: Store, key: str) -> bool:
    """Whether the state of a finished pretraining is there, every file of it.

    Raises:
        StoreError: if the run's result is damaged.
    """
    ending, folder = store.ending(key), store.state_folder(key)
    if ending is None or not folder.is_dir():
        return False
    return not ending.state or all((folder / name).exists() for name in ending.state)


def verify_state(store: Store, key: str) -> None:
    """Compare the state of a finished pretraining with the digests in its result.

    Raises:
        StoreError: if it is not what was written, or missing.
    """
    ending, todo = store.ending(key), f"delete {store.run_folder(key)}; it is then done again"
    for name, known in (ending.state or {}).items() if ending is not None else ():
        path = store.state_folder(key) / name
        try:
            with disk_errors(path):
                found = file_digest(path)
        except FileNotFoundError:
            raise StoreError("there is no such file", where=str(path), todo=todo) from None
        if found != known:
            what = "the state is damaged: its content is not what was written (SHA-256)"
            raise StoreError(what, where=str(path), todo=todo)
