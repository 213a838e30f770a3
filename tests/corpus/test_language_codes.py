"""One table of ISO 639 serves detectors, typology and the names of corpora."""

import pytest

from bytetransfer.corpus.language_codes import language_code, named_language, three_letter_code


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
        ("audio", None, None),
        ("", None, None),
    ],
)
def test_a_tag_has_one_code_of_two_letters_and_one_of_three(tag, two, three):
    assert (language_code(tag), three_letter_code(tag)) == (two, three)


def test_only_codes_of_two_letters_and_their_equals_are_taken_from_a_name():
    names = ("pt", "por", "pt-BR", "fun", "web", "xx", "es_news")
    assert [named_language(name) for name in names] == ["pt", "pt", "pt", None, None, None, "es"]
