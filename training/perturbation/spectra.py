"""Short-time spectra of a row of samples and back, with no delay."""

from __future__ import annotations

from typing import Any

import numpy as np

SIZE, HOP = 512, 128
"""Samples: windows of 32 ms, four times overlapped."""
_WINDOW = np.hanning(SIZE + 1)[:SIZE].astype(np.float32)

Samples = np.ndarray[Any, np.dtype[np.float32]]
Spectra = np.ndarray[Any, np.dtype[np.complex64]]


def analyse(samples: Samples) -> Spectra:
    """`[n] -> [frames, 257]`; frame i lies around sample i * 128, with silence before and behind."""
    import scipy.fft

    padded = np.pad(samples, (SIZE // 2, SIZE))
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP]
    spectra: Spectra = scipy.fft.rfft(frames * _WINDOW, axis=1)
    return spectra


def synthesise(spectra: Spectra, length: int) -> Samples:
    """Overlap-add of windowed frames, `length` samples from the middle of the first frame on."""
    import scipy.fft

    frames = scipy.fft.irfft(spectra, SIZE, axis=1) * _WINDOW
    overlaps = SIZE // HOP
    pieces = np.zeros((len(frames) + overlaps - 1, HOP), np.float32)
    windows = np.zeros_like(pieces)
    for part in range(overlaps):
        place = slice(part * HOP, (part + 1) * HOP)
        pieces[part : part + len(frames)] += frames[:, place]
        windows[part : part + len(frames)] += np.square(_WINDOW[place])
    # Squared windows add up to 1.5, but to less within a window of the ends.
    samples = (pieces / np.maximum(windows, 0.1)).reshape(-1)[SIZE // 2 :]
    return np.pad(samples, (0, max(0, length - len(samples))))[:length].astype(np.float32)


def at_level_of(samples: Samples, like: Samples) -> Samples:
    """Samples scaled to the energy of others; silence stays silence."""
    own = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    wanted = float(np.sqrt(np.mean(np.square(like, dtype=np.float64))))
    return samples * np.float32(wanted / own) if own > 1e-9 else samples
