"""The simulated studies of `coverage.py`: loss curves, noise and what both arms share, all known.

The covariance of all runs of a seed is known, so that beside every interval can stand that of an
oracle who knows it (`oracle_width`): the sizes whose gap is within 1.96 of its true standard
deviations and the same allowance for interpolation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from estimators import SMALLEST_BYTES, SPAN, draw_law

from bytetransfer.measurements.measurement import SCRATCH, Measurement, Measurements
from bytetransfer.transfer.curve import fit_log_losses
from bytetransfer.transfer.interval import CurveNoise, kept_sizes
from bytetransfer.transfer.resampling import Resampling

NOISE = 0.005
START = math.log(SMALLEST_BYTES)


class Shape(Protocol):
    """A true curve."""

    def log_loss(self, places: np.ndarray) -> np.ndarray:
        """Log of bits per byte at log sizes counted from the smallest."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of simulated study; noise is relative, a standard deviation of log loss.

    Attributes:
        seeds: how many.
        sizes: of the curve.
        uneven: whether the inner sizes lie anywhere, at least a tenth of their mean distance apart.
        sources: fine-tuned cells, each with a true D_E of its own.
        noise: of a run.
        falling: whether that is the noise of the smallest size and the largest has a tenth of it.
        tuned: noise of fine-tuned runs, as a multiple of it.
        odd: noise of the first source's, as a multiple of that of the other sources.
        shared: part of the variance of from-scratch runs that a seed's sizes have in common.
        rho: correlation of both arms' deviations by seed.
        by_seed: whether rho is that of any two runs of a seed (below 0: of one of each arm), or
            that of a fine-tuned run and the curve where it is read.
        document_noise: standard deviation of the mean over all blocks of what a run makes of them
            on its own.
        blocks: of documents.
        useless: whether the fine-tuned runs are the from-scratch runs of a size, on its bytes.
        shape: the kind of curve.
    """

    seeds: int
    sizes: int = 6
    uneven: bool = False
    sources: int = 1
    noise: float = NOISE
    falling: bool = False
    tuned: float = 1.0
    odd: float = 1.0
    shared: float = 0.0
    rho: float = 0.0
    by_seed: bool = False
    document_noise: float = 0.0
    blocks: int = 200
    useless: bool = False
    shape: str = "law"


@dataclass(frozen=True, kw_only=True)
class _Flat:
    """A curve that starts flat: L = floor + excess · fall(place), with nothing lost at the start.

    `stretched` falls as exp(−(D/D₀)^β), `sigmoid` as one over 1 + exp of log bytes.
    """

    stretched: bool
    floor: float
    excess: float
    middle: float
    steepness: float

    def log_loss(self, places: np.ndarray) -> np.ndarray:
        """Log of bits per byte."""
        steps = self.steepness * (np.asarray(places) - self.middle)
        fall = np.exp(-np.exp(steps)) if self.stretched else 1 / (1 + np.exp(steps))
        return np.log((self.floor + self.excess * fall) / math.log(2))


def draw_shape(generator: np.random.Generator, shape: str) -> Shape:
    """A true curve of a kind: those of `estimators.py`, "stretched" and "sigmoid"."""
    if shape not in ("stretched", "sigmoid"):
        return draw_law(generator, shape)
    floor, excess, middle = (
        float(generator.uniform(*ends))
        for ends in ((0.5, 0.8), (0.5, 2.0), (0.35 * SPAN, 0.65 * SPAN))
    )
    if shape == "stretched":
        steepness = float(generator.uniform(0.3, 0.8))
        return _Flat(stretched=True, floor=floor, excess=excess, middle=middle, steepness=steepness)
    steepness = float(generator.uniform(0.8, 2.0))
    return _Flat(stretched=False, floor=floor, excess=excess, middle=middle, steepness=steepness)


@dataclass(frozen=True, eq=False)
class Simulated:
    """One study and all that is true of it.

    Attributes:
        setting: its kind.
        sizes: log sizes of the curve, from the smallest; shape (sizes,).
        places: true log D_E, from the smallest size; shape (sources,).
        truths: true log D_E in bytes, as D_E is defined; shape (sources,).
        log_losses: of all runs, sizes first; shape (seeds, sizes + sources).
        covariance: of the runs of a seed; shape (sizes + sources, sizes + sources).
        measurements: the same as a table.
    """

    setting: Setting
    sizes: np.ndarray
    places: np.ndarray
    truths: np.ndarray
    log_losses: np.ndarray
    covariance: np.ndarray
    measurements: Measurements

    @property
    def positions(self) -> np.ndarray:
        """Of each truth within the range, from 0 to 1."""
        return self.places / SPAN

    @cached_property
    def _curve(self) -> CurveNoise:
        scratch = self.log_losses[:, : len(self.sizes)]
        return CurveNoise(self.sizes, scratch, Resampling(resamples=2))

    def oracle_width(self, source: int) -> float:
        """Of the interval of one who knows the covariance, in log bytes; infinite if open."""
        curve, count = self._curve, len(self.sizes)
        own = count + source
        read = curve.sensitivities
        variance = (
            self.covariance[own, own]
            - 2 * self.covariance[own, :count] @ read
            + np.einsum("ip,ij,jp->p", read, self.covariance[:count, :count], read)
        )
        half = 1.959964 * np.sqrt(np.maximum(variance, 0) / self.setting.seeds)
        gap = self.log_losses[:, own].mean() - curve.fitted
        kept = kept_sizes(curve.grid, gap, *(half + curve.sides))
        if kept.low is None or kept.high is None:
            return math.inf
        return math.log(kept.high / kept.low)


def simulate(setting: Setting, generator: np.random.Generator) -> Simulated:
    """One study of a kind."""
    law = draw_shape(generator, setting.shape)
    sizes = _sizes(setting, generator)
    positions = generator.uniform(size=setting.sources)
    same = None
    if setting.useless:
        same = np.round(positions * (setting.sizes - 1)).astype(int)
        positions = sizes[same] / SPAN
    places = np.append(sizes, positions * SPAN)
    covariance = _covariance(setting, places, law)
    root = np.linalg.cholesky(covariance + 1e-12 * NOISE**2 * np.eye(len(places)))
    drawn = generator.standard_normal((setting.seeds, len(places)))
    log_losses = law.log_loss(places) + drawn @ root.T
    if same is not None:
        log_losses[:, setting.sizes :] = log_losses[:, same]
    truths = places[setting.sizes :]
    if setting.shape == "plateau":
        truths = np.minimum(truths, law.knee)
    return Simulated(
        setting,
        sizes,
        places[setting.sizes :],
        START + truths,
        log_losses,
        covariance,
        _table(setting, places, log_losses, generator, same),
    )


def _sizes(setting: Setting, generator: np.random.Generator) -> np.ndarray:
    even = np.linspace(0, SPAN, setting.sizes)
    while setting.uneven:
        inner = np.sort(generator.uniform(0, SPAN, setting.sizes - 2))
        drawn = np.concatenate([[0.0], inner, [SPAN]])
        if np.diff(drawn).min() >= 0.1 * SPAN / (setting.sizes - 1):
            return drawn
    return even


def _covariance(setting: Setting, places: np.ndarray, law: Shape) -> np.ndarray:
    """Of the runs of one seed, sizes first."""
    count = setting.sizes
    scale = setting.noise * (10 ** (-places / SPAN) if setting.falling else np.ones(len(places)))
    scale[count:] *= setting.tuned
    scale[count] *= setting.odd
    correlation = np.eye(len(places))
    correlation[:count, :count] += setting.shared * (1 - np.eye(count))
    if setting.rho and setting.by_seed:
        sign = np.where(np.arange(len(places)) < count, np.sign(setting.rho), 1.0)
        common = abs(setting.rho) * np.outer(sign, sign)
        correlation = common + (1 - abs(setting.rho)) * np.eye(len(places))
    covariance = correlation * np.outer(scale, scale)
    if setting.rho and not setting.by_seed:
        read = _read(law, places[:count], places[count:])
        spread = np.sqrt(np.einsum("js,jk,ks->s", read, covariance[:count, :count], read))
        follows = setting.rho * scale[count:] / spread
        covariance[count:, :count] = follows[:, None] * (read.T @ covariance[:count, :count])
        covariance[:count, count:] = covariance[count:, :count].T
        inner = np.outer(follows, follows) * (read.T @ covariance[:count, :count] @ read)
        own = (1 - setting.rho**2) * np.diag(scale[count:] ** 2)
        covariance[count:, count:] = inner + own
    return covariance


def _read(law: Shape, sizes: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Change of the curve at some places with its loss at each size; shape (sizes, places)."""
    shifts = 1e-5 * np.eye(len(sizes))
    losses = law.log_loss(sizes)
    above, below = (fit_log_losses(sizes, losses + sign * shifts, places) for sign in (1, -1))
    return (above - below) / 2e-5


