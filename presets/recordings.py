"""Recordings of a voice, made ready for the speech encoder: 16 kHz, mono, one loudness, no long pauses.

The steps and their numbers are those that training corpora go through (`streamvc.training.corpora.condition`), because
the speech encoder has heard nothing else.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamvc.audio.reader import AudioReader
from streamvc.config import SAMPLE_RATE
from streamvc.errors import AudioError, RuntimeUnavailableError

Samples = NDArray[np.float32]

LEVEL_DB = -26.0
"""Root mean square over active frames after levelling, dB of full scale."""
PEAK = 0.95
"""Largest sample after levelling; what would exceed it stays quieter."""
HIGHPASS_HZ = 40.0
LONGEST_SECONDS = 900.0
"""What is read of all recordings together; a voice gains nothing beyond a few minutes."""
_MARGIN = 10
"""Frames of 10 ms that stay on both sides of speech."""
_HOP = SAMPLE_RATE // 100
_WINDOW = 2 * _HOP
_BLOCK_SECONDS = 10
_FASTEST = 384_000
"""Hz; files that claim more are read in smaller pieces."""
_LOUDEST = 1_000.0
"""Beyond it, one sample would be all that levelling sees, and squares become infinite."""


def read_recording(path: str | os.PathLike[str], longest_seconds: float = LONGEST_SECONDS) -> Samples:
    """Read the first `longest_seconds` of a file as mono float32 at 16 kHz, [samples].

    Any format that `streamvc.audio` reads, any rate, any number of channels (averaged). Reads block by block, so memory
    does not grow with what is left unread.

    Raises:
        AudioError: the file is missing, is no audio, is empty, or holds samples that are not finite numbers.
        RuntimeUnavailableError: the packages that read audio are not installed.
    """
    try:
        import soxr
    except ImportError as error:
        raise RuntimeUnavailableError(
            "To read recordings, the package soxr is missing: run pip install soxr."
        ) from error
    path = Path(path)
    blocks: list[Samples] = []
    with AudioReader(path) as file:
        resampler = None
        left = round(longest_seconds * file.rate)
        for block in file.blocks(_BLOCK_SECONDS * min(file.rate, _FASTEST)):
            if not np.isfinite(block).all():
                raise AudioError(f"{path} holds samples that are NaN or infinite: export it again.")
            if resampler is None:
                resampler = soxr.ResampleStream(file.rate, SAMPLE_RATE, 1, dtype="float32", quality="VHQ")
            mono = np.clip(block[:, :left].mean(axis=0, dtype=np.float64), -_LOUDEST, _LOUDEST).astype(np.float32)
            blocks.append(resampler.resample_chunk(mono))
            left -= len(mono)
            if left <= 0:
                break
        if resampler is not None:
            blocks.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if not samples.size:
        raise AudioError(f"{path} holds no samples: give a recording of at least a few seconds of speech.")
    return samples


def prepare_speech(samples: Samples) -> Samples:
    """Level a recording and take out pauses and rumble: [samples] at 16 kHz -> [speech samples], perhaps none.

    High-pass at 40 Hz, RMS over speech at -26 dBFS, at most 100 ms of silence around each stretch of speech; cuts are
    faded over 5 ms.
    """
    clean = remove_rumble(samples)
    active = activity(clean)
    if not active.any():
        return np.zeros(0, np.float32)
    power = float(np.mean(10.0 ** (levels(clean)[active] / 10.0)))
    gain = min(10.0 ** (LEVEL_DB / 20.0) / np.sqrt(power), PEAK / float(np.abs(clean).max()))
    kept = np.convolve(active, np.ones(2 * _MARGIN + 1), mode="same") > 0
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False)).reshape(-1, 2)
    stretches = [_faded(clean[first * _HOP : (last - 1) * _HOP + _WINDOW]) for first, last in edges]
    return np.concatenate(stretches) * np.float32(gain)


def active_seconds(samples: Samples) -> float:
    """Seconds of speech in a recording, in steps of 10 ms."""
    return float(activity(samples).sum()) * _HOP / SAMPLE_RATE


def remove_rumble(samples: Samples) -> Samples:
    """Take out direct current and what lies below 40 Hz, without shifting anything in time.

    The magnitude is that of a second-order Butterworth high-pass run forwards and backwards.
    """
    spectrum = np.fft.rfft(samples)
    frequency = np.fft.rfftfreq(samples.size, 1 / SAMPLE_RATE)
    fourth = (frequency / HIGHPASS_HZ) ** 4
    clean: Samples = np.fft.irfft(spectrum * (fourth / (1.0 + fourth)), samples.size).astype(np.float32)
    return clean


def levels(samples: Samples) -> NDArray[np.float64]:
    """Level of each 20 ms frame in dBFS, one per 10 ms; frame i starts at sample 160 i."""
    if samples.size < _WINDOW:
        return np.zeros(0)
    total = np.concatenate(([0.0], np.cumsum(np.square(samples, dtype=np.float64))))
    starts = np.arange(0, samples.size - _WINDOW + 1, _HOP)
    power = (total[starts + _WINDOW] - total[starts]) / _WINDOW
    return np.asarray(10.0 * np.log10(np.maximum(power, 1e-10)))


def activity(samples: Samples) -> NDArray[np.bool_]:
    """Which frames of `levels` hold speech.

    The threshold lies 35 dB under the loud frames, but at least 8 dB above the noise floor, and never closer than
    15 dB to the loud frames; what is under -70 dBFS is silence whatever the rest is.
    """
    level = levels(samples)
    if not level.size:
        return np.zeros(0, dtype=bool)
    loud, floor = np.percentile(level, 95), np.percentile(level, 5)
    threshold = max(loud - 35.0, min(floor + 8.0, loud - 15.0))
    return np.asarray((level > threshold) & (level > -70.0))


def _faded(stretch: Samples) -> Samples:
    count = min(SAMPLE_RATE // 200, stretch.size // 2)
    ramp = np.linspace(0.0, 1.0, count, endpoint=False, dtype=np.float32)
    faded = stretch.copy()
    faded[:count] *= ramp
    faded[stretch.size - count :] *= ramp[::-1]
    return faded
