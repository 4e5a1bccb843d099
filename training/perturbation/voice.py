"""Pitch and formants, each moved without the other."""

from __future__ import annotations

import numpy as np
import soxr

from streamvc.config import SAMPLE_RATE
from streamvc.training.perturbation.spectra import SIZE, Samples, Spectra, analyse, at_level_of, synthesise

_ORDER = 20
"""Poles of an envelope: two per formant up to 8 kHz, and four for the rest."""
_LARGEST_GAIN = 3.5
"""Nepers (30 dB), of a filter that moves formants."""
_STEP, _SEARCH = 256, 160
"""Samples between the segments of a stretch, and how far each may be moved to continue the one before: together the
search covers a period of 50 Hz."""


def shift_voice(samples: Samples, pitch: float, formants: float) -> Samples:
    """Multiply f0 by `pitch` and all formants by `formants`; `[n]` in and out, the same in time and in energy.

    Pitch moves by stretching time and resampling back, which moves the formants along; a filter moves these to where
    they belong. Where pitch falls, the top of the band is empty from 8 kHz times `pitch` on.
    """
    shifted = samples
    if pitch != 1:
        resampled = soxr.resample(stretch(samples, pitch), SAMPLE_RATE * pitch, SAMPLE_RATE, "LQ").astype(np.float32)
        shifted = np.pad(resampled, (0, max(0, len(samples) - len(resampled))))[: len(samples)]
    if formants != pitch:
        spectra = analyse(shifted)
        shifted = synthesise(spectra * _filters(spectra, formants / pitch), len(samples))
    return at_level_of(shifted, samples)


def stretch(samples: Samples, factor: float) -> Samples:
    """Samples `[n]` made `factor` times as long without a change of frequencies (WSOLA, Verhelst and Roelands 1993)."""
    length = round(len(samples) * factor)
    window = np.hanning(2 * _STEP + 1)[:-1].astype(np.float32)
    front = _STEP + _SEARCH
    padded = np.pad(samples, (front, 3 * _STEP + 2 * _SEARCH + int(2 * _STEP / factor)))
    squares = np.concatenate(([0.0], np.cumsum(np.square(padded, dtype=np.float64))))
    # Segments lie around multiples of the step in the result, so the first one begins a step ahead of it.
    stretched = np.zeros((length // _STEP + 3) * _STEP, np.float32)
    # Of two places that are as good, the one that is nearer to where the segment should be; in silence, there.
    far = 0.1 * np.abs(np.linspace(-1, 1, 2 * _SEARCH + 1))
    natural = front - _STEP
    for number in range(length // _STEP + 2):
        middle = round(number * _STEP / factor)
        first = min(middle + front - _STEP - _SEARCH, len(padded) - 2 * (_STEP + _SEARCH))
        if number:
            wanted = padded[natural : natural + _STEP]
            likeness = np.correlate(padded[first : first + 2 * _SEARCH + _STEP], wanted, "valid")
            energy = squares[first + _STEP : first + _STEP + len(likeness)] - squares[first : first + len(likeness)]
            cosine = likeness / np.sqrt((energy + 1e-6) * (np.square(wanted).sum() + 1e-6))
            begin = first + int(np.argmax(cosine - far))
        else:
            begin = first + _SEARCH
        stretched[number * _STEP : (number + 2) * _STEP] += window * padded[begin : begin + 2 * _STEP]
        natural = begin + _STEP
    return stretched[_STEP : _STEP + length]


def _filters(spectra: Spectra, factor: float) -> np.ndarray:
    """Real gains `[frames, bins]` that multiply the frequencies of the formants of spectra by `factor`.

    Envelopes are all-pole (linear prediction), which are as sharp as formants are.
    """
    import scipy.fft

    bins = spectra.shape[1]
    turns = np.pi * np.arange(bins) / (bins - 1)
    power = np.square(np.abs(spectra)) * (1.81 - 1.8 * np.cos(turns)).astype(np.float32)  # emphasis of 1 - 0.9 / z
    lags = scipy.fft.irfft(power, SIZE, axis=1)[:, : _ORDER + 1].astype(np.float64)
    # A Gauss window of 40 Hz keeps poles from single harmonics; what is added to lag 0 keeps silence solvable.
    lags *= np.exp(-0.5 * np.square(2 * np.pi * 40 / SAMPLE_RATE * np.arange(_ORDER + 1)))
    lags[:, 0] = lags[:, 0] * 1.0001 + 1e-9
    predictors = _levinson(lags)
    inverse = np.abs(_response(predictors, turns))
    moved = np.abs(_response(predictors, np.minimum(turns / factor, np.pi)))
    return np.asarray(np.exp(np.clip(np.log(inverse / moved), -_LARGEST_GAIN, _LARGEST_GAIN)), np.float32)


def _levinson(lags: np.ndarray) -> np.ndarray:
    """Predictors `[frames, order + 1]`, the first coefficient 1, of autocorrelations `[frames, order + 1]`."""
    predictors = np.zeros_like(lags)
    predictors[:, 0] = 1
    error = lags[:, 0].copy()
    for order in range(1, lags.shape[1]):
        reflection = -(predictors[:, :order] * lags[:, order:0:-1]).sum(axis=1) / error
        turned = predictors[:, order::-1].copy()
        predictors[:, : order + 1] += reflection[:, None] * turned
        error *= 1 - np.square(reflection)
    return predictors


def _response(predictors: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """`[frames, len(turns)]`, at angles `turns` on the unit circle."""
    return np.asarray(predictors @ np.exp(-1j * np.outer(np.arange(predictors.shape[1]), turns)))
