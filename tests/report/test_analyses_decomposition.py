"""The sections on parts of transfer and on scaling: answers in words, full tables, charts."""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from bytetransfer.analysis.decomposition import Ladder, controlled_pairs, find_ladders, stacks
from bytetransfer.analysis.scaling import model_scaling, scaling
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.report.analyses.decomposition import decomposition_section
from bytetransfer.report.analyses.scaling import scaling_section
from bytetransfer.report.figures.svg import draw
from bytetransfer.report.wording import Names, bare
from bytetransfer.transfer.estimate import estimate_transfer
from bytetransfer.transfer.resampling import Resampling

SIZES = (10_000, 31_623, 100_000, 316_228, 1_000_000, 3_162_278)
WORTH = {"nonsense": 0.7, "cipher(en)": 3.0, "en": 9.0, "ru": 2.0}
NAMES = Names(languages={"en": "English", "es": "Spanish", "ru": "Russian"})
HOSTILE = "<b>\u202e" + "x" * 300


def measurements(learners=("transformer/nano", "ngram"), worth=WORTH, seeds=3, fade=0.5):
    """Sources whose worth, as a factor of D_F, falls with D_F."""
    rows = []
    for learner, seed in itertools.product(learners, range(seeds)):
        cells = [(SCRATCH, size, float(size)) for size in SIZES]
        for source, factor in worth.items():
            cells += [
                (source, size, size * factor * (SIZES[0] / size) ** fade) for size in SIZES[:5]
            ]
        for place, (source, size, effective) in enumerate(cells):
            wobble = 0.002 * math.sin(7 * place + 3 * seed)
            rows.append(
                Measurement(
                    source=source, target="es", target_bytes=size, learner=learner, seed=seed,
                    bits_per_byte=math.exp(1.5 - 0.1 * math.log(effective / 1e4) + wobble),
                    pretrain_bytes=0 if source == SCRATCH else 10**6,
                )
            )  # fmt: skip
    return Measurements(rows)


def decomposition(rows, names=NAMES):
    ladders = find_ladders(sorted({row.source for row in rows}))
    draws = Resampling(resamples=100)
    found = [stack for ladder in ladders for stack in stacks(rows, ladder, resampling=draws)]
    pairs = controlled_pairs(rows, "es", "en", ["ru"], resampling=draws)
    return decomposition_section(found, pairs, names)


def words(section):
    return bare(" ".join((*section.text, *section.further)))


def check(section):
    """Charts are well-formed and no number is missing its place."""
    for figure in section.figures:
        text = draw(figure)
        ElementTree.fromstring(text)
        assert not re.search(r"\bnan\b", text)
    for table in section.tables:
        assert all(len(row) == len(table.columns) for row in table.rows)
        values = [cell.value for row in table.rows for cell in row]
        assert not any(isinstance(value, float) and math.isnan(value) for value in values)


def test_the_ngram_learner_has_charts_of_its_own():
    section = decomposition(measurements())
    check(section)
    stacked = [bare(f.title) for f in section.figures if "pair" not in f.name]
    assert stacked == [
        "Spanish, transformer/nano, steps to English",
        "Spanish, ngram, steps to English",
    ]
    assert "Spanish, ngram: (beside the others, never part of their sum)" in words(section)
    assert "transformer/nano: (beside" not in words(section)


def test_steps_are_told_in_words_with_their_intervals():
    section = decomposition(measurements(("transformer/nano",)))
    text = words(section)
    assert "Spanish, transformer/nano: English over no pretraining lowers the loss by 19." in text
    assert "told from chance: Any training at all; words, spaces and valid text (nonsense" in text
    assert "The surface of its letters (English over cipher(en)): 10." in text
    assert "of these kinds: seeds only (no document blocks)" in text
    assert "Not measured everywhere: random_bytes, hierarchical." in text
    assert "the part that only the close source has (English over Russian)" in text
    (steps,) = (table for table in section.tables if table.name == "decomposition-steps")
    by_size = [row for row in steps.rows if row[3].value == 10_000]
    assert [bare(row[0].text) for row in by_size] == [
        "nonsense over no pretraining", "cipher(en) over nonsense", "English over cipher(en)",
    ]  # fmt: skip
    assert by_size[2][5].value == pytest.approx(3, rel=0.1)


def test_harm_is_drawn_below_zero():
    section = decomposition(measurements(("transformer/nano",), {"nonsense": 0.5, "en": 0.4}))
    figure = section.figures[0]
    assert figure.zero_line
    assert figure.x.names == ("→ nonsense", "→ English")
    assert figure.series[0].dots[1].note.startswith("English over nonsense: ")
    assert min(dot.y for one in figure.series for dot in one.dots) < 0
    assert figure.y.low < 0
    assert "−" in words(section)


def test_the_targets_own_text_does_not_squeeze_the_other_steps():
    worth = {**WORTH, "hierarchical": 0.8, "es": 3_000.0}
    (chart,) = (
        one
        for one in decomposition(measurements(("transformer/nano",), worth, fade=0.0)).figures
        if "pair" not in one.name
    )
    own = chart.x.names.index("Spanish over English")
    dots = [dot for one in chart.series for dot in one.dots]
    others = [dot for dot in dots if round(dot.x) != own]
    assert not any(dot.beyond for dot in others)
    assert chart.y.high < 1.3 * max(dot.high or dot.y for dot in others)
    beyond = [dot for dot in dots if dot.beyond]
    assert {round(dot.x) for dot in beyond} == {own}
    text = draw(chart)
    for dot in beyond:
        assert dot.y > chart.y.high
        assert dot.beyond == f"{dot.y:.2g} %"
        assert f">{dot.beyond}<" in text


