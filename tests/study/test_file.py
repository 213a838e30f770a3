import re
import string

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.corpus.family import FamilySettings
from bytetransfer.corpus.sources import BinarySource, FileSource, HubSource
from bytetransfer.corpus.synthetic import GENERATORS
from bytetransfer.errors import StudyError
from bytetransfer.learners.catalog import LEARNER_NAMES
from bytetransfer.study.file import parse_study, read_study
from bytetransfer.study.study import AdaptiveOptions, Study

MINIMAL = {
    "name": '"x"',
    "sources": '["en"]',
    "targets": '["fi"]',
    "pretrain_bytes": '"50kB"',
    "finetune_bytes": '["1kB", "3kB"]',
    "scratch_bytes": '["1kB", "60kB"]',
}
CORPORA = '[corpora.en]\nfiles = "en.txt"\n[corpora.fi]\nfiles = "fi.txt"\n'


def text(tables: str = "", corpora: str = CORPORA, **values: str | None) -> str:
    """A study file with some values replaced (TOML as written) or, with None, left out."""
    lines = [f"{key} = {value}\n" for key, value in (MINIMAL | values).items() if value]
    return "".join(lines) + corpora + tables


def refused(study: str, *parts: str) -> str:
    with pytest.raises(StudyError) as caught:
        parse_study(study, where="s.toml")
    message = str(caught.value)
    assert message.startswith("s.toml")
    for part in parts:
        assert part in message
    assert caught.value.todo, f"nothing to do in {message!r}"
    return message


def test_a_minimal_study_has_the_defaults():
    study = parse_study(text(), where="s.toml")
    assert study == Study(
        name="x",
        sources=("en",),
        targets=("fi",),
        pretrain_bytes=50_000,
        finetune_bytes=(1_000, 3_000),
        scratch_bytes=(1_000, 60_000),
        corpora=study.corpora,
    )
    assert study.corpora["en"].text == FileSource(files=("en.txt",))
    assert study.learners == ("ngram", "transformer/nano")
    assert study.seeds == 3


def test_every_kind_of_corpus_and_table_is_read():
    study = parse_study(
        text(
            """
            [corpora.hub]
            dataset = "HuggingFaceFW/fineweb-2"
            config = "fin_Latn"
            revision = "abc"
            language = "fi"
            [corpora.sound]
            binary = "audio/*.wav"
            chunk_bytes = "4kB"
            [corpora.hill]
            generator = "family"
            word_order = "SOV"
            [groups.bible]
            corpora = ["es", "no"]
            files = "bible/{corpus}.txt.gz"
            aligned = true
            format = "text"
            most_document_bytes = "1MB"
            languages = { no = "nb" }
            [splits]
            test_bytes = "100kB"
            [transformer]
            scratch_learning_rates = [1e-3]
            finetune_learning_rates = [3e-3]
            most_bytes = "1MB"
            [numerics]
            device = "cpu"
            [estimate]
            level = 0.9
            """,
            sources='["en", "cipher(en)", "hub", "sound", "hill", "nonsense", "no"]',
            targets='["fi", "es"]',
            learners='["ngram", "transformer/micro"]',
        ),
        where="s.toml",
    )
    assert study.corpora["hub"].text == HubSource(
        dataset="HuggingFaceFW/fineweb-2", config="fin_Latn", revision="abc"
    )
    assert study.corpora["hub"].language == "fi"
    assert study.corpora["sound"].text == BinarySource(files=("audio/*.wav",), chunk_bytes=4000)
    assert study.corpora["hill"].generator == FamilySettings(word_order="SOV")
    assert study.groups["bible"].corpora == ("es", "no")
    assert study.groups["bible"].most_document_bytes == 1_000_000
    assert study.group_of("no") == "bible"
    assert study.splits.test_bytes == 100_000
    assert study.transformer.most_bytes == 1_000_000
    assert (study.numerics.device, study.estimate.level) == ("cpu", 0.9)


def test_one_corpus_has_one_name_however_it_is_written():
    study = parse_study(text(sources="""["cipher( en ,script='Cyrl')", " en"]"""), where="s.toml")
    assert study.sources == ('cipher(en, script="Cyrl")', "en")
    refused(text(sources='["en", "en "]'), "sources", "'en' stands there twice", "remove")
    refused(text(sources='["fi "]', scratch_bytes='["1kB", "9kB"]'), "its own source")


