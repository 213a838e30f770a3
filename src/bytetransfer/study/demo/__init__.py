"""The demo's study file: artificial languages, so that it needs nothing but the install."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

from bytetransfer.files.disk import write_atomic
from bytetransfer.learners.catalog import installed_learners


def write_demo(folder: Path) -> Path:
    """Write the demo's study file into `folder`; its path.

    Both learners take part where torch is installed, the surface learner alone where it is not.
    """
    template = resources.files(__name__).joinpath("demo.toml").read_text(encoding="utf-8")
    path = folder / "demo.toml"
    write_atomic(path, template.replace("@LEARNERS@", json.dumps(installed_learners())))
    return path
