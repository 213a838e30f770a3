"""The things the small world can speak of, each under an English gloss.

The gloss is a name for the reader of this code and of `gloss`; no language of the family contains
it. The order within a group is the order of frequency where words are drawn by rank.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


# Grammar: separate words or endings, as the language's morphology has it.
MARKERS = _words("the past of to in from plural acc with not future")
CONNECTIVES = _words("and then but so because")
PRONOUNS = _words("he she it they I you")
COPULA = "be"

VERBS = _words(
    """go say have give live see come take find make buy sell ask want carry lose meet bring eat
    sleep return thank laugh search answer know steal run hide visit call drink sing fall shine blow
    rise weep promise forgive show open gather wake love"""
)
WHEN = _words("morning evening night day-after spring summer autumn winter feast-day long-ago")
NUMBERS = _words("two three four five six seven")
MOODS = _words("glad sad angry tired hungry afraid proud ashamed ill well cold")
TEMPERS = _words("kind clever quiet brave poor rich stern merry honest lazy wise shy")
LOOKS = _words(
    """old new small big red white black green long heavy fine broken warm golden round strong blue
    cheap soft bright"""
)
TRADES = _words(
    """fisher baker smith weaver potter farmer hunter carpenter miller shepherd healer cobbler
    tanner merchant ferryman brewer"""
)
KIN = _words("brother sister father mother friend")
SITES = _words("market house bridge well-spring inn mill harbour wood hill field path gate")
PLACE_KINDS = _words("village town valley island port hamlet")
NATURE = _words("rain wind sun snow storm river sea")

# What each trade makes or catches, uses, and what the product is good for.
PRODUCTS = {
    "fisher": ("fish", "net", "eat"), "baker": ("bread", "oven", "eat"),
    "smith": ("knife", "hammer", "use"), "weaver": ("coat", "loom", "use"),
    "potter": ("jar", "wheel", "use"), "farmer": ("apple", "plough", "eat"),
    "hunter": ("fur", "bow", "use"), "carpenter": ("chair", "saw", "use"),
    "miller": ("flour", "sack", "use"), "shepherd": ("cheese", "staff", "eat"),
    "healer": ("herb", "kettle", "use"), "cobbler": ("boot", "needle", "use"),
    "tanner": ("bag", "tub", "use"), "merchant": ("salt", "scale", "use"),
    "ferryman": ("rope", "boat", "use"), "brewer": ("beer", "barrel", "drink"),
}  # fmt: skip
TREASURES = _words(
    """ring lamp book flute hat key drum mirror comb basket blanket lantern bell cup chest necklace
    purse spoon map candle"""
)
ANIMALS = _words("dog goat horse cow cat hen goose sheep donkey pig")
OTHER_NOUNS = _words("coin song way people")

PERSONS = 64
PLACES = 20

COMMON_NOUNS = tuple(
    dict.fromkeys(
        (
            *OTHER_NOUNS, *SITES, *PLACE_KINDS, *KIN, *ANIMALS, *TREASURES, *NATURE, *TRADES,
            *(word for product in PRODUCTS.values() for word in product[:2]),
        )
    )
)  # fmt: skip
ADJECTIVES = tuple(dict.fromkeys((*LOOKS, *TEMPERS, *MOODS)))


def person(index: int) -> str:
    """The concept that is a person's name."""
    return f"person:{index}"


def place(index: int) -> str:
    """The concept that is a place's name."""
    return f"place:{index}"


NAMES = (*(person(i) for i in range(PERSONS)), *(place(i) for i in range(PLACES)))
WORDS = (
    *MARKERS, *CONNECTIVES, *PRONOUNS, COPULA, *VERBS, *WHEN, *NUMBERS, *ADJECTIVES,
    *COMMON_NOUNS, *NAMES,
)  # fmt: skip

_RANK = {name: rank for rank, name in enumerate(WORDS)}

CASES = ("nom", "acc", "of", "to", "in", "from", "with")
TENSES = ("past", "present", "future")


def stem_class(concept: str) -> int:
    """Which of the two inflection classes of a fusional language a word belongs to."""
    return _RANK[concept] % 2


NOUN_ENDINGS = tuple(
    f"end:{group}:{number}:{case}"
    for case in CASES
    for number in ("sg", "pl")
    for group in (0, 1)
    if (case, number) != ("nom", "sg")
)
VERB_ENDINGS = tuple(
    f"verb:{group}:{number}:{tense}"
    for tense in TENSES
    for number in ("sg", "pl")
    for group in (0, 1)
)
ENDINGS = (*NOUN_ENDINGS, *VERB_ENDINGS)
