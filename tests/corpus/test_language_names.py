from bytetransfer.corpus.language_codes import _CODES, language_code
from bytetransfer.corpus.language_names import _NAME_OF, language_name


def test_every_language_of_iso_639_1_has_one_name_of_its_own():
    assert set(_NAME_OF) == {language_code(code) for code in _CODES}
    assert len(set(_NAME_OF.values())) == len(_NAME_OF)


def test_only_plain_codes_are_called_by_a_name():
    assert language_name("nb") == language_name("no") == "Norwegian"
    assert language_name("EN") == "English"
    assert [language_name(name) for name in ("en-news", "cipher(en)", "", "wiki")] == [None] * 4
