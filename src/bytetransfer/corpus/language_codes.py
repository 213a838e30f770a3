"""ISO 639 codes: one code for one language, however a corpus or a detector writes it."""

from __future__ import annotations

import re

# Two letters (ISO 639-1), then the three of ISO 639-3; where bibliographers (ISO 639-2/B) write
# others, these after them. `sh`, withdrawn, is still written.
_THREE_LETTERS = """
aa:aar ab:abk ae:ave af:afr ak:aka am:amh an:arg ar:ara as:asm av:ava ay:aym az:aze ba:bak be:bel
bg:bul bh:bih bi:bis bm:bam bn:ben bo:bod/tib br:bre bs:bos ca:cat ce:che ch:cha co:cos cr:cre
cs:ces/cze cu:chu cv:chv cy:cym/wel da:dan de:deu/ger dv:div dz:dzo ee:ewe el:ell/gre en:eng
eo:epo es:spa et:est eu:eus/baq fa:fas/per ff:ful fi:fin fj:fij fo:fao fr:fra/fre fy:fry ga:gle
gd:gla gl:glg gn:grn gu:guj gv:glv ha:hau he:heb hi:hin ho:hmo hr:hrv ht:hat hu:hun hy:hye/arm
hz:her ia:ina id:ind ie:ile ig:ibo ii:iii ik:ipk io:ido is:isl/ice it:ita iu:iku ja:jpn jv:jav
ka:kat/geo kg:kon ki:kik kj:kua kk:kaz kl:kal km:khm kn:kan ko:kor kr:kau ks:kas ku:kur kv:kom
kw:cor ky:kir la:lat lb:ltz lg:lug li:lim ln:lin lo:lao lt:lit lu:lub lv:lav mg:mlg mh:mah
mi:mri/mao mk:mkd/mac ml:mal mn:mon mr:mar ms:msa/may mt:mlt my:mya/bur na:nau nb:nob nd:nde
ne:nep ng:ndo nl:nld/dut nn:nno no:nor nr:nbl nv:nav ny:nya oc:oci oj:oji om:orm or:ori os:oss
pa:pan pi:pli pl:pol ps:pus pt:por qu:que rm:roh rn:run ro:ron/rum ru:rus rw:kin sa:san sc:srd
sd:snd se:sme sg:sag sh:hbs si:sin sk:slk/slo sl:slv sm:smo sn:sna so:som sq:sqi/alb sr:srp
ss:ssw st:sot su:sun sv:swe sw:swa ta:tam te:tel tg:tgk th:tha ti:tir tk:tuk tl:tgl tn:tsn to:ton
tr:tur ts:tso tt:tat tw:twi ty:tah ug:uig uk:ukr ur:urd uz:uzb ve:ven vi:vie vo:vol wa:wln wo:wol
xh:xho yi:yid yo:yor za:zha zh:zho/chi zu:zul
"""

# Codes that were replaced, and that corpora (mC4), locales and detectors still write.
_REPLACED = """
he:iw id:in yi:ji jv:jw ro:mo,mol hr:scr sr:scc
"""

# Individual languages that corpora and detectors mostly write by the code of their macrolanguage
# (ISO 639-3), which are then counted as that one. Members that are told apart everywhere are not
# in the list: Indonesian and Malay, Croatian, Bosnian and Serbian, Nynorsk and Bokmål.
_VARIETIES = """
ar:acm,acq,aeb,afb,ajp,apc,apd,arb,ars,ary,arz az:azb,azj,azn et:ekk fa:pes,prs ff:fuc,fuf,fuv
gn:gug ku:ckb,kmr,sdh lv:lvs mg:plt mn:khk ms:zsm ne:npi no:nb om:gaz or:ory ps:pbt qu:quy,quz
sq:als,aln sw:swh uz:uzn,uzs yi:ydd zh:cdo,cjy,cmn,gan,hak,hsn,lzh,nan,wuu,yue
"""


def _pairs(table: str, separator: str) -> dict[str, str]:
    entries = (entry.split(":") for entry in table.split())
    return {one: code for code, ones in entries for one in ones.split(separator)}


_TWO_OF_THREE = _pairs(_THREE_LETTERS, "/") | _pairs(_REPLACED, ",")
_THREE_OF_TWO = {entry[:2]: entry[3:6] for entry in _THREE_LETTERS.split()}
_MACROLANGUAGES = _pairs(_VARIETIES, ",")
_CODES = frozenset(_TWO_OF_THREE.values())
_TAG = re.compile(r"([A-Za-z]{2,3})(?:[-_][A-Za-z0-9]+)*")


def language_code(tag: str) -> str | None:
    """The ISO 639 code that a tag stands for, of two letters where there is one.

    Script, region and variant are left out; a code that was replaced is the one that replaced it;
    varieties that corpora mostly write by the code of their macrolanguage get that code. Whether
    such a language exists is not checked.

    Args:
        tag: an ISO 639 code or a tag that begins with one (BCP 47), in any case.

    Returns:
        The code, or None where the tag is none.

    >>> language_code("zh-Hant"), language_code("por"), language_code("nob"), language_code("arz")
    ('zh', 'pt', 'no', 'ar')
    >>> language_code("iw"), language_code("audio")
    ('he', None)
    """
    match = _TAG.fullmatch(tag.strip())
    if match is None:
        return None
    primary = match[1].lower()
    primary = _TWO_OF_THREE.get(primary, primary)
    return _MACROLANGUAGES.get(primary, primary)


def three_letter_code(tag: str) -> str | None:
    """The ISO 639-3 code that a tag stands for, of the very language or variety it names.

    Args:
        tag: an ISO 639 code or a tag that begins with one (BCP 47), in any case.

    Returns:
        Three letters, two where ISO 639-1 has no such code; None where the tag is none.

    >>> three_letter_code("de"), three_letter_code("ger"), three_letter_code("zh-Hant")
    ('deu', 'deu', 'zho')
    >>> three_letter_code("yue"), three_letter_code("audio") is None
    ('yue', True)
    """
    match = _TAG.fullmatch(tag.strip())
    if match is None:
        return None
    primary = match[1].lower()
    return _THREE_OF_TWO.get(_TWO_OF_THREE.get(primary, primary), primary)


def named_language(name: str) -> str | None:
    """The language that the name of a corpus says, where nothing else states one.

    Only codes that ISO 639-1 has, in two letters or three: a name of three letters is a word more
    often than a code.

    >>> named_language("pt"), named_language("por"), named_language("fun"), named_language("web")
    ('pt', 'pt', None, None)
    """
    code = language_code(name)
    return code if code in _CODES else None


def is_language(tag: str) -> bool:
    """Whether a tag may be stated as a language: of two letters, only codes that there are.

    Codes of three letters are thousands, and are taken as they stand.

    >>> [is_language(tag) for tag in ("fi", "zh-Hant", "tpi", "iw", "xx", "Finnish", "")]
    [True, True, True, True, False, False, False]
    """
    code = language_code(tag)
    return code is not None and (len(code) == 3 or code in _CODES)
