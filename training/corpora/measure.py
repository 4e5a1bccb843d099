"""What is measured of each utterance of a packed corpus, and the fingerprint by which copies are found.

Utterances were brought to one loudness and filtered before they were packed, so that clipping is no longer a row of
equal samples at full scale. What stays is a pile: of all samples beyond half of the peak, clipped speech has many
close to the peak, and other speech only few.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE
from streamvc.presets.recordings import activity, levels

EDGES = (4000.0, 5500.0, 7000.0)
"""Hz above which the share of energy is measured."""
WINDOW = 512
PILE = (0.5, 0.93)
"""Of the peak: samples beyond the first, and the share of those that lie beyond the second."""
OUTLIERS = 5000
"""One sample of so many may be beyond the peak."""
FLOOR = -120.0


@dataclass(frozen=True)
class Measured:
    """One utterance.

    Attributes:
        level: root mean square over active frames, dBFS.
        silence: share of frames of 10 ms without speech.
        pile: share of the loud samples of one sign that lie close to the peak of that sign; see `pile_at_peak`.
        above: energy above each of `EDGES` in active frames against all of it, dB.
        digest: of the samples, equal for equal utterances.
    """

    level: float
    silence: float
    pile: float
    above: tuple[float, float, float]
    digest: bytes


def measure(samples: npt.NDArray[np.int16]) -> Measured:
    """Measure one utterance, int16 at 16 kHz."""
    digest = hashlib.blake2b(np.ascontiguousarray(samples).tobytes(), digest_size=16).digest()
    wave = samples.astype(np.float32) / 32768.0
    active = activity(wave)
    if not active.any():
        return Measured(FLOOR, 1.0, 0.0, (FLOOR, FLOOR, FLOOR), digest)
    power = float(np.mean(10.0 ** (levels(wave)[active] / 10.0)))
    level, silence = 10.0 * float(np.log10(power)), 1.0 - float(active.mean())
    return Measured(level, silence, pile_at_peak(wave), energy_above(wave, active), digest)


def pile_at_peak(wave: npt.NDArray[np.float32]) -> float:
    """Of the samples of one sign beyond half of its peak, the share beyond 93 % of it; the larger of both signs.

    About 0.04 for speech. The peak is what one sample of 5000 exceeds, so that a click hides nothing. Few loud samples
    say nothing, so that fewer than 200 of them count as none.
    """
    shares = []
    place = min(wave.size - 1, wave.size // OUTLIERS)
    for side in (wave, -wave):
        peak = -float(np.partition(-side, place)[place]) if wave.size else 0.0
        loud = int((side > PILE[0] * peak).sum()) if peak > 0 else 0
        shares.append(float((side > PILE[1] * peak).sum()) / loud if loud >= 200 else 0.0)
    return max(shares)


def energy_above(wave: npt.NDArray[np.float32], active: npt.NDArray[np.bool_]) -> tuple[float, float, float]:
    """Energy above each of `EDGES` in active frames against their whole energy, dB."""
    starts = np.flatnonzero(active)[::2] * (SAMPLE_RATE // 100)
    starts = starts[starts + WINDOW <= wave.size]
    if not starts.size:
        return FLOOR, FLOOR, FLOOR
    frames = wave[starts[:, None] + np.arange(WINDOW)] * np.hanning(WINDOW).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))).sum(axis=0)
    frequency = np.fft.rfftfreq(WINDOW, 1.0 / SAMPLE_RATE)
    whole = float(power.sum()) + 1e-20
    found = [10.0 * np.log10(float(power[frequency >= edge].sum()) / whole + 1e-12) for edge in EDGES]
    return float(found[0]), float(found[1]), float(found[2])
