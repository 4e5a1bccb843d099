"""From MIDI messages on any thread to changes of a converter at a frame edge of the audio thread."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamvc.controls import PITCH_RANGE
from streamvc.errors import StreamVCError
from streamvc.plugin.midi.bindings import BEND, Binding, Change, Flip, Morph, ToggleSwitch
from streamvc.plugin.midi.events import Event, read_event
from streamvc.plugin.midi.mapping import MidiMap
from streamvc.presets.blend import blend
from streamvc.presets.format import Preset

if TYPE_CHECKING:
    from streamvc.plugin.voice_converter import VoiceConverter

_PITCH: Final = "pitch_semitones"
_MORPH_NAME: Final = "morph"


@dataclass(frozen=True)
class SwitchCounts:
    """What a switcher has seen.

    Attributes:
        received: channel messages.
        ignored: those of them that the map has no meaning for.
        applied: changes that reached a converter; several of one target within a frame count once.
        refused: changes that the converter did not take, as a formant shift with a model that has none.
    """

    received: int
    ignored: int
    applied: int
    refused: int


class PresetSwitcher:
    """Plays a converter by MIDI.

    `handle` takes messages on any thread and only notes what they ask for; `apply`, called by the audio thread before a
    block, passes it on. What is noted is one value per target (preset, morph, bend, each parameter), so it does not
    grow: of many values the last one counts, in the order in which the targets were last moved. That is the state which
    all messages one after the other would have led to.

    Args:
        midi_map: what the controls do; None for `MidiMap.default()`.
    """

    def __init__(self, midi_map: MidiMap | None = None) -> None:
        self.map: Final = MidiMap.default() if midi_map is None else midi_map
        self.problem: str | None = None
        """Why the converter last refused a change, one sentence."""
        self._lock = threading.Lock()
        self._noted: dict[str, Change] = {}
        self._down: set[tuple[int, int]] = set()
        self._received = self._ignored = self._applied = self._refused = 0
        self._morphed: tuple[Preset, Preset] | None = None
        """Where the morph that plays began, and what it is."""
        self._pitch = _BentPitch()

    @property
    def counts(self) -> SwitchCounts:
        """What was seen until now."""
        return SwitchCounts(self._received, self._ignored, self._applied, self._refused)

    def prepare(self, converter: VoiceConverter) -> None:
        """Load into the converter what the map names, so that nothing has to be loaded while audio runs.

        Raises:
            PresetError: a preset is of another model than the converter's.
        """
        converter.preload(self.map.presets)

    def handle(self, message: Any) -> tuple[Change, ...]:
        """Note what a message of mido asks for; returns the changes, for display.

        Never raises, never waits for the audio thread, and keeps one value per target. Messages that mean nothing to
        the map are counted.
        """
        event = read_event(message)
        if event is None:
            return ()
        with self._lock:
            self._received += 1
            pressed_again = self._note_position(event)
            answers = list(self.map.answers(event))
            self._ignored += not answers
            changes = []
            for binding in answers:
                change = None if pressed_again and _turns_over(binding) else binding.action.respond(event)
                if change is not None:
                    self._note(change)
                    changes.append(change)
            return tuple(changes)

    def apply(self, converter: VoiceConverter) -> int:
        """Pass on what was noted since the last call; returns the number of changes.

        For the audio thread: it takes no time when nothing was noted, at most one change per target otherwise, never
        waits for a lock and never raises what a change may be refused with (that is counted, see `counts`). The
        converter makes the changes at its next frame edge.
        """
        # When another thread is noting something just now, it is taken with the next frame.
        if not self._noted or not self._lock.acquire(blocking=False):
            return 0
        try:
            changes, self._noted = self._noted, {}
        finally:
            self._lock.release()
        for change in changes.values():
            try:
                self._make(converter, change)
                self._applied += 1
            except StreamVCError as error:
                self._refused += 1
                self.problem = str(error)
        return len(changes)

    def _note_position(self, event: Event) -> bool:
        """Remember which switches are down; True if this one was already, as a knob that is turned up further."""
        if event.kind != "control":
            return False
        key = (event.channel, event.number)
        before = key in self._down
        if event.pressed:
            self._down.add(key)
        else:
            self._down.discard(key)
        return before and event.pressed

    def _note(self, change: Change) -> None:
        before = self._noted.pop(change.target, None)
        if isinstance(change.value, Flip) and before is not None:
            if isinstance(before.value, Flip):
                return  # twice is not at all
            change = Change(change.target, not before.value)
        self._noted[change.target] = change

    def _make(self, converter: VoiceConverter, change: Change) -> None:
        value = change.value
        if isinstance(value, Preset):
            converter.preset = value
            self._morphed = None
            self._pitch.follow(converter)
        elif isinstance(value, Morph):
            self._morph(converter, value)
            self._pitch.follow(converter)
        elif change.target == BEND:
            assert isinstance(value, float)
            self._pitch.bend(converter, value)
        elif change.target == _PITCH:
            assert not isinstance(value, Flip)
            self._pitch.set(converter, value)
        else:
            if isinstance(value, Flip):
                value = not getattr(converter, change.target)
            setattr(converter, change.target, value)

    def _morph(self, converter: VoiceConverter, morph: Morph) -> None:
        if morph.first is not None:
            first = morph.first
        elif self._morphed is not None and converter.preset is self._morphed[1]:
            first = self._morphed[0]
        else:
            first = converter.preset
        if morph.weight in (0.0, 1.0):
            voice = first if morph.weight == 0.0 else morph.second
        else:
            voice = blend(first, morph.second, morph.weight, _MORPH_NAME)
        converter.preset = voice
        self._morphed = (first, voice)


class _BentPitch:
    """Keeps the bend apart from the pitch that it bends: in the middle, the pitch stands where it was set.

    That place is a number, or None for the preset's own pitch, whichever preset it is.
    """

    def __init__(self) -> None:
        self._bend = 0.0
        self._straight: float | None = None
        self._bent: float | None = None

    def bend(self, converter: VoiceConverter, semitones: float) -> None:
        standing = converter.pitch_semitones
        if standing != self._bent:  # somebody else has set it
            self._straight = None if standing == converter.preset.pitch else standing
        self._bend = semitones
        self._play(converter)

    def set(self, converter: VoiceConverter, semitones: float | None) -> None:
        self._straight = semitones
        self._play(converter)

    def follow(self, converter: VoiceConverter) -> None:
        """Take up another preset's pitch."""
        if self._bend and self._straight is None:
            self._play(converter)

    def _play(self, converter: VoiceConverter) -> None:
        low, high = PITCH_RANGE
        if self._bend:
            straight = converter.preset.pitch if self._straight is None else self._straight
            converter.pitch_semitones = min(max(straight + self._bend, low), high)
        else:
            converter.pitch_semitones = self._straight
        self._bent = converter.pitch_semitones


def _turns_over(binding: Binding) -> bool:
    return isinstance(binding.action, ToggleSwitch)
