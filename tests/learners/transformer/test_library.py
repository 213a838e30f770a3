"""Functions as machine code in files."""

import errno
import getpass
import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("torch._inductor")

from torch._inductor.runtime.cache_dir_utils import cache_dir  # noqa: E402

from bytetransfer.errors import StoreError  # noqa: E402
from bytetransfer.learners.transformer.library import library  # noqa: E402
from bytetransfer.learners.transformer.numerics import has_compiler  # noqa: E402

X = torch.arange(6.0).reshape(2, 3)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where libraries lie, as if no folder were named; temporary files are the test's own."""
    for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "PYTORCH_KERNEL_CACHE_PATH"):
        monkeypatch.setenv(name, "")  # so that it is put back afterwards
        monkeypatch.delenv(name)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path / f"bytetransfer-{os.getuid()}" / "bytetransfer"


@pytest.fixture
def made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The graphs that a compiler was given, which only writes them down."""
    graphs: list[str] = []

    def compile(graph: torch.fx.GraphModule, _: object, options: dict[str, str]) -> None:
        cache_dir()  # as torch does: it sets the variable where it is not set
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
    monkeypatch.setattr("os.getuid", lambda: other)
    with pytest.raises(StoreError, match="another user"):
        library(twice, [X], "twice", {})


def test_a_damaged_library_is_made_again(made: list[str], folder: Path) -> None:
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
    folder.parent.mkdir()
    folder.write_text("a file")
    with pytest.raises(StoreError) as refused:
        library(twice, [X], "twice", {})
    assert refused.value.where == str(folder)


def test_torch_does_not_move_the_folder(made: list[str], folder: Path) -> None:
    """It names its own in the environment when it first compiles."""
    for _ in range(3):
        library(twice, [X], "twice", {})
    assert len(made) == 1
    assert [path.name for path in folder.parent.parent.iterdir()] == [folder.parent.name]


def test_a_library_that_another_has_planted_is_not_opened(made: list[str], folder: Path) -> None:
    """Where torch would keep its own, everybody may have made a folder before."""
    library(twice, [X], "twice", {})
    [found] = folder.glob("*.so")
    planted = folder.parent.parent / f"torchinductor_{getpass.getuser()}" / "bytetransfer"
    planted.mkdir(parents=True)
    (planted / found.name).write_text("planted")
    digest = hashlib.sha256(b"planted").hexdigest()
    (planted / found.with_suffix(".lock").name).write_text(digest)
    for _ in range(2):
        assert library(twice, [X], "twice", {})([X]) == [made[0]]
        shutil.rmtree(folder, ignore_errors=True)
    assert len(made) == 2


@pytest.mark.parametrize("how", ["a link", "open to others"])
def test_a_file_in_the_folder_that_others_had_a_hand_in_is_made_again(
    how: str, made: list[str], folder: Path, tmp_path: Path
) -> None:
    library(twice, [X], "twice", {})
    [path] = folder.glob("*.so")
    if how == "a link":
        elsewhere = tmp_path / "elsewhere"
        path.replace(elsewhere)
        path.symlink_to(elsewhere)
        lock = path.with_suffix(".lock")
        lock.replace(tmp_path / "lock")
        lock.symlink_to(tmp_path / "lock")
    else:
        path.chmod(0o666)
    assert library(twice, [X], "twice", {})([X]) == [made[0]]
    assert len(made) == 2
    assert not [one for one in folder.iterdir() if one.is_symlink()]


def test_a_library_is_closed_to_others_whatever_the_umask(made: list[str], folder: Path) -> None:
    before = os.umask(0)
    try:
        for _ in range(2):
            library(twice, [X], "twice", {})
    finally:
        os.umask(before)
    assert len(made) == 1
    assert not [path for path in (folder, *folder.iterdir()) if path.stat().st_mode & 0o022]


def test_a_disk_without_locks_is_refused(
    made: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(StoreError, match=r"cannot lock.*TORCHINDUCTOR_CACHE_DIR"):
        library(twice, [X], "twice", {})
    assert not made
