"""One row of a table of losses -> Measurement, with one clear error for whatever is wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bytetransfer.errors import MeasurementError, UserError
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Place
from bytetransfer.units import (
    MOST_BYTES,
    TWO_READINGS,
    bits_per_byte,
    parse_bytes,
    readings,
)

LOSSES = ("bits_per_byte", "nats_per_byte", "perplexity", "nats")
"""Columns that state a loss: per byte of test text, or all its nats beside `test_bytes`."""

REQUIRED = ("source", "target", "target_bytes")
"""Fields without which a row has no meaning, besides a loss."""

AGREE = 1e-3
"""Relative; a loss stated twice may differ by what printing three decimals loses."""

_WORDS = ("source", "target", "learner", "regime", "run")
_SIZES = ("target_bytes", "pretrain_bytes", "nominal_bytes", "test_bytes")
_FLAGS = ("not_converged", "below_surface")
_MOST_BITS = 12.0  # an untrained model is near 8; beyond this the unit is another
_NUMBER = re.compile(r"[0-9.eE+-]+")  # Python's float also takes 1_5 and digits of any script


@dataclass(frozen=True)
class Row:
    """The cells of one row as they stand in the file.

    Attributes:
        place: file and line or row, for messages.
        cells: text by field; empty where nothing is stated.
        columns: what the file calls the column of each field.
    """

    place: Place
    cells: Mapping[str, str]
    columns: Mapping[str, str]

    def measurement(self) -> Measurement:
        """Every cell read by what its column holds.

        Raises:
            MeasurementError: if a cell cannot be, or losses stated twice disagree.
        """
        values: dict[str, object] = {}
        kinds: Sequence[tuple[Sequence[str], Callable[[str], object]]] = (
            (_WORDS, self.cells.__getitem__),
            (_SIZES, self._size),
            (("seed", "replicate"), self._whole),
            (("nats", "validation_bits_per_byte"), self._number),
            (_FLAGS, self._flag),
        )
        for names, read in kinds:
            values |= {name: read(name) for name in names if self.cells.get(name)}
        for name in REQUIRED:
            if name not in values:
                raise self._error("is empty", name, "fill it, or delete the row")
        source = self.cells["source"]
        if source != SCRATCH and source.casefold() == SCRATCH:
            raise self._error(f"{shown(source)} is ambiguous", "source", f"write {SCRATCH}")
        if source == SCRATCH and values.get("pretrain_bytes"):
            todo = "name its source, or leave it empty"
            raise self._error("is stated for a run from scratch", "pretrain_bytes", todo)
        return Measurement(bits_per_byte=self._loss(), place=self.place, **values)  # type: ignore[arg-type]

    def _loss(self) -> float:
        """Bits per byte, which all columns that state the loss agree on."""
        losses = {name: self._loss_in(name) for name in LOSSES if self._states(name)}
        if not losses:
            names = [self.columns[name] for name in (*LOSSES, "test_bytes") if name in self.columns]
            what = f"no loss: nothing stands in {' and '.join(names)}"
            if self.cells.get("nats"):
                what = "no loss: nats are a total and need test_bytes"
            raise MeasurementError(what, where=str(self.place), todo="fill it, or delete the row")
        low, high = (find(losses, key=losses.__getitem__) for find in (min, max))
        if losses[high] - losses[low] > AGREE * losses[high]:
            said = " and ".join(
                f"{shown(self.cells[name], quote=False)} in {name}" for name in (low, high)
            )
            bits = " and ".join(f"{losses[name]:.8g}" for name in (low, high))
            what = f"{said} disagree: {bits} bits per byte"
            todo = "correct one, or leave it empty"
            raise MeasurementError(what, where=str(self.place), todo=todo)
        return next(iter(losses.values()))

    def _states(self, name: str) -> bool:
        return bool(self.cells.get(name)) and (name != "nats" or bool(self.cells.get("test_bytes")))

    def _loss_in(self, name: str) -> float:
        number = self._number(name)
        if name == "perplexity" and number < 1:
            raise self._error(f"{shown(self.cells[name])} is below 1, which no perplexity is", name)
        count = self._size("test_bytes") if name == "nats" else 1
        if count == 0:
            raise self._error("is 0, so there is no loss", "test_bytes")
        if name == "perplexity":
            loss = math.log2(number)
        else:
            loss = number if name == "bits_per_byte" else bits_per_byte(number, count)
        if loss > _MOST_BITS:
            todo = f"is it per token? {name} here is per byte, where guessing costs 8 bits"
            raise self._error(
                f"{shown(self.cells[name])} means {loss:.4g} bits per byte", name, todo
            )
        if name == "nats":
            self._refuse_grouped_nats(number, count)
        if not 0 < loss < math.inf:
            todo = "give a finite loss above 0, or delete the row"
            raise self._error(f"{shown(self.cells[name])} means a loss of {loss:g}", name, todo)
        return loss

    def _refuse_grouped_nats(self, number: float, count: int) -> None:
        """A total may have four digits or more, unlike a loss per byte: `277.240` can be both."""
        cell = self.cells["nats"]
        found = readings(cell)
        if found and bits_per_byte(1000 * number, count) <= _MOST_BITS:
            what = f"{shown(cell)} is ambiguous: {TWO_READINGS}"
            raise self._error(what, "nats", f"write {found[0]} or {cell}0")

    def _number(self, name: str) -> float:
        cell = self.cells[name]
        try:
            number = float(cell) if _NUMBER.fullmatch(cell) else math.nan
        except ValueError:
            number = math.nan
        if not math.isfinite(number) or number < 0:
            least = "above 0" if name in LOSSES else "of at least 0"
            is_marked = "," in cell or cell.count(".") > 1
            todo = "write decimals as 2.5, and thousands without a mark" if is_marked else ""
            raise self._error(f"{shown(cell)} is no finite number {least}", name, todo)
        return number

    def _whole(self, name: str) -> int:
        cell = self.cells[name]
        if found := readings(cell):
            what = f"{shown(cell)} is ambiguous: {TWO_READINGS}"
            raise self._error(what, name, f"write {' or '.join(found)}")
        number = self._number(name)
        if number > MOST_BYTES or not number.is_integer():
            what = "beyond 2**63" if number > MOST_BYTES else "not a whole number"
            raise self._error(f"{shown(cell)} is {what}", name)
        return int(cell) if cell.isdecimal() else int(number)  # a float is exact to 2**53 only

    def _size(self, name: str) -> int:
        """Bytes, as a number or as people write them."""
        cell = self.cells[name]
        if not cell[-1].isalpha() or cell.lower() in ("nan", "inf"):
            return self._whole(name)
        try:
            return parse_bytes(cell)
        except UserError as error:
            raise self._error(error.what, name, error.todo) from None

    def _flag(self, name: str) -> bool:
        cell = self.cells[name].lower()
        if cell not in ("true", "false"):
            raise self._error(f"{shown(cell)} is neither true nor false", name)
        return cell == "true"

    def _error(self, what: str, name: str, todo: str = "") -> MeasurementError:
        place = f"{self.place}, column {self.columns[name]}"
        return MeasurementError(what, where=place, todo=todo)


def shown(text: str, *, quote: bool = True, most: int = 40) -> str:
    """Text of a file for a message: quoted, and not ten thousand characters of it."""
    short = text if len(text) <= most else text[: most - 1] + "…"
    return repr(short) if quote else short
