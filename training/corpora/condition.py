"""Make utterances alike: no rumble, no silence at the ends, not too long, one loudness.

Levels are taken in frames of 20 ms every 10 ms. A frame is active when it is above a threshold between the noise
floor and the loudest speech of the same utterance, so that a noisy recording is trimmed as well as a clean one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.presets.recordings import activity, levels

Samples = npt.NDArray[np.float32]

HOP = SAMPLE_RATE // 100
WINDOW = 2 * HOP


@dataclass(frozen=True)
class Conditioning:
    """How utterances are cut and levelled.

    Attributes:
        margin: seconds of silence kept at each end.
        longest: seconds after which an utterance is cut at its quietest place.
        shortest: seconds of activity below which an utterance is no utterance.
        level: root mean square over the active frames, dBFS.
        peak: largest sample after levelling; an utterance that would exceed it stays quieter.
        highpass: corner of the filter that takes out direct current and rumble, Hz.
    """

    margin: float = 0.1
    longest: float = 15.0
    shortest: float = 0.6
    level: float = -26.0
    peak: float = 0.95
    highpass: float = 40.0


def remove_rumble(samples: Samples, corner: float) -> Samples:
    """Second-order Butterworth high-pass at `corner` Hz, run both ways so that nothing shifts in time."""
    from scipy.signal import butter, sosfiltfilt

    if samples.size <= 3 * WINDOW:
        return (samples - samples.mean()).astype(np.float32) if samples.size else samples
    centred = samples - samples.mean()
    filtered: Samples = sosfiltfilt(butter(2, corner, "highpass", fs=SAMPLE_RATE, output="sos"), centred)
    return filtered.astype(np.float32)


def trim(samples: Samples, margin: float) -> tuple[int, int]:
    """First and last sample (exclusive) that stay when silence at both ends is cut down to `margin` seconds.

    A burst shorter than 30 ms that stands alone does not count as speech: clicks of a microphone switch are common.
    """
    active = activity(samples)
    if not active.size:
        return 0, 0
    run = np.convolve(active.astype(int), np.ones(3, dtype=int), mode="same") >= 3
    found = np.flatnonzero(run)
    if not found.size:
        return 0, 0
    keep = round(margin * SAMPLE_RATE)
    first = max(0, (int(found[0]) - 1) * HOP - keep)
    last = min(samples.size, (int(found[-1]) + 1) * HOP + WINDOW + keep)
    return first, last


def cut(samples: Samples, longest: float) -> list[tuple[int, int]]:
    """Spans of at most `longest` seconds, parted at the quietest 200 ms of the second half of each span."""
    limit = round(longest * SAMPLE_RATE)
    if samples.size <= limit:
        return [(0, samples.size)]
    level = np.convolve(levels(samples), np.ones(20) / 20, mode="same")
    spans, start = [], 0
    while samples.size - start > limit:
        # when what is left is just over the limit, halving it beats leaving a scrap
        stop = min(start + limit, samples.size - limit // 4)
        low, high = (start + (stop - start) // 3) // HOP, min(stop // HOP, level.size)
        middle = (low + int(np.argmin(level[low:high]))) * HOP + HOP
        spans.append((start, middle))
        start = middle
    spans.append((start, samples.size))
    return spans


def normalise(samples: Samples, level: float, peak: float) -> Samples:
    """Scale to `level` dBFS over the active frames, or less where a sample would exceed `peak`."""
    active = activity(samples)
    if not active.any():
        return samples
    power = float(np.mean(10.0 ** (levels(samples)[active] / 10.0)))
    gain = min(10.0 ** (level / 20.0) / np.sqrt(power), peak / max(float(np.abs(samples).max()), 1e-9))
    return np.asarray(samples * gain, dtype=np.float32)


def fade(samples: Samples, seconds: float = 0.005) -> Samples:
    """Ramp both ends to zero, so that utterances can stand beside each other without a click."""
    n = min(round(seconds * SAMPLE_RATE), samples.size // 2)
    if not n:
        return samples
    faded = samples.copy()
    ramp = np.linspace(0.0, 1.0, n, endpoint=False, dtype=np.float32)
    faded[:n] *= ramp
    faded[-n:] *= ramp[::-1]
    return faded


def active_seconds(samples: Samples) -> float:
    """Seconds of speech, in steps of 10 ms."""
    return float(activity(samples).sum()) * HOP / SAMPLE_RATE


def whole_frames(samples: Samples) -> Samples:
    """Without the last samples that do not fill a 20 ms frame: they are silence that trimming left."""
    return samples[: samples.size // FRAME * FRAME]
