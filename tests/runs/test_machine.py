"""What a run says it was done on."""

from __future__ import annotations

import platform
from pathlib import Path

from bytetransfer.runs.machine import installed_versions, machine_name


def test_the_model_of_the_processor_is_named(tmp_path: Path) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text("processor\t: 0\nmodel name\t: Some  Processor 9\nprocessor\t: 1\n")
    name = machine_name(None, cpu_info=file)
    assert name.startswith(f"Some Processor 9 ({platform.machine()}), ")
    assert name.endswith(" GB memory")


def test_a_system_that_tells_no_model_names_the_architecture(tmp_path: Path) -> None:
    assert platform.machine() in machine_name(None, cpu_info=tmp_path / "none")


def test_versions_are_of_python_and_what_results_depend_on() -> None:
    found = installed_versions()
    assert found["python"] == platform.python_version()
    assert "numpy" in found
