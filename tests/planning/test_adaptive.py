"""What an adaptive study trains next, on made-up losses with a known answer."""

import math
import zlib
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.planning.adaptive import SPACING, first_design, next_design, with_surface
from bytetransfer.planning.design import CurveDesign, full_grid
from bytetransfer.study.study import AdaptiveOptions, EstimateOptions, Study
from bytetransfer.transfer.estimate import estimate_transfer

LADDER = tuple(round(1_000 * 10 ** (step / 4)) for step in range(13))  # 1 kB to 1 MB
CURVE = ("ngram", "fi")
TERMINAL = {"narrow", "bound", "no more seeds", "refused"}


def study(**changes):
    fields = {
        "name": "x",
        "sources": ("en",),
        "targets": ("fi",),
        "learners": ("ngram",),
        "pretrain_bytes": 1_000,
        "finetune_bytes": (3_000, 10_000),
        "scratch_bytes": LADDER,
        "adaptive": AdaptiveOptions(),
        "estimate": EstimateOptions(resamples=200),
    }
    return Study(**(fields | changes))


def loss(size):
    """Log bits per byte of a from-scratch run: a power law with a floor."""
    return math.log(1.0 + 3.0 * (size / 1_000) ** -0.3)


def measured(design, worth=None, noise=0.003, at=loss, draw=0):
    """Rows of a design; `worth` says how many times D_F a cell's D_E is."""
    rows = []
    for (learner, target), curve in design.items():
        wanted = [(SCRATCH, size, seed) for size in curve.sizes for seed in range(curve.seeds)]
        for (source, size), seeds in curve.cells.items():
            wanted += [(source, size, seed) for seed in range(seeds)]
        for source, size, seed in wanted:
            given_size = size if source == SCRATCH else size * (worth or {}).get(source, 2.0)
            name = zlib.crc32(f"{draw} {learner} {target} {source} {size} {seed}".encode())
            own = noise * np.random.default_rng(name).standard_normal()
            rows.append(
                Measurement(
                    source=source, target=target, target_bytes=size, nominal_bytes=size,
                    bits_per_byte=math.exp(at(given_size) + own), learner=learner, seed=seed,
                )
            )  # fmt: skip
    return Measurements(rows)


def settled(asked, **how):
    """The designs of all stages and the last stage's verdicts."""
    designs = [first_design(asked)]
    while True:
        step = next_design(asked, designs[-1], measured(designs[-1], **how))
        if step.design is None:
            return designs, dict(step.verdicts)
        designs.append(step.design)
        assert len(designs) < 40


def test_the_first_curve_is_coarse_and_lies_around_the_sizes_of_fine_tuning():
    first = first_design(study())[CURVE]
    assert first.sizes == (1_778, 17_783)
    assert first.cells == {("en", 3_000): 3, ("en", 10_000): 3}
    assert first_design(study(finetune_bytes=(0,)))[CURVE].sizes[0] == 1_000


@settings(max_examples=25)
@given(
    st.lists(st.integers(0, 3_000_000), min_size=1, max_size=4, unique=True).map(sorted),
    st.lists(st.integers(1, 2_000_000), min_size=2, max_size=9, unique=True).map(sorted),
)
def test_every_first_curve_has_two_allowed_sizes_at_least(finetune, ladder):
    first = first_design(study(finetune_bytes=tuple(finetune), scratch_bytes=tuple(ladder)))[CURVE]
    assert len(first.sizes) >= 2
    assert set(first.sizes) <= set(ladder)
    assert list(first.sizes) == sorted(set(first.sizes))


@settings(max_examples=15)
@given(st.floats(0.2, 300), st.sampled_from([0.0, 0.002, 0.03]), st.sampled_from([1.1, 1.5, 3.0]))
def test_stages_only_add_and_come_to_an_end(worth, noise, width):
    asked = study(adaptive=AdaptiveOptions(width=width, most_seeds=6))
    designs, verdicts = settled(asked, worth={"en": worth}, noise=noise)
    grid = full_grid(asked)[CURVE]
    for before, after in pairwise(designs):
        assert set(before[CURVE].sizes) <= set(after[CURVE].sizes) <= set(grid.sizes)
        for cell, seeds in before[CURVE].cells.items():
            assert seeds <= after[CURVE].cells[cell] <= 6
        assert before != after
    assert set(verdicts.values()) <= TERMINAL
    assert set(verdicts) == {(CURVE, ("en", 3_000)), (CURVE, ("en", 10_000))}


def test_only_sizes_that_bracket_the_losses_are_trained():
    designs, verdicts = settled(study(), worth={"en": 2.0})
    sizes = designs[-1][CURVE].sizes
    assert set(verdicts.values()) == {"narrow"}
    assert sizes[-1] < 60_000  # of a ladder to 1 MB
    assert len(sizes) <= 6
    for place in (6_000, 20_000):
        above = next(i for i, size in enumerate(sizes) if size >= place)
        assert sizes[above] / sizes[above - 1] <= SPACING


