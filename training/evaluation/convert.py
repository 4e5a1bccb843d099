"""Conversions to judge: the source untouched, or a model in memory."""

from __future__ import annotations

import numpy as np
import torch

from streamvc.config import FRAME, LOOK_AHEAD_FRAMES
from streamvc.controls import Controls, Voice, pack
from streamvc.model import Model
from streamvc.presets.create import speaker_latent
from streamvc.presets.format import check_model
from streamvc.presets.pitch import f0_statistics
from streamvc.presets.recordings import prepare_speech
from streamvc.presets.store import resolve
from streamvc.runtimes.speech import TorchSpeechEncoder
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.runner import Convert


def identity(source: Wave, target: Wave | str, /) -> Wave:
    """No conversion at all: the floor."""
    return source


def model_converter(model: Model) -> Convert:
    """Convert with a model in memory, such as one in training, each source in one step (equal to streaming).

    The model is used as it is: put it into evaluation mode first. A preset must have been made with the model's own
    speech encoder.

    Raises (on conversion):
        PresetError: there is no preset of the target's name.
    """

    def convert(source: Wave, target: Wave | str, /) -> Wave:
        voice, controls = voice_of(model, target)
        padded = torch.from_numpy(padded_to_frames(source, LOOK_AHEAD_FRAMES * FRAME))[None]
        latent = torch.from_numpy(voice.conditioning.copy())[None]
        with torch.inference_mode():
            audio, _ = model.step(padded, latent, torch.from_numpy(pack(voice, controls))[None])
        start = LOOK_AHEAD_FRAMES * FRAME
        return np.ascontiguousarray(audio[0, start : start + source.size].numpy())

    return convert


def voice_of_recording(model: Model, recording: Wave) -> Voice:
    """Voice of a speaker from a recording [samples] at 16 kHz, as `svc preset create` makes one.

    Raises:
        AudioError: there is less than half a second of voiced speech.
    """
    speech = prepare_speech(recording)
    mean, spread = f0_statistics(speech)
    return Voice(speaker_latent(TorchSpeechEncoder(model), speech), mean, spread)


def voice_of(model: Model, target: Wave | str, fingerprint: str | None = None) -> tuple[Voice, Controls]:
    """Voice and default controls of a recording [samples] at 16 kHz or of a preset, by its name.

    Raises:
        AudioError: a recording has less than half a second of voiced speech.
        PresetError: there is no such preset, or it was made with weights of another fingerprint than the one given.
    """
    if isinstance(target, str):
        preset = resolve(target)
        if fingerprint is not None:
            check_model(preset, fingerprint)
        return preset.voice(), preset.controls()
    return voice_of_recording(model, target), Controls()


def padded_to_frames(source: Wave, delay: int) -> Wave:
    """Whole frames, with `delay` samples of silence behind the source so that its end comes out too."""
    return np.pad(source.astype(np.float32), (0, delay + (-source.size - delay) % FRAME))
