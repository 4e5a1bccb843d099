"""A converter that a MIDI file plays, in the time of the audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streamvc.plugin.fifo import Samples
from streamvc.plugin.levels import Levels
from streamvc.plugin.midi.file import TimedMessage
from streamvc.plugin.midi.mapping import MidiMap
from streamvc.plugin.midi.switcher import PresetSwitcher

if TYPE_CHECKING:
    from streamvc.latency import LatencyReport
    from streamvc.plugin.voice_converter import VoiceConverter


@dataclass(frozen=True)
class Score:
    """What to play on a converter.

    Attributes:
        midi_map: what the messages mean.
        messages: in the order of their times.
    """

    midi_map: MidiMap
    messages: Sequence[TimedMessage]

    def perform(self, converter: VoiceConverter) -> Performance:
        """Make an engine for one recording of a converter, which nobody else uses meanwhile.

        Raises:
            PresetError: the map names a preset of another model than the converter's.
        """
        return Performance(self, converter)


class Performance:
    """An engine whose voice and levels follow a score: give it, and its `levels`, to a `HostAdapter`.

    A message at time t takes effect with the frame of 20 ms of the recording that holds t: in aligned output, at sample
    320 * floor(50 t) of the model's 16 kHz, t being rounded to these samples first. What comes within the first frame
    holds from the start. (A voice that comes while another is fading in waits for the end of that fade.)
    """

    def __init__(self, score: Score, converter: VoiceConverter) -> None:
        self._converter = converter
        self._switcher = PresetSwitcher(score.midi_map)
        self._switcher.prepare(converter)
        latency = converter.engine.latency
        # The engine says what a frame holds when it hears the frame that is later by the look-ahead.
        ahead = latency.look_ahead // latency.framing
        frames = [round(timed.seconds * latency.sample_rate) // latency.framing for timed in score.messages]
        self._due = [
            (frame + ahead if frame > 0 else 0, timed.message)
            for frame, timed in zip(frames, score.messages, strict=True)
        ]
        self._next = 0
        self._frame = 0

    @property
    def latency(self) -> LatencyReport:
        """That of the converter's engine, at the engine's sample rate."""
        return self._converter.engine.latency

    @property
    def lowest_hz(self) -> float | None:
        """That of the converter's engine, in Hz."""
        return self._converter.engine.lowest_hz

    def levels(self) -> Levels:
        """Play what is due before the next frame; returns the levels that hold from it on."""
        while self._next < len(self._due) and self._due[self._next][0] <= self._frame:
            self._switcher.handle(self._due[self._next][1])
            self._next += 1
        self._switcher.apply(self._converter)
        return self._converter.next_levels()

    def process(self, samples: Samples) -> Samples:
        """Convert float32 [n * frame] to [n * frame]."""
        self._frame += len(samples) // self.latency.framing
        return self._converter.engine.process(samples)

    def reset(self) -> None:
        """Forget what was heard; for the start only, since what was played cannot be taken back."""
        self._converter.engine.reset()
