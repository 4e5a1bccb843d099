"""Linear time-varying filter of the source-filter decoder, as in neural homomorphic vocoders (Liu et al. 2020)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.dsp.dft import RealDFT, Transform
from streamvc.layers.base import StreamingModule
from streamvc.state import State, tensor


class MinimumPhase(nn.Module):
    """Causal cepstrum to log magnitude and phase: `[..., order] -> ([..., bins], [..., bins])`.

    A cepstrum without negative quefrencies is that of a minimum-phase, hence causal, impulse response.
    """

    cos: Tensor
    sin: Tensor

    def __init__(self, order: int, size: int) -> None:
        super().__init__()
        angle = 2 * np.pi / size * np.outer(np.arange(order), np.arange(size // 2 + 1))
        self.register_buffer("cos", torch.tensor(np.cos(angle), dtype=torch.get_default_dtype()), persistent=False)
        self.register_buffer("sin", torch.tensor(-np.sin(angle), dtype=torch.get_default_dtype()), persistent=False)

    def forward(self, cepstrum: Tensor) -> tuple[Tensor, Tensor]:
        return cepstrum @ self.cos, cepstrum @ self.sin


def shift_formants(log_magnitude: Tensor, phase: Tensor, ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Stretch the frequency axis of spectra `[batch, n, bins]` by `ratio [batch, 1]`: 1.1 moves formants up by 10 %.

    The phase is that of the cepstrum, not wrapped, so it may be interpolated like the magnitude.
    """
    bins = log_magnitude.shape[-1]
    position = torch.arange(bins, device=ratio.device, dtype=ratio.dtype) / ratio
    position = position.clamp(max=bins - 1)
    low = torch.floor(position).clamp(max=bins - 2)
    weight = (position - low).unsqueeze(1)
    index = low.long().unsqueeze(1).expand_as(log_magnitude)

    def at(x: Tensor) -> Tensor:
        left = x.gather(-1, index)
        return left + weight * (x.gather(-1, index + 1) - left)

    return at(log_magnitude), at(phase)


class TimeVaryingFilter(StreamingModule):
    """Convolve each segment of each excitation with its own impulse response, add all up, and overlap-add.

    Excitations `[batch, n, hop]` with spectra `[batch, n, bins]` (log magnitude and phase) -> `[batch, n * hop]`. The
    state is the tail of earlier segments, `[batch, response / hop, hop]`; no latency is added.
    """

    fade: Tensor

    def __init__(self, hop: int, response: int, size: int, transform: Transform = "fft") -> None:
        super().__init__()
        if response % hop or size < response + hop:
            raise ValueError(f"a response of {response} does not fit hops of {hop} and a transform of {size}")
        self.hop, self.response = hop, response
        self.dft = RealDFT(size, transform)
        fade = torch.ones(response)
        quarter = response // 4
        fade[-quarter:] = 0.5 + 0.5 * torch.cos(torch.arange(quarter) * (torch.pi / quarter))
        self.register_buffer("fade", fade, persistent=False)

    def initial_state(self, batch: int, like: Tensor) -> State:
        return like.new_zeros(batch, self.response // self.hop, self.hop)

    def forward(
        self, sources: list[tuple[Tensor, Tensor, Tensor]], state: State | None = None
    ) -> tuple[Tensor, State]:
        """`sources`: (excitation, log magnitude, phase) of each branch."""
        real: Tensor | None = None
        imaginary: Tensor | None = None
        for excitation, log_magnitude, phase in sources:
            magnitude = torch.exp(log_magnitude)
            response = self.dft.inverse(magnitude * torch.cos(phase), magnitude * torch.sin(phase), self.response)
            a, b = self.dft(response * self.fade)
            c, d = self.dft(excitation)
            more_real, more_imaginary = a * c - b * d, a * d + b * c
            real = more_real if real is None else real + more_real
            imaginary = more_imaginary if imaginary is None else imaginary + more_imaginary
        assert real is not None
        assert imaginary is not None
        segments = self.dft.inverse(real, imaginary, self.response + self.hop)
        batch, count, _ = segments.shape
        before = tensor(self.initial_state(batch, segments) if state is None else state)
        pieces = segments.reshape(batch, count, -1, self.hop)
        later = pieces.shape[2] - 1
        total = F.pad(before, (0, 0, 0, count))
        for k in range(later + 1):
            total = total + F.pad(pieces[:, :, k], (0, 0, k, later - k))
        return total[:, :count].reshape(batch, -1), total[:, count:]
