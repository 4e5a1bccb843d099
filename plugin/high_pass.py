"""Takes away what lies below speech, which a voice model would take for breath."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamvc.plugin.fifo import Samples

Matrix = NDArray[np.float64]

_QUALITIES: Final = tuple(1.0 / (2.0 * math.sin(math.pi * (2 * k + 1) / 8.0)) for k in range(2))
"""Of the two second-order sections that make a Butterworth filter of the fourth order."""
_SECTION = 32
_STATES = 4


class HighPass:
    """A Butterworth high-pass of the fourth order, frame by frame.

    24 dB per octave below the cutoff, which itself is 3 dB down; an octave above, 0.02 dB. No frame is held back: what
    is delayed are the lowest harmonics, by 2.6 / (2 pi) * cutoff / f**2 seconds (60 Hz: 2.5 ms at 100 Hz, 0.6 ms at 200
    Hz, 0.1 ms at 500 Hz).

    Digital silence ends its ringing: a silent frame stays one. (What breaks off there has broken off in the source as
    well, and a constant that ends leaves no step at all.)

    A recursive filter would be a loop over samples. Here a frame is a few products with matrices computed once: the
    response to 32 samples, what they leave in the state, and how that goes on. The same operations on every frame,
    so that the bits do not depend on how a stream is cut.

    Args:
        cutoff: Hz.
        sample_rate: Hz.
        frame: samples of every frame, a multiple of 32.
    """

    def __init__(self, cutoff: float, sample_rate: int, frame: int) -> None:
        if frame % _SECTION:
            raise ValueError(f"a frame of {frame} samples is no multiple of {_SECTION}")
        a, b, c, d = _state_space(cutoff, sample_rate)
        powers = [np.eye(_STATES)]
        for _ in range(_SECTION):
            powers.append(powers[-1] @ a)
        response = [d, *(float(c @ powers[n] @ b) for n in range(_SECTION - 1))]
        count = frame // _SECTION
        self._direct: Matrix = np.zeros((_SECTION, _SECTION))
        for column in range(_SECTION):
            self._direct[column, column:] = response[: _SECTION - column]
        self._into_state: Matrix = np.stack([powers[_SECTION - 1 - n] @ b for n in range(_SECTION)])
        self._from_state: Matrix = np.stack([c @ powers[n] for n in range(_SECTION)], axis=1)
        section = [np.linalg.matrix_power(powers[_SECTION], k) for k in range(count + 1)]
        self._ahead: Matrix = np.concatenate(section)
        self._joined: Matrix = np.zeros(((count + 1) * _STATES, count * _STATES))
        for to in range(1, count + 1):
            for of in range(to):
                rows, columns = slice(to * _STATES, (to + 1) * _STATES), slice(of * _STATES, (of + 1) * _STATES)
                self._joined[rows, columns] = section[to - 1 - of]
        self.reset()

    def reset(self) -> None:
        """Begin anew, with silence before."""
        self._state: Matrix = np.zeros(_STATES)

    def process(self, frame: Samples) -> Samples:
        """Filter one frame, float32 [frame]; what was given is left as it is."""
        if not frame.any():
            self.reset()
            return frame
        sections = frame.reshape(-1, _SECTION).astype(np.float64)
        states = self._ahead @ self._state + self._joined @ (sections @ self._into_state).reshape(-1)
        states = states.reshape(-1, _STATES)
        self._state = states[-1]
        return (sections @ self._direct + states[:-1] @ self._from_state).reshape(-1).astype(np.float32)


def _state_space(cutoff: float, sample_rate: int) -> tuple[Matrix, Matrix, Matrix, float]:
    """x' = A x + b u, y = c x + d u of both sections behind each other (bilinear transform, cutoff kept)."""
    a, b, c, d = _section(cutoff, sample_rate, _QUALITIES[0])
    a2, b2, c2, d2 = _section(cutoff, sample_rate, _QUALITIES[1])
    upper: Any = np.hstack([a, np.zeros((2, 2))])
    lower: Any = np.hstack([np.outer(b2, c), a2])
    return np.vstack([upper, lower]), np.concatenate([b, b2 * d]), np.concatenate([d2 * c, c2]), d2 * d


def _section(cutoff: float, sample_rate: int, quality: float) -> tuple[Matrix, Matrix, Matrix, float]:
    angle = 2.0 * math.pi * cutoff / sample_rate
    alpha = math.sin(angle) / (2.0 * quality)
    norm = 1.0 + alpha
    gain = (1.0 + math.cos(angle)) / (2.0 * norm)
    a1, a2 = -2.0 * math.cos(angle) / norm, (1.0 - alpha) / norm
    # Transposed direct form II: the numerator is gain * (1, -2, 1).
    a = np.array([[-a1, 1.0], [-a2, 0.0]])
    b = np.array([-2.0 * gain - a1 * gain, gain - a2 * gain])
    return a, b, np.array([1.0, 0.0]), gain
