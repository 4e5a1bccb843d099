"""What a stream runs through: natives together, natives that hold samples back one by one, and processors.

A stage takes [channels, n] and returns as many samples, later by its `latency`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Protocol

import numpy as np
from pedalboard import Plugin

from streamvc.errors import AudioError
from streamvc.plugin.chain_natives import board_of, name_of, required_block, run, stream_delay
from streamvc.plugin.fifo import SampleFifo, Samples
from streamvc.plugin.processor import Processor

Leaf = Plugin | Processor
"""An element of a chain that contains no other element of it."""


class Stage(Protocol):
    """A part of a stream."""

    @property
    def latency(self) -> int:
        """Samples from the input to the output."""

    def process(self, block: Samples) -> Samples:
        """Turn [channels, n] into [channels, n]."""


class StreamFormat:
    """What all blocks of a stream have in common.

    Args:
        sample_rate: Hz.
        channels: rows of every block.
        piece: the longest piece that a plugin is given at once. Plugins forget their state when a block is larger than
            all before, so this stays what it was for the first block.
    """

    def __init__(self, sample_rate: int, channels: int, piece: int) -> None:
        self.sample_rate = sample_rate
        self.channels = channels
        self.piece = piece


class NativeRun:
    """Plugins that return every block whole, one after the other in one `Pedalboard`."""

    latency = 0

    def __init__(self, plugins: Iterable[Plugin], form: StreamFormat) -> None:
        self._board = board_of(plugins, form.channels)
        self._form = form

    def process(self, block: Samples) -> Samples:
        """See `Stage`."""
        output = run(self._board, block, self._form.sample_rate, self._form.piece, reset=False)
        if output.shape != block.shape:
            names = ", ".join(name_of(plugin) for plugin in self._board)
            raise AudioError(
                f"{names} returned {output.shape[1]} of {block.shape[1]} samples and cannot be kept in time: take out "
                "the plugin that holds samples back."
            )
        return output


class DelayedNative:
    """A plugin that holds samples back, with a queue that always has enough of them.

    Args:
        plugin: begins anew.
        form: of the stream.
    """

    def __init__(self, plugin: Plugin, form: StreamFormat) -> None:
        plugin.reset()
        self.latency = stream_delay(plugin, form.sample_rate)
        self._board = board_of([plugin], form.channels)
        self._block = required_block(plugin)
        self._piece = form.piece if self._block == 1 else self._block
        self._sample_rate = form.sample_rate
        self._input = SampleFifo(form.channels)
        self._output = SampleFifo(form.channels, prefill=self.latency)

    def process(self, block: Samples) -> Samples:
        """See `Stage`."""
        count = block.shape[1]
        self._input.push(block)
        ready = len(self._input) // self._block * self._block
        if ready:
            self._output.push(run(self._board, self._input.pop(ready), self._sample_rate, self._piece, reset=False))
        missing = count - len(self._output)
        if missing <= 0:
            return self._output.pop(count)
        # Only after a setting was changed that makes the plugin slower: silence keeps the stream going.
        silence = np.zeros((block.shape[0], missing), dtype=np.float32)
        return np.concatenate([silence, self._output.pop(count - missing)], axis=1)


class ProcessorStage:
    """A processor of our own kind; it begins anew."""

    def __init__(self, processor: Processor, form: StreamFormat) -> None:
        processor.reset()
        self.latency = int(processor.latency_samples(form.sample_rate))
        self._processor = processor
        self._form = form

    def process(self, block: Samples) -> Samples:
        """See `Stage`."""
        return checked(self._processor, block, self._form.sample_rate, self._form.piece, reset=False)


def checked(processor: Processor, block: Samples, sample_rate: int, buffer_size: int, reset: bool) -> Samples:
    """Run a processor and hold it to its promise.

    Raises:
        AudioError: what it returns has another shape.
    """
    output = np.asarray(processor.process(block, sample_rate, buffer_size, reset), dtype=np.float32)
    if output.shape != block.shape:
        raise AudioError(
            f"{name_of(processor)} returned an array of the shape {list(output.shape)} for one of {list(block.shape)}: "
            "a processor must return as many samples as it is given."
        )
    return output


def settle(plugin: Plugin, form: StreamFormat) -> None:
    """Let a plugin see the largest block that is to come, and then forget it."""
    silence = np.zeros((form.channels, form.piece), dtype=np.float32)
    board = board_of([plugin], form.channels)
    run(board, silence, form.sample_rate, form.piece, reset=True)
    # Not the plugin's own reset, which makes it forget the largest block too.
    board.reset()


def make_stage(leaf: Leaf, form: StreamFormat) -> Stage | None:
    """The stage of one leaf, or None for a plugin that goes into a `NativeRun`."""
    if not isinstance(leaf, Plugin):
        return ProcessorStage(leaf, form)
    if stream_delay(leaf, form.sample_rate):
        return DelayedNative(leaf, form)
    return None


def arrange(leaves: Sequence[Leaf], own: dict[int, Stage], form: StreamFormat) -> list[Stage]:
    """The stages that leaves run in, in their order.

    Args:
        leaves: in order.
        own: by the id of a leaf the stage that it has for itself.
        form: of the stream.
    """
    stages: list[Stage] = []
    for stage, group in groupby(leaves, key=lambda leaf: own.get(id(leaf))):
        if stage is not None:
            stages.append(stage)
        else:
            stages.append(NativeRun([leaf for leaf in group if isinstance(leaf, Plugin)], form))
    return stages
