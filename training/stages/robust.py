"""The content encoder of the `live` model learns to hear in damaged speech what it heard in clean speech.

No labels are needed: the encoder that the stage starts from is the teacher. A decoder that was trained on its content
goes on with the new one, since clean speech is to be heard as before.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES, SAMPLE_RATE
from streamvc.dsp.mel import LogMel
from streamvc.errors import ConfigError
from streamvc.model.live import LiveModel
from streamvc.training.augment import SpectralAugment
from streamvc.training.content import WARM_UP_FRAMES, language_weight
from streamvc.training.data import CropSampler, PackedCorpus
from streamvc.training.losses.content import agreement
from streamvc.training.losses.masking import heard_ahead, lengths_of
from streamvc.training.perturbation import Perturbation, PerturbationConfig
from streamvc.training.stages.base import Learner, Loss, Setup, Stage
from streamvc.training.trainer.batches import Batch, Draw, draw_pieces
from streamvc.training.trainer.keys import key
from streamvc.training.trainer.settings import StageSettings

HELD_OUT_AT_ONCE = 8


@dataclass(frozen=True)
class RobustSettings(StageSettings):
    """Keys of a stage of the kind `robust`."""

    rate: float = key(4e-4, "peak learning rate", low=0)
    clip: float = key(1.0, "largest norm of the gradient", low=0)
    average: float = key(
        0.998, "decay of the moving average of the weights, which is what is kept", low=0, high=0.999999
    )
    corpus: str = key("", "packed corpus; empty: that of the recipe")
    frames: int = key(128, "length of a crop in frames of 20 ms", low=64)
    strength: float = key(0.5, "strength of the perturbation of spectra", low=0)
    speeds: tuple[float, float] = key((0.85, 1.18), "range of changed speeds", low=0.25, high=4)
    speed_share: float = key(0.3, "share of crops at another speed", low=0, high=1)
    held_out: int = key(24, "crops of held-out speakers that judge", low=1)
    perturbation: PerturbationConfig = field(
        default_factory=lambda: PerturbationConfig(rooms=0.35, noise=0.7, noise_decibels=(2.0, 28.0))
    )


class RobustRows:
    """A crop, and the crop damaged."""

    def __init__(
        self, settings: RobustSettings, model: LiveModel, corpus: PackedCorpus, split: str, strength: float
    ) -> None:
        c = model.config
        # Modules of their own: they stay on the CPU, where the rows are made.
        self.front = LogMel(c.mel_bands, c.mel_window, c.mel_hop)
        self.augment = SpectralAugment(self.front, c.mel_bands, c.mel_window, 0, strength)
        self.perturb = Perturbation(settings.perturbation)
        utterances = corpus.select(lambda u: u.split == split and u.length >= FRAME * settings.frames // 2)
        share = settings.speed_share if split == "train" else 0.0
        self.sampler = CropSampler(corpus, utterances, settings.frames, 0, language_weight, settings.speeds, share)

    def row(self, draw: Draw) -> Batch:
        """`clean` and `view`, both log-mel `[80, 2 * n]`, and `valid [n]`."""
        crops = self.sampler.one(draw.numpy)
        self.augment.random.manual_seed(draw.seed())
        damaged = self.perturb(crops.samples, [draw.seed()], lengths_of(crops.valid))
        power, _ = self.front.power(damaged.unsqueeze(1))
        clean, _ = self.front(crops.samples.unsqueeze(1))
        return {
            "clean": clean[0], "view": self.augment(power)[0], "valid": crops.valid[0]
        }


class RobustLearner(Learner):
    """The content encoder, and the one that it started as."""

    model: LiveModel

    def __init__(self, model: LiveModel, setup: Setup) -> None:
        super().__init__()
        self.model, self.setup = model.requires_grad_(False), setup
        # A part of the state: a resumed run starts from the weights that it has reached.
        self.teacher = copy.deepcopy(model.content_encoder)
        model.content_encoder.requires_grad_(True)

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Content `[batch, 64, n]` of damaged speech, and the teacher's of clean speech."""
        with self.setup.autocast():
            content, _ = self.model.content_encoder(batch["view"])
            with torch.no_grad():
                wanted, _ = self.teacher(batch["clean"])
        return content.float(), wanted.float()


class RobustStage(Stage):
    """Robustness of the content encoder.

    Raises (on construction):
        ConfigError: the model is not `live`.
        CorpusError: the corpus cannot be used.
    """

    kind = "robust"
    rows: RobustRows
    best_by = "-valid_distance"

    def __init__(self, settings: RobustSettings, model: Any, setup: Setup) -> None:
        if not isinstance(model, LiveModel):
            raise ConfigError("A stage of the kind robust trains the live model; the paper has no such stage.")
        self.settings: RobustSettings = settings
        self.setup = setup
        corpus = PackedCorpus(settings.corpus)
        self.rows = RobustRows(settings, model, corpus, "train", settings.strength)
        self.learner: RobustLearner = RobustLearner(model, setup)
        self.held_out: list[Batch] = []
        if corpus.select(lambda u: u.split == "valid" and u.length >= FRAME * settings.frames // 2):
            rows = RobustRows(settings, model, corpus, "valid", 0.0)
            self.held_out = draw_pieces(rows, settings.held_out, HELD_OUT_AT_ONCE)

    @property
    def seconds(self) -> float:
        return self.settings.frames * FRAME / SAMPLE_RATE

    def losses(self, heard: Any, batch: Batch, step: int) -> dict[str, Loss]:
        return {"distance": Loss(_distance(heard, batch))}

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        if not self.held_out:
            return {}
        count = sum(len(b["valid"]) for b in self.held_out)
        clean = damaged = 0.0
        for piece in self.held_out:
            batch = {k: v.to(self.setup.device) for k, v in piece.items()}
            share = len(batch["valid"]) / count
            damaged += share * float(_distance(self.learner(batch), batch))
            clean += share * float(_distance(self.learner({**batch, "view": batch["clean"]}), batch))
        return {"valid_distance": damaged, "valid_clean": clean}

    def provenance(self) -> dict[str, Any]:
        return {"corpora": sorted({u.corpus for u in self.rows.sampler.utterances})}


def _distance(heard: tuple[Tensor, Tensor], batch: Batch) -> Tensor:
    content, wanted = heard
    return agreement(content, wanted, LOOK_AHEAD_FRAMES + WARM_UP_FRAMES, heard_ahead(batch["valid"]))
