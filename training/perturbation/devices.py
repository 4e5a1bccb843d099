"""What cheap devices do to speech: clipping, and the telephone with its band and its eight bits."""

from __future__ import annotations

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.training.perturbation.spectra import Samples, at_level_of

_MU = 255.0
_SLOPE = 100.0
"""Hz over which the edges of the telephone's band fall off."""


def clip(samples: Samples, decibels: float) -> Samples:
    """Samples `[n]` cut off so many dB under their peak, at the energy they had."""
    limit = float(np.abs(samples).max()) * 10 ** (-decibels / 20)
    return at_level_of(np.clip(samples, -limit, limit), samples) if limit > 0 else samples


def telephone(samples: Samples, low: float, high: float) -> Samples:
    """Samples `[n]` in a band of `low` to `high` Hz, in the mu-law of ITU-T G.711, at the energy they had."""
    import scipy.fft

    size = scipy.fft.next_fast_len(len(samples), real=True)
    hz = np.arange(size // 2 + 1) * (SAMPLE_RATE / size)
    gain = np.clip((hz - low) / _SLOPE, 0, 1) * np.clip((high - hz) / _SLOPE, 0, 1)
    band = scipy.fft.irfft(scipy.fft.rfft(samples, size) * gain.astype(np.float32), size)[: len(samples)]
    peak = max(float(np.abs(band).max()), 1e-9)
    folded = np.sign(band) * np.log1p(_MU * np.abs(band) / peak) / np.log1p(_MU)
    coded = np.round(folded * 127) / 127
    back = np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(_MU)) / _MU * peak
    return at_level_of(back.astype(np.float32), samples)
