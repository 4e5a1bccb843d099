"""A voice made from recordings of a person."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.errors import AudioError
from streamvc.presets.format import Preset
from streamvc.presets.pitch import f0_statistics
from streamvc.presets.recordings import LONGEST_SECONDS, Samples, active_seconds, prepare_speech, read_recording

if TYPE_CHECKING:
    from streamvc.runtimes.speech import SpeechEncoder

SHORTEST_SECONDS = 3.0
"""Speech below which no voice is made."""
ENOUGH_SECONDS = 10.0
"""Speech below which a voice is made with a warning."""
CHUNK_SECONDS = 4.0
"""What the speech encoder hears at once in training."""
MAX_CHUNKS = 60
"""Latents that are averaged at most: four minutes of speech."""


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
    from streamvc.runtimes import default_weights
    from streamvc.runtimes.speech import load_speech_encoder

    encoder = load_speech_encoder(default_weights() if weights is None else weights)
    whole = np.concatenate(speech)
    mean, std = f0_statistics(whole)
    preset = Preset(
        name=name,
        latent=speaker_latent(encoder, whole),
        log_f0_mean=mean,
        log_f0_std=std,
        model=encoder.fingerprint,
        **meta,
    )
    return Creation(preset, seconds, tuple(warnings))


def speaker_latent(encoder: SpeechEncoder, speech: Samples) -> NDArray[np.float32]:
    """The speech encoder's latent of prepared speech: [samples] at 16 kHz -> [64].

    The speech is cut into equal chunks of about four seconds, as long as the references in training; of more than
    `MAX_CHUNKS`, as many are taken at even distances. The result points in the mean direction of the chunks' latents
    and has their mean length, because latents of one length (see `blend`) average to a shorter one.
    """
    stack = np.stack([encoder.embed(chunk) for chunk in _chunks(speech)]).astype(np.float64)
    mean = stack.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if length > 0.0:
        mean *= float(np.linalg.norm(stack, axis=1).mean()) / length
    latent: NDArray[np.float32] = mean.astype(np.float32)
    return latent


def _chunks(speech: Samples) -> list[Samples]:
    """Equal pieces of about `CHUNK_SECONDS`, whole frames each, at most `MAX_CHUNKS` of them."""
    count = max(1, round(speech.size / (CHUNK_SECONDS * SAMPLE_RATE)))
    length = speech.size // count // FRAME * FRAME
    wanted = np.linspace(0, count - 1, min(count, MAX_CHUNKS)).round().astype(int)
    return [np.ascontiguousarray(speech[index * length : (index + 1) * length]) for index in wanted]
