"""The multi-scale STFT discriminator of EnCodec (Défossez et al. 2022, arXiv 2210.13438, figure 2)."""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

from streamvc.training.discriminators.parts import initialise, judge, normalise, scaled
from streamvc.training.losses.adversarial import Judgement

SIZES = (2_048, 1_024, 512, 256, 128)
"""STFT windows in samples; hops are a quarter of them."""
View = Literal["complex", "log"]
"""What is seen of the spectrum: real and imaginary part, or the log of the magnitude."""
_SLOPE = 0.2
_CHANNELS = 32
_FLOOR = 1e-9


class StftDiscriminator(nn.Module):
    """Judges an STFT of a waveform `[batch, samples]`: convolutions along time and frequency.

    A 3 x 9 convolution, three more with dilations of 1, 2 and 4 in time and stride 2 in frequency, a 3 x 3 one. Logits
    `[batch, 1, time, bins / 8]`. `width` scales the 32 channels.
    """

    window: Tensor

    def __init__(self, size: int, width: float = 1.0, view: View = "complex") -> None:
        super().__init__()
        self.size, self.view = size, view
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        channels = scaled(_CHANNELS, width)
        layers: list[nn.Module] = [nn.Conv2d(2 if view == "complex" else 1, channels, (3, 9), padding=(1, 4))]
        layers += [
            nn.Conv2d(channels, channels, (3, 9), (1, 2), padding=(dilation, 4), dilation=(dilation, 1))
            for dilation in (1, 2, 4)
        ]
        layers.append(nn.Conv2d(channels, channels, 3, padding=1))
        self.layers = nn.ModuleList(layers)
        self.last = nn.Conv2d(channels, 1, 3, padding=1)
        initialise(self, _SLOPE)
        normalise(self)

    def forward(self, x: Tensor) -> Judgement:
        return judge(self._see(x.float()), self.layers, self.last, _SLOPE)

    def _see(self, x: Tensor) -> Tensor:
        """`[batch, 1 or 2, time, bins]`; logs are about -2 to 2 for speech at -26 dB of full scale."""
        spectrum = torch.stft(
            x, self.size, self.size // 4, window=self.window, center=False, normalized=True, return_complex=True
        ).transpose(1, 2)
        real, imaginary = spectrum.real, spectrum.imag
        if self.view == "complex":
            return torch.stack((real, imaginary), dim=1)
        return ((0.5 * torch.log(real.square() + imaginary.square() + _FLOOR) + 5) / 2.5).unsqueeze(1)


class MultiStftDiscriminator(nn.Module):
    """One STFT discriminator for each of `sizes`; waveforms shorter than the largest window are refused by PyTorch."""

    def __init__(self, width: float = 1.0, view: View = "complex", sizes: tuple[int, ...] = SIZES) -> None:
        super().__init__()
        self.sizes = nn.ModuleList(StftDiscriminator(size, width, view) for size in sizes)

    def forward(self, x: Tensor) -> list[Judgement]:
        return [cast(Judgement, member(x)) for member in self.sizes]
