"""Real DFT with real numbers in and out, by FFT or by matrix product.

The FFT is what training and the torch runtime use. The matrix form has only products that every exporter and runtime
knows, and for one 20 ms step it is as fast; tests hold the two equal.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

Transform = Literal["fft", "matmul"]


class RealDFT(nn.Module):
    """`size`-point DFT of real signals along the last axis; shorter inputs are zero-padded at the end."""

    cos: Tensor
    sin: Tensor
    weight: Tensor

    def __init__(self, size: int, transform: Transform = "fft") -> None:
        super().__init__()
        self.size, self.bins, self.transform = size, size // 2 + 1, transform
        if transform == "matmul":
            angle = 2 * np.pi / size * np.outer(np.arange(size), np.arange(self.bins))
            weight = np.full(self.bins, 2.0 / size)
            weight[0] = weight[-1] = 1.0 / size
            self.register_buffer("cos", torch.tensor(np.cos(angle), dtype=torch.get_default_dtype()), persistent=False)
            self.register_buffer("sin", torch.tensor(np.sin(angle), dtype=torch.get_default_dtype()), persistent=False)
            self.register_buffer("weight", torch.tensor(weight, dtype=torch.get_default_dtype()), persistent=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`[..., n <= size] -> (real, imaginary)`, each `[..., size // 2 + 1]`."""
        if self.transform == "fft":
            spectrum = torch.fft.rfft(x, self.size)
            return spectrum.real, spectrum.imag
        length = x.shape[-1]
        return x @ self.cos[:length], -(x @ self.sin[:length])

    def inverse(self, real: Tensor, imaginary: Tensor, length: int) -> Tensor:
        """The first `length` samples of the inverse transform: `[..., bins] x 2 -> [..., length]`."""
        if self.transform == "fft":
            samples: Tensor = torch.fft.irfft(torch.complex(real, imaginary), self.size)[..., :length]
            return samples
        cos, sin = self.cos[:length].T, self.sin[:length].T
        result: Tensor = (real * self.weight) @ cos - (imaginary * self.weight) @ sin
        return result


def correlate(x: Tensor, y: Tensor, transform: Transform = "fft") -> Tensor:
    """`r[lag] = sum_j x[j] * y[j + lag]` for every lag that fits: `[n, a], [n, b] -> [n, b - a + 1]`."""
    lags = y.shape[-1] - x.shape[-1] + 1
    if transform == "fft":
        size = 1 << (y.shape[-1] - 1).bit_length()
        product = torch.fft.rfft(x, size).conj() * torch.fft.rfft(y, size)
        correlation: Tensor = torch.fft.irfft(product, size)[..., :lags]
        return correlation
    return F.conv1d(y.unsqueeze(0), x.unsqueeze(1), groups=x.shape[0]).squeeze(0)
