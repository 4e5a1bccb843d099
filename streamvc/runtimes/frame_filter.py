"""The time-varying filter in the exported step: both excitations through their filters, as small products."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from streamvc.config import FRAME
from streamvc.dsp.filter import TimeVaryingFilter
from streamvc.errors import ConfigError
from streamvc.model.live import FINE, LOUDEST, SEMITONE
from streamvc.runtimes.operators import branch

TILE = 40
"""Excitations and responses are cut into tiles of this size: products of small matrices, summed along diagonals."""
_SOURCES = 2
"""Pulses and noise."""


class Filter(nn.Module):
    """`TimeVaryingFilter` for one frame: pulses and noise `[b, 320]` -> audio `[b, 320]` and the tail after it.

    With e an excitation and h its response, y[40 q + p + d] += e[40 a + p] h[40 (q - a) + d]: a product over a, then
    sums along diagonals over p. The product runs over both excitations and all segments of the frame at once, each with
    its response moved to where the segment lies.

    Raises:
        ConfigError: responses are longer than a frame or not cut into tiles.
    """

    inverse: Tensor
    tiles: Tensor
    steps: Tensor
    ones: Tensor

    def __init__(self, filtering: TimeVaryingFilter, like: Tensor) -> None:
        super().__init__()
        self.hop, self.response, self.bins = filtering.hop, filtering.response, filtering.dft.bins
        if self.response % TILE or self.hop % TILE or self.response > FRAME:
            raise ConfigError(f"The fast step knows filters of up to {FRAME} samples in steps of {TILE} only.")
        size, self.count = filtering.dft.size, self.response // TILE + 1
        angle = 2 * np.pi / size * np.outer(np.arange(self.bins), np.arange(self.response))
        weight = np.full((self.bins, 1), 2.0 / size)
        weight[0] = weight[-1] = 1.0 / size
        fade = filtering.fade.double().numpy()
        inverse = np.concatenate((weight * np.cos(angle) * fade, -weight * np.sin(angle) * fade))
        # A tile of zeros after each response, for what lies before its start and after its end.
        self.register_buffer("inverse", torch.tensor(np.pad(inverse, ((0, 0), (0, TILE)))).to(like.dtype))
        places = self._places()
        self.register_buffer("tiles", places)
        self.rows = places.shape[0]
        self.register_buffer("ones", torch.ones(1, TILE).to(like.dtype))
        self.register_buffer("steps", torch.arange(self.bins).to(like.dtype))
        self.shapes = {"tail": FRAME}

    def _places(self) -> Tensor:
        """Which tile of the responses each tile of each excitation meets at each place of two frames and a tile."""
        rows = self.hop // TILE
        source, segment, tile, place = torch.meshgrid(
            torch.arange(_SOURCES), torch.arange(FINE), torch.arange(rows), torch.arange(2 * FRAME // TILE + 1),
            indexing="ij",
        )
        part = place - rows * segment - tile
        part = torch.where((part >= 0) & (part < self.count - 1), part, self.count - 1)
        return ((_SOURCES * segment + source) * self.count + part).flatten(0, 2)

    def forward(
        self, pulses: Tensor, noise: Tensor, spectra: Tensor, level: Tensor, formant: Tensor, tail: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`spectra [b * 4, 4 * bins]`, `level [b, 4]`, `formant [b, 1]` in semitones, `tail [b, 320]`."""
        response = self._responses(spectra, level, formant)
        size = (2 * FRAME // TILE + 1) * TILE
        tiles = response.reshape(-1, FINE * _SOURCES * self.count, TILE)[:, self.tiles]
        excitation = torch.cat((pulses, noise), dim=1).reshape(-1, self.rows, TILE).transpose(1, 2)
        product = excitation @ tiles.reshape(-1, self.rows, size)  # [b, 40, 680]
        # Rows that are read one shorter than they were written: diagonals are columns.
        diagonals = product.reshape(-1, TILE * size)[:, : TILE * (size - 1)]
        # A product with ones is a faster sum over rows than a sum.
        total = (self.ones @ diagonals.reshape(-1, TILE, size - 1)).reshape(-1, size - 1)
        now, later, _ = torch.split(total, [FRAME, FRAME, size - 1 - 2 * FRAME], dim=1)
        return now + tail, later

    def _responses(self, spectra: Tensor, level: Tensor, formant: Tensor) -> Tensor:
        """Impulse responses and a tile of zeros, `[b, 8, response + 40]`: segment by segment, of pulses, of noise."""
        shifted = _shifted(spectra.reshape(-1, FINE * 2 * _SOURCES, self.bins), formant * SEMITONE, self.steps)
        magnitude, angle = torch.split(shifted.reshape(-1, FINE, 2 * _SOURCES * self.bins), _SOURCES * self.bins, dim=2)
        # The power of both filters together is made that of the source.
        magnitude = torch.exp(magnitude - magnitude.amax(dim=2, keepdim=True))
        power = (magnitude * magnitude).sum(dim=2, keepdim=True) / self.bins
        magnitude = magnitude * (torch.exp(level.unsqueeze(2).clamp(max=LOUDEST)) / torch.sqrt(power))
        rows = (-1, FINE * _SOURCES, self.bins)
        real, imaginary = magnitude * torch.cos(angle), magnitude * torch.sin(angle)
        return torch.cat((real.reshape(rows), imaginary.reshape(rows)), dim=2) @ self.inverse


def _stretched(spectra: Tensor, formant: Tensor, steps: Tensor) -> Tensor:
    """`shift_formants` of all spectra `[b, n, bins]` of a stream; `formant [b, 1]` is the natural log of the ratio."""
    if bool((formant == 0).all()):
        result = spectra
    else:
        top = float(spectra.shape[2] - 1)
        position = (steps / torch.exp(formant)).clamp(max=top)
        low = torch.floor(position).clamp(max=top - 1)
        index = low.long().unsqueeze(1).expand_as(spectra)
        left = spectra.gather(2, index)
        result = left + (position - low).unsqueeze(1) * (spectra.gather(2, index + 1) - left)
    return result


_shifted: Callable[..., Tensor] = branch(_stretched)
