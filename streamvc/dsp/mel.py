"""Causal log-mel front end."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from streamvc.config import SAMPLE_RATE
from streamvc.dsp.dft import RealDFT, Transform
from streamvc.layers.base import StreamingModule
from streamvc.layers.conv import Windows
from streamvc.state import State

LOG_FLOOR = 1e-7
"""Added to a band's energy before the logarithm. Whisper floors at 80 dB under the loudest band of the utterance, which
a stream cannot know; this is about as much under speech of usual level, and leaves 55 dB to speech 30 dB weaker."""
SILENCE = -0.75
"""What :class:`LogMel` makes of silence."""


def hz_to_mel(hz: np.ndarray) -> np.ndarray:
    """O'Shaughnessy's mel scale."""
    return np.asarray(2595.0 * np.log10(1.0 + hz / 700.0))


def mel_to_hz(mel: np.ndarray) -> np.ndarray:
    """Inverse of :func:`hz_to_mel`."""
    return np.asarray(700.0 * (10.0 ** (mel / 2595.0) - 1.0))


def mel_filterbank(bands: int, size: int, low: float = 40.0, high: float = 7_800.0, warp: float = 1.0) -> np.ndarray:
    """Triangular filters of unit peak, `[size // 2 + 1, bands]`.

    `warp` stretches the frequency axis that the filters see (vocal-tract-length perturbation, Jaitly and Hinton 2013):
    1.1 makes formants and pitch look 10 % lower.
    """
    centres = mel_to_hz(np.linspace(hz_to_mel(np.array(low)), hz_to_mel(np.array(high)), bands + 2)) * warp
    frequency = np.arange(size // 2 + 1) * SAMPLE_RATE / size
    rise = (frequency[:, None] - centres[:-2]) / (centres[1:-1] - centres[:-2])
    fall = (centres[2:] - frequency[:, None]) / (centres[2:] - centres[1:-1])
    return np.asarray(np.maximum(0.0, np.minimum(rise, fall)), dtype=np.float32)


def slaney_filterbank(bands: int, size: int, warp: float = 1.0) -> np.ndarray:
    """Triangular filters of unit area from 0 Hz to the Nyquist frequency, `[size // 2 + 1, bands]`, float32.

    Slaney's mel scale (Auditory Toolbox, 1998): linear below 1 kHz, 200/3 Hz each, and logarithmic above, 27 to a
    factor of 6.4. `warp` as for :func:`mel_filterbank`; the areas stay those of the filters that are not warped.
    """
    step, corner, ratio = 200.0 / 3, 1_000.0, math.log(6.4) / 27
    top = corner / step + math.log(SAMPLE_RATE / 2 / corner) / ratio
    mel = np.linspace(0.0, top, bands + 2)
    hz = np.where(mel < corner / step, mel * step, corner * np.exp(ratio * (mel - corner / step)))
    frequency = np.arange(size // 2 + 1) * SAMPLE_RATE / size / warp
    rise = (frequency[:, None] - hz[:-2]) / (hz[1:-1] - hz[:-2])
    fall = (hz[2:] - frequency[:, None]) / (hz[2:] - hz[1:-1])
    triangles = np.maximum(0.0, np.minimum(rise, fall))
    return np.asarray(triangles * (2.0 / (hz[2:] - hz[:-2])), dtype=np.float32)


def scaled(energy: Tensor) -> Tensor:
    """Energies of bands, of any shape, in Whisper's scale."""
    return (torch.log10(energy + LOG_FLOOR) + 4.0) / 4.0


class LogMel(StreamingModule):
    """Log-mel energies as Whisper hears them: `[batch, 1, n * hop] -> [batch, bands, n]`, -0.75 to about 1.5.

    Filters and scale are those of Radford et al. 2022, section 2.2; the floor is a fixed one. The window of step j ends
    at sample `(j + 1) * hop`, so nothing is looked ahead.
    """

    window: Tensor
    mel: Tensor

    def __init__(self, bands: int, size: int, hop: int, transform: Transform = "fft") -> None:
        super().__init__()
        self.windows = Windows(size, hop)
        self.dft = RealDFT(size, transform)
        self.register_buffer("window", torch.hann_window(size, periodic=True), persistent=False)
        self.register_buffer("mel", torch.from_numpy(slaney_filterbank(bands, size)), persistent=False)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.windows.initial_state(batch, like)

    def forward(self, x: Tensor, state: State | None = None, mel: Tensor | None = None) -> tuple[Tensor, State]:
        """`mel [batch, bins, bands]` replaces the filterbank, stream by stream (augmentation)."""
        power, state = self.power(x, state)
        return self.log_mel(power, self.mel if mel is None else mel), state

    def power(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Power spectra `[batch, n, bins]`."""
        frames, state = self.windows(x, state)
        real, imaginary = self.dft(frames * self.window)
        return real * real + imaginary * imaginary, state

    @staticmethod
    def log_mel(power: Tensor, mel: Tensor) -> Tensor:
        """`[batch, n, bins] -> [batch, bands, n]`, in Whisper's scale: four decades are one."""
        return scaled(power @ mel).transpose(1, 2)
