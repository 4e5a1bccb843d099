"""From a host's blocks, at its rate and with its channels, to the engine's frames and back."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from streamvc.errors import AudioError
from streamvc.latency import LatencyReport
from streamvc.plugin.fifo import SampleFifo, Samples
from streamvc.plugin.gate import LevelGate
from streamvc.plugin.high_pass import HighPass
from streamvc.plugin.levels import Levels, factor
from streamvc.plugin.output_stage import OutputStage
from streamvc.plugin.ramp import Ramp
from streamvc.plugin.resampling import RateConverter

MIN_SAMPLE_RATE: Final = 8_000
MAX_SAMPLE_RATE: Final = 192_000
MAX_CHANNELS: Final = 8

LOUDEST: Final = 1_000.0
"""Samples beyond it (60 dB above full scale) are taken for it, so that no gain makes them infinite."""

_RAMP_SECONDS = 0.01
_CHUNK = 8192


class FrameEngine(Protocol):
    """What the adapter needs of an engine: mono frames in, as many samples out, later by its look-ahead.

    An engine that is not to hear what lies below a frequency has the attribute `lowest_hz`, in Hz.
    """

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
    if isinstance(sample_rate, bool) or not isinstance(sample_rate, (int, float, np.integer, np.floating)):
        raise AudioError(f"A sample rate is a number of Hz, not {sample_rate!r}.")
    if not float(sample_rate).is_integer() or not MIN_SAMPLE_RATE <= sample_rate <= MAX_SAMPLE_RATE:
        raise AudioError(
            f"A sample rate of {sample_rate:g} Hz is not supported: use a whole number from {MIN_SAMPLE_RATE} "
            f"to {MAX_SAMPLE_RATE}."
        )
    return int(sample_rate)


def check_finite(block: Samples, sample_rate: float, position: int = 0) -> float:
    """Refuse samples [channels, n] that are no numbers; returns the largest magnitude.

    Args:
        block: of a stream of which `position` samples at `sample_rate` Hz came before.

    Raises:
        AudioError: a sample is NaN or infinite; the message says at which time.
    """
    peak = max(abs(float(block.max())), abs(float(block.min()))) if block.size else 0.0
    if not math.isfinite(peak):
        seconds = (position + int(np.argmin(np.isfinite(block).all(axis=0)))) / sample_rate
        raise AudioError(
            f"The audio holds NaN or infinite samples, the first of them at {seconds:.3f} s: repair or replace it."
        )
    return peak


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
    however the stream is cut into blocks. The channels are averaged for the engine; its voice goes to all of them. What
    lies below `engine.lowest_hz` (direct current, rumble, hum) is taken away before gate and engine.

    Levels may change while the stream runs, at frame edges: see `samples_until_change`. Gains and mix then move in a
    straight line over 10 ms, bypass over `Levels.fade_ms`.

    Args:
        engine: converts mono frames; this adapter resets it and from then on is its only caller.
        sample_rate: of the host in Hz, 8000 to 192000.
        channels: 1 to 8.
        levels: called before every frame for the levels that hold from then on, and at the start of a stream. What it
            does to the engine counts from the same frame.

    Raises:
        AudioError: the rate or channel count is not supported.
    """

    def __init__(
        self,
        engine: FrameEngine,
        sample_rate: float,
        channels: int = 1,
        levels: Callable[[], Levels] = Levels,
    ) -> None:
        self.sample_rate: Final = check_sample_rate(sample_rate)
        if not 1 <= channels <= MAX_CHANNELS:
            raise AudioError(f"{channels} channels are not supported: use 1 to {MAX_CHANNELS}.")
        self.channels: Final = channels
        self._engine = engine
        self._next_levels = levels
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
        lowest: float | None = getattr(engine, "lowest_hz", None)
        self._high_pass = None if lowest is None else HighPass(lowest, model.sample_rate, self._frame)
        self._gate = LevelGate(model.sample_rate, self._frame)
        self._gain_in = Ramp(1.0, round(_RAMP_SECONDS * model.sample_rate))
        self._output = OutputStage(rate)
        self.reset()

    @property
    def latency(self) -> LatencyReport:
        """The parts of the delay in samples of the host."""
        return self._latency

    @property
    def latency_samples(self) -> int:
        """Samples of the host from an impulse at the input to its place in the output."""
        return self._latency.samples

    @property
    def samples_until_change(self) -> int:
        """Output samples from now to the first that a change made now can reach, counted in samples of the host.

        Changes hold from the next frame edge. The frame that begins there comes out so many samples after those that
        `process` has given. What it says belongs to input that is as old as the look-ahead.
        """
        return self._place(self._frames) - self._position

    def reset(self) -> None:
        """Begin a new stream: the next block gives what it would give in a new adapter."""
        self._down.reset()
        self._up.reset()
        self._input.clear()
        self._voice.clear()
        self._source.clear()
        self._position = 0
        self._frames = 0
        self._changes: deque[tuple[int, Levels]] = deque()
        self._levels = self._next_levels()
        self._engine.reset()
        if self._high_pass is not None:
            self._high_pass.reset()
        self._gate.reset(self._levels.gate_db)
        self._gain_in.settle(factor(self._levels.input_gain_db))
        self._output.settle(self._levels)

    def process(self, block: npt.NDArray[np.float32]) -> Samples:
        """Convert one block.

        Args:
            block: float32 [channels, n], any n from 0 up; full scale is 1. What is beyond `LOUDEST` is taken for it.

        Returns:
            float32 [channels, n], finite.

        Raises:
            AudioError: the block has another shape or type, or holds NaN or infinity. The stream stands where it
                stood before the call.
        """
        if self._check(block) > LOUDEST:
            block = np.clip(block, -LOUDEST, LOUDEST)
        if self._position == 0 and block.shape[1]:
            # What was changed before the first sample holds from its start.
            self.reset()
        count = block.shape[1]
        if count <= _CHUNK:
            return self._process_chunk(block)
        output = np.empty((self.channels, count), dtype=np.float32)
        for start in range(0, count, _CHUNK):
            output[:, start : start + _CHUNK] = self._process_chunk(block[:, start : start + _CHUNK])
        return output

    def _check(self, block: npt.NDArray[np.float32]) -> float:
        if block.dtype != np.float32:
            raise AudioError(f"Audio must be float32 with full scale at 1, not {block.dtype}: convert it first.")
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise AudioError(f"Audio must have the shape [{self.channels}, samples], not {list(block.shape)}.")
        return check_finite(block, self.sample_rate, self._position)

    def _process_chunk(self, block: Samples) -> Samples:
        # Row by row, since numpy's own sum over the channels rounds differently for different block sizes.
        mono = block[:1]
        if self.channels > 1:
            mono = mono.copy()
            for row in block[1:]:
                mono += row
            mono *= np.float32(1.0 / self.channels)
        self._input.push(self._down.process(mono))
        while len(self._input) >= self._frame:
            # One frame at a time: how many come together depends on the host's blocks, and must not show.
            frame = self._process_frame(self._input.pop(self._frame)[0])
            self._voice.push(self._up.process(frame[np.newaxis]))
        self._source.push(block)
        start, stop = self._position, self._position + block.shape[1]
        parts = []
        while self._changes and self._changes[0][0] < stop:
            place, levels = self._changes.popleft()
            parts.append(self._take(max(0, place - start)))
            start = max(start, place)
            self._output.move_to(levels)
        parts.append(self._take(stop - start))
        self._position = stop
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=1)

    def _process_frame(self, frame: Samples) -> Samples:
        levels = self._next_levels()
        if levels != self._levels:
            self._levels = levels
            self._gain_in.move_to(factor(levels.input_gain_db))
            self._changes.append((self._place(self._frames), levels))
        self._frames += 1
        if self._high_pass is not None:
            frame = self._high_pass.process(frame)
        heard = self._gate.process(frame, levels.gate_db) * self._gain_in.take(self._frame)
        return self._engine.process(heard)

    def _take(self, count: int) -> Samples:
        return self._output.process(self._source.pop(count), self._voice.pop(count))

    def _place(self, frame: int) -> int:
        """The output sample, counted from the start of the stream, at which what the engine says to a frame begins."""
        model = self._engine.latency
        spoken = (frame * self._frame - model.look_ahead) * self.sample_rate
        return self._latency.samples + (2 * spoken + model.sample_rate) // (2 * model.sample_rate)
