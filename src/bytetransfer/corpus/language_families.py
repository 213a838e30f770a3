"""Which languages are kin: families and their branches, for the codes of ISO 639-1.

The grouping is that of Glottolog and of the database URIEL, which a test holds this table against.
It serves to put related languages side by side and for nothing that is computed.
"""

from __future__ import annotations

from typing import NamedTuple

from bytetransfer.corpus.language_codes import language_code

# A line a family or a branch of one; codes stand beside their nearest kin. Creoles stand apart:
# whether they are kin of the language that gave them most words is disputed.
_FAMILIES = """
Indo-European, Germanic: en fy nl af li lb de yi da no sv fo is nn
Indo-European, Romance: pt gl es an ca oc fr wa rm it co sc la ro
Indo-European, Slavic: be ru uk pl cs sk sl hr bs sh sr mk bg cu
Indo-European, Baltic: lt lv
Indo-European, Celtic: br kw cy ga gd gv
Indo-European, Greek: el
Indo-European, Albanian: sq
Indo-European, Armenian: hy
Indo-European, Iranian: ae os ps ku fa tg
Indo-European, Indo-Aryan: sa pi ks sd pa ne hi ur bh gu mr or bn as si dv
Uralic: fi et se kv hu
Basque: eu
Kartvelian: ka
Abkhaz-Adyge: ab
Nakh-Daghestanian: av ce
Turkic: cv az tr tk ug uz ba tt kk ky
Mongolic: mn
Koreanic: ko
Japonic: ja
Sino-Tibetan: zh bo dz ii my
Tai-Kadai: za lo th
Austroasiatic: km vi
Austronesian: ms id su jv mg tl ch fj mh na mi sm to ty
Dravidian: te kn ml ta
Afro-Asiatic: ar mt he am ti aa om so ha
Atlantic-Congo: ff wo ak tw ee yo ig sg kg ln lu ki lg rn rw sw ny hz kj ng sn ve ts st tn nd nr ss xh zu
Mande: bm
Saharan: kr
Eskimo-Aleut: ik iu kl
Algic: cr oj
Athabaskan: nv
Tupian: gn
Quechuan: qu
Aymaran: ay
Creole or pidgin: bi ho ht
Made: eo ia ie io vo
"""  # noqa: E501


class Kin(NamedTuple):
    """Where a language belongs.

    Attributes:
        place: its place in an order in which kin are neighbours.
        family: the name of the family.
        branch: of the family, where the table divides it; empty otherwise.
    """

    place: int
    family: str
    branch: str

    @property
    def group(self) -> str:
        """The branch where there is one, or else the family."""
        return self.branch or self.family


def _table() -> dict[str, Kin]:
    found: dict[str, Kin] = {}
    for line in _FAMILIES.strip().splitlines():
        name, _, codes = line.partition(": ")
        family, _, branch = name.partition(", ")
        for code in codes.split():
            found[code] = Kin(len(found), family, branch)
    return found


_KIN = _table()


def kin(tag: str) -> Kin | None:
    """Family and branch of a language; None for codes that are not in the table.

    Args:
        tag: an ISO 639 code or a tag that begins with one (BCP 47), in any case.

    >>> kin("por").group, kin("fi").group, kin("zh-Hant").family, kin("audio")
    ('Romance', 'Uralic', 'Sino-Tibetan', None)
    """
    return _KIN.get(language_code(tag) or "")
