"""The parameters of a `VoiceConverter` that a control may move, with what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamvc.controls import FORMANT_RANGE, INTONATION_RANGE, PITCH_RANGE, SOURCE_PITCH_RANGE
from streamvc.plugin.levels import FADE_RANGE_MS, GAIN_RANGE_DB, GATE_RANGE_DB, MIX_RANGE

Value = float | bool | None
"""A number in the parameter's unit, a switch, or None for what the parameter calls off, auto or preset."""


@dataclass(frozen=True)
class Parameter:
    """What a parameter may be.

    Attributes:
        limits: lowest and highest number; None for a switch.
        unit: of the numbers, with a space before it; empty for a factor.
        none: the word for None in a map; None if the parameter always has a number.
    """

    limits: tuple[float, float] | None
    unit: str = ""
    none: str | None = None


PARAMETERS: Final = {
    "pitch_semitones": Parameter(PITCH_RANGE, " semitones", none="preset"),
    "formant_semitones": Parameter(FORMANT_RANGE, " semitones", none="preset"),
    "intonation": Parameter(INTONATION_RANGE),
    "source_pitch_hz": Parameter(SOURCE_PITCH_RANGE, " Hz", none="auto"),
    "mix": Parameter(MIX_RANGE),
    "input_gain_db": Parameter(GAIN_RANGE_DB, " dB"),
    "output_gain_db": Parameter(GAIN_RANGE_DB, " dB", none="preset"),
    "gate_db": Parameter(GATE_RANGE_DB, " dBFS", none="off"),
    "crossfade_ms": Parameter(FADE_RANGE_MS, " ms"),
    "bypass": Parameter(None),
}
"""By the name of the property of `VoiceConverter`."""
