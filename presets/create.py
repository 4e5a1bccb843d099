"""A voice made from recordings of a person."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamvc.config import FRAME, SAMPLE_RATE, YinConfig
from streamvc.errors import AudioError
from streamvc.presets.checks import F0_STD_RANGE
from streamvc.presets.format import Preset
from streamvc.presets.recordings import LONGEST_SECONDS, Samples, active_seconds, prepare_speech, read_recording

if TYPE_CHECKING:
    from streamvc.model import Model

SHORTEST_SECONDS = 3.0
"""Speech below which no voice is made."""
ENOUGH_SECONDS = 10.0
"""Speech below which a voice is made with a warning."""
CHUNK_SECONDS = 4.0
"""What the speech encoder hears at once in training."""
MAX_CHUNKS = 60
"""Latents that are averaged at most: four minutes of speech."""
VOICED_SECONDS = 0.5
_YIN_BLOCK = 10 * SAMPLE_RATE


@dataclass(frozen=True)
class Creation:
    """A new voice and how it came about.

    Attributes:
        preset: the voice.
        seconds: speech that it was made from, pauses not counted.
        warnings: sentences for the person who made it.
    """

    preset: Preset
    seconds: float
    warnings: tuple[str, ...]


def create_preset(
    name: str,
    recordings: Sequence[str | os.PathLike[str]],
    weights: str | os.PathLike[str] | None = None,
    **meta: Any,
) -> Creation:
    """Make a voice from recordings of one person.

    Args:
        name: the voice's name.
        recordings: audio files; of all together, the first `LONGEST_SECONDS` are read.
        weights: the model whose speech encoder listens, by default the shipped one; the preset carries its fingerprint.
        meta: further fields of `Preset`: description, source, licence, consent, sex, pitch, formant, gain, created.

    Raises:
        AudioError: a recording cannot be read, or there are less than three seconds of voiced speech in all.
        CheckpointError: the weights cannot be used.
        PresetError: the name or another field is not valid.
        RuntimeUnavailableError: the packages that read audio are not installed.
    """
    if not recordings:
        raise AudioError("There is no recording to make a voice from: give at least one audio file.")
    warnings = []
    left = LONGEST_SECONDS
    speech: list[Samples] = []
    seconds = 0.0
    for path in recordings:
        samples = read_recording(path, left)
        left -= samples.size / SAMPLE_RATE
        seconds += active_seconds(samples)
        speech.append(prepare_speech(samples))
        if left < 0.1:
            warnings.append(f"Only the first {LONGEST_SECONDS / 60:g} minutes of the recordings were used.")
            break
    if seconds < SHORTEST_SECONDS:
        raise AudioError(
            f"The recordings hold {seconds:.1f} s of speech, and a voice needs at least {SHORTEST_SECONDS:g} s:"
            " give more or louder recordings of the person."
        )
    if seconds < ENOUGH_SECONDS:
        warnings.append(
            f"A voice from {seconds:.1f} s of speech is a rough one: {ENOUGH_SECONDS:g} s or more will sound closer."
        )
    # Only now the heavy part: whoever mistyped a path need not wait for it.
    from streamvc.checkpoint import fingerprint, load_model
    from streamvc.runtimes import default_weights

    if weights is None:
        weights = default_weights()
    whole = np.concatenate(speech)
    mean, std = f0_statistics(whole)
    preset = Preset(
        name=name,
        latent=speaker_latent(load_model(weights), whole),
        log_f0_mean=mean,
        log_f0_std=std,
        model=fingerprint(weights),
        **meta,
    )
    return Creation(preset, seconds, tuple(warnings))


def speaker_latent(model: Model, speech: Samples) -> NDArray[np.float32]:
    """The speech encoder's latent of prepared speech: [samples] at 16 kHz -> [64].

    The speech is cut into equal chunks of about four seconds, as long as the references in training; of more than
    `MAX_CHUNKS`, as many are taken at even distances. The result points in the mean direction of the chunks' latents
    and has their mean length, because latents of one length (see `blend`) average to a shorter one.
    """
    import torch

    with torch.inference_mode():
        latents = [model.embed(torch.from_numpy(chunk).unsqueeze(0))[0].numpy() for chunk in _chunks(speech)]
    stack = np.stack(latents).astype(np.float64)
    mean = stack.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length > 0.0:
        mean *= float(np.linalg.norm(stack, axis=1).mean()) / length
    latent: NDArray[np.float32] = mean.astype(np.float32)
    return latent


def f0_statistics(speech: Samples) -> tuple[float, float]:
    """Mean and standard deviation of ln(f0 in Hz) over the voiced frames of prepared speech, [samples] at 16 kHz.

    Pitch is found as the model finds the source's: YIN at the loosest threshold, a median over three estimates. What is
    more than an octave away from the median of all is an error of YIN's by a factor of two or more, and is left out.

    Raises:
        AudioError: there is less than half a second of voiced speech.
    """
    log_f0 = np.concatenate(list(_voiced_log_f0(speech))) if speech.size else np.zeros(0)
    if log_f0.size:
        log_f0 = log_f0[np.abs(log_f0 - np.median(log_f0)) <= math.log(2.0)]
    if log_f0.size * YinConfig().hop < VOICED_SECONDS * SAMPLE_RATE:
        raise AudioError(
            "The recordings hold hardly any voiced speech: give clean speech of one person, not whispered."
        )
    low, high = F0_STD_RANGE
    return float(log_f0.mean()), float(np.clip(log_f0.std(), low, high))


def _voiced_log_f0(speech: Samples) -> Iterator[NDArray[np.float64]]:
    import torch

    from streamvc.dsp.yin import Yin

    yin = Yin(YinConfig())
    state = None
    # What follows the speech is silence, so that the last window of samples is heard whole.
    padded = np.pad(speech, (0, -speech.size % yin.config.hop))
    tail = np.zeros((2, 0))
    with torch.inference_mode():
        for start in range(0, padded.size, _YIN_BLOCK):
            estimates, state = yin(torch.from_numpy(padded[None, None, start : start + _YIN_BLOCK]), state)
            loosest = np.concatenate((tail, estimates[0, -3:-1].double().numpy()), axis=1)
            tail = loosest[:, -2:]
            if loosest.shape[1] < 3:
                continue
            log_f0, voiced = np.median(np.lib.stride_tricks.sliding_window_view(loosest, 3, axis=1), axis=2)
            yield log_f0[voiced > 0]


def _chunks(speech: Samples) -> list[Samples]:
    """Equal pieces of about `CHUNK_SECONDS`, whole frames each, at most `MAX_CHUNKS` of them."""
    count = max(1, round(speech.size / (CHUNK_SECONDS * SAMPLE_RATE)))
    length = speech.size // count // FRAME * FRAME
    wanted = np.linspace(0, count - 1, min(count, MAX_CHUNKS)).round().astype(int)
    return [np.ascontiguousarray(speech[index * length : (index + 1) * length]) for index in wanted]
