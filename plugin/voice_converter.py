"""The processor that stands in an audio chain."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

from streamvc.controls import Controls, Voice
from streamvc.engine import Engine
from streamvc.latency import LatencyReport
from streamvc.plugin.adapter import HostAdapter, latency_at
from streamvc.plugin.fifo import Samples
from streamvc.plugin.layout import Layout, as_given, as_planar
from streamvc.plugin.levels import Levels
from streamvc.plugin.settings import Settings
from streamvc.presets.bank import PresetBank
from streamvc.presets.format import Preset, check_model
from streamvc.presets.store import resolve
from streamvc.runtimes import Runtime, load_runtime


def make_engine(preset: Preset, runtime: Runtime, controls: Controls | None = None) -> Engine:
    """An engine that speaks with a preset's voice.

    Args:
        preset: made for the weights of `runtime`.
        runtime: any number of engines may share one.
        controls: None takes the preset's own.

    Raises:
        PresetError: the preset was made for other weights.
    """
    check_model(preset, runtime.fingerprint)
    return Engine(runtime, preset.voice(), preset.controls() if controls is None else controls)


class VoiceConverter:
    """Speech in, the same speech in another voice out, with the call signature of a pedalboard plugin.

    pedalboard cannot host processors written in Python, so this is none of its plugins: call it before, after or
    between boards.

    Every argument but the last two is a property of the same name and may be assigned while audio runs, from any
    thread: an assignment is checked at once, changes all that it changes together, and takes effect at the next frame
    edge (`samples_until_change` says which sample that is) without a click. `process` and `reset` belong to one thread.

    Pitch, formants and output gain have a value of the preset's own. It holds until the property is assigned, and
    from then on the assigned one does, whatever preset follows. Assigning None gives it back to the preset.

    Args:
        preset: a name, a path of an `.npz` file, or a `Preset`.
        pitch_semitones: shift of the target's pitch, -24 to 24; None takes the preset's.
        formant_semitones: shift of the formants, -4 to 4; None takes the preset's.
        intonation: 0 for a monotone to 2, 1 for the target's own range.
        source_pitch_hz: the source's mean pitch, 40 to 1000 Hz, if it is known; None follows it.
        mix: 0 is the source alone, delayed as the voice is, 1 the voice alone.
        input_gain_db: what the model hears, -60 to 24 dB.
        output_gain_db: of the sum, -60 to 24 dB; None takes the preset's.
        gate_db: level of the input below which the model hears silence, -80 to 0 dBFS; None for no gate.
        bypass: True gives the delayed source instead.
        crossfade_ms: how long one voice fades into the next, 20 to 500 ms, in steps of 20.
        backend: "onnx", "torch", or "auto" for the first of them that can run.
        runtime: one that is loaded already, shared with other converters; `backend` is then not looked at.

    Raises:
        PresetError: the preset is unknown, damaged, or made for other weights.
        ConfigError: a setting is out of range, or one that the model does not have.
        CheckpointError, RuntimeUnavailableError: the model cannot be loaded.
    """

    def __init__(
        self,
        preset: str | os.PathLike[str] | Preset,
        *,
        pitch_semitones: float | None = None,
        formant_semitones: float | None = None,
        intonation: float = 1.0,
        source_pitch_hz: float | None = None,
        mix: float = 1.0,
        input_gain_db: float = 0.0,
        output_gain_db: float | None = None,
        gate_db: float | None = None,
        bypass: bool = False,
        crossfade_ms: float = 40.0,
        backend: str = "auto",
        runtime: Runtime | None = None,
    ) -> None:
        # What needs no model is refused before one is loaded.
        first = preset if isinstance(preset, Preset) else resolve(preset)
        self._settings = Settings(
            first,
            first.voice(),
            pitch_semitones=pitch_semitones,
            formant_semitones=formant_semitones,
            intonation=intonation,
            source_pitch_hz=source_pitch_hz,
            mix=mix,
            input_gain_db=input_gain_db,
            output_gain_db=output_gain_db,
            gate_db=gate_db,
            bypass=bypass,
            crossfade_ms=crossfade_ms,
        )
        runtime = load_runtime(backend) if runtime is None else runtime
        self._bank = PresetBank(runtime.fingerprint)
        self._engine = make_engine(first, runtime, self._settings.controls)
        self._playing = self._settings
        # Held by those who assign, never by the one who plays.
        self._assigning = Lock()
        self._layout: Layout | None = None
        self._adapter = self._adapt(self._engine.latency.sample_rate, 1)

    def process(
        self, input_array: npt.ArrayLike, sample_rate: float, buffer_size: int = 8192, reset: bool = True
    ) -> Samples:
        """Convert audio; as many samples come back as were given.

        With `reset` the array is a recording of its own: the result is aligned with it, the latency taken out. Without,
        it is the next block of a stream: the result lies `latency_samples(sample_rate)` later, and a change of sample
        rate or channel count begins a new stream.

        Args:
            input_array: float32 or float64, full scale 1: [samples], [channels, samples] with up to 8 channels, or
                [samples, channels] with more than 8 samples. (Up to 8 rows are always taken for channels, except in a
                stream that came as [samples, channels] so far and goes on with as many columns.)
            sample_rate: Hz, 8000 to 192000.
            buffer_size: taken for the sake of the signature; the result does not depend on it.
            reset: see above.

        Returns:
            float32, of the shape of the input.

        Raises:
            AudioError: the rate, shape or type is not supported, or the audio holds NaN or infinity; a stream stands
                where it stood.
        """
        del buffer_size
        shape = np.shape(input_array)
        planar, layout = as_planar(input_array, None if reset else self._layout)
        if (sample_rate, layout.channels) != (self._adapter.sample_rate, self._adapter.channels):
            self._adapter = self._adapt(sample_rate, layout.channels)
        elif reset:
            self._adapter.reset()
        output = self._adapter.process(planar)
        self._layout = layout
        if reset:
            latency = self._adapter.latency_samples
            tail = self._adapter.process(np.zeros((layout.channels, latency), dtype=np.float32))
            output = np.concatenate([output, tail], axis=1)[:, latency:]
            self.reset()
        return as_given(output, layout, shape)

    __call__ = process

    def reset(self) -> None:
        """Begin a new stream, with all settings as they are."""
        self._adapter.reset()
        self._layout = None

    def preload(self, presets: Iterable[str | os.PathLike[str] | Preset]) -> None:
        """Keep presets in memory, so that assigning `preset` by the same names or paths reads no file.

        Args:
            presets: names, paths of `.npz` files, or presets, which are then known by their names.

        Raises:
            PresetError: one of them is unknown, damaged or of other weights; then none of them is kept.
        """
        with self._assigning:
            self._bank.load(presets)

    def latency(self, sample_rate: float) -> LatencyReport:
        """The parts of the algorithmic latency in samples of a host that runs at `sample_rate` Hz.

        Raises:
            AudioError: the rate is not supported.
        """
        return latency_at(self._engine.latency, sample_rate)

    def latency_samples(self, sample_rate: float) -> int:
        """Samples at `sample_rate` Hz from an input sample to the output sample that belongs to it, in a stream.

        Raises:
            AudioError: the rate is not supported.
        """
        return self.latency(sample_rate).samples

    @property
    def samples_until_change(self) -> int:
        """The first output sample that an assignment made now can reach, counted from the next one that comes out.

        In samples at the rate of the stream, and for the thread that calls `process`. A change holds from the next
        frame of 20 ms on, and its first sample is this one for any block size. What is heard there belongs to input
        that is older by the latency.
        """
        return self._adapter.samples_until_change

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
            ConfigError: its latent has another size than the model's.
        """
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

    def _assign(self, **changes: Any) -> None:
        # Two who assign at a time must not undo each other; who plays reads one reference.
        with self._assigning:
            settings = replace(self._settings, **changes)
            self._engine.check(settings.voice, settings.controls)
            self._settings = settings

    @property
    def engine(self) -> Engine:
        """What converts the frames. Who runs it in a `HostAdapter` of their own gives that `next_levels` as well."""
        return self._engine

    def next_levels(self) -> Levels:
        """Called at every frame edge: the one place where the stream takes up what was assigned."""
        settings = self._settings
        if settings is not self._playing:
            self._engine.change(settings.voice, settings.controls, settings.crossfade_frames)
            self._playing = settings
        return settings.levels

    def _adapt(self, sample_rate: float, channels: int) -> HostAdapter:
        return HostAdapter(self._engine, sample_rate, channels, self.next_levels)
