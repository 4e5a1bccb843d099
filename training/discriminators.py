"""Discriminators of spectrograms at several resolutions, small enough for two cores."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from streamvc.training.losses.adversarial import Judgement

Kind = Literal["magnitude", "complex"]
_FLOOR = 1e-5


class StftDiscriminator(nn.Module):
    """Judges one STFT: `[batch, samples]` -> logits over time and frequency.

    `magnitude` sees magnitudes alone (as in UnivNet, Jang et al. 2021, section 2.2), which is what a decoder whose
    filters have minimum phase can answer for; `complex` sees real and imaginary parts (as in EnCodec, Defossez et al.
    2022). Both see them to the power 0.3: quiet detail counts as it does to an ear.
    """

    def __init__(self, size: int, channels: int, kind: Kind) -> None:
        super().__init__()
        self.size, self.kind = size, kind
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        first = 2 if kind == "complex" else 1
        shapes = [(first, channels, (3, 9), (1, 2), 1), (channels, channels, (3, 7), (1, 2), 1),
                  (channels, 2 * channels, (3, 5), (1, 2), 2), (2 * channels, 2 * channels, (3, 5), (1, 2), 4)]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, kernel, stride, ((kernel[0] // 2) * dilation, kernel[1] // 2), (dilation, 1)))
            for a, b, kernel, stride, dilation in shapes
        )
        self.last = weight_norm(nn.Conv2d(2 * channels, 1, (3, 3), padding=1))

    def forward(self, x: Tensor) -> Judgement:
        y = self._spectrogram(x).contiguous(memory_format=torch.channels_last)
        inner = []
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.2)
            inner.append(y)
        return self.last(y), inner

    def _spectrogram(self, x: Tensor) -> Tensor:
        """`[batch, 1 or 2, time, frequency]`."""
        spectrum = torch.stft(
            x.float(), self.size, self.size // 4, window=self.window, center=False, normalized=True, return_complex=True
        )
        power = (spectrum.real.square() + spectrum.imag.square()).clamp(min=_FLOOR**2)
        if self.kind == "magnitude":
            return (power**0.15).unsqueeze(1).transpose(2, 3)
        return (torch.stack((spectrum.real, spectrum.imag), dim=1) * (power**-0.35).unsqueeze(1)).transpose(2, 3)


class Discriminators(nn.Module):
    """One discriminator per STFT size."""

    def __init__(
        self, kind: Kind = "magnitude", sizes: tuple[int, ...] = (256, 512, 1024), channels: int = 16
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(StftDiscriminator(size, channels, kind) for size in sizes)

    def forward(self, x: Tensor) -> list[Judgement]:
        return [member(x) for member in self.members]
