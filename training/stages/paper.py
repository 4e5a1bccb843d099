"""The `paper` model as published: content encoder, speech encoder and decoder learn together (paper, section 2.6).

The content encoder answers to the units of the teacher alone: its content reaches the decoder without a gradient.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES, SAMPLE_RATE
from streamvc.controls import N_CONTROLS
from streamvc.errors import ConfigError
from streamvc.model.paper import PaperModel
from streamvc.training.content import WARM_UP_FRAMES, UnitHeads, accuracy, unit_loss
from streamvc.training.data import IGNORE, NO_UNIT, CropSampler, PackedCorpus, Utterance
from streamvc.training.discriminators import NAMES
from streamvc.training.losses.masking import heard_ahead, lengths_of, within
from streamvc.training.losses.spectral import PaperSpectralLoss
from streamvc.training.losses.weights import PAPER, LossWeights
from streamvc.training.perturbation import Perturbation, PerturbationConfig
from streamvc.training.stages.base import Critics, Duel, Learner, Loss, Setup, Sound, Stage
from streamvc.training.stages.critics import (
    MIN_SAMPLES,
    CriticSettings,
    build_critics,
    critic_losses,
    critics_of,
    piece_of_step,
)
from streamvc.training.trainer.batches import Batch, Draw, draw_rows
from streamvc.training.trainer.keys import key
from streamvc.training.trainer.settings import SCHEDULES

BEGIN = (WARM_UP_FRAMES + LOOK_AHEAD_FRAMES) * FRAME
"""Samples of a crop after which output is judged: before, it speaks of what it has hardly heard."""
_UNVOICED = (5.08, 0.2)
_ENOUGH = 5
"""Voiced frames below which a crop has no register of its own."""


@dataclass(frozen=True)
class PaperSettings(CriticSettings):
    """Keys of a stage of the kind `paper`."""

    rate: float = key(1e-4, "learning rate", low=0)
    optimiser: str = key("adam", "optimiser", choices=("adamw", "adam"))
    betas: tuple[float, float] = key((0.5, 0.9), "of the optimiser", low=0, high=0.99999)
    schedule: str = key("constant", "how the learning rate falls after its warm-up", choices=SCHEDULES)
    critics: tuple[str, ...] = key(
        ("melgan",), "discriminators; none: spectral losses alone", choices=NAMES
    )
    critic_rate: float = key(1e-4, "learning rate of the discriminators, which does not fall", low=0)
    critic_samples: int = key(16_000, "samples of each crop that they judge", low=MIN_SAMPLES)
    corpus: str = key("", "packed and labelled corpus; empty: that of the recipe")
    frames: int = key(128, "length of a crop in frames of 20 ms", low=24)
    reference_frames: int = key(150, "length of the other speech of a speaker that the speech encoder hears", low=16)
    units: str = key("hubert7", "set of unit labels")
    unit_weight: float = key(1.0, "weight of naming the units", low=0)
    held_out: int = key(16, "crops of held-out speakers that judge", low=2)
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    weights: LossWeights = field(default_factory=lambda: PAPER)


class PaperRows:
    """Crops with their units, and other speech of the same person."""

    def __init__(self, settings: PaperSettings, corpus: PackedCorpus, utterances: list[Utterance]) -> None:
        self.units, self.perturb = settings.units, Perturbation(settings.perturbation)
        self.sampler = CropSampler(
            corpus, utterances, settings.frames, 0, reference_frames=settings.reference_frames
        )

    def row(self, draw: Draw) -> Batch:
        """`samples [n * 320]`, what the content encoder `heard` of them, `label [n]`, `references [m * 320]`, and the
        `length` of speech in samples."""
        crops = self.sampler.one(draw.numpy)
        assert crops.references is not None
        label = crops.units[self.units].masked_fill(~heard_ahead(crops.valid), IGNORE)
        heard, lengths = crops.samples, lengths_of(crops.valid)
        if self.perturb.config.active:
            heard = self.perturb(heard, [draw.seed()], lengths)
        return {
            "samples": crops.samples[0], "heard": heard[0], "label": label[0], "references": crops.references[0],
            "length": lengths[0],
        }


@dataclass(frozen=True)
class Heard:
    """Content and logits of a batch, and what was spoken of it: samples `[batch, n]`, of which `lengths` are spoken
    before padding is heard."""

    content: Tensor
    logits: Tensor
    output: Tensor
    target: Tensor
    lengths: Tensor
    latent: Tensor
    prosody: Tensor


class PaperLearner(Learner):
    """The whole model, and the head that names units."""

    model: PaperModel

    def __init__(self, model: PaperModel, units: int, setup: Setup) -> None:
        super().__init__()
        self.model, self.setup = model.requires_grad_(True), setup
        self.heads = UnitHeads(model.config.content_dim, {"units": units})

    def forward(self, batch: Batch) -> Heard:
        """Content and speech of a batch."""
        model, samples = self.model, batch["samples"]
        with torch.no_grad():
            controls = samples.new_zeros(len(samples), N_CONTROLS)
            register = registers(model, samples, batch["length"])
            prosody, _ = model.prosody(samples, controls, None, register)
        with self.setup.autocast():
            content, _ = model.content_encoder(batch["heard"].unsqueeze(1))
            logits = self.heads(content)["units"]
            latent = model.speech_encoder(batch["references"].unsqueeze(1))
        output = self.speak(content, prosody, latent)
        late = LOOK_AHEAD_FRAMES * FRAME
        return Heard(
            content, logits.float(), output[:, BEGIN:], samples[:, BEGIN - late : samples.shape[1] - late],
            (batch["length"] - BEGIN).clamp(min=0), latent, prosody,
        )

    def speak(self, content: Tensor, prosody: Tensor, latent: Tensor) -> Tensor:
        """Speech `[batch, n * 320]` of content, which gets no gradient of it (paper, section 2.1)."""
        with self.setup.autocast():
            inputs = torch.cat((content.detach().float(), prosody), dim=1)
            audio, _ = self.model.decoder(inputs, None, latent)
        speech: Tensor = audio.squeeze(1).float()
        return speech


def registers(model: PaperModel, samples: Tensor, lengths: Tensor) -> Tensor:
    """Mean and spread of log f0 over the voiced frames of each crop `[batch, n]`: `[batch, 2]` (paper, section 2.4).

    Only what was found within the first `lengths [batch]` samples is taken.
    """
    estimates, _ = model.prosody.yin(samples.unsqueeze(1))
    log_f0, voiced = estimates[:, -3], estimates[:, -2] * within(lengths // FRAME, estimates.shape[-1])
    count = voiced.sum(dim=1)
    mean = (log_f0 * voiced).sum(dim=1) / count.clamp(min=1)
    spread = (((log_f0 - mean.unsqueeze(1)).square() * voiced).sum(dim=1) / count.clamp(min=1)).sqrt()
    own = torch.stack((mean, spread.clamp(min=model.prosody.min_std)), dim=1)
    return torch.where((count >= _ENOUGH).unsqueeze(1), own, own.new_tensor(_UNVOICED))


class PaperStage(Stage):
    """The paper's training.

    Raises (on construction):
        ConfigError: the model is not `paper`.
        CorpusError: the corpus cannot be used, or has no such labels.
    """

    kind = "paper"
    rows: PaperRows
    best_by = "-valid_loss"

    def __init__(self, settings: PaperSettings, model: Any, setup: Setup) -> None:
        if not isinstance(model, PaperModel):
            raise ConfigError("A stage of the kind paper trains the paper model; set model.name to \"paper\".")
        self.settings: PaperSettings = settings
        self.setup = setup
        corpus = PackedCorpus(settings.corpus, (settings.units,))
        labels = corpus.units[settings.units]
        train, valid = (
            corpus.select(lambda u, s=split: u.split == s and u.band == "wide") for split in ("train", "valid")  # type: ignore[misc]
        )
        self.rows = PaperRows(settings, corpus, train)
        self.learner: PaperLearner = PaperLearner(model, int(labels[labels != NO_UNIT].max()) + 1, setup)
        self.critics: Critics | None = build_critics(settings, setup)
        self.spectral = PaperSpectralLoss().to(setup.device)
        plain = replace(settings, perturbation=PerturbationConfig())
        self.held_out = draw_rows(PaperRows(plain, corpus, valid), 0, 0, settings.held_out) if valid else None

    @property
    def seconds(self) -> float:
        return self.settings.frames * FRAME / SAMPLE_RATE

    def losses(self, heard: Any, batch: Batch, step: int) -> dict[str, Loss]:
        weights = self.settings.weights
        return {
            "units": Loss(unit_loss(heard.logits, batch["label"]), self.settings.unit_weight),
            "spectral": Loss(self.spectral(heard.output, heard.target, heard.lengths), weights.reconstruction),
        }

    def duel(self, heard: Any, step: int) -> Duel | None:
        s = self.settings
        if self.critics is None or step % s.critic_every:
            return None
        pieces = piece_of_step(heard.output, heard.lengths, s.critic_samples, self.setup.seed, step)
        return Duel(pieces.cut(heard.target), pieces.cut(heard.output), pieces.share, pieces.share, len(heard.output))

    def play(self, duel: Duel) -> dict[str, Loss]:
        assert self.critics is not None
        return critic_losses(self.critics, duel, self.settings.weights, "hinge", relative=False)

    def separate(self) -> list[list[nn.Parameter]]:
        # The spectral loss is a thousand times that of the units: clipped together, it would still the encoder.
        content = [*self.learner.model.content_encoder.parameters(), *self.learner.heads.parameters()]
        return [content, [*self.learner.model.speech_encoder.parameters(), *self.learner.model.decoder.parameters()]]

    def critic_optimiser(self) -> torch.optim.Optimizer | None:
        return None if self.critics is None else self.settings.optimiser_of(self.critics)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        if self.held_out is None:
            return {}
        batch = {k: v.to(self.setup.device) for k, v in self.held_out.items()}
        heard = self.learner(batch)
        losses = self.losses(heard, batch, 0)
        right, counted = accuracy(heard.logits.cpu(), batch["label"].cpu())
        result = {f"valid_{name}": float(loss.value) for name, loss in losses.items()}
        result["valid_accuracy"] = right / max(1, counted)
        result["valid_loss"] = sum(float(loss.value) * loss.weight for loss in losses.values())
        return result

    @torch.no_grad()
    def sounds(self) -> list[Sound]:
        if self.held_out is None:
            return []
        few = {k: v[:2].to(self.setup.device) for k, v in self.held_out.items()}
        heard = self.learner(few)
        converted = self.learner.speak(heard.content, heard.prosody, heard.latent.flip(0))[:, BEGIN:]
        return [
            Sound(f"held out {i + 1}", {
                "person": heard.target[i].cpu(), "decoder": heard.output[i].cpu(), "converted": converted[i].cpu(),
            })
            for i in range(len(heard.output))
        ]

    def start_from(self, state: dict[str, Any]) -> None:
        values = {k: v for k, v in state["average"]["values"].items() if k.startswith("heads.")}
        own = self.learner.heads.state_dict()
        found = {name: values.get(f"heads.{name}") for name in own}
        if all(v is not None and v.shape == own[k].shape for k, v in found.items()):
            self.learner.heads.load_state_dict(found)
        if self.critics is not None:
            critics_of(state, self.critics)

    def provenance(self) -> dict[str, Any]:
        return {"corpora": sorted({u.corpus for u in self.rows.sampler.utterances}), "units": self.settings.units}