# ── one clear message for whatever is wrong ──────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("tables", "place", "meant"),
    [
        ("[splits]\ntest_share_ = 0.1", "splits.test_share_", "'test_share'"),
        ("[transformer]\npatients = 3", "transformer.patients", "'patience'"),
        ("[numerics]\nthread = 3", "numerics.thread", "'threads'"),
        ("[estimate]\nlevels = 0.9", "estimate.levels", "'level'"),
        ("[corpora.x]\nfiles = 'a'\nformt = 'text'", "corpora.x.formt", "'format'"),
        ("[corpora.x]\ndataset = 'a'\nrevison = 'b'", "corpora.x.revison", "'revision'"),
        ("[corpora.x]\nbinary = 'a'\nchunk_byte = 3", "corpora.x.chunk_byte", "'chunk_bytes'"),
        ("[corpora.x]\ngenerator = 'nonsense'\nword = 3", "corpora.x.word", "'words'"),
        ("[groups.g]\ncorpora = ['a']\nfiles = '{corpus}'\nalined = true", "groups.g.alined",
         "'aligned'"),
    ],
)  # fmt: skip
def test_an_unknown_key_is_answered_with_the_one_meant(tables, place, meant):
    message = refused(text(tables), f"s.toml, {place}: unknown key", f"did you mean {meant}?")
    assert "known here: " in message


def test_unknown_keys_at_the_top_and_those_like_no_other():
    refused(text(learner='["ngram"]'), "s.toml, learner: unknown key", "'learners'?")
    assert "did you mean" not in refused(text(zzz="1"), "s.toml, zzz: unknown key")
    refused(text("[corpora.x]\nfiles = 'a'\nfrom = 'hub'"), "corpora.x.from: unknown key")


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("name", "5", ["name: expected a string", 'write name = "']),
        ("sources", '"en"', ["sources: expected a list", 'write sources = ["en"']),
        ("sources", '["en", 5]', ["sources[1]: expected a string", "write sources"]),
        ("learners", '[["ngram"]]', ["learners[0]: expected a string", "write learners"]),
        ("seeds", '"3"', ["seeds: expected a whole number", "write seeds = 3"]),
        ("seeds", "true", ["seeds: expected a whole number"]),
        ("seeds", "1.5", ["seeds: expected a whole number"]),
        ("seeds", "0", ["seeds: must be at least 1"]),
        ("seeds", "nan", ["seeds: nan is no value"]),
        ("convergence_checks", "1", ["convergence_checks: expected true or false"]),
        ("regime", '"papr"', ["regime: invalid value 'papr'", "'converged', 'paper'"]),
        ("pretrain_bytes", "1e6", ["pretrain_bytes: 1000000.0 is no size", '"2.5MB"']),
        ("pretrain_bytes", '"0 B"', ["pretrain_bytes: must be above 0"]),
        ("pretrain_bytes", '["1kB"]', ["pretrain_bytes", "is no size"]),
        ("finetune_bytes", '"1kB"', ["finetune_bytes: must be a list of sizes", '["10kB"']),
        ("finetune_bytes", '["1kB", "x"]', ["finetune_bytes: 'x' is no size"]),
        ("finetune_bytes", "[2024-01-01]", ["finetune_bytes", "is no size"]),
        ("finetune_bytes", "[]", ["finetune_bytes: sizes must ascend"]),
        ("finetune_bytes", '["3kB", "1kB"]', ["finetune_bytes: sizes must ascend",
                                              "[1000, 3000]"]),
        ("scratch_bytes", '["1kB", "1000"]', ["scratch_bytes: sizes must ascend and not repeat"]),
        ("scratch_bytes", '["1kB"]', ["scratch_bytes: a curve needs at least two sizes"]),
        ("scratch_bytes", '[0, "1kB"]', ["scratch_bytes", "above 0"]),
        ("name", '"a/b"', ["name: 'a/b' cannot name a folder"]),
        ("name", '".."', ["name: '..' cannot name a folder"]),
        ("name", '""', ["name"]),
        ("sources", "[]", ["sources: the list is empty"]),
        ("targets", '["fi", "fi"]', ["targets: 'fi' stands there twice"]),
        ("targets", '["scratch"]', ["targets: 'scratch' is the name of training from scratch"]),
        ("sources", '["scratch"]', ["sources: 'scratch' is the name of training from scratch"]),
        ("learners", '["ngrams"]', ["learners: no learner 'ngrams'", *LEARNER_NAMES]),
        ("sources", '["ru"]', ["no corpus 'ru'", "declare [corpora.ru]", "en, fi"]),
        ("targets", '["reverse(ru)"]', ["no corpus 'ru' (in 'reverse(ru)')"]),
        ("sources", '["cypher(en)"]', ["sources, cypher(en)", "did you mean cipher?"]),
        ("targets", '["cipher(en, scrip=\'Grek\')"]', ["targets, cipher(", "did you mean script?"]),
        ("sources", '["cipher(en"]', ["sources, cipher(en", "parenthesis"]),
        ("sources", '[""]', ["sources"]),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named_with_what_to_write(key, value, parts):
    refused(text(**{key: value}), "s.toml, ", *parts)