def _table(
    setting: Setting,
    places: np.ndarray,
    log_losses: np.ndarray,
    generator: np.random.Generator,
    same: np.ndarray | None,
) -> Measurements:
    arms, count = log_losses.shape[1], setting.blocks
    easy = 0.2 * generator.standard_normal(count)
    own = setting.document_noise * math.sqrt(count) * generator.standard_normal((arms, count))
    if same is not None:
        own[setting.sizes :] = own[same]
    hardness = np.exp(easy + own - (0.2**2 + own.var()) / 2)
    rows, blocks = [], {}
    for seed in range(setting.seeds):
        for arm in range(arms):
            loss = math.exp(log_losses[seed, arm])
            source = arm - setting.sizes
            key = f"{seed}/{arm}"
            if setting.document_noise > 0:
                table = np.stack([1000 * math.log(2) * loss * hardness[arm], np.full(count, 1e3)])
                blocks[key] = table.T
                loss = float(table[0].sum() / table[1].sum() / math.log(2))
            size = round(SMALLEST_BYTES * math.exp(places[arm]))
            if source >= 0 and same is None:
                size = 10**6  # the run of a size over again has its bytes, all others these
            rows.append(
                Measurement(
                    source=f"source {source:02}" if source >= 0 else SCRATCH, target="t",
                    target_bytes=size, bits_per_byte=loss, seed=seed, run=key,
                )
            )  # fmt: skip
    return Measurements(rows, blocks)
