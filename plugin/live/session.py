"""The live loop without a device: what two audio callbacks and one worker do with the samples.

Three threads take part. The input callback calls `feed`, the output callback calls `fetch`, and one worker calls
`work`. The callbacks copy to and from rings and do some integer arithmetic: they never wait, and take no memory for
samples. (JACK, with one callback for both, calls `feed` and then `fetch`.)

How the delay stays what it is: the fill (samples that were fed and have not been fetched, wherever they are) is
looked at after each fetch, when it is lowest. A block that the worker did not finish in time is replaced by silence
and still under way, so the fill, and with it the delay, is higher from then on. When even the lowest fill of a window
is above the nominal one, the surplus is left out with a crossfade: of finished sound as far as there is any, and else
of the input, which also saves computing it. Clocks of two devices that drift apart are evened out in the same way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

import numpy as np

from streamvc.errors import AudioError, ConfigError
from streamvc.plugin.fifo import Samples
from streamvc.plugin.live.holes import HoleFader
from streamvc.plugin.live.ring import SampleRing, Skipper
from streamvc.plugin.live.statistics import Statistics
from streamvc.plugin.processor import Processor

FADE_SECONDS: Final = 0.005
"""Of the crossfade at a cut, and of the fades around a hole."""

WINDOW_SECONDS: Final = 0.25
"""How long the fill must have been too high before it is cut back: long enough to tell a surplus from jitter."""

START_SECONDS: Final = 0.8
START_WINDOW_SECONDS: Final = 0.05
"""Devices and servers often hand over what they have kept from before the start, all at once. At first the windows are
therefore short, so that the delay is nominal before the first second ends."""

TOLERANCE_SECONDS: Final = 0.002
"""A surplus up to this is left alone."""

CAPACITY_SECONDS: Final = 4.0
"""Of each ring. What the worker could not take for so long is lost."""

_WARM_UP_SECONDS = 0.1


def nominal_safety(sample_rate: float, block: int) -> int:
    """The usual safety in samples: one block and 10 ms, since a frame's 20 ms are computed in one go.

    Args:
        sample_rate: Hz.
        block: samples of the device's blocks.
    """
    return block + round(0.01 * sample_rate)


class LiveSession:
    """One uninterrupted stream from an input to an output; see the module for who calls what.

    Args:
        processor: runs in the worker; reset at the start.
        sample_rate: Hz, of both ends.
        block: samples that the callbacks usually carry, and the most that the processor gets at once.
        channels: of the output; the mono input goes to all of them before the processor.
        safety: nominal fill after a fetch in samples, the time that the worker has at least; None takes
            `nominal_safety`.
        monitor_db: gain in dB of the dry input in what is heard, which does not wait for the processor; None: no dry
            input.
        before_block: called by the worker before every block; the place to change the processor's parameters.
        tap: called by the worker with every processed block [channels, n] before the dry input is added; it must not
            keep the array.
        clock: seconds, for the statistics only.

    Raises:
        ConfigError: a size is out of range.
    """

    def __init__(
        self,
        processor: Processor,
        sample_rate: int,
        *,
        block: int,
        channels: int = 2,
        safety: int | None = None,
        monitor_db: float | None = None,
        before_block: Callable[[], object] | None = None,
        tap: Callable[[Samples], None] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        capacity = round(CAPACITY_SECONDS * sample_rate)
        self.safety: Final = nominal_safety(sample_rate, block) if safety is None else safety
        if not 1 <= block <= capacity // 4:
            raise ConfigError(f"A block of {block} samples is not possible: use 1 to {capacity // 4}.")
        if not 0 <= self.safety <= capacity // 4:
            raise ConfigError(f"A safety of {self.safety} samples is not possible: use 0 to {capacity // 4}.")
        self.processor, self.sample_rate, self.block, self.channels = processor, sample_rate, block, channels
        self.monitor_db = monitor_db
        self._before_block, self._tap, self._clock = before_block, tap, clock
        self._input = SampleRing(1, capacity)
        self._output = SampleRing(channels, capacity)
        self._output.write(np.zeros((channels, self.safety), dtype=np.float32))
        self._wake = threading.Lock()
        self._wake.acquire()

        fade = max(1, round(FADE_SECONDS * sample_rate))
        self._input_skipper, self._output_skipper = Skipper(1, fade), Skipper(channels, fade)
        self._entry, self._holes = HoleFader(1, fade), HoleFader(channels, fade)
        self._mono = np.zeros((1, block), dtype=np.float32)
        self._wide = np.zeros((channels, block), dtype=np.float32)

        self._window = round(WINDOW_SECONDS * sample_rate)
        self._start, self._start_window = round(START_SECONDS * sample_rate), round(START_WINDOW_SECONDS * sample_rate)
        self._tolerance = round(TOLERANCE_SECONDS * sample_rate)
        self._lowest, self._looked = capacity, 0
        # Counts, each written by one thread. Input callback:
        self._fed, self._refused, self._overruns_in = 0, 0, 0
        # Output callback (`_to_cut` is what the worker has to have cut in all):
        self._fetching, self._fetched, self._missing, self._underruns = False, 0, 0, 0
        self._cuts_out, self._cut_out, self._to_cut = 0, 0, 0
        # Worker:
        self._processed, self._cuts_in, self._cut_in, self._discarded, self._overruns_out = 0, 0, 0, 0, 0
        self._busy, self._longest = 0.0, 0.0
        self._peaks = [0.0, 0.0]
        # The first blocks of a new rate or channel count cost more than the later ones.
        processor.reset()
        silence = np.zeros((channels, round(_WARM_UP_SECONDS * sample_rate)), dtype=np.float32)
        processor.process(silence, sample_rate, reset=False)
        processor.reset()

    def feed(self, block: Samples) -> None:
        """Input callback: hand over float32 [1, n]. What comes before the output has begun is not wanted."""
        if not self._fetching:
            return
        count = block.shape[1]
        accepted = self._input.write(block)
        if accepted < count:
            self._refused += count - accepted
            self._overruns_in += 1
        self._fed += count
        # A lock as a bell: only this thread releases it, and only when it is held, so this cannot fail nor wait.
        if self._wake.locked():
            self._wake.release()

    def fetch(self, out: Samples) -> None:
        """Output callback: fill float32 [channels, n]."""
        if self._fed == 0:
            self._fetching = True
            out.fill(0.0)
            return
        count = out.shape[1]
        if self._looked < (self._window if self._fetched >= self._start else self._start_window):
            got, _ = self._output_skipper.read(self._output, out)
        else:
            got = self._read_and_cut(out)
        self._holes.shape(out, got)
        if got < count:
            self._missing += count - got
            self._underruns += 1
        self._fetched += count
        self._lowest = min(self._lowest, self.fill)
        self._looked += count

    def work(self) -> bool:
        """Worker: process what was fed, one block at most; False if there was nothing.

        Raises:
            Exception: whatever the processor raises.
        """
        count = min(self._input.available, self.block)
        if count == 0:
            return False
        mono = self._mono[:, :count]
        count, cut = self._input_skipper.read(self._input, mono, self._to_cut - self._cut_in)
        if cut:
            self._cuts_in += 1
            self._cut_in += cut
        if not np.isfinite(mono).all():
            np.nan_to_num(mono, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        self._entry.shape(mono, count)
        wide = self._wide[:, :count]
        wide[:] = mono
        began = self._clock()
        if self._before_block is not None:
            self._before_block()
        voice = self.processor.process(wide, self.sample_rate, reset=False)
        took = self._clock() - began
        if voice.shape != wide.shape:
            raise AudioError(
                f"The processor gave {list(voice.shape)} samples for {list(wide.shape)}: "
                "use only processors that return as many as they get."
            )
        self._busy += took
        self._longest = max(self._longest, took)
        self._note_peaks(mono, voice)
        if self._tap is not None:
            self._tap(voice)
        if self.monitor_db is not None:
            voice = voice + np.float32(10.0 ** (self.monitor_db / 20.0)) * wide
        written = self._output.write(voice)
        if written < count:
            self._discarded += count - written
            self._overruns_out += 1
        self._processed += count
        return True

    def wait(self, seconds: float) -> None:
        """Worker: until something was fed, or `seconds` have passed."""
        self._wake.acquire(timeout=seconds)

    @property
    def fill(self) -> int:
        """Samples under way: fed, not fetched, and neither lost nor cut."""
        gone = self._refused + self._cut_in + self._discarded + self._cut_out
        return self.safety + self._fed - gone - (self._fetched - self._missing)

    def statistics(self) -> Statistics:
        """What was counted so far. Any thread may ask; the parts may be a block apart."""
        return Statistics(
            fed=self._fed,
            fetched=self._fetched,
            processed=self._processed,
            fill=self.fill,
            underruns=self._underruns,
            missing=self._missing,
            overruns=self._overruns_in + self._overruns_out,
            lost=self._refused + self._discarded,
            cuts=self._cuts_in + self._cuts_out,
            cut=self._cut_in + self._cut_out,
            busy_seconds=self._busy,
            longest_seconds=self._longest,
        )

    def take_peaks(self) -> tuple[float, float]:
        """Largest magnitudes of input and output since the last call; full scale is 1. For one caller."""
        peaks, self._peaks = self._peaks, [0.0, 0.0]
        return peaks[0], peaks[1]

    def _note_peaks(self, mono: Samples, voice: Samples) -> None:
        peaks = self._peaks
        peaks[0] = max(peaks[0], float(np.max(np.abs(mono))))
        peaks[1] = max(peaks[1], float(np.max(np.abs(voice))))

    def _read_and_cut(self, out: Samples) -> int:
        """Read at the end of a window, leaving out what the lowest fill had too much."""
        # The worker may have cut since the last fetch.
        lowest = min(self._lowest, self.fill - min(out.shape[1], self._output.available))
        surplus = lowest - self.safety
        if surplus <= self._tolerance:
            surplus = 0
        got, cut = self._output_skipper.read(self._output, out, surplus)
        if cut:
            self._cuts_out += 1
            self._cut_out += cut
        # The rest has not been processed yet. An older wish that is still open is no longer true.
        self._to_cut = self._cut_in + surplus - cut
        self._lowest, self._looked = self.safety + self._fed, 0
        return got
