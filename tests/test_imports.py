import subprocess
import sys
import textwrap

import pytest

import bytetransfer

HEAVY = ("torch", "pandas", "matplotlib", "scipy", "pyarrow", "datasets", "jinja2", "numpy")
SLOW_PARTS = tuple(
    f"scipy.{part}" for part in ("stats", "interpolate", "optimize", "spatial", "cluster", "sparse")
)
"""A tenth to half a second each; whoever needs one loads it where it is needed."""


PUBLIC = [
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
"""What a notebook completes after `bytetransfer.`, and nothing else."""


def python(code: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("name", ["bytetransfer", "bytetransfer.cli.main"])
def test_importing_costs_nothing_and_loads_nothing_heavy(name):
    # processor time, of the better of three: the wall clock tells what else the machine does
    answers = [
        python(
            f"""
            import sys, time
            start = time.process_time()
            import {name}
            print(time.process_time() - start, *sys.modules)
            """
        )
        for _ in range(3)
    ]
    assert not set(answers[0][1:]) & set(HEAVY)
    assert min(float(answer[0]) for answer in answers) < 0.3


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("bytetransfer.planning.plan", ("torch", "scipy", "pyarrow")),
        ("bytetransfer.study.file", ("torch", "scipy", "pyarrow")),
        ("bytetransfer.transfer.estimate", ("torch", "pyarrow", "rich", *SLOW_PARTS)),
        (
            "bytetransfer.results.run",
            ("torch", "pandas", "matplotlib", "datasets", *SLOW_PARTS),
        ),
        ("bytetransfer.results.read", ("torch", "pandas", "matplotlib", "datasets", *SLOW_PARTS)),
        ("bytetransfer.runs.worker", ("torch", "pandas", "matplotlib", "datasets")),
    ],
)
def test_no_part_loads_what_it_does_not_need(module, absent):
    assert not set(python(f"import sys, {module}; print(*sys.modules)")) & set(absent)


def test_every_public_name_is_there_and_documented():
    assert bytetransfer.__all__ == sorted(bytetransfer.__all__)
    assert bytetransfer.__all__ == dir(bytetransfer) == PUBLIC
    for name in bytetransfer.__all__:
        assert getattr(bytetransfer, name).__doc__, name


def test_public_names_are_found_before_anything_is_loaded():
    found = python(
        """
        import bytetransfer
        for name in bytetransfer.__all__:
            value = getattr(bytetransfer, name)
            print(name, value.__module__)
        """
    )
    assert found[::2] == bytetransfer.__all__
    assert all(module.startswith("bytetransfer.") for module in found[1::2])


def test_a_name_that_is_not_there_is_said_so():
    with pytest.raises(AttributeError, match="'bytetransfer' has no attribute 'nonsuch'"):
        _ = bytetransfer.nonsuch
    assert not hasattr(bytetransfer, "torch")