@pytest.mark.parametrize("key", sorted(MINIMAL))
def test_a_missing_key_is_named_with_an_example(key):
    refused(text(**{key: None}), f"s.toml, {key}: is missing", f"write {key} = ")


@pytest.mark.parametrize(
    ("tables", "parts"),
    [
        ("[corpora.x]", ["corpora.x: no source of text", "files, dataset, binary, generator"]),
        ("[corpora.x]\nlanguage = 'x'", ["corpora.x: no source of text"]),
        ("[corpora.x]\nfiles = 'a'\ndataset = 'b'", ["corpora.x: files and dataset exclude"]),
        ("[corpora.x]\nfiles = 'a'\ngenerator = 'nonsense'", ["exclude each other"]),
        ("[corpora.x]\nfiles = []", ["corpora.x.files: the list is empty"]),
        ("[corpora.x]\nbinary = []", ["corpora.x.binary: the list is empty"]),
        ("[corpora.x]\nfiles = ['a', 5]", ["corpora.x.files[1]: expected a string"]),
        ("[corpora.x]\nfiles = 'a'\nlanguage = 5", ["corpora.x.language: must be a string"]),
        ("[corpora.x]\nfiles = 'a'\nlanguage = 'Hebrew'",
         ["corpora.x.language: 'Hebrew' is no code of a language", "write 'he'", "leave it out"]),
        ("[corpora.x]\nfiles = 'a'\nlanguage = 'web text'", ["language", "for example 'fi'"]),
        ("[corpora.x]\nfiles = 'a'\nlanguage = 'xx'", ["corpora.x.language: 'xx' is no code"]),
        ("[corpora.x]\nfiles = 'a'\nlanguage = ''", ["corpora.x.language: '' is no code"]),
        ("[corpora.x]\ngenerator = 'family'\nlanguage = 'elvish'", ["corpora.x.language: 'elv"]),
        ("[groups.g]\ncorpora = ['a']\nfiles = '{corpus}'\nlanguages = { a = 'Norwegian' }",
         ["groups.g.languages.a: 'Norwegian' is no code", "write 'no'"]),
        ("[corpora.x]\nfiles = 'a'\nerrors = 'ignore'", ["corpora.x.errors", "'strict', 'keep'"]),
        ("[corpora.x]\ndataset = 'a'\ndata_files = 'b'", ["corpora.x.data_files", "a list"]),
        ("[corpora.x]\nbinary = 'a'\nchunk_bytes = 0", ["corpora.x.chunk_bytes: 0 is no number"]),
        ("[corpora.x]\nbinary = 'a'\nchunk_bytes = 'k'", ["corpora.x.chunk_bytes: 'k' is no size"]),
        ("[corpora.x]\nbinary = 'a'\nchunk_bytes = '1000TB'", ["corpora.x.chunk_bytes", "1 GB"]),
        (f"[corpora.x]\nbinary = 'a'\nchunk_bytes = {10**30}", ["chunk_bytes: beyond 2**63"]),
        ("[corpora.x]\ngenerator = 'nonsense'\nparagraphs = 100000",
         ["corpora.x.paragraphs: a document may come to 78 MB", "lower paragraphs"]),
        ("[corpora.x]\ngenerator = 'hierarchical'\nsentences = 1000000000", ["a document may"]),
        ("[corpora.x]\ngenerator = 'nonsense'\nvocabulary = 1000000000000", ["x.vocabulary"]),
        ("[corpora.x]\ngenerator = 'random_bytes'\ndocument_bytes = 1000000001", ["document_b"]),
        ("[corpora.x]\ngenerator = 'nonsens'", ["corpora.x.generator", "'nonsense'?", *GENERATORS]),
        ("[corpora.x]\ngenerator = ['nonsense']", ["corpora.x.generator: no generator"]),
        ("[corpora.x]\ngenerator = 'nonsense'\nwords = 'a'", ["corpora.x.words", "whole number"]),
        ("[corpora.x]\ngenerator = 'family'\nword_order = 'SV'", ["corpora.x.word_order", "'SOV'"]),
        ("[corpora.x]\ngenerator = 'family'\nlexicon_shared = nan", ["corpora.x.lexicon_shared"]),
        ("[corpora]\nx = 5", ["corpora.x: must be a table"]),
        ("[corpora.en]\nfiles = 'b'", ["no valid TOML", "('corpora', 'en') twice", "line 11"]),
        ("[groups.g]\ncorpora = ['a']\nfiles = 'a.txt'", ["groups.g.files: files must hold {corp"]),
        ("[groups.g]\ncorpora = ['en']\nfiles = '{corpus}'", ["groups.g: 'en' is declared in [c"]),
        ("[groups.g]\ncorpora = ['a', 'a']\nfiles = '{corpus}'", ["declared in groups.g as well"]),
        ("[groups.g]\ncorpora = ['a']\nfiles = '{corpus}'\nformat = 'json'",
         ["groups.g.format", "choose from 'auto', 'text', 'jsonl'"]),
        ("[groups.g]\ncorpora = ['a']\nfiles = '{corpus}'\nmost_document_bytes = '1GX'",
         ["groups.g.most_document_bytes"]),
        ("[groups.g]\ncorpora = ['a']\nfiles = '{corpus}'\nmost_document_bytes = 0",
         ["groups.g.most_document_bytes: 0 is no number"]),
        ("[corpora.x]\nfiles = 'a'\nmost_document_bytes = 0",
         ["corpora.x.most_document_bytes: 0 is no number"]),
        ("[groups.g]\ncorpora = []\nfiles = '{corpus}'", ["groups.g.corpora: the list is empty"]),
        ("[groups.g]\nfiles = '{corpus}'", ["groups.g.corpora: is missing", "write corpora = "]),
        ("[groups.g]\ncorpora = ['a']\nfiles = '{corpus}'\nlanguages = { b = 'b' }",
         ["groups.g.languages: 'b' is no member"]),
        ("[groups]\ng = 5", ["groups.g: must be a table"]),
        ("[splits]\nvalidation_share = 0.9", ["splits.validation_share: 0.9 is no share"]),
        ("[splits]\ntest_bytes = 0", ["splits.test_bytes: 0 is no size"]),
        ("[splits]\ntest_bytes = -5", ["splits.test_bytes"]),
        ("[splits]\ntest_share = '5%'", ["splits.test_share: expected a number, got a string"]),
        ("[transformer]\nscratch_learning_rates = 1e-3", ["transformer.scratch_l", "a list"]),
        ("[transformer]\nscratch_learning_rates = []\nfinetune_learning_rates = []",
         ["transformer.scratch_learning_rates: the list is empty"]),
        ("[transformer]\nscratch_learning_rates = [1e-3, 1e-3]",
         ["transformer.scratch_learning_rates: holds the same value twice"]),
        ("[transformer]\nscratch_learning_rates = [-1e-3, 1e-3]", ["is not above 0"]),
        ("[transformer]\nfinetune_learning_rates = [inf, 1e-3]", ["inf is no value"]),
        ("[transformer]\nscratch_learning_rates = [1e-3]\nfinetune_learning_rates = [1e-3, 2e-3]",
         ["s.toml, transformer: both arms must be searched alike", "1 learning rates from scr"]),
        ("[transformer]\nscratch_learning_rates = [1e-3]",
         ["both arms must be searched alike", "2 in fine-tuning"]),
        ("[transformer]\nbatch = -3", ["transformer.batch: -3 is not above 0"]),
        ("[transformer]\npatience = 0", ["transformer.patience: 0 is not above 0"]),
        ("[numerics]\nthreads = 99999", ["numerics.threads: 99999 is too many", "at most 1024"]),
        (f"[numerics]\nthreads = {10**20}", ["numerics.threads: beyond 2**63"]),
        ("[transformer]\nbatch = 10000000", ["transformer.batch: 10000000 is too many"]),
        ("[numerics]\nthreads = 0", ["numerics.threads: 0 is not above 0"]),
        ("[numerics]\ndevice = 'gpu'", ["numerics.device", "'auto', 'cpu', 'cuda'"]),
        ("[estimate]\nlevel = 0.3", ["estimate.level: 0.3 is no level", "0.95"]),
        ("[estimate]\nlevel = 95", ["estimate.level: 95"]),
        ("[estimate]\nresamples = 0", ["estimate.resamples: 0 is not above 0"]),
        ("[estimate]\nreplicates = 99", ["estimate.replicates: is called resamples now"]),
        ("[estimate]\nseed = -1", ["estimate.seed: -1 is below 0"]),
    ],
)  # fmt: skip
def test_a_wrong_table_is_named_with_what_to_write(tables, parts):
    refused(text(tables), *parts)


