"""What a processor written in Python has to offer to stand in an `EffectChain`."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt


class Processor(Protocol):
    """Anything that turns audio into as much audio, as a recording or block by block.

    `streamvc.plugin.VoiceConverter` is one. A class of your own needs these three methods and no base class.
    """

    def process(
        self, input_array: npt.NDArray[np.float32], sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> npt.NDArray[np.float32]:
        """Process audio.

        Args:
            input_array: [channels, samples], full scale 1; not to be changed in place.
            sample_rate: Hz.
            buffer_size: the largest number of samples to work on at once; may be ignored.
            reset: true for a recording of its own, whose result is aligned with it; false for the next block of a
                stream, whose result lies `latency_samples(sample_rate)` later.

        Returns:
            float32 of the same shape.
        """

    def reset(self) -> None:
        """Begin a new stream."""

    def latency_samples(self, sample_rate: float) -> int:
        """Samples at `sample_rate` Hz from an input sample to its place in the output of a stream."""
