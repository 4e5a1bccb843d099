"""Plugins of pedalboard and processors of ours in one list."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

import numpy as np
import numpy.typing as npt
from pedalboard import Plugin

from streamvc.errors import AudioError, ConfigError
from streamvc.plugin.adapter import MAX_CHANNELS, check_finite, check_sample_rate
from streamvc.plugin.chain_elements import Element, ElementList
from streamvc.plugin.chain_natives import board_of, name_of, run, stream_delay
from streamvc.plugin.chain_stages import Leaf, StreamFormat, checked
from streamvc.plugin.chain_stream import ChainStream
from streamvc.plugin.fifo import Samples
from streamvc.plugin.layout import Layout, as_given, as_planar


class EffectChain(ElementList):
    """A list of effects that processes audio, as `pedalboard.Pedalboard` is, and also takes processors in Python.

    A chain of pedalboard's plugins alone gives what a `Pedalboard` gives, bit for bit. In a stream it does more in two
    cases: plugins that return fewer samples than they are given stay in time (they count in `latency_samples`), and
    blocks may grow without a click. (A stream works in pieces as long as its first block: begin with a large one.)

    Chains in a chain, and boards in it, behave as if their elements stood in their place. A `Mix` stays one element.

    The chain may be edited while a stream runs, from another thread too; every single edit is a step of its own, so
    use `chain[:] = [...]` where several belong together. The next block begins to follow: what stays keeps its state
    and its sound, what is new begins from silence and is crossfaded in over 10 ms as soon as sound has come through it,
    what has gone is faded out meanwhile. An element that changes its place is faded out and in again. Where the edit
    changes the latency, sound is repeated or left out for as long. No edit makes a step in the signal that was not in
    it.

    Args:
        elements: in the order in which sound passes through them.

    Raises:
        ConfigError: an element is none, or one that cannot stream (`PitchShift`, `GSMFullRateCompressor`); an editing
            method that raises this has changed nothing.
    """

    def __init__(self, elements: Iterable[Element] = ()) -> None:
        super().__init__(elements)
        self._stream: ChainStream | None = None
        self._layout: Layout | None = None

    def process(
        self, input_array: npt.ArrayLike, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Samples:
        """Process audio; as many samples come back as were given.

        With `reset` the array is a recording of its own: the result is aligned with it, the latency taken out. Without,
        it is the next block of a stream: the result lies `latency_samples(sample_rate)` later, and a change of sample
        rate or channel count begins a new stream.

        After a recording, a chain with processors in it is reset; one of pedalboard's plugins alone goes on with what
        still sounds in them, as a `Pedalboard` does.

        Args:
            input_array: float32 or float64, full scale 1: [samples], [channels, samples] with up to 8 channels, or
                [samples, channels] with more than 8 samples. Plugins may support fewer channels.
            sample_rate: Hz, 8000 to 192000.
            buffer_size: the most samples that plugins of pedalboard are given at once, at least 1.
            reset: see above.

        Returns:
            float32, of the shape of the input.

        Raises:
            AudioError: the rate, shape or type is not supported, or the audio holds NaN or infinity, and a stream
                stands where it stood; or an element refuses the audio, and the chain is reset.
            ConfigError: buffer_size is too small, or an element stands twice in the chain.
        """
        rate = check_sample_rate(sample_rate)
        if buffer_size < 1:
            raise ConfigError(f"buffer_size must be at least 1 sample, not {buffer_size}.")
        array = np.asarray(input_array)
        audio, layout = as_planar(array, None if reset or self._stream is None else self._layout)
        if not 1 <= audio.shape[0] <= MAX_CHANNELS:
            raise AudioError(f"{audio.shape[0]} channels are not supported: use 1 to {MAX_CHANNELS}.")
        check_finite(audio, rate, 0 if reset or self._stream is None else self._stream.position)
        leaves = self._leaves()
        if audio.shape[1] == 0:
            return as_given(audio.copy(), layout, array.shape)
        try:
            if reset:
                output = self._recording(audio, rate, buffer_size)
            else:
                output = self._open(rate, audio.shape, leaves, buffer_size).process(audio, leaves)
        except Exception:
            # Some elements have heard the block and some have not: only a new stream has them together again.
            self.reset()
            raise
        self._layout = layout
        if np.may_share_memory(output, array):
            output = output.copy()
        return as_given(output, layout, array.shape)

    __call__ = process

    def reset(self) -> None:
        """Begin a new stream: all elements forget what they heard."""
        self._stream = None
        for leaf in self._leaves(check=False):
            leaf.reset()

    def latency_samples(self, sample_rate: float) -> int:
        """Samples at `sample_rate` Hz from an input sample to its place in the output of a stream.

        Effects that are delays by intention, such as `Delay`, count nothing.

        Raises:
            AudioError: the rate is not supported, by the chain or by an element.
            ConfigError: an element stands twice in the chain.
        """
        rate = check_sample_rate(sample_rate)
        return sum(self._latency_of(leaf, rate) for leaf in self._leaves())

    def _latency_of(self, leaf: Leaf, rate: int) -> int:
        if not isinstance(leaf, Plugin):
            return int(leaf.latency_samples(rate))
        stream = self._stream
        known = stream.latency_of(leaf) if stream is not None and stream.form.sample_rate == rate else None
        return stream_delay(leaf, rate) if known is None else known

    def _open(self, rate: int, shape: tuple[int, ...], leaves: Sequence[Leaf], buffer_size: int) -> ChainStream:
        """The stream that runs, or a new one where there is none of this form."""
        channels, count = shape
        stream = self._stream
        if stream is not None and (stream.form.sample_rate, stream.form.channels) == (rate, channels):
            return stream
        if stream is not None:
            self.reset()
        self._stream = ChainStream(leaves, StreamFormat(rate, channels, min(count, buffer_size)))
        return self._stream

    def _recording(self, audio: Samples, rate: int, buffer_size: int) -> Samples:
        """Process [channels, n] as a recording, one run of natives or one processor after the other."""
        self._stream = None
        elements = self._flat(self._elements, boards=False)
        for native, group in groupby(elements, key=lambda element: isinstance(element, Plugin)):
            if native:
                board = board_of([element for element in group if isinstance(element, Plugin)], audio.shape[0])
                before, audio = audio, run(board, audio, rate, buffer_size, reset=True)
                if audio.shape != before.shape:
                    names = ", ".join(name_of(plugin) for plugin in board)
                    raise AudioError(f"{names} returned {audio.shape[1]} of {before.shape[1]} samples: take it out.")
            else:
                for element in group:
                    if not isinstance(element, Plugin):
                        audio = checked(element, audio, rate, buffer_size, reset=True)
        if not all(isinstance(element, Plugin) for element in elements):
            self.reset()
        return audio
