"""One stream: reset, snapshots, independence, bad input, and changes of voice that nobody hears happen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamvc.config import FRAME
from streamvc.controls import Controls, Voice
from streamvc.engine import LOUDEST_SPOKEN, Engine
from streamvc.errors import AudioError, ConfigError


def test_it_is_the_runtime_stepped(engine, runtime, voices, speech, pieces):
    from streamvc.controls import pack

    expected, _ = runtime.step(speech, voices[0].latent, pack(voices[0], Controls()), runtime.initial_state())
    assert np.abs(expected).max() > 0.02
    spoken = pieces(engine, speech, (1, 3, 2))
    # The first frame comes out of silence, see test_silence.py.
    assert np.array_equal(spoken[FRAME:], expected[FRAME:])
    assert np.abs(spoken[:FRAME]).max() <= np.abs(expected[:FRAME]).max()


@given(sizes=st.lists(st.integers(1, 12), min_size=1, max_size=6), change=st.integers(0, 60))
@settings(max_examples=8)
def test_any_split_gives_the_same_even_with_a_change(runtime, voices, speech, pieces, sizes, change):
    outputs = []
    for split in ((1,), tuple(sizes)):
        engine = Engine(runtime, voices[0])
        first = pieces(engine, speech[: change * FRAME], split) if change else np.zeros(0)
        engine.set_voice(voices[1])
        outputs.append(np.concatenate((first, pieces(engine, speech[change * FRAME : 80 * FRAME], split))))
    assert np.array_equal(*outputs)


def test_reset_repeats_bit_for_bit(engine, speech):
    first = engine.process(speech)
    engine.reset()
    assert np.array_equal(engine.process(speech), first)


def test_reset_keeps_voice_and_controls_as_last_set(engine, runtime, voices, speech):
    engine.process(speech[: 10 * FRAME])
    engine.set_voice(voices[1])
    engine.set_controls(Controls(pitch_semitones=3))
    engine.reset()
    fresh = Engine(runtime, voices[1], Controls(pitch_semitones=3))
    assert np.array_equal(engine.process(speech), fresh.process(speech))


def test_two_engines_on_one_runtime_do_not_interact(runtime, voices, speech, pieces):
    alone = [pieces(Engine(runtime, voice), x) for voice, x in ((voices[0], speech), (voices[1], speech[::-1].copy()))]
    engines = [Engine(runtime, voices[0]), Engine(runtime, voices[1])]
    turns: list[list[np.ndarray]] = [[], []]
    for start in range(0, len(speech), FRAME):
        for i, x in enumerate((speech, speech[::-1].copy())):
            turns[i].append(engines[i].process(x[start : start + FRAME]))
    for i in (0, 1):
        assert np.array_equal(np.concatenate(turns[i]), alone[i])


@pytest.mark.parametrize("when", ["steady", "pending", "fading"])
def test_a_snapshot_goes_on_exactly_from_there(engine, voices, speech, when):
    engine.process(speech[: 50 * FRAME])
    if when != "steady":
        engine.set_voice(voices[1])
        engine.set_controls(Controls(pitch_semitones=2))
    if when == "fading":
        engine.process(speech[50 * FRAME : 51 * FRAME])
        engine.set_voice(voices[2])  # waits for the end of the fade
    snapshot = engine.snapshot()
    rest = speech[51 * FRAME : 70 * FRAME]
    expected = engine.process(rest)
    for _ in range(2):
        engine.process(-rest[: 5 * FRAME])
        engine.set_voice(voices[0])
        engine.restore(snapshot)
        assert np.array_equal(engine.process(rest), expected)
    assert engine.voice == (voices[0] if when == "steady" else voices[1] if when == "pending" else voices[2])


def test_a_snapshot_may_start_another_engine(engine, runtime, voices, speech):
    engine.process(speech[: 30 * FRAME])
    other = Engine(runtime, voices[2])
    other.restore(engine.snapshot())
    assert np.array_equal(other.process(speech[30 * FRAME :]), engine.process(speech[30 * FRAME :]))


def test_a_new_voice_begins_at_the_next_frame_and_is_alone_after_the_fade(engine, runtime, voices, speech, pieces):
    plain = pieces(Engine(runtime, voices[0]), speech)
    first = pieces(engine, speech[: 40 * FRAME])
    engine.set_voice(voices[1])
    assert engine.voice == voices[1]
    changed = np.concatenate((first, pieces(engine, speech[40 * FRAME :])))
    assert np.array_equal(changed[: 40 * FRAME], plain[: 40 * FRAME])
    assert not np.array_equal(changed[40 * FRAME : 41 * FRAME], plain[40 * FRAME : 41 * FRAME])
    # From the third frame on it is the new voice's stream, taken over from the old one's memory.
    after = Engine(runtime, voices[0])
    after.process(speech[: 40 * FRAME])
    state = after.snapshot().state
    from streamvc.controls import pack

    audio, _ = runtime.step(speech[40 * FRAME :], voices[1].latent, pack(voices[1], Controls()), state)
    assert np.array_equal(changed[42 * FRAME :], audio[2 * FRAME :])


@pytest.mark.parametrize("controls", [None, Controls(pitch_semitones=12), Controls(formant_semitones=4)])
def test_a_change_makes_no_step(runtime, voices, speech, pieces, controls):
    """No two neighbouring samples of the fade are further apart than in either steady voice, plus the fade's slope."""
    steady = []
    for voice in voices[:2]:
        steady.append(pieces(Engine(runtime, voice, controls if voice is voices[1] else None), speech))
    jump = max(np.abs(np.diff(y)).max() for y in steady)
    slope = np.pi / 2 / (2 * FRAME) * max(np.abs(y).max() for y in steady) * 2
    for frame in range(20, 60, 3):
        engine = Engine(runtime, voices[0])
        first = pieces(engine, speech[: frame * FRAME])
        engine.set_voice(voices[1])
        if controls is not None:
            engine.set_controls(controls)
        y = np.concatenate((first, pieces(engine, speech[frame * FRAME : (frame + 4) * FRAME])))
        around = y[frame * FRAME - 1 : (frame + 3) * FRAME]
        assert np.abs(np.diff(around)).max() <= 1.05 * jump + slope


