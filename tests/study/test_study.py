import pytest

from bytetransfer.corpus.sources import FileSource
from bytetransfer.corpus.synthetic import NonsenseSettings
from bytetransfer.errors import StudyError
from bytetransfer.learners.catalog import TransformerOptions
from bytetransfer.study.check import check_study, remarks
from bytetransfer.study.study import CorpusSpec, Group


def test_each_expression_is_parsed_once_in_the_order_of_the_study(make):
    study = make.study(sources=("en", "cipher(en)"), targets=("fi", "en"))
    assert list(study.expressions()) == ["en", "cipher(en)", "fi"]
    assert study.expressions()["cipher(en)"].corpus == "en"


def test_a_corpus_must_give_what_its_parts_ask_of_it(make):
    study = make.study(sources=("en", "cipher(fi)"), targets=("fi", "en"))
    assert study.needed_bytes() == {"en": 60_000, "cipher(fi)": 53_000, "fi": 60_000}
    # the far end for pretraining and the near one for fine-tuning must not meet
    tight = make.study(sources=("en",), targets=("en",), scratch_bytes=(1_000, 53_000))
    assert tight.needed_bytes() == {"en": 53_000}
    both = make.study(sources=("en",), targets=("en",), scratch_bytes=(1_000, 10_000))
    assert both.needed_bytes() == {"en": 53_000}
    check_study(tight, where="s.toml")
    with pytest.raises(StudyError, match="add a size of at least 53000"):
        check_study(
            make.study(sources=("en",), targets=("en",), scratch_bytes=(1_000, 52_999)),
            where="s.toml",
        )


def test_a_corpus_is_declared_alone_in_a_group_or_built_in(make):
    group = Group(corpora=("de", "nb"), files="{corpus}.txt")
    study = make.study(
        sources=("de", "nonsense"),
        targets=("fi",),
        groups={"bible": group},
        corpora={"fi": CorpusSpec(text=FileSource(files=("fi.txt",)))},
    )
    check_study(study, where="s.toml")
    assert (study.group_of("nb"), study.group_of("fi")) == ("bible", None)
    with pytest.raises(StudyError, match=r"no corpus 'en'; declare \[corpora.en\], or use one of"):
        check_study(make.study(groups={"bible": group}, corpora={}), where="s.toml")


def test_text_must_not_pass_for_a_control(make):
    text = CorpusSpec(text=FileSource(files=("nonsense.txt",)))
    own = CorpusSpec(generator=NonsenseSettings(paragraphs=1))
    declared = make.study().corpora
    check_study(make.study(corpora=declared | {"nonsense": own}), where="s.toml")
    with pytest.raises(StudyError, match=r"corpora\.nonsense: 'nonsense' is the name of"):
        check_study(make.study(corpora=declared | {"nonsense": text}), where="s.toml")
    group = Group(corpora=("random_bytes", "nb"), files="{corpus}.txt")
    with pytest.raises(StudyError, match="'random_bytes' is the name of a built-in"):
        check_study(make.study(groups={"bible": group}), where="s.toml")


def test_sizes_that_can_only_give_a_bound_are_remarked_on(make):
    assert remarks(make.study(finetune_bytes=(1_000,), scratch_bytes=(1_000, 9_000))) == []
    found = remarks(make.study(finetune_bytes=(1_000, 10_000), scratch_bytes=(1_000, 9_000)))
    assert found == [
        "Fine-tuning on 10 kB goes beyond the largest from-scratch size, 9 kB: D_E there can only "
        "be a bound."
    ]


def test_a_search_of_the_surface_learner_alone_has_nothing_to_be_equal(make):
    unequal = TransformerOptions(scratch_learning_rates=(1e-3,))
    check_study(make.study(learners=("ngram",), transformer=unequal), where="s.toml")
    with pytest.raises(StudyError, match="both arms must be searched alike, and transformer/nano"):
        check_study(make.study(transformer=unequal), where="s.toml")


@pytest.mark.parametrize("rates", [(1e-3,), (1e-3, 2e-3), (1e-3, 2e-3, 4e-3)])
def test_arms_searched_alike_may_be_searched_at_other_values(make, rates):
    options = TransformerOptions(
        scratch_learning_rates=rates, finetune_learning_rates=tuple(2 * rate for rate in rates)
    )
    check_study(make.study(transformer=options), where="s.toml")


def test_a_transform_into_another_script_is_sized_by_what_it_says(make):
    study = make.study(sources=("en", 'cipher(ru, script="Latn")'), targets=("fi",))
    assert study.sized_by('cipher(ru, script="Latn")') == "ru"
    assert "ru" in study.expressions()
    assert study.needed_bytes()["ru"] == study.pretrain_bytes
