"""All that can be chosen about a converter, as one value that is replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from streamvc.controls import Controls, Voice, in_range
from streamvc.plugin.levels import FADE_RANGE_MS, Levels
from streamvc.presets.format import Preset

_FRAME_MS: Final = 20.0


@dataclass(frozen=True, eq=False)
class Settings:
    """The arguments of `VoiceConverter`, checked, and what engine and adapter make of them.

    Args:
        preset: the preset as last assigned.
        voice: who speaks: the preset's voice, or one that has taken its place.
        pitch_semitones, formant_semitones, output_gain_db: None for the preset's own.
        intonation, source_pitch_hz, mix, input_gain_db, gate_db, bypass, crossfade_ms: as in `VoiceConverter`.

    Attributes:
        controls: for the engine.
        levels: for the adapter.
        crossfade_frames: `crossfade_ms` in whole frames of 20 ms.

    Raises:
        ConfigError: a value has another type or is out of its range.
    """

    preset: Preset
    voice: Voice
    pitch_semitones: float | None = None
    formant_semitones: float | None = None
    intonation: float = 1.0
    source_pitch_hz: float | None = None
    mix: float = 1.0
    input_gain_db: float = 0.0
    output_gain_db: float | None = None
    gate_db: float | None = None
    bypass: bool = False
    crossfade_ms: float = 40.0
    controls: Controls = field(init=False)
    levels: Levels = field(init=False)
    crossfade_frames: int = field(init=False)

    def __post_init__(self) -> None:
        own = self.preset
        controls = Controls(
            pitch_semitones=own.pitch if self.pitch_semitones is None else self.pitch_semitones,
            formant_semitones=own.formant if self.formant_semitones is None else self.formant_semitones,
            intonation=self.intonation,
            source_pitch_hz=self.source_pitch_hz,
        )
        frames = round(in_range("crossfade_ms", self.crossfade_ms, FADE_RANGE_MS, " ms") / _FRAME_MS)
        levels = Levels(
            mix=self.mix,
            input_gain_db=self.input_gain_db,
            output_gain_db=own.gain if self.output_gain_db is None else self.output_gain_db,
            gate_db=self.gate_db,
            bypass=self.bypass,
            fade_ms=frames * _FRAME_MS,
        )
        for name, value in (("controls", controls), ("levels", levels), ("crossfade_frames", frames)):
            object.__setattr__(self, name, value)
