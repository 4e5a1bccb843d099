"""Many voices at once: engines of one runtime, stepped together."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

import numpy as np

from streamvc.controls import Controls, Voice
from streamvc.engine import Engine, Step, Stepped
from streamvc.errors import AudioError, ConfigError
from streamvc.runtimes.base import Array, Runtime, RuntimeState, stack, stack_latents


class VoicePool:
    """Any number of streams on one runtime, each with its own voice, controls, start and end.

    A stream is an :class:`streamvc.engine.Engine`: its voice and controls change, it is reset, and snapshots of it are
    taken and restored, as if it were alone. Only the work is shared: what the streams need is computed in one step for
    all, which costs less than a step for each (docs/performance.md). A stream sounds as it does alone, up to rounding;
    nothing of one is heard in another.

    One thread at a time may call `process`; changes of a stream may come from others.

    Raises:
        ConfigError: the model cannot step several streams at once.
    """

    def __init__(self, runtime: Runtime) -> None:
        if not runtime.batched:
            raise ConfigError("This model steps one stream at a time; make an Engine for each of them.")
        self.runtime = runtime
        self._streams: dict[Engine, None] = {}
        self._rows: list[RuntimeState] = []
        self._stacked: RuntimeState = ()

    def __len__(self) -> int:
        """Streams that are open."""
        return len(self._streams)

    def open(self, voice: Voice, controls: Controls | None = None, crossfade_frames: int = 2) -> Engine:
        """Begin a stream.

        Raises:
            ConfigError: as for :class:`streamvc.engine.Engine`.
        """
        stream = Engine(self.runtime, voice, controls, crossfade_frames)
        self._streams[stream] = None
        return stream

    def close(self, stream: Engine) -> None:
        """End a stream.

        Raises:
            ConfigError: it is not one of this pool, or was closed before.
        """
        if stream not in self._streams:
            raise ConfigError("This stream is not open in this pool.")
        del self._streams[stream]

    def process(self, frames: Mapping[Engine, Array]) -> dict[Engine, Array]:
        """One frame `[frame]` at 16 kHz of each stream that has one -> as many samples for each, `look_ahead` late.

        Streams that are not named stand still. Samples that are not finite are taken as silence.

        Raises:
            ConfigError: a stream is not open in this pool; nothing was stepped then.
            AudioError: one of them is not one frame; nothing was stepped then.
        """
        for stream, samples in frames.items():
            if stream not in self._streams:
                raise ConfigError("This stream is not open in this pool.")
            if samples.shape != (stream.frame,):
                raise AudioError(f"A pool takes one frame of {stream.frame} samples, not an array of {samples.shape}.")
        conversations = {stream: stream.steps(samples) for stream, samples in frames.items()}
        asked = {stream: next(conversation) for stream, conversation in conversations.items()}
        answers = iter(self._step([step for steps in asked.values() for step in steps]))
        return {
            stream: _finish(conversations[stream], [next(answers) for _ in steps]) for stream, steps in asked.items()
        }

    def _step(self, steps: Sequence[Step]) -> list[Stepped]:
        if not steps:
            return []
        # As long as the same streams come in the same order, their states lie together as the last step left them.
        known = len(steps) == len(self._rows) and all(s.state is row for s, row in zip(steps, self._rows, strict=True))
        state = self._stacked if known else stack([step.state for step in steps])
        audio, self._stacked = self.runtime.step_batch(
            np.stack([step.samples for step in steps]), stack_latents([step.latent for step in steps]),
            np.stack([step.controls for step in steps]), state,
        )
        self._rows = [tuple(leaf[i : i + 1] for leaf in self._stacked) for i in range(len(steps))]
        return list(zip(audio, self._rows, strict=True))


def _finish(conversation: Generator[list[Step], list[Stepped], Array], answers: list[Stepped]) -> Array:
    """The audio of a stream whose frame needed these steps."""
    try:
        conversation.send(answers)
    except StopIteration as end:
        audio: Array = end.value
        return audio
    raise AssertionError("one frame takes one round of steps")
