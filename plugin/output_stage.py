"""Where source and voice, which arrive side by side, become the output."""

from __future__ import annotations

import numpy as np

from streamvc.plugin.fifo import Samples
from streamvc.plugin.levels import Levels, factor
from streamvc.plugin.ramp import Ramp

_RAMP_SECONDS = 0.01


class OutputStage:
    """Mixes the voice with the source, sets the output's gain, and can pass the source by.

    Args:
        sample_rate: of the host in Hz.
    """

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        length = round(_RAMP_SECONDS * sample_rate)
        self._mix = Ramp(1.0, length)
        self._gain = Ramp(1.0, length)
        self._bypass = Ramp(0.0, length)

    def settle(self, levels: Levels) -> None:
        """Begin with these levels."""
        self._mix.settle(levels.mix)
        self._gain.settle(factor(levels.output_gain_db))
        self._bypass.settle(float(levels.bypass))

    def move_to(self, levels: Levels) -> None:
        """Leave for these levels with the next sample: mix and gain in 10 ms, bypass in `levels.fade_ms`."""
        self._mix.move_to(levels.mix)
        self._gain.move_to(factor(levels.output_gain_db))
        self._bypass.move_to(float(levels.bypass), round(levels.fade_ms * self._rate / 1000))

    def process(self, source: Samples, voice: Samples) -> Samples:
        """One block of the output.

        Args:
            source: [channels, n], which is overwritten.
            voice: [1, n].

        Returns:
            [channels, n]. At a mix of 0 and a gain of 0 dB, and in bypass, it is `source` bit for bit.
        """
        count = source.shape[1]
        mix, gain, bypass = self._mix.take(count), self._gain.take(count), self._bypass.take(count)
        one = np.float32(1.0)
        # At rest, which is nearly always, most of the sum is known to be nothing.
        moving = isinstance(bypass, np.ndarray)
        if not moving and bypass == one:
            return source
        passed = source * bypass if moving else None
        if isinstance(mix, np.ndarray) or mix != one:
            source *= one - mix
            source += mix * voice
        else:
            source[:] = voice
        source *= gain
        if passed is not None:
            source *= one - bypass
            source += passed
        return source
