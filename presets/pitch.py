"""The pitch of recordings: YIN as the model does it (`streamvc.dsp.yin`), in NumPy, so that it needs no torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

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
_AS_DEEP = 0.04
_SURE = 0.1
_LASTING = 8
_FORGET = 0.1
"""These four as in the model's YIN; a test holds the two equal."""


@dataclass(frozen=True)
class Loudness:
    """What YIN remembers of the loudness before a window: power of the last estimates `[8]`, and of loud speech."""

    power: Floats = field(default_factory=lambda: np.zeros(_LASTING))
    loud: float = 0.0


def f0_statistics(speech: Samples) -> tuple[float, float]:
    """Mean and standard deviation of ln(f0 in Hz) over the voiced frames of prepared speech, [samples] at 16 kHz.

    Raises:
        AudioError: there is less than half a second of voiced speech.
    """
    log_f0 = within_an_octave(voiced_log_f0(speech))
    if log_f0.size * YinConfig().hop < VOICED_SECONDS * SAMPLE_RATE:
        raise AudioError(
            "The recordings hold hardly any voiced speech: give clean speech of one person, not whispered."
        )
    low, high = F0_STD_RANGE
    return float(log_f0.mean()), float(np.clip(log_f0.std(), low, high))


def within_an_octave(log_f0: Floats) -> Floats:
    """Those within an octave of the median; others are errors of YIN's by a factor of two or more."""
    return log_f0[np.abs(log_f0 - np.median(log_f0)) <= math.log(2.0)] if log_f0.size else log_f0


def voiced_log_f0(speech: Samples) -> Floats:
    """ln(f0 in Hz) of each voiced frame of 10 ms of [samples] at 16 kHz, octave errors included: [voiced frames].

    Pitch is found as the `live` model finds the source's: YIN's deepest minimum, a median over three estimates, and
    voiced what `YinConfig.voiced` says. Registers, what is refused, and the running whitening all mean this by voiced.
    """
    return np.concatenate(list(_voiced_log_f0(speech))) if speech.size else np.zeros(0)


def yin(windows: Floats, config: YinConfig, before: Loudness | None = None) -> tuple[Floats, Floats, Loudness]:
    """Natural log of f0 in Hz and CMNDF of windows `[n, span]` as at the last threshold: `[n]` each; and the loudness.
    """
    width, lags = config.window, config.max_lag
    size = 1 << (config.span - 1).bit_length()
    spectrum = np.fft.rfft(windows[:, :width], size).conj() * np.fft.rfft(windows, size)
    correlation = np.fft.irfft(spectrum, size)[:, 1 : lags + 1]
    squares = np.pad(np.cumsum(windows * windows, axis=1), ((0, 0), (1, 0)))
    energy = squares[:, width:] - squares[:, :-width]
    floor, after = _floor(energy[:, 0] / width, config, before or Loudness())
    difference = np.maximum(energy[:, :1] + energy[:, 1:] - 2 * correlation, 0) / width + floor[:, None]
    cmndf = difference * np.arange(1, lags + 1) / np.cumsum(difference, axis=1)

    low, end = config.min_lag - 1, config.last_lag
    inner = cmndf[:, low:end]
    is_minimum = (inner < cmndf[:, low - 1 : end - 1]) & (inner <= cmndf[:, low + 1 : end + 1])
    minima = np.where(is_minimum, inner, np.inf)
    lowest, threshold = minima.min(axis=1, keepdims=True), config.thresholds[-1]
    # The shortest of the deepest minima; one under the threshold, where there is any.
    limit = np.where(lowest < threshold, np.clip(lowest + _AS_DEEP, _SURE, threshold), lowest + _AS_DEEP)
    best = (minima < limit).argmax(axis=1) + low
    rows = np.arange(len(best))
    left, mid, right = (cmndf[rows, best + offset] for offset in (-1, 0, 1))
    curve = left - 2 * mid + right
    shift = np.where(curve > 1e-9, 0.5 * (left - right) / np.maximum(curve, 1e-9), 0.0)
    log_f0 = np.log(SAMPLE_RATE / (best + 1 + np.clip(shift, -0.5, 0.5)))
    return np.asarray(log_f0), np.asarray(mid), after


def _floor(power: Floats, config: YinConfig, before: Loudness) -> tuple[Floats, Loudness]:
    """What differences have to stand out of, at each estimate `[n]`."""
    known = np.concatenate((before.power, power))
    lasting = np.lib.stride_tricks.sliding_window_view(known, _LASTING + 1).min(axis=1)
    slope = _FORGET * math.log(10) * config.hop / SAMPLE_RATE * np.arange(len(power) + 1)
    risen = np.log(np.maximum(np.concatenate(([before.loud], lasting)), 1e-30)) + slope
    loud = np.exp(np.maximum.accumulate(risen) - slope)[1:]
    after = Loudness(known[len(power) :], float(loud[-1]))
    return np.maximum(config.quiet * loud, config.floor), after


def _voiced_log_f0(speech: Samples) -> Iterator[Floats]:
    config = YinConfig()
    # Silence before the first window, as in a stream; what follows is silence too, so that the end is heard whole.
    before = config.span - config.hop
    padded = np.pad(speech.astype(np.float64), (before, -speech.size % config.hop))
    tail: Floats = np.zeros((2, 0))
    loudness = Loudness()
    for start in range(0, padded.size - before, _BLOCK):
        block = padded[start : start + _BLOCK + before]
        windows = np.lib.stride_tricks.sliding_window_view(block, config.span)[:: config.hop]
        log_f0, depth, loudness = yin(windows, config, loudness)
        voiced = np.asarray(depth < config.voiced, np.float64)
        known: Floats = np.concatenate((tail, np.stack((log_f0, voiced))), axis=1)
        tail = known[:, -2:]
        if known.shape[1] < 3:
            continue
        log_f0, voiced = np.median(np.lib.stride_tricks.sliding_window_view(known, 3, axis=1), axis=2)
        yield log_f0[voiced > 0]
