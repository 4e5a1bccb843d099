"""A queue of samples that does not allocate once it has grown to its working size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]


class SampleFifo:
    """First in, first out, for blocks of float32 samples [channels, n] of any n.

    Args:
        channels: rows of every block.
        prefill: samples of silence that stand in the queue from the start and after `clear`.
    """

    def __init__(self, channels: int, prefill: int = 0) -> None:
        self._prefill = prefill
        self._buffer = np.zeros((channels, max(1024, 2 * prefill)), dtype=np.float32)
        self._start = 0
        self._stop = prefill

    def __len__(self) -> int:
        return self._stop - self._start

    def clear(self) -> None:
        """Empty the queue down to its prefilled silence."""
        self._start = 0
        self._stop = self._prefill
        self._buffer[:, : self._prefill] = 0.0

    def push(self, block: Samples) -> None:
        """Append a block [channels, n]."""
        count = block.shape[1]
        if self._stop + count > self._buffer.shape[1]:
            self._make_room(count)
        self._buffer[:, self._stop : self._stop + count] = block
        self._stop += count

    def pop(self, count: int) -> Samples:
        """Remove the oldest `count` samples and return them as a copy [channels, count].

        Raises:
            IndexError: the queue holds fewer.
        """
        if count > len(self):
            raise IndexError(f"{count} samples were asked of a queue that holds {len(self)}")
        block = self._buffer[:, self._start : self._start + count].copy()
        self._start += count
        return block

    def _make_room(self, count: int) -> None:
        held = self._buffer[:, self._start : self._stop]
        capacity = self._buffer.shape[1]
        # Twice what is needed, so that the samples are moved once per many blocks.
        if 2 * (len(self) + count) > capacity:
            grown = np.zeros((self._buffer.shape[0], 2 * (len(self) + count)), dtype=np.float32)
            grown[:, : len(self)] = held
            self._buffer = grown
        else:
            self._buffer[:, : len(self)] = held.copy()
        self._stop -= self._start
        self._start = 0
