"""What is judged: a source utterance, and the voice that it shall take on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from streamvc.errors import EvaluationError

Wave: TypeAlias = npt.NDArray[np.float32]
"""float32 [samples], 16 kHz mono, full scale at 1."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One conversion to judge.

    Args:
        source_id: name of the source utterance.
        source_speaker: who speaks in it.
        source: the source utterance, [samples] at 16 kHz.
        target_speaker: whose voice is wanted.
        references: recordings of the target [samples] that a conversion may listen to, and that its output is
            compared with; at least one, none of them the source.
        ceiling: another real recording of the target, [samples], not among the references. It shows what a perfect
            conversion could score. None where there is none.
        text: what is said in the source, where it is known.
        ceiling_text: what is said in the ceiling, where it is known.
        preset: name of the preset that shall speak, or None for a conversion from the references.
        source_sex, target_sex: "f", "m" or None.
        source_corpus, target_corpus: names of the corpora, for the breakdown of the results.
        reference_ids, ceiling_ids: names of those utterances, for the record.
        heard: what the conversion hears instead of the source, [samples], as long as it: the same speech, damaged.
            Pitch and speaker are then compared with the source as it was, and words are counted beyond those that are
            wrong in what was heard. None where the source itself is heard.
        own_voice: the target is the speaker of the source (copy synthesis): a distance to the source means nothing, and
            the source may be the only reference.

    Raises:
        EvaluationError: an array is empty, of another shape or length, or not finite, or there is no reference.
    """

    source_id: str
    source_speaker: str
    source: Wave
    target_speaker: str
    references: tuple[Wave, ...]
    ceiling: Wave | None = None
    text: str | None = None
    ceiling_text: str | None = None
    preset: str | None = None
    source_sex: str | None = None
    target_sex: str | None = None
    source_corpus: str = ""
    target_corpus: str = ""
    reference_ids: tuple[str, ...] = ()
    ceiling_ids: tuple[str, ...] = ()
    heard: Wave | None = None
    own_voice: bool = False

    def __post_init__(self) -> None:
        if not self.references:
            raise EvaluationError(f"The pair {self.name} has no recording of its target: give at least one.")
        named = [("source", self.source), *(("reference", wave) for wave in self.references)]
        if self.ceiling is not None:
            named.append(("ceiling", self.ceiling))
        if self.heard is not None:
            named.append(("damaged source", self.heard))
        for what, wave in named:
            check_wave(wave, f"the {what} of the pair {self.name}")
            if not np.isfinite(wave).all():
                raise EvaluationError(f"The {what} of the pair {self.name} holds NaN or infinity: choose another.")
        if self.heard is not None and self.heard.size != self.source.size:
            raise EvaluationError(
                f"The damaged source of the pair {self.name} has {self.heard.size} samples where the source has "
                f"{self.source.size}: make them equally long."
            )

    @property
    def name(self) -> str:
        """`source utterance > target`, for messages and results."""
        return f"{self.source_id} > {self.preset or self.target_speaker}"

    @property
    def input(self) -> Wave:
        """What is converted, [samples]: the damaged source where there is one, else the source."""
        return self.source if self.heard is None else self.heard

    @property
    def reference(self) -> Wave:
        """All references in a row, [samples]."""
        return np.concatenate(self.references)


def check_wave(wave: Wave, what: str) -> None:
    """Raise `EvaluationError` unless `wave` is a non-empty array [samples] of floating-point numbers."""
    if wave.ndim != 1 or wave.size == 0 or wave.dtype.kind != "f":
        raise EvaluationError(
            f"For {what} a non-empty array [samples] of floating-point numbers is needed, "
            f"not {wave.dtype} {list(wave.shape)}."
        )
