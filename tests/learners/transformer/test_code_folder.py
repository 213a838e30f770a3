"""A folder for machine code that nobody else can write to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bytetransfer.errors import StoreError
from bytetransfer.learners.transformer import code_folder
from bytetransfer.learners.transformer.code_folder import code_environment, is_ours, make_private

WHOSE = "another user could write"


def test_a_folder_is_made_closed_to_others_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert [(tmp_path / p).stat().st_mode & 0o777 for p in ("a", "a/b")] == [0o700, 0o700]
    make_private(tmp_path / "a" / "b")


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720])
def test_a_looser_folder_above_it_is_refused(mode: int, tmp_path: Path) -> None:
    folder = tmp_path / "above" / "between" / "folder"
    make_private(folder)
    (tmp_path / "above").chmod(mode)
    with pytest.raises(StoreError, match=f"{WHOSE}.*TORCHINDUCTOR_CACHE_DIR") as refused:
        make_private(folder)
    assert refused.value.where == str(tmp_path / "above")


def test_a_folder_that_keeps_users_apart_may_be_above_it_but_not_be_it(tmp_path: Path) -> None:
    make_private(tmp_path / "like tmp" / "folder")
    (tmp_path / "like tmp").chmod(0o1777)
    make_private(tmp_path / "like tmp" / "folder")
    with pytest.raises(StoreError, match=WHOSE):
        make_private(tmp_path / "like tmp")


def test_links_are_followed_where_they_lead(tmp_path: Path) -> None:
    make_private(tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "absolute").symlink_to(tmp_path / "link")
    make_private(tmp_path / "absolute" / "folder")
    assert (tmp_path / "real" / "folder").is_dir()
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    make_private(tmp_path / "real" / ".." / "real" / "folder")
    (tmp_path / "to open").symlink_to(tmp_path / "open")
    with pytest.raises(StoreError, match=WHOSE) as refused:
        make_private(tmp_path / "to open" / "folder")
    assert refused.value.where == str(tmp_path / "open")
    assert not list((tmp_path / "open").iterdir())
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(StoreError):
        make_private(tmp_path / "round" / "folder")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("kind", ["link", "folder above", "folder"])
def test_what_belongs_to_another_user_is_refused(kind: str, tmp_path: Path) -> None:
    other, (above, folder) = 12345, (tmp_path / "above", tmp_path / "above" / "folder")
    make_private(folder)
    if kind == "link":
        (tmp_path / "link").symlink_to(folder)
        os.chown(tmp_path / "link", other, other, follow_symlinks=False)
        folder = tmp_path / "link" / "inside"
    else:
        os.chown(folder if kind == "folder" else above, other, other)
    with pytest.raises(StoreError, match=WHOSE):
        make_private(folder)
    assert not (tmp_path / "above" / "folder" / "inside").exists()


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "folder"):
        with pytest.raises(StoreError, match="a file stands where a folder is needed"):
            make_private(folder)


def test_all_that_torch_reads_code_from_is_named_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    told = code_environment({})
    assert told["TORCHINDUCTOR_CACHE_DIR"] == str(tmp_path / f"bytetransfer-{os.getuid()}")
    assert set(told) > {"TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "TMPDIR"}
    for folder in told.values():
        assert Path(folder).is_relative_to(told["TORCHINDUCTOR_CACHE_DIR"])
        assert Path(folder).is_dir()
    assert code_environment(told) == told
    named = {name: str(tmp_path / name) for name in ("TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR")}
    assert code_environment(named).items() > named.items()
    (tmp_path / "TRITON_CACHE_DIR").chmod(0o777)
    with pytest.raises(StoreError, match=WHOSE):
        code_environment(named)


def test_a_container_that_does_not_know_root_has_folders_of_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_folder, "_UID_MAP", tmp_path / "map")
    monkeypatch.setattr(code_folder, "_OVERFLOW_UID", tmp_path / "overflow")
    (tmp_path / "overflow").write_text("65534\n")
    for told, known in (("  1000  1000  1\n", False), ("0 1000 1\n1 100000 65536\n", True)):
        (tmp_path / "map").write_text(told)
        assert (65534 in code_folder._trusted_owners()) is not known
    (tmp_path / "map").unlink()
    assert code_folder._trusted_owners() == {0, os.getuid()}


def test_a_file_is_ours_if_it_is_no_link_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert not is_ours(path)
    path.write_text("")
    path.chmod(0o644)
    assert is_ours(path)
    path.chmod(0o664)
    assert not is_ours(path)
    (tmp_path / "link").symlink_to(path)
    path.chmod(0o600)
    assert not is_ours(tmp_path / "link")
