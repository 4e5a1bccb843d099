"""From the old elements of a stream to the new ones without a click."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamvc.plugin.chain_stages import Stage
from streamvc.plugin.fifo import Samples


def run_all(stages: Sequence[Stage], block: Samples) -> Samples:
    """Process [channels, n] by one stage after the other."""
    for stage in stages:
        block = stage.process(block)
    return block


class Fade:
    """Two ways through a stream at the place where it was edited, and the change from one to the other.

    Where the two have no element in common, both run: the old one is heard until the sound has arrived at the end of
    the new one, then they are crossfaded. An element that stands in both (after a move) can run in one only: the old
    way is faded out, and the new one is faded in when the sound has arrived.

    Args:
        old: stages of the way that is left.
        new: stages of the way that is taken.
        length: samples of one fade.
        together: whether both can run.
    """

    def __init__(self, old: Sequence[Stage], new: Sequence[Stage], length: int, together: bool) -> None:
        self._old = old
        self._new = new
        self._length = length
        start = 0 if together else length
        self._new_starts = start
        self._new_sounds = start + sum(stage.latency for stage in new)
        self._end = self._new_sounds + length
        self._old_ends = self._end if together else length
        self._position = 0

    @property
    def latency(self) -> int:
        """Samples of delay of the way that is taken."""
        return sum(stage.latency for stage in self._new)

    @property
    def remaining(self) -> int:
        """Samples until the next change of what runs; 0 when the new way is alone."""
        edge = self._old_ends if self._position < self._old_ends else self._end
        return edge - self._position

    def process(self, block: Samples) -> Samples:
        """Turn [channels, n] into [channels, n], with n no more than `remaining`."""
        time = np.arange(self._position + 1, self._position + block.shape[1] + 1)
        rise = np.clip((time - self._new_sounds) / self._length, 0.0, 1.0).astype(np.float32)
        output = np.zeros_like(block)
        if self._position < self._old_ends:
            together = self._old_ends == self._end
            fall = 1.0 - rise if together else np.clip(1.0 - time / self._length, 0.0, 1.0).astype(np.float32)
            output += run_all(self._old, block) * fall
        if self._position >= self._new_starts:
            output += run_all(self._new, block) * rise
        self._position += block.shape[1]
        return output
