import pytest

from bytetransfer.errors import StoreError
from bytetransfer.runs.states import digests_of_state, has_state, verify_state


@pytest.fixture
def finished(make, store):
    """A finished pretraining with a state of two files."""
    run = make.run(kind="pretrain")
    folder = store.state_folder(run.key)
    folder.mkdir(parents=True)
    (folder / "model").write_bytes(bytes(range(200)))
    (folder / "config.json").write_text("{}")
    result = make.result(run, state=digests_of_state(store, run.key))
    store.finish(result, make.environment)
    return run.key


def test_a_sound_state_is_verified(store, finished):
    assert set(store.result(finished).state) == {"model", "config.json"}
    assert has_state(store, finished)
    verify_state(store, finished)


@pytest.mark.parametrize("name", ["model", "config.json"])
def test_a_flipped_bit_is_refused(store, finished, name):
    path = store.state_folder(finished) / name
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 3):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(StoreError, match="the state is damaged") as caught:
            verify_state(store, finished)
        assert caught.value.where == str(path)
        assert str(store.run_folder(finished)) in caught.value.todo


@pytest.mark.parametrize("name", ["model", "config.json"])
def test_a_state_of_which_a_file_is_missing_is_none(store, finished, name):
    (store.state_folder(finished) / name).unlink()
    assert not has_state(store, finished)
    with pytest.raises(StoreError, match="no such file"):
        verify_state(store, finished)


def test_a_run_that_is_not_done_has_no_state(store, finished):
    store.reopen(finished)
    assert not has_state(store, finished)


def test_a_state_of_an_earlier_version_is_taken_as_it_is(make, store, finished):
    store.finish(make.result(make.run(kind="pretrain")), make.environment)
    (store.state_folder(finished) / "model").write_bytes(b"anything")
    assert has_state(store, finished)
    verify_state(store, finished)
