r"""How many bytes of the target language is pretraining on another one worth?

The public API. A whole study, from text to D_T, starts with a study file:

    project = bytetransfer.Project.open(Path("study.toml"))
    for stage in project.stages(project.prepare()):  # one, unless the study is adaptive
        project.run(stage.plan, workers=2)
    estimates = project.estimates(project.measurements(project.plan()))

A person with nothing but a table of losses needs only the lower half:

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
    from bytetransfer.study.file import read_study
    from bytetransfer.transfer.estimate import estimate_transfer

__all__ = [
    "Measurement",
    "Measurements",
    "Project",
    "estimate_transfer",
    "parse_measurements",
    "read_measurements",
    "read_study",
]

_HOMES = {
    "Measurement": "bytetransfer.measurements.measurement",
    "Measurements": "bytetransfer.measurements.measurement",
    "Project": "bytetransfer.results.project",
    "estimate_transfer": "bytetransfer.transfer.estimate",
    "parse_measurements": "bytetransfer.measurements.file",
    "read_measurements": "bytetransfer.measurements.file",
    "read_study": "bytetransfer.study.file",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
