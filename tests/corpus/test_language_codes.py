"""One table of ISO 639 serves detectors, typology and the names of corpora."""

import pytest

from bytetransfer.corpus.language_codes import (
    is_language,
    language_code,
    named_language,
    three_letter_code,
)


@pytest.mark.parametrize(
    ("tag", "two", "three"),
    [
        ("de", "de", "deu"),
        ("ger", "de", "deu"),
        ("DEU", "de", "deu"),
        ("zh-Hans", "zh", "zho"),
        ("chi", "zh", "zho"),
        ("yue", "zh", "yue"),
        ("arb", "ar", "arb"),
        ("hbs", "sh", "hbs"),
        ("gsw", "gsw", "gsw"),
        ("iw", "he", "heb"),
        ("in-ID", "id", "ind"),
        ("ji", "yi", "yid"),
        ("jw", "jv", "jav"),
        ("mo", "ro", "ron"),
        ("mol", "ro", "ron"),
        ("scr", "hr", "hrv"),
        ("audio", None, None),
        ("", None, None),
    ],
)
def test_a_tag_has_one_code_of_two_letters_and_one_of_three(tag, two, three):
    assert (language_code(tag), three_letter_code(tag)) == (two, three)


def test_only_codes_of_two_letters_and_their_equals_are_taken_from_a_name():
    names = ("pt", "por", "pt-BR", "fun", "web", "xx", "es_news")
    assert [named_language(name) for name in names] == ["pt", "pt", "pt", None, None, None, "es"]


def test_what_may_be_stated_as_a_language():
    tags = ("fi", "FI", "zh-Hant", "por", "tpi", "iw", "xx", "Finnish", "audio", "", "e", "e n")
    assert [is_language(tag) for tag in tags] == [True] * 6 + [False] * 6
