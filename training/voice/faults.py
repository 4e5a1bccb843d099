"""What makes a segment of a recording useless for a voice."""

from __future__ import annotations

from typing import Literal

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.presets.pitch import voiced_log_f0
from streamvc.presets.recordings import Samples, active_seconds, activity, levels
from streamvc.training.corpora.faults import NARROW
from streamvc.training.corpora.measure import energy_above, pile_at_peak

Reason = Literal[
    "silence", "too short", "clipped", "narrow band", "steady sound", "too noisy", "hardly voiced", "another speaker",
    "too much",
]
ADVICE: dict[Reason, str] = {
    "silence": "pauses need nothing",
    "too short": "speak in whole sentences",
    "clipped": "record at a lower gain",
    "narrow band": "record at 16 kHz or more, not over a telephone",
    "steady sound": "leave out music and hum",
    "too noisy": "record in a quieter place, nearer to the microphone",
    "hardly voiced": "speak, do not whisper",
    "another speaker": "give recordings of one person",
    "too much": "ten minutes are enough",
}
"""What to do about each."""

SHORTEST = 1.0
"""Seconds of speech."""
CLIPPED = 0.2
"""Share of the loud samples that lie close to the peak (`pile_at_peak`): up to 0.16 in clean speech, 0.28 when it was
cut off at half of its peak."""
LEAST_SNR = 15.0
"""Decibels between speech and the quietest twentieth of the time around it; read speech has 20 to 70."""
LEAST_MOVEMENT = 3.0
"""Standard deviation of the level within speech, dB: 4 to 12 for speech, 0 to 2 for hum and held notes."""
LEAST_VOICED = 0.1
"""Share of the active frames that have a pitch; 0.12 to 0.96 in read speech."""
_FULL_SCALE = 0.999
_AT_FULL_SCALE = 5e-4
"""Share of samples at full scale that is a fault: speech has at most a few."""


def fault_of(samples: Samples) -> Reason | None:
    """The first fault of a segment [samples] at 16 kHz, at the level at which it was recorded; None for a clean one."""
    active = activity(samples)
    if active_seconds(samples) < SHORTEST:
        return "too short"
    if pile_at_peak(samples) > CLIPPED or (np.abs(samples) >= _FULL_SCALE).mean() > _AT_FULL_SCALE:
        return "clipped"
    level = levels(samples)
    # At least 8 dB lie between speech and floor where `activity` found speech at all; steady sounds fill everything.
    loud = level > np.percentile(level, 95) - 35.0
    if level[loud].std() < LEAST_MOVEMENT:
        return "steady sound"
    if signal_to_noise(samples) < LEAST_SNR:
        return "too noisy"
    if energy_above(samples, active)[1] < NARROW:
        return "narrow band"
    if voiced_log_f0(samples).size < LEAST_VOICED * active.sum():
        return "hardly voiced"
    return None


def signal_to_noise(samples: Samples) -> float:
    """Level of the active frames above that of the quietest twentieth of all, dB; pauses and closures are enough."""
    level, active = levels(samples), activity(samples)
    if not active.any():
        return 0.0
    speech = 10.0 * np.log10(np.mean(10.0 ** (level[active] / 10.0)))
    # Frames of digital silence say nothing about the noise under the speech, unless there is little else.
    heard = level[level > -90.0]
    return float(speech - np.percentile(heard, 5)) if heard.size * 160 > SAMPLE_RATE // 2 else 0.0
