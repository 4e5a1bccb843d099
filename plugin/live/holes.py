"""What is heard where sound is missing: it dies away into silence and comes back without a step."""

from __future__ import annotations

import numpy as np

from streamvc.plugin.fifo import Samples
from streamvc.plugin.live.ring import rising


class HoleFader:
    """Shapes the blocks of a stream in which samples are missing at the end of some.

    Sound at the beginning and after a hole is faded in. Of the sound before a hole, the last sample stays and dies
    away: what would have followed is not known. The two overlap when the hole is shorter than a fade.

    Args:
        channels: rows of every block.
        length: samples of a fade.
    """

    def __init__(self, channels: int, length: int) -> None:
        self._rise, self._fall = rising(length), rising(length)[::-1].copy()
        self._risen = 0
        self._last = np.zeros((channels, 1), dtype=np.float32)
        self._in_hole = False
        self._tail = np.zeros((channels, 1), dtype=np.float32)
        self._fallen = length
        self._scratch = np.zeros((channels, length), dtype=np.float32)

    def shape(self, block: Samples, got: int) -> None:
        """Change a block [channels, n], n >= 1, of which only the first `got` samples are sound, in place."""
        sound, hole = block[:, :got], block[:, got:]
        hole.fill(0.0)
        if got and self._risen < len(self._rise):
            count = min(got, len(self._rise) - self._risen)
            sound[:, :count] *= self._rise[self._risen : self._risen + count]
            self._risen += count
        self._add_tail(sound)
        if got < block.shape[1]:
            if got or not self._in_hole:
                self._tail[:, 0] = sound[:, -1] if got else self._last[:, 0]
                self._fallen = 0
            self._add_tail(hole)
            self._risen = 0
        self._in_hole = got < block.shape[1]
        self._last[:, 0] = block[:, -1]

    def _add_tail(self, block: Samples) -> None:
        count = min(block.shape[1], len(self._fall) - self._fallen)
        if count > 0:
            tail = self._scratch[:, :count]
            np.multiply(self._tail, self._fall[self._fallen : self._fallen + count], out=tail)
            block[:, :count] += tail
            self._fallen += count
