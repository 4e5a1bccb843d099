"""Stage 2 of the `live` model: decoder and speech encoder on frozen content (see `training/decoder.py`).

Spectral losses first; with `critics` (usually a stage of its own) discriminators join.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.dsp.mel import LogMel
from streamvc.errors import ConfigError
from streamvc.model.live import LiveModel
from streamvc.model.verification import VerificationEncoder
from streamvc.training.augment import SpectralAugment
from streamvc.training.data import Crops, CropSampler, PackedCorpus, Utterance
from streamvc.training.decoder import (
    CONTEXT,
    SKIP,
    Lesson,
    SpeakerHead,
    buzz,
    content_distance,
    corpus_weight,
    in_other_register,
    latent_of,
    make_lesson,
    recognised,
    register_of_crops,
    register_table,
    speak,
)
from streamvc.training.listener import Listener
from streamvc.training.losses.heard import heard_loss
from streamvc.training.losses.masking import lengths_of, repeated, within
from streamvc.training.losses.spectral import SpectralLoss
from streamvc.training.losses.verified import voice_losses
from streamvc.training.losses.weights import LossWeights
from streamvc.training.perturbation import Perturbation, PerturbationConfig
from streamvc.training.registers import Registers, speaker_registers
from streamvc.training.speaker import Pool
from streamvc.training.stages.base import Critics, Duel, Learner, Loss, Setup, Sound, Stage
from streamvc.training.stages.critics import CriticSettings, build_critics, critic_losses, critics_of, piece_of_step
from streamvc.training.trainer.batches import Batch, Draw, draw_pieces
from streamvc.training.trainer.keys import key
from streamvc.training.verified_voices import take_verifier
from streamvc.training.verifier import Verifier
from streamvc.training.voices import Voices

REFERENCE_FRAMES = 150
SHORTEST_FRAMES = 100
"""Shorter utterances are not drawn."""
HELD_OUT_AT_ONCE = 8


@dataclass(frozen=True)
class DecoderSettings(CriticSettings):
    """Keys of a stage of the kind `decoder`."""

    batch: int = key(12, "crops per step, over all processes", low=1)
    rate: float = key(8e-4, "peak learning rate", low=0)
    betas: tuple[float, float] = key((0.8, 0.98), "of the optimiser", low=0, high=0.99999)
    average: float = key(
        0.998, "decay of the moving average of the weights, which is what is kept", low=0, high=0.999999
    )
    corpus: str = key("", "packed corpus; empty: that of the recipe")
    frames: int = key(64, "frames of 20 ms that are spoken of each crop", low=16)
    strength: float = key(0.6, "strength of the perturbation of what the content encoder hears", low=0)
    noise: float = key(0.1, "spread of the noise that is added to content", low=0)
    speeds: tuple[float, float] = key((0.84, 1.19), "range of changed speeds", low=0.25, high=4)
    speed_share: float = key(0.4, "share of crops at another speed", low=0, high=1)
    voices: str = key(
        "batch", "whose voices are spoken with: those of the batch, or of a pool (if the model's speech encoder is a "
        "verifier's)", choices=("batch", "pool"),
    )
    pool: str = key(
        "", "folder of `python -m streamvc.training.speaker_pool`, if voices come from one; empty: that of the recipe"
    )
    take_verifier: bool = key(
        False, "whether the speech encoder becomes the verifier's, with latents for that pool, before the first step"
    )
    mixed: float = key(0.3, "share of conversions into a mixture of two voices of that pool", low=0, high=1)
    keep_speakers: bool = key(False, "whether the speech encoder stays as it is")
    heard_every: int = key(2, "steps between those in which the weight `heard` counts: a recogniser is large", low=1)
    held_out: int = key(24, "crops of held-out speakers that judge (an even number)", low=2)
    perturbation: PerturbationConfig = field(default_factory=PerturbationConfig)
    weights: LossWeights = field(default_factory=lambda: LossWeights(speaker=0.05))

    @property
    def converts(self) -> bool:
        """Whether every second crop is also spoken in another voice: that of the next, or one of the pool."""
        return max(self.weights.swap, self.weights.verified, self.weights.nearer, self.weights.heard) > 0


class DecoderRows:
    """Crops, what the content encoder hears of them, and other speech of the same person."""

    def __init__(
        self, settings: DecoderSettings, model: LiveModel, corpus: PackedCorpus, utterances: list[Utterance],
        registers: Registers, plain: bool = False, pool: Pool | None = None,
    ) -> None:
        c = model.config
        self.settings, self.content_dim, self.plain = settings, c.content_dim, plain
        # Modules of their own: they stay on the CPU, where the rows are made.
        self.mel = LogMel(c.mel_bands, c.mel_window, c.mel_hop)
        self.augment = SpectralAugment(self.mel, c.mel_bands, c.mel_window, 0, settings.strength)
        self.perturb = Perturbation(PerturbationConfig() if plain else settings.perturbation)
        self.sampler = CropSampler(
            corpus, utterances, CONTEXT + settings.frames, 0, corpus_weight, settings.speeds,
            0.0 if plain else settings.speed_share, reference_frames=0 if pool else REFERENCE_FRAMES,
        )
        self.registers = register_table(registers, self.sampler)
        self.voices = Voices(pool, self.sampler.speaker_index, self.registers) if pool else None

    def row(self, draw: Draw) -> Batch:
        """The tensors that :func:`streamvc.training.decoder.make_lesson` takes, without their batch dimension."""
        crops = self.sampler.one(draw.numpy)
        self.augment.random.manual_seed(draw.seed())
        heard = crops.samples
        if self.perturb.config.active:
            heard = self.perturb(heard, [draw.seed()], lengths_of(crops.valid))
        power, _ = self.mel.power(heard.unsqueeze(1))
        mel = self.mel.log_mel(power, self.mel.mel) if self.plain else self.augment(power, masks=False)
        blur = torch.randn(self.content_dim, len(crops.samples[0]) // FRAME, generator=draw.torch)
        return {
            "samples": crops.samples[0], "view": mel[0],
            "blur": blur * (0.0 if self.plain else self.settings.noise),
            "register": register_of_crops(self.registers, crops)[0], "speaker": crops.speakers[0],
            "length": lengths_of(crops.valid)[0], **self._voices(crops, draw.numpy),
        }

    def _voices(self, crops: Crops, random: np.random.Generator) -> Batch:
        """Who speaks: other speech of the person; or embeddings of the person and of somebody else."""
        if self.voices is None:
            assert crops.references is not None
            return {"references": crops.references[0]}
        heard, mean = self.voices.of(int(crops.speakers[0]), random)
        other = self.voices.any(random, self.settings.mixed)
        return {
            "voice": heard, "embedding": mean,
            "other_voice": other.heard, "other_embedding": other.wanted, "other_register": other.register,
        }


@dataclass(frozen=True)
class Spoken:
    """What the decoder made of a lesson; samples `[batch, n]`, the first of which are left out.

    `valid [batch, frames]` are frames of the lesson before padding is heard, `lengths [batch]` the samples in them.
    `embeddings` are the verifier's of the targets and of the sources of what was converted, if it was asked.
    """

    lesson: Lesson
    output: Tensor
    target: Tensor
    cepstra: Tensor
    valid: Tensor
    lengths: Tensor
    converted: Tensor | None
    embeddings: tuple[Tensor, Tensor] | None


class DecoderLearner(Learner):
    """Decoder, speech encoder and names of speakers; `verifier` says who speaks in references."""

    model: LiveModel

    def __init__(
        self, model: LiveModel, identities: int, settings: DecoderSettings, setup: Setup, verifier: nn.Module | None
    ) -> None:
        super().__init__()
        self.verifier = [verifier]  # no part of what is learnt, or kept
        self.model, self.settings, self.setup = model.requires_grad_(False), settings, setup
        self.head = SpeakerHead(model.config.latent_dim, identities)
        model.decoder.requires_grad_(True)
        if settings.keep_speakers:
            self.head.requires_grad_(False)
        else:
            # A verifier has heard many more people than there are here, and stays.
            speech = model.speech_encoder
            (speech.project if isinstance(speech, VerificationEncoder) else speech).requires_grad_(True)

    def forward(self, batch: Batch) -> Spoken:
        """Speak a batch; every second row also in another voice, where a loss asks for it."""
        model, bf16 = self.model, self.setup.bf16
        latent, others, registers = self._voices(batch)
        lesson = make_lesson(
            model, batch["samples"], batch["view"], batch["blur"], batch["register"], batch["speaker"], latent, bf16
        )
        output, cepstra = speak(model, lesson.content, lesson.latent, lesson.prosody, bf16)
        converted = None
        if self.settings.converts:
            prosody = in_other_register(lesson, registers)
            speech, _ = speak(model, lesson.content[::2], others.detach(), prosody, bf16)
            converted = speech[:, SKIP:]
        valid = within(batch["length"] // FRAME - CONTEXT, lesson.content.shape[-1])
        lengths = (lengths_of(valid) - SKIP).clamp(min=0)
        return Spoken(
            lesson, output[:, SKIP:], lesson.target[:, SKIP:], cepstra, valid, lengths, converted,
            self._embeddings(batch),
        )

    def _voices(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Latents of all rows, and latents and registers of the targets of every second one.

        Without a pool that is the row after it: pairs of neighbours, so that several processes that share a batch draw
        the pairs that one would.
        """
        speech = self.model.speech_encoder
        if "voice" in batch:
            assert isinstance(speech, VerificationEncoder)
            return speech.latent(batch["voice"]), speech.latent(batch["other_voice"][::2]), batch["other_register"][::2]
        latent = latent_of(self.model, batch["references"], self.setup.bf16)
        return latent, latent[1::2], batch["register"][1::2]

    @torch.no_grad()
    def _embeddings(self, batch: Batch) -> tuple[Tensor, Tensor] | None:
        if self.verifier[0] is None:
            return None
        if "voice" in batch:
            return batch["other_embedding"][::2], batch["embedding"][::2]
        heard: Tensor = self.verifier[0](batch["references"])
        return heard[1::2], heard[::2]


