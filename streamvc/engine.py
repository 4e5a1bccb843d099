"""One voice stream: frames of 16 kHz samples in and out, with voices and controls that change at frame edges."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

import numpy as np

from streamvc.config import SAMPLE_RATE
from streamvc.controls import Controls, Voice, pack
from streamvc.errors import AudioError, ConfigError
from streamvc.latency import LatencyReport
from streamvc.runtimes.base import Array, Runtime, RuntimeState

_TAIL_FRAMES = 2
"""Frames that a sound goes on for after it was spoken: the filters' tails and the windows of the energy."""
_SETTLED_FRAMES = 150
"""Silent frames after which the model rests. The content encoder looks back further, on 64 frames in each block; what
it still remembers then is kept, and the next sound finds it."""

LOUDEST: Final = 16.0
"""Samples beyond it are taken for it. 24 dB above full scale, as far as an input gain goes; squares of much larger ones
would make the model's numbers infinite, and all that follows with them."""
LOUDEST_SPOKEN: Final = 3.5
"""What the model says beyond it is taken for it: 11 dB above full scale, so that resampling stays under 12. Speech
never comes near; noise and settings at random do, once in some ten thousand tries of `tests.fuzz`."""
LOWEST_HZ: Final = 60.0
"""What lies below is no speech, and the model would make breath of it (docs/decisions.md)."""


@dataclass(frozen=True)
class Step:
    """What an engine asks of its runtime: the arguments of `Runtime.step`."""

    samples: Array
    latent: Array
    controls: Array
    state: RuntimeState


Stepped = tuple[Array, RuntimeState]
"""What the runtime answers."""


@dataclass(frozen=True)
class Fade:
    """A voice that is on its way out, with the controls that it had when it was left.

    Args:
        voice, controls: what it is played with to its end.
        state: of its own copy of the stream.
        done: frames of the fade that have been played, of `frames` in all.
    """

    voice: Voice
    controls: Controls
    state: RuntimeState
    done: int
    frames: int


@dataclass(frozen=True)
class Snapshot:
    """All that an engine remembers; cheap to take, since runtimes never change a state in place."""

    state: RuntimeState | None
    playing: tuple[Voice, Controls]
    wanted: tuple[Voice, Controls, int]
    fading: Fade | None
    quiet: int


