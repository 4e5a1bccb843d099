"""Perturbations of the content encoder's input: what a unit must not depend on.

Everything but gain, speed and rooms acts on power spectra, where filters are products and noise is a sum: one
transform serves every view of a crop.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from streamvc.config import SAMPLE_RATE
from streamvc.dsp.mel import SILENCE, LogMel, slaney_filterbank

_WARPS = np.exp(np.linspace(math.log(0.80), math.log(1.25), 33))


class SpectralAugment:
    """Random log-mel views of power spectra: vocal-tract warp, equaliser, band limit, noise, masks.

    `strength` scales how far warp and equaliser go; `warp` (default: `strength`) scales the warp alone, which changes
    who seems to speak.
    """

    def __init__(
        self, front: LogMel, bands: int, size: int, seed: int, strength: float = 1.0, warp: float | None = None
    ) -> None:
        banks = np.stack([slaney_filterbank(bands, size, warp=float(w)) for w in _WARPS])
        self.banks = torch.from_numpy(banks)
        self.front, self.strength = front, strength
        self.warp = strength if warp is None else warp
        self.random = torch.Generator().manual_seed(seed)
        self.hz = torch.arange(size // 2 + 1) * (SAMPLE_RATE / size)

    def _uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.random)

    def __call__(self, power: Tensor, masks: bool = True) -> Tensor:
        """`[batch, n, bins] -> [batch, bands, n]` log-mel, a new view at each call."""
        batch, _steps, bins = power.shape
        # Microphones differ by some 15 dB; every third row also stands for one that is far away or turned down.
        far = torch.rand(batch, 1, 1, generator=self.random) < 1 / 3
        gain = torch.where(far, self._uniform(-34, 12, batch, 1, 1), self._uniform(-15, 10, batch, 1, 1))
        power = power * 10 ** (gain / 10) * self._equaliser(batch, bins)
        power = power + self._noise(power)
        span = self.warp * 16
        warp = (16 + self._uniform(-span, span, batch)).round().long().clamp(0, 32)
        mel = LogMel.log_mel(power, self.banks[warp])
        return self._mask(mel) if masks else mel

    def _equaliser(self, batch: int, bins: int) -> Tensor:
        """Smooth random curves of up to +-10 dB, and for some rows a low-pass: `[batch, 1, bins]`, power."""
        knots = self._uniform(-10, 10, batch, 1, 9) * self.strength
        curve = torch.nn.functional.interpolate(knots, bins, mode="linear", align_corners=True)
        cut = self._uniform(3_000, 9_000, batch, 1, 1)
        limited = (torch.rand(batch, 1, 1, generator=self.random) < 0.35).float()
        slope = (self.hz - cut).clamp(min=0) * (60 / 1_000)  # 60 dB per kHz
        return 10 ** ((curve - limited * slope.clamp(max=70)) / 10)

    def _noise(self, power: Tensor) -> Tensor:
        """Noise of random colour and level, -40 to -5 dB, in half of the rows; its bins are exponential variables."""
        batch, _, _bins = power.shape
        present = (torch.rand(batch, 1, 1, generator=self.random) < 0.5).float()
        level = 10 ** (self._uniform(-40, -5, batch, 1, 1) / 10) * power.mean(dim=(1, 2), keepdim=True) * present
        tilt = self._uniform(-12, 3, batch, 1, 1) * torch.log2((self.hz + 200) / 1_000)
        colour = 10 ** (tilt / 10)
        colour = colour / colour.mean(dim=-1, keepdim=True)
        return level * colour * -torch.log(torch.rand(power.shape, generator=self.random).clamp(min=1e-6))

    def _mask(self, mel: Tensor) -> Tensor:
        """SpecAugment (Park et al. 2019), gently: one band and one short stretch of time, in some rows."""
        batch, bands, steps = mel.shape
        band, step = torch.arange(bands), torch.arange(steps)
        start, width = self._uniform(0, bands, batch, 1), self._uniform(0, 12, batch, 1)
        width = width * (torch.rand(batch, 1, generator=self.random) < 0.5)
        drop_band = (band >= start) & (band < start + width)
        begin, length = self._uniform(0, steps, batch, 1), self._uniform(0, 14, batch, 1)
        length = length * (torch.rand(batch, 1, generator=self.random) < 0.5)
        drop_step = (step >= begin) & (step < begin + length)
        return mel.masked_fill(drop_band.unsqueeze(2) | drop_step.unsqueeze(1), SILENCE)


def add_rooms(samples: Tensor, random: torch.Generator, probability: float = 0.2) -> Tensor:
    """Convolve some rows of `[batch, n]` with synthetic rooms: noise that decays by 60 dB in 0.1 to 0.6 s."""
    batch, length = samples.shape
    taps = 6_400
    time = torch.arange(taps) / SAMPLE_RATE
    decay = 0.1 + 0.5 * torch.rand(batch, 1, generator=random)
    room = torch.randn(batch, taps, generator=random) * torch.exp(-6.9 * time / decay)
    room[:, :16] = 0
    room = room / room.norm(dim=1, keepdim=True)
    wet = 10 ** ((-12 + 12 * torch.rand(batch, 1, generator=random)) / 20)
    room = room * wet
    room[:, 0] = 1
    size = 1 << (length + taps).bit_length()
    echoed = torch.fft.irfft(torch.fft.rfft(samples, size) * torch.fft.rfft(room, size), size)[:, :length]
    chosen = torch.rand(batch, 1, generator=random) < probability
    return torch.where(chosen, echoed, samples)


def mix_babble(samples: Tensor, random: torch.Generator, probability: float = 0.15) -> Tensor:
    """Add another row of the batch, 8 to 25 dB weaker, to some rows of `[batch, n]`."""
    other = samples.roll(1, dims=0)
    level = samples.norm(dim=1, keepdim=True) / other.norm(dim=1, keepdim=True).clamp(min=1e-3)
    gain = 10 ** (-(8 + 17 * torch.rand(samples.shape[0], 1, generator=random)) / 20)
    chosen = (torch.rand(samples.shape[0], 1, generator=random) < probability).float()
    mixed: Tensor = samples + chosen * gain * level * other
    return mixed
