"""Globs: every real folder once, every match a file that can be read or an error."""

import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.corpus import patterns
from bytetransfer.corpus.patterns import files_below, resolve
from bytetransfer.errors import CorpusError


def put(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)


def found(folder: Path, *wanted: str) -> list[str]:
    return [str(path.relative_to(folder)) for path in resolve(wanted, folder)]


def refused(folder: Path, pattern: str) -> str:
    with pytest.raises(CorpusError) as caught:
        resolve((pattern,), folder)
    assert caught.value.todo
    return str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.txt", ["a.txt", "b.txt"]),
        ("**/*.txt", ["a.txt", "b.txt", "x/c.txt", "x/y/d.txt"]),
        ("**", ["a.txt", "b.txt", "e.md", "x/c.txt", "x/y/d.txt"]),
        ("**/y/**/*", ["x/y/d.txt"]),
        ("*/*.txt", ["x/c.txt"]),
        ("x/y/../c.*", ["x/y/../c.txt"]),
        ("[ab].txt", ["a.txt", "b.txt"]),
        (".h*/*", [".hidden/f.txt"]),
        ("x/**/d.txt", ["x/y/d.txt"]),
    ],
)
def test_what_a_glob_matches(tmp_path, pattern, names):
    put(tmp_path, "a.txt", "b.txt", "e.md", "x/c.txt", "x/y/d.txt", ".hidden/f.txt")
    assert found(tmp_path, pattern) == names
    absolute = [str(tmp_path / name) for name in names]
    assert [str(p) for p in resolve((f"{tmp_path}/{pattern}",), Path("elsewhere"))] == absolute


@given(
    path=st.lists(st.sampled_from(["a", "b", "x", "y"]), min_size=1, max_size=4),
    pattern=st.lists(st.sampled_from(["a", "*", "**", "c*", "*.txt"]), min_size=1, max_size=4),
)
def test_without_links_it_is_what_python_s_glob_matches(tmp_path_factory, path, pattern):
    folder = tmp_path_factory.mktemp("tree")
    put(folder, "a/b/c.txt", "a/d.txt", "b/a/a/c.txt", "c.txt", "/".join([*path, "end.txt"]))
    wanted = "/".join(pattern)
    expected = sorted({p for p in folder.glob(wanted) if p.is_file()})
    if wanted.endswith("**"):  # which Python 3.11 takes for folders alone
        expected = sorted({p for p in folder.glob(f"{wanted}/*") if p.is_file()})
    if expected:
        assert resolve((wanted,), folder) == expected
    else:
        assert "file" in refused(folder, wanted)


def test_a_base_is_no_glob(tmp_path):
    put(tmp_path / "[x]*", "a.txt")
    put(tmp_path / "x1", "b.txt")
    assert found(tmp_path / "[x]*", "*.txt") == ["a.txt"]
    put(tmp_path, "[y].txt")
    assert found(tmp_path, "[y].txt") == ["[y].txt"]


def test_every_real_folder_is_looked_into_once(tmp_path, monkeypatch):
    put(tmp_path, "d/0.txt", "d/a/1.txt", "d/b/2.txt")
    for link, target in (("d/a/up", ".."), ("d/b/up", ".."), ("d/self", "."), ("d/other", "b")):
        (tmp_path / link).symlink_to(target)
    looked: list[Path] = []
    real = patterns._entries

    def counting(folder, part):
        looked.append(folder)
        return real(folder, part)

    monkeypatch.setattr(patterns, "_entries", counting)
    assert found(tmp_path, "d/**/*.txt") == ["d/0.txt", "d/a/1.txt", "d/b/2.txt"]
    assert len(looked) == 1 + 2 * 3
    # forty steps through two links would be 2**40 paths
    (path,) = resolve(("/".join(["*"] * 40) + "/0.txt",), tmp_path)
    assert path.resolve() == tmp_path / "d" / "0.txt"
    assert len(looked) < 300


def test_a_folder_elsewhere_is_read_through_its_link_and_a_link_by_its_own_name(tmp_path):
    put(tmp_path, "blobs/4a5b", "elsewhere/1.txt")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "more").symlink_to("../elsewhere")
    (tmp_path / "d" / "0.txt").symlink_to("../blobs/4a5b")
    assert found(tmp_path, "d/**/*.txt") == ["d/0.txt", "d/more/1.txt"]
    assert found(tmp_path, "elsewhere/*.txt", "d/**/*.txt") == ["elsewhere/1.txt", "d/0.txt"]


