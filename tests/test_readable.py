"""Text from outside, made safe for a terminal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.errors import StudyError
from bytetransfer.readable import is_harmless, readable, readable_json, replacement

ANYTHING = st.text(st.characters(exclude_categories=[]))  # lone surrogates included


@given(ANYTHING)
def test_nothing_readable_has_power_over_a_terminal(text: str) -> None:
    shown = readable(text)
    assert all(map(is_harmless, shown))
    assert (shown == text) is all(map(is_harmless, text))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b[2Jb", r"a\x1b[2Jb"),
        ("a\x9b2Jb", r"a\x9b2Jb"),
        ("a\x7f\x08b\r", r"a\x7f\x08b\r"),
        ("a\u202egpj.exe\u2066", r"a\u202egpj.exe\u2066"),
        ("two\nlines\u2028more\x85", r"two\nlines\u2028more\x85"),
        ("not\udcffutf-8", r"not\udcffutf-8"),
        ("tag\U000e0041", r"tag\U000e0041"),
    ],
)
def test_what_is_unseen_is_an_escape(text: str, shown: str) -> None:
    assert readable(text) == shown


@pytest.mark.parametrize("text", ["español", "हिन्दी", "می\u200cخواهم", "a b", "😀", "a\u00a0b"])
def test_text_of_any_language_stays(text: str) -> None:
    assert readable(text) == text


@given(ANYTHING, st.booleans())
def test_json_means_the_same(text: str, ascii_only: bool) -> None:
    written = json.dumps([text, {text: 1}], ensure_ascii=False, indent=1)
    shown = readable_json(written, ascii_only=ascii_only)
    assert json.loads(shown) == json.loads(written)
    assert all(map(is_harmless, shown.replace("\n", "")))
    assert shown.isascii() or not ascii_only


@given(ANYTHING)
def test_a_replacement_is_ascii(text: str) -> None:
    assert replacement(text).isascii()


def test_an_error_shows_names_without_obeying_them() -> None:
    error = StudyError("unknown key \x1b]0;title\x07", where="a\nerror: b.toml", todo="\u202eok")
    assert str(error) == r"a\nerror: b.toml: unknown key \x1b]0;title\x07; \u202eok"
    assert error.where == "a\nerror: b.toml"
