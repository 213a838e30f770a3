import inspect

import pytest

from bytetransfer import errors
from bytetransfer.errors import (
    BytetransferError,
    MissingExtraError,
    RunFailedError,
    StudyError,
    UserError,
)


def test_a_user_error_says_where_what_and_what_to_do():
    error = StudyError("unknown key", where="s.toml, seed", todo="write seeds = 3")
    assert str(error) == "s.toml, seed: unknown key; write seeds = 3"
    assert (error.what, error.where, error.todo) == (
        "unknown key",
        "s.toml, seed",
        "write seeds = 3",
    )
    assert str(StudyError("unknown key")) == "unknown key"


def test_the_tree_drawn_at_the_top_is_the_tree():
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        assert name in (errors.__doc__ or "")
        assert issubclass(kind, BytetransferError)
        is_of_a_run = kind is BytetransferError or issubclass(kind, RunFailedError)
        assert issubclass(kind, UserError) is not is_of_a_run


def test_a_missing_extra_names_the_command_that_installs_it():
    with pytest.raises(UserError, match=r"torch is not installed; .*bytetransfer\[neural\]"):
        raise MissingExtraError("torch", extra="neural")