def test_where_nothing_is_squeezed_every_step_lies_on_the_axis():
    worth = {**WORTH, "es": 12.0}
    chart = decomposition(measurements(("transformer/nano",), worth)).figures[0]
    assert not any(dot.beyond for one in chart.series for dot in one.dots)


def test_steps_are_counted_over_targets_and_sizes():
    first = bare(decomposition(measurements(("transformer/nano",))).text[0])
    assert first.startswith("transformer/nano, in how many cases")
    assert "the surface of its letters lowers it in 5 of 5" in first


def test_a_source_beyond_the_curve_is_unknown_in_bytes_and_known_in_loss():
    section = decomposition(measurements(("transformer/nano",), {"nonsense": 2, "en": 900}))
    (steps,) = (table for table in section.tables if table.name == "decomposition-steps")
    last = steps.rows[1]
    assert (last[5].text, last[5].value, last[6].text) == ("unknown", None, "unknown")
    assert last[5].detail == "D_E of en is only a bound"
    assert last[4].value > 0


def test_one_seed_without_documents_says_why_there_is_no_interval():
    section = decomposition(measurements(("transformer/nano",), seeds=1))
    check(section)
    assert "no interval: one seed and no document blocks" in str(section.tables[0].rows[0][-1])
    assert "Without intervals no step can be told from chance" in words(section)


def test_what_has_no_answer_says_so():
    rows = [r for r in measurements(("transformer/nano",)) if r.source in ("en", "ru")]
    ladder = Ladder("en", {"plain": "en", "nonsense": "nonsense"})
    section = decomposition_section(stacks(Measurements(rows), ladder), (), NAMES)
    assert section.figures == section.tables == ()
    assert "Not answered at 5 sizes for Spanish, transformer/nano: of " in words(section)
    one = Measurements(row for row in rows if row.size == SIZES[0])
    section = decomposition_section(stacks(one, ladder), (), NAMES)
    assert "Not answered at 10 kB for Spanish, transformer/nano: of " in words(section)
    assert decomposition_section((), (), NAMES).text == ()


def test_hostile_names_stay_text():
    rows = Measurements(
        replace(row, source=HOSTILE if row.source == "ru" else row.source, learner=HOSTILE)
        for row in measurements(("a",))
    )
    section = decomposition_section(
        (), controlled_pairs(rows, "es", "en", [HOSTILE]), Names(languages={"en": HOSTILE})
    )
    check(section)
    assert "\u202e" not in words(section)
    check(scaling_section(scaling(estimate_transfer(rows, resamples=100)), (), Names()))


def test_scaling_says_where_pretraining_stops_paying():
    estimates = estimate_transfer(measurements(("transformer/nano",)), resamples=100)
    section = scaling_section(scaling(estimates), (), NAMES)
    check(section)
    text = words(section)
    assert text.startswith("Of 4 pairs of source and target")
    assert "Russian for Spanish, transformer/nano: pretraining stops paying at" in text
    (turns,) = (table for table in section.tables if table.name == "scaling-crossover")
    russian = next(row for row in turns.rows if row[0].value == "ru")
    assert russian[4].value == pytest.approx(40_000, rel=0.1)
    (laws,) = (table for table in section.tables if table.name == "scaling-laws")
    row = next(r for r in laws.rows if r[0].value == "ru" and r[3].text == "D_E")
    assert row[4].value == pytest.approx(0.5, abs=0.05)
    assert [series.style for series in section.figures[0].series[:2]] == ["curve", "loose"]


def test_a_crossover_that_may_lie_anywhere_is_not_claimed():
    estimates = estimate_transfer(measurements(("a",), {"ru": 2.0}), resamples=100)
    wide = [
        replace(row, effective_low=row.finetune_bytes / 9, effective_high=row.finetune_bytes * 9.0)
        for row in estimates
    ]
    text = words(scaling_section(scaling(wide), (), NAMES))
    assert "stops paying at" not in text
    assert "In 1 of them this rests on signs that may be chance" in text


def test_presets_are_joined_and_the_ngram_learner_is_not():
    learners = {"transformer/nano": 10**6, "transformer/small": 10**7}
    estimates = estimate_transfer(measurements((*learners, "ngram")), resamples=100)
    through = model_scaling(estimates, learners)
    section = scaling_section(scaling(estimates), through, NAMES)
    check(section)
    (laws,) = (table for table in section.tables if table.name == "scaling-laws")
    joined = [row for row in laws.rows if row[5].text != "–"]
    assert {row[2].text for row in joined} == {"transformer/nano, transformer/small"}


def test_too_few_sizes_are_counted_with_the_reason():
    rows = [r for r in measurements(("a",)) if r.source == SCRATCH or r.size in SIZES[:2]]
    found = scaling(estimate_transfer(Measurements(rows), resamples=100))
    section = scaling_section(found, (), NAMES)
    check(section)
    assert "Not answered, 4 × law of D_E: a law needs 3 sizes" in words(section)
    assert "cannot be said: the sign" in scaling_section((), (), NAMES).text[0]
    zero_shot = [replace(row, finetune_bytes=0) for one in found for row in one.cells]
    said = scaling_section(scaling(zero_shot), (), NAMES).text[0]
    assert "cannot be said: zero-shot has no place" in said
