"""A speech encoder that is the network of a speaker verifier: it knows in what thousands of people differ.

The layout is that of Resemblyzer (GE2E, Wan et al. 2018), whose weights fit: three LSTM layers over 1.6 s of mel power,
then a rectified linear layer, normalised. Its embedding is brought into the latent of this model by one linear layer.
A speech encoder of our own, taught by that network on the few hundred speakers of our corpora, gave back a part of what
it says of new voices (docs/experiments.md, row spk3).
"""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import FRAME
from streamvc.dsp.mel import slaney_filterbank

BANDS = 40
EMBEDDING = 256
LAYERS = 3
WINDOW = 160
"""Mel frames that the network hears at once."""
STEP = 80
"""Mel frames from one window to the next."""
_SIZE, _HOP = 400, 160


class VerificationEncoder(nn.Module):
    """Reference speech `[batch, n * 320]` at 16 kHz, about -26 dBFS -> speaker latent `[batch, latent]`.

    Windows overlap by half; speech that is shorter than one is repeated. Latents are layer-normed, as those of the
    other speech encoders.
    """

    waves: Tensor
    bank: Tensor

    def __init__(self, latent_dim: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.lstm = nn.LSTM(BANDS, EMBEDDING, LAYERS, batch_first=True)
        self.linear = nn.Linear(EMBEDDING, EMBEDDING)
        self.project = nn.Linear(EMBEDDING, latent_dim)
        self.register_buffer("waves", torch.from_numpy(_windowed_waves()), persistent=False)
        self.register_buffer("bank", torch.from_numpy(slaney_filterbank(BANDS, _SIZE)), persistent=False)

    def features(self, speech: Tensor) -> Tensor:
        """Mel power `[batch, 2 * n, 40]`, linear and not logarithmic, of windows centred on multiples of 160."""
        # A strided convolution, not an FFT: it is exported for any length.
        heard = F.pad(speech.unsqueeze(1), (_SIZE // 2, _SIZE // 2 - _HOP))
        spectra = F.conv1d(heard, self.waves, stride=_HOP)
        real, imaginary = spectra.chunk(2, dim=1)
        return (real * real + imaginary * imaginary).transpose(1, 2) @ self.bank

    def embedding(self, mel: Tensor, mask: Tensor | None = None) -> Tensor:
        """The verifier's embedding `[batch, 256]`, of length 1, of mel power `[batch, frames, 40]`.

        `mask [batch, frames // 2]` is True where a frame of 20 ms counts; the others are cut out.
        """
        frames = mel.shape[1]
        # A tensor and not Python's `max`, so that an exported graph counts the windows of every length anew.
        last = torch.clamp(torch.as_tensor(frames - WINDOW), min=0)
        starts = torch.arange(0, cast("int", last + 1), STEP, device=mel.device)
        places = starts.unsqueeze(1) + torch.arange(WINDOW, device=mel.device)  # [windows, frames of each]
        if mask is None:
            windows = mel[:, places % frames]
            return self._mean(windows, mel.new_ones(1, 1, 1))
        counted = mask.repeat_interleave(FRAME // _HOP, dim=1)
        order = torch.argsort(counted.logical_not().to(torch.uint8), dim=1, stable=True)
        lengths = counted.sum(dim=1, keepdim=True)
        chosen = torch.gather(order, 1, places.flatten().unsqueeze(0) % lengths)
        windows = torch.gather(mel, 1, chosen.unsqueeze(2).expand(-1, -1, BANDS))
        used = (starts <= (lengths - WINDOW).clamp(min=0)).to(mel.dtype)
        return self._mean(windows.reshape(len(mel), len(starts), WINDOW, BANDS), used.unsqueeze(2))

    def _mean(self, windows: Tensor, used: Tensor) -> Tensor:
        """Of windows `[batch, windows, frames, 40]`, those that are used: `[batch, 256]`."""
        _, (hidden, _) = self.lstm(windows.flatten(0, 1))
        each = F.normalize(torch.relu(self.linear(hidden[-1])), dim=-1).reshape(*windows.shape[:2], -1)
        return F.normalize((each * used).sum(dim=1), dim=-1)

    def forward(self, features: Tensor, mask: Tensor | None = None) -> Tensor:
        """Latent of :meth:`features`."""
        return self.latent(self.embedding(features, mask))

    def latent(self, embedding: Tensor) -> Tensor:
        """Latents `[..., latent]` of embeddings `[..., 256]`."""
        raw = self.project(embedding)
        return F.layer_norm(raw, (self.latent_dim,))


def _windowed_waves() -> np.ndarray:
    """Cosines, then sines, under a periodic Hann window: `[2 * bins, 1, size]`, float32."""
    time = np.arange(_SIZE)
    angle = 2 * np.pi / _SIZE * np.outer(np.arange(_SIZE // 2 + 1), time)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / _SIZE)
    return (np.concatenate((np.cos(angle), np.sin(angle))) * window)[:, None].astype(np.float32)
