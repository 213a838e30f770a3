r"""How many bytes of the target language is pretraining on another one worth?

The public API. A whole study, from text to D_T, starts with a study file, and what it found is one
object; docs/python.md shows what it gives:

    import bytetransfer as bt
    results = bt.run_study("study.toml")
    results.estimates, results.report()

A person with nothing but a table of losses calls `bt.read_results("losses.csv")`, or needs only the
lower half:

>>> from bytetransfer import estimate_transfer, parse_measurements
>>> csv = "source,target,bytes,bits_per_byte\n" + "\n".join(
...     ["scratch,fi,1000,4", "scratch,fi,10000,3", "scratch,fi,100000,2", "en,fi,10000,2.5"]
... )
>>> estimate = estimate_transfer(parse_measurements(csv, where="losses.csv")).rows[0]
>>> estimate.finetune_bytes, round(estimate.effective_bytes, -3)
(10000, 31000.0)

Names are loaded when they are first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bytetransfer.measurements.file import parse_measurements, read_measurements
    from bytetransfer.measurements.measurement import Measurement, Measurements
    from bytetransfer.results.project import Project
    from bytetransfer.results.read import published_results, read_results
    from bytetransfer.results.results import Results
    from bytetransfer.results.run import run_study
    from bytetransfer.study.file import read_study
    from bytetransfer.transfer.estimate import estimate_transfer

_HOMES = {
    "Measurement": "bytetransfer.measurements.measurement",
    "Measurements": "bytetransfer.measurements.measurement",
    "Project": "bytetransfer.results.project",
    "Results": "bytetransfer.results.results",
    "estimate_transfer": "bytetransfer.transfer.estimate",
    "parse_measurements": "bytetransfer.measurements.file",
    "published_results": "bytetransfer.results.read",
    "read_measurements": "bytetransfer.measurements.file",
    "read_results": "bytetransfer.results.read",
    "read_study": "bytetransfer.study.file",
    "run_study": "bytetransfer.results.run",
}

__all__ = [
    "Measurement",
    "Measurements",
    "Project",
    "Results",
    "estimate_transfer",
    "parse_measurements",
    "published_results",
    "read_measurements",
    "read_results",
    "read_study",
    "run_study",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
