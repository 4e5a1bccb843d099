"""Does the intonation follow the source, and does the pitch reach the target?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from streamvc.training.evaluation.optional import require
from streamvc.training.evaluation.pairs import Wave

MEASURE: Final = "the pitch"
FLOOR_HZ: Final = 60.0
CEILING_HZ: Final = 500.0
STEP_SECONDS: Final = 0.01
MIN_FRAMES: Final = 20
"""Frames that both waves must call voiced before a correlation is worth anything (0.2 s)."""


def track(wave: Wave) -> npt.NDArray[np.float64]:
    """f0 of `wave` [samples] at 16 kHz in Hz, one value per 10 ms, 0 where it is unvoiced: [frames].

    Praat's autocorrelation method (Boersma 1993), 60 to 500 Hz. A wave of less than 50 ms has no frames.

    Raises:
        RuntimeUnavailableError: praat-parselmouth is not installed.
    """
    parselmouth: Any = require("parselmouth", MEASURE)
    if wave.size < 16_000 * 3 / FLOOR_HZ:  # three periods of the lowest pitch: Praat's analysis window
        return np.zeros(0)
    sound = parselmouth.Sound(wave.astype(np.float64), 16_000)
    pitch = sound.to_pitch_ac(time_step=STEP_SECONDS, pitch_floor=FLOOR_HZ, pitch_ceiling=CEILING_HZ)
    return np.asarray(pitch.selected_array["frequency"], dtype=np.float64)


@dataclass(frozen=True)
class PitchMatch:
    """How one f0 track follows another.

    Args:
        correlation: Pearson correlation of f0 (Hz) over the frames that both call voiced. 0 when the source has
            enough voiced frames but too few of them are voiced in both; None when the source itself has too few.
        voicing_agreement: share of frames, 0 to 1, that both call voiced or both unvoiced; None without frames.
    """

    correlation: float | None
    voicing_agreement: float | None


def compare_tracks(source: npt.NDArray[np.float64], converted: npt.NDArray[np.float64]) -> PitchMatch:
    """Compare two f0 tracks [frames] (Hz, 0 = unvoiced) frame by frame at zero lag; the longer one is cut."""
    frames = min(source.size, converted.size)
    if frames == 0:
        return PitchMatch(None if int((source > 0).sum()) < MIN_FRAMES else 0.0, None)
    first, second = source[:frames], converted[:frames]
    agreement = float(((first > 0) == (second > 0)).mean())
    if int((first > 0).sum()) < MIN_FRAMES:
        return PitchMatch(None, agreement)
    both = (first > 0) & (second > 0)
    if int(both.sum()) < MIN_FRAMES:
        return PitchMatch(0.0, agreement)
    x, y = first[both] - first[both].mean(), second[both] - second[both].mean()
    scale = float(np.sqrt((x * x).sum() * (y * y).sum()))
    # A monotone carries no intonation, so that it correlates with nothing.
    return PitchMatch(float((x * y).sum()) / scale if scale > 1e-9 else 0.0, agreement)


def median_f0(track: npt.NDArray[np.float64]) -> float | None:
    """Median f0 in Hz over the voiced frames of a track [frames]; None when there are too few of them."""
    voiced = track[track > 0]
    return float(np.median(voiced)) if voiced.size >= MIN_FRAMES else None


def pitch_distance(converted: npt.NDArray[np.float64], target: npt.NDArray[np.float64]) -> float | None:
    """Distance of two tracks' median f0 in semitones, at least 0; None when one has too few voiced frames."""
    a, b = median_f0(converted), median_f0(target)
    return None if a is None or b is None else float(abs(12.0 * np.log2(a / b)))
