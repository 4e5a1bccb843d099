"""Stage 1 of the `live` model: the content encoder learns units of a teacher (see `training/content.py`)."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES, SAMPLE_RATE
from streamvc.dsp.mel import LogMel
from streamvc.errors import ConfigError, CorpusError
from streamvc.model.live import LiveModel
from streamvc.training.augment import SpectralAugment, add_rooms
from streamvc.training.content import (
    WARM_UP_FRAMES,
    UnitHeads,
    labelled,
    language_weight,
    solve_heads,
    unit_loss,
    validate,
)
from streamvc.training.data import IGNORE, NO_UNIT, CropSampler, PackedCorpus
from streamvc.training.losses.content import agreement
from streamvc.training.losses.masking import heard_ahead, lengths_of
from streamvc.training.perturbation import Perturbation, PerturbationConfig
from streamvc.training.stages.base import Learner, Loss, Setup, Stage
from streamvc.training.stages.dropout import RowDropout, draw_masks
from streamvc.training.trainer.batches import Batch, Draw
from streamvc.training.trainer.keys import key
from streamvc.training.trainer.settings import StageSettings
from streamvc.training.units.causal import take_whisper
from streamvc.training.units.distil import FeatureGoal, feature_distance
from streamvc.training.units.whisper import load_encoder

VIEWS = 2
CLIPS, CLIP_SECONDS = 32, 4
"""What the starting values are measured on."""


@dataclass(frozen=True)
class ContentSettings(StageSettings):
    """Keys of a stage of the kind `content`."""

    rate: float = key(1.2e-3, "peak learning rate", low=0)
    weight_decay: float = key(0.05, "of AdamW", low=0, high=1)
    decay_vectors: bool = key(False, "whether weight decay also holds for biases and norms")
    clip: float = key(2.0, "largest norm of the gradient", low=0)
    corpus: str = key("", "packed and labelled corpus; empty: that of the recipe")
    frames: int = key(128, "length of a crop in frames of 20 ms", low=16)
    units: tuple[str, ...] = key(("whisper4", "whisper5"), "sets of unit labels")
    from_whisper: bool = key(
        False, "whether the encoder begins as the first blocks of Whisper base, whatever weights the stage is given"
    )
    kept: float = key(
        0.0, "weight of hearing in a view what the encoder that the stage starts from hears in clean speech: a decoder "
        "that was trained on its content then goes on with the new one", low=0,
    )
    distil: float = key(
        0.0, "weight of the distance of the encoder's features from those that Whisper base has of clean speech after "
        "as many blocks", low=0,
    )
    solve: int = key(
        0, "steps in which heads and the layer that narrows down are solved on the encoder held still, before the "
        "first step of all", low=0,
    )
    agreement: float = key(0.5, "weight of the agreement of two views of a crop", low=0)
    strength: float = key(1.0, "strength of the perturbation of spectra", low=0)
    rooms: float = key(0.2, "share of crops in a synthetic room", low=0, high=1)
    babble: float = key(0.15, "share of crops with another voice in the background", low=0, high=1)
    speeds: tuple[float, float] = key((0.82, 1.22), "range of changed speeds", low=0.25, high=4)
    speed_share: float = key(0.6, "share of crops at another speed", low=0, high=1)
    dropout: float = key(0.1, "share of hidden channels that are dropped", low=0, high=0.9)
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)


class ContentRows:
    """Two perturbed views of a crop with its labels."""

    def __init__(self, settings: ContentSettings, model: LiveModel, corpus: PackedCorpus) -> None:
        self.settings, self.config = settings, model.config
        c = model.config
        # Modules of their own: they stay on the CPU, where the rows are made.
        self.front = LogMel(c.mel_bands, c.mel_window, c.mel_hop)
        self.augment = SpectralAugment(self.front, c.mel_bands, c.mel_window, 0, settings.strength)
        self.perturb = Perturbation(settings.perturbation)
        train = corpus.select(lambda u: u.split == "train" and (settings.distil > 0 or labelled(corpus, u)))
        self.sampler = CropSampler(
            corpus, train, settings.frames, 0, language_weight, settings.speeds, settings.speed_share
        )

    def row(self, draw: Draw) -> Batch:
        """`views [2, 80, 2 * n]`, `masks [2, blocks, channels]`, labels `[n]` by their names."""
        s, c = self.settings, self.config
        crops = self.sampler.one(draw.numpy)
        samples = crops.samples
        if draw.numpy.random() < s.babble:
            samples = _over(samples, self.sampler.one(draw.numpy).samples, draw.numpy.uniform(8, 25))
        if draw.numpy.random() < s.rooms:
            samples = add_rooms(samples, draw.torch, 1.0)
        self.augment.random.manual_seed(draw.seed())
        heard = [samples]
        if s.perturbation.active:
            lengths = lengths_of(crops.valid)
            heard = [self.perturb(samples, [draw.seed()], lengths) for _ in range(VIEWS)]
        powers = [self.front.power(x.unsqueeze(1))[0] for x in heard]
        views = torch.cat([self.augment(powers[i % len(powers)]) for i in range(VIEWS)])
        masks = draw_masks(VIEWS, c.encoder_blocks, c.encoder_width * c.expansion, s.dropout, draw.torch)
        found = dict(crops.units) if crops.phones is None else {**crops.units, "phones": crops.phones}
        counted = heard_ahead(crops.valid)
        labels = {f"label-{name}": values.masked_fill(~counted, IGNORE)[0] for name, values in found.items()}
        row = {"views": views, "masks": masks, "valid": crops.valid[0], **labels}
        if s.distil:
            row["speech"] = crops.samples[0]
        if s.kept:
            row["clean"] = self.front(crops.samples.unsqueeze(1))[0][0]
        return row


def _over(samples: Tensor, other: Tensor, decibels: float) -> Tensor:
    """Another crop `[1, n]` in the background, so many dB weaker."""
    level = samples.norm() / other.norm().clamp(min=1e-3)
    mixed: Tensor = samples + level * other * 10 ** (-decibels / 20)
    return mixed


@dataclass(frozen=True)
class Heard:
    """What the encoder made of two views of each crop, first views first.

    content: `[2 * batch, content, n]`.
    logits: of every set of units.
    wanted: content `[batch, content, n]` of clean speech at first, if that is to be kept.
    goals: what the encoder guesses of Whisper's features `[2 * batch, n, 512]`, and they `[batch, n, 512]`, if asked.
    """

    content: Tensor
    logits: dict[str, Tensor]
    wanted: Tensor | None
    goals: tuple[Tensor, Tensor] | None


class ContentLearner(Learner):
    """The encoder with heads that name units, and the one that it started as if it is to stay near that."""

    model: LiveModel

    def __init__(
        self, model: LiveModel, sizes: dict[str, int], setup: Setup, keeps: bool = False,
        goal: FeatureGoal | None = None,
    ) -> None:
        super().__init__()
        self.model, self.goal = model.requires_grad_(False), goal
        self.guess = goal.guess(model.config.encoder_width) if goal is not None else None
        # A part of the state: a resumed run starts from the weights that it has reached.
        self.teacher = copy.deepcopy(model.content_encoder) if keeps else None
        model.content_encoder.requires_grad_(True)
        self.heads = UnitHeads(model.config.content_dim, sizes)
        self.setup = setup
        self.dropout = RowDropout(model.content_encoder.blocks)

    def forward(self, batch: Batch) -> Heard:
        encoder = self.model.content_encoder
        self.dropout.masks = batch["masks"].transpose(0, 1).flatten(0, 1)
        with self.setup.autocast():
            features, _ = encoder.features(batch["views"].transpose(0, 1).flatten(0, 1))
            content = encoder.narrow(features)
            logits = self.heads(content)
        self.dropout.masks = None
        wanted = None
        if self.teacher is not None:
            with torch.no_grad(), self.setup.autocast():
                wanted = self.teacher(batch["clean"])[0].float()
        goals = None
        if self.goal is not None and self.guess is not None:
            with self.setup.autocast():
                goals = self.guess(features).float(), self.goal(batch["speech"]).float()
        return Heard(content.float(), {name: values.float() for name, values in logits.items()}, wanted, goals)


class ContentStage(Stage):
    """Stage 1.

    Raises (on construction):
        ConfigError: the model is not `live`.
        CorpusError: the corpus cannot be used, or has no such labels.
    """

    kind = "content"
    rows: ContentRows
    best_by = "valid_accuracy"

    def __init__(self, settings: ContentSettings, model: Any, setup: Setup) -> None:
        if not isinstance(model, LiveModel):
            raise ConfigError("A stage of the kind content trains the live model; use the kind paper for paper.")
        self.settings: ContentSettings = settings
        self.corpus = PackedCorpus(settings.corpus, settings.units)
        sizes = {name: int(values[values != NO_UNIT].max()) + 1 for name, values in self.corpus.units.items()}
        if self.corpus.phones is not None:
            sizes["phones"] = len(self.corpus.phone_symbols)
        self.rows = ContentRows(settings, model, self.corpus)
        goal = None
        if settings.from_whisper or settings.distil:
            whisper, clips = load_encoder(), self._clips()
            if settings.from_whisper:
                take_whisper(model, whisper, clips)
            if settings.distil:
                goal = FeatureGoal(whisper, model.config.encoder_blocks, clips)
        self.learner: ContentLearner = ContentLearner(model, sizes, setup, settings.kept > 0, goal)
        self.setup = setup

    def _clips(self) -> list[Tensor]:
        """A piece of each of some people, evenly drawn, for starting values."""
        usable = [u for u in self.rows.sampler.utterances if u.length >= CLIP_SECONDS * SAMPLE_RATE]
        people = {u.speaker: u for u in usable}
        chosen = list(people.values())[:: max(1, len(people) // CLIPS)]
        if not chosen:
            raise CorpusError(f"Starting from Whisper takes utterances of {CLIP_SECONDS} s; the corpus has none.")
        return [torch.from_numpy(self.corpus.samples(u)[: CLIP_SECONDS * SAMPLE_RATE]) for u in chosen]

    @property
    def seconds(self) -> float:
        return self.settings.frames * FRAME / SAMPLE_RATE

    def losses(self, heard: Any, batch: Batch, step: int) -> dict[str, Loss]:
        given: Heard = heard
        content, wanted = given.content, given.wanted
        losses = {}
        for name, values in given.logits.items():
            losses[name] = Loss(unit_loss(values, batch[f"label-{name}"].repeat(VIEWS, 1)))
        first, second = content.chunk(VIEWS)
        apart = agreement(first, second, LOOK_AHEAD_FRAMES + WARM_UP_FRAMES, batch["valid"])
        losses["agreement"] = Loss(apart, self.settings.agreement)
        if wanted is not None:
            twice, heard_whole = wanted.repeat(VIEWS, 1, 1), heard_ahead(batch["valid"]).repeat(VIEWS, 1)
            moved = agreement(content, twice, LOOK_AHEAD_FRAMES + WARM_UP_FRAMES, heard_whole)
            losses["kept"] = Loss(moved, self.settings.kept)
        if given.goals is not None:
            guessed, goals = given.goals
            apart = feature_distance(
                guessed, goals.repeat(VIEWS, 1, 1), batch["valid"].repeat(VIEWS, 1), WARM_UP_FRAMES
            )
            losses["distil"] = Loss(apart, self.settings.distil)
        return losses

    def evaluate(self) -> dict[str, float]:
        learner = self.learner
        found = validate(learner.model.content_encoder, learner.heads, self.rows.front, self.corpus)
        if not found:
            return {}
        return {**found, "valid_accuracy": sum(found.values()) / len(found)}

    def prepare(self) -> None:
        if self.settings.solve:
            solve_heads(self.learner.model, self.learner.heads, self.corpus, self.rows.sampler, self.settings.solve)

    def start_from(self, state: dict[str, Any]) -> None:
        values = state["average"]["values"]
        for name in ("heads", "guess"):
            module = getattr(self.learner, name)
            if module is None:
                continue
            given = {k.removeprefix(f"{name}."): v for k, v in values.items() if k.startswith(f"{name}.")}
            if given and all(k in given and given[k].shape == v.shape for k, v in module.state_dict().items()):
                module.load_state_dict(given)

    def provenance(self) -> dict[str, Any]:
        return {
            "corpora": sorted({u.corpus for u in self.rows.sampler.utterances}), "units": list(self.settings.units),
        }
