"""From the scores of single waves to numbers with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from streamvc.training.evaluation.estimate import Estimate, bootstrap_ratio
from streamvc.training.evaluation.scores import Scores


@dataclass(frozen=True)
class Measure:
    """A number of the results: its key, its column in the table, its unit, and where "better" lies.

    `parts` gives numerator and denominator for one wave, or None where the wave has no such score.
    """

    key: str
    title: str
    scale: float
    digits: int
    better: str
    parts: Callable[[Scores], tuple[float, float] | None]


def _plain(get: Callable[[Scores], float | bool | None]) -> Callable[[Scores], tuple[float, float] | None]:
    def parts(scores: Scores) -> tuple[float, float] | None:
        value = get(scores)
        return None if value is None else (float(value), 1.0)

    return parts


def _words(scores: Scores) -> tuple[float, float] | None:
    errors = scores.text_errors
    return None if errors is None else (float(errors.word_errors), float(errors.words))


def _extra_words(scores: Scores) -> tuple[float, float] | None:
    errors, extra = scores.text_errors, scores.extra_word_errors
    return None if errors is None or extra is None else (float(extra), float(errors.words))


def _chars(scores: Scores) -> tuple[float, float] | None:
    errors = scores.text_errors
    return None if errors is None else (float(errors.char_errors), float(errors.chars))


MEASURES: Final[tuple[Measure, ...]] = (
    Measure("wer", "WER %", 100, 1, "lower", _words),
    Measure("wer_above_source", "WER above source %", 100, 1, "lower", _extra_words),
    Measure("cer", "CER %", 100, 1, "lower", _chars),
    Measure("secs_target", "SECS to target", 1, 3, "higher", _plain(lambda s: s.secs_target)),
    Measure("secs_source", "SECS to source", 1, 3, "lower", _plain(lambda s: s.secs_source)),
    Measure("closer_to_target", "nearer to target %", 100, 0, "higher", _plain(lambda s: s.closer_to_target)),
    Measure("dvector_target", "d-vector to target", 1, 3, "higher", _plain(lambda s: s.dvector_target)),
    Measure("dvector_source", "d-vector to source", 1, 3, "lower", _plain(lambda s: s.dvector_source)),
    Measure("f0_pcc", "f0 PCC", 1, 3, "higher", _plain(lambda s: s.f0_pcc)),
    Measure("voicing_agreement", "voicing agreement %", 100, 1, "higher", _plain(lambda s: s.voicing_agreement)),
    Measure("pitch_distance", "f0 to target, st", 1, 2, "lower", _plain(lambda s: s.pitch_distance)),
    Measure("mos", "DistillMOS", 1, 2, "higher", _plain(lambda s: s.mos)),
    Measure("peak_db", "peak dB", 1, 1, "", _plain(lambda s: s.levels.peak_db)),
    Measure("rms_db", "RMS dB", 1, 1, "", _plain(lambda s: s.levels.rms_db)),
    Measure("clipped", "clipped samples %", 100, 3, "lower", _plain(lambda s: s.levels.clipped)),
    Measure("unusable", "silent or NaN %", 100, 1, "lower", _plain(lambda s: not s.levels.usable)),
)


def summarise(scores: Sequence[Scores]) -> dict[str, Estimate]:
    """Estimate every measure that at least one of the waves has, with a 95 % bootstrap interval over waves.

    WER and CER are pooled (all errors over all words), the others are means.
    """
    result: dict[str, Estimate] = {}
    for measure in MEASURES:
        parts = [pair for one in scores if (pair := measure.parts(one)) is not None]
        estimate = bootstrap_ratio([top for top, _ in parts], [bottom for _, bottom in parts])
        if estimate is not None:
            result[measure.key] = estimate
    return result