class DecoderStage(Stage):
    """Stage 2.

    Raises (on construction):
        ConfigError: the model is not `live`.
        CorpusError: the corpus cannot be used.
        RuntimeUnavailableError: the weight `verified` or `nearer` asks for Resemblyzer, or `heard` for Whisper base,
            which is not installed.
    """

    kind = "decoder"
    rows: DecoderRows
    best_by = "-valid_loss"

    def __init__(self, settings: DecoderSettings, model: Any, setup: Setup, cache: Path) -> None:
        if not isinstance(model, LiveModel):
            raise ConfigError("A stage of the kind decoder trains the live model; use the kind paper for paper.")
        self.settings: DecoderSettings = settings
        self.setup = setup
        corpus = PackedCorpus(settings.corpus)
        train, valid = (corpus.select(lambda u, s=split: _usable(u, s)) for split in ("train", "valid"))  # type: ignore[misc]
        registers = speaker_registers(corpus, [*train, *valid], cache)
        pool = None
        if settings.voices == "pool":
            if not isinstance(model.speech_encoder, VerificationEncoder):
                raise ConfigError(
                    "Voices of a pool need a model whose speech encoder is a verifier's: set speech to verification "
                    "under [model]."
                )
            pool = Pool(Path(settings.pool))
        self.rows = DecoderRows(settings, model, corpus, train, registers, pool=pool)
        asked = max(settings.weights.verified, settings.weights.nearer) > 0
        self.verifier = Verifier().to(setup.device) if asked else None
        if settings.take_verifier:
            if pool is None or not isinstance(model.speech_encoder, VerificationEncoder):
                raise ConfigError("take_verifier needs the voices of a pool: set voices to pool.")
            take_verifier(model.speech_encoder, self.verifier or Verifier(), pool)
        self.learner: DecoderLearner = DecoderLearner(
            model, self.rows.sampler.identities, settings, setup, self.verifier
        )
        self.critics: Critics | None = build_critics(settings, setup)
        self.spectral = SpectralLoss().to(setup.device)
        self.listener = Listener(bf16=setup.bf16).to(setup.device) if settings.weights.heard else None
        self.held_out: list[Batch] = []
        if valid:
            rows = DecoderRows(settings, model, corpus, valid, registers, plain=True)
            self.held_out = draw_pieces(rows, settings.held_out // 2 * 2, HELD_OUT_AT_ONCE)

    @property
    def seconds(self) -> float:
        return self.settings.frames * FRAME / SAMPLE_RATE

    @property
    def group(self) -> int:
        return 2 if self.settings.converts else 1

    def losses(self, heard: Any, batch: Batch, step: int) -> dict[str, Loss]:
        spoken: Spoken = heard
        weights, learner, lesson = self.settings.weights, self.learner, spoken.lesson
        losses = self._judged(spoken, hearing=step % self.settings.heard_every == 0)
        if self.settings.voices == "batch":
            losses["named"] = Loss(learner.head(lesson.latent, lesson.speakers), weights.speaker)
        if weights.swap and spoken.converted is not None:
            speech = repeated(spoken.converted, spoken.lengths[::2])
            named = recognised(learner.model, learner.head, speech, lesson.speakers[1::2], self.setup.bf16)
            losses["recognised"] = Loss(named, weights.swap)
        return losses

    def _judged(self, spoken: Spoken, hearing: bool = True) -> dict[str, Loss]:
        """The losses that need neither critics nor speakers of the training."""
        weights, model, bf16 = self.settings.weights, self.learner.model, self.setup.bf16
        lesson, converted = spoken.lesson, spoken.converted
        losses = {
            "spectral": Loss(self.spectral(spoken.output, spoken.target, spoken.lengths), weights.reconstruction)
        }
        if weights.buzz:
            losses["buzz"] = Loss(buzz(model, spoken.cepstra, lesson.prosody, spoken.valid), weights.buzz)
        if self.verifier and converted is not None and spoken.embeddings is not None:
            unlike, near = voice_losses(self.verifier, converted, *spoken.embeddings, spoken.lengths[::2])
            losses["verified"] = Loss(unlike, weights.verified)
            losses["nearer"] = Loss(near, weights.nearer)
        if weights.words:
            speech, rows = (spoken.output, slice(None)) if converted is None else (converted, slice(None, None, 2))
            kept = content_distance(model, speech, lesson.content[rows], bf16, spoken.valid[rows])
            losses["words"] = Loss(kept, weights.words)
        if self.listener and converted is not None and hearing:
            heard = heard_loss(self.listener, converted, spoken.target[::2], spoken.lengths[::2])
            losses["heard"] = Loss(heard, weights.heard)
        return losses

    def duel(self, heard: Any, step: int) -> Duel | None:
        s, spoken = self.settings, heard
        if self.critics is None or step % s.critic_every:
            return None
        # Discriminators cost more than the decoder: they judge a piece of each crop, the same of real and fake.
        pieces = piece_of_step(spoken.output, spoken.lengths, s.critic_samples, self.setup.seed, step)
        fakes, share = pieces.cut(spoken.output), pieces.share
        if spoken.converted is not None:
            sources = pieces.of(slice(None, None, 2))
            fakes, share = torch.cat((fakes, sources.cut(spoken.converted))), torch.cat((share, sources.share))
        return Duel(pieces.cut(spoken.target), fakes, pieces.share, share, len(spoken.output))

    def play(self, duel: Duel) -> dict[str, Loss]:
        assert self.critics is not None
        return critic_losses(self.critics, duel, self.settings.weights, "linear", relative=True)

    def critic_optimiser(self) -> torch.optim.Optimizer | None:
        return None if self.critics is None else self.settings.optimiser_of(self.critics)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        totals: dict[str, float] = {}
        for batch in self.held_out:
            losses = self._judged(self.learner(self._there(batch)))
            share = len(batch["samples"]) / sum(len(b["samples"]) for b in self.held_out)
            for name, loss in losses.items():
                totals[f"valid_{name}"] = totals.get(f"valid_{name}", 0.0) + share * float(loss.value)
            weighted = sum(float(loss.value) * loss.weight for loss in losses.values())
            totals["valid_loss"] = totals.get("valid_loss", 0.0) + share * weighted
        return totals

    def _there(self, batch: Batch) -> Batch:
        return {k: v.to(self.setup.device) for k, v in batch.items()}

    @torch.no_grad()
    def sounds(self) -> list[Sound]:
        found = []
        for batch in self.held_out[:1]:
            spoken = self.learner(self._there(batch))
            for i in range(0, min(4, len(spoken.output)), 2):
                waves = {"person": spoken.target[i], "decoder": spoken.output[i]}
                if spoken.converted is not None:
                    waves |= {"converted": spoken.converted[i // 2]}
                found.append(Sound(f"held out {i // 2 + 1}", {k: v.cpu() for k, v in waves.items()}))
        return found

    def start_from(self, state: dict[str, Any]) -> None:
        head = state["average"]["values"].get("head.weight")
        if head is not None and head.shape == self.learner.head.weight.shape:
            self.learner.head.load_state_dict({"weight": head})
        if self.critics is not None:
            critics_of(state, self.critics)

    def provenance(self) -> dict[str, Any]:
        return {"corpora": sorted({u.corpus for u in self.rows.sampler.utterances})}


def _usable(u: Utterance, split: str) -> bool:
    return u.split == split and u.band == "wide" and u.length >= FRAME * SHORTEST_FRAMES
