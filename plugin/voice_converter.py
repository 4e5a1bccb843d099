"""The processor that stands in an audio chain."""

from __future__ import annotations

import os
from dataclasses import fields
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streamvc.controls import Controls, Voice
from streamvc.engine import Engine
from streamvc.errors import ConfigError
from streamvc.latency import LatencyReport
from streamvc.plugin.adapter import HostAdapter, check_finite, check_sample_rate, latency_at
from streamvc.plugin.adjustable import Adjustable
from streamvc.plugin.fifo import Samples
from streamvc.plugin.layout import Layout, as_given, as_planar
from streamvc.plugin.levels import Levels
from streamvc.plugin.settings import Settings
from streamvc.presets.format import Preset, check_model
from streamvc.presets.store import resolve
from streamvc.runtimes import Runtime, default_weights, load_runtime


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


class VoiceConverter(Adjustable):
    """Speech in, the same speech in another voice out, with the call signature of a pedalboard plugin.

    pedalboard cannot host processors written in Python, so this is none of its plugins: call it before, after or
    between boards.

    Every argument but the last two is a property of the same name and may be assigned while audio runs, from any
    thread: an assignment is checked at once, changes all that it changes together, and takes effect at the next frame
    edge (`samples_until_change` says which sample that is) without a click. `process` and `reset` belong to one thread.

    A copy has the settings and the voice, and a stream of its own that begins anew; copies in one process share the
    runtime. A converter can be pickled if its weights are the shipped ones, which are loaded again on the other side.

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
        settings = Settings(
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
        # What to load again on the other side of a pickle.
        self._backend = backend if runtime is None else runtime.name
        runtime = load_runtime(backend) if runtime is None else runtime
        super().__init__(settings, make_engine(first, runtime, settings.controls))
        self._playing: Settings | None = None
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
        anew = (sample_rate, layout.channels) != (self._adapter.sample_rate, self._adapter.channels)
        if anew or reset:
            # What cannot be used must not end the stream that is running.
            check_finite(planar, check_sample_rate(sample_rate))
        if anew:
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

    def __repr__(self) -> str:
        settings = self._settings
        named = [repr(settings.preset.name)]
        if settings.voice != settings.preset.voice():
            named.append("voice=<set by set_voice>")
        named += [f"{name}={value!r}" for name, value in _chosen(settings).items()]
        return f"{type(self).__name__}({', '.join(named)})"

    def __copy__(self) -> Self:
        return self._again(self._engine.runtime)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self._again(self._engine.runtime)

    def _again(self, runtime: Runtime) -> Self:
        settings = self._settings
        made = type(self)(settings.preset, runtime=runtime, **_chosen(settings))
        made.set_voice(settings.voice)
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        from streamvc.runtimes.cache import fingerprint

        settings, runtime = self._settings, self._engine.runtime
        weights = default_weights()
        if not weights.is_file() or runtime.fingerprint != fingerprint(weights):
            raise ConfigError(
                "A converter with weights of its own cannot be pickled: make it where it is needed, from its preset "
                "and load_runtime(weights=...)."
            )
        return _restored, (type(self), settings.preset, settings.voice, self._backend, _chosen(settings))

    def _adapt(self, sample_rate: float, channels: int) -> HostAdapter:
        return HostAdapter(self._engine, sample_rate, channels, self.next_levels)


def _chosen(settings: Settings) -> dict[str, Any]:
    """The settings that are not what they would be by themselves."""
    return {
        field.name: getattr(settings, field.name)
        for field in fields(settings)
        if field.init and field.name not in ("preset", "voice") and getattr(settings, field.name) != field.default
    }


def _restored(
    kind: type[VoiceConverter], preset: Preset, voice: Voice, backend: str, chosen: dict[str, Any]
) -> VoiceConverter:
    """What a pickle says to do."""
    backend = backend if backend in ("onnx", "torch") else "auto"
    made = kind(preset, backend=backend, **chosen)
    made.set_voice(voice)
    return made
