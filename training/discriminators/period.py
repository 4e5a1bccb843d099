"""The multi-period discriminator of HiFi-GAN (Kong et al. 2020, arXiv 2010.05646, section 2.3 and appendix A)."""

from __future__ import annotations

from itertools import pairwise
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.training.discriminators.parts import initialise, judge, normalise, scaled
from streamvc.training.losses.adversarial import Judgement

PERIODS = (2, 3, 5, 7, 11)
"""Samples; primes, so that the judges overlap little in what they hear."""
_SLOPE = 0.1
_CHANNELS = (32, 128, 512, 1_024)


class PeriodDiscriminator(nn.Module):
    """Judges a waveform `[batch, samples]` folded into columns of samples that lie one period apart.

    Convolutions run along the columns only (kernels 5 x 1, strides 3 x 1). Logits `[batch, 1, n, period]`.
    `width` scales the channels (32 to 1,024).
    """

    def __init__(self, period: int, width: float = 1.0) -> None:
        super().__init__()
        self.period = period
        sizes = [1, *(scaled(c, width) for c in _CHANNELS)]
        layers: list[nn.Module] = [
            nn.Conv2d(a, b, (5, 1), (3, 1), padding=(2, 0)) for a, b in pairwise(sizes)
        ]
        layers.append(nn.Conv2d(sizes[-1], sizes[-1], (5, 1), padding=(2, 0)))
        self.layers = nn.ModuleList(layers)
        self.last = nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0))
        initialise(self, _SLOPE)
        normalise(self)

    def forward(self, x: Tensor) -> Judgement:
        missing = -x.shape[-1] % self.period
        whole = F.pad(x.unsqueeze(1), (0, missing), mode="reflect")
        columns = whole.reshape(len(x), 1, -1, self.period)
        return judge(columns, self.layers, self.last, _SLOPE)


class MultiPeriodDiscriminator(nn.Module):
    """One period discriminator for each of :data:`PERIODS`."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.periods = nn.ModuleList(PeriodDiscriminator(period, width) for period in PERIODS)

    def forward(self, x: Tensor) -> list[Judgement]:
        return [cast(Judgement, member(x)) for member in self.periods]
