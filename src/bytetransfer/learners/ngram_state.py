"""What the surface learner knows after a fit, and the one file it is kept in."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError

import numpy as np
from numpy.typing import NDArray

from bytetransfer.errors import StoreError
from bytetransfer.files.disk import write_atomic
from bytetransfer.learners.ngram_counts import Counts, Floats, counts_of

Arrays = dict[str, NDArray[np.generic]]

# What numpy and zipfile raise for bytes that are not, or no longer, an .npz file
_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TokenError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
)


@dataclass(frozen=True, eq=False)
class NgramState:
    """Counts of a text and, after fine-tuning, the source below them.

    Attributes:
        counts: of the text it was fitted on.
        source: the state it was fine-tuned from; None from scratch, or where weight 0 won.
        weights: of the source by order, source class and target class; None without a source.
    """

    counts: Counts
    source: NgramState | None = None
    weights: Floats | None = None


def write_state(state: NgramState, path: Path, *, discount_prior: float) -> None:
    """Write distinct windows, multiplicities and weights, atomically.

    The levels are left out: they follow from the windows in less time than they take to read.

    Raises:
        StoreError: if the disk does not take it.
    """
    arrays: Arrays = {
        "order": np.array(state.counts.order, np.int64),
        "discount_prior": np.array(discount_prior, np.float64),
    }
    part: NgramState | None = state
    depth = 0
    while part is not None:
        arrays[f"windows_{depth}"] = part.counts.windows
        arrays[f"multiplicities_{depth}"] = part.counts.multiplicities
        if part.weights is not None:
            arrays[f"weights_{depth}"] = part.weights
        part, depth = part.source, depth + 1
    _write(arrays, path)


def read_state(
    path: Path, *, order: int, discount_prior: float, shape: tuple[int, int, int]
) -> NgramState:
    """Read back what `write_state` wrote, ready to be looked up in.

    Args:
        path: the file.
        order: bytes of the longest n-gram that the file must hold.
        discount_prior: what the discounts are to be estimated with.
        shape: the shape that the weights must have.

    Raises:
        StoreError: if the file is missing, damaged, or of other settings.
    """
    arrays = _read(path)
    try:
        expected = {"order": order, "discount_prior": discount_prior}
        for name, value in expected.items():
            if arrays[name].item() != value:
                raise ValueError(f"{name} {arrays[name].item()} instead of {value}")
        depths = sum(name.startswith("windows_") for name in arrays)
        state = NgramState(_counts(arrays, depths - 1, order, discount_prior))
        for depth in range(depths - 2, -1, -1):
            weights = arrays[f"weights_{depth}"].astype(np.float64)
            if weights.shape != shape:
                raise ValueError(f"weights of shape {weights.shape} instead of {shape}")
            state = NgramState(_counts(arrays, depth, order, discount_prior), state, weights)
    except (KeyError, ValueError, TypeError) as error:
        raise StoreError(
            f"the n-gram counts are damaged or of other settings ({error})",
            where=str(path),
            todo="delete the folder of this run and run again",
        ) from error
    return state


def _counts(arrays: Arrays, depth: int, order: int, discount_prior: float) -> Counts:
    windows, multiplicities = arrays[f"windows_{depth}"], arrays[f"multiplicities_{depth}"]
    if windows.dtype != np.uint64 or multiplicities.dtype != np.uint32:
        raise TypeError("arrays of another type")
    if windows.ndim != 1 or len(windows) == 0 or windows.shape != multiplicities.shape:
        raise ValueError("arrays of another shape")
    keys = windows.astype(np.uint64, copy=False)
    if not (keys[1:] > keys[:-1]).all():
        raise ValueError("windows out of order")
    occurrences = multiplicities.astype(np.uint32, copy=False)
    return counts_of(keys, occurrences, order=order, discount_prior=discount_prior)


def _write(arrays: Arrays, path: Path) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # its stub takes them for a flag
    write_atomic(path, buffer.getvalue())


def _read(path: Path) -> Arrays:
    try:
        # numpy leaves a file it cannot make sense of open if it has opened it itself
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except _UNREADABLE as error:
        raise StoreError(
            f"the n-gram counts cannot be read ({error})",
            where=str(path),
            todo="delete the folder of this run and run again",
        ) from error