@pytest.mark.parametrize("pattern", ["d/*.txt", "d/**/*.txt", "d/1.txt", "d/**"])
def test_a_link_that_leads_nowhere_is_named_with_its_target(tmp_path, pattern):
    put(tmp_path, "d/0.txt")
    (tmp_path / "d" / "1.txt").symlink_to("../objects/9f")
    message = refused(tmp_path, pattern)
    assert "d/1.txt: a link whose target is missing; get its target (../objects/9f)" in message
    (tmp_path / "d" / "1.txt").unlink()
    (tmp_path / "d" / "1.txt").symlink_to("1.txt")
    assert "d/1.txt: a link to itself" in refused(tmp_path, pattern)


def test_a_folder_of_a_glob_that_is_not_there_is_named(tmp_path):
    put(tmp_path, "d/0/text.txt", "d/2.md")
    (tmp_path / "d" / "1").symlink_to("../gone")
    assert "d/1: a link whose target is missing" in refused(tmp_path, "d/*/text.txt")


def test_what_is_no_file_is_an_error(tmp_path):
    put(tmp_path, "d/0.txt")
    os.mkfifo(tmp_path / "d" / "1.txt")
    for pattern in ("d/*.txt", "d/1.txt", "**/*.txt"):
        assert "d/1.txt: a pipe, not a file" in refused(tmp_path, pattern)
    (tmp_path / "d" / "1.txt").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "d" / "1.txt"))
        assert "d/1.txt: a socket, not a file" in refused(tmp_path, "d/*.txt")
    assert "/dev/null: a device, not a file" in refused(tmp_path, "/dev/null")
    assert "/dev/null: a device" in refused(tmp_path, "/dev/nul*")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("https://example.org/a.txt", "https://example.org/a.txt: a web address, not a file"),
        ("a\0.txt", "NUL"),
        ("~nobody-of-that-name/a.txt", "no such user"),
        ("a" * 300, "cannot be read (File name too long)"),
    ],
)
def test_names_no_file_has(tmp_path, pattern, message):
    assert message in refused(tmp_path, pattern)


CLOSED = """\
import os, sys
from pathlib import Path
from bytetransfer.corpus.patterns import resolve
from bytetransfer.errors import CorpusError
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
for pattern in sys.argv[2:]:
    try:
        print([str(p) for p in resolve((pattern,), Path(sys.argv[1]))])
    except CorpusError as error:
        print(error)
"""


@pytest.fixture
def of_others(tmp_path):
    """A folder in which another user reads: everything above it lets him through."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        for path in folder.rglob("*"):
            path.chmod(0o700)


def test_closed_files_and_folders_are_named(of_others):
    folder = of_others
    put(folder, "d/0.txt", "d/1.txt", "e/sub/2.txt", "f/3.txt", "g/sub/4.txt")
    (folder / "d" / "1.txt").chmod(0)
    (folder / "e" / "sub").chmod(0)
    (folder / "f").chmod(0)
    (folder / "g").chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)  # names, and nothing more
    wanted = ["d/*.txt", "d/1.txt", "e/**/*.txt", "f/*.txt", "f/3.txt", "g/*/4.txt", "d/0.txt"]
    command = [sys.executable, "-c", CLOSED, str(folder), *wanted]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    said = ended.stdout.replace(str(folder) + "/", "").splitlines()
    assert said[:2] == ["d/1.txt: no permission to read the file; give yourself the right to read "
                        "it (chmod u+r)"] * 2  # fmt: skip
    for line, name in zip(said[2:6], ("e/sub", "f", "f", "g"), strict=True):
        assert line.startswith(f"{name}: no permission to look into the folder; give yourself")
    assert said[6] == "['d/0.txt']"


def test_all_files_below_a_folder(tmp_path):
    put(tmp_path / "[d]*", "a.txt", "deep/er/b", ".git/c", "deep/.hidden")
    below = files_below(tmp_path / "[d]*")
    assert [str(path.relative_to(tmp_path / "[d]*")) for path in below] == ["a.txt", "deep/er/b"]
