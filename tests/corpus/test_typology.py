"""Distances between languages: from the database, where it is installed, and from tables."""

import logging
import subprocess
import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.corpus.typology import (
    KINDS,
    parse_distances,
    read_distances,
    typological_distances,
)
from bytetransfer.errors import MeasurementError, MissingExtraError

installed = pytest.mark.skipif(find_spec("urielplus") is None, reason="urielplus is optional")


@installed
def test_distances_are_those_of_the_package():
    names = {"en": "eng", "de": "deu", "fi": "fin", "zh": "zho", "Klingon": "de-AT"}
    found = typological_distances(names)
    # lang2vec's and the package's own figures, to their four digits
    assert found.values["syntactic"]["en", "fi"] == pytest.approx(0.5052, abs=5e-5)
    assert found.values["phonological"]["en", "de"] == pytest.approx(0.3695, abs=5e-5)
    assert found.values["inventory"]["en", "zh"] == pytest.approx(0.4835, abs=5e-5)
    assert found.values["featural"]["en", "de"] == pytest.approx(0.4033, abs=5e-5)
    assert found.values["genetic"]["en", "de"] == pytest.approx(0.6336, abs=5e-5)
    assert found.values["genetic"]["en", "fi"] == 1
    assert found.values["geographic"]["en", "zh"] == pytest.approx(0.3095, abs=5e-5)
    for kind in KINDS:
        distances = found.values[kind]
        assert len(distances) == 20
        assert all(distances[b, a] == value for (a, b), value in distances.items())
        assert distances["de", "Klingon"] == pytest.approx(0, abs=1e-6)
    assert "urielplus" in found.database


@installed
def test_two_letters_three_letters_and_subtags_are_one_language():
    names = {"a": "pt", "b": "por", "c": "PT-br", "d": "pt_Latn"}
    distances = typological_distances({**names, "es": "es"}, ["syntactic"]).values["syntactic"]
    assert len({distances[name, "es"] for name in names}) == 1


@installed
def test_what_the_database_does_not_know_is_answered_with_a_reason():
    names = {name: name for name in ("en", "fi", "cipher(es)", "audio", "qq", "pt", "cu")}
    found = typological_distances(names, ["phonological", "geographic"])
    phonological, geographic = found.missing["phonological"], found.missing["geographic"]
    assert phonological["cipher(es)"] == "'cipher(es)' is not a language code"
    assert phonological["audio"] == "'audio' is not a language code"
    assert phonological["qq"] == "the database does not know the language code 'qq'"
    assert phonological["pt"] == "the database has no phonological features of 'pt'"
    assert "pt" not in geographic
    assert not [pair for pair in found.values["phonological"] if "pt" in pair]
    assert ("en", "pt") in found.values["geographic"]


@installed
def test_a_language_without_a_family_has_no_genetic_distance():
    found = typological_distances({"nn": "nn", "da": "da", "eu": "eu"}, ["genetic"])
    assert found.missing["genetic"] == {
        "nn": "the database puts 'nn' in no family",
        "eu": "the database puts 'eu' in no family",
    }
    assert not found.values["genetic"]


def test_languages_that_share_no_known_feature_have_no_distance(monkeypatch):
    from bytetransfer.corpus import typology

    def table(file, languages):
        known = np.array([[1.0, -1.0, 1.0], [-1.0, 0.0, -1.0], [0.0, 0.0, -1.0]])
        names = np.array(["S_1", "S_2", "P_1"])
        return typology._Table({"eng": 0, "deu": 1, "fin": 2}, names, known)

    monkeypatch.setattr(typology, "_table", table)
    found = typological_distances({"en": "en", "de": "de", "fi": "fi"}, ["syntactic"])
    assert found.unshared == {"syntactic": (("de", "en"),)}
    assert set(found.values["syntactic"]) == {
        ("en", "fi"),
        ("fi", "en"),
        ("de", "fi"),
        ("fi", "de"),
    }
    assert found.values["syntactic"]["en", "fi"] == 0  # fi has no feature: a little of each


@installed
def test_asking_leaves_logging_as_it_was():
    before = logging.getLogger().handlers[:], logging.getLogger().level
    typological_distances({"en": "en", "fi": "fi"}, ["syntactic"])
    assert (logging.getLogger().handlers[:], logging.getLogger().level) == before


def test_a_kind_there_is_not_is_refused():
    with pytest.raises(MeasurementError, match=r"is called 'astral'.*syntactic"):
        typological_distances({"en": "en"}, ["astral"])


