"""Judge a conversion on a list of pairs, the floor and the ceiling always beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np

from streamvc.config import FRAME
from streamvc.errors import EvaluationError
from streamvc.training.evaluation.estimate import Estimate
from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.pairs import Pair, Wave, check_wave
from streamvc.training.evaluation.pitch import median_f0
from streamvc.training.evaluation.scores import Scores, score_wave
from streamvc.training.evaluation.summary import summarise

Reference = Literal["auto", "text", "asr"]
"""What a transcript is held against: the written text, the ASR's transcript of the source, or text where known."""


class Convert(Protocol):
    """A conversion.

    `source` is [samples] at 16 kHz; `target` is a recording of the wanted speaker [samples] at 16 kHz, or the name of
    a preset. Returns [samples], as long as the source and aligned with it (its delay removed).
    """

    def __call__(self, source: Wave, target: Wave | str, /) -> Wave: ...


@dataclass(frozen=True)
class Judged:
    """The scores of one pair.

    Args:
        pair: what was judged.
        reference_text: what the words were held against.
        written: it was a written text, not the recogniser's transcript of the source.
        converted, floor, ceiling: scores of the conversion, of what it heard untouched, and of the real target.
        source_f0, target_f0: median f0 of the source and of the target's references in Hz; None when the pitch was
            not measured, or nothing is voiced.
    """

    pair: Pair
    reference_text: str | None
    written: bool
    converted: Scores
    floor: Scores
    ceiling: Scores | None
    source_f0: float | None = None
    target_f0: float | None = None


@dataclass(frozen=True)
class Evaluation:
    """The result: all scores, pair by pair."""

    judged: tuple[Judged, ...]

    def summaries(self, keep: Callable[[Judged], bool] = lambda one: True) -> dict[str, dict[str, Estimate]]:
        """Estimates of "floor", "converted" and "ceiling" over the pairs that `keep` accepts; empty without pairs."""
        kept = [one for one in self.judged if keep(one)]
        return {
            "floor": summarise([one.floor for one in kept]),
            "converted": summarise([one.converted for one in kept]),
            "ceiling": summarise([one.ceiling for one in kept if one.ceiling is not None]),
        }


def evaluate(
    pairs: Sequence[Pair],
    convert: Convert,
    *,
    judges: Judges | None = None,
    reference: Reference = "auto",
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Convert every pair's source (with its preset where it names one, else with its references), then judge.

    Raises:
        EvaluationError: as `evaluate_waves`.
        RuntimeUnavailableError: a judge's package is not installed.
    """
    asked = judges or Judges()
    asked.prepare()
    converted = convert_all(pairs, convert, progress)
    return evaluate_waves(pairs, converted, judges=asked, reference=reference, progress=progress)


def convert_all(pairs: Sequence[Pair], convert: Convert, progress: Callable[[str], None] | None = None) -> list[Wave]:
    """Convert what every pair hears, with its preset where it names one, else with its references in a row."""
    converted = []
    for number, pair in enumerate(pairs, start=1):
        if progress:
            progress(f"convert {number}/{len(pairs)}: {pair.name}")
        converted.append(convert_pair(pair, convert))
    return converted


def convert_pair(pair: Pair, convert: Convert) -> Wave:
    """Convert what a pair hears, with its preset where it names one, else with its references in a row."""
    return convert(pair.input, pair.preset or pair.reference)


def evaluate_waves(
    pairs: Sequence[Pair],
    converted: Sequence[Wave],
    *,
    judges: Judges | None = None,
    reference: Reference = "auto",
    progress: Callable[[str], None] | None = None,
) -> Evaluation:
    """Judge waves that are converted already.

    Args:
        pairs: what was to be converted.
        converted: what came out, one [samples] per pair at 16 kHz, aligned with the source (delay removed); a
            difference in length of up to one frame (320 samples) is allowed.
        judges: keep one object over several calls, so that the floor and the ceiling are judged only once.
        reference: "text" holds the words against the written text, "asr" against the transcript of the untouched
            source by the same ASR, "auto" takes the text where the pair has one.
        progress: called with a line of text before every pair.

    Raises:
        EvaluationError: there are no pairs, the numbers differ, a wave has another shape or length than its source,
            or `reference` is "text" and a pair has none.
        RuntimeUnavailableError: a judge's package is not installed.
    """
    check_pairs(pairs, converted, reference)
    asked = judges or Judges()
    judged = []
    for number, (pair, wave) in enumerate(zip(pairs, converted, strict=True), start=1):
        if progress:
            progress(f"judge {number}/{len(pairs)}: {pair.name}")
        judged.append(judge_pair(pair, wave, asked, reference))
    return Evaluation(tuple(judged))


def check_pairs(pairs: Sequence[Pair], converted: Sequence[Wave] | None, reference: Reference) -> None:
    """Raise what `evaluate_waves` says it raises; with None, only what can be seen before the conversion."""
    if not pairs:
        raise EvaluationError("There is nothing to judge: give at least one pair.")
    if converted is not None and len(pairs) != len(converted):
        raise EvaluationError(f"{len(pairs)} pairs need as many converted waves, not {len(converted)}.")
    if reference not in ("auto", "text", "asr"):
        raise EvaluationError(f"The reference of the words must be auto, text or asr, not {reference!r}.")
    for number, pair in enumerate(pairs):
        if converted is not None:
            _check_output(pair, converted[number])
        if reference == "text" and pair.text is None:
            raise EvaluationError(f"The text of {pair.source_id} is not known: use the reference asr or auto.")


def judge_pair(pair: Pair, wave: Wave, judges: Judges, reference: Reference) -> Judged:
    """Judge one conversion, `wave` [samples]; raises `EvaluationError` where it does not fit its source."""
    _check_output(pair, wave)
    wave = np.asarray(wave, dtype=np.float32)
    written = reference != "asr" and pair.text is not None
    text = pair.text if written else judges.transcript(pair.source) if "wer" in judges.measures else None
    ceiling = None
    if pair.ceiling is not None:
        ceiling = score_wave(pair.ceiling, pair, "ceiling", pair.ceiling_text if written else None, judges)
    # Against its own transcript the source would have no errors by construction; a damaged source has.
    floor = score_wave(pair.input, pair, "floor", text if written or pair.heard is not None else None, judges)
    converted = score_wave(wave, pair, "converted", text, judges)
    if converted.text_errors is not None:
        before = 0 if floor.text_errors is None else floor.text_errors.word_errors
        converted = replace(converted, extra_word_errors=converted.text_errors.word_errors - before)
    pitch = "pitch" in judges.measures
    return Judged(
        pair=pair,
        reference_text=text,
        written=written,
        converted=converted,
        floor=floor,
        ceiling=ceiling,
        source_f0=median_f0(judges.pitch(pair.source)) if pitch else None,
        target_f0=median_f0(judges.pitch(pair.reference)) if pitch else None,
    )


def _check_output(pair: Pair, wave: Wave) -> None:
    check_wave(wave, f"the conversion of {pair.name}")
    if abs(wave.size - pair.source.size) > FRAME:
        raise EvaluationError(
            f"The conversion of {pair.name} has {wave.size} samples where its source has {pair.source.size}: "
            "remove the delay and return as many samples as came in."
        )
