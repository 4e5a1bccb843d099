"""Phone labels, one per 20 ms frame, from the exact durations that synthesis gives."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streamvc.config import FRAME, SAMPLE_RATE
from streamvc.training.corpora.base import Alignment

SILENCE = "sil"
UNKNOWN = 255
LEAD = round(0.045 * SAMPLE_RATE)
"""Samples by which the nominal end of a Kokoro phone comes after what is heard (measured: see docs/corpora.md)."""
STRESS = frozenset("ˈˌ")
"""Marks whose time belongs to the vowel that follows."""
LENGTH = frozenset("ːʰʲ̃")
"""Marks whose time belongs to the phone before."""
QUIET = 25.0
"""A pause is silent where its level is this much below the loud frames of the utterance, dB."""


def is_pause(symbol: str) -> bool:
    """Whether a symbol is a space, punctuation or padding: no phone, but perhaps a silence."""
    return not any(char.isalpha() for char in symbol) and symbol not in STRESS | LENGTH


def fold(alignment: Alignment) -> list[tuple[str, int]]:
    """Give the time of stress marks to the phone after and that of length marks to the phone before.

    Pauses are kept under the name `sil`; two in a row become one.
    """
    folded: list[tuple[str, int]] = []
    for symbol, end in alignment:
        if symbol in STRESS:
            continue
        if symbol in LENGTH and folded and folded[-1][0] != SILENCE:
            folded[-1] = (folded[-1][0], end)
            continue
        name = SILENCE if symbol in LENGTH or is_pause(symbol) else symbol
        if folded and name == SILENCE and folded[-1][0] == SILENCE:
            folded.pop()
        folded.append((name, end))
    # a stress mark that nothing follows
    if folded and alignment[-1][1] > folded[-1][1]:
        folded[-1] = (folded[-1][0], alignment[-1][1])
    return folded


def frame_levels(samples: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """Level of each whole 320-sample frame, dB against the 95th percentile of the utterance; [frames]."""
    frames = samples[: samples.size // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    level = 10.0 * np.log10(np.square(frames).mean(axis=1) + 1e-3)
    return np.asarray(level - np.percentile(level, 95))


def frame_phones(alignment: Alignment, levels: npt.NDArray[np.float64], lead: int = LEAD) -> list[str]:
    """One phone per frame: the one that is heard at the middle of the frame.

    The space between two words has a duration of its own although nothing pauses there. Frames of a pause are
    `sil` only where they are quiet; of the others, the first half goes to the phone before and the rest to the phone
    after.

    Args:
        alignment: symbols with the sample at which each nominally ends.
        levels: of each frame, dB against the loud ones ([frames]); its size is the number of labels.
        lead: samples by which sound comes before the nominal times.
    """
    folded = fold(alignment)
    names = [name for name, _ in folded]
    ends = np.array([end - lead for _, end in folded])
    middles = FRAME * np.arange(levels.size) + FRAME // 2
    where = np.minimum(np.searchsorted(ends, middles, side="right"), len(names) - 1)
    labels = []
    for frame, index in enumerate(where):
        name = names[index]
        if name == SILENCE and levels[frame] > -QUIET:
            start = ends[index - 1] if index else 0
            before = middles[frame] < (start + ends[index]) / 2
            neighbour = index - 1 if before else index + 1
            # at the ends of an utterance there is only one neighbour
            neighbour = neighbour if 0 <= neighbour < len(names) else index - 1 if index else index + 1
            name = names[neighbour] if 0 <= neighbour < len(names) else SILENCE
        labels.append(name)
    return labels


def symbols_of(alignments: Sequence[Alignment]) -> list[str]:
    """Every phone that the alignments use, silence first, the rest in order of code point."""
    return [SILENCE, *sorted({name for alignment in alignments for name, _ in fold(alignment)} - {SILENCE})]
