import msgspec
import pytest

from bytetransfer.errors import StoreError
from bytetransfer.runs.remembered import remembered


@pytest.fixture
def ask(tmp_path):
    """Ask for a value of a shape; how often it was made, and the value."""
    made = []

    def ask(key, read=lambda plain: msgspec.convert(plain, dict[str, list[int]])):
        def make():
            made.append(key)
            return {"value": (len(made), 2)}

        value = remembered(tmp_path / "kept", key, make, read)
        return len(made), value

    return ask


def test_it_is_made_once_for_each_key(ask):
    assert ask(["key", 1]) == (1, {"value": [1, 2]})
    assert ask(["key", 1]) == (1, {"value": [1, 2]})
    assert ask(["key", 2]) == (2, {"value": [2, 2]})


def test_no_flipped_bit_passes(ask, tmp_path):
    ask("key")
    (path,) = (tmp_path / "kept").iterdir()
    whole = path.read_bytes()
    for number, bit in enumerate(range(0, 8 * len(whole), 5), 2):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        assert ask("key") == (number, {"value": [number, 2]})


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"value":{"value":[7,2]}}'])
def test_what_cannot_be_read_is_made_again(ask, tmp_path, content):
    ask("key")
    (path,) = (tmp_path / "kept").iterdir()
    path.write_bytes(content)  # the last is sound, but nothing says so: of an earlier version
    torn = path.with_name(f".{path.name}.1.tmp")  # killed in the middle of a write
    torn.write_text("{")
    assert ask("key") == (2, {"value": [2, 2]})
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_kept_is_made_each_time(ask, tmp_path):
    ask("key")
    (path,) = (tmp_path / "kept").iterdir()
    path.unlink()
    path.mkdir()
    assert ask("key") == (2, {"value": [2, 2]})
    assert ask("key") == (3, {"value": [3, 2]})


def test_what_fails_while_it_is_made_is_told_and_not_made_twice(tmp_path):
    made = []

    def make():
        made.append(1)
        raise StoreError("the text is gone", where="x", todo="prepare it")

    with pytest.raises(StoreError, match="the text is gone"):
        remembered(tmp_path / "kept", "key", make, str)
    assert made == [1]