@pytest.mark.parametrize(
    ("key", "value", "parts"),
    [
        ("seeds", "[" * 1000 + "]" * 1000, ["lists or tables nested too deep"]),
        ("seeds", "[" * 20 + "]" * 20, ["seeds: nested too deep"]),
        ("seeds", "9" * 5000, ["a number with more digits", "write a smaller number"]),
        ("seeds", "9" * 30, ["seeds: beyond 2**63"]),
        ("pretrain_bytes", f"'{'9' * 5000}MB'", ["pretrain_bytes: '999", "is no size"]),
        ("pretrain_bytes", "'6GB'", ["pretrain_bytes: 6 GB are too many", "at most 4 GB"]),
        ("scratch_bytes", "['1kB', '1TB']", ["scratch_bytes: 1 TB are too many", "leave ngram"]),
        ("sources", f"['{'reverse(' * 1000}en{')' * 1000}']", ["nests more than 20 transforms"]),
    ],
)  # fmt: skip
def test_what_no_study_means_is_refused_in_one_short_message(key, value, parts):
    with pytest.raises(StudyError) as caught:
        parse_study(text(**{key: value}), where="s.toml")
    assert all(part in str(caught.value) for part in parts)
    assert len(str(caught.value)) < 500


def test_dots_nest_as_brackets_do():
    deep = f"[transformer]\n{'a.' * 3000}a = 1"
    with pytest.raises(StudyError, match="nested too deep") as caught:
        parse_study(text(deep), where="s.toml")
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("key", ["corpora", "groups", "splits", "transformer", "numerics"])
def test_what_is_no_table_is_refused(key):
    refused(f"{key} = 5\n" + text(corpora=""), f"s.toml, {key}: must be a table", f"write [{key}")


