"""All perturbations in one, each with a probability and a strength."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from streamvc.errors import ConfigError
from streamvc.training.perturbation.devices import clip, telephone
from streamvc.training.perturbation.equaliser import draw_bands, equalise
from streamvc.training.perturbation.noise import add_noise, coloured_noise
from streamvc.training.perturbation.rooms import impulse_response, reverberate
from streamvc.training.perturbation.spectra import Samples
from streamvc.training.perturbation.voice import shift_voice

EFFECTS = ("pitch", "formants", "equaliser", "rooms", "noise", "clipping", "telephone")


@dataclass(frozen=True)
class PerturbationConfig:
    """What may happen to a row; without values nothing does. Probabilities are from 0 to 1, each decided by itself.

    pitch: probability that f0 moves.
    pitch_semitones: how far at most, up or down.
    formants: probability that the formants move.
    formant_semitones: how far at most, up or down (4 are a factor of 1.26).
    equaliser: probability of an equaliser of four peaks and two shelves.
    equaliser_decibels: how far each of its bands goes up or down at most.
    rooms: probability of a room.
    room_seconds: shortest and longest time in which it loses 60 dB.
    room_decibels: smallest and largest ratio of the direct sound to the room's.
    noise: probability of steady noise of any colour.
    noise_decibels: smallest and largest signal-to-noise ratio.
    clipping: probability that peaks are cut off.
    clipping_decibels: how far under the peak, at least and at most.
    telephone: probability of a telephone's band and eight bits, from 200 to 400 Hz up to 3.2 to 3.8 kHz.

    Raises:
        ConfigError: a value is out of range.
    """

    pitch: float = 0.0
    pitch_semitones: float = 4.0
    formants: float = 0.0
    formant_semitones: float = 3.0
    equaliser: float = 0.0
    equaliser_decibels: float = 8.0
    rooms: float = 0.0
    room_seconds: tuple[float, float] = (0.1, 0.6)
    room_decibels: tuple[float, float] = (0.0, 12.0)
    noise: float = 0.0
    noise_decibels: tuple[float, float] = (5.0, 35.0)
    clipping: float = 0.0
    clipping_decibels: tuple[float, float] = (6.0, 20.0)
    telephone: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(isinstance(x, int | float) and math.isfinite(x) for x in numbers):
                raise ConfigError(f"{field.name} of the perturbation is {value!r}; give a finite number.")
            if isinstance(value, tuple) and (len(value) != 2 or value[0] > value[1]):
                raise ConfigError(f"{field.name} of the perturbation is {value!r}; give a smaller and a larger number.")
        for name in EFFECTS:
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} of the perturbation is {getattr(self, name)}; give a share from 0 to 1.")
        for name in ("pitch_semitones", "formant_semitones"):
            if not 0 <= getattr(self, name) <= 12:
                raise ConfigError(f"{name} of the perturbation is {getattr(self, name)}; give 0 to 12 semitones.")
        if not 0 <= self.equaliser_decibels <= 30:
            raise ConfigError(f"equaliser_decibels of the perturbation is {self.equaliser_decibels}; give 0 to 30 dB.")
        if not 0.02 <= self.room_seconds[0] <= self.room_seconds[1] <= 5:
            raise ConfigError(f"room_seconds of the perturbation is {self.room_seconds}; give 0.02 to 5 seconds.")

    @property
    def active(self) -> bool:
        """Whether anything can happen."""
        return any(getattr(self, name) for name in EFFECTS)


USUAL = PerturbationConfig(pitch=0.5, formants=0.5, equaliser=0.7, rooms=0.25, noise=0.4)
"""A start for content encoders: a row in thirty stays as it is."""


class Perturbation:
    """Perturbs waveforms for the content encoder; labels stay where they are, since nothing moves in time."""

    def __init__(self, config: PerturbationConfig = USUAL) -> None:
        self.config = config

    def __call__(self, samples: Tensor, seeds: Tensor | Sequence[int], lengths: Tensor | None = None) -> Tensor:
        """Perturb the rows of `[batch, n]`, each by its own seed.

        Args:
            samples: at 16 kHz, on the CPU.
            seeds: one integer of at least 0 per row, from which everything about it is drawn.
            lengths: `[batch]`, samples of speech at the front of each row; the padding behind becomes silence.

        Raises:
            ValueError: there are not as many seeds as rows.
        """
        if len(seeds) != len(samples):
            raise ValueError(f"{len(samples)} rows need as many seeds, not {len(seeds)}")
        perturbed = np.zeros(tuple(samples.shape), np.float32)
        for row, whole in enumerate(samples.numpy()):
            length = len(whole) if lengths is None else int(lengths[row])
            perturbed[row, :length] = self.row(whole[:length], int(seeds[row]))
        return torch.from_numpy(perturbed)

    def row(self, samples: Samples, seed: int) -> Samples:
        """Perturb samples `[n]`; an effect that does not happen changes nothing of the draws of the others."""
        c = self.config
        if not len(samples):
            return samples
        voice, bands, room, noise, device = (np.random.default_rng((seed, effect)) for effect in range(5))
        pitch = _semitones(voice, c.pitch, c.pitch_semitones)
        formants = _semitones(voice, c.formants, c.formant_semitones)
        if pitch != 1 or formants != 1:
            samples = shift_voice(samples, pitch, formants)
        if bands.random() < c.equaliser:
            samples = equalise(samples, draw_bands(bands, c.equaliser_decibels))
        if room.random() < c.rooms:
            seconds, direct = room.uniform(*c.room_seconds), room.uniform(*c.room_decibels)
            samples = reverberate(samples, impulse_response(room, seconds, direct))
        if noise.random() < c.noise:
            ratio, tilt = noise.uniform(*c.noise_decibels), noise.uniform(-6, 1)
            samples = add_noise(samples, coloured_noise(noise, len(samples), tilt), ratio)
        clips, phones = device.random(2)
        depth, low, high = device.uniform(*c.clipping_decibels), device.uniform(200, 400), device.uniform(3_200, 3_800)
        if clips < c.clipping:
            samples = clip(samples, depth)
        if phones < c.telephone:
            samples = telephone(samples, low, high)
        return samples


def _semitones(random: np.random.Generator, probability: float, largest: float) -> float:
    """A factor of frequency."""
    happens, semitones = random.random() < probability, random.uniform(-largest, largest)
    return float(2 ** (semitones / 12)) if happens else 1.0
