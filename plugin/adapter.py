"""From a host's blocks, at its rate and with its channels, to the engine's frames and back."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from streamvc.errors import AudioError, ConfigError
from streamvc.latency import LatencyReport
from streamvc.plugin.fifo import SampleFifo, Samples
from streamvc.plugin.ramp import Ramp
from streamvc.plugin.resampling import RateConverter

MIN_SAMPLE_RATE: Final = 8_000
MAX_SAMPLE_RATE: Final = 192_000
MAX_CHANNELS: Final = 8
GAIN_RANGE_DB: Final = (-60.0, 24.0)

_RAMP_SECONDS = 0.01
_CHUNK = 8192


class FrameEngine(Protocol):
    """What the adapter needs of an engine: mono frames in, as many samples out, later by its look-ahead."""

    @property
    def latency(self) -> LatencyReport:
        """Framing (the length of a frame) and look-ahead, at the engine's sample rate."""

    def process(self, samples: Samples) -> Samples:
        """Convert float32 [n * frame] to [n * frame]."""

    def reset(self) -> None:
        """Forget the stream."""


def check_sample_rate(sample_rate: float) -> int:
    """Return a host's sample rate as a whole number of Hz.

    Raises:
        AudioError: it is no whole number from 8000 to 192000.
    """
    if not float(sample_rate).is_integer() or not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"A sample rate of {sample_rate:g} Hz is not supported: use a whole number from {MIN_SAMPLE_RATE} "
            f"to {MAX_SAMPLE_RATE}."
        )
    return int(sample_rate)


def _factor(name: str, gain_db: float) -> float:
    low, high = GAIN_RANGE_DB
    if not low <= gain_db <= high:  # also refuses NaN
        raise ConfigError(f"{name} must lie from {low:g} to {high:g} dB, not at {gain_db:g}.")
    return float(10.0 ** (gain_db / 20.0))


def _check_mix(mix: float) -> float:
    if not 0.0 <= mix <= 1.0:
        raise ConfigError(f"mix must lie from 0 (the source alone) to 1 (the voice alone), not at {mix:g}.")
    return float(mix)


def latency_at(model: LatencyReport, sample_rate: float) -> LatencyReport:
    """The parts of the delay at a host's sample rate, of which the model's own are given.

    Raises:
        AudioError: the rate is not supported.
    """
    rate = check_sample_rate(sample_rate)
    return _compose(model, rate, RateConverter(rate, model.sample_rate), RateConverter(model.sample_rate, rate))


def _compose(model: LatencyReport, rate: int, down: RateConverter, up: RateConverter) -> LatencyReport:
    # The rounding to millionths of a sample takes off the noise of floating point before it is rounded up.
    return replace(
        model.at(rate),
        resample_in=math.ceil(round(down.latency * rate, 6)),
        resample_out=math.ceil(round(up.latency * rate, 6)),
    )


