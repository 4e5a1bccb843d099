"""The properties of a converter: checked where they are assigned, taken up where they are played."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import replace
from threading import Lock
from typing import Any

from streamvc.controls import Voice
from streamvc.engine import Engine
from streamvc.errors import ConfigError
from streamvc.plugin.settings import Settings
from streamvc.presets.bank import PresetBank
from streamvc.presets.format import Preset


class UnknownSettingError(ConfigError, AttributeError):
    """An assignment to a setting that does not exist."""


class Adjustable:
    """What may be assigned to a converter, from any thread and while it plays.

    Assigning raises ConfigError when a value has another type, is out of its range, or is nothing that the model can
    do; everything then stays as it was. So does assigning to a name that is no setting: that would be taken without a
    word, and change nothing. (Classes that are derived from this one declare what else they have.)

    Args:
        settings: to begin with.
        engine: says what its model can do; it is not changed here.
    """

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self._settings = settings
        self._engine = engine
        self._bank = PresetBank(engine.runtime.fingerprint)
        # Held by those who assign, never by the one who plays.
        self._assigning = Lock()

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            settings = [key for key, kind in vars(Adjustable).items() if isinstance(kind, property) and kind.fset]
            near = difflib.get_close_matches(name, [*settings, *(key.partition("_")[0] for key in settings)], n=1)
            meant = next((key for key in settings if near and key.startswith(near[0])), None)
            hint = f"did you mean {meant}?" if meant else f"settings are {', '.join(settings)}."
            raise UnknownSettingError(f"A converter has no setting {name!r}: {hint}")
        super().__setattr__(name, value)

    @property
    def preset(self) -> Preset:
        """Who speaks. Assign a name, a path of an `.npz` file, or a `Preset`; one voice fades into the next.

        A name or path that was not preloaded is read from the disk, in the thread that assigns. Assigning raises
        PresetError when it is unknown, damaged or of other weights; the voice then stays as it was.
        """
        return self._settings.preset

    @preset.setter
    def preset(self, preset: str | os.PathLike[str] | Preset) -> None:
        found = self._bank.get(preset)
        self._assign(preset=found, voice=found.voice())

    @property
    def voice(self) -> Voice:
        """The voice that speaks: the preset's, or the one given to `set_voice` since."""
        return self._settings.voice

    def set_voice(self, voice: Voice) -> None:
        """Fade to a voice that is in no preset, such as a point between two; everything else stays.

        Cheap enough for every message of a controller: of voices that come during a fade, the last one counts.

        Raises:
            ConfigError: its latent has another size than the model's, or it is no `Voice`.
        """
        if not isinstance(voice, Voice):
            raise ConfigError(f"set_voice takes a Voice, not {voice!r:.100}: assign presets and names to `preset`.")
        self._assign(voice=voice)

    @property
    def pitch_semitones(self) -> float:
        """Shift of the target's pitch, -24 to 24 semitones; assign None for the preset's own.

        Taken as it is at the frame edge, without a fade: it may change in every frame.
        """
        return self._settings.controls.pitch_semitones

    @pitch_semitones.setter
    def pitch_semitones(self, semitones: float | None) -> None:
        self._assign(pitch_semitones=semitones)

    @property
    def formant_semitones(self) -> float:
        """Shift of the formants, -4 to 4 semitones, up sounds smaller; assign None for the preset's own.

        Taken as it is at the frame edge, without a fade.
        """
        return self._settings.controls.formant_semitones

    @formant_semitones.setter
    def formant_semitones(self, semitones: float | None) -> None:
        self._assign(formant_semitones=semitones)

    @property
    def intonation(self) -> float:
        """Movement of the pitch around its mean: 0 is a monotone, 1 the target's own liveliness, 2 twice that."""
        return self._settings.intonation

    @intonation.setter
    def intonation(self, factor: float) -> None:
        self._assign(intonation=factor)

    @property
    def source_pitch_hz(self) -> float | None:
        """Mean pitch of the source in Hz, 40 to 1000, that is spoken at the target's mean; None follows the source."""
        return self._settings.source_pitch_hz

    @source_pitch_hz.setter
    def source_pitch_hz(self, hz: float | None) -> None:
        self._assign(source_pitch_hz=hz)

    @property
    def mix(self) -> float:
        """Share of the voice in the output, 0 (the source alone, delayed as the voice is) to 1; moves in 10 ms."""
        return self._settings.mix

    @mix.setter
    def mix(self, share: float) -> None:
        self._assign(mix=share)

    @property
    def input_gain_db(self) -> float:
        """What the model hears, -60 to 24 dB; moves in 10 ms. The source that `mix` adds is not changed by it."""
        return self._settings.input_gain_db

    @input_gain_db.setter
    def input_gain_db(self, gain_db: float) -> None:
        self._assign(input_gain_db=gain_db)

    @property
    def output_gain_db(self) -> float:
        """Of the sum of voice and source, -60 to 24 dB, moves in 10 ms; assign None for the preset's own."""
        return self._settings.levels.output_gain_db

    @output_gain_db.setter
    def output_gain_db(self, gain_db: float | None) -> None:
        self._assign(output_gain_db=gain_db)

    @property
    def gate_db(self) -> float | None:
        """Level of the input (RMS of 5 ms, -80 to 0 dBFS) below which the model hears silence; None for no gate.

        The gate opens within 5 ms, closes when the level has been 6 dB lower for 100 ms, and takes 100 ms for that.
        It looks at the level alone. The source that `mix` adds is not gated.
        """
        return self._settings.gate_db

    @gate_db.setter
    def gate_db(self, threshold_db: float | None) -> None:
        self._assign(gate_db=threshold_db)

    @property
    def bypass(self) -> bool:
        """True for the delayed source, without gains. Fades in `crossfade_ms`; the model goes on hearing."""
        return self._settings.bypass

    @bypass.setter
    def bypass(self, bypass: bool) -> None:
        self._assign(bypass=bypass)

    @property
    def crossfade_ms(self) -> float:
        """How long one voice fades into the next, and bypass: 20 to 500 ms, rounded to frames of 20 ms.

        A fade that has begun keeps its length.
        """
        return self._settings.levels.fade_ms

    @crossfade_ms.setter
    def crossfade_ms(self, milliseconds: float) -> None:
        self._assign(crossfade_ms=milliseconds)

    def preload(self, presets: Iterable[str | os.PathLike[str] | Preset]) -> None:
        """Keep presets in memory, so that assigning `preset` by the same names or paths reads no file.

        Args:
            presets: names, paths of `.npz` files, or presets, which are then known by their names.

        Raises:
            PresetError: one of them is unknown, damaged or of other weights; then none of them is kept.
        """
        with self._assigning:
            self._bank.load(presets)

    def _assign(self, **changes: Any) -> None:
        # Two who assign at a time must not undo each other; who plays reads one reference.
        with self._assigning:
            settings = replace(self._settings, **changes)
            self._engine.check(settings.voice, settings.controls)
            self._settings = settings
