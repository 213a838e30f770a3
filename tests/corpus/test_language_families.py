"""The table of families against the codes it is made for and against a database of families."""

from __future__ import annotations

import itertools
from importlib import resources

import numpy as np
import pytest

from bytetransfer.corpus.language_codes import _CODES, language_code, three_letter_code
from bytetransfer.corpus.language_families import _KIN, kin

# What the database has not filled in, or counts to the language that gave a creole its words.
UNKNOWN = {"eu", "bh", "ie", "io", "nn", "qu", "tw", "vo"}
APART = {"Creole or pidgin", "Made"}
# What the database calls otherwise.
FAMILIES = {"Athabaskan": "Athapaskan", "Aymaran": "Aymara"}
BRANCHES = {"Romance": "Italic", "Baltic": "Eastern Baltic", "Albanian": "Indo-European"}


def test_every_code_of_iso_639_1_has_a_family():
    assert {language_code(code) for code in _CODES} == set(_KIN)


@pytest.fixture(scope="module")
def database():
    pytest.importorskip("urielplus")
    shipped = resources.files("urielplus") / "database/original_uriel/family_features.npz"
    with resources.as_file(shipped) as path, np.load(path) as read:
        names, languages = read["feats"], [str(code) for code in read["langs"]]
        known = read["data"].max(axis=2) > 0
    places = {code: place for place, code in enumerate(languages)}

    def groups(code: str) -> set[str]:
        return {str(name).removeprefix("F_") for name in names[known[places[code]]]}

    return groups


def test_families_are_those_of_the_database(database):
    compared = 0
    for code, found in _KIN.items():
        if code in UNKNOWN or found.family in APART:
            continue
        groups = database(three_letter_code(code))
        assert FAMILIES.get(found.family, found.family) in groups, (code, groups)
        if found.branch:
            assert BRANCHES.get(found.branch, found.branch) in groups, (code, groups)
        compared += 1
    assert compared > 150


def test_neighbours_are_kin():
    groups = [one.group for one in sorted(_KIN.values())]
    changes = sum(a != b for a, b in itertools.pairwise(groups))
    assert changes == len(set(groups)) - 1
    assert kin("hr").place < kin("bg").place