class HostAdapter:
    """Runs an engine in a stream of any sample rate, channel count and block size.

    Every block gives as many samples as it had, later by `latency_samples`, and the output is the same bit for bit
    however the stream is cut into blocks. The channels are averaged for the engine; its voice goes to all of them.

    Args:
        engine: converts mono frames; this adapter resets it and from then on is its only caller.
        sample_rate: of the host in Hz, 8000 to 192000.
        channels: 1 to 8.
        mix: 0 is the source alone (delayed as the voice is), 1 the voice alone; linear between.
        input_gain_db: what the engine hears, -60 to 24 dB; the source that `mix` adds is not changed by it.
        output_gain_db: of the sum, -60 to 24 dB.

    Raises:
        AudioError: the rate or channel count is not supported.
        ConfigError: mix or a gain is out of range.
    """

    def __init__(
        self,
        engine: FrameEngine,
        sample_rate: float,
        channels: int = 1,
        *,
        mix: float = 1.0,
        input_gain_db: float = 0.0,
        output_gain_db: float = 0.0,
    ) -> None:
        self.sample_rate: Final = check_sample_rate(sample_rate)
        if not 1 <= channels <= MAX_CHANNELS:
            raise AudioError(f"{channels} channels are not supported: use 1 to {MAX_CHANNELS}.")
        self.channels: Final = channels
        self._engine = engine
        model, rate = engine.latency, self.sample_rate
        self._frame = model.framing
        self._down = RateConverter(rate, model.sample_rate)
        self._up = RateConverter(model.sample_rate, rate)
        self._latency = _compose(model, rate, self._down, self._up)
        # The look-ahead and the resamplers' offsets delay the signal already; the queue has to add the rest.
        shift = model.look_ahead * rate / model.sample_rate + (self._down.offset + self._up.offset) * rate
        self._input = SampleFifo(1)
        self._voice = SampleFifo(1, prefill=self._latency.samples - math.floor(shift + 0.5))
        self._source = SampleFifo(channels, prefill=self._latency.samples)
        length = round(_RAMP_SECONDS * rate)
        self._mix = Ramp(_check_mix(mix), length)
        self._gain_in = Ramp(_factor("input_gain_db", input_gain_db), length)
        self._gain_out = Ramp(_factor("output_gain_db", output_gain_db), length)
        self._position = 0
        engine.reset()

    @property
    def latency(self) -> LatencyReport:
        """The parts of the delay in samples of the host."""
        return self._latency

    @property
    def latency_samples(self) -> int:
        """Samples of the host from an impulse at the input to its place in the output."""
        return self._latency.samples

    @property
    def mix(self) -> float:
        """Share of the voice in the output, 0 to 1; a new value is reached 10 ms after the next block begins."""
        return self._mix.target

    @mix.setter
    def mix(self, mix: float) -> None:
        self._mix.move_to(_check_mix(mix))

    def set_gains(self, *, input_db: float | None = None, output_db: float | None = None) -> None:
        """Move the gains, in dB; a new value is reached 10 ms after the next block begins.

        Raises:
            ConfigError: a gain is out of its range of -60 to 24 dB.
        """
        if input_db is not None:
            self._gain_in.move_to(_factor("input_gain_db", input_db))
        if output_db is not None:
            self._gain_out.move_to(_factor("output_gain_db", output_db))

    def reset(self) -> None:
        """Begin a new stream: the next block gives what it would give in a new adapter with these settings."""
        self._engine.reset()
        self._down.reset()
        self._up.reset()
        self._input.clear()
        self._voice.clear()
        self._source.clear()
        for ramp in (self._mix, self._gain_in, self._gain_out):
            ramp.settle()
        self._position = 0

    def process(self, block: npt.NDArray[np.float32]) -> Samples:
        """Convert one block.

        Args:
            block: float32 [channels, n], any n from 0 up; full scale is 1.

        Returns:
            float32 [channels, n].

        Raises:
            AudioError: the block has another shape or type, or holds NaN or infinity. The stream stands where it
                stood before the call.
        """
        self._check(block)
        count = block.shape[1]
        if count <= _CHUNK:
            output = self._process_chunk(block)
        else:
            output = np.empty((self.channels, count), dtype=np.float32)
            for start in range(0, count, _CHUNK):
                output[:, start : start + _CHUNK] = self._process_chunk(block[:, start : start + _CHUNK])
        self._position += count
        return output

    def _check(self, block: npt.NDArray[np.float32]) -> None:
        if block.dtype != np.float32:
            raise AudioError(f"Audio must be float32 with full scale at 1, not {block.dtype}: convert it first.")
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise AudioError(f"Audio must have the shape [{self.channels}, samples], not {list(block.shape)}.")
        finite = np.isfinite(block)
        if not finite.all():
            first = int(np.argmin(finite.all(axis=0)))
            seconds = (self._position + first) / self.sample_rate
            raise AudioError(
                f"The audio holds NaN or infinite samples, the first of them at {seconds:.3f} s: repair or replace it."
            )

    def _process_chunk(self, block: Samples) -> Samples:
        count = block.shape[1]
        # Row by row, since numpy's own sum over the channels rounds differently for different block sizes.
        mono = block[:1].copy()
        for row in block[1:]:
            mono += row
        mono *= self._gain_in.take(count) / np.float32(self.channels)
        self._input.push(self._down.process(mono))
        while len(self._input) >= self._frame:
            # One frame at a time: how many come together depends on the host's blocks, and must not show.
            frame = self._engine.process(self._input.pop(self._frame)[0])
            self._voice.push(self._up.process(frame[np.newaxis]))
        voice = self._voice.pop(count)
        self._source.push(block)
        output = self._source.pop(count)
        mix = self._mix.take(count)
        output *= np.float32(1.0) - mix
        output += mix * voice
        output *= self._gain_out.take(count)
        return output
