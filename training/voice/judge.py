"""Is the fitted voice better? Measured on speech of the person that the fit has not heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.model.live import LiveModel
from streamvc.presets.format import Preset
from streamvc.presets.recordings import Samples
from streamvc.training.decoder import CONTEXT, content_distance
from streamvc.training.losses.spectral import SpectralLoss
from streamvc.training.voice.lesson import Lessons
from streamvc.training.voice.likeness import Judge
from streamvc.training.voice.material import OwnSpeech

SPECTRAL = "spectral distance"
CONTENT = "content lost"
SHARES = (0.5, 0.25)
"""How far from the zero-shot voice to where the fit ended is tried. All of the way costs words that the measures here
do not see: of five held-out speakers, 3.6 points of word error rate (gan6); half of the way 1.6, for two thirds of the
gain in likeness."""
LEAST_GAIN = 0.005
"""Mean gain of likeness (cosine) below which a fit is not worth its file."""
LEAST_GAIN_ALONE = 0.02
"""The same for a fit without the verifier. Gains of 0.009 and 0.014 here were worth nothing with other people's
sentences."""
TOLERATED = 0.003
"""Loss of likeness by one judge that is noise."""
CONTENT_TOLERATED = 1.05
SPECTRAL_TOLERATED = 1.02
"""Factors on what the zero-shot voice has."""
_SPOKEN_FRAMES = 150
_SEED = 7_919

Measures = dict[str, float]


class HeldOut:
    """The held-out part of a person's speech, and what all voices have to say with it.

    Conversions are of the same speech at other speeds, which passes for that of other people.

    Args:
        model: frozen.
        speech: [samples] at 16 kHz, levelled.
        register: mean and spread of the person's log f0.
        judges: who says how like the person a conversion is.
        crops: of three seconds, drawn from the speech.
    """

    def __init__(
        self, model: LiveModel, speech: Samples, register: tuple[float, float], judges: Sequence[Judge],
        crops: int = 10,
    ) -> None:
        self.model, self.judges = model, list(judges)
        self.seconds = len(speech) / SAMPLE_RATE
        self.references = [judge.embed(speech) for judge in judges]
        self.spectral = SpectralLoss()
        self.lessons = Lessons(model, register, 0.0, _SEED)
        own = OwnSpeech(speech, register, _SEED)
        samples = (CONTEXT + _SPOKEN_FRAMES) * FRAME
        self.mine = self.lessons(*own.own(crops, samples))
        self.theirs = self.lessons(*own.others(crops, samples))

    @torch.no_grad()
    def measure(self, preset: Preset) -> Measures:
        """Spectral distance (nepers), content lost, and by each judge the likeness of conversions (cosine)."""
        conditioning = torch.from_numpy(preset.voice().conditioning.copy())
        copied = self.lessons.say(self.mine, conditioning)
        converted = self.lessons.say(self.theirs, conditioning)
        measures = {
            SPECTRAL: float(self.spectral(copied, self.mine.speech)),
            CONTENT: float(content_distance(self.model, converted, self.theirs.content, True)),
        }
        for judge, reference in zip(self.judges, self.references, strict=True):
            rows = [judge.likeness(row, reference) for row in _waves(converted)]
            measures[judge.name] = float(np.mean(rows))
        return measures


@dataclass(frozen=True)
class Verdict:
    """What was decided about a fit.

    Args:
        share: how much of the change is kept; 0 for none.
        before: measures of the zero-shot voice.
        after: of the voice at that share; of the best of those refused, if none is kept.
        why: one clause: why not more.
    """

    share: float
    before: Measures
    after: Measures
    why: str = ""


def decide(
    before: Measures, tried: dict[float, Measures], judges: Sequence[str], least_gain: float = LEAST_GAIN
) -> Verdict:
    """Keep the share with the largest gain of those at which nothing is lost; none if there is no such.

    Args:
        before: measures of the zero-shot voice.
        tried: measures at each share.
        judges: names of the measures that are likenesses.
        least_gain: of the mean likeness.
    """
    gains = {share: gain_of(before, after, judges) for share, after in tried.items()}
    order = sorted(tried, key=lambda share: -gains[share])
    for share in order:
        if fault_of(before, tried[share], judges, least_gain) is None:
            return Verdict(share, before, tried[share])
    best = order[0]
    return Verdict(0.0, before, tried[best], fault_of(before, tried[best], judges, least_gain) or "")


def gain_of(before: Measures, after: Measures, judges: Sequence[str]) -> float:
    """Mean gain of likeness."""
    return float(np.mean([after[name] - before[name] for name in judges]))


def fault_of(
    before: Measures, after: Measures, judges: Sequence[str], least_gain: float = LEAST_GAIN
) -> str | None:
    """Why a voice is not better than before, or None."""
    if not all(np.isfinite(list(after.values()))):
        return "a measure is not a number"
    for name in judges:
        if after[name] < before[name] - TOLERATED:
            return f"less like the person by {name} ({before[name]:.3f} to {after[name]:.3f})"
    gain = gain_of(before, after, judges)
    if gain < least_gain:
        return f"hardly more like the person ({gain:+.3f}, and {least_gain:g} is asked for)"
    if after[CONTENT] > CONTENT_TOLERATED * before[CONTENT]:
        return f"the content suffers ({before[CONTENT]:.3f} to {after[CONTENT]:.3f})"
    if after[SPECTRAL] > SPECTRAL_TOLERATED * before[SPECTRAL]:
        return f"the person's own speech comes out worse ({before[SPECTRAL]:.3f} to {after[SPECTRAL]:.3f})"
    return None


def _waves(speech: Tensor) -> list[Samples]:
    return [np.ascontiguousarray(row, np.float32) for row in speech.clamp(-1, 1).numpy()]