def test_the_answer_is_that_of_the_full_grid():
    asked = study()
    designs, _ = settled(asked)
    grid = {name: CurveDesign(LADDER, curve.cells) for name, curve in designs[-1].items()}
    found, whole = (estimate_transfer(measured(d)).rows for d in (designs[-1], grid))
    for ours, theirs in zip(found, whole, strict=True):
        assert ours.effective_bytes == pytest.approx(theirs.effective_bytes, rel=0.03)
        assert ours.effective_high / ours.effective_low <= asked.adaptive.width


def test_a_curve_is_extended_to_better_and_to_worse_fine_tuned_losses():
    designs, verdicts = settled(study(sources=("en", "zh")), worth={"en": 25.0, "zh": 0.45})
    sizes = designs[-1][CURVE].sizes
    assert sizes[0] < 3_000 * 0.45
    assert 250_000 < sizes[-1] < 1_000_000
    assert set(verdicts.values()) == {"narrow"}


def test_a_bound_costs_no_seeds():
    designs, verdicts = settled(study(sources=("fi",)), worth={"fi": 1_000.0})
    assert designs[-1][CURVE].sizes[-1] == LADDER[-1]
    assert designs[-1][CURVE].seeds == 3
    assert set(verdicts.values()) == {"bound"}


def test_seeds_go_where_the_interval_is_too_wide():
    flat = 20_000  # above it the curve hardly falls, so the same noise moves D_E further

    def bent(size):
        return loss(min(size, flat)) - 0.02 * math.log(max(size / flat, 1.0))

    asked = study(finetune_bytes=(3_000, 30_000), adaptive=AdaptiveOptions(width=1.5))
    designs, verdicts = settled(asked, noise=0.004, at=bent)
    cells = designs[-1][CURVE].cells
    assert cells["en", 3_000] == 3
    assert cells["en", 30_000] > 3
    assert designs[-1][CURVE].seeds == cells["en", 30_000]
    assert verdicts[CURVE, ("en", 3_000)] == "narrow"


def test_seeds_run_out():
    asked = study(adaptive=AdaptiveOptions(width=1.05, most_seeds=4))
    designs, verdicts = settled(asked, noise=0.02)
    assert designs[-1][CURVE].seeds == 4
    assert set(verdicts.values()) == {"no more seeds"}


def test_what_cannot_be_read_is_given_every_size_and_then_up():
    designs, verdicts = settled(study(), at=lambda size: 0.1 * math.log(size))  # it rises
    assert designs[-1][CURVE].sizes == LADDER
    assert set(verdicts.values()) == {"refused"}


def test_curves_are_decided_by_themselves():
    both = study(targets=("fi", "es"))
    alone, _ = settled(study())
    together, _ = settled(both)
    assert together[-1][CURVE] == alone[-1][CURVE]


def test_the_surface_learner_is_there_wherever_another_is():
    cells = {("en", 3_000): 3}
    more = {("en", 3_000): 5}
    neural = ("transformer/nano", "fi")
    design = {CURVE: CurveDesign((1, 3), cells), neural: CurveDesign((3, 9), more)}
    assert with_surface(design) == {CURVE: CurveDesign((1, 3, 9), more), neural: design[neural]}
    assert with_surface({neural: design[neural]}) == {neural: design[neural]}


def test_a_study_that_is_not_adaptive_has_no_stages():
    with pytest.raises(ValueError, match="not adaptive"):
        first_design(study(adaptive=None))


def test_intervals_still_hold_the_truth_when_stopping_early():
    # Bands for 60 studies of two cells; benchmarks/adaptive.py has the figures.
    asked, covered, stopped = study(adaptive=AdaptiveOptions(width=1.2)), [], 0
    widths = []
    for draw in range(60):
        worth = 0.7 + 0.06 * draw
        designs, _ = settled(asked, worth={"en": worth}, noise=0.009, draw=draw)
        stopped += 3 < designs[-1][CURVE].seeds < 10
        for row in estimate_transfer(measured(designs[-1], {"en": worth}, 0.009, draw=draw)).rows:
            truth = worth * row.finetune_bytes
            widths.append((row.effective_high or math.inf) / (row.effective_low or 1))
            covered.append((row.effective_low or 0) <= truth <= (row.effective_high or math.inf))
    assert 0.89 <= np.mean(covered) <= 0.995
    assert np.quantile(widths, 0.9) < 1.2, "wider than was asked for"
    assert stopped >= 20, "otherwise nothing was stopped by its width"
