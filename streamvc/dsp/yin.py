"""Streaming YIN (de Cheveigne and Kawahara 2002) at several thresholds at once (paper, section 2.4)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from streamvc.config import SAMPLE_RATE, YinConfig
from streamvc.dsp.dft import Transform, correlate
from streamvc.layers.base import StreamingModule
from streamvc.layers.conv import Windows
from streamvc.state import State

_FLOOR = 1e-6
"""Mean square difference under which a lag says nothing: digital silence is then unvoiced instead of 0 / 0."""
_AS_DEEP = 0.04
"""How far above the deepest minimum another one is taken for as deep: in noise, multiples of a period are."""


class Yin(StreamingModule):
    """`[batch, 1, n * hop] -> [batch, 3 * thresholds, n]`: for each threshold log f0 (natural, Hz), voiced, CMNDF.

    Estimate j reads the `span` samples that end at `(j + 1) * hop`: it describes the middle of them, `span // 2`
    samples earlier. Callers declare that as delay. CMNDF is the cumulative mean normalised difference at the chosen
    lag, equation 8 of the YIN paper; voiced is 1 where it fell below the threshold, else 0, and f0 then belongs to
    the first minimum that is as deep as the deepest.
    """

    lags: Tensor

    def __init__(self, config: YinConfig, transform: Transform = "fft") -> None:
        super().__init__()
        self.config, self.transform = config, transform
        self.windows = Windows(config.span, config.hop)
        lags = torch.arange(1, config.max_lag + 1, dtype=torch.get_default_dtype())
        self.register_buffer("lags", lags, persistent=False)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.windows.initial_state(batch, like)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        frames, state = self.windows(x, state)
        batch, count, span = frames.shape
        cmndf = self.cmndf(frames.reshape(batch * count, span))
        channels = [channel for threshold in self.config.thresholds for channel in self._pick(cmndf, threshold)]
        return torch.stack(channels, dim=-1).reshape(batch, count, -1).transpose(1, 2), state

    def cmndf(self, frames: Tensor) -> Tensor:
        """Equation 8 for lags 1 to `max_lag`: `[n, span] -> [n, max_lag]`."""
        width = self.config.window
        head = frames[:, :width]
        squares = F.pad(torch.cumsum(frames * frames, dim=-1), (1, 0))
        energy = squares[:, width:] - squares[:, : squares.shape[1] - width]
        difference = energy[:, :1] + energy - 2 * correlate(head, frames, self.transform)
        difference = difference[:, 1:].clamp(min=0) / width + _FLOOR
        return difference * self.lags / torch.cumsum(difference, dim=-1)

    def _pick(self, cmndf: Tensor, threshold: float) -> tuple[Tensor, Tensor, Tensor]:
        low = self.config.min_lag - 1
        inner = cmndf[:, low:-1]
        is_minimum = (inner < cmndf[:, low - 1 : -2]) & (inner <= cmndf[:, low + 1 :])
        minima = torch.where(is_minimum, inner, math.inf)
        lowest = minima.amin(dim=-1, keepdim=True)
        voiced = (lowest < threshold).to(cmndf.dtype)
        limit = torch.where(lowest < threshold, threshold, lowest + _AS_DEEP)
        best = (minima < limit).to(cmndf.dtype).argmax(dim=-1, keepdim=True) + low  # the first of equal values
        left, mid, right = (cmndf.gather(-1, best + offset).squeeze(-1) for offset in (-1, 0, 1))
        curve = left - 2 * mid + right
        shift = torch.where(curve > 1e-9, 0.5 * (left - right) / curve.clamp(min=1e-9), torch.zeros_like(curve))
        lag = best.squeeze(-1).to(cmndf.dtype) + 1 + shift.clamp(-0.5, 0.5)
        return torch.log(SAMPLE_RATE / lag), voiced.squeeze(-1), mid.clamp(0, 2)
