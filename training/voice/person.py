"""Is it the same person all the time?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamvc.config import SAMPLE_RATE
from streamvc.presets.pitch import voiced_log_f0
from streamvc.presets.recordings import Samples

SECONDS = 1.5
"""Speech below which an embedding says little; shorter segments are judged by their pitch alone."""
FARTHEST = 6.0
"""Distance from the median direction, in medians of the distances: what there is to go by where embeddings have no
scale of their own. Measured with the speech encoder of gan4, segments of 2.5 to 8 s: all of one person's lie within
3.3, about half of other people's beyond 6."""
_ROUNDING = 1e-6
"""Distances below it are roundings: copies of one recording are of one person."""
REGISTER = 0.45
"""Distance of the median pitch from the person's, natural log: eight semitones."""


@dataclass(frozen=True)
class Ear:
    """What tells speakers apart.

    Args:
        embed: speech [samples] at 16 kHz -> [d].
        limit: 1 - cosine from the person's median direction beyond which it is somebody else; None where this depends
            on the weights, and is judged by the person's own spread (`FARTHEST`).
    """

    embed: Callable[[Samples], NDArray[np.float32]]
    limit: float | None = None


def strangers(speech: Sequence[Samples], ear: Ear) -> set[int]:
    """Numbers of the segments that somebody else seems to speak; the median speaker is the person meant."""
    strange: set[int] = set()
    heard = [i for i, samples in enumerate(speech) if len(samples) >= SECONDS * SAMPLE_RATE]
    if len(heard) >= 3:
        embeddings = np.stack([ear.embed(speech[i]) for i in heard]).astype(np.float64)
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        middle = np.median(embeddings, axis=0)
        distances = 1.0 - embeddings @ (middle / np.linalg.norm(middle))
        limit = max(FARTHEST * float(np.median(distances)), _ROUNDING) if ear.limit is None else ear.limit
        strange |= {i for i, distance in zip(heard, distances, strict=True) if distance > limit}
    pitches = [voiced_log_f0(samples) for samples in speech]
    registers = np.array([np.median(pitch) if pitch.size >= 20 else np.nan for pitch in pitches])
    if np.isfinite(registers).sum() >= 3:
        apart = np.abs(registers - np.nanmedian(registers))
        strange |= set(np.flatnonzero(apart > REGISTER).tolist())
    return strange
