"""From crops of speech to what the decoder is asked to say, and what it then says."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.controls import N_CONTROLS
from streamvc.model.live import FINE, LiveModel, Prosody
from streamvc.training.augment import SpectralAugment
from streamvc.training.decoder import CONTEXT, SKIP, in_register, speak
from streamvc.training.precision import has_bfloat16

FRAMES = 90
"""Frames of 20 ms that are spoken at once: a little more than a window of the verifier."""
SAMPLES = (CONTEXT + FRAMES) * FRAME
"""Of a crop."""


@dataclass(frozen=True)
class Lesson:
    """What is to be said: content, prosody in the person's register, and the crops from the same moment on."""

    content: Tensor
    prosody: Prosody
    speech: Tensor


class Lessons:
    """Crops -> lessons, with the frozen parts of the model.

    Args:
        model: its parameters need no gradient.
        register: mean and spread of the log f0 of the person whose voice is fitted.
        strength: how far the content's view is perturbed, 0 to 1: the voice must not come through the content.
        seed: of the perturbations.
    """

    def __init__(self, model: LiveModel, register: tuple[float, float], strength: float, seed: int) -> None:
        config = model.config
        self.model, self.register = model, torch.tensor([register], dtype=torch.float32)
        self.augment = SpectralAugment(model.mel, config.mel_bands, config.mel_window, seed, strength)

    @torch.no_grad()
    def __call__(self, samples: Tensor, registers: Tensor) -> Lesson:
        """Crops `[batch, SAMPLES]` of people with these registers `[batch, 2]`."""
        power, _ = self.model.mel.power(samples.unsqueeze(1))
        view = self.augment(power, masks=False)
        with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16("cpu")):
            content, _ = self.model.content_encoder(view)
        controls = torch.zeros(len(samples), N_CONTROLS)
        controls[:, 4] = 1
        p, _ = self.model.prosody(samples, controls, None, registers)
        heard = Prosody(
            p.features[..., CONTEXT:], p.fine[..., CONTEXT * FINE :], p.energy[..., CONTEXT * FINE :], p.f0[:, CONTEXT:]
        )
        prosody = in_register(heard, registers, self.register.expand(len(samples), -1))
        late = LOOK_AHEAD_FRAMES * FRAME
        spoken = samples[:, CONTEXT * FRAME - late + SKIP : samples.shape[1] - late]
        return Lesson(content.float()[..., CONTEXT:], prosody, spoken)

    def say(self, lesson: Lesson, conditioning: Tensor) -> Tensor:
        """The lesson in the voice `conditioning [64 + n]`: speech that lines up with the lesson's."""
        rows = conditioning.expand(len(lesson.content), -1)
        speech, _ = speak(self.model, lesson.content, rows, lesson.prosody, bf16=has_bfloat16("cpu"))
        return speech[:, SKIP:]
