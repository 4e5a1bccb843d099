"""Fit the latents of voices: what the speech encoder hears of a person is a start, what the decoder makes of it counts.

Converted speech of many sources is verified against the person's recordings (see `training/verifier.py`), and its
content against what was to be said; only the latents move. The decoder stays as it is, so a fitted voice is a preset
like any other.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from streamvc.model.live import LiveModel
from streamvc.training.data import CropSampler, PackedCorpus
from streamvc.training.decoder import CONTEXT, SKIP, Teacher, content_distance, corpus_weight, in_register, speak
from streamvc.training.loop import check_finite
from streamvc.training.registers import Registers
from streamvc.training.verifier import WINDOW, Verifier

FRAMES = 90
"""Frames of 20 ms that are converted and verified at once: a little more than a window of the verifier."""
_MEL_HOP = 160


@torch.no_grad()
def embedding_of(verifier: Verifier, speech: np.ndarray, pieces: int = 40) -> Tensor:
    """The mean embedding `[256]` of a person's speech [samples], over windows at even distances."""
    length = WINDOW * _MEL_HOP
    starts = np.linspace(0, max(0, len(speech) - length), min(pieces, max(1, len(speech) // length))).astype(int)
    windows = torch.from_numpy(np.stack([np.resize(speech[s : s + length], length) for s in starts]))
    return F.normalize(verifier(windows).mean(dim=0), dim=0)


def fit_latents(
    model: LiveModel,
    latents: Tensor,
    voice_registers: Tensor,
    embeddings: Tensor,
    corpus: PackedCorpus,
    registers: Registers,
    *,
    steps: int = 300,
    batch: int = 10,
    rate: float = 0.05,
    words: float = 4.0,
    share: float = 0.5,
    seed: int = 0,
    progress: Callable[[int, float, float], None] | None = None,
) -> Tensor:
    """Latents that the decoder turns into voices nearer to the people meant.

    Args:
        model: frozen by this call's end as it was before.
        latents: `[voices, 64]`, of the speech encoder.
        voice_registers: `[voices, 2]`, mean and spread of log f0.
        embeddings: `[voices, 256]`, see `embedding_of`.
        corpus: its wide-band training speech is what the voices say.
        registers: of the corpus' speakers.
        steps, batch, rate: of Adam.
        words: weight of keeping the content.
        share: how far to go from the encoder's latents to the fitted ones. All the way serves the verifier's taste
            alone: SECS rises from .786 to .815, but pitch and a second judge of speakers lose (docs/experiments.md).
        seed: of the choice of crops.
        progress: called after every step with its number, 1 - cosine, and the distance of the content.

    Returns:
        `[voices, 64]`, mean 0 and spread 1 as the encoder's.

    Raises:
        TrainingError: the loss is not finite.
        CorpusError: the corpus has no such speech.
    """
    sources = corpus.select(lambda u: u.split == "train" and u.band == "wide" and u.speaker in registers)
    sampler = CropSampler(corpus, sources, CONTEXT + FRAMES, seed, corpus_weight, reference_frames=1)
    teacher = Teacher(model, registers, sampler, seed, strength=0.2)
    verifier = Verifier()
    needed = [p for p in model.parameters() if p.requires_grad]
    model.requires_grad_(False)
    moving = latents.clone().requires_grad_()
    optimiser = torch.optim.Adam([moving], lr=rate, betas=(0.8, 0.95))
    random = torch.Generator().manual_seed(seed)
    average = torch.zeros_like(latents)
    try:
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 - step / steps)
            lesson = teacher.lesson(sampler.batch(batch), noise=0.0, bf16=True)
            chosen = torch.randperm(len(latents), generator=random).repeat(batch // len(latents) + 1)[:batch]
            prosody = in_register(lesson.prosody, lesson.registers, voice_registers[chosen])
            latent = F.layer_norm(moving, moving.shape[-1:])[chosen]
            speech, _ = speak(model, lesson.content, latent, prosody, bf16=True)
            speech = speech[:, SKIP:]
            apart = 1 - (verifier(speech) * embeddings[chosen]).sum(dim=-1).mean()
            lost = content_distance(model, speech, lesson.content, bf16=True)
            loss = apart + words * lost
            check_finite(loss, step)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            if step >= steps // 2:
                average += moving.detach() / (steps - steps // 2)
            if progress:
                progress(step, float(apart.detach()), float(lost.detach()))
    finally:
        for parameter in needed:
            parameter.requires_grad_(True)
    return F.layer_norm(latents + share * (F.layer_norm(average, average.shape[-1:]) - latents), average.shape[-1:])
