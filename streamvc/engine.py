"""One voice stream: frames of 16 kHz samples in and out, with voices and controls that change at frame edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.controls import Controls, Voice, pack
from streamvc.errors import AudioError, ConfigError
from streamvc.latency import LatencyReport
from streamvc.runtimes.base import Array, Runtime, RuntimeState


@dataclass(frozen=True)
class Snapshot:
    """All that an engine remembers; cheap to take, since runtimes never change a state in place."""

    state: RuntimeState
    playing: tuple[Voice, Controls]
    wanted: tuple[Voice, Controls]
    fading: tuple[Voice, Controls, RuntimeState] | None
    faded: int


class Engine:
    """Steps a runtime for one stream.

    A change of voice or controls takes effect at the next frame edge. For `crossfade_frames` frames the stream is then
    stepped twice, once as before and once as after, and faded over: a switch costs one extra step per faded frame and
    makes no edge. Changes that come during a fade wait for its end, and the last of them counts. Not thread-safe; any
    number of engines may share one runtime.

    Raises:
        ConfigError: a voice's latent has another size than the model's, or a control that the model does not support.
    """

    def __init__(
        self, runtime: Runtime, voice: Voice, controls: Controls | None = None, crossfade_frames: int = 2
    ) -> None:
        if crossfade_frames < 1:
            raise ConfigError(f"A crossfade of {crossfade_frames} frames is not possible; choose 1 or more.")
        self.runtime, self.crossfade_frames = runtime, crossfade_frames
        self.frame = runtime.frame
        self.latency = LatencyReport(framing=runtime.frame, look_ahead=runtime.look_ahead, sample_rate=SAMPLE_RATE)
        self._wanted = (voice, Controls() if controls is None else controls)
        self._check(*self._wanted)
        self.reset()

    @property
    def voice(self) -> Voice:
        """The voice as last set."""
        return self._wanted[0]

    @property
    def controls(self) -> Controls:
        """The controls as last set."""
        return self._wanted[1]

    def set_voice(self, voice: Voice) -> None:
        """Change the voice at the next frame edge."""
        self._check(voice, self.controls)
        self._wanted = (voice, self.controls)

    def set_controls(self, controls: Controls) -> None:
        """Change the controls at the next frame edge."""
        self._check(self.voice, controls)
        self._wanted = (self.voice, controls)

    def reset(self) -> None:
        """Forget everything heard; voice and controls stay as last set."""
        self._voice, self._controls = self._wanted
        self._state = self.runtime.initial_state()
        self._fading: tuple[Voice, Controls, RuntimeState] | None = None
        self._faded = 0

    def snapshot(self) -> Snapshot:
        """What :meth:`restore` needs to go on exactly from here."""
        return Snapshot(self._state, (self._voice, self._controls), self._wanted, self._fading, self._faded)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of an engine on the same runtime."""
        self._state, self._fading, self._faded = snapshot.state, snapshot.fading, snapshot.faded
        (self._voice, self._controls), self._wanted = snapshot.playing, snapshot.wanted

    def process(self, samples: Array) -> Array:
        """Samples `[n * frame]` at 16 kHz in, as many out, `look_ahead` samples late.

        Samples that are not finite are taken as silence: one bad sample must not poison the stream.

        Raises:
            AudioError: the samples are not one whole number of frames.
        """
        if samples.ndim != 1 or len(samples) % self.frame:
            raise AudioError(f"The engine takes whole frames of {self.frame} samples, not an array of {samples.shape}.")
        if len(samples) == 0:
            return np.zeros(0, np.float32)
        samples = np.nan_to_num(np.asarray(samples, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        outputs, position = [], 0
        while position < len(samples):
            self._take_wanted()
            if self._fading is not None:
                outputs.append(self._fade(samples[position : position + self.frame]))
            else:
                audio, self._state = self._step(samples[position:], self._voice, self._controls, self._state)
                outputs.append(audio)
            position += len(outputs[-1])
        return np.concatenate(outputs)

    def _take_wanted(self) -> None:
        voice, controls = self._wanted
        # Leaving a fade midway would be a step in the signal, and going on from both sides a third stream.
        if self._fading is not None or (voice == self._voice and controls == self._controls):
            return
        self._fading, self._faded = (self._voice, self._controls, self._state), 0
        self._voice, self._controls = voice, controls

    def _fade(self, samples: Array) -> Array:
        assert self._fading is not None
        voice, controls, state = self._fading
        old, state = self._step(samples, voice, controls, state)
        new, self._state = self._step(samples, self._voice, self._controls, self._state)
        steps = (np.arange(self.frame, dtype=np.float32) + self._faded * self.frame + 0.5) / (
            self.crossfade_frames * self.frame
        )
        gain = 0.5 - 0.5 * np.cos(np.pi * steps)
        self._faded += 1
        self._fading = None if self._faded >= self.crossfade_frames else (voice, controls, state)
        return np.asarray(old + gain * (new - old), np.float32)

    def _step(
        self, samples: Array, voice: Voice, controls: Controls, state: RuntimeState
    ) -> tuple[Array, RuntimeState]:
        return self.runtime.step(samples, voice.latent, pack(voice, controls), state)

    def _check(self, voice: Voice, controls: Controls) -> None:
        if len(voice.latent) != self.runtime.latent_dim:
            raise ConfigError(
                f"The voice has {len(voice.latent)} values and the model wants {self.runtime.latent_dim}; "
                "create the preset again with these weights."
            )
        if controls.formant_semitones and not self.runtime.supports_formant:
            raise ConfigError("This model cannot shift formants; leave formant_semitones at 0.")
