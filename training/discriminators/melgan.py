"""The multi-scale discriminator of MelGAN (Kumar et al. 2019, arXiv 1910.06711, section 2.2 and appendix A).

SoundStream (arXiv 2107.03312, section III-D) and StreamVC (arXiv 2401.03078) judge waveforms with it, in these sizes.
"""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from streamvc.training.discriminators.parts import initialise, judge, normalise, scaled
from streamvc.training.losses.adversarial import Judgement

SCALES = 3
"""Judges; each hears half of the rate of the one before it."""
_SLOPE = 0.2
_BASE = 16
_GROUP = 4
"""Input channels of each group of the strided convolutions."""
_STRIDES = 4


class ScaleDiscriminator(nn.Module):
    """Judges a waveform `[batch, samples]`: one logit for each 256 samples, which saw 4,951 of them.

    A plain convolution, four grouped ones of 41 taps and stride 4 that multiply the channels by 4, two plain ones.
    `width` scales the channels (16 to 1,024).
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = scaled(_BASE, width, _GROUP)
        largest = 64 * channels
        first = nn.Conv1d(1, channels, 15, padding=7, padding_mode="reflect")
        layers: list[nn.Module] = [first]
        for _ in range(_STRIDES):
            wider = min(4 * channels, largest)
            layers.append(nn.Conv1d(channels, wider, 41, 4, padding=20, groups=channels // _GROUP))
            channels = wider
        layers.append(nn.Conv1d(channels, channels, 5, padding=2))
        self.layers = nn.ModuleList(layers)
        self.last = nn.Conv1d(channels, 1, 3, padding=1)
        initialise(self, _SLOPE)
        normalise(self)

    def forward(self, x: Tensor) -> Judgement:
        return judge(x.unsqueeze(1), self.layers, self.last, _SLOPE)


class MelGanDiscriminator(nn.Module):
    """Three scale discriminators, of the waveform `[batch, samples]` and of its averages at half and a quarter rate."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.scales = nn.ModuleList(ScaleDiscriminator(width) for _ in range(SCALES))
        self.pool = nn.AvgPool1d(4, 2, padding=1, count_include_pad=False)

    def forward(self, x: Tensor) -> list[Judgement]:
        judgements: list[Judgement] = []
        for scale in self.scales:
            if judgements:
                x = self.pool(x.unsqueeze(1)).squeeze(1)
            judgements.append(cast(Judgement, scale(x)))
        return judgements
