"""Steady noise of any colour at a given ratio."""

from __future__ import annotations

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.training.perturbation.spectra import Samples


def coloured_noise(random: np.random.Generator, length: int, tilt: float) -> Samples:
    """Noise that rises by `tilt` dB an octave (0: white, -3: pink, -6: brown), level below 50 Hz; mean square 1."""
    import scipy.fft

    size = scipy.fft.next_fast_len(length, real=True)
    white = scipy.fft.rfft(random.standard_normal(size, dtype=np.float32))
    hz = np.maximum(np.arange(len(white)) * (SAMPLE_RATE / size), 50.0)
    gain = (hz / 1_000) ** (tilt / (20 * np.log10(2)))
    noise = scipy.fft.irfft(white * gain.astype(np.float32), size)[:length]
    return np.asarray(noise / np.sqrt(np.mean(np.square(noise))), np.float32)


def add_noise(samples: Samples, noise: Samples, decibels: float) -> Samples:
    """Samples `[n]` with noise `[n]` of mean square 1 whose energy is so many dB below theirs."""
    level = np.sqrt(np.mean(np.square(samples, dtype=np.float64))) * 10 ** (-decibels / 20)
    return samples + np.float32(level) * noise
