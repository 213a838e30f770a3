"""What languages are called in English, for the codes of ISO 639-1."""

from __future__ import annotations

from bytetransfer.corpus.language_codes import named_language

_NAMES = """
aa Afar, ab Abkhaz, ae Avestan, af Afrikaans, ak Akan, am Amharic, an Aragonese, ar Arabic,
as Assamese, av Avar, ay Aymara, az Azerbaijani, ba Bashkir, be Belarusian, bg Bulgarian, bh Bihari,
bi Bislama, bm Bambara, bn Bengali, bo Tibetan, br Breton, bs Bosnian, ca Catalan, ce Chechen,
ch Chamorro, co Corsican, cr Cree, cs Czech, cu Church Slavonic, cv Chuvash, cy Welsh, da Danish,
de German, dv Dhivehi, dz Dzongkha, ee Ewe, el Greek, en English, eo Esperanto, es Spanish,
et Estonian, eu Basque, fa Persian, ff Fula, fi Finnish, fj Fijian, fo Faroese, fr French,
fy Frisian, ga Irish, gd Scottish Gaelic, gl Galician, gn Guarani, gu Gujarati, gv Manx, ha Hausa,
he Hebrew, hi Hindi, ho Hiri Motu, hr Croatian, ht Haitian Creole, hu Hungarian, hy Armenian,
hz Herero, ia Interlingua, id Indonesian, ie Interlingue, ig Igbo, ii Yi, ik Inupiaq, io Ido,
is Icelandic, it Italian, iu Inuktitut, ja Japanese, jv Javanese, ka Georgian, kg Kongo, ki Kikuyu,
kj Kwanyama, kk Kazakh, kl Greenlandic, km Khmer, kn Kannada, ko Korean, kr Kanuri, ks Kashmiri,
ku Kurdish, kv Komi, kw Cornish, ky Kyrgyz, la Latin, lb Luxembourgish, lg Ganda, li Limburgish,
ln Lingala, lo Lao, lt Lithuanian, lu Luba-Katanga, lv Latvian, mg Malagasy, mh Marshallese,
mi Māori, mk Macedonian, ml Malayalam, mn Mongolian, mr Marathi, ms Malay, mt Maltese, my Burmese,
na Nauruan, nd Northern Ndebele, ne Nepali, ng Ndonga, nl Dutch, nn Nynorsk, no Norwegian,
nr Southern Ndebele, nv Navajo, ny Chichewa, oc Occitan, oj Ojibwe, om Oromo, or Odia, os Ossetian,
pa Punjabi, pi Pali, pl Polish, ps Pashto, pt Portuguese, qu Quechua, rm Romansh, rn Kirundi,
ro Romanian, ru Russian, rw Kinyarwanda, sa Sanskrit, sc Sardinian, sd Sindhi, se Northern Sami,
sg Sango, sh Serbo-Croatian, si Sinhala, sk Slovak, sl Slovene, sm Samoan, sn Shona, so Somali,
sq Albanian, sr Serbian, ss Swati, st Sotho, su Sundanese, sv Swedish, sw Swahili, ta Tamil,
te Telugu, tg Tajik, th Thai, ti Tigrinya, tk Turkmen, tl Tagalog, tn Tswana, to Tongan, tr Turkish,
ts Tsonga, tt Tatar, tw Twi, ty Tahitian, ug Uyghur, uk Ukrainian, ur Urdu, uz Uzbek, ve Venda,
vi Vietnamese, vo Volapük, wa Walloon, wo Wolof, xh Xhosa, yi Yiddish, yo Yoruba, za Zhuang,
zh Chinese, zu Zulu
"""

_NAME_OF = dict(entry.strip().split(" ", 1) for entry in _NAMES.split(","))
_CODE_OF = {name.casefold(): code for code, name in _NAME_OF.items()}


def language_name(name: str) -> str | None:
    """What the language is called that a corpus is named by; None where its name is no plain code.

    >>> language_name("fi"), language_name("por"), language_name("zh-Hant"), language_name("web")
    ('Finnish', 'Portuguese', None, None)
    """
    code = named_language(name) if name.isalpha() else None
    return None if code is None else _NAME_OF[code]


def code_of_name(name: str) -> str | None:
    """The code of a language that is called by its English name, None if none is called so.

    >>> code_of_name("hebrew"), code_of_name("he")
    ('he', None)
    """
    return _CODE_OF.get(name.strip().casefold())
