"""A frozen speaker-verification network, differentiable in its input: Resemblyzer (GE2E, Wan et al. 2018).

It was trained on thousands of speakers, many more than our corpora have, and so knows in what people differ. Training
uses it in two places: the speech encoder learns to predict its embeddings (`training/speaker.py`), and converted speech
should get the embedding of its target (the weight `verified` of stage 2). Speaker similarity by the same network then
flatters; the d-vector of the evaluation is the judge that no training has seen.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from streamvc.config import SAMPLE_RATE
from streamvc.model.verification import VerificationEncoder
from streamvc.training.evaluation.optional import INSTALL_WITHOUT_DEPENDENCIES, require
from streamvc.training.losses.verified import SpeakerNetwork

EMBEDDING = 256
_SIZE, _HOP, _BANDS = 400, 160, 40
WINDOW = 160
"""Mel frames (10 ms) of one embedding, as the network was trained."""


class Verifier(nn.Module):
    """Speech `[batch, samples]` at 16 kHz -> embeddings `[batch, 256]` of length 1.

    Longer speech than 1.6 s is cut into half-overlapping windows, whose embeddings are averaged.

    Raises (on construction):
        RuntimeUnavailableError: resemblyzer is not installed.
    """

    def __init__(self) -> None:
        super().__init__()
        package: Any = require("resemblyzer", "the speaker verifier", INSTALL_WITHOUT_DEPENDENCIES)
        self.network = package.VoiceEncoder(device="cpu", verbose=False).requires_grad_(False)
        self.window: Tensor
        self.bank: Tensor
        self.register_buffer("window", torch.hann_window(_SIZE), persistent=False)
        self.register_buffer("bank", torch.from_numpy(_filterbank()), persistent=False)

    def mel(self, speech: Tensor) -> Tensor:
        """Mel power `[batch, frames, 40]`, as the package computes it (linear, not logarithmic)."""
        spectrum = torch.stft(
            speech, _SIZE, _HOP, window=self.window, center=True, pad_mode="constant", return_complex=True
        )
        power = spectrum.real.square() + spectrum.imag.square()
        return power.transpose(1, 2) @ self.bank

    def forward(self, speech: Tensor) -> Tensor:
        mel = self.mel(speech)
        if mel.shape[1] <= WINDOW:
            embedding: Tensor = self.network(mel)
            return embedding
        windows = mel.unfold(1, WINDOW, WINDOW // 2).transpose(2, 3)  # [batch, windows, frames, bands]
        each = self.network(windows.flatten(0, 1)).unflatten(0, windows.shape[:2])
        return F.normalize(each.mean(dim=1), dim=-1)


class OwnVerifier(nn.Module):
    """The verifier that is a model's speech encoder, called as :class:`Verifier`: nothing has to be installed."""

    def __init__(self, encoder: VerificationEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, speech: Tensor) -> Tensor:
        """Speech `[batch, samples]` -> embeddings `[batch, 256]` of length 1."""
        return self.encoder.embedding(self.encoder.features(speech))


@torch.no_grad()
def embedding_of(verifier: SpeakerNetwork, speech: np.ndarray[Any, np.dtype[np.float32]], pieces: int = 40) -> Tensor:
    """The mean embedding `[256]` of a person's speech [samples], over windows at even distances."""
    length = WINDOW * _HOP
    starts = np.linspace(0, max(0, len(speech) - length), min(pieces, max(1, len(speech) // length))).astype(int)
    windows = torch.from_numpy(np.stack([np.resize(speech[s : s + length], length) for s in starts]))
    return F.normalize(verifier(windows).mean(dim=0), dim=0)


def _filterbank() -> Any:
    """Slaney mel filters `[bins, 40]` from 0 Hz to 8 kHz, each of unit area."""
    librosa: Any = require("librosa", "the speaker verifier")
    return librosa.filters.mel(sr=SAMPLE_RATE, n_fft=_SIZE, n_mels=_BANDS).T.astype("float32")