@pytest.mark.parametrize("broken", ["name = ", "name = 'x", "= 5", "[corpora", "name = x"])
def test_a_syntax_error_is_answered_with_its_place(broken):
    refused(broken, "no valid TOML")


@pytest.mark.parametrize(
    "key",
    ["pretrain_learning_rate = 1e-3", "patience = 5", "most_bytes = 5", "most_pretrain_bytes = 5",
     "scratch_learning_rates = [1e-3]\nfinetune_learning_rates = [1e-3]"],
)  # fmt: skip
def test_the_paper_is_a_fixed_recipe(key):
    refused(text(f"[transformer]\n{key}", regime='"paper"'), "'paper' is a fixed recipe",
            f"transformer.{key.split(' ')[0].replace('scratch', 'finetune')}")  # fmt: skip
    assert parse_study(text("[transformer]\nbatch = 8", regime='"paper"'), where="s").regime


def test_a_target_that_is_its_own_source_needs_room_for_both():
    own = {"targets": '["en"]', "scratch_bytes": '["1kB", "52kB"]'}
    refused(text(**own), "scratch_bytes: 'en' is its own source", "53000")
    own["scratch_bytes"] = '["1kB", "53kB"]'
    assert parse_study(text(**own), where="s.toml").needed_bytes() == {"en": 53_000}


