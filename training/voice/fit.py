"""The fit: the latent and a constant change of the decoder's modulation, for one voice; all else stays as it is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from streamvc.config import SAMPLE_RATE
from streamvc.errors import TrainingError
from streamvc.model.live import LiveModel
from streamvc.presets.format import Preset
from streamvc.training.decoder import content_distance
from streamvc.training.losses.spectral import SpectralLoss
from streamvc.training.precision import has_bfloat16
from streamvc.training.voice.change import Change, normed
from streamvc.training.voice.lesson import SAMPLES, Lessons
from streamvc.training.voice.material import OwnSpeech
from streamvc.training.voice.pace import Clock, Pace


class Others(Protocol):
    """Where the speech of other people comes from (`OwnSpeech`, `CorpusSpeech`)."""

    def others(self, count: int, samples: int) -> tuple[Tensor, Tensor]:
        """Speech `[count, samples]` and pitch registers `[count, 2]`."""
        ...


@dataclass(frozen=True)
class FitSettings:
    """How a voice is fitted.

    Args:
        steps: of Adam.
        minutes: that the steps may take: where the speed of the first ones shows that not all will fit, as many are
            planned as will.
        batch: crops in a step: one half is the person's own speech, which should come out as it went in, the other is
            that of others, which should come out in the person's voice.
        rate, latent_rate: peak learning rates of the adaptation and of the latent.
        own: weight of the spectral distance of the person's own speech.
        likeness: weight of the likeness of converted speech.
        words: weight of converted speech keeping its content.
        strength: perturbation of what the content encoder hears, 0 to 1.
        seed: of everything that is drawn.
    """

    steps: int = 160
    minutes: float = 6.0
    batch: int = 8
    rate: float = 0.02
    latent_rate: float = 0.03
    own: float = 0.5
    likeness: float = 1.0
    words: float = 4.0
    strength: float = 1.0
    seed: int = 0


Told = Callable[[Pace, dict[str, float]], None]
"""Called after each step with the plan, in which that step is done, and the step's losses."""


def fit(
    model: LiveModel, preset: Preset, own: OwnSpeech, others: Others, likeness: Callable[[Tensor], Tensor],
    settings: FitSettings, told: Told = lambda pace, losses: None, clock: Clock = time.monotonic,
) -> Change:
    """Fit a voice.

    Args:
        model: changed by nothing but that its parameters need no gradient while this runs.
        preset: where the fit starts: a voice that was not fitted, of this model.
        own: the person's speech to learn from.
        others: speech to be converted.
        likeness: converted speech `[batch, samples]` -> how far it is from the person's voice, a scalar.
        settings: see there.
        told: see there.
        clock: gives seconds.

    Raises:
        TrainingError: a loss is not finite.
    """
    start = torch.from_numpy(preset.latent.copy())
    latent = start.clone().requires_grad_()
    adaptation = torch.zeros(model.decoder.adaptation_dim, requires_grad=True)
    rates = (settings.latent_rate, settings.rate)
    groups = [{"params": [tensor], "lr": rate} for tensor, rate in zip((latent, adaptation), rates, strict=True)]
    optimiser = torch.optim.Adam(groups, betas=(0.8, 0.95))
    lessons = Lessons(model, own.register, settings.strength, settings.seed)
    spectral = SpectralLoss()
    total, count = torch.zeros(len(latent) + len(adaptation)), 0
    half, pace = settings.batch // 2, Pace(settings.steps, 60 * settings.minutes, clock)
    with frozen(model):
        while not pace.over:
            for group, rate in zip(optimiser.param_groups, rates, strict=True):
                group["lr"] = rate * (1 - pace.gone)
            conditioning = torch.cat((F.layer_norm(latent, latent.shape), adaptation))
            mine = lessons(*own.own(half, SAMPLES))
            copied = spectral(lessons.say(mine, conditioning), mine.speech)
            theirs = lessons(*others.others(settings.batch - half, SAMPLES))
            speech = lessons.say(theirs, conditioning)
            unlike = likeness(speech)
            lost = content_distance(model, speech, theirs.content, has_bfloat16("cpu"))
            loss = settings.own * copied + settings.likeness * unlike + settings.words * lost
            if not torch.isfinite(loss):
                value = float(loss.detach())
                raise TrainingError(f"The fit's loss became {value} at step {pace.done}: try another --seed.")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            pace.step()
            if pace.gone > 0.5:
                total += torch.cat((latent, adaptation)).detach()
                count += 1
            told(pace, {"own": float(copied.detach()), "unlike": float(unlike.detach()), "words": float(lost.detach())})
    # The mean of the second half, which is steadier than the last step.
    mean = (total / max(1, count)).numpy()
    known = len(latent)
    seconds = len(own.speech) / SAMPLE_RATE
    return Change(normed(mean[:known]), np.ascontiguousarray(mean[known:]), seconds, pace.done)


@contextmanager
def frozen(model: LiveModel) -> Iterator[None]:
    """Within this context, the model's parameters need no gradient."""
    learning = [p for p in model.parameters() if p.requires_grad]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learning:
            parameter.requires_grad_(True)
