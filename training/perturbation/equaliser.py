"""A parametric equaliser of second-order sections (R. Bristow-Johnson, Audio EQ Cookbook)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.training.perturbation.spectra import Samples, at_level_of


@dataclass(frozen=True)
class Band:
    """`hz`: middle of a peak or corner of a shelf; `decibels`: gain there or behind it; `q`: sharpness."""

    kind: Literal["peak", "low", "high"]
    hz: float
    decibels: float
    q: float = 0.7

    def section(self) -> np.ndarray:
        """The coefficients `b0 b1 b2 1 a1 a2`."""
        a = 10 ** (self.decibels / 40)
        turn = 2 * np.pi * self.hz / SAMPLE_RATE
        cos, alpha = np.cos(turn), np.sin(turn) / (2 * self.q)
        if self.kind == "peak":
            zeros = np.array([1 + alpha * a, -2 * cos, 1 - alpha * a])
            poles = np.array([1 + alpha / a, -2 * cos, 1 - alpha / a])
        else:
            sign = 1 if self.kind == "low" else -1
            root = 2 * np.sqrt(a) * alpha
            zeros = a * np.array([
                (a + 1) - sign * (a - 1) * cos + root,
                sign * 2 * ((a - 1) - sign * (a + 1) * cos),
                (a + 1) - sign * (a - 1) * cos - root,
            ])
            poles = np.array([
                (a + 1) + sign * (a - 1) * cos + root,
                sign * -2 * ((a - 1) + sign * (a + 1) * cos),
                (a + 1) + sign * (a - 1) * cos - root,
            ])
        return np.asarray(np.concatenate((zeros, poles)) / poles[0])


def draw_bands(random: np.random.Generator, decibels: float, peaks: int = 4) -> list[Band]:
    """Peaks and two shelves at random places, each up or down by at most `decibels`."""
    bands = [Band("low", float(random.uniform(60, 400)), float(random.uniform(-decibels, decibels)))]
    for hz in np.exp(random.uniform(np.log(150), np.log(6_000), peaks)):
        gain, q = random.uniform(-decibels, decibels), np.exp(random.uniform(np.log(0.7), np.log(4)))
        bands.append(Band("peak", float(hz), float(gain), float(q)))
    return [*bands, Band("high", float(random.uniform(2_500, 7_000)), float(random.uniform(-decibels, decibels)))]


def equalise(samples: Samples, bands: list[Band]) -> Samples:
    """Samples `[n]` through all bands, at the energy they had."""
    import scipy.signal

    filtered = scipy.signal.sosfilt(np.stack([band.section() for band in bands]), samples)
    return at_level_of(filtered.astype(np.float32), samples)
