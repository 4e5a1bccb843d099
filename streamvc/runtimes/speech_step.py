"""The speech encoder of the `live` model, arranged for export: samples of any length in, the latent out."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.dsp.mel import LogMel, scaled
from streamvc.model.live import POINTS, LiveModel
from streamvc.model.verification import VerificationEncoder


class SpeechStep(nn.Module):
    """`samples [1, n * 320] -> latent [1, 64]`: what `LiveModel.embed` says; tests hold it to that.

    The spectra are a strided convolution with windowed sines and cosines, which exports for any length.
    """

    waves: Tensor
    bank: Tensor

    def __init__(self, model: LiveModel) -> None:
        super().__init__()
        if isinstance(model.speech_encoder, VerificationEncoder):
            raise TypeError("the encoder of a verifier is exported as it is")
        self.encoder, self.bands = model.speech_encoder, model.config.mel_bands
        self.hop, self.size = model.mel.windows.hop, model.mel.windows.size
        self.latent = model.config.latent_dim
        self.register_buffer("waves", _waves(model.mel))
        self.register_buffer("bank", torch.cat((model.mel.mel, model.mel.mel)).t().unsqueeze(2).contiguous())

    def forward(self, samples: Tensor) -> Tensor:
        heard = F.pad(samples.unsqueeze(1), (self.size - self.hop, 0))
        spectra = F.conv1d(heard, self.waves, stride=self.hop)
        mel = scaled(F.conv1d(spectra * spectra, self.bank))
        stacked = mel.reshape(1, self.bands, -1, POINTS).permute(0, 1, 3, 2).reshape(1, self.bands * POINTS, -1)
        x, _ = self.encoder.front(stacked)
        for block in self.encoder.blocks:
            x, _ = block(x)
        x = self.encoder.norm(x.transpose(1, 2)).transpose(1, 2)
        return F.layer_norm(self.encoder.project(self.encoder.pool(x)), (self.latent,))


class VerificationStep(nn.Module):
    """The same with the network of a verifier, which exports as it is."""

    def __init__(self, encoder: VerificationEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, samples: Tensor) -> Tensor:
        latent: Tensor = self.encoder(self.encoder.features(samples))
        return latent


def speech_step(model: LiveModel) -> nn.Module:
    """The form of a model's speech encoder that is exported."""
    encoder = model.speech_encoder
    return VerificationStep(encoder) if isinstance(encoder, VerificationEncoder) else SpeechStep(model)


def _waves(mel: LogMel) -> Tensor:
    """Windowed cosines, then sines, `[2 * bins, 1, size]`."""
    size = mel.windows.size
    angle = 2 * np.pi / size * np.outer(np.arange(size // 2 + 1), np.arange(size))
    window = mel.window.double().numpy()
    waves = np.concatenate((np.cos(angle), np.sin(angle))) * window
    return torch.tensor(waves).unsqueeze(1).to(mel.mel.dtype)
