"""From recordings to clean segments of one person's speech, and what became of the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.errors import AudioError
from streamvc.presets.recordings import (
    LONGEST_SECONDS,
    Samples,
    activity,
    prepare_speech,
    read_recording,
    remove_rumble,
)
from streamvc.training.corpora.condition import cut
from streamvc.training.voice.faults import ADVICE, Reason, fault_of
from streamvc.training.voice.person import Ear, strangers

LEAST_SECONDS = 30.0
"""Clean speech below which no voice is fitted."""
MOST_SECONDS = 600.0
"""Clean speech beyond which nothing more is used."""
LONGEST_SEGMENT = 8.0
"""Seconds: what is longer is parted at a quiet place, so that one noise costs little."""
PAUSE = 0.35
"""Seconds of silence that part two segments."""
_MARGIN = 0.1
_HOP, _WINDOW = SAMPLE_RATE // 100, SAMPLE_RATE // 50


@dataclass(frozen=True)
class Segment:
    """A stretch of a recording.

    Args:
        file: the recording.
        start: where it begins in it, seconds.
        recorded: [samples] at 16 kHz, at the level at which it was recorded.
    """

    file: Path
    start: float
    recorded: Samples

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.recorded) / SAMPLE_RATE

    def speech(self) -> Samples:
        """Levelled and without long pauses, as the model wants it: [samples], perhaps shorter."""
        return prepare_speech(self.recorded)


@dataclass(frozen=True)
class Dropped:
    """A stretch of a recording that is not used: where, how long (seconds), and why."""

    file: Path
    start: float
    seconds: float
    reason: Reason


@dataclass(frozen=True)
class Selection:
    """What is used of a person's recordings, in order, and what is not."""

    segments: tuple[Segment, ...]
    dropped: tuple[Dropped, ...]

    @property
    def seconds(self) -> float:
        """Of clean speech."""
        return sum(segment.seconds for segment in self.segments)

    def lost(self) -> dict[Reason, float]:
        """Seconds that were dropped for each reason, most first."""
        sums: dict[Reason, float] = {}
        for one in self.dropped:
            sums[one.reason] = sums.get(one.reason, 0.0) + one.seconds
        return dict(sorted(sums.items(), key=lambda item: -item[1]))


def select(files: Sequence[Path], ear: Ear, told: Callable[[], object] = lambda: None) -> Selection:
    """Clean segments of one person's recordings.

    Args:
        files: recordings; of each the first fifteen minutes are heard.
        ear: what tells speakers apart.
        told: called after each file.

    Raises:
        AudioError: a recording cannot be read, or less than half a minute of clean speech is left.
    """
    segments: list[Segment] = []
    dropped: list[Dropped] = []
    for file in files:
        kept, lost = _of_file(file)
        segments += kept
        dropped += lost
        told()
    speech = [segment.speech() for segment in segments]
    strange = strangers(speech, ear)
    dropped += [_drop(segments[i], "another speaker") for i in sorted(strange)]
    segments = [segment for i, segment in enumerate(segments) if i not in strange]
    segments, beyond = _at_most(segments, MOST_SECONDS)
    dropped += [_drop(segment, "too much") for segment in beyond]
    order = {file: number for number, file in enumerate(files)}
    result = Selection(tuple(segments), tuple(sorted(dropped, key=lambda one: (order[one.file], one.start))))
    if result.seconds < LEAST_SECONDS:
        raise AudioError(_too_little(result))
    return result


def split(
    segments: Sequence[Segment], seed: int, share: float = 0.2, least: float = 8.0
) -> tuple[list[int], list[int]]:
    """Numbers of the segments to learn from, and of those that are held out to judge by.

    The held-out segments follow each other, so that what is judged was recorded at another time than what is learnt
    from; they are at least `share` of the whole and `least` seconds.
    """
    lengths = np.array([segment.seconds for segment in segments])
    wanted = max(share * float(lengths.sum()), least)
    ends = np.cumsum(lengths)
    # Beginnings after which enough follows.
    starts = np.flatnonzero(ends[-1] - (ends - lengths) >= wanted)
    first = int(np.random.default_rng(seed).choice(starts))
    last = int(np.searchsorted(ends, ends[first] - lengths[first] + wanted - 1e-9))
    held = list(range(first, last + 1))
    return [i for i in range(len(segments)) if i not in set(held)], held


def _of_file(file: Path) -> tuple[list[Segment], list[Dropped]]:
    samples = read_recording(file, LONGEST_SECONDS)
    clean = remove_rumble(samples)
    segments, dropped, spoken = [], [], 0.0
    for start, stop in _spans(clean):
        segment = Segment(file, start / SAMPLE_RATE, np.ascontiguousarray(samples[start:stop]))
        spoken += segment.seconds
        reason = fault_of(segment.recorded)
        if reason is None:
            segments.append(segment)
        else:
            dropped.append(_drop(segment, reason))
    quiet = len(samples) / SAMPLE_RATE - spoken
    if quiet >= 0.05:
        dropped.append(Dropped(file, 0.0, quiet, "silence"))
    return segments, dropped


def _spans(clean: Samples) -> list[tuple[int, int]]:
    """Stretches of speech with a margin, parted at pauses and cut where they are long: first and last sample."""
    active = activity(clean)
    edges = np.flatnonzero(np.diff(active, prepend=False, append=False)).reshape(-1, 2)
    stretches: list[list[int]] = []
    for first, last in edges:
        if stretches and (first - stretches[-1][1]) * _HOP < PAUSE * SAMPLE_RATE:
            stretches[-1][1] = int(last)
        else:
            stretches.append([int(first), int(last)])
    margin, spans, before = round(_MARGIN * SAMPLE_RATE), [], 0
    for first, last in stretches:
        begin = max(before, first * _HOP - margin)
        end = min(len(clean), (last - 1) * _HOP + _WINDOW + margin)
        spans += [(begin + a, begin + b) for a, b in cut(clean[begin:end], LONGEST_SEGMENT)]
        before = end
    return spans


def _at_most(segments: Sequence[Segment], seconds: float) -> tuple[list[Segment], list[Segment]]:
    """The segments within `seconds`, and the others; evenly over all recordings, since a voice has many moods."""
    total = sum(segment.seconds for segment in segments)
    if total <= seconds:
        return list(segments), []
    kept, beyond, passed, used = [], [], 0.0, 0.0
    for segment in segments:
        passed += segment.seconds
        if used + segment.seconds <= passed * seconds / total:
            kept.append(segment)
            used += segment.seconds
        else:
            beyond.append(segment)
    return kept, beyond


def _drop(segment: Segment, reason: Reason) -> Dropped:
    return Dropped(segment.file, segment.start, segment.seconds, reason)


def _too_little(selection: Selection) -> str:
    lost = [f"{seconds:.0f} s {reason} ({ADVICE[reason]})" for reason, seconds in selection.lost().items()]
    found = f"{selection.seconds:.0f} s of clean speech, and a fitted voice needs {LEAST_SECONDS:g} s"
    if not lost:
        return f"The recordings hold {found}: give more of them."
    return f"The recordings hold {found}; {', '.join(lost[:3])}: give more, or `svc preset create` a voice from less."
