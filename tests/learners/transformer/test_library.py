"""Functions as machine code in files."""

import os
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch._inductor")

from bytetransfer.errors import StoreError  # noqa: E402
from bytetransfer.learners.transformer import library as module  # noqa: E402
from bytetransfer.learners.transformer.library import library, library_folder  # noqa: E402
from bytetransfer.learners.transformer.numerics import has_compiler  # noqa: E402

X = torch.arange(6.0).reshape(2, 3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where libraries lie; what torch's compiler keeps for itself stays where it is."""
    monkeypatch.setattr(module, "library_folder", lambda: tmp_path / "libraries")
    return tmp_path / "libraries"


@pytest.fixture
def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The graphs that a compiler was given, which only writes them down."""
    graphs: list[str] = []

    def compile(graph: torch.fx.GraphModule, _: object, options: dict[str, str]) -> None:
        graphs.append(str(graph.code))
        Path(options["aot_inductor.output_path"]).write_text(str(graph.code))

    class Runner:
        def __init__(self, path: str, _: int) -> None:
            self.path = Path(path)

        def run(self, _: object) -> list[str]:
            return [self.path.read_text()]

    monkeypatch.setattr(torch._inductor, "aot_compile", compile)
    monkeypatch.setattr(torch._C._aoti, "AOTIModelContainerRunnerCpu", Runner)
    return graphs


def twice(x: torch.Tensor) -> tuple[torch.Tensor]:
    return (x * 2,)


@pytest.mark.slow
def test_a_library_computes_what_the_function_does(folder: Path) -> None:
    if not has_compiler():
        pytest.skip("no C++ compiler on this machine, so nothing is compiled here")
    run = library(twice, [X], "twice", {})
    assert [found.tolist() for found in run([X + 1])] == [((X + 1) * 2).tolist()]
    assert sorted(path.suffix for path in folder.iterdir()) == [".lock", ".so"]

    def never(_: torch.Tensor) -> tuple[torch.Tensor]:
        raise AssertionError("it is made already")

    again = library(never, [X], "twice", {})
    assert torch.equal(again([X])[0], X * 2)


def test_whatever_decides_what_is_computed_makes_another_one(made: list[str]) -> None:
    threads = torch.get_num_threads()
    for _ in range(2):
        library(twice, [X], "twice", {})
        library(twice, [X], "another", {})
        library(twice, [X[:1]], "twice", {})
        library(twice, [X.T], "twice", {})
        library(twice, [X.double()], "twice", {})
        torch.set_num_threads(threads + 1)
        library(twice, [X], "twice", {})
        torch.set_num_threads(threads)
    assert len(made) == 6


def test_a_killed_process_leaves_nothing_that_is_taken_for_a_library(
    made: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile = torch._inductor.aot_compile

    def killed(graph: torch.fx.GraphModule, like: object, options: dict[str, str]) -> None:
        Path(options["aot_inductor.output_path"]).write_text("half of it")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch._inductor, "aot_compile", killed)
    with pytest.raises(KeyboardInterrupt):
        library(twice, [X], "twice", {})
    assert not list(folder.glob("*.so"))
    monkeypatch.setattr(torch._inductor, "aot_compile", compile)
    assert "mul" in str(library(twice, [X], "twice", {})([X]))
    assert sorted(path.suffix for path in folder.iterdir()) == [".lock", ".so"]


def test_other_functions_stand_in_for_operators(made: list[str]) -> None:
    def doubled(x: torch.Tensor, factor: float) -> torch.Tensor:
        return x + x

    library(twice, [X], "twice", {torch.ops.aten.mul.Tensor: doubled})
    assert "add" in made[0]
    assert "mul" not in made[0]


def test_whether_torch_is_deterministic_makes_another_one(made: list[str]) -> None:
    mode = torch.get_deterministic_debug_mode()
    for name in ("default", "error"):
        torch.set_deterministic_debug_mode(name)
        library(twice, [X], "twice", {})
    torch.set_deterministic_debug_mode(mode)
    assert len(made) == 2


def test_code_that_somebody_else_could_write_is_not_run(
    made: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library(twice, [X], "twice", {})
    folder.chmod(0o777)
    with pytest.raises(StoreError, match=r"another user.*TORCHINDUCTOR_CACHE_DIR") as refused:
        library(twice, [X], "twice", {})
    assert refused.value.where == str(folder)
    folder.chmod(0o700)
    other = os.getuid() + 1
    monkeypatch.setattr(module.os, "getuid", lambda: other)
    with pytest.raises(StoreError, match="another user"):
        library(twice, [X], "twice", {})


def test_a_damaged_library_is_made_anew(made: list[str], folder: Path) -> None:
    library(twice, [X], "twice", {})
    [path] = folder.glob("*.so")
    whole = path.read_text()
    path.write_text(whole[:9])
    assert library(twice, [X], "twice", {})([X]) == [whole]
    assert len(made) == 2
    library(twice, [X], "twice", {})
    assert len(made) == 2


def test_a_folder_that_code_may_not_be_run_from_is_told(
    made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str, _: int) -> None:
        raise RuntimeError("failed to map segment from shared object")

    monkeypatch.setattr(torch._C._aoti, "AOTIModelContainerRunnerCpu", refused)
    with pytest.raises(StoreError, match=r"failed to map segment.*TORCHINDUCTOR_CACHE_DIR"):
        library(twice, [X], "twice", {})


@pytest.mark.parametrize(
    ("said", "told"),
    [("g++: error\n" * 999, "compiler failed.*never"), ("No space left on device", "disk is full")],
)
def test_a_compiler_that_fails_is_told_in_a_line(
    said: str, told: str, made: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise RuntimeError(said)

    monkeypatch.setattr(torch._inductor, "aot_compile", fails)
    with pytest.raises(StoreError, match=told) as refused:
        library(twice, [X], "twice", {})
    assert len(str(refused.value)) < 300
    notes = [path.read_text() for path in folder.glob("*.txt")]
    assert notes == ([] if "full" in told else [said])


def test_a_folder_that_cannot_be_made_is_told(made: list[str], folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(StoreError) as refused:
        library(twice, [X], "twice", {})
    assert refused.value.where == str(folder)


def test_libraries_lie_where_the_compiler_keeps_its_own_or_in_a_folder_of_the_user() -> None:
    environment = {"TORCHINDUCTOR_CACHE_DIR": "/somewhere"}
    assert library_folder(environment) == Path("/somewhere/bytetransfer")
    assert library_folder({}).name == f"bytetransfer-{os.getuid()}"
