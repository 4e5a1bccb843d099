"""Options that several commands have, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamvc.controls import FORMANT_RANGE, INTONATION_RANGE, PITCH_RANGE, SOURCE_PITCH_RANGE
from streamvc.plugin.formats import BIT_DEPTHS

if TYPE_CHECKING:
    from streamvc.engine import Engine
    from streamvc.plugin.render import RenderOptions
    from streamvc.plugin.voice_converter import VoiceConverter
    from streamvc.presets.format import Preset
    from streamvc.runtimes import Runtime

Command = TypeVar("Command", bound=Callable[..., Any])


def model_options(command: Command) -> Command:
    """`--backend` and `--weights`."""
    for option in reversed(
        [
            click.option(
                "--backend",
                type=click.Choice(["auto", "onnx", "torch"]),
                default="auto",
                show_default=True,
                help="What runs the model.",
            ),
            click.option(
                "--weights",
                type=click.Path(path_type=Path),
                help="Weights file of another model.  [default: the shipped one]",
            ),
        ]
    ):
        command = option(command)
    return command


def voice_options(command: Command) -> Command:
    """How the voice is played and the result is written: what `Settings.from_options` takes."""
    for option in reversed(
        [
            click.option(
                "--pitch",
                type=click.FloatRange(*PITCH_RANGE),
                metavar="SEMITONES",
                help="Shift the voice's pitch.  [default: the preset's]",
            ),
            click.option(
                "--formant",
                type=click.FloatRange(*FORMANT_RANGE),
                metavar="SEMITONES",
                help="Shift its formants; up sounds smaller.  [default: the preset's]",
            ),
            click.option(
                "--intonation",
                type=click.FloatRange(*INTONATION_RANGE),
                default=1.0,
                show_default=True,
                metavar="FACTOR",
                help="Movement of the pitch: 0 is a monotone.",
            ),
            click.option(
                "--source-pitch",
                type=click.FloatRange(*SOURCE_PITCH_RANGE),
                metavar="HZ",
                help="Average pitch of the source.  [default: found while listening]",
            ),
            click.option(
                "--mix",
                type=click.FloatRange(0.0, 1.0),
                default=1.0,
                show_default=True,
                metavar="SHARE",
                help="0 is the source alone, 1 the voice alone.",
            ),
            click.option(
                "--gain",
                type=click.FloatRange(-60.0, 24.0),
                metavar="DB",
                help="Output gain.  [default: the preset's]",
            ),
            click.option(
                "--format",
                "format_",
                type=click.Choice(list(BIT_DEPTHS)),
                help="Format of the output.  [default: by the output's ending, or as the input]",
            ),
            click.option(
                "--bit-depth",
                type=click.Choice(["16", "24", "32", "32f"]),
                help="Of wav (16, 24, 32 = floating point), flac and aiff (16, 24).  [default: as the input]",
            ),
            click.option("--overwrite", is_flag=True, help="Replace existing output files."),
            click.option(
                "--keep-latency",
                is_flag=True,
                help="Leave the algorithmic delay in the output, as a host without compensation would record it.",
            ),
        ]
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Settings:
    """The values of `voice_options` and `model_options`."""

    pitch: float | None
    formant: float | None
    intonation: float
    source_pitch: float | None
    mix: float
    gain: float | None
    format: str | None
    bit_depth: int | None
    overwrite: bool
    keep_latency: bool
    backend: str
    weights: Path | None

    @classmethod
    def from_options(cls, *, format_: str | None, bit_depth: str | None, **options: Any) -> Settings:
        """Gather what click passes to a command."""
        return cls(format=format_, bit_depth=int(bit_depth.rstrip("f")) if bit_depth else None, **options)

    def engine(self, preset: Preset) -> Engine:
        """Load the model and give it the preset's voice.

        Raises:
            PresetError: the preset was made for other weights.
            ConfigError: a control is out of range, or one that the model does not have.
            CheckpointError, RuntimeUnavailableError: the model cannot be loaded.
        """
        from dataclasses import replace

        from streamvc.plugin.voice_converter import make_engine
        from streamvc.runtimes import load_runtime

        controls = preset.controls()
        controls = replace(
            controls,
            pitch_semitones=controls.pitch_semitones if self.pitch is None else self.pitch,
            formant_semitones=controls.formant_semitones if self.formant is None else self.formant,
            intonation=self.intonation,
            source_pitch_hz=self.source_pitch,
        )
        return make_engine(preset, load_runtime(self.backend, self.weights), controls)

    def converter(self, preset: Preset, runtime: Runtime) -> VoiceConverter:
        """A converter with the preset's voice, whose settings can change while it runs.

        Raises:
            PresetError: the preset was made for other weights.
            ConfigError: a control is out of range, or one that the model does not have.
        """
        from streamvc.plugin.voice_converter import VoiceConverter

        return VoiceConverter(
            preset,
            pitch_semitones=self.pitch,
            formant_semitones=self.formant,
            intonation=self.intonation,
            source_pitch_hz=self.source_pitch,
            mix=self.mix,
            output_gain_db=self.gain,
            runtime=runtime,
        )

    def render_options(self, preset: Preset) -> RenderOptions:
        """The part of the settings that is about files."""
        from streamvc.plugin.render import RenderOptions

        return RenderOptions(
            mix=self.mix,
            output_gain_db=preset.gain if self.gain is None else self.gain,
            format=self.format,
            bit_depth=self.bit_depth,
            overwrite=self.overwrite,
            keep_latency=self.keep_latency,
        )
