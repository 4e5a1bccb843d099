"""A small corpus that is made on the spot, to see whether training works at all: no speech, but built like it.

Ten sounds (vowels by their formants, two nasals, two hisses, silence) follow each other at random, spoken by voices
that differ in pitch and vocal tract. Their names are the unit labels, so a content encoder has something to learn that
holds for voices it has never heard, and a decoder has voices to tell apart. It says nothing about speech.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.training.corpora.base import Utterance
from streamvc.training.corpora.index import AUDIO, INDEX, format_row
from streamvc.training.trainer.folder import writing

UNITS = "synthetic"
SOUNDS = (
    # formants in Hz, loudness of the voice, loudness of the noise, band of the noise in Hz
    ((700, 1_200, 2_600), 1.0, 0.02, (3_000, 7_000)),
    ((300, 2_300, 3_000), 0.9, 0.02, (3_000, 7_000)),
    ((320, 800, 2_300), 0.9, 0.02, (3_000, 7_000)),
    ((500, 1_800, 2_500), 1.0, 0.02, (3_000, 7_000)),
    ((450, 950, 2_400), 1.0, 0.02, (3_000, 7_000)),
    ((250, 1_100, 2_000), 0.4, 0.01, (1_000, 3_000)),
    ((250, 1_600, 2_600), 0.4, 0.01, (1_000, 3_000)),
    ((400, 1_500, 2_500), 0.0, 0.5, (4_000, 7_500)),
    ((400, 1_500, 2_500), 0.0, 0.5, (1_800, 4_500)),
    ((400, 1_500, 2_500), 0.0, 0.001, (500, 4_000)),
)
_HOP = SAMPLE_RATE // 100
_WIDTHS = np.array((90.0, 130.0, 180.0))
_VOICES = ((105, 1.08), (125, 1.02), (145, 1.05), (190, 0.92), (215, 0.88), (240, 0.85), (135, 1.0), (205, 0.9))
_HELD_OUT = 2
"""Voices at the end of the list that nothing is trained on."""

Array = np.ndarray[Any, np.dtype[np.float64]]


def speak(f0: float, tract: float, seconds: float, seed: int) -> tuple[Array, np.ndarray[Any, np.dtype[np.intp]]]:
    """Samples of a random sequence of sounds, and the sound in the middle of each frame.

    Args:
        f0: mean pitch in Hz.
        tract: length of the vocal tract; formants are divided by it.
        seconds: length, cut to whole frames.
        seed: of the sequence, its melody and its noise.
    """
    random = np.random.default_rng((seed, int(f0)))
    samples = int(seconds * SAMPLE_RATE) // FRAME * FRAME
    steps = samples // _HOP + 1
    sounds = np.zeros(steps, np.intp)
    place = 0
    while place < steps:
        length = int(random.integers(8, 18))
        sounds[place : place + length] = random.integers(len(SOUNDS))
        place += length
    smooth = np.hanning(7) / np.hanning(7).sum()

    def over_time(values: Array) -> Array:
        padded = np.pad(values[sounds], (3, 3), mode="edge")
        return np.convolve(padded, smooth, mode="valid")

    formants = np.stack([over_time(np.array([s[0][i] for s in SOUNDS], float)) for i in range(3)], axis=1) / tract
    voiced, noisy = (over_time(np.array([s[i] for s in SOUNDS], float)) for i in (1, 2))
    time = np.arange(steps) / 100
    melody = 0.1 * np.sin(2 * np.pi * 0.6 * time + random.uniform(0, 6)) - 0.04 * time / max(time[-1], 0.1)
    pitch = f0 * np.exp(melody + 0.01 * np.convolve(random.standard_normal(steps), smooth, mode="same"))
    fine = np.arange(samples) / _HOP
    grid = np.arange(steps)
    phase = 2 * np.pi * np.cumsum(np.interp(fine, grid, pitch)) / SAMPLE_RATE
    voice = np.zeros(samples)
    for number in range(1, int(6_500 / pitch.max()) + 1):
        level = voiced * _envelope(number * pitch, formants)
        voice += np.interp(fine, grid, level) * np.cos(number * phase)
    low, high = (over_time(np.array([s[3][i] for s in SOUNDS], float)) for i in (0, 1))
    voice += _noise(noisy, low, high, samples, random)
    return 0.12 * voice, sounds[(np.arange(samples // FRAME) * FRAME + FRAME // 2) // _HOP]


def _envelope(hz: Array, formants: Array) -> Array:
    """Level of a harmonic at `hz [steps]` between formants `[steps, 3]`."""
    peaks = 1 / (1 + ((hz[:, None] - formants) / _WIDTHS) ** 2)
    return np.asarray((peaks * (1.0, 0.6, 0.35)).sum(axis=1) + 0.01)


def _noise(level: Array, low: Array, high: Array, samples: int, random: np.random.Generator) -> Array:
    """Noise in a band that moves: windows of 20 ms, shaped as spectra, overlapped by half."""
    size = 2 * _HOP
    hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE)
    out = np.zeros(samples + size)
    window = np.hanning(size + 1)[:-1]
    for step in range(samples // _HOP):
        spectrum = np.fft.rfft(random.standard_normal(size))
        band = 1 / (1 + np.exp(-(hz - low[step]) / 200)) / (1 + np.exp((hz - high[step]) / 200))
        out[step * _HOP : step * _HOP + size] += level[step] * window * np.fft.irfft(spectrum * band)
    return out[:samples]


def make_corpus(folder: Path, utterances: int = 8, seconds: float = 2.8, seed: int = 0) -> Path:
    """Write the corpus to a folder, unless it is there already: so many utterances of eight voices.

    Raises:
        TrainingError: the disk is full or may not be written.
    """
    if (folder / INDEX).is_file():
        return folder
    rows, pieces, labels, position = [], [], [], 0
    for number, (f0, tract) in enumerate(_VOICES):
        for turn in range(utterances):
            samples, sounds = speak(f0, tract, seconds + 0.1 * (turn % 3), seed * 1_000 + turn)
            rows.append(Utterance(
                f"voice{number}/{turn}", f"voice{number}", "synthetic", "en", "m" if f0 < 160 else "f", "wide",
                "valid" if number >= len(_VOICES) - _HELD_OUT else "train", position, len(samples), "CC0-1.0",
            ))  # fmt: skip
            pieces.append((samples.clip(-1, 1) * 32_767).round().astype("<i2"))
            labels.append(sounds.astype(np.uint16))
            position += len(samples)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        np.concatenate(pieces).tofile(folder / AUDIO)
        np.save(folder / f"units-{UNITS}.npy", np.concatenate(labels))
        note = {"teacher": "streamvc.training.synthetic", "units": len(SOUNDS)}
        (folder / f"units-{UNITS}.json").write_text(json.dumps(note))
        # The index comes last: with it the corpus is whole.
        temporary = folder / f".{INDEX}"
        temporary.write_text("".join(format_row(row) for row in rows), encoding="utf-8")
        os.replace(temporary, folder / INDEX)
    return folder
