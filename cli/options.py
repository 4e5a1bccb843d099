"""Options that several commands have, and what they mean."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamvc.cli.parameters import Parameters, parameter_options
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


def voice_options(own: str = "the preset's") -> Callable[[Command], Command]:
    """How the voice is played and the result is written: what `Settings.from_options` takes.

    Args:
        own: see `parameter_options`.
    """

    def decorate(command: Command) -> Command:
        for option in reversed(
            [
                click.option(
                    "--channel",
                    type=click.IntRange(1, 8),
                    metavar="NUMBER",
                    help="Hear this channel of the input alone, from 1.  [default: the average of all]",
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
                    help="Bits of a sample: 16 or 24 (wav, flac, aiff), or 32, also written 32f: floating point, which "
                    "keeps what is beyond full scale (wav).  [default: as the input]",
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
        return parameter_options(own)(command)

    return decorate


@dataclass(frozen=True)
class Settings:
    """The values of `voice_options` and `model_options`."""

    parameters: Parameters = field(default_factory=Parameters)
    channel: int | None = None
    format: str | None = None
    bit_depth: int | None = None
    overwrite: bool = False
    keep_latency: bool = False
    backend: str = "auto"
    weights: Path | None = None
    chain: Path | None = None

    @classmethod
    def from_options(cls, *, format_: str | None, bit_depth: str | None, **options: Any) -> Settings:
        """Gather what click passes to a command."""
        parameters = Parameters.from_options(options)
        depth = int(bit_depth.rstrip("f")) if bit_depth else None
        return cls(parameters, format=format_, bit_depth=depth, **options)

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

        given = self.parameters.given
        names = ("pitch_semitones", "formant_semitones", "intonation", "source_pitch_hz")
        controls = replace(preset.controls(), **{name: given[name] for name in names if name in given})
        return make_engine(preset, load_runtime(self.backend, self.weights), controls)

    def converter(self, preset: Preset, runtime: Runtime) -> VoiceConverter:
        """A converter with the preset's voice, whose settings can change while it runs.

        Raises:
            PresetError: the preset was made for other weights.
            ConfigError: a control is out of range, or one that the model does not have.
        """
        from streamvc.plugin.voice_converter import VoiceConverter

        return VoiceConverter(preset, runtime=runtime, **self.parameters.given)

    def render_options(self, preset: Preset | None) -> RenderOptions:
        """The part of the settings that is about files."""
        from streamvc.plugin.render import RenderOptions

        given = self.parameters.given
        names = ("mix", "input_gain_db", "output_gain_db", "gate_db", "bypass")
        levels = {name: given[name] for name in names if name in given}
        if preset is not None:
            levels.setdefault("output_gain_db", preset.gain)
        return RenderOptions(
            channel=self.channel,
            format=self.format,
            bit_depth=self.bit_depth,
            overwrite=self.overwrite,
            keep_latency=self.keep_latency,
            **levels,
        )
