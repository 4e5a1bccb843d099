"""What a fit hears: crops of the person's own speech, and of others who are to be spoken in that voice."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from streamvc.config import SAMPLE_RATE
from streamvc.errors import CorpusError
from streamvc.presets.recordings import Samples
from streamvc.training.data import PackedCorpus, Utterance
from streamvc.training.registers import register_of

SPEEDS = (0.75, 1.35)
"""Speeds at which the person's own speech passes for that of others: pitch and formants move by 5 semitones."""
_RESAMPLER_MARGIN = 400
_LEAST_SPREAD = 0.1
"""Of the log pitch of a crop of another person: two seconds may be monotonous, the person is not."""


class OwnSpeech:
    """Random crops of one person's speech.

    Args:
        speech: [samples] at 16 kHz, levelled (`presets.recordings.prepare_speech`).
        register: mean and spread of the person's log f0.
        seed: of the draws.
    """

    def __init__(self, speech: Samples, register: tuple[float, float], seed: int) -> None:
        self.speech, self.register = speech, register
        self.random = np.random.default_rng(seed)

    def own(self, count: int, samples: int) -> tuple[Tensor, Tensor]:
        """Speech `[count, samples]` and registers `[count, 2]`."""
        rows = [self._crop(samples) for _ in range(count)]
        return torch.from_numpy(np.stack(rows)), torch.tensor([self.register] * count, dtype=torch.float32)

    def others(self, count: int, samples: int) -> tuple[Tensor, Tensor]:
        """The same in other voices: faster and slower, which moves pitch and formants."""
        low, high = (math.log(speed) for speed in SPEEDS)
        rows, registers = [], []
        for _ in range(count):
            speed = math.exp(self.random.uniform(low, high))
            crop = self._crop(int(samples * speed) + _RESAMPLER_MARGIN)
            rows.append(at_speed(crop, speed)[:samples])
            registers.append((self.register[0] + math.log(speed), self.register[1]))
        return torch.from_numpy(np.stack(rows)), torch.tensor(registers, dtype=torch.float32)

    def _crop(self, samples: int) -> Samples:
        start = int(self.random.integers(0, max(1, len(self.speech) - samples)))
        return np.resize(self.speech[start : start + samples], samples)


class CorpusSpeech:
    """Random crops of the English wide-band training speech of a packed corpus.

    Raises:
        CorpusError: the folder is no packed corpus, or holds no such speech.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.corpus = PackedCorpus(folder)
        self.random = np.random.default_rng(seed)
        self.utterances = self.corpus.select(lambda u: u.split == "train" and u.band == "wide" and u.english)
        if not self.utterances:
            raise CorpusError(f"{folder} holds no English wide-band speech for training: give another corpus, or none.")

    def others(self, count: int, samples: int) -> tuple[Tensor, Tensor]:
        """Speech `[count, samples]` and the pitch registers of the crops `[count, 2]`."""
        rows = [self._crop(samples) for _ in range(count)]
        registers = []
        for row in rows:
            mean, spread, _ = register_of(torch.from_numpy(row))
            registers.append((mean, max(spread, _LEAST_SPREAD)))
        return torch.from_numpy(np.stack(rows)), torch.tensor(registers, dtype=torch.float32)

    def _crop(self, samples: int) -> Samples:
        long: list[Utterance] = [u for u in self.utterances if u.length >= samples] or self.utterances
        speech = self.corpus.samples(long[int(self.random.integers(len(long)))])
        start = int(self.random.integers(0, max(1, len(speech) - samples)))
        return np.resize(speech[start : start + samples], samples)


def at_speed(speech: Samples, speed: float) -> Samples:
    """Speech that is played `speed` times as fast, [samples / speed]."""
    faster: Samples = soxr.resample(speech, SAMPLE_RATE * speed, SAMPLE_RATE, "MQ").astype(np.float32)
    return faster