def test_without_the_package_the_message_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "urielplus", None)
    with pytest.raises(MissingExtraError, match=r"bytetransfer\[analysis\]"):
        typological_distances({"en": "en"})


def test_importing_it_loads_neither_the_database_nor_pandas():
    code = (
        "import sys, bytetransfer.corpus.typology; "
        "sys.exit(any(name in sys.modules for name in ('urielplus', 'pandas')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


NUMBERS = (st.just(0.0) | st.floats(1e-100, 10)).map(lambda value: float(repr(value)))
NAMES = st.sampled_from(["es", "pt", "fi", "ru"])


@given(st.dictionaries(st.tuples(NAMES, NAMES).filter(lambda p: p[0] != p[1]), NUMBERS, min_size=1))
def test_a_list_holds_what_was_written(distances):
    text = "source,target,d\n" + "".join(f"{a},{b},{v!r}\n" for (a, b), v in distances.items())
    found = parse_distances(text, where="my.csv")["d"]
    assert {pair: found[pair] for pair in distances} == distances
    assert all(
        value == distances.get(pair, distances.get(pair[::-1])) for pair, value in found.items()
    )


def test_several_measures_and_missing_values():
    text = "a,b,syntax,sound\r\nes,pt,.1,NA\r\nes,es,0,0\r\n\r\nes,fi,,.5\r\n"
    found = parse_distances(text, where="my.csv")
    assert found["syntax"] == {("es", "pt"): 0.1, ("pt", "es"): 0.1}
    assert found["sound"] == {("es", "fi"): 0.5, ("fi", "es"): 0.5}


def test_a_matrix_may_be_rectangular_triangular_and_not_symmetric():
    text = "heard,es,pt,fi\nes,0,.1,\npt,.2,,.7\n"
    found = parse_distances(text, where="my.csv", measure="heard")["heard"]
    assert found == {
        ("es", "pt"): 0.1, ("pt", "es"): 0.2, ("pt", "fi"): 0.7, ("fi", "pt"): 0.7,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.csv: no table of distances; begin with a,b and the names of measures"),
        ("a\n", "my.csv: no table of distances"),
        ("a,b,d,d\n", "my.csv, line 1: two columns are called 'd'"),
        ("a,b,d\nes,pt,.1\nes,fi,far\n", "my.csv, line 3, column 'd': 'far' is not a distance"),
        ("a,b,d\nes,pt,-1\n", "my.csv, line 2, column 'd': '-1' is not a distance"),
        ("a,b,d\nes,pt,inf\n", "my.csv, line 2, column 'd': 'inf' is not a distance"),
        ("a,b,d\nes,pt,2e-200\n", "column 'd': '2e-200' is too large or too small to compute with"),
        ("a,b,d\nes,pt,1e308\n", "column 'd': '1e308' is too large or too small to compute with"),
        (",es,pt\nes,0,x\n", "my.csv, line 2, column 'distance': 'x' is not a distance"),
        ("a,b,d\nes,pt\n", "my.csv, line 2: 2 cells, where the first line has 3"),
        ("a,b,d\nes,,1\n", "my.csv, line 2: a pair needs two names"),
        ("a,b,d\nes,pt,1\nes,pt,2\n", "line 3: es and pt have two distances, 1 and 2; delete one"),
        ("a,b,d\nes,es,0\n", "my.csv: no distance of two different languages"),
        ('a,b,d\nes,"pt,1\n', "my.csv, line 2: no CSV: "),
    ],
)
def test_a_bad_cell_is_one_clear_error(text, message):
    with pytest.raises(MeasurementError) as refused:
        parse_distances(text, where="my.csv")
    assert message in str(refused.value)


def test_files_are_read_and_their_faults_named(tmp_path):
    (tmp_path / "genes.csv").write_text("\ufeff,es,pt\nes,0,.1\npt,.1,0\n", encoding="utf-8")
    assert read_distances(tmp_path / "genes.csv")["genes"]["es", "pt"] == 0.1
    (tmp_path / "list.csv").write_text("\ufeffa,b,d\nes,pt,.1\n", encoding="utf-8")
    assert read_distances(tmp_path / "list.csv")["d"]["es", "pt"] == 0.1
    (tmp_path / "odd.csv").write_bytes(b"a,b\xff")
    with pytest.raises(MeasurementError, match=r"odd\.csv: not UTF-8 at byte 3"):
        read_distances(tmp_path / "odd.csv")
    with pytest.raises(MeasurementError, match="no such file"):
        read_distances(tmp_path / "absent.csv")
