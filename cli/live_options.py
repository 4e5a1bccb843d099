"""The options that `svc live` and `svc jack` have in common, and what they make of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from streamvc.cli.chains import chain_and_voice
from streamvc.cli.options import model_options
from streamvc.cli.parameters import Parameters, parameter_options

if TYPE_CHECKING:
    from streamvc.plugin.processor import Processor
    from streamvc.plugin.voice_converter import VoiceConverter
    from streamvc.presets.format import Preset

Command = TypeVar("Command", bound=Callable[..., Any])


def live_options(command: Command) -> Command:
    """What `LiveOptions` takes."""
    for option in reversed(
        [
            click.option(
                "-p",
                "--preset",
                "presets",
                metavar="NAME|PATH",
                multiple=True,
                help="The voice; several may be given, for the keys to choose from.  [of one: all voices there are]",
            ),
            click.option(
                "--chain",
                "chain_path",
                type=click.Path(path_type=Path),
                help="A chain of effects in a TOML file, the voice among them.",
            ),
            click.option("--midi", "midi_port", metavar="PORT", help="Switch by MIDI from a port of `svc midi ports`."),
            click.option("--map", "map_path", type=click.Path(path_type=Path), help="MIDI map.  [default: built in]"),
            click.option("--monitor", is_flag=True, help="Hear the dry voice as well, ahead of the converted one."),
            click.option(
                "--monitor-gain",
                "monitor_db",
                type=click.FloatRange(-60.0, 24.0),
                default=0.0,
                show_default=True,
                metavar="DB",
                help="Of the dry voice.",
            ),
            click.option(
                "--safety",
                "safety_ms",
                type=click.FloatRange(0.0, 1000.0),
                metavar="MS",
                help="Sound kept in reserve: more delay, fewer drop-outs.  [default: one block and 10 ms]",
            ),
            click.option(
                "--seconds",
                type=click.FloatRange(min=0.0, min_open=True),
                help="Stop so long after the first sound.  [default: q]",
            ),
            click.option("--json", "as_json", is_flag=True, help="Print one JSON object a second."),
        ]
    ):
        command = option(command)
    return parameter_options("the preset's")(model_options(command))


@dataclass(frozen=True)
class LiveOptions:
    """The values of `live_options`."""

    presets: tuple[str, ...]
    chain_path: Path | None
    midi_port: str | None
    map_path: Path | None
    monitor: bool
    monitor_db: float
    safety_ms: float | None
    seconds: float | None
    as_json: bool
    backend: str
    weights: Path | None
    parameters: Parameters = field(default_factory=Parameters)

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Self:
        """Gather what click passes to a command."""
        parameters = Parameters.from_options(options)
        return cls(**options, parameters=parameters)

    def __post_init__(self) -> None:
        if not self.presets and self.chain_path is None:
            raise click.UsageError("Give a voice with --preset (svc preset list) or a chain with --chain.")
        if self.chain_path is not None and (self.backend != "auto" or self.weights is not None):
            raise click.UsageError("--backend and --weights do not reach into a --chain: leave them out.")
        if self.map_path is not None and self.midi_port is None:
            raise click.UsageError("--map says what MIDI messages mean: give their port with --midi as well.")

    def processor(self) -> tuple[Processor, VoiceConverter | None]:
        """Load what the sound goes through, and the first converter in it.

        Raises:
            PresetError, ConfigError, CheckpointError, RuntimeUnavailableError: something of it cannot be had.
        """
        from streamvc.plugin.voice_converter import VoiceConverter
        from streamvc.runtimes import load_runtime

        if self.chain_path is None:
            converter: VoiceConverter | None = VoiceConverter(
                self.presets[0], runtime=load_runtime(self.backend, self.weights)
            )
            processor: Processor | None = converter
        else:
            processor, converter = chain_and_voice(self.chain_path)
            self.parameters.check_voice(converter)
            if converter is not None and self.presets:
                converter.preset = self.presets[0]
        assert processor is not None
        if converter is not None:
            self.parameters.assign_to(converter)
        return processor, converter

    def voices(self, converter: VoiceConverter | None) -> list[Preset]:
        """What the keys choose from: the presets that were given, or all of the model if it was one or none.

        Raises:
            PresetError: one that was given is unknown or damaged.
        """
        from streamvc.presets.store import list_presets, resolve

        if converter is None:
            return []
        if len(self.presets) > 1:
            return [resolve(name) for name in self.presets]
        own = converter.preset
        found = [entry.preset for entry in list_presets() if entry.preset is not None]
        fitting = [preset for preset in found if preset.model == own.model]
        return fitting if own.name in [preset.name for preset in fitting] else [own, *fitting]
