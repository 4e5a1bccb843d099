"""A factor that moves to its new value over some milliseconds, so that a change makes no click."""

from __future__ import annotations

import numpy as np

from streamvc.plugin.fifo import Samples


class Ramp:
    """A number per sample that goes in a straight line to each new target.

    The values depend on the sample position only, never on how the samples are cut into blocks.

    Args:
        value: where it starts, at rest.
        length: samples that a change takes.
    """

    def __init__(self, value: float, length: int) -> None:
        self._length = max(1, length)
        self._start = self._target = value
        self._position = self._length

    @property
    def target(self) -> float:
        """The value that it moves to, or rests at."""
        return self._target

    def move_to(self, target: float, length: int | None = None) -> None:
        """Leave for a new value with the next sample, from wherever it stands.

        Args:
            target: the new value; one that it moves to already changes nothing.
            length: samples that this change takes; None as ever.
        """
        if target == self._target:
            return
        self._start = self._start + (self._target - self._start) * self._position / self._length
        self._target = target
        self._position = 0
        if length is not None:
            self._length = max(1, length)

    def settle(self, target: float | None = None) -> None:
        """Jump to a new target, or to the one that it has."""
        self._target = self._target if target is None else target
        self._start = self._target
        self._position = self._length

    def take(self, count: int) -> np.float32 | Samples:
        """The factors of the next `count` samples: one number while at rest, otherwise an array [count]."""
        if self._position == self._length:
            return np.float32(self._target)
        steps = np.minimum(np.arange(self._position + 1, self._position + count + 1), self._length)
        values = self._start + (self._target - self._start) * steps / self._length
        self._position = int(steps[-1]) if count else self._position
        if self._position == self._length:
            # A straight line ends at its target only up to rounding.
            values[steps == self._length] = self._target
            self._start = self._target
        return values.astype(np.float32)
