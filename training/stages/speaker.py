"""The speech encoder of the `live` model learns to tell people apart (see `training/speaker.py`)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.dsp.mel import LogMel
from streamvc.errors import ConfigError
from streamvc.model.live import LiveModel, SpeechEncoder
from streamvc.training.augment import SpectralAugment
from streamvc.training.data import PackedCorpus
from streamvc.training.speaker import Pool, agreement, held_out_clips, separation
from streamvc.training.speaker_pool import CLIP_FRAMES
from streamvc.training.stages.base import Learner, Loss, Setup, Stage
from streamvc.training.trainer.batches import Batch, Draw
from streamvc.training.trainer.keys import key
from streamvc.training.trainer.settings import StageSettings
from streamvc.training.verifier import EMBEDDING, Verifier
from streamvc.training.whitening import solve, whiten_encoder


@dataclass(frozen=True)
class SpeakerSettings(StageSettings):
    """Keys of a stage of the kind `speaker`."""

    batch: int = key(64, "clips per step, over all processes", low=1)
    weight_decay: float = key(0.02, "of AdamW", low=0, high=1)
    clip: float = key(2.0, "largest norm of the gradient", low=0)
    average: float = key(
        0.998, "decay of the moving average of the weights, which is what is kept", low=0, high=0.999999
    )
    pool: str = key("", "folder of `python -m streamvc.training.speaker_pool`; empty: that of the recipe")
    corpus: str = key("", "packed corpus whose held-out speakers judge; empty: that of the recipe")
    judged: bool = key(True, "whether held-out speakers of the corpus judge (this needs Resemblyzer)")
    strength: float = key(0.5, "strength of the perturbation of spectra", low=0)
    whiten: int = key(0, "clips on which latents are made white before the first step; 0: they stay as they are", low=0)


class PoolRows:
    """Perturbed clips with the embeddings of what was perturbed."""

    def __init__(self, pool: Pool, model: LiveModel, strength: float) -> None:
        c = model.config
        self.pool = pool
        self.front = LogMel(c.mel_bands, c.mel_window, c.mel_hop)
        # A changed vocal tract would be another person.
        self.augment = SpectralAugment(self.front, c.mel_bands, c.mel_window, 0, strength, warp=0.0)

    def row(self, draw: Draw) -> Batch:
        """`mel [80, 2 * n]` and `embedding [256]`."""
        number = draw.numpy.integers(len(self.pool.speakers), size=1)
        speech, embedding = self.pool.batch(number)
        power, _ = self.front.power(speech.unsqueeze(1))
        self.augment.random.manual_seed(draw.seed())
        return {"mel": self.augment(power)[0], "embedding": embedding[0]}


class SpeakerLearner(Learner):
    """The speech encoder, and the embedding that its latent predicts."""

    model: LiveModel

    def __init__(self, model: LiveModel, centre: Tensor, setup: Setup) -> None:
        super().__init__()
        self.model, self.setup = model.requires_grad_(False), setup
        model.speech_encoder.requires_grad_(True)
        self.predict = nn.Linear(model.config.latent_dim, EMBEDDING)
        # Latents have length 8 and embeddings 1: start near the mean of all voices.
        nn.init.normal_(self.predict.weight, std=0.01)
        with torch.no_grad():
            self.predict.bias.copy_(centre)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Latents and predicted embeddings."""
        with self.setup.autocast():
            latent = self.model.speech_encoder(batch["mel"])
            predicted = self.predict(latent)
        return latent.float(), predicted.float()


class SpeakerStage(Stage):
    """Distillation of a verification network.

    Raises (on construction):
        ConfigError: the model is not `live`, or its speech encoder is not its own.
        CorpusError: the pool or the corpus cannot be used.
        RuntimeUnavailableError: held-out speakers should judge, and Resemblyzer is not installed.
    """

    kind = "speaker"
    best_by = "valid_alike"

    def __init__(self, settings: SpeakerSettings, model: Any, setup: Setup) -> None:
        if not isinstance(model, LiveModel):
            raise ConfigError("A stage of the kind speaker trains the live model; the paper has no such stage.")
        if not isinstance(model.speech_encoder, SpeechEncoder):
            raise ConfigError(
                "The model's speech encoder is that of a verifier; a stage of the kind speaker has nothing to teach it."
            )
        self.settings: SpeakerSettings = settings
        pool = Pool(Path(settings.pool))
        self.centre = pool.embeddings.mean(dim=0).to(setup.device)
        self.rows = PoolRows(pool, model, settings.strength)
        self.learner: SpeakerLearner = SpeakerLearner(model, self.centre.cpu(), setup)
        self.setup = setup
        if settings.whiten:
            self._whiten(pool)
        self.held_out = held_out_clips(PackedCorpus(settings.corpus), Verifier()) if settings.judged else None

    def _whiten(self, pool: Pool) -> None:
        model = self.learner.model
        assert isinstance(model.speech_encoder, SpeechEncoder)
        rows = np.linspace(0, len(pool.speakers) - 1, self.settings.whiten).astype(int)
        parts = [pool.batch(part) for part in np.array_split(rows, max(1, len(rows) // 32))]
        with torch.no_grad():
            mels = [model.content_features(speech)[0] for speech, _ in parts]
        latents = whiten_encoder(model.speech_encoder, mels)
        solve(self.learner.predict, latents, torch.cat([embedding for _, embedding in parts]))

    @property
    def seconds(self) -> float:
        return CLIP_FRAMES * FRAME / SAMPLE_RATE

    def losses(self, heard: Any, batch: Batch, step: int) -> dict[str, Loss]:
        _, predicted = heard
        embedding = batch["embedding"]
        alike = agreement(predicted, embedding, self.centre).mean()
        return {
            "distance": Loss((predicted - embedding).square().sum(dim=-1).mean()),
            "apart": Loss(1 - alike),
            "alike": Loss(alike, 0.0),
        }

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        if self.held_out is None:
            return {}
        speech, embedding, names = self.held_out
        learner, latents, alike = self.learner, [], []
        for part, wanted in zip(torch.split(speech, 32), torch.split(embedding, 32), strict=True):
            mel, _ = learner.model.content_features(part.to(self.setup.device))
            latent = learner.model.speech_encoder(mel)
            latents.append(latent.cpu())
            alike.append(agreement(learner.predict(latent).cpu(), wanted, self.centre.cpu()))
        teacher = separation(embedding, names)
        result = {"valid_alike": float(torch.cat(alike).mean()), **separation(torch.cat(latents), names)}
        return result | {f"teacher_{key}": value for key, value in teacher.items()}

    def start_from(self, state: dict[str, Any]) -> None:
        if self.settings.whiten:
            return  # what was predicted from other latents does not fit
        values = state["average"]["values"]
        own = self.learner.predict.state_dict()
        found = {name: values.get(f"predict.{name}") for name in own}
        if all(v is not None and v.shape == own[k].shape for k, v in found.items()):
            self.learner.predict.load_state_dict(found)

    def provenance(self) -> dict[str, Any]:
        return {"pool": str(self.settings.pool)}
