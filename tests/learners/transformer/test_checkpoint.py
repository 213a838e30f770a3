"""Files that are whole or not there."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file  # noqa: E402

from bytetransfer.errors import StoreError  # noqa: E402
from bytetransfer.files.disk import write_atomic  # noqa: E402
from bytetransfer.learners.transformer.checkpoint import (  # noqa: E402
    Pace,
    read_tensors,
    write_tensors,
)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.zeros(())}
    write_tensors(tmp_path / "new" / "x.safetensors", tensors, '{"step":1}')
    back, record = read_tensors(tmp_path / "new" / "x.safetensors")
    assert record == '{"step":1}'
    assert all(torch.equal(back[name], tensors[name]) for name in tensors)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.safetensors"]


@pytest.mark.parametrize("keep", [0, 5, 60, -3])
def test_a_damaged_file_says_so(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "x.safetensors"
    write_tensors(path, {"a": torch.arange(100.0)})
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(StoreError, match=r"x\.safetensors: damaged"):
        read_tensors(path)


def test_no_flipped_bit_changes_what_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = {"a": torch.arange(12.0).view(3, 4), "b": torch.arange(3), "c": torch.ones(())}
    write_tensors(path, tensors, '{"step":1}')
    whole, refused = path.read_bytes(), 0
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        try:
            back, record = read_tensors(path)
        except StoreError as error:
            refused += str(path) in str(error)
            continue
        assert record == '{"step":1}'
        assert back.keys() == tensors.keys()
        assert all(torch.equal(back[name], tensors[name]) for name in tensors)
        assert all(back[name].dtype == tensors[name].dtype for name in tensors)
    assert refused > 0.6 * 8 * len(whole)


def test_the_same_tensors_are_the_same_bytes(tmp_path: Path) -> None:
    path, tensors = tmp_path / "x.safetensors", {"b": torch.ones(3), "a": torch.arange(5.0)}
    written = set()
    for _ in range(20):  # each with a random order of its own inside safetensors
        write_tensors(path, tensors, '{"ä":1}')
        written.add(path.read_bytes())
    assert len(written) == 1
    assert load_file(path)["a"].tolist() == [0, 1, 2, 3, 4]


def test_a_file_of_an_earlier_version_has_no_digest_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_file({"a": torch.ones(2)}, path, {"format": "pt", "bytetransfer": "{}"})
    back, record = read_tensors(path)
    assert (back["a"].tolist(), record) == ([1.0, 1.0], "{}")


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such file"):
        read_tensors(tmp_path / "x.safetensors")


def test_a_place_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="a file stands where a folder is needed"):
        write_atomic(tmp_path / "file" / "x", b"1")


def test_checkpoints_cost_at_most_a_twentieth_of_the_time() -> None:
    now = [0.0]
    pace = Pace(5.0, lambda: now[0])
    assert not pace.due()
    now[0] = 5.0
    assert pace.due()
    pace.run(lambda: now.__setitem__(0, 6.0))
    now[0] = 25.9
    assert not pace.due()
    now[0] = 26.0
    assert pace.due()
