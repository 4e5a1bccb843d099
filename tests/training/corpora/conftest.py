"""Recordings made here: speech-like sound, and corpora of it as files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from streamvc.training.corpora.base import Recording, Span

RATE = 16_000


def speech(seconds: float, seed: int = 0) -> npt.NDArray[np.float32]:
    """Bursts of a harmonic tone between short pauses, with silence around."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 8))
    syllables = (np.sin(2 * np.pi * 3 * time + seed) > -0.6).astype(float)
    silence = np.zeros(RATE // 2)
    noise = 1e-4 * np.random.default_rng(seed).standard_normal(time.size + RATE)
    return (np.concatenate([silence, 0.1 * tone * syllables, silence]) + noise).astype(np.float32)


class Made:
    """A corpus of given lengths for given speakers, as files in a folder."""

    name = "made"

    def __init__(self, folder: Path, lengths: dict[str, list[float]], rate: int = RATE) -> None:
        self.items = []
        for speaker, seconds in lengths.items():
            for number, length in enumerate(seconds):
                path = folder / f"{speaker}-{number}.wav"
                soundfile.write(path, np.repeat(speech(length, number), rate // RATE), rate)
                self.items.append((path, speaker))

    def recordings(self) -> Iterator[Recording]:
        for path, speaker in self.items:
            span = Span(path.stem, text=f"text of {path.stem}")
            yield Recording(path, speaker, self.name, "en", "CC0-1.0", (span,), "f")


@pytest.fixture(scope="session")
def make_speech() -> Callable[..., npt.NDArray[np.float32]]:
    """`make_speech(seconds, seed=0)`: float32 at 16 kHz, half a second of silence at both ends."""
    return speech


@pytest.fixture(scope="session")
def made() -> type[Made]:
    """`made(folder, {speaker: [seconds, ...]})`: a corpus of such speech."""
    return Made
