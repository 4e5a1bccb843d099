"""Complex-STFT discriminators (as in EnCodec, Defossez et al. 2022), small enough for two cores."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from streamvc.training.losses.adversarial import Judgement


class StftDiscriminator(nn.Module):
    """Judges real and imaginary parts of one STFT: `[batch, samples]` -> logits over time and frequency."""

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        shapes = [(2, channels, (3, 9), (1, 2), 1), (channels, channels, (3, 7), (1, 2), 1),
                  (channels, 2 * channels, (3, 5), (1, 2), 2), (2 * channels, 2 * channels, (3, 5), (1, 2), 4)]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(a, b, kernel, stride, ((kernel[0] // 2) * dilation, kernel[1] // 2), (dilation, 1)))
            for a, b, kernel, stride, dilation in shapes
        )
        self.last = weight_norm(nn.Conv2d(2 * channels, 1, (3, 3), padding=1))

    def forward(self, x: Tensor) -> Judgement:
        spectrum = torch.stft(
            x.float(), self.size, self.size // 4, window=self.window, center=False, normalized=True, return_complex=True
        )
        # The cube root of the magnitude, with the phase kept: quiet detail counts as it does to an ear.
        magnitude = spectrum.abs().clamp(min=1e-5)
        spectrum = spectrum * magnitude ** (-2 / 3)
        y = torch.stack((spectrum.real, spectrum.imag), dim=1).transpose(2, 3)
        inner = []
        for layer in self.layers:
            y = F.leaky_relu(layer(y), 0.2)
            inner.append(y)
        return self.last(y), inner


class Discriminators(nn.Module):
    """One discriminator per STFT size."""

    def __init__(self, sizes: tuple[int, ...] = (256, 512, 1024), channels: int = 16) -> None:
        super().__init__()
        self.members = nn.ModuleList(StftDiscriminator(size, channels) for size in sizes)

    def forward(self, x: Tensor) -> list[Judgement]:
        return [member(x) for member in self.members]