class Engine:
    """Steps a runtime for one stream.

    Changes take effect at the next frame edge; those made before the first frame hold from its start.

    - Controls are taken as they are, without a fade and at no cost: a new pitch bends the pulses' phase, a new formant
      shift the filters, and neither makes a step in the sound. They may change in every frame.
    - A new voice is faded in over `crossfade_frames` frames. For these the stream is stepped twice, once as before and
      once as after: a switch costs one extra step per faded frame. The voice that goes keeps the controls it had. A
      voice that is set during a fade waits for its end, and the last one counts.

    Digital silence gives digital silence, at the latest three frames after the look-ahead; the model alone would leave
    a hiss at -88 dBFS. After three seconds of it the model rests: frames cost nothing, changes are taken without a
    fade, and the next sound finds the state as it was then.

    Direct current, rumble and hum are to be taken away before, as `HostAdapter` does below `lowest_hz`: 60 Hz, unless
    the runtime has an attribute of that name (None: nothing is taken away).

    `process`, `reset`, `snapshot` and `restore` belong to one thread. A change may come from another thread; it is one
    assignment, so a frame sees all of it or nothing. Any number of engines may share one runtime.

    Args:
        runtime: the model.
        voice: who speaks.
        controls: None is `Controls()`.
        crossfade_frames: length of a fade in frames of 20 ms, 1 or more.

    Raises:
        ConfigError: a voice's latent or adaptation has another size than the model's, a control that the model does not
            support, or a fade of less than a frame.
    """

    def __init__(
        self, runtime: Runtime, voice: Voice, controls: Controls | None = None, crossfade_frames: int = 2
    ) -> None:
        self.runtime = runtime
        self.frame = runtime.frame
        # A model that was made for other sound than speech may say so.
        self.lowest_hz: Final[float | None] = getattr(runtime, "lowest_hz", LOWEST_HZ)
        self.latency = LatencyReport(framing=runtime.frame, look_ahead=runtime.look_ahead, sample_rate=SAMPLE_RATE)
        self._sounding = runtime.look_ahead // runtime.frame + _TAIL_FRAMES
        rise = (np.arange(runtime.frame, dtype=np.float32) + 0.5) / runtime.frame
        self._rise = np.asarray(0.5 - 0.5 * np.cos(np.pi * rise), np.float32)
        self.change(voice, Controls() if controls is None else controls, crossfade_frames)
        self.reset()

    @property
    def voice(self) -> Voice:
        """The voice as last set."""
        return self._wanted[0]

    @property
    def controls(self) -> Controls:
        """The controls as last set."""
        return self._wanted[1]

    @property
    def crossfade_frames(self) -> int:
        """Frames that the next fade will take; one that has begun keeps its length."""
        return self._wanted[2]

    def change(self, voice: Voice, controls: Controls, crossfade_frames: int) -> None:
        """Change everything at the next frame edge, as one.

        Raises:
            ConfigError: as for the class; nothing has changed then.
        """
        self.check(voice, controls)
        if crossfade_frames < 1:
            raise ConfigError(f"A crossfade of {crossfade_frames} frames is not possible; choose 1 or more.")
        self._wanted = (voice, controls, crossfade_frames)

    def set_voice(self, voice: Voice) -> None:
        """Change the voice at the next frame edge; controls stay.

        Raises:
            ConfigError: its latent or adaptation has another size than the model's.
        """
        self.change(voice, self.controls, self.crossfade_frames)

    def set_controls(self, controls: Controls) -> None:
        """Change the controls at the next frame edge; the voice stays.

        Raises:
            ConfigError: a control that the model does not support.
        """
        self.change(self.voice, controls, self.crossfade_frames)

    def check(self, voice: Voice, controls: Controls) -> None:
        """Refuse what this model cannot play.

        Raises:
            ConfigError: the latent or adaptation has another size than the model's, or the model does not support a
                control.
        """
        if len(voice.latent) != self.runtime.latent_dim:
            raise ConfigError(
                f"The voice has {len(voice.latent)} values and the model wants {self.runtime.latent_dim}; "
                "create the preset again with these weights."
            )
        if voice.adaptation is not None and len(voice.adaptation) != self.runtime.adaptation_dim:
            raise ConfigError(
                f"The voice was fitted with {len(voice.adaptation)} values and the model wants "
                f"{self.runtime.adaptation_dim}; fit it again with these weights."
            )
        if controls.formant_semitones and not self.runtime.supports_formant:
            raise ConfigError("This model cannot shift formants; leave formant_semitones at 0.")

    def reset(self) -> None:
        """Forget everything heard; voice and controls stay as last set."""
        self._voice, self._controls, _ = self._wanted
        self._state: RuntimeState | None = None
        self._fading: Fade | None = None
        self._quiet = self._sounding + 1

    def snapshot(self) -> Snapshot:
        """What :meth:`restore` needs to go on exactly from here."""
        return Snapshot(self._state, (self._voice, self._controls), self._wanted, self._fading, self._quiet)

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot of an engine on the same runtime."""
        self._state, self._fading, self._quiet = snapshot.state, snapshot.fading, snapshot.quiet
        (self._voice, self._controls), self._wanted = snapshot.playing, snapshot.wanted

    def process(self, samples: Array) -> Array:
        """Samples `[n * frame]` at 16 kHz in, as many out, `look_ahead` samples late.

        Samples that are not finite are taken as silence: one bad sample must not poison the stream.

        Raises:
            AudioError: the samples are not one whole number of frames.
        """
        conversation = self.steps(samples)
        answers: list[Stepped] | None = None
        try:
            while True:
                asked = next(conversation) if answers is None else conversation.send(answers)
                answers = [self.runtime.step(step.samples, step.latent, step.controls, step.state) for step in asked]
        except StopIteration as end:
            audio: Array = end.value
            return audio

    def steps(self, samples: Array) -> Generator[list[Step], list[Stepped], Array]:
        """:meth:`process` without the runtime: yields steps that do not wait for each other, is sent their results in
        that order, again and again, and returns the audio. So many engines can share one step (`streamvc.pool`).
        """
        if samples.ndim != 1 or len(samples) % self.frame:
            raise AudioError(f"The engine takes whole frames of {self.frame} samples, not an array of {samples.shape}.")
        if len(samples) == 0:
            return np.zeros(0, np.float32)
        samples = np.asarray(samples, np.float32)
        if not np.isfinite(samples).all():
            samples = np.nan_to_num(samples, nan=0.0, posinf=0.0, neginf=0.0)
        samples = np.clip(samples, -LOUDEST, LOUDEST)
        outputs, position = [], 0
        for end, resting in self._stretches(samples):
            if resting:
                self._voice, self._controls, _ = self._wanted
                self._fading = None
                yield []
                outputs.append(np.zeros(end - position, np.float32))
            while position < end and not resting:
                state = self._take_wanted()
                if self._fading is not None:
                    piece = samples[position : position + self.frame]
                    old = self._fading
                    gone, came = yield [
                        self._step(piece, old.voice, old.controls, old.state),
                        self._step(piece, self._voice, self._controls, state),
                    ]
                    outputs.append(self._fade(old, gone, came))
                else:
                    rest = samples[position:end]
                    ((audio, self._state),) = yield [self._step(rest, self._voice, self._controls, state)]
                    outputs.append(audio)
                position += len(outputs[-1])
            position = end
        audio = np.clip(np.concatenate(outputs), -LOUDEST_SPOKEN, LOUDEST_SPOKEN)
        for start in range(0, len(samples), self.frame):
            self._silence(samples[start : start + self.frame], audio[start : start + self.frame])
        return audio

    def _stretches(self, samples: Array) -> list[tuple[int, bool]]:
        """Where stretches of frames end, in samples, and whether the model rests in them."""
        stretches: list[tuple[int, bool]] = []
        quiet = self._quiet
        for start in range(0, len(samples), self.frame):
            silent = not samples[start : start + self.frame].any()
            resting = silent and quiet >= self._sounding + _SETTLED_FRAMES
            quiet = quiet + 1 if silent else 0
            if stretches and stretches[-1][1] == resting:
                stretches.pop()
            stretches.append((start + self.frame, resting))
        return stretches

    def _take_wanted(self) -> RuntimeState:
        voice, controls, frames = self._wanted
        if self._state is None:  # nothing was heard that a fade could come from
            self._voice, self._controls, self._state = voice, controls, self.runtime.initial_state()
        # Leaving a fade midway would be a step in the signal, and going on from both sides a third stream.
        elif self._fading is None and voice != self._voice:
            self._fading = Fade(self._voice, self._controls, self._state, 0, frames)
            self._voice = voice
        self._controls = controls
        return self._state

    def _fade(self, fade: Fade, gone: Stepped, came: Stepped) -> Array:
        (old, old_state), (new, self._state) = gone, came
        steps = (np.arange(self.frame, dtype=np.float32) + fade.done * self.frame + 0.5) / (fade.frames * self.frame)
        gain = 0.5 - 0.5 * np.cos(np.pi * steps)
        done = fade.done + 1
        ended = done >= fade.frames
        self._fading = None if ended else Fade(fade.voice, fade.controls, old_state, done, fade.frames)
        return np.asarray(old + gain * (new - old), np.float32)

    def _step(self, samples: Array, voice: Voice, controls: Controls, state: RuntimeState) -> Step:
        return Step(samples, voice.conditioning, pack(voice, controls), state)

    def _silence(self, heard: Array, spoken: Array) -> None:
        """Take out, in place, what the model says long after the last sound."""
        was_quiet = self._quiet > self._sounding
        self._quiet = 0 if heard.any() else self._quiet + 1
        is_quiet = self._quiet > self._sounding
        if is_quiet:
            spoken *= 0.0 if was_quiet else self._rise[::-1]
        elif was_quiet:
            spoken *= self._rise
