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
from streamvc.state import State, parts, tensor

_AS_DEEP = 0.04
"""How far above the deepest minimum another one is taken for as deep: in noise, multiples of a period are."""
_SURE = 0.1
"""Depth under which the first minimum is taken even by depth: the short periods of high voices lie between two samples,
so that a multiple which does not looks deeper."""
_LASTING = 8
"""Estimates before this one that have to be as loud: a click or a slammed door is not loud speech."""
_NOTHING = 1e-30
"""Power that stands for none: it has a logarithm."""
_FORGET = 0.1
"""Bels a second by which the memory of loud speech fades."""


def forgetting(config: YinConfig) -> float:
    """By how much the memory of loud speech fades from one estimate to the next, natural log of power."""
    return _FORGET * math.log(10) * config.hop / SAMPLE_RATE


class Yin(StreamingModule):
    """`[batch, 1, n * hop] -> [batch, 3 * thresholds, n]`: for each threshold log f0 (natural, Hz), voiced, CMNDF.

    Estimate j reads the `span` samples that end at `(j + 1) * hop`: it describes the middle of them, `span // 2`
    samples earlier. Callers declare that as delay. CMNDF is the cumulative mean normalised difference at the chosen
    lag, equation 8 of the YIN paper; voiced is 1 where it fell below the threshold, else 0, and f0 then belongs to
    the first minimum that did. Else, and with `by_depth` at the last threshold, f0 belongs to the first minimum that
    is as deep as the deepest.

    The state is the samples of unfinished windows, the power of the last estimates `[batch, 8]`, and that of loud
    speech `[batch, 1]`.
    """

    lags: Tensor

    def __init__(self, config: YinConfig, transform: Transform = "fft") -> None:
        super().__init__()
        self.config, self.transform = config, transform
        self.windows = Windows(config.span, config.hop)
        lags = torch.arange(1, config.max_lag + 1, dtype=torch.get_default_dtype())
        self.register_buffer("lags", lags, persistent=False)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return self.windows.initial_state(batch, like), like.new_zeros(batch, _LASTING), like.new_zeros(batch, 1)

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        s = parts(self.initial_state(x.shape[0], x) if state is None else state)
        frames, windows = self.windows(x, s[0])
        batch, count, span = frames.shape
        power = torch.cat((tensor(s[1]), frames[..., : self.config.window].square().mean(dim=-1)), dim=1)
        loud, floor = tensor(s[2]), None
        if self.config.quiet:
            loud = self._loud(power, loud)
            floor = (self.config.quiet * loud).clamp(min=self.config.floor).reshape(-1, 1)
        cmndf = self.cmndf(frames.reshape(batch * count, span), floor)
        last = len(self.config.thresholds) - 1
        channels = [
            channel for i, threshold in enumerate(self.config.thresholds)
            for channel in self._pick(cmndf, threshold, self.config.by_depth and i == last)
        ]
        estimates = torch.stack(channels, dim=-1).reshape(batch, count, -1).transpose(1, 2)
        return estimates, (windows, power[:, count:], loud[:, -1:] if count else s[2])

    def _loud(self, power: Tensor, before: Tensor) -> Tensor:
        """Power of loud speech at each estimate `[batch, n]`: the largest that lasted, slowly forgotten.

        `power [batch, 8 + n]` begins with the estimates before.
        """
        lasting = -F.max_pool1d(-power.unsqueeze(1), _LASTING + 1, 1).squeeze(1)
        # In logs, fading is a slope: with it taken out, a running maximum remains.
        slope = forgetting(self.config) * torch.arange(lasting.shape[1] + 1, dtype=power.dtype, device=power.device)
        risen = torch.cat((before, lasting), dim=1).clamp(min=_NOTHING).log() + slope
        return torch.exp(torch.cummax(risen, dim=1).values - slope)[:, 1:]

    def cmndf(self, frames: Tensor, floor: Tensor | float | None = None) -> Tensor:
        """Equation 8 for lags 1 to `max_lag`: `[n, span] -> [n, max_lag]`; `floor [n, 1]`, the configuration's if None.
        """
        width = self.config.window
        head = frames[:, :width]
        squares = F.pad(torch.cumsum(frames * frames, dim=-1), (1, 0))
        energy = squares[:, width:] - squares[:, : squares.shape[1] - width]
        difference = energy[:, :1] + energy - 2 * correlate(head, frames, self.transform)
        difference = difference[:, 1:].clamp(min=0) / width + (self.config.floor if floor is None else floor)
        return difference * self.lags / torch.cumsum(difference, dim=-1)

    def _pick(self, cmndf: Tensor, threshold: float, by_depth: bool) -> tuple[Tensor, Tensor, Tensor]:
        low, end = self.config.min_lag - 1, self.config.last_lag
        inner = cmndf[:, low:end]
        is_minimum = (inner < cmndf[:, low - 1 : end - 1]) & (inner <= cmndf[:, low + 1 : end + 1])
        minima = torch.where(is_minimum, inner, math.inf)
        lowest = minima.amin(dim=-1, keepdim=True)
        voiced = (lowest < threshold).to(cmndf.dtype)
        as_deep = lowest + _AS_DEEP
        limit = torch.where(lowest < threshold, as_deep.clamp(_SURE, threshold) if by_depth else threshold, as_deep)
        best = (minima < limit).to(cmndf.dtype).argmax(dim=-1, keepdim=True) + low  # the first of equal values
        left, mid, right = (cmndf.gather(-1, best + offset).squeeze(-1) for offset in (-1, 0, 1))
        curve = left - 2 * mid + right
        shift = torch.where(curve > 1e-9, 0.5 * (left - right) / curve.clamp(min=1e-9), torch.zeros_like(curve))
        lag = best.squeeze(-1).to(cmndf.dtype) + 1 + shift.clamp(-0.5, 0.5)
        return torch.log(SAMPLE_RATE / lag), voiced.squeeze(-1), mid.clamp(0, 2)
