import errno
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from bytetransfer.errors import StoreError
from bytetransfer.files.disk import (
    check_digest,
    disk_errors,
    sweep_temporaries,
    write_atomic,
    write_with_digests,
)


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
        from bytetransfer.files.disk import write_atomic
        os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
        write_atomic(Path(sys.argv[1]), "new" * 100_000)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"
    write_atomic(path, "newer")
    assert [p.name for p in tmp_path.iterdir()] == ["file"], "and what it left is swept"


def test_a_temporary_file_in_use_is_not_swept(tmp_path):
    left, used = tmp_path / ".file.1.tmp", tmp_path / ".file.2-ab.tmp"
    other = tmp_path / ".other.1.tmp"
    for path in (left, used, other):
        path.write_text("x")
    with used.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        write_atomic(tmp_path / "file", "")
        assert sorted(p.name for p in tmp_path.iterdir()) == [used.name, other.name, "file"]
        sweep_temporaries(tmp_path)
        assert sorted(p.name for p in tmp_path.iterdir()) == [used.name, "file"]


def test_a_file_being_written_is_locked(tmp_path, monkeypatch):
    def swept(_: int) -> None:
        sweep_temporaries(tmp_path)

    monkeypatch.setattr(os, "fsync", swept)
    write_atomic(tmp_path / "file", "new")
    assert (tmp_path / "file").read_text() == "new"


def test_swept_before_it_was_locked_it_is_made_again(tmp_path, monkeypatch):
    lock, times = fcntl.flock, []

    def sweeping(file, how):
        if how == fcntl.LOCK_EX and not times:
            times.append(1)
            Path(file.name).unlink()
        lock(file, how)

    monkeypatch.setattr(fcntl, "flock", sweeping)
    write_atomic(tmp_path / "file", "new")
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_folder_deleted_during_a_write_is_made_again(tmp_path, monkeypatch):
    times = []

    def deleting(_: int) -> None:
        times.append(1)
        if len(times) == 1:
            shutil.rmtree(tmp_path / "folder")

    monkeypatch.setattr(os, "fsync", deleting)
    write_atomic(tmp_path / "folder" / "file", "new")
    assert (tmp_path / "folder" / "file").read_text() == "new"


def test_digests_stand_beside_what_was_written(tmp_path):
    write_with_digests(tmp_path, {"a.csv": "a", "b.csv": b"b"})
    write_with_digests(tmp_path, {"c.csv": "c"})
    (tmp_path / "b.csv").unlink()
    write_with_digests(tmp_path, {"a.csv": "A"})
    assert [line.split()[1] for line in (tmp_path / "SHA256SUMS").read_text().splitlines()] == [
        "a.csv",
        "c.csv",
    ]
    for name, content in (("a.csv", b"A"), ("c.csv", b"c"), ("unlisted.csv", b"")):
        check_digest(tmp_path / name, content)
    with pytest.raises(StoreError, match="not what SHA256SUMS beside it says; write it again"):
        check_digest(tmp_path / "a.csv", b"a")
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True)
