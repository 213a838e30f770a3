"""Shares with limits that hold, and transfer that follows contamination where it does."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bytetransfer.analysis.cells import Unanswered
from bytetransfer.analysis.contamination import (
    UNDECIDED,
    Reading,
    by_corpus,
    exposures,
    follow_contamination,
    log_shares,
    read_shares,
    span,
)
from bytetransfer.analysis.mrqap import Association
from bytetransfer.analysis.similarity import Similarity
from bytetransfer.measurements.measurement import Measurement, Measurements
from bytetransfer.transfer.estimate import estimate_transfer

LANGUAGES = ("ar", "de", "en", "es", "fi", "ja", "ru", "zh")
KNOWN = frozenset(LANGUAGES)


def read(documents, corpus="es", language="es", detector="one", of=None, known=KNOWN) -> Reading:
    found = read_shares(
        documents,
        corpus=corpus,
        language=language,
        detector=detector,
        known=known,
        corpus_documents=of,
    )
    assert isinstance(found, Reading)
    return found


LINES = st.lists(
    st.lists(st.tuples(st.sampled_from(["es", "en", "fi", "xx", UNDECIDED]), st.integers(1, 99)))
)


@given(LINES, st.none() | st.integers(100, 1000))
def test_nothing_is_dropped_and_limits_hold_the_share(documents, of) -> None:
    found = read_shares(
        documents, corpus="c", language="es", detector="d", known=KNOWN, corpus_documents=of
    )
    lines = [line for document in documents for line in document]
    if not lines:
        assert found == Unanswered("c holds no text to read")
        return
    assert isinstance(found, Reading)
    assert (found.lines, found.bytes) == (len(lines), sum(size for _, size in lines))
    assert sum(share.lines for share in found.shares) == found.lines
    assert sum(share.bytes for share in found.shares) == found.bytes
    assert found.foreign is not None
    own, undecided = found.share("es"), found.share(UNDECIDED)
    assert found.foreign.bytes == found.bytes - own.bytes - undecided.bytes
    for share in (*found.shares, found.foreign, found.absent):
        for part in (share.of_lines, share.of_bytes):
            assert (part.low is None) == (part.high is None) == (len(documents) < 2)
            if part.low is not None:
                assert 0 <= part.low <= part.value <= part.high <= 1


def test_shares_by_lines_and_by_bytes() -> None:
    documents = [[("es", 50), ("en", 10)], [("es", 30)], [("en", 90), (UNDECIDED, 10), ("es", 10)]]
    found = read(documents, of=3)
    assert [share.language for share in found.shares] == ["en", "es", UNDECIDED]
    assert found.share("es").of_lines.value == pytest.approx(3 / 6)
    assert found.share("en").of_bytes.value == pytest.approx(0.5)
    assert found.share("en").of_bytes.low is None  # all of it was read
    assert not found.is_sample
    assert (found.flagged, found.examples) == (1, (2,))
    assert found.share("zh").of_lines.value == 0


def test_only_mostly_foreign_documents_are_flagged_most_foreign_first() -> None:
    documents = [[("en", 50), ("es", 51)], [("en", 50), ("es", 50)], [("en", 80)], [("", 9)]]
    found = read(documents + [[("en", 9)]] * 9)
    assert found.flagged == 11
    assert found.examples == (2, 1, 4, 5, 6)


@pytest.mark.parametrize("language", [None, "xh"])
def test_a_corpus_in_no_known_language_has_no_foreign_lines(language) -> None:
    found = read([[("en", 5)]], language=language)
    assert found.foreign is None
    assert found.flagged == 0
    assert found.share("en").of_bytes.value == 1


def drawn_corpus(noise, documents: int, rate: float, clump: float):
    """Documents whose foreign lines come in clumps; truth is what the corpus really holds."""
    found = []
    for _ in range(documents):
        lines = noise.geometric(0.2)
        foreign = noise.random(lines) < noise.beta(rate * clump, (1 - rate) * clump)
        sizes = noise.lognormal(4.5, 0.6, lines).astype(int) + 1
        found.append(list(zip(np.where(foreign, "en", "es"), sizes.tolist(), strict=True)))
    return found


def bootstrap_holds(sample, truth: float, noise) -> bool:
    parts = np.array(
        [[sum(b for one, b in d if one == "en"), sum(b for _, b in d)] for d in sample], float
    )
    drawn = noise.multinomial(len(parts), np.full(len(parts), 1 / len(parts)), 200) @ parts
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return bool(low <= truth <= high)


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "clump"), [(0.002, 0.3), (0.02, 50), (0.1, 1)])
def test_limits_hold_the_truth_in_95_of_100_samples(rate: float, clump: float) -> None:
    noise = np.random.default_rng(1)
    held, bootstrap, studies = np.zeros(2), 0, 150
    widths, errors = np.zeros((2, studies)), np.zeros((2, studies))
    for study in range(studies):
        corpus = drawn_corpus(noise, 400, rate, clump)
        whole = read(corpus, of=400).share("en")
        share = read(corpus[:80], of=400).share("en")
        for n, (part, truth) in enumerate(
            [(share.of_lines, whole.of_lines.value), (share.of_bytes, whole.of_bytes.value)]
        ):
            held[n] += part.low <= truth <= part.high
            widths[n, study], errors[n, study] = part.high - part.low, part.value - truth
        bootstrap += bootstrap_holds(corpus[:80], whole.of_bytes.value, noise)
    assert (held / studies >= 0.90).all()
    spread = 2 * 1.96 * errors.std(axis=1)
    assert (np.median(widths, axis=1) < 1.9 * spread).all()  # .9 to 1.6 times
    if rate == 0.002:  # where most samples hold no foreign line, the bootstrap has no width
        assert bootstrap / studies < 0.6


def test_more_of_the_corpus_read_is_a_narrower_interval() -> None:
    documents = drawn_corpus(np.random.default_rng(0), 100, 0.1, 1)
    widths = [
        part.high - part.low
        for part in (read(documents, of=of).share("en").of_bytes for of in (None, 1000, 110))
    ]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 1.5 * widths[2]


def test_detectors_span_a_range() -> None:
    one = read([[("es", 90), ("en", 10)]])
    other = read([[("es", 70), ("en", 10), ("gl", 20)]], detector="other")
    assert span([one, other], "es", "bytes") == (0.7, 0.9)
    assert span([one, other], "gl", "lines") == (0, pytest.approx(1 / 3))
    assert by_corpus([one, other]) == {"es": (one, other)}


def world(noise, *, effect: float):
    """Corpora with random contamination, and estimates whose log D_E follows it by `effect`."""
    shares = 10 ** noise.uniform(-4, -1, (len(LANGUAGES), len(LANGUAGES)))
    readings = []
    for row, language in enumerate(LANGUAGES):
        lines = [(language, 10**7)]
        lines += [
            (other, round(share * 10**7))
            for other, share in zip(LANGUAGES, shares[row], strict=True)
            if other != language
        ]
        readings.append(read([lines], corpus=language, language=language))
    source = noise.normal(0, 1.0, len(LANGUAGES))
    target = noise.normal(0, 1.5, len(LANGUAGES))
    log_de = math.log(1e5) + source[:, None] + target[None, :] + effect * np.log10(shares)
    log_de += noise.normal(0, 0.2, log_de.shape)
    return readings, estimates_of(log_de)


def estimates_of(log_de):
    rows = [
        Measurement(source="scratch", target=t, target_bytes=size, bits_per_byte=8 * size**-0.1)
        for t in LANGUAGES
        for size in (10, 10**15)
    ]
    rows += [
        Measurement(
            source=s, target=t, target_bytes=1000, pretrain_bytes=10**6,
            bits_per_byte=8 * math.exp(-0.1 * log_de[a, b]),
        )
        for a, s in enumerate(LANGUAGES) for b, t in enumerate(LANGUAGES) if a != b
    ]  # fmt: skip
    return estimate_transfer(Measurements(rows)).rows


def association(found, measure: str) -> Association:
    assert isinstance(found, Similarity)
    result = next(one for one in found.measures if one.measure == measure)
    assert isinstance(result.association, Association)
    return result.association


def test_transfer_that_follows_contamination_is_found_in_its_direction() -> None:
    readings, estimates = world(np.random.default_rng(3), effect=0.5)
    (found,) = follow_contamination([estimates], readings, permutations=499)
    real = association(found, "source_by_target, one")
    assert real.low is not None
    assert real.low < 0.5 < real.high
    assert real.p == real.smallest_p
    assert association(found, "target_by_source, one").p > 0.05


def test_without_an_effect_the_test_rejects_seldom() -> None:
    rejected, studies = 0, 100
    for study in range(studies):
        readings, estimates = world(np.random.default_rng(study), effect=0)
        (found,) = follow_contamination([estimates], readings, permutations=199, seed=study)
        rejected += association(found, "source_by_target, one").p <= 0.05
    assert 0 < rejected <= 11  # of 100 at 5 %: 99 % of such series


def test_log_shares_are_of_the_holder_and_have_a_floor() -> None:
    en = read([[("en", 900), ("es", 100)]], corpus="en", language="en")
    es = read([[("es", 50)] * 20], corpus="es", language="es")
    other = read([[("es", 9)]], corpus="poems", language="es")
    xh = read([[("en", 9)]], corpus="xh", language="xh")
    noise = read([[(UNDECIDED, 9)]], corpus="nonsense", language=None)
    found = log_shares([en, es, other, xh, noise], "source_by_target")
    assert found == {
        ("en", "es"): pytest.approx(-1),
        ("en", "poems"): pytest.approx(-1),
        ("es", "en"): pytest.approx(math.log10(0.5 / 20)),
        ("poems", "en"): pytest.approx(math.log10(0.5)),
    }
    turned = log_shares([en, es, other, xh, noise], "target_by_source")
    assert turned == {(b, a): value for (a, b), value in found.items()}


@pytest.mark.parametrize("languages", [[], ["en"], ["en", "en"], ["en", None], ["en", "xh"]])
def test_too_few_languages_are_answered_with_the_reason(languages) -> None:
    readings = [
        read([[("en", 9)]], corpus=f"c{n}", language=one) for n, one in enumerate(languages)
    ]
    _, estimates = world(np.random.default_rng(0), effect=0)
    (found,) = follow_contamination([estimates], readings)
    assert isinstance(found, Unanswered)
    assert "fewer than two corpora have a language" in found.reason


def test_corpora_without_any_foreign_line_are_answered_with_the_reason() -> None:
    _, estimates = world(np.random.default_rng(0), effect=0)
    readings = [read([[(one, 9)]], corpus=one, language=one) for one in LANGUAGES]
    (found,) = follow_contamination([estimates], readings)
    assert isinstance(found, Similarity)
    for result in found.measures:
        assert isinstance(result.association, Unanswered)
        assert "constant" in result.association.reason


def test_exposure_is_the_target_text_in_the_pretraining_bytes() -> None:
    _, estimates = world(np.random.default_rng(0), effect=0)
    en = [
        read([[("en", 900), ("es", 100)]], corpus="en", language="en"),
        read([[("en", 700), ("es", 300)]], corpus="en", language="en", detector="two"),
    ]
    es = read([[("es", 50)]], corpus="es", language="es")
    found = exposures(estimates, [*en, es])
    pairs = {(e.estimate.source, e.estimate.target): (e.least_bytes, e.most_bytes) for e in found}
    assert pairs == {("en", "es"): (1e5, 3e5), ("es", "en"): (0, 0)}
