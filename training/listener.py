"""A frozen speech recogniser's encoder, differentiable in its input: what Whisper base hears in speech.

It was trained to write down hundreds of thousands of hours, by everybody and everywhere, and so hears words where our
content encoder, which is small and causal, hears units. Training uses it to hold converted speech against its source
(`training/losses/heard.py`). Word errors counted by a recogniser of the same family then flatter a little.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import FRAME
from streamvc.training.units.mel import HOP, WINDOW, mel_filters
from streamvc.training.units.whisper import WhisperEncoder, load_encoder

LAYER = 5
"""Of six: the last layers tell words best (docs/experiments.md, row teacher), and are least about the voice."""


class Listener(nn.Module):
    """Speech `[batch, samples]` at 16 kHz, whole frames of 320 -> features `[batch, samples // 320, 512]`.

    Args:
        encoder: another one than the installed Whisper base.
        bf16: compute in bfloat16.

    Raises (on construction):
        RuntimeUnavailableError: the packages with the weights are not installed.
        CheckpointError: they are not the ones expected.
    """

    def __init__(self, encoder: WhisperEncoder | None = None, layer: int = LAYER, bf16: bool = True) -> None:
        super().__init__()
        self.encoder = (encoder or load_encoder()).requires_grad_(False)
        self.layer, self.bf16 = layer, bf16
        self.window: Tensor
        self.filters: Tensor
        self.register_buffer("window", torch.hann_window(WINDOW), persistent=False)
        self.register_buffer("filters", mel_filters(), persistent=False)

    def mel(self, speech: Tensor) -> Tensor:
        """Log-mel `[batch, 80, samples // 160]`, row by row that of `training/units/mel.py`."""
        shift = FRAME // 2
        padded = F.pad(speech.unsqueeze(1), (WINDOW // 2 - shift, WINDOW // 2 - HOP + shift), mode="reflect").squeeze(1)
        spectrum = torch.stft(padded, WINDOW, HOP, window=self.window, center=False, return_complex=True)
        power = spectrum.real.square() + spectrum.imag.square()
        logarithm = (self.filters @ power).clamp_min(1e-10).log10()
        mel: Tensor = (torch.maximum(logarithm, logarithm.amax(dim=(1, 2), keepdim=True) - 8.0) + 4.0) / 4.0
        return mel

    def forward(self, speech: Tensor) -> Tensor:
        with torch.autocast(speech.device.type, torch.bfloat16, enabled=self.bf16):
            features: Tensor = self.encoder(self.mel(speech), (self.layer,))[0]
        return features.float()
