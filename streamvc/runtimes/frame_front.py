"""What the exported step measures in the samples: log-mel energies and loudness."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from streamvc.config import FRAME
from streamvc.dsp.energy import ENERGY_FLOOR
from streamvc.dsp.mel import LOG_FLOOR, LogMel
from streamvc.errors import ConfigError
from streamvc.model.live import FINE, POINTS
from streamvc.runtimes.operators import backwards

PAST = 800
"""Samples before the frame that the analyses look back on: energy, which waits longest, needs them all."""


_TILE = 16
"""Windows are put together from tiles of this size."""


class Mel(nn.Module):
    """Samples heard `[b, PAST + 320]` -> natural log of mel energies `[b, 2 * bands]`, the two points after each other.

    The window is symmetric about its middle, so cosines see the sum of mirrored samples and sines their difference:
    half the products. Bins that no filter reads are left out. The affine scaling of `LogMel` is left to the layer that
    reads this (`shift` and `factor`).
    """

    shift, factor = 4.0 * math.log(10.0), 0.25 / math.log(10.0)
    cos: Tensor
    sin: Tensor
    bank: Tensor
    tiles: Tensor

    def __init__(self, mel: LogMel) -> None:
        super().__init__()
        size, hop = mel.windows.size, mel.windows.hop
        window, bank = mel.window.double().numpy(), mel.mel
        bins = np.flatnonzero(bank.double().numpy().any(axis=1))
        n = np.arange(1, size // 2 + 1)
        angle = 2 * np.pi / size * np.outer(n, bins)
        weight = window[1 : size // 2 + 1].copy()
        weight[-1] /= 2  # the middle is its own mirror
        self.register_buffer("cos", torch.tensor(weight[:, None] * np.cos(angle)).to(bank.dtype))
        self.register_buffer("sin", torch.tensor(weight[:, None] * np.sin(angle)).to(bank.dtype))
        self.register_buffer("bank", bank[int(bins[0]) : int(bins[-1]) + 1])
        starts = PAST + FRAME - size - hop * np.arange(POINTS)[::-1, None]
        if size % _TILE or hop % _TILE or (PAST + FRAME) % _TILE:
            raise ConfigError(f"The fast step knows log-mel windows and hops in steps of {_TILE} samples only.")
        self.register_buffer("tiles", torch.tensor(starts // _TILE + np.arange(size // _TILE)))
        self.window, self.size = size, POINTS * bank.shape[1]

    def forward(self, heard: Tensor) -> Tensor:
        windows = heard.reshape(-1, (PAST + FRAME) // _TILE, _TILE)[:, self.tiles].reshape(-1, POINTS, self.window)
        before, mirror = windows[:, :, 1 : self.window // 2 + 1], backwards(windows, self.window // 2)
        real, imaginary = (before + mirror) @ self.cos, (before - mirror) @ self.sin
        power = real * real + imaginary * imaginary
        return torch.log(power @ self.bank + LOG_FLOOR).reshape(-1, self.size)


class Energy(nn.Module):
    """Samples heard `[b, PAST + 320]` -> natural log of RMS `[b, 4]`, waiting for the frame that is spoken."""

    weight: Tensor

    def __init__(self, size: int, hop: int, window: Tensor) -> None:
        super().__init__()
        self.length = size + (FINE - 1) * hop
        # The delay of 6 hops ends where the newest window does.
        self.start = PAST + FRAME - 6 * hop - self.length
        weight = torch.zeros(self.length, FINE, dtype=torch.float64)
        for i in range(FINE):
            weight[i * hop : i * hop + size, i] = window.double()
        self.register_buffer("weight", weight.to(window.dtype))

    def forward(self, heard: Tensor) -> Tensor:
        late = heard[:, self.start : self.start + self.length]
        return 0.5 * torch.log((late * late) @ self.weight + ENERGY_FLOOR)
