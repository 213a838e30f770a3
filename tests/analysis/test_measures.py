"""Distances between texts: ranges, known values, and what related texts must show."""

import math
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.measures import (
    COMPRESSION,
    CONDITIONAL_COMPRESSION,
    MEASURES,
    SYMMETRIC,
    bytes_per_character,
    compression_distance,
    conditional_compression,
    letter_width_distance,
    ngram_distance,
    script_distance,
    script_shares,
    text_distances,
)

TEXTS = st.binary(min_size=4, max_size=60)
LETTERS = st.text("abcабвαβ ", min_size=1).filter(str.strip).map(str.encode)


def prose(words, seed, count=800):
    return " ".join(random.Random(seed).choices(words.split(), k=count)).encode()


SPANISH = "casa perro gato libro noche tierra camino cuando siempre hombre mujer agua"
PORTUGUESE = "casa cachorro gato livro noite terra caminho quando sempre homem mulher agua"
RUSSIAN = "дом собака кошка книга ночь земля дорога когда всегда мужчина вода"


@given(TEXTS, TEXTS)
def test_ngram_distance_is_a_symmetric_distance_within_one(one, other):
    assert ngram_distance(one, one) == 0
    assert ngram_distance(one, other) == pytest.approx(ngram_distance(other, one))
    assert 0 <= ngram_distance(one, other) <= 1 + 1e-12


@settings(max_examples=50)
@given(TEXTS, TEXTS, TEXTS)
def test_ngram_distance_keeps_the_triangle_inequality(a, b, c):
    assert ngram_distance(a, c) <= ngram_distance(a, b) + ngram_distance(b, c) + 1e-9


def test_ngram_distance_of_known_frequencies():
    # p = (1, 0), q = (1/2, 1/2), m = (3/4, 1/4): JS = H(m) - H(q) / 2 = .8113 - .5
    assert ngram_distance(b"aaaa", b"abab", orders=range(1, 2)) ** 2 == pytest.approx(0.3112781)


@settings(max_examples=50)
@given(TEXTS, TEXTS)
def test_ngram_distance_counts_every_ngram_of_every_order(one, other):
    divergences = []
    for order in range(1, 5):
        p, q = (
            Counter(text[place : place + order] for place in range(len(text) - order + 1))
            for text in (one, other)
        )
        shares = [(p[gram] / p.total(), q[gram] / q.total()) for gram in p | q]
        divergences.append(
            sum(
                share * math.log2(2 * share / (a + b)) / 2
                for a, b in shares
                for share in (a, b)
                if share
            )
        )
    assert ngram_distance(one, other) ** 2 == pytest.approx(sum(divergences) / 4, abs=1e-9)


def test_ngrams_need_as_many_bytes_as_their_order():
    with pytest.raises(ValueError, match="no n-gram of order 4"):
        ngram_distance(b"abc", b"abcdef")


@given(LETTERS, LETTERS)
def test_script_distance_is_symmetric_and_within_one(one, other):
    assert script_distance(one, one) == 0
    assert script_distance(one, other) == pytest.approx(script_distance(other, one))
    assert 0 <= script_distance(one, other) <= 1


def test_scripts_are_told_apart_and_what_is_no_letter_does_not_count():
    assert script_shares("漢字 かな カナ 12!".encode()) == pytest.approx(
        {"CJK": 1 / 3, "HIRAGANA": 1 / 3, "KATAKANA": 1 / 3}
    )
    assert script_distance("aб".encode(), b"a") == 0.5
    with pytest.raises(ValueError, match="no letter"):
        script_shares(b"1234 \xff")


def test_bytes_per_character_and_its_distance():
    assert bytes_per_character("я".encode() * 10 + "я".encode()[:1]) == 2  # one cut off
    assert letter_width_distance("语言".encode(), b"abc") == pytest.approx(1.5849625)
    assert letter_width_distance(b"abc", "语言".encode()) == pytest.approx(1.5849625)
    with pytest.raises(ValueError, match="not UTF-8"):
        bytes_per_character(b"abc\xff\xfe\xfd\xfc")
    with pytest.raises(ValueError, match="no character"):
        bytes_per_character(b"")


def test_compression_knows_what_it_has_seen():
    spanish, other, noise = prose(SPANISH, 1), prose(SPANISH, 2), random.Random(3).randbytes(5000)
    assert conditional_compression(spanish, spanish) < 0.1
    assert conditional_compression(noise, spanish) > 0.95
    assert conditional_compression(spanish + noise, noise) < 0.1  # of the longer, all is kept
    assert conditional_compression(spanish, spanish + noise) > 0.8
    assert conditional_compression(spanish, other) < conditional_compression(noise, other)
    assert compression_distance(spanish, noise) == compression_distance(noise, spanish) > 0.8
    assert compression_distance(spanish, spanish) < 0.1


def test_every_measure_finds_the_related_language_closer():
    texts = {"es": prose(SPANISH, 1), "pt": prose(PORTUGUESE, 2), "ru": prose(RUSSIAN, 3)}
    found = text_distances(texts)
    for measure in MEASURES:
        distances = found.values[measure]
        assert len(distances) == 6
        assert distances["es", "pt"] < distances["es", "ru"]
        assert distances["pt", "es"] < distances["pt", "ru"]
    assert found.sample_bytes == min(map(len, texts.values()))


def test_a_table_of_distances_is_what_its_functions_say_of_equal_samples():
    texts = {"es": prose(SPANISH, 1), "ru": prose(RUSSIAN, 3)}
    cut = {name: text[:4000] for name, text in texts.items()}
    seen = []
    found = text_distances(texts, sample_bytes=4000, on_pair=lambda: seen.append(1))
    functions = {
        **SYMMETRIC,
        COMPRESSION: compression_distance,
        CONDITIONAL_COMPRESSION: conditional_compression,
    }
    assert set(functions) == set(MEASURES) == set(found.values)
    for measure, function in functions.items():
        for one, other in (("es", "ru"), ("ru", "es")):
            known = pytest.approx(function(cut[one], cut[other]))
            assert found.values[measure][one, other] == known
    assert len(seen) == 1
    assert found.sample_bytes == 4000


def test_what_is_no_text_has_only_the_distances_of_bytes():
    noise = random.Random(3).randbytes(5000)
    found = text_distances({"es": prose(SPANISH, 1), "pt": prose(PORTUGUESE, 1), "sound": noise})
    assert found.missing["bytes per character"].keys() == {"sound"}
    assert "not UTF-8" in found.missing["bytes per character"]["sound"]
    assert len(found.values["bytes per character"]) == 2
    assert len(found.values["byte n-grams"]) == len(found.values[COMPRESSION]) == 6
    assert found.missing["byte n-grams"] == {}


def test_too_little_text_is_answered_with_a_reason():
    assert isinstance(text_distances({"es": prose(SPANISH, 1)}), Unanswered)
    short = text_distances({"es": prose(SPANISH, 1), "pt": b"casa"})
    assert "4 bytes of pt are too few" in short.reason
