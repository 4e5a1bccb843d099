"""The parameters of a `VoiceConverter` that a control may move, with what they may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamvc.controls import FORMANT_RANGE, INTONATION_RANGE, PITCH_RANGE, SOURCE_PITCH_RANGE
from streamvc.presets.checks import GAIN_RANGE

Value = float | bool | None
"""What a parameter may be set to: a number in its unit, a switch, or None for what the parameter calls off or auto."""


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
    "pitch_semitones": Parameter(PITCH_RANGE, " semitones"),
    "formant_semitones": Parameter(FORMANT_RANGE, " semitones"),
    "intonation": Parameter(INTONATION_RANGE),
    "source_pitch_hz": Parameter(SOURCE_PITCH_RANGE, " Hz", none="auto"),
    "mix": Parameter((0.0, 1.0)),
    "input_gain_db": Parameter(GAIN_RANGE, " dB"),
    "output_gain_db": Parameter(GAIN_RANGE, " dB"),
    "gate_db": Parameter((-80.0, 0.0), " dB", none="off"),
    "bypass": Parameter(None),
}
"""By the name of the property of `VoiceConverter`."""
