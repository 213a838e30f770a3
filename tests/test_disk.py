import errno
import os
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bytetransfer.disk import disk_errors, write_atomic
from bytetransfer.errors import StoreError


def test_the_whole_content_is_there_and_nothing_else(tmp_path):
    path = tmp_path / "new" / "folder" / "file.txt"
    write_atomic(path, "añb")
    write_atomic(path, b"\x00\xff")
    assert path.read_bytes() == b"\x00\xff"
    assert [p.name for p in path.parent.iterdir()] == ["file.txt"]


def test_a_file_is_as_readable_as_any_other_of_its_owner(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "file", "")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "quota is used up; free some space"),
        (errno.EROFS, "read-only; choose a folder"),
        (errno.EACCES, "no permission; change"),
    ],
)
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_a_refused_write_keeps_the_old_file_and_leaves_nothing(
    tmp_path, monkeypatch, number, message, call
):
    path = tmp_path / "file"
    write_atomic(path, "old")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    if call == "replace":
        monkeypatch.setattr(Path, "replace", refuse)
    else:
        monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StoreError, match=message) as caught:
        write_atomic(path, "new")
    assert caught.value.where == str(path)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into a read-only folder")
def test_a_read_only_folder_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StoreError, match="no permission"):
        write_atomic(tmp_path / "file", "")


def test_what_stands_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="a file stands where a folder is needed; move it away"):
        write_atomic(tmp_path / "file" / "inner", "")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StoreError, match="a folder stands where a file is needed"):
        write_atomic(tmp_path / "folder", "")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_a_bug_keeps_its_own_error(tmp_path):
    with pytest.raises(OSError, match="odd"), disk_errors(tmp_path):
        raise OSError(errno.ENXIO, "odd")


def test_a_kill_before_the_rename_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    write_atomic(path, "old")
    code = """
        import os, signal, sys
        from pathlib import Path
        from bytetransfer.disk import write_atomic
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        write_atomic(Path(sys.argv[1]), "new" * 100_000)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"