def test_voices_that_come_during_a_fade_wait_and_the_last_one_counts(runtime, voices, speech, pieces):
    engine = Engine(runtime, voices[0])
    pieces(engine, speech[: 40 * FRAME])
    engine.set_voice(voices[1])
    begun = engine.process(speech[40 * FRAME : 41 * FRAME])
    for _ in range(10):  # a flood
        engine.set_voice(voices[0])
        engine.set_voice(voices[2])
    ended = engine.process(speech[41 * FRAME : 42 * FRAME])
    calm = Engine(runtime, voices[0])
    pieces(calm, speech[: 40 * FRAME])
    calm.set_voice(voices[1])
    assert np.array_equal(np.concatenate((begun, ended)), pieces(calm, speech[40 * FRAME : 42 * FRAME]))
    calm.set_voice(voices[2])
    rest = speech[42 * FRAME : 60 * FRAME]
    assert np.array_equal(pieces(engine, rest), calm.process(rest))


def test_a_fade_may_be_longer(runtime, voices, speech, pieces):
    engine = Engine(runtime, voices[0], crossfade_frames=5)
    pieces(engine, speech[: 20 * FRAME])
    engine.set_voice(voices[1])
    pieces(engine, speech[20 * FRAME : 21 * FRAME])
    engine.change(voices[1], Controls(), 1)  # for the next fade, not for this one
    assert engine.crossfade_frames == 1
    pieces(engine, speech[21 * FRAME : 24 * FRAME])
    assert engine.snapshot().fading is not None
    pieces(engine, speech[24 * FRAME : 25 * FRAME])
    assert engine.snapshot().fading is None


def test_the_same_voice_again_is_no_change(engine, runtime, voices, speech):
    engine.process(speech[: 10 * FRAME])
    engine.set_voice(Voice(voices[0].latent.copy(), voices[0].log_f0_mean, voices[0].log_f0_std))
    engine.set_controls(Controls())
    engine.process(speech[10 * FRAME : 11 * FRAME])
    assert engine.snapshot().fading is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_silence(runtime, voices, speech, bad):
    dirty, clean = speech.copy(), speech.copy()
    places = [0, 5000, 5001, len(speech) - 1]
    dirty[places], clean[places] = bad, 0
    dirty[3 * FRAME : 4 * FRAME], clean[3 * FRAME : 4 * FRAME] = bad, 0
    expected = Engine(runtime, voices[0]).process(clean)
    assert np.array_equal(Engine(runtime, voices[0]).process(dirty), expected)
    assert np.isfinite(expected).all()


def test_double_precision_input_is_taken(engine, runtime, voices, speech):
    audio = engine.process(speech[: 5 * FRAME].astype(np.float64))
    assert audio.dtype == np.float32
    assert np.array_equal(audio, Engine(runtime, voices[0]).process(speech[: 5 * FRAME]))


def test_no_samples_give_none(engine):
    assert engine.process(np.zeros(0, np.float32)).shape == (0,)


@pytest.mark.parametrize("shape", [(319,), (321,), (1, 320), (320, 2)])
def test_other_than_whole_frames_of_mono_is_refused(engine, shape):
    with pytest.raises(AudioError, match="whole frames of 320"):
        engine.process(np.zeros(shape, np.float32))


def test_a_crossfade_of_no_frames_is_refused(runtime, voices):
    with pytest.raises(ConfigError, match="choose 1 or more"):
        Engine(runtime, voices[0], crossfade_frames=0)


def test_the_latency_is_sixty_milliseconds(engine):
    assert engine.latency.samples == 960
    assert engine.latency.ms == 60


def test_what_is_spoken_is_bounded(runtime, voices, speech):
    """A model that shouts is cut off, and nothing else of the stream changes."""

    class Shouting:
        def __getattr__(self, name):
            return getattr(runtime, name)

        def step(self, samples, latent, controls, state):
            audio, state = runtime.step(samples, latent, controls, state)
            return 100 * audio, state

    plain, loud = Engine(runtime, voices[0]).process(speech), Engine(Shouting(), voices[0]).process(speech)
    assert np.abs(100 * plain).max() > LOUDEST_SPOKEN
    np.testing.assert_allclose(loud, np.clip(100 * plain, -LOUDEST_SPOKEN, LOUDEST_SPOKEN), rtol=1e-5, atol=1e-8)
