"""The demo: a study file and the verses it is about, so that it needs nothing but the install."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from bytetransfer.files.disk import write_atomic
from bytetransfer.learners.catalog import installed_learners


def write_demo(folder: Path) -> Path:
    """Write the demo's verses and study file into `folder`; the path of the study file.

    Both learners take part where torch is installed, the surface learner alone where it is not.

    Raises:
        StoreError: if the disk does not take it.
    """
    here = resources.files(__name__)
    for file in here.joinpath("verses").iterdir():
        write_atomic(folder / "verses" / file.name, file.read_bytes())
    template = here.joinpath("demo.toml").read_text(encoding="utf-8")
    path = folder / "demo.toml"
    write_atomic(path, template.replace("@LEARNERS@", json.dumps(installed_learners())))
    return path
