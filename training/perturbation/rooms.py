"""Synthetic rooms: a direct sound, and a decay of noise behind it (Polack's model)."""

from __future__ import annotations

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.training.perturbation.spectra import Samples, at_level_of

_GAP = 0.002
"""Seconds between the direct sound and the first reflection: a detour of 70 cm."""


def impulse_response(random: np.random.Generator, seconds: float, direct_decibels: float) -> Samples:
    """A room that loses 60 dB in `seconds` and is heard `direct_decibels` weaker than the direct sound, in energy.

    The direct sound is the first sample, so that nothing is delayed.
    """
    taps = max(2, round(seconds * SAMPLE_RATE))
    time = np.arange(taps) / SAMPLE_RATE
    tail = random.standard_normal(taps) * 10 ** (-3 * time / seconds)
    tail[: round(_GAP * SAMPLE_RATE)] = 0
    tail *= 10 ** (-direct_decibels / 20) / max(float(np.linalg.norm(tail)), 1e-9)
    tail[0] = 1
    return tail.astype(np.float32)


def reverberate(samples: Samples, response: Samples) -> Samples:
    """Samples `[n]` in the room, cut to as many, at the energy they had."""
    import scipy.signal

    heard = scipy.signal.oaconvolve(samples, response)[: len(samples)]
    return at_level_of(heard.astype(np.float32), samples)