def test_norwegian_is_a_language():
    corpora = CORPORA + '[corpora.no]\nfiles = "no.txt"\n'
    assert parse_study(text(targets='["no"]', corpora=corpora), where="s").targets == ("no",)


# ── files ────────────────────────────────────────────────────────────────────────────────────


def test_a_study_is_read_from_a_file_with_or_without_a_mark(tmp_path):
    for start in (b"", b"\xef\xbb\xbf"):
        (tmp_path / "s.toml").write_bytes(start + text().encode())
        assert read_study(tmp_path / "s.toml").name == "x"


def test_what_is_no_study_file_is_refused_by_its_name(tmp_path):
    with pytest.raises(StudyError, match=r"none\.toml: no such study file; check its name"):
        read_study(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes('name = "ñ"'.encode("latin-1"))
    with pytest.raises(StudyError, match=r"latin\.toml: not UTF-8 at byte 8; save it as UTF-8"):
        read_study(tmp_path / "latin.toml")
    with pytest.raises(StudyError, match=re.escape(str(tmp_path))):
        read_study(tmp_path)


# ── whatever is written, only a StudyError comes out ─────────────────────────────────────────

SCALARS = """5|-1|0|1.5|nan|inf|true|""|"en"|"1kB"|2024-01-01|[]|{}|[1]|["en"]|[["en"]]|[{}]|
{ a = 1 }|99999999999999999999|"cipher(en"|-0.0""".replace("\n", "").split("|")
KEYS = [
    *msgspec.structs.fields(Study),
    *(f for table in ("splits", "transformer", "numerics", "estimate")
      for f in msgspec.structs.fields(type(getattr(parse_study(text(), where=""), table)))),
]  # fmt: skip


@given(
    table=st.sampled_from(
        ["", "splits.", "transformer.", "numerics.", "estimate.", "corpora.en.", "groups.g."]
    ),
    key=st.sampled_from(
        sorted({f.name for f in KEYS} | {"files", "binary", "generator", "dataset", "chunk_bytes"})
    )
    | st.text(string.ascii_lowercase, min_size=1, max_size=4),
    value=st.sampled_from(SCALARS),
)
def test_no_value_of_any_key_escapes_as_anything_but_a_study_error(table, key, value):
    lines = {k: v for k, v in MINIMAL.items() if table or k != key}
    written = "".join(f"{k} = {v}\n" for k, v in lines.items()) + f"{table}{key} = {value}\n"
    if "corpora" not in (table.split(".")[0], key):
        written += 'corpora.fi.files = "fi.txt"\ncorpora.en.files = "en.txt"\n'
    fault = None
    try:
        parse_study(written, where="s.toml")
    except StudyError as error:
        fault = error
    assert fault is None or (fault.where.startswith("s.toml") and fault.todo)


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ("true", AdaptiveOptions()),
        ("false", None),
        ("{ width = 1.3 }", AdaptiveOptions(width=1.3)),
        ("{ width = 2, most_seeds = 4 }", AdaptiveOptions(width=2.0, most_seeds=4)),
    ],
)
def test_a_study_is_adaptive_where_it_says_so(written, options):
    assert parse_study(text(adaptive=written), where="s.toml").adaptive == options
    assert parse_study(text(), where="s.toml").adaptive is None


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"adaptive": "1.5"}, ["adaptive: must be a table"]),
        ({"adaptive": "{ widht = 2 }"}, ["unknown key; did you mean 'width'?"]),
        ({"adaptive": "{ width = 1.0 }"}, ["adaptive.width", "from 1.05 to 10"]),
        ({"adaptive": "{ most_seeds = 2 }"}, ["adaptive.most_seeds", "most_seeds = 10"]),
        ({"adaptive": "true", "seeds": "2"}, ["seeds", "write seeds = 3"]),
        (
            {"adaptive": "true", "tables": '[estimate]\nmethod = "published"\n'},
            ["estimate.method", "no interval"],
        ),
    ],
)
def test_an_adaptive_study_can_come_to_an_end(values, parts):
    refused(text(**values), *parts)
