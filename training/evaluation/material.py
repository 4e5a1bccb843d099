"""What is heard of a target: recordings for the converter (references), and others that show the real person (ceiling).

Many real people are known by a single recording of a quarter of a minute. Where whole recordings do not give both, each
is cut in two at its quietest place between the third and the fifth second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.training.data import Utterance
from streamvc.training.evaluation.pairs import Wave

Load: TypeAlias = Callable[[Utterance], Wave]
"""Gives the samples of an utterance, [samples] at 16 kHz."""

REFERENCE_SECONDS: Final = (8.0, 10.0, 16.0)
"""Least, wanted and most seconds of references."""
CEILING_SECONDS: Final = (3.0, 3.0, 8.0)
"""The same of the ceiling."""
SHORTEST_SECONDS: Final = 1.0
"""Shorter recordings (single words) are never part of a reference."""
_HEAD_SECONDS: Final = (3.0, 5.0)
_QUIET_SECONDS: Final = 0.05

Part = tuple[float, float]
"""Least and most seconds that a part of a recording can have, before its audio is looked at."""


@dataclass(frozen=True)
class Target:
    """A voice to convert to: a speaker's recordings and, for a preset, its name."""

    speaker: str
    sex: str | None
    corpus: str
    utterances: tuple[Utterance, ...]
    preset: str | None = None


@dataclass(frozen=True)
class Piece:
    """A recording, or the part of it before (`head`) or behind (`rest`) its quietest place."""

    utterance: Utterance
    part: str = "whole"

    @property
    def id(self) -> str:
        """Name of the recording, with the part where it is not whole."""
        return self.utterance.id if self.part == "whole" else f"{self.utterance.id} ({self.part})"

    @property
    def seconds(self) -> Part:
        """How long it is at least and at most; the two differ for a part, whose place depends on the audio."""
        whole = self.utterance.length / SAMPLE_RATE
        if self.part == "whole":
            return whole, whole
        low, high = _head_range(whole)
        return (low, high) if self.part == "head" else (whole - high, whole - low)

    def load(self, load: Load) -> Wave:
        """Its samples, [samples] at 16 kHz."""
        wave = load(self.utterance)
        if self.part == "whole":
            return wave
        place = quietest(wave, *_head_range(wave.size / SAMPLE_RATE))
        return wave[:place] if self.part == "head" else wave[place:]


@dataclass(frozen=True)
class Material:
    """References and ceiling of a target, in pieces; they share no sample. Without a ceiling, `ceiling` is empty."""

    references: tuple[Piece, ...]
    ceiling: tuple[Piece, ...]

    @property
    def ceiling_text(self) -> str | None:
        """What is said in the ceiling, where all of it is known and English."""
        known = [one.utterance for one in self.ceiling if one.part == "whole"]
        texts = [one.text for one in known if one.english and one.text]
        return " ".join(texts) if texts and len(texts) == len(self.ceiling) else None


def can_be_target(target: Target) -> bool:
    """Whether there is enough of a person for references of 8 s and a ceiling of 3 s."""
    return _both(_usable(target.utterances)) is not None


def choose_material(target: Target, random: np.random.Generator) -> Material:
    """Draw references and ceiling.

    Raises:
        ValueError: `can_be_target` does not hold.
    """
    usable = _usable(target.utterances)
    shuffled = [usable[index] for index in random.permutation(len(usable))]
    # An unlucky order may leave too little for one of the two; the order of the corpus is known to give both.
    found = _both(shuffled) or _both(usable)
    if found is None:
        raise ValueError(f"there is too little of {target.speaker}")
    return found


def choose_own(source: Utterance, others: Iterable[Utterance], random: np.random.Generator) -> Material:
    """Draw references (and a ceiling, where enough is left) of a person to whose own voice `source` is converted.

    They come from `others`, further recordings of the same person, where these hold 3 s or more, else the source itself
    is the reference.
    """
    usable = _usable(one for one in others if one.id != source.id)
    shuffled = [usable[index] for index in random.permutation(len(usable))]
    found = _both(shuffled)
    if found is not None:
        return found
    references = _collect([Piece(one) for one in shuffled], REFERENCE_SECONDS)
    if _least(references) < CEILING_SECONDS[0]:
        references = [Piece(source)]
    return Material(tuple(references), ())


def quietest(wave: Wave, low: float, high: float) -> int:
    """The sample in the middle of the quietest 50 ms of `wave` [samples] that lie between `low` and `high` seconds."""
    start, stop, width = round(low * SAMPLE_RATE), round(high * SAMPLE_RATE), round(_QUIET_SECONDS * SAMPLE_RATE)
    power = np.convolve(np.square(wave[start:stop], dtype=np.float64), np.ones(min(width, stop - start)), "valid")
    return start + int(np.argmin(power)) + min(width, stop - start) // 2


def _head_range(seconds: float) -> Part:
    """Between which seconds a recording may be cut; the more is left behind the cut, the better for a reference."""
    low, high = _HEAD_SECONDS
    return low, max(low + _QUIET_SECONDS, min(high, seconds - REFERENCE_SECONDS[0]))


def _usable(utterances: Iterable[Utterance]) -> list[Utterance]:
    return [one for one in utterances if one.length >= SHORTEST_SECONDS * SAMPLE_RATE]


def _both(utterances: Sequence[Utterance]) -> Material | None:
    whole = [Piece(one) for one in utterances]
    return _divide(whole) or _divide([part for one in utterances for part in _cut(one)])


def _cut(one: Utterance) -> list[Piece]:
    if one.length / SAMPLE_RATE < sum(_HEAD_SECONDS):
        return [Piece(one)]
    return [Piece(one, "head"), Piece(one, "rest")]


def _divide(pieces: Sequence[Piece]) -> Material | None:
    ceiling = _collect(pieces, CEILING_SECONDS)
    references = _collect([one for one in pieces if one not in ceiling], REFERENCE_SECONDS)
    if _least(ceiling) < CEILING_SECONDS[0] or _least(references) < REFERENCE_SECONDS[0]:
        return None
    return Material(tuple(references), tuple(ceiling))


def _collect(pieces: Sequence[Piece], seconds: tuple[float, float, float]) -> list[Piece]:
    """Pieces in their order, those left out that would exceed the upper limit, until the wanted length is reached."""
    _, wanted, most = seconds
    chosen: list[Piece] = []
    for one in pieces:
        if _least(chosen) >= wanted:
            break
        if sum(piece.seconds[1] for piece in chosen) + one.seconds[1] <= most:
            chosen.append(one)
    return chosen


def _least(pieces: Iterable[Piece]) -> float:
    return sum(one.seconds[0] for one in pieces)
