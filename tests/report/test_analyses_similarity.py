"""The section on similarity: the answer first, nothing silent, naive figures labelled so."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from bytetransfer.analysis.cells import Unanswered, by_group
from bytetransfer.analysis.similarity import similarity
from bytetransfer.report.analyses.similarity import similarity_section
from bytetransfer.report.figures.svg import draw
from bytetransfer.report.text.sections import plain_section
from bytetransfer.report.wording import Names, bare
from bytetransfer.transfer.estimate import TransferEstimate

NAMES = Names(languages={"a": "Arabic"})


def estimate(source, target, effective, status="inside", nominal=6_000):
    return TransferEstimate(
        source=source, target=target, learner="m", regime="", pretrain_bytes=1, seeds=1,
        finetune_bytes=nominal, nominal_bytes=nominal, status=status, effective_bytes=effective,
        effective_low=None, effective_high=None, upper_open=False, level=0.95,
        transfer_bytes=effective - nominal, transfer_low=None, transfer_high=None,
        transfer_fraction=1 - nominal / effective, transfer_fraction_low=None,
        transfer_fraction_high=None, covers="no interval: published", bits_per_byte=1.0,
        not_converged=None, below_surface=None, runs=(),
    )  # fmt: skip


def world(slope, *, sources="abcdefgh", targets="abcdefgh", bounds="", typical=20_000):
    """Estimates, distances that matter (with that slope), and distances that do not."""
    generator = np.random.default_rng(3)
    rows, near, far = [], {}, {}
    names = sorted({*sources, *targets})
    for pair in itertools.permutations(names, 2):
        near[pair], far[pair] = generator.uniform(0.2, 0.9, 2)
    for source, target in itertools.product(sources, targets):
        if source == target:
            continue
        log = math.log(typical) + slope * near[source, target] + 0.02 * generator.standard_normal()
        status = "above_range" if source in bounds else "inside"
        rows.append(estimate(source, target, math.exp(log), status))
    return rows, {"syntactic": near, "geographic": far}


def section(rows, measures, **options):
    outcome = options.pop("outcome", "log_effective_bytes")
    results = {
        group: similarity(some, measures, outcome=outcome, permutations=499)
        for group, some in by_group(rows).items()
    }
    return similarity_section(results, NAMES, **options)


def texts(one):
    return bare(" ".join((*one.text, *one.further)))


def table(one, name):
    (found,) = [each for each in one.tables if each.name == name]
    return found


def test_the_answer_comes_first_with_its_size_and_interval():
    one = section(*world(-0.5))
    assert "In 1 of 2 comparisons closer sources transfer more" in bare(one.text[0])
    assert "With 6 kB of target text (m)" in bare(one.further[0])
    effect = table(one, "similarity").rows[0]
    assert [bare(cell.text) for cell in effect[:3]] == ["6 kB", "m", "syntactic"]
    assert effect[3].value == pytest.approx(math.exp(0.5 * 0.2), abs=0.03)  # spread of uniform
    low, high = effect[4].text.removeprefix("× ").split(" to ")
    assert 1 < float(low) < effect[3].value < float(high)
    assert f"{effect[3].value:.2f} times as large (95 % interval {low} to {high}" in texts(one)


def test_sources_that_transfer_less_when_closer_are_said_to():
    assert "in 1 they transfer less" in texts(section(*world(0.5)))


def test_no_relation_is_not_said_to_be_proof_of_none():
    one = section(*world(0.0))
    assert bare(one.text[0]).startswith("No relation was found: in none of 2 comparisons")
    assert "does not show that there is none" in one.text[0]


def test_naive_figures_are_labelled_so():
    one = section(*world(-0.5))
    titles = [column.title for column in table(one, "similarity").columns]
    assert "naive Spearman, raw pairs" in titles
    assert "naive p" in titles
    assert "naive" in table(one, "similarity").caption
    assert "takes pairs for independent" in texts(one)


def test_bounds_are_told_and_tabulated_apart():
    one = section(*world(-0.5, bounds="a"))
    assert "of 56 estimates 7 are bounds and were left out" in texts(one)
    assert "neither can be relied on" not in texts(one)
    assert [row[-1].value for row in table(one, "similarity-bounds").rows] == [56, 56]
    assert "neither can be relied on" in texts(section(*world(-0.5, bounds="abc")))


def test_where_little_is_transferred_the_section_says_that_little_can_differ():
    assert "can hardly differ" in texts(section(*world(-0.01, typical=6_100)))
    assert "can hardly differ" not in texts(section(*world(-0.5)))


def test_without_a_valid_test_that_comes_first_and_there_is_no_p():
    one = section(*world(-0.5, sources="abc", targets="def"))
    assert one.text[0].startswith("No test is valid for these languages, so there is no p")
    assert "so few languages have no test that allows for close languages erring alike" in texts(
        one
    )
    assert (one.figures, one.further) == ((), ())
    assert [each.name for each in one.tables] == ["similarity-unanswered"]


def test_distances_within_each_role_are_asked_for_where_they_are_missing():
    rows, measures = world(-0.5, sources="abc")
    cut = {pair: far for pair, far in measures["syntactic"].items() if set(pair) != {"a", "b"}}
    one = section(rows, {"syntactic": cut, "geographic": measures["geographic"]})
    assert "For 1 further comparison no test is valid" in texts(one)
    assert (
        "1 are missing, such as that of a and b"
        in table(one, "similarity-unanswered").rows[0][3].text
    )
    assert len(table(one, "similarity").rows) == 1


def test_so_few_languages_that_no_correction_leaves_a_finding_are_said_first():
    rows, measures = world(-0.5, sources="abc", targets="defg")
    one = section(rows, {**measures, "more": {p: v**2 for p, v in measures["geographic"].items()}})
    assert one.text[0] == "So few languages can never show a relation at 5 %."
    assert "smallest p that could be found is 0.031, 0.094 after correction" in texts(one)
    assert "can never show" not in texts(section(*world(-0.5, sources="abc", targets="defgh")))


def test_the_test_that_was_used_is_named_with_its_reason():
    said = texts(section(*world(-0.5)))
    assert "draws their signs (Moran spectral randomisation), because close languages err" in said
    rows, measures = world(-0.5)
    (group,) = by_group(rows)
    moved = {group: similarity(rows, measures, permutations=99, moved="targets")}
    said = texts(similarity_section(moved, NAMES))
    assert "moves whole languages, as source and as target together (MRQAP)" in said
    assert "does not hold where close languages err alike" in said


def test_what_has_no_answer_is_listed_with_its_reason():
    rows, measures = world(-0.5)
    results = {
        group: similarity(rows, {**measures, "heard": {}}, permutations=99)
        for group in by_group(rows)
    }
    group = next(iter(results))
    results[replace(group, finetune_bytes=7_000)] = Unanswered("all 9 estimates are bounds")
    one = similarity_section(
        results, NAMES, missing={"heard": {"a": "never heard"}}, notes=("From my table.",)
    )
    reasons = [
        [bare(cell.text) for cell in row] for row in table(one, "similarity-unanswered").rows
    ]
    assert reasons == [
        ["6 kB", "m", "heard", "no pair of two languages has both variables"],
        ["7 kB", "m", "all", "all 9 estimates are bounds"],
    ]
    missing = [[bare(cell.text) for cell in row] for row in table(one, "similarity-missing").rows]
    assert missing == [["Arabic", "heard", "never heard"]]
    assert one.text[-1] == "From my table."


def test_nothing_at_all_is_said_in_words():
    one = similarity_section({}, NAMES)
    assert one.text[0].startswith("No answer")
    assert (one.figures, one.tables) == ((), ())


def test_every_effect_is_drawn_whatever_its_p():
    rows, measures = world(-0.5)
    later = [replace(row, nominal_bytes=9_000, finetune_bytes=9_000) for row in rows]
    one = section([*rows, *later], measures)
    effects, *scatters = one.figures
    assert [(one.is_open, "6 kB" in one.title) for one in scatters] == [(True, True), (False, True)]
    for row, scatter in zip(table(one, "similarity").rows, scatters, strict=False):
        assert row[5].text in scatter.remarks[0]
        assert row[7].text in scatter.remarks[0]
        assert row[3].text.removeprefix("× ") in scatter.remarks[1]
        assert scatter.remarks[1] in draw(scatter)
    assert effects.x.names == ("syntactic", "geographic")
    assert [series.name for series in effects.series] == ["6 kB", "9 kB"]
    assert [len(series.dots) for series in effects.series] == [2, 2]
    near, far = effects.series[0].dots
    assert near.low > 0 > far.low
    assert near.y == pytest.approx(100 * (table(one, "similarity").rows[0][3].value - 1))
    assert draw(effects)


def test_the_pairs_shown_are_those_of_the_first_measure_and_not_of_the_smallest_p():
    rows, measures = world(-0.5, sources="abc")
    later = [replace(row, nominal_bytes=9_000, finetune_bytes=9_000) for row in rows]
    (_, first, _), (_, other, _) = (
        section([*later, *rows], {name: measures[name] for name in order}).figures
        for order in (("syntactic", "geographic"), ("geographic", "syntactic"))
    )
    assert "syntactic" in first.title
    assert "geographic" in other.title
    assert "D_F = 6 kB" in first.title
    line, *sources = first.series
    assert [bare(series.name) for series in sources] == ["Arabic", "b", "c"]
    assert sum(len(series.dots) for series in sources) == 21
    assert line.dots[0].y > 1 > line.dots[-1].y
    assert all(first.y.low <= dot.y <= first.y.high for each in first.series for dot in each.dots)
    assert "Arabic" in draw(first)
    many = section(*world(-0.5)).figures[1]
    assert [series.name for series in many.series] == ["", ""]


def test_bytes_are_shown_as_bytes():
    one = section(*world(-0.5), outcome="transfer_bytes")
    assert "goes with a D_T larger by" in texts(one)
    assert " kB to " in table(one, "similarity").rows[0][4].text
    assert one.figures[0].y.unit == "bytes"
    assert draw(one.figures[0])
    assert "syntactic" in plain_section(one)
