"""Discriminators of log spectrograms at several resolutions, small enough for two cores.

What a discriminator sees decided how fast it learns (docs/experiments.md): logs of magnitudes with mean 0 and spread 1
beside roots or complex values, and convolutions over time that take all frequencies as channels beside those that
slide along both and cannot tell where they are.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamvc.training.discriminators.parts import initialise, judge, scaled
from streamvc.training.losses.adversarial import Judgement

SIZES = (256, 512, 1024)
"""STFT sizes in samples; hops are a quarter of them."""
_FLOOR = 1e-9
_SLOPE = 0.2


class _Spectrogram(nn.Module):
    """`[batch, samples]` -> log magnitudes `[batch, bins, time]`, about -2 to 2 for speech at -26 dB of full scale."""

    window: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        spectrum = torch.stft(
            x.float(), self.size, self.size // 4, window=self.window, center=False, normalized=True, return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return (0.5 * torch.log(power + _FLOOR) + 5) / 2.5


class EnvelopeDiscriminator(nn.Module):
    """Judges how whole spectra follow each other: convolutions over time with all frequencies as channels."""

    def __init__(self, size: int, channels: int = 192) -> None:
        super().__init__()
        self.spectrogram = _Spectrogram(size)
        shapes = [(size // 2 + 1, 3, 1), (channels, 5, 1), (channels, 5, 2), (channels, 3, 1)]
        self.layers = nn.ModuleList(nn.Conv1d(a, channels, kernel, dilation=d) for a, kernel, d in shapes)
        self.last = nn.Conv1d(channels, 1, 1)
        initialise(self, _SLOPE)

    def forward(self, x: Tensor) -> Judgement:
        return judge(self.spectrogram(x), self.layers, self.last, _SLOPE)


class TextureDiscriminator(nn.Module):
    """Judges the fine structure of small patches, told where they are (UnivNet, Jang et al. 2021, section 2.2)."""

    def __init__(self, size: int, channels: int = 16) -> None:
        super().__init__()
        self.spectrogram = _Spectrogram(size)
        place = torch.linspace(0, 1, size // 2 + 1)
        self.places: Tensor
        self.register_buffer("places", torch.stack((2 * place - 1, torch.cos(torch.pi * place))), persistent=False)
        wide = 2 * channels
        shapes = [(3, channels, (3, 9)), (channels, wide, (3, 7)), (wide, wide, (3, 5)), (wide, wide, (3, 5))]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, k, (1, 2), (k[0] // 2, k[1] // 2)) for a, b, k in shapes)
        self.last = nn.Conv2d(wide, 1, 3, padding=1)
        initialise(self, _SLOPE)

    def forward(self, x: Tensor) -> Judgement:
        y = self.spectrogram(x).transpose(1, 2).unsqueeze(1)  # [batch, 1, time, bins]
        places = self.places[None, :, None].expand(y.shape[0], -1, y.shape[2], -1)
        y = torch.cat((y, places), dim=1).contiguous(memory_format=torch.channels_last)
        return judge(y, self.layers, self.last, _SLOPE)


class Discriminators(nn.Module):
    """Envelopes at every STFT size, textures at the first `textures` of them; `width` scales their channels."""

    def __init__(self, textures: int = 1, width: float = 1.0) -> None:
        super().__init__()
        self.envelopes = nn.ModuleList(EnvelopeDiscriminator(size, scaled(192, width)) for size in SIZES)
        self.textures = nn.ModuleList(TextureDiscriminator(size, scaled(16, width)) for size in SIZES[:textures])

    def forward(self, x: Tensor) -> list[Judgement]:
        return [member(x) for member in (*self.envelopes, *self.textures)]
