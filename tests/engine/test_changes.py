"""What a change costs, when it begins, and that nobody hears it happen."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest

from streamvc.config import FRAME
from streamvc.controls import Controls, Voice
from streamvc.engine import Engine
from streamvc.errors import ConfigError
from streamvc.presets.store import resolve
from streamvc.runtimes import load_runtime


class Counting:
    """A runtime that counts the frames that it steps."""

    def __init__(self, runtime):
        self._runtime, self.frames = runtime, 0

    def __getattr__(self, name):
        return getattr(self._runtime, name)

    def step(self, samples, latent, controls, state):
        self.frames += len(samples) // self._runtime.frame
        return self._runtime.step(samples, latent, controls, state)


@pytest.fixture
def counting(runtime):
    return Counting(runtime)


def frames(samples, start, stop):
    return [samples[i * FRAME : (i + 1) * FRAME] for i in range(start, stop)]


def test_a_switch_costs_one_more_step_per_faded_frame(counting, voices, speech):
    engine = Engine(counting, voices[0], crossfade_frames=3)
    engine.process(speech[: 10 * FRAME])
    assert counting.frames == 10
    engine.set_voice(voices[1])
    costs = []
    for frame in frames(speech, 10, 20):
        before = counting.frames
        engine.process(frame)
        costs.append(counting.frames - before)
    assert costs == [2, 2, 2, 1, 1, 1, 1, 1, 1, 1]


def test_controls_that_never_rest_cost_nothing_and_are_never_late(counting, voices, speech):
    """A pitch bend: every frame is spoken with the bend of its own moment."""
    engine = Engine(counting, voices[0])
    bends = [Controls(pitch_semitones=bend) for bend in np.linspace(-2, 2, 60)]
    bent = []
    for controls, frame in zip(bends, frames(speech, 0, 60), strict=True):
        engine.set_controls(controls)
        bent.append(engine.process(frame))
    assert counting.frames == 60
    # The last frame again, from the state before it, with the last bend alone.
    other = Engine(counting, voices[0])
    for controls, frame in zip(bends[:-1], frames(speech, 0, 59), strict=True):
        other.set_controls(controls)
        other.process(frame)
    snapshot = other.snapshot()
    other.set_controls(bends[-1])
    assert np.array_equal(other.process(speech[59 * FRAME : 60 * FRAME]), bent[-1])
    other.restore(snapshot)
    assert not np.array_equal(other.process(speech[59 * FRAME : 60 * FRAME]), bent[-1])


def test_a_morph_that_never_rests_costs_one_more_step_and_follows_at_every_fade(counting, voices, speech):
    engine = Engine(counting, voices[0], crossfade_frames=2)
    engine.process(speech[:FRAME])
    counting.frames = 0
    for step, frame in enumerate(frames(speech, 1, 41)):
        share = (step + 1) / 40
        latent = (1 - share) * voices[0].latent + share * voices[1].latent
        engine.set_voice(Voice(latent, 5.0, 0.2))
        engine.process(frame)
    assert counting.frames <= 2 * 40
    engine.process(speech[41 * FRAME : 45 * FRAME])
    assert engine.snapshot().playing[0] == engine.voice
    assert engine.snapshot().fading is None


def test_a_control_changes_the_frame_that_follows_and_none_before(engine, runtime, voices, speech):
    plain = Engine(runtime, voices[0]).process(speech)
    before = engine.process(speech[: 30 * FRAME])
    engine.set_controls(Controls(pitch_semitones=7))
    after = engine.process(speech[30 * FRAME : 31 * FRAME])
    assert np.array_equal(before, plain[: 30 * FRAME])
    assert not np.array_equal(after, plain[30 * FRAME : 31 * FRAME])


def test_what_is_changed_before_the_first_frame_holds_from_its_start(counting, voices, speech):
    engine = Engine(counting, voices[0])
    engine.change(voices[1], Controls(pitch_semitones=3), 5)
    spoken = engine.process(speech[: 20 * FRAME])
    assert counting.frames == 20
    fresh = Engine(counting, voices[1], Controls(pitch_semitones=3))
    assert np.array_equal(spoken, fresh.process(speech[: 20 * FRAME]))


def test_the_voice_that_goes_keeps_its_controls(engine, runtime, voices, speech):
    """A preset with a pitch of its own must not bend the voice before it."""
    engine.process(speech[: 30 * FRAME])
    engine.change(voices[1], Controls(pitch_semitones=-5), 2)
    engine.process(speech[30 * FRAME : 31 * FRAME])
    fading = engine.snapshot().fading
    assert fading is not None
    assert (fading.voice, fading.controls, fading.done) == (voices[0], Controls(), 1)


def test_a_refused_change_changes_nothing(engine, voices, speech):
    wrong = Voice(np.zeros(64), 5.0, 0.2)
    object.__setattr__(wrong, "latent", np.zeros(32, np.float32))
    with pytest.raises(ConfigError, match="32 values"):
        engine.change(wrong, Controls(pitch_semitones=3), 4)
    with pytest.raises(ConfigError, match="choose 1 or more"):
        engine.change(voices[1], Controls(pitch_semitones=3), 0)
    assert (engine.voice, engine.controls, engine.crossfade_frames) == (voices[0], Controls(), 2)


def test_changes_from_another_thread_are_whole(counting, voices, speech):
    """Each voice comes with its own pitch; no frame may see the voice of one and the pitch of the other."""
    pairs = [(voices[0], Controls(pitch_semitones=-7)), (voices[1], Controls(pitch_semitones=7))]
    seen = []
    step = counting.step

    def watching(samples, latent, controls, state):
        seen.append((latent.tobytes(), round(float(controls[2]))))
        return step(samples, latent, controls, state)

    counting.step = watching
    engine = Engine(counting, *pairs[0], crossfade_frames=1)
    stop = threading.Event()

    def flood():
        turn = 0
        while not stop.is_set():
            turn += 1
            engine.change(*pairs[turn % 2], 1)

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        for frame in frames(speech, 0, 100):
            engine.process(frame)
    finally:
        stop.set()
        thread.join()
    allowed = {(voice.latent.tobytes(), round(controls.pitch_semitones)) for voice, controls in pairs}
    assert set(seen) == allowed


CHANGES = [
    Controls(pitch_semitones=12),
    Controls(pitch_semitones=-24),
    Controls(formant_semitones=4),
    Controls(formant_semitones=-4),
    Controls(intonation=0),
    Controls(intonation=2),
    Controls(source_pitch_hz=300),
]


@pytest.mark.parametrize("controls", CHANGES, ids=lambda c: "-".join(f"{v:g}" for v in vars(c).values() if v))
def test_no_change_of_a_control_makes_a_larger_step_than_speech_has(shipped, speech, controls):
    """The model that is shipped, a change at every third frame: the samples around it step no further than either
    steady signal does within 50 ms of the place."""
    runtime, voice = shipped
    plain, other = (Engine(runtime, voice, c).process(speech) for c in (Controls(), controls))
    engine = Engine(runtime, voice)
    spoken, changes = [], range(3, 100, 3)
    for number, frame in enumerate(frames(speech, 0, 100)):
        if number in changes:
            engine.set_controls(controls if number % 2 else Controls())
        spoken.append(engine.process(frame))
    steps, *steady = (np.abs(np.diff(y)) for y in (np.concatenate(spoken), plain, other))
    for place in (number * FRAME for number in changes):
        near = slice(max(0, place - 800), place + 800)
        assert steps[place - 1 : place + 16].max() <= 1.2 * max(s[near].max() for s in steady) + 1e-3


@pytest.fixture(scope="module")
def shipped():
    return load_runtime("onnx"), resolve("alice").voice()


def test_a_bend_by_small_steps_is_as_smooth_as_speech(shipped, speech):
    runtime, voice = shipped
    engine, spoken = Engine(runtime, voice), []
    for bend, frame in zip(np.linspace(-2, 2, 100), frames(speech, 0, 100), strict=True):
        engine.set_controls(Controls(pitch_semitones=bend))
        spoken.append(engine.process(frame))
    edges = [abs(after[0] - before[-1]) for before, after in pairwise(spoken)]
    inside = np.abs(np.diff(np.stack(spoken), axis=1))
    # The steps at the edges are drawn from the same lot as those inside the frames.
    assert np.median(edges) < 1.5 * np.median(inside)
    assert max(edges) <= inside.max()
