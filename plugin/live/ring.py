"""A ring of samples between two threads: one only writes, one only reads, and neither ever waits for the other."""

from __future__ import annotations

import numpy as np

from streamvc.plugin.fifo import Samples


def rising(length: int) -> Samples:
    """The gain of a fade-in, half a cosine over `length` samples; one minus it is the fade-out that goes with it."""
    return (0.5 - 0.5 * np.cos(np.pi * (np.arange(length) + 0.5) / length)).astype(np.float32)


class SampleRing:
    """Single producer, single consumer, for blocks of float32 [channels, n].

    Both ends count the samples that ever went through; each count is written by one thread only, so there is nothing
    to lock. All sample memory is taken at the start.

    Args:
        channels: rows of every block.
        capacity: samples that it can hold.
    """

    def __init__(self, channels: int, capacity: int) -> None:
        self.capacity = capacity
        self._buffer = np.zeros((channels, capacity), dtype=np.float32)
        self._written = 0
        self._read = 0

    @property
    def available(self) -> int:
        """Samples that stand in the ring; the consumer can rely on at least these."""
        return self._written - self._read

    @property
    def room(self) -> int:
        """Samples that fit; the producer can rely on at least these."""
        return self.capacity - self.available

    def write(self, block: Samples) -> int:
        """Producer: append as much of a block [channels, n] as fits; returns how many samples that were."""
        count: int = min(block.shape[1], self.room)
        start = self._written % self.capacity
        first = min(count, self.capacity - start)
        self._buffer[:, start : start + first] = block[:, :first]
        if count > first:
            self._buffer[:, : count - first] = block[:, first:count]
        # Last, so that the consumer never sees a count whose samples are not there.
        self._written += count
        return count

    def peek(self, out: Samples) -> int:
        """Consumer: copy the next samples to the beginning of `out` [channels, n] and leave them in the ring.

        Returns:
            how many there were, at most n.
        """
        count: int = min(out.shape[1], self.available)
        start = self._read % self.capacity
        first = min(count, self.capacity - start)
        out[:, :first] = self._buffer[:, start : start + first]
        if count > first:
            out[:, first:count] = self._buffer[:, : count - first]
        return count

    def skip(self, count: int) -> int:
        """Consumer: drop up to `count` samples; returns how many."""
        count = min(count, self.available)
        self._read += count
        return count

    def read(self, out: Samples) -> int:
        """Consumer: move the next samples to the beginning of `out` [channels, n]; returns how many."""
        return self.skip(self.peek(out))


class Skipper:
    """Leaves out samples of a ring with a crossfade from what comes before the hole to what comes after it.

    The crossfade goes on over as many reads as it takes.

    Args:
        channels: rows of the ring.
        length: samples of the crossfade.
    """

    def __init__(self, channels: int, length: int) -> None:
        self._rise = self._gain = rising(length)
        self._left_out = np.zeros((channels, length), dtype=np.float32)
        self._faded = length

    def read(self, ring: SampleRing, out: Samples, skip: int = 0) -> tuple[int, int]:
        """Read a block [channels, n] from behind `skip` samples.

        From behind fewer if the ring would run short, and from the next one on while a crossfade is running.

        Returns:
            how many samples were read, and how many left out.
        """
        skip = max(0, min(skip, ring.available - out.shape[1]))
        if self._faded < len(self._gain):
            skip = 0
        if skip:
            # A crossfade shorter than usual, where not even its length is left out, is rare enough to be made anew.
            length = ring.peek(self._left_out)
            self._gain = self._rise if length == len(self._rise) else rising(length)
            self._faded = 0
            ring.skip(skip)
        count = ring.read(out)
        fade = min(count, len(self._gain) - self._faded)
        if fade > 0:
            before = self._left_out[:, self._faded : self._faded + fade]
            # before + gain * (after - before), in place.
            head = out[:, :fade]
            head -= before
            head *= self._gain[self._faded : self._faded + fade]
            head += before
            self._faded += fade
        return count, skip
