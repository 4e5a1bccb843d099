"""A frozen speech recogniser's encoder, differentiable in its input: what Whisper base hears in speech.

It was trained to write down hundreds of thousands of hours, by everybody and everywhere, and so hears words where our
content encoder, which is small and causal, hears units. Training uses it to hold converted speech against its source
(`training/losses/heard.py`). Word errors counted by a recogniser of the same family then flatter a little.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streamvc.training.units.mel import log_mel_rows
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

    def mel(self, speech: Tensor) -> Tensor:
        """Log-mel `[batch, 80, samples // 160]`, row by row that of the units."""
        return log_mel_rows(speech)

    def forward(self, speech: Tensor) -> Tensor:
        with torch.autocast(speech.device.type, torch.bfloat16, enabled=self.bf16):
            features: Tensor = self.encoder(self.mel(speech), (self.layer,))[0]
        return features.float()
