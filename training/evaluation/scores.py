"""Everything that the judges say about one wave of one pair."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from streamvc.training.evaluation.judges import Judges
from streamvc.training.evaluation.levels import Levels, measure_levels
from streamvc.training.evaluation.naturalness import LOWEST
from streamvc.training.evaluation.pairs import Pair, Wave
from streamvc.training.evaluation.pitch import compare_tracks, pitch_distance
from streamvc.training.evaluation.speaker import cosine
from streamvc.training.evaluation.text import TextErrors, count_errors

Role = Literal["converted", "floor", "ceiling"]
"""The conversion; the source untouched; another real recording of the target."""


@dataclass(frozen=True)
class Scores:
    """Scores of one wave; None where a measure was not asked for or has no meaning for this wave.

    An output that is silent or not finite gets the worst value of each measure (0 for a similarity or a correlation,
    1 for the rating, every word wrong), never none: a system must not win by failing. Only its pitch distance, which
    has no worst value, is left out.

    Args:
        levels: peak, level, clipping, silence.
        transcript: what the ASR heard.
        text_errors: word and character errors against the pair's reference text.
        extra_word_errors: word errors beyond those of the untouched source (of the damaged one, where that was heard),
            perhaps negative. Against the recogniser's own transcript the source has none. Of a conversion only.
        secs_target, secs_source: cosine of Resemblyzer embeddings to the references and to the source, -1 to 1; only
            the first where the speaker's own voice was wanted.
        dvector_target, dvector_source: the same by the second network.
        f0_pcc: Pearson correlation of f0 (Hz) with the source over the frames voiced in both.
        voicing_agreement: share of frames with the source's voicing, 0 to 1.
        pitch_distance: distance of the median f0 to that of the references, semitones.
        mos: predicted mean opinion score, 1 to 5.
    """

    levels: Levels
    transcript: str | None = None
    text_errors: TextErrors | None = None
    extra_word_errors: int | None = None
    secs_target: float | None = None
    secs_source: float | None = None
    dvector_target: float | None = None
    dvector_source: float | None = None
    f0_pcc: float | None = None
    voicing_agreement: float | None = None
    pitch_distance: float | None = None
    mos: float | None = None

    @property
    def closer_to_target(self) -> bool | None:
        """Resemblyzer puts it nearer to the target's references than to the very utterance that was converted."""
        if self.secs_target is None or self.secs_source is None:
            return None
        return self.secs_target > self.secs_source


def score_wave(wave: Wave, pair: Pair, role: Role, reference_text: str | None, judges: Judges) -> Scores:
    """Judge one wave.

    Args:
        wave: [samples] at 16 kHz.
        pair: what it belongs to.
        role: what it is. The ceiling says other words at other times, so that it is not compared with the source's
            pitch.
        reference_text: what it should say; None leaves the errors out.
        judges: which measures, and by whom.

    Raises:
        RuntimeUnavailableError: a judge's package is not installed.
    """
    levels = measure_levels(wave)
    chosen = judges.measures
    # In the speaker's own voice, nearer to the source is no fault.
    apart = frozenset[str]() if pair.own_voice else chosen
    if not levels.usable:
        return _worst(levels, pair, role, reference_text, judges)
    # As a file writer would do.
    heard = np.clip(wave, -1.0, 1.0).astype(np.float32)
    reference = pair.reference
    transcript = judges.transcript(heard) if "wer" in chosen else None
    errors = count_errors(reference_text, transcript) if transcript is not None and reference_text is not None else None
    correlation, agreement, distance = None, None, None
    if "pitch" in chosen:
        track = judges.pitch(heard)
        distance = pitch_distance(track, judges.pitch(reference))
        if role != "ceiling":
            match = compare_tracks(judges.pitch(pair.source), track)
            correlation, agreement = match.correlation, match.voicing_agreement
    return Scores(
        levels=levels,
        transcript=transcript,
        text_errors=errors,
        secs_target=cosine(judges.speaker(heard), judges.speaker(reference)) if "secs" in chosen else None,
        secs_source=cosine(judges.speaker(heard), judges.speaker(pair.source)) if "secs" in apart else None,
        dvector_target=cosine(judges.dvector(heard), judges.dvector(reference)) if "dvector" in chosen else None,
        dvector_source=cosine(judges.dvector(heard), judges.dvector(pair.source)) if "dvector" in apart else None,
        f0_pcc=correlation,
        voicing_agreement=agreement,
        pitch_distance=distance,
        mos=judges.rating(heard) if "mos" in chosen else None,
    )


def _worst(levels: Levels, pair: Pair, role: Role, reference_text: str | None, judges: Judges) -> Scores:
    chosen = judges.measures
    apart = frozenset[str]() if pair.own_voice else chosen
    compared = "pitch" in chosen and role != "ceiling"
    nothing = np.zeros_like(judges.pitch(pair.source)) if compared else np.zeros(0)
    match = compare_tracks(judges.pitch(pair.source), nothing) if compared else None
    return Scores(
        levels=levels,
        transcript="" if "wer" in chosen else None,
        text_errors=count_errors(reference_text, "") if "wer" in chosen and reference_text is not None else None,
        secs_target=0.0 if "secs" in chosen else None,
        secs_source=0.0 if "secs" in apart else None,
        dvector_target=0.0 if "dvector" in chosen else None,
        dvector_source=0.0 if "dvector" in apart else None,
        f0_pcc=match.correlation if match else None,
        voicing_agreement=match.voicing_agreement if match else None,
        mos=LOWEST if "mos" in chosen else None,
    )
