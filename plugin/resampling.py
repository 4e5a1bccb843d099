"""Streaming sample rate conversion between a host and the model, with its delay spelt out.

pedalboard's `StreamResampler` at its default quality, WindowedSinc32, gives the same bits for every blocking of its
input. (Measured at 44.1 and 48 kHz: flat to 7 kHz, -0.2 dB at 7.5 kHz, aliases 49 dB down or more. The quality named
WindowedSinc does not filter at all against aliases.) Its anti-alias filter is as long at any ratio, so from 96 kHz
straight to 16 kHz leaves only 33 dB and from 192 kHz 16 dB; with a step at 48 kHz between, both keep 49 dB.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from pedalboard import Resample
from pedalboard.io import StreamResampler

from streamvc.plugin.fifo import Samples

_STEP_RATE = 48_000
_QUALITY = Resample.Quality.WindowedSinc32


class RateConverter:
    """Mono conversion from one sample rate to another.

    Args:
        source_rate: Hz.
        target_rate: Hz; with the same as the source, samples pass untouched.

    Attributes:
        latency: seconds from a sample coming in to the instant it stands for going out, when output is taken as soon
            as it is there; the bound over all blockings.
        offset: the part of `latency`, in seconds, that is a shift of the signal itself: sample k of the output stands
            for the instant k / target_rate - offset. (The library removes its filter's delay in whole output
            samples, so a fraction of one stays, of either sign.) The rest of `latency` is output held back.
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        rates = [source_rate, target_rate]
        if source_rate > _STEP_RATE > target_rate:
            rates.insert(1, _STEP_RATE)
        self._stages: list[StreamResampler] = []
        self.latency = 0.0
        self.offset = 0.0
        for source, target in pairwise(rates):
            if source == target:
                continue
            stage = StreamResampler(float(source), float(target), 1, _QUALITY)
            delay = float(stage.input_latency) / source
            self.latency += delay
            self.offset += delay - math.floor(delay * target + 0.5) / target
            self._stages.append(stage)

    def process(self, block: Samples) -> Samples:
        """Convert a block [1, n]; returns [1, m] with as many samples as are ready."""
        for stage in self._stages:
            block = np.asarray(stage.process(block), dtype=np.float32)
        return block

    def reset(self) -> None:
        """Forget all samples: what follows is as if the object were new."""
        for stage in self._stages:
            stage.reset()
