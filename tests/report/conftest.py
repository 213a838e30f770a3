"""A plausible study, computed from made-up losses, and one whose names mean harm."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest

from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.report import StudyDescription
from bytetransfer.transfer.estimate import Estimates, TransferEstimate, estimate_transfer

SIZES = (3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000, 2_500_000)
FINETUNE = (0, 10_000, 30_000, 100_000)
WORTH = {"pt": 8.0, "en": 2.0, "ru": 0.6, "cipher(en)": 0.25, "nonsense": -0.2}
HOSTILE = (
    "<script>alert(1)</script>",
    "fi\u202egnp.exe\u2066",
    "x" * 10_000,
    "]]>&amp;\"'--><svg onload=alert(1)>",
    "\x1b[2J[red]\x00\ud800",
)

STUDY: StudyDescription = {
    "name": "spanish-and-finnish",
    "names": {"en": "English", "es": "Spanish", "fi": "Finnish", "pt": "Portuguese"},
    "sources": ["en", "pt", "ru", "cipher(en)", "nonsense"],
    "targets": ["es", "fi"],
    "text": 'name = "spanish-and-finnish"\nsources = ["en", "pt"]\n',
    "digests": {"en": "0123456789abcdef" * 2},
    "corpora": {
        "en": {"documents": 31_102, "train_bytes": 3_650_000, "bytes_per_character": 1.0012},
        "fi": {"documents": 31_102, "train_bytes": 3_810_000, "bytes_per_character": 1.06},
    },
    "versions": {"python": "3.11.2", "numpy": "2.4.0"},
    "machine": {"processor": "2 cores", "memory_bytes": 8_000_000_000},
    "departures": {"less memory at a time": 2},
    "costs": {"trained_bytes": 2_400_000_000, "training_flops": 9.1e15, "wall_seconds": 10_320},
    "commands": ["bytetransfer run study.toml"],
}


def loss(size: float, learner: str) -> float:
    """A power law over an entropy; zero bytes are worth next to nothing."""
    floor, rate = (1.1, 0.28) if learner == "ngram" else (0.9, 0.31)
    return floor + 24 * (size + 300) ** -rate


def made_up(targets: tuple[str, ...] = ("es", "fi"), seeds: int = 3) -> Measurements:
    """Losses of two learners, with noise of seeds."""
    noise = np.random.default_rng(0)
    rows = []
    for learner, target, seed in itertools.product(
        ("ngram", "transformer/nano"), targets, range(seeds)
    ):
        shared = {
            "learner": learner,
            "regime": "exact" if learner == "ngram" else "converged",
            "target": target,
            "seed": seed,
        }
        for size in SIZES:
            rows.append((SCRATCH, size, loss(size, learner), 0, shared))
        for (source, worth), size in itertools.product(WORTH.items(), FINETUNE):
            if learner == "ngram" and source == "ru":
                worth = -0.05
            reached = max(
                0.0, size + worth * 30_000 * (target == "es" or 0.4) * (size + 900) ** 0.2 / 8
            )
            rows.append((source, size, loss(reached, learner), 2_500_000, shared))
    return Measurements(
        Measurement(
            source=source,
            target_bytes=max(0, size - shared["seed"]),
            nominal_bytes=size,
            bits_per_byte=bpb * math.exp(0.006 * noise.standard_normal()),
            pretrain_bytes=pretrain,
            not_converged=source == "ru" and size == 30_000,
            below_surface=source == "nonsense" and size == 10_000,
            run=f"{source}-{size}-{shared}",
            **shared,
        )
        for source, size, bpb, pretrain, shared in rows
    )


def renamed(measurements: Measurements, names: dict[str, str]) -> Measurements:
    """The same rows under other names."""
    return Measurements(
        replace(
            row,
            source=names.get(row.source, row.source),
            target=names.get(row.target, row.target),
            learner=names.get(row.learner, row.learner),
        )
        for row in measurements
    )


def estimate(**changes: object) -> TransferEstimate:
    """English for Finnish: 1.9 MB where there are 100 kB."""
    values: dict[str, object] = {
        "source": "en",
        "target": "fi",
        "learner": "transformer/nano",
        "regime": "converged",
        "pretrain_bytes": 2_500_000,
        "finetune_bytes": 100_000,
        "nominal_bytes": 100_000,
        "status": "inside",
        "effective_bytes": 2.0e6,
        "effective_low": 1.7e6,
        "effective_high": 2.4e6,
        "upper_open": False,
        "transfer_bytes": 1.9e6,
        "transfer_low": 1.6e6,
        "transfer_high": 2.3e6,
        "transfer_fraction": 0.95,
        "transfer_fraction_low": 0.94,
        "transfer_fraction_high": 0.96,
        "level": 0.95,
        "covers": "seeds and documents",
        "seeds": 3,
        "bits_per_byte": 1.61,
        "not_converged": False,
        "below_surface": False,
        "runs": (),
    }
    return TransferEstimate(**(values | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def measurements() -> Measurements:
    return made_up()


@pytest.fixture(scope="session")
def estimates(measurements: Measurements) -> Estimates:
    return estimate_transfer(measurements, resamples=200)


@pytest.fixture(scope="session")
def hostile(measurements: Measurements) -> Measurements:
    pairs = zip(("pt", "en", "fi", "nonsense", "transformer/nano"), HOSTILE, strict=True)
    return renamed(measurements, dict(pairs))


@pytest.fixture(scope="session")
def make_estimate():
    return estimate


@pytest.fixture(scope="session")
def study() -> StudyDescription:
    return STUDY
