"""Recordings that are in a corpus twice, by their sound.

The fingerprint is that of Haitsma and Kalker (2002): for each 20 ms, 32 signs of how differences between neighbouring
bands change in time. It hardly moves with gain, filters and coding. A quarter of the words, chosen by their value and
so the same in both copies, are compared; what agrees several times at one distance is compared as a whole.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamvc.config import SAMPLE_RATE

DOWN = 4
"""The fingerprint hears 4 kHz."""
WINDOW, HOP = 1024, 80
BANDS = np.geomspace(200.0, 1800.0, 34)
QUIET = 30.0
"""Frames this far under the loudest of an utterance are not compared, dB."""
COMMON = 16
"""Words that more utterances share are no evidence."""
VOTES = 3
ERRORS = 0.3
"""Share of bits that may differ; unrelated sound differs in a half."""
COVER = 0.8
"""Share of the shorter utterance that has to be in the longer one."""

Words = npt.NDArray[np.uint32]
Samples = npt.NDArray[np.int16]


@dataclass(frozen=True)
class Fingerprint:
    """Words of an utterance, uint32 [frames], and which of its frames are loud enough to count, bool [frames]."""

    words: Words
    loud: npt.NDArray[np.bool_]


def fingerprint(samples: Samples) -> Fingerprint:
    """One word for each 20 ms of int16 samples at 16 kHz; none for less than 276 ms."""
    wave = samples[: samples.size // DOWN * DOWN].reshape(-1, DOWN).mean(axis=1, dtype=np.float32)
    count = (wave.size - WINDOW) // HOP + 1
    if count < 2:
        return Fingerprint(np.zeros(0, np.uint32), np.zeros(0, bool))
    frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP] * np.hanning(WINDOW).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    edges = np.searchsorted(np.fft.rfftfreq(WINDOW, DOWN / SAMPLE_RATE), BANDS)
    energy = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1)
    slope = np.diff(energy, axis=1)
    bits = np.diff(slope, axis=0) > 0
    words = (bits.astype(np.uint32) << np.arange(32, dtype=np.uint32)).sum(axis=1, dtype=np.uint32)
    whole = energy.sum(axis=1)[1:]
    return Fingerprint(words, whole > whole.max() * 10.0 ** (-QUIET / 10.0))


def near_duplicates(
    count: int, sound: Callable[[int], Samples], prints: Sequence[tuple[Words, npt.NDArray[np.int64]]]
) -> list[tuple[int, int]]:
    """Pairs of utterances of which one sounds as the other, or as a part of it.

    Args:
        count: of utterances.
        sound: samples of an utterance, read again for the few pairs that are compared as a whole.
        prints: `landmarks` of each utterance.
    """
    sizes = [words.size for words, _ in prints]
    word = np.concatenate([words for words, _ in prints]) if count else np.zeros(0, np.uint32)
    place = np.concatenate([places for _, places in prints]) if count else np.zeros(0, np.int64)
    owner = np.repeat(np.arange(count), sizes)
    order = np.argsort(word, kind="stable")
    word, place, owner = word[order], place[order], owner[order]
    size = np.unique(word, return_counts=True)[1]
    keep = np.repeat(size <= COMMON, size)
    word, place, owner = word[keep], place[keep], owner[keep]
    votes: dict[tuple[int, int], list[npt.NDArray[np.int64]]] = defaultdict(list)
    for step in range(1, COMMON):
        same = np.flatnonzero((word[:-step] == word[step:]) & (owner[:-step] != owner[step:]))
        # a stable sort keeps the order of owners within a word
        pairs = np.stack([owner[same], owner[same + step], place[same + step] - place[same]], axis=1)
        if pairs.size:
            unique, number = np.unique(pairs, axis=0, return_counts=True)
            for (a, b, distance), times in zip(unique.tolist(), number.tolist(), strict=True):
                votes[a, b].append(np.array([distance, times]))
    found = []
    for (a, b), ballots in sorted(votes.items()):
        distance = _winner(np.array(ballots))
        if distance is not None and _same(fingerprint(sound(a)), fingerprint(sound(b)), distance):
            found.append((a, b))
    return found


def landmarks(print_: Fingerprint) -> tuple[Words, npt.NDArray[np.int64]]:
    """The quarter of the loud words that is compared, and their frames."""
    mixed = print_.words * np.uint32(2654435761)
    chosen = np.flatnonzero(print_.loud & (mixed >> np.uint32(30) == 0))
    return print_.words[chosen], chosen


def _winner(ballots: npt.NDArray[np.int64]) -> int | None:
    """The distance with the most votes, counting one frame to either side; None where they are too few."""
    sums = [int(ballots[np.abs(ballots[:, 0] - distance) <= 1, 1].sum()) for distance in ballots[:, 0]]
    best = int(np.argmax(sums))
    return int(ballots[best, 0]) if sums[best] >= VOTES else None


def _same(a: Fingerprint, b: Fingerprint, distance: int) -> bool:
    """Whether frame i of `a` sounds as frame i + distance of `b` over most of the shorter one."""
    for shift in (distance, distance - 1, distance + 1):
        first, last = max(0, -shift), min(a.words.size, b.words.size - shift)
        if last - first < COVER * min(a.words.size, b.words.size):
            continue
        loud = a.loud[first:last] | b.loud[first + shift : last + shift]
        different = a.words[first:last] ^ b.words[first + shift : last + shift]
        if loud.any() and float(np.unpackbits(different[loud].view(np.uint8)).mean()) <= ERRORS:
            return True
    return False
