"""The parameters of a voice as options of the command line: all that `VoiceConverter` has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from streamvc.controls import FORMANT_RANGE, INTONATION_RANGE, PITCH_RANGE, SOURCE_PITCH_RANGE

if TYPE_CHECKING:
    from streamvc.plugin.voice_converter import VoiceConverter

Command = TypeVar("Command", bound=Callable[..., Any])


def parameter_options(own: str) -> Callable[[Command], Command]:
    """What `Parameters.from_options` takes.

    Args:
        own: what holds where pitch, formant and gain are not given, such as "the preset's".
    """

    def ranged(name: str, low: float, high: float, metavar: str, help_: str) -> Any:
        return click.option(name, type=click.FloatRange(low, high), metavar=metavar, help=help_)

    def decorate(command: Command) -> Command:
        for option in reversed(
            [
                ranged("--pitch", *PITCH_RANGE, "SEMITONES", f"Shift the voice's pitch.  [default: {own}]"),
                ranged(
                    "--formant",
                    *FORMANT_RANGE,
                    "SEMITONES",
                    f"Shift its formants; up sounds smaller.  [default: {own}]",
                ),
                ranged(
                    "--intonation",
                    *INTONATION_RANGE,
                    "FACTOR",
                    "Movement of the pitch: 0 is a monotone.  [default: 1]",
                ),
                ranged(
                    "--source-pitch",
                    *SOURCE_PITCH_RANGE,
                    "HZ",
                    "Average pitch of the source.  [default: found while listening]",
                ),
                ranged("--mix", 0.0, 1.0, "SHARE", "0 is the source alone, 1 the voice alone.  [default: 1]"),
                ranged("--input-gain", -60.0, 24.0, "DB", "Gain of what the voice hears.  [default: 0]"),
                ranged("--gain", -60.0, 24.0, "DB", f"Output gain.  [default: {own}]"),
                ranged("--gate", -80.0, 0.0, "DBFS", "Level below which silence is heard.  [default: no gate]"),
                click.option("--bypass", is_flag=True, default=None, help="Give the source instead of the voice."),
                ranged("--crossfade", 20.0, 500.0, "MS", "How long one voice fades into the next.  [default: 40]"),
            ]
        ):
            command = option(command)
        return command

    return decorate


@dataclass(frozen=True)
class Parameters:
    """The values of `parameter_options`; None: not given."""

    pitch: float | None = None
    formant: float | None = None
    intonation: float | None = None
    source_pitch: float | None = None
    mix: float | None = None
    input_gain: float | None = None
    gain: float | None = None
    gate: float | None = None
    bypass: bool | None = None
    crossfade: float | None = None

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Self:
        """Take what is ours out of what click passes to a command."""
        return cls(**{field.name: options.pop(field.name) for field in fields(cls)})

    @property
    def given(self) -> dict[str, Any]:
        """The given ones by the names that `VoiceConverter` has for them."""
        values = {
            "pitch_semitones": self.pitch,
            "formant_semitones": self.formant,
            "intonation": self.intonation,
            "source_pitch_hz": self.source_pitch,
            "mix": self.mix,
            "input_gain_db": self.input_gain,
            "output_gain_db": self.gain,
            "gate_db": self.gate,
            "bypass": self.bypass,
            "crossfade_ms": self.crossfade,
        }
        return {name: value for name, value in values.items() if value is not None}

    def assign_to(self, converter: VoiceConverter) -> None:
        """Set what was given on a converter that has its own values already.

        Raises:
            ConfigError: the model cannot do one of them.
        """
        for name, value in self.given.items():
            setattr(converter, name, value)

    def check_voice(self, converter: VoiceConverter | None) -> None:
        """Refuse parameters where there is no voice to have them.

        Raises:
            click.UsageError: they were given, and the chain has no voice.
        """
        if converter is None and self.given:
            raise click.UsageError("The chain has no voice that pitch, mix and such could belong to: leave them out.")
