"""What the keys of a live session do to the voice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from streamvc.controls import PITCH_RANGE
from streamvc.errors import StreamVCError

if TYPE_CHECKING:
    from streamvc.plugin.live.runner import LiveRunner
    from streamvc.plugin.voice_converter import VoiceConverter
    from streamvc.presets.format import Preset

KEYS_HELP: Final = "keys: 1-9 [ ] voice, up/down pitch, space bypass, m dry voice, q quit"


class LiveControls:
    """Turns keys into changes of a converter.

    Args:
        converter: that of the session; None when its chain has none, and then only `m` and `q` mean something.
        voices: what there is to choose from.
        runner: has the dry voice.
        monitor_db: gain of the dry voice when it is switched on.

    Raises:
        PresetError: a voice is of another model than the converter's.
    """

    def __init__(
        self, converter: VoiceConverter | None, voices: Sequence[Preset], runner: LiveRunner, monitor_db: float
    ) -> None:
        self.converter = converter
        self.voices = list(voices)
        self.quit = False
        self.problem: str | None = None
        self._runner, self._monitor_db = runner, monitor_db
        if converter is not None and self.voices:
            converter.preload(self.voices)

    def press(self, key: str) -> None:
        """Do what a key says; keys without a meaning do nothing."""
        if key in ("q", "Q"):
            self.quit = True
        elif key == "m":
            self._runner.monitor_db = None if self._runner.monitor_db is not None else self._monitor_db
        elif self.converter is not None:
            try:
                self._change(self.converter, key)
                self.problem = None
            except StreamVCError as error:
                self.problem = str(error)

    @property
    def number(self) -> int | None:
        """Place of the present voice among the voices, from 0; None if it is none of them."""
        names = [voice.name for voice in self.voices]
        if self.converter is None or self.converter.preset.name not in names:
            return None
        return names.index(self.converter.preset.name)

    def _change(self, converter: VoiceConverter, key: str) -> None:
        if key == " ":
            converter.bypass = not converter.bypass
        elif key in ("up", "down"):
            low, high = PITCH_RANGE
            step = 1.0 if key == "up" else -1.0
            converter.pitch_semitones = min(max(converter.pitch_semitones + step, low), high)
        elif key in ("[", "]") and self.voices:
            step = 1 if key == "]" else -1
            place = self.number
            # From a voice that is none of the list, as MIDI may set one, to its first or last.
            start = place if place is not None else (-1 if key == "]" else 0)
            converter.preset = self.voices[(start + step) % len(self.voices)]
        elif key in "123456789" and int(key) <= len(self.voices):
            converter.preset = self.voices[int(key) - 1]
