"""A source over itself without foreign lines: exact where both are one text, true where not."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from bytetransfer.analysis.counterfactual import Counterfactual, counterfactuals
from bytetransfer.analysis.decomposition import Undecided
from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.resampling import Resampling

SIZES = (3_000, 10_000, 30_000, 100_000, 300_000)
GIVEN = 10_000
PAIRS = (("ko", "decontaminate(ko)"), ("ja", "decontaminate(ja)"))
BLOCKS = 40
STUDIES = 100


def study(worth, *, noise=0.0, seeds=3, documents=False, seed=0):
    """Losses of sources with a known log D_E for en and es, on a straight curve in logarithms."""
    generator = np.random.default_rng(seed)
    rows, blocks = [], {}
    for target in ("en", "es"):
        cells = [(SCRATCH, size, math.log(size)) for size in SIZES]
        cells += [(name, GIVEN, log) for name, log in worth.items()]
        for one in range(seeds):
            common = noise * generator.standard_normal()
            for source, size, place in cells:
                loss = math.exp(1 - 0.2 * (place - 9) + common + noise * generator.normal())
                key = f"{source}/{target}/{size}/{one}"
                if documents:
                    sizes = np.full(BLOCKS, 1e3)
                    blocks[key] = np.stack([sizes * loss * math.log(2), sizes], axis=1)
                rows.append(
                    Measurement(
                        source=source, target=target, target_bytes=size, bits_per_byte=loss,
                        seed=one, run=key, pretrain_bytes=0 if source == SCRATCH else 9_000,
                    )
                )  # fmt: skip
    return Measurements(rows, blocks)


WORTH = {
    "ko": math.log(14_000),
    "decontaminate(ko)": math.log(12_000),
    "ja": math.log(15_000),
    "decontaminate(ja)": math.log(15_000),
}


def test_what_the_foreign_lines_are_worth_is_found_for_every_target():
    found = counterfactuals(study(WORTH), PAIRS)
    assert [(one.target, one.contrast.upper, one.contrast.lower) for one in found] == [
        (target, (name,), (clean,)) for target in ("en", "es") for name, clean in PAIRS
    ]
    gains = [math.exp(one.contrast.effective_gain.value) for one in found]
    assert gains == pytest.approx([14 / 12, 1, 14 / 12, 1], rel=1e-3)
    assert found[0].contrast.transfer_gain_bytes.value == pytest.approx(2_000, rel=1e-2)


def test_a_text_without_foreign_lines_is_the_same_text_and_differs_by_exactly_nothing():
    """Seed noise of the other sources says nothing of two runs that are one."""
    measurements = study(WORTH, noise=0.01, documents=True)
    rows, blocks = [], dict(measurements.blocks)
    known = {(row.source, row.target, row.seed): row for row in measurements}
    for row in measurements:
        if row.source != "decontaminate(ja)":
            rows.append(row)
            continue
        same = known["ja", row.target, row.seed]
        rows.append(replace(same, source=row.source, run=row.run))
        blocks[row.run] = measurements.blocks[same.run]
    found = counterfactuals(Measurements(rows, blocks), PAIRS)
    gains = {(one.target, one.contrast.upper[0]): one.contrast for one in found}
    for target in ("en", "es"):
        same = gains[target, "ja"]
        assert (same.loss_gain.low, same.loss_gain.value, same.loss_gain.high) == (0, 0, 0)
        assert same.p == 1
        other = gains[target, "ko"].loss_gain
        assert other.low < other.value < other.high


def test_a_target_is_no_source_of_itself_and_p_is_corrected_over_all():
    pairs = (("ko", "decontaminate(ko)"), ("en", "decontaminate(en)"))
    worth = {**WORTH, "en": math.log(90_000), "decontaminate(en)": math.log(90_000)}
    found = counterfactuals(study(worth, noise=0.01), pairs)
    assert {(one.target, one.contrast.upper[0]) for one in found} == {
        ("en", "ko"), ("es", "ko"), ("es", "en"),
    }  # fmt: skip
    smallest = min(one.contrast.p for one in found)
    corrected = min(one.contrast.corrected_p for one in found)
    assert corrected == pytest.approx(min(1, 3 * smallest))


def test_what_was_not_measured_is_said():
    rows = [row for row in study(WORTH) if row.source not in ("ko", "ja", "decontaminate(ja)")]
    found = counterfactuals(Measurements(rows), PAIRS)
    assert {type(one) for one in found} == {Undecided}
    assert "only 1 were measured" in found[0].reason
    assert counterfactuals(study(WORTH), ()) == ()


def test_intervals_hold_what_the_lines_are_worth_and_clean_texts_are_seldom_told_apart():
    held, wrong = 0, 0
    for seed in range(STUDIES):
        found = counterfactuals(
            study(WORTH, noise=0.01, seed=seed), PAIRS, resampling=Resampling(resamples=2)
        )
        assert all(isinstance(one, Counterfactual) for one in found)
        first = found[0].contrast.effective_gain
        held += first.low <= math.log(14 / 12) <= first.high
        clean = [one.contrast for one in found if one.contrast.upper == ("ja",)]
        wrong += min(one.corrected_p for one in clean) <= 0.05
    margin = 3 * math.sqrt(0.05 * 0.95 / STUDIES)
    assert abs(held / STUDIES - 0.95) <= margin
    assert wrong / STUDIES <= 0.05 + margin
