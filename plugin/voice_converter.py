"""The processor that stands in an audio chain."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from streamvc.controls import Controls
from streamvc.engine import Engine
from streamvc.errors import AudioError
from streamvc.latency import LatencyReport
from streamvc.plugin.adapter import MAX_CHANNELS, HostAdapter, latency_at
from streamvc.plugin.fifo import Samples
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

    Args:
        preset: a name, a path of an `.npz` file, or a `Preset`.
        pitch_semitones: shift of the target's pitch, -24 to 24; None takes the preset's.
        formant_semitones: shift of the formants, -4 to 4; None takes the preset's.
        intonation: 0 for a monotone to 2, 1 for the target's own range.
        source_pitch_hz: the source's mean pitch, 40 to 1000 Hz, if it is known; None follows it.
        mix: 0 is the source alone, delayed as the voice is, 1 the voice alone.
        input_gain_db: what the model hears, -60 to 24 dB.
        output_gain_db: of the sum, -60 to 24 dB; None takes the preset's.
        backend: "onnx", "torch", or "auto" for the first of them that can run.
        runtime: one that is loaded already, shared with other converters; `backend` is then not looked at.

    Raises:
        PresetError: the preset is unknown, damaged, or made for other weights.
        ConfigError: a setting is out of range.
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
        backend: str = "auto",
        runtime: Runtime | None = None,
    ) -> None:
        if not isinstance(preset, Preset):
            preset = resolve(preset)
        own = preset.controls()
        controls = replace(
            own,
            pitch_semitones=own.pitch_semitones if pitch_semitones is None else pitch_semitones,
            formant_semitones=own.formant_semitones if formant_semitones is None else formant_semitones,
            intonation=intonation,
            source_pitch_hz=source_pitch_hz,
        )
        self._engine = make_engine(preset, load_runtime(backend) if runtime is None else runtime, controls)
        self._settings = {
            "mix": mix,
            "input_gain_db": input_gain_db,
            "output_gain_db": preset.gain if output_gain_db is None else output_gain_db,
        }
        # Made at once, so that a setting out of range is refused here and not at the first block.
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
                [samples, channels] with more than 8 samples. (Up to 8 rows are always taken for channels.)
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
        array = np.asarray(input_array)
        if array.dtype not in (np.float32, np.float64):
            raise AudioError(
                f"Audio must be float32 or float64 with full scale at 1, not {array.dtype}: "
                "convert it first (16-bit integers: divide by 32768)."
            )
        if array.ndim not in (1, 2):
            raise AudioError(f"Audio must be [samples] or [channels, samples], not {list(array.shape)}.")
        by_samples = array.ndim == 2 and array.shape[0] > MAX_CHANNELS >= array.shape[1]
        planar = array.T if by_samples else array.reshape(1, -1) if array.ndim == 1 else array
        planar = np.ascontiguousarray(planar, dtype=np.float32)

        if (sample_rate, planar.shape[0]) != (self._adapter.sample_rate, self._adapter.channels):
            self._adapter = self._adapt(sample_rate, planar.shape[0])
        elif reset:
            self._adapter.reset()
        output = self._adapter.process(planar)
        if reset:
            latency = self._adapter.latency_samples
            tail = self._adapter.process(np.zeros((planar.shape[0], latency), dtype=np.float32))
            output = np.concatenate([output, tail], axis=1)[:, latency:]
            self._adapter.reset()
        return output.T if by_samples else output.reshape(array.shape)

    __call__ = process

    def reset(self) -> None:
        """Begin a new stream."""
        self._adapter.reset()

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

    def _adapt(self, sample_rate: float, channels: int) -> HostAdapter:
        return HostAdapter(self._engine, sample_rate, channels, **self._settings)
