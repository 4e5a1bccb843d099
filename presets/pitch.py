"""The pitch of recordings: YIN as the model does it (`streamvc.dsp.yin`), in NumPy, so that it needs no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from streamvc.config import SAMPLE_RATE, YinConfig
from streamvc.errors import AudioError
from streamvc.presets.checks import F0_STD_RANGE
from streamvc.presets.recordings import Samples

Floats = NDArray[np.float64]

VOICED_SECONDS = 0.5
"""Voiced speech below which there is no pitch to speak of."""
_BLOCK = 10 * SAMPLE_RATE
_FLOOR = 1e-6
"""Mean square difference under which a lag says nothing, as in the model's YIN."""


def f0_statistics(speech: Samples) -> tuple[float, float]:
    """Mean and standard deviation of ln(f0 in Hz) over the voiced frames of prepared speech, [samples] at 16 kHz.

    Pitch is found as the model finds the source's: YIN at the loosest threshold, a median over three estimates. What is
    more than an octave away from the median of all is an error of YIN's by a factor of two or more, and is left out.

    Raises:
        AudioError: there is less than half a second of voiced speech.
    """
    log_f0 = voiced_log_f0(speech)
    if log_f0.size:
        log_f0 = log_f0[np.abs(log_f0 - np.median(log_f0)) <= math.log(2.0)]
    if log_f0.size * YinConfig().hop < VOICED_SECONDS * SAMPLE_RATE:
        raise AudioError(
            "The recordings hold hardly any voiced speech: give clean speech of one person, not whispered."
        )
    low, high = F0_STD_RANGE
    return float(log_f0.mean()), float(np.clip(log_f0.std(), low, high))


def voiced_log_f0(speech: Samples) -> Floats:
    """ln(f0 in Hz) of each voiced frame of 10 ms of [samples] at 16 kHz, octave errors included: [voiced frames]."""
    return np.concatenate(list(_voiced_log_f0(speech))) if speech.size else np.zeros(0)


def yin(windows: Floats, config: YinConfig) -> tuple[Floats, Floats]:
    """Natural log of f0 in Hz and voiced (1 or 0) of windows `[n, span]`, at the loosest threshold: `[n]` each."""
    width, lags = config.window, config.max_lag
    size = 1 << (config.span - 1).bit_length()
    spectrum = np.fft.rfft(windows[:, :width], size).conj() * np.fft.rfft(windows, size)
    correlation = np.fft.irfft(spectrum, size)[:, 1 : lags + 1]
    squares = np.pad(np.cumsum(windows * windows, axis=1), ((0, 0), (1, 0)))
    energy = squares[:, width:] - squares[:, :-width]
    difference = np.maximum(energy[:, :1] + energy[:, 1:] - 2 * correlation, 0) / width + _FLOOR
    cmndf = difference * np.arange(1, lags + 1) / np.cumsum(difference, axis=1)

    low = config.min_lag - 1
    inner = cmndf[:, low:-1]
    is_minimum = (inner < cmndf[:, low - 1 : -2]) & (inner <= cmndf[:, low + 1 :])
    candidate = is_minimum & (inner < config.thresholds[-1])
    voiced = candidate.any(axis=1)
    best = np.where(voiced, candidate.argmax(axis=1), inner.argmin(axis=1)) + low
    rows = np.arange(len(best))
    left, mid, right = (cmndf[rows, best + offset] for offset in (-1, 0, 1))
    curve = left - 2 * mid + right
    shift = np.where(curve > 1e-9, 0.5 * (left - right) / np.maximum(curve, 1e-9), 0.0)
    log_f0 = np.log(SAMPLE_RATE / (best + 1 + np.clip(shift, -0.5, 0.5)))
    return np.asarray(log_f0), np.asarray(voiced, np.float64)


def _voiced_log_f0(speech: Samples) -> Iterator[Floats]:
    config = YinConfig()
    # Silence before the first window, as in a stream; what follows is silence too, so that the end is heard whole.
    before = config.span - config.hop
    padded = np.pad(speech.astype(np.float64), (before, -speech.size % config.hop))
    tail = np.zeros((2, 0))
    for start in range(0, padded.size - before, _BLOCK):
        block = padded[start : start + _BLOCK + before]
        estimates = yin(np.lib.stride_tricks.sliding_window_view(block, config.span)[:: config.hop], config)
        loosest = np.concatenate((tail, np.stack(estimates)), axis=1)
        tail = loosest[:, -2:]
        if loosest.shape[1] < 3:
            continue
        log_f0, voiced = np.median(np.lib.stride_tricks.sliding_window_view(loosest, 3, axis=1), axis=2)
        yield log_f0[voiced > 0]
