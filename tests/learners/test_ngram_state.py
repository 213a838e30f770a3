import os

import pytest

from bytetransfer.errors import StoreError
from bytetransfer.learners.ngram import FILE, Ngram, NgramSettings
from bytetransfer.learners.ngram_state import NgramState


def fine_tuned(fit, language, learner: Ngram) -> NgramState:
    start = fit(learner, language(2, 100, shared=30)).state
    text, validation = language(1, 20, shared=30), language(1, 100, shared=30)
    return fit(learner, text, start=start, validation=validation).state


@pytest.mark.parametrize("tuned", [False, True])
def test_a_state_read_back_scores_identically(fit, score, language, tmp_path, tuned):
    learner = Ngram(NgramSettings())
    state = fine_tuned(fit, language, learner) if tuned else fit(learner, language(1, 50)).state
    assert (state.source is not None) == tuned
    learner.save(state, tmp_path / "new")
    again = learner.load(tmp_path / "new")
    test = language(1, 50)
    assert (score(learner, state, test) == score(learner, again, test)).all()
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FILE]


def test_saving_twice_writes_the_same_bytes(fit, language, tmp_path):
    learner = Ngram(NgramSettings())
    for folder in ("one", "two"):
        learner.save(fine_tuned(fit, language, learner), tmp_path / folder)
    assert (tmp_path / "one" / FILE).read_bytes() == (tmp_path / "two" / FILE).read_bytes()


def test_damage_anywhere_is_found_and_named(fit, score, tmp_path):
    learner = Ngram(NgramSettings())
    learner.save(fit(learner, [b"some text"]).state, tmp_path)
    path = tmp_path / FILE
    good = path.read_bytes()
    state = learner.load(tmp_path)
    expected = score(learner, state, [b"test"])
    for at in range(len(good)):
        path.write_bytes(good[:at] + bytes([good[at] ^ 255]) + good[at + 1 :])
        try:
            damaged = learner.load(tmp_path)
        except StoreError as error:
            assert str(path) in str(error)  # noqa: PT017  some bytes of a zip file mean nothing
        else:
            assert (score(learner, damaged, [b"test"]) == expected).all()
    for size in (0, 10, len(good) // 2, len(good) - 1):
        path.write_bytes(good[:size])
        with pytest.raises(StoreError, match=FILE):
            learner.load(tmp_path)


def test_a_missing_file_and_other_settings_are_named(fit, language, tmp_path):
    learner = Ngram(NgramSettings())
    with pytest.raises(StoreError, match=FILE):
        learner.load(tmp_path)
    learner.save(fine_tuned(fit, language, learner), tmp_path)
    for other in (
        NgramSettings(order=6),
        NgramSettings(discount_prior=1.0),
        NgramSettings(target_classes=()),
    ):
        with pytest.raises(StoreError, match="of other settings"):
            Ngram(other).load(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="a file in the way of a folder")
def test_a_folder_that_cannot_be_made_is_named(fit, tmp_path):
    (tmp_path / "file").write_text("in the way")
    learner = Ngram(NgramSettings())
    with pytest.raises(StoreError, match="a file stands where"):
        learner.save(fit(learner, [b"ab"]).state, tmp_path / "file" / "folder")
