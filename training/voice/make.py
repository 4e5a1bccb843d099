"""A voice from chosen segments: zero-shot, fitted, judged."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from streamvc.presets.create import speaker_latent
from streamvc.presets.fitted import Fitted
from streamvc.presets.format import Preset
from streamvc.presets.pitch import f0_statistics
from streamvc.runtimes.speech import TorchSpeechEncoder
from streamvc.training.voice import likeness
from streamvc.training.voice.fit import FitSettings, Others, Told, fit
from streamvc.training.voice.judge import (
    CONTENT,
    LEAST_GAIN,
    LEAST_GAIN_ALONE,
    SHARES,
    SPECTRAL,
    HeldOut,
    Verdict,
    decide,
)
from streamvc.training.voice.material import CorpusSpeech, OwnSpeech
from streamvc.training.voice.segments import Segment, split

if TYPE_CHECKING:
    from streamvc.model.live import LiveModel
    from streamvc.training.losses.verified import SpeakerNetwork


@dataclass(frozen=True)
class Fitting:
    """What became of a person's speech.

    Args:
        zero_shot: the voice as the speech encoder hears it, from the speech to learn from.
        preset: the voice to use: fitted, or the zero-shot one of all speech if the fit was not better.
        verdict: what was decided on the held-out part.
        seconds, held_out_seconds: of speech, pauses taken out.
        steps: of the fit.
    """

    zero_shot: Preset
    preset: Preset
    verdict: Verdict
    seconds: float
    held_out_seconds: float
    steps: int


def make_voice(
    model: LiveModel, fingerprint: str, segments: tuple[Segment, ...], name: str, settings: FitSettings,
    verifier: SpeakerNetwork | None, corpus: Path | None = None, told: Told = lambda pace, losses: None,
    began: Callable[[Preset], object] = lambda preset: None, **meta: Any,
) -> Fitting:
    """Make the zero-shot voice, fit it, and keep of the fit what is better on the held-out part.

    Args:
        model: in evaluation mode.
        fingerprint: of its weights.
        segments: of one person.
        name: of the voice.
        settings: of the fit; its minutes count from now, and hold for the judging too.
        verifier: what the fit asks for likeness; without one it is the model's own speech encoder.
        corpus: packed corpus whose people are converted beside the person's own speech at other speeds.
        told: called after each step.
        began: called with the zero-shot voice of all speech, before the fit.
        meta: further fields of `Preset`.

    Raises:
        AudioError: there is hardly any voiced speech.
        CorpusError: the corpus cannot be used.
        TrainingError: a loss is not finite.
        PresetError: the name or another field is not valid.
    """
    begun = time.monotonic()
    learn, held = split(segments, settings.seed)
    speech = [segment.speech() for segment in segments]
    whole, mine, kept_back = (np.concatenate([speech[i] for i in which]) for which in (range(len(speech)), learn, held))
    encoder = TorchSpeechEncoder(model, fingerprint)
    register = f0_statistics(mine)

    def voice(of: np.ndarray, statistics: tuple[float, float]) -> Preset:
        latent = speaker_latent(encoder, of)
        return Preset(name, latent, *statistics, fingerprint, **meta)

    everything = voice(whole, f0_statistics(whole))
    began(everything)
    others: Others = OwnSpeech(mine, register, settings.seed + 1)
    if corpus is not None:
        others = Both(others, CorpusSpeech(corpus, settings.seed + 2))
    # What is judged has to have heard as little of the held-out part as the fit.
    zero_shot = voice(mine, register)
    likely = likeness.recognised(model, zero_shot.latent) if verifier is None else likeness.verified(verifier, mine)
    left = replace(settings, minutes=settings.minutes - (time.monotonic() - begun) / 60)
    change = fit(model, zero_shot, OwnSpeech(mine, register, settings.seed), others, likely, left, told)

    judges = likeness.judges(verifier) or [likeness.own_encoder(model)]
    held_out = HeldOut(model, kept_back, register, judges)
    tried = {share: held_out.measure(change.applied(zero_shot, share)) for share in SHARES}
    least = LEAST_GAIN_ALONE if verifier is None else LEAST_GAIN
    verdict = decide(held_out.measure(zero_shot), tried, [judge.name for judge in judges], least)
    result = everything
    if verdict.share:
        names = [*(judge.name for judge in judges), SPECTRAL, CONTENT]
        measures = tuple((key, verdict.before[key], verdict.after[key]) for key in names)
        record = Fitted(
            round(change.seconds, 2), round(held_out.seconds, 2), change.steps, settings.seed, verdict.share, measures
        )
        result = replace(change.applied(zero_shot, verdict.share), fitted=record)
    return Fitting(zero_shot, result, verdict, change.seconds, held_out.seconds, change.steps)


class Both:
    """Speech of two sources of others, half and half."""

    def __init__(self, first: Others, second: Others) -> None:
        self.first, self.second = first, second

    def others(self, count: int, samples: int) -> tuple[Any, Any]:
        """See :class:`streamvc.training.voice.fit.Others`."""
        import torch

        half = count // 2
        if not half:
            return self.second.others(count, samples)
        pairs = zip(self.first.others(half, samples), self.second.others(count - half, samples), strict=True)
        speech, registers = (torch.cat(pair) for pair in pairs)
        return speech, registers
