"""A gate that looks at the level and at nothing else."""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from streamvc.plugin.fifo import Samples
from streamvc.plugin.levels import factor

STEP_SECONDS: Final = 0.005
"""The level is the RMS of so much; opening takes as long."""

HYSTERESIS_DB: Final = 6.0
"""How far below its threshold the level has to fall before the gate closes."""

HOLD_STEPS: Final = 20
"""Steps of low level before it begins to close: 100 ms, which is longer than most gaps inside words."""

RELEASE_STEPS: Final = 20
"""Steps that closing takes: 100 ms."""


class LevelGate:
    """Lets through what is loud enough, frame by frame.

    Every 5 ms the RMS level is compared with the threshold (a sine of full scale is at -3 dBFS). At the threshold the
    gate opens, within these 5 ms. When the level has stayed more than 6 dB below the threshold for 100 ms, it closes
    over 100 ms; closed, it gives exact zeros. The gain moves in straight lines, so that nothing clicks.

    Args:
        sample_rate: Hz.
        frame: samples of every frame, a multiple of 5 ms.
    """

    def __init__(self, sample_rate: int, frame: int) -> None:
        self._step = round(STEP_SECONDS * sample_rate)
        if frame % self._step:
            raise ValueError(f"a frame of {frame} samples is no multiple of {self._step}")
        self._rise = np.arange(1, self._step + 1, dtype=np.float32) / np.float32(self._step)
        self.reset(None)

    def reset(self, threshold_db: float | None) -> None:
        """Start anew: open where there is no threshold, otherwise closed."""
        self._gain = RELEASE_STEPS if threshold_db is None else 0  # of RELEASE_STEPS
        self._open = threshold_db is None
        self._low = 0

    def process(self, frame: Samples, threshold_db: float | None) -> Samples:
        """Gate one frame `[frame]`; a threshold of None opens.

        Args:
            frame: left as it is.
            threshold_db: dBFS; it may be another one in every frame.
        """
        if threshold_db is None and self._open and self._gain == RELEASE_STEPS:
            return frame
        steps = frame.reshape(-1, self._step)
        gains = np.empty_like(steps)
        for step, gain in zip(steps, gains, strict=True):
            self._judge(step, threshold_db)
            before = self._gain
            self._gain = RELEASE_STEPS if self._open else max(0, before - 1)
            gain[:] = (before + (self._gain - before) * self._rise) / np.float32(RELEASE_STEPS)
        return np.asarray((steps * gains).reshape(-1), np.float32)

    def _judge(self, step: Samples, threshold_db: float | None) -> None:
        level = math.sqrt(float(np.mean(np.square(step, dtype=np.float64))))
        if threshold_db is None or level >= factor(threshold_db):
            self._open, self._low = True, 0
        elif level < factor(threshold_db - HYSTERESIS_DB):
            self._low += 1
            self._open = self._open and self._low < HOLD_STEPS
        else:
            self._low = 0
